package taxonomy

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/recycle"
)

const (
	kindCategory = "category"
	kindTag      = "tag"
)

// maxTrashed is how many categories go into the recycle bin, and come out of it, with the one they are below.
const maxTrashed = 2000

// CategoryBin says what categories are in the recycle bin.
func (s *Service) CategoryBin() recycle.Kind {
	return recycle.Kind{Kind: kindCategory, Name: stoa.Phrase("asset.category"), May: s.mayTrashed,
		Screen:  func(stoa.ID) string { return "/categories" },
		Restore: s.restoreCategoryTx, Purge: s.purgeCategoryTx, Places: s.places}
}

// TagBin says what tags are in the recycle bin.
func (s *Service) TagBin() recycle.Kind {
	return recycle.Kind{Kind: kindTag, Name: stoa.Phrase("asset.tag"), May: s.mayTrashed,
		Screen: func(stoa.ID) string { return "/trash" }, Restore: s.restoreTagTx, Purge: s.purgeTagTx}
}

func (s *Service) mayTrashed(ctx context.Context, r recycle.Row) error {
	return s.opt.Access.Check(ctx, access.Manage, sitePath(r.Site, r.Instance))
}

// places gives the categories of a site, as places for one that leaves the recycle bin.
func (s *Service) places(ctx context.Context, site, _ stoa.ID) ([]recycle.Spot, error) {
	list, _, err := s.Tree(ctx, site) // of a tree that is too large none: then there is the top
	below := map[stoa.ID][]Category{}
	for _, c := range list {
		below[c.Parent] = append(below[c.Parent], c)
	}
	var out []recycle.Spot
	var walk func(parent stoa.ID, depth int)
	walk = func(parent stoa.ID, depth int) {
		for _, c := range below[parent] {
			if len(out) <= len(list) { // a ring has no end
				out = append(out, recycle.Spot{ID: c.ID, Title: c.Name, Depth: depth})
				walk(c.ID, depth+1)
			}
		}
	}
	walk(0, 0)
	return out, err
}

// slugBefore is what the row of a term in the recycle bin has lost.
type slugBefore struct {
	Slug string `json:"slug"`
}

// TrashCategory puts a category and all below it, at most 2,000, into the recycle bin, and takes them off all things
// until they are restored. It needs Manage on the site.
func (s *Service) TrashCategory(ctx context.Context, instance, site, id stoa.ID) error {
	if err := s.opt.Access.Check(ctx, access.Manage, sitePath(site, instance)); err != nil {
		return err
	}
	err := s.opt.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		done, err := s.hideCategory(ctx, tx, instance, site, id, recycle.Row{})
		if err == nil && !done {
			err = stoa.NotFound("category", id)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("taxonomy: put a category into the recycle bin: %w", err)
	}
	return nil
}

// hideCategory puts a category of the site with all below it into the recycle bin, and does it again when that was
// lost: their rows are of no site there, and their addresses are free.
func (s *Service) hideCategory(
	ctx context.Context, tx *db.Tx, instance, site, id stoa.ID, r recycle.Row,
) (bool, error) {
	all, err := db.All(ctx, tx, scanCategory, selectCategory+" WHERE id = ? AND site = ?"+tx.Dialect().ForUpdate(), id,
		site)
	if err != nil || len(all) == 0 {
		return false, err
	}
	for level := all; len(level) > 0; {
		var next []Category
		for part := range slices.Chunk(level, 500) {
			args := []any{site}
			for _, c := range part {
				args = append(args, c.ID)
			}
			below, err := db.All(ctx, tx, scanCategory, selectCategory+" WHERE site = ? AND parent IN "+db.In(len(part))+
				" ORDER BY id"+tx.Dialect().ForUpdate(), args...)
			if err != nil {
				return false, err
			}
			next = append(next, below...)
		}
		if all = append(all, next...); len(all) > maxTrashed {
			return false, stoa.Conflict("at most %d categories can be deleted at once; this one has more below it: delete "+
				"some of them first", maxTrashed)
		}
		level = next
	}
	for _, c := range all {
		root := id
		if c.ID == id {
			root = 0
		}
		r, err = s.hide(ctx, tx, "taxonomy_category", recycle.Row{Kind: kindCategory, ID: c.ID, Instance: instance,
			Site: site, Root: root, Title: c.Name, By: r.By, ByName: r.ByName, At: r.At}, c.Slug, c.Version)
		if err != nil {
			return false, err
		}
	}
	audit.Note(tx, audit.Trashed, audit.Thing{Kind: kindCategory, ID: id, Instance: instance, Title: all[0].Name})
	tx.TakesAway(func(ctx context.Context, tx *db.Tx) error {
		_, err := s.hideCategory(ctx, tx, instance, site, id, r)
		return err
	})
	return true, nil
}

