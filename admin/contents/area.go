// Package contents has the screens of web content: articles and posts with their versions, what is typed and not saved
// yet, categories.
package contents

import (
	"embed"
	"errors"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/bulk"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/lock"
	"github.com/stoa-portal/stoa/richtext"
	"github.com/stoa-portal/stoa/taxonomy"
)

//go:embed templates/*.html
var templates embed.FS

// Options are what the area works on; all are required.
type Options struct {
	Access   *access.Service
	Assets   *asset.Service
	Content  *content.Service
	Taxonomy *taxonomy.Service
	Bulk     *bulk.Service
}

// screens are the screens of the area.
type screens struct {
	*admin.Panel
	o      Options
	policy *richtext.Policy
}

// Add makes the area a part of the panel.
func Add(p *admin.Panel, o Options) error {
	if o.Access == nil || o.Assets == nil || o.Content == nil || o.Taxonomy == nil || o.Bulk == nil {
		return errors.New("contents: Options.Access, Assets, Content, Taxonomy and Bulk are required")
	}
	h := &screens{p, o, richtext.New()}
	return h.Add(admin.Area{
		Templates: templates,
		Routes: func(r *admin.Routes) {
			h.mountArticles(r)
			h.mountCategories(r)
			h.mountTags(r)
			h.mountChoices(r)
		},
		Rail: func(q *admin.Request) []admin.RailLink {
			if !h.edits(q) {
				return nil
			}
			return []admin.RailLink{
				{Group: admin.GroupContent, Order: 10, Title: q.Word("contents.title"), URL: "/control/content", Icon: "article"},
				{Group: admin.GroupContent, Order: 50, Title: q.Word("term.categories"), URL: "/control/categories",
					Icon: "category"},
				{Group: admin.GroupContent, Order: 55, Title: q.Word("term.tags"), URL: "/control/tags", Icon: "tag"},
			}
		},
		Find: []admin.Finder{
			{Title: stoa.Phrase("contents.title"), Icon: "article", All: "/control/content", Look: h.findArticles,
				Link: h.linkArticles},
		},
		Overview: h.contentOverview,
		Locks: map[string]admin.Lockable{lock.Article: {
			Find: func(q *admin.Request, id stoa.ID) (lock.Thing, error) {
				a, err := h.o.Content.Get(q.Context(), id)
				return articleThing(a, q.Site.Locale), err
			},
			URL: func(id stoa.ID) string { return "/control/content/" + id.String() },
		}},
	})
}

func (h *screens) edits(q *admin.Request) bool {
	return h.o.Access.Can(q.Context(), access.Edit, q.Site.Path())
}

func (h *screens) findArticles(q *admin.Request, query string, _ func(...string) bool) (out []admin.Found, err error) {
	if !h.edits(q) {
		return nil, nil
	}
	list, err := h.o.Assets.List(q.Context(), q.Site,
		asset.Filter{Kinds: []string{"article"}, Words: query, Limit: admin.FoundLimit})
	if err != nil {
		return nil, err
	}
	lines, err := h.lines(q, list)
	for _, a := range lines {
		out = append(out, admin.Found{Title: a.In(q.Site.Locale).Title, Note: statePill(q, a).Text,
			URL: "/control/content/" + a.ID.String()})
	}
	return out, err
}

// lines gives the articles of a list of entries.
func (h *screens) lines(q *admin.Request, list asset.List) ([]content.Article, error) {
	ids := make([]stoa.ID, len(list.Items))
	for i, e := range list.Items {
		ids[i] = e.ID
	}
	return h.o.Content.Lines(q.Context(), ids)
}

// linkArticles gives the articles of the site by a part of their titles: drafts too where the actor may edit them.
func (h *screens) linkArticles(
	q *admin.Request, prefix, query string, _ func(...string) bool,
) (out []admin.Found, err error) {
	if !h.edits(q) {
		return nil, nil
	}
	list, err := h.o.Content.List(q.Context(), q.Site, content.Filter{Query: query, PerPage: admin.FoundLimit})
	for _, a := range list.Items {
		x := admin.Found{Title: a.In(q.Site.Locale).Title, URL: prefix + content.Address(a.Slug)}
		if a.Status != content.StatusPublished {
			x.Note = statusPill(q, a).Text
		}
		out = append(out, x)
	}
	return out, err
}

// contentOverview shows how much there is, and what was worked on last.
func (h *screens) contentOverview(q *admin.Request, o *admin.Overview) error {
	articles := asset.Filter{Kinds: []string{"article"}, Limit: 8}
	list, err := h.o.Assets.List(q.Context(), q.Site, articles)
	if err != nil {
		return err
	}
	lines, err := h.lines(q, list)
	if err != nil {
		return err
	}
	for _, a := range lines {
		o.Recent = append(o.Recent, admin.Recent{Title: a.In(q.Site.Locale).Title, URL: "/control/content/" + a.ID.String(),
			Pill: statePill(q, a), At: a.Modified})
	}
	for _, t := range []struct {
		tile   admin.Tile
		status []asset.Status
	}{
		{admin.Tile{Label: q.Word("contents.title"), Note: q.Word("contents.tile.all"), URL: "/control/content"}, nil},
		{admin.Tile{Label: q.Word("contents.tile.drafts"), Note: q.Word("contents.tile.drafts-note"),
			URL: "/control/content?status=draft"}, []asset.Status{asset.Draft}},
		{admin.Tile{Label: q.Word("contents.state.scheduled"), Note: q.Word("contents.tile.scheduled-note"),
			URL: "/control/content?status=scheduled"}, []asset.Status{asset.Scheduled}},
	} {
		articles.Status = t.status
		n, more, err := h.o.Assets.Count(q.Context(), q.Site, articles)
		if err != nil {
			return err
		}
		if t.tile.Value = q.Count(n); more {
			t.tile.Value = q.Word("panel.list.beyond", n)
		}
		o.Tiles = append(o.Tiles, t.tile)
	}
	o.Make = append(o.Make,
		admin.Link{Title: q.Word("contents.new"), URL: "/control/content/new", Icon: "plus", Primary: true},
		admin.Link{Title: q.Word("contents.new-post"), URL: "/control/content/new?kind=post", Icon: "blog"})
	return nil
}
