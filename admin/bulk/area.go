// Package bulk has the screens of bulk actions: what is going on, and what became of it.
package bulk

import (
	"cmp"
	"embed"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/bulk"
)

//go:embed templates/*.html
var templates embed.FS

const (
	home    = "/control/bulk"
	perPage = 50
	portion = 500 // actions that are read at once
	most    = 20  // portions in which one page of the list looks for what the filter finds
)

// Options are what the area works on; all are required.
type Options struct {
	Access *access.Service
	Assets *asset.Service
	Bulk   *bulk.Service
}

// screens are the screens of the area.
type screens struct {
	*admin.Panel
	o Options
}

// Add makes the area a part of the panel.
func Add(p *admin.Panel, o Options) error {
	if o.Access == nil || o.Assets == nil || o.Bulk == nil {
		return errors.New("bulk: Options.Access, Assets and Bulk are required")
	}
	h := &screens{p, o}
	return h.Add(admin.Area{
		Templates: templates,
		Routes: func(r *admin.Routes) {
			r.Get(home, admin.SignedIn, h.list) // each person sees their own
			r.Get(home+"/{id}", admin.SignedIn, h.action)
			r.Post(home+"/{id}/stop", admin.SignedIn, h.stop)
		},
		Rail: func(q *admin.Request) []admin.RailLink {
			if !o.Access.Can(q.Context(), access.Edit, q.Site.Path()) {
				return nil
			}
			return []admin.RailLink{
				{Group: admin.GroupContent, Order: 95, Title: q.Word("bulk.title"), URL: home, Icon: "list"},
			}
		},
	})
}

// row is an action as lists and its own screen show it.
type row struct {
	bulk.Record
	Title string
	Pill  admin.Pill
}

func (h *screens) row(q *admin.Request, r bulk.Record) row {
	out := row{Record: r, Title: q.Word(string(h.o.Bulk.Title(r.Action)))}
	switch {
	case r.State == bulk.Waiting:
		out.Pill = admin.Pill{Text: q.Word("bulk.waiting")}
	case r.State == bulk.Running:
		out.Pill = admin.Pill{Kind: "info", Text: q.Word("bulk.running")}
	case r.State == bulk.Stopped:
		out.Pill = admin.Pill{Kind: "warn", Text: q.Word("bulk.stopped")}
	case r.Refused > 0:
		out.Pill = admin.Pill{Kind: "warn", Text: q.Word("bulk.ended-in-part")}
	default:
		out.Pill = admin.Pill{Kind: "ok", Text: q.Word("bulk.ended")}
	}
	return out
}

// list shows the actions of the person or, to administrators, of the instance.
func (h *screens) list(q *admin.Request) error {
	in := q.URL.Query()
	body := admin.ListBody[row]{Listing: admin.Listing{Query: admin.Clip(strings.TrimSpace(in.Get("q")), 100),
		Label: q.Word("bulk.filter"), Here: q.URL.Path, Open: true}}
	body.Filtered = body.Query != ""
	next, limit := in.Get("after"), admin.ListPage
	if body.Filtered {
		limit = portion
	}
	for range most {
		page, err := h.o.Bulk.List(q.Context(), next, limit)
		if err != nil {
			return err
		}
		next = page.Next
		for i, r := range page.Items {
			one := h.row(q, r)
			if !body.Finds(one.Title + " " + one.PersonName + " " + one.Pill.Text) {
				continue
			}
			if body.Rows = append(body.Rows, one); len(body.Rows) == admin.ListPage && i < len(page.Items)-1 {
				next = r.Place()
				break
			}
		}
		if next == "" || len(body.Rows) == admin.ListPage {
			break
		}
	}
	body.Paging = q.After(next)
	purpose := q.Word("bulk.purpose")
	if q.Actor.Admin {
		purpose = q.Word("bulk.purpose-all")
	}
	return h.Show(q, http.StatusOK, "bulk", admin.Screen{Title: q.Word("bulk.title"), Purpose: purpose, Body: body})
}

// refusal is a thing with which it was not done.
type refusal struct {
	Title, Kind, URL string
	Reason           *stoa.Error
}

// actionView is what the screen of an action shows.
type actionView struct {
	row
	Refusals []refusal
	Later    bool   // not the first page
	First    string // of the refusals
	Next     string
}

// action shows how far an action is, and what was refused.
func (h *screens) action(q *admin.Request) error {
	id, err := q.ID()
	if err != nil {
		return err
	}
	r, err := h.o.Bulk.Get(q.Context(), id)
	if err != nil {
		return err
	}
	v := actionView{row: h.row(q, r), First: home + "/" + id.String()}
	after, _ := strconv.Atoi(q.URL.Query().Get("after")) // what is no number is the first page
	v.Later = after > 0
	if r.Refused > 0 {
		if v.Refusals, v.Next, err = h.refusals(q, r, after); err != nil {
			return err
		}
	}
	return h.Show(q, http.StatusOK, "bulk_action", admin.Screen{Title: v.Title,
		Back: &admin.Link{Title: q.Word("bulk.title"), URL: home}, Body: v})
}

// refusals gives a page of what was refused. A thing that the person may not edit has no name here, and one that is
// gone has none any more.
func (h *screens) refusals(q *admin.Request, r bulk.Record, after int) (out []refusal, next string, err error) {
	list, err := h.o.Bulk.Refusals(q.Context(), r.ID, after, perPage+1)
	if err != nil {
		return nil, "", err
	}
	if len(list) > perPage {
		list = list[:perPage]
		next = home + "/" + r.ID.String() + "?" + url.Values{"after": {strconv.Itoa(list[perPage-1].N)}}.Encode()
	}
	things := make([]bulk.Thing, len(list))
	for i, x := range list {
		things[i] = x.Thing
	}
	known, err := h.o.Assets.Editable(q.Context(), things)
	if err != nil {
		return nil, "", err
	}
	for _, x := range list {
		one := refusal{Kind: x.Kind, Reason: x.Reason}
		of, ok := h.o.Assets.Type(x.Kind)
		if ok {
			one.Kind = q.Word(string(of.Name))
		}
		e, may := known[x.Thing]
		if may {
			one.Title = e.Title(q.Site.Locale)
		}
		if ok && may && e.Status != asset.Trashed {
			one.URL = "/control" + of.Screen(e)
		}
		one.Title = cmp.Or(one.Title, q.Word("bulk.numbered", one.Kind, x.ID.String()))
		out = append(out, one)
	}
	return out, next, nil
}

// stop ends an action.
func (h *screens) stop(q *admin.Request) error {
	id, err := q.ID()
	if err != nil {
		return err
	}
	if err := h.o.Bulk.Stop(q.Context(), id); err != nil {
		return err
	}
	return q.Done(home+"/"+id.String(), "")
}
