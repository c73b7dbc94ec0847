package taxonomy

import (
	"context"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
)

// maxName is how long names are, in bytes.
const maxName = 190

// tidy gives a name in the form in which it is kept.
func tidy(name string) string { return strings.Join(strings.Fields(name), " ") }

// EnsureTag gives the tag of that name, making it when it is new, in the caller's transaction. Without an address a tag
// that has the name already is the one, whatever its address. Of several callers that are first at the same time, on
// any node, one makes it and all get it.
func (s *Service) EnsureTag(ctx context.Context, tx *db.Tx, site stoa.ID, name, slug string) (stoa.ID, error) {
	if name = tidy(name); name == "" || len(name) > maxName {
		return 0, stoa.Invalid("tag", "a tag of 1 to 190 bytes is expected")
	}
	if slug == "" {
		var id stoa.ID
		err := tx.QueryRow(ctx, "SELECT id FROM taxonomy_tag WHERE site = ? AND name = ? ORDER BY id LIMIT 1", site,
			name).Scan(&id)
		if err == nil || !db.IsNoRows(err) {
			return id, err
		}
		slug = Slug(name)
	}
	id, made, err := ensure(ctx, tx, "taxonomy_tag", site, slug, func(id stoa.ID) db.Row {
		return db.Row{"id": id, "site": site, "slug": slug, "name": name, "version": 1}
	})
	if made {
		tx.Changed("tag", id, site, 1)
	}
	return id, err
}

// EnsureCategory gives the category with that slug, making it when it is new, in the caller's transaction. Of several
// callers that are first at the same time one makes it and all get it.
func (s *Service) EnsureCategory(ctx context.Context, tx *db.Tx, c Category) (stoa.ID, error) {
	id, _, err := s.ensureCategory(ctx, tx, c)
	return id, err
}

func (s *Service) ensureCategory(ctx context.Context, tx *db.Tx, c Category) (id stoa.ID, made bool, err error) {
	if c.Name = tidy(c.Name); c.Name == "" || len(c.Name) > maxName {
		return 0, false, stoa.Invalid("category", "a name of 1 to 190 bytes is expected")
	}
	if c.Slug == "" {
		c.Slug = Slug(c.Name)
	}
	if err := inSite(ctx, tx, c); err != nil {
		return 0, false, err
	}
	id, made, err = ensure(ctx, tx, "taxonomy_category", c.Site, c.Slug, func(id stoa.ID) db.Row {
		return db.Row{"id": id, "site": c.Site, "parent": c.Parent, "slug": c.Slug, "name": c.Name,
			"description": c.Description, "version": 1}
	})
	if made {
		tx.Changed("category", id, c.Site, 1)
	}
	return id, made, err
}

// ensure gives the row with the address, or writes it. Looking first is only the shorter way for what is there: between
// the look and the insert another transaction may be faster, so the insert bears that and what is there is read again.
func ensure(
	ctx context.Context, tx *db.Tx, table string, site stoa.ID, slug string, row func(id stoa.ID) db.Row,
) (id stoa.ID, made bool, err error) {
	for range 3 { // the one that was faster may be gone again by the time it is read
		err = tx.QueryRow(ctx, "SELECT id FROM "+table+" WHERE site = ? AND slug = ?", site, slug).Scan(&id)
		if err == nil || !db.IsNoRows(err) {
			return id, false, err
		}
		if id, err = tx.NewID(ctx); err != nil {
			return 0, false, err
		}
		if made, err = tx.InsertIgnore(ctx, table, row(id)); err != nil || made {
			return id, made, err
		}
	}
	return 0, false, stoa.Conflict("%q is made and removed at this moment: try again", slug)
}

// AddCategory makes a category for an editor of the site. An address that is taken is a Conflict.
func (s *Service) AddCategory(ctx context.Context, instance stoa.ID, c Category) (Category, error) {
	if err := s.opt.Access.Check(ctx, access.Edit, sitePath(c.Site, instance)); err != nil {
		return Category{}, err
	}
	err := s.opt.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		id, made, err := s.ensureCategory(ctx, tx, c)
		if err == nil && !made {
			return &stoa.Error{Kind: stoa.KindConflict, Field: "slug",
				Message: "there already is a category with this address: choose another one"}
		}
		c.ID = id
		audit.Note(tx, audit.Made, audit.Thing{Kind: "category", ID: id, Instance: instance, Title: c.Name})
		return err
	})
	return c, err
}

// AddTag makes a tag for an editor of the site, or gives the one with that name.
func (s *Service) AddTag(ctx context.Context, instance, site stoa.ID, name string) (id stoa.ID, err error) {
	if err := s.opt.Access.Check(ctx, access.Edit, sitePath(site, instance)); err != nil {
		return 0, err
	}
	err = s.opt.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		id, err = s.EnsureTag(ctx, tx, site, name, "")
		audit.Note(tx, audit.Made, audit.Thing{Kind: "tag", ID: id, Instance: instance, Title: name})
		return err
	})
	return id, err
}

// inSite refuses a parent that is no category of the same site, which a forged form could name.
func inSite(ctx context.Context, q db.Queryer, c Category) error {
	if c.Parent == 0 {
		return nil
	}
	var site stoa.ID
	err := q.QueryRow(ctx, "SELECT site FROM taxonomy_category WHERE id = ?", c.Parent).Scan(&site)
	if db.IsNoRows(err) || err == nil && site != c.Site {
		return stoa.Invalid("parent", "the category above (%d) is none of this site", c.Parent)
	}
	return err
}
