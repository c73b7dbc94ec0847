package trash_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/admin/admintest"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/site"
)

const bin = "/control/trash"

func system() stoa.Actor { return stoa.SystemActor() }

// binned makes an article and puts it into the recycle bin; it gives the name that forms have for it.
func binned(w *admintest.World, st site.Site, title string) (ref string, id stoa.ID) {
	w.T.Helper()
	a, err := w.Content.Create(admintest.As(system()), st, content.Draft{Slug: strings.ToLower(title),
		Text: map[stoa.Locale]content.Text{"en": {Title: title, Body: "<p>x</p>"}}})
	admintest.Must(w.T, err)
	admintest.Must(w.T, w.Content.Trash(admintest.As(system()), a.ID))
	return "article-" + a.ID.String(), a.ID
}

// there reports whether an article is out of the bin.
func there(w *admintest.World, id stoa.ID) bool {
	_, err := w.Content.Get(admintest.As(system()), id)
	return err == nil
}

func TestTrash_ButtonsRestoreAndPurgeWhatIsTicked(t *testing.T) {
	t.Parallel()
	w := admintest.New(t)
	quay, quayID := binned(w, w.Site, "Quay")
	pier, pierID := binned(w, w.Site, "Pier")
	mole, moleID := binned(w, w.Site, "Mole")
	screen := w.Get(w.Editor, bin)
	w.Want("nothing ticked", w.Press(w.Editor, screen, "Restore"), http.StatusUnprocessableEntity, "Choose at least one")
	w.Want("nothing ticked", w.Press(w.Editor, screen, "Delete for good"), http.StatusUnprocessableEntity,
		"Choose at least one")
	w.Want("restored", w.Press(w.Editor, screen, "Restore", "thing", quay, "thing", pier), http.StatusSeeOther)
	if !there(w, quayID) || !there(w, pierID) || there(w, moleID) {
		t.Error("something else was restored than what was ticked")
	}
	// The screen is old: one of the two is not in the bin any more, so the other stays where it is.
	w.Want("restored twice", w.Press(w.Editor, screen, "Restore", "thing", quay, "thing", mole), http.StatusNotFound)
	w.Want("purged though it is back", w.Press(w.Editor, screen, "Delete for good", "thing", mole, "thing", quay),
		http.StatusNotFound)
	w.Want("by a member", w.Press(w.Member, screen, "Restore", "thing", mole), http.StatusForbidden)
	w.Want("purged by a member", w.Press(w.Member, screen, "Delete for good", "thing", mole), http.StatusForbidden)
	if there(w, moleID) || !there(w, quayID) {
		t.Error("a form that was refused did something")
	}
	w.Want("it is listed", w.Get(w.Editor, bin), http.StatusOK, "Mole")
	w.Want("purged", w.Press(w.Editor, screen, "Delete for good", "thing", mole), http.StatusSeeOther)
	w.Want("it is gone for good", w.Press(w.Editor, screen, "Restore", "thing", mole), http.StatusNotFound)
	if there(w, moleID) {
		t.Error("what was deleted for good came back")
	}
	w.Want("the empty bin", w.Get(w.Editor, bin), http.StatusOK, "The recycle bin is empty")
}

