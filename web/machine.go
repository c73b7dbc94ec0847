package web

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/httpd"
	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/portal"
	"github.com/stoa-portal/stoa/render"
)

const (
	// maxMapWaiters is how many loads may wait for the one that makes a file of a site map.
	maxMapWaiters = 16
	// maxMissing is how many bytes the addresses may take of which it is kept that there is nothing.
	maxMissing = 4 << 20
	maxMaps    = 64 << 20
)

// machineFile splits the address of what machines read, a feed or a file of the site map, wherever the site and the
// language stand in it. name is that of the file of the site map, empty for its index.
func machineFile(path string) (kind, name string) {
	_, last, ok := lastSegment(path)
	switch {
	case !ok:
	case last == "feed.atom":
		return "feed", ""
	case last == "sitemap.xml":
		return "map", ""
	case strings.HasPrefix(last, "sitemap-") && strings.HasSuffix(last, ".xml"):
		return "map", strings.TrimSuffix(strings.TrimPrefix(last, "sitemap-"), ".xml")
	}
	return "", ""
}

func lastSegment(path string) (before, last string, ok bool) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return "", path, false
	}
	return path[:i], path[i+1:], true
}

// machine makes what machines read, which is the same for all who ask. ok is false when v leads to something else.
func (h *Handler) machine(ctx context.Context, v *visit, origin string) (c *httpd.Cached, ok bool, err error) {
	kind, name := machineFile(v.Path)
	if before, _, _ := lastSegment(v.Path); before != "" {
		return nil, false, nil // below a page
	}
	switch kind {
	case "feed":
		body, err := h.feed(ctx, v, origin)
		if err != nil {
			return nil, true, err
		}
		return httpd.NewCached(http.StatusOK, "application/atom+xml; charset=utf-8", "no-cache", body), true, nil
	case "map":
		if err := h.startMap(ctx); err != nil {
			return nil, true, err
		}
		defer func() { <-h.mapping }()
		body, err := h.sitemap(ctx, v, name, origin)
		if err != nil {
			return nil, true, err
		}
		return httpd.NewCached(http.StatusOK, "application/xml; charset=utf-8", "no-cache", body), true, nil
	}
	return nil, false, nil
}

// startMap waits until no other file of a site map is made on this node: any visitor may ask for one, under any host
// name.
func (h *Handler) startMap(ctx context.Context) error {
	select {
	case h.mapWaiting <- struct{}{}:
		defer func() { <-h.mapWaiting }()
	default:
		return stoa.Unavailable(nil, "too many site maps are being made: try again in a moment")
	}
	select {
	case h.mapping <- struct{}{}:
		return nil
	case <-ctx.Done():
		return stoa.Unavailable(ctx.Err(), "other site maps are being made: try again in a moment")
	}
}

// wantsPage reports whether the one who asks understands a page: scripts may want an error in another form.
func wantsPage(r *http.Request) bool {
	accept := r.Header.Get("Accept")
	return accept == "" || strings.Contains(accept, "text/html") || strings.Contains(accept, "*/*")
}

// missed is what is known of an address under which there is nothing.
type missed struct {
	To  string // where an old address leads
	Key string // otherwise: under which the answer stands in the page cache
}

