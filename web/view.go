package web

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/httpd"
	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/portal"
	"github.com/stoa-portal/stoa/render"
	"github.com/stoa-portal/stoa/site"
)

// perPage is how many entries a list shows.
const perPage = 10

// view answers the addresses that have no handler of their own: pages, articles, lists, old
// addresses. It is for people who are signed in or have unlocked something; other guests come to it only when
// something went wrong.
func (h *Handler) view(w http.ResponseWriter, r *http.Request) error {
	if done, err := h.searches(w, r); done {
		return err
	}
	body, err := h.compose(r.Context(), visitOf(r), pageNumber(r), httpd.Origin(r))
	if err != nil {
		return h.moved(w, r, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "private, no-store")
	_, _ = w.Write(body) // a visitor who went away does not want it
	return nil
}

// pageKey names an answer in the page cache: all that it depends on. The host chooses the site, also
// where links of all sites are told to begin with one origin.
func pageKey(r *http.Request) string {
	return keyOf(strconv.Itoa(pageNumber(r)), httpd.Host(r), httpd.Origin(r), r.URL.Path)
}

// keyOf joins parts to a key that no other parts give: each tells its length, so that nothing in it, which a visitor
// may have chosen, is taken for the end of it.
func keyOf(parts ...string) string {
	n := 0
	for _, p := range parts {
		n += len(p) + 6
	}
	var b strings.Builder
	b.Grow(n)
	for _, p := range parts {
		b.WriteString(strconv.Itoa(len(p)))
		b.WriteByte(' ')
		b.WriteString(p)
	}
	return b.String()
}

// serveCached answers guests from the page cache before the routes are looked at, which would cost as much as
// all the rest. Only visitor fills that cache, so what is in it was not routed elsewhere.
func (h *Handler) serveCached(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if (r.Method == http.MethodGet || r.Method == http.MethodHead) && portal.Anonymous(r) && !portal.Carries(r) &&
			!asks(r) {
			key := pageKey(r)
			c, _, ok := h.pages.Peek(key)
			if !ok && wantsPage(r) {
				var m missed
				if m, _, ok = h.misses.Peek(key); ok {
					c, _, ok = h.pages.Peek(m.Key)
				}
			}
			if ok {
				c.ServeHTTP(w, r)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// asks reports whether the query has more than the number of a page, so that it may be part of an old
// address.
func asks(r *http.Request) bool {
	q := r.URL.RawQuery
	return q != "" && (!strings.HasPrefix(q, "page=") || strings.ContainsAny(q, "&;"))
}

// visitor makes the page of a guest, once for all who wait for it, and puts it into the page cache; all
// others, and everything that cannot be shown, go to next. What the site is, which language and who a
// guest is are found out inside the load, so that their changes drop the page as well.
func (h *Handler) visitor(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asks(r) && portal.StalenessOf(r) == nil && h.oldAddress(w, r) {
			return
		}
		kind, _ := machineFile(r.URL.Path)
		if kind == "" && !portal.Anonymous(r) || h.opt.Search != nil && forSearch(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		region, number, key := h.pages, pageNumber(r), pageKey(r)
		if kind == "map" {
			region = h.maps
		}
		ctx := cache.StaleOK(h.opt.Cache.Arrived(r.Context()))
		c, info, err := region.GetInfo(ctx, key, func(ctx context.Context, _ *cache.Load) (*httpd.Cached, error) {
			v, ctx, err := h.guest(ctx, r)
			if err != nil {
				return nil, err
			}
			return h.answer(ctx, v, number, httpd.Origin(r))
		})
		switch {
		case err == nil:
			h.serve(w, r, c, info)
		case kind != "" && errors.Is(err, context.DeadlineExceeded): // a file, which next knows nothing of
			httpd.Error(w, r, stoa.Unavailable(err, "this could not be made in time: try again in a moment"))
		case stoa.Is(err, stoa.KindUnavailable) || kind != "" && !stoa.Is(err, stoa.KindNotFound):
			httpd.Error(w, r, err) // whatever asks the database again makes the visitor wait for it again
		case stoa.Is(err, stoa.KindNotFound) && portal.Anonymous(r) && h.missing(ctx, w, r, key):
		default:
			next.ServeHTTP(w, r) // shows what is wrong
		}
	})
}

// oldAddress leads to the new place of an address whose query named what it showed, such as /?p=7. The
// path of such an address is one that still shows something.
func (h *Handler) oldAddress(w http.ResponseWriter, r *http.Request) bool {
	ctx := cache.StaleOK(h.opt.Cache.Arrived(r.Context()))
	v, ctx, err := h.guest(ctx, r)
	if err != nil {
		return false
	}
	to, ok, err := h.opt.Pages.RedirectOfQuery(ctx, v.Site.ID, v.Path, r.URL.Query())
	if err != nil || !ok {
		return false
	}
	http.Redirect(w, r, v.address(to), http.StatusMovedPermanently)
	return true
}

// address is where the target of an old address lies for the visit.
func (v *visit) address(to string) string {
	if strings.HasPrefix(to, "/") {
		return v.Prefix + to
	}
	return to
}

// pageNumber is the page of a list that is asked for, 1 for everything odd. What machines read has no further pages.
func pageNumber(r *http.Request) int {
	if r.URL.RawQuery == "" {
		return 1
	}
	if kind, _ := machineFile(r.URL.Path); kind != "" {
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
	if to, ok := h.pageOf(r.Context(), v); ok {
		w.Header().Set("Cache-Control", "private, no-cache") // who may see the page can change
		http.Redirect(w, r, to, http.StatusMovedPermanently)
		return nil
	}
	to, ok, redirectErr := h.opt.Pages.RedirectOfQuery(r.Context(), v.Site.ID, v.Path, r.URL.Query())
	if redirectErr == nil && !ok {
		to, ok, redirectErr = h.opt.Pages.Redirect(r.Context(), v.Site.ID, v.Path)
	}
	if redirectErr == nil && !ok {
		to, ok = h.termAt(r.Context(), v)
	}
	if redirectErr == nil && !ok {
		if to, ok := h.typed(r.Context(), v, r); ok {
			http.Redirect(w, r, to, http.StatusMovedPermanently)
			return nil
		}
	}
	if redirectErr == nil && !ok && h.gone(r.Context(), v) {
		return httpd.Status(http.StatusGone, err)
	}
	if redirectErr != nil || !ok {
		return err
	}
	http.Redirect(w, r, v.address(to), http.StatusMovedPermanently)
	return nil
}

// termAt says where a category or a tag is now that had the address before, as a path of the site.
func (h *Handler) termAt(ctx context.Context, v *visit) (to string, ok bool) {
	kind, slug, _ := strings.Cut(strings.Trim(v.Path, "/"), "/")
	var now string
	switch {
	case slug == "":
		return "", false
	case kind == "tags":
		t, err := h.opt.Taxonomy.TagBySlug(ctx, v.Site.ID, slug)
		now, ok = t.Slug, err == nil
	case kind == "categories":
		c, err := h.opt.Taxonomy.CategoryBySlug(ctx, v.Site.ID, slug)
		now, ok = c.Slug, err == nil
	}
	return escapePath("/" + kind + "/" + now), ok && now != slug
}

// gone reports whether what was at the address is in the recycle bin; where that cannot be found out it is missing.
func (h *Handler) gone(ctx context.Context, v *visit) bool {
	if h.opt.Trash == nil {
		return false
	}
	is, err := h.opt.Trash.Gone(ctx, v.Site.ID, "/"+strings.Trim(v.Path, "/"))
	return err == nil && is
}

// pageOf gives the address of the page whose text the path names as an article: it is found through its page only.
func (h *Handler) pageOf(ctx context.Context, v *visit) (string, bool) {
	slug, ok := strings.CutPrefix(v.Path, "/w/")
	if !ok || slug == "" {
		return "", false
	}
	id, err := h.opt.Content.TextOfPage(ctx, v.Site.ID, strings.Trim(slug, "/"))
	if err != nil {
		return "", false
	}
	n, err := h.opt.Pages.OfArticle(ctx, v.Site.ID, id)
	if err != nil {
		return "", false
	}
	path := n.Path
	if home, err := h.home(ctx, v); err == nil && home.ID == n.ID {
		path = "/"
	}
	return v.Prefix + escapePath(path), true
}

// compose makes the body for a path. It runs inside the page cache's load for guests, so everything it
// reads through caches becomes a tag of the page.
func (h *Handler) compose(ctx context.Context, v *visit, number int, origin string) ([]byte, error) {
	in := render.Input{Instance: v.Instance, Site: v.Site, Locale: v.Locale, Prefix: v.Prefix, Actor: stoa.ActorFrom(ctx),
		Path: v.Path, Origin: origin}
	if number > 1 {
		in.Query = url.Values{"page": {strconv.Itoa(number)}}
	}
	kind, slug, _ := strings.Cut(strings.Trim(v.Path, "/"), "/")
	var err error
	switch {
	case kind == "w" && slug != "":
		var a content.Article
		if a, err = h.opt.Content.LiveBySlug(ctx, v.Site, slug); err == nil {
			err = h.article(ctx, v, &in, a)
		}
	case kind == "tags" && slug != "":
		t, tagErr := h.opt.Taxonomy.TagBySlug(ctx, v.Site.ID, slug)
		if err = tagErr; err == nil && t.Slug != slug {
			err = stoa.NotFound("tag", slug) // termAt leads on
		}
		if err == nil {
			err = h.list(ctx, v, &in, number, t.Name, content.Filter{Tag: t.ID})
		}
	case kind == "categories" && slug != "":
		c, catErr := h.opt.Taxonomy.CategoryBySlug(ctx, v.Site.ID, slug)
		if err = catErr; err == nil && c.Slug != slug {
			err = stoa.NotFound("category", slug)
		}
		if err == nil {
			err = h.list(ctx, v, &in, number, c.Name, content.Filter{Category: c.ID})
		}
	case v.Path == "/" && v.Site.Home == site.HomePosts:
		err = h.list(ctx, v, &in, number, "", content.Filter{Kind: "post"})
	default:
		if err = h.page(ctx, v, &in); stoa.Is(err, stoa.KindNotFound) && v.Path == page.AllPages {
			err = h.allPages(ctx, v, &in, number)
		}
	}
	if err != nil {
		return nil, err
	}
	if v.SignedIn {
		in.Bar = h.bar(ctx, v, in.Page)
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

// home gives the page that "/" shows: the one of the site's settings, or the first. It is NotFound when the
// site shows its posts there.
func (h *Handler) home(ctx context.Context, v *visit) (page.Page, error) {
	switch v.Site.Home {
	case "":
		return h.opt.Pages.First(ctx, v.Site.ID)
	case site.HomePosts:
		return page.Page{}, stoa.NotFound("page", "/")
	}
	return h.opt.Pages.ByPath(ctx, v.Site.ID, v.Site.Home)
}

// page fills the input with the page of the tree that has the path.
func (h *Handler) page(ctx context.Context, v *visit, in *render.Input) error {
	var p page.Page
	var err error
	if v.Path == "/" {
		p, err = h.home(ctx, v)
	} else {
		p, err = h.opt.Pages.ByPath(ctx, v.Site.ID, v.Path)
	}
	if err != nil {
		return err
	}
	in.Page = &p
	if home, err := h.home(ctx, v); err == nil && home.ID == p.ID {
		in.Path = "/" // the one address of the home page that search engines shall know
	}
	if p.Protected {
		in.UnlockTo, in.Unlocked = unlockTo(v, "page", p.ID), v.opens(p.ID, p.Unlock)
	}
	locked := p.Protected && !in.Unlocked
	in.Title = p.In(v.Locale, v.Site.Locale)
	if p.Type == page.TypeArticle && !locked {
		id, err := stoa.ParseID(p.Target)
		if err != nil {
			return stoa.NotFound("page", v.Path)
		}
		a, err := h.opt.Content.LiveOn(ctx, v.Site.ID, p.ID, id)
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
	Title      string
	Body       template.HTML
	Image, Alt string
	Mark       template.HTMLAttr // when the text is not in the language of the page
	Unmark     template.HTMLAttr // of what is in the language of the page again
	Link       string
	Categories []link
	Tags       []link
	Locked     bool
	UnlockTo   string
	IsPage     bool
	Summary    string
}

type link struct{ Title, URL string }

// viewOf gives what lists show of an article, with its image about as wide as width in pixels.
func (h *Handler) viewOf(ctx context.Context, v *visit, a content.Article, width int) (articleView, error) {
	out := articleView{Article: a, Link: v.Prefix + escapePath(content.Address(a.Slug)),
		IsPage: a.Kind == content.KindPage, Locked: a.Locked}
	text, of := a.Find(v.Locale)
	out.Text, out.Title, out.Summary = text, text.Title, text.Teaser
	if out.Title == "" {
		out.Title = v.word("Untitled")
	}
	if out.Mark = lang.Mark(lang.Other(of, v.Locale)); out.Mark != "" {
		out.Unmark = lang.Mark(v.Locale)
	}
	if !a.Locked {
		out.Image, out.Alt = h.opt.Content.ImageOf(ctx, v.Site, a.Image, width)
	}
	terms, err := h.opt.Taxonomy.Of(ctx, "article", a.ID, a.Site)
	if err != nil {
		return out, err
	}
	for _, c := range terms.Categories {
		out.Categories = append(out.Categories, link{c.Name, v.Prefix + "/categories/" + url.PathEscape(c.Slug)})
	}
	for _, t := range terms.Tags {
		out.Tags = append(out.Tags, link{t.Name, v.Prefix + "/tags/" + url.PathEscape(t.Slug)})
	}
	return out, nil
}

func (h *Handler) article(ctx context.Context, v *visit, in *render.Input, a content.Article) error {
	if name := "article_" + a.ID.String(); a.Locked && v.keys[name] != "" {
		key, err := h.opt.Content.UnlockKey(ctx, a.ID)
		if err == nil && v.holds(name, key) {
			a, err = h.opt.Content.Unlocked(ctx, a.ID, key)
		}
		if err != nil {
			return err
		}
	}
	v.article = &a
	view, err := h.viewOf(ctx, v, a, 1280)
	if err != nil {
		return err
	}
	view.UnlockTo = unlockTo(v, "article", a.ID)
	if !a.Locked {
		view.Body = template.HTML(view.Text.Body) // made safe when it was saved, and ready to be shown by the service
		in.Image = view.Image
	}
	if a.Image != "" && strings.Contains(view.Text.Body, a.Image) {
		view.Image = "" // the text shows it itself
	}
	in.Title, in.Description = view.Title, view.Summary
	if !view.IsPage {
		in.Type, in.Published, in.Modified, in.Author = "article", a.Published, a.Modified, a.AuthorName
	}
	in.Content, err = h.inner(v, "article.html", view)
	return err
}

type listView struct {
	Title      string
	Site       string
	Items      []articleView
	Pages      []pageLink
	Prev, Next string
}

type pageLink struct {
	Number  int
	URL     string
	Current bool
}

// page fills in the ways to the other pages of the list.
func (l *listView) page(v *visit, number, last int) {
	address := func(n int) string {
		if n <= 1 {
			return v.Prefix + v.Path
		}
		return fmt.Sprintf("%s%s?page=%d", v.Prefix, v.Path, n)
	}
	for n := max(1, number-3); n <= min(last, number+3) && last > 1; n++ {
		l.Pages = append(l.Pages, pageLink{n, address(n), n == number})
	}
	if number > 1 {
		l.Prev = address(number - 1)
	}
	if number < last {
		l.Next = address(number + 1)
	}
}

func (h *Handler) list(ctx context.Context, v *visit, in *render.Input, number int, title string, f content.Filter) error {
	f.Page, f.PerPage = number, perPage
	found, err := h.opt.Content.LiveList(ctx, v.Site, f)
	if err != nil {
		return err
	}
	last := found.Pages()
	if number > last {
		return stoa.NotFound("page", number)
	}
	data := listView{Title: title, Site: v.Site.Name}
	for _, a := range found.Items {
		view, err := h.viewOf(ctx, v, a, 640)
		if err != nil {
			return err
		}
		data.Items = append(data.Items, view)
	}
	data.page(v, number, last)
	in.Title = title
	if title == "" {
		in.Title = v.Site.Name
	}
	in.Content, err = h.inner(v, "list.html", data)
	return err
}

func escapePath(p string) string { return (&url.URL{Path: p}).EscapedPath() }
