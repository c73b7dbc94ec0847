package files_test

import (
	"bytes"
	"image"
	"image/png"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/admin/admintest"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/site"
)

const list = "/control/files"

func picture(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	admintest.Must(t, png.Encode(&b, image.NewGray(image.Rect(0, 0, 40, 30))))
	return b.Bytes()
}

// upload brings a file as the portal does.
func upload(w *admintest.World, st site.Site, name string, folder stoa.ID) (document.File, string) {
	w.T.Helper()
	f, err := w.Files.Upload(admintest.As(stoa.SystemActor()), st, document.Upload{Name: name, Folder: folder,
		Body: bytes.NewReader(picture(w.T))})
	admintest.Must(w.T, err)
	return f, list + "/" + f.ID.String()
}

func folder(w *admintest.World, st site.Site, f document.Folder) (document.Folder, string) {
	w.T.Helper()
	f, err := w.Files.SaveFolder(admintest.As(stoa.SystemActor()), st, f)
	admintest.Must(w.T, err)
	return f, "/control/folders/" + f.ID.String()
}

// is wants a file to be as it is named here.
func is(w *admintest.World, id stoa.ID, name, alt string, in stoa.ID) {
	w.T.Helper()
	f, err := w.Files.Get(admintest.As(stoa.SystemActor()), id)
	admintest.Must(w.T, err)
	if f.Name != name || f.Alt != alt || f.Folder != in {
		w.T.Errorf("the file is %q with the description %q in the folder %d; want %q, %q, %d", f.Name, f.Alt, f.Folder, name,
			alt, in)
	}
}

func TestFile_TheFormSavesOrSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := admintest.New(t)
	f, at := upload(w, w.Site, "pier.png", 0)
	opened := w.Get(w.Editor, at)
	w.Want("saved", w.Follow(w.Editor, w.Press(w.Editor, opened, "Save", "name", "quay.png", "alt", "A quay")),
		http.StatusOK, `value="quay.png"`, "\nA quay</textarea>")
	is(w, f.ID, "quay.png", "A quay", 0)

	// Another person saved since the form was opened: what was typed stays, and pressing again is a decision.
	late := w.Press(w.Editor, opened, "Save", "name", "late.png", "alt", "Late")
	w.Want("stale", late, http.StatusConflict, `value="late.png"`, "\nLate</textarea>",
		"Saved by another person: “quay.png”")
	is(w, f.ID, "quay.png", "A quay", 0)
	w.Want("decided", w.Press(w.Editor, late, "Save"), http.StatusSeeOther)
	is(w, f.ID, "late.png", "Late", 0)

	now := w.Get(w.Editor, at)
	long := strings.Repeat("a", 2001)
	wrong := w.Press(w.Editor, now, "Save", "name", "other.png", "alt", long)
	w.Want("a description that is too long", wrong, http.StatusUnprocessableEntity, `id="f-alt-error"`,
		`value="other.png"`, long)
	for _, name := range []string{"", "   ", "...", strings.Repeat("n", 191)} {
		wrong = w.Press(w.Editor, now, "Save", "name", name, "alt", "Kept")
		w.Want("the name "+name, wrong, http.StatusUnprocessableEntity, `id="f-name-error"`, "\nKept</textarea>",
			"A name of 1 to 190 bytes is expected")
	}
	is(w, f.ID, "late.png", "Late", 0)
	w.Want("by an author", w.Press(w.Author, now, "Save", "name", "mine.png"), http.StatusForbidden)
	w.Want("by a member", w.Press(w.Member, now, "Save", "name", "mine.png"), http.StatusForbidden)
	is(w, f.ID, "late.png", "Late", 0)
	w.Want("a file called file", w.Press(w.Editor, now, "Save", "name", "file"), http.StatusSeeOther)
}

