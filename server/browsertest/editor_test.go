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
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/server/servertest"
)

// post makes a post that is published.
func post(t *testing.T, n *servertest.Node, slug, title, body string) content.Article {
	t.Helper()
	st := n.Site(t)
	a, err := n.Content.Create(servertest.System(), st, content.Draft{Slug: slug, Kind: content.KindPost,
		Default: st.Locale, Text: map[stoa.Locale]content.Text{st.Locale: {Title: title, Body: body}}})
	must(t, err)
	a, err = n.Content.Publish(servertest.System(), a.ID, a.Version, time.Time{})
	must(t, err)
	return a
}

// enter presses Enter as a keyboard does: chromedp's own also sends a character that no handler can stop.
func enter() chromedp.Action[chromedp.Void] {
	return chromedp.Evaluate[chromedp.Void](`document.activeElement.dispatchEvent(
		new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }))`)
}

// A link is looked for by its words: a page by keys, a file by mouse; what is typed as an address stays one.
func TestEditor_LinksAreLookedFor(t *testing.T) {
	nodes := servertest.Start(t, 2)
	address, _ := servertest.Balance(t, nodes)
	n, st := nodes[0], nodes[0].Site(t)
	a := post(t, n, "tide", "Tide", "<p>High.</p>")
	_, err := n.Pages.Create(servertest.System(), st, page.NewPage{Slug: "harbour", Publish: true,
		Title: map[stoa.Locale]string{st.Locale: "The old harbour"}})
	must(t, err)
	f, err := n.Files.Upload(servertest.System(), st,
		document.Upload{Name: "harbour map.txt", Body: strings.NewReader("x")})
	must(t, err)
	for _, n := range nodes {
		n.Poll(t)
	}
	b := open(t, address)
	b.signIn(t)
	b.visit(t, "/control/content/"+a.ID.String(), 1440)
	const value = `document.querySelector("[name=body]").value`
	link := chromedp.Click(chromedp.CSS(`.rte-toolbar [aria-label="Link"]`))
	b.do(t, "look for a page", chromedp.WaitVisible(chromedp.CSS(".rte-text")), chromedp.Click(chromedp.CSS(".rte-text")),
		chromedp.KeyEvent(kb.End), link, chromedp.SendKeys(chromedp.CSS(".rte-context .rte-input"), "old harbour"))
	const found = `[...document.querySelectorAll(".rte-links__title")].map(x => x.textContent).join() === `
	b.until(t, "the page is found", found+`"The old harbour"`)
	b.shoot(t, "links-1440")
	b.do(t, "choose it by keys", chromedp.KeyEvent(kb.ArrowDown))
	if got := eval[string](t, b, `document.activeElement.getAttribute("aria-activedescendant")`); got == "" {
		t.Error("a screen reader is not told what is chosen")
	}
	b.do(t, "take it", enter(), enter())
	b.until(t, "the page is linked by its title", value+`.includes('<a href="/harbour">The old harbour</a>')`)

	b.do(t, "save", chromedp.Click(chromedp.CSS(`button[value="save"]`)), chromedp.WaitVisible(chromedp.CSS(".toast")))
	b.visit(t, "/control/content/"+a.ID.String(), 390)
	b.do(t, "look for a file on a phone", chromedp.WaitVisible(chromedp.CSS(".rte-text")),
		chromedp.Click(chromedp.CSS(".rte-text")), chromedp.KeyEvent(kb.End), link,
		chromedp.SendKeys(chromedp.CSS(".rte-context .rte-input"), "map"))
	b.until(t, "the file is found", found+`"harbour map.txt"`)
	b.fits(t, "the proposals on a phone")
	b.shoot(t, "links-390")
	b.do(t, "choose it", chromedp.Click(chromedp.CSS(".rte-links__item")),
		chromedp.Click(chromedp.CSS(".rte-context .button--primary")))
	b.until(t, "the file is linked", value+`.includes('<a href="`+document.URL(st.Slug, f)+`">harbour map.txt</a>')`)
	b.until(t, "the text has the focus again", `document.activeElement.matches(".rte-text")`)
	b.do(t, "an address", link)
	b.until(t, "the bar is there", `document.activeElement.matches(".rte-context .rte-input")`)
	b.do(t, "type it", chromedp.KeyEvent("example.org/x"), enter())
	b.until(t, "what was typed is the address", value+`.includes('href="https://example.org/x"')`)
	b.do(t, "save", chromedp.Click(chromedp.CSS(`button[value="save"]`)), chromedp.WaitVisible(chromedp.CSS(".toast")))
}

