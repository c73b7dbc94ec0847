package page

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/recycle"
	"github.com/stoa-portal/stoa/site"
)

// MenuBin says what menus are in the recycle bin.
func (s *Service) MenuBin() recycle.Kind {
	return recycle.Kind{Kind: kindMenu, Name: stoa.Phrase("asset.menu"),
		Screen: func(id stoa.ID) string { return "/menus/" + id.String() },
		May:    s.mayTrashedPart, Restore: s.restoreMenuTx, Purge: s.purgeMenuTx}
}

// RedirectBin says what old addresses are in the recycle bin.
func (s *Service) RedirectBin() recycle.Kind {
	return recycle.Kind{Kind: kindRedirect, Name: stoa.Phrase("asset.redirect"),
		Screen: func(stoa.ID) string { return "/trash" },
		May:    s.mayTrashedPart, Restore: s.restoreRedirectTx, Purge: s.purgeRedirectTx}
}

// mayTrashedPart asks for what removing a menu or an old address needs.
func (s *Service) mayTrashedPart(ctx context.Context, r recycle.Row) error {
	return s.checkSite(ctx, access.Publish, r.Site)
}

// slugBefore is what the row of a menu in the recycle bin has lost.
type slugBefore struct {
	Slug string `json:"slug"`
}

// TrashMenu puts the menu into the recycle bin: needs Publish on the site. A stale version is Conflict.
func (s *Service) TrashMenu(ctx context.Context, id stoa.ID, version int64) error {
	err := s.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		m, err := readMenu(ctx, tx, id)
		if err != nil {
			return err
		}
		st, err := s.sites.Site(ctx, m.Site)
		if err == nil {
			err = s.access.Check(ctx, access.Publish, st.Path())
		}
		if err != nil {
			return err
		}
		if m.Version != version {
			return stoa.Conflict("another person has changed this menu; load it again")
		}
		return s.hideMenu(ctx, tx, st, m, recycle.Row{})
	})
	if err != nil {
		return fmt.Errorf("page: put a menu into the recycle bin: %w", err)
	}
	return nil
}

// readMenu gives a menu that is not in the recycle bin, without asking who may see it.
func readMenu(ctx context.Context, q db.Queryer, id stoa.ID) (Menu, error) {
	m, err := db.One(ctx, q, scanMenu, "SELECT "+menuColumns+" FROM page_menu WHERE id = ? AND site < ?", id,
		recycle.Hidden)
	if db.IsNoRows(err) {
		err = stoa.NotFound("menu", id)
	}
	return m, err
}

// hideMenu puts a menu into the recycle bin: its row is of no site there, and its name for the theme is free.
func (s *Service) hideMenu(ctx context.Context, tx *db.Tx, st site.Site, m Menu, r recycle.Row) error {
	state, err := json.Marshal(slugBefore{m.Slug})
	if err != nil {
		return err
	}
	n, err := tx.Affected(ctx, "UPDATE page_menu SET site = ?, slug = ?, version = version + 1 "+
		"WHERE id = ? AND version = ?",
		m.Site+recycle.Hidden, ":"+m.ID.String(), m.ID, m.Version)
	if err != nil {
		return err
	}
	if n == 0 {
		return stoa.Conflict("another person has changed this menu; load it again")
	}
	r.Kind, r.ID, r.Instance, r.Site = kindMenu, m.ID, st.Instance, st.ID
	r.Title, r.State = m.Name, string(state)
	if r, err = recycle.Put(ctx, tx, r); err != nil {
		return err
	}
	tx.Changed(kindMenu, m.ID, m.Site, m.Version+1)
	audit.Note(tx, audit.Trashed, m.thing())
	tx.TakesAway(func(ctx context.Context, tx *db.Tx) error {
		now, err := readMenu(ctx, tx, m.ID)
		if stoa.Is(err, stoa.KindNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		return s.hideMenu(ctx, tx, st, now, r)
	})
	return nil
}

// takeMenu gives a menu that is in the recycle bin, with the site that it belongs to and what it has lost, and takes it
// out, if the actor may.
func (s *Service) takeMenu(ctx context.Context, tx *db.Tx, id stoa.ID) (Menu, error) {
	r, err := recycle.Take(ctx, tx, kindMenu, id)
	if err != nil {
		return Menu{}, err
	}
	if err := s.checkSite(ctx, access.Publish, r.Site); err != nil {
		return Menu{}, err
	}
	m, err := db.One(ctx, tx, scanMenu, "SELECT "+menuColumns+" FROM page_menu WHERE id = ?", id)
	if err != nil {
		return m, fmt.Errorf("read menu %d in the recycle bin: %w", id, err)
	}
	var was slugBefore
	if err := json.Unmarshal([]byte(r.State), &was); err != nil {
		return m, fmt.Errorf("how menu %d was called: %w", id, err)
	}
	m.Site, m.Slug = r.Site, was.Slug
	return m, nil
}

// restoreMenuTx takes a menu out of the recycle bin. Where another one has its name for the theme, it gets a number.
func (s *Service) restoreMenuTx(
	ctx context.Context, tx *db.Tx, id stoa.ID, _ *recycle.Place,
) (out recycle.Restored, err error) {
	m, err := s.takeMenu(ctx, tx, id)
	if err != nil {
		return out, err
	}
	slug, err := recycle.Free(m.Slug, 120, func(try string) (bool, error) {
		var n int
		err := tx.QueryRow(ctx, "SELECT count(*) FROM page_menu WHERE site = ? AND slug = ?", m.Site, try).Scan(&n)
		return n == 0, err
	})
	if err != nil {
		return out, err
	}
	_, err = tx.Exec(ctx, "UPDATE page_menu SET site = ?, slug = ?, version = version + 1 WHERE id = ?", m.Site, slug, id)
	if db.IsDuplicate(err) {
		return out, stoa.Conflict("there already is a menu %q in this site", slug)
	}
	if err != nil {
		return out, err
	}
	out.Renamed = slug != m.Slug
	tx.Changed(kindMenu, id, m.Site, m.Version+1)
	audit.Note(tx, audit.Recovered, m.thing())
	return out, nil
}

func (s *Service) purgeMenuTx(ctx context.Context, tx *db.Tx, id stoa.ID) error {
	m, err := s.takeMenu(ctx, tx, id)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "DELETE FROM page_menu WHERE id = ?", id); err != nil {
		return err
	}
	tx.Changed(kindMenu, id, m.Site, m.Version+1)
	audit.Note(tx, audit.Deleted, m.thing())
	return nil
}

