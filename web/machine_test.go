package web_test

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/server/servertest"
)

// figures gives what the region of a node's cache counts.
func figures(t *testing.T, n *servertest.Node, region string) cache.RegionStats {
	t.Helper()
	for _, s := range n.Cache.Stats() {
		if s.Name == region {
			return s
		}
	}
	t.Fatalf("there is no region %s", region)
	return cache.RegionStats{}
}

var entryID = regexp.MustCompile(`<id>([^<]+)</id>`)

func idsOf(body string) (out []string) {
	for _, m := range entryID.FindAllStringSubmatch(body, -1) {
		out = append(out, m[1])
	}
	return out
}

func TestFeed_IdsAreTheSameOnEveryNodeHostAndAfterARename(t *testing.T) {
	t.Parallel()
	onEngines(t, 2, func(t *testing.T, nodes []*servertest.Node) {
		n := nodes[0]
		write(t, n, content.Draft{Slug: "tide", Kind: content.KindPost, Text: text("Tide", "<p>x</p>")})
		for _, n := range nodes {
			n.Poll(t)
		}
		before := n.Guest(t).Get(t, "/feed.atom")
		want(t, before, 200, "Tide")
		ids := idsOf(before.Body)
		if len(ids) < 2 || !strings.HasPrefix(ids[0], "urn:uuid:") || ids[0] == ids[1] {
			t.Fatalf("the feed has the ids %v", ids)
		}
		same := func(what string, got servertest.Answer) {
			t.Helper()
			if now := idsOf(got.Body); fmt.Sprint(now) != fmt.Sprint(ids) {
				t.Errorf("%s: the ids are %v; they were %v", what, now, ids)
			}
		}
		same("on another node", nodes[1].Guest(t).Get(t, "/feed.atom"))
		same("at another host name", n.Guest(t).Get(t, "/feed.atom", "Host", "b.example"))
		if again := n.Guest(t).Get(t, "/feed.atom", "If-None-Match",
			before.Header.Get("Etag")); again.Status != http.StatusNotModified {
			t.Errorf("a feed that did not change is answered with %d", again.Status)
		}
		found, err := n.Content.LiveBySlug(servertest.System(), n.Site(t), "tide")
		if err != nil {
			t.Fatal(err)
		}
		a, err := n.Content.Get(servertest.System(), found.ID)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Content.Save(servertest.System(), a.ID, content.Draft{Slug: "flood", Text: a.Text},
			a.Version); err != nil {
			t.Fatal(err)
		}
		n.Poll(t)
		renamed := n.Guest(t).Get(t, "/feed.atom")
		want(t, renamed, 200, "/w/flood")
		same("after a rename", renamed)
		if strings.Join(regexp.MustCompile(`<updated>[^<]+`).FindAllString(renamed.Body, -1), "") !=
			strings.Join(regexp.MustCompile(`<updated>[^<]+`).FindAllString(before.Body, -1), "") {
			t.Error("a draft that no visitor saw made the feed newer")
		}
	})
}