// TrashTag puts a tag into the recycle bin, and takes it off all things until it is restored. It needs Manage on the
// site.
func (s *Service) TrashTag(ctx context.Context, instance, site, id stoa.ID) error {
	if err := s.opt.Access.Check(ctx, access.Manage, sitePath(site, instance)); err != nil {
		return err
	}
	err := s.opt.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		done, err := s.hideTag(ctx, tx, instance, site, id, recycle.Row{})
		if err == nil && !done {
			err = stoa.NotFound("tag", id)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("taxonomy: put a tag into the recycle bin: %w", err)
	}
	return nil
}

func (s *Service) hideTag(ctx context.Context, tx *db.Tx, instance, site, id stoa.ID, r recycle.Row) (bool, error) {
	t, err := db.One(ctx, tx, scanTag, selectTag+" WHERE id = ? AND site = ?", id, site)
	if db.IsNoRows(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	r, err = s.hide(ctx, tx, "taxonomy_tag", recycle.Row{Kind: kindTag, ID: id, Instance: instance, Site: site,
		Title: t.Name, By: r.By, ByName: r.ByName, At: r.At}, t.Slug, t.Version)
	if err != nil {
		return false, err
	}
	audit.Note(tx, audit.Trashed, audit.Thing{Kind: kindTag, ID: id, Instance: instance, Title: t.Name})
	tx.TakesAway(func(ctx context.Context, tx *db.Tx) error {
		_, err := s.hideTag(ctx, tx, instance, site, id, r)
		return err
	})
	return true, nil
}

// hide puts a term into the recycle bin. Which things carry it is kept apart: a caller that asks what a thing carries
// does not ask of which site the term is.
func (s *Service) hide(
	ctx context.Context, tx *db.Tx, table string, r recycle.Row, slug string, version int64,
) (recycle.Row, error) {
	state, err := json.Marshal(slugBefore{slug})
	if err != nil {
		return r, err
	}
	n, err := tx.Affected(ctx, "UPDATE "+table+" SET site = ?, slug = ?, version = version + 1 "+
		"WHERE id = ? AND version = ?",
		r.Site+recycle.Hidden, ":"+r.ID.String(), r.ID, version)
	if err != nil {
		return r, err
	}
	if n == 0 {
		return r, stoa.Conflict("%q was changed by another person meanwhile: try again", r.Title)
	}
	if err := carry(ctx, tx, "taxonomy_assigned", "taxonomy_trashed", r); err != nil {
		return r, err
	}
	r.State = string(state)
	r, err = recycle.Put(ctx, tx, r)
	tx.Changed(r.Kind, r.ID, r.Site, version+1)
	return r, err
}

// carry moves what says which things carry a term from one table to the other.
func carry(ctx context.Context, tx *db.Tx, from, to string, r recycle.Row) error {
	const columns = "kind, thing, term_kind, term, site"
	_, err := tx.Exec(ctx, "INSERT INTO "+to+" ("+columns+") SELECT "+columns+" FROM "+from+" f WHERE f.term_kind = ? "+
		"AND f.term = ? AND NOT EXISTS (SELECT 1 FROM "+to+" t WHERE t.kind = f.kind AND t.thing = f.thing "+
		"AND t.term_kind = f.term_kind AND t.term = f.term)", r.Kind, r.ID)
	if err == nil {
		_, err = tx.Exec(ctx, "DELETE FROM "+from+" WHERE term_kind = ? AND term = ?", r.Kind, r.ID)
	}
	if err != nil {
		return fmt.Errorf("move what carries %s %d: %w", r.Kind, r.ID, err)
	}
	return nil
}

// show puts the row of a term in the recycle bin back, with what carries it. Where another one has its address by
// now, it gets a number.
func (s *Service) show(ctx context.Context, tx *db.Tx, table string, r recycle.Row) (renamed bool, err error) {
	var was slugBefore
	if err := json.Unmarshal([]byte(r.State), &was); err != nil {
		return false, fmt.Errorf("the address of %s %d: %w", r.Kind, r.ID, err)
	}
	slug, err := recycle.Free(was.Slug, maxName, func(try string) (bool, error) {
		var n int
		err := tx.QueryRow(ctx, "SELECT count(*) FROM "+table+" WHERE site = ? AND slug = ?", r.Site, try).Scan(&n)
		return n == 0, err
	})
	if err != nil {
		return false, err
	}
	_, err = tx.Exec(ctx, "UPDATE "+table+" SET site = ?, slug = ?, version = version + 1 WHERE id = ?", r.Site, slug,
		r.ID)
	if db.IsDuplicate(err) {
		err = stoa.Conflict("%q was changed by another person meanwhile: try again", r.Title)
	}
	if err != nil {
		return false, err
	}
	tx.Changed(r.Kind, r.ID, r.Site, db.Micros(tx.Now()))
	return slug != was.Slug, carry(ctx, tx, "taxonomy_trashed", "taxonomy_assigned", r)
}

// drop deletes a term in the recycle bin, with what carried it.
func drop(ctx context.Context, tx *db.Tx, table string, r recycle.Row) error {
	for _, sql := range []string{"DELETE FROM taxonomy_trashed WHERE term_kind = ? AND term = ?",
		"DELETE FROM taxonomy_old WHERE term_kind = ? AND term = ?"} {
		if _, err := tx.Exec(ctx, sql, r.Kind, r.ID); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, "DELETE FROM "+table+" WHERE id = ?", r.ID); err != nil {
		return err
	}
	tx.Changed(r.Kind, r.ID, r.Site, db.Micros(tx.Now()))
	return nil
}

// take gives a term that is in the recycle bin, with those it took along, and takes them out, if the actor may.
func (s *Service) take(ctx context.Context, tx *db.Tx, kind string, id stoa.ID) ([]recycle.Row, error) {
	r, err := recycle.TakeRoot(ctx, tx, kind, id)
	if err != nil {
		return nil, err
	}
	if err := s.mayTrashed(ctx, r); err != nil {
		return nil, err
	}
	along, err := recycle.Along(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	for _, one := range along {
		if _, err := recycle.Take(ctx, tx, one.Kind, one.ID); err != nil {
			return nil, err
		}
	}
	return append([]recycle.Row{r}, along...), nil
}

// restoreCategoryTx takes a category out of the recycle bin with those below it and puts them back on all that carried
// them, below the category they were below or another one.
func (s *Service) restoreCategoryTx(
	ctx context.Context, tx *db.Tx, id stoa.ID, to *recycle.Place,
) (out recycle.Restored, err error) {
	all, err := s.take(ctx, tx, kindCategory, id)
	if err != nil {
		return out, err
	}
	r := all[0]
	var parent stoa.ID
	if to != nil {
		if to.Site != 0 && to.Site != r.Site {
			return out, stoa.Invalid("site", "a category cannot come into another site")
		}
		parent = to.Parent
	} else if err := tx.QueryRow(ctx, "SELECT parent FROM taxonomy_category WHERE id = ?", id).Scan(&parent); err != nil {
		return out, fmt.Errorf("read category %d in the recycle bin: %w", id, err)
	}
	err = inSite(ctx, tx, Category{Site: r.Site, Parent: parent})
	if stoa.Is(err, stoa.KindInvalid) && to == nil {
		err = recycle.NoPlace(r.Title)
	}
	if err != nil {
		return out, err
	}
	if _, err := tx.Exec(ctx, "UPDATE taxonomy_category SET parent = ? WHERE id = ?", parent, id); err != nil {
		return out, err
	}
	for _, one := range all {
		renamed, err := s.show(ctx, tx, "taxonomy_category", one)
		if err != nil {
			return out, err
		}
		out.Renamed = out.Renamed || renamed
	}
	audit.Note(tx, audit.Recovered, audit.Thing{Kind: kindCategory, ID: id, Instance: r.Instance, Title: r.Title})
	return out, nil
}

func (s *Service) purgeCategoryTx(ctx context.Context, tx *db.Tx, id stoa.ID) error {
	all, err := s.take(ctx, tx, kindCategory, id)
	if err != nil {
		return err
	}
	for _, one := range all {
		if err := drop(ctx, tx, "taxonomy_category", one); err != nil {
			return err
		}
	}
	audit.Note(tx, audit.Deleted, audit.Thing{Kind: kindCategory, ID: id, Instance: all[0].Instance, Title: all[0].Title})
	return nil
}

// restoreTagTx takes a tag out of the recycle bin and puts it back on all that carried it.
func (s *Service) restoreTagTx(
	ctx context.Context, tx *db.Tx, id stoa.ID, _ *recycle.Place,
) (out recycle.Restored, err error) {
	all, err := s.take(ctx, tx, kindTag, id)
	if err != nil {
		return out, err
	}
	out.Renamed, err = s.show(ctx, tx, "taxonomy_tag", all[0])
	audit.Note(tx, audit.Recovered, audit.Thing{Kind: kindTag, ID: id, Instance: all[0].Instance, Title: all[0].Title})
	return out, err
}

func (s *Service) purgeTagTx(ctx context.Context, tx *db.Tx, id stoa.ID) error {
	all, err := s.take(ctx, tx, kindTag, id)
	if err != nil {
		return err
	}
	audit.Note(tx, audit.Deleted, audit.Thing{Kind: kindTag, ID: id, Instance: all[0].Instance, Title: all[0].Title})
	return drop(ctx, tx, "taxonomy_tag", all[0])
}

// Forget takes a thing that its owner deletes, or moves to another site, off all terms, also those in the recycle bin.
func (s *Service) Forget(ctx context.Context, tx *db.Tx, kind string, thing stoa.ID) error {
	for _, table := range []string{"taxonomy_assigned", "taxonomy_trashed"} {
		if _, err := tx.Exec(ctx, "DELETE FROM "+table+" WHERE kind = ? AND thing = ?", kind, thing); err != nil {
			return fmt.Errorf("forget what %s %d carries: %w", kind, thing, err)
		}
	}
	return nil
}
