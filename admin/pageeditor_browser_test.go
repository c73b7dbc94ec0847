package admin_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/httpd"
	"github.com/stoa-portal/stoa/look"
	"github.com/stoa-portal/stoa/page"
)

// watch notes what the browser refuses or what throws.
const watch = `window.seen = [];
document.addEventListener("securitypolicyviolation", e => seen.push("policy: " + e.violatedDirective + " " + e.blockedURI));
window.addEventListener("error", e => { if (e.message) seen.push("error: " + e.message); });
window.addEventListener("unhandledrejection", e => seen.push("rejection: " + e.reason));`

// browse starts a browser in front of the panel, signed in as the actor.
func (w *world) browse(actor stoa.Actor) (ctx context.Context, base string) {
	t := w.t
	t.Helper()
	bin := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			bin = found
			break
		}
	}
	if bin == "" && os.Getenv("STOA_TEST_REQUIRE") == "1" {
		t.Fatal("there is no chromium or google-chrome on this machine")
	}
	if bin == "" {
		t.Skip("NOT TESTED: no chromium or google-chrome on this machine, so nothing was checked in a browser")
	}
	policy, err := httpd.ContentPolicy(nil)
	must(t, err)
	assets := look.New()
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Security-Policy", policy)
		switch {
		case r.URL.Path == "/watch.js":
			rw.Header().Set("Content-Type", "text/javascript")
			_, _ = rw.Write([]byte(watch))
		case strings.HasPrefix(r.URL.Path, look.Prefix):
			assets.ServeHTTP(rw, r)
		case strings.HasPrefix(r.URL.Path, "/documents/"):
			width, _ := strconv.Atoi(r.URL.Query().Get("w")) // none is the original
			b, f, err := w.files.Open(as(actor), document.KeyOf(r.URL.Path), width)
			if err != nil {
				http.NotFound(rw, r)
				return
			}
			defer b.Close()
			rw.Header().Set("Content-Type", f.Type)
			_, _ = io.Copy(rw, b)
		default:
			rec := httptest.NewRecorder()
			w.mux.ServeHTTP(rec, r.WithContext(stoa.WithActor(r.Context(), actor)))
			for k, v := range rec.Header() {
				rw.Header()[k] = v
			}
			rw.WriteHeader(rec.Code)
			_, _ = rw.Write([]byte(strings.Replace(rec.Body.String(), "<head>", `<head><script src="/watch.js"></script>`, 1)))
		}
	}))
	t.Cleanup(server.Close)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(bin), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()),
		chromedp.WindowSize(1440, 1000), chromedp.Flag("disable-component-update", true), chromedp.Flag("no-proxy-server", true))
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatalf("start %s: %v", bin, err)
	}
	ctx, timeout := context.WithTimeout(ctx, 10*time.Minute)
	t.Cleanup(timeout)
	return ctx, server.URL
}

// until waits for an expression to become true in the page; doc is the page in the middle, where there is one.
func until(t *testing.T, ctx context.Context, what, js string) {
	t.Helper()
	wait := `new Promise((done, fail) => { const start = Date.now(); (function look() {
  let ok = false; try { const doc = document.querySelector("iframe")?.contentDocument; ok = !!(` + js + `); } catch (e) { ok = false; }
  if (ok) done(true); else if (Date.now() - start > 300000) done(false); else setTimeout(look, 30); })(); })`
	ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](wait, chromedp.EvalAwaitPromise))
	for i := 0; err != nil && i < 5 && ctx.Err() == nil; i++ { // the browser went on to another page meanwhile
		ok, err = chromedp.Run(ctx, chromedp.Evaluate[bool](wait, chromedp.EvalAwaitPromise))
	}
	must(t, err)
	if !ok {
		state, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`document.querySelector("[data-state]")?.textContent + " | " + document.querySelector(".toasts").textContent + " | " + (document.querySelector("iframe")?.contentDocument || document).querySelector("main").innerHTML + " | " + seen.join()`))
		t.Fatalf("%s: not after 5 min: %s\n%s", what, js, state)
	}
}

func act(t *testing.T, ctx context.Context, js string) {
	t.Helper()
	must(t, chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](`(() => { const doc = document.querySelector("iframe")?.contentDocument; `+js+` })()`)))
}

func press(key, more string) string {
	return `doc.activeElement.dispatchEvent(new doc.defaultView.KeyboardEvent("keydown", { key: "` + key + `", bubbles: true, cancelable: true` + more + ` }));`
}

// dragTo drags what was begun to the upper or lower edge of an element of the page in the middle.
func dragTo(kind, element, edge string) string {
	return `const on = ` + element + `, r = on.getBoundingClientRect(); on.dispatchEvent(new doc.defaultView.DragEvent("` +
		kind +
		`", { bubbles: true, cancelable: true, clientX: r.left + 20, clientY: r.` + edge +
		`, dataTransfer: new DataTransfer() }));`
}

