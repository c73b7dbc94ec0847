package server_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/asset/index"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/search"
	"github.com/stoa-portal/stoa/server/servertest"
)

const envOpenSearch = "STOA_TEST_OPENSEARCH"

// searchServer gives the address of a real search server, or skips the test.
func searchServer(t *testing.T) string {
	t.Helper()
	address := os.Getenv(envOpenSearch)
	if address == "" {
		if os.Getenv("STOA_TEST_REQUIRE") == "1" {
			t.Fatalf("%s is not set, and a build server leaves nothing out", envOpenSearch)
		}
		t.Skipf("%s is not set: make services prints the line that sets it", envOpenSearch)
	}
	return strings.TrimRight(address, "/")
}

// askSearchServer speaks to the server beside the nodes.
func askSearchServer(t *testing.T, method, address string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, http.NoBody)
	ok(t, err)
	req.Close = true // nothing stays open
	resp, err := http.DefaultClient.Do(req)
	ok(t, err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	ok(t, err)
	if resp.StatusCode >= 300 {
		t.Fatalf("%s %s: %s: %s", method, address, resp.Status, text)
	}
	return text
}

// searchIndexes names the indexes on the server.
func searchIndexes(t *testing.T, address, prefix string) (names []string) {
	t.Helper()
	var all []struct {
		Index string `json:"index"`
	}
	list := askSearchServer(t, http.MethodGet, address+"/_cat/indices/"+prefix+"*?format=json&h=index")
	ok(t, json.Unmarshal(list, &all))
	for _, i := range all {
		names = append(names, i.Index)
	}
	return names
}

// serverSettings are properties of nodes that share indexes which no other test has; they are removed after the test.
func serverSettings(t *testing.T, address string) map[string]string {
	t.Helper()
	real, prefix := searchServer(t), "test-"+strings.ToLower(rand.Text())+"-"
	t.Cleanup(func() {
		for _, name := range searchIndexes(t, real, prefix) {
			askSearchServer(t, http.MethodDelete, real+"/"+name)
		}
	})
	return map[string]string{"search.engine": "server", "search.server.hosts": address, "search.server.prefix": prefix}
}

// onSearchEngines runs the test with two nodes that have an index each, and with two that share one.
func onSearchEngines(t *testing.T, fn func(t *testing.T, nodes []*servertest.Node)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		fn(t, servertest.Start(t, 2))
	})
	t.Run("server", func(t *testing.T) {
		t.Parallel()
		settings := serverSettings(t, searchServer(t))
		g := servertest.NewGroup(t, dbtest.SQLite)
		fn(t, []*servertest.Node{g.Join(settings), g.Join(settings)})
	})
}

// relay is what stands between nodes and a search server.
type relay struct {
	*httptest.Server
	cut atomic.Bool
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	target, err := url.Parse(to)
	ok(t, err)
	r := &relay{}
	proxy := httputil.NewSingleHostReverseProxy(target)
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if r.cut.Load() {
			if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
				_ = c.(*net.TCPConn).SetLinger(0) // as one that was reset
				_ = c.Close()
			}
			return
		}
		proxy.ServeHTTP(w, req)
	}))
	t.Cleanup(r.Close)
	return r
}

func requirementOf(t *testing.T, n *servertest.Node, name string) cluster.Requirement {
	t.Helper()
	st, err := n.Cluster(servertest.System())
	ok(t, err)
	all := st.Requirements()
	i := slices.IndexFunc(all, func(r cluster.Requirement) bool { return r.Name == name })
	return all[i]
}

const separateServer = "A separate search server"

