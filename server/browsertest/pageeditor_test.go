package browsertest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stoa-portal/stoa/server/servertest"
)

// editor waits for an expression in the page editor to become true; doc is the page in its middle.
func (b *browser) editor(t *testing.T, what, js string) {
	t.Helper()
	b.until(
		t,
		what,
		`(() => { const frame = document.querySelector("iframe"), doc = frame && frame.contentDocument; return `+js+`; })()`,
	)
}

// TestPageEditor_EachRequestGoesToAnotherNode makes a page, fills it and publishes it while no two requests in a row
// reach the same node: what one saved, the next must know.
func TestPageEditor_EachRequestGoesToAnotherNode(t *testing.T) {
	nodes := servertest.Start(t, 3)
	address, served := servertest.Balance(t, nodes)
	b := open(t, address)
	b.signIn(t)
	b.visit(t, "/control/pages/new", 1440)
	b.do(
		t,
		"make a page",
		chromedp.SendKeys(chromedp.CSS(`[name="title.en-US"]`), "The quay"),
		chromedp.Click(chromedp.CSS(`button[name="do"][value="save"]`)),
		chromedp.WaitVisible(chromedp.CSS(`button[name="do"][value="publish"]`)),
		chromedp.Click(
			chromedp.CSS(`button[name="do"][value="publish"]`),
		),
		chromedp.WaitVisible(chromedp.CSS(`[formaction$="/unpublish"]`)),
	)
	id := eval[string](t, b, `location.pathname.split("/").pop()`)
	for _, n := range nodes {
		n.Poll(t)
		if a := n.Get(t, "/the-quay"); a.Status != http.StatusOK {
			t.Fatalf("%s: %d", n.URL, a.Status) // now cached without widgets
		}
	}
	b.do(
		t,
		"open the page editor",
		chromedp.Navigate(b.url+"/control/pages/"+id+"/edit"),
		chromedp.WaitVisible(chromedp.CSS("[data-add=banner]")),
	)
	b.editor(t, "the page is there", `doc.querySelector("main")`)
	for i, text := range []string{"First words", "Second words", "Third words"} {
		b.do(t, "add a banner", chromedp.Click(chromedp.CSS("[data-add=banner]")))
		b.editor(
			t,
			"it was added and saved",
			fmt.Sprintf(
				`doc.querySelectorAll("[data-widget=banner]").length === %d && document.getElementById("f-s.heading") && document.getElementById("f-s.heading").value === ""`,
				i+1,
			),
		)
		b.do(
			t,
			"write its heading",
			chromedp.Evaluate[chromedp.Void](
				fmt.Sprintf(
					`(() => { const i = document.getElementById("f-s.heading"); i.value = %q; i.dispatchEvent(new Event("change", { bubbles: true })); })()`,
					text,
				),
			),
		)
		b.editor(
			t,
			"the heading is saved",
			fmt.Sprintf(
				`doc.body.textContent.includes(%q) && /Saved/.test(document.querySelector("[data-state]").textContent)`,
				text,
			),
		)
	}
	b.do(t, "undo", chromedp.Click(chromedp.CSS("[data-do=undo]")))
	b.editor(
		t,
		"the last heading is taken back",
		`!doc.body.textContent.includes("Third words") && /Saved/.test(document.querySelector("[data-state]").textContent)`,
	)
	for _, n := range nodes {
		if a := n.Get(t, "/the-quay"); strings.Contains(a.Body, "First words") {
			t.Errorf("%s shows visitors the draft", n.URL)
		}
	}
	b.do(t, "publish", chromedp.Click(chromedp.CSS(`[data-publish] button[value=publish]`)))
	b.editor(t, "it is published", `document.querySelector("[data-pill] .pill--ok")`)
	for _, n := range nodes {
		n.Poll(t)
		a := n.Guest(t).Get(t, "/the-quay")
		if !strings.Contains(a.Body, "First words") || !strings.Contains(a.Body, "Second words") ||
			strings.Contains(a.Body, "Third words") {
			t.Errorf("%s: %d, not the page that was published", n.URL, a.Status)
		}
	}
	for i, n := range served() {
		if n == 0 {
			t.Errorf("node %d answered nothing, so the requests did not alternate", i)
		}
	}
}

// TestLanguages_ArticleInTwoOnEveryNode writes a text in a second language and reads both.
func TestLanguages_ArticleInTwoOnEveryNode(t *testing.T) {
	nodes := servertest.Start(t, 3)
	address, _ := servertest.Balance(t, nodes)
	st := nodes[0].Site(t)
	st.Locales = append(st.Locales, "de")
	if _, err := nodes[0].Sites.UpdateSite(servertest.System(), st); err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		n.Poll(t)
	}
	b := open(t, address)
	b.signIn(t)
	b.visit(t, "/control/content", 1440)
	b.do(
		t,
		"open the article",
		chromedp.Click(chromedp.CSS(".table__name a")),
		chromedp.WaitVisible(chromedp.CSS(".tabs__tab:nth-child(2)")),
		chromedp.Click(chromedp.CSS(".tabs__tab:nth-child(2)")),
	)
	b.until(t, "the German form is there", `location.search.includes("lang=de") && document.querySelector(".rte-text")`)
	b.do(
		t,
		"write in German",
		chromedp.SendKeys(chromedp.CSS(`[name="title"]`), "Ihr Portal läuft"),
		chromedp.Click(chromedp.CSS(".rte-text")),
		chromedp.KeyEvent("Alles liegt in einem Ordner."),
		chromedp.Click(chromedp.CSS(`button[name="do"][value="publish"]`)),
	)
	b.until(t, "it is published", `location.search.includes("done=published")`)
	for _, n := range nodes {
		n.Poll(t)
	}
	visitor := open(t, address)
	for range nodes {
		visitor.visit(t, "/de/w/welcome", 390)
		if got := visitor.text(t); !strings.Contains(got, "Ihr Portal läuft") ||
			!strings.Contains(got, "Alles liegt in einem Ordner.") {
			t.Fatalf("the German address shows\n%s", got)
		}
		visitor.visit(t, "/w/welcome", 390)
		if got := visitor.text(t); !strings.Contains(got, "Your portal is running") || strings.Contains(got, "Ordner") {
			t.Fatalf("the English address shows\n%s", got)
		}
	}
	visitor.visit(t, "/w/welcome", 1440)
	visitor.do(
		t,
		"change the language",
		chromedp.Click(chromedp.CSS(".language-selector summary")),
		chromedp.Click(chromedp.CSS(`.language-selector a[hreflang="de"]`)),
	)
	visitor.until(
		t,
		"the same article in German",
		`location.pathname === "/de/w/welcome" && document.documentElement.lang === "de" && document.body.textContent.includes("Ihr Portal läuft")`,
	)
}
