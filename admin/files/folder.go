package files

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/document"
)

func (h *screens) mountFolders(r *admin.Routes) {
	// Permission may be granted on a single folder or file, so each of these asks for it there.
	r.Get("/control/folders/new", admin.EditSite, h.folder)
	r.Post("/control/folders/new", admin.EditSite, h.folder)
	r.Get("/control/folders/{id}", admin.EditSite, h.folder)
	r.Post("/control/folders/{id}", admin.EditSite, h.folder)
	r.Post("/control/folders/{id}/delete", admin.EditSite, h.deleteFolder)
	r.Get("/control/folders/{id}/permissions", admin.EditSite, h.folderGrants)
	r.Post("/control/folders/{id}/permissions", admin.EditSite, h.folderGrants)
	r.Get("/control/files/{id}/permissions", admin.EditSite, h.fileGrants)
	r.Post("/control/files/{id}/permissions", admin.EditSite, h.fileGrants)
	r.Post("/control/files/{id}/move", admin.EditSite, h.moveFile)
}

// folderOptions are the folders of the site as a tree, but for one and what is in it.
func (h *screens) folderOptions(q *admin.Request, first string, but stoa.ID) ([]admin.Option, error) {
	list, err := h.o.Files.Folders(q.Context(), q.Site)
	if err != nil {
		return nil, err
	}
	out := []admin.Option{{Value: "0", Label: first}}
	skip := -1
	for _, f := range list {
		if skip >= 0 && f.Depth > skip {
			continue
		}
		if skip = -1; f.ID == but {
			skip = f.Depth
			continue
		}
		out = append(out, admin.Option{Value: f.ID.String(), Label: strings.Repeat("– ", f.Depth) + f.Name, Depth: f.Depth})
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
	Form   *admin.Form
	Folder document.Folder
	New    bool
}

func (h *screens) folderForm(q *admin.Request, f document.Folder) (*admin.Form, error) {
	parents, err := h.folderOptions(q, q.Word("rights.folder.none"), f.ID)
	if f.ID != 0 {
		parents = admin.Keeping(parents, f.Parent, "#"+f.Parent.String())
	}
	return &admin.Form{Version: f.Version, Fields: []*admin.Field{
		{Name: "name", Label: q.Word("rights.folder.name"), Kind: "text", Value: f.Name},
		{Name: "parent", Label: q.Word("rights.folder.in"), Kind: "select", Options: parents, Value: f.Parent.String()},
		{Name: "restricted", Label: q.Word("rights.folder.restricted"), Kind: "check", Value: admin.Checked(f.Restricted),
			Help: q.Word("rights.folder.restricted.help")},
	}}, err
}

// folder shows the form of a folder, or of a new one, and saves it.
func (h *screens) folder(q *admin.Request) error {
	if q.Method == http.MethodPost { // another window may have chosen another site since
		if err := h.At(q, q.PostForm.Get("site")); err != nil {
			return err
		}
	}
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
		e.Form.Read(q)
		saved, err := h.o.Files.SaveFolder(q.Context(), q.Site, document.Folder{ID: e.Folder.ID, Version: e.Form.Version,
			Name: e.Form.Text("name"), Parent: chosenFolder(e.Form.Text("parent")), Restricted: e.Form.On("restricted")})
		if err == nil {
			return q.Done("/control/folders/"+saved.ID.String()+"?site="+q.Site.ID.String(), "saved")
		}
		if stoa.Is(err, stoa.KindConflict) {
			newest, formErr := h.folderForm(q, e.Folder)
			if formErr != nil {
				return formErr
			}
			e.Form.Stale(newest)
		} else if !e.Form.Fail(err) {
			return err
		}
	}
	f := admin.Screen{
		Title:  q.Word("rights.folder.new"),
		Back:   &admin.Link{Title: q.Word("files.title"), URL: "/control/files"},
		Narrow: true,
		Body:   e,
	}
	if !e.New {
		f.Title = e.Folder.Name
		f.Actions = []admin.Link{
			{Title: q.Word("rights.folder.files"), URL: "/control/files?folder=" + e.Folder.ID.String(), Icon: "file"},
		}
		path, err := h.o.Files.FolderPath(q.Context(), q.Site, e.Folder.ID)
		if err != nil {
			return err
		}
		if h.o.Access.Can(q.Context(), access.Manage, path) {
			f.Actions = append(
				f.Actions,
				admin.Link{
					Title: q.Word("files.permissions"),
					URL:   "/control/folders/" + e.Folder.ID.String() + "/permissions",
					Icon:  "key",
				},
			)
		}
	}
	return h.Show(q, e.Form.Status(), "folder", f)
}

