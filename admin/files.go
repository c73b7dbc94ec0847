package admin

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/httpd"
	"github.com/stoa-portal/stoa/lang"
)

// maxUploads is how many files one form may bring.
const maxUploads = 100

// maxName is how long a value beside the files of an upload may be, in bytes.
const maxName = 200

func (h *Handler) mountFiles(get, post register) {
	get("/control/files", editSite, h.fileList)
	post("/control/files", editSite, h.addFiles)
	post("/control/files/upload", editSite, h.uploadFile)
	get("/control/files/images", editSite, h.images)
	get("/control/files/{id}", editSite, h.file)
	post("/control/files/{id}", editSite, h.file)
	post("/control/files/{id}/delete", editSite, h.deleteFile)
}

// fileRow is a file of the list with its addresses.
type fileRow struct {
	document.File
	URL, Thumb string
}

func (q *request) fileRow(f document.File) fileRow {
	r := fileRow{File: f, URL: document.URL(q.site.Slug, f)}
	if f.IsImage() {
		r.Thumb = r.URL + f.Query(160)
	}
	return r
}

// filesView is what the list shows.
type filesView struct {
	Query, Kind string
	Kinds       []option
	Folders     []option
	Folder      stoa.ID // the one that is shown; 0: all
	Rows        []fileRow
	First, Next string
	Problem     string // why an upload did not work
}

func (h *Handler) fileList(q *request) error { return h.showFiles(q, http.StatusOK, "") }

func (h *Handler) showFiles(q *request, status int, problem string) error {
	in := q.URL.Query()
	v := filesView{Query: clip(in.Get("q"), 200), Kind: clip(in.Get("kind"), 20), Problem: problem}
	v.Kinds = []option{{Label: "All files"}, {Value: "images", Label: "Pictures"}}
	for i := range v.Kinds {
		v.Kinds[i].On = v.Kinds[i].Value == v.Kind
	}
	v.Folder = chosenFolder(in.Get("folder"))
	var err error
	if v.Folders, err = h.folderOptions(q, lang.Word("rights.folder.all"), 0); err != nil {
		return err
	}
	for i := range v.Folders {
		v.Folders[i].On = v.Folders[i].Value == v.Folder.String()
	}
	list, next, err := h.filePage(
		q,
		document.Filter{Query: v.Query, ImagesOnly: v.Kind == "images", Folder: v.Folder},
		in.Get("after"),
	)
	if err != nil {
		return err
	}
	v.Rows = list
	u := url.Values{"q": {v.Query}, "kind": {v.Kind}, "folder": {v.Folder.String()}}
	if in.Get("after") != "" {
		v.First = "/control/files?" + u.Encode()
	}
	if next != "" {
		u.Set("after", next)
		v.Next = "/control/files?" + u.Encode()
	}
	actions := []link{
		{Title: lang.Word("rights.folder.new"), URL: "/control/folders/new?in=" + v.Folder.String(), Icon: "plus"},
	}
	if v.Folder != 0 {
		actions = append(
			actions,
			link{Title: lang.Word("rights.folder.settings"), URL: "/control/folders/" + v.Folder.String(), Icon: "settings"},
		)
	}
	return h.show(
		q,
		status,
		"files",
		frame{Title: "Files", Purpose: "Pictures and documents of this site, for texts and downloads.",
			Actions: actions, Body: v},
	)
}

// filePage gives 50 files and the place after which the next ones begin, empty at the end.
func (h *Handler) filePage(q *request, f document.Filter, after string) (rows []fileRow, next string, err error) {
	const limit = 50
	if after != "" {
		if f.After, err = stoa.ParseID(after); err != nil {
			return nil, "", stoa.Invalid("after", "%.30q is not the number of a file", after)
		}
	}
	f.Limit = limit + 1
	list, err := h.o.Files.List(q.Context(), q.site, f)
	if err != nil {
		return nil, "", err
	}
	if len(list) > limit {
		list = list[:limit]
		next = list[limit-1].ID.String()
	}
	for _, x := range list {
		rows = append(rows, q.fileRow(x))
	}
	return rows, next, nil
}

// receive reads an upload part by part, so that no file is held in memory or twice on the disk. Values stand
// before the files that they belong to. It stops at the first file that is refused; those before it stay.
func (h *Handler) receive(q *request) (out []document.File, err error) {
	httpd.LimitBody(q.Request, h.o.MaxUpload+maxForm)
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
				q.site,
				document.Upload{Name: part.FileName(), Type: part.Header.Get("Content-Type"), Body: part, Alt: alt, Folder: folder},
			)
			if err != nil {
				return out, broken(err)
			}
			out = append(out, f)
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
			} else if err := h.at(q, string(raw)); err != nil {
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
		return &stoa.Error{
			Kind:    stoa.KindTooLarge,
			Field:   "file",
			Message: "together the files are larger than " + byteCount(big.Limit) + "; send fewer or smaller ones",
		}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return stoa.Invalid("file", "the upload was cut off: send it again")
	}
	return err
}

// addFiles takes the files of the form above the list.
func (h *Handler) addFiles(q *request) error {
	list, err := h.receive(q)
	if err == nil && len(list) == 0 {
		err = stoa.Invalid("file", "no file was chosen")
	}
	if err == nil {
		return q.done("/control/files", "uploaded")
	}
	if status := h.uploadStatus(q, err); status != 0 {
		return h.showFiles(q, status, sentence(message(err)))
	}
	return err
}

