package admin

import (
	"cmp"
	"html/template"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/httpd"
	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/lock"
)

// Area is a part of the panel: its screens, and how the frame finds them. Whatever is nil or empty is not there.
type Area struct {
	// Templates has the files templates/NAME.html, each a screen with its "main"; what parts.html defines is there for
	// all of the area.
	Templates fs.FS
	// Funcs are what the templates can call besides what the frame gives them, in one language.
	Funcs func(*lang.Words) template.FuncMap
	// Routes adds the addresses, all under /control.
	Routes func(*Routes)
	// Rail gives the entries of the navigation that the actor may open.
	Rail func(*Request) []RailLink
	// Find are the kinds of things that the search of the panel looks for.
	Find []Finder
	// Overview adds to the first screen.
	Overview func(*Request, *Overview) error
	// Landing is where a person goes who may not see the first screen; empty: the area has no place for them.
	Landing func(*Request) (string, error)
	// Locks are the kinds of things that are locked while they are edited, by lock.Thing.Kind.
	Locks map[string]Lockable
}

// Group is a heading of the navigation.
type Group int

// The headings, in their order.
const (
	GroupContent Group = iota
	GroupSite
	GroupPeople
	GroupCluster
	GroupConfiguration
)

// title is what the heading says to the actor.
func (g Group) title(q *Request) string {
	switch g {
	case GroupContent:
		return q.Word("panel.group.content")
	case GroupSite:
		return q.Word("panel.group.site")
	case GroupPeople:
		return q.Word("panel.group.people")
	case GroupCluster:
		if q.Actor.Operates("use this screen") != nil {
			return q.Word("panel.group.work")
		}
		return q.Word("panel.group.cluster")
	}
	return q.Word("panel.group.configuration")
}

// RailLink is an entry of the navigation. Entries of a group stand by their order.
type RailLink struct {
	Group            Group
	Order            int
	Title, URL, Icon string
}

// Lockable is a kind of thing that is locked while it is edited.
type Lockable struct {
	// Find gives the thing to who may edit it.
	Find func(q *Request, id stoa.ID) (lock.Thing, error)
	// URL is the screen on which it is edited.
	URL func(id stoa.ID) string
}

// Routes is where an area adds its addresses.
type Routes struct {
	panel *Panel
	mux   httpd.Registrar
}

// Get adds a screen.
func (r *Routes) Get(path string, n Need, fn func(*Request) error) {
	r.mux.Handle("GET "+path, r.panel.handle(n, MaxForm, fn))
}

// Post adds what a form does.
func (r *Routes) Post(path string, n Need, fn func(*Request) error) {
	r.mux.Handle("POST "+path, r.panel.handle(n, MaxForm, fn))
}

// PostUpTo is Post for forms of up to limit bytes.
func (r *Routes) PostUpTo(limit int64, path string, n Need, fn func(*Request) error) {
	r.mux.Handle("POST "+path, r.panel.handle(n, limit, fn))
}

// Add makes an area a part of the panel. All are added before Mount. It returns an error when a template cannot be
// read.
func (h *Panel) Add(a Area) error {
	h.areas = append(h.areas, a)
	for kind, l := range a.Locks {
		h.lockables[kind] = l
	}
	return h.parse(a)
}

// Mount adds the screens to mux, all under /control.
func (h *Panel) Mount(mux httpd.Registrar) {
	r := &Routes{h, mux}
	mux.Handle("GET /control", http.RedirectHandler("/control/", http.StatusSeeOther))
	r.Get("/control/{$}", SignedIn, h.overview)
	r.Get("/control/find", SignedIn, h.find)
	r.Get("/control/link-targets", EditSite, h.links)
	r.Get("/control/me", SignedIn, h.me)
	if h.o.Typed != nil {
		r.Get(typedPath, SignedIn, h.typedForms)
		r.Post(typedPath, SignedIn, h.keepTyped)
	}
	r.Get("/control/", EditSite, h.unknown)
	r.Post("/control/", EditSite, h.unknown)
	r.Post("/control/site/choose", viewSite, h.chooseSite)
	if h.o.Locks != nil {
		r.Get("/control/locks/{kind}/{id}", viewSite, h.lookLock)
		r.Post("/control/locks/{kind}/{id}", viewSite, h.changeLock)
	}
	for _, a := range h.areas {
		if a.Routes != nil {
			a.Routes(r)
		}
	}
}

// rail lists the screens that the actor may open.
func (h *Panel) rail(q *Request) []group {
	var all []RailLink
	if h.Permit(q, EditSite) == nil {
		all = append(all, RailLink{GroupContent, 0, q.Word("panel.overview"), "/control/", "home"})
	}
	for _, a := range h.areas {
		if a.Rail != nil {
			all = append(all, a.Rail(q)...)
		}
	}
	slices.SortStableFunc(all, func(a, b RailLink) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Order, b.Order))
	})
	var out []group
	for i, l := range all {
		if i == 0 || l.Group != all[i-1].Group {
			out = append(out, group{Title: l.Group.title(q)})
		}
		g := &out[len(out)-1]
		g.Links = append(g.Links, Link{Title: l.Title, URL: l.URL, Icon: l.Icon,
			Current: q.URL.Path == l.URL || l.URL != "/control/" && strings.HasPrefix(q.URL.Path, l.URL+"/")})
	}
	return out
}

// Overview is what the first screen shows.
type Overview struct {
	Notices []template.HTML // what the person should know at once
	Tiles   []Tile
	Recent  []Recent
	Make    []Link // what can be made from here
}

// Tile is one number of the overview and where to see more.
type Tile struct{ Label, Value, Note, URL string }

// Recent is something that was changed not long ago.
type Recent struct {
	Title, URL string
	Pill       Pill
	At         time.Time
}

// overview is the first screen: what there is and what was worked on last.
func (h *Panel) overview(q *Request) error {
	if err := h.Permit(q, EditSite); err != nil {
		for _, a := range slices.Backward(h.areas) {
			if a.Landing == nil {
				continue
			}
			if to, lerr := a.Landing(q); lerr == nil && to != "" {
				return q.Done(to, "")
			}
		}
		return err
	}
	var o Overview
	for _, a := range h.areas {
		if a.Overview != nil {
			if err := a.Overview(q, &o); err != nil {
				return err
			}
		}
	}
	return h.Show(q, http.StatusOK, "overview", Screen{Title: q.Word("panel.overview"),
		Purpose: q.Word("panel.overview-purpose", q.Site.Name), Body: o})
}
