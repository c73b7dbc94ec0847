package taxonomy

import (
	"context"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/db"
)

// maxTree is how many categories a tree has that is still handed out whole.
const maxTree = 500

// Tree gives all categories of a site by name, while they are at most 500: then whole is true. Of a larger tree it
// gives none, because a list that is cut must not be taken for all there is; Search finds in it. They are public words.
func (s *Service) Tree(ctx context.Context, site stoa.ID) (list []Category, whole bool, err error) {
	list, err = s.categories.Get(ctx, site.String(), func(ctx context.Context, l *cache.Load) ([]Category, error) {
		l.Scope("category", site)
		return db.All(ctx, s.opt.DB, scanCategory, selectCategory+" WHERE site = ? ORDER BY name, id LIMIT ?",
			site, maxTree+1)
	})
	if err != nil || len(list) > maxTree {
		return nil, false, err
	}
	return list, true, nil
}

// Page is a piece of a list by name; Next is what After is for the piece that follows, empty at the end.
type Page[T any] struct {
	Items []T
	Next  string
}

// Search gives up to limit (1 to 200) categories of a site by name, from the place after on. Each word of query must
// be in the name or in the address; an empty query finds all.
func (s *Service) Search(ctx context.Context, site stoa.ID, query, after string, limit int) (Page[Category], error) {
	where, args := matching(site, query, after)
	limit = min(max(limit, 1), 200)
	list, err := db.All(ctx, db.Reader(ctx, s.opt.DB), scanCategory, selectCategory+where, append(args, limit+1)...)
	return pageOf(list, limit, func(c Category) (string, stoa.ID) { return c.Name, c.ID }), err
}

// SearchTags is Search for tags.
func (s *Service) SearchTags(ctx context.Context, site stoa.ID, query, after string, limit int) (Page[Tag], error) {
	where, args := matching(site, query, after)
	limit = min(max(limit, 1), 200)
	list, err := db.All(ctx, db.Reader(ctx, s.opt.DB), scanTag, selectTag+where, append(args, limit+1)...)
	return pageOf(list, limit, func(t Tag) (string, stoa.ID) { return t.Name, t.ID }), err
}

// matching gives the end of a statement that looks for terms; a name is compared in the cases that people type: as it
// is, small and with a capital, for not every database knows the small form of every letter.
func matching(site stoa.ID, query, after string) (string, []any) {
	q, args := " WHERE site = ?", []any{site}
	if name, id, ok := place(after); ok {
		q += " AND (name > ? OR name = ? AND id > ?)"
		args = append(args, name, name, id)
	}
	words := strings.Fields(query)
	for _, w := range words[:min(len(words), 8)] {
		w = strings.ToValidUTF8(strings.ReplaceAll(w, "\x00", ""), "")
		q += " AND (LOWER(name) LIKE ? ESCAPE '!' OR name LIKE ? ESCAPE '!' OR name LIKE ? ESCAPE '!' OR slug LIKE ? " +
			"ESCAPE '!')"
		part := func(w string) string {
			return "%" + db.Like(w) + "%"
		}
		small := strings.ToLower(w)
		args = append(args, part(small), part(w), part(capital(small)), part(Slug(w)))
	}
	return q + " ORDER BY name, id LIMIT ?", args
}

func capital(s string) string {
	for i := range s {
		if i > 0 {
			return strings.ToUpper(s[:i]) + s[i:]
		}
	}
	return strings.ToUpper(s)
}

func place(after string) (name string, id stoa.ID, ok bool) {
	number, name, ok := strings.Cut(after, " ")
	id, err := stoa.ParseID(number)
	return name, id, ok && err == nil && len(name) <= 400 && !strings.ContainsRune(name, 0)
}

func pageOf[T any](list []T, limit int, key func(T) (string, stoa.ID)) Page[T] {
	if len(list) <= limit {
		return Page[T]{Items: list}
	}
	name, id := key(list[limit-1])
	return Page[T]{Items: list[:limit], Next: id.String() + " " + name}
}

// wasAt is the condition for a term that had an address before.
const wasAt = " WHERE site = ? AND id IN (SELECT term FROM taxonomy_old WHERE site = ? AND term_kind = ? AND slug = ?)"

