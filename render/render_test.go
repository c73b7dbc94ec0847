package render

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"html/template"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/look"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/widget"
)

var update = flag.Bool("update", false, "write the golden files")

// fake is a widget that does what its function says.
type fake struct {
	name string
	fn   func(ctx context.Context, r widget.Request) (widget.Result, error)
}

func (f fake) Type() widget.Type { return widget.Type{Name: f.name, Title: "Fake " + f.name} }
func (f fake) Render(ctx context.Context, r widget.Request) (widget.Result, error) {
	return f.fn(ctx, r)
}

type world struct {
	*Service
	cache *cache.Cache
	pages *page.Service
	inst  site.Instance
	st    site.Site
	guest stoa.Actor
	admin context.Context
}

func newWorld(t *testing.T, o Options, widgets ...widget.Widget) *world {
	t.Helper()
	d := dbtest.New(t)
	c, err := cache.New(cache.Options{Proof: cache.Boottime, InTransaction: db.InWrite})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	acc, err := access.New(access.Options{DB: d, Cache: c, InstanceOf: site.InstanceOf})
	if err != nil {
		t.Fatal(err)
	}
	sites, err := site.New(site.Options{DB: d, Cache: c, Access: acc})
	if err != nil {
		t.Fatal(err)
	}
	inst, st, _, err := sites.EnsureDefault(t.Context(), site.Defaults{WebID: "test.com", Name: "Test", SiteSlug: "guest", SiteName: "The Site", Tagline: "A <line> & more", TimeZone: "UTC", Locale: "en", Locales: []stoa.Locale{"en", "de"}})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{cache: c, inst: inst, st: st, admin: stoa.WithActor(t.Context(), stoa.SystemActor())}
	if w.pages, err = page.New(page.Options{DB: d, Cache: c, Access: acc, Sites: sites}); err != nil {
		t.Fatal(err)
	}
	if w.guest, err = acc.GuestActor(t.Context(), inst.ID); err != nil {
		t.Fatal(err)
	}
	o.Pages, o.Assets, o.Catalogue = w.pages, look.New(), widget.New(append(page.Widgets(w.pages), widgets...)...)
	if w.Service, err = New(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

func (w *world) add(t *testing.T, n page.NewPage) page.Page {
	t.Helper()
	n.Position, n.Publish = -1, true
	p, err := w.pages.Create(w.admin, w.st, n)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (w *world) input(p *page.Page) Input {
	in := Input{Instance: w.inst, Site: w.st, Page: p, Locale: "en", Actor: w.guest, Origin: "https://example.org", Query: url.Values{}}
	if p != nil {
		in.Path = p.Path
	}
	return in
}

func (w *world) render(t *testing.T, in Input) Output {
	t.Helper()
	out, err := w.Page(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// golden compares with a file; ids and the hash of the assets, which differ each time, are replaced.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	got = regexp.MustCompile(`/assets/[0-9a-z]+/`).ReplaceAll(got, []byte("/assets/HASH/"))
	file := filepath.Join("testdata", name+".html")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; look at it and run with -update if it is right. Got:\n%s", file, got)
	}
}

func titles(en, de string) map[stoa.Locale]string { return map[stoa.Locale]string{"en": en, "de": de} }

// sample fills the site with pages and gives one with a grid.
func (w *world) sample(t *testing.T) page.Page {
	w.add(t, page.NewPage{Slug: "home", Title: titles("Home", "Start")})
	about := w.add(t, page.NewPage{Slug: "about", Title: titles("About <us>", "Über uns")})
	team := w.add(t, page.NewPage{Parent: about.ID, Slug: "team", Title: titles("Team", "Mannschaft"),
		SEO: page.SEO{Description: "Who we are", Image: "/documents/guest/x/abc"},
		Layout: page.Layout{Sections: []page.Section{
			{ID: "top", Columns: []page.Column{{Width: 8, Widgets: []page.Placed{
				{ID: "text", Widget: "html", Settings: map[string]string{"title": "Hello & welcome", "html": `<p onclick="x()">Text<script>alert(1)</script></p>`}},
				{ID: "off", Widget: "html", Hidden: true, Settings: map[string]string{"html": "hidden text"}}}},
				{Width: 4, Widgets: []page.Placed{{ID: "nav", Widget: "navigation"}, {ID: "who", Widget: "sign-in"}}}}},
			{ID: "low", Style: "tinted", Columns: []page.Column{{Width: 12, Widgets: []page.Placed{{ID: "crumb", Widget: "breadcrumb"}, {ID: "lang", Widget: "language-selector"}}}}},
		}}})
	return team
}

func TestPage_Golden(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{Node: "n1:8080"})
	p := w.sample(t)
	in := w.input(&p)
	t.Run("guest", func(t *testing.T) {
		out := w.render(t, in)
		golden(t, "page-guest", out.HTML)
		if out.NoStore {
			t.Error("the page of a guest can be kept")
		}
	})
	t.Run("german", func(t *testing.T) {
		in := in
		in.Locale, in.Prefix = "de", "/de"
		golden(t, "page-german", w.render(t, in).HTML)
	})
	t.Run("content", func(t *testing.T) {
		in := w.input(nil)
		in.Path, in.Title, in.Content, in.Type = "/w/hello", "Hello", "<article class=\"article\">Body</article>", "article"
		in.Query = url.Values{"page": {"2"}}
		golden(t, "content", w.render(t, in).HTML)
	})
	t.Run("right to left", func(t *testing.T) {
		in := in
		in.Locale = "ar"
		if got := w.render(t, in).HTML; !bytes.Contains(got, []byte(`<html lang="ar" dir="rtl">`)) {
			t.Errorf("no direction in:\n%.200s", got)
		}
	})
	t.Run("edit", func(t *testing.T) {
		in := in
		in.Edit = true
		out := w.render(t, in)
		for _, want := range []string{`data-column="top:1"`, `data-section-id="low"`, `data-widget-id="off"`, "hidden text"} {
			if !strings.Contains(string(out.HTML), want) {
				t.Errorf("the page editor misses %s", want)
			}
		}
		if !out.NoStore {
			t.Error("a page being edited must not be kept")
		}
	})
}

func TestPage_KeepsToTheContentSecurityPolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	p := w.sample(t)
	html := string(w.render(t, w.input(&p)).HTML)
	for _, bad := range []string{` style=`, `<style`, `<script>`, `onclick`, `javascript:`, `hidden text`, `Node:`} {
		if strings.Contains(html, bad) {
			t.Errorf("the page contains %q", bad)
		}
	}
}

func TestPage_DraftIsShownOnlyWhenAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	p := w.add(t, page.NewPage{Slug: "a", Title: titles("A", "A")})
	if _, err := w.pages.SaveDraft(w.admin, p.ID, page.Single(page.Placed{Widget: "html", Settings: map[string]string{"html": "fresh words"}}), p.DraftVersion); err != nil {
		t.Fatal(err)
	}
	p, err := w.pages.Get(w.admin, p.ID)
	if err != nil {
		t.Fatal(err)
	}
	in := w.input(&p)
	if strings.Contains(string(w.render(t, in).HTML), "fresh words") {
		t.Error("visitors see the draft")
	}
	in.Draft = true
	if out := w.render(t, in); !strings.Contains(string(out.HTML), "fresh words") || !out.NoStore {
		t.Error("the preview does not show the draft, or could be kept")
	}
}

