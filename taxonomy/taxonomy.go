// Package taxonomy holds the words by which the things of a site are found: a tree of categories and
// free tags. Any kind of thing can carry them; the owners of the things call Assign in their own
// transactions.
package taxonomy

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

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
			func(v []Category) int { return 64 + sizeOf(v) }),
		category: cache.NewRegion(o.Cache, bySlug("category-slug"), func(c Category) int { return sizeOf([]Category{c}) }),
		tag:      cache.NewRegion(o.Cache, bySlug("tag-slug"), func(Tag) int { return 120 }),
		assigned: cache.NewRegion(o.Cache, region("terms"),
			func(v Terms) int { return 64 + sizeOf(v.Categories) + 120*len(v.Tags) }),
	}, nil
}

// sizeOf is about how much memory categories take.
func sizeOf(list []Category) (n int) {
	for _, c := range list {
		n += 250 + len(c.Description)
	}
	return n
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
		// A term that is of another site than it was when the thing got it is in the recycle bin.
		cats, err := db.All(ctx, s.opt.DB, scanCategory, `SELECT c.id, c.site, c.parent, c.slug, c.name, c.description,
			c.version FROM taxonomy_category c JOIN taxonomy_assigned a ON a.term = c.id AND c.site = a.site
			WHERE a.kind = ? AND a.thing = ? AND a.term_kind = 'category' ORDER BY c.name, c.id`, kind, thing)
		if err != nil {
			return Terms{}, err
		}
		tags, err := db.All(ctx, s.opt.DB, scanTag, `SELECT t.id, t.site, t.slug, t.name, t.version FROM taxonomy_tag t
			JOIN taxonomy_assigned a ON a.term = t.id AND t.site = a.site
			WHERE a.kind = ? AND a.thing = ? AND a.term_kind = 'tag' ORDER BY t.name, t.id`, kind, thing)
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
	// The terms first, then what says who carries them: a merge has the same order.
	rows, err := s.rows(ctx, tx, kind, site, []Assigned{{thing, categories, tags}})
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "DELETE FROM taxonomy_assigned WHERE kind = ? AND thing = ?", kind, thing); err != nil {
		return err
	}
	return tx.InsertAll(ctx, "taxonomy_assigned", rows)
}

// Assigned are the words of a thing that is new.
type Assigned struct {
	Thing            stoa.ID
	Categories, Tags []stoa.ID
}

// AssignNew is Assign for many things of a kind that the transaction has made, in few statements.
func (s *Service) AssignNew(ctx context.Context, tx *db.Tx, kind string, site stoa.ID, things []Assigned) error {
	rows, err := s.rows(ctx, tx, kind, site, things)
	if err != nil {
		return err
	}
	return tx.InsertAll(ctx, "taxonomy_assigned", rows)
}

// rows gives what says that the things carry their words. The words stay as they are until the transaction ends, so
// that none of them is merged or goes into the recycle bin meanwhile.
func (s *Service) rows(
	ctx context.Context, tx *db.Tx, kind string, site stoa.ID, things []Assigned,
) (rows []db.Row, err error) {
	for _, list := range []struct {
		kind, table string
		ids         func(Assigned) []stoa.ID
	}{
		{"category", "taxonomy_category", func(a Assigned) []stoa.ID { return a.Categories }},
		{"tag", "taxonomy_tag", func(a Assigned) []stoa.ID { return a.Tags }},
	} {
		here := map[stoa.ID]bool{} // terms of other sites are left out, which a forged form could name
		for _, a := range things {
			for _, id := range list.ids(a) {
				here[id] = false
			}
		}
		for part := range slices.Chunk(slices.Sorted(maps.Keys(here)), 500) {
			err := db.Each(ctx, tx, func(r db.Scanner) error {
				var id stoa.ID
				err := r.Scan(&id)
				here[id] = true
				return err
			}, "SELECT id FROM "+list.table+" WHERE site = ? AND id IN "+db.In(len(part))+" ORDER BY id"+
				tx.Dialect().ForShare(), append([]any{site}, db.Args(part)...)...)
			if err != nil {
				return nil, err
			}
		}
		for _, a := range things {
			ids := slices.Clone(list.ids(a))
			slices.Sort(ids)
			for _, id := range slices.Compact(ids) {
				if here[id] {
					rows = append(rows, db.Row{"kind": kind, "thing": a.Thing, "term_kind": list.kind, "term": id, "site": site})
				}
			}
		}
	}
	return rows, nil
}

// maxSlug is how long an address made from a name is, in bytes.
const maxSlug = 180

// Slug is the address that a term of that name has; one without letters and digits is "untitled".
func Slug(name string) string { return cmp.Or(stoa.Slug(name, maxSlug), "untitled") }

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
