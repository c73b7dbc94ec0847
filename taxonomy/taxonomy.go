// Package taxonomy holds the words by which the things of a site are found: a tree of categories and
// free tags. Any kind of thing can carry them; the owners of the things call Assign in their own
// transactions.
package taxonomy

import (
	"context"
	"errors"
	"strings"
	"unicode"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/db"
)

// Category is a node of a site's category tree.
type Category struct {
	ID, Site, Parent stoa.ID
	Slug, Name       string
	Description      string
	Version          int64
}

// Tag is a free word.
type Tag struct {
	ID, Site   stoa.ID
	Slug, Name string
	Version    int64
}

// Options are what the service needs.
type Options struct {
	DB     *db.DB
	Cache  *cache.Cache
	Access *access.Service
}

// Service keeps categories, tags and who carries them.
type Service struct {
	opt        Options
	categories *cache.Region[[]Category] // the whole tree, while it is small enough to be held
	category   *cache.Region[Category]   // by address
	tag        *cache.Region[Tag]        // by address
	assigned   *cache.Region[Terms]
}

// Terms are the words a thing carries.
type Terms struct {
	Categories []Category
	Tags       []Tag
}

// New makes the service.
func New(o Options) (*Service, error) {
	if o.DB == nil || o.Cache == nil || o.Access == nil {
		return nil, errors.New("taxonomy: DB, Cache and Access are required")
	}
	region := func(name string) cache.RegionOptions { return cache.RegionOptions{Name: name, StaleForGuests: true} }
	bySlug := func(name string) cache.RegionOptions { // visitors ask for any address there is not
		return cache.RegionOptions{Name: name, StaleForGuests: true, MaxBytes: 8 << 20}
	}
	return &Service{
		opt: o,
		categories: cache.NewRegion(o.Cache, region("category"),
			func(v []Category) int { return 64 + 250*len(v) }),
		category: cache.NewRegion(o.Cache, bySlug("category-slug"), func(Category) int { return 250 }),
		tag:      cache.NewRegion(o.Cache, bySlug("tag-slug"), func(Tag) int { return 120 }),
		assigned: cache.NewRegion(o.Cache, region("terms"),
			func(v Terms) int { return 64 + 250*len(v.Categories) + 120*len(v.Tags) }),
	}, nil
}

func sitePath(site, instance stoa.ID) access.Path {
	return access.Path{{Kind: "site", ID: site}, {Kind: "instance", ID: instance}}
}

// Of gives the words that a thing carries.
func (s *Service) Of(ctx context.Context, kind string, thing, site stoa.ID) (Terms, error) {
	return s.assigned.Get(ctx, kind+"/"+thing.String(), func(ctx context.Context, l *cache.Load) (Terms, error) {
		l.Thing(kind, thing)
		l.Scope("category", site)
		l.Scope("tag", site)
		cats, err := db.All(
			ctx,
			s.opt.DB,
			scanCategory,
			`SELECT c.id, c.site, c.parent, c.slug, c.name, c.description, c.version FROM taxonomy_category c
			JOIN taxonomy_assigned a ON a.term = c.id WHERE a.kind = ? AND a.thing = ? AND a.term_kind = 'category' ORDER BY c.name, c.id`,
			kind,
			thing,
		)
		if err != nil {
			return Terms{}, err
		}
		tags, err := db.All(ctx, s.opt.DB, scanTag, `SELECT t.id, t.site, t.slug, t.name, t.version FROM taxonomy_tag t
			JOIN taxonomy_assigned a ON a.term = t.id WHERE a.kind = ? AND a.thing = ? AND a.term_kind = 'tag' ORDER BY t.name, t.id`, kind, thing)
		return Terms{cats, tags}, err
	})
}

// Assign replaces the words that a thing carries, in the transaction of its owner, who has checked
// the permission and notes the change of the thing.
func (s *Service) Assign(
	ctx context.Context,
	tx *db.Tx,
	kind string,
	thing, site stoa.ID,
	categories, tags []stoa.ID,
) error {
	if _, err := tx.Exec(ctx, "DELETE FROM taxonomy_assigned WHERE kind = ? AND thing = ?", kind, thing); err != nil {
		return err
	}
	for _, list := range []struct {
		kind, table string
		ids         []stoa.ID
	}{{"category", "taxonomy_category", categories}, {"tag", "taxonomy_tag", tags}} {
		for _, id := range list.ids {
			// The SELECT refuses terms of other sites, which a forged form could name.
			if _, err := tx.Exec(ctx, "INSERT INTO taxonomy_assigned (kind, thing, term_kind, term, site) SELECT ?, ?, ?, id, site FROM "+list.table+
				" WHERE id = ? AND site = ? AND NOT EXISTS (SELECT 1 FROM taxonomy_assigned a WHERE a.kind = ? AND a.thing = ? AND a.term_kind = ? AND a.term = ?)",
				kind, thing, list.kind, id, site, kind, thing, list.kind, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// DeleteCategory removes a category from the site and from all things; its children move up.
func (s *Service) DeleteCategory(ctx context.Context, instance, site, id stoa.ID) error {
	if err := s.opt.Access.Check(ctx, access.Manage, sitePath(site, instance)); err != nil {
		return err
	}
	return s.opt.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		var parent stoa.ID
		var name string
		err := tx.QueryRow(ctx, "SELECT parent, name FROM taxonomy_category WHERE id = ? AND site = ?", id, site).
			Scan(&parent, &name)
		if db.IsNoRows(err) {
			return stoa.NotFound("category", id)
		}
		if err != nil {
			return err
		}
		for _, q := range []struct {
			sql  string
			args []any
		}{
			{"UPDATE taxonomy_category SET parent = ? WHERE site = ? AND parent = ?", []any{parent, site, id}},
			{"DELETE FROM taxonomy_assigned WHERE term_kind = 'category' AND term = ?", []any{id}},
			{"DELETE FROM taxonomy_category WHERE id = ?", []any{id}},
		} {
			if _, err := tx.Exec(ctx, q.sql, q.args...); err != nil {
				return err
			}
		}
		tx.Changed("category", 0, site, 0)
		audit.Note(tx, audit.Deleted, audit.Thing{Kind: "category", ID: id, Instance: instance, Title: name})
		return nil
	})
}

// Slug turns a name into the form used in addresses: letters of every script are kept, lower-cased;
// all else becomes single dashes.
func Slug(name string) string {
	var b strings.Builder
	dash := false
	for _, r := range strings.ToLower(stoa.CleanText(name)) {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Mc, r) {
			if dash && b.Len() > 0 {
				b.WriteByte('-')
			}
			dash = false
			if b.Len()+4 > 180 {
				break
			}
			b.WriteRune(r)
			continue
		}
		dash = r != '\'' && r != '’' || dash
	}
	if b.Len() == 0 {
		return "untitled"
	}
	return b.String()
}

const (
	selectCategory = "SELECT id, site, parent, slug, name, description, version FROM taxonomy_category"
	selectTag      = "SELECT id, site, slug, name, version FROM taxonomy_tag"
)

func scanCategory(r db.Scanner) (c Category, err error) {
	err = r.Scan(&c.ID, &c.Site, &c.Parent, &c.Slug, &c.Name, &c.Description, &c.Version)
	return c, err
}

func scanTag(r db.Scanner) (t Tag, err error) {
	err = r.Scan(&t.ID, &t.Site, &t.Slug, &t.Name, &t.Version)
	return t, err
}
