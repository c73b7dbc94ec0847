// Package admintest makes a control panel on real services for tests of its screens, and presses their buttons.
package admintest

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/admin/assets"
	bulkscreens "github.com/stoa-portal/stoa/admin/bulk"
	"github.com/stoa-portal/stoa/admin/contents"
	"github.com/stoa-portal/stoa/admin/files"
	"github.com/stoa-portal/stoa/admin/operate"
	"github.com/stoa-portal/stoa/admin/pages"
	"github.com/stoa-portal/stoa/admin/people"
	"github.com/stoa-portal/stoa/admin/sites"
	"github.com/stoa-portal/stoa/admin/trash"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/autosave"
	"github.com/stoa-portal/stoa/bulk"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/filestore/filestoretest"
	"github.com/stoa-portal/stoa/job"
	"github.com/stoa-portal/stoa/lock"
	"github.com/stoa-portal/stoa/look"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/render"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/taxonomy"
	"github.com/stoa-portal/stoa/user"
	"github.com/stoa-portal/stoa/widget"
)

// Secret is the password of the persons of a World.
const Secret = "correct horse battery"

// alone is the only node there is.
type alone struct{}

func (alone) IsMaster() bool     { return true }
func (alone) Writer() int64      { return 1 }
func (alone) Alive(w int64) bool { return w == 1 }

// World is a portal with a control panel, real services and a person for each kind of permission.
type World struct {
	T        *testing.T
	Mux      *http.ServeMux
	Access   *access.Service
	Users    *user.Service
	Sites    *site.Service
	Pages    *page.Service
	Content  *content.Service
	Assets   *asset.Service
	Taxonomy *taxonomy.Service
	Files    *document.Service
	Jobs     *job.Service
	Bulk     *bulk.Service
	Locks    *lock.Service
	Audit    *audit.Log
	Cache    *cache.Cache
	Log      *change.Log
	DB       *db.DB
	Store    string // directory of the files

	Instance site.Instance
	Site     site.Site  // the panel works on it
	Admin    stoa.Actor // of the instance, and operator
	Editor   stoa.Actor
	Author   stoa.Actor // may edit, not publish
	Member   stoa.Actor // signed in, no more
	Nodes    operate.Nodes
	Now      func() time.Time // of the calendar; nil: time.Now
}

// New makes a world on a database in memory. Nodes is what the screens of nodes ask; nil: there are none.
func New(t *testing.T) *World {
	t.Helper()
	return On(t, dbtest.New(t), nil)
}

// On is New on a database.
func On(t *testing.T, d *db.DB, nodes operate.Nodes) *World {
	t.Helper()
	c, err := cache.New(cache.Options{Proof: cache.Boottime, InTransaction: db.InWrite})
	Must(t, err)
	t.Cleanup(c.Close)
	log, err := change.Open(context.Background(), change.Options{DB: d, Apply: func(rows []change.Row) {
		var list []cache.Change
		for _, r := range rows {
			list = append(list, cache.Change{Kind: r.Kind, ID: int64(r.ID), Scope: int64(r.Scope)})
		}
		c.Invalidate(list, nil)
	}})
	Must(t, err)
	t.Cleanup(func() { Must(t, log.Close(context.Background())) })
	w := &World{T: t, Nodes: nodes, DB: d, Cache: c, Log: log}
	w.Audit, err = audit.New(audit.Options{DB: d, Node: func() string { return "node-1" }})
	Must(t, err)
	d.SetAuditor(w.Audit)
	w.Access, err = access.New(access.Options{DB: d, Cache: c, InstanceOf: site.InstanceOf})
	Must(t, err)
	w.Sites, err = site.New(site.Options{DB: d, Cache: c, Access: w.Access})
	Must(t, err)
	w.Users, err = user.New(user.Options{DB: d, Cache: c, Access: w.Access, HashMemory: 64, Audit: w.Audit})
	Must(t, err)
	t.Cleanup(func() { Must(t, w.Users.Close()) })
	w.Taxonomy, err = taxonomy.New(taxonomy.Options{DB: d, Cache: c, Access: w.Access})
	Must(t, err)
	w.Assets, err = asset.New(asset.Options{DB: d, Access: w.Access, Cache: c})
	Must(t, err)
	w.Content, err = content.New(content.Options{DB: d, Cache: c, Access: w.Access, Taxonomy: w.Taxonomy,
		Assets: w.Assets})
	Must(t, err)
	w.Pages, err = page.New(page.Options{DB: d, Cache: c, Access: w.Access, Sites: w.Sites, Assets: w.Assets})
	Must(t, err)
	w.Store = t.TempDir()
	store := filestoretest.Dir(t, w.Store)
	w.Files, err = document.New(document.Options{DB: d, Cache: c, Access: w.Access, Store: store})
	Must(t, err)
	w.register()
	w.settle()
	w.Build()
	return w
}

