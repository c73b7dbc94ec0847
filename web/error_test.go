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

// What an editor wrote is sent back with the page that says that it could not be saved, so that it can be sent again.
func TestErrorPage_KeepsWhatAnEditorWrote(t *testing.T) {
	tmpl, err := screens(look.New())
	if err != nil {
		t.Fatal(err)
	}
	h := &Handler{tmpl: tmpl}
	page := func(address, form string, status int) string {
		r := httptest.NewRequest("POST", "http://example.com"+address, strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		h.ErrorPage(w, r, status, "the session has ended", status == http.StatusServiceUnavailable)
		if w.Code != status {
			t.Errorf("%d in place of %d", w.Code, status)
		}
		return w.Body.String()
	}
	const form = "title=Tides&body=%3Cp%3E%22high%22+%26+low%3C%2Fp%3E&do=publish&tag=1&tag=2"
	for status, want := range map[int]string{503: "cannot answer", 401: "You are signed out"} {
		got := page("/control/content/7?x=1&y=2", form, status)
		for _, want := range []string{want, `<form method="post" action="/control/content/7?x=1&amp;y=2">`, "Send again",
			`name="title" value="Tides"`, `name="body" value="&lt;p&gt;&#34;high&#34; &amp; low&lt;/p&gt;"`,
			`name="do" value="publish"`, `name="tag" value="1"`, `name="tag" value="2"`} {
			if !strings.Contains(got, want) {
				t.Errorf("%d: no %s in\n%s", status, want, got)
			}
		}
	}
	for address, form := range map[string]string{
		"/control/users/new": "name=ida&newPassword=secret", "/sign-in": "login=ida&password=secret",
		"/unlock": "word=secret", "/control/content/7": "%zz",
	} {
		if got := page(address, form, 503); strings.Contains(got, "Send again") || strings.Contains(got, "secret") {
			t.Errorf("%s: the form is kept\n%s", address, got)
		}
	}
	if got := page("/control/content/7", form, 404); strings.Contains(got, "Send again") {
		t.Errorf("what is not there is sent again\n%s", got)
	}
}
