package taxonomy

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
)

// kind is one of the two kinds of terms: its name in rows and changes, and its table.
type kind struct{ name, table string }

func categories() kind { return kind{"category", "taxonomy_category"} }
func tags() kind       { return kind{"tag", "taxonomy_tag"} }

// batch is how many things one transaction of a merge gives another term.
const batch = 200

// UpdateCategory changes name, address, description and place in the tree of the category with c's ID and Version:
// needs Publish on the site, for visitors see it at once. The old address leads to the new one. A stale version and an
// address that is taken are a Conflict.
func (s *Service) UpdateCategory(ctx context.Context, instance stoa.ID, c Category) (Category, error) {
	if err := s.opt.Access.Check(ctx, access.Publish, sitePath(c.Site, instance)); err != nil {
		return c, err
	}
	var err error
	if c.Name, c.Slug, err = checkTerm(c.Name, c.Slug); err != nil {
		return c, err
	}
	if err := checkDescription(c.Description); err != nil {
		return c, err
	}
	err = s.opt.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := lockBelow(ctx, tx, c); err != nil {
			return err
		}
		return rename(ctx, tx, categories(), instance, term{c.ID, c.Site, c.Slug, c.Name, c.Version},
			"parent = ?, description = ?", c.Parent, c.Description)
	})
	c.Version++
	return c, err
}

// UpdateTag is UpdateCategory for tags.
func (s *Service) UpdateTag(ctx context.Context, instance stoa.ID, t Tag) (Tag, error) {
	if err := s.opt.Access.Check(ctx, access.Publish, sitePath(t.Site, instance)); err != nil {
		return t, err
	}
	var err error
	if t.Name, t.Slug, err = checkTerm(t.Name, t.Slug); err != nil {
		return t, err
	}
	err = s.opt.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		var other stoa.ID
		err := tx.QueryRow(ctx, "SELECT id FROM taxonomy_tag WHERE site = ? AND name = ? AND id <> ? ORDER BY id LIMIT 1",
			t.Site, t.Name, t.ID).Scan(&other)
		if err == nil {
			return stoa.AtField("name", stoa.Conflict("there already is a tag of this name: merge this one into it"))
		}
		if !db.IsNoRows(err) {
			return err
		}
		return rename(ctx, tx, tags(), instance, term{t.ID, t.Site, t.Slug, t.Name, t.Version}, "")
	})
	t.Version++
	return t, err
}

// checkTerm gives name and address as they are kept; an empty address is made of the name.
func checkTerm(name, slug string) (string, string, error) {
	if name = tidy(name); name == "" || len(name) > maxName {
		return "", "", stoa.Invalid("name", "a name of 1 to 190 bytes is expected")
	}
	if slug == "" {
		slug = Slug(name)
	}
	if slug != Slug(slug) || len(slug) > maxName {
		return "", "", stoa.Invalid("slug",
			"%.60q cannot be an address: small letters, digits and single dashes are expected", slug)
	}
	return name, slug, nil
}

// checkDescription refuses what cannot be kept as the description of a category.
func checkDescription(text string) error {
	if len(text) > MaxDescription || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return stoa.Invalid("description", "the description of a category is text of at most 4000 bytes")
	}
	return nil
}

// lockBelow refuses a parent that is no category of the site, or that is the category itself or one below it. It holds
// the category and those above its new place, so that two that are moved below each other do not make a ring.
func lockBelow(ctx context.Context, tx *db.Tx, c Category) error {
	if err := hold(ctx, tx, categories(), c.Site, c.ID); err != nil {
		return err
	}
	seen := map[stoa.ID]bool{}
	for at := c.Parent; at != 0 && !seen[at]; {
		if at == c.ID {
			return stoa.Invalid("parent", "a category cannot be below itself")
		}
		seen[at] = true
		var above stoa.ID
		err := tx.QueryRow(ctx, "SELECT parent FROM taxonomy_category WHERE id = ? AND site = ?"+
			tx.Dialect().ForUpdate(), at, c.Site).Scan(&above)
		if db.IsNoRows(err) && at == c.Parent {
			return stoa.Invalid("parent", "the category above (%s) is not one of this site", at)
		}
		if err != nil && !db.IsNoRows(err) {
			return err
		}
		at = above
	}
	return nil
}