func TestSearchServer_ThatIsAwayKeepsNothingElseFromWorkingAndIsCaughtUp(t *testing.T) {
	t.Parallel()
	between := newRelay(t, searchServer(t))
	settings := serverSettings(t, between.URL)
	g := servertest.NewGroup(t, dbtest.SQLite)
	between.cut.Store(true) // nodes start without it
	a, b := g.Join(settings), g.Join(settings)
	st, guest := a.Site(t), guestOf(t, b)
	publishDraft(t, a, content.Draft{Slug: "one", Text: textIn(st.Locale, "Eelgrass", "<p>Zostera</p>")})
	for _, n := range []*servertest.Node{a, b} {
		mustSee(t, n.Guest(t).Get(t, "/w/one"), http.StatusOK, "Zostera")
		if got := n.Guest(t).Get(t, "/search?q=zostera"); got.Status != http.StatusServiceUnavailable {
			t.Errorf("a search without its server: %d", got.Status)
		}
	}
	for _, n := range []*servertest.Node{a, b} {
		eventually(t, "search.away", func() bool { return strings.Contains(codes(t, n), cluster.CodeSearchAway) })
	}
	if r := requirementOf(t, a, separateServer); r.State != cluster.NotMet {
		t.Errorf("the requirement: %+v", r)
	}
	between.cut.Store(false)
	finds(t, b, guest, "zostera", "article Eelgrass")
	finds(t, a, guest, "zostera", "article Eelgrass")
	for _, n := range []*servertest.Node{a, b} {
		eventually(t, "search.away to be over", func() bool { return !strings.Contains(codes(t, n), cluster.CodeSearchAway) })
		eventually(t, "the requirement to be met", func() bool {
			r := requirementOf(t, n, separateServer)
			return r.State == cluster.Met && strings.Contains(r.Text, "OpenSearch")
		})
	}
	between.cut.Store(true)
	two := publishDraft(t, b, content.Draft{Slug: "two", Text: textIn(st.Locale, "Cordgrass", "<p>Spartina</p>")})
	ok(t, b.Content.Trash(servertest.System(), two.ID))
	publishDraft(t, b, content.Draft{Slug: "three", Text: textIn(st.Locale, "Saltbush", "<p>Atriplex</p>")})
	between.cut.Store(false)
	finds(t, a, guest, "atriplex", "article Saltbush")
	finds(t, a, guest, "spartina")
}

// Who has saved something finds it with the next search, whichever node answers. That is waited for two seconds, which
// a machine that is busy may need now and then.
func TestSearchServer_WhoSavesFindsItOnAnyNodeWithTheNextSearch(t *testing.T) {
	t.Parallel()
	settings := serverSettings(t, searchServer(t))
	g := servertest.NewGroup(t, dbtest.SQLite)
	a, b := g.Join(settings), g.Join(settings)
	st := a.Site(t)
	editor := person(t, b, "Ada", 0)
	publishDraft(t, a, content.Draft{Slug: "first", Text: textIn(st.Locale, "Glasswort", "<p>x</p>")})
	finds(t, b, editor, "glasswort", "article Glasswort") // the index is there
	found := map[*servertest.Node]bool{}
	for i := range 40 {
		from, to := a, b
		if i%2 == 1 {
			from, to = b, a
		}
		if found[to] {
			continue
		}
		word := fmt.Sprintf("limonium%d", i)
		publishDraft(t, from, content.Draft{Slug: word, Text: textIn(st.Locale, word, "<p>Sea lavender</p>")})
		to.Poll(t) // as the next request of the session does
		began := time.Now()
		got, err := to.Search.Search(editor, st.Instance,
			index.Question{Typed: word, Site: st.ID, Locale: st.Locale, Size: 10})
		ok(t, err)
		found[to] = len(got.Hits) == 1
		if took := time.Since(began); !found[to] && took < time.Second {
			t.Fatalf("after %s the search had not waited for what was saved before it", took)
		}
		if found[a] && found[b] {
			return
		}
	}
	t.Errorf("no search had what was saved before it: %t, %t", found[a], found[b])
}

func TestSearchServer_AnotherNodeGoesOnWhenTheWriterEnds(t *testing.T) {
	t.Parallel()
	settings := serverSettings(t, searchServer(t))
	g := servertest.NewGroup(t, dbtest.SQLite)
	a, b := g.Join(settings), g.Join(settings)
	st := a.Site(t)
	publishDraft(t, a, content.Draft{Slug: "one", Text: textIn(st.Locale, "Samphire", "<p>x</p>")})
	finds(t, b, guestOf(t, b), "samphire", "article Samphire")
	writer, other := a, b
	eventually(t, "one node to write the index", func() bool {
		if writer, other = a, b; b.Search.Writes() {
			writer, other = b, a
		}
		return writer.Search.Writes() && !other.Search.Writes()
	})
	ok(t, writer.Stop(t.Context()))
	guest := guestOf(t, other)
	publishDraft(t, other, content.Draft{Slug: "two", Text: textIn(st.Locale, "Sea aster", "<p>x</p>")})
	finds(t, other, guest, "aster", "article Sea aster")
	eventually(t, "the node that is left to write the index", other.Search.Writes)
}

