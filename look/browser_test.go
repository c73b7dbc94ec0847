package look

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// policy is what Stoa sends with every page; the scripts and styles have to live with it.
const policy = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: https:; object-src 'none'; base-uri 'none'; frame-ancestors 'self'"

// guard runs first on every page of these tests and notes what the browser refuses or what throws.
const guard = `window.seen = [];
document.addEventListener("securitypolicyviolation", e => seen.push("policy: " + e.violatedDirective + " " + e.blockedURI + " " + e.sourceFile + ":" + e.lineNumber));
window.addEventListener("error", e => { if (e.message) seen.push("error: " + e.message); });
window.addEventListener("unhandledrejection", e => seen.push("rejection: " + e.reason));`

type browser struct {
	ctx   context.Context
	url   string
	mu    sync.Mutex
	posts []string
}

// open starts a browser and a server of the style guide, the assets and the pages given by path.
func open(t *testing.T, pages map[string]string) *browser {
	t.Helper()
	var bin string
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
	b := &browser{}
	assets, guide := New(), http.FileServer(http.Dir("."))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		switch page, ok := pages[r.URL.Path]; {
		case r.URL.Path == "/images":
			fmt.Fprintf(w, `{"items":[{"url":"/styleguide/photo-1.svg?q=%s","name":"photo-1.svg","width":1200,"height":800,"alt":"Columns"}],"next":""}`, r.URL.Query().Get("q"))
		case r.URL.Path == "/upload":
			f, head, err := r.FormFile("file")
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			_ = f.Close()
			if path.Ext(head.Filename) != ".svg" {
				w.WriteHeader(http.StatusUnprocessableEntity)
				fmt.Fprint(w, `{"message":"Only images can be uploaded here."}`)
				return
			}
			fmt.Fprintf(w, `{"url":"/styleguide/%s"}`, head.Filename)
		case r.Method == http.MethodPost:
			if err := r.ParseForm(); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			b.mu.Lock()
			b.posts = append(b.posts, r.PostForm.Encode())
			b.mu.Unlock()
			fmt.Fprint(w, "<!doctype html><title>posted</title><body id=\"posted\">posted")
		case r.URL.Path == "/guard.js":
			w.Header().Set("Content-Type", "text/javascript")
			fmt.Fprint(w, guard)
		case ok:
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprint(w, page)
		case strings.HasPrefix(r.URL.Path, Prefix) && len(strings.Split(r.URL.Path, "/")[2]) == 12:
			assets.ServeHTTP(w, r)
		case strings.HasSuffix(r.URL.Path, ".html"):
			page, err := os.ReadFile(filepath.FromSlash("." + path.Clean(r.URL.Path)))
			if err != nil {
				http.NotFound(w, r)
				return
			}
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprint(w, strings.Replace(string(page), "<head>", `<head><script src="/guard.js"></script>`, 1))
		default:
			guide.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	b.url = server.URL

	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(bin), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("no-proxy-server", true))
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatalf("start %s: %v", bin, err)
	}
	ctx, timeout := context.WithTimeout(ctx, 10*time.Minute)
	t.Cleanup(timeout)
	b.ctx = ctx
	return b
}

func (b *browser) do(t *testing.T, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

// eval returns the value of an expression as JSON would give it.
func eval[T any](t *testing.T, b *browser, js string) T {
	t.Helper()
	out, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](js))
	if err != nil {
		t.Fatalf("%v, evaluating %s", err, js)
	}
	return out
}

func (b *browser) clean(t *testing.T) {
	t.Helper()
	if seen := eval[[]string](t, b, "window.seen || ['the guard did not run']"); len(seen) > 0 {
		t.Errorf("the browser complained: %s", strings.Join(seen, "; "))
	}
}

// press sends one key the way a keyboard does: chromedp's own Enter also sends a character that no handler can stop.
func press(key string, modifier string) chromedp.Action[chromedp.Void] {
	return chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: %q, bubbles: true, cancelable: true, altKey: %q === "Alt" }))`, key, modifier))
}

func editorPage(a *Assets, html string) string {
	escaped := strings.NewReplacer("&", "&amp;", "<", "&lt;").Replace(html)
	var sheets strings.Builder
	for _, s := range []string{"tokens", "base", "admin", "editor"} {
		fmt.Fprintf(&sheets, `<link rel="stylesheet" href="%s">`, a.URL(s+".css"))
	}
	return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>t</title><script src="/guard.js"></script>` + sheets.String() +
		`</head><body class="panel"><form method="post" action="/save" data-dirty><label for="x">Text</label>` +
		`<textarea id="x" name="text" data-editor data-upload-url="/upload" data-images-url="/images" required>` + escaped + `</textarea><div class="save-bar"><span data-save-state>Saved</span><button>Save</button></div></form>` +
		`<script src="` + a.URL("admin.js") + `"></script><script src="` + a.URL("vendor/editor.js") + `"></script></body></html>`
}

