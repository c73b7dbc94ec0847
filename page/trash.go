package page

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/recycle"
	"github.com/stoa-portal/stoa/site"
)

// Trash puts the page and all pages below it into the recycle bin, with their versions, grants and places in menus. It
// needs Publish on each of them, Manage on those that have grants of their own. A stale version is Conflict.
// asset.Service lists, restores and purges what is there.
func (s *Service) Trash(ctx context.Context, id stoa.ID, version int64) error {
	p, err := s.Get(ctx, id)
	if err != nil {
		return err
	}
	st, err := s.sites.Site(ctx, p.Site)
	if err != nil {
		return err
	}
	return s.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := s.lockTree(ctx, tx, p.Site); err != nil {
			return err
		}
		now, err := read(ctx, tx, id)
		if err != nil {
			return err
		}
		if now.Version != version {
			return stale()
		}
		t, err := loadTree(ctx, tx, p.Site)
		if err != nil {
			return err
		}
		return s.removeIn(ctx, tx, st, t, now)
	})
}

// removeIn puts a page of the tree and those below it into the recycle bin, if the actor may remove each of them.
func (s *Service) removeIn(ctx context.Context, tx *db.Tx, st site.Site, t *tree, p Page) error {
	for _, id := range t.under(p.ID) {
		err := s.mayRemove(ctx, s.pathOf(t, t.nodes[id], st.Path()))
		if id != p.ID && (stoa.Is(err, stoa.KindForbidden) || stoa.Is(err, stoa.KindNotFound)) {
			return refusal(err, stoa.Forbidden("there is a page below this one that you may not delete"))
		}
		if err != nil {
			return err
		}
	}
	return s.hide(ctx, tx, st, t, p, asset.Trash{})
}

// under gives the page and all below it, each after the one it is below.
func (t *tree) under(id stoa.ID) []stoa.ID {
	out := []stoa.ID{id}
	for i := 0; i < len(out); i++ {
		out = append(out, t.below[out[i]]...)
	}
	return out
}

// mayRemove asks for what removing the first page of the path needs.
func (s *Service) mayRemove(ctx context.Context, path access.Path) error {
	need := access.Publish
	if path[0].Own {
		need = access.Manage
	}
	return s.access.Check(ctx, need, path)
}

