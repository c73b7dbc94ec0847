package asset

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/db"
)

// Rows says what lists have to know of the table of an owner (Type.Table), which they read while nodes run that write
// no entries, and until all entries are made (Service.Ready). Each is a column or an expression over a row e of the
// table; empty ones are the zero value for all things. What is in the recycle bin is not found this way.
type Rows struct {
	Created, Modified string // required of a type that can be listed this way; an index with the site has them
	Form              string
	Owner             string
	Parent            string            // an index begins with it
	Shown             string            // a condition; empty: all are
	Status            map[Status]string // a condition for each status that a thing can have
	Titles            string            // a text in small letters that contains all titles
}

// ErrUnsorted is the cause of the error Unavailable of a list by title that is not there yet: the keys that titles sort
// by are still being made, and there are too many things to sort them for one reader.
var ErrUnsorted = errors.New("titles are not in order yet")

// mostRead is how many rows of an owner's table are read for a list that their table cannot order or search.
const mostRead = 2000

// ofOwner gives the conditions on the rows of an owner.
func (c *choice) ofOwner(ctx context.Context, q db.Queryer, t Type, limit int) (source, error) {
	r := t.Rows
	s := source{t: t, owner: true, where: "e.site = ?", args: []any{c.site}, bin: slices.Contains(c.Status, Trashed)}
	nothing := source{t: t, owner: true, narrow: true}
	add := func(cond string, args ...any) {
		s.where += " AND " + cond
		s.args = append(s.args, args...)
	}
	switch {
	case len(c.Status) == 0:
		if gone := r.Status[Trashed]; gone != "" {
			add("NOT (" + gone + ")")
		}
	default:
		var any []string
		for _, status := range c.Status {
			if cond := r.Status[status]; cond != "" {
				any = append(any, "("+cond+")")
			}
		}
		if len(any) == 0 {
			return nothing, nil
		}
		add("(" + strings.Join(any, " OR ") + ")")
	}
	for _, cond := range []struct {
		column string
		id     stoa.ID
	}{{r.Owner, c.Owner}, {r.Parent, c.Parent}} {
		switch {
		case cond.id == 0:
		case cond.column == "":
			return nothing, nil
		default:
			add(cond.column+" = ?", cond.id)
		}
	}
	if c.Form != "" {
		if r.Form == "" {
			return nothing, nil
		}
		cond, args := formIs(r.Form, c.Form)
		add(cond, args...)
	}
	if c.Need == access.View && r.Shown != "" {
		add("(" + r.Shown + ")")
	}
	for _, term := range c.terms() {
		add("(SELECT count(*) FROM taxonomy_assigned t WHERE t.kind = ? AND t.thing = e.id AND t.term_kind = ? "+
			"AND t.term = ?) > 0", t.Kind, term.kind, term.id)
		if err := s.narrowTo(ctx, q, limit, termThings, term.kind, term.id, t.Kind); err != nil {
			return s, err
		}
	}
	if cond, args := c.changed(r.Modified, true, true); cond != "" && c.Sort != ByModified {
		add(strings.TrimPrefix(cond, " AND "), args...)
	}
	if len(c.words) == 0 && c.Sort != ByTitle {
		return s, nil
	}
	// Words and the order of titles are found out here, where that is not too much.
	within := func() error {
		where, args := c.all(&s)
		return s.narrowTo(ctx, q, min(limit, mostRead), "SELECT e.id FROM "+t.Table+" e WHERE "+where, args...)
	}
	if err := within(); err != nil || s.narrow {
		return s, err
	}
	if len(c.words) > 0 && r.Titles != "" {
		for _, w := range asWritten(c.Words) {
			add(r.Titles+" LIKE ? ESCAPE '!'", "%"+db.Like(w)+"%")
		}
		if err := within(); err != nil || s.narrow {
			return s, err
		}
	}
	s.loose = len(c.words) > 0
	if c.Sort == ByTitle {
		e := stoa.Unavailable(ErrUnsorted, "titles are still being put in order: sort by time until then")
		e.Field = "sort"
		return s, e
	}
	return s, nil
}

