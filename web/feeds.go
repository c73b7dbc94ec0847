package web

import (
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/httpd"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/site"
)

// maxSitemap is how many addresses a site map may have by its protocol.
const maxSitemap = 50_000

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
		if len(s.URLs) < maxSitemap {
			s.URLs = append(s.URLs, sitemapURL{Loc: at(l), LastMod: modified.UTC().Format(time.RFC3339), Links: links})
		}
	}
}

// sitemap lists what a guest may see.
func (h *Handler) sitemap(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	guest, err := h.opt.Access.GuestActor(r.Context(), v.instance.ID)
	if err != nil {
		return err
	}
	ctx := stoa.WithActor(r.Context(), guest)
	set := sitemapSet{NS: "http://www.sitemaps.org/schemas/sitemap/0.9", XHTML: "http://www.w3.org/1999/xhtml", site: v.site, base: httpd.Origin(r) + v.root()}
	if err := h.mapPages(ctx, v, &set); err != nil {
		return err
	}
	for number := 1; len(set.URLs) < maxSitemap; number++ {
		found, err := h.opt.Content.LiveList(ctx, v.site, content.Filter{Page: number, PerPage: 100})
		if err != nil {
			return err
		}
		for _, a := range found.Items {
			set.add(content.Address(a.Slug), a.Modified, func(l stoa.Locale) bool { _, ok := a.Text[l]; return ok })
		}
		if number >= found.Pages() {
			break
		}
	}
	return writeXML(w, "application/xml; charset=utf-8", set)
}

// mapPages lists the pages of the tree, the home page under "/".
func (h *Handler) mapPages(ctx context.Context, v *visit, set *sitemapSet) error {
	nodes, err := h.opt.Pages.Visible(ctx, v.site.ID)
	if err != nil {
		return err
	}
	home, err := h.home(ctx, v)
	if err != nil && !stoa.Is(err, stoa.KindNotFound) && !stoa.Is(err, stoa.KindUnauthorized) {
		return err
	}
	if v.site.Home == site.HomePosts {
		newest, err := h.opt.Content.LiveList(ctx, v.site, content.Filter{Kind: content.KindPost, PerPage: 20})
		if err != nil {
			return err
		}
		set.add("/", newestOf(newest.Items, v.site.Created), func(stoa.Locale) bool { return true })
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

// root is what stands before addresses of the site without a language.
func (v *visit) root() string {
	if v.locale == v.site.Locale {
		return v.prefix
	}
	return strings.TrimSuffix(v.prefix, "/"+string(v.locale))
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

// feed gives the newest posts as Atom (RFC 4287).
func (h *Handler) feed(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	base := httpd.Origin(r) + v.prefix
	guest, err := h.opt.Access.GuestActor(r.Context(), v.instance.ID)
	if err != nil {
		return err
	}
	found, err := h.opt.Content.LiveList(stoa.WithActor(r.Context(), guest), v.site, content.Filter{Kind: content.KindPost, Page: 1, PerPage: 20})
	if err != nil {
		return err
	}
	feed := atomFeed{NS: "http://www.w3.org/2005/Atom", Lang: string(v.locale), Title: v.site.Name, ID: base + "/",
		Updated: newestOf(found.Items, v.site.Created).UTC().Format(time.RFC3339), Links: []atomLink{{base + "/feed.atom", "self"}, {base + "/", ""}}}
	for _, a := range found.Items {
		t := a.In(v.locale)
		author := a.AuthorName
		if author == "" {
			author = v.site.Name
		}
		where := base + escapePath(content.Address(a.Slug))
		feed.Entries = append(feed.Entries, atomEntry{Title: t.Title, ID: where, Published: a.Published.UTC().Format(time.RFC3339), Updated: a.Modified.UTC().Format(time.RFC3339),
			Link: atomLink{where, ""}, Author: author, Summary: atomText{"text", t.Teaser}})
	}
	return writeXML(w, "application/atom+xml; charset=utf-8", feed)
}

func writeXML(w http.ResponseWriter, contentType string, v any) error {
	raw, err := xml.Marshal(v)
	if err != nil {
		return fmt.Errorf("write XML: %w", err)
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(append([]byte(xml.Header), raw...)) // a visitor who went away does not want it
	return nil
}