func TestTrash_IsEmptiedByWhoMay(t *testing.T) {
	t.Parallel()
	w := admintest.New(t)
	_, first := binned(w, w.Site, "Quay")
	_, second := binned(w, w.Site, "Pier")
	other, err := w.Sites.CreateSite(admintest.As(system()), site.Site{Instance: w.Instance.ID, Name: "Intranet",
		Slug: "intranet", Locale: "en"})
	admintest.Must(t, err)
	_, elsewhere := binned(w, other, "Canteen")
	screen := w.Get(w.Editor, bin)
	const empty = "Empty the recycle bin"
	w.Without("of another site", screen, "Canteen")
	w.Want("by a member", w.Press(w.Member, screen, empty), http.StatusForbidden)
	w.Want("the list", w.Get(w.Editor, bin), http.StatusOK, "Quay", "Pier")
	w.Want("emptied", w.Follow(w.Editor, w.Press(w.Editor, screen, empty)), http.StatusOK, "The recycle bin is empty")
	for _, id := range []stoa.ID{first, second} {
		if there(w, id) {
			t.Error("what was deleted for good came back")
		}
		w.Want("restored", w.Post(w.Editor, bin+"/restore", "thing", "article-"+id.String()), http.StatusNotFound)
	}
	w.Want("that of the other site", w.Get(w.Editor, bin+"?site="+other.ID.String()), http.StatusOK)
	w.Want("it can be restored", w.Post(w.Editor, bin+"/restore", "thing", "article-"+elsewhere.String()),
		http.StatusSeeOther)
}

// Where a thing shall go to is chosen on a screen of its own; what cannot be its place leaves it in the bin.
func TestTrash_RestoresElsewhere(t *testing.T) {
	t.Parallel()
	w := admintest.New(t)
	ctx := admintest.As(system())
	folder, err := w.Files.SaveFolder(ctx, w.Site, document.Folder{Name: "Board"})
	admintest.Must(t, err)
	shut, err := w.Files.SaveFolder(ctx, w.Site, document.Folder{Name: "Shut", Restricted: true})
	admintest.Must(t, err)
	f, err := w.Files.Upload(ctx, w.Site, document.Upload{Name: "tides.txt", Body: strings.NewReader("High.")})
	admintest.Must(t, err)
	admintest.Must(t, w.Files.Trash(ctx, f.ID))
	ref := "file-" + f.ID.String()
	article, _ := binned(w, w.Site, "Quay")
	list := w.Get(w.Editor, bin)
	w.Want("of two kinds", w.Press(w.Editor, list, "Restore elsewhere", "thing", ref, "thing", article),
		http.StatusUnprocessableEntity)
	w.Want("nothing", w.Press(w.Editor, list, "Restore elsewhere"), http.StatusUnprocessableEntity)
	asked := w.Press(w.Editor, list, "Restore elsewhere", "thing", ref)
	w.Want("the question", asked, http.StatusOK, "tides.txt", "Board")
	w.Without("a folder for others", asked, "Shut")
	w.Want("the question, to a member", w.Get(w.Member, asked.At), http.StatusForbidden)
	const here = "Restore to this place"
	to := func(id stoa.ID) []string {
		return []string{"thing", ref, "place", "1", "to", w.Site.ID.String(), "parent", id.String()}
	}
	w.Want("to no folder", w.Post(w.Editor, bin+"/restore", to(4711)...), http.StatusUnprocessableEntity)
	if a := w.Post(w.Editor, bin+"/restore", to(shut.ID)...); a.Status != http.StatusForbidden &&
		a.Status != http.StatusNotFound {
		t.Errorf("to a folder for others: %d", a.Status)
	}
	w.Want("by a member", w.Press(w.Member, asked, here, "parent", folder.ID.String()), http.StatusForbidden)
	w.Want("a number that is none", w.Post(w.Editor, bin+"/restore", "thing", ref, "place", "1", "parent", "x"),
		http.StatusUnprocessableEntity)
	w.Want("it is there still", w.Get(w.Editor, bin), http.StatusOK, "tides.txt")
	w.Want("to a folder", w.Press(w.Editor, asked, here, "parent", folder.ID.String()), http.StatusSeeOther)
	if got, err := w.Files.Get(ctx, f.ID); err != nil || got.Folder != folder.ID {
		t.Errorf("the file is in the folder %d, %v", got.Folder, err)
	}
	w.Want("again", w.Press(w.Editor, asked, here, "parent", folder.ID.String()), http.StatusNotFound)
}

