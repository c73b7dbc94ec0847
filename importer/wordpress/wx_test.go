package wordpress

import (
	"fmt"
	"html"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/page"
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
	b.WriteString(
		`<?xml version="1.0" encoding="UTF-8"?><rss version="2.0" xmlns:excerpt="http://wordpress.org/export/1.2/excerpt/"
xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:wp="http://wordpress.org/export/1.2/"><channel>
<title>Old &amp;amp; site</title><link>` + oldSite +
			`</link><description>It&amp;#8217;s old</description><language>en-US</language>
<wp:wxr_version>1.2</wp:wxr_version><wp:base_blog_url>` + oldSite + `</wp:base_blog_url>` + head,
	)
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
		fmt.Fprintf(
			&b,
			"\n<item><title><![CDATA[%s]]></title><link>%s</link><dc:creator>ann</dc:creator><content:encoded><![CDATA[%s]]></content:encoded>"+
				"<excerpt:encoded><![CDATA[%s]]></excerpt:encoded><wp:post_id>%d</wp:post_id><wp:post_date>%s</wp:post_date><wp:post_date_gmt>%s</wp:post_date_gmt>"+
				"<wp:post_name>%s</wp:post_name><wp:status>%s</wp:status><wp:post_parent>%d</wp:post_parent><wp:menu_order>%d</wp:menu_order>"+
				"<wp:post_type>%s</wp:post_type><wp:post_password><![CDATA[%s]]></wp:post_password>",
			it.title,
			html.EscapeString(link),
			it.body,
			it.excerpt,
			it.id,
			it.local,
			it.gmt,
			it.slug,
			it.status,
			it.parent,
			it.order,
			it.kind,
			it.password,
		)
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
			fmt.Fprintf(
				&b,
				"<wp:postmeta><wp:meta_key>%s</wp:meta_key><wp:meta_value><![CDATA[%s]]></wp:meta_value></wp:postmeta>",
				k,
				v,
			)
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
	return wxItem{
		id:     id,
		parent: parent,
		kind:   TypePage,
		status: StatusPublish,
		slug:   slug,
		title:  title,
		body:   "<p>" + title + "</p>",
	}
}

func menuItem(id int, menu, label, kind, object string, target int, url string) wxItem {
	return wxItem{
		id:     id,
		kind:   TypeMenuItem,
		status: StatusPublish,
		title:  label,
		menu:   menu,
		order:  id,
		slug:   fmt.Sprint("m", id),
		meta: map[string]string{
			"_menu_item_type": kind, "_menu_item_object": object, "_menu_item_object_id": fmt.Sprint(target),
			"_menu_item_url": url},
	}
}

func attachment(id, parent int, name string) wxItem {
	return wxItem{
		id:     id,
		parent: parent,
		kind:   TypeAttachment,
		status: StatusInherit,
		title:  name,
		slug:   fmt.Sprint("file-", id),
		file:   oldSite + "/wp-content/uploads/2020/01/" + name,
	}
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
			add(
				"article %s %s %s live=%v %s %q %q %q image=%s [%s] [%s] protected=%v by %q",
				a.Slug,
				a.Kind,
				a.Status,
				a.Live > 0,
				l,
				text.Title,
				text.Summary,
				text.Body,
				image,
				names(a.Categories),
				names(a.Tags),
				a.Protected,
				a.AuthorName,
			)
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
	redirects, err := db.All(
		t.Context(),
		p.DB,
		func(r db.Scanner) (s [2]string, err error) { return s, r.Scan(&s[0], &s[1]) },
		"SELECT source, target FROM page_redirect WHERE site = ?",
		st.ID,
	)
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
			fmt.Fprintf(&out, "- %s\n", stoa.Short(l, 400))
		}
	}
	for _, l := range lb {
		if !slices.Contains(la, l) {
			fmt.Fprintf(&out, "+ %s\n", stoa.Short(l, 400))
		}
	}
	return out.String()
}

// welcome makes what the first start makes.
func (p *portal) welcome(t *testing.T) {
	t.Helper()
	a, err := p.Content.Create(
		system(t),
		p.st,
		content.Draft{
			Slug: "welcome",
			Kind: content.KindPost,
			Text: map[stoa.Locale]content.Text{"en": {Title: "Welcome"}},
		},
	)
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
