package admin_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/page"
)

// A person ticks pages, types where they shall go and presses Enter, which does that and nothing to one of the rows.
func TestPages_AreTickedAndMovedByEnter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var ids []stoa.ID
	for _, slug := range []string{"harbour", "quay", "pier"} {
		p, err := w.pages.Create(as(w.admin), w.site, page.NewPage{Slug: slug, Position: -1, Publish: true,
			Title: map[stoa.Locale]string{"en": slug}})
		must(t, err)
		ids = append(ids, p.ID)
	}
	ctx, base := w.browse(w.admin)
	must(t, chromedp.Do(ctx, chromedp.Navigate(base+"/control/pages"), chromedp.WaitVisible(chromedp.CSS("[data-pick]"))))
	until(t, ctx, "nothing is ticked", `!document.querySelector(".bulk.is-shown")`)
	for _, id := range ids[1:] {
		must(t, chromedp.Do(ctx, chromedp.Click(chromedp.CSS(`[data-pick][value="`+id.String()+`"]`))))
	}
	until(t, ctx, "two are ticked", `document.querySelector("[data-bulk-count]").textContent === "2 selected" &&
		document.querySelector(".bulk.is-shown")`)
	must(t, chromedp.Do(ctx, chromedp.SendKeys(chromedp.CSS(`.bulk [name=to]`), "harb")))
	until(t, ctx, "the page is proposed", `document.querySelector(".bulk datalist option").value === "/harbour"`)
	if dir := os.Getenv("STOA_SCREENSHOTS"); dir != "" { // for people to look at
		shot, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, "pages-ticked.png"), shot, 0o600))
	}
	must(t, chromedp.Do(ctx, chromedp.SetValue(chromedp.CSS(`.bulk [name=to]`), "/harbour"),
		chromedp.SendKeys(chromedp.CSS(`.bulk [name=to]`), "\r")))
	until(t, ctx, "they are moved", `document.querySelector(".toasts").textContent.includes("Moved") &&
		document.querySelectorAll(".depth-1").length === 2`)
	must(t, chromedp.Do(ctx, chromedp.Click(chromedp.CSS(`[data-pick][value="`+ids[0].String()+`"]`)),
		chromedp.Click(chromedp.CSS(`.bulk [value=delete]`)), chromedp.WaitVisible(chromedp.CSS("dialog[open]"))))
	until(t, ctx, "it asks", `document.querySelector("dialog[open]").textContent.includes("Delete the selected pages?")`)
	must(t, chromedp.Do(ctx, chromedp.Click(chromedp.CSS("dialog[open] .button--danger"))))
	until(t, ctx, "they are deleted", `document.querySelector("main").textContent.includes("No pages yet")`)
	if refused, err := chromedp.Run(ctx, chromedp.Evaluate[string](`seen.join("; ")`)); err != nil || refused != "" {
		t.Errorf("the browser complained: %s %v", refused, err)
	}
}
