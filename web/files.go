package web

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/httpd"
)

// file sends the bytes of a file, or with ?w= a smaller picture. The key alone names the file; the site
// and the name in the address are for people, and may change while old links go on working.
func (h *Handler) file(w http.ResponseWriter, r *http.Request) error {
	ctx, v := r.Context(), visitOf(r)
	width := 0
	if s := r.URL.Query().Get("w"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n <= 0 {
			return stoa.Invalid("w", "%.20q is not a width of pictures: a number of pixels such as 640 is expected", s)
		}
		width = n
	}
	key := r.PathValue("key")
	body, f, err := h.opt.Files.Open(ctx, key, width)
	if errors.Is(err, asset.ErrTrashed) {
		return httpd.Status(http.StatusGone, err)
	}
	if err != nil {
		return err
	}
	defer body.Close()
	if f.Instance != v.Instance.ID {
		return stoa.NotFound("file", f.Name) // the portal itself may see it, but not at this host
	}
	path, err := h.opt.Files.Path(ctx, f)
	if err != nil {
		return err
	}
	etag := `"` + f.Key + `"`
	if width != 0 {
		etag = `"` + f.Key + "-w" + strconv.Itoa(width) + `"`
	}
	return httpd.ServeContent(w, r, httpd.Content{
		Body: body, Name: f.Name, Type: f.Type, Modified: f.Created, ETag: etag, Download: r.URL.Query().Has("download"),
		Public: h.opt.Access.GuestCan(ctx, f.Instance, access.View, path), Forever: true,
	})
}
