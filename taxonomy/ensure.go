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

// MaxDescription is how long the description of a category is, in bytes.
const MaxDescription = 4000

// tidy gives a name in the form in which it is kept.
func tidy(name string) string { return strings.Join(strings.Fields(name), " ") }

// EnsureTag gives the tag of that name, making it when it is new, in the caller's transaction. Without an address a tag
// that has the name already is the one, whatever its address. Of several callers that are first at the same time, on
// any node, one makes it and all get it.
func (s *Service) EnsureTag(ctx context.Context, tx *db.Tx, site stoa.ID, name, slug string) (stoa.ID, error) {
	id, _, err := s.ensureTag(ctx, tx, site, name, slug)
	return id, err
}

func (s *Service) ensureTag(ctx context.Context, tx *db.Tx, site stoa.ID, name, slug string) (
	id stoa.ID, made bool, err error,
) {
	if name = tidy(name); name == "" || len(name) > maxName {
		return 0, false, stoa.Invalid("tag", "a tag of 1 to 190 bytes is expected")
	}
	if slug == "" {
		err := tx.QueryRow(ctx, "SELECT id FROM taxonomy_tag WHERE site = ? AND name = ? ORDER BY id LIMIT 1", site,
			name).Scan(&id)
		if err == nil || !db.IsNoRows(err) {
			return id, false, err
		}
		slug = Slug(name)
		if id, err = former(ctx, tx, tags(), site, slug); id != 0 || err != nil {
			return id, false, err
		}
	}
	id, made, err = ensure(ctx, tx, "taxonomy_tag", site, slug, func(id stoa.ID) db.Row {
		return db.Row{"id": id, "site": site, "slug": slug, "name": name, "version": 1}
	})
	if made {
		tx.Changed("tag", id, site, 1)
		err = free(ctx, tx, tags(), site, slug)
	}
	return id, made, err
}

// former gives the term that an address leads to because it was merged or has another one now, or 0: it is meant where
// its old word is typed again.
func former(ctx context.Context, tx *db.Tx, k kind, site stoa.ID, slug string) (id stoa.ID, err error) {
	err = tx.QueryRow(ctx, "SELECT t.id FROM taxonomy_old o JOIN "+k.table+" t ON t.id = o.term AND t.site = o.site "+
		"WHERE o.site = ? AND o.term_kind = ? AND o.slug = ? AND NOT EXISTS (SELECT 1 FROM "+k.table+
		" n WHERE n.site = o.site AND n.slug = o.slug)", site, k.name, slug).Scan(&id)
	if db.IsNoRows(err) {
		return 0, nil
	}
	return id, err
}

// EnsureCategory gives the category with that slug, making it when it is new, in the caller's transaction. Of several
// callers that are first at the same time one makes it and all get it.
func (s *Service) EnsureCategory(ctx context.Context, tx *db.Tx, c Category) (stoa.ID, error) {
	if c.Slug == "" {
		c.Slug = Slug(tidy(c.Name))
	}
	if id, err := former(ctx, tx, categories(), c.Site, c.Slug); id != 0 || err != nil {
		return id, err
	}
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
	if err := checkDescription(c.Description); err != nil {
		return 0, false, err
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
		err = free(ctx, tx, categories(), c.Site, c.Slug)
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
	return 0, false, stoa.Conflict("%q is being made and deleted at this moment: try again", slug)
}

// AddCategory makes a category for an editor of the site. An address that is taken is a Conflict.
func (s *Service) AddCategory(ctx context.Context, instance stoa.ID, c Category) (Category, error) {
	if err := s.opt.Access.Check(ctx, access.Edit, sitePath(c.Site, instance)); err != nil {
		return Category{}, err
	}
	err := s.opt.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		id, made, err := s.ensureCategory(ctx, tx, c)
		if err == nil && !made {
			return stoa.AtField("slug", stoa.Conflict("there already is a category with this address: choose another one"))
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
		id, err = s.AddTagTx(ctx, tx, instance, site, name)
		return err
	})
	return id, err
}

// AddTagTx is AddTag in the transaction that puts the tag on something.
func (s *Service) AddTagTx(ctx context.Context, tx *db.Tx, instance, site stoa.ID, name string) (stoa.ID, error) {
	if err := s.opt.Access.Check(ctx, access.Edit, sitePath(site, instance)); err != nil {
		return 0, err
	}
	id, made, err := s.ensureTag(ctx, tx, site, name, "")
	if made {
		audit.Note(tx, audit.Made, audit.Thing{Kind: "tag", ID: id, Instance: instance, Title: name})
	}
	return id, err
}

// inSite refuses a parent that is no category of the same site, which a forged form could name.
// It stays one until the transaction is done.
func inSite(ctx context.Context, tx *db.Tx, c Category) error {
	if c.Parent == 0 {
		return nil
	}
	var site stoa.ID
	err := tx.QueryRow(ctx, "SELECT site FROM taxonomy_category WHERE id = ?"+tx.Dialect().ForUpdate(),
		c.Parent).Scan(&site)
	if db.IsNoRows(err) || err == nil && site != c.Site {
		return stoa.Invalid("parent", "the category above (%s) is not one of this site", c.Parent)
	}
	return err
}
