package asset

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// While a node of a version runs that writes no entries, a follower of the change log writes them: Follow for the
// things that it names, FollowAll for whole scopes. What owners have entered themselves is found to be right, and
// nothing is written.

// Changes gives the kinds of change that name things of the registered kinds.
func (s *Service) Changes() (kinds []string) {
	for _, t := range s.types {
		if len(t.Changes) == 0 {
			kinds = append(kinds, t.Kind)
		}
		kinds = append(kinds, t.Changes...)
	}
	return kinds
}

// Named is a thing as the change log names it: by a kind of change of a registered kind.
type Named struct {
	Change string
	ID     stoa.ID
}

// Follow makes the entries of things as their rows are, in the transaction tx, with what they refer to and the marks of
// references to them. It gives those that it has to be called for once more, in another transaction. Of at most 200
// things at once, and only for the portal itself.
func (s *Service) Follow(ctx context.Context, tx *db.Tx, named []Named) (again []Named, err error) {
	for _, t := range s.types { // in the same order on all nodes
		var ids, late []stoa.ID // a thing may be named by several kinds of change
		for _, n := range named {
			if kind, _ := s.Of(n.Change); kind != t.Kind {
				continue
			}
			ids = append(ids, n.ID)
			if slices.Contains(t.Later, n.Change) {
				late = append(late, n.ID)
			}
		}
		slices.Sort(ids)
		slices.Sort(late)
		more, err := s.follow(ctx, tx, t, slices.Compact(ids), slices.Compact(late))
		if err != nil {
			return nil, err
		}
		for _, n := range named {
			if kind, _ := s.Of(n.Change); kind == t.Kind && slices.Contains(more, n.ID) {
				again = append(again, n)
			}
		}
	}
	return again, nil
}

// follow does what Follow does for things of one kind, in the order of their ids; late are those whose references are
// to be worked out.
func (s *Service) follow(ctx context.Context, tx *db.Tx, t Type, ids, late []stoa.ID) (more []stoa.ID, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	differ, err := differing(ctx, tx, t, ids)
	if err != nil {
		return nil, err
	}
	if len(differ) > maxHeld {
		differ, more = differ[:maxHeld], differ[maxHeld:]
	}
	n, err := s.FillTx(ctx, tx, t.Kind, differ...)
	if err != nil {
		return nil, fmt.Errorf("fill the entries of the kind %s: %w", t.Kind, err)
	}
	if n > 0 {
		tx.AfterCommit(func() { s.noteFilled(ctx, t.Kind, int64(n)) })
	}
	late = slices.DeleteFunc(slices.Clone(late), func(id stoa.ID) bool {
		return slices.Contains(differ, id) || slices.Contains(more, id) // that is done with the entry
	})
	if most := max(maxHeld-len(differ), 1); len(late) > most {
		more, late = append(slices.Clone(more), late[most:]...), late[:most]
	}
	if err := s.linkLate(ctx, tx, t, late); err != nil {
		return nil, err
	}
	marks, err := s.mark(ctx, tx, t.Kind, ids)
	return append(slices.Clone(more), marks...), err
}

// linkLate works out what things refer to, while their rows stay as they are.
func (s *Service) linkLate(ctx context.Context, tx *db.Tx, t Type, ids []stoa.ID) error {
	if t.Links == nil || len(ids) == 0 {
		return nil
	}
	locked, err := hold(ctx, tx, t, ids)
	if err != nil || len(locked) == 0 {
		return err
	}
	entries, err := t.Read(ctx, tx, locked)
	if err != nil {
		return fmt.Errorf("read the rows of the kind %s: %w", t.Kind, err)
	}
	for _, e := range entries {
		if err := s.relinkLate(ctx, tx, t, e); err != nil {
			return err
		}
	}
	return nil
}

// noteFilled counts what was filled. Once no node runs any more that writes no entries, an owner has forgotten it.
func (s *Service) noteFilled(ctx context.Context, kind string, n int64) {
	s.tally[kind].filled.Add(n)
	if oldest, err := s.db.OldestServed(ctx); err != nil || oldest < schema {
		return
	}
	s.tally[kind].mended.Add(n)
	s.log.Warn("entries were not as the rows of their owner and have been mended", "kind", kind, "entries", n)
}

// FollowAll does the same for the next things, at most 200, of a site (0: of all) and a kind (empty: of each), with
// entries whose row is gone. from is what it gave last, empty at the beginning; it gives where the next portion begins,
// empty at the end.
func (s *Service) FollowAll(ctx context.Context, tx *db.Tx, kind string, site stoa.ID, from string) (string, error) {
	at, last, round := 0, stoa.ID(0), 0
	types := slices.DeleteFunc(s.Types(), func(t Type) bool { return kind != "" && t.Kind != kind })
	if k, text, found := strings.Cut(from, " "); found {
		i := slices.IndexFunc(types, func(t Type) bool { return t.Kind == k })
		text, rounds, _ := strings.Cut(text, " ")
		n, err := strconv.ParseInt(text, 10, 64)
		round, _ = strconv.Atoi(rounds)
		if i >= 0 && err == nil { // otherwise it is of another version, and everything is looked at once more
			at, last = i, stoa.ID(n)
		}
	}
	if at == len(types) {
		return "", nil
	}
	t := types[at]
	ids, end, err := next(ctx, tx, t, site, last)
	if err != nil {
		return "", err
	}
	more, err := s.follow(ctx, tx, t, ids, nil)
	if err != nil {
		return "", err
	}
	switch {
	case len(more) > 0: // from the first of them on
		return fmt.Sprintf("%s %d %d", t.Kind, slices.Min(more)-1, round+1), nil
	case !end:
		return t.Kind + " " + ids[len(ids)-1].String(), nil
	case at+1 < len(types):
		return types[at+1].Kind + " 0", nil
	}
	return "", nil
}

// Filled gives how many entries of a kind this process has written or removed because their owner had not.
func (s *Service) Filled(kind string) int64 {
	if t := s.tally[kind]; t != nil {
		return t.filled.Load()
	}
	return 0
}
