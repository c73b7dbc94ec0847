package web_test

import (
	"compress/gzip"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/server/servertest"
	"github.com/stoa-portal/stoa/site"
)

func want(t *testing.T, a servertest.Answer, status int, words ...string) {
	t.Helper()
	if a.Status != status {
		t.Fatalf("status %d, want %d\n%.2000s", a.Status, status, a.Body)
	}
	for _, w := range words {
		if !strings.Contains(a.Body, w) {
			t.Fatalf("the answer does not hold %q\n%.6000s", w, a.Body)
		}
	}
}

func without(t *testing.T, a servertest.Answer, words ...string) {
	t.Helper()
	for _, w := range words {
		if strings.Contains(a.Body, w) {
			t.Fatalf("the answer holds %q", w)
		}
	}
}

// german adds a language to the site of the node.
func german(t *testing.T, n *servertest.Node) {
	t.Helper()
	st := n.Site(t)
	st.Locales = []stoa.Locale{"en-US", "de"}
	if _, err := n.Sites.UpdateSite(servertest.System(), st); err != nil {
		t.Fatal(err)
	}
	n.Poll(t)
}

// write makes and publishes an article.
func write(t *testing.T, n *servertest.Node, d content.Draft) content.Article {
	t.Helper()
	a, err := n.Content.Create(servertest.System(), n.Site(t), d)
	if err == nil {
		a, err = n.Content.Publish(servertest.System(), a.ID, a.Version, time.Now())
	}
	if err != nil {
		t.Fatalf("write %s: %v", d.Slug, err)
	}
	return a
}

func text(title, body string) map[stoa.Locale]content.Text {
	return map[stoa.Locale]content.Text{"en-US": {Title: title, Body: body}}
}

func cached(n *servertest.Node) (entries, hits int64) {
	for _, r := range n.Cache.Stats() {
		if r.Name == "page-cache" {
			return int64(r.Entries), int64(r.Hits)
		}
	}
	return -1, -1
}

func TestGuest_SecondVisitIsAHitOfThePageCache(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	first := n.Get(t, "/")
	want(t, first, 200, "Welcome to Stoa")
	entries, hits := cached(n)
	if entries < 1 {
		t.Fatalf("the page cache holds %d pages after the first visit", entries)
	}
	second := n.Guest(t).Get(t, "/")
	if _, now := cached(n); now != hits+1 || second.Body != first.Body {
		t.Errorf("the second visit: %d hits, want %d; same page: %v", now, hits+1, second.Body == first.Body)
	}
	if cc := second.Header.Get("Cache-Control"); cc != "no-cache" {
		t.Errorf("Cache-Control is %q, want no-cache", cc)
	}
	tag := second.Header.Get("ETag")
	if got := n.Get(t, "/", "If-None-Match", tag); tag == "" || got.Status != 304 || got.Body != "" {
		t.Errorf("with its tag %q: %d and %d bytes", tag, got.Status, len(got.Body))
	}
	if got := n.Get(t, "/", "If-None-Match", `"another"`); got.Status != 200 {
		t.Errorf("with another tag: %d", got.Status)
	}
	z, err := gzip.NewReader(strings.NewReader(n.Get(t, "/", "Accept-Encoding", "gzip").Body))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := io.ReadAll(z); err != nil || string(plain) != first.Body {
		t.Errorf("unpacked: %d bytes, want %d; %v", len(plain), len(first.Body), err)
	}
}

func TestGuest_OtherLanguageHasItsOwnAddressAndNamesTheOthers(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	german(t, n)
	write(t, n, content.Draft{Slug: "tide", Kind: "post", Text: map[stoa.Locale]content.Text{"en-US": {Title: "High tide", Body: "<p>Noon</p>"}, "de": {Title: "Hochwasser", Body: "<p>Mittag</p>"}}})
	p, err := n.Pages.Create(servertest.System(), n.Site(t), page.NewPage{Slug: "about", Position: -1, Publish: true, Title: map[stoa.Locale]string{"en-US": "About us", "de": "Über uns"}})
	if err != nil {
		t.Fatal(err)
	}
	n.Poll(t)
	de := n.Get(t, "/de/w/tide")
	want(t, de, 200, `lang="de"`, "Hochwasser", "Mittag", `hreflang="en-US"`, `hreflang="de"`, n.URL+"/w/tide", n.URL+"/de/w/tide")
	without(t, de, "High tide")
	want(t, n.Get(t, "/w/tide"), 200, `lang="en-US"`, "High tide", `hreflang="de"`)
	want(t, n.Get(t, "/de"+p.Path), 200, "Über uns")
	want(t, n.Get(t, p.Path), 200, "About us")
	want(t, n.Get(t, "/fr/w/tide"), 404) // not a language of the site
}

