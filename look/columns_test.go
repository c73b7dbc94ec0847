package look

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestTheme_ColumnsAndButtonsKeepTheirWidths shows texts of WordPress as wide and as narrow as people have it.
func TestTheme_ColumnsAndButtonsKeepTheirWidths(t *testing.T) {
	t.Parallel()
	a := New()
	columns := func(classes ...string) (out string) {
		for _, c := range classes {
			out += `<div class="wp-block-column ` + c +
				`"><p>Text that is long enough to want more than its part of the row.</p></div>`
		}
		return `<div class="wp-block-columns">` + out + `</div>`
	}
	page := `<!doctype html><html lang="en"><head><link rel="stylesheet" href="` + a.URL(
		"tokens.css",
	) + `"><link rel="stylesheet" href="` +
		a.URL(
			"base.css",
		) + `"><link rel="stylesheet" href="` + a.URL(
		"theme.css",
	) + `"></head><body><main><div class="prose">` +
		columns(
			"",
			"",
			"",
		) + columns(
		"has-basis-66",
		"has-basis-33",
	) + `<div class="wp-block-buttons">` +
		`<div class="wp-block-button has-custom-width wp-block-button__width-50"><a class="wp-block-button__link" href="/">A</a></div>` +
		`<div class="wp-block-button has-custom-width wp-block-button__width-50"><a class="wp-block-button__link" href="/">B</a></div></div></div></main></body></html>`
	b := open(t, map[string]string{"/columns": page})
	const boxes = `[...document.querySelectorAll(%q)].map(e => { const r = e.getBoundingClientRect(); return [Math.round(r.left), Math.round(r.top), r.width] })`
	b.do(t, chromedp.EmulateViewport(1200, 900), chromedp.Navigate(b.url+"/columns"))
	got := eval[[][3]float64](t, b, fmt.Sprintf(boxes, ".wp-block-column"))
	if len(got) != 5 || got[0][1] != got[2][1] || got[0][2] < got[2][2]-1 || got[0][2] > got[2][2]+1 {
		t.Fatalf("three columns are not one row of equal parts: %v", got)
	}
	if ratio := got[3][2] / got[4][2]; got[3][1] != got[4][1] || ratio < 1.8 || ratio > 2.2 {
		t.Errorf("two thirds and a third are %v", got[3:])
	}
	buttons := eval[[][3]float64](t, b, fmt.Sprintf(boxes, ".wp-block-button__link"))
	if buttons[0][1] != buttons[1][1] || buttons[0][2] < 150 {
		t.Errorf("two buttons of half the width are %v", buttons)
	}
	b.do(t, chromedp.EmulateViewport(390, 844))
	if got := eval[[][3]float64](t, b, fmt.Sprintf(boxes, ".wp-block-column")); got[0][0] != got[1][0] ||
		got[0][1] == got[1][1] {
		t.Errorf("on a phone columns do not stand one below the other: %v", got)
	}
}
