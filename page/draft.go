package page

import (
	"context"
	"encoding/json"

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

// setDraft leaves the time of the page's change as it is: it is told to visitors, who see no draft.
func (s *Service) setDraft(ctx context.Context, tx *db.Tx, p Page, raw string, draftVersion int64) error {
	n, err := tx.Affected(ctx, "UPDATE page_page SET draft = ?, draft_version = draft_version + 1, modified_by = ? "+
		"WHERE id = ? AND draft_version = ?", raw, stoa.ActorFrom(ctx).User, p.ID, draftVersion)
	if err != nil {
		return err
	}
	if n == 0 {
		return stoa.Conflict("another person has changed the draft of this page since you opened it; load it again")
	}
	tx.Changed(kindDraft, p.ID, p.Site, draftVersion+1)
	return enter(ctx, tx, p.ID) // what it refers to is worked out later: an editor changes a draft many times
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
	err = s.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.publishTx(ctx, tx, id, version) })
	if err != nil {
		return Page{}, err
	}
	return s.Get(ctx, id)
}

// publishTx does what Publish does. The caller has asked for permission.
func (s *Service) publishTx(ctx context.Context, tx *db.Tx, id stoa.ID, version int64) error {
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
	n, err := tx.Affected(ctx, "UPDATE page_page SET layout = ?, draft = '', published = ?, live_number = ?, modified "+
		"= ?, modified_by = ?, version = version + 1, draft_version = draft_version + 1 WHERE id = ? AND version = ? AND "+
		"draft_version = ?",
		raw, true, number, db.Micros(tx.Now()), stoa.ActorFrom(ctx).User, id, version, p.DraftVersion)
	if err != nil {
		return err
	}
	if n == 0 {
		return stale()
	}
	if err := s.enter(ctx, tx, id); err != nil {
		return err
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
		return s.setTx(ctx, tx, p, version, column, value)
	})
}

func (s *Service) setTx(ctx context.Context, tx *db.Tx, p Page, version int64, column string, value any) error {
	n, err := tx.Affected(ctx, "UPDATE page_page SET "+column+" = ?, modified = ?, modified_by = ?, version = version "+
		"+ 1 WHERE id = ? AND version = ?",
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
	return s.enter(ctx, tx, p.ID)
}

// withheld says that the transaction withholds the page from somebody by the value of a column.
func withheld(tx *db.Tx, p Page, column string, value any) {
	tx.TakesAway(func(ctx context.Context, tx *db.Tx) error {
		n, err := tx.Affected(ctx, "UPDATE page_page SET "+column+" = ?, version = version + 1 WHERE id = ? AND "+column+" <> ?", value, p.ID, value)
		if err != nil || n == 0 {
			return err
		}
		tx.Changed(kindPage, p.ID, p.Site, 0)
		return enter(ctx, tx, p.ID)
	})
}

// maxPassword is how long the password of a page is, in bytes.
const maxPassword = 200

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
	if p.Version != version { // the right that was asked for is the one of this version
		return stale()
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
	ok := false
	if len(password) <= maxPassword {
		if ok, _, err = s.passwords.Check(ctx, stored, password); err != nil {
			return "", err
		}
	}
	if !ok {
		return "", stoa.Unauthorized("that is not the password of this page")
	}
	return hashOf(stored), nil
}

func (s *Service) hashPassword(ctx context.Context, password string) (string, error) {
	if password == "" {
		return "", nil
	}
	if len(password) > maxPassword {
		return "", stoa.Invalid("password", "the password is longer than 200 bytes")
	}
	return s.passwords.Make(ctx, password)
}
