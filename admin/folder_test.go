package admin_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/site"
)

func TestFolders_AreMadeRestrictedAndGranted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made := w.post(w.admin, "/control/folders/new", "name", "Board", "parent", "0", "restricted", "on")
	w.want("create", made, http.StatusSeeOther)
	at := made.path()
	id := w.idOf(at, "/control/folders/")
	f, err := w.files.Upload(
		as(w.admin),
		w.site,
		document.Upload{Name: "minutes.txt", Body: strings.NewReader("x"), Folder: id},
	)
	must(t, err)
	w.want(
		"files in it",
		w.get(w.admin, "/control/files?folder="+id.String()),
		http.StatusOK,
		"minutes.txt",
		">Board</option>",
	)
	w.want("another", w.get(w.admin, "/control/files?folder=0"), http.StatusOK, "minutes.txt")
	w.without("for an editor of the site", w.get(w.editor, "/control/files"), "minutes.txt", "Board")
	w.want("the file", w.get(w.editor, "/control/files/"+f.ID.String()), http.StatusNotFound)
	w.want("the folder", w.get(w.editor, at), http.StatusNotFound)
	roles, err := w.access.RoleIDs(as(w.admin), w.instance.ID)
	must(t, err)
	editors := "role-" + roles[access.RoleEditor].String()
	grants := at + "/permissions"
	w.want("grants", w.get(w.admin, grants), http.StatusOK, "Only what is granted here counts")
	w.want("grant", w.grant(w.admin, grants, editors, "edit"), http.StatusSeeOther)
	w.want("granted", w.get(w.editor, at), http.StatusOK, "Board")
	w.want("without manage", w.get(w.editor, grants), http.StatusForbidden)
	w.want(
		"an editor moves it out",
		w.post(w.editor, "/control/files/"+f.ID.String()+"/move", "version", "1", "folder", "0"),
		http.StatusForbidden,
	)
	ref := "folder-" + strings.TrimPrefix(at, "/control/folders/")
	gone := w.post(w.admin, at+"/delete")
	if want := "/control/files?undo=" + ref + "&done=trashed"; gone.location != want {
		t.Fatalf("deleting a folder that holds something leads to %q (%d), want %q", gone.location, gone.status, want)
	}
	w.want("it is gone", w.get(w.admin, at), http.StatusNotFound)
	if a := w.post(w.admin, "/control/trash/restore", "thing", ref); a.location != at+"?done=recovered" {
		t.Fatalf("undo leads to %q (%d)", a.location, a.status)
	}
	file := "/control/files/" + f.ID.String()
	shown := w.get(w.admin, file)
	w.want("the file", shown, http.StatusOK, "Where it lies, and for whom")
	w.want("move", w.post(w.admin, file+"/move", "version", "3", "folder", "0", "restricted", "on"), http.StatusSeeOther)
	w.want("a stale form", w.post(w.admin, file+"/move", "version", "1", "folder", "0"), http.StatusConflict)
	w.want("its grants", w.get(w.admin, file+"/permissions"), http.StatusOK, "Only what is granted here counts")
	w.want("an empty folder", w.post(w.admin, at+"/delete"), http.StatusSeeOther)
}

// The form of a folder is for the site that it was opened in, whichever site another window has chosen since.
func TestFolders_AreMadeInTheSiteOfTheForm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other, err := w.sites.CreateSite(as(w.admin), site.Site{Instance: w.instance.ID, Name: "Intranet", Slug: "intranet",
		Locale: "de"})
	must(t, err)
	at := "/control/folders/new?site=" + other.ID.String()
	form := w.get(w.admin, at)
	w.want("the form", form, http.StatusOK, `name="site" value="`+other.ID.String()+`"`)
	// It is sent while the panel works on the first site.
	made := w.post(w.admin, "/control/folders/new", "site", other.ID.String(), "version", w.version(form), "name", "Plans",
		"parent", "0")
	w.want("create", made, http.StatusSeeOther)
	for id, want := range map[stoa.ID]int{w.site.ID: 0, other.ID: 1} {
		st, err := w.sites.Site(as(w.admin), id)
		must(t, err)
		list, err := w.files.Folders(as(w.admin), st)
		if err != nil || len(list) != want {
			t.Errorf("site %d has the folders %v, %v; want %d", id, list, err, want)
		}
	}
	w.want("made", w.get(w.admin, made.location), http.StatusOK, "Plans", `name="site" value="`+other.ID.String()+`"`)
	w.want("rename", w.post(w.admin, made.path(), "site", other.ID.String(), "version", "1", "name", "Drawings", "parent",
		"0"), http.StatusSeeOther)
	w.want("an author of the first site", w.post(w.author, "/control/folders/new", "site", other.ID.String(), "name", "x",
		"parent", "0"), http.StatusForbidden)
	w.want("a site that is not there", w.post(w.admin, "/control/folders/new", "site", "999999", "name", "x", "parent",
		"0"),
		http.StatusNotFound)
	w.want("delete", w.post(w.admin, made.path()+"/delete", "site", other.ID.String()), http.StatusSeeOther)
}
