// Package assets has the screens of what all kinds of content share: the calendar of what is scheduled, who changed
// what lately, what refers to a thing, and references that lead to nothing.
package assets

import (
	"context"
	"embed"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/lang"
)

//go:embed templates/*.html
var templates embed.FS

// Options are what the area works on. Access and Assets are required.
type Options struct {
	Access *access.Service
	Assets *asset.Service
	Now    func() time.Time // nil: time.Now
}

// screens are the screens of the area.
type screens struct {
	*admin.Panel
	o Options
}

const (
	calendarPath = "/control/calendar"
	activityPath = "/control/activity"
	linksPath    = "/control/links"
)

// Add makes the area a part of the panel.
func Add(p *admin.Panel, o Options) error {
	if o.Access == nil || o.Assets == nil {
		return errors.New("assets: Options.Access and Assets are required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	h := &screens{p, o}
	return h.Add(admin.Area{
		Templates: templates,
		Routes: func(r *admin.Routes) {
			r.Get(calendarPath, admin.EditSite, h.calendar)
			r.Get(activityPath, admin.EditSite, h.activity)
			r.Get(linksPath, admin.EditSite, h.links)
			r.Get("/control/uses/{kind}/{id}", admin.SignedIn, h.uses) // the owner of the thing asks
		},
		Rail: func(q *admin.Request) []admin.RailLink {
			if !o.Access.Can(q.Context(), access.Edit, q.Site.Path()) {
				return nil
			}
			return []admin.RailLink{
				{Group: admin.GroupContent, Order: 60, Title: q.Word("assets.calendar"), URL: calendarPath, Icon: "calendar"},
				{Group: admin.GroupContent, Order: 70, Title: q.Word("assets.activity"), URL: activityPath, Icon: "history"},
				{Group: admin.GroupContent, Order: 80, Title: q.Word("assets.links"), URL: linksPath, Icon: "unlink"},
			}
		},
		Overview: h.overview,
	})
}

// thing is a thing of any kind as a screen shows it.
type thing struct{ Title, Kind, Icon, URL string }

func (h *screens) thing(q *admin.Request, e asset.Entry) thing {
	t := thing{Title: e.Title(q.Site.Locale), Kind: e.Kind, Icon: "file"}
	if of, ok := h.o.Assets.Type(e.Kind); ok {
		t.Kind, t.Icon = q.Word(string(of.Name)), of.Icon
		if e.Status != asset.Trashed {
			t.URL = "/control" + of.Screen(e)
		}
	}
	if t.Title == "" {
		t.Title = q.Word("assets.untitled", e.ID.String())
	}
	return t
}

// partial reports whether something may miss on a screen, because the entries of what is older are still being made.
func (h *screens) partial(q *admin.Request) (bool, error) {
	whole, err := h.o.Assets.Whole(q.Context())
	return !whole, err
}

// activity shows who changed what lately.
func (h *screens) activity(q *admin.Request) error {
	type row struct {
		thing
		Who, What string
		At        time.Time
		Times     int64
	}
	type view struct {
		Rows        []row
		First, Next string
		Partial     bool
	}
	after := admin.Clip(q.URL.Query().Get("after"), 60)
	a, err := admin.Shown(h.Panel, q, func(ctx context.Context) (asset.Activity, error) {
		return h.o.Assets.Activity(ctx, q.Site, time.Time{}, after, admin.ListPage)
	})
	if err != nil {
		return err
	}
	var v view
	if v.Partial, err = h.partial(q); err != nil {
		return err
	}
	words := lang.From(q.Context())
	for _, d := range a.Items {
		v.Rows = append(v.Rows, row{h.thing(q, d.Entry), who(q, d.Event), d.Event.In(words), d.Event.At, d.Event.Times})
	}
	if after != "" {
		v.First = activityPath
	}
	if a.Next != "" {
		v.Next = activityPath + "?after=" + url.QueryEscape(a.Next)
	}
	return h.Show(q, http.StatusOK, "activity", admin.Screen{Title: q.Word("assets.activity"),
		Purpose: q.Word("assets.activity.purpose", q.Site.Name), Body: v})
}

func who(q *admin.Request, e audit.Event) string {
	switch {
	case e.Guest:
		return q.Word("audit.guest")
	case e.Portal:
		return q.Word("audit.portal")
	}
	return e.Who
}

// mostToday is how many deeds of a day the tile counts.
const mostToday = 100

// overview tells how much was done in the last day.
func (h *screens) overview(q *admin.Request, o *admin.Overview) error {
	a, err := admin.Shown(h.Panel, q, func(ctx context.Context) (asset.Activity, error) {
		return h.o.Assets.Activity(ctx, q.Site, h.o.Now().Add(-24*time.Hour), "", mostToday)
	})
	if err != nil {
		return err
	}
	t := admin.Tile{Label: q.Word("assets.activity"), Value: q.Count(len(a.Items)), URL: activityPath,
		Note: q.Word("assets.activity.none-today")}
	if a.Next != "" {
		t.Value = q.Word("panel.list.beyond", len(a.Items))
	}
	if len(a.Items) > 0 {
		t.Note = q.Word("assets.activity.today", who(q, a.Items[0].Event))
	}
	o.Tiles = append(o.Tiles, t)
	return nil
}

// links shows references that lead to nothing.
func (h *screens) links(q *admin.Request) error {
	type row struct {
		thing
		To string // what it refers to, in words
	}
	type view struct {
		Rows        []row
		First, Next string
		Partial     bool
	}
	after := admin.Clip(q.URL.Query().Get("after"), 120)
	list, err := h.o.Assets.Broken(q.Context(), q.Site, after)
	if err != nil {
		return err
	}
	var v view
	if v.Partial, err = h.partial(q); err != nil {
		return err
	}
	for _, b := range list.Items {
		to := b.Address
		if to == "" {
			kind := b.Kind
			if of, ok := h.o.Assets.Type(b.Kind); ok {
				kind = q.Word(string(of.Name))
			}
			to = q.Word("assets.links.gone", kind, b.ID.String())
		}
		v.Rows = append(v.Rows, row{h.thing(q, b.From), to})
	}
	if after != "" {
		v.First = linksPath
	}
	if list.Next != "" {
		v.Next = linksPath + "?after=" + url.QueryEscape(list.Next)
	}
	return h.Show(q, http.StatusOK, "links", admin.Screen{Title: q.Word("assets.links"),
		Purpose: q.Word("assets.links.purpose"), Body: v})
}

// uses shows what refers to a thing.
func (h *screens) uses(q *admin.Request) error {
	id, err := q.ID()
	if err != nil {
		return err
	}
	kind := q.PathValue("kind")
	u, err := h.o.Assets.Uses(q.Context(), kind, id)
	if err != nil {
		return err
	}
	type view struct {
		Rows    []thing
		Other   int
		Partial bool
	}
	v := view{Other: u.Other}
	if v.Partial, err = h.partial(q); err != nil {
		return err
	}
	for _, e := range u.Items {
		v.Rows = append(v.Rows, h.thing(q, e))
	}
	of := h.thing(q, u.Of)
	return h.Show(q, http.StatusOK, "uses", admin.Screen{Title: q.Word("assets.uses", of.Title),
		Purpose: q.Word("assets.uses.purpose"), Back: &admin.Link{Title: of.Title, URL: of.URL}, Body: v})
}
