package web_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/filestore/filestoretest"
	"github.com/stoa-portal/stoa/httpd"
	"github.com/stoa-portal/stoa/look"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/portal"
	"github.com/stoa-portal/stoa/render"
	"github.com/stoa-portal/stoa/server/servertest"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/taxonomy"
	"github.com/stoa-portal/stoa/user"
	"github.com/stoa-portal/stoa/web"
	"github.com/stoa-portal/stoa/widget"
)

// chain is the handler of a node as its server runs it, with an article of about 20 kB at /w/tide, a page with
// six widgets at /quay, and the token of an editor's session.
func chain(t testing.TB) (s *httpd.Server, token string) {
	t.Helper()
	d := dbtest.New(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	// Boottime as proof: the cache takes itself for fresh, as a node does whose log reader keeps up.
	c, err := cache.New(cache.Options{Proof: cache.Boottime, InTransaction: db.InWrite})
	must(err)
	t.Cleanup(c.Close)
	acc, err := access.New(access.Options{DB: d, Cache: c, InstanceOf: site.InstanceOf})
	must(err)
	users, err := user.New(user.Options{DB: d, Cache: c, Access: acc})
	must(err)
	t.Cleanup(func() { _ = users.Close() })
	sites, err := site.New(site.Options{DB: d, Cache: c, Access: acc})
	must(err)
	terms, err := taxonomy.New(taxonomy.Options{DB: d, Cache: c, Access: acc})
	must(err)
	pages, err := page.New(page.Options{DB: d, Cache: c, Access: acc, Sites: sites})
	must(err)
	articles, err := content.New(content.Options{DB: d, Cache: c, Access: acc, Taxonomy: terms})
	must(err)
	store := filestoretest.Dir(t, t.TempDir())
	files, err := document.New(document.Options{DB: d, Cache: c, Access: acc, Store: store})
	must(err)
	inst, st, _, err := sites.EnsureDefault(
		servertest.System(),
		site.Defaults{WebID: "test.com", Name: "Test", SiteSlug: "guest", SiteName: "Guest", TimeZone: "UTC", Locale: "en"},
	)
	must(err)
	a, err := articles.Create(
		servertest.System(),
		st,
		content.Draft{
			Slug: "tide",
			Kind: "post",
			Text: map[stoa.Locale]content.Text{
				"en": {Title: "Tide", Body: strings.Repeat("<p>High water at noon, low water at dusk.</p>", 450)},
			},
		},
	)
	must(err)
	_, err = articles.Publish(servertest.System(), a.ID, a.Version, time.Now())
	must(err)
	for i := range 10 {
		a, err := articles.Create(
			servertest.System(),
			st,
			content.Draft{
				Kind: "post",
				Text: map[stoa.Locale]content.Text{
					"en": {Title: fmt.Sprintf("Ship %d", i), Body: "<p>It came with the tide and left with it.</p>"},
				},
			},
		)
		must(err)
		_, err = articles.Publish(servertest.System(), a.ID, a.Version, time.Now())
		must(err)
	}
	for i := range 12 {
		_, err = pages.Create(
			servertest.System(),
			st,
			page.NewPage{Title: map[stoa.Locale]string{"en": fmt.Sprintf("Berth %d", i)}, Position: -1, Publish: true},
		)
		must(err)
	}
	placed := func(name string, settings map[string]string) page.Placed {
		return page.Placed{ID: name, Widget: name, Settings: settings}
	}
	_, err = pages.Create(
		servertest.System(),
		st,
		page.NewPage{
			Slug:     "quay",
			Title:    map[stoa.Locale]string{"en": "Quay"},
			Position: -1,
			Publish:  true,
			Layout: page.Layout{Sections: []page.Section{
				{
					ID: "top",
					Columns: []page.Column{
						{
							Width: 12,
							Widgets: []page.Placed{
								placed("banner", map[string]string{"heading": "The quay", "text": "Stone by stone."}),
								placed("breadcrumb", nil),
							},
						},
					},
				},
				{
					ID: "low",
					Columns: []page.Column{
						{
							Width: 8,
							Widgets: []page.Placed{
								placed("content-list", nil),
								placed("web-content", map[string]string{"article": a.ID.String()}),
							},
						},
						{
							Width: 4,
							Widgets: []page.Placed{
								placed("navigation", nil),
								placed("html", map[string]string{"html": "<p>Open from six to ten.</p>"}),
							},
						},
					},
				}}},
		},
	)
	must(err)
	roles, err := acc.RoleIDs(servertest.System(), inst.ID)
	must(err)
	_, err = users.Create(
		servertest.System(),
		user.User{Instance: inst.ID, ScreenName: "ida", Email: "ida@test.com", Roles: []stoa.ID{roles[access.RoleEditor]}},
		"a few quiet words",
	)
	must(err)
	_, token, err = users.SignIn(t.Context(), user.Credentials{Login: "ida", Password: "a few quiet words"}, inst.ID)
	must(err)
	assets := look.New()
	theme, err := render.New(
		render.Options{
			Pages:     pages,
			Catalogue: widget.New(append(page.Widgets(pages), content.Widgets(articles)...)...),
			Assets:    assets,
		},
	)
	must(err)
	t.Cleanup(theme.Close)
	asks, err := portal.New(portal.Options{Access: acc, Cache: c, Sites: sites, Users: users})
	must(err)
	h, err := web.New(web.Options{Portal: asks, Cache: c, Access: acc, Users: users, Sites: sites, Pages: pages,
		Content:  articles,
		Taxonomy: terms, Files: files, Render: theme, Assets: assets,
		Identity: func(context.Context) (string, error) { return "bench", nil }})
	must(err)
	routes, _ := h.Routes()
	s, err = httpd.New(
		httpd.Options{
			Addr:      "127.0.0.1:0",
			Registry:  prometheus.NewRegistry(),
			Logger:    slog.New(slog.NewTextHandler(io.Discard, nil)),
			ErrorPage: h.ErrorPage,
		},
		routes,
	)
	must(err)
	t.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	return s, token
}

// nowhere takes an answer without keeping it.
type nowhere struct {
	h      http.Header
	status int
	bytes  int
}

func (w *nowhere) Header() http.Header { return w.h }
func (w *nowhere) WriteHeader(s int)   { w.status = s }
func (w *nowhere) Write(b []byte) (int, error) {
	w.bytes += len(b)
	return len(b), nil
}

// visitTide gives a function that asks for the article once, as a browser does, and checks the answer.
func visitTide(t testing.TB) func() {
	s, _ := chain(t)
	return visitor(t, s, "/w/tide", "")
}

func visitor(t testing.TB, s *httpd.Server, path, token string) func() {
	r := httptest.NewRequest(http.MethodGet, "http://localhost"+path, nil)
	r.Header.Set("Accept-Encoding", "gzip, deflate")
	r.Header.Set("User-Agent", "test")
	if token != "" {
		r.AddCookie(&http.Cookie{Name: "stoa_session", Value: token})
	}
	w := &nowhere{h: make(http.Header, 32)}
	visit := func() {
		clear(w.h)
		w.status, w.bytes = 0, 0
		s.ServeHTTP(w, r)
		if w.status != http.StatusOK || w.bytes == 0 {
			t.Fatalf("%s answers %d with %d bytes", path, w.status, w.bytes)
		}
	}
	visit()
	return visit
}

func TestGuest_CachedPageAllocatesLittle(t *testing.T) {
	const most = 9
	visit := visitTide(t)
	got := testing.AllocsPerRun(2000, visit)
	t.Logf("a warm page allocates %.0f times", got)
	if got > most {
		t.Errorf("a warm page allocates %.0f times, want at most %d", got, most)
	}
}

// BenchmarkSignedIn_SixWidgets tells what a page costs that is put together for one person from warm caches: of the
// CPU, since the widgets of a page are made at the same time.
func BenchmarkSignedIn_SixWidgets(b *testing.B) {
	s, token := chain(b)
	visit := visitor(b, s, "/quay", token)
	cpu := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	visit()
	b.ReportAllocs()
	before := cpu()
	for b.Loop() {
		visit()
	}
	b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
}

func BenchmarkGuest_CachedPage(b *testing.B) {
	visit := visitTide(b)
	b.ReportAllocs()
	for b.Loop() {
		visit()
	}
}