// hold locks the row of a term of the site until the transaction ends.
func hold(ctx context.Context, tx *db.Tx, k kind, site, id stoa.ID) error {
	var found stoa.ID
	err := tx.QueryRow(ctx, "SELECT id FROM "+k.table+" WHERE id = ? AND site = ?"+tx.Dialect().ForUpdate(), id,
		site).Scan(&found)
	if db.IsNoRows(err) {
		return stoa.NotFound(k.name, id)
	}
	return err
}

// term is what categories and tags have in common.
type term struct {
	id, site   stoa.ID
	slug, name string
	version    int64
}

// rename gives a term another name and address; more sets further columns.
func rename(ctx context.Context, tx *db.Tx, k kind, instance stoa.ID, t term, more string, args ...any) error {
	var was string
	var version int64
	err := tx.QueryRow(ctx, "SELECT slug, version FROM "+k.table+" WHERE id = ? AND site = ?"+tx.Dialect().ForUpdate(),
		t.id, t.site).Scan(&was, &version)
	if db.IsNoRows(err) {
		return stoa.NotFound(k.name, t.id)
	}
	if err != nil {
		return err
	}
	if version != t.version {
		return stoa.Conflict("another person has changed this meanwhile; load it again and repeat your change")
	}
	if more != "" {
		more += ", "
	}
	_, err = tx.Exec(ctx, "UPDATE "+k.table+" SET "+more+"slug = ?, name = ?, version = version + 1 WHERE id = ?",
		append(args, t.slug, t.name, t.id)...)
	if db.IsDuplicate(err) {
		return stoa.AtField("slug", stoa.Conflict("this address is taken: choose another one"))
	}
	if err == nil && t.slug != was {
		if err = leads(ctx, tx, k, t.site, was, t.id); err == nil {
			err = free(ctx, tx, k, t.site, t.slug)
		}
	}
	tx.Changed(k.name, t.id, t.site, version+1)
	audit.Note(tx, audit.Changed, audit.Thing{Kind: k.name, ID: t.id, Instance: instance, Title: t.name})
	return err
}

// leads makes an address that a term had lead to the term id.
func leads(ctx context.Context, tx *db.Tx, k kind, site stoa.ID, slug string, id stoa.ID) error {
	return tx.Upsert(ctx, "taxonomy_old", []string{"site", "term_kind", "slug"},
		db.Row{"site": site, "term_kind": k.name, "slug": slug, "term": id})
}

// free takes away what leads on from an address that a term has now.
func free(ctx context.Context, tx *db.Tx, k kind, site stoa.ID, slug string) error {
	_, err := tx.Exec(ctx, "DELETE FROM taxonomy_old WHERE site = ? AND term_kind = ? AND slug = ?", site, k.name, slug)
	return err
}

// MergeCategory gives all that carries the category from the category into, moves what is below it there and removes
// it: needs Manage on the site. Its address leads to that of into. Things change in transactions of at most 200; after
// one that fails, what is done stays, and doing it again goes on.
func (s *Service) MergeCategory(ctx context.Context, instance, site, from, into stoa.ID) error {
	return s.merge(ctx, categories(), instance, site, from, into)
}

// MergeTag is MergeCategory for tags.
func (s *Service) MergeTag(ctx context.Context, instance, site, from, into stoa.ID) error {
	return s.merge(ctx, tags(), instance, site, from, into)
}

