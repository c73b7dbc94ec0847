package page

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
)

// SaveDraft keeps a layout that visitors do not see yet and gives the new draft version: needs Edit.
// draftVersion is the one the editor loaded; when it is not the newest the answer is Conflict.
func (s *Service) SaveDraft(ctx context.Context, id stoa.ID, l Layout, draftVersion int64) (int64, error) {
	p, err := s.Get(ctx, id)
	if err != nil {
		return 0, err
	}
	if l, err = l.check(); err != nil {
		return 0, err
	}
	raw, err := l.encode()
	if err != nil {
		return 0, err
	}
	err = s.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		return s.setDraft(ctx, tx, p, raw, draftVersion)
	})
	return draftVersion + 1, err
}

func (s *Service) setDraft(ctx context.Context, tx *db.Tx, p Page, raw string, draftVersion int64) error {
	n, err := tx.Affected(ctx, "UPDATE page_page SET draft = ?, draft_version = draft_version + 1, modified = ?, modified_by = ? WHERE id = ? AND draft_version = ?",
		raw, db.Micros(tx.Now()), stoa.ActorFrom(ctx).User, p.ID, draftVersion)
	if err != nil {
		return err
	}
	if n == 0 {
		return stoa.Conflict("somebody else changed the draft of this page since you opened it; load it again")
	}
	tx.Changed(kindDraft, p.ID, p.Site, draftVersion+1)
	return nil
}

// DiscardDraft goes back to what visitors see: needs Edit. Conflict as for SaveDraft.
func (s *Service) DiscardDraft(ctx context.Context, id stoa.ID, draftVersion int64) (int64, error) {
	p, err := s.Get(ctx, id)
	if err != nil {
		return 0, err
	}
	if p.Number == 0 {
		return 0, stoa.Conflict("the page was never published, so there is nothing to go back to; delete it instead")
	}
	err = s.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		audit.Note(tx, audit.Discarded, p.thing())
		return s.setDraft(ctx, tx, p, "", draftVersion)
	})
	return draftVersion + 1, err
}

// RestoreVersion makes the layout of an earlier version the draft: needs Edit. Conflict as for SaveDraft.
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
		return s.setDraft(ctx, tx, p, raw, draftVersion)
	})
	return draftVersion + 1, err
}

// Publish shows visitors the page with its draft, if there is one, and keeps the layout as a version:
// needs Publish. version is the page's; a stale one is Conflict.
func (s *Service) Publish(ctx context.Context, id stoa.ID, version int64) (Page, error) {
	p, err := s.Get(ctx, id)
	if err != nil {
		return Page{}, err
	}
	if err := s.check(ctx, access.Publish, p); err != nil {
		return Page{}, err
	}
	err = s.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		p, err := read(ctx, tx, id)
		if err != nil {
			return err
		}
		layout, number := p.Layout, p.Number
		if p.Draft != nil {
			layout, number = *p.Draft, p.Number+1
		}
		raw, err := layout.encode()
		if err != nil {
			return err
		}
		n, err := tx.Affected(ctx, "UPDATE page_page SET layout = ?, draft = '', published = ?, live_number = ?, modified = ?, modified_by = ?, version = version + 1, draft_version = draft_version + 1 WHERE id = ? AND version = ? AND draft_version = ?",
			raw, true, number, db.Micros(tx.Now()), stoa.ActorFrom(ctx).User, id, version, p.DraftVersion)
		if err != nil {
			return err
		}
		if n == 0 {
			return stale()
		}
		tx.Changed(kindPage, id, p.Site, version+1)
		audit.Note(tx, audit.Published, p.thing())
		if number == p.Number {
			return nil
		}
		title, err := json.Marshal(p.Title)
		if err != nil {
			return err
		}
		return s.keepVersion(ctx, tx, id, number, raw, string(title))
	})
	if err != nil {
		return Page{}, err
	}
	return s.Get(ctx, id)
}

// Unpublish hides the page from visitors; its layout stays: needs Publish. A stale version is Conflict.
func (s *Service) Unpublish(ctx context.Context, id stoa.ID, version int64) (Page, error) {
	p, err := s.Get(ctx, id)
	if err != nil {
		return Page{}, err
	}
	if err := s.check(ctx, access.Publish, p); err != nil {
		return Page{}, err
	}
	if err := s.set(ctx, p, version, "published", false); err != nil {
		return Page{}, err
	}
	return s.Get(ctx, id)
}