func TestSiteMap_IsNotMadeAgainForADraftAndHasWhatIsPublished(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	guest := n.Guest(t)
	want(t, guest.Get(t, "/sitemap.xml"), 200, "<loc>"+n.URL+"/sitemap-pages-1.xml</loc>",
		"<loc>"+n.URL+"/sitemap-1.xml</loc>")
	first := guest.Get(t, "/sitemap-1.xml")
	want(t, first, 200, n.URL+"/w/welcome", "<lastmod>")
	want(t, guest.Get(t, "/sitemap-2.xml"), 404)
	want(t, guest.Get(t, "/sitemap-01.xml"), 404)
	want(t, guest.Get(t, "/sitemap-pages-2.xml"), 404)
	loads := figures(t, n, "site-map").Loads
	for number := 2; number < 20; number++ {
		want(t, guest.Get(t, fmt.Sprintf("/sitemap-1.xml?page=%d", number)), 200)
	}
	if made := figures(t, n, "site-map").Loads; made != loads {
		t.Errorf("numbers of pages made %d files more", made-loads)
	}

	draft, err := n.Content.Create(servertest.System(), n.Site(t), content.Draft{Slug: "tide", Kind: content.KindPost,
		Text: text("Tide", "<p>x</p>")})
	if err != nil {
		t.Fatal(err)
	}
	n.Poll(t)
	if again := guest.Get(t, "/sitemap-1.xml"); again.Body != first.Body || figures(t, n, "site-map").Loads != loads {
		t.Errorf("a draft made the site map again: %d loads, before %d", figures(t, n, "site-map").Loads, loads)
	}
	if draft, err = n.Content.Publish(servertest.System(), draft.ID, draft.Version, time.Time{}); err != nil {
		t.Fatal(err)
	}
	n.Poll(t)
	want(t, guest.Get(t, "/sitemap-1.xml"), 200, n.URL+"/w/tide")
	if _, err = n.Content.Unpublish(servertest.System(), draft.ID, draft.Version); err != nil {
		t.Fatal(err)
	}
	n.Poll(t)
	without(t, guest.Get(t, "/sitemap-1.xml"), "/w/tide")
}

func TestSiteMap_OfManyPostsNamesEachOnceInFilesThatAreSmallEnough(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	const posts = 25_000
	fill(t, n, posts)
	index := n.Guest(t).Get(t, "/sitemap.xml")
	files := regexp.MustCompile(`<loc>[^<]*(/sitemap-\d+\.xml)</loc>`).FindAllStringSubmatch(index.Body, -1)
	if len(files) != 3 {
		t.Fatalf("the index has the files %v", files)
	}
	seen := map[string]bool{}
	var all sync.WaitGroup
	var mu sync.Mutex
	var again atomic.Int64
	for _, f := range files {
		for range 3 { // all who ask at the same time
			all.Go(func() {
				got := n.Guest(t).Get(t, f[1])
				for got.Status == 503 { // on a busy machine a file may take longer than a load may
					got = n.Guest(t).Get(t, f[1])
					again.Add(1)
				}
				locs := regexp.MustCompile(`<loc>([^<]+)</loc>`).FindAllStringSubmatch(got.Body, -1)
				mu.Lock()
				defer mu.Unlock()
				if got.Status != 200 || len(locs) == 0 || len(locs) > 50_000 {
					t.Errorf("%s: %d with %d addresses", f[1], got.Status, len(locs))
				}
				for _, l := range locs {
					seen[l[1]] = true
				}
			})
		}
	}
	all.Wait()
	if len(seen) < posts {
		t.Errorf("the files name %d addresses; there are %d posts", len(seen), posts)
	}
	// A load whose value a change overtook, or that failed or was too old at its end on a busy machine, is made once more.
	made := figures(t, n, "site-map")
	extra := made.Refused + made.Invalidations + made.LoadErrors + made.Stale + uint64(again.Load())
	if made.Loads > 4+extra {
		t.Errorf("%d loads for the index and %d files: %+v", made.Loads, len(files), made)
	}
}

