package admin_test

import (
	"bytes"
	"encoding/json"
	"image"
	"image/png"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/document"
)

func picture(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	must(t, png.Encode(&b, image.NewRGBA(image.Rect(0, 0, 400, 300))))
	return b.Bytes()
}

// send uploads bytes under names, as a browser does.
func (w *world) send(actor stoa.Actor, target string, raw []byte, names ...string) answer {
	w.t.Helper()
	var b bytes.Buffer
	out := multipart.NewWriter(&b)
	for _, name := range names {
		part, err := out.CreateFormFile("file", name)
		must(w.t, err)
		_, err = part.Write(raw)
		must(w.t, err)
	}
	must(w.t, out.Close())
	r := httptest.NewRequest(http.MethodPost, target, &b)
	r.Header.Set("Content-Type", out.FormDataContentType())
	rec := httptest.NewRecorder()
	w.mux.ServeHTTP(rec, r.WithContext(stoa.WithActor(r.Context(), actor)))
	return answer{rec.Code, rec.Header().Get("Location"), rec.Body.String()}
}

func TestFiles_UploadListEditDelete(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.want("no files", w.get(w.editor, "/control/files"), http.StatusOK, "No files yet")
	w.want("upload", w.send(w.editor, "/control/files", picture(t), "harbour.png", "quay<b>.png"), http.StatusSeeOther)
	a := w.get(w.editor, "/control/files?done=uploaded")
	w.want("list", a, http.StatusOK, "harbour.png", "quay&lt;b&gt;.png", "?w=160", "Uploaded.")
	w.without("list", a, "quay<b>")
	a = w.get(w.editor, "/control/files?q=HARB&kind=images")
	w.want("filter", a, http.StatusOK, "harbour.png")
	w.without("filter", a, "quay")
	list, err := w.files.List(as(w.editor), w.site, document.Filter{Query: "harbour"})
	must(t, err)
	at := "/control/files/" + list[0].ID.String()
	a = w.get(w.editor, at)
	w.want("screen", a, http.StatusOK, "400 × 300", "image/png")
	version := w.version(a)
	w.want("save", w.post(w.editor, at, "version", version, "name", "pier.png", "alt", `A "pier"`), http.StatusSeeOther)
	f, err := w.files.Get(as(w.editor), list[0].ID)
	must(t, err)
	if f.Name != "pier.png" || f.Alt != `A "pier"` {
		t.Errorf("saved %q, %q", f.Name, f.Alt)
	}
	w.want("stale", w.post(w.editor, at, "version", version, "name", "old.png", "alt", ""), http.StatusConflict,
		"Saved by another person: “pier.png”")
	w.want("delete by a member", w.post(w.member, at+"/delete"), http.StatusForbidden)
	w.want("delete", w.post(w.editor, at+"/delete"), http.StatusSeeOther)
	w.want("gone", w.get(w.editor, at), http.StatusNotFound)
}

func TestFiles_UploadOfNothingOrTooMuchSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.want("no file", w.send(w.editor, "/control/files", nil), http.StatusUnprocessableEntity, "No file was chosen")
	w.want("empty file", w.send(w.editor, "/control/files", nil, "empty.txt"), http.StatusUnprocessableEntity, "Not everything was uploaded")
	w.want("no multipart", w.post(w.editor, "/control/files", "file", "x"), http.StatusUnprocessableEntity, "multipart/form-data")
	w.want("too large", w.send(w.editor, "/control/files", make([]byte, admin.MaxForm+1), "large.bin"),
		http.StatusRequestEntityTooLarge, "larger than")
	w.want("by a member", w.send(w.member, "/control/files", picture(t), "x.png"), http.StatusForbidden)
	list, err := w.files.List(as(w.editor), w.site, document.Filter{})
	must(t, err)
	if len(list) != 0 {
		t.Errorf("%d files were kept", len(list))
	}
}

func TestFiles_EditorUploadsAndChooses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.want("form", w.get(w.editor, "/control/content/new"), http.StatusOK, `data-upload-url="/control/files/upload?site=`+w.site.ID.String(), `data-images-url="/control/files/images?site=`)
	a := w.send(w.editor, "/control/files/upload?site="+w.site.ID.String(), picture(t), "boat.png")
	w.want("upload", a, http.StatusOK)
	var one picked
	must(t, json.Unmarshal([]byte(a.body), &one))
	if one.Name != "boat.png" || one.Width != 400 || one.Height != 300 || one.URL == "" {
		t.Errorf("upload: %+v", one)
	}
	a = w.send(w.editor, "/control/files/upload", nil, "empty.png")
	w.want("empty", a, http.StatusUnprocessableEntity, `{"message":"`)
	must(t, func() error {
		_, err := w.files.Upload(as(w.editor), w.site, document.Upload{Name: "notes.txt", Body: bytes.NewReader([]byte("notes"))})
		return err
	}())
	a = w.get(w.editor, "/control/files/images?q=")
	var page struct {
		Items []picked
		Next  string
	}
	must(t, json.Unmarshal([]byte(a.body), &page))
	if len(page.Items) != 1 || page.Items[0].URL != one.URL || page.Items[0].Thumb != one.URL+"?w=160" || page.Next != "" {
		t.Errorf("images: %+v", page)
	}
	must(t, os.RemoveAll(w.store))
	lost := w.send(w.editor, "/control/files/upload", picture(t), "boat.png")
	w.want("no store", lost, http.StatusServiceUnavailable, `{"message":"The file store cannot be written`)
	w.without("the place of the store", lost, w.store)
	w.want("no store for the form", w.send(w.editor, "/control/files", picture(t), "boat.png"), http.StatusServiceUnavailable, "The file store cannot be written", "boat.png")
	w.want("after no number", w.get(w.editor, "/control/files/images?after=x"), http.StatusUnprocessableEntity, `{"message":"`)
}

// picked is a picture as the editor is told of it.
type picked struct {
	URL, Thumb, Name, Alt string
	Width, Height         int
}
