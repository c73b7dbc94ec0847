// Package browsertest plays stories in a real browser against several nodes behind a load balancer
// that sends every request to the next node.
package browsertest

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server/servertest"
)

// browser is one profile of Chromium: a person with cookies of their own.
type browser struct {
	ctx context.Context
	url string
}

func open(t *testing.T, address string) *browser {
	t.Helper()
	bin := os.Getenv("STOA_TEST_CHROMIUM")
	if bin == "" {
		if os.Getenv("STOA_TEST_REQUIRE") == "1" {
			t.Fatal("STOA_TEST_CHROMIUM is not set, so there is no browser to test in")
		}
		t.Skip("SKIPPED: STOA_TEST_CHROMIUM names no browser, so nothing was looked at in one")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(bin), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("no-proxy-server", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true))
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatalf("start %s: %v", bin, err)
	}
	ctx, timeout := context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(timeout)
	return &browser{ctx: ctx, url: address}
}

func (b *browser) do(t *testing.T, what string, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		where, _ := chromedp.Run(b.ctx, chromedp.Location())
		body, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.body.innerText.slice(0, 1500)"))
		t.Fatalf("%s: %v\nat %s:\n%s", what, err, where, body)
	}
}

func eval[T any](t *testing.T, b *browser, js string) T {
	t.Helper()
	out, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](js))
	if err != nil {
		t.Fatalf("%v, evaluating %s", err, js)
	}
	return out
}

// visit opens a path at a width and waits until its main part is there.
func (b *browser) visit(t *testing.T, path string, width int64) {
	t.Helper()
	b.do(t, "open "+path, chromedp.EmulateViewport(width, 900), chromedp.Navigate(b.url+path), chromedp.WaitVisible(chromedp.CSS("main")))
}

func (b *browser) text(t *testing.T) string {
	t.Helper()
	return eval[string](t, b, "document.body.innerText")
}

// fits checks that nothing sticks out at the side, and names what does.
func (b *browser) fits(t *testing.T, what string) {
	t.Helper()
	wide := eval[[]int](t, b, "[document.documentElement.scrollWidth, window.innerWidth]")
	if wide[0] > wide[1] {
		guilty := eval[[]string](t, b, `[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1).slice(0, 5).map(e => e.outerHTML.slice(0, 120))`)
		t.Errorf("%s is %d px wide in a window of %d px: %s", what, wide[0], wide[1], strings.Join(guilty, "\n  "))
	}
}

// shoot saves a picture for people when STOA_SCREENSHOTS is a folder.
func (b *browser) shoot(t *testing.T, name string) {
	t.Helper()
	dir := os.Getenv("STOA_SCREENSHOTS")
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatalf("picture of %s: %v", name, err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		t.Fatal(err)
	}
}

func (b *browser) signIn(t *testing.T) {
	t.Helper()
	b.visit(t, "/sign-in?next=/control/", 1440)
	b.do(t, "sign in", chromedp.SendKeys(chromedp.CSS("#login"), servertest.AdminLogin), chromedp.SendKeys(chromedp.CSS("#password"), servertest.AdminPassword),
		chromedp.Submit(chromedp.CSS("#password")), chromedp.WaitVisible(chromedp.CSS(".rail__nav, .bar__menu")))
}

// publish writes an article and publishes it.
func (b *browser) publish(t *testing.T, title, text string) {
	t.Helper()
	b.visit(t, "/control/content/new?kind=post", 1440)
	b.do(t, "write", chromedp.WaitVisible(chromedp.CSS(".rte-text")),
		chromedp.SendKeys(chromedp.CSS(`[name="title"]`), title),
		chromedp.Click(chromedp.CSS(".rte-text")), chromedp.KeyEvent(text))
	b.shoot(t, "article-new-1440")
	b.do(t, "publish", chromedp.Click(chromedp.CSS(`button[name="do"][value="publish"]`)), chromedp.WaitVisible(chromedp.CSS(`.screen__title .pill`)))
}

func TestVisitor_PagesFitNarrowAndWideWindows(t *testing.T) {
	address, served := servertest.Balance(t, servertest.Start(t, 2))
	b := open(t, address)
	for _, width := range []int64{390, 1440} {
		for _, page := range []struct{ path, want, name string }{
			{"/", "Welcome to Stoa", "welcome"}, {"/w/welcome", "Your portal is running", "article"}, {"/no/such/page", "This page does not exist", "missing"}, {"/sign-in", "Keep me signed in", "sign-in"},
		} {
			b.visit(t, page.path, width)
			if got := b.text(t); !strings.Contains(got, page.want) {
				t.Errorf("%s at %d px does not say %q:\n%s", page.path, width, page.want, got)
			}
			b.fits(t, fmt.Sprintf("%s at %d px", page.path, width))
			b.shoot(t, fmt.Sprintf("%s-%d", page.name, width))
		}
	}
	for i, n := range served() {
		if n == 0 {
			t.Errorf("node %d answered nothing, so the requests did not alternate", i)
		}
	}
}

