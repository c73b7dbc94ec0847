// Package admin is the frame of the control panel under /control/: actor and site of a request, navigation, forms,
// lists, notices, grants and locks. It knows no screen: each area (contents, pages, files, people, sites, operate) is a
// package of its own that adds its screens. Handlers read forms and show screens; what may be done is decided by the
// services they call.
package admin

import (
	"context"
	"errors"
	"html/template"
	"log/slog"
	"net/http"

	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/autosave"
	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/lock"
	"github.com/stoa-portal/stoa/look"
	"github.com/stoa-portal/stoa/site"
)

// Options are what the frame of the panel works on. Access, Sites, Assets and SiteOf are required.
type Options struct {
	Access *access.Service
	Sites  *site.Service
	Assets *look.Assets
	Locks  *lock.Service     // nil: editors are not told of each other
	Audit  *audit.Log        // nil: refusals are not counted
	Typed  *autosave.Service // nil: what is typed in forms is not kept
	SiteOf func(r *http.Request) (site.Instance, site.Site, error)
	// Picture gives the address of a small version of a picture of the site, at least width pixels wide, and what it
	// shows; nil: fields for pictures take keys.
	Picture func(ctx context.Context, st site.Site, key string, width int) (src, alt string)
	// Snapshot runs reads that are shown and not kept, which may come from one moment of a replica
	// (db.Replicas.Snapshot); nil: they come from the database that is written to.
	Snapshot func(ctx context.Context, fn func(ctx context.Context) error) error
	Logger   *slog.Logger // nil: discarded
}

// Panel is the frame of the control panel: it finds actor and site of a request, shows screens with their navigation
// and keeps locks; which screens there are, areas say. It is safe for concurrent use once all areas are added.
type Panel struct {
	o         Options
	Log       *slog.Logger
	areas     []Area
	sets      []func(*lang.Words) map[string]*template.Template // the screens of each area
	lockables map[string]Lockable
}

// New checks the options and reads the templates of the frame. It returns an error that names what is missing.
func New(o Options) (*Panel, error) {
	if o.Access == nil || o.Sites == nil || o.Assets == nil || o.SiteOf == nil {
		return nil, errors.New("admin: Options.Access, Sites, Assets and SiteOf are required")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Snapshot == nil {
		o.Snapshot = func(ctx context.Context, fn func(ctx context.Context) error) error { return fn(ctx) }
	}
	h := &Panel{o: o, Log: o.Logger.With("component", "admin"), lockables: map[string]Lockable{}}
	if err := h.parse(Area{Templates: files}); err != nil {
		return nil, err
	}
	return h, nil
}

// Shown reads a list for a screen, which may come from a replica: nothing of it is kept or decides anything.
func Shown[T any](h *Panel, q *Request, read func(ctx context.Context) (T, error)) (list T, err error) {
	err = h.o.Snapshot(q.Context(), func(ctx context.Context) (err error) {
		list, err = read(ctx)
		return err
	})
	return list, err
}
