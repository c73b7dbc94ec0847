package content_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/taxonomy"
	"github.com/stoa-portal/stoa/widget"
)

func (n *node) terms(t *testing.T, st site.Site) (cat, tag stoa.ID) {
	t.Helper()
	must(t, n.d.Write(system(t), func(ctx context.Context, tx *db.Tx) (err error) {
		tag, err = n.words.EnsureTag(ctx, tx, st.ID, "Go", "")
		return err
	}))
	category, err := n.words.AddCategory(system(t), st.Instance, taxonomy.Category{Site: st.ID, Name: "News"})
	must(t, err)
	return category.ID, tag
}

func slugs(l content.List) string {
	var out []string
	for _, a := range l.Items {
		out = append(out, a.Slug)
	}
	return strings.Join(out, " ")
}

func TestLiveList_FiltersAndPages(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node, st site.Site) {
		ctx, guest := system(t), n.guest(t, st)
		cat, tag := n.terms(t, st)
		for i := 1; i <= 5; i++ {
			d := draft(fmt.Sprintf("a%d", i), "")
			d.Kind = content.KindPost
			d.Published = time.Date(2024, time.Month(i), 1, 0, 0, 0, 0, time.UTC)
			if i%2 == 0 {
				d.Categories, d.Tags = []stoa.ID{cat}, []stoa.ID{tag}
			}
			d.Sticky = i == 1
			n.publish(t, st, d)
		}
		page := draft("Imprint", "")
		page.Kind = content.KindPage
		n.publish(t, st, page)
		_, err := n.Create(ctx, st, draft("Hidden 100% draft", ""))
		must(t, err)
		for _, c := range []struct {
			f     content.Filter
			want  string
			total int
		}{
			{content.Filter{}, "a1 a5 a4 a3 a2", 5},
			{content.Filter{PerPage: 2}, "a1 a5", 5},
			{content.Filter{PerPage: 2, Page: 3}, "a2", 5},
			{content.Filter{Page: 9}, "", 5},
			{content.Filter{Category: cat}, "a4 a2", 2},
			{content.Filter{Tag: tag}, "a4 a2", 2},
			{content.Filter{Year: 2024, Month: 3}, "a3", 1},
			{content.Filter{Year: 2023}, "", 0},
			{content.Filter{Kind: content.KindPage}, "", 0}, // texts of pages are in no list
		} {
			l, err := n.LiveList(guest, st, c.f)
			must(t, err)
			if slugs(l) != c.want || l.Total != c.total {
				t.Errorf("%+v: %q of %d, want %q of %d", c.f, slugs(l), l.Total, c.want, c.total)
			}
		}
		l, err := n.List(ctx, st, content.Filter{Query: "100%"})
		must(t, err)
		if slugs(l) != "hidden-100-draft" {
			t.Errorf("query: %q", slugs(l))
		}
		l, err = n.List(ctx, st, content.Filter{Status: content.StatusDraft})
		must(t, err)
		if l.Total != 1 {
			t.Errorf("drafts: %d", l.Total)
		}
		_, err = n.List(guest, st, content.Filter{})
		wantKind(t, err, stoa.KindUnauthorized, "a guest who lists drafts")
		must(t, n.words.TrashCategory(ctx, st.Instance, st.ID, cat))
		l, err = n.LiveList(guest, st, content.Filter{Category: cat})
		must(t, err)
		if l.Total != 0 {
			t.Error("a list by a category that is gone came from memory")
		}
	})
}

func TestIn_FallsBackByLanguageThenDefault(t *testing.T) {
	t.Parallel()
	a := content.Article{Default: "en", Text: map[stoa.Locale]content.Text{"en": {Title: "en"}, "de": {Title: "de"}, "pt-BR": {Title: "pt-BR"}}}
	for l, want := range map[stoa.Locale]string{"de": "de", "de-AT": "de", "pt": "pt-BR", "pt-PT": "pt-BR", "fr": "en", "": "en", "en-GB": "en"} {
		if got := a.In(l).Title; got != want {
			t.Errorf("%q: %q, want %q", l, got, want)
		}
	}
}

