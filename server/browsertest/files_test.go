package browsertest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stoa-portal/stoa/server/servertest"
)

// On a phone nothing can be dropped: what is chosen is sent at once. What is refused is said without leaving the page.
func TestFiles_ChosenFilesAreSentAtOnce(t *testing.T) {
	nodes := servertest.Start(t, 2)
	address, _ := servertest.Balance(t, nodes)
	dir := t.TempDir()
	tides, wrong := filepath.Join(dir, "tides of march.txt"), filepath.Join(dir, "empty.txt")
	for name, text := range map[string]string{tides: "high water at noon", wrong: ""} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b := open(t, address)
	b.signIn(t)
	b.visit(t, "/control/files", 390)
	b.do(t, "choose", chromedp.SetUploadFiles(chromedp.CSS("[data-drop] input[type=file]"), []string{tides}),
		chromedp.WaitVisible(chromedp.CSS(".toast")))
	if got := b.text(t); !strings.Contains(got, "tides of march.txt") {
		t.Errorf("the list reads:\n%s", got)
	}
	b.fits(t, "files on a phone")
	b.shoot(t, "files-chosen-390")
	b.do(
		t,
		"choose what is refused",
		chromedp.SetUploadFiles(chromedp.CSS("[data-drop] input[type=file]"), []string{wrong}),
		chromedp.WaitVisible(chromedp.CSS("main .errors")),
	)
	if got := b.text(t); !strings.Contains(got, "Not everything was uploaded") ||
		!strings.Contains(got, "tides of march.txt") {
		t.Errorf("the screen reads:\n%s", got)
	}
	if eval[bool](t, b, `document.querySelector("[data-drop] input[type=file]").disabled`) {
		t.Error("nothing can be chosen after a refusal")
	}
	b.do(t, "choose again", chromedp.SetUploadFiles(chromedp.CSS("[data-drop] input[type=file]"), []string{tides}),
		chromedp.WaitVisible(chromedp.CSS(".toast")))
}
