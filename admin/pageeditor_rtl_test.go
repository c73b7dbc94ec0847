package admin_test

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/page"
)

// quayInArabic is a page of a site that is written in Arabic.
func (w *world) quayInArabic() page.Page {
	w.t.Helper()
	w.site.Locale, w.site.Locales = "ar", []stoa.Locale{"ar", "en"}
	st, err := w.sites.UpdateSite(as(w.admin), w.site)
	must(w.t, err)
	w.site = st
	p, err := w.pages.Create(as(w.admin), w.site,
		page.NewPage{Slug: "quay", Title: map[stoa.Locale]string{"ar": "رصيف الميناء"},
			Position: -1, Publish: true, Layout: page.Layout{Sections: []page.Section{{ID: "s", Columns: []page.Column{
				{Width: 8, Widgets: []page.Placed{
					{ID: "one", Widget: "html", Settings: map[string]string{"title": "المد والجزر",
						"html": "<p>تدخل السفن مع المد وتخرج معه. بُني الرصيف من حجارة الرواق القديم.</p><ul><li>ماء</li></ul>"}},
					{ID: "go", Widget: "button", Settings: map[string]string{"label": "احجز مرسى", "link": "/book", "look": "main"}}}},
				{Width: 4, Widgets: []page.Placed{{ID: "crumbs", Widget: "breadcrumb"}}}}}}}})
	must(w.t, err)
	return p
}

// A page in Arabic runs from right to left in the page editor, whatever the direction of the editor; and the editor is
// the mirror of itself when its own language runs so.
func TestPageEditor_FromRightToLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.quayInArabic()
	ctx, base := w.browse(w.editor)
	must(t, chromedp.Do(ctx, chromedp.Navigate(base+"/control/pages/"+p.ID.String()+"/edit")))
	until(t, ctx, "the page is there", `doc.querySelector("[data-widget-id=one] .widget-cover")`)
	until(t, ctx, "the page runs from right to left",
		`doc.documentElement.dir === "rtl" && doc.documentElement.lang === "ar" &&
		doc.querySelector("[data-column='s:0']").getBoundingClientRect().left > doc.querySelector("[data-column='s:1']").getBoundingClientRect().left`)
	until(t, ctx, "it has the title as its heading", `doc.querySelector("h1.page-title").textContent === "رصيف الميناء"`)
	act(t, ctx, `doc.querySelector("[data-widget-id=one] .widget-cover").click();`)
	until(t, ctx, "it is selected, its tools on the right", `doc.activeElement.dataset.widgetId === "one" &&
		Math.abs(doc.querySelector(".canvas-toolbar").getBoundingClientRect().right - doc.querySelector("[data-widget-id=one]").getBoundingClientRect().right) < 20`)
	act(t, ctx, press("ArrowLeft", ""))
	until(t, ctx, "to the left is the next column", `doc.querySelector("[data-column='s:1'] > [data-widget-id=one]")`)

	for _, dir := range []string{"ltr", "rtl"} {
		act(t, ctx, `document.documentElement.dir = "`+dir+`"; document.querySelector("[data-width='1440']").click();`)
		first, last := "palette", "settings"
		if dir == "rtl" {
			first, last = last, first
		}
		until(t, ctx, "the editor runs "+dir, `(() => { const at = s => document.querySelector(s).getBoundingClientRect();
			return at(".editor__`+first+`").right <= at(".editor__canvas").left + 1 &&
				at(".editor__canvas").right <= at(".editor__`+last+`").left + 1 &&
				at(".stage iframe").left >= at(".stage").left - 1 && at(".stage iframe").right <= at(".stage").right + 1 &&
				document.documentElement.scrollWidth <= innerWidth; })()`)
	}
	for _, width := range []int64{390, 1440} {
		must(t, chromedp.Do(ctx, chromedp.EmulateViewport(width, 900),
			chromedp.Navigate(base+"/control/pages/"+p.ID.String()+"/canvas?preview=1")))
		until(t, ctx, "nothing sticks out", `document.documentElement.dir === "rtl" &&
			document.documentElement.scrollWidth <= innerWidth`)
	}
}
