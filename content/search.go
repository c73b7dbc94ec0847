package content

import (
	"context"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/richtext"
	"github.com/stoa-portal/stoa/search"
)

// found says how articles are searched for: by the version that visitors see. The text of a page is found with its
// page, and what is behind a password by its title alone.
func found() *asset.Found {
	return &asset.Found{
		Documents: documents,
		Changes:   []string{kindArticle, "grant", "tag", "category"},
		After:     searchAfter,
		Address:   searchAddress,
	}
}

// documents gives the articles that visitors may see as the index has them.
func documents(ctx context.Context, q db.Queryer, ids []stoa.ID) ([]search.Document, error) {
	return shownTexts(ctx, q, ids, KindPage)
}

// Texts gives the articles that visitors may see, also those that are the text of a page, by id. It asks for no
// permission: it is for pages that show them.
func (s *Service) Texts(ctx context.Context, q db.Queryer, ids []stoa.ID) (map[stoa.ID]search.Document, error) {
	list, err := shownTexts(ctx, q, ids, "")
	out := make(map[stoa.ID]search.Document, len(list))
	for _, d := range list {
		out[d.ID] = d
	}
	return out, err
}

// shownTexts gives the articles that visitors may see but for those of a kind.
func shownTexts(ctx context.Context, q db.Queryer, ids []stoa.ID, but string) ([]search.Document, error) {
	rows, err := db.All(ctx, q, scanRow, columns+"WHERE a.live > 0 AND a.kind <> ? AND a.site < "+asset.HiddenSQL+
		" AND a.id IN "+db.In(len(ids)), append([]any{but}, db.Args(ids)...)...)
	if err != nil {
		return nil, err
	}
	paths := make([]access.Path, len(rows))
	for i, a := range rows {
		paths[i] = a.Path()
	}
	acls, err := access.ACLs(ctx, q, paths)
	if err != nil {
		return nil, err
	}
	out := make([]search.Document, len(rows))
	for i, a := range rows {
		if err := a.fill(ctx, q, a.Live); err != nil {
			return nil, err
		}
		a.lock()
		d := search.Document{Kind: kindArticle, ID: a.ID, Instance: a.Instance, Site: a.Site, ACL: acls[i],
			Author: a.Author, Created: a.Created, Modified: a.Modified, Texts: map[stoa.Locale]search.Text{}}
		if !a.Published.IsZero() {
			d.Modified = a.Published
		}
		names, err := termsOf(ctx, q, &d)
		if err != nil {
			return nil, err
		}
		for l, t := range a.Text {
			body := richtext.Read(t.Body)
			d.Texts[l] = search.Text{Title: t.Title, Headings: body.Headings,
				Body: strings.TrimSpace(t.Summary + " " + body.Text), Terms: names}
		}
		out[i] = d
	}
	return out, nil
}

// termsOf adds the tags and categories of an article and gives their names.
func termsOf(ctx context.Context, q db.Queryer, d *search.Document) (string, error) {
	var names []string
	err := db.Each(ctx, q, func(r db.Scanner) error {
		var slug, name string
		err := r.Scan(&slug, &name)
		d.Tags, names = append(d.Tags, slug), append(names, name)
		return err
	}, `SELECT t.slug, t.name FROM taxonomy_assigned a JOIN taxonomy_tag t ON t.id = a.term
		WHERE a.kind = 'article' AND a.thing = ? AND a.term_kind = 'tag' ORDER BY t.name`, d.ID)
	if err != nil {
		return "", err
	}
	err = db.Each(ctx, q, func(r db.Scanner) error {
		var id stoa.ID
		var name string
		err := r.Scan(&id, &name)
		d.Categories, names = append(d.Categories, id), append(names, name)
		return err
	}, `SELECT c.id, c.name FROM taxonomy_assigned a JOIN taxonomy_category c ON c.id = a.term
		WHERE a.kind = 'article' AND a.thing = ? AND a.term_kind = 'category' ORDER BY c.name`, d.ID)
	return strings.Join(names, " "), err
}

// searchAfter gives the articles that are found otherwise after a change of something else, from the one after, at
// most limit.
func searchAfter(
	ctx context.Context, q db.Queryer, change string, id, after stoa.ID, limit int,
) ([]stoa.ID, error) {
	if change == "grant" {
		if id <= after {
			return nil, nil
		}
		return []stoa.ID{id}, nil
	}
	return db.All(ctx, q, func(r db.Scanner) (id stoa.ID, err error) { return id, r.Scan(&id) },
		`SELECT thing FROM taxonomy_assigned WHERE term_kind = ? AND term = ? AND kind = 'article' AND thing > ?
		ORDER BY thing LIMIT ?`, change, id, after, limit)
}

func searchAddress(ctx context.Context, q db.Queryer, e asset.Entry) (string, error) {
	var slug string
	err := q.QueryRow(ctx, "SELECT slug FROM content_article WHERE id = ?", e.ID).Scan(&slug)
	return Address(slug), err
}
