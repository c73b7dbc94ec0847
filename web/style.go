package web

import (
	"net/http"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/httpd"
	"github.com/stoa-portal/stoa/site"
)

// style answers with the style sheet of a site, site.Site.StylePath. An address with another hash, from a page that was
// made before a change or by a node that knows of it already, gets what this node has, and may not be kept.
func (h *Handler) style(w http.ResponseWriter, r *http.Request) error {
	id, err := stoa.ParseID(r.PathValue("site"))
	if err != nil {
		return stoa.NotFound("style sheet", r.PathValue("site"))
	}
	v := visitOf(r)
	st := v.Site // its sign-in page is open to all, and so is how that looks
	if st.ID != id {
		if st, err = h.opt.Sites.Site(r.Context(), id); err != nil {
			return err
		}
	}
	sheet := st.Appearance.Style()
	if st.Instance != v.Instance.ID || sheet == "" {
		return stoa.NotFound("style sheet", id)
	}
	hash := site.StyleHash(sheet)
	header := w.Header()
	header.Set("Cache-Control", "no-cache")
	if name, ok := strings.CutSuffix(r.PathValue("name"), ".css"); ok && name == hash {
		header.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if httpd.NotModified(w, r, `"`+hash+`"`) {
		return nil
	}
	header.Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write([]byte(sheet)) // a visitor who went away does not want it
	return nil
}
