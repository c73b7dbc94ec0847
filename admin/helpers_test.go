package admin_test

import (
	"context"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/admin"
	assetscreens "github.com/stoa-portal/stoa/admin/assets"
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

const secret = "correct horse battery"

// alone is the only node there is.
type alone struct{}

func (alone) IsMaster() bool     { return true }
func (alone) Writer() int64      { return 1 }
func (alone) Alive(w int64) bool { return w == 1 }

// world is a portal with a control panel, real services and a person for each kind of permission.
type world struct {
	t        *testing.T
	mux      *http.ServeMux
	access   *access.Service
	users    *user.Service
	sites    *site.Service
	pages    *page.Service
	content  *content.Service
	assets   *asset.Service
	tax      *taxonomy.Service
	instance site.Instance
	site     site.Site
	admin    stoa.Actor
	editor   stoa.Actor
	author   stoa.Actor // may edit, not publish
	member   stoa.Actor // signed in, no more
	files    *document.Service
	store    string // directory of the files
	jobs     *job.Service
	bulk     *bulk.Service
	locks    *lock.Service
	cache    *cache.Cache
	log      *change.Log
	db       *db.DB
	nodes    *nodes
	audit    *audit.Log
	now      func() time.Time // of the calendar; nil: time.Now
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldOn(t, dbtest.New(t))
}

func newWorldOn(t *testing.T, d *db.DB) *world {
	t.Helper()
	c, err := cache.New(cache.Options{Proof: cache.Boottime, InTransaction: db.InWrite})
	must(t, err)
	t.Cleanup(c.Close)
	log, err := change.Open(context.Background(), change.Options{DB: d, Apply: func(rows []change.Row) {
		var list []cache.Change
		for _, r := range rows {
			list = append(list, cache.Change{Kind: r.Kind, ID: int64(r.ID), Scope: int64(r.Scope)})
		}
		c.Invalidate(list, nil)
	}})
	must(t, err)
	t.Cleanup(func() { must(t, log.Close(context.Background())) })
	w := &world{t: t, nodes: newNodes()}
	w.audit, err = audit.New(audit.Options{DB: d, Node: func() string { return "node-1" }})
	must(t, err)
	d.SetAuditor(w.audit)
	w.access, err = access.New(access.Options{DB: d, Cache: c, InstanceOf: site.InstanceOf})
	must(t, err)
	w.sites, err = site.New(site.Options{DB: d, Cache: c, Access: w.access})
	must(t, err)
	w.users, err = user.New(user.Options{DB: d, Cache: c, Access: w.access, HashMemory: 64, Audit: w.audit})
	must(t, err)
	t.Cleanup(func() { must(t, w.users.Close()) })
	w.tax, err = taxonomy.New(taxonomy.Options{DB: d, Cache: c, Access: w.access})
	must(t, err)
	w.assets, err = asset.New(asset.Options{DB: d, Access: w.access, Cache: c})
	must(t, err)
	w.content, err = content.New(content.Options{DB: d, Cache: c, Access: w.access, Taxonomy: w.tax, Assets: w.assets})
	must(t, err)
	w.pages, err = page.New(page.Options{DB: d, Cache: c, Access: w.access, Sites: w.sites})
	must(t, err)
	w.store = t.TempDir()
	store := filestoretest.Dir(t, w.store)
	w.files, err = document.New(document.Options{DB: d, Cache: c, Access: w.access, Store: store})
	must(t, err)
	must(t, w.assets.Register(w.content.AssetType(), w.files.AssetType(), w.pages.AssetType()))
	must(t, w.assets.RegisterBin(w.files.BinKind(), w.pages.MenuBin(), w.pages.RedirectBin(), w.tax.CategoryBin(),
		w.tax.TagBin(), w.access.BinKind(), w.users.BinKind()))
	w.jobs, err = job.New(job.Options{DB: d, Leader: alone{}, Node: "node-1", Poll: 5 * time.Millisecond})
	must(t, err)
	t.Cleanup(w.jobs.Stop)
	must(t, w.jobs.Register(w.content.Job()))
	w.bulk, err = bulk.New(bulk.Options{DB: d, Jobs: w.jobs, Actor: w.users.Acting})
	must(t, err)
	must(t, w.bulk.Register(w.content.BulkActions()...))
	must(t, w.bulk.Register(w.files.BulkActions()...))
	must(t, w.bulk.Register(w.assets.BulkActions()...))
	must(t, w.jobs.Register(w.bulk.Job()))
	w.db = d
	w.locks, err = lock.New(
		lock.Options{DB: d, Access: w.access, Path: func(ctx context.Context, kind string, id stoa.ID) (access.Path, error) {
			if kind == lock.Page {
				p, err := w.pages.Get(ctx, id)
				if err != nil {
					return nil, err
				}
				return w.pages.Path(ctx, p)
			}
			a, err := w.content.Get(ctx, id)
			return a.Path(), err
		}},
	)
	must(t, err)

	system := stoa.WithActor(context.Background(), stoa.SystemActor())
	w.instance, w.site, _, err = w.sites.EnsureDefault(
		system,
		site.Defaults{WebID: "stoa.example", Name: "Stoa", SiteSlug: "guest", SiteName: "Quay & Sons",
			MailDomain: "example.com", TimeZone: "Europe/Vienna", Locale: "en", Locales: []stoa.Locale{"en", "de"}},
	)
	must(t, err)
	roles, err := w.access.RoleIDs(system, w.instance.ID)
	must(t, err)
	authors, err := w.access.CreateRole(system, access.Role{Instance: w.instance.ID, Name: "Author"})
	must(t, err)
	must(t, w.access.SetGrants(system, w.site.Path(), []access.Grant{{Role: authors.ID, Action: access.Edit}}))
	person := func(name string, role stoa.ID, admin bool) stoa.Actor {
		var held []stoa.ID
		if role != 0 {
			held = append(held, role)
		}
		u, err := w.users.Create(
			system,
			user.User{
				Instance:   w.instance.ID,
				ScreenName: name,
				Email:      name + "@example.com",
				FirstName:  name,
				LastName:   "Brandt",
				Roles:      held,
			},
			secret,
		)
		must(t, err)
		held = append(held, roles[access.RoleUser], roles[access.RoleGuest]) // which everybody has
		slices.Sort(held)
		return stoa.Actor{
			User:     u.ID,
			Name:     u.FullName(),
			Instance: w.instance.ID,
			Roles:    held,
			Admin:    admin,
			Operator: admin,
			Proven:   time.Now(),
		}
	}
	w.admin = person("ada", roles[access.RoleAdministrator], true)
	w.editor = person("ed", roles[access.RoleEditor], false)
	w.author = person("tom", authors.ID, false)
	w.member = person("nina", 0, false)

	w.cache, w.log = c, log
	w.build()
	return w
}

// build makes the control panel on the services of the world.
func (w *world) build() {
	t := w.t
	t.Helper()
	assets, catalogue := look.New(), widget.New(slices.Concat(page.Widgets(w.pages), content.Widgets(w.content),
		document.Widgets(w.files))...)
	theme, err := render.New(render.Options{Pages: w.pages, Catalogue: catalogue, Assets: assets})
	must(t, err)
	t.Cleanup(theme.Close)
	p, err := admin.New(admin.Options{Access: w.access, Sites: w.sites, Assets: assets, Locks: w.locks, Audit: w.audit,
		Picture: w.files.Image, Typed: autosave.New(w.db, nil),
		SiteOf: func(*http.Request) (site.Instance, site.Site, error) {
			st, err := w.sites.Site(as(stoa.SystemActor()), w.site.ID)
			return w.instance, st, err
		}})
	must(t, err)
	must(t, contents.Add(p, contents.Options{Access: w.access, Assets: w.assets, Content: w.content, Taxonomy: w.tax,
		Bulk: w.bulk}))
	must(t, assetscreens.Add(p, assetscreens.Options{Access: w.access, Assets: w.assets, Now: w.now}))
	must(t, trash.Add(p, trash.Options{Access: w.access, Assets: w.assets, Bulk: w.bulk, Sites: w.sites,
		Age: 30 * 24 * time.Hour}))
	must(t, bulkscreens.Add(p, bulkscreens.Options{Access: w.access, Assets: w.assets, Bulk: w.bulk}))
	must(t, pages.Add(p, pages.Options{Access: w.access, Entries: w.assets, Pages: w.pages, Content: w.content,
		Taxonomy: w.tax, Render: theme, Catalogue: catalogue, Assets: assets, Audit: w.audit}))
	must(t, files.Add(p, files.Options{Access: w.access, Assets: w.assets, Files: w.files, Bulk: w.bulk, Audit: w.audit}))
	must(t, people.Add(p, people.Options{Access: w.access, Sites: w.sites, Users: w.users}))
	must(t, sites.Add(p, sites.Options{Access: w.access, Sites: w.sites, Pages: w.pages, Render: theme}))
	must(t, operate.Add(p, operate.Options{Sites: w.sites, Jobs: w.jobs, Locks: w.locks, Log: w.log, Audit: w.audit,
		Nodes: w.nodes,
		NodeNames: func(context.Context) (map[int64]string, error) {
			return map[int64]string{w.log.Writer(): "node-1"}, nil
		},
		Properties: func(context.Context) ([]operate.Property, error) {
			return []operate.Property{
				{Name: "session.timeout", Value: "45m", Default: "30m", Source: "stoa.properties:3",
					Help: "How long a session lasts."},
				{Name: "web.server.port", Value: "8080", Default: "8080", Source: "default"},
			}, nil
		},
		Caches: func(context.Context) ([]cache.RegionStats, error) {
			return append(w.cache.Stats(),
				cache.RegionStats{Name: "shared", Mode: "copy", Offered: 12, Accepted: 3456, Declined: 7}), nil
		}}))
	w.mux = http.NewServeMux()
	p.Mount(w.mux)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// answer is a response as a person sees it.
type answer struct {
	status   int
	location string
	body     string
}

func (w *world) do(actor stoa.Actor, method, target string, form url.Values) answer {
	w.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequest(method, target, body)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	rec := httptest.NewRecorder()
	w.mux.ServeHTTP(rec, r.WithContext(stoa.WithActor(r.Context(), actor)))
	return answer{rec.Code, rec.Header().Get("Location"), rec.Body.String()}
}

func (w *world) get(actor stoa.Actor, target string) answer {
	w.t.Helper()
	return w.do(actor, http.MethodGet, target, nil)
}

func (w *world) post(actor stoa.Actor, target string, pairs ...string) answer {
	w.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return w.do(actor, http.MethodPost, target, form)
}

// want checks the status, where a redirect leads (as a beginning), and words on the screen.
func (w *world) want(what string, a answer, status int, words ...string) {
	w.t.Helper()
	if a.status != status {
		w.t.Errorf("%s: status %d, want %d (location %q)\n%s", what, a.status, status, a.location, a.main())
		return
	}
	for _, word := range words {
		if !strings.Contains(a.body, word) {
			w.t.Errorf("%s: %q is not on the screen:\n%s", what, word, a.main())
		}
	}
}

func (w *world) without(what string, a answer, words ...string) {
	w.t.Helper()
	for _, word := range words {
		if strings.Contains(a.body, word) {
			w.t.Errorf("%s: %q must not be on the screen:\n%s", what, word, a.main())
		}
	}
}

// main is the part of a screen that failures print.
func (a answer) main() string {
	if _, main, ok := strings.Cut(a.body, `<main class="main" id="main">`); ok {
		main, _, _ = strings.Cut(main, "</main>")
		return main
	}
	return a.body
}

// link is the address of the link of a screen that has the relation, such as "next".
func (a answer) link(t *testing.T, rel string) string {
	t.Helper()
	_, rest, ok := strings.Cut(a.body, `rel="`+rel+`" href="`)
	if !ok {
		t.Fatalf("the screen has no link %q:\n%s", rel, a.main())
	}
	to, _, _ := strings.Cut(rest, `"`)
	return html.UnescapeString(to)
}

var rowName = regexp.MustCompile(`(?s)<th scope="row" class="table__name[^>]*>(.*?)</th>`)

// rows is what the rows of the table of a screen are called, a line each.
func (a answer) rows() string {
	var out []string
	for _, m := range rowName.FindAllStringSubmatch(a.main(), -1) {
		out = append(out, strings.Join(strings.Fields(m[1]), " "))
	}
	return strings.Join(out, "\n")
}

var hiddenVersion = regexp.MustCompile(`name="version" value="(\d+)"`)

// version is the version that the first form of a screen carries.
func (w *world) version(a answer) string {
	w.t.Helper()
	m := hiddenVersion.FindStringSubmatch(a.body)
	if m == nil {
		w.t.Fatalf("no version in the form: status %d\n%s", a.status, a.body)
	}
	return m[1]
}

// path is a redirect's address without what the next screen says.
func (a answer) path() string {
	p, _, _ := strings.Cut(a.location, "?")
	return p
}

// as gives a context for asking the services directly.
func as(a stoa.Actor) context.Context { return stoa.WithActor(context.Background(), a) }

// unlock ends all locks, as when windows were closed.
func (w *world) unlock() {
	w.t.Helper()
	list, err := w.locks.List(as(w.admin), w.instance.ID)
	must(w.t, err)
	for _, l := range list {
		_, err := w.locks.Break(as(w.admin), w.instance.ID, []lock.Ref{{Kind: l.Kind, ID: l.ID, Taken: l.Taken}})
		must(w.t, err)
	}
}
