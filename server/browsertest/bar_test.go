package browsertest

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stoa-portal/stoa/server/servertest"
)

// The bar is one row that does not move what is below it, and its list opens and closes by the keyboard.
func TestBar_OneRowByKeyboardInBothThemes(t *testing.T) {
	n := servertest.Start(t, 1)[0]
	n.SignIn(t)
	b := open(t, n.URL)
	b.signIn(t)
	for _, width := range []int64{390, 1440} {
		b.visit(t, "/", width)
		b.fits(t, fmt.Sprintf("the bar at %d px", width))
		if h := eval[float64](t, b, `document.querySelector(".site-bar").offsetHeight`); h > 44 {
			t.Errorf("at %d px the bar is %.0f px high", width, h)
		}
		if top := eval[int](t, b, `new Set([...document.querySelectorAll(".site-bar > :is(a, details)")]
			.map(e => Math.round(e.getBoundingClientRect().top))).size`); top != 1 {
			t.Errorf("at %d px the bar has %d rows", width, top)
		}
		b.do(t, "open the list", chromedp.Focus(chromedp.CSS(".site-bar__new summary")), chromedp.KeyEvent("\r"),
			chromedp.WaitVisible(chromedp.CSS(`.site-bar a[href^="/control/pages/new"]`)))
		for _, theme := range []string{"dark", "light"} {
			eval[bool](t, b, `document.documentElement.setAttribute("data-theme", "`+theme+`"),
				document.getAnimations().forEach(a => a.finish()), true`)
			b.audit(t, fmt.Sprintf("the bar at %d px, %s", width, theme), axe(t))
			b.shoot(t, fmt.Sprintf("bar-%d-%s", width, theme))
		}
		b.do(t, "close it", chromedp.KeyEvent("\u001b"))
		b.wait(t, "it to close", `!document.querySelector(".site-bar__new").open`)
	}
	id := n.Publish(t, "ebb", "Ebb", "<p>Words</p>")
	for _, width := range []int64{390, 1440} {
		b.visit(t, "/w/preview/"+id.String(), width)
		b.fits(t, fmt.Sprintf("a preview at %d px", width))
		b.shoot(t, fmt.Sprintf("preview-%d", width))
	}
}
