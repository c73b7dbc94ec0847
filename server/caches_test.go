package server_test

import (
	"context"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/config"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server/servertest"
)

func region(t *testing.T, n *servertest.Node, name string) cache.RegionStats {
	t.Helper()
	for _, s := range n.Cache.Stats() {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("there is no region %q", name)
	return cache.RegionStats{}
}

// behind gives a visitor who comes to the node through a load balancer, by an address that all nodes share.
func behind(t *testing.T, n *servertest.Node) func(path string) servertest.Answer {
	t.Helper()
	c := servertest.NewClient(t)
	c.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, strings.TrimPrefix(n.URL, "http://"))
	}}
	return func(path string) servertest.Answer {
		return servertest.Do(t, c, http.MethodGet, "http://localhost"+path, nil)
	}
}

func TestCopy_APageThatOneNodeMadeIsServedByTheOther(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			g := servertest.NewGroup(t, e)
			copies := map[string]string{"cache.region.page-cache.replication": "copy"}
			a, b := g.Join(copies), g.Join(copies)
			a.SignIn(t)
			a.Publish(t, "tides", "Tides", "<p>High water at noon.</p>")
			a.Poll(t)
			b.Poll(t)
			onA, onB := behind(t, a), behind(t, b)
			page := onA("/w/tides")
			mustSee(t, page, http.StatusOK, "High water at noon.")
			eventually(t, "the page is offered and taken", func() bool { return region(t, b, "page-cache").Accepted == 1 })
			loads := region(t, b, "page-cache").Loads
			for range 2 {
				b.Poll(t) // a proof, without which nothing is served from memory
				got := onB("/w/tides")
				mustSee(t, got, http.StatusOK, "High water at noon.")
				if got.Header.Get("Etag") != page.Header.Get("Etag") {
					t.Errorf("ETag %q on the other node, %q on the one that made it", got.Header.Get("Etag"), page.Header.Get("Etag"))
				}
			}
			if s := region(t, b, "page-cache"); s.Loads != loads || s.Mode != "copy" || region(t, a, "page-cache").Offered == 0 {
				t.Errorf("the other node made the page itself: %+v", s)
			}
			if s := region(t, b, "article"); s.Mode != "invalidate" || s.Accepted+s.Declined != 0 {
				t.Errorf("%+v", s)
			}
			a.Publish(t, "moon", "Moon", "<p>The moon does it.</p>")
			b.Poll(t)
			mustSee(t, onB("/"), http.StatusOK, "Moon")
		})
	}
}

// The names in the settings are those of the caches that there are.
func TestConfig_NamesTheCachesThatThereAre(t *testing.T) {
	t.Parallel()
	g := servertest.NewGroup(t, dbtest.SQLite)
	n := g.Join(map[string]string{
		"ehcache.replicator.properties.default": "replicatePutsViaCopy=true",
		"cache.region.site.replication":         "invalidate",
		"cache.max.bytes":                       "9MiB", "cache.region.article.max.bytes": "3MiB",
	})
	var names, copies []string
	for _, s := range n.Cache.Stats() {
		names = append(names, s.Name)
		if s.Mode == "copy" || s.Name == "site" {
			copies = append(copies, s.Name)
		}
	}
	slices.Sort(names)
	slices.Sort(copies)
	if want := config.Regions(); !slices.Equal(names, want) {
		t.Errorf("the caches are %q, config.Regions says %q", names, want)
	}
	if want := config.CopyRegions(); !slices.Equal(copies, want) {
		t.Errorf("in mode copy can be %q, config.CopyRegions says %q", copies, want)
	}
	if m := region(t, n, "site").Mode; m != "invalidate" {
		t.Errorf("the mode of one cache does not count more than that of all: %s", m)
	}
	if a, p := region(t, n, "article").MaxBytes, region(t, n, "page-cache").MaxBytes; a != 3<<20 || p != 9<<20 {
		t.Errorf("sizes: article %d, page-cache %d", a, p)
	}
	shown := g.Join(map[string]string{"ehcache.replicator.properties.default": "replicatePutsViaCopy=true", "web.server.display.node": "true"})
	if m := region(t, shown, "page-cache").Mode; m != "invalidate" {
		t.Errorf("pages that name their node are in mode %s", m)
	}
}
