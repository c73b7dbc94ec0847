package asset

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/db"
)

// MostLinks is how many references of one part of a thing are kept.
const MostLinks = 1000

const maxAddress = 500 // bytes of an address that is kept

// Link is a reference of one thing to another.
type Link struct {
	Part    int     // of the thing that refers: the version of its text, or what its owner tells parts apart by
	Kind    string  // of what it refers to; empty: whatever Address leads to
	ID      stoa.ID // 0: whatever Address leads to
	Address string  // as people wrote it, "/w/tides?x#top"; empty where ID is known
}

// AddressLinks makes links of a part from addresses in a text: those to other hosts, within the page, and more than
// MostLinks are left out.
func AddressLinks(part int, addresses []string) []Link {
	var out []Link
	seen := map[string]bool{}
	for _, a := range addresses {
		u, err := url.Parse(strings.TrimSpace(a))
		if err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(u.Path, "/") || len(u.Path) > maxAddress {
			continue
		}
		if path := stoa.CleanText(u.Path); !seen[path] && len(out) < MostLinks {
			seen[path] = true
			out = append(out, Link{Part: part, Address: path})
		}
	}
	return out
}

// PutLinks replaces what parts of a thing refer to, in the transaction that writes those parts: all parts that are
// named in parts, which may be left without a link. An address is resolved by the types; one that none of them knows as
// theirs, such as that of another program on the host, is left out.
func (s *Service) PutLinks(ctx context.Context, tx *db.Tx, e Entry, parts []int, links []Link) error {
	if len(parts) > 0 {
		_, err := tx.Exec(ctx, "DELETE FROM asset_link WHERE kind = ? AND id = ? AND part IN "+db.In(len(parts)),
			append([]any{e.Kind, e.ID}, numbers(parts)...)...)
		if err != nil {
			return fmt.Errorf("replace the references of %s %d: %w", e.Kind, e.ID, err)
		}
	}
	return s.addLinks(ctx, tx, e, links)
}

// KeepLinks removes what other parts of a thing than these refer to, which are gone.
func KeepLinks(ctx context.Context, tx *db.Tx, kind string, id stoa.ID, parts ...int) error {
	q, args := "DELETE FROM asset_link WHERE kind = ? AND id = ?", []any{kind, id}
	if len(parts) > 0 {
		q, args = q+" AND part NOT IN "+db.In(len(parts)), append(args, numbers(parts)...)
	}
	if _, err := tx.Exec(ctx, q, args...); err != nil {
		return fmt.Errorf("remove old references of %s %d: %w", kind, id, err)
	}
	return nil
}

// relink replaces all that a thing refers to by what its type reads from the rows.
func (s *Service) relink(ctx context.Context, tx *db.Tx, t Type, e Entry) error {
	if t.Links == nil {
		return nil
	}
	links, err := t.Links(ctx, tx, e)
	if err != nil {
		return fmt.Errorf("read the references of %s %d: %w", e.Kind, e.ID, err)
	}
	if err := KeepLinks(ctx, tx, e.Kind, e.ID); err != nil {
		return err
	}
	return s.addLinks(ctx, tx, e, links)
}

// relinkLate does what relink does where that leads to anything else than what is kept.
func (s *Service) relinkLate(ctx context.Context, tx *db.Tx, t Type, e Entry) error {
	links, err := t.Links(ctx, tx, e)
	if err != nil {
		return fmt.Errorf("read the references of %s %d: %w", e.Kind, e.ID, err)
	}
	want, err := s.resolve(ctx, tx, e.Site, links)
	if err != nil {
		return err
	}
	have, err := db.All(ctx, tx, func(r db.Scanner) (f found, err error) {
		return f, r.Scan(&f.Part, &f.place, &f.site, &f.Kind, &f.ID, &f.Address, &f.broken)
	}, "SELECT part, place, site, to_kind, to_id, address, broken FROM asset_link WHERE kind = ? AND id = ? "+
		"ORDER BY part, place", e.Kind, e.ID)
	if err != nil {
		return fmt.Errorf("read the references of %s %d: %w", e.Kind, e.ID, err)
	}
	slices.SortFunc(want, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.Part, b.Part), cmp.Compare(a.place, b.place))
	})
	if slices.Equal(want, have) {
		return nil
	}
	if err := KeepLinks(ctx, tx, e.Kind, e.ID); err != nil {
		return err
	}
	return insertLinks(ctx, tx, e, want)
}

func (s *Service) addLinks(ctx context.Context, tx *db.Tx, e Entry, links []Link) error {
	found, err := s.resolve(ctx, tx, e.Site, links)
	if err != nil {
		return err
	}
	return insertLinks(ctx, tx, e, found)
}

