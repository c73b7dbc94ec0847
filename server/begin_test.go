package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/server/servertest"
)

// A site without a published page says at its home, on each node, that it is being set up; who may add the first page
// is led there. Both end with that page.
func TestBegin_SiteWithoutAPageSaysSoAndLeadsToTheFirst(t *testing.T) {
	t.Parallel()
	w := newRouteWalk(t, servertest.NewGroup(t, dbtest.SQLite))
	sys := servertest.System()
	first := "/control/pages/new?site="
	const said, plain = "This site is being set up", "This page does not exist"
	for _, k := range w.kinds {
		if k.foreign {
			continue
		}
		nodes, err := w.nodes[0].Pages.Tree(sys, k.things.ID)
		ok(t, err)
		for _, n := range nodes {
			ok(t, w.nodes[0].Pages.Delete(sys, n.ID, n.Version))
		}
	}
	for _, n := range w.nodes {
		n.Poll(t)
		for _, k := range w.kinds {
			if k.foreign {
				continue
			}
			for range 2 { // also from the page cache
				status, doc := atHost(t, n, k.client, k.host, http.MethodGet, "/", nil)
				may := k.letter != 'g' && k.letter != 'u'
				if status != http.StatusNotFound || !strings.Contains(doc, said) ||
					strings.Contains(doc, first) != may {
					t.Errorf("%c: %d, the way to the first page: want %v\n%.3000s", k.letter, status, may, doc)
				}
			}
			status, doc := atHost(t, n, k.client, k.host, http.MethodGet, "/other", nil)
			if status != http.StatusNotFound || strings.Contains(doc, said) || !strings.Contains(doc, plain) {
				t.Errorf("%c at another address: %d", k.letter, status)
			}
		}
	}
	st := w.kinds[0].things
	_, err := w.nodes[0].Pages.Create(sys, st, page.NewPage{Slug: "one", Publish: true,
		Title: map[stoa.Locale]string{st.Locale: "One"}})
	ok(t, err)
	for _, n := range w.nodes {
		n.Poll(t)
		if status, doc := atHost(t, n, newPerson(t), "localhost", http.MethodGet, "/", nil); status != http.StatusOK ||
			strings.Contains(doc, said) {
			t.Errorf("with its first page: %d", status)
		}
	}
}
