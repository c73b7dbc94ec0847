package page

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

// Texts gives articles that visitors may see, by id, for pages that show them.
type Texts func(ctx context.Context, q db.Queryer, ids []stoa.ID) (map[stoa.ID]Text, error)

// Text is an article that a page shows.
type Text struct {
	search.Document
	OfPage bool // it is the text of pages, which say who may see it; all others are shown to those who may see them
}

// found says how pages are searched for: by their title and the text of their own that they show. What lists and
// menus on them show is found where it belongs. Of a page with a password the title is found.
func (s *Service) found() *asset.Found {
	return &asset.Found{
		Documents: s.documents,
		Changes:   []string{kindPage, "grant", "article"},
		After:     searchAfter,
		Address: func(ctx context.Context, q db.Queryer, e asset.Entry) (path string, err error) {
			return path, q.QueryRow(ctx, "SELECT path FROM page_page WHERE id = ?", e.ID).Scan(&path)
		},
	}
}

// documents gives the pages that visitors may see as the index has them. Links have no text, and a page that search
// engines shall not show is not found here either.
func (s *Service) documents(ctx context.Context, q db.Queryer, ids []stoa.ID) ([]search.Document, error) {
	pages, err := db.All(ctx, q, scanPage, "SELECT "+pageColumns+" FROM page_page WHERE published = ? AND page_type <> ? "+
		"AND site < "+asset.HiddenSQL+" AND id IN "+db.In(len(ids)), append([]any{true, TypeLink}, db.Args(ids)...)...)
	if err != nil {
		return nil, err
	}
	pages = slices.DeleteFunc(pages, func(p Page) bool { return p.SEO.NoIndex })
	paths, err := committedPaths(ctx, q, pages)
	if err != nil {
		return nil, err
	}
	acls, err := access.ACLs(ctx, q, paths)
	if err != nil {
		return nil, err
	}
	texts := map[stoa.ID]Text{}
	if s.texts != nil {
		var shown []stoa.ID
		for _, p := range pages {
			shown = append(shown, p.shows()...)
		}
		if len(shown) > 0 {
			if texts, err = s.texts(ctx, q, shown); err != nil {
				return nil, err
			}
		}
	}
	out := make([]search.Document, len(pages))
	for i, p := range pages {
		out[i] = p.document(paths[i].Instance(), acls[i], texts)
	}
	return out, nil
}

// shows gives the articles that the page shows as its own text.
func (p Page) shows() (ids []stoa.ID) {
	add := func(text string) {
		if id, err := stoa.ParseID(text); err == nil {
			ids = append(ids, id)
		}
	}
	if p.Type == TypeArticle {
		add(p.Target)
		return ids
	}
	p.Layout.Each(func(w Placed) {
		if w.Widget == "web-content" && !w.Hidden {
			add(w.Settings["article"])
		}
	})
	return ids
}

// reads reports whether what visitors of the page see of an article is what visitors of the page may see: a text of
// pages on a page that has it as its text, every other article where the same people may see it as the page.
func (p Page) reads(t Text, acl string) bool {
	if t.Site != p.Site {
		return false
	}
	if t.OfPage {
		return p.Type == TypeArticle
	}
	return t.ACL == acl
}

func (p Page) document(instance stoa.ID, acl string, texts map[stoa.ID]Text) search.Document {
	d := search.Document{Kind: kindPage, ID: p.ID, Instance: instance, Site: p.Site, ACL: acl,
		Created: p.Created, Modified: p.Modified, Texts: map[stoa.Locale]search.Text{}}
	for l, title := range p.Title {
		d.Texts[l] = search.Text{Title: title}
	}
	if p.Protected {
		return d
	}
	// The texts of widgets have no language of their own: each language of the page shows them.
	var body, headings []string
	p.Layout.Each(func(w Placed) {
		if w.Hidden || p.Type != TypeWidgets {
			return
		}
		switch w.Widget {
		case "html":
			r := richtext.Read(w.Settings["html"])
			headings, body = append(headings, w.Settings["title"], r.Headings), append(body, r.Text)
		case "banner":
			headings, body = append(headings, w.Settings["heading"]), append(body, w.Settings["text"])
		}
	})
	var shown []Text
	for _, id := range p.shows() {
		if t, ok := texts[id]; ok && p.reads(t, acl) {
			shown = append(shown, t)
			for l := range t.Texts {
				if _, ok := d.Texts[l]; !ok {
					d.Texts[l] = search.Text{Title: p.In(l, "")}
				}
			}
		}
	}
	for l, t := range d.Texts {
		t.Headings, t.Body = joined(headings), joined(body)
		for _, a := range shown {
			in := a.In(l, l)
			t.Headings, t.Body = joined([]string{t.Headings, in.Title, in.Headings}), joined([]string{t.Body, in.Body})
		}
		d.Texts[l] = t
	}
	return d
}

