package browsertest

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/server/servertest"
	"github.com/stoa-portal/stoa/user"
)

// until waits for an expression to become true in the window, to which somebody has come back.
func (b *browser) until(t *testing.T, what, js string) {
	t.Helper()
	wait := `new Promise(done => { const end = Date.now() + 20000; (function look() {
  dispatchEvent(new Event("focus")); let ok = false; try { ok = !!(` + js + `); } catch (e) { ok = false; }
  if (ok) done(true); else if (Date.now() > end) done(false); else setTimeout(look, 30); })(); })`
	ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](wait, chromedp.EvalAwaitPromise))
	for i := 0; err != nil && i < 5 && b.ctx.Err() == nil; i++ { // it went on to another page meanwhile
		ok, err = chromedp.Run(b.ctx, chromedp.Evaluate[bool](wait, chromedp.EvalAwaitPromise))
	}
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if !ok {
		t.Fatalf("%s: waited in vain for %s at %s\n%s", what, js, eval[string](t, b, "location.href"), b.text(t))
	}
}

// looks checks that what is open fits at 390 and 1440 pixels, and saves pictures of it in both colours.
func (b *browser) looks(t *testing.T, name string) {
	t.Helper()
	for _, width := range []int64{390, 1440} {
		b.do(t, "resize", chromedp.EmulateViewport(width, 900))
		b.fits(t, fmt.Sprintf("%s at %d px", name, width))
		if os.Getenv("STOA_SCREENSHOTS") == "" {
			continue
		}
		for _, theme := range []string{"dark", "light"} {
			eval[bool](t, b, `document.documentElement.setAttribute("data-theme", "`+theme+`"), document.getAnimations().forEach(a => a.finish()), true`)
			b.shoot(t, fmt.Sprintf("%s-%d-%s", name, width, theme))
		}
	}
}

func (b *browser) signInAs(t *testing.T, login, password string) {
	t.Helper()
	b.visit(t, "/sign-in?next=/control/", 1440)
	b.do(t, "sign in", chromedp.SendKeys(chromedp.CSS("#login"), login), chromedp.SendKeys(chromedp.CSS("#password"), password),
		chromedp.Submit(chromedp.CSS("#password")), chromedp.WaitVisible(chromedp.CSS(".rail__nav, .bar__menu")))
}

// newsroom is two nodes: Ann, who edits, is at the first, an administrator at the second.
func newsroom(t *testing.T) (a, b *servertest.Node, ann, ada *browser) {
	t.Helper()
	g := servertest.NewGroup(t, dbtest.SQLite)
	a, b = g.Join(nil), g.Join(nil)
	st := a.Site(t)
	roles, err := a.Access.RoleIDs(servertest.System(), st.Instance)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Users.Create(servertest.System(), user.User{Instance: st.Instance, ScreenName: "ann", Email: "ann@example.com", FirstName: "Ann", LastName: "Berg",
		Roles: []stoa.ID{roles[access.RoleEditor]}}, servertest.AdminPassword); err != nil {
		t.Fatal(err)
	}
	a.SignIn(t)
	b.Poll(t)
	ann, ada = open(t, a.URL), open(t, b.URL)
	ann.signInAs(t, "ann@example.com", servertest.AdminPassword)
	ada.signInAs(t, servertest.AdminLogin, servertest.AdminPassword)
	return a, b, ann, ada
}

const noLocks = `document.querySelector(".blank__title")`

