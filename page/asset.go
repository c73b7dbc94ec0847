package page

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/db"
)

// AssetType says what pages are among all content. A page and its draft have versions of their own, each of which only
// rises, so the version of the entry is their sum. Who made a page is not known.
func (s *Service) AssetType() asset.Type {
	return asset.Type{
		Kind: kindPage, Name: stoa.Phrase("asset.page"), Icon: "page",
		Changes: []string{kindPage, kindDraft}, Later: []string{kindDraft}, Table: "page_page", Read: readEntries,
		May: s.mayEntry,
		Rows: asset.Rows{Created: "e.created", Modified: "e.modified", Form: "e.page_type", Parent: "e.parent",
			Titles: "LOWER(e.title)", Shown: "e.published",
			Status: map[asset.Status]string{asset.Live: "e.published", asset.Draft: "NOT e.published"}},
		Screen: func(e asset.Entry) string { return "/pages/" + e.ID.String() },
		Links:  readLinks, Find: s.findPages, Restore: s.restoreTx, Purge: s.purgeTx,
		Places: s.places, Found: s.found(),
	}
}

// enter writes the entry of a page and what it refers to as its row stands in the transaction.
func (s *Service) enter(ctx context.Context, tx *db.Tx, id stoa.ID) error {
	if s.assets == nil {
		return enter(ctx, tx, id)
	}
	return s.assets.EnterLinked(ctx, tx, kindPage, id)
}

// enter writes the entry of a page as its row stands in the transaction.
func enter(ctx context.Context, tx *db.Tx, id stoa.ID) error {
	return asset.Enter(ctx, tx, asset.Type{Kind: kindPage, Read: readEntries}, id)
}

func readEntries(ctx context.Context, q db.Queryer, ids []stoa.ID) ([]asset.Entry, error) {
	return db.All(ctx, q, func(r db.Scanner) (asset.Entry, error) {
		e := asset.Entry{Kind: kindPage, Status: asset.Draft}
		var title string
		var created, modified int64
		err := r.Scan(&e.ID, &e.Instance, &e.Site, &e.Parent, &e.Form, &e.Shown, &e.Restricted, &e.Locale, &title, &created,
			&modified, &e.Version)
		if err != nil {
			return e, err
		}
		if e.Shown {
			e.Status = asset.Live
		}
		if e.Site >= asset.Hidden {
			e.Site, e.Status, e.Shown = e.Site-asset.Hidden, asset.Trashed, false
		}
		e.Created, e.Modified = db.Time(created), db.Time(modified)
		if err := json.Unmarshal([]byte(title), &e.Titles); err != nil {
			return e, fmt.Errorf("title of page %d: %w", e.ID, err)
		}
		return e, nil
	}, `SELECT p.id, s.instance, p.site, p.parent, p.page_type, p.published, p.restricted, s.locale, p.title, p.created,
		p.modified, p.version + p.draft_version FROM page_page p JOIN site_site s
		ON s.id = CASE WHEN p.site < `+asset.HiddenSQL+` THEN p.site ELSE p.site - `+asset.HiddenSQL+` END WHERE p.id IN `+
		db.In(len(ids)), db.Args(ids)...)
}

// mayEntry asks along the way that the page has in the tree now.
func (s *Service) mayEntry(ctx context.Context, a access.Action, e asset.Entry) error {
	st, err := s.sites.Site(ctx, e.Site)
	if err != nil {
		return err
	}
	if e.Status == asset.Trashed {
		return s.mayTrashed(ctx, a, e, st)
	}
	t, err := s.tree(ctx, e.Site)
	if err != nil {
		return err
	}
	n, ok := t.nodes[e.ID]
	if !ok {
		return stoa.NotFound(kindPage, e.ID)
	}
	if a == access.View && !n.Published {
		a = access.Edit
	}
	return s.access.Check(ctx, a, s.pathOf(t, n, st.Path()))
}
