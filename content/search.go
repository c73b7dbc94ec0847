package content

import (
	"context"
	"slices"
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

// Texts gives the articles that visitors may see, by id, and which of them are the text of pages. It asks for no
// permission: it is for pages that show them.
func (s *Service) Texts(
	ctx context.Context, q db.Queryer, ids []stoa.ID,
) (texts map[stoa.ID]search.Document, ofPages map[stoa.ID]bool, err error) {
	list, err := shownTexts(ctx, q, ids, "")
	if err != nil {
		return nil, nil, err
	}
	texts, ofPages = map[stoa.ID]search.Document{}, map[stoa.ID]bool{}
	for _, d := range list {
		texts[d.ID] = d
	}
	return texts, ofPages, db.Each(ctx, q, func(r db.Scanner) error {
		var id stoa.ID
		err := r.Scan(&id)
		ofPages[id] = true
		return err
	}, "SELECT id FROM content_article WHERE kind = ? AND id IN "+db.In(len(ids)),
		append([]any{KindPage}, db.Args(ids)...)...)
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
	out, at := make([]search.Document, len(rows)), map[stoa.ID]int{}
	for i, a := range rows {
		at[a.ID] = i
		out[i] = search.Document{Kind: kindArticle, ID: a.ID, Instance: a.Instance, Site: a.Site, ACL: acls[i],
			Author: a.Author, Created: a.Created, Modified: a.Published, Texts: map[stoa.Locale]search.Text{}}
		if a.Published.IsZero() {
			out[i].Modified = a.Created
		}
	}
	if len(rows) == 0 {
		return nil, nil
	}
	names, err := termsOf(ctx, q, out, at)
	if err != nil {
		return nil, err
	}
	return out, db.Each(ctx, q, func(r db.Scanner) error {
		var id stoa.ID
		var l stoa.Locale
		var t Text
		if err := r.Scan(&id, &l, &t.Title, &t.Summary, &t.Body); err != nil {
			return err
		}
		i, ok := at[id]
		if !ok {
			return nil
		}
		found := search.Text{Title: t.Title, Terms: strings.Join(names[id], " ")}
		if !rows[i].Protected {
			body := richtext.Read(t.Body)
			found.Headings, found.Body = body.Headings, strings.TrimSpace(t.Summary+" "+body.Text)
		}
		out[i].Texts[l] = found
		return nil
	}, `SELECT t.article, t.locale, t.title, t.summary, t.body FROM content_article a JOIN content_text t
		ON t.article = a.id AND t.number = a.live WHERE a.id IN `+db.In(len(ids)), db.Args(ids)...)
}

// termsOf adds the tags and categories of articles and gives their names.
func termsOf(
	ctx context.Context, q db.Queryer, docs []search.Document, at map[stoa.ID]int,
) (map[stoa.ID][]string, error) {
	ids := make([]stoa.ID, len(docs))
	for i, d := range docs {
		ids[i] = d.ID
	}
	names := map[stoa.ID][]string{}
	err := db.Each(ctx, q, func(r db.Scanner) error {
		var id stoa.ID
		var slug, name string
		err := r.Scan(&id, &slug, &name)
		docs[at[id]].Tags, names[id] = append(docs[at[id]].Tags, slug), append(names[id], name)
		return err
	}, `SELECT a.thing, t.slug, t.name FROM taxonomy_assigned a JOIN taxonomy_tag t ON t.id = a.term
		WHERE a.kind = 'article' AND a.term_kind = 'tag' AND a.thing IN `+db.In(len(ids))+" ORDER BY a.thing, t.name, t.id",
		db.Args(ids)...)
	if err != nil {
		return nil, err
	}
	return names, db.Each(ctx, q, func(r db.Scanner) error {
		var id, category stoa.ID
		var name string
		err := r.Scan(&id, &category, &name)
		docs[at[id]].Categories, names[id] = append(docs[at[id]].Categories, category), append(names[id], name)
		return err
	}, `SELECT a.thing, c.id, c.name FROM taxonomy_assigned a JOIN taxonomy_category c ON c.id = a.term
		WHERE a.kind = 'article' AND a.term_kind = 'category' AND a.thing IN `+db.In(len(ids))+
		" ORDER BY a.thing, c.name, c.id", db.Args(ids)...)
}

// searchAfter gives the articles that are found otherwise after changes of other things: those that have a term, also
// one that has come into the recycle bin.
func searchAfter(ctx context.Context, q db.Queryer, change string, ids []stoa.ID) (out []stoa.ID, err error) {
	if change == kindArticle {
		return nil, nil
	}
	if change == "grant" {
		return ids, nil
	}
	for part := range slices.Chunk(ids, 500) {
		for _, table := range []string{"taxonomy_assigned", "taxonomy_trashed"} {
			more, err := db.All(ctx, q, func(r db.Scanner) (id stoa.ID, err error) { return id, r.Scan(&id) },
				"SELECT thing FROM "+table+" WHERE term_kind = ? AND kind = 'article' AND term IN "+db.In(len(part)),
				append([]any{change}, db.Args(part)...)...)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
		}
	}
	return out, nil
}

func searchAddress(ctx context.Context, q db.Queryer, e asset.Entry) (string, error) {
	var slug string
	err := q.QueryRow(ctx, "SELECT slug FROM content_article WHERE id = ?", e.ID).Scan(&slug)
	return Address(slug), err
}
