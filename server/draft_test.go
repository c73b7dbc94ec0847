package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/server/servertest"
)

func statsOf(n *servertest.Node, name string) cache.RegionStats {
	for _, r := range n.Cache.Stats() {
		if r.Name == name {
			return r
		}
	}
	return cache.RegionStats{}
}

func TestDraft_SavingDropsNothingThatVisitorsHave(t *testing.T) {
	t.Parallel()
	nodes := servertest.Start(t, 2)
	a, b := nodes[0], nodes[1]
	sys, st := servertest.System(), a.Site(t)
	text := func(title, body string) map[stoa.Locale]content.Text {
		return map[stoa.Locale]content.Text{st.Locale: {Title: title, Body: body}}
	}
	live, err := a.Content.Create(
		sys,
		st,
		content.Draft{Slug: "tide", Kind: content.KindPost, Text: text("Tide", "<p>first words</p>")},
	)
	ok(t, err)
	live, err = a.Content.Publish(sys, live.ID, live.Version, time.Time{})
	ok(t, err)
	list := page.Single(
		page.Placed{Widget: "content-list"},
		page.Placed{Widget: "web-content", Settings: map[string]string{"article": live.ID.String()}},
	)
	p, err := a.Pages.Create(
		sys,
		st,
		page.NewPage{Slug: "list", Title: map[stoa.Locale]string{st.Locale: "L"}, Position: -1, Publish: true, Layout: list},
	)
	ok(t, err)
	guests := []*servertest.Node{a.Guest(t), b.Guest(t)}
	visit := func() {
		t.Helper()
		a.Poll(t)
		b.Poll(t)
		for _, g := range guests {
			for _, path := range []string{"/w/tide", "/list", "/list"} {
				if got := g.Get(t, path); got.Status != http.StatusOK {
					t.Fatalf("%s: %d", path, got.Status)
				}
			}
		}
	}
	visit()
	counts := func() (n [2][3]uint64) {
		for i, node := range nodes {
			for j, name := range []string{"page-cache", "article", "article-list"} {
				n[i][j] = uint64(statsOf(node, name).Misses)
			}
		}
		return n
	}
	before := counts()
	save := func(title string) {
		t.Helper()
		live, err = b.Content.Save(sys, live.ID, content.Draft{Text: text(title, "<p>second words</p>")}, live.Version)
		ok(t, err)
	}
	save("Tide, again")
	fresh, err := a.Content.Create(sys, st, content.Draft{Kind: content.KindPost, Text: text("New", "<p>x</p>")})
	ok(t, err)
	_, err = a.Content.Save(sys, fresh.ID, content.Draft{Text: text("Newer", "<p>x</p>")}, fresh.Version)
	ok(t, err)
	live, err = b.Content.Restore(sys, live.ID, 1, live.Version)
	ok(t, err)
	draft, err := b.Pages.SaveDraft(sys, p.ID, page.Single(), p.DraftVersion)
	ok(t, err)
	_ = draft
	visit()
	if now := counts(); now != before {
		t.Errorf(
			"drafts dropped what visitors have: misses of page-cache, article and article-list were %v, are %v",
			before,
			now,
		)
	}
	// Editors see the draft at once, on every node.
	for i, n := range nodes {
		nodes, err := n.Pages.Tree(sys, st.ID)
		ok(t, err)
		found := false
		for _, x := range nodes {
			found = found || x.ID == p.ID && x.HasDraft
		}
		if !found {
			t.Errorf("node %d does not show that the page has a draft", i)
		}
	}
	save("Tide, published")
	live, err = b.Content.Publish(sys, live.ID, live.Version, time.Time{})
	ok(t, err)
	a.Poll(t)
	b.Poll(t)
	for i, g := range guests {
		for _, path := range []string{"/w/tide", "/list"} {
			if got := g.Get(t, path); !strings.Contains(got.Body, "second words") ||
				!strings.Contains(got.Body, "Tide, published") {
				t.Errorf("node %d: %s shows an old version after publication", i, path)
			}
		}
	}
	// What an editor changes beside the text holds at once.
	live, err = b.Content.Save(
		sys,
		live.ID,
		content.Draft{Text: text("Tide, published", "<p>second words</p>"), AuthorName: "Ada Brandt"},
		live.Version,
	)
	ok(t, err)
	a.Poll(t)
	if got := guests[0].Get(t, "/list"); !strings.Contains(got.Body, "Ada Brandt") {
		t.Error("the other node shows the old author")
	}
}