func (h *screens) openedFolder(q *admin.Request) (document.Folder, error) {
	id, err := q.ID()
	if err != nil {
		return document.Folder{}, err
	}
	return h.o.Files.Folder(q.Context(), q.Site, id)
}

func (h *screens) deleteFolder(q *admin.Request) error {
	if err := h.At(q, q.PostForm.Get("site")); err != nil {
		return err
	}
	id, err := q.ID()
	if err != nil {
		return err
	}
	if err := h.o.Files.TrashFolder(q.Context(), q.Site, id); err != nil {
		return err
	}
	return q.Trashed("/control/files", "folder", id)
}

// folderGrants shows what each role may do with a folder and what is in it, and saves it.
func (h *screens) folderGrants(q *admin.Request) error {
	f, err := h.openedFolder(q)
	if err != nil {
		return err
	}
	path, err := h.o.Files.FolderPath(q.Context(), q.Site, f.ID)
	if err != nil {
		return err
	}
	return h.showGrants(q, path, admin.Link{Title: f.Name, URL: "/control/folders/" + f.ID.String()})
}

// fileGrants shows what each role may do with a file, and saves it.
func (h *screens) fileGrants(q *admin.Request) error {
	f, err := h.openedFile(q)
	if err != nil {
		return err
	}
	path, err := h.o.Files.Path(q.Context(), f)
	if err != nil {
		return err
	}
	return h.showGrants(q, path, admin.Link{Title: f.Name, URL: "/control/files/" + f.ID.String()})
}

// showGrants is the screen of the grants on a thing: its form is sent to the address it has.
func (h *screens) showGrants(q *admin.Request, path access.Path, back admin.Link) error {
	f, done, err := h.ChangedGrants(q, path, back)
	if done || err != nil {
		return err
	}
	purpose := q.Word("rights.grants.beside")
	if path[0].Own {
		purpose = q.Word("rights.grants.own")
	}
	return h.Show(
		q,
		f.Status(),
		"grants",
		admin.Screen{Title: q.Word("files.permissions"), Purpose: purpose, Back: &back, Narrow: true, Body: f},
	)
}

// moveForm asks where a file lies and whether it has grants of its own.
func (h *screens) moveForm(q *admin.Request, f document.File) (*admin.Form, error) {
	folders, err := h.folderOptions(q, q.Word("rights.folder.none"), 0)
	folders = admin.Keeping(folders, f.Folder, "#"+f.Folder.String())
	return &admin.Form{Version: f.Version, Fields: []*admin.Field{
		{Name: "folder", Label: q.Word("rights.file.folder"), Kind: "select", Options: folders, Value: f.Folder.String()},
		{Name: "restricted", Label: q.Word("rights.file.restricted"), Kind: "check", Value: admin.Checked(f.Restricted),
			Help: q.Word("rights.folder.restricted.help")},
	}}, err
}

// moveFile puts a file into another folder, and says whether it has grants of its own.
func (h *screens) moveFile(q *admin.Request) error {
	f, err := h.openedFile(q)
	if err != nil {
		return err
	}
	m, err := h.moveForm(q, f)
	if err != nil {
		return err
	}
	m.Read(q)
	_, err = h.o.Files.Move(q.Context(), f.ID, chosenFolder(m.Text("folder")), m.On("restricted"), m.Version)
	if err == nil {
		return q.Done("/control/files/"+f.ID.String(), "saved")
	}
	if stoa.Is(err, stoa.KindConflict) {
		newest, formErr := h.moveForm(q, f)
		if formErr != nil {
			return formErr
		}
		m.Stale(newest)
	} else if !m.Fail(err) {
		return err
	}
	return h.showFile(q, f, fileForm(q, f), m)
}
