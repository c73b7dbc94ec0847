package browsertest

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stoa-portal/stoa/server/servertest"
)

// The preview shows what is typed before it is saved; afterwards visitors at every node see it.
func TestAppearance_PreviewFollowsAndVisitorsSeeWhatIsSaved(t *testing.T) {
	nodes := servertest.Start(t, 2)
	address, _ := servertest.Balance(t, nodes)
	b := open(t, address)
	b.signIn(t)
	b.visit(t, "/control/appearance", 1440)
	accent := `getComputedStyle(document.querySelector("[name=looks-preview]").contentDocument.documentElement).getPropertyValue("--accent")`
	b.until(
		t,
		"the preview of what is saved",
		`document.querySelector("[name=looks-preview]").contentDocument.querySelector(".site-header")`,
	)
	b.do(t, "type a colour", chromedp.SendKeys(chromedp.CSS(`[name="light.accent"]`), "#8a1c1c"),
		chromedp.SendKeys(chromedp.CSS(`[name="light.ground"]`), "#f3efe2"))
	b.until(t, "the colour in the preview", accent+`.includes("#8a1c1c") || `+accent+`.includes("138, 28, 28")`)
	b.until(t, "the word that it is not saved", `/Unsaved/.test(document.querySelector("[data-save-state]").textContent)`)
	b.looks(t, "appearance")
	b.do(t, "hide the link", chromedp.Click(chromedp.CSS(`[name="sign-in"]`)),
		chromedp.Click(chromedp.CSS(".save-bar .button--primary")), chromedp.WaitVisible(chromedp.CSS(".toast")))
	for _, n := range nodes {
		n.Poll(t)
		guest := open(t, n.URL)
		guest.visit(t, "/", 1440)
		if got := eval[string](t, guest, `getComputedStyle(document.body).backgroundColor`); got != "rgb(243, 239, 226)" {
			t.Errorf("the background is %s", got)
		}
		if eval[bool](t, guest, `!!document.querySelector('.site-header [href="/sign-in"]')`) {
			t.Error("the header has the link to sign in")
		}
		guest.looks(t, "appearance-site")
	}
}
