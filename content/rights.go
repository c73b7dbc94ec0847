package content

import (
	"context"
	"slices"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
)

// PageOf is a page of the tree whose text is an article.
type PageOf struct {
	Path      access.Path // for permission checks; the page comes first
	Published bool
}

// Pages tells which pages an article is the text of. *page.Service answers, by way of package server.
type Pages interface {
	// Showing gives the pages of the site whose text is the article.
	Showing(ctx context.Context, site, article stoa.ID) ([]PageOf, error)
	// Barred gives the articles that are the text of a page of the site on which the actor may not do the action.
	Barred(ctx context.Context, site stoa.ID, a access.Action) ([]stoa.ID, error)
}

// May asks whether the actor may do something with an article other than read it as a visitor. The text of a page is
// governed by the pages that show it, each of which must allow it; every other article by its own way up.
func (s *Service) May(ctx context.Context, act access.Action, a Article) error {
	paths, err := s.ways(ctx, a)
	if err != nil {
		return err
	}
	for _, p := range paths {
		if err := s.o.Access.Check(ctx, act, p); err != nil {
			return err
		}
	}
	return nil
}

// ways gives the paths that permission on an article is asked along.
func (s *Service) ways(ctx context.Context, a Article) ([]access.Path, error) {
	pages, err := s.showing(ctx, a)
	if err != nil {
		return nil, err
	}
	if len(pages) == 0 {
		return []access.Path{a.Path()}, nil
	}
	out := make([]access.Path, 0, len(pages))
	for _, p := range pages {
		out = append(out, a.on(p))
	}
	return out, nil
}

// on is the way from the article up through a page that shows it.
func (a Article) on(p PageOf) access.Path {
	return append(access.Path{{Kind: "article", ID: a.ID}}, p.Path...)
}

// showing gives the pages that govern the article: none unless it is the text of a page. The portal itself may do
// everything, so that it is spared the look.
func (s *Service) showing(ctx context.Context, a Article) ([]PageOf, error) {
	if a.Kind != KindPage || s.o.Pages == nil || stoa.ActorFrom(ctx).System {
		return nil, nil
	}
	return s.o.Pages.Showing(ctx, a.Site, a.ID)
}

// seen asks whether a visitor may have the published version. The text of a page is there for those who may see a page
// that shows it: page names the one, 0 any.
func (s *Service) seen(ctx context.Context, a Article, page stoa.ID) error {
	if a.Kind != KindPage || s.o.Pages == nil {
		return s.o.Access.Check(ctx, access.View, a.Path())
	}
	pages, err := s.o.Pages.Showing(ctx, a.Site, a.ID)
	if err != nil {
		return err
	}
	var refused error = stoa.NotFound("article", a.ID)
	for _, p := range pages {
		if page != 0 && p.Path[0].ID != page {
			continue
		}
		need := access.View
		if !p.Published {
			need = access.Edit
		}
		if refused = s.o.Access.Check(ctx, need, a.on(p)); refused == nil {
			return nil
		}
	}
	return refused
}

// LiveOn gives the version that visitors see to the page of the site that shows it as its text. It is the one way to
// the text of a page, and needs View on that page (Edit while the page is not published); of other articles it needs
// View on the article. An article of another site is NotFound. The password of the page is the caller's to ask for.
func (s *Service) LiveOn(ctx context.Context, site, page, id stoa.ID) (Article, error) {
	a, err := s.published(ctx, id)
	if err != nil {
		return Article{}, err
	}
	if a.Site != site {
		return Article{}, stoa.NotFound("article", id)
	}
	return a, s.seen(ctx, a, page)
}

// TextOfPage gives the article with the address when it is the published text of a page, and else NotFound. It tells
// no more than that and asks for no permission: who may see the page is asked there.
func (s *Service) TextOfPage(ctx context.Context, site stoa.ID, slug string) (stoa.ID, error) {
	id, err := s.bySlug(ctx, site, slug)
	if err != nil {
		return 0, err
	}
	a, err := s.published(ctx, id)
	if err == nil && a.Kind != KindPage {
		err = stoa.NotFound("article", slug)
	}
	return id, err
}

// MayShow asks whether the actor may make a page of the site show the article. Who shows the text of a page on another
// one shows it to other people, so it needs Publish on the pages that have it already.
func (s *Service) MayShow(ctx context.Context, site, id stoa.ID) error {
	a, err := read(ctx, s.o.DB, id)
	if err != nil {
		return err
	}
	if a.Site != site {
		return stoa.NotFound("article", id)
	}
	pages, err := s.showing(ctx, a.Article)
	if err != nil {
		return err
	}
	for _, p := range pages {
		if err := s.o.Access.Check(ctx, access.Publish, a.on(p)); err != nil {
			return err
		}
	}
	return nil
}

// held refuses a save of an editor who may not publish and who changes what visitors see at once: the properties of an
// article that is published or scheduled. Its text is a draft, and theirs to write.
func (s *Service) held(ctx context.Context, a row, d Draft) error {
	if a.Live == 0 && a.Pending == 0 {
		return s.freed(ctx, a, d)
	}
	field, what := "", stoa.Phrase("")
	switch {
	case d.Password != nil && d.hash != a.hash:
		field, what = "password", "the password"
	case d.Slug != a.Slug:
		field, what = "slug", "the address"
	case d.Kind != a.Kind:
		field, what = "kind", "the kind"
	case d.Author != a.Author || d.AuthorName != a.AuthorName:
		field, what = "author", "the author"
	case !d.Published.Equal(a.Published):
		field, what = "published", "the time of publication"
	case d.Sticky != a.Sticky:
		field, what = "sticky", "the place in lists"
	case !sameIDs(d.Categories, a.Categories):
		field, what = "categories", "the categories"
	case !sameIDs(d.Tags, a.Tags):
		field, what = "tags", "the tags"
	default:
		return nil
	}
	if err := s.May(ctx, access.Publish, a.Article); err != nil {
		if !stoa.Is(err, stoa.KindForbidden) {
			return err
		}
		e := stoa.Forbidden("changing %s of this article takes effect for visitors at once, so it needs the right to "+
			"publish; the text can be saved as a draft", what)
		e.Field, e.Err = field, err
		return e
	}
	return s.freed(ctx, a, d)
}

// freed asks for Manage on the pages whose text becomes an article of its own, when more people could read it then.
func (s *Service) freed(ctx context.Context, a row, d Draft) error {
	if a.Kind != KindPage || d.Kind == KindPage {
		return nil
	}
	pages, err := s.showing(ctx, a.Article)
	if err != nil {
		return err
	}
	for _, p := range pages {
		wider, err := s.o.Access.Widens(ctx, a.on(p), a.Path())
		if err != nil {
			return err
		}
		if wider {
			if err := s.o.Access.Check(ctx, access.Manage, a.on(p)); err != nil {
				return err
			}
		}
	}
	return nil
}

func sameIDs(a, b []stoa.ID) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}
