package wordpress

import (
	"context"
	"errors"
	"fmt"
	"html"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/site"
)

// wxItem is an item of an export that a test writes.
type wxItem struct {
	id, parent        int
	kind, status      string
	title, slug, body string
	excerpt, file     string
	local, gmt        string
	password          string
	order             int
	categories, tags  []string // slug=Name
	menu              string
	meta              map[string]string
	link              string
}

const oldSite = "http://old.example.org"

// wx writes an export. head stands in the channel before the items.
func wx(head string, items ...wxItem) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><rss version="2.0" xmlns:excerpt="http://wordpress.org/export/1.2/excerpt/"
xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:wp="http://wordpress.org/export/1.2/"><channel>
<title>Old &amp;amp; site</title><link>` + oldSite + `</link><description>It&amp;#8217;s old</description><language>en-US</language>
<wp:wxr_version>1.2</wp:wxr_version><wp:base_blog_url>` + oldSite + `</wp:base_blog_url>` + head)
	for _, it := range items {
		link := it.link
		if link == "" {
			link = oldSite + "/" + it.slug + "/"
		}
		if it.local == "" {
			it.local = "2020-01-02 03:04:05"
		}
		if it.gmt == "" {
			it.gmt = it.local
		}
		fmt.Fprintf(&b, "\n<item><title><![CDATA[%s]]></title><link>%s</link><dc:creator>ann</dc:creator><content:encoded><![CDATA[%s]]></content:encoded>"+
			"<excerpt:encoded><![CDATA[%s]]></excerpt:encoded><wp:post_id>%d</wp:post_id><wp:post_date>%s</wp:post_date><wp:post_date_gmt>%s</wp:post_date_gmt>"+
			"<wp:post_name>%s</wp:post_name><wp:status>%s</wp:status><wp:post_parent>%d</wp:post_parent><wp:menu_order>%d</wp:menu_order>"+
			"<wp:post_type>%s</wp:post_type><wp:post_password><![CDATA[%s]]></wp:post_password>",
			it.title, html.EscapeString(link), it.body, it.excerpt, it.id, it.local, it.gmt, it.slug, it.status, it.parent, it.order, it.kind, it.password)
		for domain, list := range map[string][]string{"category": it.categories, "post_tag": it.tags} {
			for _, c := range list {
				slug, name, _ := strings.Cut(c, "=")
				fmt.Fprintf(&b, `<category domain="%s" nicename="%s"><![CDATA[%s]]></category>`, domain, slug, name)
			}
		}
		if it.menu != "" {
			fmt.Fprintf(&b, `<category domain="nav_menu" nicename="%s"><![CDATA[%s]]></category>`, it.menu, it.menu)
		}
		if it.file != "" {
			fmt.Fprintf(&b, "<wp:attachment_url>%s</wp:attachment_url>", it.file)
		}
		for k, v := range it.meta {
			fmt.Fprintf(&b, "<wp:postmeta><wp:meta_key>%s</wp:meta_key><wp:meta_value><![CDATA[%s]]></wp:meta_value></wp:postmeta>", k, v)
		}
		b.WriteString("</item>")
	}
	b.WriteString("</channel></rss>")
	return b.String()
}

func post(id int, slug, title, body string) wxItem {
	return wxItem{id: id, kind: TypePost, status: StatusPublish, slug: slug, title: title, body: body}
}

func pageItem(id, parent int, slug, title string) wxItem {
	return wxItem{id: id, parent: parent, kind: TypePage, status: StatusPublish, slug: slug, title: title, body: "<p>" + title + "</p>"}
}

func menuItem(id int, menu, label, kind, object string, target int, url string) wxItem {
	return wxItem{id: id, kind: TypeMenuItem, status: StatusPublish, title: label, menu: menu, order: id, slug: fmt.Sprint("m", id), meta: map[string]string{
		"_menu_item_type": kind, "_menu_item_object": object, "_menu_item_object_id": fmt.Sprint(target), "_menu_item_url": url}}
}

func attachment(id, parent int, name string) wxItem {
	return wxItem{id: id, parent: parent, kind: TypeAttachment, status: StatusInherit, title: name, slug: fmt.Sprint("file-", id), file: oldSite + "/wp-content/uploads/2020/01/" + name}
}

func (p *portal) bringIn(t *testing.T, src string, o WriteOptions) (Report, error) {
	t.Helper()
	e, err := Read(strings.NewReader(src), Limits{})
	must(t, err)
	if o.Site.ID == 0 {
		o.Site = p.st
	}
	return p.Write(system(t), e, o)
}

// mustBring makes a dry run and a run, which must agree.
func (p *portal) mustBring(t *testing.T, src string, o WriteOptions) Report {
	t.Helper()
	before := p.dump(t)
	o.DryRun = true
	dry, err := p.bringIn(t, src, o)
	must(t, err)
	if after := p.dump(t); after != before {
		t.Fatalf("a dry run changed the site:\n%s", difference(before, after))
	}
	o.DryRun = false
	report, err := p.bringIn(t, src, o)
	must(t, err)
	if !reflect.DeepEqual(dry, report) {
		t.Fatalf("the dry run reports\n%s\nand the run\n%s", dry.Text(true), report.Text(true))
	}
	return report
}

var documentKey = regexp.MustCompile(`(/documents/[^/]+/[^/]+/)[0-9A-Za-z_-]+`)

// dump writes down what the site has, without ids and keys.
func (p *portal) dump(t *testing.T) string {
	t.Helper()
	ctx := system(t)
	var lines []string
	add := func(format string, args ...any) {
		lines = append(lines, documentKey.ReplaceAllString(fmt.Sprintf(format, args...), "$1KEY"))
	}
	st, err := p.Sites.Site(ctx, p.st.ID)
	must(t, err)
	add("site %q %q %s %v home %q", st.Name, st.Tagline, st.Locale, st.Locales, st.Home)
	stock, err := p.Content.Stock(ctx, st)
	must(t, err)
	slugs := map[string]string{}
	categories, tags, err := p.Taxonomy.All(ctx, st.ID)
	must(t, err)
	terms := map[stoa.ID]string{0: "-"}
	for _, c := range categories {
		terms[c.ID] = c.Slug
	}
	for _, c := range tags {
		terms[c.ID] = c.Slug
		add("tag %s %q", c.Slug, c.Name)
	}
	for _, c := range categories {
		add("category %s %q below %s %q", c.Slug, c.Name, terms[c.Parent], c.Description)
	}
	names := func(ids []stoa.ID) string {
		var out []string
		for _, id := range ids {
			out = append(out, terms[id])
		}
		slices.Sort(out)
		return strings.Join(out, ",")
	}
	for _, s := range stock {
		a, err := p.Content.Get(ctx, s.ID)
		must(t, err)
		slugs[a.ID.String()] = a.Slug
		image := ""
		if a.Image != "" {
			f, err := p.Files.ByKey(ctx, a.Image)
			must(t, err)
			image = f.Name
		}
		for l, text := range a.Text {
			add("article %s %s %s live=%v %s %q %q %q image=%s [%s] [%s] protected=%v by %q", a.Slug, a.Kind, a.Status, a.Live > 0, l, text.Title, text.Summary, text.Body,
				image, names(a.Categories), names(a.Tags), a.Protected, a.AuthorName)
		}
	}
	tree, err := p.Pages.Tree(ctx, st.ID)
	must(t, err)
	paths := map[stoa.ID]string{}
	var walk func(list []page.Node)
	walk = func(list []page.Node) {
		for i, n := range list {
			paths[n.ID] = n.Path
			add("page %s %v %d %s %s published=%v", n.Path, n.Title, i, n.Type, slugs[n.Target], n.Published)
			walk(n.Children)
		}
	}
	walk(tree)
	menus, err := p.Pages.Menus(ctx, st.ID)
	must(t, err)
	for _, m := range menus {
		var entries func(list []page.Item, depth int)
		entries = func(list []page.Item, depth int) {
			for i, it := range list {
				add("menu %s %q %d.%d %v %q %s", m.Slug, m.Name, depth, i, it.Title, it.URL, paths[it.Page])
				entries(it.Children, depth+1)
			}
		}
		entries(m.Items, 0)
	}
	redirects, err := db.All(t.Context(), p.DB, func(r db.Scanner) (s [2]string, err error) { return s, r.Scan(&s[0], &s[1]) },
		"SELECT source, target FROM page_redirect WHERE site = ?", st.ID)
	must(t, err)
	for _, r := range redirects {
		add("redirect %s -> %s", r[0], r[1])
	}
	files, err := p.Files.List(ctx, st, document.Filter{})
	must(t, err)
	for _, f := range files {
		add("file %s %q", f.Name, f.Alt)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n") + "\n"
}

// difference shows the lines that only one of two dumps has.
func difference(a, b string) string {
	var out strings.Builder
	la, lb := strings.Split(a, "\n"), strings.Split(b, "\n")
	for _, l := range la {
		if !slices.Contains(lb, l) {
			fmt.Fprintf(&out, "- %s\n", clip(l, 400))
		}
	}
	for _, l := range lb {
		if !slices.Contains(la, l) {
			fmt.Fprintf(&out, "+ %s\n", clip(l, 400))
		}
	}
	return out.String()
}

// welcome makes what the first start makes.
func (p *portal) welcome(t *testing.T) {
	t.Helper()
	a, err := p.Content.Create(system(t), p.st, content.Draft{Slug: "welcome", Kind: content.KindPost, Text: map[stoa.Locale]content.Text{"en": {Title: "Welcome"}}})
	must(t, err)
	_, err = p.Content.Publish(system(t), a.ID, a.Version, time.Now())
	must(t, err)
	n, err := p.Pages.Create(system(t), p.st, page.NewPage{Slug: "home", Title: map[stoa.Locale]string{"en": "Home"}})
	must(t, err)
	_, err = p.Pages.Publish(system(t), n.ID, n.Version)
	must(t, err)
}

func mustHave(t *testing.T, dump string, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if !strings.Contains(dump, l) {
			t.Errorf("the site has no %q:\n%s", l, dump)
		}
	}
}

func mustLack(t *testing.T, dump string, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if strings.Contains(dump, l) {
			t.Errorf("the site has %q:\n%s", l, dump)
		}
	}
}

func TestWrite_PageHomeTakesThePlaceOfTheWelcomePage(t *testing.T) {
	p := newPortal(t)
	p.welcome(t)
	r := p.mustBring(t, wx("", pageItem(1, 0, "home", "Home"), pageItem(2, 0, "about", "About")), WriteOptions{HomePage: "home"})
	d := p.dump(t)
	mustHave(t, d, "page /home map[en:Home] 1 article home-page published=true", "page /about", `site "Old & site" "It’s old" en [en] home "/home"`)
	mustLack(t, d, "article welcome")
	if r.New != 2 || r.Refused != 0 {
		t.Errorf("%s", r)
	}
	if again := p.mustBring(t, wx("", pageItem(1, 0, "home", "Home"), pageItem(2, 0, "about", "About")), WriteOptions{}); again.New != 0 || again.Before != 2 || p.dump(t) != d {
		t.Errorf("a second run: %s%s", again, difference(d, p.dump(t)))
	}
}

func TestWrite_PageOfAnEditorAtHomeStays(t *testing.T) {
	p := newPortal(t)
	editor := stoa.WithActor(t.Context(), stoa.Actor{User: 77, System: true})
	n, err := p.Pages.Create(editor, p.st, page.NewPage{Slug: "home", Title: map[stoa.Locale]string{"en": "Mine"}})
	must(t, err)
	_, err = p.Pages.Publish(editor, n.ID, n.Version)
	must(t, err)
	r := p.mustBring(t, wx("", pageItem(1, 0, "home", "Home")), WriteOptions{})
	mustHave(t, p.dump(t), "page /home map[en:Mine]", "page /home-2 map[en:Home]", `site "Guest"`)
	if !strings.Contains(r.String(), `the page "Home" is at /home-2`) || !strings.Contains(r.String(), "keeps its name") {
		t.Errorf("%s", r)
	}
}

// TestWrite_WhatTheDomainWouldRefuseIsHelped brings everything in that stopped an import in the middle.
func TestWrite_WhatTheDomainWouldRefuseIsHelped(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) { testHelped(t, newPortalOn(t, d)) })
}

func testHelped(t *testing.T, p *portal) {
	t.Helper()
	items := []wxItem{
		post(1, "long", strings.Repeat("Ä", 300), "<p>x</p>"), post(2, "no-title", "", "<p>x</p>"),
		pageItem(10, 0, "sign-in", "Reserved"), pageItem(11, 0, "en", "A language"), pageItem(12, 0, "bad slug/with?signs", "Signs"),
		{kind: TypePost, status: StatusPublish, title: "Without id", body: "<p>a</p>"}, {kind: TypePost, status: StatusPublish, title: "Without id", body: "<p>b</p>"},
		{kind: TypePage, status: StatusPublish, title: "Page without id", slug: "p"},
		{id: 20, kind: TypePage, status: StatusDraft, title: "Draft one", slug: "same"}, {id: 21, kind: TypePage, status: StatusDraft, title: "Draft two", slug: "same"},
		{id: 22, kind: TypePost, status: StatusDraft, title: "Draft three", slug: "same"}, {id: 23, kind: TypePost, status: StatusDraft, title: "Draft four", slug: "same"},
		post(30, "%e6%97%a5%e6%9c%ac%e8%aa%9e%e6%9", "Cut in a letter", "x"), post(31, "%e6%97%a5%e6", "Cut between", "x"),
		post(32, strings.Repeat("s", 300), "Long slug", "x"), post(33, "big", "Big", strings.Repeat("<p>many words here</p>", 300_000)),
		{id: 34, kind: TypePost, status: StatusPublish, title: "Locked", slug: "locked", body: "SECRET", password: strings.Repeat("p", 300)},
		{id: 35, kind: TypePost, status: StatusPublish, title: "Terms", slug: "terms", body: "x", tags: []string{"t=" + strings.Repeat("T", 400), strings.Repeat("u", 300) + "=U"}},
	}
	many := post(36, "many", "Many tags", "x")
	for i := range 130 {
		many.tags = append(many.tags, fmt.Sprintf("t%d=T%d", i, i))
	}
	items = append(items, many)
	for i := range 20 {
		items = append(items, pageItem(100+i, map[bool]int{true: 0, false: 99 + i}[i == 0], fmt.Sprintf("d%d", i), fmt.Sprintf("Deep %d", i)))
	}
	r := p.mustBring(t, wx("", items...), WriteOptions{})
	if r.Refused != 1 || r.New != len(items)-1 {
		t.Errorf("%d new, %d refused of %d\n%s", r.New, r.Refused, len(items), r.Text(true))
	}
	d := p.dump(t)
	mustHave(t, d, `"`+strings.Repeat("Ä", 223)+"…\"", "page /sign-in-page map[en:Reserved]", "page /en-page", "page /bad-slug-with-signs", "page /same ", "page /same-2",
		"article same post draft", "article same-23 post draft", "article 日本語 ", "article 日 ", "Without id", "page /p ", "article locked post draft live=false", "tag t ",
		"d13/d14/d15 ", "d13/d14/d16 ", "d13/d14/d19 ")
	if strings.Count(d, `"Without id"`) != 2 {
		t.Errorf("of two items without an id not both are here:\n%s", d)
	}
	text := r.String()
	for _, want := range []string{`"Big" was not brought over`, "longer than 450 bytes", "is deeper than 16 levels", "/sign-in-page", "130 tags; the first 100", "longer than 255 bytes: it is a draft now"} {
		if !strings.Contains(text, want) {
			t.Errorf("the report does not say %q:\n%s", want, text)
		}
	}
	if strings.Index(text, "did not arrive") > strings.Index(text, "arrived otherwise") {
		t.Errorf("the most important is not first:\n%s", text)
	}
	if again := p.mustBring(t, wx("", items...), WriteOptions{}); again.New != 0 || p.dump(t) != d {
		t.Errorf("a second run: %s%s", again, difference(d, p.dump(t)))
	}
}

