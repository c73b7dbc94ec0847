package server_test

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/importer/wordpress"
	"github.com/stoa-portal/stoa/server"
	"github.com/stoa-portal/stoa/server/servertest"
)

// onEngines runs the test with n nodes on every engine.
func onEngines(t *testing.T, n int, fn func(t *testing.T, nodes []*servertest.Node)) {
	t.Helper()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) { fn(t, servertest.StartOn(t, e, n)) })
	}
}

func mustSee(t *testing.T, a servertest.Answer, status int, words ...string) {
	t.Helper()
	if a.Status != status {
		t.Fatalf("status %d, want %d\n%s", a.Status, status, a.Body)
	}
	for _, w := range words {
		if !strings.Contains(a.Body, w) {
			t.Fatalf("the answer does not hold %q\n%s", w, a.Body)
		}
	}
}

func mustNotSee(t *testing.T, a servertest.Answer, words ...string) {
	t.Helper()
	for _, w := range words {
		if strings.Contains(a.Body, w) {
			t.Fatalf("the answer still holds %q", w)
		}
	}
}

func TestSession_HoldsOnEveryNodeAndEndsOnEveryNode(t *testing.T) {
	t.Parallel()
	onEngines(t, 3, func(t *testing.T, nodes []*servertest.Node) {
		a := nodes[0]
		a.SignIn(t)
		for _, n := range nodes {
			mustSee(t, n.As(a.Client).Get(t, "/control/"), http.StatusOK, "Control panel")
			mustSee(t, n.As(a.Client).Get(t, "/account"), http.StatusOK, servertest.AdminLogin)
		}
		// The cookie is what a thief would have kept: it must not work after the sign-out.
		address, err := url.Parse(a.URL)
		if err != nil {
			t.Fatal(err)
		}
		stolen := ""
		for _, c := range a.Client.Jar.Cookies(address) {
			stolen += c.Name + "=" + c.Value + "; "
		}
		if out := a.Post(t, "/sign-out", nil); out.Status != http.StatusSeeOther {
			t.Fatalf("sign out: %d", out.Status)
		}
		for _, n := range nodes {
			n.Poll(t)
			got := n.Guest(t).Get(t, "/account", "Cookie", stolen)
			if got.Status != http.StatusSeeOther || !strings.HasPrefix(got.Header.Get("Location"), "/sign-in") {
				t.Errorf("%s: the old cookie gets %d to %q", n.URL, got.Status, got.Header.Get("Location"))
			}
		}
	})
}

func TestPublish_EveryNodeShowsTheNewTextAndNotTheOld(t *testing.T) {
	t.Parallel()
	onEngines(t, 3, func(t *testing.T, nodes []*servertest.Node) {
		a := nodes[0]
		for _, n := range nodes { // the pages without the article are in every cache before it is written
			mustSee(t, n.Get(t, "/"), http.StatusOK, "Welcome to Stoa")
			mustSee(t, n.Get(t, "/w/tides"), http.StatusNotFound)
		}
		a.SignIn(t)
		id := a.Publish(t, "tides", "Tides of the bay", "<p>High water at noon.</p>")
		for _, n := range nodes {
			n.Poll(t)
			mustSee(t, n.Guest(t).Get(t, "/w/tides"), http.StatusOK, "Tides of the bay", "High water at noon.")
			mustSee(t, n.Guest(t).Get(t, "/"), http.StatusOK, "Tides of the bay")
		}
		// The other node changes it: the first, which holds it in its caches, shows the new text.
		b := nodes[1].As(a.Client)
		old, err := b.Content.Get(servertest.System(), id)
		if err != nil {
			t.Fatal(err)
		}
		out := b.Post(t, "/control/content/"+id.String(), url.Values{"site": {b.Site(t).ID.String()}, "version": {version(old.Version)}, "kind": {"post"},
			"slug": {"tides"}, "title": {"Tides of the strait"}, "body": {"<p>Low water at dusk.</p>"}, "do": {"publish"}})
		if out.Status != http.StatusSeeOther {
			t.Fatalf("save on B: %d\n%s", out.Status, out.Body)
		}
		for _, n := range nodes {
			n.Poll(t)
			got := n.Guest(t).Get(t, "/w/tides")
			mustSee(t, got, http.StatusOK, "Tides of the strait", "Low water at dusk.")
			mustNotSee(t, got, "Tides of the bay", "High water")
		}
		// A form with the version from before meets the screen of a conflict and changes nothing.
		stale := nodes[2].As(a.Client).Post(t, "/control/content/"+id.String(), url.Values{"site": {b.Site(t).ID.String()}, "version": {version(old.Version)}, "kind": {"post"},
			"slug": {"tides"}, "title": {"Mine"}, "body": {"<p>Mine.</p>"}, "do": {"publish"}})
		mustSee(t, stale, http.StatusConflict)
		out = a.Post(t, "/control/content/"+id.String()+"/delete", nil)
		if out.Status != http.StatusSeeOther {
			t.Fatalf("delete: %d\n%s", out.Status, out.Body)
		}
		for _, n := range nodes {
			n.Poll(t)
			mustSee(t, n.Guest(t).Get(t, "/w/tides"), http.StatusGone, "removed")
			mustNotSee(t, n.Guest(t).Get(t, "/"), "Tides of")
		}
	})
}

