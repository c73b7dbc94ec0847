// Package admin is the control panel under /control/: web content with its versions, pages, people,
// roles, the settings of sites and what an operator wants to see of the portal. The handlers read forms and show
// screens; what may be done is decided by the services they call.
package admin

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/httpd"
	"github.com/stoa-portal/stoa/job"
	"github.com/stoa-portal/stoa/lock"
	"github.com/stoa-portal/stoa/look"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/render"
	"github.com/stoa-portal/stoa/richtext"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/taxonomy"
	"github.com/stoa-portal/stoa/user"
	"github.com/stoa-portal/stoa/widget"
)

// Property is one setting of the node as the screen of effective properties shows it.
type Property struct {
	Name    string // as in the properties file
	Value   string // in force; the caller has hidden what is secret
	Default string
	Source  string // where the value comes from: a file with its line, the environment, a flag, or "default"
	Help    string // one sentence
}

// Options are what the control panel works on. Access, Sites, Assets and SiteOf are required; a
// screen whose service is missing is not there.
type Options struct {
	Access   *access.Service
	Sites    *site.Service
	Taxonomy *taxonomy.Service // required with Content
	Content  *content.Service
	Pages    *page.Service
	Users    *user.Service
	Jobs     *job.Service
	Locks    *lock.Service // nil: editors are not told of each other
	Assets   *look.Assets
	Log      *change.Log
	Files    *document.Service
	Audit    *audit.Log // nil: no screen of the audit log, and refusals are not counted

	MaxUpload int64 // bytes that the files of one form may have together; 0 means 100 MiB
	Nodes     Nodes // nil: no screens of nodes and log levels

	Render    *render.Service   // required with Pages: shows pages in the page editor
	Catalogue *widget.Catalogue // required with Pages: the page editor's palette

	// Snapshot runs reads that are shown and not kept, which may come from one moment of a replica
	// (db.Replicas.Snapshot); nil: they come from the database that is written to.
	Snapshot func(ctx context.Context, fn func(ctx context.Context) error) error
	// NodeNames gives the names of nodes by their numbers in the change log, for operators; nil: numbers are shown.
	NodeNames  func(ctx context.Context) (map[int64]string, error)
	Properties func(context.Context) ([]Property, error)          // nil: no screen of properties
	Caches     func(context.Context) ([]cache.RegionStats, error) // nil: no screen of caches
	SiteOf     func(r *http.Request) (site.Instance, site.Site, error)
	// CreateInstance makes a virtual instance and gives the path at its host where its administrator sets a
	// password; nil: no screen of instances.
	CreateInstance func(context.Context, site.Defaults) (setup string, err error)
	Logger         *slog.Logger     // nil: discarded
	Now            func() time.Time // nil: time.Now
}

// Handler is the control panel. It is safe for concurrent use.
type Handler struct {
	o         Options
	log       *slog.Logger
	policy    *richtext.Policy
	templates map[string]*template.Template
}

// New checks the options and reads the templates. It returns an error that names what is missing.
func New(o Options) (*Handler, error) {
	if o.Access == nil || o.Sites == nil || o.Assets == nil || o.SiteOf == nil {
		return nil, errors.New("admin: Options.Access, Sites, Assets and SiteOf are required")
	}
	if o.Content != nil && o.Taxonomy == nil {
		return nil, errors.New("admin: Options.Content needs Options.Taxonomy")
	}
	if o.Pages != nil && (o.Render == nil || o.Catalogue == nil) {
		return nil, errors.New("admin: Options.Pages needs Options.Render and Options.Catalogue")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MaxUpload <= 0 {
		o.MaxUpload = 100 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Snapshot == nil {
		o.Snapshot = func(ctx context.Context, fn func(ctx context.Context) error) error { return fn(ctx) }
	}
	h := &Handler{o: o, log: o.Logger.With("component", "admin"), policy: richtext.New()}
	var err error
	if h.templates, err = parse(o.Assets); err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	return h, nil
}

// shown reads a list for a screen, which may come from a replica: nothing of it is kept or decides anything.
func shown[T any](h *Handler, q *request, read func(ctx context.Context) (T, error)) (list T, err error) {
	err = h.o.Snapshot(q.Context(), func(ctx context.Context) (err error) {
		list, err = read(ctx)
		return err
	})
	return list, err
}

// Mount adds the screens to mux, all under /control.
func (h *Handler) Mount(mux httpd.Registrar) {
	get := func(path string, need need, fn func(*request) error) {
		mux.Handle("GET "+path, h.handle(need, fn))
	}
	post := func(path string, need need, fn func(*request) error) {
		mux.Handle("POST "+path, h.handle(need, fn))
	}
	mux.Handle("GET /control", http.RedirectHandler("/control/", http.StatusSeeOther))
	get("/control/{$}", somebody, h.dashboard)
	get("/control/find", somebody, h.find)
	get("/control/", editSite, h.unknown)
	post("/control/", editSite, h.unknown)
	post("/control/site/choose", viewSite, h.chooseSite)
	if h.o.Content != nil {
		h.mountArticles(get, post)
	}
	if h.o.Taxonomy != nil {
		h.mountCategories(get, post)
		h.mountChoices(get)
	}
	if h.o.Pages != nil {
		h.mountPages(get, post)
		h.mountMenus(get, post)
		h.mountPageEditor(get, post)
		h.mountAppearance(get, post)
	}
	if h.o.Users != nil {
		h.mountUsers(get, post)
		h.mountGroups(get, post)
	}
	if h.o.Files != nil {
		h.mountFiles(get, post)
		h.mountFolders(get, post)
	}
	if h.o.Nodes != nil {
		h.mountCluster(get, post)
	}
	if h.o.Jobs != nil {
		h.mountJobs(get, post)
	}
	if h.o.Locks != nil {
		h.mountLocks(get, post)
	}
	if h.o.CreateInstance != nil {
		h.mountInstances(get, post)
	}
	h.mountRoles(get, post)
	h.mountSites(get, post)
	h.mountSystem(get, post)
	if h.o.Audit != nil {
		h.mountAudit(get)
	}
}

// register is how the screens add their addresses.
type register func(path string, need need, fn func(*request) error)