func TestWrite_NamesAreText(t *testing.T) {
	p := newPortal(t)
	it := post(1, "rd", "Research &amp; Development", "<p>x</p>")
	it.excerpt = "<p>Salt &amp; <strong>pepper</strong></p>"
	it.categories, it.tags = []string{"food=Food &amp; Drink"}, []string{"rb=R&amp;B"}
	head := `<wp:author><wp:author_login>ann</wp:author_login><wp:author_display_name><![CDATA[Ann &amp; Bob]]></wp:author_display_name></wp:author>`
	p.mustBring(t, wx(head, it, post(2, "its", "It&#8217;s", "x"), post(3, "em", "With <em>emphasis</em> and &lt;em&gt;", "x"), post(4, "twice", "a &amp;amp; b", "x"),
		menuItem(9, "top", "Q&amp;A", "custom", "custom", 9, oldSite+"/rd/")), WriteOptions{})
	mustHave(t, p.dump(t), `"Research & Development" "Salt & pepper"`, `"Food & Drink"`, `"R&B"`, `"It’s"`, `"With emphasis and <em>"`, `"a &amp; b"`, `by "Ann & Bob"`, "map[en:Q&A]")
}

func TestWrite_MenusLeadToWhatWasWritten(t *testing.T) {
	p := newPortal(t)
	draft := post(4, "draft", "Draft", "x")
	draft.status = StatusDraft
	taken := post(3, "twice", "Second twice", "x")
	taken.local = "2021-01-01 00:00:00"
	items := []wxItem{post(1, "Up_Case.html", "Upper", "x"), post(2, "twice", "First twice", "x"), taken, draft, pageItem(5, 0, "sign-in", "Page"),
		menuItem(11, "top", "", "post_type", "post", 1, ""), menuItem(12, "top", "", "post_type", "post", 3, ""), menuItem(13, "top", "", "post_type", "post", 4, ""),
		menuItem(14, "top", "", "post_type", "page", 5, ""), menuItem(15, "top", "Typed", "custom", "", 0, "https://www.old.example.org/?p=1"),
		menuItem(16, "top", "Away", "custom", "", 0, "https://elsewhere.example/x"), menuItem(17, "top", "Start", "custom", "", 0, oldSite)}
	r := p.mustBring(t, wx("", items...), WriteOptions{})
	d := p.dump(t)
	mustHave(t, d, `0.0 map[en:Upper] "/w/up-case-html"`, `map[en:Second twice] "/w/twice-3"`, "map[en:Page] \"\" /sign-in-page", `map[en:Typed] "/w/up-case-html"`,
		`map[en:Away] "https://elsewhere.example/x"`, `map[en:Start] "/"`)
	mustLack(t, d, "map[en:Draft] \"")
	if !strings.Contains(r.String(), `the menu entry "Draft" was left out`) {
		t.Errorf("%s", r)
	}
}

