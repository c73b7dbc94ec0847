package wordpress

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/richtext"
)

// place is what was found at an address of the old site: one of these.
type place struct {
	article *article
	file    *Item
	term    *term
	path    string // a list, a feed
}

// oldQuery names the parameters by which WordPress finds things.
func oldQuery() []string {
	return []string{"page_id", "p", "attachment_id", "cat", "tag", "author", "m", "feed"}
}

// prepareLinks lists all addresses of the old site that lead to something here, and decides which of them need a
// redirect.
func (r *run) prepareLinks(context.Context) error {
	r.places = map[string]place{}
	for _, a := range r.plan.Addresses {
		r.addPlace(a.From, r.placeOf(a))
	}
	r.lists()
	for _, from := range slices.Sorted(maps.Keys(r.places)) {
		p := r.places[from]
		if p.article != nil && p.article.item.Status != StatusPublish {
			continue
		}
		to, known := r.destination(p)
		if to == "" || from == "" {
			continue
		}
		if err := page.CheckRedirect(from, to); err != nil {
			continue // it leads to itself, or is no address: visitors who ask for it find what is there
		}
		if r.stock.paths[from] { // a page of this site has the address
			continue
		}
		if known && int64(r.known["redirect/"+sourceKey(from)]) == fingerprint(to) {
			continue
		}
		r.redirects = append(r.redirects, from)
	}
	r.report.Redirects = len(r.redirects)
	return nil
}

func (r *run) placeOf(a Address) place {
	switch {
	case a.Term != nil:
		return place{term: r.terms[a.Term.Taxonomy+"/"+a.Term.Slug]}
	case a.Item.Type == TypeAttachment:
		return place{file: a.Item}
	}
	return place{article: r.byItem[a.Item]}
}

func (r *run) addPlace(address string, p place) {
	if !strings.HasPrefix(address, "/") || !utf8.ValidString(address) || strings.ContainsRune(address, 0) {
		return // no browser can ask for it
	}
	path, query, _ := strings.Cut(address, "?")
	key := placeKey(path, query)
	if _, taken := r.places[key]; !taken && key != "/" {
		r.places[key] = p
	}
}

// placeKey is the one form of an address of the old site: decoded path without end slash, and the query.
func placeKey(path, query string) string {
	path = "/" + strings.Trim(path, "/")
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	if query == "" {
		return path
	}
	return path + "?" + query
}

// lists adds the addresses of what WordPress makes itself: feeds, archives, authors, the next pages, site maps.
func (r *run) lists() {
	base := r.basePath()
	home := place{path: "/"}
	feed := place{path: "/feed.atom"}
	for _, f := range []string{"", "atom/", "rss/", "rss2/", "rdf/"} {
		r.addPlace(base+"feed/"+f, feed)
		r.addPlace(base+"comments/feed/"+f, feed)
		if f != "" {
			r.addPlace(base+"?feed="+strings.TrimSuffix(f, "/"), feed)
		}
	}
	r.addPlace(base+"?feed=comments-rss2", feed)
	for _, f := range []string{"wp-sitemap.xml", "sitemap_index.xml"} {
		r.addPlace(base+f, place{path: "/sitemap.xml"})
	}
	if base != "/" {
		r.addPlace(base, home)
		r.addPlace(base+"sitemap.xml", place{path: "/sitemap.xml"})
	}
	posts := 0
	for _, a := range r.posts {
		it := a.item
		if it.Status != StatusPublish || it.Local.IsZero() {
			continue
		}
		posts++
		year, month, day := it.Local.Date()
		r.addPlace(fmt.Sprintf("%s%04d/", base, year), home)
		r.addPlace(fmt.Sprintf("%s%04d/%02d/", base, year, month), home)
		r.addPlace(fmt.Sprintf("%s%04d/%02d/%02d/", base, year, month, day), home)
		r.addPlace(fmt.Sprintf("%s?m=%04d%02d", base, year, month), home)
	}
	for n := 2; n <= posts/10+1 && n <= 1000; n++ { // WordPress shows ten posts on a page, as is usual here
		r.addPlace(fmt.Sprintf("%spage/%d/", base, n), place{path: "/?page=" + strconv.Itoa(n)})
	}
	for _, a := range r.export.Authors {
		if login := strings.Trim(screenName(a.Login), "-"); login != "" {
			r.addPlace(base+"author/"+login+"/", home)
			r.addPlace(base+"author/"+login+"/feed/", feed)
		}
		if a.ID != 0 {
			r.addPlace(fmt.Sprintf("%s?author=%d", base, a.ID), home)
		}
	}
	for _, a := range r.plan.Addresses {
		if a.Term != nil && !strings.Contains(a.From, "?") {
			r.addPlace(a.From+"feed/", feed)
		}
	}
}

// basePath is the path of the old site on its host: "/", or that of a folder.
func (r *run) basePath() string {
	if u, err := url.Parse(r.export.Site.BaseURL); err == nil && u.Path != "" {
		return strings.TrimRight(u.Path, "/") + "/"
	}
	return "/"
}