const roundTrip = `(() => { const t = document.querySelector("textarea"); return stoaEditor.serialize(stoaEditor.editors.get(t).state.doc) })()`

// What went in comes out, one block per line: the editor must not eat what an import or another author wrote.
func TestEditor_KeepsMarkup(t *testing.T) {
	t.Parallel()
	keep := []string{
		`<p class="has-drop-cap" id="start">One <strong>two</strong> <em>three</em> <s>four</s> <code>five</code> <u>six</u> <a href="/a" target="_blank" rel="noopener">seven</a><br>eight</p>`,
		`<p>H<sub>2</sub>O, x<sup>2</sup>, <kbd>Ctrl</kbd>, <abbr title="World Wide Web">WWW</abbr>, <span class="has-inline-color">red</span>, <mark>found</mark>, <small>fine</small></p>`,
		`<h2 class="wp-block-heading">Two</h2>`, `<h5>Five</h5>`,
		`<ul class="wp-block-list"><li>a</li><li>b<ul><li>c</li></ul></li></ul>`,
		`<ol start="3"><li>a</li></ol>`,
		`<blockquote class="wp-block-quote"><p>Said</p><p><cite>Who</cite></p></blockquote>`,
		`<pre class="wp-block-code"><code class="language-go">if a &lt; b {` + "\n\t" + `return
}</code></pre>`,
		`<pre class="wp-block-verse">a
  b</pre>`,
		`<figure class="wp-block-image alignwide"><img src="/i.jpg" width="30" height="20" alt="An image" class="wp-image-1"><figcaption>A <em>caption</em></figcaption></figure>`,
		`<figure class="wp-block-image"><a href="/big.jpg"><img src="/i.jpg" alt=""></a></figure>`,
		`<p>In <img src="/i.png" alt="x" class="alignleft"> line</p>`,
		`<figure class="wp-block-table"><table><thead><tr><th>Year</th><th>N</th></tr></thead><tbody><tr><td>2017</td><td colspan="1">4</td></tr></tbody><tfoot><tr><td>Sum</td><td>4</td></tr></tfoot></table><figcaption>Source</figcaption></figure>`,
		`<table class="plain"><caption>Named</caption><tbody><tr><td rowspan="2">a</td><td>b</td></tr><tr><td>c</td></tr></tbody></table>`,
		`<figure class="wp-block-embed is-type-video"><div class="wp-block-embed__wrapper"><iframe src="https://video.example/embed/1" allowfullscreen=""></iframe></div></figure>`,
		`<div class="wp-block-columns"><div class="wp-block-column"><p>Left</p></div><div class="wp-block-column"><h3>Right</h3></div></div>`,
		`<figure class="wp-block-gallery columns-2"><ul class="blocks-gallery-grid"><li class="blocks-gallery-item"><figure><img src="/1.jpg" alt="1"></figure></li><li class="blocks-gallery-item"><figure><img src="/2.jpg" alt="2"><figcaption class="blocks-gallery-item__caption">Two</figcaption></figure></li></ul></figure>`,
		`<section lang="de" dir="ltr"><p>Abschnitt</p></section>`,
		`<dl><dt>Term</dt><dd>Meaning</dd></dl>`,
		`<details><summary>More</summary><p>Hidden</p></details>`,
		`<hr class="wp-block-separator is-style-dots">`,
		`<video controls="" src="/v.mp4"></video>`,
	}
	want := strings.ReplaceAll(strings.Join(keep, "\n"), ` colspan="1"`, "")
	a := New()
	b := open(t, map[string]string{"/e": editorPage(a, strings.Join(keep, "\n"))})
	b.do(t, chromedp.Navigate(b.url+"/e"), chromedp.WaitVisible(chromedp.CSS(".rte-text")))
	got := eval[string](t, b, roundTrip)
	norm := func(s string) string { return sortAttributes(strings.TrimSpace(s)) }
	gotLines, wantLines := strings.Split(norm(got), "\n"), strings.Split(norm(want), "\n")
	for i := 0; i < max(len(gotLines), len(wantLines)); i++ {
		var g, w string
		if i < len(gotLines) {
			g = gotLines[i]
		}
		if i < len(wantLines) {
			w = wantLines[i]
		}
		if g != w {
			t.Errorf("line %d\n got %s\nwant %s", i+1, g, w)
		}
	}
	b.clean(t)
}