func TestWrite_LinksOfTheOldSiteLeadHere(t *testing.T) {
	p := newPortal(t)
	links := map[string]string{
		oldSite + "/2020/01/02/target/": "/w/target", "https://old.example.org/2020/01/02/target/#part": "/w/target#part", "//old.example.org/2020/01/02/target/": "/w/target",
		"/2020/01/02/target/": "/w/target", "http://www.old.example.org/2020/01/02/target/": "/w/target", oldSite + "/?p=1": "/w/target",
		oldSite + "/2020/01/02/target/?utm_source=a&b=c": "/w/target", oldSite + "/2020/01/02/target": "/w/target", oldSite + ":80/2020/01/02/target/": "/w/target",
		"HTTP://OLD.example.org/2020/01/02/target/": "/w/target", oldSite + "/2020/01/02/": "/", oldSite: "/", "https://old.example.org/?page_id=3": "/team/anna",
		oldSite + "/team/anna/": "/team/anna", oldSite + "/?attachment_id=5": "/documents/guest/a.png/KEY", oldSite + "/category/town/": "/categories/town",
		oldSite + "/shop/item/": oldSite + "/shop/item/", "mailto:a@b.c": "mailto:a@b.c", "#top": "#top", "https://other.example/2020/01/02/target/": "https://other.example/2020/01/02/target/",
		oldSite + "/wp-content/uploads/2020/01/a-300x200.png": "/documents/guest/a.png/KEY", "/?cat=7": "/categories/town",
	}
	var body strings.Builder
	i := 0
	for from := range links {
		fmt.Fprintf(&body, `<p><a href="%s">l</a></p>`, html.EscapeString(from))
		i++
	}
	target := post(1, "target", "Target", "x")
	target.link, target.categories = oldSite+"/2020/01/02/target/", []string{"town=Town"}
	anna := pageItem(3, 2, "anna", "Anna")
	anna.link = oldSite + "/team/anna/"
	src := wx(`<wp:category><wp:term_id>7</wp:term_id><wp:category_nicename>town</wp:category_nicename><wp:cat_name>Town</wp:cat_name></wp:category>`,
		target, post(4, "linker", "Linker", body.String()), pageItem(2, 0, "team", "Team"), anna, attachment(5, 1, "a.png"))
	dir := t.TempDir()
	writePicture(t, filepath.Join(dir, "a.png"))
	r := p.mustBring(t, src, WriteOptions{MediaDir: dir})
	text := documentKey.ReplaceAllString(html.UnescapeString(p.bodies(t)["linker"]), "${1}KEY")
	for from, to := range links {
		if want := `href="` + to + `"`; !strings.Contains(text, want) && !strings.Contains(text, strings.TrimSuffix(want, `"`)+"?w=") {
			t.Errorf("%s does not lead to %s:\n%s", from, to, text)
		}
	}
	if r.LinksLeft != 1 || r.Links < 15 || !strings.Contains(r.String(), "1 links to the old site") {
		t.Errorf("%s", r)
	}
}