func TestFile_IsMovedOrSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := admintest.New(t)
	board, _ := folder(w, w.Site, document.Folder{Name: "Board"})
	shut, _ := folder(w, w.Site, document.Folder{Name: "Shut", Restricted: true})
	f, at := upload(w, w.Site, "pier.png", 0)
	opened := w.Get(w.Editor, at)
	w.Without("a folder for others", opened, "Shut")
	to := func(id stoa.ID) []string { return []string{"folder", id.String()} }
	w.Want("moved", w.Follow(w.Editor, w.Press(w.Editor, opened, "Save where it lies", to(board.ID)...)), http.StatusOK,
		`value="`+board.ID.String()+`" selected`)
	is(w, f.ID, "pier.png", "", board.ID)

	late := w.Press(w.Editor, opened, "Save where it lies", "folder", "0")
	w.Want("stale", late, http.StatusConflict, "Saved by another person", "Board")
	is(w, f.ID, "pier.png", "", board.ID)
	w.Want("decided", w.Press(w.Editor, late, "Save where it lies"), http.StatusSeeOther)
	is(w, f.ID, "pier.png", "", 0)

	now := w.Get(w.Editor, at)
	move := func(who stoa.Actor, to, more string) admintest.Answer {
		f, err := w.Files.Get(admintest.As(stoa.SystemActor()), f.ID)
		admintest.Must(t, err)
		return w.Post(who, at+"/move", "version", stoa.ID(f.Version).String(), "folder", to, more, "on")
	}
	w.Want("into no folder", move(w.Editor, "4711", ""), http.StatusUnprocessableEntity, `id="f-folder-error"`)
	if a := move(w.Editor, shut.ID.String(), ""); a.Status != http.StatusNotFound && a.Status != http.StatusForbidden {
		t.Errorf("into a folder for others: %d\n%s", a.Status, a.Main())
	}
	w.Want("with grants of its own, by an editor", move(w.Editor, "0", "restricted"), http.StatusForbidden)
	w.Want("by a member", w.Press(w.Member, now, "Save where it lies", to(board.ID)...), http.StatusForbidden)
	is(w, f.ID, "pier.png", "", 0)
	w.Want("with grants of its own",
		w.Press(w.Manager(), w.Get(w.Manager(), at), "Save where it lies", "restricted", "on"), http.StatusSeeOther)
	w.Want("it is for others now", w.Get(w.Editor, at), http.StatusNotFound)
}

func TestFile_IsDeletedAndBroughtBackByWhoMay(t *testing.T) {
	t.Parallel()
	w := admintest.New(t)
	f, at := upload(w, w.Site, "pier.png", 0)
	screen := w.Get(w.Editor, at)
	w.Want("by an author", w.Press(w.Author, screen, "Delete"), http.StatusForbidden)
	w.Want("by a member", w.Press(w.Member, screen, "Delete"), http.StatusForbidden)
	is(w, f.ID, "pier.png", "", 0)
	gone := w.Follow(w.Editor, w.Press(w.Editor, screen, "Delete"))
	w.Want("gone", gone, http.StatusOK, "No files yet")
	w.Want("again", w.Press(w.Editor, screen, "Delete"), http.StatusNotFound)
	w.Want("undo by a member", w.Press(w.Member, gone, "Undo"), http.StatusForbidden)
	w.Want("undo", w.Press(w.Editor, gone, "Undo"), http.StatusSeeOther)
	is(w, f.ID, "pier.png", "", 0)
}

