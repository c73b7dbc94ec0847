package browsertest

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/server/servertest"
	"github.com/stoa-portal/stoa/taxonomy"
)

// A category gets another name, another address and another place, a tag is merged into another one; visitors of every
// node find the articles under the new words and are led on from the old addresses.
func TestTerms_AreRenamedMovedAndMerged(t *testing.T) {
	nodes := servertest.Start(t, 2)
	address, _ := servertest.Balance(t, nodes)
	n, st, sys := nodes[0], nodes[0].Site(t), servertest.System()
	sea, err := n.Taxonomy.AddCategory(sys, st.Instance, taxonomy.Category{Site: st.ID, Name: "Sea"})
	must(t, err)
	boats, err := n.Taxonomy.AddCategory(sys, st.Instance, taxonomy.Category{Site: st.ID, Name: "Boats"})
	must(t, err)
	colour, err := n.Taxonomy.AddTag(sys, st.Instance, st.ID, "Colour")
	must(t, err)
	_, err = n.Taxonomy.AddTag(sys, st.Instance, st.ID, "Color")
	must(t, err)
	a, err := n.Content.Create(sys, st, content.Draft{Slug: "hull", Kind: content.KindPost, Default: st.Locale,
		Text:       map[stoa.Locale]content.Text{st.Locale: {Title: "A red hull", Body: "<p>High.</p>"}},
		Categories: []stoa.ID{boats.ID}, Tags: []stoa.ID{colour}})
	must(t, err)
	_, err = n.Content.Publish(sys, a.ID, a.Version, time.Time{})
	must(t, err)

	b := open(t, address)
	b.signIn(t)
	b.visit(t, "/control/categories", 1440)
	b.do(t, "open the category", chromedp.Click(chromedp.CSS(`a[href="/control/categories/`+boats.ID.String()+`"]`)),
		chromedp.WaitVisible(chromedp.CSS("#merge")),
		chromedp.Evaluate[chromedp.Void](`document.querySelector("[name=name]").value = "Ships";
			document.querySelector("[name=slug]").value = "ships";
			document.querySelector("[name=parent]").value = "`+sea.ID.String()+`"`),
		chromedp.Click(chromedp.CSS(".save-bar .button--primary")), chromedp.WaitVisible(chromedp.CSS(".toast")))
	b.shoot(t, "category-1440")
	b.visit(t, "/control/categories/"+boats.ID.String(), 390)
	b.fits(t, "a category on a phone")
	b.shoot(t, "category-390")

	b.visit(t, "/control/tags/"+colour.String(), 1440)
	b.do(t, "choose the other tag", chromedp.SendKeys(chromedp.CSS("#f-into"), "Color"),
		chromedp.Click(chromedp.CSS("#merge .button")), chromedp.WaitVisible(chromedp.CSS("dialog[open]")))
	b.shoot(t, "tag-merge-1440")
	b.do(t, "confirm", chromedp.Click(chromedp.CSS("dialog[open] .button--danger")),
		chromedp.WaitVisible(chromedp.CSS(".toast")))
	if got := b.text(t); !strings.Contains(got, "Merged.") || !strings.Contains(got, "Carried by 1 thing ") {
		t.Errorf("after merging the screen reads:\n%s", got)
	}
	b.visit(t, "/control/tags", 390)
	b.fits(t, "tags on a phone")
	b.do(t, "look for it", chromedp.SendKeys(chromedp.CSS("main [name=q]"), "colour"+kb.Enter),
		chromedp.WaitVisible(chromedp.CSS(".blank")))

	for i, node := range nodes {
		guest := open(t, node.URL)
		for from, to := range map[string]string{"/categories/boats": "/categories/ships", "/tags/colour": "/tags/color"} {
			guest.visit(t, from, 1440)
			if at := eval[string](t, guest, "location.pathname"); at != to {
				t.Errorf("node %d: %s leads to %s, want %s", i+1, from, at, to)
			}
			if got := guest.text(t); !strings.Contains(got, "A red hull") {
				t.Errorf("node %d: %s shows:\n%s", i+1, from, got)
			}
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