// TrashRedirect puts an old address into the recycle bin: needs Publish on the site.
func (s *Service) TrashRedirect(ctx context.Context, siteID, id stoa.ID) error {
	st, err := s.sites.Site(ctx, siteID)
	if err == nil {
		err = s.access.Check(ctx, access.Publish, st.Path())
	}
	if err != nil {
		return err
	}
	return s.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		done, err := s.hideRedirect(ctx, tx, st, id, recycle.Row{})
		if err == nil && !done {
			err = stoa.NotFound("redirect", id)
		}
		return err
	})
}

// hideRedirect puts an old address into the recycle bin, if it is one of the site: it is of no site there, and another
// one may lead on from the same address.
func (s *Service) hideRedirect(ctx context.Context, tx *db.Tx, st site.Site, id stoa.ID, r recycle.Row) (bool, error) {
	var source string
	err := tx.QueryRow(ctx, "SELECT source FROM page_redirect WHERE id = ? AND site = ?", id, st.ID).Scan(&source)
	if db.IsNoRows(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	n, err := tx.Affected(ctx, "UPDATE page_redirect SET site = ?, source_hash = ? WHERE id = ? AND site = ?",
		st.ID+recycle.Hidden, hashOf(":"+id.String()), id, st.ID)
	if err != nil || n == 0 {
		return false, err
	}
	r.Kind, r.ID, r.Instance, r.Site = kindRedirect, id, st.Instance, st.ID
	r.Title, r.State = source, "{}"
	if r, err = recycle.Put(ctx, tx, r); err != nil {
		return false, err
	}
	tx.Changed(kindRedirect, id, st.ID, db.Micros(tx.Now()))
	audit.Note(tx, audit.Trashed, audit.Thing{Kind: kindRedirect, ID: id, Instance: st.Instance, Title: source})
	tx.TakesAway(func(ctx context.Context, tx *db.Tx) error {
		_, err := s.hideRedirect(ctx, tx, st, id, r)
		return err
	})
	return true, nil
}

// restoreRedirectTx takes an old address out of the recycle bin. Where a page or another redirect has the address by
// now, it is a Conflict: a number would not help those who come from there.
func (s *Service) restoreRedirectTx(
	ctx context.Context, tx *db.Tx, id stoa.ID, _ *recycle.Place,
) (out recycle.Restored, err error) {
	r, err := recycle.Take(ctx, tx, kindRedirect, id)
	if err != nil {
		return out, err
	}
	if err := s.checkSite(ctx, access.Publish, r.Site); err != nil {
		return out, err
	}
	var source string
	if err := tx.QueryRow(ctx, "SELECT source FROM page_redirect WHERE id = ?", id).Scan(&source); err != nil {
		return out, fmt.Errorf("read redirect %d in the recycle bin: %w", id, err)
	}
	var pages int
	if err := tx.QueryRow(ctx, "SELECT count(*) FROM page_page WHERE site = ? AND path_hash = ?", r.Site,
		hashOf(source)).Scan(&pages); err != nil {
		return out, err
	}
	if pages == 0 {
		_, err = tx.Exec(ctx, "UPDATE page_redirect SET site = ?, source_hash = ? WHERE id = ?", r.Site, hashOf(source), id)
	}
	if pages > 0 || db.IsDuplicate(err) {
		return out, stoa.Conflict("something else is at the old address %q by now, so it cannot lead on from there", source)
	}
	if err != nil {
		return out, err
	}
	tx.Changed(kindRedirect, id, r.Site, db.Micros(tx.Now()))
	audit.Note(tx, audit.Recovered, audit.Thing{Kind: kindRedirect, ID: id, Instance: r.Instance, Title: source})
	return out, nil
}

func (s *Service) purgeRedirectTx(ctx context.Context, tx *db.Tx, id stoa.ID) error {
	r, err := recycle.Take(ctx, tx, kindRedirect, id)
	if err != nil {
		return err
	}
	if err := s.checkSite(ctx, access.Publish, r.Site); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "DELETE FROM page_redirect WHERE id = ?", id); err != nil {
		return err
	}
	tx.Changed(kindRedirect, id, r.Site, db.Micros(tx.Now()))
	audit.Note(tx, audit.Deleted, audit.Thing{Kind: kindRedirect, ID: id, Instance: r.Instance, Title: r.Title})
	return nil
}
