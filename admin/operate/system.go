package operate

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/change"
)

// mountSystem adds the screens for those who run the portal.
func (h *screens) mountSystem(r *admin.Routes) {
	if h.o.Properties != nil {
		r.Get("/control/properties", admin.Operate, h.properties)
	}
	if h.o.Caches != nil {
		r.Get("/control/caches", admin.Operate, h.caches)
	}
	if h.o.Log != nil {
		r.Get("/control/changes", admin.Operate, h.changes)
	}
	if h.o.Move != nil {
		r.Get("/control/store", admin.Operate, h.store)
	}
}

// properties shows the settings in force on this node and where each comes from.
func (h *screens) properties(q *admin.Request) error {
	type view struct {
		admin.ListBody[Property]
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
	v.ListBody = admin.ListOf(q, all, q.Word("operate.properties.filter"),
		func(p Property) string { return p.Name + " " + p.Value + " " + p.Help })
	return h.Show(q, http.StatusOK, "properties",
		admin.Screen{Title: q.Word("operate.properties"), Purpose: q.Word("operate.properties.purpose"), Body: v})
}

// caches shows what the cache regions of this node hold and have done.
func (h *screens) caches(q *admin.Request) error {
	type row struct {
		cache.RegionStats
		Rate int // hits per hundred
	}
	type view struct {
		admin.ListBody[row]
		Copies []row // those in mode copy
		Sum    row
	}
	var v view
	var all []row
	var actions []admin.Link
	if h.o.Nodes != nil {
		actions = append(actions, emptyButton(q))
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
	v.ListBody = admin.ListOf(q, all, q.Word("operate.caches.filter"),
		func(r row) string { return r.Name + " " + r.Mode })
	v.Copies = slices.DeleteFunc(slices.Clone(all), func(r row) bool { return r.Mode != "copy" })
	return h.Show(q, http.StatusOK, "caches", admin.Screen{
		Title:   q.Word("operate.caches"),
		Purpose: q.Word("operate.caches.purpose"),
		Actions: actions,
		Body:    v,
	})
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
func (h *screens) changes(q *admin.Request) error {
	type view struct {
		admin.ListBody[change.Row]
		Kind, ID string
		Jobs     bool // rows of jobs, too, of which there are many
		Wrong    string
		Names    map[int64]string // of nodes, by writer; nil: they are not shown
	}
	in := q.URL.Query()
	v := view{Kind: admin.Clip(strings.TrimSpace(in.Get("kind")), 60), ID: admin.Clip(strings.TrimSpace(in.Get("id")), 20)}
	f := change.Filter{Kind: v.Kind}
	if v.Jobs = in.Get("jobs") != ""; !v.Jobs && v.Kind == "" {
		f.Without = []string{"job"}
	}
	var err error
	if v.ID != "" {
		if f.ID, err = stoa.ParseID(v.ID); err != nil {
			v.Wrong = q.Word("operate.changes.wrong")
		}
	}
	if v.Wrong == "" {
		rows, err := admin.Shown(h.Panel, q, func(ctx context.Context) ([]change.Row, error) {
			sites, err := h.o.Sites.Sites(ctx, q.Instance.ID)
			if err != nil {
				return nil, err
			}
			var ids []stoa.ID
			for _, st := range sites {
				ids = append(ids, st.ID)
			}
			return h.o.Log.Look(ctx, maxChanges, f, ids)
		})
		if err != nil {
			return err
		}
		if h.o.NodeNames != nil && q.Actor.Operates("see the names of nodes") == nil {
			if v.Names, err = h.o.NodeNames(q.Context()); err != nil {
				return err
			}
		}
		v.ListBody = admin.ListOf(q, rows, "", func(change.Row) string { return "" })
	}
	return h.Show(q, http.StatusOK, "changes",
		admin.Screen{Title: q.Word("operate.changes"), Purpose: q.Word("operate.changes.purpose"), Body: v})
}