func TestSearchServer_IndexesThatAreTakenAwayAreFilledAgain(t *testing.T) {
	t.Parallel()
	address := searchServer(t)
	settings := serverSettings(t, address)
	g := servertest.NewGroup(t, dbtest.SQLite)
	a, b := g.Join(settings), g.Join(settings)
	st, guest := a.Site(t), guestOf(t, b)
	publishDraft(t, a, content.Draft{Slug: "one", Text: textIn(st.Locale, "Sandwort", "<p>x</p>")})
	finds(t, b, guest, "sandwort", "article Sandwort")
	for _, name := range searchIndexes(t, address, settings["search.server.prefix"]) {
		askSearchServer(t, http.MethodDelete, address+"/"+name)
	}
	publishDraft(t, b, content.Draft{Slug: "two", Text: textIn(st.Locale, "Sea holly", "<p>x</p>")}) // makes it look
	finds(t, a, guest, "sandwort", "article Sandwort")
	finds(t, a, guest, "holly", "article Sea holly")
}

func TestSearchServer_OfAnotherPortalIsNotWrittenTo(t *testing.T) {
	t.Parallel()
	settings := serverSettings(t, searchServer(t))
	a := servertest.NewGroup(t, dbtest.SQLite).Join(settings)
	st := a.Site(t)
	publishDraft(t, a, content.Draft{Slug: "one", Text: textIn(st.Locale, "Marram", "<p>x</p>")})
	finds(t, a, guestOf(t, a), "marram", "article Marram")
	other := servertest.NewGroup(t, dbtest.SQLite).Join(settings)
	publishDraft(t, other, content.Draft{Slug: "two", Text: textIn(other.Site(t).Locale, "Lyme grass", "<p>x</p>")})
	eventually(t, "it is said", func() bool {
		st, err := other.Cluster(servertest.System())
		ok(t, err)
		return slices.ContainsFunc(st.Wrong, func(f cluster.Finding) bool {
			return f.Code == cluster.CodeSearchAway && strings.Contains(f.Text, "another portal")
		})
	})
	finds(t, a, guestOf(t, a), "marram", "article Marram")
	finds(t, a, guestOf(t, a), "lyme")
	_, err := other.Search.Search(guestOf(t, other), other.Site(t).Instance, index.Question{Typed: "marram"})
	refused(t, "a search in the index of another portal", err, stoa.KindUnavailable)
}

// A backup that is put back knows of an earlier term than the index: its node writes above what the index has, and what
// the database has lost is gone from it.
func TestSearchServer_IndexThatHasSeenMoreThanTheDatabaseIsBroughtBack(t *testing.T) {
	t.Parallel()
	settings := serverSettings(t, searchServer(t))
	g := servertest.NewGroup(t, dbtest.SQLite)
	a := g.Join(settings)
	st, guest, sys := a.Site(t), guestOf(t, a), servertest.System()
	one := publishDraft(t, a, content.Draft{Slug: "one", Text: textIn(st.Locale, "Sea kale", "<p>x</p>")})
	finds(t, a, guest, "kale", "article Sea kale")
	engine := a.Search.Engine()
	token, err := engine.Token(sys)
	ok(t, err)
	var owner map[string]any
	ok(t, json.Unmarshal(token, &owner))
	owner["incarnation"] = 9
	later, err := json.Marshal(owner)
	ok(t, err)
	const far = 9 << 49
	ghost := search.Document{Kind: "article", ID: one.ID + 1_000_000, Instance: st.Instance, Site: st.ID, Version: far + 1,
		ACL: "site:" + st.ID.String() + "/instance:" + st.Instance.String(), Modified: time.Now(),
		Texts: map[stoa.Locale]search.Text{st.Locale: {Title: "Sea kale of tomorrow"}}}
	other := ghost
	other.ID, other.Version = one.ID, far+2
	ghost.Sign()
	other.Sign()
	ok(t, a.Stop(t.Context()))
	b := g.Join(settings)
	ok(t, b.Search.Engine().Apply(sys, []search.Document{ghost, other}, later, true))
	// Its term is the present one; the next that begins finds what the index says.
	ok(t, b.Stop(t.Context()))
	c := g.Join(settings)
	finds(t, c, guestOf(t, c), "kale", "article Sea kale")
	publishDraft(t, c, content.Draft{Slug: "two", Text: textIn(st.Locale, "Sea rocket", "<p>x</p>")})
	finds(t, c, guestOf(t, c), "rocket", "article Sea rocket")
}
