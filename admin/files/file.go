package files

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/bulk"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/httpd"
	"github.com/stoa-portal/stoa/lang"
)

// maxUploads is how many files one form may bring.
const maxUploads = 100

// maxName is how long a value beside the files of an upload may be, in bytes.
const maxName = 200

func (h *screens) mountFiles(r *admin.Routes) {
	r.Get("/control/files", admin.EditSite, h.fileList)
	r.Post("/control/files", admin.EditSite, h.addFiles)
	r.Post("/control/files/bulk", admin.EditSite, h.filesBulk)
	r.Post("/control/files/upload", admin.EditSite, h.uploadFile)
	r.Get("/control/files/images", admin.EditSite, h.images)
	r.Get("/control/files/{id}", admin.EditSite, h.file)
	r.Post("/control/files/{id}", admin.EditSite, h.file)
	r.Post("/control/files/{id}/delete", admin.EditSite, h.deleteFile)
}

// rowOf is a file of the list with its addresses.
type fileRow struct {
	document.File
	URL, Thumb string
}

func rowOf(q *admin.Request, f document.File) fileRow {
	r := fileRow{File: f, URL: document.URL(q.Site.Slug, f)}
	if f.IsImage() {
		r.Thumb = r.URL + f.Query(160)
	}
	return r
}

// filesView is what the list shows.
type filesView struct {
	admin.Entries
	Folders []admin.Option // to move files into
	Folder  stoa.ID        // the one that is shown; 0: all
	Rows    []fileRow
	Problem string // why an upload did not work
}

func (h *screens) fileList(q *admin.Request) error { return h.showFiles(q, http.StatusOK, "") }

func (h *screens) showFiles(q *admin.Request, status int, problem string) error {
	v := filesView{Folder: chosenFolder(q.URL.Query().Get("folder"))}
	folders, err := h.folderOptions(q, q.Word("rights.folder.all"), 0)
	if err != nil {
		return err
	}
	for i := range folders {
		folders[i].On = folders[i].Value == v.Folder.String()
	}
	if v.Entries, err = h.Entries(q, h.sift(q)); err != nil {
		return err
	}
	v.Folders = append([]admin.Option{{Value: "0", Label: q.Word("rights.folder.none")}}, folders[1:]...)
	v.Selects = append([]admin.Select{{Name: "folder", Label: q.Word("rights.folder.filter"), Options: folders}},
		v.Selects...)
	v.Filtered = v.Filtered || v.Folder != 0
	v.Problem = problem
	list, err := admin.Shown(h.Panel, q, func(ctx context.Context) ([]document.File, error) {
		return h.o.Files.Lines(ctx, v.IDs())
	})
	if err != nil {
		return err
	}
	for _, f := range list {
		v.Rows = append(v.Rows, rowOf(q, f))
	}
	actions := []admin.Link{
		{Title: q.Word("rights.folder.new"), URL: "/control/folders/new?in=" + v.Folder.String(), Icon: "plus"},
	}
	if v.Folder != 0 {
		actions = append(
			actions,
			admin.Link{Title: q.Word("rights.folder.settings"), URL: "/control/folders/" + v.Folder.String(), Icon: "settings"},
		)
	}
	return h.Show(
		q,
		status,
		"files",
		admin.Screen{Title: q.Word("files.title"), Purpose: q.Word("files.purpose"),
			Actions: actions, Body: v},
	)
}

// sift is what the list of files can be filtered by.
func (h *screens) sift(q *admin.Request) admin.Sift {
	return admin.Sift{Assets: h.o.Assets, Kind: "file", Need: access.View, People: true,
		Label: q.Word("files.filter"), Parent: chosenFolder(q.URL.Query().Get("folder")),
		Forms: []admin.Choice{
			{Label: q.Word("files.all")},
			{Value: "images", Label: q.Word("files.pictures"), Form: "image/"},
		}}
}