func TestFirstStart_NodesThatStartTogetherMakeOneSite(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			g := servertest.NewGroup(t, e)
			nodes := make([]*server.Server, 3)
			var wg sync.WaitGroup
			for i := range nodes {
				c := g.Config(nil)
				wg.Go(func() {
					var err error
					if nodes[i], err = server.New(context.Background(), server.Options{Config: c, NoSync: true}); err != nil {
						t.Errorf("start: %v", err)
					}
				})
			}
			wg.Wait()
			for _, n := range nodes {
				if n == nil {
					continue
				}
				defer func() {
					if err := n.Stop(context.Background()); err != nil {
						t.Error(err)
					}
				}()
				if n.SetupPath != "" {
					t.Errorf("a node offers %s although the administrator has a password", n.SetupPath)
				}
				if err := n.Log.Poll(context.Background()); err != nil {
					t.Fatal(err)
				}
				instance, st, err := n.Sites.Resolve(servertest.System(), "localhost")
				if err != nil {
					t.Fatal(err)
				}
				for q, want := range map[string]int{
					"SELECT count(*) FROM site_instance": 1, "SELECT count(*) FROM site_site": 1, "SELECT count(*) FROM user_account": 1,
					"SELECT count(*) FROM page_page": 1, "SELECT count(*) FROM content_article": 1,
				} {
					got := 0
					if err := n.DB.QueryRow(context.Background(), q).Scan(&got); err != nil || got != want {
						t.Errorf("%s gives %d, want %d (%v)", q, got, want, err)
					}
				}
				if _, err := n.Content.LiveBySlug(servertest.System(), st, "welcome"); err != nil {
					t.Errorf("the welcome article of instance %d: %v", instance.ID, err)
				}
			}
		})
	}
}

