package widget

import (
	"strings"
	"testing"

	"github.com/stoa-portal/stoa/richtext"
)

func TestBanner_EscapesAndLeadsOnlyToSafePlaces(t *testing.T) {
	t.Parallel()
	w, ok := New(Builtin(richtext.New())...).Get("banner")
	if !ok {
		t.Fatal("there is no banner")
	}
	for link, want := range map[string]string{
		"/about":               `href="/de/about"`,
		"https://example.org/": `href="https://example.org/"`,
		"javascript:alert(1)":  "",
		"//evil.example":       "",
		"about":                "",
	} {
		got, err := w.Render(t.Context(), Request{Base: "/de", Settings: map[string]string{"heading": "<b>Hi</b>", "label": "Go", "link": link}})
		if err != nil {
			t.Fatal(err)
		}
		html := string(got.HTML)
		if strings.Contains(html, "<b>") {
			t.Errorf("the heading was not escaped: %s", html)
		}
		if want == "" && strings.Contains(html, "<a ") || !strings.Contains(html, want) {
			t.Errorf("link %q gives %s", link, html)
		}
	}
	if got, err := w.Render(t.Context(), Request{}); err != nil || got.HTML != "" {
		t.Errorf("a banner without a heading gives %q, %v", got.HTML, err)
	}
}
