package server_test

import (
	"html"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa/server"
	"github.com/stoa-portal/stoa/server/servertest"
)

const frenchHead = `<?xml version="1.0" encoding="UTF-8"?><rss version="2.0" xmlns:excerpt="http://wordpress.org/export/1.2/excerpt/"
xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:wp="http://wordpress.org/export/1.2/"><channel>
<title>Le &amp;amp; port</title><link>http://vieux.example</link><language>fr-FR</language><wp:wxr_version>1.2</wp:wxr_version>
<wp:base_blog_url>http://vieux.example</wp:base_blog_url>`

const frenchPost = `<item><title>Bonjour</title><link>http://vieux.example/2024/02/03/bonjour/</link><dc:creator>a</dc:creator>
<content:encoded><![CDATA[<p><a href="https://www.vieux.example/maison/">maison</a></p>]]></content:encoded><wp:post_id>1</wp:post_id>
<wp:post_date>2024-02-03 10:00:00</wp:post_date><wp:post_date_gmt>2024-02-03 09:00:00</wp:post_date_gmt><wp:post_name>bonjour</wp:post_name>
<wp:status>publish</wp:status><wp:post_type>post</wp:post_type><category domain="category" nicename="ville"><![CDATA[Ville]]></category></item>
<item><title></title><wp:post_id>9</wp:post_id><wp:post_type>nav_menu_item</wp:post_type><wp:status>publish</wp:status>
<category domain="nav_menu" nicename="haut"><![CDATA[Haut]]></category>
<wp:postmeta><wp:meta_key>_menu_item_type</wp:meta_key><wp:meta_value>post_type</wp:meta_value></wp:postmeta>
<wp:postmeta><wp:meta_key>_menu_item_object_id</wp:meta_key><wp:meta_value>2</wp:meta_value></wp:postmeta></item>`

const frenchPage = `<item><title>Maison</title><link>http://vieux.example/maison/</link><dc:creator>a</dc:creator>
<content:encoded><![CDATA[<p>Chez nous</p>]]></content:encoded><wp:post_id>2</wp:post_id><wp:post_date>2024-07-03 10:00:00</wp:post_date>
<wp:post_date_gmt>2024-07-03 08:00:00</wp:post_date_gmt><wp:post_name>home</wp:post_name><wp:status>publish</wp:status><wp:post_type>page</wp:post_type></item>`

// TestImport_InTwoFilesOnOneNodeIsSeenOnTheOther brings a site in by the command, first its posts, then its pages.
func TestImport_InTwoFilesOnOneNodeIsSeenOnTheOther(t *testing.T) {
	t.Parallel()
	onEngines(t, 2, func(t *testing.T, nodes []*servertest.Node) {
		a, b := nodes[0], nodes[1]
		mustSee(t, b.Guest(t).Get(t, "/home"), http.StatusOK) // the welcome page, and now it is in the cache
		for i, items := range []string{frenchPost, frenchPage} {
			file := filepath.Join(t.TempDir(), "export.xml")
			if err := os.WriteFile(file, []byte(frenchHead+items+"</channel></rss>"), 0o600); err != nil {
				t.Fatal(err)
			}
			var reports [2]string
			for j, dry := range []bool{true, false} {
				var err error
				if reports[j], err = a.ImportWordPress(servertest.System(),
					server.ControlRequest{File: file, DryRun: dry, HomePage: []string{"", "home"}[i]}); err != nil {
					t.Fatal(err)
				}
			}
			if _, dry, _ := strings.Cut(reports[0], "\n"); dry != reports[1] {
				t.Errorf("the dry run reports\n%s\nand the run\n%s", reports[0], reports[1])
			}
		}
		b.Poll(t)
		g := b.Guest(t)
		mustSee(t, g.Get(t, "/home"), http.StatusOK, `<html lang="fr`, "Chez nous", "Le &amp; port")
		mustSee(t, g.Get(t, "/w/bonjour"), http.StatusOK, `href="/home"`, "Ville")
		mustSee(t, g.Get(t, "/categories/ville"), http.StatusOK, "Bonjour", ">Maison<")
		for from, to := range map[string]string{"/feed/": "/feed.atom", "/?feed=rss2": "/feed.atom",
			"/category/ville/feed/": "/feed.atom", "/2024/02/": "/",
			"/author/a/": "/", "/maison/": "/home", "/?page_id=2": "/home", "/2024/02/03/bonjour/": "/w/bonjour",
			"/?p=1": "/w/bonjour"} {
			got := g.Get(t, from)
			if at := got.Header.Get("Location"); got.Status != http.StatusMovedPermanently &&
				got.Status != http.StatusPermanentRedirect ||
				at != to {
				t.Errorf("%s: %d to %q, want %q", from, got.Status, at, to)
			}
		}
	})
}

