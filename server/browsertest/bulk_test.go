package browsertest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/bulk"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/server/servertest"
)

// A person chooses all of a list, sees how far it is without loading the screen again, and reads what was refused.
func TestBulk_IsChosenFollowedAndExplained(t *testing.T) {
	nodes := servertest.Start(t, 2)
	address, _ := servertest.Balance(t, nodes)
	n, sys := nodes[0], servertest.System()
	st := n.Site(t)
	const many = 420
	for i := range many {
		a, err := n.Content.Create(sys, st, content.Draft{Slug: fmt.Sprint("leaf-", i),
			Text: map[stoa.Locale]content.Text{st.Locale: {Title: fmt.Sprint("Leaf ", i), Body: "<p>Green.</p>"}}})
		if err == nil && i%200 == 7 {
			err = n.DB.Write(sys, func(ctx context.Context, tx *db.Tx) error {
				_, err := tx.Exec(ctx, "UPDATE content_article SET expire_at = 1 WHERE id = ?", a.ID)
				return err
			})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Jobs.Pause(sys, bulk.JobName); err != nil { // so that there is something to see before it begins
		t.Fatal(err)
	}
	b, script := open(t, address), axe(t)
	b.signIn(t)
	pick := func(width int64) {
		t.Helper()
		b.visit(t, "/control/content?q=leaf", width)
		b.do(t, "choose all of the page", chromedp.Evaluate[chromedp.Void](
			`document.querySelectorAll("[data-pick]").forEach(p => p.checked || p.click())`),
			chromedp.WaitVisible(chromedp.CSS("[data-pick-rest]")))
		if got := b.count(t); got != "50 selected" {
			t.Errorf("with the page it says %q", got)
		}
		b.do(t, "choose all of the list", chromedp.Click(chromedp.CSS("[data-pick-rest]")))
		if got := b.count(t); got != "420 selected" {
			t.Errorf("with the list it says %q", got)
		}
		b.fits(t, "the list with the choice")
		b.shoot(t, fmt.Sprint("bulk-1-list-", width))
		b.audit(t, "the list with the choice", script)
	}
	pick(390)
	pick(1440)
	b.do(t, "leave one out", chromedp.Click(chromedp.CSS("[data-pick]")))
	if got := b.count(t); got != "49 selected" {
		t.Errorf("without one it says %q", got)
	}
	pick(1440)
	b.do(t, "publish", chromedp.Click(chromedp.CSS(`.bulk button[value="publish"]`)),
		chromedp.WaitVisible(chromedp.CSS("#bulk progress")))
	at := strings.TrimPrefix(eval[string](t, b, "location.href"), address)
	look := func(name, what string) {
		t.Helper()
		for _, width := range []int64{390, 1440} {
			b.visit(t, at, width)
			if got := b.text(t); !strings.Contains(got, what) {
				t.Errorf("%s reads, at %d px:\n%s", name, width, got)
			}
			b.fits(t, name)
			b.shoot(t, fmt.Sprintf("bulk-%s-%d", name, width))
			b.audit(t, name, script)
		}
	}
	look("2-waiting", "It waits for its turn.")
	if err := n.Jobs.Resume(sys, bulk.JobName); err != nil {
		t.Fatal(err)
	}
	b.do(t, "wait for the progress, or the end", chromedp.WaitVisible(
		chromedp.CSS("#bulk progress:not([value='0']), #bulk:not([data-refresh]) #bulk-refusals")))
	b.shoot(t, "bulk-3-progress-1440")
	b.do(t, "wait for the end", chromedp.WaitVisible(chromedp.CSS("#bulk:not([data-refresh]) #bulk-refusals")))
	if got := b.text(t); !strings.Contains(got, "420 of 420") || !strings.Contains(got, "Leaf 207") ||
		!strings.Contains(got, "The article would expire before it is published") {
		t.Errorf("the end reads, on the screen that was open:\n%s", got)
	}
	look("4-end", "Done in part")
	who, err := n.Users.ByLogin(sys, st.Instance, servertest.AdminLogin)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []stoa.Locale{"de", "ja"} {
		speak(t, n, who, l)
		b.lookAt(t, l, at, script)
		b.lookAt(t, l, "/control/bulk", script)
		b.lookAt(t, l, "/control/content?q=leaf", script)
	}
	speak(t, n, who, "")
}

// count is what the bar of a list says of how many are selected.
func (b *browser) count(t *testing.T) string {
	t.Helper()
	return eval[string](t, b, `document.querySelector("[data-bulk-count]").textContent`)
}