// register tells the services what they do for each other.
func (w *World) register() {
	t := w.T
	t.Helper()
	Must(t, w.Assets.Register(w.Content.AssetType(), w.Files.AssetType(), w.Pages.AssetType()))
	Must(t, w.Assets.RegisterBin(w.Files.BinKind(), w.Pages.MenuBin(), w.Pages.RedirectBin(), w.Taxonomy.CategoryBin(),
		w.Taxonomy.TagBin(), w.Access.BinKind(), w.Users.BinKind()))
	var err error
	w.Jobs, err = job.New(job.Options{DB: w.DB, Leader: alone{}, Node: "node-1", Poll: 5 * time.Millisecond})
	Must(t, err)
	t.Cleanup(w.Jobs.Stop)
	Must(t, w.Jobs.Register(w.Content.Job()))
	w.Bulk, err = bulk.New(bulk.Options{DB: w.DB, Jobs: w.Jobs, Actor: w.Users.Acting})
	Must(t, err)
	Must(t, w.Bulk.Register(slices.Concat(w.Content.BulkActions(), w.Pages.BulkActions(), w.Files.BulkActions(),
		w.Assets.BulkActions())...))
	Must(t, w.Jobs.Register(w.Bulk.Job()))
	w.Locks, err = lock.New(lock.Options{
		DB: w.DB, Access: w.Access,
		Path: func(ctx context.Context, kind string, id stoa.ID) (access.Path, error) {
			if kind == lock.Page {
				p, err := w.Pages.Get(ctx, id)
				if err != nil {
					return nil, err
				}
				return w.Pages.Path(ctx, p)
			}
			a, err := w.Content.Get(ctx, id)
			return a.Path(), err
		},
	})
	Must(t, err)
}

// settle makes the instance, its site and its persons.
func (w *World) settle() {
	t, system := w.T, As(stoa.SystemActor())
	t.Helper()
	var err error
	w.Instance, w.Site, _, err = w.Sites.EnsureDefault(
		system,
		site.Defaults{WebID: "stoa.example", Name: "Stoa", SiteSlug: "guest", SiteName: "Quay & Sons",
			MailDomain: "example.com", TimeZone: "Europe/Vienna", Locale: "en", Locales: []stoa.Locale{"en", "de"}},
	)
	Must(t, err)
	roles, err := w.Access.RoleIDs(system, w.Instance.ID)
	Must(t, err)
	authors, err := w.Access.CreateRole(system, access.Role{Instance: w.Instance.ID, Name: "Author"})
	Must(t, err)
	Must(t, w.Access.SetGrants(system, w.Site.Path(), []access.Grant{{Role: authors.ID, Action: access.Edit}}))
	w.Admin = w.Person(w.Instance.ID, "ada", roles[access.RoleAdministrator])
	w.Admin.Admin, w.Admin.Operator = true, true
	w.Editor = w.Person(w.Instance.ID, "ed", roles[access.RoleEditor])
	w.Author = w.Person(w.Instance.ID, "tom", authors.ID)
	w.Member = w.Person(w.Instance.ID, "nina")
}

// Person makes an account with roles and gives it as an actor who has just signed in.
func (w *World) Person(instance stoa.ID, name string, roles ...stoa.ID) stoa.Actor {
	t, system := w.T, As(stoa.SystemActor())
	t.Helper()
	u, err := w.Users.Create(system, user.User{Instance: instance, ScreenName: name, Email: name + "@example.com",
		FirstName: name, LastName: "Brandt", Roles: roles}, Secret)
	Must(t, err)
	ids, err := w.Access.RoleIDs(system, instance)
	Must(t, err)
	held := append(slices.Clone(roles), ids[access.RoleUser], ids[access.RoleGuest]) // which all people have
	slices.Sort(held)
	return stoa.Actor{User: u.ID, Name: u.FullName(), Instance: instance, Roles: held, Proven: time.Now()}
}

// Manager is an administrator of the instance who is no operator.
func (w *World) Manager() stoa.Actor {
	a := w.Admin
	a.Operator = false
	return a
}

