package web

import (
	"html/template"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/look"
)

// While nothing of the site can be found out, visitors are told so in the language of their browser, and nothing of what
// is wrong inside; the link to try again leads nowhere else.
func TestErrorPage_WithoutASite(t *testing.T) {
	t.Parallel()
	tmpl, err := screens(look.New(), lang.In("en"))
	if err != nil {
		t.Fatal(err)
	}
	h := &Handler{tmpl: func(*lang.Words) *template.Template { return tmpl }}
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
	if got := page("GET", "/w/tides?x=1&y=2", "de"); !strings.Contains(
		got,
		`href="/w/tides?x=1&amp;y=2">Noch einmal versuchen`,
	) {
		t.Error(got)
	}
	if got := page("GET", "//evil.example/x", "en"); !strings.Contains(got, `href="/">Try again`) {
		t.Error(got)
	}
	if got := page("POST", "/account", "en"); strings.Contains(got, "Try again") {
		t.Errorf("a form would be sent again\n%s", got)
	}
}

// What an editor wrote comes back with the page that says that it could not be saved, so that it can be sent again.
func TestErrorPage_KeepsWhatAnEditorWrote(t *testing.T) {
	t.Parallel()
	tmpl, err := screens(look.New(), lang.In("en"))
	if err != nil {
		t.Fatal(err)
	}
	h := &Handler{tmpl: func(*lang.Words) *template.Template { return tmpl }}
	type change func(r *http.Request)
	header := func(name, value string) change { return func(r *http.Request) { r.Header.Set(name, value) } }
	none := func(*http.Request) {}
	page := func(address, form string, status int, c change) string {
		t.Helper()
		r := httptest.NewRequest("POST", address, strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		c(r)
		w := httptest.NewRecorder()
		h.ErrorPage(w, r, status, "the session has ended", status == http.StatusServiceUnavailable)
		if w.Code != status || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%d in place of %d, Cache-Control %q", w.Code, status, w.Header().Get("Cache-Control"))
		}
		return w.Body.String()
	}
	const at = "/control/content/7?x=1&y=2"
	const form = "title=Tides&body=%3Cp%3E%22high%22+%26+low%3C%2Fp%3E&do=publish&tag=1&tag=2&password="
	wants := []string{`method="post" action="/control/content/7?x=1&amp;y=2">`, "Send again", `name="title" value="Tides"`,
		`name="body" value="&lt;p&gt;&#34;high&#34; &amp; low&lt;/p&gt;"`, `name="do" value="publish"`,
		`name="tag" value="1"><input type="hidden" name="tag" value="2"`}
	parsed := func(r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Fatal(err)
		}
	}
	for status, word := range map[int]string{503: "cannot answer", 401: "You are signed out"} {
		for what, c := range map[string]change{"unread": none, "parsed": parsed} {
			got := page(at, form, status, c)
			for _, want := range append(wants, word) {
				if !strings.Contains(got, want) {
					t.Errorf("%d, %s: no %s in\n%s", status, what, want, got)
				}
			}
			if strings.Contains(got, `type="password"`) || strings.Contains(got, "Try again") {
				t.Errorf("%d, %s: more is asked for\n%s", status, what, got)
			}
		}
	}

	// A password is asked for again: without it, what it guards would be saved open.
	got := page("/control/content/7", "title=Tides&password=quite-so", 503, none)
	if strings.Contains(got, "quite-so") || !strings.Contains(got, `name="password" type="password" required`) ||
		!strings.Contains(got, `name="title" value="Tides"`) {
		t.Errorf("with a password:\n%s", got)
	}
	if got := page("/control/content/7", `"><script>x=%22%3E%3Cscript%3E`, 503, none); strings.Contains(got, "<script>") {
		t.Errorf("markup of a field:\n%s", got)
	}
	if got := page("http://evil.example//evil.example/control/content/7", form, 503, none); strings.Contains(
		got,
		"Send again",
	) {
		t.Errorf("an address elsewhere:\n%s", got)
	}

	for what, got := range map[string]string{
		"another origin":    page(at, form, 503, header("Sec-Fetch-Site", "cross-site")),
		"another subdomain": page(at, form, 401, header("Sec-Fetch-Site", "same-site")),
		"an old browser's other origin": page(at, form, 503, func(r *http.Request) {
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Set("Origin", "https://evil.example")
		}),
		"a script":          page(at, form, 503, header("Accept", "*/*")),
		"JSON":              page(at, `{"a":1}`, 503, header("Content-Type", "application/json")),
		"an upload":         page(at, form, 503, header("Content-Type", "multipart/form-data; boundary=x")),
		"a sign-in":         page("/sign-in", "login=ida&password=x", 503, none),
		"a reader's key":    page("/unlock", "word=x", 503, none),
		"what is not there": page(at, form, 404, none),
		"what is forbidden": page(at, form, 403, none),
		"a token":           page(at, "title=Tides&token=x", 503, none),
		"nothing written":   page(at, "password=x", 503, none),
		"a form cut short":  page(at, "title=Tides&body=%z", 503, none),
		"more than the limit": page(at, "title="+strings.Repeat("x", 1000), 503, func(r *http.Request) {
			r.Body = http.MaxBytesReader(nil, r.Body, 100)
		}),
	} {
		if strings.Contains(got, "Send again") {
			t.Errorf("%s is kept\n%s", what, got)
		}
	}
}
