package page

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/db"
)

const pageColumns = "id, site, parent, slug, path, title, place, hidden, page_type, target, layout, draft, " +
	"published, restricted, password, seo, template, created, modified, modified_by, live_number, version, " +
	"draft_version, hide_title"

func scanPage(r db.Scanner) (Page, error) {
	var p Page
	var title, layout, draft, password, seo string
	var created, modified int64
	err := r.Scan(&p.ID, &p.Site, &p.Parent, &p.Slug, &p.Path, &title, &p.Position, &p.Hidden, &p.Type, &p.Target, &layout, &draft,
		&p.Published, &p.Restricted, &password, &seo, &p.Template, &created, &modified, &p.ModifiedBy, &p.Number, &p.Version,
		&p.DraftVersion,
		&p.HideTitle)
	if err != nil {
		return p, err
	}
	p.Created, p.Modified = db.Time(created), db.Time(modified)
	p.Protected = password != ""
	if p.Protected {
		p.Unlock = hashOf(password)
	}
	if err := json.Unmarshal([]byte(title), &p.Title); err != nil {
		return p, fmt.Errorf("title of page %d: %w", p.ID, err)
	}
	if err := json.Unmarshal([]byte(seo), &p.SEO); err != nil {
		return p, fmt.Errorf("search settings of page %d: %w", p.ID, err)
	}
	if p.Layout, err = decodeLayout(layout); err != nil {
		return p, fmt.Errorf("layout of page %d: %w", p.ID, err)
	}
	if draft != "" {
		d, err := decodeLayout(draft)
		if err != nil {
			return p, fmt.Errorf("draft of page %d: %w", p.ID, err)
		}
		p.Draft, p.HasDraft = &d, true
	}
	return p, nil
}

func pageSize(p Page) int {
	n := 600 + len(p.Path) + len(p.Target) + len(p.SEO.Description)
	for _, t := range p.Title {
		n += len(t) + 32
	}
	p.Layout.Each(func(w Placed) {
		n += 200
		for k, v := range w.Settings {
			n += len(k) + len(v) + 32
		}
	})
	return n
}

// read gives a page with its draft from the database; NotFound when there is none. What is in the recycle bin is not
// there.
func read(ctx context.Context, q db.Queryer, id stoa.ID) (Page, error) {
	p, hidden, err := readAny(ctx, q, id)
	if err == nil && hidden {
		return Page{}, stoa.NotFound("page", id)
	}
	return p, err
}

// readAny is read that also gives what is in the recycle bin (hidden), with the site that it belongs to.
func readAny(ctx context.Context, q db.Queryer, id stoa.ID) (p Page, hidden bool, err error) {
	p, err = db.One(ctx, q, scanPage, "SELECT "+pageColumns+" FROM page_page WHERE id = ?", id)
	if errors.Is(err, sql.ErrNoRows) {
		return p, false, stoa.NotFound("page", id)
	}
	if p.Site >= asset.Hidden {
		p.Site, hidden = p.Site-asset.Hidden, true
	}
	return p, hidden, err
}

// Get gives the page with its draft, for editors: needs Edit. NotFound when there is none or the actor
// may not know of it.
func (s *Service) Get(ctx context.Context, id stoa.ID) (Page, error) {
	p, err := read(ctx, s.d, id)
	if err != nil {
		return Page{}, err
	}
	if err := s.check(ctx, access.Edit, p); err != nil {
		return Page{}, err
	}
	return p, nil
}

// Live gives the page as visitors see it, from the cache: needs View, and Edit while it is not
// published. The password of a protected page is not asked for here: compare Unlock.
func (s *Service) Live(ctx context.Context, id stoa.ID) (Page, error) {
	p, err := s.live(ctx, id)
	if err != nil {
		return Page{}, err
	}
	return p, s.visible(ctx, p)
}

func (s *Service) live(ctx context.Context, id stoa.ID) (Page, error) {
	return s.pages.Get(ctx, id.String(), func(ctx context.Context, l *cache.Load) (Page, error) {
		l.Thing(kindPage, id) // ids are never used again, so this also holds for "not found"
		p, err := read(ctx, s.d, id)
		p.Draft, p.HasDraft, p.DraftVersion, p.ModifiedBy = nil, false, 0, 0 // a draft is no change of this kind
		return p, err
	})
}

// visible refuses pages that the actor may not see, unpublished ones as if they were not there.
func (s *Service) visible(ctx context.Context, p Page) error {
	if p.Published {
		return s.check(ctx, access.View, p)
	}
	if err := s.check(ctx, access.Edit, p); err != nil {
		return stoa.NotFound("page", p.Path)
	}
	return nil
}

// ByPath gives the page at a friendly address such as "/about/team", as Live does.
func (s *Service) ByPath(ctx context.Context, siteID stoa.ID, path string) (Page, error) {
	path = cleanPath(path)
	if len(path) > maxPath {
		return Page{}, stoa.NotFound("page", path)
	}
	id, err := s.byPath.Get(ctx, siteID.String()+" "+path, func(ctx context.Context, l *cache.Load) (stoa.ID, error) {
		var id stoa.ID
		err := s.d.QueryRow(ctx, "SELECT id FROM page_page WHERE site = ? AND path_hash = ?", siteID, hashOf(path)).Scan(&id)
		if errors.Is(err, sql.ErrNoRows) {
			l.Scope(kindPage, siteID)
			return 0, stoa.NotFound("page", path)
		}
		l.Thing(kindPage, id)
		return id, err
	})
	if err != nil {
		return Page{}, err
	}
	p, err := s.Live(ctx, id)
	if err == nil && p.Path != path { // moved between the two reads
		return Page{}, stoa.NotFound("page", path)
	}
	return p, err
}

// First gives the first published page of the top level that the actor may view: a site's home when it
// names no other. NotFound when there is none.
func (s *Service) First(ctx context.Context, siteID stoa.ID) (Page, error) {
	st, err := s.sites.Site(ctx, siteID)
	if err != nil {
		return Page{}, err
	}
	t, err := s.tree(ctx, siteID)
	if err != nil {
		return Page{}, err
	}
	for _, id := range t.roots {
		n := t.nodes[id]
		if n.Published && n.Type != TypeLink && s.access.Can(ctx, access.View, s.pathOf(t, n, st.Path())) {
			return s.Live(ctx, id)
		}
	}
	return Page{}, stoa.NotFound("page", "/")
}

// Begun reports whether the site has a published page, for whomever it may be. It asks for no right, since it tells
// nothing of the pages.
func (s *Service) Begun(ctx context.Context, siteID stoa.ID) (bool, error) {
	t, err := s.tree(ctx, siteID)
	if err != nil {
		return false, err
	}
	for _, n := range t.nodes {
		if n.Published {
			return true, nil
		}
	}
	return false, nil
}

func (s *Service) check(ctx context.Context, a access.Action, p Page) error {
	path, err := s.Path(ctx, p)
	if err != nil {
		return err
	}
	return s.access.Check(ctx, a, path)
}