func TestWrite_OldAddressesRedirect(t *testing.T) {
	p := newPortal(t)
	it := post(10, "a", "A", "x")
	it.categories, it.tags = []string{"town=Town"}, []string{"water=Water"}
	head := `<wp:author><wp:author_id>3</wp:author_id><wp:author_login>Ann Lee</wp:author_login></wp:author>`
	p.mustBring(t, wx(head, it, attachment(11, 10, "b.png")), WriteOptions{})
	for from, to := range map[string]string{"/feed/": "/feed.atom", "/feed": "/feed.atom", "/feed/atom/": "/feed.atom", "/comments/feed/": "/feed.atom", "/?feed=rss2": "/feed.atom",
		"/category/town/": "/categories/town", "/category/town/feed/": "/feed.atom", "/tag/water/": "/tags/water", "/author/ann-lee/": "/", "/?author=3": "/", "/2020/": "/",
		"/2020/01/": "/", "/2020/01/02/": "/", "/wp-sitemap.xml": "/sitemap.xml", "/sitemap_index.xml": "/sitemap.xml", "/?p=10": "/w/a", "/a/": "/w/a", "/file-11/": "/w/a",
		"/?attachment_id=11": "/w/a"} {
		got, ok, err := p.Pages.Redirect(t.Context(), p.st.ID, from)
		must(t, err)
		if !ok || got != to {
			t.Errorf("%s leads to %q, want %q", from, got, to)
		}
	}
	dir := t.TempDir()
	writePicture(t, filepath.Join(dir, "b.png"))
	p.mustBring(t, wx(head, it, attachment(11, 10, "b.png")), WriteOptions{MediaDir: dir})
	if got, _, _ := p.Pages.Redirect(t.Context(), p.st.ID, "/file-11/"); !strings.HasPrefix(got, "/documents/guest/b.png/") {
		t.Errorf("the page of a file that came later leads to %q", got)
	}
}