// sortAttributes puts the attributes of each tag in alphabetical order: their order means nothing.
func sortAttributes(html string) string {
	var out strings.Builder
	for {
		start := strings.IndexByte(html, '<')
		if start < 0 {
			out.WriteString(html)
			return out.String()
		}
		end := start + strings.IndexByte(html[start:], '>')
		out.WriteString(html[:start])
		name, rest, _ := strings.Cut(html[start:end], " ")
		parts := strings.SplitAfter(rest, `" `)
		for i := range parts {
			parts[i] = strings.TrimSpace(parts[i])
		}
		for i := range parts {
			for j := i + 1; j < len(parts); j++ {
				if parts[j] < parts[i] {
					parts[i], parts[j] = parts[j], parts[i]
				}
			}
		}
		out.WriteString(strings.TrimSpace(name + " " + strings.Join(parts, " ")))
		html = html[end:]
	}
}

func TestEditor_UntouchedTextIsPostedUnchanged(t *testing.T) {
	t.Parallel()
	odd := `<p>kept   as is</P>  <custom-thing>x</custom-thing>`
	a := New()
	b := open(t, map[string]string{"/e": editorPage(a, odd)})
	b.do(t, chromedp.Navigate(b.url+"/e"), chromedp.WaitVisible(chromedp.CSS(".rte-text")),
		chromedp.Click(chromedp.CSS(".save-bar button")), chromedp.WaitReady(chromedp.CSS("#posted")))
	b.mu.Lock()
	defer b.mu.Unlock()
	if want := "text=" + strings.NewReplacer("<", "%3C", ">", "%3E", " ", "+", "/", "%2F").Replace(odd); len(b.posts) != 1 || b.posts[0] != want {
		t.Errorf("posted %q, want %q", b.posts, want)
	}
}

func TestEditor_TypingReachesTheForm(t *testing.T) {
	t.Parallel()
	a := New()
	b := open(t, map[string]string{"/e": editorPage(a, "")})
	b.do(t, chromedp.Navigate(b.url+"/e"), chromedp.WaitVisible(chromedp.CSS(".rte-text")),
		chromedp.Click(chromedp.CSS(`label[for="x"]`)), // the label must lead into the editor
		chromedp.KeyEvent("## The arcade"), press("Enter", ""), chromedp.KeyEvent("It "),
		chromedp.Click(chromedp.CSS(`button[aria-label="Bold"]`)), chromedp.KeyEvent("stands"), press("Enter", ""),
		chromedp.Click(chromedp.CSS(`button[aria-label="Table"]`)), chromedp.KeyEvent("Year"))
	got := eval[string](t, b, `document.querySelector("textarea").value`)
	want := `<h2>The arcade</h2>
<p>It <strong>stands</strong></p>
<table><thead><tr><th>Year</th><th></th><th></th></tr></thead><tbody><tr><td></td><td></td><td></td></tr><tr><td></td><td></td><td></td></tr></tbody></table>`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if bar := eval[bool](t, b, `document.querySelector(".save-bar").classList.contains("is-dirty")`); !bar {
		t.Error("the save bar does not show that something is unsaved")
	}
	// The toolbar by keyboard: Alt+F10 enters it, arrows move, Escape leads back.
	b.do(t, press("F10", "Alt"), press("ArrowRight", ""))
	if name := eval[string](t, b, `document.activeElement.getAttribute("aria-label")`); name != "Bold" {
		t.Errorf("after Alt+F10 and an arrow the focus is on %q, want Bold", name)
	}
	b.do(t, press("Escape", ""))
	if in := eval[bool](t, b, `document.activeElement.classList.contains("rte-text")`); !in {
		t.Error("Escape does not lead back into the text")
	}
	// The source view shows and takes HTML.
	b.do(t, chromedp.Click(chromedp.CSS(`button[aria-label="HTML source"]`)), chromedp.WaitVisible(chromedp.CSS("textarea")),
		chromedp.SetValue(chromedp.CSS("textarea"), "<p>From <em>source</em></p>"), chromedp.Click(chromedp.CSS(`button[aria-label="HTML source"]`)), chromedp.WaitVisible(chromedp.CSS(".rte-text em")))
	if got := eval[string](t, b, roundTrip); got != "<p>From <em>source</em></p>" {
		t.Errorf("after the source view: %s", got)
	}
	b.clean(t)
}

