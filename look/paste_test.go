package look

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// What Word, Google Docs and LibreOffice put on the clipboard becomes lists, headings below the title of the page and
// words without styles: testdata/paste has what each of them writes, and what is kept of it.
func TestEditor_PasteFromOfficePrograms(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/paste/*.want.html")
	if err != nil || len(files) != 3 {
		t.Fatalf("found %d cases: %v", len(files), err)
	}
	a := New()
	b := open(t, map[string]string{"/e": editorPage(a, "")})
	for _, file := range files {
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		pasted, err := os.ReadFile(strings.TrimSuffix(file, ".want.html") + ".html")
		if err != nil {
			t.Fatal(err)
		}
		quoted, err := json.Marshal(string(pasted))
		if err != nil {
			t.Fatal(err)
		}
		b.do(t, chromedp.Navigate(b.url+"/e"), chromedp.WaitVisible(chromedp.CSS(".rte-text")),
			chromedp.Focus(chromedp.CSS(".rte-text")), chromedp.Evaluate[chromedp.Void](`(() => {
				const d = new DataTransfer();
				d.setData("text/html", `+string(quoted)+`);
				d.setData("text/plain", "x");
				document.querySelector(".rte-text").dispatchEvent(
					new ClipboardEvent("paste", { clipboardData: d, bubbles: true, cancelable: true })) })()`))
		if got := eval[string](t, b, `document.querySelector("textarea").value`); got != strings.TrimSpace(string(want)) {
			t.Errorf("%s\ngot:\n%s\nwant:\n%s", file, got, want)
		}
		b.do(t, chromedp.Evaluate[chromedp.Void](`stoa.forget()`))
	} // The browser notes that it refuses the styles of what is pasted, as it should.
}