func TestPage_FailingWidgetsShowAPlaceholderAndAreNotKept(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	w := newWorld(t, Options{Deadline: 50 * time.Millisecond},
		fake{"bad", func(context.Context, widget.Request) (widget.Result, error) {
			return widget.Result{}, errors.New("secret detail")
		}},
		fake{"panics", func(context.Context, widget.Request) (widget.Result, error) { panic("secret detail") }},
		fake{"late", func(context.Context, widget.Request) (widget.Result, error) {
			<-release
			return widget.Result{HTML: "too late"}, nil
		}},
		fake{"good", func(context.Context, widget.Request) (widget.Result, error) { return widget.Result{HTML: "fine"}, nil }},
	)
	for _, name := range []string{"bad", "panics", "late", "unknown"} {
		t.Run(name, func(t *testing.T) {
			p := w.add(t, page.NewPage{Title: titles(name, name), Layout: page.Single(page.Placed{Widget: name}, page.Placed{Widget: "good"})})
			region := cache.NewRegion(w.cache, cache.RegionOptions{Name: "test-" + name}, func(Output) int { return 1 })
			loads := 0
			var out Output
			for range 2 {
				var err error
				out, err = region.Get(t.Context(), "k", func(ctx context.Context, _ *cache.Load) (Output, error) {
					loads++
					return w.Page(ctx, w.input(&p))
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			html := string(out.HTML)
			if !out.NoStore || loads != 2 {
				t.Errorf("NoStore %v after %d loads: the page was kept", out.NoStore, loads)
			}
			if !strings.Contains(html, "This part could not be shown.") || !strings.Contains(html, "fine") || strings.Contains(html, "secret") || strings.Contains(html, "too late") {
				t.Errorf("the page is\n%s", html)
			}
		})
	}
	close(release)
}

func TestPage_WidgetsRenderAtTheSameTime(t *testing.T) {
	t.Parallel()
	meet := make(chan struct{})
	w := newWorld(t, Options{Deadline: 10 * time.Second},
		fake{"ping", func(ctx context.Context, _ widget.Request) (widget.Result, error) {
			select {
			case meet <- struct{}{}:
				return widget.Result{HTML: "rendezvous"}, nil
			case <-meet:
				return widget.Result{HTML: "rendezvous"}, nil
			case <-ctx.Done():
				return widget.Result{}, ctx.Err()
			}
		}})
	p := w.add(t, page.NewPage{Title: titles("A", "A"), Layout: page.Single(page.Placed{Widget: "ping"}, page.Placed{Widget: "ping"})})
	if out := w.render(t, w.input(&p)); strings.Count(string(out.HTML), "rendezvous") != 2 {
		t.Errorf("the widgets did not meet:\n%s", out.HTML)
	}
}

func TestPage_SignedInIsNotKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	p := w.sample(t)
	in := w.input(&p)
	in.Actor.User, in.Actor.Name = 7, "Ann <b>"
	out := w.render(t, in)
	if !out.NoStore || !strings.Contains(string(out.HTML), template.HTMLEscapeString("Ann <b>")) || strings.Contains(string(out.HTML), "Ann <b>") {
		t.Errorf("NoStore %v, or the name is wrong in\n%s", out.NoStore, out.HTML)
	}
}

func TestPage_ProtectedIsNotShownWithoutThePassword(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	p := w.add(t, page.NewPage{Title: titles("A", "A"), Password: "sesame", SEO: page.SEO{Description: "inner words"},
		Layout: page.Single(page.Placed{Widget: "html", Settings: map[string]string{"html": "inner words"}})})
	in := w.input(&p)
	in.Content = "inner words"
	in.UnlockTo = "/unlock"
	out := w.render(t, in)
	if s := string(out.HTML); strings.Contains(s, "inner words") || !strings.Contains(s, `action="/unlock"`) || !strings.Contains(s, `type="password"`) || out.NoStore {
		t.Errorf("NoStore %v; a locked page gives\n%s", out.NoStore, s)
	}
	in.Unlocked = true
	if out := w.render(t, in); !strings.Contains(string(out.HTML), "inner words") || !out.NoStore {
		t.Error("an unlocked page is not shown, or could be kept for others")
	}
}
