package web

import (
	"net/http"
	"net/url"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/render"
	"github.com/stoa-portal/stoa/widget"
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
	if a.Instance != v.instance.ID {
		return stoa.NotFound("preview", id)
	}
	if a.Site != v.site.ID {
		st, err := h.opt.Sites.Site(ctx, a.Site)
		if err != nil {
			return err
		}
		v.site, v.locale, v.prefix = st, st.Locale, "/web/"+st.Slug
	}
	if l, err := stoa.ParseLocale(query.Get("lang")); err == nil && l != v.site.Locale && v.site.Has(l) {
		v.locale, v.prefix = l, v.prefix+"/"+string(l)
	}
	ctx = stoa.WithLocale(ctx, v.locale)
	if a.Published.IsZero() {
		a.Published = h.opt.Now()
	}
	v.path = content.Address(a.Slug)
	in := render.Input{Instance: v.instance, Site: v.site, Locale: v.locale, Prefix: v.prefix,
		Actor: stoa.ActorFrom(ctx), Path: v.path, NoIndex: true}
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
	word := func(english string) string { return widget.Word(v.locale, english) }
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
	b := &render.Bar{Label: word("Preview"), Note: word("Preview of a draft")}
	if live {
		b.Note = word("As visitors see it")
	}
	if a.Live > 0 {
		b.Links = []render.BarLink{{Title: word("Draft"), URL: to(""), Current: !live},
			{Title: word("Published"), URL: to("published"), Current: live}}
	}
	ctx := r.Context()
	if v.signedIn && h.opt.Access.Can(ctx, access.Edit, v.site.Path()) &&
		h.opt.Content.May(ctx, access.Edit, a) == nil {
		b.End = []render.BarLink{{Title: lang.Word("bar.edit"), Icon: "edit",
			URL: "/control/content/" + a.ID.String() + "?site=" + a.Site.String()}}
	}
	return b
}
