package web

import (
	"context"
	"crypto/sha1"
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/httpd"
	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/render"
	"github.com/stoa-portal/stoa/site"
)

const (
	// maxSitemap is how many addresses a file of the pages has: fewer than the protocol allows (50,000), so that it is
	// small enough to be kept.
	maxSitemap = 5_000
	sitemapNS  = "http://www.sitemaps.org/schemas/sitemap/0.9"
)

// robots tells crawlers where the site map is.
func (h *Handler) robots(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = fmt.Fprintf(w, "User-agent: *\nDisallow: /control/\nDisallow: /account\nDisallow: /sign-in\nSitemap: %s/sitemap.xml\n", httpd.Origin(r))
	return nil
}

type sitemapLink struct {
	Rel  string `xml:"rel,attr"`
	Lang string `xml:"hreflang,attr"`
	Href string `xml:"href,attr"`
}

type sitemapURL struct {
	Loc     string        `xml:"loc"`
	LastMod string        `xml:"lastmod,omitempty"`
	Links   []sitemapLink `xml:"xhtml:link"`
}

type sitemapSet struct {
	XMLName xml.Name     `xml:"urlset"`
	NS      string       `xml:"xmlns,attr"`
	XHTML   string       `xml:"xmlns:xhtml,attr"`
	URLs    []sitemapURL `xml:"url"`

	site site.Site
	base string // origin and what stands before addresses of the site, without a language
}

// add lists a path of the site in each of the site's languages that has is true for.
func (s *sitemapSet) add(path string, modified time.Time, has func(stoa.Locale) bool) {
	at := func(l stoa.Locale) string {
		if l == s.site.Locale {
			return s.base + escapePath(path)
		}
		return s.base + "/" + string(l) + escapePath(path)
	}
	locales := []stoa.Locale{s.site.Locale}
	for _, l := range s.site.Locales {
		if l != s.site.Locale && has(l) {
			locales = append(locales, l)
		}
	}
	var links []sitemapLink
	if len(locales) > 1 {
		for _, l := range locales {
			links = append(links, sitemapLink{"alternate", string(l), at(l)})
		}
	}
	for _, l := range locales {
		u := sitemapURL{Loc: at(l), Links: links}
		if !modified.IsZero() {
			u.LastMod = modified.UTC().Format(time.RFC3339)
		}
		s.URLs = append(s.URLs, u)
	}
}

type sitemapIndex struct {
	XMLName xml.Name `xml:"sitemapindex"`
	NS      string   `xml:"xmlns,attr"`
	Maps    []struct {
		Loc string `xml:"loc"`
	} `xml:"sitemap"`
}

// mapSize is how many articles a file of the site map has: fewer than the protocol allows, so that making one takes
// little memory and time, each in all languages of the site.
func mapSize(st site.Site) int { return max(1, 10_000/max(1, len(st.Locales))) }

// sitemap makes the file of the site map with that name, for a guest: the index of all, the map of the pages, or that
// of a piece of the articles. There is no other piece than the index names.
func (h *Handler) sitemap(ctx context.Context, v *visit, name, origin string) ([]byte, error) {
	base := origin + v.root()
	starts, err := h.opt.Content.MapStarts(ctx, v.Site, mapSize(v.Site))
	if err != nil {
		return nil, err
	}
	if name == "" {
		index := sitemapIndex{NS: sitemapNS}
		add := func(name string) {
			index.Maps = append(index.Maps, struct {
				Loc string `xml:"loc"`
			}{base + "/sitemap-" + name + ".xml"})
		}
		pages := sitemapSet{site: v.Site, base: base}
		if err := h.mapPages(ctx, v, &pages); err != nil {
			return nil, err
		}
		for i := range (len(pages.URLs) + maxSitemap - 1) / maxSitemap {
			add("pages-" + strconv.Itoa(i+1))
		}
		for i := range starts {
			add(strconv.Itoa(i + 1))
		}
		return marshalXML(index)
	}
	set := sitemapSet{NS: sitemapNS, XHTML: "http://www.w3.org/1999/xhtml", site: v.Site, base: base}
	digits, ofPages := strings.CutPrefix(name, "pages-")
	number, err := strconv.Atoi(digits)
	if err != nil || number < 1 || digits != strconv.Itoa(number) || !ofPages && number > len(starts) {
		return nil, stoa.NotFound("page", v.Path)
	}
	if ofPages {
		if err := h.mapPages(ctx, v, &set); err != nil {
			return nil, err
		}
		from := (number - 1) * maxSitemap
		if from >= len(set.URLs) {
			return nil, stoa.NotFound("page", v.Path)
		}
		set.URLs = set.URLs[from:min(from+maxSitemap, len(set.URLs))]
		return marshalXML(set)
	}
	places, err := h.opt.Content.MapPiece(ctx, v.Site, starts[number-1], mapSize(v.Site), len(v.Site.Locales) > 1)
	if err != nil {
		return nil, err
	}
	for _, p := range places {
		set.add(content.Address(p.Slug), p.Modified, func(l stoa.Locale) bool { return slices.Contains(p.Locales, l) })
	}
	return marshalXML(set)
}

