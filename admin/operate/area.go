// Package operate has the screens of those who run the portal: nodes, caches, change log, jobs, locks, properties, log
// levels, audit log, file store.
package operate

import (
	"context"
	"embed"
	"errors"
	"net/url"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/job"
	"github.com/stoa-portal/stoa/lock"
	"github.com/stoa-portal/stoa/site"
)

//go:embed templates/*.html
var templates embed.FS

// Options are what the area works on; a screen whose service is nil is not there.
type Options struct {
	Sites *site.Service // required
	Jobs  *job.Service
	Locks *lock.Service
	Log   *change.Log
	Audit *audit.Log
	Nodes Nodes // nil: no screens of nodes and log levels
	// NodeNames gives the names of nodes by their numbers in the change log, for operators; nil: numbers are shown.
	NodeNames  func(ctx context.Context) (map[int64]string, error)
	Properties func(context.Context) ([]Property, error)
	Caches     func(context.Context) ([]cache.RegionStats, error)
	Search     *Search
	Move       func(context.Context) (FileMove, error) // how far a move of the files is
	Now        func() time.Time                        // nil: time.Now
}

// Property is one setting of the node as the screen of effective properties shows it.
type Property struct {
	Name    string // as in the properties file
	Value   string // in force; the caller has hidden what is secret
	Default string
	Source  string // where the value comes from: a file with its line, the environment, a flag, or "default"
	Help    string // one sentence
}

// screens are the screens of the area.
type screens struct {
	*admin.Panel
	o Options
}

// Add makes the area a part of the panel.
func Add(p *admin.Panel, o Options) error {
	if o.Sites == nil {
		return errors.New("operate: Options.Sites is required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	h := &screens{p, o}
	return h.Add(admin.Area{
		Templates: templates,
		Funcs:     funcs,
		Routes: func(r *admin.Routes) {
			if h.o.Nodes != nil {
				h.mountCluster(r)
			}
			if h.o.Jobs != nil {
				h.mountJobs(r)
			}
			if h.o.Locks != nil {
				r.Get("/control/locks", admin.ManageInstance, h.locks)
				r.Post("/control/locks", admin.ManageInstance, h.breakLocks)
			}
			h.mountSystem(r)
			if h.o.Search != nil {
				r.Get("/control/search", admin.Operate, h.search)
				r.Post("/control/search", admin.Operate, h.rebuildSearch)
			}
			if h.o.Audit != nil {
				h.mountAudit(r)
			}
		},
		Rail: h.operateRail,
		Find: []admin.Finder{
			{
				Title: stoa.Phrase("operate.properties"),
				Icon:  "list",
				All:   "/control/properties",
				Look:  h.findProperties,
			},
		},
		Overview: h.losses,
		Landing: func(q *admin.Request) (string, error) { // omniadmin.users names them, and no role lets them edit
			if !h.Operates(q) || h.o.Nodes == nil {
				return "", nil
			}
			return "/control/cluster", nil
		},
	})
}

func (h *screens) operateRail(q *admin.Request) (out []admin.RailLink) {
	operates := h.Operates(q)
	for _, l := range []struct {
		there bool
		link  admin.RailLink
	}{
		{operates && h.o.Nodes != nil, admin.RailLink{
			Group: admin.GroupCluster, Order: 10, Title: q.Word("operate.nodes"),
			URL: "/control/cluster", Icon: "cluster"}},
		{operates && h.o.Caches != nil, admin.RailLink{
			Group: admin.GroupCluster, Order: 20, Title: q.Word("operate.caches"),
			URL: "/control/caches", Icon: "cache"}},
		{operates && h.o.Log != nil, admin.RailLink{
			Group: admin.GroupCluster, Order: 30, Title: q.Word("operate.changes"),
			URL: "/control/changes", Icon: "log"}},
		{(operates || q.Actor.Admin) && h.o.Jobs != nil, admin.RailLink{
			Group: admin.GroupCluster, Order: 40, Title: q.Word("operate.jobs"),
			URL: "/control/jobs", Icon: "clock"}},
		{h.Rules(q) && h.o.Locks != nil, admin.RailLink{
			Group: admin.GroupCluster, Order: 50, Title: q.Word("operate.locks"),
			URL: "/control/locks", Icon: "lock"}},
		{operates && h.o.Properties != nil, admin.RailLink{
			Group: admin.GroupConfiguration, Order: 10, Title: q.Word("operate.properties"),
			URL: "/control/properties", Icon: "list"}},
		{operates && h.o.Move != nil, admin.RailLink{
			Group: admin.GroupCluster, Order: 60, Title: q.Word("operate.store"),
			URL: "/control/store", Icon: "file"}},
		{operates && h.o.Nodes != nil, admin.RailLink{
			Group: admin.GroupConfiguration, Order: 20, Title: q.Word("operate.log"),
			URL: "/control/log", Icon: "filter"}},
		{operates && h.o.Search != nil, admin.RailLink{
			Group: admin.GroupConfiguration, Order: 25, Title: q.Word("operate.search"),
			URL: "/control/search", Icon: "search"}},
		{q.Actor.Admin && h.o.Audit != nil, admin.RailLink{
			Group: admin.GroupConfiguration, Order: 30, Title: q.Word("audit.title"),
			URL: "/control/audit", Icon: "history"}},
	} {
		if l.there {
			out = append(out, l.link)
		}
	}
	return out
}

func (h *screens) findProperties(q *admin.Request, _ string, fits func(...string) bool) (out []admin.Found, err error) {
	if h.o.Properties == nil || !h.Operates(q) {
		return nil, nil
	}
	list, err := h.o.Properties(q.Context())
	for _, p := range list {
		if fits(p.Name, p.Help) {
			at := "/control/properties?" + url.Values{"q": {p.Name}}.Encode()
			out = append(out, admin.Found{Title: p.Name, Note: p.Value, URL: at})
		}
	}
	return out, err
}

// losses tells a person which of their changes a fail-over of the database has lost.
func (h *screens) losses(q *admin.Request, o *admin.Overview) error {
	if h.o.Nodes == nil {
		return nil
	}
	list, err := h.o.Nodes.Losses(q.Context())
	if err != nil || len(list) == 0 {
		return err
	}
	notice, err := h.HTML(q, "losses", "losses", list)
	o.Notices = append(o.Notices, notice)
	return err
}
