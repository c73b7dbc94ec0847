package render

import (
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/page"
)

func TestPage_OfWidgetsHasOneHeadingOfTheFirstLevel(t *testing.T) {
	w := newWorld(t, Options{})
	text := func(s string) page.Layout {
		return page.Single(page.Placed{Widget: "html", Settings: map[string]string{"html": s}})
	}
	for name, tc := range map[string]struct {
		layout page.Layout
		hide   bool
		want   string
	}{
		"its title":      {layout: text("<p>Words</p>"), want: `<h1 class="page-title">The &lt;quay&gt;</h1>`},
		"an empty page":  {want: `<h1 class="page-title">The &lt;quay&gt;</h1>`},
		"that of a text": {layout: text("<h1>Ships</h1>"), want: "<h1>Ships</h1>"},
		"that of a banner": {layout: page.Single(page.Placed{Widget: "banner",
			Settings: map[string]string{"heading": "Big"}}), want: `<h1 class="hero__title">Big</h1>`},
		"none, when switched off": {layout: text("<p>Words</p>"), hide: true},
		"a heading that is hidden": {layout: page.Single(page.Placed{Widget: "banner", Hidden: true,
			Settings: map[string]string{"heading": "Big"}}), want: `<h1 class="page-title">`},
	} {
		t.Run(name, func(t *testing.T) {
			p := w.add(t, page.NewPage{Title: titles("The <quay>", "Der Kai"), Layout: tc.layout, HideTitle: tc.hide})
			html := string(w.render(t, w.input(&p)).HTML)
			n := 1
			if tc.want == "" {
				n = 0
			}
			if strings.Count(html, "<h1") != n || !strings.Contains(html, tc.want) {
				t.Errorf("want %d heading %q in\n%s", n, tc.want, html)
			}
			if tc.hide {
				p.HideTitle = false
				saved, err := w.pages.Update(w.admin, p)
				if err != nil || saved.HideTitle || !strings.Contains(string(w.render(t, w.input(&saved)).HTML), "<h1") {
					t.Errorf("switched on again: %+v, %v", saved.HideTitle, err)
				}
			}
		})
	}
}

// Only pages that show a picture, a video or a button load the styles for them.
func TestPage_LoadsTheStylesOfMediaWhereTheyAreShown(t *testing.T) {
	w := newWorld(t, Options{})
	p := w.add(t, page.NewPage{Title: titles("A", "A"), Layout: page.Single(page.Placed{Widget: "breadcrumb"})})
	q := w.add(t, page.NewPage{Title: titles("B", "B"), Layout: page.Single(page.Placed{Widget: "button",
		Settings: map[string]string{"label": "Go", "link": "/a"}})})
	if strings.Contains(string(w.render(t, w.input(&p)).HTML), "media.css") {
		t.Error("a page without them loads the styles")
	}
	in := w.input(&p)
	in.Edit = true
	for _, in := range []Input{w.input(&q), in} {
		if !strings.Contains(string(w.render(t, in).HTML), "media.css") {
			t.Error("the styles are missing")
		}
	}
}

// A text that is not there in the language of the page says which one it is in, and how it runs.
func TestPage_TitlesInAnotherLanguageAreMarked(t *testing.T) {
	w := newWorld(t, Options{})
	above := w.add(t, page.NewPage{Slug: "m", Title: map[stoa.Locale]string{"ar": "الميناء"}})
	p := w.add(t, page.NewPage{Parent: above.ID, Slug: "t",
		Title:  map[stoa.Locale]string{"ar": "المد والجزر", "de-AT": "Gezeiten"},
		Layout: page.Single(page.Placed{Widget: "breadcrumb"}, page.Placed{Widget: "navigation"})})
	in := w.input(&p)
	html := string(w.render(t, in).HTML)
	for _, want := range []string{`<h1 class="page-title" lang="ar" dir="rtl">المد والجزر</h1>`, // header, menu, way
		`<a href="/m" lang="ar" dir="rtl">الميناء</a>`, `<li aria-current="page" lang="ar" dir="rtl">`,
		`aria-current="page" lang="ar" dir="rtl">المد والجزر</a>`} {
		if !strings.Contains(html, want) {
			t.Errorf("the page lacks %s:\n%s", want, html)
		}
	}
	in.Locale, in.Prefix = "de", "/de"
	html = string(w.render(t, in).HTML)
	if !strings.Contains(html, `<h1 class="page-title">Gezeiten</h1>`) ||
		!strings.Contains(html, `<a href="/de/m" lang="ar" dir="rtl">`) {
		t.Errorf("in German, of which it has a variety:\n%s", html)
	}
	in.Locale, in.Prefix = "ar", "/ar"
	if html = string(w.render(t, in).HTML); strings.Contains(html, `lang="ar" dir="rtl">ا`) {
		t.Errorf("what is in the language of the page is marked:\n%s", html)
	}
}