// TestWrite_AddressesEqualInTheBeginning has two old addresses that differ behind 190 bytes only.
func TestWrite_AddressesEqualInTheBeginning(t *testing.T) {
	p := newPortal(t)
	a, b := post(1, "a", "A", "x"), post(2, "b", "B", "x")
	a.link, b.link = oldSite+"/"+strings.Repeat("long/", 60)+"a/", oldSite+"/"+strings.Repeat("long/", 60)+"b/"
	p.mustBring(t, wx("", a, b), WriteOptions{})
	for it, to := range map[string]string{a.link: "/w/a", b.link: "/w/b"} {
		if got, _, err := p.Pages.Redirect(t.Context(), p.st.ID, strings.TrimPrefix(it, oldSite)); got != to || err != nil {
			t.Errorf("%s leads to %q, %v", it, got, err)
		}
	}
}

func TestWrite_NewSiteTakesLanguageAndTimeZone(t *testing.T) {
	p := newPortal(t)
	p.welcome(t)
	winter, summer := post(1, "a", "A", "x"), post(2, "b", "B", "x")
	winter.local, winter.gmt = "2020-01-02 10:00:00", "2020-01-02 09:00:00"
	summer.local, summer.gmt = "2020-07-02 10:00:00", "2020-07-02 08:00:00"
	src := strings.Replace(wx("", winter, summer), "en-US", "fr-FR", 1)
	r := p.mustBring(t, src, WriteOptions{})
	mustHave(t, p.dump(t), " fr-FR [fr-FR] ", "live=true fr-FR")
	inst, _, err := p.Sites.Resolve(system(t), "")
	must(t, err)
	if inst.TimeZone != "Europe/Paris" || !strings.Contains(r.String(), "Europe/Paris") {
		t.Errorf("the time zone is %q\n%s", inst.TimeZone, r)
	}
}

func writePicture(t *testing.T, file string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "media", "2024", "05", "chart.png"))
	if err != nil {
		matches, _ := filepath.Glob(filepath.Join("testdata", "media", "*", "*", "*.png"))
		more, _ := filepath.Glob(filepath.Join("testdata", "media", "*.png"))
		matches = append(matches, more...)
		if len(matches) == 0 {
			t.Fatal(err)
		}
		raw, err = os.ReadFile(matches[0])
		must(t, err)
	}
	must(t, os.WriteFile(file, raw, 0o600))
}

