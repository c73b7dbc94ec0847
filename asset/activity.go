package asset

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/site"
)

// Deed is what was done to a thing, several times in a row where it was the same of the same person.
type Deed struct {
	Entry
	Event audit.Event // without where it came from
}

// Activity is a page of what was done in a site.
type Activity struct {
	Items []Deed
	Next  string // for the page after; empty when there is no more
}

// Activity tells who did what with the content of a site, the newest first and not before since (zero: as long as the
// audit log is kept): at most limit (1 to 200) deeds with things that the actor may edit, behind after, which is Next
// of the page before and empty for the first. A page can have fewer, none even, though Next says that there are more.
// What was deleted for good is not told of, since no one can be asked who may know. It needs Edit on the site. A place
// that there is not is Invalid.
func (s *Service) Activity(ctx context.Context, st site.Site, since time.Time, after string, limit int) (
	Activity, error) {
	if err := s.access.Check(ctx, access.Edit, st.Path()); err != nil {
		return Activity{}, err
	}
	limit = min(max(limit, 1), 200)
	var out Activity
	q := db.Reader(ctx, s.db)
	for looked := 0; ; {
		const portion = 200
		page, err := audit.Lately(ctx, q, st.Instance, since, after, portion)
		if err != nil {
			return Activity{}, err
		}
		var refs []Ref
		for _, e := range page.Events {
			if _, known := s.Type(e.Thing.Kind); known && audit.OfContent(e.Action) {
				refs = append(refs, Ref{Kind: e.Thing.Kind, ID: e.Thing.ID})
			}
		}
		entries, err := s.entriesOf(ctx, q, refs)
		if err != nil {
			return Activity{}, err
		}
		may := map[Ref]bool{}
		for ref, e := range entries {
			if e.Site == st.ID {
				if may[ref], err = s.allowed(ctx, access.Edit, e); err != nil {
					return Activity{}, fmt.Errorf("ask who may know of %s: %w", ref, err)
				}
			}
		}
		for _, e := range page.Events {
			ref := Ref{Kind: e.Thing.Kind, ID: e.Thing.ID}
			if may[ref] && audit.OfContent(e.Action) {
				d := Deed{entries[ref], e}
				switch n := len(out.Items); {
				case n > 0 && out.Items[n-1].again(d):
					out.Items[n-1].Event.Times++
				case n == limit:
					out.Next = after
					return out, nil
				default:
					out.Items = append(out.Items, d)
				}
			}
			after = e.Place()
		}
		if looked += len(page.Events); page.Next == "" || looked >= mostLooked {
			out.Next = page.Next
			return out, nil
		}
		after = page.Next
	}
}

// again reports whether the deed before was the same: a person who saves a text ten times has changed it.
func (d Deed) again(before Deed) bool {
	a, b := d.Event, before.Event
	return a.Thing.Kind == b.Thing.Kind && a.Thing.ID == b.Thing.ID && a.Action == b.Action && a.Actor == b.Actor &&
		a.Portal == b.Portal && a.At.Sub(b.At) < time.Hour
}

// Whole reports whether the entries of all kinds are made, so that nothing older misses in what is made of them. While
// nodes of a version before run, what they write is entered some seconds later.
func (s *Service) Whole(ctx context.Context) (bool, error) {
	all, err := s.Standings(ctx)
	return err == nil && !slices.ContainsFunc(all, func(st Standing) bool { return st.Passes == 0 && !st.Ready }), err
}
