package page

import (
	"context"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
)

// Showing is a page whose text is an article.
type Showing struct {
	Path      access.Path // for permission checks; the page comes first
	Published bool
}

// Showing gives the pages of the site whose text is the article, in no order. It asks for no permission: it is for
// the service that keeps the texts.
func (s *Service) Showing(ctx context.Context, siteID, article stoa.ID) ([]Showing, error) {
	t, err := s.tree(ctx, siteID)
	if err != nil || len(t.texts[article]) == 0 {
		return nil, err
	}
	st, err := s.sites.Site(ctx, siteID)
	if err != nil {
		return nil, err
	}
	var out []Showing
	for _, id := range t.texts[article] {
		n := t.nodes[id]
		out = append(out, Showing{Path: s.pathOf(t, n, st.Path()), Published: n.Published})
	}
	return out, nil
}

// Barred gives the articles that are the text of a page of the site on which the actor may not do the action.
func (s *Service) Barred(ctx context.Context, siteID stoa.ID, a access.Action) ([]stoa.ID, error) {
	t, err := s.tree(ctx, siteID)
	if err != nil || len(t.texts) == 0 {
		return nil, err
	}
	st, err := s.sites.Site(ctx, siteID)
	if err != nil {
		return nil, err
	}
	var out []stoa.ID
	for article, pages := range t.texts {
		for _, id := range pages {
			if !s.access.Can(ctx, a, s.pathOf(t, t.nodes[id], st.Path())) {
				out = append(out, article)
				break
			}
		}
	}
	return out, nil
}

// OfArticle gives the first page of the site whose text is the article and that the actor may see, published ones
// before others. NotFound when there is none.
func (s *Service) OfArticle(ctx context.Context, siteID, article stoa.ID) (Node, error) {
	t, err := s.tree(ctx, siteID)
	if err != nil {
		return Node{}, err
	}
	st, err := s.sites.Site(ctx, siteID)
	if err != nil {
		return Node{}, err
	}
	var found Node
	for _, id := range t.texts[article] {
		n := t.nodes[id]
		need := access.View
		if !n.Published {
			need = access.Edit
		}
		if (found.ID == 0 || n.Published && !found.Published) && s.access.Can(ctx, need, s.pathOf(t, n, st.Path())) {
			found = n
		}
	}
	if found.ID == 0 {
		return Node{}, stoa.NotFound("page with the article", article)
	}
	return found, nil
}

// mayShow asks whether the actor may make the page p show the article it names.
func (s *Service) mayShow(ctx context.Context, p Page) error {
	if p.Type != TypeArticle || s.article == nil || stoa.ActorFrom(ctx).System {
		return nil
	}
	id, err := stoa.ParseID(p.Target)
	if err != nil {
		return stoa.Invalid("target", "%q is not the id of an article", p.Target)
	}
	if err := s.article(ctx, p.Site, id); err != nil {
		if stoa.Is(err, stoa.KindNotFound) {
			return stoa.Invalid("article", "there is no article %s in this site that you may show", id)
		}
		return err
	}
	return nil
}
