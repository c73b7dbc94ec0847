package admin

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/autosave"
)

// typedPath is where windows send what is typed in forms other than that of an article.
const typedPath = "/control/typed"

// typedForms gives a window what its person has typed at the screen before and not saved, as JSON. Who may not open
// the screen has no form to put it into.
func (h *Panel) typedForms(q *Request) error {
	list, err := h.o.Typed.Of(q.Context(), q.URL.Query().Get("screen"))
	if err != nil {
		return err
	}
	if list == nil {
		list = []autosave.Form{}
	}
	q.W.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(q.W).Encode(list)
}

// keepTyped keeps what a window has typed, or discards it.
func (h *Panel) keepTyped(q *Request) error {
	in := q.PostForm
	f := autosave.Form{Tab: in.Get("_tab"), Screen: in.Get("_screen"), Fields: map[string][]string{}}
	q.saved = nil
	var err error
	if in.Get("_do") == "discard" {
		err = h.o.Typed.Close(q.Context(), f.Tab)
	} else {
		for name, values := range in {
			if !strings.HasPrefix(name, "_") {
				f.Fields[name] = values
			}
		}
		err = h.o.Typed.Keep(q.Context(), f)
	}
	if err == nil {
		q.W.WriteHeader(http.StatusNoContent)
	}
	return err
}

// closeTyped gives what takes away the text that the window of a form had sent, once the form is saved. It comes after
// the save: were the node to stop between, the screen would find nothing in it that differs, and offer nothing.
func (h *Panel) closeTyped(q *Request) func() {
	tab := q.PostForm.Get("_tab")
	if h.o.Typed == nil || tab == "" {
		return nil
	}
	return func() {
		// the name is the browser's
		if err := h.o.Typed.Close(q.Context(), tab); err != nil && !stoa.Is(err, stoa.KindInvalid) {
			h.Log.WarnContext(q.Context(), "what was typed in a form that is saved now is still kept", "error", err)
		}
	}
}
