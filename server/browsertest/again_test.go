package browsertest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/server/servertest"
)

// endSessions ends the sessions of everyone, as an administrator or the time can.
func endSessions(t *testing.T, nodes ...*servertest.Node) {
	t.Helper()
	if err := nodes[0].DB.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, "DELETE FROM user_session")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		n.Cache.DropAll("the test has ended sessions")
	}
}

const (
	framed   = `document.querySelector("#again[open] iframe").contentDocument`
	askAgain = framed + `.hasFocus() && ` + framed + `.activeElement.id === "login"`
	noDialog = `!document.querySelector("#again[open]")`
)

// password signs in with a password in the frame of the dialog.
func (b *browser) password(t *testing.T, login, password string) {
	t.Helper()
	b.until(t, "the dialog asks, and has the keys", askAgain)
	eval[bool](t, b, fmt.Sprintf(`(d => { d.querySelector("#login").value = %q; d.querySelector("#password").value = %q;
		d.querySelector("form").requestSubmit(); return true; })(%s)`, login, password, framed))
}

const publishes = `button[name="do"][value="publish"]`

// The session of an editor ends while they write. They press Publish, sign in in the dialog, on another node, and the
// article is published.
func TestAgain_TheSamePersonGoesOn(t *testing.T) {
	nodes := servertest.Start(t, 2)
	address, _ := servertest.Balance(t, nodes)
	b := open(t, address)
	b.signIn(t)
	b.visit(t, "/control/content/new?kind=post", 1440)
	b.do(t, "write", chromedp.WaitVisible(chromedp.CSS(".rte-text")),
		chromedp.SendKeys(chromedp.CSS(`[name="title"]`), "Tides again"),
		chromedp.Click(chromedp.CSS(".rte-text")), chromedp.KeyEvent("High water & low"))
	endSessions(t, nodes...)
	b.do(t, "publish", chromedp.Click(chromedp.CSS(publishes)))
	b.until(t, "the dialog asks, and has the keys", askAgain)
	b.looks(t, "again")
	b.do(t, "escape", chromedp.KeyEvent("\u001b"))
	const written = `document.querySelector("[name=title]").value === "Tides again" &&
		/High water & low/.test(document.querySelector(".rte-text").textContent)`
	b.until(t, "nothing is lost", noDialog+` && location.pathname === "/control/content/new" && `+written)

	b.do(t, "publish", chromedp.Click(chromedp.CSS(publishes)))
	b.password(t, servertest.AdminLogin, "wrong")
	b.until(t, "the word that it is wrong", framed+`.querySelector("[role=alert]")`)
	b.looks(t, "again-wrong")
	b.password(t, servertest.AdminLogin, servertest.AdminPassword)
	b.until(t, "it is published", `/done=published/.test(location.search) && `+written)
	for _, n := range nodes {
		n.Poll(t)
		if a := n.Guest(t).Get(t, "/w/tides-again"); !strings.Contains(a.Body, "High water &amp; low") {
			t.Errorf("%s: %d\n%s", n.URL, a.Status, a.Body)
		}
	}
}

// Any form of the panel, with a passkey, and with password and second factor.
func TestAgain_WithFactors(t *testing.T) {
	nodes := servertest.Start(t, 2)
	address, _ := servertest.Balance(t, nodes)
	b := open(t, address)
	b.signIn(t)
	b.authenticator(t)
	b.visit(t, "/account/factors", 1440)
	b.do(t, "add a passkey", chromedp.Click(chromedp.CSS(`form[data-passkey] .button`)),
		chromedp.WaitVisible(chromedp.CSS(".recovery__codes li")))
	code := eval[string](t, b, `document.querySelector(".recovery__codes code").textContent`)

	group := func(name string) {
		t.Helper()
		b.visit(t, "/control/groups/new", 1440)
		b.do(t, "fill in", chromedp.SendKeys(chromedp.CSS(`[name="name"]`), name))
		endSessions(t, nodes...)
		b.do(t, "save", chromedp.Click(chromedp.CSS(`.save-bar .button--primary`)))
		b.until(t, "the dialog asks", askAgain)
	}
	made := func(name string) {
		t.Helper()
		b.until(t, name+" is made", `document.querySelector(".toast.notice--ok") && `+noDialog)
		b.visit(t, "/control/groups", 1440)
		if got := b.text(t); !strings.Contains(got, name) {
			t.Errorf("the groups:\n%s", got)
		}
	}
	group("Bees & co")
	eval[bool](t, b, framed+`.querySelector("form[data-passkey] button").click(), true`)
	made("Bees & co")

	group("Wasps & co")
	b.password(t, servertest.AdminLogin, servertest.AdminPassword)
	b.until(t, "the second step", framed+`.activeElement.id === "code"`)
	b.looks(t, "again-second")
	eval[bool](t, b, fmt.Sprintf(`(d => { d.querySelector("#code").value = %q; d.querySelector("form").requestSubmit();
		return true; })(%s)`, code, framed))
	made("Wasps & co")
}

