package admin_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
)

// The panel speaks the language that the person has chosen, else the one that the browser asks for, else that of the
// site; what is wrong is said in it, too.
func TestPanel_SpeaksTheLanguageOfThePerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ask := func(actor stoa.Actor, accept string) string {
		r := httptest.NewRequest(http.MethodGet, "/control/content", nil)
		if accept != "" {
			r.Header.Set("Accept-Language", accept)
		}
		rec := httptest.NewRecorder()
		w.mux.ServeHTTP(rec, r.WithContext(stoa.WithActor(r.Context(), actor)))
		return rec.Body.String()
	}
	german := w.editor
	german.Locale = "de-AT"
	for _, c := range []struct {
		what  string
		body  string
		words []string
	}{
		{"chosen", ask(german, "ja"), []string{`<html lang="de"`, "Neuer Artikel"}},
		{"asked for", ask(w.editor, "ja;q=0.9, sv"), []string{`<html lang="ja"`}},
		{"of the site", ask(w.editor, ""), []string{`<html lang="en"`, "New article"}},
	} {
		for _, word := range c.words {
			if !strings.Contains(c.body, word) {
				t.Errorf("%s: %q is not on the screen:\n%.2000s", c.what, word, c.body)
			}
		}
	}
	a := w.post(german, "/control/content/new", "title", "", "slug", "a b", "kind", "article", "body", "<p>x</p>")
	w.want("a form that is wrong", a, http.StatusUnprocessableEntity, `lang="de"`, "nicht gespeichert")
	w.without("a form that is wrong", a, "This was not saved", "is expected")
	w.want("an address of nothing", w.get(german, "/control/content/4711"), http.StatusNotFound, "gibt es hier nicht",
		"Es gibt keinen Artikel")
}