func insertLinks(ctx context.Context, tx *db.Tx, e Entry, links []found) error {
	const columns, most = 9, 300 // rows of a statement
	for part := range slices.Chunk(links, most) {
		args := make([]any, 0, columns*len(part))
		for _, l := range part {
			args = append(args, e.Kind, e.ID, l.Part, l.place, l.site, l.Kind, l.ID, l.Address, l.broken)
		}
		q := "INSERT INTO asset_link (kind, id, part, place, site, to_kind, to_id, address, broken) VALUES " +
			strings.TrimSuffix(strings.Repeat(db.In(columns)+", ", len(part)), ", ")
		if _, err := tx.Exec(ctx, q, args...); err != nil {
			return fmt.Errorf("write the references of %s %d: %w", e.Kind, e.ID, err)
		}
	}
	return nil
}

// found is a link whose target is looked up, as it is kept.
type found struct {
	Link
	place  int // within the part
	site   stoa.ID
	broken bool
}

func (s *Service) resolve(ctx context.Context, q db.Queryer, site stoa.ID, links []Link) ([]found, error) {
	at := map[string]Link{} // what an address leads to
	var open []string
	for _, l := range links {
		if l.Kind == "" && !slices.Contains(open, l.Address) {
			open = append(open, l.Address)
		}
	}
	for _, t := range s.types {
		if t.Find == nil || len(open) == 0 {
			continue
		}
		ids, err := t.Find(ctx, q, site, open)
		if err != nil {
			return nil, fmt.Errorf("look for the kind %s at addresses: %w", t.Kind, err)
		}
		for address, id := range ids {
			at[address] = Link{Kind: t.Kind, ID: id}
		}
		open = slices.DeleteFunc(open, func(a string) bool { _, ok := ids[a]; return ok })
	}
	var out []found
	ids, place := map[string][]stoa.ID{}, map[int]int{}
	for _, l := range links {
		if l.Kind == "" {
			to, ok := at[l.Address]
			if !ok {
				continue
			}
			l.Kind, l.ID = to.Kind, to.ID
		}
		if place[l.Part] == MostLinks {
			continue
		}
		out = append(out, found{Link: l, place: place[l.Part], site: site})
		place[l.Part]++
		if l.ID != 0 {
			ids[l.Kind] = append(ids[l.Kind], l.ID)
		}
	}
	there := map[string]map[stoa.ID]bool{}
	for kind, list := range ids {
		var err error
		if there[kind], err = s.there(ctx, q, kind, list); err != nil {
			return nil, err
		}
	}
	for i, l := range out {
		out[i].broken = !there[l.Kind][l.ID]
	}
	return out, nil
}

func numbers(parts []int) []any {
	out := make([]any, len(parts))
	for i, p := range parts {
		out[i] = p
	}
	return out
}

// Uses is what refers to a thing.
type Uses struct {
	Of    Entry
	Items []Entry // that the actor may edit, at most 200
	Other int     // things that the actor may not know more of, or that are beyond the limit
}

// unlessTrashed leaves out references of things in the recycle bin. Counting, each is looked up; NOT EXISTS would read
// the whole bin.
const unlessTrashed = " AND (SELECT count(*) FROM asset_trash b WHERE b.kind = l.kind AND b.id = l.id) = 0"

// Uses tells what refers to a thing: what is to be looked at before it is deleted. What is in the recycle bin itself
// does not count. It needs Edit on the thing.
func (s *Service) Uses(ctx context.Context, kind string, id stoa.ID) (Uses, error) {
	e, err := db.One(ctx, s.db, scanRow, "SELECT "+columns+" FROM asset_entry e WHERE e.kind = ? AND e.id = ?", kind, id)
	if db.IsNoRows(err) {
		return Uses{}, stoa.NotFound(kind, id)
	}
	if err != nil {
		return Uses{}, fmt.Errorf("read the entry of %s %d: %w", kind, id, err)
	}
	t, ok := s.Type(kind)
	if !ok {
		return Uses{}, stoa.NotFound(kind, id)
	}
	if err := t.May(ctx, access.Edit, e.Entry); err != nil {
		return Uses{}, err
	}
	const to = " FROM asset_link l WHERE l.to_kind = ? AND l.to_id = ? AND NOT (l.kind = ? AND l.id = ?)" + unlessTrashed
	out := Uses{Of: e.Entry}
	var total int
	err = s.db.QueryRow(ctx, "SELECT count(*) FROM (SELECT DISTINCT l.kind, l.id"+to+") things", kind, id, kind, id).
		Scan(&total)
	if err != nil {
		return out, fmt.Errorf("count what refers to %s %d: %w", kind, id, err)
	}
	rows, err := db.All(ctx, s.db, scanRow, "SELECT "+columns+" FROM (SELECT DISTINCT l.kind, l.id"+to+
		" ORDER BY l.kind, l.id LIMIT 200) u JOIN asset_entry e ON e.kind = u.kind AND e.id = u.id ORDER BY e.kind, e.id",
		kind, id, kind, id)
	if err != nil {
		return out, fmt.Errorf("read what refers to %s %d: %w", kind, id, err)
	}
	for _, r := range rows {
		ok, err := s.allowed(ctx, access.Edit, r.Entry)
		if err != nil {
			return out, err
		}
		if ok {
			out.Items = append(out.Items, r.Entry)
		}
	}
	out.Other = total - len(out.Items)
	return out, nil
}
