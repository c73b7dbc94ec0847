package page

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/bulk"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/site"
)

// MaxBulk is how many pages PublishAll, UnpublishAll, TrashAll and MoveAll may be for: one transaction, which others
// wait for. Pages that go along because they are below one of them are not counted.
const MaxBulk = bulk.Portion

// The actions of package bulk with any number of pages.
const (
	BulkPublish   = "page.publish"
	BulkUnpublish = "page.unpublish"
	BulkTrash     = "page.delete" // into the recycle bin
)

// BulkActions are the actions as package bulk does them with any number of pages, each with the permission that it
// needs. A page that went to the recycle bin with one above it, which was chosen too, is where it should be.
func (s *Service) BulkActions() []bulk.Action {
	of := func(name string, title stoa.Phrase, do func(context.Context, *db.Tx, *forest, stoa.ID) error) bulk.Action {
		return bulk.Action{Name: name, Title: title, Do: func(ctx context.Context, tx *db.Tx, thing bulk.Thing) error {
			if thing.Kind != kindPage {
				return stoa.NotFound(kindPage, thing)
			}
			p, hidden, err := readAny(ctx, tx, thing.ID)
			if err != nil {
				return err
			}
			switch {
			case hidden && name == BulkTrash:
				return s.wasTrashed(ctx, tx, p)
			case hidden:
				return stoa.NotFound(kindPage, thing.ID)
			}
			f, err := s.forest(ctx, tx, p.Site)
			if err != nil {
				return err
			}
			if _, ok := f.nodes[thing.ID]; !ok { // it went to the bin meanwhile
				return stoa.NotFound(kindPage, thing.ID)
			}
			return do(ctx, tx, f, thing.ID)
		}}
	}
	return []bulk.Action{
		of(BulkPublish, "bulk.page.publish", s.publishIn),
		of(BulkUnpublish, "bulk.page.unpublish", s.unpublishIn),
		of(BulkTrash, "bulk.page.delete", s.trashIn),
	}
}

// wasTrashed asks whether the actor may know of a page in the recycle bin.
func (s *Service) wasTrashed(ctx context.Context, tx *db.Tx, p Page) error {
	st, err := s.sites.Site(ctx, p.Site)
	if err != nil {
		return err
	}
	path, _, _, err := trashedPath(ctx, tx, st, p.ID)
	if err != nil {
		return err
	}
	return s.access.Check(ctx, access.Edit, path)
}

// PublishAll shows visitors up to MaxBulk pages with their drafts, with the permission that Publish needs for each: all
// or, where one is refused, none. The error names that one if the actor may edit it. Pages that visitors see already
// and that have no draft stay as they are.
func (s *Service) PublishAll(ctx context.Context, ids []stoa.ID) error {
	return s.all(ctx, ids, s.publishIn)
}

// UnpublishAll hides up to MaxBulk pages from visitors, all or none, as PublishAll shows them.
func (s *Service) UnpublishAll(ctx context.Context, ids []stoa.ID) error {
	return s.all(ctx, ids, s.unpublishIn)
}

// TrashAll puts up to MaxBulk pages into the recycle bin, each with all below it, with the permission that Trash needs
// for each: all or none. A page below another one of them goes along with that one. It gives those that are entries of
// their own in the bin.
func (s *Service) TrashAll(ctx context.Context, ids []stoa.ID) (tops []stoa.ID, err error) {
	along := map[stoa.ID]bool{} // as the last try of the transaction found it
	err = s.all(ctx, ids, func(ctx context.Context, tx *db.Tx, f *forest, id stoa.ID) error {
		if along[id] = f.goesAlong(id); along[id] {
			return nil
		}
		return s.trashIn(ctx, tx, f, id)
	})
	if err != nil {
		return nil, err
	}
	for _, id := range slices.Sorted(maps.Keys(along)) {
		if !along[id] {
			tops = append(tops, id)
		}
	}
	return tops, nil
}

// MoveAll puts up to MaxBulk pages below a page of their site (0: the top) as Move does, all or none, in the order of
// the tree behind those that are there. A page below another one of them stays below that one.
func (s *Service) MoveAll(ctx context.Context, ids []stoa.ID, parent stoa.ID) error {
	return s.all(ctx, ids, func(ctx context.Context, tx *db.Tx, f *forest, id stoa.ID) error {
		n := f.nodes[id]
		switch {
		case f.goesAlong(id):
			return nil
		case n.Parent == parent: // it is there
			return s.access.Check(ctx, access.Edit, s.pathOf(f.tree, n, f.site.Path()))
		}
		return s.moveIn(ctx, tx, f.site, f.tree, id, parent, -1, n.Version)
	})
}

// forest is the tree of a site as it was when a transaction locked it, and the pages that were chosen of it. What is
// done with one of them changes nothing that is asked of the others: those below it go along with it.
type forest struct {
	*tree
	site   site.Site
	chosen map[stoa.ID]bool
}

// goesAlong reports whether a page above the page is one of the chosen.
func (f *forest) goesAlong(id stoa.ID) bool {
	return slices.ContainsFunc(f.ancestors(id), func(up stoa.ID) bool { return f.chosen[up] })
}