// set changes one column of the page: published or password. Anything but an empty password withholds
// the page from somebody.
func (s *Service) set(ctx context.Context, p Page, version int64, column string, value any) error {
	return s.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		n, err := tx.Affected(ctx, "UPDATE page_page SET "+column+" = ?, modified = ?, modified_by = ?, version = version + 1 WHERE id = ? AND version = ?",
			value, db.Micros(tx.Now()), stoa.ActorFrom(ctx).User, p.ID, version)
		if err != nil {
			return err
		}
		if n == 0 {
			return stale()
		}
		tx.Changed(kindPage, p.ID, p.Site, version+1)
		noteColumn(tx, p, column, value)
		if value != "" && p.Published { // what no visitor has seen is taken away from none
			withheld(tx, p, column, value)
		}
		return nil
	})
}

// withheld says that the transaction withholds the page from somebody by the value of a column.
func withheld(tx *db.Tx, p Page, column string, value any) {
	tx.TakesAway(func(ctx context.Context, tx *db.Tx) error {
		n, err := tx.Affected(ctx, "UPDATE page_page SET "+column+" = ?, version = version + 1 WHERE id = ? AND "+column+" <> ?", value, p.ID, value)
		if n > 0 {
			tx.Changed(kindPage, p.ID, p.Site, 0)
		}
		return err
	})
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

// rounds is how often a password is hashed.
const rounds = 200_000

// SetPassword asks visitors of the page for a password; an empty one lets them in without: needs Edit, and Publish
// when the page is published, for visitors see it at once. A stale version is Conflict.
func (s *Service) SetPassword(ctx context.Context, id stoa.ID, password string, version int64) error {
	p, err := s.Get(ctx, id)
	if err != nil {
		return err
	}
	if p.Published {
		if err := s.check(ctx, access.Publish, p); err != nil {
			return err
		}
	}
	hash, err := s.hashPassword(ctx, password)
	if err != nil {
		return err
	}
	return s.set(ctx, p, version, "password", hash)
}

// Unlock checks a visitor's password and gives what a session must remember to be let in: Page.Unlock.
// A wrong password is Unauthorized. Needs View.
func (s *Service) Unlock(ctx context.Context, id stoa.ID, password string) (string, error) {
	p, err := s.Live(ctx, id)
	if err != nil {
		return "", err
	}
	var stored string
	if err := s.d.QueryRow(ctx, "SELECT password FROM page_page WHERE id = ?", id).Scan(&stored); err != nil {
		return "", err
	}
	if stored == "" {
		return p.Unlock, nil
	}
	parts := strings.Split(stored, "$")
	if len(parts) != 3 || len(password) > 200 {
		return "", stoa.Unauthorized("that is not the password of this page")
	}
	n, err := strconv.Atoi(parts[0])
	if err != nil {
		return "", err
	}
	salt, err := hex.DecodeString(parts[1])
	if err != nil {
		return "", err
	}
	sum, err := s.derive(ctx, password, salt, n)
	if err != nil {
		return "", err
	}
	if subtle.ConstantTimeCompare([]byte(hex.EncodeToString(sum)), []byte(parts[2])) != 1 {
		return "", stoa.Unauthorized("that is not the password of this page")
	}
	return hashOf(stored), nil
}

func (s *Service) hashPassword(ctx context.Context, password string) (string, error) {
	if password == "" {
		return "", nil
	}
	if len(password) > 200 {
		return "", stoa.Invalid("password", "the password is longer than 200 bytes")
	}
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails
	sum, err := s.derive(ctx, password, salt, rounds)
	if err != nil {
		return "", err
	}
	return strconv.Itoa(rounds) + "$" + hex.EncodeToString(salt) + "$" + hex.EncodeToString(sum), nil
}

// derive is costly on purpose, so only few run at once.
func (s *Service) derive(ctx context.Context, password string, salt []byte, n int) ([]byte, error) {
	select {
	case s.hashing <- struct{}{}:
		defer func() { <-s.hashing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return pbkdf2.Key(sha256.New, password, salt, n, 32)
}
