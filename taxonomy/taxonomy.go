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
	categories *cache.Region[[]Category]
	tags       *cache.Region[[]Tag]
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
	return &Service{
		opt:        o,
		categories: cache.NewRegion(o.Cache, cache.RegionOptions{Name: "category", StaleForGuests: true}, func(v []Category) int { return 64 + 250*len(v) }),
		tags:       cache.NewRegion(o.Cache, cache.RegionOptions{Name: "tag", StaleForGuests: true}, func(v []Tag) int { return 64 + 120*len(v) }),
		assigned:   cache.NewRegion(o.Cache, cache.RegionOptions{Name: "terms", StaleForGuests: true}, func(v Terms) int { return 64 + 250*len(v.Categories) + 120*len(v.Tags) }),
	}, nil
}

func sitePath(site, instance stoa.ID) access.Path {
	return access.Path{{Kind: "site", ID: site}, {Kind: "instance", ID: instance}}
}

// Categories lists the categories of a site by name, at most 5,000. They are public words.
func (s *Service) Categories(ctx context.Context, site stoa.ID) ([]Category, error) {
	return s.categories.Get(ctx, site.String(), func(ctx context.Context, l *cache.Load) ([]Category, error) {
		l.Scope("category", site)
		return db.All(ctx, s.opt.DB, scanCategory, selectCategory+" WHERE site = ? ORDER BY name, id LIMIT 5000", site)
	})
}

// Tags lists the tags of a site by name, at most 5,000.
func (s *Service) Tags(ctx context.Context, site stoa.ID) ([]Tag, error) {
	return s.tags.Get(ctx, site.String(), func(ctx context.Context, l *cache.Load) ([]Tag, error) {
		l.Scope("tag", site)
		return db.All(ctx, s.opt.DB, scanTag, selectTag+" WHERE site = ? ORDER BY name, id LIMIT 5000", site)
	})
}

// CategoryBySlug gives the category with that address, or NotFound.
func (s *Service) CategoryBySlug(ctx context.Context, site stoa.ID, slug string) (Category, error) {
	list, err := s.Categories(ctx, site)
	if err != nil {
		return Category{}, err
	}
	for _, c := range list {
		if c.Slug == slug {
			return c, nil
		}
	}
	return Category{}, stoa.NotFound("category", slug)
}

// TagBySlug gives the tag with that address, or NotFound.
func (s *Service) TagBySlug(ctx context.Context, site stoa.ID, slug string) (Tag, error) {
	list, err := s.Tags(ctx, site)
	if err != nil {
		return Tag{}, err
	}
	for _, t := range list {
		if t.Slug == slug {
			return t, nil
		}
	}
	return Tag{}, stoa.NotFound("tag", slug)
}

// Of gives the words that a thing carries.
func (s *Service) Of(ctx context.Context, kind string, thing, site stoa.ID) (Terms, error) {
	return s.assigned.Get(ctx, kind+"/"+thing.String(), func(ctx context.Context, l *cache.Load) (Terms, error) {
		l.Thing(kind, thing)
		l.Scope("category", site)
		l.Scope("tag", site)
		cats, err := db.All(ctx, s.opt.DB, scanCategory, `SELECT c.id, c.site, c.parent, c.slug, c.name, c.description, c.version FROM taxonomy_category c
			JOIN taxonomy_assigned a ON a.term = c.id WHERE a.kind = ? AND a.thing = ? AND a.term_kind = 'category' ORDER BY c.name, c.id`, kind, thing)
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
func (s *Service) Assign(ctx context.Context, tx *db.Tx, kind string, thing, site stoa.ID, categories, tags []stoa.ID) error {
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

// EnsureTag gives the tag of that name, making it when it is new, in the caller's transaction.
func (s *Service) EnsureTag(ctx context.Context, tx *db.Tx, site stoa.ID, name, slug string) (stoa.ID, error) {
	name = strings.Join(strings.Fields(name), " ")
	if name == "" || len(name) > 190 {
		return 0, stoa.Invalid("tag", "a tag of 1 to 190 bytes is expected")
	}
	if slug == "" {
		slug = Slug(name)
	}
	var id stoa.ID
	err := tx.QueryRow(ctx, "SELECT id FROM taxonomy_tag WHERE site = ? AND slug = ?", site, slug).Scan(&id)
	if err == nil || !db.IsNoRows(err) {
		return id, err
	}
	if id, err = tx.NewID(ctx); err != nil {
		return 0, err
	}
	tx.Changed("tag", id, site, 1)
	return id, tx.Insert(ctx, "taxonomy_tag", db.Row{"id": id, "site": site, "slug": slug, "name": name, "version": 1})
}

// EnsureCategory gives the category with that slug, making it when it is new, in the caller's transaction.
func (s *Service) EnsureCategory(ctx context.Context, tx *db.Tx, c Category) (stoa.ID, error) {
	c.Name = strings.Join(strings.Fields(c.Name), " ")
	if c.Name == "" || len(c.Name) > 190 {
		return 0, stoa.Invalid("category", "a name of 1 to 190 bytes is expected")
	}
	if c.Slug == "" {
		c.Slug = Slug(c.Name)
	}
	if err := inSite(ctx, tx, c); err != nil {
		return 0, err
	}
	var id stoa.ID
	err := tx.QueryRow(ctx, "SELECT id FROM taxonomy_category WHERE site = ? AND slug = ?", c.Site, c.Slug).Scan(&id)
	if err == nil || !db.IsNoRows(err) {
		return id, err
	}
	if id, err = tx.NewID(ctx); err != nil {
		return 0, err
	}
	tx.Changed("category", id, c.Site, 1)
	return id, tx.Insert(ctx, "taxonomy_category", db.Row{"id": id, "site": c.Site, "parent": c.Parent, "slug": c.Slug, "name": c.Name, "description": c.Description, "version": 1})
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

// AddCategory makes a category for an editor of the site.
func (s *Service) AddCategory(ctx context.Context, instance stoa.ID, c Category) (Category, error) {
	if err := s.opt.Access.Check(ctx, access.Edit, sitePath(c.Site, instance)); err != nil {
		return Category{}, err
	}
	err := s.opt.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		c.ID, err = s.EnsureCategory(ctx, tx, c)
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
		return err
	})
	return id, err
}

// DeleteCategory removes a category from the site and from all things; its children move up.
func (s *Service) DeleteCategory(ctx context.Context, instance, site, id stoa.ID) error {
	if err := s.opt.Access.Check(ctx, access.Manage, sitePath(site, instance)); err != nil {
		return err
	}
	return s.opt.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		var parent stoa.ID
		err := tx.QueryRow(ctx, "SELECT parent FROM taxonomy_category WHERE id = ? AND site = ?", id, site).Scan(&parent)
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
		return nil
	})
}

// Slug turns a name into the form used in addresses: letters of every script are kept, lower-cased;
// all else becomes single dashes.
func Slug(name string) string {
	var b strings.Builder
	dash := false
	for _, r := range strings.ToLower(name) {
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
