package server_test

import (
	"bytes"
	"image"
	"image/png"
	"net/http"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/server/servertest"
)

// What a page shows of the file store changes for visitors of every node with the file.
func TestWidgets_APictureThatIsRemovedOnOneNodeIsGoneFromPagesOfTheOther(t *testing.T) {
	nodes := servertest.Start(t, 2)
	a, b := nodes[0], nodes[1]
	sys, st := servertest.System(), a.Site(t)
	var raw bytes.Buffer
	ok(t, png.Encode(&raw, image.NewGray(image.Rect(0, 0, 700, 100))))
	f, err := a.Files.Upload(sys, st, document.Upload{Name: "pier.png", Body: &raw, Alt: "A pier"})
	ok(t, err)
	at := document.URL(st.Slug, f)
	_, err = a.Pages.Create(sys, st, page.NewPage{Slug: "piers", Title: map[stoa.Locale]string{st.Locale: "Piers"},
		Position: -1, Publish: true, Layout: page.Single(
			page.Placed{Widget: "image", Settings: map[string]string{"image": at}},
			page.Placed{Widget: "gallery", Settings: map[string]string{"pictures": `[{"file":"` + at + `","alt":"One"}]`}})})
	ok(t, err)
	b.Poll(t)
	guest := b.Guest(t)
	before := guest.Get(t, "/piers")
	if before.Status != http.StatusOK || strings.Count(before.Body, "<img src=\""+at) != 2 ||
		!strings.Contains(before.Body, "?w=640 640w") || !strings.Contains(before.Body, `alt="A pier"`) {
		t.Fatalf("%d, the pictures are not shown:\n%s", before.Status, before.Body)
	}
	ok(t, a.Files.Trash(sys, f.ID))
	b.Poll(t)
	if after := guest.Get(t, "/piers"); after.Status != http.StatusOK || strings.Contains(after.Body, f.Key) {
		t.Errorf("%d, the picture is still there:\n%s", after.Status, after.Body)
	}
}