// A text that is not there in the language of the page says which language it is in and how it runs; what stands around
// it is in the language of the page.
func TestGuest_TextsInAnotherLanguageAreMarked(t *testing.T) {
	n := servertest.Start(t, 1)[0]
	st := n.Site(t)
	st.Locales = []stoa.Locale{"en-US", "ar"}
	if _, err := n.Sites.UpdateSite(servertest.System(), st); err != nil {
		t.Fatal(err)
	}
	write(t, n, content.Draft{Slug: "tide", Kind: "post",
		Text: map[stoa.Locale]content.Text{"en-US": {Title: "High tide", Body: "<p>Noon</p>"}}})
	write(t, n, content.Draft{Slug: "port", Kind: "post", Text: map[stoa.Locale]content.Text{"en-US": {Title: "Port",
		Body: "<p>x</p>"}, "ar": {Title: "الميناء", Body: "<p>سفن</p>"}}})
	_, err := n.Pages.Create(servertest.System(), st, page.NewPage{Slug: "news", Position: -1, Publish: true,
		Title: map[stoa.Locale]string{"en-US": "News"}, Layout: page.Single(page.Placed{Widget: "content-list",
			Settings: map[string]string{"kind": "post", "style": "titles"}}, page.Placed{Widget: "content-list"})})
	if err != nil {
		t.Fatal(err)
	}
	n.Poll(t)
	const mark = ` lang="en-US" dir="ltr"`
	got := n.Get(t, "/ar/w/tide")
	want(t, got, 200, `<html lang="ar" dir="rtl">`, `<article class="article"`+mark+`>`,
		`<p class="meta" lang="ar" dir="rtl">`)
	got = n.Get(t, "/ar/w/port")
	want(t, got, 200, `<html lang="ar" dir="rtl">`, `<article class="article">`)
	got = n.Get(t, "/ar/news")
	want(t, got, 200, `<h1 class="page-title"`+mark+`>News</h1>`, `<a href="/ar/w/tide"`+mark+`>High tide</a>`,
		`<a href="/ar/w/port">الميناء</a>`, `<article class="post-item"`+mark+`>`, `<p class="meta" lang="ar" dir="rtl">`)
	without(t, n.Get(t, "/news"), `<h1 class="page-title"`+mark, `"`+mark+`>High tide`)
}

func TestGuest_OldAddressLeadsToTheNewOne(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	german(t, n)
	st := n.Site(t)
	if err := n.DB.Write(servertest.System(), func(ctx context.Context, tx *db.Tx) error {
		return errors.Join(n.Pages.AddRedirect(ctx, tx, st.ID, "/2024/old", "/w/welcome"), n.Pages.AddRedirect(ctx, tx, st.ID, "/?page_id=7", "/home"),
			n.Pages.AddRedirect(ctx, tx, st.ID, "/gone?p=7", "/home"))
	}); err != nil {
		t.Fatal(err)
	}
	n.Poll(t)
	for from, to := range map[string]string{"/2024/old": "/w/welcome", "/2024/old/": "/w/welcome", "/2024/old?utm=x": "/w/welcome", "/de/2024/old": "/de/w/welcome", "/gone?p=7": "/home",
		"/?page_id=7": "/home", "/?utm_source=mail&page_id=7": "/home", "/de/?page_id=7": "/de/home", "/web/guest/?page_id=7": "/home"} {
		n.Get(t, "/") // the front page is in the page cache, which does not look at queries
		if got := n.Get(t, from); got.Status != 301 || got.Header.Get("Location") != to {
			t.Errorf("%s: %d to %q, want 301 to %s", from, got.Status, got.Header.Get("Location"), to)
		}
	}
	want(t, n.Get(t, "/?page_id=8"), 200, "Welcome to Stoa")
	want(t, n.Get(t, "/?utm_source=mail"), 200, "Welcome to Stoa")
}

