package asset

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/job"
)

const (
	// schema is the migration from which on nodes write entries themselves.
	schema = 104
	// maxBatch is how many things are compared at once.
	maxBatch = 200
	// maxHeld is how many rows of owners a transaction holds that was not asked for: a save of one of them waits for it.
	maxHeld = 20
)

// Fill makes the entries of things as their rows are: it writes those that differ and removes those whose row is gone.
// It is what stands in for a node of a version that writes no entries, so calling it late or twice does no harm. It
// gives the number of entries that it changed. Of at most 200 things at once, and only for the portal itself.
func (s *Service) Fill(ctx context.Context, kind string, ids ...stoa.ID) (changed int, err error) {
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		changed, err = s.FillTx(ctx, tx, kind, ids...)
		return err
	})
	return changed, err
}

// FillTx is Fill in a transaction of the caller. It holds only rows whose entry differs: mostly there are none.
func (s *Service) FillTx(ctx context.Context, tx *db.Tx, kind string, ids ...stoa.ID) (changed int, err error) {
	if !stoa.ActorFrom(ctx).System {
		return 0, stoa.Forbidden("only the portal itself fills entries")
	}
	t, ok := s.Type(kind)
	if !ok || len(ids) > maxBatch {
		return 0, fmt.Errorf("asset: fill at most %d things of a known kind, not %d of %q", maxBatch, len(ids), kind)
	}
	ids, err = differing(ctx, tx, t, ids)
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	// The rows stay as they are until the entries are written, as in a transaction of the owner.
	locked, err := hold(ctx, tx, t, ids)
	if err != nil {
		return 0, err
	}
	want, have, err := both(ctx, tx, t, locked, ids)
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		w, there := want[id]
		h, known := have[id]
		switch {
		case there && known && w.same(h), !there && !known:
			continue
		case there:
			if err = Put(ctx, tx, w.Entry); err == nil {
				err = s.relink(ctx, tx, t, w.Entry)
			}
		default:
			err = Remove(ctx, tx, kind, id)
		}
		if err != nil {
			return changed, err
		}
		changed++
	}
	return changed, nil
}

// hold locks the rows of things until the end of the transaction and gives those that there are.
func hold(ctx context.Context, tx *db.Tx, t Type, ids []stoa.ID) ([]stoa.ID, error) {
	locked, err := readIDs(ctx, tx, "SELECT id FROM "+t.Table+" WHERE id IN "+db.In(len(ids))+" ORDER BY id"+
		tx.Dialect().ForUpdate(), db.Args(ids)...)
	if err != nil {
		return nil, fmt.Errorf("hold the rows of the kind %s: %w", t.Kind, err)
	}
	return locked, nil
}

func readIDs(ctx context.Context, q db.Queryer, query string, args ...any) ([]stoa.ID, error) {
	return db.All(ctx, q, func(r db.Scanner) (id stoa.ID, err error) { return id, r.Scan(&id) }, query, args...)
}

// both gives the entries as they should be, of the rows, and as they are, of all ids.
func both(ctx context.Context, q db.Queryer, t Type, rows, ids []stoa.ID) (want, have map[stoa.ID]row, err error) {
	want, have = map[stoa.ID]row{}, map[stoa.ID]row{}
	if len(rows) > 0 {
		entries, err := t.Read(ctx, q, rows)
		if err != nil {
			return nil, nil, fmt.Errorf("read the rows of the kind %s: %w", t.Kind, err)
		}
		for _, e := range entries {
			if want[e.ID], err = rowOf(e); err != nil {
				return nil, nil, err
			}
		}
	}
	err = db.Each(ctx, q, func(r db.Scanner) error {
		one, err := scanRow(r)
		have[one.ID] = one
		return err
	}, "SELECT "+columns+" FROM asset_entry e WHERE e.kind = ? AND e.id IN "+db.In(len(ids)),
		append([]any{t.Kind}, db.Args(ids)...)...)
	if err != nil {
		return nil, nil, fmt.Errorf("read the entries of the kind %s: %w", t.Kind, err)
	}
	return want, have, nil
}

// Standing is how far the entries of a kind have been compared with their owner's rows.
type Standing struct {
	Kind     string
	Last     stoa.ID   // all things up to this one in this pass
	Passes   int64     // how often all were compared
	Compared int64     // things, of all passes
	Mended   int64     // entries that were written or removed then
	Ready    bool      // lists can be made from the entries
	Touched  time.Time // of the last batch

	sure bool // since this pass began, each node writes entries itself
}

