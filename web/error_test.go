package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa/look"
)

// While nothing of the site can be found out, visitors are told so in the language of their browser, and nothing of what
// is wrong inside; the link to try again leads nowhere else.
func TestErrorPage_WithoutASite(t *testing.T) {
	tmpl, err := screens(look.New())
	if err != nil {
		t.Fatal(err)
	}
	h := &Handler{tmpl: tmpl}
	page := func(method, address, language string) string {
		r := httptest.NewRequest(method, "http://example.com"+address, nil)
		r.Header.Set("Accept-Language", language)
		w := httptest.NewRecorder()
		h.ErrorPage(w, r, http.StatusServiceUnavailable, "the database 10.0.0.7 does not answer", true)
		if w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "10.0.0.7") {
			t.Errorf("%d\n%s", w.Code, w.Body)
		}
		return w.Body.String()
	}
	for language, want := range map[string]string{
		"de-AT,de;q=0.9,en;q=0.8": `lang="de"`, "fr": `lang="fr"`, "": `lang="en"`, "pl": `lang="en"`, "no language at all": `lang="en"`,
	} {
		if got := page("GET", "/", language); !strings.Contains(got, want) {
			t.Errorf("%q: no %s in\n%s", language, want, got)
		}
	}
	if got := page("GET", "/w/tides?x=1&y=2", "de"); !strings.Contains(got, `href="/w/tides?x=1&amp;y=2">Noch einmal versuchen`) {
		t.Error(got)
	}
	if got := page("GET", "//evil.example/x", "en"); !strings.Contains(got, `href="/">Try again`) {
		t.Error(got)
	}
	if got := page("POST", "/account", "en"); strings.Contains(got, "Try again") {
		t.Errorf("a form would be sent again\n%s", got)
	}
}