// mapPages lists the pages of the tree, the home page under "/".
func (h *Handler) mapPages(ctx context.Context, v *visit, set *sitemapSet) error {
	nodes, err := h.opt.Pages.Visible(ctx, v.Site.ID)
	if err != nil {
		return err
	}
	home, err := h.home(ctx, v)
	if err != nil && !stoa.Is(err, stoa.KindNotFound) && !stoa.Is(err, stoa.KindUnauthorized) {
		return err
	}
	if v.Site.Home == site.HomePosts {
		set.add("/", time.Time{}, func(stoa.Locale) bool { return true })
	}
	var walk func(list []page.Node)
	walk = func(list []page.Node) {
		for _, n := range list {
			path := n.Path
			if n.ID == home.ID {
				path = "/"
			}
			if n.Type != page.TypeLink && !n.NoIndex {
				set.add(path, n.Modified, func(l stoa.Locale) bool { _, ok := n.Title[l]; return ok })
			}
			walk(n.Children)
		}
	}
	walk(nodes)
	return nil
}

// newestOf is when the newest of some articles was changed, or otherwise.
func newestOf(list []content.Article, otherwise time.Time) time.Time {
	if len(list) == 0 {
		return otherwise
	}
	return slices.MaxFunc(list, func(a, b content.Article) int { return a.Modified.Compare(b.Modified) }).Modified
}

// pagesPerList is how many pages the list of all has on each of its pages.
const pagesPerList = 500

// allPages lists the pages of the site for people: where a navigation leads that shows only some.
func (h *Handler) allPages(ctx context.Context, v *visit, in *render.Input, number int) error {
	nodes, err := h.opt.Pages.Visible(ctx, v.Site.ID)
	if err != nil {
		return err
	}
	in.Page = nil
	var all []page.Link
	var walk func(list []page.Node)
	walk = func(list []page.Node) {
		for _, n := range list {
			title, of := n.Find(v.Locale, v.Site.Locale)
			all = append(all,
				page.Link{Title: title, Lang: lang.Other(of, v.Locale), URL: page.AddressOf(n, v.Prefix)})
			walk(n.Children)
		}
	}
	walk(nodes)
	last := max(1, (len(all)+pagesPerList-1)/pagesPerList)
	if number > last {
		return stoa.NotFound("page", number)
	}
	data := struct {
		listView
		Links []page.Link
	}{Links: all[(number-1)*pagesPerList : min(number*pagesPerList, len(all))]}
	data.page(v, number, last)
	in.Title, in.NoIndex = v.word("All pages"), true
	in.Content, err = h.inner(v, "all-pages.html", data)
	return err
}

// root is what stands before addresses of the site without a language.
func (v *visit) root() string {
	if v.Locale == v.Site.Locale {
		return v.Prefix
	}
	return strings.TrimSuffix(v.Prefix, "/"+string(v.Locale))
}

type atomLink struct {
	Href string `xml:"href,attr"`
	Rel  string `xml:"rel,attr,omitempty"`
}

type atomText struct {
	Type string `xml:"type,attr"`
	Text string `xml:",chardata"`
}

type atomEntry struct {
	Title     string   `xml:"title"`
	ID        string   `xml:"id"`
	Published string   `xml:"published"`
	Updated   string   `xml:"updated"`
	Link      atomLink `xml:"link"`
	Author    string   `xml:"author>name"`
	Summary   atomText `xml:"summary"`
}

type atomFeed struct {
	XMLName xml.Name    `xml:"feed"`
	NS      string      `xml:"xmlns,attr"`
	Lang    string      `xml:"xml:lang,attr"`
	Title   string      `xml:"title"`
	ID      string      `xml:"id"`
	Updated string      `xml:"updated"`
	Links   []atomLink  `xml:"link"`
	Entries []atomEntry `xml:"entry"`
}

// feed makes the newest posts as Atom (RFC 4287), for a guest. The ids are made of what never changes: the number of
// the article and a name of the whole installation that is kept in its database. So they are the same on every node,
// at every host name, and after a rename (4.2.6).
func (h *Handler) feed(ctx context.Context, v *visit, origin string) ([]byte, error) {
	base := origin + v.Prefix
	found, err := h.opt.Content.LiveList(ctx, v.Site, content.Filter{Kind: content.KindPost, Page: 1, PerPage: 20})
	if err != nil {
		return nil, err
	}
	space, err := h.opt.Identity(ctx)
	if err != nil {
		return nil, err
	}
	feed := atomFeed{NS: "http://www.w3.org/2005/Atom", Lang: string(v.Locale), Title: v.Site.Name,
		ID:      urn(space, "feed/"+v.Site.ID.String()+"/"+string(v.Locale)),
		Updated: newestOf(found.Items, v.Site.Created).UTC().Format(time.RFC3339),
		Links:   []atomLink{{base + "/feed.atom", "self"}, {base + "/", ""}}}
	for _, a := range found.Items {
		t := a.In(v.Locale)
		author := a.AuthorName
		if author == "" {
			author = v.Site.Name
		}
		feed.Entries = append(feed.Entries, atomEntry{Title: t.Title, ID: urn(space, "article/"+a.ID.String()),
			Published: a.Published.UTC().Format(time.RFC3339), Updated: a.Modified.UTC().Format(time.RFC3339),
			Link: atomLink{base + escapePath(content.Address(a.Slug)), ""}, Author: author, Summary: atomText{"text",
				t.Teaser}})
	}
	return marshalXML(feed)
}

// urn gives the UUID of version 5 (RFC 9562) that a name has in a space.
func urn(space, name string) string {
	sum := sha1.Sum([]byte(space + "/" + name))
	u := sum[:16]
	u[6], u[8] = u[6]&0x0f|0x50, u[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

func marshalXML(v any) ([]byte, error) {
	raw, err := xml.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write XML: %w", err)
	}
	return append([]byte(xml.Header), raw...), nil
}