// filesBulk moves all files that were ticked, or puts them into the recycle bin: all, or none. Where there are more
// than one transaction holds, a bulk action deletes them in the background.
func (h *screens) filesBulk(q *admin.Request) error {
	if err := h.At(q, q.PostForm.Get("site")); err != nil { // of the list, whichever is chosen elsewhere by now
		return err
	}
	ids, err := h.Ticked(q, h.sift(q))
	if err != nil {
		return err
	}
	switch do := q.PostForm.Get("do"); {
	case do == "move":
		if err := h.o.Files.MoveAll(q.Context(), ids, chosenFolder(q.PostForm.Get("to"))); err != nil {
			return err
		}
		return q.Done("/control/files", "moved")
	case do != "delete":
		return stoa.Invalid("do", "%.20q cannot be done with several files: move or delete is expected", do)
	case len(ids) > document.MaxBulk:
		things := make([]bulk.Thing, len(ids))
		for i, id := range ids {
			things[i] = bulk.Thing{Kind: "file", ID: id}
		}
		id, err := h.o.Bulk.Start(q.Context(), document.BulkTrash, q.Site.ID, things)
		if err != nil {
			return err
		}
		return q.Done("/control/bulk/"+id.String(), "")
	}
	if err := h.o.Files.TrashAll(q.Context(), ids); err != nil {
		return err
	}
	return q.Trashed("/control/files", "file", ids...)
}

// filePage gives 50 files and the place after which the next ones begin, empty at the end.
func (h *screens) filePage(q *admin.Request, f document.Filter, after string) (rows []fileRow, next string, err error) {
	const limit = 50
	if after != "" {
		if f.After, err = stoa.ParseID(after); err != nil {
			return nil, "", stoa.Invalid("after", "%.30q is not the number of a file", after)
		}
	}
	f.Limit = limit + 1
	list, err := h.o.Files.List(q.Context(), q.Site, f)
	if err != nil {
		return nil, "", err
	}
	if len(list) > limit {
		list = list[:limit]
		next = list[limit-1].ID.String()
	}
	for _, x := range list {
		rows = append(rows, rowOf(q, x))
	}
	return rows, next, nil
}

// receive reads an upload part by part, so that no file is held in memory or twice on the disk. Values stand
// before the files that they belong to. It stops at the first file that is refused; those before it stay.
func (h *screens) receive(q *admin.Request) (out []document.File, err error) {
	httpd.LimitBody(q.Request, h.o.MaxUpload+admin.MaxForm)
	defer func() {
		// A client that is still sending would see the connection break instead of the answer.
		if stoa.Is(err, stoa.KindUnavailable) {
			_, _ = io.Copy(io.Discard, q.Body)
		}
	}()
	in, err := q.MultipartReader()
	if err != nil {
		return nil, stoa.Invalid("file", "files are sent as multipart/form-data, not %.60q", q.Header.Get("Content-Type"))
	}
	alt, folder := "", stoa.ID(0)
	for {
		part, err := in.NextPart()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, broken(err)
		}
		switch {
		case part.FormName() == "file" && part.FileName() != "":
			if len(out) == maxUploads {
				return out, stoa.Invalid(
					"file",
					"up to %d files can be sent at once; the first %d were kept",
					maxUploads,
					maxUploads,
				)
			}
			f, err := h.o.Files.Upload(
				q.Context(),
				q.Site,
				document.Upload{
					Name:   part.FileName(),
					Type:   part.Header.Get("Content-Type"),
					Body:   part,
					Alt:    alt,
					Folder: folder,
				},
			)
			if err != nil {
				return out, broken(err)
			}
			out = append(out, f)
		case part.FormName() == admin.PersonField:
			raw, err := io.ReadAll(io.LimitReader(part, maxName+1))
			if err != nil {
				return out, broken(err)
			}
			if string(raw) != q.Actor.User.String() {
				return out, stoa.Conflict("another person has signed in since this screen was opened")
			}
		case part.FormName() == "site" || part.FormName() == "alt" || part.FormName() == "folder":
			raw, err := io.ReadAll(io.LimitReader(part, maxName+1))
			if err != nil {
				return out, broken(err)
			}
			if len(raw) > maxName {
				return out, stoa.Invalid(part.FormName(), "up to %d bytes are expected", maxName)
			}
			if part.FormName() == "alt" {
				alt = stoa.CleanText(string(raw))
			} else if part.FormName() == "folder" {
				folder = chosenFolder(string(raw))
			} else if err := h.At(q, string(raw)); err != nil {
				return out, err
			}
		}
	}
}