// fill writes posts as fast as the database takes them.
func fill(t *testing.T, n *servertest.Node, posts int) {
	t.Helper()
	st := n.Site(t)
	for from := 0; from < posts; from += 500 {
		if err := n.DB.Write(servertest.System(), func(ctx context.Context, tx *db.Tx) error {
			for i := range min(500, posts-from) {
				id, err := tx.NewID(ctx)
				if err != nil {
					return err
				}
				at := db.Micros(tx.Now())
				for table, row := range map[string]db.Row{
					"content_article": {"id": id, "instance": st.Instance, "site": st.ID,
						"slug": fmt.Sprintf("filled-%d", from+i), "kind": "post",
						"status": "published", "author": 0, "author_name": "", "published": at, "publish_at": 0,
						"expire_at": 0, "sticky": false,
						"password": "", "titles": "x", "created": at, "modified": at, "modified_by": 0, "number": 1,
						"live": 1, "pending": 0, "version": 1},
					"content_version": {"article": id, "number": 1, "default_locale": "en-US", "image": "", "made": at,
						"made_by": 0, "made_by_name": "", "note": ""},
				} {
					if err := tx.Insert(ctx, table, row); err != nil {
						return err
					}
				}
			}
			tx.Changed("article-shown", 0, st.ID, 0)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	n.Poll(t)
}

func TestMissing_OnePageForAllAddressesAndNoRoomForThoseWhoGuess(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	guest := n.Guest(t)
	first := guest.Get(t, "/no/such/page")
	want(t, first, 404, "This page does not exist")
	without(t, first, "/no/such")
	pages := figures(t, n, "page-cache")
	for i := range 500 {
		got := guest.Get(t, fmt.Sprintf("/guess/%d?nonce=%d", i, i))
		if got.Status != 404 || got.Body != first.Body {
			t.Fatalf("guess %d is answered with %d", i, got.Status)
		}
	}
	now := figures(t, n, "page-cache")
	if now.Bytes-pages.Bytes > 500*1024 {
		t.Errorf("the page cache grew from %d to %d bytes", pages.Bytes, now.Bytes)
	}
	loads := now.Loads
	for i := range 200 {
		want(t, guest.Get(t, fmt.Sprintf("/guess/7?nonce=%d", i)), 404)
		want(t, guest.Get(t, fmt.Sprintf("/?utm_source=%d", i)), 200)
	}
	if made := figures(t, n, "page-cache").Loads - loads; made > 1 {
		t.Errorf("unknown parameters made %d pages again", made)
	}
	want(t, guest.Get(t, "/w/later"), 404)
	write(t, n, content.Draft{Slug: "later", Kind: content.KindPost, Text: text("Later", "<p>x</p>")})
	n.Poll(t)
	want(t, guest.Get(t, "/w/later"), 200, "Later")
}

func TestHead_IsAnsweredLikeGetWithoutABody(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	for _, path := range []string{"/", "/feed.atom", "/sitemap.xml", "/sitemap-1.xml", "/no/such/page", "/robots.txt",
		"/sign-in"} {
		get := n.Guest(t).Get(t, path)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodHead, n.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := n.Guest(t).Client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != get.Status || res.Header.Get("Content-Type") != get.Header.Get("Content-Type") ||
			res.Header.Get("Etag") != get.Header.Get("Etag") {
			t.Errorf("HEAD %s: %d %v; GET: %d %v", path, res.StatusCode, res.Header, get.Status, get.Header)
		}
	}
}

func TestNavigation_OfManyTopPagesShowsSomeAndLeadsToAll(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	st := n.Site(t)
	const pages = 1200
	for from := 0; from < pages; from += 200 {
		if err := n.DB.Write(servertest.System(), func(ctx context.Context, tx *db.Tx) error {
			for i := range 200 {
				if _, err := n.Pages.CreateTx(ctx, tx, st, page.NewPage{Slug: fmt.Sprintf("wide-%d", from+i),
					Publish: true, Position: -1,
					Title: map[stoa.Locale]string{"en-US": fmt.Sprintf("Wide %d", from+i)}}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	n.Poll(t)
	got := n.Guest(t).Get(t, "/wide-1")
	want(t, got, 200, "All pages", `href="/sitemap"`)
	if links := strings.Count(got.Body, `href="/wide-`); links > 200 {
		t.Errorf("each page has %d links to others", links)
	}
	seen := map[string]bool{}
	for number := 1; number <= 3; number++ {
		list := n.Guest(t).Get(t, fmt.Sprintf("/sitemap?page=%d", number))
		want(t, list, 200)
		for _, m := range regexp.MustCompile(`href="(/wide-\d+)"`).FindAllStringSubmatch(list.Body, -1) {
			seen[m[1]] = true
		}
	}
	if len(seen) != pages {
		t.Errorf("the list of all pages has %d of %d", len(seen), pages)
	}
	want(t, n.Guest(t).Get(t, "/sitemap?page=9"), 404)
}