// harbour is a page with something on it.
func (w *world) harbour() page.Page {
	w.t.Helper()
	p, err := w.pages.Create(as(w.admin), w.site, page.NewPage{Slug: "harbour", Title: map[stoa.Locale]string{"en": "The harbour"}, Position: -1, Publish: true,
		Layout: page.Layout{Sections: []page.Section{
			{ID: "top", Columns: []page.Column{{Width: 12, Widgets: []page.Placed{{ID: "intro", Widget: "html", Settings: map[string]string{"html": "<h1>The harbour</h1><p>Ships come in with the tide, and leave with it. The quay was built of the stones of the old arcade.</p>"}}}}}},
			{ID: "low", Columns: []page.Column{{Width: 8, Widgets: []page.Placed{
				{ID: "times", Widget: "html", Settings: map[string]string{"title": "Times", "html": "<p>Open from six to ten. <a href=\"/\">More</a></p>"}},
				{ID: "crumbs", Widget: "breadcrumb"}}}, {Width: 4}}}}}})
	must(w.t, err)
	return p
}

func TestPageEditor_InTheBrowser(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.harbour()
	ctx, base := w.browse(w.editor)
	must(t, chromedp.Do(ctx, chromedp.Navigate(base+"/control/pages/"+p.ID.String()+"/edit")))
	until(t, ctx, "the page is there", `doc.querySelector("[data-widget-id=times] .widget-cover") && document.querySelectorAll("[data-outline] button").length === 5`)

	act(t, ctx, `doc.querySelector("[data-column='low:1']").click();`)
	act(t, ctx, `document.querySelector("[data-add=html]").click();`)
	until(t, ctx, "a widget is added to the chosen column", `doc.querySelector("[data-column='low:1'] [data-widget-id].is-selected")`)
	until(t, ctx, "its settings are shown", `document.getElementById("f-s.title")`)
	act(t, ctx, `const i = document.getElementById("f-s.title"); i.value = "Pilots"; i.dispatchEvent(new Event("change", { bubbles: true }));`)
	until(t, ctx, "settings save themselves", `doc.querySelector("[data-column='low:1'] .widget__title").textContent === "Pilots" && /Saved/.test(document.querySelector("[data-state]").textContent)`)

	act(t, ctx, `doc.querySelector("[data-widget-id=times] .widget-cover").click();`)
	until(t, ctx, "a click selects", `doc.querySelector("[data-widget-id=times].is-selected .canvas-toolbar") && doc.activeElement.dataset.widgetId === "times"`)
	act(t, ctx, press("ArrowDown", ""))
	until(t, ctx, "the arrow moves it below the next", `doc.querySelector("[data-column='low:0']").firstElementChild.dataset.widgetId === "crumbs" && doc.activeElement.dataset.widgetId === "times"`)
	act(t, ctx, press("ArrowRight", ""))
	until(t, ctx, "the arrow moves it aside", `doc.querySelector("[data-column='low:1'] [data-widget-id=times].is-selected")`)
	act(t, ctx, press("z", ", ctrlKey: true"))
	until(t, ctx, "Ctrl+Z takes it back", `doc.querySelector("[data-column='low:0'] [data-widget-id=times]")`)
	act(t, ctx, press("Delete", ""))
	until(t, ctx, "Delete removes", `!doc.querySelector("[data-widget-id=times]")`)
	act(t, ctx, `document.querySelector("[data-do=undo]").click();`)
	until(t, ctx, "undo brings it back", `doc.querySelector("[data-column='low:0'] [data-widget-id=times]") && !document.querySelector("[data-do=redo]").disabled`)

	// Dragging: from the palette to the top, then a widget into the other section.
	act(t, ctx, `const dt = new DataTransfer(); document.querySelector("[data-add=navigation]").dispatchEvent(new DragEvent("dragstart", { bubbles: true, dataTransfer: dt }));`)
	where := `Array.from(doc.querySelectorAll("[data-widget-id], [data-column]")).map(x => JSON.stringify(x.getBoundingClientRect())).join() + doc.documentElement.scrollHeight`
	act(t, ctx, `window.before = `+where)
	act(t, ctx, dragTo("dragover", `doc.querySelector("[data-widget-id=intro]")`, "top"))
	until(t, ctx, "a line shows where it goes",
		`doc.querySelector(".drop-line").dataset.place === "top:0:0" &&
			doc.querySelector(".drop-line").getBoundingClientRect().width > 200`)
	until(t, ctx, "nothing of the page has moved", `window.before === (`+where+`)`)
	act(t, ctx, dragTo("drop", `doc.querySelector("[data-widget-id=intro]")`, "top"))
	until(t, ctx, "it was dropped", `doc.querySelector("[data-column='top:0'] > [data-widget=navigation]:first-child") &&
		!doc.querySelector(".drop-line")`)
	act(t, ctx, `doc.querySelector("[data-widget-id=crumbs]").dispatchEvent(new doc.defaultView.DragEvent("dragstart", { bubbles: true, dataTransfer: new DataTransfer() }));`)
	act(t, ctx, dragTo("dragover", `doc.querySelector("[data-widget-id=intro]")`, "bottom"))
	until(t, ctx, "the line stands below", `doc.querySelector(".drop-line").dataset.place === "top:0:2"`)
	act(t, ctx, dragTo("drop", `doc.querySelector("[data-widget-id=intro]")`, "bottom"))
	until(t, ctx, "it was moved", `doc.querySelector("[data-column='top:0'] > [data-widget-id=crumbs]:last-child")`)

	// The same with keys: M shows the line, arrows move it, Enter takes the widget there; Escape leaves it.
	act(t, ctx, `doc.querySelector("[data-widget-id=crumbs] .widget-cover").click();`)
	until(t, ctx, "it is selected", `doc.activeElement.dataset.widgetId === "crumbs"`)
	act(t, ctx, press("m", ""))
	until(t, ctx, "a line shows its place, and what the keys do is said",
		`doc.querySelector(".drop-line").dataset.place === "top:0:2" &&
			/Arrows choose/.test(document.querySelector("[data-state]").textContent)`)
	act(t, ctx, press("ArrowUp", "")+press("ArrowUp", "")+press("Escape", ""))
	until(t, ctx, "Escape leaves it", `!doc.querySelector(".drop-line") &&
		doc.querySelector("[data-column='top:0'] > [data-widget-id=crumbs]:last-child")`)
	act(t, ctx, press("m", "")+press("ArrowUp", "")+press("ArrowUp", "")+press("Enter", ""))
	until(t, ctx, "Enter takes it there",
		`doc.querySelector("[data-column='top:0'] > [data-widget-id=crumbs]:first-child.is-selected")`)

	// A click in the palette adds below what is selected; the line says so before.
	act(t, ctx, `document.querySelector("[data-add=html]").dispatchEvent(new MouseEvent("mouseover", { bubbles: true }));`)
	until(t, ctx, "the line shows where it goes", `doc.querySelector(".drop-line").dataset.place === "top:0:1"`)
	act(t, ctx, `document.querySelector("[data-add=html]").click();`)
	until(t, ctx, "it stands there", `doc.querySelector("[data-column='top:0']").children[1].dataset.widget === "html"`)
	act(t, ctx, `document.querySelector("[data-do=undo]").click();`)
	until(t, ctx, "undo takes it away", `doc.querySelector("[data-column='top:0']").children[1].dataset.widget !== "html"`)

	// Widths are real: the page in the middle has them, whatever room there is.
	for _, width := range []string{"390", "820", "1440"} {
		act(t, ctx, `document.querySelector("[data-width='`+width+`']").click();`)
		until(t, ctx, "the page is as wide as the device",
			`doc.defaultView.innerWidth === `+width+` &&
				document.querySelector(".stage").getBoundingClientRect().right <= document.querySelector(".editor__canvas").getBoundingClientRect().right && document.querySelector(".editor__canvas").scrollWidth <= document.querySelector(".editor__canvas").clientWidth`)
	}

	if refused, err := chromedp.Run(ctx, chromedp.Evaluate[string](`seen.concat(document.querySelector("iframe").contentWindow.seen).join("; ")`)); err != nil || refused != "" {
		t.Errorf("the browser complained: %s %v", refused, err)
	}
	// Somebody else saves: the next change is refused and says so.
	now, err := w.pages.Get(as(w.admin), p.ID)
	must(t, err)
	_, err = w.pages.SaveDraft(as(w.admin), p.ID, *now.Draft, now.DraftVersion)
	must(t, err)
	act(t, ctx, `document.querySelector("[data-section='6,6']").click();`)
	until(t, ctx, "the conflict is told", `/changed this page/.test(document.querySelector(".toasts").textContent) && document.querySelector("[data-state]").classList.contains("is-bad")`)
	must(t, chromedp.Do(ctx, chromedp.Navigate(base+"/control/pages/"+p.ID.String()+"/edit")))
	until(t, ctx, "the page is there again", `doc.querySelector(".widget-cover")`)
	act(t, ctx, `document.querySelector("[data-section='6,6']").click(); document.querySelector("button[value=publish]").click();`)
	until(t, ctx, "it is published with the last change", `/Published\./.test(document.querySelector(".toasts").textContent)`)
	live, err := w.pages.Live(as(w.member), p.ID)
	must(t, err)
	if len(live.Layout.Sections) != 3 {
		t.Errorf("visitors see %d sections, want 3", len(live.Layout.Sections))
	}
}
