package admin_test

import (
	"context"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/admin/admintest"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/bulk"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/job"
	"github.com/stoa-portal/stoa/lock"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/taxonomy"
	"github.com/stoa-portal/stoa/user"
)

const secret = admintest.Secret

// world is a portal with a control panel, real services and a person for each kind of permission.
type world struct {
	t        *testing.T
	portal   *admintest.World
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
	n := newNodes()
	p := admintest.On(t, d, n)
	return &world{t: t, portal: p, mux: p.Mux, access: p.Access, users: p.Users, sites: p.Sites, pages: p.Pages,
		content: p.Content, assets: p.Assets, tax: p.Taxonomy, instance: p.Instance, site: p.Site, admin: p.Admin,
		editor: p.Editor, author: p.Author, member: p.Member, files: p.Files, store: p.Store, jobs: p.Jobs, bulk: p.Bulk,
		locks: p.Locks, cache: p.Cache, log: p.Log, db: p.DB, nodes: n, audit: p.Audit}
}

// build makes the control panel again on the services of the world.
func (w *world) build() {
	w.t.Helper()
	w.portal.Now, w.portal.Locks, w.portal.Assets = w.now, w.locks, w.assets
	w.portal.Build()
	w.mux = w.portal.Mux
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
