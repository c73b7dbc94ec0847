package page

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
)

// Version is a layout as it was published once. The newest may be the one that visitors see: Page.Number.
type Version struct {
	Number int
	At     time.Time
	By     stoa.ID
	Author string                 // the name of By at that time
	Title  map[stoa.Locale]string // of the page at that time
	Change Change                 // against the version before; zero for the oldest that is kept
	Oldest bool                   // the versions before it are gone, or there were none
}

// In gives the title in the locale, in another variety of its language, in the fallback or in any.
func (v Version) In(l, fallback stoa.Locale) string { return pick(v.Title, l, fallback) }

// Change counts the widgets by which a layout differs from another.
type Change struct {
	Added, Removed int
	Changed        int  // other settings, or shown instead of hidden
	Arranged       bool // the same widgets stand elsewhere, or in other sections and columns
}

// Zero reports whether the layouts are the same.
func (c Change) Zero() bool { return c == Change{} }

// changeOf compares a layout with the one before.
func changeOf(before, now Layout) Change {
	type seat struct {
		Placed
		row, column, at int
	}
	seats := func(l Layout) map[string]seat {
		out := map[string]seat{}
		for i, s := range l.Sections {
			for j, c := range s.Columns {
				for k, w := range c.Widgets {
					out[w.ID] = seat{w, i, j, k}
				}
			}
		}
		return out
	}
	old, fresh := seats(before), seats(now)
	var c Change
	moved := !sameFrame(before, now)
	for id, n := range fresh {
		o, ok := old[id]
		switch {
		case !ok:
			c.Added++
			continue
		case o.Widget != n.Widget || o.Hidden != n.Hidden || !maps.Equal(o.Settings, n.Settings):
			c.Changed++
		}
		moved = moved || o.row != n.row || o.column != n.column || o.at != n.at
	}
	for id := range old {
		if _, ok := fresh[id]; !ok {
			c.Removed++
		}
	}
	c.Arranged = moved && c.Added+c.Removed == 0 // a widget that comes or goes moves those below it
	return c
}

// sameFrame reports whether two layouts have the same sections and columns.
func sameFrame(a, b Layout) bool {
	if len(a.Sections) != len(b.Sections) {
		return false
	}
	for i, s := range a.Sections {
		t := b.Sections[i]
		if s.Style != t.Style || len(s.Columns) != len(t.Columns) {
			return false
		}
		for j, c := range s.Columns {
			if c.Width != t.Columns[j].Width {
				return false
			}
		}
	}
	return true
}

// Versions gives the published layouts of the page that are kept, at most 50, the newest first, and what changed with
// each: needs Edit.
func (s *Service) Versions(ctx context.Context, id stoa.ID) ([]Version, error) {
	if _, err := s.Get(ctx, id); err != nil {
		return nil, err
	}
	var out []Version
	var before Layout
	err := db.Each(ctx, s.d, func(r db.Scanner) error {
		v, layout, err := scanVersion(r)
		if err != nil {
			return err
		}
		if v.Oldest = len(out) == 0; !v.Oldest {
			v.Change = changeOf(before, layout)
		}
		before = layout
		out = append(out, v)
		return nil
	}, "SELECT number, layout, title, created, created_by, author FROM page_version WHERE page = ? ORDER BY number", id)
	if err != nil {
		return nil, fmt.Errorf("read the versions of page %d: %w", id, err)
	}
	slices.Reverse(out)
	return out, nil
}

// Version gives one of the Versions with its layout: needs Edit. NotFound when it is not kept.
func (s *Service) Version(ctx context.Context, id stoa.ID, number int) (Version, Layout, error) {
	if _, err := s.Get(ctx, id); err != nil {
		return Version{}, Layout{}, err
	}
	var layout Layout
	v, err := db.One(ctx, s.d, func(r db.Scanner) (v Version, err error) {
		v, layout, err = scanVersion(r)
		return v, err
	}, "SELECT number, layout, title, created, created_by, author FROM page_version WHERE page = ? AND number = ?",
		id, number)
	if db.IsNoRows(err) {
		return Version{}, Layout{}, stoa.NotFound("version", number)
	}
	return v, layout, err
}

func scanVersion(r db.Scanner) (Version, Layout, error) {
	var v Version
	var raw, title string
	var at int64
	if err := r.Scan(&v.Number, &raw, &title, &at, &v.By, &v.Author); err != nil {
		return v, Layout{}, err
	}
	v.At = db.Time(at)
	if err := json.Unmarshal([]byte(title), &v.Title); err != nil {
		return v, Layout{}, fmt.Errorf("title of version %d: %w", v.Number, err)
	}
	layout, err := decodeLayout(raw)
	if err != nil {
		return v, layout, fmt.Errorf("layout of version %d: %w", v.Number, err)
	}
	return v, layout, nil
}

// RestoreVersion makes the layout of an earlier version the draft, in place of the one that there may be: needs Edit.
// Conflict as for SaveDraft; NotFound when the version is not kept.
func (s *Service) RestoreVersion(ctx context.Context, id stoa.ID, number int, draftVersion int64) (int64, error) {
	p, err := s.Get(ctx, id)
	if err != nil {
		return 0, err
	}
	err = s.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		var raw string
		err := tx.QueryRow(ctx, "SELECT layout FROM page_version WHERE page = ? AND number = ?", id, number).Scan(&raw)
		if db.IsNoRows(err) {
			return stoa.NotFound("version", number)
		}
		if err != nil {
			return err
		}
		audit.Note(tx, audit.Restored, p.thing(), strconv.Itoa(number))
		return s.setDraft(ctx, tx, p, raw, draftVersion)
	})
	if err != nil {
		return 0, err
	}
	return draftVersion + 1, nil
}

// keepVersion writes down a published layout and forgets the oldest ones.
func (s *Service) keepVersion(ctx context.Context, tx *db.Tx, id stoa.ID, number int, layout, title string) error {
	actor := stoa.ActorFrom(ctx)
	name := []rune(actor.Name)
	err := tx.Insert(ctx, "page_version", db.Row{"page": id, "number": number, "layout": layout, "title": title,
		"created": db.Micros(tx.Now()), "created_by": actor.User, "author": string(name[:min(len(name), 190)])})
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "DELETE FROM page_version WHERE page = ? AND number <= ?", id, number-maxVersions)
	return err
}