func TestTrash_OfAnotherInstanceIsNotThere(t *testing.T) {
	t.Parallel()
	w := admintest.New(t)
	in, st, stranger := w.Other()
	theirs, id := binned(w, st, "Merger")
	own, ownID := binned(w, w.Site, "Quay")
	role, err := w.Access.CreateRole(admintest.As(system()), access.Role{Instance: in.ID, Name: "Theirs"})
	admintest.Must(t, err)
	admintest.Must(t, w.Access.TrashRole(admintest.As(system()), role.ID))
	for name, who := range map[string]stoa.Actor{"an administrator": w.Manager(), "an operator": w.Admin,
		"an editor": w.Editor} {
		for _, do := range []string{"/restore", "/purge"} {
			a := w.Post(who, bin+do, "thing", own, "thing", theirs)
			w.Want(name+do, a, http.StatusNotFound)
			w.Without(name+do, a, "Merger")
			w.Want(name+do+" of all", w.Post(who, bin+do, "all", "on", "site", st.ID.String()), http.StatusNotFound)
			if a := w.Post(who, bin+do, "thing", "role-"+role.ID.String()); a.Status != http.StatusNotFound &&
				a.Status != http.StatusForbidden {
				t.Errorf("%s%s of a role: %d", name, do, a.Status)
			}
		}
		w.Want(name+" empties", w.Post(who, bin+"/empty?site="+st.ID.String()), http.StatusNotFound)
		w.Want(name+" asks", w.Get(who, bin+"/elsewhere?thing="+theirs), http.StatusNotFound)
		if a := w.Post(who, bin+"/restore", "thing", own, "place", "1", "to", st.ID.String()); a.Status < 400 {
			t.Errorf("%s brings it into their site: %d %q", name, a.Status, a.Location)
		}
		for _, at := range []string{bin, bin + "?of=instance", bin + "?site=" + st.ID.String()} {
			w.Without(name+" lists", w.Get(who, at), "Merger", "Theirs")
		}
	}
	if there(w, id) || there(w, ownID) {
		t.Error("something was restored")
	}
	for _, at := range []string{bin, bin + "?of=instance", bin + "/elsewhere?thing=" + own} {
		if a := w.Get(stranger, at); a.Status != http.StatusForbidden && a.Status != http.StatusNotFound ||
			strings.Contains(a.Main(), "Quay") {
			t.Errorf("a stranger opens %s: %d", at, a.Status)
		}
	}
	w.Want("they restore theirs", w.Post(stranger, bin+"/restore", "thing", theirs), http.StatusSeeOther)
}

// A page comes back with the pages that went along with it, and by itself it is not in the list.
func TestTrash_ListsAPageWithoutThoseBelow(t *testing.T) {
	t.Parallel()
	w := admintest.New(t)
	ctx := admintest.As(system())
	sea, err := w.Pages.Create(ctx, w.Site, page.NewPage{Slug: "sea", Title: map[stoa.Locale]string{"en": "Sea"}})
	admintest.Must(t, err)
	tides, err := w.Pages.Create(ctx, w.Site, page.NewPage{Slug: "tides", Parent: sea.ID,
		Title: map[stoa.Locale]string{"en": "Tides"}})
	admintest.Must(t, err)
	admintest.Must(t, w.Pages.Trash(ctx, sea.ID, sea.Version))
	screen := w.Get(w.Editor, bin)
	w.Want("the bin", screen, http.StatusOK, ">Sea")
	w.Without("the bin", screen, ">Tides")
	w.Want("one of them", w.Post(w.Editor, bin+"/restore", "thing", "page-"+tides.ID.String()), http.StatusNotFound)
	w.Want("both", w.Press(w.Editor, screen, "Restore", "thing", "page-"+sea.ID.String()), http.StatusSeeOther)
	w.Want("the other one", w.Get(w.Editor, "/control/pages/"+tides.ID.String()), http.StatusOK, "Tides")
}
