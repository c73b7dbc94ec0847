package server

import (
	"context"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/page"
)

// pagesOf tells the articles which pages show them as their text.
type pagesOf struct{ pages *page.Service }

// Showing gives the pages of the site whose text is the article.
func (p pagesOf) Showing(ctx context.Context, site, article stoa.ID) ([]content.PageOf, error) {
	list, err := p.pages.Showing(ctx, site, article)
	out := make([]content.PageOf, len(list))
	for i, s := range list {
		out[i] = content.PageOf{Path: s.Path, Published: s.Published}
	}
	return out, err
}

// Barred gives the articles that are the text of a page on which the actor may not do the action.
func (p pagesOf) Barred(ctx context.Context, site stoa.ID, a access.Action) ([]stoa.ID, error) {
	return p.pages.Barred(ctx, site, a)
}