// Where another person signs in, the editor is closed: nothing of the text is shown to them, or saved in their name.
func TestAgain_AnotherPersonSeesNothing(t *testing.T) {
	a, b, ann, _ := newsroom(t)
	at := "/control/content/" + a.Publish(t, "tides", "The tides", "<p>High water at noon.</p>").String()
	b.Poll(t)
	ann.visit(t, at, 1440)
	ann.until(t, "Ann edits", `document.querySelector(".rte-text") && window.stoa.again`)
	ann.do(t, "type", chromedp.Click(chromedp.CSS("#f-title")),
		chromedp.SendKeys(chromedp.CSS("#f-title"), " in private"))
	endSessions(t, a, b)
	b.Poll(t)
	ann.do(t, "save", chromedp.Click(chromedp.CSS(`button[name="do"][value="save"]`)))
	ann.password(t, servertest.AdminLogin, servertest.AdminPassword)
	ann.until(t, "the editor is closed", `location.pathname === "/control/" && /another person/.test(
		document.querySelector(".toasts").textContent)`)
	ann.looks(t, "again-other")
	eval[bool](t, ann, `history.back(), true`)
	ann.visit(t, at, 1440)
	if got := ann.text(t); strings.Contains(got, "in private") ||
		eval[bool](t, ann, `/in private/.test(document.querySelector("#f-title").value)`) {
		t.Errorf("the other person sees what Ann typed:\n%s", got)
	}

	// What a screen of Ann sends by itself is refused in the name of another person.
	n, err := chromedp.Run(ann.ctx, chromedp.Evaluate[int](`fetch("/control/autosave", {method: "POST", redirect: "manual",
		body: new URLSearchParams({_person: "1", autosave: "w", site: document.querySelector("[name=site]").value,
		article: location.pathname.split("/").pop(), lang: "en", title: "in private"})}).then(r => r.status)`,
		chromedp.EvalAwaitPromise))
	if err != nil || n == 204 {
		t.Errorf("a text of another person's screen was kept: %d %v", n, err)
	}

}

// bannerPage makes a page with a banner, and opens its settings in the page editor.
func (b *browser) bannerPage(t *testing.T) {
	t.Helper()
	b.visit(t, "/control/pages/new", 1440)
	b.do(t, "make a page", chromedp.SendKeys(chromedp.CSS(`[name="title.en-US"]`), "The quay"),
		chromedp.Click(chromedp.CSS(`button[name="do"][value="save"]`)),
		chromedp.WaitVisible(chromedp.CSS(publishes)))
	id := eval[string](t, b, `location.pathname.split("/").pop()`)
	b.do(t, "open the page editor", chromedp.Navigate(b.url+"/control/pages/"+id+"/edit"),
		chromedp.WaitVisible(chromedp.CSS("[data-add=banner]")))
	b.editor(t, "the page is there", `doc.querySelector("main")`)
	b.do(t, "add a banner", chromedp.Click(chromedp.CSS("[data-add=banner]")))
	b.editor(t, "it is there", `document.getElementById("f-s.heading") &&
		/Saved/.test(document.querySelector("[data-state]").textContent)`)
}