// rich is an export with everything in it that hangs together.
func rich() (head string, items []wxItem) {
	head = `<wp:category><wp:term_id>7</wp:term_id><wp:category_nicename>town</wp:category_nicename><wp:cat_name>Town</wp:cat_name></wp:category>` +
		`<wp:category><wp:term_id>8</wp:term_id><wp:category_nicename>quay</wp:category_nicename><wp:category_parent>town</wp:category_parent><wp:cat_name>Quay</wp:cat_name></wp:category>`
	one := post(1, "one", "One", `<p><a href="`+oldSite+`/parent/child/">child</a> <img src="`+oldSite+`/wp-content/uploads/2020/01/a.png"></p>[gallery ids="20,21"]`)
	one.categories, one.tags = []string{"quay=Quay"}, []string{"water=Water"}
	one.meta = map[string]string{"_thumbnail_id": "21"}
	two := post(2, "two", "Two", `<p><a href="`+oldSite+`/?p=1">one</a></p><!-- wp:block {"ref":30} /-->`)
	two.password = "pw"
	child := pageItem(11, 10, "child", "Child")
	child.link = oldSite + "/parent/child/"
	grand := pageItem(12, 11, "grand", "Grand")
	grand.link = oldSite + "/parent/child/grand/"
	second := pageItem(13, 10, "second", "Second")
	second.order = 5
	return head, []wxItem{one, two, pageItem(10, 0, "parent", "Parent"), child, grand, second, pageItem(14, 0, "zebra", "Zebra"),
		attachment(20, 1, "a.png"), attachment(21, 1, "b.png"),
		{id: 30, kind: TypeBlock, status: StatusPublish, title: "Block", slug: "block", body: `<!-- wp:paragraph --><p>Shared</p><!-- /wp:paragraph -->`},
		menuItem(41, "top", "", "post_type", "page", 11, ""), menuItem(42, "top", "", "post_type", "post", 1, ""), menuItem(43, "top", "", "taxonomy", "category", 8, "")}
}

func richMedia(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	writePicture(t, filepath.Join(dir, "a.png"))
	writePicture(t, filepath.Join(dir, "b.png"))
	return dir
}

func TestWrite_StoppedRunEndsAsOneThatWasNot(t *testing.T) {
	head, items := rich()
	src, dir := wx(head, items...), richMedia(t)
	whole := newPortal(t)
	whole.welcome(t)
	steps := 0
	_, err := whole.bringIn(t, src, WriteOptions{MediaDir: dir, HomePage: "zebra", Progress: func(int, int) { steps++ }})
	must(t, err)
	want := whole.dump(t)
	if steps < 8 {
		t.Fatalf("%d steps", steps)
	}
	for stop := 1; stop <= steps; stop++ {
		p := newPortal(t)
		p.welcome(t)
		ctx, cancel := context.WithCancel(system(t))
		e, err := Read(strings.NewReader(src), Limits{})
		must(t, err)
		_, err = p.Write(ctx, e, WriteOptions{Site: p.st, MediaDir: dir, HomePage: "zebra", Progress: func(done, _ int) {
			if done == stop {
				cancel()
			}
		}})
		cancel()
		if err == nil || !errors.Is(err, context.Canceled) {
			t.Fatalf("stopped at %d: %v", stop, err)
		}
		p.mustBring(t, src, WriteOptions{MediaDir: dir, HomePage: "zebra"})
		if got := p.dump(t); got != want {
			t.Fatalf("stopped at step %d of %d:\n%s", stop, steps, difference(want, got))
		}
	}
}

func TestWrite_SeveralFilesEndAsOne(t *testing.T) {
	head, items := rich()
	dir := richMedia(t)
	whole := newPortal(t)
	whole.mustBring(t, wx(head, items...), WriteOptions{MediaDir: dir})
	want := whole.dump(t)
	random := rand.New(rand.NewPCG(1, 2))
	for try := range 12 {
		order := random.Perm(len(items))
		var parts [3][]wxItem
		for _, i := range order {
			n := random.IntN(len(parts))
			parts[n] = append(parts[n], items[i])
		}
		p := newPortal(t)
		for i, part := range parts {
			o := WriteOptions{}
			if i == try%3 {
				o.MediaDir = dir // in the middle: what comes later has no folder of media
			}
			h := head
			if i == 0 && try%2 == 0 {
				h = "" // an export of posts alone does not list the terms
			}
			p.mustBring(t, wx(h, part...), o)
		}
		p.mustBring(t, wx(head), WriteOptions{MediaDir: dir})
		got := movedAddresses(p.dump(t), want)
		if got != want {
			t.Fatalf("try %d, order %v:\n%s", try, order, difference(want, got))
		}
		if again := p.mustBring(t, wx(head, items...), WriteOptions{MediaDir: dir}); again.New != 0 || again.Updated != 0 || again.Moved != 0 || again.Redirects != 0 {
			t.Errorf("a further run: %s", again)
		}
	}
}

// movedAddresses leaves out the redirects that are left where a page stood until its parent came.
func movedAddresses(dump, want string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(dump, "\n"), func(l string) bool {
		return strings.HasPrefix(l, "redirect ") && !strings.Contains(want, l)
	}), "\n")
}

