package web

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/stoa-portal/stoa/lang"
)

// signedInPath is where a sign-in ends that was begun from a screen which waits for it: in a frame of that screen, or
// in a window of its own where the way leads over another host.
const signedInPath = "/sign-in/done"

// inPlace reports whether the request belongs to such a sign-in: all its steps lead to signedInPath in the end.
func inPlace(r *http.Request) bool {
	if !strings.HasPrefix(r.URL.Path, "/sign-in") {
		return false
	}
	return r.URL.Path == signedInPath || r.PostForm.Get("next") == signedInPath ||
		r.URL.Query().Get("next") == signedInPath
}

// signedIn says that the person is signed in, and can go on where they were.
func (h *Handler) signedIn(w http.ResponseWriter, r *http.Request) error {
	if !visitOf(r).SignedIn {
		http.Redirect(w, r, "/sign-in?"+url.Values{"next": {signedInPath}}.Encode(), http.StatusSeeOther)
		return nil
	}
	return h.framed(w, r, http.StatusOK, lang.From(r.Context()).Word("again.done-title"), "signed-in.html", nil)
}