func TestLock_EditorsOnTwoNodesSeeEachOther(t *testing.T) {
	a, b, ann, ada := newsroom(t)
	at := "/control/content/" + a.Publish(t, "tides", "The tides", "<p>High water at noon.</p>").String()
	b.Poll(t)

	ann.visit(t, at, 1440)
	ann.until(t, "Ann edits", `document.querySelector(".rte-text") && !document.querySelector(".lock")`)
	ann.do(t, "type", chromedp.Click(chromedp.CSS("#f-title")), chromedp.SendKeys(chromedp.CSS("#f-title"), " today"))

	// A second editor reads, and sees who edits.
	ada.visit(t, at, 1440)
	ada.until(t, "Ada reads", `/Ann Berg is editing this article/.test(document.querySelector(".lock").textContent) && document.querySelector("#f-title").disabled && !document.querySelector(".save-bar")`)
	ada.looks(t, "lock-reading")

	// The administrator sees it in the list and releases it; Ann is told at her window and goes on.
	ada.visit(t, "/control/locks", 1440)
	ada.until(t, "the list", `/The tides/.test(document.querySelector("tbody").textContent) && /Ann Berg/.test(document.querySelector("tbody").textContent)`)
	ada.looks(t, "locks")
	ada.do(t, "release", chromedp.Click(chromedp.CSS(`tbody button[name="one"]`)), chromedp.WaitVisible(chromedp.CSS("dialog[open]")))
	ada.looks(t, "locks-confirm")
	ada.do(t, "confirm", chromedp.Click(chromedp.CSS(`dialog[open] button[type="submit"]`)))
	ada.until(t, "released", noLocks+` && /Released/.test(document.querySelector(".toasts").textContent)`)
	ada.looks(t, "locks-none")
	ann.until(t, "Ann is told", `/released your lock/.test(document.querySelector(".lock").textContent) && document.querySelector("#f-title").value === "The tides today"`)
	ann.looks(t, "lock-released")
	ann.do(t, "go on", chromedp.Click(chromedp.CSS("[data-lock-take]")))
	ann.until(t, "Ann goes on", `!document.querySelector(".lock")`)

	// Taken over: Ann is told, and what she tries to save is kept.
	ada.visit(t, at, 1440)
	ada.do(t, "take over", chromedp.Click(chromedp.CSS(".lock button")), chromedp.WaitVisible(chromedp.CSS("dialog[open]")), chromedp.Click(chromedp.CSS(`dialog[open] button[type="submit"]`)))
	ada.until(t, "Ada edits", `!document.querySelector(".lock") && !document.querySelector("#f-title").disabled`)
	ann.until(t, "Ann is told", `/is editing this article now/.test(document.querySelector(".lock").textContent) && !document.querySelector("[data-lock-take]")`)
	ann.looks(t, "lock-lost")
	ann.do(t, "save", chromedp.Click(chromedp.CSS(`button[name="do"][value="save"]`)))
	ann.until(t, "her text is kept", `document.querySelector("[data-lock-lost] .lock") && document.querySelector("#f-title").value === "The tides today" && document.querySelector(".save-bar.is-dirty")`)

	// Ada saves and leaves; the lock comes back to Ann, and her save is compared with Ada's.
	ada.do(t, "write", chromedp.Click(chromedp.CSS("#f-title")), chromedp.SendKeys(chromedp.CSS("#f-title"), " tonight"), chromedp.Click(chromedp.CSS(`button[name="do"][value="save"]`)))
	ada.until(t, "saved", `/done=saved/.test(location.search) && document.querySelector("#f-title").value === "The tides tonight"`)
	ada.visit(t, "/control/content", 1440)
	ann.until(t, "Ann has it again", `!document.querySelector(".lock") && /You can go on/.test(document.querySelector(".toasts").textContent)`)
	ann.do(t, "save", chromedp.Click(chromedp.CSS(`button[name="do"][value="save"]`)))
	ann.until(t, "both texts", `/Changed by another person/.test(document.title) &&
		/The tides tonight/.test(document.body.textContent) && /The tides today/.test(document.body.textContent)`)
	ann.do(t, "save mine", chromedp.Click(chromedp.CSS(`.versus button[value="save"]`)))
	ann.until(t, "saved", `/done=saved/.test(location.search) && document.querySelector("#f-title").value === "The tides today"`)

	// Loading again keeps the lock, leaving gives it back.
	ann.do(t, "load again", chromedp.Reload())
	ann.until(t, "Ann edits", `document.querySelector(".rte-text") && !document.querySelector(".lock")`)
	ada.visit(t, "/control/locks", 1440)
	ada.until(t, "still locked", `/The tides/.test(document.querySelector("tbody").textContent)`)
	ann.visit(t, "/control/content", 1440)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); ; <-tick.C {
		list, err := b.Locks.List(servertest.System(), b.Site(t).Instance)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the lock is still there: %+v", list)
		}
	}
}

