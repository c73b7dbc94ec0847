package page

import (
	"context"
	"fmt"
	"slices"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/site"
)

// lockTree makes this transaction the only one that changes the shape of the site's tree. It comes
// first in a transaction, so that what is read after it is what the one before committed.
func (s *Service) lockTree(ctx context.Context, tx *db.Tx, siteID stoa.ID) error {
	return tx.Upsert(ctx, "page_tree", []string{"site"}, db.Row{"site": siteID, "touched": db.Micros(tx.Now())})
}

// spot is a place in the tree under which pages can be.
type spot struct {
	prefix string // the address of the parent, empty at the top
	depth  int
	path   access.Path
	ids    []stoa.ID // the parent and what is above it
}

// above reads the way from a parent up to the site. Invalid when the parent is not a page of the site.
func (s *Service) above(ctx context.Context, q db.Queryer, st site.Site, parent stoa.ID) (spot, error) {
	var out spot
	for id := parent; id != 0; {
		var up, siteID stoa.ID
		var path string
		var restricted bool
		err := q.QueryRow(ctx, "SELECT site, parent, path, restricted FROM page_page WHERE id = ?", id).
			Scan(&siteID, &up, &path, &restricted)
		if db.IsNoRows(err) || err == nil && siteID != st.ID {
			return out, stoa.Invalid("parent", "the page above (%s) does not exist in this site", id)
		}
		if err != nil {
			return out, err
		}
		if id == parent {
			out.prefix = path
		}
		if out.depth++; out.depth > maxDepth {
			return out, fmt.Errorf("page %d: the pages above it form a ring or are too many", parent)
		}
		out.ids = append(out.ids, id)
		out.path = append(out.path, access.Resource{Kind: "page", ID: id, Own: restricted})
		id = up
	}
	out.path = append(out.path, st.Path()...)
	return out, nil
}

// place is a page among its siblings.
type place struct {
	id stoa.ID
	at int
}

func siblings(ctx context.Context, q db.Queryer, siteID, parent stoa.ID) ([]place, error) {
	return db.All(ctx, q, func(r db.Scanner) (p place, err error) {
		return p, r.Scan(&p.id, &p.at)
	}, "SELECT id, place FROM page_page WHERE site = ? AND parent = ? ORDER BY place, id", siteID, parent)
}

// renumber stores the order; the entry at skip is not stored yet.
func (s *Service) renumber(ctx context.Context, tx *db.Tx, siteID stoa.ID, order []place, skip int) error {
	for i, p := range order {
		if i == skip || p.at == i {
			continue
		}
		if _, err := tx.Exec(ctx, "UPDATE page_page SET place = ? WHERE id = ?", i, p.id); err != nil {
			return err
		}
		tx.Changed(kindPage, p.id, siteID, 0)
	}
	return nil
}

// Move puts the page below parent (0: the top) at the position, from 0; beyond the end is last. Needs
// Edit on the page and on the new parent; Publish on both when visitors see the page or one below it; and Manage on
// the page as it stands when more people could use it at the new place. Published addresses that change leave
// redirects. A stale version or a taken address is Conflict; below itself is Invalid.
func (s *Service) Move(ctx context.Context, id, parent stoa.ID, position int, version int64) (Page, error) {
	old, err := s.Get(ctx, id)
	if err != nil {
		return Page{}, err
	}
	st, err := s.sites.Site(ctx, old.Site)
	if err != nil {
		return Page{}, err
	}
	err = s.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		return s.moveTx(ctx, tx, st, id, parent, position, version)
	})
	if err != nil {
		return Page{}, err
	}
	return s.Get(ctx, id)
}

// moveTx does what Move does.
func (s *Service) moveTx(ctx context.Context, tx *db.Tx, st site.Site, id, parent stoa.ID, position int,
	version int64,
) error {
	if err := s.lockTree(ctx, tx, st.ID); err != nil {
		return err
	}
	t, err := loadTree(ctx, tx, st.ID)
	if err != nil {
		return err
	}
	return s.moveIn(ctx, tx, st, t, id, parent, position, version)
}

// moveIn is moveTx in a tree that is locked and read.
func (s *Service) moveIn(ctx context.Context, tx *db.Tx, st site.Site, t *tree, id, parent stoa.ID, position int,
	version int64,
) error {
	p, err := read(ctx, tx, id)
	if err != nil {
		return err
	}
	if p.Version != version {
		return stale()
	}
	to, err := s.above(ctx, tx, st, parent)
	if err != nil {
		return err
	}
	if slices.Contains(to.ids, id) {
		return stoa.Invalid("parent", "a page cannot be moved below itself")
	}
	if err := s.mayMove(ctx, st, t, p, to); err != nil {
		return err
	}
	order, err := siblings(ctx, tx, st.ID, parent)
	if err != nil {
		return err
	}
	order = slices.DeleteFunc(order, func(o place) bool { return o.id == id })
	if position < 0 || position > len(order) {
		position = len(order)
	}
	if err := s.renumber(ctx, tx, st.ID, slices.Insert(order, position, place{id: id}), position); err != nil {
		return err
	}
	n, err := tx.Affected(
		ctx,
		"UPDATE page_page SET parent = ?, place = ?, version = version + 1 WHERE id = ? AND version = ?",
		parent,
		position,
		id,
		version,
	)
	if err != nil {
		return err
	}
	if n == 0 {
		return stale()
	}
	if err := s.enter(ctx, tx, id); err != nil {
		return err
	}
	tx.Changed(kindPage, id, st.ID, version+1)
	audit.Note(tx, audit.Moved, p.thing())
	if parent != p.Parent { // who was let in by what is granted above it may not be any more
		tx.TakesAway(nil)
	}
	return s.repathIn(ctx, tx, t, p, to.prefix+"/"+p.Slug, to.depth+1)
}

