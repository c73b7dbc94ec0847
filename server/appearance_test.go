package server_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa/server/servertest"
	"github.com/stoa-portal/stoa/site"
)

// A change on one node drops the cached pages of the other, which then lead to the new style sheet; both nodes serve it
// for ever, and what another hash asks for may not be kept.
func TestAppearance_CachedPagesOfTheOtherNodeFollow(t *testing.T) {
	t.Parallel()
	nodes := servertest.Start(t, 2)
	a, b := nodes[0], nodes[1].Guest(t)
	link := regexp.MustCompile(`<link rel="stylesheet" href="(/site-style/[^"]+)">`)
	for range 2 { // the second answer comes from the page cache
		if got := b.Get(t, "/"); got.Status != http.StatusOK || link.MatchString(got.Body) ||
			!strings.Contains(got.Body, `href="/sign-in"`) {
			t.Fatalf("before: %d\n%.500s", got.Status, got.Body)
		}
	}
	st := a.Site(t)
	if got := b.Get(t, "/site-style/"+st.ID.String()+"/x.css"); got.Status != http.StatusNotFound {
		t.Errorf("a style sheet that is not there: %d", got.Status)
	}
	saved, err := a.Sites.SetAppearance(servertest.System(), st.ID, site.Appearance{HideSignIn: true, HideSearch: true,
		Light: site.Colours{Accent: "#8a1c1c"}, CSS: ".site > main { color: red }"}, st.Version)
	ok(t, err)
	nodes[1].Poll(t)
	got := b.Get(t, "/")
	m := link.FindStringSubmatch(got.Body)
	if m == nil || m[1] != saved.StylePath() || strings.Contains(got.Body, `href="/sign-in"`) ||
		strings.Contains(got.Body, "site-search") {
		t.Fatalf("after: %v, want %s\n%.3000s", m, saved.StylePath(), got.Body)
	}
	if i := strings.Index(got.Body, "theme.css"); i < 0 || strings.Index(got.Body, m[1]) < i {
		t.Error("the site's style sheet stands before the theme's")
	}
	a = a.Guest(t)
	for _, n := range []*servertest.Node{a, b} {
		sheet := n.Get(t, m[1])
		if sheet.Status != http.StatusOK || !strings.Contains(sheet.Body, "--accent:light-dark(#8a1c1c,") ||
			!strings.Contains(
				sheet.Body,
				".site > main { color: red }",
			) || !strings.Contains(sheet.Header.Get("Cache-Control"), "immutable") ||
			!strings.HasPrefix(sheet.Header.Get("Content-Type"), "text/css") {
			t.Errorf("%d %v\n%s", sheet.Status, sheet.Header, sheet.Body)
		}
		if again := n.Get(t, m[1], "If-None-Match", sheet.Header.Get("ETag")); again.Status != http.StatusNotModified {
			t.Errorf("with its ETag: %d", again.Status)
		}
		old := n.Get(t, "/site-style/"+st.ID.String()+"/0123.css")
		if old.Body != sheet.Body || old.Header.Get("Cache-Control") != "no-cache" {
			t.Errorf("another hash: %q\n%s", old.Header.Get("Cache-Control"), old.Body)
		}
	}
}