// missing answers a guest for an address under which there is nothing: with where it leads, or with the one page that
// says so, which is made once for a site in a language, not once for an address. It reports whether it could.
func (h *Handler) missing(ctx context.Context, w http.ResponseWriter, r *http.Request, key string) bool {
	if !wantsPage(r) || portal.StalenessOf(r) != nil { // what this guest has just made may be there on another node
		return false
	}
	if strings.Contains(r.URL.Path, "/w/") { // the text of a page leads there, for those who may see it
		return false
	}
	m, err := h.misses.Get(ctx, key, func(ctx context.Context, _ *cache.Load) (missed, error) {
		v, ctx, err := h.guest(ctx, r)
		if err != nil {
			return missed{}, err
		}
		if _, err := h.answer(ctx, v, pageNumber(r), httpd.Origin(r)); !stoa.Is(err, stoa.KindNotFound) {
			return missed{}, err // there is something by now
		}
		to, ok, err := h.opt.Pages.Redirect(ctx, v.Site.ID, v.Path)
		if err != nil {
			return missed{}, err
		}
		if ok {
			return missed{To: v.address(to)}, nil
		}
		if to, ok := h.termAt(ctx, v); ok {
			return missed{To: v.address(to)}, nil
		}
		if to, ok := h.typed(ctx, v, r); ok {
			return missed{To: to}, nil
		}
		if h.gone(ctx, v) {
			return missed{}, nil // which is told by another status
		}
		kind := "404"
		if v.Path == "/" {
			kind = "404/" // a site that has no page yet says so at its home
		}
		return missed{Key: keyOf(kind, httpd.Host(r), httpd.Origin(r), v.Prefix, string(v.Locale))}, nil
	})
	switch {
	case err != nil || m == missed{}:
		return false
	case m.To != "":
		http.Redirect(w, r, m.To, http.StatusMovedPermanently)
		return true
	}
	c, info, err := h.pages.GetInfo(ctx, m.Key, func(ctx context.Context, _ *cache.Load) (*httpd.Cached, error) {
		v, ctx, err := h.guest(ctx, r)
		if err != nil {
			return nil, err
		}
		return h.notFound(ctx, v)
	})
	if err != nil {
		return false
	}
	h.serve(w, r, c, info)
	return true
}

// guest finds out what a guest asks for. What is read on the way is what the answer depends on.
func (h *Handler) guest(ctx context.Context, r *http.Request) (*visit, context.Context, error) {
	found, ctx, err := h.opt.Portal.Guest(ctx, r)
	return &visit{Visit: found}, ctx, err
}

// answer makes the answer for a guest.
func (h *Handler) answer(ctx context.Context, v *visit, number int, origin string) (*httpd.Cached, error) {
	if c, ok, err := h.machine(ctx, v, origin); ok {
		return c, err
	}
	body, err := h.compose(ctx, v, number, origin)
	if err != nil {
		return nil, err
	}
	return httpd.NewCached(http.StatusOK, "text/html; charset=utf-8", "no-cache", body), nil
}

// notFound makes the page that says that there is nothing, with the face of the site and without the address.
func (h *Handler) notFound(ctx context.Context, v *visit) (*httpd.Cached, error) {
	home := *v
	title, message := errorWords(http.StatusNotFound, "")
	data := map[string]any{"Status": http.StatusNotFound, "Title": title, "Message": lang.Sentence(message), "Again": "",
		"Kept": (*keptForm)(nil)}
	if h.begin(ctx, v, data) {
		title = data["Title"].(string)
	}
	home.Path = "/"
	body, err := h.inner(&home, "error.html", data)
	if err != nil {
		return nil, err
	}
	out, err := h.opt.Render.Page(ctx, render.Input{Instance: v.Instance, Site: v.Site, Locale: v.Locale,
		Prefix: v.Prefix,
		Actor: stoa.ActorFrom(
			ctx,
		), Path: home.Path, Title: v.word(title), Content: body, NoIndex: true, Screen: true})
	if err != nil {
		return nil, err
	}
	return httpd.NewCached(http.StatusNotFound, "text/html; charset=utf-8", "no-store", out.HTML), nil
}

// serve sends an answer of the page cache, marked when it may be old.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, c *httpd.Cached, info cache.Info) {
	if stale := portal.StalenessOf(r); stale != nil {
		age, ok := stale.Age()
		if !ok {
			httpd.Error(w, r, stale.Err)
			return
		}
		info.Stale = max(info.Stale, age)
	}
	if info.Stale > 0 {
		seconds := strconv.Itoa(int(info.Stale/time.Second) + 1)
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Age", seconds)
		w.Header().Set("Stoa-Stale", seconds)
	}
	c.ServeHTTP(w, r)
}