// mayMove asks whether the actor may put the page p to the place to.
func (s *Service) mayMove(ctx context.Context, st site.Site, t *tree, p Page, to spot) error {
	self := access.Resource{Kind: "page", ID: p.ID, Own: p.Restricted}
	from := s.pathOf(t, t.nodes[p.ID], st.Path())
	need := access.Edit
	if t.shown(p.ID, 0) {
		need = access.Publish
	}
	if err := s.access.Check(ctx, need, from); err != nil {
		return err
	}
	if err := s.access.Check(ctx, need, to.path); err != nil {
		return err
	}
	wider, err := s.access.Widens(ctx, from, append(access.Path{self}, to.path...))
	if err != nil || !wider {
		return err
	}
	if err := s.access.Check(ctx, access.Manage, from); stoa.Is(err, stoa.KindForbidden) {
		return refusal(err,
			stoa.Forbidden("more people could use this page there than here, so moving it needs the right to manage it"))
	} else if err != nil {
		return err
	}
	return nil
}

// shown reports whether the page or one below it is published.
func (t *tree) shown(id stoa.ID, depth int) bool {
	if t.nodes[id].Published {
		return true
	}
	return depth <= maxDepth &&
		slices.ContainsFunc(t.below[id], func(child stoa.ID) bool { return t.shown(child, depth+1) })
}

// repath gives the page, and with it everything below, a new address.
func (s *Service) repath(ctx context.Context, tx *db.Tx, p Page, path string, depth int) error {
	if p.Path == path {
		return nil
	}
	t, err := loadTree(ctx, tx, p.Site)
	if err != nil {
		return err
	}
	return s.repathIn(ctx, tx, t, p, path, depth)
}

// repathIn is repath in a tree that is read already.
func (s *Service) repathIn(ctx context.Context, tx *db.Tx, t *tree, p Page, path string, depth int) error {
	if p.Path == path {
		return nil
	}
	var walk func(id stoa.ID, path string, depth int) error
	walk = func(id stoa.ID, path string, depth int) error {
		if depth > maxDepth || len(path) > maxPath {
			return stoa.Invalid("parent", "pages below would be nested too deep: at most %d levels are possible", maxDepth)
		}
		n := t.nodes[id]
		_, err := tx.Exec(ctx, "UPDATE page_page SET path = ?, path_hash = ? WHERE id = ?", path, hashOf(path), id)
		if db.IsDuplicate(err) {
			return taken(path)
		}
		if err != nil {
			return err
		}
		tx.Changed(kindPage, id, p.Site, 0) // its version stays
		if err := s.dropRedirect(ctx, tx, p.Site, path); err != nil {
			return err
		}
		if n.Published {
			if err := s.addRedirect(ctx, tx, p.Site, n.Path, path); err != nil {
				return err
			}
		}
		for _, child := range t.below[id] {
			if err := walk(child, path+"/"+t.nodes[child].Slug, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	return walk(p.ID, path, depth)
}

// Delete removes the page, its versions and its grants for good, and not by way of the recycle bin: needs Manage on it,
// or Publish when it has no grants of its own. Pages below must be moved or deleted first (Conflict). A stale version
// is Conflict.
func (s *Service) Delete(ctx context.Context, id stoa.ID, version int64) error {
	p, err := s.Get(ctx, id)
	if err != nil {
		return err
	}
	need := access.Publish
	if p.Restricted {
		need = access.Manage
	}
	if err := s.check(ctx, need, p); err != nil {
		return err
	}
	if p.Version != version { // the right that was asked for is the one of this version
		return stale()
	}
	st, err := s.sites.Site(ctx, p.Site)
	if err != nil {
		return err
	}
	return s.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := s.lockTree(ctx, tx, p.Site); err != nil {
			return err
		}
		var below int
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM page_page WHERE parent = ? AND site = ?", id,
			p.Site).Scan(&below); err != nil {
			return err
		}
		if below > 0 {
			return stoa.Conflict("there are %d pages below this one; move or delete them first", below)
		}
		n, err := tx.Affected(ctx, "DELETE FROM page_page WHERE id = ? AND version = ?", id, version)
		if err != nil {
			return err
		}
		if n == 0 {
			return stale()
		}
		if _, err := tx.Exec(ctx, "DELETE FROM page_version WHERE page = ?", id); err != nil {
			return err
		}
		if err := s.access.Forget(ctx, tx, st.Instance, access.Resource{Kind: "page", ID: id}); err != nil {
			return err
		}
		if err := asset.Remove(ctx, tx, kindPage, id); err != nil {
			return err
		}
		tx.Changed(kindPage, id, p.Site, version+1)
		audit.Note(tx, audit.Deleted, p.thing())
		if p.Published {
			tx.TakesAway(nil)
		}
		return nil
	})
}