// destination is where a place is now, as a path within the site; empty when it is nowhere. settled is false while a
// file that this run brings has no address yet.
func (r *run) destination(p place) (to string, settled bool) {
	switch {
	case p.article != nil:
		return p.article.address(), true
	case p.term != nil && !p.term.gone && p.term.Taxonomy == "category":
		return "/categories/" + url.PathEscape(p.term.slug), true
	case p.term != nil && !p.term.gone && p.term.Taxonomy == "post_tag":
		return "/tags/" + url.PathEscape(p.term.slug), true
	case p.file != nil:
		if f, ok := r.lib.items[p.file.ID]; ok && p.file.ID != 0 {
			return document.URL(r.site.Slug, f), f.ID != 0
		}
		if up := r.plan.byID[p.file.Parent]; up != nil && r.byItem[up] != nil { // its page showed where it belongs
			return r.byItem[up].address(), true
		}
	case p.path != "":
		return p.path, true
	}
	return "", true
}

// address is where the article is found within the site; empty when it is not there.
func (a *article) address() string {
	switch {
	case !a.written():
		return ""
	case a.path != "":
		return a.path
	case a.slug == "":
		return ""
	}
	return "/w/" + a.slug
}

// find gives the place that an address of any form names, and what is behind # in it. own is false for addresses of
// other sites and for what stands on the same page.
func (r *run) find(address string) (p place, fragment string, own bool) {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil || u.Opaque != "" || u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https" {
		return place{}, "", false
	}
	if u.Host == "" && !strings.HasPrefix(u.Path, "/") || u.Host != "" && !r.ownHost(u.Host) {
		return place{}, "", false
	}
	if u.Fragment != "" {
		fragment = "#" + u.EscapedFragment()
	}
	query := u.Query()
	for _, k := range oldQuery() {
		if v := query.Get(k); v != "" {
			if p, ok := r.places[placeKey(u.Path, k+"="+v)]; ok {
				return p, fragment, true
			}
		}
	}
	key := placeKey(u.Path, "")
	if p, ok := r.places[key]; ok {
		return p, fragment, true
	}
	if key == placeKey(r.basePath(), "") && !slices.ContainsFunc(oldQuery(), query.Has) && !query.Has("s") {
		return place{path: "/"}, fragment, true
	}
	return place{}, fragment, u.Host != ""
}

// ownHost reports whether a host, with or without port, is the old site's.
func (r *run) ownHost(host string) bool {
	bare := func(s string) (name, port string) {
		s = strings.ToLower(s)
		if h, p, err := net.SplitHostPort(s); err == nil {
			s, port = h, p
		}
		if port == "80" || port == "443" {
			port = ""
		}
		return strings.TrimPrefix(strings.TrimSuffix(s, "."), "www."), port
	}
	name, port := bare(host)
	for _, own := range []string{r.export.Site.BaseURL, r.export.Site.Link} {
		if u, err := url.Parse(own); err == nil && u.Host != "" {
			if n, p := bare(u.Host); n == name && p == port {
				return true
			}
		}
	}
	return false
}

// rewrite lets the addresses in a text lead to what is here: those of files to the portal's copies, those of the old
// site's pages to the new ones. It counts the links that it changed, and those to the old site that it could not.
func (r *run) rewrite(html string) (out string, links, left int) {
	out = richtext.Rewrite(html, func(tag, attr, address string) string {
		if to, ok := r.fileAt(address); ok {
			return to
		}
		if tag != "a" || attr != "href" {
			return address
		}
		p, fragment, own := r.find(address)
		to, _ := r.destination(p)
		switch {
		case to != "" && p.file != nil && strings.HasPrefix(to, "/documents/"):
			links++
			return to
		case to != "":
			links++
			return r.prefix + escapePath(to) + fragment
		case own:
			left++
		}
		return address
	})
	return out, links, left
}

// escapePath writes a path that is not escaped as an address; one that is stays.
func escapePath(p string) string {
	path, query, has := strings.Cut(p, "?")
	if !strings.Contains(path, "%") {
		path = (&url.URL{Path: path}).EscapedPath()
	}
	if has {
		path += "?" + query
	}
	return path
}

// fileAt gives the portal's copy of the file that an address names.
func (r *run) fileAt(address string) (string, bool) {
	if len(r.lib.files) == 0 {
		return "", false
	}
	p := r.lib.place(address)
	if p == "" {
		return "", false
	}
	if f, ok := r.lib.files[p]; ok {
		return document.URL(r.site.Slug, f), true
	}
	m := sizedName.FindStringSubmatch(p)
	if m == nil {
		return "", false
	}
	f, ok := r.lib.files[strings.TrimSuffix(p, m[0])+m[3]]
	if !ok { // WordPress shrinks large originals to a file of their own, of which the smaller ones do not bear the name
		f, ok = r.lib.files[strings.TrimSuffix(p, m[0])+"-scaled"+m[3]]
	}
	if !ok {
		return "", false
	}
	width, _ := strconv.Atoi(m[1]) // at most five figures: cannot fail
	return document.URL(r.site.Slug, f) + f.Query(width), true
}

// sizedName is the ending of the smaller pictures WordPress makes: harbour-1024x683.jpg.
var sizedName = regexp.MustCompile(`-(\d{1,5})x(\d{1,5})(\.[A-Za-z0-9]{2,5})$`)

// fileName gives the words in the name of a file: "harbour at dawn" of harbour-at-dawn-1024x683.jpg.
func fileName(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	name := path.Base(u.Path)
	if m := sizedName.FindString(name); m != "" {
		name = strings.TrimSuffix(name, m)
	}
	name = strings.TrimSuffix(strings.TrimSuffix(name, path.Ext(name)), "-scaled")
	return strings.Join(
		strings.FieldsFunc(cmp.Or(name, ""), func(c rune) bool { return c == '-' || c == '_' || c == '+' || c == ' ' }),
		" ",
	)
}