func TestFolder_TheFormSavesOrSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := admintest.New(t)
	form := w.Get(w.Editor, "/control/folders/new")
	for _, name := range []string{"", " ", "//", strings.Repeat("n", 191)} {
		w.Want("the name "+name, w.Press(w.Editor, form, "Save", "name", name), http.StatusUnprocessableEntity,
			`id="f-name-error"`, "A name of 1 to 190 bytes is expected")
	}
	w.Want("by a member", w.Press(w.Member, form, "Save", "name", "Mine"), http.StatusForbidden)
	w.Want("a folder for some, by an editor", w.Press(w.Editor, form, "Save", "name", "Mine", "restricted", "on"),
		http.StatusForbidden)
	made := w.Press(w.Editor, form, "Save", "name", "file") // as good a name as any
	w.Want("made", made, http.StatusSeeOther)
	inner := w.Press(w.Editor, w.Get(w.Editor, "/control/folders/new"), "Save", "name", "Inner", "parent",
		strings.TrimPrefix(made.Path(), "/control/folders/"))
	w.Want("made in it", inner, http.StatusSeeOther)

	opened := w.Get(w.Editor, made.Path())
	w.Without("places for the folder", opened, "Inner")
	w.Want("saved", w.Press(w.Editor, opened, "Save", "name", "Plans"), http.StatusSeeOther)
	late := w.Press(w.Editor, opened, "Save", "name", "Late")
	w.Want("stale", late, http.StatusConflict, `value="Late"`, "Saved by another person: “Plans”")
	w.Want("decided", w.Press(w.Editor, late, "Save"), http.StatusSeeOther)
	late = w.Get(w.Editor, made.Path())
	w.Want("saved as decided", late, http.StatusOK, `value="Late"`)
	w.Want("into itself", w.Post(w.Editor, made.Path(), "name", "Late", "version", version(w, late), "parent",
		strings.TrimPrefix(inner.Path(), "/control/folders/")), http.StatusUnprocessableEntity, `id="f-parent-error"`)
	w.Want("by a member", w.Press(w.Member, late, "Save", "name", "Mine"), http.StatusForbidden)
	w.Want("deleted by a member", w.Press(w.Member, late, "Delete"), http.StatusForbidden)
	w.Want("deleted by an author", w.Press(w.Author, late, "Delete"), http.StatusForbidden)
	gone := w.Follow(w.Editor, w.Press(w.Editor, late, "Delete"))
	w.Want("deleted", gone, http.StatusOK)
	w.Want("what was in it", w.Get(w.Editor, inner.Path()), http.StatusNotFound)
	w.Want("undo", w.Press(w.Editor, gone, "Undo"), http.StatusSeeOther)
	w.Want("it is back", w.Get(w.Editor, inner.Path()), http.StatusOK, "Inner")
}

// version is the version that a form of the screen carries.
func version(w *admintest.World, a admintest.Answer) string {
	w.T.Helper()
	_, rest, ok := strings.Cut(a.Body, `name="version" value="`)
	if !ok {
		w.T.Fatalf("no version in the form:\n%s", a.Main())
	}
	v, _, _ := strings.Cut(rest, `"`)
	return v
}

func TestGrants_OfFilesAndFoldersAreForManagers(t *testing.T) {
	t.Parallel()
	w := admintest.New(t)
	board, in := folder(w, w.Site, document.Folder{Name: "Board", Restricted: true})
	f, at := upload(w, w.Site, "minutes.png", board.ID)
	roles, err := w.Access.RoleIDs(admintest.As(stoa.SystemActor()), w.Instance.ID)
	admintest.Must(t, err)
	author := "role-" + roles["Author"].String()
	manager := w.Manager()
	w.Want("before", w.Get(w.Author, at), http.StatusNotFound)
	screen := w.Get(manager, in+"/permissions")
	w.Want("nonsense", w.Post(manager, in+"/permissions", "was-"+author, "none.0", author, "rule"),
		http.StatusUnprocessableEntity)
	w.Want("by an editor", w.Press(w.Editor, screen, "Save", author, "view"), http.StatusNotFound)
	w.Want("granted on the folder", w.Press(manager, screen, "Save", author, "view"), http.StatusSeeOther)
	w.Want("it reaches the file", w.Get(w.Author, at), http.StatusOK, f.Name)
	w.Want("grants of the file, to who may view", w.Get(w.Author, at+"/permissions"), http.StatusForbidden)
	late := w.Press(manager, screen, "Save", author, "publish") // the form showed that nothing is granted
	w.Want("from an old form", late, http.StatusConflict, "view")
	w.Want("the author may view still", w.Press(w.Author, w.Get(w.Author, at), "Save", "name", "x.png"),
		http.StatusForbidden)
	w.Want("decided", w.Press(manager, late, "Save"), http.StatusSeeOther)
	w.Want("it is granted", w.Press(w.Author, w.Get(w.Author, at), "Save", "name", f.Name), http.StatusSeeOther)
	w.Want("less again", w.Press(manager, w.Get(manager, in+"/permissions"), "Save", author, "view"), http.StatusSeeOther)
	screen = w.Get(manager, at+"/permissions")
	w.Want("granted on the file", w.Press(manager, screen, "Save", author, "publish"), http.StatusSeeOther)
	w.Want("it counts", w.Press(w.Author, w.Get(w.Author, at), "Save", "name", "by-author.png"), http.StatusSeeOther)
	w.Want("taken away", w.Press(manager, w.Get(manager, in+"/permissions"), "Save", author, "none"), http.StatusSeeOther)
	w.Want("taken away", w.Press(manager, w.Get(manager, at+"/permissions"), "Save", author, "none"), http.StatusSeeOther)
	w.Want("after", w.Get(w.Author, at), http.StatusNotFound)
}

