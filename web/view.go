package web

import (
	"context"
	"encoding/xml"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/httpd"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/render"
	"github.com/stoa-portal/stoa/richtext"
)

// perPage is how many entries a list shows.
const perPage = 10

// view answers the addresses that have no handler of their own: pages, articles, lists, old
// addresses. It is for people who are signed in or have unlocked something; other guests come to it only when
// something went wrong.
func (h *Handler) view(w http.ResponseWriter, r *http.Request) error {
	body, err := h.compose(r.Context(), visitOf(r), pageNumber(r), httpd.Origin(r))
	if err != nil {
		return h.moved(w, r, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "private, no-store")
	_, _ = w.Write(body) // a visitor who went away does not want it
	return nil
}

// anonymous reports whether the request is of a guest whose answer others may get as well.
func anonymous(r *http.Request) bool {
	c := r.Header["Cookie"]
	for _, v := range c {
		if strings.Contains(v, sessionCookie+"=") || strings.Contains(v, openCookie) {
			return false
		}
	}
	return true
}

// pageKey names an answer in the page cache: all that it depends on. The host chooses the site, also
// where links of all sites are told to begin with one origin.
func pageKey(r *http.Request) string {
	if number := pageNumber(r); number > 1 {
		return httpd.Host(r) + "|" + httpd.Origin(r) + "|" + r.URL.Path + "|" + strconv.Itoa(number)
	}
	return httpd.Host(r) + "|" + httpd.Origin(r) + "|" + r.URL.Path
}

// warm answers guests from the page cache before the routes are looked at, which would cost as much as
// all the rest. Only visitor fills that cache, so what is in it was not routed elsewhere.
func (h *Handler) warm(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if (r.Method == http.MethodGet || r.Method == http.MethodHead) && anonymous(r) {
			if c, _, ok := h.pages.Peek(pageKey(r)); ok {
				c.ServeHTTP(w, r)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// visitor makes the page of a guest, once for all who wait for it, and puts it into the page cache; all
// others, and everything that cannot be shown, go to next. What the site is, which language and who a
// guest is are found out inside the load, so that their changes drop the page as well.
func (h *Handler) visitor(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !anonymous(r) {
			next.ServeHTTP(w, r)
			return
		}
		number, key := pageNumber(r), pageKey(r)
		ctx := cache.StaleOK(h.opt.Cache.Arrived(r.Context()))
		c, info, err := h.pages.GetInfo(ctx, key, func(ctx context.Context, _ *cache.Load) (*httpd.Cached, error) {
			v := &visit{}
			var err error
			if v.instance, v.site, err = h.opt.Sites.Resolve(ctx, httpd.Host(r)); err != nil {
				return nil, err
			}
			guest, err := h.opt.Access.GuestActor(ctx, v.instance.ID)
			if err != nil {
				return nil, err
			}
			ctx = stoa.WithActor(ctx, guest)
			if err := h.split(ctx, v, r.URL.Path); err != nil {
				return nil, err
			}
			body, err := h.compose(stoa.WithLocale(ctx, v.locale), v, number, httpd.Origin(r))
			if err != nil {
				return nil, err
			}
			return httpd.NewCached(http.StatusOK, "text/html; charset=utf-8", "no-cache", body), nil
		})
		if stoa.Is(err, stoa.KindUnavailable) {
			httpd.Error(w, r, err) // whatever asks the database again makes the visitor wait for it again
			return
		}
		if err != nil {
			next.ServeHTTP(w, r) // finds the old address, or shows what is wrong
			return
		}
		if info.Stale > 0 {
			seconds := strconv.Itoa(int(info.Stale/time.Second) + 1)
			w.Header().Set("Cache-Control", "no-store")
			w.Header().Set("Age", seconds)
			w.Header().Set("Stoa-Stale", seconds)
		}
		c.ServeHTTP(w, r)
	})
}

// oldAddress leads to the new place of an address whose query named what it showed, such as /?p=7.
func (h *Handler) oldAddress(w http.ResponseWriter, r *http.Request) bool {
	_, st, err := h.opt.Sites.Resolve(r.Context(), httpd.Host(r))
	if err != nil {
		return false
	}
	to, ok, err := h.opt.Pages.Redirect(r.Context(), st.ID, r.URL.Path+"?"+r.URL.RawQuery)
	if err != nil || !ok || strings.HasPrefix(to, r.URL.Path+"?") {
		return false
	}
	http.Redirect(w, r, to, http.StatusMovedPermanently)
	return true
}

// pageNumber is the page of a list that is asked for, 1 for everything odd.
func pageNumber(r *http.Request) int {
	if r.URL.RawQuery == "" {
		return 1
	}
	if n, err := strconv.Atoi(r.URL.Query().Get("page")); err == nil && n > 1 && n <= 10000 {
		return n
	}
	return 1
}

// moved answers for what was not found: an old address leads to the new one.
func (h *Handler) moved(w http.ResponseWriter, r *http.Request, err error) error {
	if !stoa.Is(err, stoa.KindNotFound) {
		return err
	}
	v := visitOf(r)
	address := v.path
	if r.URL.RawQuery != "" {
		address += "?" + r.URL.RawQuery
	}
	to, ok, redirectErr := h.opt.Pages.Redirect(r.Context(), v.site.ID, address)
	if redirectErr != nil || !ok {
		return err
	}
	if strings.HasPrefix(to, "/") {
		to = v.prefix + to
	}
	http.Redirect(w, r, to, http.StatusMovedPermanently)
	return nil
}

// compose makes the body for a path. It runs inside the page cache's load for guests, so everything it
// reads through caches becomes a tag of the page.
func (h *Handler) compose(ctx context.Context, v *visit, number int, origin string) ([]byte, error) {
	in := render.Input{Instance: v.instance, Site: v.site, Locale: v.locale, Prefix: v.prefix, Actor: stoa.ActorFrom(ctx), Path: v.path, Origin: origin}
	if number > 1 {
		in.Query = url.Values{"page": {strconv.Itoa(number)}}
	}
	kind, slug, _ := strings.Cut(strings.Trim(v.path, "/"), "/")
	var err error
	switch {
	case kind == "w" && slug != "":
		var a content.Article
		if a, err = h.opt.Content.LiveBySlug(ctx, v.site, slug); err == nil {
			err = h.article(ctx, v, &in, a)
		}
	case kind == "tags" && slug != "":
		t, tagErr := h.opt.Taxonomy.TagBySlug(ctx, v.site.ID, slug)
		if err = tagErr; err == nil {
			err = h.list(ctx, v, &in, number, t.Name, content.Filter{Tag: t.ID})
		}
	case kind == "categories" && slug != "":
		c, catErr := h.opt.Taxonomy.CategoryBySlug(ctx, v.site.ID, slug)
		if err = catErr; err == nil {
			err = h.list(ctx, v, &in, number, c.Name, content.Filter{Category: c.ID})
		}
	case v.path == "/" && v.site.Home == "posts":
		err = h.list(ctx, v, &in, number, "", content.Filter{Kind: "post"})
	default:
		err = h.page(ctx, v, &in)
	}
	if err != nil {
		return nil, err
	}
	out, err := h.opt.Render.Page(ctx, in)
	if err != nil {
		return nil, err
	}
	if out.NoStore {
		if l := cache.Current(ctx); l != nil {
			l.NoStore()
		}
	}
	return out.HTML, nil
}

// page fills the input with the page of the tree that has the path.
func (h *Handler) page(ctx context.Context, v *visit, in *render.Input) error {
	var p page.Page
	var err error
	switch {
	case v.path != "/":
		p, err = h.opt.Pages.ByPath(ctx, v.site.ID, v.path)
	case v.site.Home != "":
		p, err = h.opt.Pages.ByPath(ctx, v.site.ID, v.site.Home)
	default:
		p, err = h.opt.Pages.First(ctx, v.site.ID)
	}
	if err != nil {
		return err
	}
	in.Page = &p
	if p.Protected {
		in.UnlockTo, in.Unlocked = unlockTo(v, "page", p.ID), v.opens(p.ID, p.Unlock)
	}
	in.Title = p.In(v.locale, v.site.Locale)
	if p.Type == page.TypeArticle {
		id, err := stoa.ParseID(p.Target)
		if err != nil {
			return stoa.NotFound("page", v.path)
		}
		a, err := h.opt.Content.Live(ctx, id)
		if err != nil {
			return err
		}
		return h.article(ctx, v, in, a)
	}
	return nil
}

type articleView struct {
	Article    content.Article
	Text       content.Text
	Body       template.HTML
	Lang       string // when the text is not in the language of the page
	Link       string
	Prefix     string
	Categories []link
	Tags       []link
	Locked     bool
	Locale     stoa.Locale
	UnlockTo   string
	IsPage     bool
	Summary    string
}

type link struct{ Title, URL string }

func (h *Handler) viewOf(ctx context.Context, v *visit, a content.Article) (articleView, error) {
	out := articleView{Article: a, Text: a.In(v.locale), Prefix: v.prefix, Link: v.prefix + "/w/" + a.Slug, IsPage: a.Kind == "page", Locked: a.Locked}
	out.Summary = out.Text.Teaser
	terms, err := h.opt.Taxonomy.Of(ctx, "article", a.ID, a.Site)
	if err != nil {
		return out, err
	}
	for _, c := range terms.Categories {
		out.Categories = append(out.Categories, link{c.Name, v.prefix + "/categories/" + url.PathEscape(c.Slug)})
	}
	for _, t := range terms.Tags {
		out.Tags = append(out.Tags, link{t.Name, v.prefix + "/tags/" + url.PathEscape(t.Slug)})
	}
	return out, nil
}

func (h *Handler) article(ctx context.Context, v *visit, in *render.Input, a content.Article) error {
	if key := v.keys["article_"+a.ID.String()]; a.Locked && key != "" {
		var err error
		if a, err = h.opt.Content.Unlocked(ctx, a.ID, key); err != nil {
			return err
		}
	}
	view, err := h.viewOf(ctx, v, a)
	if err != nil {
		return err
	}
	view.Locale, view.UnlockTo = v.locale, unlockTo(v, "article", a.ID)
	if !a.Locked {
		// Text was sanitized when it was saved; Prepare only adds what showing needs.
		view.Body = template.HTML(richtext.Prepare(view.Text.Body))
	}
	in.Title, in.Description, in.Image = view.Text.Title, view.Summary, a.Image
	in.Content, err = h.inner("article.html", view)
	return err
}

type listView struct {
	Title      string
	Items      []articleView
	Pages      []pageLink
	Prev, Next string
}

type pageLink struct {
	Number  int
	URL     string
	Current bool
}

func (h *Handler) list(ctx context.Context, v *visit, in *render.Input, number int, title string, f content.Filter) error {
	f.Page, f.PerPage = number, perPage
	found, err := h.opt.Content.LiveList(ctx, v.site, f)
	if err != nil {
		return err
	}
	last := max(1, (found.Total+perPage-1)/perPage)
	if number > last {
		return stoa.NotFound("page", number)
	}
	data := listView{Title: title}
	for _, a := range found.Items {
		view, err := h.viewOf(ctx, v, a)
		if err != nil {
			return err
		}
		data.Items = append(data.Items, view)
	}
	address := func(n int) string {
		if n <= 1 {
			return v.prefix + v.path
		}
		return fmt.Sprintf("%s%s?page=%d", v.prefix, v.path, n)
	}
	for n := max(1, number-3); n <= min(last, number+3) && last > 1; n++ {
		data.Pages = append(data.Pages, pageLink{n, address(n), n == number})
	}
	if number > 1 {
		data.Prev = address(number - 1)
	}
	if number < last {
		data.Next = address(number + 1)
	}
	in.Title = title
	if title == "" {
		in.Title = v.site.Name
	}
	in.Content, err = h.inner("list.html", data)
	return err
}

// robots tells crawlers where the site map is.
func (h *Handler) robots(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = fmt.Fprintf(w, "User-agent: *\nDisallow: /control/\nDisallow: /account\nDisallow: /sign-in\nSitemap: %s/sitemap.xml\n", httpd.Origin(r))
	return nil
}

type sitemapURL struct {
	Loc     string `xml:"loc"`
	LastMod string `xml:"lastmod,omitempty"`
}

// sitemap lists what a guest may see, at most 50,000 addresses as the protocol allows.
func (h *Handler) sitemap(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	base := httpd.Origin(r) + v.prefix
	var set struct {
		XMLName xml.Name     `xml:"urlset"`
		NS      string       `xml:"xmlns,attr"`
		URLs    []sitemapURL `xml:"url"`
	}
	set.NS = "http://www.sitemaps.org/schemas/sitemap/0.9"
	guest, err := h.opt.Access.GuestActor(r.Context(), v.instance.ID)
	if err != nil {
		return err
	}
	ctx := stoa.WithActor(r.Context(), guest)
	nodes, err := h.opt.Pages.Visible(ctx, v.site.ID)
	if err != nil {
		return err
	}
	var walk func(list []page.Node)
	walk = func(list []page.Node) {
		for _, n := range list {
			if n.Type != page.TypeLink && len(set.URLs) < 50000 {
				set.URLs = append(set.URLs, sitemapURL{Loc: base + escapePath(n.Path), LastMod: n.Modified.UTC().Format(time.RFC3339)})
			}
			walk(n.Children)
		}
	}
	walk(nodes)
	for number := 1; number <= 500; number++ {
		found, err := h.opt.Content.LiveList(ctx, v.site, content.Filter{Kind: "post", Page: number, PerPage: 100})
		if err != nil {
			return err
		}
		for _, a := range found.Items {
			set.URLs = append(set.URLs, sitemapURL{Loc: base + "/w/" + url.PathEscape(a.Slug), LastMod: a.Modified.UTC().Format(time.RFC3339)})
		}
		if number*100 >= found.Total {
			break
		}
	}
	return writeXML(w, "application/xml; charset=utf-8", set)
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
	Title   string   `xml:"title"`
	ID      string   `xml:"id"`
	Updated string   `xml:"updated"`
	Link    atomLink `xml:"link"`
	Author  string   `xml:"author>name"`
	Summary atomText `xml:"summary"`
}

// feed gives the newest posts as Atom (RFC 4287).
func (h *Handler) feed(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	base := httpd.Origin(r) + v.prefix
	guest, err := h.opt.Access.GuestActor(r.Context(), v.instance.ID)
	if err != nil {
		return err
	}
	found, err := h.opt.Content.LiveList(stoa.WithActor(r.Context(), guest), v.site, content.Filter{Kind: "post", Page: 1, PerPage: 20})
	if err != nil {
		return err
	}
	var feed struct {
		XMLName xml.Name    `xml:"feed"`
		NS      string      `xml:"xmlns,attr"`
		Title   string      `xml:"title"`
		ID      string      `xml:"id"`
		Updated string      `xml:"updated"`
		Links   []atomLink  `xml:"link"`
		Entries []atomEntry `xml:"entry"`
	}
	feed.NS, feed.Title, feed.ID = "http://www.w3.org/2005/Atom", v.site.Name, base+"/"
	feed.Links = []atomLink{{base + "/feed.atom", "self"}, {base + "/", ""}}
	newest := v.site.Created
	for _, a := range found.Items {
		t := a.In(v.locale)
		if a.Modified.After(newest) {
			newest = a.Modified
		}
		author := a.AuthorName
		if author == "" {
			author = v.site.Name
		}
		summary := t.Teaser
		where := base + "/w/" + url.PathEscape(a.Slug)
		feed.Entries = append(feed.Entries, atomEntry{Title: t.Title, ID: where, Updated: a.Modified.UTC().Format(time.RFC3339), Link: atomLink{where, ""}, Author: author, Summary: atomText{"text", summary}})
	}
	feed.Updated = newest.UTC().Format(time.RFC3339)
	return writeXML(w, "application/atom+xml; charset=utf-8", feed)
}

func writeXML(w http.ResponseWriter, contentType string, v any) error {
	raw, err := xml.Marshal(v)
	if err != nil {
		return fmt.Errorf("write XML: %w", err)
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(append([]byte(xml.Header), raw...))
	return nil
}

func escapePath(p string) string { return (&url.URL{Path: p}).EscapedPath() }
