package admin

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/change"
)

// mountSystem adds the screens for those who run the portal.
func (h *Handler) mountSystem(get, post register) {
	if h.o.Properties != nil {
		get("/control/properties", operate, h.properties)
	}
	if h.o.Caches != nil {
		get("/control/caches", operate, h.caches)
	}
	if h.o.Log != nil {
		get("/control/changes", operate, h.changes)
	}
}

// properties shows the settings in force on this node and where each comes from.
func (h *Handler) properties(q *request) error {
	type view struct {
		listBody[Property]
		Changed bool
		All     int
	}
	all, err := h.o.Properties(q.Context())
	if err != nil {
		return err
	}
	v := view{Changed: q.URL.Query().Get("changed") != "", All: len(all)}
	if v.Changed {
		all = slices.DeleteFunc(all, func(p Property) bool { return p.Value == p.Default })
	}
	v.listBody = listOf(q, all, "Filter by name, value or meaning", func(p Property) string { return p.Name + " " + p.Value + " " + p.Help })
	return h.show(q, http.StatusOK, "properties", frame{Title: "Effective properties",
		Purpose: "The settings in force on this node and where each comes from. They are changed in the properties file or the environment.", Body: v})
}

// caches shows what the cache regions of this node hold and have done.
func (h *Handler) caches(q *request) error {
	type row struct {
		cache.RegionStats
		Rate int // hits per hundred
	}
	type view struct {
		listBody[row]
		Copies []row // those in mode copy
		Sum    row
	}
	var v view
	var all []row
	var actions []link
	if h.o.Nodes != nil {
		actions = append(actions, emptyButton())
	}
	stats, err := h.o.Caches(q.Context())
	if err != nil {
		return err
	}
	for _, s := range stats {
		all = append(all, row{s, rate(s)})
		v.Sum.Entries += s.Entries
		v.Sum.Bytes += s.Bytes
		v.Sum.Hits += s.Hits
		v.Sum.Misses += s.Misses
		v.Sum.Incoherences += s.Incoherences
	}
	v.Sum.Rate = rate(v.Sum.RegionStats)
	slices.SortFunc(all, func(a, b row) int { return strings.Compare(a.Name, b.Name) })
	v.listBody = listOf(q, all, "Filter by region or mode", func(r row) string { return r.Name + " " + r.Mode })
	v.Copies = slices.DeleteFunc(slices.Clone(all), func(r row) bool { return r.Mode != "copy" })
	return h.show(q, http.StatusOK, "caches", frame{Title: "Caches",
		Purpose: "What this node keeps in memory. Changes drop what they touch by themselves; emptying is never needed for correctness.",
		Actions: actions, Body: v})
}

func rate(s cache.RegionStats) int {
	if s.Hits+s.Misses == 0 {
		return 0
	}
	return int(s.Hits * 100 / (s.Hits + s.Misses))
}

// maxChanges is how many rows of the change log can be paged through.
const maxChanges = 1000

// changes shows the newest rows of the change log.
func (h *Handler) changes(q *request) error {
	type view struct {
		listBody[change.Row]
		Kind, ID string
		Wrong    string
	}
	v := view{Kind: clip(strings.TrimSpace(q.URL.Query().Get("kind")), 60), ID: clip(strings.TrimSpace(q.URL.Query().Get("id")), 20)}
	f := change.Filter{Kind: v.Kind}
	var err error
	if v.ID != "" {
		if f.ID, err = stoa.ParseID(v.ID); err != nil {
			v.Wrong = "A number is a positive whole number."
		}
	}
	if v.Wrong == "" {
		rows, err := shown(h, q, func(ctx context.Context) ([]change.Row, error) {
			return h.o.Log.Recent(ctx, maxChanges, f)
		})
		if err != nil {
			return err
		}
		v.listBody = listOf(q, rows, "", func(change.Row) string { return "" })
	}
	return h.show(q, http.StatusOK, "changes", frame{Title: "Change log",
		Purpose: "What was changed last, on all nodes. Caches, search and jobs follow this log.", Body: v})
}

// clip shortens what somebody sent to n bytes at most, without breaking a letter.
func clip(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "")
}
