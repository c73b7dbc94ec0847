package asset

import (
	"context"
	"fmt"
	"slices"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// A reference is broken when what it names has no row in the table of its owner, or is in the recycle bin. Each keeps a
// mark that says so. The transaction that puts a thing into the bin, deletes or restores it marks the first references
// to it; the follower, which is told of both ends, marks those that are left. It also mends what two transactions could
// not see of each other: whichever of them comes last, the follower is told of its thing afterwards and sees both.

// maxMarks is how many references one transaction marks because of one thing.
const maxMarks = 500

// there gives those of the things of a kind that are there: for a kind whose entries are not filled yet, too.
func (s *Service) there(ctx context.Context, q db.Queryer, kind string, ids []stoa.ID) (map[stoa.ID]bool, error) {
	out := map[stoa.ID]bool{}
	ids = slices.Clone(ids)
	slices.Sort(ids)
	args := []any{kind, string(Trashed)}
	query := "SELECT e.id FROM asset_entry e WHERE e.kind = ? AND e.status <> ? AND e.id IN "
	if t, ok := s.Type(kind); ok {
		query = "SELECT o.id FROM " + t.Table + " o WHERE o.site < " + HiddenSQL + " AND NOT EXISTS (SELECT 1 FROM " +
			"asset_entry e WHERE e.kind = ? AND e.id = o.id AND e.status = ?) AND o.id IN "
	}
	err := chunks(slices.Compact(ids), func(part []stoa.ID) error {
		have, err := readIDs(ctx, q, query+db.In(len(part)), append(slices.Clone(args), db.Args(part)...)...)
		for _, id := range have {
			out[id] = true
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for what is referred to: %w", err)
	}
	return out, nil
}

// markLinks says of the next references to a thing, about maxMarks, whether they lead anywhere; more says that this
// was not all.
func markLinks(ctx context.Context, tx *db.Tx, kind string, id stoa.ID, broken bool) (more bool, err error) {
	const wrong = " WHERE to_kind = ? AND to_id = ? AND broken = ?"
	args := []any{kind, id, !broken}
	var toKind string
	var toID stoa.ID
	err = tx.QueryRow(ctx, "SELECT kind, id FROM asset_link"+wrong+" ORDER BY kind, id LIMIT 1 OFFSET ?",
		append(slices.Clone(args), maxMarks)...).Scan(&toKind, &toID)
	query := "UPDATE asset_link SET broken = ?" + wrong
	switch {
	case err == nil:
		more = true
		query += " AND (kind < ? OR kind = ? AND id <= ?)"
		args = append(args, toKind, toKind, toID)
	case !db.IsNoRows(err):
		return false, fmt.Errorf("read the references to %s %d: %w", kind, id, err)
	}
	if _, err := tx.Exec(ctx, query, append([]any{broken}, args...)...); err != nil {
		return false, fmt.Errorf("mark the references to %s %d: %w", kind, id, err)
	}
	return more, nil
}

// wrongTo gives those of the things of a kind to which references are marked wrongly, with what is right.
func (s *Service) wrongTo(ctx context.Context, q db.Queryer, kind string, ids []stoa.ID) (map[stoa.ID]bool, error) {
	out := map[stoa.ID]bool{}
	if len(ids) == 0 {
		return out, nil
	}
	there, err := s.there(ctx, q, kind, ids)
	if err != nil {
		return nil, err
	}
	for _, broken := range []bool{false, true} {
		list := slices.DeleteFunc(slices.Clone(ids), func(id stoa.ID) bool { return there[id] == broken })
		err := chunks(list, func(part []stoa.ID) error {
			wrong, err := readIDs(ctx, q, "SELECT DISTINCT to_id FROM asset_link WHERE to_kind = ? AND broken = ? AND to_id IN "+
				db.In(len(part)), append([]any{kind, !broken}, db.Args(part)...)...)
			for _, id := range wrong {
				out[id] = broken
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("look for references that are marked wrongly: %w", err)
		}
	}
	return out, nil
}

// target is what references name, with their mark.
type target struct {
	kind   string
	id     stoa.ID
	broken bool
}

// wrongFrom gives what the things of a kind refer to with a wrong mark, with what is right.
func (s *Service) wrongFrom(ctx context.Context, q db.Queryer, kind string, ids []stoa.ID) (wrong []target, err error) {
	byKind, have := map[string][]stoa.ID{}, []target(nil)
	err = chunks(ids, func(part []stoa.ID) error {
		return db.Each(ctx, q, func(r db.Scanner) error {
			var t target
			err := r.Scan(&t.kind, &t.id, &t.broken)
			have, byKind[t.kind] = append(have, t), append(byKind[t.kind], t.id)
			return err
		}, "SELECT DISTINCT to_kind, to_id, broken FROM asset_link WHERE kind = ? AND to_id <> 0 AND id IN "+db.In(len(part)),
			append([]any{kind}, db.Args(part)...)...)
	})
	if err != nil {
		return nil, fmt.Errorf("read references: %w", err)
	}
	for to, list := range byKind {
		there, err := s.there(ctx, q, to, list)
		if err != nil {
			return nil, err
		}
		for _, t := range have {
			if t.kind == to && t.broken == there[t.id] {
				wrong = append(wrong, target{t.kind, t.id, !t.broken})
			}
		}
	}
	return wrong, nil
}

// mark mends the marks of references to and from things of a kind; more are those to which there are further ones.
func (s *Service) mark(ctx context.Context, tx *db.Tx, kind string, ids []stoa.ID) (more []stoa.ID, err error) {
	to, err := s.wrongTo(ctx, tx, kind, ids)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		broken, wrong := to[id]
		if !wrong {
			continue
		}
		again, err := markLinks(ctx, tx, kind, id, broken)
		if err != nil {
			return nil, err
		}
		if again {
			more = append(more, id)
		}
	}
	from, err := s.wrongFrom(ctx, tx, kind, ids)
	if err != nil {
		return nil, err
	}
	for _, t := range from {
		err := chunks(ids, func(part []stoa.ID) error {
			_, err := tx.Exec(ctx, "UPDATE asset_link SET broken = ? WHERE to_kind = ? AND to_id = ? AND kind = ? AND id IN "+
				db.In(len(part)), append([]any{t.broken, t.kind, t.id, kind}, db.Args(part)...)...)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("mark references: %w", err)
		}
	}
	return more, nil
}
