// Package sites has the screens of virtual instances, of sites with their settings, and of how a site looks.
package sites

import (
	"context"
	"embed"
	"errors"
	"html/template"
	"path"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/render"
	"github.com/stoa-portal/stoa/site"
)

//go:embed templates/*.html
var templates embed.FS

// Options are what the area works on. Access and Sites are required.
type Options struct {
	Access *access.Service
	Sites  *site.Service
	Pages  *page.Service   // nil: no choice of the home page, and no screen of the appearance
	Render *render.Service // required with Pages: shows how a site will look
	// CreateInstance makes a virtual instance and gives the path at its host where its administrator sets a
	// password; nil: no screen of instances.
	CreateInstance func(context.Context, site.Defaults) (setup string, err error)
}

// screens are the screens of the area.
type screens struct {
	*admin.Panel
	o Options
}

// Add makes the area a part of the panel.
func Add(p *admin.Panel, o Options) error {
	if o.Access == nil || o.Sites == nil || o.Pages != nil && o.Render == nil {
		return errors.New("sites: Options.Access and Sites are required, and Render with Pages")
	}
	h := &screens{p, o}
	return h.Add(admin.Area{
		Templates: templates,
		Funcs:     func(*lang.Words) template.FuncMap { return template.FuncMap{"languageName": lang.NameOf} },
		Routes: func(r *admin.Routes) {
			h.mountSites(r)
			if h.o.Pages != nil {
				h.mountAppearance(r)
			}
			if h.o.CreateInstance != nil {
				h.mountInstances(r)
			}
		},
		Rail: h.siteRail,
		Find: []admin.Finder{{Title: stoa.Phrase("sites.title"), Icon: "site", All: "/control/sites", Look: h.findSites}},
	})
}

func (h *screens) siteRail(q *admin.Request) (out []admin.RailLink) {
	add := func(order int, title, url, icon string) {
		out = append(out, admin.RailLink{Group: admin.GroupSite, Order: order, Title: title, URL: url, Icon: icon})
	}
	if h.o.CreateInstance != nil && h.Operates(q) {
		add(10, q.Word("sites.instances"), "/control/instances", "globe")
	}
	if h.Rules(q) {
		add(20, q.Word("sites.title"), "/control/sites", "site")
	}
	if !h.o.Access.Can(q.Context(), access.Manage, q.Site.Path()) {
		return out
	}
	add(30, q.Word("sites.settings"), "/control/settings", "settings")
	if h.o.Pages != nil {
		add(40, q.Word("appearance.title"), "/control/appearance", "theme")
	}
	return out
}

func (h *screens) findSites(q *admin.Request, _ string, fits func(...string) bool) (out []admin.Found, err error) {
	if !h.Rules(q) {
		return nil, nil
	}
	list, err := h.o.Sites.Sites(q.Context(), q.Instance.ID)
	for _, s := range list {
		if fits(s.Name, s.Slug) {
			out = append(out, admin.Found{Title: s.Name, Note: path.Join("/web", s.Slug),
				URL: "/control/settings?site=" + s.ID.String()})
		}
	}
	return out, err
}
