package browsertest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/server/servertest"
)

// A visitor types into the field of the header, takes a suggestion by keys, and searches, narrows and pages on the page
// of the search.
func TestSearch_FieldSuggestsAndThePageAnswers(t *testing.T) {
	n := servertest.Start(t, 1)[0]
	sys, st := servertest.System(), n.Site(t)
	for i := range 14 {
		kind := content.KindArticle
		if i%2 == 1 {
			kind = content.KindPost
		}
		a, err := n.Content.Create(sys, st, content.Draft{Slug: fmt.Sprint("leaf-", i), Kind: kind,
			Text: map[stoa.Locale]content.Text{st.Locale: {Title: fmt.Sprintf("Leaf %02d of the beech", i),
				Body: "<h2>Autumn</h2><p>" + strings.Repeat("It falls slowly to the ground. ", 30) + "Copper comes last.</p>"}}})
		if err == nil {
			_, err = n.Content.Publish(sys, a.ID, a.Version, time.Time{})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	b, script := open(t, n.URL), axe(t)
	b.visit(t, "/", 1280)
	b.do(t, "type into the field", chromedp.SendKeys(chromedp.CSS(`.site-search input`), "bee"),
		chromedp.WaitVisible(chromedp.CSS(".site-search .search-suggest li")))
	b.shoot(t, "search-1-suggest-1280")
	b.audit(t, "suggestions", script)
	first := eval[string](t, b, `document.querySelector(".site-search .search-suggest li").dataset.url`)
	b.do(t, "take the first", chromedp.KeyEvent(kb.ArrowDown),
		chromedp.WaitVisible(chromedp.CSS(`.search-suggest [aria-selected="true"]`)),
		chromedp.KeyEvent("\r"), chromedp.WaitVisible(chromedp.CSS(".article")))
	if at := eval[string](t, b, "location.pathname"); at != first {
		t.Errorf("the suggestion leads to %s, not %s", at, first)
	}
	for _, width := range []int64{1280, 390} {
		b.visit(t, "/search", width)
		b.fits(t, "the empty search page")
		b.audit(t, "the empty search page", script)
		b.do(t, "search", chromedp.SendKeys(chromedp.CSS("#search-q"), "copper"), chromedp.KeyEvent("\r"),
			chromedp.WaitVisible(chromedp.CSS(".search__hit")))
		if got := b.text(t); !strings.Contains(got, "14 results") {
			t.Errorf("at %d px it reads:\n%s", width, got)
		}
		if n := eval[int](t, b, `document.querySelectorAll(".search__hit mark").length`); n != 10 {
			t.Errorf("%d words are marked on the page", n)
		}
		b.fits(t, "the results")
		b.shoot(t, fmt.Sprint("search-2-results-", width))
		b.audit(t, "the results", script)
		b.do(t, "next page", chromedp.Click(chromedp.CSS(`a[rel~="next"]`)),
			chromedp.WaitVisible(chromedp.CSS(`.pagination a[href]:not([rel~="next"])`)))
		if n := eval[int](t, b, `document.querySelectorAll(".search__hit").length`); n != 4 {
			t.Errorf("the second page has %d results", n)
		}
		b.visit(t, "/search?q=coper", width) // a typing mistake
		if got := b.text(t); !strings.Contains(got, "14 results") {
			t.Errorf("with a typing mistake it reads:\n%s", got)
		}
		b.visit(t, "/search?q=nonesuchword", width)
		b.fits(t, "nothing found")
		b.audit(t, "nothing found", script)
	}
	b.signIn(t)
	for _, width := range []int64{1440, 390} {
		b.visit(t, "/control/search", width)
		b.fits(t, "the screen of the search")
		b.shoot(t, fmt.Sprint("search-3-screen-", width))
		b.audit(t, "the screen of the search", script)
	}
	b.visit(t, "/control/search", 1440)
	b.do(t, "look at everything again", chromedp.Click(chromedp.CSS(`form[action="/control/search"] button`)),
		chromedp.WaitVisible(chromedp.CSS("dialog[open]")),
		chromedp.Click(chromedp.CSS("dialog[open] button[type=\"submit\"]")),
		chromedp.WaitVisible(chromedp.CSS(".toast")))
}