func readStanding(ctx context.Context, q db.Queryer, kind string) (Standing, error) {
	st := Standing{Kind: kind}
	var touched int64
	err := q.QueryRow(ctx, "SELECT last, sure, ready, passes, compared, mended, touched FROM asset_fill WHERE kind = ?",
		kind).Scan(&st.Last, &st.sure, &st.Ready, &st.Passes, &st.Compared, &st.Mended, &touched)
	if err != nil && !db.IsNoRows(err) {
		return st, fmt.Errorf("read how far the kind %s was compared: %w", kind, err)
	}
	st.Touched = db.Time(touched)
	return st, nil
}

// Standings gives how far each kind was compared, in the order of the types.
func (s *Service) Standings(ctx context.Context) ([]Standing, error) {
	var out []Standing
	for _, t := range s.types {
		st, err := readStanding(ctx, s.db, t.Kind)
		if err != nil {
			return nil, err
		}
		out = append(out, st)
	}
	return out, nil
}

// Ready reports whether lists of the kinds can be made from their entries: all were compared with their owners' rows
// once since no node of a version runs that writes none. Until then lists read the owners' tables.
func (s *Service) Ready(ctx context.Context, kinds ...string) (bool, error) {
	for _, kind := range kinds {
		st, err := readStanding(ctx, s.db, kind)
		if err != nil || !st.Ready {
			return false, err
		}
	}
	return true, nil
}

// Begin says of a database in which nothing was made yet that its entries are whole: there is nothing older than they
// are, so that lists are made of them from the start. Of a kind that has rows already it says nothing. Should a node
// of a version join that writes no entries, the follower makes them within seconds. Only for the portal itself.
func (s *Service) Begin(ctx context.Context) error {
	if !stoa.ActorFrom(ctx).System {
		return stoa.Forbidden("only the portal itself fills entries")
	}
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		for _, t := range s.types {
			some, err := readIDs(ctx, tx, "SELECT id FROM "+t.Table+" LIMIT 1")
			if err != nil {
				return err
			}
			if len(some) > 0 {
				continue
			}
			if err := tx.Upsert(ctx, "asset_fill", []string{"kind"}, db.Row{"kind": t.Kind, "last": 0, "sure": true,
				"ready": true, "passes": 0, "compared": 0, "mended": 0, "touched": db.Micros(tx.Now())}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("begin the entries of content: %w", err)
	}
	return nil
}

// Compare compares the next entries of a kind, at most 200, with their owner's rows, mends those that differ, and
// writes down how far it came, all in one transaction with fence (nil: none) as its last word. After the last thing it
// begins again: the first pass fills the entries of what is older than they are, all others show whether an owner
// has forgotten one. Only for the portal itself.
func (s *Service) Compare(ctx context.Context, kind string, fence func(tx *db.Tx)) (Standing, error) {
	t, ok := s.Type(kind)
	if !ok || !stoa.ActorFrom(ctx).System {
		return Standing{}, stoa.Forbidden("only the portal itself compares entries, and of known kinds")
	}
	st, err := readStanding(ctx, s.db, kind)
	if err != nil {
		return st, err
	}
	oldest, err := s.db.OldestServed(ctx)
	if err != nil {
		return st, err
	}
	if sure := oldest >= schema; st.Last == 0 || sure && !st.sure && !st.Ready {
		st.Last, st.sure = 0, sure
	}
	was := st
	ids, end, err := next(ctx, s.db, t, 0, st.Last)
	if err != nil {
		return st, err
	}
	differ, err := differing(ctx, s.db, t, ids)
	if err != nil {
		return st, err
	}
	if len(differ) > maxHeld { // the rest is for the next call
		differ, end = differ[:maxHeld], false
		ids = ids[:slices.Index(ids, differ[maxHeld-1])+1]
	}
	wrong, err := s.wrongMarks(ctx, t.Kind, ids)
	if err != nil {
		return st, err
	}
	st.Compared += int64(len(ids))
	if len(ids) > 0 {
		st.Last = ids[len(ids)-1]
	}
	if end {
		st.Last = 0
		st.Passes++
		st.Ready = st.Ready || st.sure
	}
	before, after := st.Mended, st
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if fence != nil {
			fence(tx)
		}
		n, err := s.FillTx(ctx, tx, kind, differ...)
		if err != nil {
			return err
		}
		st = after
		st.Mended, st.Touched = before+int64(n), tx.Now()
		if len(wrong) > 0 {
			more, err := s.mark(ctx, tx, kind, wrong)
			if err != nil {
				return err
			}
			if len(more) > 0 { // from the first of them on
				st.Last, st.Passes, st.Ready = slices.Min(more)-1, was.Passes, was.Ready
			}
		}
		return tx.Upsert(ctx, "asset_fill", []string{"kind"}, db.Row{"kind": kind, "last": st.Last, "sure": st.sure,
			"ready": st.Ready, "passes": st.Passes, "compared": st.Compared, "mended": st.Mended,
			"touched": db.Micros(st.Touched)})
	})
	if err != nil {
		return st, fmt.Errorf("compare the entries of the kind %s: %w", kind, err)
	}
	s.tally[kind].compared.Add(int64(len(ids)))
	if n := st.Mended - before; n > 0 && st.Passes > 0 && !(end && st.Passes == 1) {
		s.tally[kind].mended.Add(n)
		s.log.Warn("entries were not as the rows of their owner and have been mended", "kind", kind, "entries", n)
	}
	return st, nil
}

