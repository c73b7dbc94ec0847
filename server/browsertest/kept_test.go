package browsertest

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server/servertest"
)

// An editor whose session ends while they write presses Publish, signs in in another window and sends the text again.
func TestKept_EditorSendsAgainAfterSigningIn(t *testing.T) {
	nodes := servertest.Start(t, 2)
	address, _ := servertest.Balance(t, nodes)
	b := open(t, address)
	b.signIn(t)
	b.visit(t, "/control/content/new?kind=post", 1440)
	b.do(t, "write", chromedp.WaitVisible(chromedp.CSS(".rte-text")),
		chromedp.SendKeys(chromedp.CSS(`[name="title"]`), "Kept tides"),
		chromedp.Click(chromedp.CSS(".rte-text")), chromedp.KeyEvent("High water & low"))
	done := eval[bool](
		t,
		b,
		`(() => { const x = new XMLHttpRequest(); x.open("POST", "/sign-out", false); x.send(); return true; })()`,
	)
	if !done {
		t.Fatal("not signed out")
	}
	// As if the session ended between the question who is there and the form: no dialog can help then.
	eval[bool](t, b, `window.fetch = () => Promise.resolve(new Response("", {status: 503})), true`)
	b.do(t, "publish", chromedp.Click(chromedp.CSS(`button[name="do"][value="publish"]`)),
		chromedp.WaitVisible(chromedp.CSS(".error-page .button--primary")))
	for _, width := range []int64{1440, 390} {
		b.do(t, "look", chromedp.EmulateViewport(width, 900))
		b.fits(t, "the page that keeps the text")
		b.shoot(t, map[int64]string{1440: "kept-1440", 390: "kept-390"}[width])
	}
	links := eval[string](t, b, `(a => a.getAttribute("href") + " " + a.target)(document.querySelector(".error-page a"))`)
	if links != "/sign-in _blank" {
		t.Errorf("the way to sign in is %s", links)
	}
	// The other window shares the cookies of this one.
	if status := eval[int](t, b, `(() => { const x = new XMLHttpRequest(); x.open("POST", "/sign-in", false);
		x.setRequestHeader("Content-Type", "application/x-www-form-urlencoded");
		x.send(new URLSearchParams({ login: "`+servertest.AdminLogin+`", password: "`+servertest.AdminPassword+`" }).toString()); return x.status; })()`); status >= 400 {
		t.Fatalf("sign in: %d", status)
	}
	b.do(t, "send again", chromedp.Click(chromedp.CSS(".error-page .button--primary")),
		chromedp.WaitVisible(chromedp.CSS(".toast")))
	b.visit(t, "/w/kept-tides", 1440)
	if got := b.text(t); !strings.Contains(got, "High water & low") {
		t.Errorf("the article reads:\n%s", got)
	}
}

// The same while the database is away: a password that was in the form is typed again.
func TestKept_EditorSendsAgainWhenTheDatabaseIsBack(t *testing.T) {
	g := servertest.NewGroup(t, dbtest.Postgres)
	g.Breakable = true
	n := g.Join(nil)
	b := open(t, n.URL)
	b.signIn(t)
	b.visit(t, "/control/content/new?kind=post", 1440)
	b.do(t, "write", chromedp.WaitVisible(chromedp.CSS(".rte-text")),
		chromedp.SendKeys(chromedp.CSS(`[name="title"]`), "Kept tides"),
		chromedp.Click(chromedp.CSS(".rte-text")), chromedp.KeyEvent("High water & low"),
		chromedp.SendKeys(chromedp.CSS(`[name="password"]`), "quite-so"))
	g.Cut(n)
	await(t, "the node finds out", func() bool { return !n.Cache.Proven() && n.Log.Hangs() })
	b.do(t, "publish", chromedp.Click(chromedp.CSS(`button[name="do"][value="publish"]`)),
		chromedp.WaitVisible(chromedp.CSS(`.error-page [type="password"]`)))
	for _, width := range []int64{1440, 390} {
		b.do(t, "look", chromedp.EmulateViewport(width, 900))
		b.fits(t, "the page that keeps the text")
		b.shoot(t, map[int64]string{1440: "kept-away-1440", 390: "kept-away-390"}[width])
	}
	g.Thaw(n)
	await(t, "the node finds back", n.Cache.Proven)
	b.do(t, "send again", chromedp.SendKeys(chromedp.CSS(`.error-page [type="password"]`), "quite-so"),
		chromedp.Click(chromedp.CSS(".error-page .button--primary")),
		chromedp.WaitVisible(chromedp.CSS(".toast")))
	if got := n.Guest(t).Get(t, "/w/kept-tides"); got.Status >= 500 || strings.Contains(got.Body, "High water") {
		t.Errorf("the article lost its password: %d\n%s", got.Status, got.Body)
	}
}