func TestEditor_ImagesAndLinks(t *testing.T) {
	t.Parallel()
	a := New()
	b := open(t, map[string]string{"/e": editorPage(a, "<p>See the arcade</p>")})
	wrong := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(wrong, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	right, err := filepath.Abs("styleguide/photo-2.svg")
	if err != nil {
		t.Fatal(err)
	}
	value := `document.querySelector("textarea").value`
	image := chromedp.Click(chromedp.CSS(`button[aria-label="Image"]`))
	insert := chromedp.Click(chromedp.CSS(".rte-dialog .button--primary"))
	b.do(t, chromedp.Navigate(b.url+"/e"), chromedp.WaitVisible(chromedp.CSS(".rte-text")), chromedp.Focus(chromedp.CSS(".rte-text")),
		chromedp.Evaluate[chromedp.Void](`stoaEditor.editors.get(document.querySelector("textarea")).commands.setTextSelection({ from: 5, to: 15 })`),
		chromedp.Click(chromedp.CSS(`button[aria-label="Link"]`)), chromedp.WaitVisible(chromedp.CSS(".rte-context input")),
		chromedp.SendKeys(chromedp.CSS(".rte-context input"), "example.org/arcade"), chromedp.Click(chromedp.CSS(".rte-context .button--primary")))
	if got, want := eval[string](t, b, value), `<p>See <a href="https://example.org/arcade">the arcade</a></p>`; got != want {
		t.Fatalf("linked: %s\nwant %s", got, want)
	}
	// Chosen from the site, with its description and a caption.
	b.do(t, chromedp.Evaluate[chromedp.Void](`stoaEditor.editors.get(document.querySelector("textarea")).commands.setTextSelection(15)`),
		image, chromedp.WaitVisible(chromedp.CSS(".rte-pick")), chromedp.Click(chromedp.CSS(".rte-pick")), chromedp.SendKeys(chromedp.CSS("#rte-caption"), "Evening"), insert,
		chromedp.WaitVisible(chromedp.CSS(".rte-text figure")))
	if got := eval[string](t, b, value); !strings.Contains(got, `alt="Columns"><figcaption>Evening</figcaption></figure>`) {
		t.Errorf("chosen image: %s", got)
	}
	// Uploaded: first something the server refuses, with its own words, then an image.
	b.do(t, image, chromedp.WaitVisible(chromedp.CSS("#rte-file")), chromedp.SetUploadFiles(chromedp.CSS("#rte-file"), []string{wrong}),
		chromedp.WaitVisible(`//p[text()="Only images can be uploaded here."]`),
		chromedp.SetUploadFiles(chromedp.CSS("#rte-file"), []string{right}), chromedp.WaitVisible(chromedp.CSS(`.rte-pick[aria-pressed="true"]`)),
		chromedp.SendKeys(chromedp.CSS("#rte-alt"), "North side"), insert, chromedp.WaitVisible(chromedp.CSS(`.rte-text img[alt="North side"]`)))
	if got := eval[string](t, b, value); !strings.Contains(got, `<figure><img src="/styleguide/photo-2.svg" alt="North side"></figure>`) {
		t.Errorf("uploaded image: %s", got)
	}
	b.clean(t)
}

func TestEditor_PasteIsCleaned(t *testing.T) {
	t.Parallel()
	a := New()
	b := open(t, map[string]string{"/e": editorPage(a, "")})
	b.do(t, chromedp.Navigate(b.url+"/e"), chromedp.WaitVisible(chromedp.CSS(".rte-text")), chromedp.Focus(chromedp.CSS(".rte-text")))
	pasted := `<html><body><!--StartFragment--><b style="font-weight:normal"><h2 class="MsoHeading" style="color:red">Title</h2>` +
		`<p class="MsoNormal" id="z"><span style="font-size:11pt">Plain <span style="font-weight:700">strong</span></span><o:p></o:p></p>` +
		`<div><div><ul><li style="x:y">item</li></ul></div></div><script>alert(1)</script><a href="javascript:alert(1)">bad</a><img src="file:///c.png"></b><!--EndFragment--></body></html>`
	quoted, err := json.Marshal(pasted)
	if err != nil {
		t.Fatal(err)
	}
	b.do(t, chromedp.Evaluate[chromedp.Void](`(() => { const d = new DataTransfer(); d.setData("text/html", `+string(quoted)+`); d.setData("text/plain", "x");
		document.querySelector(".rte-text").dispatchEvent(new ClipboardEvent("paste", { clipboardData: d, bubbles: true, cancelable: true })) })()`))
	got := eval[string](t, b, `document.querySelector("textarea").value`)
	want := "<h2>Title</h2>\n<p>Plain <strong>strong</strong></p>\n<ul><li>item</li></ul>\n<p>bad</p>"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Every page of the style guide: nothing refused, nothing thrown, nothing wider than the window.
func TestStyleGuide_FitsAndKeepsThePolicy(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("styleguide/*.html")
	if err != nil || len(files) < 5 {
		t.Fatalf("found %d pages of the style guide: %v", len(files), err)
	}
	b := open(t, nil)
	for _, file := range files {
		for _, width := range []int64{390, 768, 1440} {
			b.do(t, chromedp.EmulateViewport(width, 900), chromedp.Navigate(b.url+"/"+filepath.ToSlash(file)))
			if over := eval[int](t, b, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); over > 0 {
				who := eval[string](t, b, `Array.from(document.body.querySelectorAll("*")).filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".rail, .table-wrap, pre, .scroll-x")).slice(0, 3).map(e => e.tagName + "." + e.getAttribute("class")).join(" ")`)
				t.Errorf("%s at %d px is %d px too wide: %s", file, width, over, who)
			}
		}
		b.clean(t)
	}
}

// The controls of a list: selection, menu, confirmation.
func TestAdmin_ListControls(t *testing.T) {
	t.Parallel()
	b := open(t, nil)
	b.do(t, chromedp.EmulateViewport(1440, 900), chromedp.Navigate(b.url+"/styleguide/panel-list.html"))
	visible := func(sel string) bool {
		return eval[bool](t, b, `(() => { const e = document.querySelector(`+"`"+sel+"`"+`); return !!e && e.checkVisibility() })()`)
	}
	if visible(".bulk") {
		t.Error("the bulk bar shows although nothing is selected")
	}
	b.do(t, chromedp.Click(chromedp.CSS("tbody tr:nth-child(2) [data-pick]")))
	if text := eval[string](t, b, `document.querySelector("[data-bulk-count]").textContent`); !visible(".bulk") || text != "1 selected" {
		t.Errorf("after one pick the bar says %q (visible %v)", text, visible(".bulk"))
	}
	b.do(t, chromedp.Click(chromedp.CSS("[data-pick-all]")))
	if text := eval[string](t, b, `document.querySelector("[data-bulk-count]").textContent`); text != "6 selected" {
		t.Errorf("after picking all the bar says %q", text)
	}
	open := chromedp.WaitVisible(chromedp.CSS("tbody tr:last-child .menu-list:popover-open"))
	b.do(t, chromedp.Click(chromedp.CSS("tbody tr:last-child summary")), open)
	if !visible("tbody tr:last-child .menu-list") {
		t.Error("the row menu does not open")
	}
	inside := eval[bool](t, b, `(() => { const r = document.querySelector("tbody tr:last-child .menu-list").getBoundingClientRect(); return r.top >= 0 && r.bottom <= innerHeight && r.right <= innerWidth })()`)
	if !inside {
		t.Error("the row menu leaves the window")
	}
	// The scrolling that a click brings about can end after the menu has opened.
	b.do(t, chromedp.Evaluate[chromedp.Void](`window.dispatchEvent(new Event("scroll"))`))
	if !visible("tbody tr:last-child .menu-list") {
		t.Error("scrolling closes the row menu although its button is still there")
	}
	b.do(t, press("ArrowDown", ""), press("Escape", ""))
	if visible("tbody tr:last-child .menu-list") {
		t.Error("Escape does not close the row menu")
	}
	b.do(t, chromedp.Click(chromedp.CSS("tbody tr:last-child summary")), open, chromedp.Click(chromedp.CSS("tbody tr:last-child .is-danger")), chromedp.WaitVisible(chromedp.CSS("dialog[open]")))
	if title := eval[string](t, b, `document.querySelector("dialog[open] h2").textContent`); title != "Delete “Call for papers”?" {
		t.Errorf("the confirmation asks %q", title)
	}
	b.do(t, chromedp.Click(chromedp.CSS("dialog[open] [data-close]")))
	if visible("dialog") {
		t.Error("cancelling leaves the dialog open")
	}
	b.mu.Lock()
	if len(b.posts) != 0 {
		t.Errorf("cancelled, and yet posted: %v", b.posts)
	}
	b.mu.Unlock()
	b.do(t, chromedp.Click(chromedp.CSS("tbody tr:last-child summary")), open, chromedp.Click(chromedp.CSS("tbody tr:last-child .is-danger")), chromedp.WaitVisible(chromedp.CSS("dialog[open]")),
		chromedp.Click(chromedp.CSS("dialog[open] .button--danger")), chromedp.WaitReady(chromedp.CSS("#posted")))
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.posts) != 1 {
		t.Errorf("confirmed, posted %d times", len(b.posts))
	}
}