// CategoryBySlug gives the category with that address, else the one that had it, which has another Slug; or NotFound.
func (s *Service) CategoryBySlug(ctx context.Context, site stoa.ID, slug string) (Category, error) {
	if !findable(slug) {
		return Category{}, stoa.NotFound("category", slug)
	}
	return s.category.Get(ctx, site.String()+"/"+slug, func(ctx context.Context, l *cache.Load) (Category, error) {
		l.Scope("category", site)
		c, err := db.One(ctx, s.opt.DB, scanCategory, selectCategory+" WHERE site = ? AND slug = ?", site, slug)
		if db.IsNoRows(err) {
			c, err = db.One(ctx, s.opt.DB, scanCategory, selectCategory+wasAt, site, site, "category", slug)
		}
		if db.IsNoRows(err) {
			err = stoa.NotFound("category", slug)
		}
		return c, err
	})
}

// TagBySlug is CategoryBySlug for tags.
func (s *Service) TagBySlug(ctx context.Context, site stoa.ID, slug string) (Tag, error) {
	if !findable(slug) {
		return Tag{}, stoa.NotFound("tag", slug)
	}
	return s.tag.Get(ctx, site.String()+"/"+slug, func(ctx context.Context, l *cache.Load) (Tag, error) {
		l.Scope("tag", site)
		t, err := db.One(ctx, s.opt.DB, scanTag, selectTag+" WHERE site = ? AND slug = ?", site, slug)
		if db.IsNoRows(err) {
			t, err = db.One(ctx, s.opt.DB, scanTag, selectTag+wasAt, site, site, "tag", slug)
		}
		if db.IsNoRows(err) {
			err = stoa.NotFound("tag", slug)
		}
		return t, err
	})
}

// findable reports whether a term can have the address at all.
func findable(slug string) bool {
	return slug != "" && len(slug) <= 4*maxName && !strings.ContainsRune(slug, 0)
}

// CategoriesByID gives those of the categories that the site has, by name.
func (s *Service) CategoriesByID(ctx context.Context, site stoa.ID, ids []stoa.ID) ([]Category, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	return db.All(ctx, db.Reader(ctx, s.opt.DB), scanCategory,
		selectCategory+" WHERE site = ? AND id IN "+db.In(len(ids))+" ORDER BY name, id",
		append([]any{site}, db.Args(ids)...)...)
}

// CategoryNamed gives the category that a person names by its name or address, or NotFound. A name counts before an
// address; of several with the same name it is the oldest.
func (s *Service) CategoryNamed(ctx context.Context, site stoa.ID, name string) (Category, error) {
	name = tidy(name)
	c, err := db.One(ctx, s.opt.DB, scanCategory, selectCategory+
		" WHERE site = ? AND (name = ? OR slug = ?) ORDER BY CASE WHEN name = ? THEN 0 ELSE 1 END, id LIMIT 1",
		site, name, Slug(name), name)
	if db.IsNoRows(err) {
		err = stoa.NotFound("category", name)
	}
	return c, err
}

// CategoryChosen is CategoryNamed for fields with proposals, which put in an address: exactly that counts before a
// name.
func (s *Service) CategoryChosen(ctx context.Context, site stoa.ID, chosen string) (Category, error) {
	where, args := choice(site, chosen)
	c, err := db.One(ctx, s.opt.DB, scanCategory, selectCategory+where, args...)
	if db.IsNoRows(err) {
		err = stoa.NotFound("category", chosen)
	}
	return c, err
}

// TagChosen is CategoryChosen for tags.
func (s *Service) TagChosen(ctx context.Context, site stoa.ID, chosen string) (Tag, error) {
	where, args := choice(site, chosen)
	t, err := db.One(ctx, db.Reader(ctx, s.opt.DB), scanTag, selectTag+where, args...)
	if db.IsNoRows(err) {
		err = stoa.NotFound("tag", chosen)
	}
	return t, err
}

// choice gives the end of a statement that finds what a person has chosen.
func choice(site stoa.ID, chosen string) (string, []any) {
	chosen = tidy(chosen)
	return " WHERE site = ? AND (name = ? OR slug = ? OR slug = ?) " +
			"ORDER BY CASE WHEN slug = ? THEN 0 WHEN name = ? THEN 1 ELSE 2 END, id LIMIT 1",
		[]any{site, chosen, chosen, Slug(chosen), chosen, chosen}
}