// uploadStatus is the status of errors that are told where the file was chosen; 0 for others. What is not the
// person's fault, such as a full disk, is also logged.
func (h *Handler) uploadStatus(q *request, err error) int {
	h.o.Audit.Refused(q.Context(), err)
	switch stoa.KindOf(err) {
	case stoa.KindUnavailable:
		h.log.WarnContext(q.Context(), "a file could not be kept", "request", stoa.RequestIDFrom(q.Context()), "error", err)
		q.w.Header().Set("Retry-After", uploadRetry)
		return http.StatusServiceUnavailable
	case stoa.KindInvalid:
		return http.StatusUnprocessableEntity
	case stoa.KindTooLarge:
		return http.StatusRequestEntityTooLarge
	case stoa.KindNotFound:
		return http.StatusNotFound
	case stoa.KindForbidden:
		return http.StatusForbidden
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
func (h *Handler) uploadFile(q *request) error {
	err := h.at(q, q.URL.Query().Get("site"))
	var list []document.File
	if err == nil {
		list, err = h.receive(q)
	}
	if err == nil && len(list) == 0 {
		err = stoa.Invalid("file", "no file was sent")
	}
	if err == nil {
		return q.json(http.StatusOK, q.fileRow(list[0]).picked())
	}
	if status := h.uploadStatus(q, err); status != 0 {
		return q.json(status, map[string]string{"message": sentence(message(err))})
	}
	return err
}

// images lists pictures for the text editor.
func (h *Handler) images(q *request) error {
	in := q.URL.Query()
	rows, next, err := h.filePage(q, document.Filter{Query: clip(in.Get("q"), 200), ImagesOnly: true}, in.Get("after"))
	if err != nil {
		if status := h.uploadStatus(q, err); status != 0 {
			return q.json(status, map[string]string{"message": sentence(message(err))})
		}
		return err
	}
	items := make([]picked, 0, len(rows))
	for _, r := range rows {
		items = append(items, r.picked())
	}
	return q.json(http.StatusOK, map[string]any{"items": items, "next": next})
}

// fileEditing is what the screen of a file shows.
type fileEditing struct {
	Form  *form
	File  fileRow
	Move  *form
	Facts [][2]string
}

func fileForm(f document.File) *form {
	out := &form{Version: f.Version, Fields: []*field{{Name: "name", Label: "Name", Kind: "text", Value: f.Name}}}
	if f.IsImage() {
		out.Fields = append(
			out.Fields,
			&field{Name: "alt", Label: "Alternative text", Kind: "textarea", Rows: 3, Value: f.Alt, Optional: true,
				Help: "What the picture shows, for those who do not see it. Empty for decoration."},
		)
	}
	return out
}

// openedFile gives the file of the address, which must be one of the site that is worked on.
func (h *Handler) openedFile(q *request) (document.File, error) {
	id, err := q.id()
	if err != nil {
		return document.File{}, err
	}
	f, err := h.o.Files.Get(q.Context(), id)
	if err == nil && f.Site != q.site.ID {
		err = stoa.NotFound("file", id)
	}
	return f, err
}

// file shows the form of a file and saves it.
func (h *Handler) file(q *request) error {
	f, err := h.openedFile(q)
	if err != nil {
		return err
	}
	e := fileForm(f)
	if q.Method == http.MethodPost {
		e.read(q)
		now := f
		now.Name, now.Version = e.text("name"), e.Version
		if e.has("alt") {
			now.Alt = e.text("alt")
		}
		_, err := h.o.Files.Update(q.Context(), now)
		if err == nil {
			return q.done("/control/files/"+f.ID.String(), "saved")
		}
		if stoa.Is(err, stoa.KindConflict) {
			e.stale(fileForm(f))
		} else if !e.fail(err) {
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
func (h *Handler) showFile(q *request, f document.File, about, move *form) error {
	e := fileEditing{Form: about, Move: move, File: q.fileRow(f)}
	e.Facts = [][2]string{{"Type", f.Type}, {"Size", byteCount(f.Size)}, {"Key", f.Key}}
	if f.Width > 0 {
		e.Facts = append(e.Facts, [2]string{"Pixels", strconv.Itoa(f.Width) + " × " + strconv.Itoa(f.Height)})
	}
	if f.Source != "" {
		e.Facts = append(e.Facts, [2]string{"Brought from", f.Source})
	}
	fr := frame{Title: f.Name, Back: &link{Title: "Files", URL: "/control/files"}, Narrow: true, Body: e}
	path, err := h.o.Files.Path(q.Context(), f)
	if err != nil {
		return err
	}
	if h.o.Access.Can(q.Context(), access.Manage, path) {
		fr.Actions = []link{{Title: "Permissions", URL: "/control/files/" + f.ID.String() + "/permissions", Icon: "key"}}
	}
	return h.show(q, max(e.Form.Status(), e.Move.Status()), "file", fr)
}

func (h *Handler) deleteFile(q *request) error {
	f, err := h.openedFile(q)
	if err != nil {
		return err
	}
	if err := h.o.Files.Delete(q.Context(), f.ID); err != nil {
		return err
	}
	return q.done("/control/files", "deleted")
}

// json answers a script.
func (q *request) json(status int, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	q.w.Header().Set("Content-Type", "application/json")
	q.w.WriteHeader(status)
	_, err = q.w.Write(raw)
	return err
}
