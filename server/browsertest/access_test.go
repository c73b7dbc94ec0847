package browsertest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stoa-portal/stoa/importer/wordpress"
	"github.com/stoa-portal/stoa/server/servertest"
)

// axe is a checker of accessibility by Deque, run inside the page.
func axe(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// audit fails for what axe calls serious or critical on the page that is open.
func (b *browser) audit(t *testing.T, what, script string) {
	t.Helper()
	b.do(t, "load axe", chromedp.Evaluate[chromedp.Void](script+";0"))
	found, err := chromedp.Run(
		b.ctx,
		chromedp.Evaluate[[]string](`axe.run(document, { resultTypes: ["violations"] }).then(r => r.violations
		.filter(v => v.impact === "serious" || v.impact === "critical")
		.map(v => v.id + " (" + v.impact + "): " + v.nodes.slice(0, 3).map(n => n.target.join(" ") + " " + n.html.slice(0, 160)).join(" | ")))`, chromedp.EvalAwaitPromise),
	)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	for _, f := range found {
		t.Errorf("%s: %s", what, f)
	}
}

// dark follows or leaves the dark scheme in what the browser says the person prefers.
func (b *browser) dark(t *testing.T, on bool) {
	t.Helper()
	scheme := "light"
	if on {
		scheme = "dark"
	}
	b.do(
		t,
		"prefer "+scheme,
		chromedp.Evaluate[chromedp.Void](fmt.Sprintf("localStorage.setItem('stoa.theme', %q)", scheme)),
	)
}

// TestAccessibility_NothingSerious looks at an imported site and at the control panel, in both schemes, wide and narrow.
func TestAccessibility_NothingSerious(t *testing.T) {
	n := servertest.Start(t, 1)[0]
	in, err := os.Open(filepath.Join("..", "..", "importer", "wordpress", "testdata", "small.xml"))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	export, err := wordpress.Read(in, wordpress.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	w := wordpress.Writer{
		DB:       n.DB,
		Sites:    n.Sites,
		Pages:    n.Pages,
		Content:  n.Content,
		Taxonomy: n.Taxonomy,
		Files:    n.Files,
	}
	if _, err := w.Write(servertest.System(), export, wordpress.WriteOptions{Site: n.Site(t), MediaDir: filepath.Join("..", "..", "importer", "wordpress", "testdata", "media")}); err != nil {
		t.Fatal(err)
	}
	st := n.Site(t)
	st.Locales = append(st.Locales, "de")
	if _, err := n.Sites.UpdateSite(servertest.System(), st); err != nil {
		t.Fatal(err)
	}
	n.Poll(t)
	script := axe(t)
	b := open(t, n.URL)
	visitors := []string{
		"/",
		"/de/",
		"/about",
		"/w/a-walk-along-the-coast",
		"/categories/news",
		"/no/such/page",
		"/sign-in",
		"/account/forgot",
	}
	panel := []string{
		"/account",
		"/control/",
		"/control/content",
		"/control/content/new",
		"/control/pages",
		"/control/pages/new",
		"/control/menus",
		"/control/files",
		"/control/categories",
		"/control/sites",
		"/control/settings",
		"/control/users",
		"/control/users/new",
		"/control/groups",
		"/control/roles",
		"/control/properties",
		"/control/caches",
		"/control/cluster",
		"/control/log",
		"/control/changes",
		"/control/audit",
		"/control/jobs",
		"/control/locks",
		"/control/find?q=a",
	}
	look := func(paths []string) {
		for i, width := range []int64{1440, 390} {
			b.dark(t, i == 1)
			for _, path := range paths {
				b.visit(t, path, width)
				b.audit(t, fmt.Sprintf("%s at %d px", path, width), script)
			}
		}
	}
	b.visit(t, "/", 1440)
	look(visitors)
	b.signIn(t)
	if at := eval[string](t, b, "location.pathname"); !strings.HasPrefix(at, "/control") {
		t.Fatalf("signed in at %s", at)
	}
	look(panel)
}