func TestEditor_ArticleIsWrittenAndSeenOnEveryNode(t *testing.T) {
	nodes := servertest.Start(t, 3)
	address, served := servertest.Balance(t, nodes)
	for _, n := range nodes { // what is cached before must give way
		if a := n.Get(t, "/w/the-arcade-at-noon"); a.Status != http.StatusNotFound {
			t.Fatalf("%s: %d", n.URL, a.Status)
		}
		n.Get(t, "/")
	}
	b := open(t, address)
	b.signIn(t)
	b.shoot(t, "control-1440")
	b.fits(t, "the control panel at 1440 px")
	b.publish(t, "The arcade at noon", "Shade is short under the columns.")
	if got := b.text(t); !strings.Contains(got, "Published") {
		t.Fatalf("the screen does not say that the article is published:\n%s", got)
	}
	b.shoot(t, "article-published-1440")
	for _, n := range nodes {
		n.Poll(t)
	}
	visitor := open(t, address)
	for i := range nodes {
		visitor.visit(t, "/w/the-arcade-at-noon", 1440)
		if got := visitor.text(t); !strings.Contains(got, "The arcade at noon") || !strings.Contains(got, "Shade is short under the columns.") {
			t.Errorf("visit %d does not show the article:\n%s", i, got)
		}
	}
	visitor.fits(t, "the article at 1440 px")
	visitor.shoot(t, "article-own-1440")
	for _, n := range nodes {
		if a := n.Get(t, "/w/the-arcade-at-noon"); a.Status != http.StatusOK || !strings.Contains(a.Body, "Shade is short under the columns.") {
			t.Errorf("%s: %d, without the text", n.URL, a.Status)
		}
		if a := n.Get(t, "/"); !strings.Contains(a.Body, "The arcade at noon") {
			t.Errorf("%s: the list on the home page does not name the article", n.URL)
		}
	}
	for i, n := range served() {
		if n == 0 {
			t.Errorf("node %d answered nothing, so the requests did not alternate", i)
		}
	}
}

func TestWriter_SeesTheArticleOnNodesThatHeardNothing(t *testing.T) {
	nodes := servertest.StartDeaf(t, dbtest.SQLite, 3)
	for _, n := range nodes {
		if a := n.Get(t, "/w/the-arcade-at-noon"); a.Status != http.StatusNotFound { // each remembers that there is none
			t.Fatalf("%s: %d", n.URL, a.Status)
		}
	}
	address, _ := servertest.Balance(t, nodes)
	b := open(t, address)
	b.signIn(t)
	b.publish(t, "The arcade at noon", "Shade is short under the columns.")
	for i := range nodes {
		b.visit(t, "/w/the-arcade-at-noon", 1440)
		if got := b.text(t); !strings.Contains(got, "Shade is short under the columns.") {
			t.Errorf("visit %d does not show the article to its writer:\n%s", i, got)
		}
	}
}

func TestEditor_PanelFitsANarrowWindow(t *testing.T) {
	address, _ := servertest.Balance(t, servertest.Start(t, 2))
	b := open(t, address)
	b.signIn(t)
	for _, path := range []string{"/control/", "/control/content", "/control/content/new", "/control/pages", "/control/properties", "/control/caches", "/control/cluster", "/control/log", "/control/changes", "/control/jobs", "/control/jobs/lock.expire", "/control/locks"} {
		b.visit(t, path, 390)
		b.fits(t, path+" at 390 px")
		b.shoot(t, "panel"+strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(path, "/control"), "/"), "/", "-")+"-390")
	}
}

func TestSignOut_EndsTheSessionOnEveryNode(t *testing.T) {
	nodes := servertest.Start(t, 2)
	address, _ := servertest.Balance(t, nodes)
	b := open(t, address)
	b.signIn(t)
	b.visit(t, "/account", 1440)
	b.do(t, "sign out", chromedp.Click(chromedp.CSS(`form[action="/sign-out"] button`)), chromedp.WaitVisible(chromedp.CSS(`a[href^="/sign-in"]`)))
	for range nodes {
		b.visit(t, "/control/", 1440)
		if at := eval[string](t, b, "location.pathname"); at != "/sign-in" {
			t.Errorf("after the sign-out the control panel opens at %s", at)
		}
	}
}
