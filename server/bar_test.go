package server_test

import (
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/server/servertest"
	"github.com/stoa-portal/stoa/site"
)

var (
	barRow  = regexp.MustCompile(`(?s)<nav class="site-bar".*?</nav>`)
	barLink = regexp.MustCompile(`<a [^>]*href="([^"]+)"`)
)

// barLinks gives where the bar of the document leads, or ok = false when it has none.
func barLinks(doc string) (links []string, ok bool) {
	row := barRow.FindString(doc)
	for _, m := range barLink.FindAllStringSubmatch(row, -1) {
		links = append(links, html.UnescapeString(m[1]))
	}
	return links, row != ""
}

// The bar stands above the site for those who may edit something there and for no others, on each node and in each
// instance, and each of its links lets the person in.
func TestBar_StandsForThoseWhoMayEditAndLeadsWhereTheyMay(t *testing.T) {
	t.Parallel()
	w := newRouteWalk(t, servertest.NewGroup(t, dbtest.SQLite))
	n, sys := w.nodes[0], servertest.System()
	leaves := map[stoa.ID]page.Page{}
	for _, k := range w.kinds {
		if k.foreign || leaves[k.things.ID].ID != 0 {
			continue
		}
		st := k.things
		a, err := n.Content.Create(sys, st, content.Draft{Kind: content.KindPost, Slug: "tide",
			Text: map[stoa.Locale]content.Text{st.Locale: {Title: "Tide"}}})
		w.must(err)
		_, err = n.Content.Publish(sys, a.ID, a.Version, time.Time{})
		w.must(err)
		leaves[st.ID], err = n.Pages.Create(sys, st, page.NewPage{Slug: "leaf", Publish: true, Position: -1,
			Title: map[stoa.Locale]string{st.Locale: "Leaf"}})
		w.must(err)
	}
	st := n.Site(t)
	one := &visitorKind{letter: 'p', host: "localhost", things: st, client: newPerson(t),
		login: w.person(n, st.Instance, "pia", "Editors of a page", &access.Grant{Action: access.Edit},
			pagePath(t, n, st, leaves[st.ID])...)}
	for _, n := range w.nodes {
		n.Poll(t)
	}
	w.signIn(one)
	for _, k := range append(w.kinds, one) {
		if k.foreign {
			continue
		}
		edits := map[string]bool{"/": k.letter != 'g' && k.letter != 'u' && k.letter != 'p'}
		edits["/leaf"], edits["/w/tide"] = edits["/"] || k.letter == 'p', edits["/"]
		for path, may := range edits {
			for i, n := range w.nodes {
				status, doc := atHost(t, n, k.client, k.host, http.MethodGet, path, nil)
				links, ok := barLinks(doc)
				if status != http.StatusOK || ok != may || strings.Contains(doc, "/bar.") != may {
					t.Errorf("%c at %s on node %d: %d, bar %v, want %v", k.letter, path, i+1, status, ok, may)
				}
				if want := map[bool]int{true: 2, false: 4}[k.letter == 'p']; may && len(links) != want {
					t.Errorf("%c at %s: the bar leads to %v, want %d places", k.letter, path, links, want)
				}
				for _, to := range links {
					status, next := w.ask(n, k, http.MethodGet, to, nil)
					if status == http.StatusSeeOther && strings.HasPrefix(next, "/control/") { // the one screen there is for them
						status, _ = w.ask(n, k, http.MethodGet, next, nil)
					}
					if status != http.StatusOK {
						t.Errorf("%c at %s: the bar leads to %s, which answers %d", k.letter, path, to, status)
					}
				}
			}
		}
	}
	// What guests get afterwards, from the page cache as well, has none.
	for _, n := range append(w.nodes, w.nodes...) {
		if _, doc := atHost(t, n, newPerson(t), "localhost", http.MethodGet, "/leaf", nil); strings.Contains(
			doc,
			"site-bar",
		) {
			t.Error("the page of a guest has the bar")
		}
	}
}

func pagePath(t *testing.T, n *servertest.Node, st site.Site, p page.Page) access.Path {
	t.Helper()
	path, err := n.Pages.Path(servertest.System(), p)
	ok(t, err)
	return path
}
