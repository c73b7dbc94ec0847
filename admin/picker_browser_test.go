package admin_test

import (
	"bytes"
	"image"
	"image/png"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stoa-portal/stoa/document"
)

func TestPicker_ChoosesAPictureBySight(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var b bytes.Buffer
	must(t, png.Encode(&b, image.NewGray(image.Rect(0, 0, 40, 20))))
	f, err := w.files.Upload(as(w.admin), w.site, document.Upload{Name: "pier.png", Body: &b})
	must(t, err)
	ctx, base := w.browse(w.admin)
	ready := func(what, js string) {
		t.Helper()
		wait := `new Promise(done => { const start = Date.now(); (function look() {
			let ok = false; try { ok = !!(` + js + `); } catch (e) { ok = false; }
			if (ok) done(true); else if (Date.now() - start > 300000) done(false); else setTimeout(look, 30); })(); })`
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](wait, chromedp.EvalAwaitPromise))
		for i := 0; err != nil && i < 5 && ctx.Err() == nil; i++ { // the browser went on to another page meanwhile
			ok, err = chromedp.Run(ctx, chromedp.Evaluate[bool](wait, chromedp.EvalAwaitPromise))
		}
		must(t, err)
		if !ok {
			state, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body.innerText.slice(-800) + " | " + seen.join()`))
			t.Fatalf("%s: not after 5 min\n%s", what, state)
		}
	}
	must(t, chromedp.Do(ctx, chromedp.Navigate(base+"/control/settings"), chromedp.WaitVisible(chromedp.CSS("#f-logo-choose"))))
	ready("the key is out of sight", `document.querySelector("[name=logo]").type === "hidden" && document.querySelector("label[for=f-logo-choose]")`)
	must(t, chromedp.Do(ctx, chromedp.Click(chromedp.CSS("#f-logo-choose")), chromedp.WaitVisible(chromedp.CSS("dialog .picker__item")), chromedp.Click(chromedp.CSS("dialog .picker__item"))))
	ready("the picture is chosen and the form knows", `document.querySelector("[name=logo]").value === "`+f.Key+`" && !document.querySelector("dialog[open]") && document.querySelector("[data-save-state]").textContent === "Unsaved changes" && document.activeElement.id === "f-logo-choose"`)
	must(t, chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](`document.querySelector("form[data-dirty]").requestSubmit()`)))
	ready("it is saved", `document.querySelector(".toast") &&
		document.querySelectorAll(".image-field button").length > 1 &&
			document.querySelector("[name=logo]").value === "`+f.Key+`"`)
	must(t, chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](`document.querySelectorAll(".image-field button")[1].click()`)))
	ready("it can be taken away", `document.querySelector("[name=logo]").value === ""`)
	if refused, err := chromedp.Run(ctx, chromedp.Evaluate[string](`seen.join("; ")`)); err != nil || refused != "" {
		t.Errorf("the browser complained: %s %v", refused, err)
	}
}
