package browsertest

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// What Ann types in the settings of a page and leaves is offered to her there, and to no one else; a save takes it
// away.
func TestTyped_SettingsOfAPageAreOfferedAfterLeaving(t *testing.T) {
	_, b, ann, ada := newsroom(t)
	ann.visit(t, "/control/pages/new", 1440)
	const title = `[name="title.en-US"]`
	ann.do(t, "make a page", chromedp.SendKeys(chromedp.CSS(title), "The quay"),
		chromedp.Click(chromedp.CSS(`button[name="do"][value="save"]`)),
		chromedp.WaitVisible(chromedp.CSS(publishes)))
	at := "/control/pages/" + eval[string](t, ann, `location.pathname.split("/").pop()`)
	b.Poll(t)
	const (
		ready   = `document.querySelector('form[data-dirty] [name="_tab"]')`
		offered = `document.querySelector(".autosave")`
		value   = `document.querySelector('[name="title.en-US"]').value`
	)
	ann.visit(t, at, 1440)
	ann.until(t, "Ann edits", ready+` && !`+offered)
	ann.do(t, "type", chromedp.Click(chromedp.CSS(title)), chromedp.SendKeys(chromedp.CSS(title), " at noon"))
	ann.until(t, "the server has it", `document.querySelector("form[data-kept]")`)
	ann.visit(t, "/control/pages", 1440)
	ada.visit(t, at, 1440)
	ada.until(t, "Ada edits", ready+` && document.readyState === "complete"`)

	ann.visit(t, at, 1440)
	ann.until(t, "the offer", offered+` && `+value+` === "The quay"`)
	ann.do(t, "compare", chromedp.Click(chromedp.CSS(".autosave summary")))
	ann.until(t, "both", `/The quay\s*The quay at noon/.test(document.querySelector(".autosave tbody").innerText)`)
	ann.looks(t, "typed-offer")
	ann.do(t, "restore", chromedp.Click(chromedp.CSS("[data-typed-restore]")))
	ann.until(t, "restored", value+` === "The quay at noon" && !`+offered+` && document.querySelector(".is-dirty")`)
	if eval[bool](t, ada, `!!`+offered) {
		t.Error("Ada is offered what Ann typed")
	}
	ann.do(t, "save", chromedp.Click(chromedp.CSS(`button[name="do"][value="save"]`)))
	ann.until(t, "saved", `/done=/.test(location.search) && `+value+` === "The quay at noon"`)
	ann.visit(t, at, 1440)
	ann.until(t, "nothing is offered", ready+` && `+value+` === "The quay at noon" && !`+offered)

	ann.do(t, "type", chromedp.Click(chromedp.CSS(title)), chromedp.SendKeys(chromedp.CSS(title), " sharp"))
	ann.until(t, "the server has it, too", `document.querySelector("form[data-kept]")`)
	ann.visit(t, at, 1440)
	ann.until(t, "offered again", offered)
	ann.do(t, "discard", chromedp.Click(chromedp.CSS("[data-typed-discard]")),
		chromedp.WaitVisible(chromedp.CSS("dialog[open]")),
		chromedp.Click(chromedp.CSS(`dialog[open] button[type="submit"]`)))
	ann.until(t, "gone", `!`+offered)
	ann.visit(t, at, 1440)
	ann.until(t, "stays gone", ready+` && document.readyState === "complete" && !`+offered)
}
