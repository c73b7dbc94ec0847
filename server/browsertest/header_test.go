package browsertest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stoa-portal/stoa/server/servertest"
)

// fontsHeld stands before a node and holds typefaces back until they are let go, so that a page is painted without them
// first, as on a slow line.
func fontsHeld(t *testing.T, node string) (address string, release func()) {
	t.Helper()
	to, err := url.Parse(node)
	if err != nil {
		t.Fatal(err)
	}
	held := make(chan struct{})
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host }}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ".woff2") {
			select {
			case <-held:
			case <-r.Context().Done():
				return
			}
		}
		proxy.ServeHTTP(w, r)
	}))
	release = sync.OnceFunc(func() { close(held) })
	t.Cleanup(func() { release(); s.Close() })
	return s.URL, release
}

// Seven entries and three languages: one row at every width, every entry to be reached, and nothing that moves when the
// typefaces come.
func TestHeader_OneRowThatDoesNotShift(t *testing.T) {
	n := servertest.Start(t, 1)[0]
	b := open(t, n.URL)
	b.signIn(t)
	b.visit(t, "/control/settings", 1440)
	b.do(t, "add languages", chromedp.Click(chromedp.CSS(`[name="locales"][value="de"]`)),
		chromedp.Click(chromedp.CSS(`[name="locales"][value="fr"]`)),
		chromedp.Click(chromedp.CSS(".save-bar .button--primary")), chromedp.WaitVisible(chromedp.CSS(".toast")))
	long := "Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz"
	for _, title := range []string{"Departments", "Publications", "Events and news", "The harbour", "How to find us",
		"Frequently asked", long} {
		b.visit(t, "/control/pages/new", 1440)
		b.do(
			t,
			"make "+title,
			chromedp.SendKeys(chromedp.CSS(`[name^="title."]`), title),
			chromedp.Click(chromedp.CSS(`button[name="do"][value="save"]`)),
			chromedp.WaitVisible(chromedp.CSS(`button[name="do"][value="publish"]`)),
			chromedp.Click(
				chromedp.CSS(`button[name="do"][value="publish"]`),
			),
			chromedp.WaitVisible(chromedp.CSS(`[formaction$="/unpublish"]`)),
		)
	}
	for _, width := range []int64{390, 1024, 1440} {
		address, release := fontsHeld(t, n.URL)
		guest := open(t, address)
		guest.do(t, "begin", chromedp.EmulateViewport(width, 900), chromedp.Navigate(address+"/robots.txt"))
		eval[bool](t, guest, `(setTimeout(() => location.assign("/")), true)`) // its load ends with the typefaces only
		guest.wait(
			t,
			"the first paint",
			`location.pathname === "/" && performance.getEntriesByName("first-contentful-paint").length > 0`,
		)
		before := eval[float64](t, guest, `document.querySelector(".site-header").offsetHeight`)
		release()
		guest.wait(t, "the typefaces", `document.fonts.status === "loaded" && document.fonts.check("1rem 'Source Sans 3'")`)
		eval[bool](
			t,
			guest,
			`(window.shift = 0, new PerformanceObserver(list => list.getEntries().forEach(e => { shift += e.value }))
			.observe({ type: "layout-shift", buffered: true }),
			requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => { window.settled = true }))), true)`,
		)
		guest.wait(t, "two frames", "window.settled")
		shift := eval[float64](t, guest, "shift")
		if shift >= 0.05 {
			t.Errorf("at %d px the layout shifts by %.3f, the limit is 0.05", width, shift)
		}
		if after := eval[float64](t, guest, `document.querySelector(".site-header").offsetHeight`); after != before ||
			after > 90 {
			t.Errorf("at %d px the header is %.0f px high before the typefaces come and %.0f after", width, before, after)
		}
		guest.fits(t, fmt.Sprintf("the header at %d px", width))
		guest.shoot(t, fmt.Sprintf("header-%d", width))
		if n := eval[int](t, guest, `document.querySelectorAll(".menu > .menu__item:not(.menu__more)").length`); n < 2 {
			t.Errorf("at %d px %d entries are in the row of the menu", width, n)
		}
		button := map[bool]string{true: ".site-menu-button", false: ".menu__more > button"}[width < 960]
		guest.do(
			t,
			"open the menu",
			chromedp.Click(chromedp.CSS(button)),
			chromedp.WaitVisible(chromedp.CSS(`.menu a[href$="gesetz"]`)),
		)
		guest.fits(t, fmt.Sprintf("the open menu at %d px", width))
		guest.shoot(t, fmt.Sprintf("header-open-%d", width))
	}
}
