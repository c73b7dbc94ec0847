// Package pages has the screens of pages: the tree, settings and permissions of a page, the page editor, menus.
package pages

import (
	"embed"
	"errors"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/bulk"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/lock"
	"github.com/stoa-portal/stoa/look"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/render"
	"github.com/stoa-portal/stoa/taxonomy"
	"github.com/stoa-portal/stoa/widget"
)

//go:embed templates/*.html
var templates embed.FS

// Options are what the area works on. Content and Taxonomy may be nil: then pages cannot show articles.
type Options struct {
	Access    *access.Service
	Entries   *asset.Service
	Pages     *page.Service
	Bulk      *bulk.Service
	Content   *content.Service
	Taxonomy  *taxonomy.Service
	Render    *render.Service   // shows pages in the page editor
	Catalogue *widget.Catalogue // the page editor's palette
	Assets    *look.Assets
	Audit     *audit.Log // nil: refusals are not counted
}

// screens are the screens of the area.
type screens struct {
	*admin.Panel
	o Options
}

// Add makes the area a part of the panel.
func Add(p *admin.Panel, o Options) error {
	if o.Access == nil || o.Entries == nil || o.Pages == nil || o.Bulk == nil || o.Render == nil || o.Catalogue == nil ||
		o.Assets == nil {
		return errors.New("pages: Options.Access, Entries, Pages, Bulk, Render, Catalogue and Assets are required")
	}
	h := &screens{p, o}
	return h.Add(admin.Area{
		Templates: templates,
		Routes: func(r *admin.Routes) {
			h.mountPages(r)
			h.mountMenus(r)
			h.mountPageEditor(r)
		},
		Rail: func(q *admin.Request) (out []admin.RailLink) {
			edits := h.o.Access.Can(q.Context(), access.Edit, q.Site.Path())
			if edits || strings.HasPrefix(q.URL.Path, "/control/pages") {
				out = append(out, admin.RailLink{Group: admin.GroupContent, Order: 20, Title: q.Word("pages.title"),
					URL: "/control/pages", Icon: "page"})
			}
			if edits {
				out = append(out, admin.RailLink{Group: admin.GroupContent, Order: 30, Title: q.Word("pages.menus"),
					URL: "/control/menus", Icon: "menu"})
			}
			return out
		},
		Find: []admin.Finder{{Title: stoa.Phrase("pages.title"), Icon: "page", All: "/control/pages", Look: h.findPages,
			Link: h.linkPages}},
		Overview: h.pageOverview,
		Landing: func(q *admin.Request) (string, error) { // a person who looks after a page or two
			rows, err := h.editablePages(q)
			if err != nil || len(rows) == 0 {
				return "", err
			}
			return "/control/pages", nil
		},
		Locks: map[string]admin.Lockable{lock.Page: {
			Find: func(q *admin.Request, id stoa.ID) (lock.Thing, error) {
				p, err := h.o.Pages.Get(q.Context(), id)
				if err != nil {
					return lock.Thing{}, err
				}
				return pageThing(q, p), nil
			},
			URL: func(id stoa.ID) string { return "/control/pages/" + id.String() + "/edit" },
		}},
	})
}

func (h *screens) findPages(q *admin.Request, _ string, fits func(...string) bool) (out []admin.Found, err error) {
	rows, err := h.editablePages(q)
	for _, r := range rows {
		if fits(r.Name, r.Path) {
			out = append(out, admin.Found{Title: r.Name, Note: r.Path, URL: "/control/pages/" + r.ID.String()})
		}
	}
	return out, err
}

// linkPages gives the pages that the actor may see.
func (h *screens) linkPages(
	q *admin.Request, prefix, _ string, fits func(...string) bool,
) (out []admin.Found, err error) {
	nodes, err := h.o.Pages.Tree(q.Context(), q.Site.ID)
	for _, r := range pageRows(nodes, q.Site) {
		if len(out) == admin.FoundLimit {
			break
		}
		if !fits(r.Name, r.Path) {
			continue
		}
		x := admin.Found{Title: r.Name, Note: r.Path, URL: page.AddressOf(r.Node, prefix)}
		if !r.Published {
			x.Note += " · " + q.Word("pages.draft")
		}
		out = append(out, x)
	}
	return out, err
}

// pageOverview shows how many pages there are.
func (h *screens) pageOverview(q *admin.Request, o *admin.Overview) error {
	nodes, err := h.o.Pages.Tree(q.Context(), q.Site.ID)
	if err != nil {
		return err
	}
	n := 0
	var walk func([]page.Node)
	walk = func(list []page.Node) {
		for _, x := range list {
			n++
			walk(x.Children)
		}
	}
	walk(nodes)
	o.Tiles = append(o.Tiles, admin.Tile{
		Label: q.Word("pages.title"),
		Value: strconv.Itoa(n),
		Note:  q.Word("pages.in-tree"),
		URL:   "/control/pages",
	})
	o.Make = append(o.Make, admin.Link{Title: q.Word("pages.new"), URL: "/control/pages/new", Icon: "page"})
	return nil
}