func TestGuest_ListsHavePages(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	for i := 1; i <= 12; i++ { // with the welcome article they fill two pages
		write(t, n, content.Draft{Slug: fmt.Sprintf("post-%d", i), Kind: "post", Text: text(fmt.Sprintf("Entry number %d.", i), "<p>Words</p>")})
	}
	st := n.Site(t)
	st.Home = "posts"
	if _, err := n.Sites.UpdateSite(servertest.System(), st); err != nil {
		t.Fatal(err)
	}
	n.Poll(t)
	first, second := n.Get(t, "/"), n.Get(t, "/?page=2")
	want(t, first, 200, `href="/?page=2"`, `rel="next"`)
	without(t, first, `rel="prev"`)
	want(t, second, 200, `rel="prev"`, `aria-current="page">2<`)
	without(t, second, `rel="next"`)
	for i := 1; i <= 12; i++ {
		entry := fmt.Sprintf("Entry number %d.", i)
		if a, b := strings.Contains(first.Body, entry), strings.Contains(second.Body, entry); a == b {
			t.Errorf("%s is on page 1: %v, on page 2: %v", entry, a, b)
		}
	}
	want(t, n.Get(t, "/?page=3"), 404)
	for _, odd := range []string{"0", "-1", "x", "1e9", "99999999999999999999"} {
		if got := n.Get(t, "/?page="+odd); got.Body != first.Body {
			t.Errorf("page=%s is not the first page (%d)", odd, got.Status)
		}
	}
}

func TestGuest_FeedAndSiteMapAreWellFormedAndLeaveOutWhatIsHidden(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	secret := "open sesame"
	write(t, n, content.Draft{Slug: "locked", Kind: "post", Password: &secret, Text: text("A locked door", "<p>inner words</p>")})
	write(t, n, content.Draft{Slug: "odd", Kind: "post", Text: text(`Fish & chips <"tonight"> ]]>`, "<p>Salt &amp; vinegar</p>")})
	if _, err := n.Content.Create(servertest.System(), n.Site(t), content.Draft{Slug: "unready", Kind: "post", Text: text("Unready", "<p>x</p>")}); err != nil {
		t.Fatal(err)
	}
	n.Poll(t)
	for _, path := range []string{"/feed.atom", "/sitemap-1.xml"} {
		got := n.Get(t, path)
		want(t, got, 200, n.URL+"/w/odd")
		without(t, got, "inner words", "unready", "Unready")
		for d := xml.NewDecoder(strings.NewReader(got.Body)); ; {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%s: %v\n%s", path, err, got.Body)
			}
		}
	}
	want(t, n.Get(t, "/robots.txt"), 200, "Sitemap: "+n.URL+"/sitemap.xml")
}

func TestGuest_MissingPageHasTheFaceOfTheSite(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	for _, path := range []string{"/no/such/page", "/w/none", "/w/", "/tags/none", "/categories/none", "/web/none/", "/web/none", "/web/", "/en"} {
		got := n.Get(t, path)
		want(t, got, http.StatusNotFound, "This page does not exist")
		if cc := got.Header.Get("Cache-Control"); !strings.Contains(cc, "no-store") {
			t.Errorf("%s has Cache-Control %q", path, cc)
		}
	}
	want(t, n.Get(t, "/no/such/page"), 404, "site-header")
}

func TestHostile_PathsAreAnsweredWithoutHarm(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	for _, path := range []string{
		"/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/w/..%2f..%2fetc", "/w/%00", "/%ff%fe", "/w/%ff", "/web/guest/../x",
		"/w/" + strings.Repeat("a", 5000), "/" + strings.Repeat("a/", 3000), "/w/<script>alert(1)</script>", "/w/'%20OR%201=1--", "/tags/%27%3B--", "/categories/%0d%0aX-Evil:1",
		"/%0d%0aSet-Cookie:x=1", "/web/%2e%2e/", "//evil.test/", "/\\evil.test", "/de/../..", "/?page=2%0d%0a", "/w/welcome/extra/..;/", "/%e2%80%ae",
	} {
		got := n.Get(t, path)
		if got.Status >= 500 {
			t.Errorf("%.60q gets %d", path, got.Status)
		}
		if strings.Contains(got.Body, "<script>alert") || strings.Contains(got.Body, "root:") || got.Header.Get("X-Evil") != "" || got.Header.Get("Set-Cookie") != "" {
			t.Errorf("%.60q: the answer holds what the address brought", path)
		}
		if to := got.Header.Get("Location"); to != "" && (strings.HasPrefix(to, "//") || strings.HasPrefix(to, "http")) {
			t.Errorf("%.60q leads away to %q", path, to)
		}
	}
	want(t, n.Get(t, "/"), 200, "Welcome to Stoa")
}

