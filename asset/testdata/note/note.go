// Package note is a kind of content that only tests have: short texts with a title. It shows what a kind costs beside
// its screens: its table, its use cases with the entry in the same transaction, and one AssetType to register.
package note

import (
	"context"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/site"
)

const kind = "note"

// Table is what a migration would make.
const Table = `CREATE TABLE note_note (
	id BIGINT NOT NULL PRIMARY KEY, site BIGINT NOT NULL, title VARCHAR(190) NOT NULL,
	made_by BIGINT NOT NULL, private BOOLEAN NOT NULL, deleted BOOLEAN NOT NULL, created BIGINT NOT NULL,
	modified BIGINT NOT NULL, refers VARCHAR(190) NOT NULL, version BIGINT NOT NULL)`

// Note is a short text.
type Note struct {
	ID      stoa.ID
	Site    site.Site
	Title   string
	Refers  string // an address within the site; may be empty
	Private bool   // has grants of its own
	Version int64
}

// Service keeps the notes.
type Service struct {
	DB     *db.DB
	Access *access.Service
	Assets *asset.Service
}

// Save makes the note, or changes the one with its ID and Version. It needs Edit on the site.
func (s *Service) Save(ctx context.Context, n Note) (Note, error) {
	if err := s.Access.Check(ctx, access.Edit, n.Site.Path()); err != nil {
		return n, err
	}
	return n, s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		now := db.Micros(tx.Now())
		if n.ID == 0 {
			if n.ID, err = tx.NewID(ctx); err != nil {
				return err
			}
			err = tx.Insert(ctx, "note_note", db.Row{"id": n.ID, "site": n.Site.ID, "title": n.Title, "created": now,
				"made_by": stoa.ActorFrom(ctx).User, "private": n.Private, "deleted": false, "modified": now,
				"refers": n.Refers, "version": 1})
			n.Version = 1
			return s.done(ctx, tx, n, err)
		}
		return s.change(ctx, tx, &n, "title = ?, private = ?, refers = ?, modified = ?", n.Title, n.Private, n.Refers, now)
	})
}

// Trash puts a note into the recycle bin, or takes it out. It needs Edit on the site.
func (s *Service) Trash(ctx context.Context, n Note, into bool) (Note, error) {
	if err := s.Access.Check(ctx, access.Edit, n.Site.Path()); err != nil {
		return n, err
	}
	return n, s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		return s.change(ctx, tx, &n, "deleted = ?", into)
	})
}

// Purge deletes a note for good. It needs Edit on the site.
func (s *Service) Purge(ctx context.Context, n Note) error {
	if err := s.Access.Check(ctx, access.Edit, n.Site.Path()); err != nil {
		return err
	}
	return s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, "DELETE FROM note_note WHERE id = ?", n.ID)
		n.Version++
		return s.done(ctx, tx, n, err)
	})
}

func (s *Service) change(ctx context.Context, tx *db.Tx, n *Note, set string, args ...any) error {
	found, err := tx.Affected(ctx, "UPDATE note_note SET "+set+", version = version + 1 WHERE id = ? AND version = ?",
		append(args, n.ID, n.Version)...)
	if err == nil && found == 0 {
		err = stoa.Conflict("this note was changed by another person; load it again")
	}
	n.Version++
	return s.done(ctx, tx, *n, err)
}

// done ends what a transaction does to a note: its entry, and the change for the caches.
func (s *Service) done(ctx context.Context, tx *db.Tx, n Note, err error) error {
	if err != nil {
		return err
	}
	tx.Changed(kind, n.ID, n.Site.ID, n.Version)
	return s.Assets.EnterLinked(ctx, tx, kind, n.ID)
}

// AssetType is what package server would register.
func (s *Service) AssetType() asset.Type {
	return asset.Type{
		Kind: kind, Name: "Note", Icon: "file", Table: "note_note", Read: read,
		Screen: func(e asset.Entry) string { return "/notes/" + e.ID.String() },
		Links:  readLinks, Find: find,
		Rows: asset.Rows{Created: "e.created", Modified: "e.modified", Owner: "e.made_by", Titles: "LOWER(e.title)",
			Shown: "NOT e.deleted", Status: map[asset.Status]string{asset.Live: "NOT e.deleted", asset.Trashed: "e.deleted"}},
		May: func(ctx context.Context, a access.Action, e asset.Entry) error {
			return s.Access.Check(ctx, a, access.Path{{Kind: kind, ID: e.ID, Own: e.Restricted}, {Kind: "site", ID: e.Site},
				{Kind: "instance", ID: e.Instance}})
		},
	}
}

func read(ctx context.Context, q db.Queryer, ids []stoa.ID) ([]asset.Entry, error) {
	return db.All(ctx, q, func(r db.Scanner) (asset.Entry, error) {
		e := asset.Entry{Kind: kind, Status: asset.Live, Shown: true, Locale: "en"}
		var title string
		var deleted bool
		var created, modified int64
		err := r.Scan(&e.ID, &e.Instance, &e.Site, &title, &e.Owner, &e.Restricted, &deleted, &created, &modified, &e.Version)
		if deleted {
			e.Status, e.Shown = asset.Trashed, false
		}
		e.Titles = map[stoa.Locale]string{"en": strings.TrimSpace(title)}
		e.Created, e.Modified = db.Time(created), db.Time(modified)
		return e, err
	}, `SELECT n.id, s.instance, n.site, n.title, n.made_by, n.private, n.deleted, n.created, n.modified, n.version
		FROM note_note n JOIN site_site s ON s.id = n.site WHERE n.id IN `+db.In(len(ids)), db.Args(ids)...)
}

func readLinks(ctx context.Context, q db.Queryer, e asset.Entry) ([]asset.Link, error) {
	var refers string
	err := q.QueryRow(ctx, "SELECT refers FROM note_note WHERE id = ?", e.ID).Scan(&refers)
	return asset.AddressLinks(0, strings.Fields(refers)), err
}

// find gives the notes at addresses such as "/n/42".
func find(ctx context.Context, q db.Queryer, site stoa.ID, addresses []string) (map[string]stoa.ID, error) {
	out := map[string]stoa.ID{}
	for _, a := range addresses {
		text, ok := strings.CutPrefix(a, "/n/")
		if !ok {
			continue
		}
		out[a] = 0
		id, err := stoa.ParseID(text)
		if err != nil {
			continue
		}
		err = q.QueryRow(ctx, "SELECT id FROM note_note WHERE id = ? AND site = ?", id, site).Scan(&id)
		if db.IsNoRows(err) {
			continue
		}
		if out[a] = id; err != nil {
			return nil, err
		}
	}
	return out, nil
}
