package pages

import (
	"context"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/site"
)

// openArticles gives the articles that a page shows and that guests may read at their own addresses, although the page
// asks for a password or is not for guests: what protects the page does not protect them.
func (h *screens) openArticles(ctx context.Context, st site.Site, p page.Page, path access.Path) ([]admin.Link, error) {
	if h.o.Content == nil || !p.Protected && h.o.Access.GuestCan(ctx, st.Instance, access.View, path) {
		return nil, nil
	}
	var shown []string
	if p.Type == page.TypeArticle {
		shown = append(shown, p.Target)
	}
	if p.Type == page.TypeWidgets {
		take := func(w page.Placed) {
			if w.Widget == "web-content" {
				shown = append(shown, w.Settings["article"])
			}
		}
		p.Layout.Each(take)
		if p.Draft != nil {
			p.Draft.Each(take)
		}
	}
	guest, err := h.o.Access.GuestActor(ctx, st.Instance)
	if err != nil {
		return nil, err
	}
	var out []admin.Link
	seen := map[stoa.ID]bool{}
	for _, s := range shown {
		id, err := stoa.ParseID(s)
		if err != nil || seen[id] {
			continue
		}
		seen[id] = true
		a, err := h.o.Content.Live(stoa.WithActor(ctx, guest), id)
		switch {
		case stoa.Is(err, stoa.KindNotFound), stoa.Is(err, stoa.KindUnauthorized):
			continue
		case err != nil:
			return nil, err
		}
		if !a.Locked && a.Site == st.ID {
			out = append(out, admin.Link{Title: a.In(st.Locale).Title, URL: content.Address(a.Slug)})
		}
	}
	return out, nil
}