// What is typed in the settings of a widget is saved by itself; when the session has ended, after signing in.
func TestAgain_PageEditorGoesOn(t *testing.T) {
	nodes := servertest.Start(t, 2)
	address, _ := servertest.Balance(t, nodes)
	b := open(t, address)
	b.signIn(t)
	b.bannerPage(t)
	endSessions(t, nodes...)
	b.do(t, "write", chromedp.SendKeys(chromedp.CSS(`[id="f-s.heading"]`), "Boats leave here"))
	b.until(t, "the dialog asks", askAgain)
	b.looks(t, "again-page")
	b.password(t, servertest.AdminLogin, servertest.AdminPassword)
	b.editor(t, "it is saved", noDialog+` && doc.body.textContent.includes("Boats leave here") &&
		/Saved/.test(document.querySelector("[data-state]").textContent)`)

	// The way over another host, or a person in a hurry: signed in in another window, back in this one.
	endSessions(t, nodes...)
	eval[bool](t, b, `(i => { i.value += " at noon"; i.dispatchEvent(new Event("input", {bubbles: true})); return true; })(
		document.getElementById("f-s.heading"))`)
	b.until(t, "the dialog asks again", askAgain)
	if status := eval[int](t, b, `(() => { const x = new XMLHttpRequest(); x.open("POST", "/sign-in", false);
		x.setRequestHeader("Content-Type", "application/x-www-form-urlencoded");
		x.send(new URLSearchParams({ login: "`+servertest.AdminLogin+`", password: "`+servertest.AdminPassword+`",
			next: "/sign-in/done" }).toString()); return x.status; })()`); status != 200 {
		t.Fatalf("sign in: %d", status)
	}
	b.editor(t, "it is saved, too", noDialog+` && doc.body.textContent.includes("Boats leave here at noon") &&
		/Saved/.test(document.querySelector("[data-state]").textContent)`)
}

// What is typed while the server cannot be reached is not lost with the form it stands in: it is put back, asked about
// on leaving, kept from being left out of what is published, and saved as soon as the server answers.
func TestPageEditor_OffersAgainWhatWasNotSaved(t *testing.T) {
	nodes := servertest.Start(t, 2)
	address, _ := servertest.Balance(t, nodes)
	b := open(t, address)
	b.signIn(t)
	b.bannerPage(t)
	eval[bool](t, b, `window.reach = window.fetch, window.fetch = (url, o) => /draft$/.test(url) ?
		Promise.reject(new TypeError("offline")) : window.reach(url, o), true`)
	b.do(t, "write", chromedp.SendKeys(chromedp.CSS(`[id="f-s.heading"]`), "Boats leave here"))
	b.editor(t, "it is not saved", `/Not saved$/.test(document.querySelector("[data-state]").textContent)`)
	b.do(t, "look away", chromedp.Click(chromedp.CSS("[data-settings] [data-do=deselect]")))
	b.editor(t, "nothing is selected", `!document.getElementById("f-s.heading")`)
	b.do(t, "look again", chromedp.Click(chromedp.CSS("[data-outline] ul .outline__item")))
	b.editor(t, "it is put back", `document.getElementById("f-s.heading").value === "Boats leave here" &&
		!doc.body.textContent.includes("Boats leave here")`)
	if eval[bool](t, b, `dispatchEvent(new Event("beforeunload", {cancelable: true}))`) {
		t.Error("the window closes without a question")
	}
	b.do(t, "publish", chromedp.Click(chromedp.CSS(publishes)))
	b.editor(t, "publishing waits", `/Not everything/.test(document.querySelector(".toasts").textContent)`)
	eval[bool](t, b, `window.fetch = window.reach, dispatchEvent(new Event("online")), true`)
	b.editor(t, "it is saved", `doc.body.textContent.includes("Boats leave here") &&
		/Saved/.test(document.querySelector("[data-state]").textContent)`)
	if !eval[bool](t, b, `dispatchEvent(new Event("beforeunload", {cancelable: true}))`) {
		t.Error("the window asks although all is saved")
	}
}