// at asks for the front page by another host name.
func at(t *testing.T, n *servertest.Node, host string) servertest.Answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.URL+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	res, err := n.Client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return servertest.Answer{Status: res.StatusCode, Header: res.Header, Body: string(body)}
}

func TestGuest_HostOfASiteIsAnsweredWithoutAWordInTheProperties(t *testing.T) {
	t.Parallel()
	n := servertest.NewGroup(t, dbtest.SQLite).Join(map[string]string{"virtual.hosts.valid.hosts": "localhost"})
	st, err := n.Sites.CreateSite(servertest.System(), site.Site{Instance: n.Site(t).Instance, Slug: "intra", Name: "Intranet", Locale: "en", Home: "posts"})
	if err != nil {
		t.Fatal(err)
	}
	if got := at(t, n, "intra.test"); got.Status < 400 || got.Status >= 500 {
		t.Errorf("a host that nobody named: %d", got.Status)
	}
	if err := n.Sites.SetHosts(servertest.System(), st.ID, []string{"intra.test"}); err != nil {
		t.Fatal(err)
	}
	n.Poll(t)
	want(t, at(t, n, "intra.test"), 200, "Intranet")
	if got := at(t, n, "other.test"); got.Status < 400 || got.Status >= 500 {
		t.Errorf("another host: %d", got.Status)
	}
}

func TestGuest_DefaultSiteIsTheOneOfTheProperty(t *testing.T) {
	t.Parallel()
	g := servertest.NewGroup(t, dbtest.SQLite)
	n := g.Join(map[string]string{"virtual.hosts.default.site.name": "Town Hall", "locales.enabled": "de_DE,en_US"})
	if st := n.Site(t); st.Slug != "town-hall" || len(st.Locales) != 2 || !st.Has("de-DE") {
		t.Errorf("the first site is called %q and has the languages %v", st.Slug, st.Locales)
	}
	if err := n.Sites.SetHosts(servertest.System(), n.Site(t).ID, nil); err != nil {
		t.Fatal(err)
	}
	st, err := n.Sites.CreateSite(servertest.System(), site.Site{Instance: n.Site(t).Instance, Slug: "intra", Name: "Intranet", Locale: "en", Home: "posts"})
	if err == nil {
		err = n.Sites.SetHosts(servertest.System(), st.ID, []string{"localhost"})
	}
	if !stoa.Is(err, stoa.KindInvalid) { // it stands in virtual.hosts.ignore.hosts, so it could never work
		t.Fatalf("localhost for a site: %v", err)
	}
	n.Poll(t)
	want(t, n.Get(t, "/"), 200, "Welcome to Stoa")
	want(t, n.Get(t, "/web/intra/"), 200, "Intranet")
}

func TestGuest_SitesBehindOneOriginDoNotShareTheirPages(t *testing.T) {
	t.Parallel()
	n := servertest.NewGroup(t, dbtest.SQLite).Join(map[string]string{"web.server.host": "public.test", "virtual.hosts.valid.hosts": "localhost,intra.test"})
	st, err := n.Sites.CreateSite(servertest.System(), site.Site{Instance: n.Site(t).Instance, Slug: "intra", Name: "Intranet", Locale: "en", Home: "posts"})
	if err == nil {
		err = n.Sites.SetHosts(servertest.System(), st.ID, []string{"intra.test"})
	}
	if err != nil {
		t.Fatal(err)
	}
	n.Poll(t)
	for range 2 { // made, then from the cache
		want(t, n.Get(t, "/"), 200, "Welcome to Stoa")
		got := at(t, n, "intra.test")
		want(t, got, 200, "Intranet", "http://public.test/")
		without(t, got, "Welcome to Stoa")
	}
}

// An address that looks like the key of another one has an answer of its own, whichever is asked for first.
func TestPageCache_AddressesDoNotTakeThePlaceOfOthers(t *testing.T) {
	t.Parallel()
	nodes := servertest.Start(t, 2)
	a := nodes[0]
	_, err := a.Pages.Create(servertest.System(), a.Site(t), page.NewPage{Slug: "docs", Publish: true, Position: -1,
		Title: map[stoa.Locale]string{"en-US": "Docs"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		n.Poll(t)
		guest := n.Guest(t)
		for _, wrong := range []string{"/%7C2", "/docs%7C2", "/docs%7C3"} {
			want(t, guest.Get(t, wrong), 404)
		}
		for _, right := range []string{"/?page=2", "/docs?page=2", "/docs?page=3", "/docs"} {
			want(t, guest.Get(t, right), 200)
		}
	}
}