func TestFiles_OfAnotherInstanceAreNotThere(t *testing.T) {
	t.Parallel()
	w := admintest.New(t)
	_, st, stranger := w.Other()
	theirs, in := folder(w, st, document.Folder{Name: "Elsewhere"})
	f, at := upload(w, st, "theirs.png", theirs.ID)
	own, _ := upload(w, w.Site, "own.png", 0)
	for _, who := range []stoa.Actor{w.Admin, w.Manager(), w.Editor} {
		for _, address := range []string{at, at + "/permissions", in, in + "/permissions"} {
			w.Want("open "+address, w.Get(who, address), http.StatusNotFound)
		}
		for _, address := range []string{at, at + "/move", at + "/delete", at + "/permissions", in, in + "/delete",
			in + "/permissions"} {
			w.Want("press "+address, w.Post(who, address, "version", "1", "name", "mine.png", "folder", "0"),
				http.StatusNotFound)
			w.Want("press in the site "+address, w.Post(who, address, "version", "1", "name", "mine.png", "folder", "0", "site",
				st.ID.String()), http.StatusNotFound)
		}
		for _, do := range []string{"move", "delete"} {
			a := w.Post(who, list+"/bulk", "do", do, "id", own.ID.String(), "id", f.ID.String(), "to", "0")
			w.Want(do+" with others", a, http.StatusNotFound)
			w.Without(do+" with others", a, "theirs")
		}
		w.Want("move into a folder of theirs", w.Post(who, list+"/bulk", "do", "move", "id", own.ID.String(), "to",
			theirs.ID.String()), http.StatusUnprocessableEntity)
		w.Want("upload there", w.Send(who, list, url.Values{"site": {st.ID.String()}}, picture(t), "x.png"),
			http.StatusNotFound)
		w.Want("upload into their folder", w.Send(who, list, url.Values{"folder": {theirs.ID.String()}}, picture(t), "x.png"),
			http.StatusUnprocessableEntity)
		a := w.Get(who, list+"?site="+st.ID.String())
		w.Without("the list", a, "theirs")
	}
	is(w, f.ID, "theirs.png", "", theirs.ID)
	is(w, own.ID, "own.png", "", 0)
	// And the other way round: an administrator of the other instance on this panel.
	w.Want("a stranger", w.Get(stranger, list+"/"+own.ID.String()), http.StatusNotFound)
	w.Want("a stranger", w.Post(stranger, list+"/"+own.ID.String()+"/delete"), http.StatusNotFound)
	all, err := w.Files.List(admintest.As(w.Editor), w.Site, document.Filter{})
	admintest.Must(t, err)
	if len(all) != 1 {
		t.Errorf("the site has %d files, want one", len(all))
	}
}

