package content

import (
	"context"
	"fmt"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/taxonomy"
)

// NewArticle is one of many articles that are made at once.
type NewArticle struct {
	Draft
	Show bool      // visitors see it: at once, or from At on
	At   time.Time // not after now: at once
}

// CreateAll makes articles of a site in the caller's transaction and gives their ids in the same order: what CreateTx
// and PublishTx do for each, in few statements for all. Each has a Slug of its own and is no text of a page, or it is
// Invalid; an address that is taken is a duplicate (db.IsDuplicate). It needs Edit on the site, and Publish where one
// is shown. The audit log tells their number.
func (s *Service) CreateAll(ctx context.Context, tx *db.Tx, st site.Site, list []NewArticle) ([]stoa.ID, error) {
	if err := s.o.Access.Check(ctx, access.Edit, st.Path()); err != nil {
		return nil, err
	}
	for _, n := range list {
		if n.Show {
			if err := s.o.Access.Check(ctx, access.Publish, st.Path()); err != nil {
				return nil, err
			}
			break
		}
	}
	var ids []stoa.ID
	var articles, versions, texts []db.Row
	var entries []asset.Entry
	var terms []taxonomy.Assigned
	for i := range list {
		n := list[i]
		if err := s.ready(ctx, tx, st, &n); err != nil {
			return nil, err
		}
		id, err := tx.NewID(ctx)
		if err != nil {
			return nil, err
		}
		row, entry := s.newRow(ctx, tx, st, id, n)
		ids, articles, entries = append(ids, id), append(articles, row), append(entries, entry)
		version, words := versionRows(ctx, tx, id, 1, n.Draft)
		versions, texts = append(versions, version), append(texts, words...)
		terms = append(terms, taxonomy.Assigned{Thing: id, Categories: n.Categories, Tags: n.Tags})
		tx.Changed(kindDraft, id, st.ID, 1)
		list[i] = n
	}
	for _, t := range []struct {
		table string
		rows  []db.Row
	}{{"content_article", articles}, {"content_version", versions}, {"content_text", texts}} {
		if err := tx.InsertAll(ctx, t.table, t.rows); err != nil {
			return nil, fmt.Errorf("content: make %d articles: %w", len(list), err)
		}
	}
	if err := s.o.Taxonomy.AssignNew(ctx, tx, kindArticle, st.ID, terms); err != nil {
		return nil, err
	}
	if err := asset.PutNew(ctx, tx, entries); err != nil {
		return nil, err
	}
	for i, id := range ids {
		if err := s.link(ctx, tx, st.ID, id, 1, list[i].Draft); err != nil {
			return nil, err
		}
	}
	tx.Changed(kindArticle, 0, st.ID, 0) // whatever was not found at one of the addresses, and every list
	tx.Changed(kindShown, 0, st.ID, 0)
	return ids, nil
}

// ready checks one of many and fills in what it does not say.
func (s *Service) ready(ctx context.Context, tx *db.Tx, st site.Site, n *NewArticle) (err error) {
	if n.Draft, err = s.Prepare(ctx, n.Draft); err != nil {
		return err
	}
	s.defaults(ctx, tx, st, &n.Draft)
	if err := s.clean(&n.Draft); err != nil {
		return err
	}
	switch {
	case n.Slug == "":
		return stoa.Invalid("slug", "each of many articles needs an address of its own")
	case n.Kind == KindPage:
		return stoa.Invalid("kind", "the text of a page is made by itself")
	case n.Show && n.Published.IsZero() && !n.At.After(s.o.Now()):
		n.Published = s.o.Now()
	}
	return nil
}

// newRow gives the row and the entry of a new article.
func (s *Service) newRow(
	ctx context.Context, tx *db.Tx, st site.Site, id stoa.ID, n NewArticle,
) (db.Row, asset.Entry) {
	status, live, pending, at := StatusDraft, 0, 0, time.Time{}
	switch {
	case n.Show && n.At.After(s.o.Now()):
		status, pending, at = StatusScheduled, 1, n.At
	case n.Show:
		status, live = StatusPublished, 1
	}
	row := articleRow(ctx, st, id, n.Draft)
	row["slug"], row["status"], row["live"], row["pending"], row["publish_at"] = n.Slug, status, live, pending,
		db.Micros(at)
	titles := make(map[stoa.Locale]string, len(n.Text))
	for l, t := range n.Text {
		titles[l] = t.Title
	}
	return row, asset.Entry{
		Kind: kindArticle, ID: id, Instance: st.Instance, Site: st.ID, Form: n.Kind, Status: entryStatus(status),
		Shown: live > 0, Locale: n.Default, Titles: titles, Owner: n.Author, Created: n.Created, Modified: n.Modified,
		Publish: at, Version: 1,
	}
}
