package web

import (
	"cmp"
	"context"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/render"
)

// bar gives the ways into the control panel that the person has from what is shown, p or the article of v, or nil
// when there are none. Each link stands there only when the screen that it leads to lets the person in.
func (h *Handler) bar(ctx context.Context, v *visit, p *page.Page) *render.Bar {
	words := lang.In(cmp.Or(stoa.ActorFrom(ctx).Locale, v.Locale))
	b := &render.Bar{Label: words.Word("bar.label"), Lang: string(words.Locale())}
	writes := h.opt.Access.Can(ctx, access.Edit, v.Site.Path())
	site := "?site=" + v.Site.ID.String()
	var own access.Path
	if p != nil {
		if path, err := h.opt.Pages.Path(ctx, *p); err == nil && h.opt.Access.Can(ctx, access.Edit, path) {
			own = path
		}
	}
	switch {
	case v.article != nil && writes && h.opt.Content.May(ctx, access.Edit, *v.article) == nil:
		word := words.Word("bar.edit-article")
		if p != nil {
			word = words.Word("bar.edit-page")
		}
		to := "/control/content/" + v.article.ID.String() + site
		if v.Locale != v.article.Default {
			to += "&lang=" + string(v.Locale)
		}
		b.Links = append(b.Links, render.BarLink{Title: word, URL: to, Icon: "edit"})
	case own != nil:
		to := "/control/pages/" + p.ID.String()
		if p.Type == page.TypeWidgets {
			to += "/edit"
		}
		b.Links = append(b.Links, render.BarLink{Title: words.Word("bar.edit-page"), URL: to + site, Icon: "edit"})
	}
	if writes {
		b.New = words.Word("bar.new")
		b.Make = []render.BarLink{{Title: words.Word("bar.new-page"), URL: "/control/pages/new" + site, Icon: "page"},
			{Title: words.Word("bar.new-article"), URL: "/control/content/new" + site, Icon: "article"}}
	}
	if len(b.Links) == 0 && len(b.Make) == 0 {
		return nil
	}
	b.End = []render.BarLink{{Title: words.Word("bar.panel"), URL: "/control/" + site, Icon: "settings"}}
	return b
}
