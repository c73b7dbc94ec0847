package web

import (
	"net/http"
	"net/url"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/render"
)

// preview shows the draft of an article as visitors would see it, with a row above that says so and leads to the
// version that they do see: to those who may edit it, and to who has a link with a key.
func (h *Handler) preview(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "private, no-store")
	w.Header().Set("X-Robots-Tag", "noindex, nofollow")
	w.Header().Set("Referrer-Policy", "no-referrer") // the address may hold a key
	ctx, v, query := r.Context(), visitOf(r), r.URL.Query()
	id, err := stoa.ParseID(r.PathValue("id"))
	if err != nil {
		return stoa.NotFound("preview", 0)
	}
	key, live := query.Get("key"), query.Get("shown") == "published"
	var a content.Article
	if key != "" {
		a, err = h.opt.Content.PreviewBy(ctx, id, key, live)
	} else {
		a, err = h.opt.Content.Preview(ctx, id, live)
	}
	if err != nil {
		return err
	}
	if a.Instance != v.Instance.ID {
		return stoa.NotFound("preview", id)
	}
	if a.Site != v.Site.ID {
		st, err := h.opt.Sites.Site(ctx, a.Site)
		if err != nil {
			return err
		}
		v.Site, v.Locale, v.Prefix = st, st.Locale, "/web/"+st.Slug
	}
	if l, err := stoa.ParseLocale(query.Get("lang")); err == nil && l != v.Site.Locale && v.Site.Has(l) {
		v.Locale, v.Prefix = l, v.Prefix+"/"+string(l)
	}
	ctx = stoa.WithLocale(ctx, v.Locale)
	if a.Published.IsZero() {
		a.Published = h.opt.Now()
	}
	v.Path = content.Address(a.Slug)
	in := render.Input{Instance: v.Instance, Site: v.Site, Locale: v.Locale, Prefix: v.Prefix,
		Actor: stoa.ActorFrom(ctx), Path: v.Path, NoIndex: true}
	if err := h.article(ctx, v, &in, a); err != nil {
		return err
	}
	in.Bar = h.previewBar(r, v, a, live)
	out, err := h.opt.Render.Page(ctx, in)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(out.HTML) // a visitor who went away does not want it
	return nil
}

func (h *Handler) previewBar(r *http.Request, v *visit, a content.Article, live bool) *render.Bar {
	to := func(shown string) string {
		q := url.Values{}
		for _, name := range []string{"key", "lang"} {
			if s := r.URL.Query().Get(name); s != "" {
				q.Set(name, s)
			}
		}
		if shown != "" {
			q.Set("shown", shown)
		}
		return (&url.URL{Path: r.URL.Path, RawQuery: q.Encode()}).String()
	}
	b := &render.Bar{Label: v.word("Preview"), Note: v.word("Preview of a draft")}
	if live {
		b.Note = v.word("As visitors see it")
	}
	if a.Live > 0 {
		b.Links = []render.BarLink{{Title: v.word("Draft"), URL: to(""), Current: !live},
			{Title: v.word("Published"), URL: to("published"), Current: live}}
	}
	ctx := r.Context()
	if v.SignedIn && h.opt.Access.Can(ctx, access.Edit, v.Site.Path()) &&
		h.opt.Content.May(ctx, access.Edit, a) == nil {
		b.End = []render.BarLink{{Title: v.word("bar.edit"), Icon: "edit",
			URL: "/control/content/" + a.ID.String() + "?site=" + a.Site.String()}}
	}
	return b
}