// Other is a second instance, its site and its administrator.
func (w *World) Other() (site.Instance, site.Site, stoa.Actor) {
	t, system := w.T, As(stoa.SystemActor())
	t.Helper()
	in, st, err := w.Sites.CreateInstance(system, site.Defaults{WebID: "other.example", HostName: "other.example",
		Name: "Other", SiteName: "Elsewhere", SiteSlug: "guest", Locale: "en", TimeZone: "UTC"})
	Must(t, err)
	roles, err := w.Access.RoleIDs(system, in.ID)
	Must(t, err)
	a := w.Person(in.ID, "olga", roles[access.RoleAdministrator])
	a.Admin = true
	return in, st, a
}

// Build makes the control panel on the services of the world.
func (w *World) Build() {
	t := w.T
	t.Helper()
	looks, catalogue := look.New(), widget.New(slices.Concat(page.Widgets(w.Pages), content.Widgets(w.Content),
		document.Widgets(w.Files))...)
	theme, err := render.New(render.Options{Pages: w.Pages, Catalogue: catalogue, Assets: looks})
	Must(t, err)
	t.Cleanup(theme.Close)
	p, err := admin.New(admin.Options{Access: w.Access, Sites: w.Sites, Assets: looks, Locks: w.Locks, Audit: w.Audit,
		Picture: w.Files.Image, Typed: autosave.New(w.DB, nil),
		SiteOf: func(*http.Request) (site.Instance, site.Site, error) {
			st, err := w.Sites.Site(As(stoa.SystemActor()), w.Site.ID)
			return w.Instance, st, err
		}})
	Must(t, err)
	Must(t, contents.Add(p, contents.Options{Access: w.Access, Assets: w.Assets, Content: w.Content, Taxonomy: w.Taxonomy,
		Bulk: w.Bulk}))
	Must(t, assets.Add(p, assets.Options{Access: w.Access, Assets: w.Assets, Now: w.Now}))
	Must(t, trash.Add(p, trash.Options{Access: w.Access, Assets: w.Assets, Bulk: w.Bulk, Sites: w.Sites,
		Age: 30 * 24 * time.Hour}))
	Must(t, bulkscreens.Add(p, bulkscreens.Options{Access: w.Access, Assets: w.Assets, Bulk: w.Bulk}))
	Must(t, pages.Add(p, pages.Options{Access: w.Access, Entries: w.Assets, Pages: w.Pages, Bulk: w.Bulk,
		Content: w.Content, Taxonomy: w.Taxonomy, Render: theme, Catalogue: catalogue, Assets: looks, Audit: w.Audit}))
	Must(t, files.Add(p, files.Options{Access: w.Access, Assets: w.Assets, Files: w.Files, Bulk: w.Bulk, Audit: w.Audit}))
	Must(t, people.Add(p, people.Options{Access: w.Access, Sites: w.Sites, Users: w.Users}))
	Must(t, sites.Add(p, sites.Options{Access: w.Access, Sites: w.Sites, Pages: w.Pages, Render: theme,
		CreateInstance: func(ctx context.Context, d site.Defaults) (string, error) {
			_, _, err := w.Sites.CreateInstance(ctx, d)
			return "/account/reset?token=made-by-the-test", err
		}}))
	Must(t, operate.Add(p, operate.Options{Sites: w.Sites, Jobs: w.Jobs, Locks: w.Locks, Log: w.Log, Audit: w.Audit,
		Nodes: w.Nodes,
		NodeNames: func(context.Context) (map[int64]string, error) {
			return map[int64]string{w.Log.Writer(): "node-1"}, nil
		},
		Properties: func(context.Context) ([]operate.Property, error) {
			return []operate.Property{
				{Name: "session.timeout", Value: "45m", Default: "30m", Source: "stoa.properties:3",
					Help: "How long a session lasts."},
				{Name: "web.server.port", Value: "8080", Default: "8080", Source: "default"},
			}, nil
		},
		Caches: func(context.Context) ([]cache.RegionStats, error) {
			return append(w.Cache.Stats(),
				cache.RegionStats{Name: "shared", Mode: "copy", Offered: 12, Accepted: 3456, Declined: 7}), nil
		}}))
	w.Mux = http.NewServeMux()
	p.Mount(w.Mux)
}

// Must fails when there is an error.
func Must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// As gives a context for asking the services directly.
func As(a stoa.Actor) context.Context { return stoa.WithActor(context.Background(), a) }