func joined(parts []string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(parts), func(s string) bool { return s == "" }), " ")
}

// committedPaths gives the places of pages for permissions as q has them.
func committedPaths(ctx context.Context, q db.Queryer, pages []Page) ([]access.Path, error) {
	type above struct {
		parent     stoa.ID
		restricted bool
	}
	known, want, instances := map[stoa.ID]above{}, map[stoa.ID]bool{}, map[stoa.ID]stoa.ID{}
	for _, p := range pages {
		instances[p.Site] = 0
		if p.Parent != 0 {
			want[p.Parent] = true
		}
	}
	for site := range instances {
		var instance stoa.ID
		if err := q.QueryRow(ctx, "SELECT instance FROM site_site WHERE id = ?", site).Scan(&instance); err != nil {
			return nil, err
		}
		instances[site] = instance
	}
	for depth := 0; len(want) > 0 && depth <= maxDepth; depth++ {
		var ids []stoa.ID
		for id := range want {
			ids = append(ids, id)
		}
		clear(want)
		err := db.Each(ctx, q, func(r db.Scanner) error {
			var id stoa.ID
			var a above
			err := r.Scan(&id, &a.parent, &a.restricted)
			if known[id] = a; a.parent != 0 {
				want[a.parent] = true
			}
			return err
		}, "SELECT id, parent, restricted FROM page_page WHERE id IN "+db.In(len(ids)), db.Args(ids)...)
		if err != nil {
			return nil, err
		}
		for id := range known {
			delete(want, id)
		}
	}
	out := make([]access.Path, len(pages))
	for i, p := range pages {
		path := access.Path{{Kind: kindPage, ID: p.ID, Own: p.Restricted}}
		for up := p.Parent; up != 0; {
			a, ok := known[up]
			if !ok || len(path) > maxDepth {
				path[len(path)-1].Own = true // as in pathOf
				break
			}
			path = append(path, access.Resource{Kind: kindPage, ID: up, Own: a.restricted})
			up = a.parent
		}
		out[i] = append(path, access.Resource{Kind: access.KindSite, ID: p.Site},
			access.Resource{Kind: access.KindInstance, ID: instances[p.Site]})
	}
	return out, nil
}

// searchAfter gives the pages that are found otherwise after changes: those that show an article, and those below a
// page that was moved or whose grants have changed, with itself.
func searchAfter(ctx context.Context, q db.Queryer, change string, ids []stoa.ID) (out []stoa.ID, err error) {
	scan := func(r db.Scanner) (id stoa.ID, err error) { return id, r.Scan(&id) }
	if change == "article" {
		return db.All(ctx, q, scan, "SELECT DISTINCT id FROM asset_link WHERE to_kind = 'article' AND kind = 'page' AND "+
			"to_id IN "+db.In(len(ids)), db.Args(ids)...)
	}
	children := map[stoa.ID][]stoa.ID{}
	if err := db.Each(ctx, q, func(r db.Scanner) error {
		var child, parent stoa.ID
		err := r.Scan(&child, &parent)
		children[parent] = append(children[parent], child)
		return err
	}, "SELECT id, parent FROM page_page WHERE site IN (SELECT site FROM page_page WHERE id IN "+db.In(len(ids))+")",
		db.Args(ids)...); err != nil {
		return nil, err
	}
	seen := map[stoa.ID]bool{}
	for level := ids; len(level) > 0; {
		var next []stoa.ID
		for _, id := range level {
			if !seen[id] { // whatever the rows say, this ends
				seen[id] = true
				out, next = append(out, id), append(next, children[id]...)
			}
		}
		level = next
	}
	return out, nil
}
