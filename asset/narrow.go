package asset

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/db"
)

// A list is read in one of two ways, and the engines are not left to guess which. Where a condition leaves few things,
// these are looked up by their ids and ordered here. Where all conditions leave many, the index of the order is
// followed and each entry is held to the conditions: one that fits is never far. The conditions on words and terms are
// counts and not EXISTS, which some engines turn into a join that begins at the wrong end.
const (
	hasWord = "(SELECT count(*) FROM asset_word w WHERE w.kind = e.kind AND w.id = e.id AND w.word >= ? " +
		"AND w.word < ?) > 0"
	hasTerm = "(SELECT count(*) FROM taxonomy_assigned t WHERE t.kind = e.kind AND t.thing = e.id AND t.term_kind = ? " +
		"AND t.term = ?) > 0"
	termThings = "SELECT thing FROM taxonomy_assigned WHERE term_kind = ? AND term = ? AND kind = ?"
)

// source is the entries of one kind, or until these are all made the rows of their owner.
type source struct {
	t     Type
	owner bool   // rows of the owner
	bin   bool   // rows in the recycle bin, too
	loose bool   // what the statements find is held to the words afterwards
	where string // conditions
	args  []any
	only  []stoa.ID // when narrow: what there can be at most
	place []spot    // when narrow and read: all there is, in order

	narrow, read bool
}

// column is what the order is by.
func (s *source) column(by Sort) string {
	switch {
	case s.owner && by == ByCreated:
		return s.t.Rows.Created
	case s.owner:
		return s.t.Rows.Modified
	}
	return by.column()
}

