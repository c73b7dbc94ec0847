package asset

import (
	"context"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/recycle"
	"github.com/stoa-portal/stoa/site"
)

// SetNarrow sets how many things a condition may leave to be looked up one by one; 0 makes every list follow an index.
func (s *Service) SetNarrow(n int) { s.narrow = n }

// ListFrom is List that reads from q.
func (s *Service) ListFrom(ctx context.Context, q db.Queryer, st site.Site, f Filter) (List, error) {
	return s.list(ctx, q, st, f)
}

// CountFrom is Count that reads from q.
func (s *Service) CountFrom(ctx context.Context, q db.Queryer, st site.Site, f Filter) (int, bool, error) {
	return s.count(ctx, q, st, f)
}

// TrashFrom is FindTrash that reads from q.
func (s *Service) TrashFrom(ctx context.Context, q db.Queryer, st site.Site, f TrashFilter) (TrashList, error) {
	return s.findTrash(ctx, q, st, f)
}

// GoneFrom reads from q what was at an address.
func GoneFrom(ctx context.Context, q db.Queryer, site stoa.ID, address string) (Entry, error) {
	r, err := readGone(ctx, q, site, recycle.Hash(address))
	return r.Entry, err
}

// OldTrashFrom reads from q what came into the recycle bin before a moment, in microseconds, behind another one.
func OldTrashFrom(ctx context.Context, q db.Queryer, before, after int64) (int, error) {
	list, err := oldTrash(ctx, q, before, old{at: after})
	return len(list), err
}

// MomentsFrom reads the first n moments of a site in a span of time from q.
func (s *Service) MomentsFrom(ctx context.Context, q db.Queryer, site stoa.ID, from, to int64, n int) ([]Moment,
	error) {
	return s.moments(ctx, q, site, moment{at: from}, to, n)
}
