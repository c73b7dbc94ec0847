package browsertest

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// What Ann types at one node and leaves is offered to her, and to no one else, and a save takes it away.
func TestAutosave_WhatWasTypedIsOfferedAfterLeaving(t *testing.T) {
	a, b, ann, ada := newsroom(t)
	at := "/control/content/" + a.Publish(t, "tides", "The tides", "<p>High water at noon.</p>").String()
	b.Poll(t)
	const (
		edits   = `document.querySelector(".rte-text") && window.stoa`
		offered = `document.querySelector(".autosave")`
		copies  = `Object.keys(localStorage).some(k => k.startsWith("stoa.autosave."))`
	)

	ann.visit(t, at, 1440)
	ann.until(t, "Ann edits", edits+` && !`+offered)
	ann.do(t, "type", chromedp.Click(chromedp.CSS("#f-title")),
		chromedp.SendKeys(chromedp.CSS("#f-title"), " today"))
	ann.until(t, "the server has it", `document.querySelector("form[data-kept]") && !`+copies)
	ann.do(t, "type on", chromedp.SendKeys(chromedp.CSS("#f-title"), " at sea"))
	eval[bool](t, ann, `document.querySelector("form[data-autosave]").dataset.kept = "", true`) // no question on leaving
	ann.visit(t, "/control/content", 1440)
	ada.visit(t, at, 1440)
	ada.until(t, "Ada is offered nothing", edits+` && !`+offered)
	ada.visit(t, "/control/content", 1440)

	ann.visit(t, at, 1440)
	ann.until(t, "the offer", offered+` && document.querySelector("#f-title").value === "The tides"`)
	ann.looks(t, "autosave-offer")
	ann.do(t, "compare", chromedp.Click(chromedp.CSS(`.autosave a[href*="/control/autosave"]`)))
	ann.until(t, "both", `/The tides today at sea/.test(document.querySelector(".is-chosen").textContent)`)
	ann.looks(t, "autosave-compare")
	ann.do(t, "restore", chromedp.Click(chromedp.CSS(`.is-chosen a`)))
	const all = `document.querySelector("#f-title").value === "The tides today at sea"`
	ann.until(t, "restored", edits+` && `+all)
	ann.do(t, "save", chromedp.Click(chromedp.CSS(`button[name="do"][value="save"]`)))
	ann.until(t, "saved", `/done=saved/.test(location.search) && `+all+` && !`+offered)

	// A copy of what was typed just before the save is known as saved, and goes.
	ann.do(t, "type", chromedp.Click(chromedp.CSS("#f-title")), chromedp.SendKeys(chromedp.CSS("#f-title"), " again"),
		chromedp.Click(chromedp.CSS(`button[name="do"][value="save"]`)))
	ann.until(t, "saved again", `document.querySelector("#f-title").value.endsWith("again") && `+edits+
		` && !document.querySelector(".is-dirty") && !`+copies+` && !`+offered)

	// While the server does not answer, the browser keeps a copy; the next screen hands it over.
	eval[bool](t, ann, `window.fetch = () => Promise.reject(new TypeError("offline")), true`)
	eval[bool](t, ann, `navigator.sendBeacon = () => false, true`)
	ann.do(t, "type", chromedp.Click(chromedp.CSS("#f-title")),
		chromedp.SendKeys(chromedp.CSS("#f-title"), " offline"))
	ann.until(t, "a copy", copies)
	eval[bool](t, ann, `document.querySelector("form[data-autosave]").dataset.kept = "", true`)
	ann.visit(t, "/control/content", 1440)
	ann.visit(t, at, 1440)
	ann.until(t, "handed over", offered+` && !`+copies)
	ann.do(t, "discard", chromedp.Click(chromedp.CSS(".autosave form button")),
		chromedp.WaitVisible(chromedp.CSS("dialog[open]")),
		chromedp.Click(chromedp.CSS(`dialog[open] button[type="submit"]`)))
	ann.until(t, "discarded", `/done=discarded/.test(location.search) && !`+offered)

	// Who signs out leaves nothing in the browser.
	eval[bool](t, ann, `localStorage.setItem("stoa.autosave.x", "{}"), true`)
	ann.do(t, "sign out", chromedp.Evaluate[chromedp.Void](
		`document.querySelector('form[action="/sign-out"]').requestSubmit()`))
	ann.until(t, "signed out", `location.pathname !== "`+at+`" && !`+copies)
}