// broken says of an upload that was cut off or is too large what a person can do; other errors stay.
func broken(err error) error {
	var big *http.MaxBytesError
	switch {
	case errors.As(err, &big):
		return stoa.AtField("file",
			stoa.TooLarge("together the files are larger than %s; send fewer or smaller ones", admin.Bytes(big.Limit)))
	case errors.Is(err, io.ErrUnexpectedEOF):
		return stoa.Invalid("file", "the upload was cut off: send it again")
	}
	return err
}

// said is what an error says to the person who caused it.
func said(q *admin.Request, err error) string {
	var e *stoa.Error
	if !errors.As(err, &e) {
		return ""
	}
	return admin.Sentence(lang.From(q.Context()).Error(e))
}

// addFiles takes the files of the form above the list.
func (h *screens) addFiles(q *admin.Request) error {
	list, err := h.receive(q)
	if err == nil && len(list) == 0 {
		err = stoa.Invalid("file", "no file was chosen")
	}
	if err == nil {
		return q.Done("/control/files", "uploaded")
	}
	if status := h.uploadStatus(q, err); status != 0 {
		return h.showFiles(q, status, said(q, err))
	}
	return err
}

// uploadStatus is the status of errors that are told where the file was chosen; 0 for others. What is not the
// person's fault, such as a full disk, is also logged.
func (h *screens) uploadStatus(q *admin.Request, err error) int {
	h.o.Audit.Refused(q.Context(), err)
	switch k := stoa.KindOf(err); k {
	case stoa.KindUnavailable:
		h.Log.WarnContext(q.Context(), "a file could not be kept", "request", stoa.RequestIDFrom(q.Context()), "error", err)
		q.W.Header().Set("Retry-After", uploadRetry)
		return httpd.StatusOf(k)
	case stoa.KindInvalid, stoa.KindTooLarge, stoa.KindNotFound, stoa.KindForbidden:
		return httpd.StatusOf(k)
	}
	return 0
}

// uploadRetry is after how many seconds a sender may try again: nodes look at the store more often than that.
const uploadRetry = "5"

// picked is a file as the text editor takes it.
type picked struct {
	URL    string `json:"url"`
	Thumb  string `json:"thumb,omitempty"`
	Name   string `json:"name"`
	Alt    string `json:"alt"`
	Width  int    `json:"width,omitempty"`
	Height int    `json:"height,omitempty"`
}

func (r fileRow) picked() picked {
	return picked{URL: r.URL, Thumb: r.Thumb, Name: r.Name, Alt: r.Alt, Width: r.Width, Height: r.Height}
}

// uploadFile takes one file for the text editor and answers where it is.
func (h *screens) uploadFile(q *admin.Request) error {
	err := h.At(q, q.URL.Query().Get("site"))
	var list []document.File
	if err == nil {
		list, err = h.receive(q)
	}
	if err == nil && len(list) == 0 {
		err = stoa.Invalid("file", "no file was sent")
	}
	if err == nil {
		return q.JSON(http.StatusOK, rowOf(q, list[0]).picked())
	}
	if status := h.uploadStatus(q, err); status != 0 {
		return q.JSON(status, map[string]string{"message": said(q, err)})
	}
	return err
}

// images lists pictures, or videos, for the text editor and for fields.
func (h *screens) images(q *admin.Request) error {
	in := q.URL.Query()
	filter := document.Filter{Query: admin.Clip(in.Get("q"), 200), Media: "image"}
	if in.Get("kind") == "video" {
		filter.Media = "video"
	}
	rows, next, err := h.filePage(q, filter, in.Get("after"))
	if err != nil {
		if status := h.uploadStatus(q, err); status != 0 {
			return q.JSON(status, map[string]string{"message": said(q, err)})
		}
		return err
	}
	items := make([]picked, 0, len(rows))
	for _, r := range rows {
		items = append(items, r.picked())
	}
	return q.JSON(http.StatusOK, map[string]any{"items": items, "next": next})
}

