package admin

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/lang"
)

func (h *Handler) mountFolders(get, post register) {
	// Permission may be granted on a single folder or file, so each of these asks for it there.
	get("/control/folders/new", editSite, h.folder)
	post("/control/folders/new", editSite, h.folder)
	get("/control/folders/{id}", editSite, h.folder)
	post("/control/folders/{id}", editSite, h.folder)
	post("/control/folders/{id}/delete", editSite, h.deleteFolder)
	get("/control/folders/{id}/permissions", editSite, h.folderGrants)
	post("/control/folders/{id}/permissions", editSite, h.folderGrants)
	get("/control/files/{id}/permissions", editSite, h.fileGrants)
	post("/control/files/{id}/permissions", editSite, h.fileGrants)
	post("/control/files/{id}/move", editSite, h.moveFile)
}

// folderOptions are the folders of the site as a tree, but for one and what is in it.
func (h *Handler) folderOptions(q *request, first string, but stoa.ID) ([]option, error) {
	list, err := h.o.Files.Folders(q.Context(), q.site)
	if err != nil {
		return nil, err
	}
	out := []option{{Value: "0", Label: first}}
	skip := -1
	for _, f := range list {
		if skip >= 0 && f.Depth > skip {
			continue
		}
		if skip = -1; f.ID == but {
			skip = f.Depth
			continue
		}
		out = append(out, option{Value: f.ID.String(), Label: strings.Repeat("– ", f.Depth) + f.Name, Depth: f.Depth})
	}
	return out, nil
}

// chosenFolder reads a folder of a form; 0 is none.
func chosenFolder(s string) stoa.ID {
	id, _ := strconv.ParseInt(s, 10, 64) // what is no number is none
	return stoa.ID(max(id, 0))
}

// folderEditing is what the screen of a folder shows.
type folderEditing struct {
	Form   *form
	Folder document.Folder
	New    bool
}

func (h *Handler) folderForm(q *request, f document.Folder) (*form, error) {
	parents, err := h.folderOptions(q, lang.Word("rights.folder.none"), f.ID)
	return &form{Version: f.Version, Fields: []*field{
		{Name: "name", Label: lang.Word("rights.folder.name"), Kind: "text", Value: f.Name},
		{Name: "parent", Label: lang.Word("rights.folder.in"), Kind: "select", Options: parents, Value: f.Parent.String()},
		{Name: "restricted", Label: lang.Word("rights.folder.restricted"), Kind: "check", Value: check(f.Restricted),
			Help: lang.Word("rights.folder.restricted.help")},
	}}, err
}

// folder shows the form of a folder, or of a new one, and saves it.
func (h *Handler) folder(q *request) error {
	e := folderEditing{New: q.PathValue("id") == ""}
	if e.New {
		e.Folder.Parent = chosenFolder(q.URL.Query().Get("in"))
	} else {
		var err error
		if e.Folder, err = h.openedFolder(q); err != nil {
			return err
		}
	}
	var err error
	if e.Form, err = h.folderForm(q, e.Folder); err != nil {
		return err
	}
	if q.Method == http.MethodPost {
		e.Form.read(q)
		saved, err := h.o.Files.SaveFolder(q.Context(), q.site, document.Folder{ID: e.Folder.ID, Version: e.Form.Version,
			Name: e.Form.text("name"), Parent: chosenFolder(e.Form.text("parent")), Restricted: e.Form.on("restricted")})
		if err == nil {
			return q.done("/control/folders/"+saved.ID.String(), "saved")
		}
		if stoa.Is(err, stoa.KindConflict) {
			newest, formErr := h.folderForm(q, e.Folder)
			if formErr != nil {
				return formErr
			}
			e.Form.stale(newest)
		} else if !e.Form.fail(err) {
			return err
		}
	}
	f := frame{
		Title:  lang.Word("rights.folder.new"),
		Back:   &link{Title: "Files", URL: "/control/files"},
		Narrow: true,
		Body:   e,
	}
	if !e.New {
		f.Title = e.Folder.Name
		f.Actions = []link{
			{Title: lang.Word("rights.folder.files"), URL: "/control/files?folder=" + e.Folder.ID.String(), Icon: "file"},
		}
		path, err := h.o.Files.FolderPath(q.Context(), q.site, e.Folder.ID)
		if err != nil {
			return err
		}
		if h.o.Access.Can(q.Context(), access.Manage, path) {
			f.Actions = append(
				f.Actions,
				link{Title: "Permissions", URL: "/control/folders/" + e.Folder.ID.String() + "/permissions", Icon: "key"},
			)
		}
	}
	return h.show(q, e.Form.Status(), "folder", f)
}