// narrowTo looks whether a condition leaves at most limit things, and remembers them.
func (s *source) narrowTo(ctx context.Context, q db.Queryer, limit int, query string, args ...any) error {
	if s.narrow && len(s.only) == 0 {
		return nil
	}
	ids, err := readIDs(ctx, q, query+" LIMIT "+strconv.Itoa(limit+1), args...)
	if err != nil || len(ids) > limit {
		return err
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if s.narrow {
		ids = slices.DeleteFunc(ids, func(id stoa.ID) bool {
			_, in := slices.BinarySearch(s.only, id)
			return !in
		})
	}
	s.only, s.narrow = ids, true
	return nil
}

// term is a category or a tag that things are to have.
type term struct {
	kind string
	id   stoa.ID
}

func (f Filter) terms() (out []term) {
	for _, t := range []term{{"category", f.Category}, {"tag", f.Tag}} {
		if t.id != 0 {
			out = append(out, t)
		}
	}
	return out
}

// source gives the conditions on entries of a kind, and narrows them down where one leaves at most limit things.
func (c *choice) source(ctx context.Context, q db.Queryer, t Type, limit int) (source, error) {
	if t.Rows.Modified != "" {
		st, err := readStanding(ctx, q, t.Kind)
		if err != nil {
			return source{}, err
		}
		if !st.Ready {
			return c.ofOwner(ctx, q, t, limit)
		}
	}
	s := source{t: t, where: "e.site = ? AND e.kind = ?", args: []any{c.site, t.Kind}}
	add := func(cond string, args ...any) {
		s.where += " AND " + cond
		s.args = append(s.args, args...)
	}
	for _, w := range c.words {
		add(hasWord, []byte(w), after(w))
		if err := s.narrowTo(ctx, q, limit, "SELECT id FROM asset_word WHERE site = ? AND kind = ? AND word >= ? AND "+
			"word < ?",
			c.site, t.Kind, []byte(w), after(w)); err != nil {
			return s, err
		}
	}
	for _, one := range c.terms() {
		add(hasTerm, one.kind, one.id)
		if err := s.narrowTo(ctx, q, limit, termThings, one.kind, one.id, t.Kind); err != nil {
			return s, err
		}
	}
	if c.Parent != 0 {
		add("e.parent = ?", c.Parent)
		if t.Rows.Parent != "" { // by the index of the owner, which always has it
			if err := s.narrowTo(ctx, q, limit, "SELECT e.id FROM "+t.Table+" e WHERE "+t.Rows.Parent+" = ? AND e.site = ?",
				c.Parent, c.site); err != nil {
				return s, err
			}
		}
	}
	const some = "SELECT id FROM asset_entry WHERE site = ? AND kind = ?"
	query, args := some, []any{c.site, t.Kind}
	if c.Owner != 0 {
		add("e.owner = ?", c.Owner)
		query, args = query+" AND owner = ?", append(args, c.Owner)
	}
	if len(c.Status) == 0 {
		add("e.status <> ?", string(Trashed))
	} else {
		in, statuses := db.In(len(c.Status)), make([]any, len(c.Status))
		for i, status := range c.Status {
			statuses[i] = string(status)
		}
		add("e.status IN "+in, statuses...)
		query, args = query+" AND status IN "+in, append(args, statuses...)
	}
	if len(args) > 2 {
		if err := s.narrowTo(ctx, q, limit, query, args...); err != nil {
			return s, err
		}
	}
	if c.Form != "" {
		cond, args := formIs("e.form", c.Form)
		add("CASE WHEN "+cond+" THEN 1 ELSE 0 END > 0", args...) // where many have it, no engine takes its index
		cond, args = formIs("form", c.Form)
		if err := s.narrowTo(ctx, q, limit, some+" AND "+cond, append([]any{c.site, t.Kind}, args...)...); err != nil {
			return s, err
		}
	}
	if cond, args := c.changed("modified", true, true); cond != "" && c.Sort != ByModified {
		add(strings.TrimPrefix(cond, " AND "), args...)
		if err := s.narrowTo(ctx, q, limit, some+cond, append([]any{c.site, t.Kind}, args...)...); err != nil {
			return s, err
		}
	}
	if c.Need == access.View {
		add("e.shown = ?", true)
	}
	return s, nil
}

// from gives the next entries of a source behind the place of the list, at most n; end says that these are all.
func (c *choice) from(ctx context.Context, q db.Queryer, s *source, n int) (out []row, end bool, err error) {
	if !s.narrow && s.owner {
		out, err = c.nextRows(ctx, q, s, n)
		return out, len(out) < n, err
	}
	if !s.narrow {
		where, args, order := c.beyond(s)
		what := columns
		if c.bare {
			what = bareColumns
		}
		out, err = db.All(ctx, q, scanRow, "SELECT "+what+" FROM asset_entry e WHERE "+where+order+" LIMIT ?",
			append(slices.Clip(args), n)...)
		for i := range out {
			out[i].at = c.Sort.spot(out[i])
		}
		return out, len(out) < n, err
	}
	if err := c.readNarrow(ctx, q, s); err != nil {
		return nil, false, err
	}
	first := 0
	if c.at.ID != 0 {
		at, found := slices.BinarySearchFunc(s.place, c.at, c.compare)
		if first = at; found {
			first++
		}
	}
	page := s.place[first:min(len(s.place), first+n)]
	end = first+n >= len(s.place)
	if s.owner {
		out, err = s.rowsOf(ctx, q, page)
		return out, end, err
	}
	ids, at := make([]stoa.ID, len(page)), make(map[stoa.ID]spot, len(page))
	for i, p := range page {
		ids[i], at[p.ID] = p.ID, p
	}
	return out, end, chunks(ids, func(ids []stoa.ID) error {
		return db.Each(ctx, q, func(r db.Scanner) error {
			one, err := scanRow(r)
			one.at = at[one.ID]
			out = append(out, one)
			return err
		}, "SELECT "+columns+" FROM asset_entry e WHERE e.kind = ? AND e.id IN "+db.In(len(ids)),
			append([]any{s.t.Kind}, db.Args(ids)...)...)
	})
}

// readNarrow reads where the few things of a source stand in the order, once.
func (c *choice) readNarrow(ctx context.Context, q db.Queryer, s *source) error {
	if s.read {
		return nil
	}
	s.read = true
	where, args := c.all(s)
	err := chunks(s.only, func(ids []stoa.ID) error {
		if s.owner {
			return c.placeOwn(ctx, q, s, ids)
		}
		return db.Each(ctx, q, func(r db.Scanner) error {
			p := spot{Sort: c.Sort}
			value := any(&p.N)
			if c.Sort == ByTitle {
				value = &p.Key
			}
			err := r.Scan(&p.ID, value)
			s.place = append(s.place, p)
			return err
		}, "SELECT e.id, "+c.Sort.column()+" FROM asset_entry e WHERE "+where+" AND e.id IN "+db.In(len(ids)),
			slices.Concat(args, db.Args(ids))...)
	})
	slices.SortFunc(s.place, c.compare)
	return err
}

// changed gives the condition that a thing was changed within the time of the filter, or after its begin, or before its
// end.
func (c *choice) changed(column string, begin, end bool) (cond string, args []any) {
	if begin && !c.Since.IsZero() {
		cond, args = cond+" AND "+column+" >= ?", append(args, db.Micros(c.Since))
	}
	if end && !c.Until.IsZero() {
		cond, args = cond+" AND "+column+" < ?", append(args, db.Micros(c.Until))
	}
	return cond, args
}

// all gives all conditions of a source. Where the order is by the same time, a range of it is not among those that
// stand in where: a place in the list takes the part of one of its ends.
func (c *choice) all(s *source) (string, []any) {
	if c.Sort != ByModified {
		return s.where, s.args
	}
	cond, args := c.changed(s.column(ByModified), true, true)
	return s.where + cond, slices.Concat(s.args, args)
}

// beyond gives the conditions of a source with the one that a row is behind the place of the list, and the order.
func (c *choice) beyond(s *source) (where string, args []any, order string) {
	column, op, dir := s.column(c.Sort), ">", ""
	if c.falls() {
		op, dir = "<", " DESC"
	}
	order = " ORDER BY " + column + dir + ", e.id" + dir
	if c.at.ID == 0 {
		where, args = c.all(s)
		return where, args, order
	}
	if where, args = s.where, s.args; c.Sort == ByModified {
		cond, more := c.changed(column, c.falls(), !c.falls())
		where, args = where+cond, slices.Concat(args, more)
	}
	v := c.at.value() // the first part is a range, which MariaDB does not find in the second
	return where + " AND " + column + " " + op + "= ? AND (" + column + " " + op + " ? OR e.id " + op + " ?)",
		slices.Concat(args, []any{v, v, c.at.ID}), order
}

// countAll counts the entries of a source, at most one more than MostCounted.
func (c *choice) countAll(ctx context.Context, q db.Queryer, s *source) (n int, err error) {
	if s.narrow {
		err = c.readNarrow(ctx, q, s)
		return len(s.place), err
	}
	table := "asset_entry"
	if s.owner {
		table = s.t.Table
	}
	where, args := c.all(s)
	err = q.QueryRow(ctx, "SELECT count(*) FROM (SELECT e.id FROM "+table+" e WHERE "+where+" LIMIT "+
		strconv.Itoa(MostCounted+1)+") chosen", args...).Scan(&n)
	return n, err
}

func chunks(ids []stoa.ID, fn func(ids []stoa.ID) error) error {
	for part := range slices.Chunk(ids, mostIDs) {
		if err := fn(part); err != nil {
			return err
		}
	}
	return nil
}