// wrongMarks gives those of the things of a kind to or from which references are marked wrongly.
func (s *Service) wrongMarks(ctx context.Context, kind string, ids []stoa.ID) ([]stoa.ID, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	to, err := s.wrongTo(ctx, s.db, kind, ids)
	if err != nil {
		return nil, err
	}
	from, err := s.wrongFrom(ctx, s.db, kind, ids)
	if err != nil {
		return nil, err
	}
	if len(from) > 0 {
		return ids, nil
	}
	return slices.Sorted(maps.Keys(to)), nil
}

// tally is what this process has compared of a kind, and entered for others.
type tally struct{ compared, mended, filled atomic.Int64 }

// Tally gives how many things of a kind this process has compared, and how many entries it has found that were not as
// their rows: not those of the first pass, which fills.
func (s *Service) Tally(kind string) (compared, mended int64) {
	t := s.tally[kind]
	if t == nil {
		return 0, 0
	}
	return t.compared.Load(), t.mended.Load()
}

// next gives the things of a site (0: of all) after one that have a row or an entry, in their order; end says that
// there are no more.
func next(ctx context.Context, q db.Queryer, t Type, site, last stoa.ID) (ids []stoa.ID, end bool, err error) {
	where, args := "id > ?", []any{last}
	if site != 0 {
		where, args = where+" AND site = ?", append(args, site)
	}
	args = append(args, maxBatch)
	rows, err := readIDs(ctx, q, "SELECT id FROM "+t.Table+" WHERE "+where+" ORDER BY id LIMIT ?", args...)
	if err != nil {
		return nil, false, fmt.Errorf("read the rows of the kind %s: %w", t.Kind, err)
	}
	entries, err := readIDs(ctx, q, "SELECT id FROM asset_entry WHERE kind = ? AND "+where+" ORDER BY id LIMIT ?",
		append([]any{t.Kind}, args...)...)
	if err != nil {
		return nil, false, fmt.Errorf("read the entries of the kind %s: %w", t.Kind, err)
	}
	end = len(rows) < maxBatch && len(entries) < maxBatch
	ids = append(rows, entries...)
	slices.Sort(ids)
	if ids = slices.Compact(ids); len(ids) > maxBatch {
		ids, end = ids[:maxBatch], false
	}
	return ids, end, nil
}

// differing gives those of the things whose entry is not as the row. What changes between the reads is looked at again
// before anything is written.
func differing(ctx context.Context, q db.Queryer, t Type, ids []stoa.ID) ([]stoa.ID, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	want, have, err := both(ctx, q, t, ids, ids)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(ids), func(id stoa.ID) bool {
		w, there := want[id]
		h, known := have[id]
		return there == known && (!there || w.same(h))
	}), nil
}

// Job is the job that compares: all there is until each kind has been compared once, then a few things at a time for
// ever.
func (s *Service) Job() job.Job {
	return job.Job{
		Name:     "asset.compare",
		Does:     "Compares the entries of all content with its rows and mends them",
		Kind:     job.Once,
		Schedule: "@every 1m",
		Timeout:  10 * time.Minute,
		Run: func(ctx context.Context, run job.Run) error {
			var failed error
			for _, t := range s.types { // a kind that cannot be compared does not hold up the others
				failed = errors.Join(failed, s.compareAll(ctx, t.Kind, run.Fence))
			}
			return failed
		},
	}
}

// compareAll compares one batch of a kind, and goes on until all were compared where that is waited for.
func (s *Service) compareAll(ctx context.Context, kind string, fence func(tx *db.Tx)) error {
	for ctx.Err() == nil {
		st, err := s.Compare(ctx, kind, fence)
		if err != nil {
			return err
		}
		if st.Last == 0 || st.Passes > 0 && (st.Ready || !st.sure) {
			return nil
		}
	}
	return nil // what is done is kept: the next run goes on
}