func TestImport_TwiceChangesNothingAndEveryNodeShowsIt(t *testing.T) {
	t.Parallel()
	onEngines(t, 3, func(t *testing.T, nodes []*servertest.Node) {
		for _, n := range nodes {
			mustSee(t, n.Get(t, "/about"), http.StatusNotFound)
		}
		a := nodes[0]
		run := func() wordpress.Report {
			t.Helper()
			f, err := os.Open(filepath.Join("..", "importer", "wordpress", "testdata", "small.xml"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			e, err := wordpress.Read(f, wordpress.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			w := wordpress.Writer{DB: a.DB, Sites: a.Sites, Pages: a.Pages, Content: a.Content, Taxonomy: a.Taxonomy}
			report, err := w.Write(servertest.System(), e, wordpress.WriteOptions{Site: a.Site(t)})
			if err != nil {
				t.Fatal(err)
			}
			return report
		}
		first := run()
		if first.New == 0 || first.Before != 0 || first.Redirects == 0 {
			t.Fatalf("first run: %+v", first)
		}
		before := rows(t, a)
		second := run()
		if second.New != 0 || second.Before != first.New || second.Redirects != 0 {
			t.Errorf("second run: %d new, %d before, %d redirects; want 0, %d, 0", second.New, second.Before, second.Redirects, first.New)
		}
		if after := rows(t, a); after != before {
			t.Errorf("the second run changed the database: %v, before %v", after, before)
		}
		for _, n := range nodes {
			n.Poll(t)
			g := n.Guest(t)
			mustSee(t, g.Get(t, "/"), http.StatusOK, "Harbour Notes")
			for _, path := range []string{"/about", "/about/team", "/about/team/anna", "/w/a-walk-along-the-coast", "/w/regatta-on-sunday", "/categories/news", "/tags/boats"} {
				if got := g.Get(t, path); got.Status != http.StatusOK {
					t.Errorf("%s on %s: %d", path, n.URL, got.Status)
				}
			}
			for _, path := range []string{"/w/summer-fair", "/plan", "/about/plan"} {
				if got := g.Get(t, path); got.Status == http.StatusOK {
					t.Errorf("%s, which was not public, is open on %s", path, n.URL)
				}
			}
		}
	})
}

func TestControl_ImportTellsHowFarItIs(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	dir, err := filepath.Abs(filepath.Join("..", "importer", "wordpress", "testdata"))
	if err != nil {
		t.Fatal(err)
	}
	var steps [][2]int
	report, running, err := server.Control(t.Context(), n.Home, "import/wordpress", server.ControlRequest{File: filepath.Join(dir, "small.xml"), Media: filepath.Join(dir, "media"),
		Progress: func(done, total int) { steps = append(steps, [2]int{done, total}) }})
	if err != nil || !running || !strings.Contains(report, "posts and pages imported now") {
		t.Fatalf("%v, %v\n%s", running, err, report)
	}
	if len(steps) == 0 || steps[0][0] != 1 || steps[len(steps)-1][0] != steps[len(steps)-1][1] || len(steps) != steps[0][1] {
		t.Errorf("the progress was %v", steps)
	}
	if _, running, err := server.Control(t.Context(), n.Home, "import/wordpress", server.ControlRequest{File: filepath.Join(dir, "none.xml"), Progress: func(int, int) {}}); err == nil || !running {
		t.Errorf("a file that is not there: %v, %v", running, err)
	}
}

// rows counts what an import writes, and the newest changes.
func rows(t *testing.T, n *servertest.Node) [6]int64 {
	t.Helper()
	var out [6]int64
	for i, q := range []string{
		"SELECT count(*) FROM content_article", "SELECT count(*) FROM page_page", "SELECT count(*) FROM importer_item",
		"SELECT sum(version) FROM content_article", "SELECT sum(version) FROM page_page", "SELECT count(*) FROM page_redirect",
	} {
		if err := n.DB.QueryRow(context.Background(), q).Scan(&out[i]); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	return out
}

func TestClearCaches_ReachesEveryNode(t *testing.T) {
	t.Parallel()
	onEngines(t, 2, func(t *testing.T, nodes []*servertest.Node) {
		a, b := nodes[0], nodes[1]
		a.SignIn(t)
		for _, n := range nodes {
			mustSee(t, n.Guest(t).Get(t, "/"), http.StatusOK, "Welcome to Stoa")
			n.Poll(t)
			mustSee(t, n.Guest(t).Get(t, "/"), http.StatusOK)
		}
		if entries(b, "page-cache") == 0 {
			t.Fatal("the page cache of B holds nothing, so clearing would prove nothing")
		}
		out := a.Post(t, "/control/cluster/empty", nil)
		if out.Status != http.StatusSeeOther || !strings.Contains(out.Header.Get("Location"), "emptied=") {
			t.Fatalf("clear: %d to %q\n%s", out.Status, out.Header.Get("Location"), out.Body)
		}
		for _, n := range nodes {
			n.Poll(t)
			if got := entries(n, "page-cache"); got != 0 {
				t.Errorf("%s still holds %d pages", n.URL, got)
			}
		}
		guest := a.Guest(t).Post(t, "/control/caches/clear", nil)
		if guest.Status != http.StatusSeeOther || !strings.HasPrefix(guest.Header.Get("Location"), "/sign-in") {
			t.Errorf("a guest who clears the caches gets %d to %q", guest.Status, guest.Header.Get("Location"))
		}
	})
}

func entries(n *servertest.Node, region string) int {
	for _, r := range n.Cache.Stats() {
		if r.Name == region {
			return int(r.Entries)
		}
	}
	return 0
}