func (s *Service) merge(ctx context.Context, k kind, instance, site, from, into stoa.ID) error {
	if err := s.opt.Access.Check(ctx, access.Manage, sitePath(site, instance)); err != nil {
		return err
	}
	if from == into {
		return stoa.Invalid("into", "choose another one: it cannot be merged into itself")
	}
	for done := false; !done; {
		err := s.opt.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
			done, err = mergeSome(ctx, tx, k, instance, site, from, into)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// mergeSome is one transaction of a merge; done says that it was the last.
func mergeSome(
	ctx context.Context, tx *db.Tx, k kind, instance, site, from, into stoa.ID,
) (done bool, err error) {
	for _, id := range []stoa.ID{min(from, into), max(from, into)} { // in the same order as others
		if err := hold(ctx, tx, k, site, id); err != nil {
			return false, err
		}
	}
	var name, slug, other string
	err = tx.QueryRow(ctx, "SELECT f.name, f.slug, i.name FROM "+k.table+" f, "+k.table+" i WHERE f.id = ? AND i.id = ?",
		from, into).Scan(&name, &slug, &other)
	if err != nil {
		return false, err
	}
	if k == categories() {
		if err := notBelow(ctx, tx, from, into); err != nil {
			return false, err
		}
	}
	n, err := carryOver(ctx, tx, k, site, from, into)
	if err != nil {
		return false, err
	}
	tx.Changed(k.name, 0, site, 0)
	if n == batch {
		audit.Note(tx, audit.Changed, audit.Thing{Kind: k.name, ID: from, Instance: instance, Title: name})
		return false, nil
	}
	if k == categories() {
		if _, err := tx.Exec(ctx, "UPDATE taxonomy_category SET parent = ?, version = version + 1 WHERE site = ? AND "+
			"parent = ?", into, site, from); err != nil {
			return false, err
		}
	}
	if err := leads(ctx, tx, k, site, slug, into); err != nil {
		return false, err
	}
	if _, err := tx.Exec(ctx, "UPDATE taxonomy_old SET term = ? WHERE term_kind = ? AND term = ?", into, k.name,
		from); err != nil {
		return false, err
	}
	_, err = tx.Exec(ctx, "DELETE FROM "+k.table+" WHERE id = ?", from)
	audit.Note(tx, audit.Merged, audit.Thing{Kind: k.name, ID: from, Instance: instance, Title: name}, other)
	return true, err
}

// notBelow refuses to merge a category into one below it, which would be below itself then.
func notBelow(ctx context.Context, tx *db.Tx, from, into stoa.ID) error {
	seen := map[stoa.ID]bool{}
	for at := into; at != 0 && !seen[at]; {
		seen[at] = true
		err := tx.QueryRow(ctx, "SELECT parent FROM taxonomy_category WHERE id = ?", at).Scan(&at)
		if db.IsNoRows(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if at == from {
			return stoa.Invalid("into", "a category cannot be merged into one below it: move that one up first")
		}
	}
	return nil
}

// carryOver gives up to batch things that carry from the term into, and says how many it was.
func carryOver(ctx context.Context, tx *db.Tx, k kind, site, from, into stoa.ID) (int, error) {
	type thing struct {
		kind string
		id   stoa.ID
	}
	list, err := db.All(ctx, tx, func(r db.Scanner) (t thing, err error) { return t, r.Scan(&t.kind, &t.id) },
		"SELECT kind, thing FROM taxonomy_assigned WHERE term_kind = ? AND term = ? ORDER BY kind, thing LIMIT ?", k.name,
		from, batch)
	if err != nil {
		return 0, err
	}
	for _, t := range list {
		if _, err := tx.InsertIgnore(ctx, "taxonomy_assigned", db.Row{"kind": t.kind, "thing": t.id,
			"term_kind": k.name, "term": into, "site": site}); err != nil {
			return 0, err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM taxonomy_assigned WHERE kind = ? AND thing = ? AND term_kind = ? AND term = ?",
			t.kind, t.id, k.name, from); err != nil {
			return 0, err
		}
	}
	return len(list), nil
}

// MostCarried is where Carried stops to count.
const MostCarried = 10_000

// Carried says how many things carry a category or a tag, at most MostCarried+1.
func (s *Service) Carried(ctx context.Context, termKind string, id stoa.ID) (n int, err error) {
	err = db.Reader(ctx, s.opt.DB).QueryRow(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM taxonomy_assigned WHERE "+
		"term_kind = ? AND term = ? LIMIT ?) c", termKind, id, MostCarried+1).Scan(&n)
	return n, err
}

// TagByID gives a tag of the site, or NotFound.
func (s *Service) TagByID(ctx context.Context, site, id stoa.ID) (Tag, error) {
	t, err := db.One(ctx, db.Reader(ctx, s.opt.DB), scanTag, selectTag+" WHERE id = ? AND site = ?", id, site)
	if db.IsNoRows(err) {
		err = stoa.NotFound("tag", id)
	}
	return t, err
}
