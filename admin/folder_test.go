package admin

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/document"
)

func TestFolders_AreMadeRestrictedAndGranted(t *testing.T) {
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
	w.want("delete a folder that holds something", w.post(w.admin, at+"/delete"), http.StatusConflict)
	file := "/control/files/" + f.ID.String()
	shown := w.get(w.admin, file)
	w.want("the file", shown, http.StatusOK, "Where it lies, and for whom")
	w.want("move", w.post(w.admin, file+"/move", "version", "1", "folder", "0", "restricted", "on"), http.StatusSeeOther)
	w.want("a stale form", w.post(w.admin, file+"/move", "version", "1", "folder", "0"), http.StatusConflict)
	w.want("its grants", w.get(w.admin, file+"/permissions"), http.StatusOK, "Only what is granted here counts")
	w.want("an empty folder", w.post(w.admin, at+"/delete"), http.StatusSeeOther)
}