var unlockForm = regexp.MustCompile(`action="(/unlock[^"]*)"`)

const protectedPost = `<item><title>Members</title><link>http://vieux.example/members/</link><dc:creator>a</dc:creator>
<content:encoded><![CDATA[<p>TOPSECRET body</p><!--more--><p>TOPSECRET rest</p>]]></content:encoded>
<excerpt:encoded><![CDATA[TOPSECRET excerpt]]></excerpt:encoded><wp:post_id>7</wp:post_id>
<wp:post_date>2024-02-03 10:00:00</wp:post_date><wp:post_date_gmt>2024-02-03 09:00:00</wp:post_date_gmt>
<wp:post_name>members</wp:post_name><wp:status>publish</wp:status><wp:post_type>post</wp:post_type>
<wp:post_password>open</wp:post_password>
<category domain="category" nicename="ville"><![CDATA[Ville]]></category></item>`

// The text of a post with a password, its summary and its teaser stand nowhere before the password is given: in no
// list, feed, search, site map or description.
func TestImport_ProtectedPostsDoNotLeak(t *testing.T) {
	t.Parallel()
	onEngines(t, 2, func(t *testing.T, nodes []*servertest.Node) {
		a, b := nodes[0], nodes[1]
		file := filepath.Join(t.TempDir(), "export.xml")
		if err := os.WriteFile(file, []byte(frenchHead+frenchPost+protectedPost+"</channel></rss>"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := a.ImportWordPress(servertest.System(), server.ControlRequest{File: file}); err != nil {
			t.Fatal(err)
		}
		for _, n := range []*servertest.Node{a, b} {
			n.Poll(t)
			g := n.Guest(t)
			listed := false
			eventually(t, "the post to be found by its title", func() bool {
				return strings.Contains(g.Get(t, "/search?q=Members").Body, `href="/w/members"`)
			})
			// The word is asked for with a mistake that is forgiven, since the page shows what was typed.
			for _, path := range []string{"/", "/home", "/feed.atom", "/w/members", "/categories/ville", "/search?q=TOPSECRXT",
				"/search?q=Members", "/sitemap.xml", "/sitemap-1.xml", "/sitemap", "/w/members?preview=1", "/members/",
				"/?p=7"} {
				got := g.Get(t, path)
				if strings.Contains(got.Body, "TOPSECRET") {
					t.Errorf("%s shows what the password protects", path)
				}
				listed = listed || path != "/w/members" && strings.Contains(got.Body, "Members")
			}
			if !listed {
				t.Error("no list names the post: nothing was looked at")
			}
			mustSee(t, g.Get(t, "/w/members"), http.StatusOK, "Members", `type="password"`)
		}
		g := b.Guest(t)
		m := unlockForm.FindStringSubmatch(g.Get(t, "/w/members").Body)
		if m == nil {
			t.Fatal("the page asks for no password")
		}
		if got := g.Post(t, html.UnescapeString(m[1]), url.Values{"password": {"open"}}); got.Status != http.StatusSeeOther {
			t.Fatalf("the right password is answered %d", got.Status)
		}
		mustSee(t, g.Get(t, "/w/members"), http.StatusOK, "TOPSECRET body", "TOPSECRET rest")
	})
}