func TestLock_ReaderHearsThatItIsFree(t *testing.T) {
	a, b, ann, ada := newsroom(t)
	at := "/control/content/" + a.Publish(t, "tides", "The tides", "<p>High water at noon.</p>").String()
	b.Poll(t)
	ada.visit(t, at, 1440)
	ann.visit(t, at, 1440)
	ann.until(t, "Ann reads", `/is editing this article/.test(document.querySelector(".lock").textContent) && !document.querySelector(".lock button")`)
	ann.looks(t, "lock-reading-only")
	ada.visit(t, "/control/", 1440)
	ann.until(t, "it is free", `/This article is free again/.test(document.querySelector(".lock").textContent)`)
	ann.looks(t, "lock-free")
	ann.do(t, "edit", chromedp.Click(chromedp.CSS(".lock a")))
	ann.until(t, "Ann edits", `document.querySelector(".save-bar") && !document.querySelector(".lock")`)
}

func TestLock_PageEditorOfTwo(t *testing.T) {
	a, b, ann, ada := newsroom(t)
	p, err := a.Pages.Create(servertest.System(), a.Site(t), page.NewPage{Slug: "harbour", Title: map[stoa.Locale]string{a.Site(t).Locale: "The harbour"}, Position: -1, Publish: true,
		Layout: page.Layout{Sections: []page.Section{{ID: "top", Columns: []page.Column{{Width: 12, Widgets: []page.Placed{
			{ID: "intro", Widget: "html", Settings: map[string]string{"html": "<h1>The harbour</h1><p>Ships come in with the tide, and leave with it.</p>"}}}}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	b.Poll(t)
	at := "/control/pages/" + p.ID.String() + "/edit"
	dressed := `document.querySelector("iframe").contentDocument.querySelector(".widget-cover")`
	ann.visit(t, at, 1440)
	ann.until(t, "Ann edits", dressed)
	ada.visit(t, at, 1440)
	ada.until(t, "Ada reads", `/Ann Berg is editing this page/.test(document.querySelector(".lock").textContent) && document.querySelector("iframe").contentDocument.querySelector("h1") && !document.querySelector(".editor__palette")`)
	ada.looks(t, "page-reading")
	ada.do(t, "take over", chromedp.Click(chromedp.CSS(".lock button")), chromedp.WaitVisible(chromedp.CSS("dialog[open]")), chromedp.Click(chromedp.CSS(`dialog[open] button[type="submit"]`)))
	ada.until(t, "Ada edits", dressed+` && document.querySelector(".editor__palette")`)

	// Ann's next change is refused, and says why.
	eval[bool](t, ann, `document.querySelector("[data-section='6,6']").click() || true`)
	ann.until(t, "Ann is told", `/is editing this page now/.test(document.querySelector(".lock").textContent) && document.querySelector("[data-state].is-bad")`)
	ann.looks(t, "page-lost")
	if now, err := a.Pages.Get(servertest.System(), p.ID); err != nil || now.HasDraft {
		t.Fatalf("a change without the lock was saved: %+v, %v", now.Draft, err)
	}
	ada.do(t, "change", chromedp.EmulateViewport(1440, 900))
	eval[bool](t, ada, `document.querySelector("[data-section='6,6']").click() || true`)
	ada.until(t, "saved", `/Saved/.test(document.querySelector("[data-state]").textContent) && `+dressed)
	ada.visit(t, "/control/pages", 1440)
	ann.until(t, "Ann has the page again, with Ada's change", `!document.querySelector(".lock") && document.querySelector("iframe").contentDocument.querySelectorAll("[data-section-id]").length === 2 && /Section 2/.test(document.querySelector("[data-outline]").textContent)`)
}