// TestWrite_DryRunTellsWhatTheRunDoes brings generated exports into sites that have something already.
func TestWrite_DryRunTellsWhatTheRunDoes(t *testing.T) {
	seeds := uint64(8)
	if testing.Short() {
		seeds = 2
	}
	for seed := range seeds {
		random := rand.New(rand.NewPCG(seed, 7))
		p := newPortal(t)
		if random.IntN(2) == 0 {
			p.welcome(t)
		}
		slugs := []string{"home", "about", "sign-in", "w", "en", "same", "welcome", "Up_Case", "%e6%97%a5%e6%9", "a b", "", strings.Repeat("l", 250), "日本", "-", "categories", "é"}
		some := func(list []string) string { return list[random.IntN(len(list))] }
		titles := []string{"Plain", "", "A &amp; B", strings.Repeat("ü", 400), "<b>x</b>", "&nbsp;", "Zoë"}
		if random.IntN(3) == 0 {
			_, err := p.Pages.Create(system(t), p.st, page.NewPage{Slug: "about", Title: map[stoa.Locale]string{"en": "Mine"}})
			must(t, err)
			_, err = p.Content.Create(system(t), p.st, content.Draft{Slug: "same", Text: map[stoa.Locale]content.Text{"en": {Title: "Mine"}}})
			must(t, err)
		}
		var items []wxItem
		n := 5 + random.IntN(40)
		for i := range n {
			it := wxItem{id: 1 + random.IntN(n+5), kind: some([]string{TypePost, TypePage, TypePage, TypeAttachment, TypeMenuItem, TypeBlock, "product"}),
				status: some([]string{StatusPublish, StatusPublish, StatusDraft, StatusPrivate, StatusFuture, StatusTrash}), title: some(titles), slug: some(slugs),
				body:  some([]string{"", "<p>x</p>", `<a href="` + oldSite + `/?p=3">l</a>`, "<!-- wp:latest-posts /-->", `[gallery ids="1,2"]`, strings.Repeat("<p>words</p>", 400_000)}),
				local: fmt.Sprintf("20%02d-0%d-02 10:00:00", random.IntN(40), 1+random.IntN(9)), parent: random.IntN(n), order: i}
			if random.IntN(8) == 0 {
				it.id = 0
			}
			if len(it.body) > 1000 && i != 3 { // one that is too large is enough
				it.body = "short"
			}
			switch it.kind {
			case TypeAttachment:
				it.file = oldSite + "/wp-content/uploads/" + some([]string{"a.png", "b.png", "c.txt"})
			case TypeMenuItem:
				it.menu = some([]string{"top", "Ünder", strings.Repeat("m", 300), "main"})
				it.meta = map[string]string{"_menu_item_type": some([]string{"custom", "post_type", "taxonomy"}), "_menu_item_object": "page", "_menu_item_object_id": fmt.Sprint(random.IntN(n)),
					"_menu_item_url": some([]string{"", "#", "javascript:x", oldSite + "/about/", "https://x.example/"}), "_menu_item_menu_item_parent": fmt.Sprint(random.IntN(n))}
			default:
				it.categories = []string{some([]string{"a=A", "GO=Go", "go=go", "%e6%97=Cut", strings.Repeat("c", 300) + "=Long"})}
				it.tags = []string{some([]string{"a=A", "x=" + strings.Repeat("X", 300)})}
			}
			items = append(items, it)
		}
		dir := t.TempDir()
		writePicture(t, filepath.Join(dir, "a.png"))
		must(t, os.WriteFile(filepath.Join(dir, "b.png"), []byte("\x89PNG\r\n\x1a\nbroken"), 0o600))
		must(t, os.WriteFile(filepath.Join(dir, "c.txt"), nil, 0o600))
		src := wx("", items...)
		first := p.mustBring(t, src, WriteOptions{})
		if got := first.New + first.Before + first.Refused + first.Menus + first.Media + first.Inline + total(first.Skipped); got != first.Items {
			t.Fatalf("seed %d: %d of %d items are accounted for\n%s", seed, got, first.Items, first)
		}
		p.mustBring(t, src, WriteOptions{MediaDir: dir})
		d := p.dump(t)
		if again := p.mustBring(t, src, WriteOptions{MediaDir: dir}); again.New != 0 || again.Updated != 0 || again.Redirects != 0 || again.Terms != 0 || p.dump(t) != d {
			t.Fatalf("seed %d: one more run changes the site: %s%s", seed, again, difference(d, p.dump(t)))
		}
	}
}

func total(m map[string]int) (n int) {
	for _, v := range m {
		n += v
	}
	return n
}

