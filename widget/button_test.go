package widget

import (
	"strings"
	"testing"

	"github.com/stoa-portal/stoa/richtext"
)

func TestLink_LeadsOnlyWhereItIsSafe(t *testing.T) {
	r := Request{Base: "/de"}
	for raw, want := range map[string]string{
		"/about": "/de/about", "/about?a=1#b": "/de/about?a=1#b", " /a ": "/de/a", "#tides": "#tides",
		"/documents/a/b/c": "/documents/a/b/c", "/control/": "/control/",
		"https://example.org/a": "https://example.org/a", "mailto:a@example.org": "mailto:a@example.org",
		"tel:+431":            "tel:+431",
		"javascript:alert(1)": "", "JaVaScRiPt:alert(1)": "", "data:text/html,x": "", "//example.org": "", "about": "",
		"": "", "#": "",
		`/\example.org`: "/de/%5Cexample.org", "https://": "", "https:example.org": "", "vbscript:x": "",
		"https://u:p@example.org": "",
		"\x01javascript:x":        "", "mailto:": "",
	} {
		got, ok := r.Link(raw)
		if !ok {
			got = ""
		}
		if got != want {
			t.Errorf("%q leads to %q, want %q", raw, got, want)
		}
	}
}

func TestButton_NeedsWordsAndAPlace(t *testing.T) {
	catalogue := New(Builtin(richtext.New())...)
	w, _ := catalogue.Get("button")
	draw := func(settings map[string]string) string {
		t.Helper()
		got, err := w.Render(t.Context(), Request{Settings: settings, Base: "/de"})
		if err != nil {
			t.Fatal(err)
		}
		return string(got.HTML)
	}
	got := draw(map[string]string{"label": "Go <b>", "link": "/tides", "look": "main", "place": "centre"})
	for _, want := range []string{`href="/de/tides"`, "Go &lt;b&gt;", "button--primary", "button-row--centre"} {
		if !strings.Contains(got, want) {
			t.Errorf("the button lacks %s: %s", want, got)
		}
	}
	for _, bad := range []map[string]string{{"label": "x"}, {"link": "/a"}, {"label": "x", "link": "javascript:x"}} {
		if got := draw(bad); got != "" {
			t.Errorf("%v gives %q", bad, got)
		}
	}
}