// hide puts a page and those below it into the recycle bin. Their rows are of no site there (asset.Hidden), and their
// addresses are free.
func (s *Service) hide(ctx context.Context, tx *db.Tx, st site.Site, t *tree, p Page, trash asset.Trash) error {
	for _, id := range t.under(p.ID) {
		n := t.nodes[id]
		found, err := tx.Affected(ctx, "UPDATE page_page SET site = ?, path_hash = ?, version = version + 1 "+
			"WHERE id = ? AND version = ?", st.ID+asset.Hidden, hashOf(":"+id.String()), id, n.Version)
		if err != nil {
			return err
		}
		if found == 0 {
			return stale()
		}
		trash.Entry = asset.Entry{Kind: kindPage, ID: id, Instance: st.Instance, Site: st.ID}
		trash.Address, trash.Gone, trash.State, trash.Root = n.Path, n.Published, "{}", 0
		if id != p.ID {
			trash.Root = p.ID
		}
		if trash, err = asset.PutTrash(ctx, tx, trash); err != nil {
			return err
		}
		tx.Changed(kindPage, id, st.ID, n.Version+1)
		if err := s.enter(ctx, tx, id); err != nil {
			return err
		}
	}
	audit.Note(tx, audit.Trashed, p.thing())
	if !t.shown(p.ID, 0) { // what no visitor has seen is taken away from none
		return nil
	}
	tx.TakesAway(func(ctx context.Context, tx *db.Tx) error {
		if err := s.lockTree(ctx, tx, st.ID); err != nil {
			return err
		}
		now, err := read(ctx, tx, p.ID)
		if stoa.Is(err, stoa.KindNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		t, err := loadTree(ctx, tx, st.ID)
		if err != nil {
			return err
		}
		return s.hide(ctx, tx, st, t, now, trash)
	})
	return nil
}

// trashedPath gives the place that a page in the recycle bin has for permissions, and whether visitors saw it. A page
// above that is gone for good took its grants along: then lost is true, and the place is the site.
func trashedPath(
	ctx context.Context, q db.Queryer, st site.Site, id stoa.ID,
) (path access.Path, shown, lost bool, err error) {
	for next := id; next != 0; {
		var siteID, up stoa.ID
		var restricted, published bool
		err := q.QueryRow(ctx, "SELECT site, parent, restricted, published FROM page_page WHERE id = ?", next).
			Scan(&siteID, &up, &restricted, &published)
		switch {
		case db.IsNoRows(err) && next == id:
			return nil, false, false, stoa.NotFound(kindPage, id)
		case db.IsNoRows(err):
			return st.Path(), shown, true, nil
		case err != nil:
			return nil, false, false, err
		case siteID != st.ID && siteID != st.ID+asset.Hidden, // they can be more than maxDepth, but no ring
			slices.ContainsFunc(path, func(r access.Resource) bool { return r.ID == next }):
			return nil, false, false, fmt.Errorf("page %d: the pages above it are of another site, or form a ring", id)
		}
		if next == id {
			shown = published
		}
		path = append(path, access.Resource{Kind: "page", ID: next, Own: restricted})
		next = up
	}
	return append(path, st.Path()...), shown, false, nil
}

// mayTrashed is mayEntry for what is in the recycle bin.
func (s *Service) mayTrashed(ctx context.Context, a access.Action, e asset.Entry, st site.Site) error {
	path, shown, lost, err := trashedPath(ctx, s.d, st, e.ID)
	switch {
	case err != nil:
		return err
	case lost:
		a = access.Manage
	case a == access.View && !shown:
		a = access.Edit
	}
	return s.access.Check(ctx, a, path)
}

// takeTrash gives a page in the recycle bin with those that it took along, each after the one it is below, and takes
// them out, if the actor may. lost says that the page above them is gone for good.
func (s *Service) takeTrash(
	ctx context.Context, tx *db.Tx, id stoa.ID,
) (all []Page, st site.Site, lost bool, err error) {
	missing := stoa.NotFound("thing in the recycle bin", id)
	p, hidden, err := readAny(ctx, tx, id)
	if err == nil && !hidden {
		err = missing
	}
	if err != nil {
		return nil, st, false, err
	}
	if st, err = s.sites.Site(ctx, p.Site); err != nil {
		return nil, st, false, err
	}
	if err := s.lockTree(ctx, tx, p.Site); err != nil {
		return nil, st, false, err
	}
	ids, err := asset.TrashOf(ctx, tx, kindPage, id)
	if err != nil {
		return nil, st, false, err
	}
	below := map[stoa.ID][]Page{}
	for _, id := range append([]stoa.ID{id}, ids...) {
		path, _, gone, err := trashedPath(ctx, tx, st, id)
		if err != nil {
			return nil, st, false, err
		}
		if gone {
			lost, err = true, s.access.Check(ctx, access.Manage, path)
		} else {
			err = s.mayRemove(ctx, path)
		}
		if err != nil {
			return nil, st, false, err
		}
		t, err := asset.TakeTrash(ctx, tx, kindPage, id)
		if err == nil && id == p.ID && t.Root != 0 {
			err = missing // it is there with the page above it
		}
		if err != nil {
			return nil, st, false, err
		}
		one, _, err := readAny(ctx, tx, id)
		if err != nil {
			return nil, st, false, err
		}
		if all == nil {
			all = []Page{one}
			continue
		}
		below[one.Parent] = append(below[one.Parent], one)
	}
	for i := 0; i < len(all); i++ {
		all = append(all, below[all[i].ID]...)
	}
	return all, st, lost, nil
}

// restoreTx takes a page and those that it took along out of the recycle bin, below the page they were below, or below
// another one. It needs what putting them there needed, and elsewhere what moving them needs. Where another page has
// the address by now, it gets a number. If the page above is gone for good, no page says any more who may see them:
// they come back to a place that the actor chooses, as drafts, and restoring needs Manage on the site.
func (s *Service) restoreTx(
	ctx context.Context, tx *db.Tx, id stoa.ID, where *asset.Place,
) (asset.Restored, error) {
	var out asset.Restored
	all, st, lost, err := s.takeTrash(ctx, tx, id)
	if err != nil {
		return out, err
	}
	p := all[0]
	var from access.Path
	switch {
	case where != nil:
		if where.Site != 0 && where.Site != st.ID {
			return out, stoa.Invalid("site", "a page cannot come into another site")
		}
		if from, _, _, err = trashedPath(ctx, tx, st, id); err != nil {
			return out, err
		}
		p.Parent = where.Parent
	case lost:
		return out, recycle.NoPlace(p.In(st.Locale, st.Locale))
	case p.Parent != 0:
		_, hidden, err := readAny(ctx, tx, p.Parent)
		if err != nil {
			return out, err
		}
		if hidden {
			return out, recycle.NoPlace(p.In(st.Locale, st.Locale))
		}
	}
	to, err := s.above(ctx, tx, st, p.Parent)
	if err != nil {
		return out, err
	}
	if where != nil {
		if err := s.mayRestoreTo(ctx, all, from, to, lost); err != nil {
			return out, err
		}
	}
	slug, err := freeSlug(ctx, tx, st, to.prefix, p.Slug)
	if err != nil {
		return out, err
	}
	order, err := siblings(ctx, tx, st.ID, p.Parent)
	if err != nil {
		return out, err
	}
	at := min(p.Position, len(order))
	if err := s.renumber(ctx, tx, st.ID, slices.Insert(order, at, place{id: id}), at); err != nil {
		return out, err
	}
	out.Renamed, p.Slug, p.Position = slug != p.Slug, slug, at
	all[0] = p
	paths, depths := map[stoa.ID]string{p.Parent: to.prefix}, map[stoa.ID]int{p.Parent: to.depth}
	for _, one := range all {
		path := paths[one.Parent] + "/" + one.Slug
		paths[one.ID], depths[one.ID] = path, depths[one.Parent]+1
		if depths[one.ID] > maxDepth || len(path) > maxPath {
			return out, stoa.Invalid("parent", "pages below would be nested too deep: at most %d levels are possible", maxDepth)
		}
		if err := s.show(ctx, tx, st, one, path, one.Published && !lost); err != nil {
			return out, err
		}
	}
	audit.Note(tx, audit.Recovered, p.thing())
	out.Address = paths[id]
	return out, nil
}

// mayRestoreTo asks whether the actor may put pages that leave the recycle bin, the first of which was at from, to
// another place: as moving them there would.
func (s *Service) mayRestoreTo(ctx context.Context, all []Page, from access.Path, to spot, lost bool) error {
	need := access.Edit
	if !lost && slices.ContainsFunc(all, func(p Page) bool { return p.Published }) {
		need = access.Publish
	}
	if err := s.access.Check(ctx, need, to.path); err != nil || lost { // Manage on the site was asked for
		return err
	}
	wider, err := s.access.Widens(ctx, from, append(access.Path{from[0]}, to.path...))
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

// places gives the pages of a site that the actor may edit, as places for what leaves the recycle bin.
func (s *Service) places(ctx context.Context, siteID, _ stoa.ID) ([]asset.Spot, error) {
	nodes, err := s.Tree(ctx, siteID)
	if err != nil {
		return nil, err
	}
	st, err := s.sites.Site(ctx, siteID)
	if err != nil {
		return nil, err
	}
	var out []asset.Spot
	var walk func(nodes []Node, depth int)
	walk = func(nodes []Node, depth int) {
		for _, n := range nodes {
			out = append(out, asset.Spot{ID: n.ID, Title: n.In(st.Locale, st.Locale), Depth: depth})
			walk(n.Children, depth+1)
		}
	}
	walk(nodes, 0)
	return out, nil
}

// show puts the row of a page in the recycle bin back into the tree, at the path.
func (s *Service) show(ctx context.Context, tx *db.Tx, st site.Site, p Page, path string, published bool) error {
	n, err := tx.Affected(ctx, "UPDATE page_page SET site = ?, parent = ?, place = ?, slug = ?, path = ?, path_hash = ?, "+
		"published = ?, version = version + 1 WHERE id = ? AND version = ?", st.ID, p.Parent, p.Position, p.Slug, path,
		hashOf(path), published, p.ID, p.Version)
	if db.IsDuplicate(err) {
		return taken(path)
	}
	if err != nil {
		return err
	}
	if n == 0 {
		return stale()
	}
	if err := s.dropRedirect(ctx, tx, st.ID, path); err != nil {
		return err
	}
	tx.Changed(kindPage, p.ID, st.ID, p.Version+1)
	return s.enter(ctx, tx, p.ID)
}

// freeSlug gives the slug, with a number where another page of the site is at the address with it.
func freeSlug(ctx context.Context, q db.Queryer, st site.Site, prefix, slug string) (string, error) {
	for i := 1; i < 1000; i++ {
		try := slug
		if i > 1 {
			try = fmt.Sprintf("%s-%d", stoa.Clip(slug, 180), i)
		}
		var n int
		err := q.QueryRow(ctx, "SELECT count(*) FROM page_page WHERE site = ? AND path_hash = ?", st.ID,
			hashOf(prefix+"/"+try)).Scan(&n)
		if err != nil || n == 0 {
			return try, err
		}
	}
	return "", taken(prefix + "/" + slug)
}

// purgeTx deletes a page that is in the recycle bin, with those that it took along, their versions and their grants.
func (s *Service) purgeTx(ctx context.Context, tx *db.Tx, id stoa.ID) error {
	all, st, _, err := s.takeTrash(ctx, tx, id)
	if err != nil {
		return err
	}
	for _, p := range all {
		_, one := tx.Exec(ctx, "DELETE FROM page_page WHERE id = ?", p.ID)
		_, two := tx.Exec(ctx, "DELETE FROM page_version WHERE page = ?", p.ID)
		if err := errors.Join(one, two); err != nil {
			return err
		}
		if err := s.access.Forget(ctx, tx, st.Instance, access.Resource{Kind: "page", ID: p.ID}); err != nil {
			return err
		}
		if err := asset.Remove(ctx, tx, kindPage, p.ID); err != nil {
			return err
		}
		tx.Changed(kindPage, p.ID, st.ID, p.Version+1)
	}
	audit.Note(tx, audit.Deleted, all[0].thing())
	return nil
}
