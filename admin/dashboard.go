package admin

import (
	"net/http"
	"strconv"
	"time"

	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/page"
)

// tile is one number of the overview and where to see more.
type tile struct{ Label, Value, Note, URL string }

// recent is something that was changed not long ago.
type recent struct {
	Title, URL string
	Pill       pill
	At         time.Time
}

type overview struct {
	Tiles   []tile
	Recent  []recent
	Content bool
	Pages   bool
	Losses  []cluster.Loss // of changes that this person made
}

// dashboard is the first screen: what there is and what was worked on last.
func (h *Handler) dashboard(q *request) error {
	if err := h.permit(q, editSite); err != nil {
		if h.operates(q) && h.o.Nodes != nil { // omniadmin.users names them, and no role lets them edit
			return q.done("/control/cluster", "")
		}
		if rows, perr := h.editablePages(q); perr == nil && len(rows) > 0 { // somebody who looks after a page or two
			return q.done("/control/pages", "")
		}
		return err
	}
	o := overview{Content: h.o.Content != nil, Pages: h.o.Pages != nil}
	if h.o.Nodes != nil {
		var err error
		if o.Losses, err = h.o.Nodes.Losses(q.Context()); err != nil {
			return err
		}
	}
	if o.Content {
		list, err := h.o.Content.List(q.Context(), q.site, content.Filter{PerPage: 8})
		if err != nil {
			return err
		}
		for _, a := range list.Items {
			o.Recent = append(o.Recent, recent{a.In(q.site.Locale).Title, "/control/content/" + a.ID.String(), statusPill(a), a.Modified})
		}
		drafts, err := h.o.Content.List(q.Context(), q.site, content.Filter{Status: content.StatusDraft, PerPage: 1})
		if err != nil {
			return err
		}
		planned, err := h.o.Content.List(q.Context(), q.site, content.Filter{Status: content.StatusScheduled, PerPage: 1})
		if err != nil {
			return err
		}
		o.Tiles = append(o.Tiles, tile{"Web content", count(list.Total), "articles and posts", "/control/content"},
			tile{"Drafts", count(drafts.Total), "not seen by visitors yet", "/control/content?status=draft"},
			tile{"Scheduled", count(planned.Total), "published by themselves", "/control/content?status=scheduled"})
	}
	if o.Pages {
		nodes, err := h.o.Pages.Tree(q.Context(), q.site.ID)
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
		o.Tiles = append(o.Tiles, tile{"Pages", strconv.Itoa(n), "in the tree of this site", "/control/pages"})
	}
	return h.show(q, http.StatusOK, "dashboard", frame{Title: "Overview", Purpose: "What there is on " + q.site.Name + ", and what was worked on last.", Body: o})
}