func TestWidgets_ShowEscapedLiveArticles(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node, st site.Site) {
		guest := n.guest(t, st)
		d := draft("Fish & <b>Chips</b>", "<p>body</p>")
		d.Kind = content.KindPost
		a := n.publish(t, st, d)
		d = draft("Second", "<p>two</p>")
		d.Kind = content.KindPost
		n.publish(t, st, d)
		all := widget.New(content.Widgets(n.Service)...)
		show := func(name string, settings map[string]string, query map[string][]string) string {
			t.Helper()
			w, ok := all.Get(name)
			if !ok {
				t.Fatalf("there is no widget %s", name)
			}
			res, err := w.Render(guest, widget.Request{Site: st, Locale: "en", Base: "/de", Settings: settings, Query: query, Page: widget.PageInfo{Path: "/news"}})
			must(t, err)
			return string(res.HTML)
		}
		has := func(html string, want ...string) {
			t.Helper()
			if i := slices.IndexFunc(want, func(w string) bool { return !strings.Contains(html, w) }); i >= 0 {
				t.Errorf("%s\nlacks %s", html, want[i])
			}
		}
		has(show("web-content", map[string]string{"article": a.ID.String()}, nil), "Fish &amp; &lt;b&gt;Chips", "<p>body</p>")
		list := map[string]string{"count": "1", "paging": "true"}
		has(show("content-list", list, nil), "Second", `href="/de/news?page=2"`, `href="/de/w/second"`)
		has(show("content-list", list, map[string][]string{"page": {"2"}}), "Fish &amp; &lt;b&gt;", `rel="prev" href="/de/news"`)
		has(show("content-list", map[string]string{"style": "cards"}, nil), "card-grid", "Second")
		has(show("content-list", map[string]string{"tag": "none"}, nil), "Nothing here yet.")
		_, err := n.Unpublish(system(t), a.ID, a.Version)
		must(t, err)
		if got := show("web-content", map[string]string{"article": a.ID.String()}, nil); got != "" {
			t.Errorf("an article that was withdrawn is shown: %s", got)
		}
	})
}

// travels sends a value to another node as its cache does.
func travels[V any](t *testing.T, v V) {
	t.Helper()
	codec := cache.JSON[V]()
	raw, err := codec.Encode(v)
	must(t, err)
	got, err := codec.Decode(raw)
	must(t, err)
	if !reflect.DeepEqual(got, v) {
		t.Errorf("comes as\n%+v, was sent as\n%+v", got, v)
	}
}

func TestLive_TravelsToOtherNodesAsItIs(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node, st site.Site) {
		cat, tag := n.terms(t, st)
		d := draft("Ebbe & Flut <1>", `<p>„Grüße“ &amp; <a href="/x?a=1&amp;b=2">mehr</a></p>`)
		d.Categories, d.Tags, d.Published = []stoa.ID{cat}, []stoa.ID{tag}, time.Date(2020, 2, 29, 23, 59, 59, 123456000, time.UTC)
		a := n.publish(t, st, d)
		live, err := n.Live(n.guest(t, st), a.ID)
		must(t, err)
		travels(t, live)
		n.publish(t, st, draft("Another", ""))
		list, err := n.LiveList(n.guest(t, st), st, content.Filter{})
		must(t, err)
		if len(list.Items) != 2 {
			t.Fatalf("%d articles", len(list.Items))
		}
		travels(t, list)
		empty, err := n.LiveList(n.guest(t, st), st, content.Filter{Kind: content.KindPage})
		must(t, err)
		travels(t, empty)
	})
}

// A list in which nothing is yet has what a merge of terms puts there.
func TestLiveList_HasWhatAMergeGivesAnEmptyTerm(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node, st site.Site) {
		guest := n.guest(t, st)
		cat, tag := n.terms(t, st)
		category, err := n.words.AddCategory(system(t), st.Instance, taxonomy.Category{Site: st.ID, Name: "Reports"})
		must(t, err)
		other, err := n.words.AddTag(system(t), st.Instance, st.ID, "Golang")
		must(t, err)
		d := draft("One", "")
		d.Kind, d.Categories, d.Tags = content.KindPost, []stoa.ID{cat}, []stoa.ID{tag}
		n.publish(t, st, d)
		has := func(want string) {
			t.Helper()
			for _, f := range []content.Filter{{Category: category.ID}, {Tag: other}} {
				l, err := n.LiveList(guest, st, f)
				must(t, err)
				if slugs(l) != want {
					t.Errorf("%+v: %q, want %q", f, slugs(l), want)
				}
			}
		}
		has("")
		must(t, n.words.MergeCategory(system(t), st.Instance, st.ID, cat, category.ID))
		must(t, n.words.MergeTag(system(t), st.Instance, st.ID, tag, other))
		has("one")
	})
}
