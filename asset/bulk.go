package asset

import (
	"context"
	"fmt"
	"slices"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/bulk"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/recycle"
	"github.com/stoa-portal/stoa/site"
)

// The actions of package bulk with things in the recycle bin.
const (
	BulkRestore = "trash.restore"
	BulkPurge   = "trash.purge"
)

// BulkActions are Restore and Purge as package bulk does them with any number of things.
func (s *Service) BulkActions() []bulk.Action {
	of := func(name string, title stoa.Phrase,
		do func(context.Context, *db.Tx, recycle.Kind, stoa.ID) error) bulk.Action {
		return bulk.Action{Name: name, Title: title, Do: func(ctx context.Context, tx *db.Tx, t bulk.Thing) error {
			kind, ok := s.BinKind(t.Kind)
			if !ok {
				return stoa.NotFound("thing in the recycle bin", t.ID)
			}
			return do(ctx, tx, kind, t.ID)
		}}
	}
	return []bulk.Action{
		of(BulkRestore, "bulk.trash.restore", func(ctx context.Context, tx *db.Tx, k recycle.Kind, id stoa.ID) error {
			_, err := k.Restore(ctx, tx, id, nil)
			return err
		}),
		of(BulkPurge, "bulk.trash.purge", purge),
	}
}

// InOrder does one of BulkActions with at most MaxTrash things in one transaction, in their order, all or nothing.
func (s *Service) InOrder(ctx context.Context, action string, things []bulk.Thing) error {
	i := slices.IndexFunc(s.BulkActions(), func(a bulk.Action) bool { return a.Name == action })
	if i < 0 || len(things) > MaxTrash {
		return fmt.Errorf("asset: %s with %d things in one transaction", action, len(things))
	}
	do := s.BulkActions()[i].Do
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		for _, t := range things {
			if err := do(ctx, tx, t); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("asset: %s: %w", action, err)
	}
	return nil
}

// AllTrash gives all that Trash gives of the recycle bin of a site, whatever the page, for a bulk action: the newest
// first, so that a page comes back before those that went to the bin earlier from below it; or the oldest first, so
// that such a page goes for good before the one above it. It needs Edit on the site. More than bulk.MostThings are
// Invalid.
func (s *Service) AllTrash(ctx context.Context, st site.Site, oldest bool) ([]bulk.Thing, error) {
	if err := s.access.Check(ctx, access.Edit, st.Path()); err != nil {
		return nil, err
	}
	var out []bulk.Thing
	at, id, err := trashPlace("")
	if err != nil {
		return nil, err
	}
	for {
		batch, err := trashBatch(ctx, s.db, st, false, at, id, MaxTrash)
		if err != nil {
			return nil, fmt.Errorf("asset: list the recycle bin of site %d: %w", st.ID, err)
		}
		for _, t := range batch {
			ok, err := s.trashAllowed(ctx, t)
			if err != nil {
				return nil, err
			}
			if ok {
				out = append(out, bulk.Thing{Kind: t.Kind, ID: t.ID})
			}
			at, id = db.Micros(t.At), t.ID
		}
		if len(out) > bulk.MostThings {
			return nil, stoa.Invalid("thing", "more than %d things are in the recycle bin", bulk.MostThings)
		}
		if len(batch) < MaxTrash {
			break
		}
	}
	if oldest {
		slices.Reverse(out)
	}
	return out, nil
}

// Editable gives the entries of those of the things that the actor may edit, also of those in the recycle bin.
func (s *Service) Editable(ctx context.Context, things []bulk.Thing) (map[bulk.Thing]Entry, error) {
	byKind := map[string][]stoa.ID{}
	for _, t := range things {
		byKind[t.Kind] = append(byKind[t.Kind], t.ID)
	}
	out := map[bulk.Thing]Entry{}
	for kind, ids := range byKind {
		for len(ids) > 0 {
			part := ids[:min(len(ids), mostIDs)]
			ids = ids[len(part):]
			rows, err := db.All(ctx, s.db, scanRow, "SELECT "+columns+" FROM asset_entry e WHERE e.kind = ? AND e.id IN "+
				db.In(len(part)), append([]any{kind}, db.Args(part)...)...)
			if err != nil {
				return nil, fmt.Errorf("asset: read entries: %w", err)
			}
			for _, r := range rows {
				ok, err := s.allowed(ctx, access.Edit, r.Entry)
				if err != nil {
					return nil, err
				}
				if ok {
					out[bulk.Thing{Kind: kind, ID: r.ID}] = r.Entry
				}
			}
		}
	}
	return out, nil
}

// Matching gives all that List gives with the filter, on all its pages, for a bulk action. More than bulk.MostThings
// are Invalid.
func (s *Service) Matching(ctx context.Context, st site.Site, f Filter) ([]bulk.Thing, error) {
	var out []bulk.Thing
	f.Limit, f.After, f.Before = 200, "", "" // with Before, the next page would be that before it, again and again
	for {
		l, err := s.List(ctx, st, f)
		if err != nil {
			return nil, err
		}
		for _, e := range l.Items {
			out = append(out, bulk.Thing{Kind: e.Kind, ID: e.ID})
		}
		if len(out) > bulk.MostThings {
			return nil, stoa.Invalid("q", "more than %d things fit this filter; narrow it", bulk.MostThings)
		}
		if l.Next == "" {
			return out, nil
		}
		f.After = l.Next
	}
}