// forest locks the tree of a site and reads it.
func (s *Service) forest(ctx context.Context, tx *db.Tx, siteID stoa.ID) (*forest, error) {
	st, err := s.sites.Site(ctx, siteID)
	if err != nil {
		return nil, err
	}
	if err := s.lockTree(ctx, tx, siteID); err != nil {
		return nil, err
	}
	t, err := loadTree(ctx, tx, siteID)
	return &forest{tree: t, site: st, chosen: map[stoa.ID]bool{}}, err
}

// all does one thing with pages in one transaction, in the order of the tree.
func (s *Service) all(ctx context.Context, ids []stoa.ID,
	do func(context.Context, *db.Tx, *forest, stoa.ID) error,
) error {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	switch {
	case len(ids) == 0:
		return stoa.Invalid("id", "choose at least one page")
	case len(ids) > MaxBulk:
		return stoa.Invalid("id", "at most %d pages can be chosen at once; %d are", MaxBulk, len(ids))
	}
	return s.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		bySite, err := sitesOf(ctx, tx, ids)
		if err != nil {
			return err
		}
		for _, siteID := range slices.Sorted(maps.Keys(bySite)) { // in the same order as others, and in no ring
			f, err := s.forest(ctx, tx, siteID)
			if err != nil {
				return err
			}
			for _, id := range bySite[siteID] {
				if _, ok := f.nodes[id]; !ok { // another transaction was first
					return stoa.NotFound(kindPage, id)
				}
				f.chosen[id] = true
			}
			for _, id := range f.inOrder() {
				if err := do(ctx, tx, f, id); err != nil {
					return s.because(ctx, f, id, err)
				}
			}
		}
		return nil
	})
}

// sitesOf gives the pages by their site. One that is not there, or in the recycle bin, is NotFound.
func sitesOf(ctx context.Context, q db.Queryer, ids []stoa.ID) (map[stoa.ID][]stoa.ID, error) {
	sites := map[stoa.ID]stoa.ID{}
	err := db.Each(ctx, q, func(r db.Scanner) error {
		var id, siteID stoa.ID
		err := r.Scan(&id, &siteID)
		sites[id] = siteID
		return err
	}, "SELECT id, site FROM page_page WHERE id IN "+db.In(len(ids)), db.Args(ids)...)
	if err != nil {
		return nil, err
	}
	out := map[stoa.ID][]stoa.ID{}
	for _, id := range ids {
		siteID, ok := sites[id]
		if !ok || siteID >= asset.Hidden {
			return nil, stoa.NotFound(kindPage, id)
		}
		out[siteID] = append(out[siteID], id)
	}
	return out, nil
}

// inOrder gives the chosen pages in the order of the tree: each before those below it.
func (f *forest) inOrder() []stoa.ID {
	out := make([]stoa.ID, 0, len(f.chosen))
	var walk func(ids []stoa.ID, depth int)
	walk = func(ids []stoa.ID, depth int) {
		for _, id := range ids {
			if f.chosen[id] {
				out = append(out, id)
			}
			if depth <= maxDepth {
				walk(f.below[id], depth+1)
			}
		}
	}
	walk(f.roots, 0)
	return out
}

// because names the page that keeps the others from being changed, to those who may edit it: the ids are those of a
// form, so they may be of another site or instance.
func (s *Service) because(ctx context.Context, f *forest, id stoa.ID, err error) error {
	n := f.nodes[id]
	var e *stoa.Error
	if !errors.As(err, &e) || e.Kind == stoa.KindInternal || e.Kind == stoa.KindUnavailable ||
		e.Kind == stoa.KindNotFound || !s.access.Can(ctx, access.Edit, s.pathOf(f.tree, n, f.site.Path())) {
		return err
	}
	const because = "nothing was done, because of the page at %s: %s"
	return &stoa.Error{Kind: e.Kind, Field: e.Field, Err: e.Err, // the cause tells the audit log of a refusal
		Message: fmt.Sprintf(because, n.Path, e.Message), Sentence: because, Args: []any{n.Path, e}}
}

func (s *Service) publishIn(ctx context.Context, tx *db.Tx, f *forest, id stoa.ID) error {
	n := f.nodes[id]
	if err := s.access.Check(ctx, access.Publish, s.pathOf(f.tree, n, f.site.Path())); err != nil {
		return err
	}
	if n.Published && !n.HasDraft {
		return nil
	}
	return s.publishTx(ctx, tx, id, n.Version)
}

func (s *Service) unpublishIn(ctx context.Context, tx *db.Tx, f *forest, id stoa.ID) error {
	n := f.nodes[id]
	if err := s.access.Check(ctx, access.Publish, s.pathOf(f.tree, n, f.site.Path())); err != nil {
		return err
	}
	if !n.Published {
		return nil
	}
	p, err := read(ctx, tx, id)
	if err != nil {
		return err
	}
	return s.setTx(ctx, tx, p, n.Version, "published", false)
}

func (s *Service) trashIn(ctx context.Context, tx *db.Tx, f *forest, id stoa.ID) error {
	p, err := read(ctx, tx, id)
	if err != nil {
		return err
	}
	return s.removeIn(ctx, tx, f.site, f.tree, p)
}