// A table looks in the editor as visitors see it, and the caret is never below a bar.
func TestEditor_TablesLookAsForVisitors(t *testing.T) {
	n := servertest.Start(t, 1)[0]
	a := post(t, n, "tide", "Tide", "<p>High.</p>"+strings.Repeat("<p>Water.</p>", 30)+
		`<table><thead><tr><th>Day</th><th>Height</th></tr></thead>`+
		`<tbody><tr><td>Monday</td><td>4 m</td></tr></tbody></table>`+
		strings.Repeat("<p>More.</p>", 10))
	const look = `["th", "td"].map(cell => { const s = getComputedStyle(document.querySelector("%s table " + cell));
		return [cell, s.paddingTop, s.paddingLeft, s.paddingRight, s.borderBottomWidth, s.borderBottomColor, s.borderTopWidth,
			s.borderLeftWidth, s.backgroundColor, s.fontSize, s.lineHeight, s.fontFamily, s.fontWeight, s.textAlign, s.color,
			s.verticalAlign, s.fontVariantNumeric].join(" "); }).join("\n")`
	b := open(t, n.URL)
	b.visit(t, "/w/tide", 1440)
	visitors := eval[string](t, b, fmt.Sprintf(look, "main"))
	b.signIn(t)
	b.visit(t, "/control/content/"+a.ID.String(), 1440)
	b.do(t, "wait for the editor", chromedp.WaitVisible(chromedp.CSS(".rte-text table")))
	if got := eval[string](t, b, fmt.Sprintf(look, ".rte-text")); got != visitors {
		t.Errorf("in the editor a table has\n%s\nfor visitors it has\n%s", got, visitors)
	}
	for _, width := range []int64{1440, 390} {
		b.visit(t, "/control/content/"+a.ID.String(), width)
		// Where the bar would lie over it: the last row a little above the lower edge of the window.
		b.do(t, "go into the table", chromedp.WaitVisible(chromedp.CSS(".rte-text table")),
			chromedp.Evaluate[chromedp.Void](`(() => {
				document.querySelector(".rte-surface").scrollTop = 100000;
				const cell = document.querySelector(".rte-text td");
				cell.scrollIntoView({ block: "center" });
				window.scrollBy(0, cell.getBoundingClientRect().bottom - innerHeight + 90);
			})()`),
			chromedp.Evaluate[chromedp.Void](`(() => {
				const cell = document.querySelector(".rte-text td"), editor = stoaEditor.editors.get(document.querySelector("[name=body]"));
				editor.view.focus();
				editor.commands.setTextSelection(editor.view.posAtDOM(cell, 0) + 1);
			})()`))
		b.until(t, "the bar leaves the caret free", `(() => {
			const editor = stoaEditor.editors.get(document.querySelector("[name=body]")), bar = document.querySelector(".rte-context");
			const caret = editor.view.coordsAtPos(editor.state.selection.head), save = document.querySelector(".save-bar");
			return !bar.hidden && caret.bottom <= bar.getBoundingClientRect().top &&
				caret.bottom <= save.getBoundingClientRect().top &&
				caret.top >= document.querySelector(".rte-toolbar").getBoundingClientRect().bottom;
		})()`)
		b.fits(t, "a table in the editor")
		b.shoot(t, fmt.Sprintf("editor-table-%d", width))
	}
}