// TestWrite_PicturesOfEveryKindComeFromHere brings texts and files in one run, in two, and in three.
func TestWrite_PicturesOfEveryKindComeFromHere(t *testing.T) {
	const up = oldSite + "/wp-content/uploads/2020/01/"
	body := `<!-- wp:cover --><div class="wp-block-cover" style="background-image:url(` + up + `a.png)"><div class="wp-block-cover__inner-container"><p>On it</p></div></div><!-- /wp:cover -->` +
		`<!-- wp:cover --><div class="wp-block-cover"><img class="wp-block-cover__image-background wp-image-20" src="` + up + `a-300x200.png" srcset="` + up + `a.png 300w, ` + up + `a-150x150.png 150w"/></div><!-- /wp:cover -->` +
		`<!-- wp:media-text --><div class="wp-block-media-text"><figure><img src="//www.old.example.org/wp-content/uploads/2020/01/b.png"/></figure><div><p>x</p></div></div><!-- /wp:media-text -->` +
		`<!-- wp:file --><div class="wp-block-file"><a href="` + up + `b.png">b</a></div><!-- /wp:file -->[gallery ids="20,21"]<video poster="` + up + `b.png" src="https://x.example/v.mp4"></video>`
	it := post(1, "a", "A", body)
	it.meta = map[string]string{"_thumbnail_id": "20"}
	src := wx("", it, attachment(20, 0, "a.png"), attachment(21, 0, "b.png"))
	both, one := richMedia(t), t.TempDir()
	writePicture(t, filepath.Join(one, "a.png"))
	want := ""
	for _, folders := range [][]string{{both}, {"", both}, {"", one, both}, {one, "", both}} {
		p := newPortal(t)
		for _, dir := range folders {
			p.mustBring(t, src, WriteOptions{MediaDir: dir})
		}
		got := p.dump(t)
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("%d runs end in another way than one:\n%s", len(folders), difference(want, got))
		}
		mustLack(t, p.bodies(t)["a"], "old.example.org")
		mustHave(t, got, "image=a.png")
	}
}

// TestWrite_TextsAreFitToBeShown looks at columns, buttons, linked pictures without a text and parts that are filled later.
func TestWrite_TextsAreFitToBeShown(t *testing.T) {
	p := newPortal(t)
	image := attachment(5, 0, "harbour-at-dawn-1024x683.jpg")
	image.excerpt = "At &amp; after dawn"
	body := `<!-- wp:columns --><div class="wp-block-columns"><!-- wp:column {"width":"66.66%"} --><div class="wp-block-column" style="flex-basis:66.66%">` +
		`<!-- wp:paragraph --><p>Wide</p><!-- /wp:paragraph --></div><!-- /wp:column --></div><!-- /wp:columns -->` +
		`<!-- wp:buttons --><div class="wp-block-buttons"><!-- wp:button {"width":50} --><div class="wp-block-button has-custom-width wp-block-button__width-50">` +
		`<a class="wp-block-button__link" href="/x">Go</a></div><!-- /wp:button --></div><!-- /wp:buttons -->` +
		`<!-- wp:image --><figure class="wp-block-image"><a href="/y"><img src="/up/sun_set-300x200.jpg" alt=""/></a></figure><!-- /wp:image -->` +
		`<!-- wp:image --><figure class="wp-block-image"><a href="/z"><img class="wp-image-5" src="/up/5.jpg" alt=""/></a></figure><!-- /wp:image -->` +
		`<!-- wp:image --><figure class="wp-block-image"><a href="/q"><img src="/up/7.jpg" alt=""/></a><figcaption>Low <b>tide</b></figcaption></figure><!-- /wp:image -->` +
		`<!-- wp:heading --><h2>Latest</h2><!-- /wp:heading --><!-- wp:latest-posts /-->` +
		`<!-- wp:heading --><h2>Kept</h2><!-- /wp:heading --><!-- wp:paragraph --><p>Words</p><!-- /wp:paragraph --><!-- wp:calendar /-->` +
		`<!-- wp:heading --><h2>Archive</h2><!-- /wp:heading --><!-- wp:archives /--><!-- wp:tag-cloud /-->`
	r := p.mustBring(t, wx("", post(1, "a", "A", body), image), WriteOptions{})
	text := p.bodies(t)["a"]
	mustHave(t, text, "has-basis-66", "wp-block-button__width-50", `alt="sun set"`, `alt="At &amp; after dawn"`, `alt="Low tide"`, ">Kept<", "Words")
	mustLack(t, text, ">Latest<", ">Archive<")
	if s := r.String(); !strings.Contains(s, "fills when a page is shown") || strings.Contains(s, "latest-posts") {
		t.Errorf("%s", s)
	}
	if s := r.Text(true); !strings.Contains(s, "latest-posts 1") {
		t.Errorf("%s", s)
	}
}

func TestWrite_AllOfItOnEveryDatabase(t *testing.T) {
	head, items := rich()
	want := ""
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		p := newPortalOn(t, d)
		p.mustBring(t, wx(head, items...), WriteOptions{})
		p.mustBring(t, wx(head, items...), WriteOptions{MediaDir: richMedia(t)})
		got := p.dump(t)
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("ends in another way:\n%s", difference(want, got))
		}
	})
}

func TestWrite_DryRunOfASiteThatIsStillToBeMade(t *testing.T) {
	p := newPortal(t)
	head, items := rich()
	dry, err := p.bringInto(t, wx(head, items...), site.Site{Instance: p.st.Instance, Slug: "new", Name: "new", Locale: "en", Locales: []stoa.Locale{"en"}}, true)
	must(t, err)
	st, err := p.Sites.CreateSite(system(t), site.Site{Instance: p.st.Instance, Slug: "new", Name: "new", Locale: "en"})
	must(t, err)
	report, err := p.bringInto(t, wx(head, items...), st, false)
	must(t, err)
	if !reflect.DeepEqual(dry, report) {
		t.Fatalf("the dry run reports\n%s\nand the run\n%s", dry, report)
	}
}

func (p *portal) bringInto(t *testing.T, src string, st site.Site, dry bool) (Report, error) {
	t.Helper()
	e, err := Read(strings.NewReader(src), Limits{})
	must(t, err)
	return p.Write(system(t), e, WriteOptions{Site: st, DryRun: dry})
}