func TestFiles_SeveralAreChosenOrNothingIsDone(t *testing.T) {
	t.Parallel()
	w := admintest.New(t)
	board, _ := folder(w, w.Site, document.Folder{Name: "Board"})
	shut, _ := folder(w, w.Site, document.Folder{Name: "Shut", Restricted: true})
	a, _ := upload(w, w.Site, "a.png", 0)
	b, _ := upload(w, w.Site, "b.png", 0)
	hidden, _ := upload(w, w.Site, "hidden.png", shut.ID)
	screen := w.Get(w.Editor, list)
	w.Without("the list", screen, "hidden.png", "Shut")
	both := []string{"id", a.ID.String(), "id", b.ID.String()}
	w.Want("moved", w.Press(w.Editor, screen, "Move", append(both, "to", board.ID.String())...), http.StatusSeeOther)
	is(w, a.ID, "a.png", "", board.ID)
	is(w, b.ID, "b.png", "", board.ID)
	for _, do := range []string{"move", "delete"} {
		got := w.Post(w.Editor, list+"/bulk", append(both, "id", hidden.ID.String(), "do", do, "to", "0")...)
		if got.Status != http.StatusNotFound && got.Status != http.StatusForbidden ||
			strings.Contains(got.Body, "hidden.png") {
			t.Errorf("%s with one for others: %d\n%s", do, got.Status, got.Main())
		}
		w.Want(do+" by a member", w.Post(w.Member, list+"/bulk", append(both, "do", do, "to", "0")...), http.StatusForbidden)
	}
	w.Want("deleted by an author", w.Press(w.Author, screen, "Delete", both...), http.StatusForbidden, "a.png")
	w.Want("nonsense", w.Post(w.Editor, list+"/bulk", append(both, "do", "explode")...), http.StatusUnprocessableEntity)
	is(w, a.ID, "a.png", "", board.ID)
	is(w, hidden.ID, "hidden.png", "", shut.ID)
	gone := w.Follow(w.Editor, w.Press(w.Editor, screen, "Delete", both...))
	w.Want("gone", gone, http.StatusOK, "No files yet")
	w.Want("undo", w.Press(w.Editor, gone, "Undo"), http.StatusSeeOther)
	is(w, a.ID, "a.png", "", board.ID)
	for _, button := range []string{"Move", "Delete"} {
		w.Want(button+" nothing", w.Press(w.Editor, screen, button), http.StatusUnprocessableEntity, "at least one")
	}
}

// A file that arrives is for the site and the person of the form.
func TestFiles_AnUploadIsForTheFormThatSentIt(t *testing.T) {
	t.Parallel()
	w := admintest.New(t)
	st, err := w.Sites.CreateSite(admintest.As(stoa.SystemActor()), site.Site{Instance: w.Instance.ID, Name: "Intranet",
		Slug: "intranet", Locale: "en"})
	admintest.Must(t, err)
	board, _ := folder(w, st, document.Folder{Name: "Board"})
	got := w.Send(w.Editor, list, url.Values{"site": {st.ID.String()}}, picture(t), "there.png")
	w.Want("sent", got, http.StatusSeeOther)
	all, err := w.Files.List(admintest.As(w.Editor), st, document.Filter{})
	admintest.Must(t, err)
	if len(all) != 1 || all[0].Name != "there.png" {
		t.Errorf("the other site has %+v", all)
	}
	w.Want("of another person", w.Send(w.Editor, list, url.Values{"_person": {w.Author.User.String()}}, picture(t),
		"theirs.png"), http.StatusConflict)
	w.Want("into a folder of another site", w.Send(w.Editor, list, url.Values{"folder": {board.ID.String()}}, picture(t),
		"x.png"), http.StatusUnprocessableEntity)
	w.Want("a description that is too long", w.Send(w.Editor, list, url.Values{"alt": {strings.Repeat("a", 201)}},
		picture(t), "x.png"), http.StatusUnprocessableEntity, "Up to 200 bytes are expected")
	admintest.Must(t, w.Access.SetGrants(admintest.As(stoa.SystemActor()), st.Path(), []access.Grant{}))
	all, err = w.Files.List(admintest.As(w.Editor), w.Site, document.Filter{})
	admintest.Must(t, err)
	if len(all) != 0 {
		t.Errorf("the first site has %+v", all)
	}
}