// fileEditing is what the screen of a file shows.
type fileEditing struct {
	Form  *admin.Form
	File  fileRow
	Move  *admin.Form
	Facts [][2]string
}

func fileForm(q *admin.Request, f document.File) *admin.Form {
	name := &admin.Field{Name: "name", Label: q.Word("files.name"), Kind: "text", Value: f.Name}
	out := &admin.Form{Version: f.Version, Fields: []*admin.Field{name}}
	if f.IsImage() {
		out.Fields = append(
			out.Fields,
			&admin.Field{Name: "alt", Label: q.Word("files.alt"), Kind: "textarea", Rows: 3, Value: f.Alt, Optional: true,
				Help: q.Word("files.alt.help")},
		)
	}
	return out
}

// openedFile gives the file of the address, which must be one of the site that is worked on.
func (h *screens) openedFile(q *admin.Request) (document.File, error) {
	id, err := q.ID()
	if err != nil {
		return document.File{}, err
	}
	f, err := h.o.Files.Get(q.Context(), id)
	if err == nil && f.Site != q.Site.ID {
		err = stoa.NotFound("file", id)
	}
	return f, err
}

// file shows the form of a file and saves it.
func (h *screens) file(q *admin.Request) error {
	f, err := h.openedFile(q)
	if err != nil {
		return err
	}
	e := fileForm(q, f)
	if q.Method == http.MethodPost {
		e.Read(q)
		now := f
		now.Name, now.Version = e.Text("name"), e.Version
		if e.Has("alt") {
			now.Alt = e.Text("alt")
		}
		_, err := h.o.Files.Update(q.Context(), now)
		if err == nil {
			return q.Done("/control/files/"+f.ID.String(), "saved")
		}
		if stoa.Is(err, stoa.KindConflict) {
			e.Stale(fileForm(q, f))
		} else if !e.Fail(err) {
			return err
		}
	}
	m, err := h.moveForm(q, f)
	if err != nil {
		return err
	}
	return h.showFile(q, f, e, m)
}

// showFile shows a file with its forms.
func (h *screens) showFile(q *admin.Request, f document.File, about, move *admin.Form) error {
	e := fileEditing{Form: about, Move: move, File: rowOf(q, f)}
	e.Facts = [][2]string{
		{q.Word("files.type"), f.Type},
		{q.Word("files.size"), admin.Bytes(f.Size)},
		{q.Word("files.key"), f.Key},
	}
	if f.Width > 0 {
		pixels := strconv.Itoa(f.Width) + " × " + strconv.Itoa(f.Height)
		e.Facts = append(e.Facts, [2]string{q.Word("files.pixels"), pixels})
	}
	if f.Source != "" {
		e.Facts = append(e.Facts, [2]string{q.Word("files.source"), f.Source})
	}
	back := &admin.Link{Title: q.Word("files.title"), URL: "/control/files"}
	fr := admin.Screen{Title: f.Name, Back: back, Narrow: true, Body: e}
	path, err := h.o.Files.Path(q.Context(), f)
	if err != nil {
		return err
	}
	if h.o.Access.Can(q.Context(), access.Edit, path) {
		fr.Actions = append(fr.Actions, admin.UsesLink(q, "file", f.ID))
	}
	if h.o.Access.Can(q.Context(), access.Manage, path) {
		fr.Actions = append(fr.Actions, admin.Link{Title: q.Word("files.permissions"),
			URL: "/control/files/" + f.ID.String() + "/permissions", Icon: "key"})
	}
	return h.Show(q, max(e.Form.Status(), e.Move.Status()), "file", fr)
}

func (h *screens) deleteFile(q *admin.Request) error {
	f, err := h.openedFile(q)
	if err != nil {
		return err
	}
	if err := h.o.Files.Trash(q.Context(), f.ID); err != nil {
		return err
	}
	return q.Trashed("/control/files", "file", f.ID)
}
