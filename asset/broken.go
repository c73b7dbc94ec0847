package asset

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/site"
)

// Broken is a reference that leads to nothing.
type Broken struct {
	From    Entry
	Address string // as it was written; empty where the thing was named by its id
	Kind    string // of what was meant
	ID      stoa.ID
}

// BrokenList is a page of the broken references of a site.
type BrokenList struct {
	Items []Broken
	Next  string // for the page after; empty when there is no more
}

// brokenRow is a reference as it is kept.
type brokenRow struct {
	kind  string
	id    stoa.ID
	part  int
	place int
	to    Link
}

// mostBroken is how many references one page looks at.
const mostBroken = 100

// Broken gives references in a site that lead to nothing, of things that the actor may edit, in the order of the
// things; after is Next of the page before, empty for the first. A page has at most 100, and fewer, or none, where the
// actor may not edit what refers. A reference to an address at which there is something by now is mended instead. It
// needs Edit on the site. A place that there is not is Invalid.
func (s *Service) Broken(ctx context.Context, st site.Site, after string) (BrokenList, error) {
	if err := s.access.Check(ctx, access.Edit, st.Path()); err != nil {
		return BrokenList{}, err
	}
	at, err := brokenPlace(after)
	if err != nil {
		return BrokenList{}, err
	}
	rows, err := db.All(ctx, s.db, func(r db.Scanner) (b brokenRow, err error) {
		return b, r.Scan(&b.kind, &b.id, &b.part, &b.place, &b.to.Kind, &b.to.ID, &b.to.Address)
	}, "SELECT l.kind, l.id, l.part, l.place, l.to_kind, l.to_id, l.address FROM asset_link l "+
		"WHERE l.site = ? AND l.broken = ? AND l.kind >= ? AND (l.kind > ? OR l.id > ? OR (l.id = ? AND (l.part > ? OR "+
		"(l.part = ? AND l.place > ?))))"+unlessTrashed+" ORDER BY l.kind, l.id, l.part, l.place LIMIT "+
		strconv.Itoa(mostBroken+1), st.ID, true, at.kind, at.kind, at.id, at.id, at.part, at.part, at.place)
	if err != nil {
		return BrokenList{}, fmt.Errorf("read the broken references of site %d: %w", st.ID, err)
	}
	var out BrokenList
	if len(rows) > mostBroken {
		rows = rows[:mostBroken]
		last := rows[mostBroken-1]
		out.Next = fmt.Sprintf("%s-%d-%d-%d", last.kind, last.id, last.part, last.place)
	}
	if rows, err = s.mendFound(ctx, st.ID, rows); err != nil {
		return BrokenList{}, fmt.Errorf("mend references of site %d: %w", st.ID, err)
	}
	from, err := s.entriesOf(ctx, s.db, refsOf(rows))
	if err != nil {
		return BrokenList{}, err
	}
	for _, b := range rows {
		e, there := from[Ref{Kind: b.kind, ID: b.id}]
		if !there {
			continue
		}
		one := Broken{From: e, Address: b.to.Address, Kind: b.to.Kind, ID: b.to.ID}
		if n := len(out.Items); n > 0 && out.Items[n-1].same(one) { // in the draft and in what visitors see
			continue
		}
		ok, err := s.allowed(ctx, access.Edit, e)
		if err != nil {
			return BrokenList{}, err
		}
		if ok {
			out.Items = append(out.Items, one)
		}
	}
	return out, nil
}

func (b Broken) same(o Broken) bool {
	return b.From.Kind == o.From.Kind && b.From.ID == o.From.ID && b.Address == o.Address &&
		b.Kind == o.Kind && b.ID == o.ID
}

func refsOf(rows []brokenRow) []Ref {
	out := make([]Ref, len(rows))
	for i, b := range rows {
		out[i] = Ref{Kind: b.kind, ID: b.id}
	}
	return out
}

func brokenPlace(after string) (b brokenRow, err error) {
	if after == "" {
		return brokenRow{}, nil
	}
	parts := strings.Split(after, "-")
	if len(parts) == 4 && parts[0] != "" && len(parts[0]) <= maxKind {
		b.kind = parts[0]
		b.id, err = stoa.ParseID(parts[1])
		if err == nil {
			b.part, err = strconv.Atoi(parts[2])
		}
		if err == nil {
			b.place, err = strconv.Atoi(parts[3])
		}
		if err == nil {
			return b, nil
		}
	}
	return b, stoa.Invalid("after", "this is no place in a list in this order: begin again with the first page")
}

// mendFound mends those references to addresses at which there is something by now, and gives the others. The follower
// looks at what refers again: a transaction that takes away what was found does not see what this one writes.
func (s *Service) mendFound(ctx context.Context, site stoa.ID, rows []brokenRow) ([]brokenRow, error) {
	at, err := s.foundAt(ctx, s.db, site, rows)
	if err != nil || len(at) == 0 {
		return rows, err
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		if at, err = s.foundAt(ctx, tx, site, rows); err != nil {
			return err
		}
		for _, b := range rows {
			to, ok := at[b.to.Address]
			if !ok {
				continue
			}
			n, err := tx.Affected(ctx, "UPDATE asset_link SET to_kind = ?, to_id = ?, broken = ? WHERE kind = ? AND id = ? "+
				"AND part = ? AND place = ? AND address = ? AND broken = ?", to.Kind, to.ID, false, b.kind, b.id, b.part,
				b.place, b.to.Address, true)
			if err != nil {
				return err
			}
			if t, ok := s.Type(b.kind); ok && n > 0 {
				tx.Changed(t.quietest(), b.id, site, 0)
			}
		}
		return nil
	})
	return slices.DeleteFunc(rows, func(b brokenRow) bool { _, ok := at[b.to.Address]; return ok }), err
}

// foundAt gives what there is at the addresses of the references.
func (s *Service) foundAt(ctx context.Context, q db.Queryer, site stoa.ID, rows []brokenRow) (map[string]found, error) {
	var links []Link
	for _, b := range rows {
		if b.to.Address != "" {
			links = append(links, Link{Address: b.to.Address})
		}
	}
	now, err := s.resolve(ctx, q, site, links)
	at := map[string]found{}
	for _, f := range now {
		if !f.broken {
			at[f.Address] = f
		}
	}
	return at, err
}

// quietest is the kind of change that tells the follower of a thing and changes the least: of its draft, where it has
// one, since nothing has changed that visitors see.
func (t Type) quietest() string {
	if n := len(t.Changes); n > 0 {
		return t.Changes[n-1]
	}
	return t.Kind
}

// entriesOf reads entries of several kinds.
func (s *Service) entriesOf(ctx context.Context, q db.Queryer, refs []Ref) (map[Ref]Entry, error) {
	ids := map[string][]stoa.ID{}
	out := map[Ref]Entry{}
	for _, r := range refs {
		if _, ok := out[r]; !ok {
			out[r] = Entry{}
			ids[r.Kind] = append(ids[r.Kind], r.ID)
		}
	}
	clear(out)
	for kind, list := range ids {
		err := chunks(list, func(part []stoa.ID) error {
			return db.Each(ctx, q, func(r db.Scanner) error {
				one, err := scanRow(r)
				out[Ref{Kind: kind, ID: one.ID}] = one.Entry
				return err
			}, "SELECT "+columns+" FROM asset_entry e WHERE e.kind = ? AND e.id IN "+db.In(len(part)),
				append([]any{kind}, db.Args(part)...)...)
		})
		if err != nil {
			return nil, fmt.Errorf("read entries of the kind %s: %w", kind, err)
		}
	}
	return out, nil
}
