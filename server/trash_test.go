package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/job"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/server/servertest"
)

// What is in the recycle bin is 410 at its address for who could see it, on every node, until something new is there or
// the bin has let it go; then the address is 404.
func TestTrash_AddressIsGoneThenMissing(t *testing.T) {
	t.Parallel()
	nodes := servertest.Start(t, 2)
	a, b := nodes[0], nodes[1]
	sys, st := servertest.System(), a.Site(t)
	guest := b.Guest(t)
	make := func(slug string) content.Article {
		t.Helper()
		one, err := a.Content.Create(sys, st, content.Draft{Slug: slug,
			Text: map[stoa.Locale]content.Text{st.Locale: {Title: "Tides of " + slug, Body: "<p>Words of " + slug + "</p>"}}})
		ok(t, err)
		one, err = a.Content.Publish(sys, one.ID, one.Version, time.Time{})
		ok(t, err)
		b.Poll(t)
		return one
	}
	trash := func(one content.Article) []asset.Ref {
		t.Helper()
		ok(t, a.Content.Trash(sys, one.ID))
		b.Poll(t)
		return []asset.Ref{{Kind: "article", ID: one.ID}}
	}
	one := make("one")
	mustSee(t, guest.Get(t, "/w/one"), http.StatusOK, "Words of one")
	ref := trash(one)
	mustSee(t, guest.Get(t, "/w/one"), http.StatusGone, "This page has been removed", "site-header")
	mustSee(t, guest.Get(t, "/w/none"), http.StatusNotFound, "This page does not exist")
	two := make("one") // takes the address
	if two.Slug != "one" {
		t.Fatalf("the address of what is in the bin is not free: %s", two.Slug)
	}
	mustSee(t, guest.Get(t, "/w/one"), http.StatusOK, "Words of one")
	_, err := b.Assets.Restore(sys, ref)
	ok(t, err)
	a.Poll(t)
	mustSee(t, a.Guest(t).Get(t, "/w/one-2"), http.StatusOK, "Words of one")
	ref = trash(two)
	mustSee(t, guest.Get(t, "/w/one"), http.StatusGone)
	ok(t, b.Assets.Purge(sys, ref))
	a.Poll(t)
	mustSee(t, a.Guest(t).Get(t, "/w/one"), http.StatusNotFound)
	mustSee(t, guest.Get(t, "/w/one"), http.StatusNotFound)

	f, err := a.Files.Upload(sys, st, document.Upload{Name: "tides.txt", Body: strings.NewReader("High."), Size: 5})
	ok(t, err)
	b.Poll(t)
	mustSee(t, guest.Get(t, document.URL(st.Slug, f)), http.StatusOK, "High.")
	ok(t, a.Files.Trash(sys, f.ID))
	b.Poll(t)
	mustSee(t, guest.Get(t, document.URL(st.Slug, f)), http.StatusGone)
	_, err = b.Assets.Restore(sys, []asset.Ref{{Kind: "file", ID: f.ID}})
	ok(t, err)
	a.Poll(t)
	mustSee(t, guest.Get(t, document.URL(st.Slug, f)), http.StatusOK, "High.")
	mustSee(t, a.Guest(t).Get(t, document.URL(st.Slug, f)), http.StatusOK, "High.")

	three := make("three")
	trash(three)
	ok(t, a.Assets.TrashJob(time.Nanosecond, time.Minute).Run(sys, job.Run{}))
	b.Poll(t)
	mustSee(t, guest.Get(t, "/w/three"), http.StatusNotFound)
}

func TestTrash_PagesAreGoneWithThoseBelowAndKeepTheirPlaceInMenus(t *testing.T) {
	t.Parallel()
	nodes := servertest.Start(t, 2)
	a, b := nodes[0], nodes[1]
	sys, st := servertest.System(), a.Site(t)
	guest := b.Guest(t)
	make := func(parent stoa.ID, slug string) page.Page {
		t.Helper()
		p, err := a.Pages.Create(sys, st, page.NewPage{Parent: parent, Slug: slug, Publish: true, Position: -1,
			Title: map[stoa.Locale]string{st.Locale: "Page " + slug}})
		ok(t, err)
		return p
	}
	sea := make(0, "sea")
	make(sea.ID, "tides")
	menu, err := a.Pages.SaveMenu(sys, page.Menu{Site: st.ID, Name: "Main", Items: []page.Item{{Page: sea.ID}}})
	ok(t, err)
	menuHas := func(n *servertest.Node) bool {
		t.Helper()
		l, err := n.Pages.Links(sys, menu, st.Locale, st.Locale, "")
		ok(t, err)
		return len(l) == 1
	}
	want := func(status int) {
		t.Helper()
		a.Poll(t)
		b.Poll(t)
		for _, path := range []string{"/sea", "/sea/tides"} {
			for range 2 { // made, and from the cache
				mustSee(t, guest.Get(t, path), status)
			}
			mustSee(t, a.Guest(t).Get(t, path), status)
		}
	}
	want(http.StatusOK)
	if !menuHas(b) {
		t.Error("the menu does not have the page")
	}
	sea, err = a.Pages.Get(sys, sea.ID)
	ok(t, err)
	ok(t, a.Pages.Trash(sys, sea.ID, sea.Version))
	want(http.StatusGone)
	if menuHas(b) {
		t.Error("the menu has what is in the bin")
	}
	ref := []asset.Ref{{Kind: "page", ID: sea.ID}}
	_, err = b.Assets.Restore(sys, ref)
	ok(t, err)
	want(http.StatusOK)
	if !menuHas(a) {
		t.Error("the page has lost its place in the menu")
	}
	sea, err = a.Pages.Get(sys, sea.ID)
	ok(t, err)
	ok(t, b.Pages.Trash(sys, sea.ID, sea.Version))
	want(http.StatusGone)
	ok(t, a.Assets.Purge(sys, ref))
	want(http.StatusNotFound)
}
