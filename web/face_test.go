package web_test

import (
	"bytes"
	"encoding/xml"
	"image"
	"image/png"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/server/servertest"
	"github.com/stoa-portal/stoa/site"
)

func TestFace_HomePageHasOneAddress(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	for _, path := range []string{"/", "/home"} {
		want(t, n.Get(t, path), 200, `<link rel="canonical" href="`+n.URL+`/">`)
	}
	sitemap := n.Get(t, "/sitemap-pages-1.xml")
	want(t, sitemap, 200, "<loc>"+n.URL+"/</loc>")
	without(t, sitemap, "<loc>"+n.URL+"/home</loc>")
}

func TestFace_SiteMapNamesLanguagesAndLeavesOutWhatSearchShallNot(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	german(t, n)
	write(t, n, content.Draft{Slug: "tide", Kind: content.KindPost, Text: map[stoa.Locale]content.Text{"en-US": {Title: "Tide", Body: "<p>x</p>"}, "de": {Title: "Flut", Body: "<p>x</p>"}}})
	write(t, n, content.Draft{Slug: "english", Kind: content.KindArticle, Text: text("English", "<p>x</p>")})
	if _, err := n.Pages.Create(servertest.System(), n.Site(t), page.NewPage{Slug: "quiet", Publish: true, Title: map[stoa.Locale]string{"en-US": "Quiet"}, SEO: page.SEO{NoIndex: true}}); err != nil {
		t.Fatal(err)
	}
	n.Poll(t)
	got := n.Get(t, "/sitemap-1.xml")
	want(t, got, 200, "<loc>"+n.URL+"/w/tide</loc>", "<loc>"+n.URL+"/de/w/tide</loc>", `hreflang="de" href="`+n.URL+`/de/w/tide"`, "<loc>"+n.URL+"/w/english</loc>")
	without(t, got, "/de/w/english")
	without(t, n.Get(t, "/sitemap-pages-1.xml"), "/quiet")
}

func TestFace_OtherSitesAndLanguagesHaveTheirFeed(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	german(t, n)
	st, err := n.Sites.CreateSite(servertest.System(), site.Site{Instance: n.Site(t).Instance, Slug: "harbour", Name: "Harbour", Locale: "en-US", Home: site.HomePosts})
	if err != nil {
		t.Fatal(err)
	}
	a, err := n.Content.Create(servertest.System(), st, content.Draft{Slug: "crane", Kind: content.KindPost, Text: text("The crane", "<p>x</p>")})
	if err == nil {
		_, err = n.Content.Publish(servertest.System(), a.ID, a.Version, time.Now())
	}
	if err != nil {
		t.Fatal(err)
	}
	n.Poll(t)
	for path, words := range map[string][]string{
		"/web/harbour/feed.atom": {"<title>Harbour</title>", n.URL + "/web/harbour/w/crane", "<published>"},
		"/de/feed.atom":          {`xml:lang="de"`, n.URL + "/de/w/welcome"},
		"/web/harbour/sitemap.xml": {"<loc>" + n.URL + "/web/harbour/sitemap-pages-1.xml</loc>",
			"<loc>" + n.URL + "/web/harbour/sitemap-1.xml</loc>"},
		"/web/harbour/sitemap-pages-1.xml": {"<loc>" + n.URL + "/web/harbour/</loc>"},
		"/web/harbour/sitemap-1.xml":       {n.URL + "/web/harbour/w/crane"},
	} {
		got := n.Get(t, path)
		want(t, got, 200, words...)
		if err := xml.Unmarshal([]byte(got.Body), new(struct{})); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	want(t, n.Get(t, "/web/harbour/"), 200, `href="/web/harbour/feed.atom"`)
}

func TestFace_ArticleShowsItsImageOnce(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 700, 350))); err != nil {
		t.Fatal(err)
	}
	f, address := upload(t, n, "pier.png", &b)
	secret := "open sesame"
	write(t, n, content.Draft{Slug: "pier", Kind: content.KindPost, Image: f.Key, Sticky: true, Text: text("The pier", "<p>Stone</p>")})
	write(t, n, content.Draft{Slug: "itself", Kind: content.KindPost, Image: f.Key, Text: text("Itself", `<p><img src="`+address+`" alt=""></p>`)})
	write(t, n, content.Draft{Slug: "locked", Kind: content.KindPost, Image: f.Key, Password: &secret, Text: text("Locked", "<p>x</p>")})
	st := n.Site(t)
	st.Home = site.HomePosts
	if _, err := n.Sites.UpdateSite(servertest.System(), st); err != nil {
		t.Fatal(err)
	}
	n.Poll(t)
	want(t, n.Get(t, "/w/pier"), 200, `class="article__image"`, address, `<meta property="og:type" content="article">`, `property="article:published_time"`, `property="og:image" content="`+n.URL+address)
	if got := n.Get(t, "/w/itself"); strings.Contains(got.Body, "article__image") {
		t.Error("a picture that the text shows stands above it as well")
	}
	without(t, n.Get(t, "/w/locked"), f.Key)
	list := n.Get(t, "/")
	want(t, list, 200, "Featured", address+"?w=640", `<h1 class="visually-hidden">`)
	if n := strings.Count(list.Body, f.Key); n != 2 {
		t.Errorf("the list shows the picture %d times, want 2: not that of a locked article", n)
	}
}

func TestFace_DatesAndErrorsSpeakTheLanguageOfThePage(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	german(t, n)
	write(t, n, content.Draft{Slug: "tide", Kind: content.KindPost, Published: time.Date(2026, 3, 9, 12, 0, 0, 0, time.UTC),
		Text: map[stoa.Locale]content.Text{"en-US": {Title: "Tide", Body: "<p>x</p>"}, "de": {Title: "Flut", Body: "<p>x</p>"}}})
	n.Poll(t)
	want(t, n.Get(t, "/de/w/tide"), 200, "9. März 2026")
	want(t, n.Get(t, "/w/tide"), 200, "March 9, 2026")
	want(t, n.Get(t, "/de/none"), 404, "Diese Seite gibt es nicht", "Tippfehler", `href="/de/"`)
	without(t, n.Get(t, "/de/none"), `rel="canonical"`)
}

func TestAccount_NamesBrowsersAndTheLengthOfPasswords(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	n.Post(t, "/sign-in", signIn("/account"), "User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	want(t, n.Get(t, "/account"), 200, "Firefox on Linux", "This one", "At least 12 characters")
}
