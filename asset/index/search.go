package index

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/search"
	"github.com/stoa-portal/stoa/site"
)

// Question is what a person searches for.
type Question struct {
	Typed  string      // words, "phrases" and -excluded ones
	Site   stoa.ID     // whose things; 0: all sites of the instance
	Locale stoa.Locale // of the page on which it is asked
	Prefix bool        // the last word is still being typed
	Titles bool        // titles alone, for suggestions
	Narrow map[search.Facet][]string
	Since  time.Time
	Until  time.Time
	Order  search.Order
	Facets []search.Facet
	Size   int    // hits; 1 to search.MaxSize
	After  string // Answer.Next
}

// Answer is what was found.
type Answer struct {
	Words   search.Words
	Hits    []Found
	Total   int
	More    bool // there are more than Total
	Facets  map[search.Facet][]search.Count
	Next    string
	Instead string
}

// Found is a thing that the actor may view, as its row is now.
type Found struct {
	asset.Entry
	Site    site.Site
	Address string // its path within the site
	Title   Excerpt
	Text    Excerpt
	Locale  stoa.Locale // that title and text are in
	Changed time.Time
}

// Search answers a question about the instance: of what the actor may view, and nothing else takes part in numbers. A
// site of another instance is NotFound.
func (s *Service) Search(ctx context.Context, instance stoa.ID, ask Question) (Answer, error) {
	a := Answer{Words: search.Parse(ask.Typed)}
	q := search.Query{
		Instance: instance, Words: a.Words, Prefix: ask.Prefix, Titles: ask.Titles, Locale: ask.Locale,
		Narrow: ask.Narrow, Since: ask.Since, Until: ask.Until, Order: ask.Order, Facets: ask.Facets,
		Size: min(max(ask.Size, 1), search.MaxSize), After: ask.After, Now: time.Now(),
	}
	if ask.Site != 0 {
		st, err := s.o.Sites.Site(ctx, ask.Site)
		if err != nil {
			return a, err
		}
		if st.Instance != instance {
			return a, stoa.NotFound("site", ask.Site)
		}
		q.Sites = []stoa.ID{ask.Site}
	}
	if a.Words.Empty() && len(ask.Narrow) == 0 {
		return a, nil
	}
	if err := s.usable(ctx); err != nil {
		return a, err
	}
	// A person searches for what that person has written; suggestions, asked for with each key, may lack it.
	if s.o.Settle != nil && !ask.Titles && stoa.ActorFrom(ctx).SignedIn() {
		if err := s.o.Settle(ctx); err != nil {
			return a, err
		}
	}
	if err := s.may(ctx, &q); err != nil {
		return a, err
	}
	res, err := s.o.Engine.Search(ctx, q)
	if err != nil {
		if s.o.Failed != nil && ctx.Err() == nil {
			s.o.Failed(err)
		}
		return a, fmt.Errorf("search: %w", err)
	}
	a.Total, a.More, a.Facets, a.Next, a.Instead = res.Total, res.More, res.Facets, res.Next, res.Instead
	a.Hits, err = s.show(ctx, res.Hits, ask, a.Words)
	return a, err
}

// show makes of hits what is shown of them. What has changed since it was indexed, so that the actor may not view it,
// is left out.
func (s *Service) show(
	ctx context.Context, hits []search.Hit, ask Question, words search.Words,
) ([]Found, error) {
	found := map[search.Key]Found{}
	for _, t := range s.types() {
		var ids []stoa.ID
		for _, h := range hits {
			if h.Kind == t.Kind {
				ids = append(ids, h.ID)
			}
		}
		if len(ids) == 0 {
			continue
		}
		if err := s.showKind(ctx, t, ids, ask, words, found); err != nil {
			return nil, err
		}
	}
	var out []Found
	for _, h := range hits {
		if f, ok := found[h.Key]; ok {
			out = append(out, f)
		}
	}
	return out, nil
}

func (s *Service) showKind(
	ctx context.Context, t asset.Type, ids []stoa.ID, ask Question, words search.Words, found map[search.Key]Found,
) error {
	entries, err := t.Read(ctx, s.o.DB, ids)
	if err != nil {
		return fmt.Errorf("search: read what was found: %w", err)
	}
	docs, err := t.Found.Documents(ctx, s.o.DB, ids)
	if err != nil {
		return fmt.Errorf("search: read the text of what was found: %w", err)
	}
	for _, e := range entries {
		i := slices.IndexFunc(docs, func(d search.Document) bool { return d.ID == e.ID })
		if i < 0 || t.May(ctx, access.View, e) != nil {
			continue
		}
		st, err := s.o.Sites.Site(ctx, e.Site)
		if err != nil {
			return err
		}
		f := Found{Entry: e, Site: st, Changed: docs[i].Modified}
		if f.Address, err = t.Found.Address(ctx, s.o.DB, e); db.IsNoRows(err) {
			continue // deleted since its row was read
		}
		if err != nil {
			return fmt.Errorf("search: read the address of what was found: %w", err)
		}
		text, in := docs[i].Find(ask.Locale, st.Locale)
		f.Locale = in
		f.Title = mark(text.Title, words)
		if !ask.Titles {
			f.Text = excerpt(text.Body, words)
		}
		found[search.Key{Kind: t.Kind, ID: e.ID}] = f
	}
	return nil
}
