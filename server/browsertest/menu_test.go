package browsertest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/server/servertest"
)

// rowsShown are the entries of the menu on the screen with their levels.
const rowsShown = `[...document.querySelectorAll(".outline__row")].map(r =>
	r.querySelector("[name=depth]").value + r.querySelector("[name=label]").value).join(" ")`

// A menu is put in order by dragging, by keys and by buttons, on a wide screen and on a phone, and visitors of every
// node see it when it is saved.
func TestMenu_IsOrderedByDragKeysAndButtons(t *testing.T) {
	nodes := servertest.Start(t, 2)
	address, _ := servertest.Balance(t, nodes)
	items := []page.Item{}
	for _, name := range []string{"Harbour", "Tides", "Boats", "Fish"} {
		items = append(items, page.Item{URL: "/" + strings.ToLower(name),
			Title: map[stoa.Locale]string{nodes[0].Site(t).Locale: name, "de": name + "-de"}})
	}
	m, err := nodes[0].Pages.SaveMenu(servertest.System(), page.Menu{Site: nodes[0].Site(t).ID, Name: "Main", Slug: "main",
		Items: items})
	if err != nil {
		t.Fatal(err)
	}
	b := open(t, address)
	b.signIn(t)
	path := "/control/menus/" + m.ID.String()
	b.visit(t, path, 1440)
	b.until(t, "the handles are there", `!document.querySelector("[data-handle]").hidden`)
	want := func(what, rows string) {
		t.Helper()
		if got := eval[string](t, b, rowsShown); got != rows {
			t.Fatalf("%s: the rows are %s, want %s", what, got, rows)
		}
	}
	// Keys: Fish belongs to Boats then, and both go up with one key.
	b.do(t, "take the handle of Fish",
		chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("[data-handle]")[3].focus()`),
		chromedp.KeyEvent(kb.ArrowRight))
	want("right", "0Harbour 0Tides 0Boats 1Fish")
	if said := eval[string](t, b, `document.querySelector("[data-outline-said]").textContent`); said !=
		"Now at position 1 on level 2" {
		t.Errorf("the screen reader hears %q", said)
	}
	b.do(t, "take the handle of Boats",
		chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("[data-handle]")[2].focus()`),
		chromedp.KeyEvent(kb.ArrowUp))
	want("up", "0Harbour 0Boats 1Fish 0Tides")
	// Buttons.
	b.do(t, "press down", chromedp.Click(chromedp.CSS(`.outline__row [value="down 0"]`)))
	want("down", "0Boats 1Fish 0Harbour 0Tides")
	if got := eval[string](t, b, `document.activeElement.value`); got != "down 2" {
		t.Errorf("the focus is on %q, want the button of the row that moved", got)
	}
	// Dragging, with a line that moves nothing: Tides to the top.
	b.do(t, "drag Tides", b.drag(t, `[...document.querySelectorAll("[data-handle]")].pop()`,
		`document.querySelector(".outline__row")`, -10, 0))
	want("dragged", "0Tides 0Boats 1Fish 0Harbour")
	b.shoot(t, "menu-1440")
	b.do(t, "save", chromedp.Click(chromedp.CSS(".save-bar .button--primary")),
		chromedp.WaitVisible(chromedp.CSS(".toast")))
	want("saved", "0Tides 0Boats 1Fish 0Harbour")
	for i, n := range nodes {
		guest := open(t, n.URL)
		guest.visit(t, "/", 1440)
		if got := guest.text(t); strings.Index(got, "Tides") > strings.Index(got, "Boats") ||
			!strings.Contains(got, "Harbour") {
			t.Errorf("a visitor of node %d sees:\n%s", i+1, got)
		}
	}
	saved, err := nodes[1].Pages.Menu(servertest.System(), m.ID)
	if err != nil || len(saved.Items) != 3 || saved.Items[1].Children[0].Title["de"] != "Fish-de" {
		t.Errorf("saved %+v, %v", saved.Items, err)
	}

	// On a phone: a finger drags Harbour below Boats, an entry is added, another one taken away.
	b.visit(t, path, 390)
	b.fits(t, "a menu on a phone")
	b.do(t, "drag Harbour", b.drag(t, `[...document.querySelectorAll("[data-handle]")].pop()`,
		`[...document.querySelectorAll(".outline__row")][2]`, -10, 30))
	want("dragged on a phone", "0Tides 0Boats 1Harbour 1Fish")
	b.do(t, "add", chromedp.Click(chromedp.CSS("[data-outline-add]")), chromedp.KeyEvent("Shells"))
	want("added", "0Tides 0Boats 1Harbour 1Fish 0Shells")
	b.do(t, "take Boats away", chromedp.Click(chromedp.CSS(`.outline__row [value="remove 1"]`)))
	want("taken away", "0Tides 0Harbour 0Fish 0Shells")
	b.shoot(t, "menu-390")

	// Another editor is faster: what was done stays, and saving again is a decision.
	if _, err := nodes[1].Pages.SaveMenu(servertest.System(), saved); err != nil {
		t.Fatal(err)
	}
	b.do(t, "save", chromedp.Click(chromedp.CSS(".save-bar .button--primary")),
		chromedp.WaitVisible(chromedp.CSS(".errors")))
	want("stale", "0Tides 0Harbour 0Fish 0Shells")
	b.do(t, "name it again and save", chromedp.Evaluate[chromedp.Void](
		`[...document.querySelectorAll("[name=url]")].pop().value = "/shells"`),
		chromedp.Click(chromedp.CSS(".save-bar .button--primary")), chromedp.WaitVisible(chromedp.CSS(".toast")))
	if saved, err = nodes[0].Pages.Menu(servertest.System(), m.ID); err != nil || len(saved.Items) != 4 ||
		saved.Items[2].Title["de"] != "Fish-de" {
		t.Errorf("saved again: %+v, %v", saved.Items, err)
	}
}

// drag moves the pointer from the middle of one element to another, x and y px from its top at its middle.
func (b *browser) drag(t *testing.T, from, to string, y, x float64) chromedp.Action[chromedp.Void] {
	t.Helper()
	return chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`(() => {
		const from = %s, to = %s;
		from.scrollIntoView({block: "center"});
		const a = from.getBoundingClientRect(), z = to.getBoundingClientRect(), id = {pointerId: 1, bubbles: true, isPrimary: true};
		const at = (x, y) => ({...id, clientX: x, clientY: y});
		from.setPointerCapture = () => {};
		const sx = a.left + a.width / 2, sy = a.top + a.height / 2, ey = z.top + z.height / 2 + %g;
		from.dispatchEvent(new PointerEvent("pointerdown", at(sx, sy)));
		from.dispatchEvent(new PointerEvent("pointermove", at(sx, (sy + ey) / 2)));
		from.dispatchEvent(new PointerEvent("pointermove", at(sx + %g, ey)));
		if (!document.querySelector(".outline__line")) throw new Error("no line shows where it goes");
		from.dispatchEvent(new PointerEvent("pointerup", at(sx + %g, ey)));
	})()`, from, to, y, x, x))
}