func formIs(column, form string) (string, []any) {
	if begin, ok := strings.CutSuffix(form, "/"); ok {
		return column + " >= ? AND " + column + " < ?", []any{form, begin + "0"} // which follows the slash
	}
	return column + " = ?", []any{form}
}

// fits holds an entry to those conditions that no statement has asked.
func (c *choice) fits(r row) bool {
	return !r.gone && (c.Missing == "" || r.Titles[c.Missing] == "") && (!r.loose || hasWords(r.words, c.words))
}

// exact reports whether statements ask for all conditions.
func (c *choice) exact() bool {
	return c.Missing == "" && !slices.ContainsFunc(c.sources, func(s source) bool { return s.loose })
}

func hasWords(has string, wanted []string) bool {
	for _, w := range wanted {
		if !strings.Contains(" "+has, " "+w) {
			return false
		}
	}
	return true
}

// rowsOf reads things of a kind by their ids as entries, from the owner's table, in the order of the ids; one that is
// gone has its place and nothing else.
func (s *source) rowsOf(ctx context.Context, q db.Queryer, places []spot) ([]row, error) {
	have := make(map[stoa.ID]row, len(places))
	ids := make([]stoa.ID, len(places))
	for i, p := range places {
		ids[i] = p.ID
	}
	err := chunks(ids, func(part []stoa.ID) error {
		entries, err := s.t.Read(ctx, q, part)
		for _, e := range entries {
			if have[e.ID], err = rowOf(e); err != nil {
				return err
			}
		}
		return err
	})
	out := make([]row, len(places))
	for i, p := range places {
		r, ok := have[p.ID]
		r.at, r.loose, r.gone = p, s.loose, !ok || r.Status == Trashed && !s.bin
		out[i] = r
	}
	return out, err
}

// nextRows gives the next n rows of an owner's table behind the place of the list.
func (c *choice) nextRows(ctx context.Context, q db.Queryer, s *source, n int) ([]row, error) {
	where, args, order := c.beyond(s)
	places, err := db.All(ctx, q, func(r db.Scanner) (spot, error) {
		p := spot{Sort: c.Sort}
		return p, r.Scan(&p.ID, &p.N)
	}, "SELECT e.id, "+s.column(c.Sort)+" FROM "+s.t.Table+" e WHERE "+where+order+" LIMIT "+strconv.Itoa(n), args...)
	if err != nil {
		return nil, err
	}
	return s.rowsOf(ctx, q, places)
}

// placeOwn reads where the few things of an owner stand in the order, and leaves out what has not the words.
func (c *choice) placeOwn(ctx context.Context, q db.Queryer, s *source, ids []stoa.ID) error {
	column := s.column(c.Sort)
	if c.Sort == ByTitle {
		column = "0"
	}
	var places []spot
	where, args := c.all(s)
	err := db.Each(ctx, q, func(r db.Scanner) error {
		p := spot{Sort: c.Sort}
		err := r.Scan(&p.ID, &p.N)
		places = append(places, p)
		return err
	}, "SELECT e.id, "+column+" FROM "+s.t.Table+" e WHERE "+where+" AND e.id IN "+db.In(len(ids)),
		slices.Concat(args, db.Args(ids))...)
	if err != nil {
		return err
	}
	if c.Sort == ByTitle || len(c.words) > 0 {
		rows, err := s.rowsOf(ctx, q, places)
		if err != nil {
			return err
		}
		places = places[:0]
		for _, r := range rows {
			if c.Sort == ByTitle {
				r.at.Key = r.key
			}
			if !r.gone && hasWords(r.words, c.words) {
				places = append(places, r.at)
			}
		}
	}
	s.place = append(s.place, places...)
	return nil
}