func (h *Handler) openedFolder(q *request) (document.Folder, error) {
	id, err := q.id()
	if err != nil {
		return document.Folder{}, err
	}
	return h.o.Files.Folder(q.Context(), q.site, id)
}

func (h *Handler) deleteFolder(q *request) error {
	id, err := q.id()
	if err != nil {
		return err
	}
	if err := h.o.Files.DeleteFolder(q.Context(), q.site, id); err != nil {
		return err
	}
	return q.done("/control/files", "deleted")
}

// folderGrants shows what each role may do with a folder and what is in it, and saves it.
func (h *Handler) folderGrants(q *request) error {
	f, err := h.openedFolder(q)
	if err != nil {
		return err
	}
	path, err := h.o.Files.FolderPath(q.Context(), q.site, f.ID)
	if err != nil {
		return err
	}
	return h.showGrants(q, path, link{Title: f.Name, URL: "/control/folders/" + f.ID.String()})
}

// fileGrants shows what each role may do with a file, and saves it.
func (h *Handler) fileGrants(q *request) error {
	f, err := h.openedFile(q)
	if err != nil {
		return err
	}
	path, err := h.o.Files.Path(q.Context(), f)
	if err != nil {
		return err
	}
	return h.showGrants(q, path, link{Title: f.Name, URL: "/control/files/" + f.ID.String()})
}

// showGrants is the screen of the grants on a thing: its form is sent to the address it has.
func (h *Handler) showGrants(q *request, path access.Path, back link) error {
	f, done, err := h.changedGrants(q, path, back)
	if done || err != nil {
		return err
	}
	purpose := lang.Word("rights.grants.beside")
	if path[0].Own {
		purpose = lang.Word("rights.grants.own")
	}
	return h.show(
		q,
		f.Status(),
		"grants",
		frame{Title: "Permissions", Purpose: purpose, Back: &back, Narrow: true, Body: f},
	)
}

// changedGrants asks for Manage, reads the grants on a thing and saves those that were sent. done says that the answer
// is given: where to look next. The thing is called as back calls it, also in the audit log.
func (h *Handler) changedGrants(q *request, path access.Path, back link) (f *form, done bool, err error) {
	path[0].Title = back.Title
	if err := h.o.Access.Check(q.Context(), access.Manage, path); err != nil {
		return nil, false, err
	}
	b, err := h.grantBox(q.Context(), path)
	if err != nil || q.Method != http.MethodPost {
		return b.Form, false, err
	}
	saved, err := h.saveGrants(q.Context(), q.PostForm, &b)
	if err != nil || !saved {
		return b.Form, false, err
	}
	return nil, true, q.done(back.URL+"/permissions", "saved")
}

// moveForm asks where a file lies and whether it has grants of its own.
func (h *Handler) moveForm(q *request, f document.File) (*form, error) {
	folders, err := h.folderOptions(q, lang.Word("rights.folder.none"), 0)
	return &form{Version: f.Version, Fields: []*field{
		{Name: "folder", Label: lang.Word("rights.file.folder"), Kind: "select", Options: folders, Value: f.Folder.String()},
		{Name: "restricted", Label: lang.Word("rights.file.restricted"), Kind: "check", Value: check(f.Restricted),
			Help: lang.Word("rights.folder.restricted.help")},
	}}, err
}

// moveFile puts a file into another folder, and says whether it has grants of its own.
func (h *Handler) moveFile(q *request) error {
	f, err := h.openedFile(q)
	if err != nil {
		return err
	}
	m, err := h.moveForm(q, f)
	if err != nil {
		return err
	}
	m.read(q)
	_, err = h.o.Files.Move(q.Context(), f.ID, chosenFolder(m.text("folder")), m.on("restricted"), m.Version)
	if err == nil {
		return q.done("/control/files/"+f.ID.String(), "saved")
	}
	if !m.fail(err) {
		return err
	}
	return h.showFile(q, f, fileForm(f), m)
}
