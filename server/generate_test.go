package server_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/importer/generate"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/server"
	"github.com/stoa-portal/stoa/server/servertest"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/taxonomy"
	"github.com/stoa-portal/stoa/user"
)

// few is a request for a small portal: more than one batch of everything.
func few(seed uint64) server.ControlRequest {
	return server.ControlRequest{
		Generate: generate.Numbers{Seed: seed, Sites: 2, Pages: 45, Articles: 130, People: 7, Files: 4, Size: 3000},
	}
}

// must gives the value of a call that cannot fail here.
func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// generated is all that a seed made, without what differs between databases: ids, keys, times of saving.
func generated(t *testing.T, n *servertest.Node, seed uint64) []string {
	t.Helper()
	ctx := servertest.System()
	var out []string
	line := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	prefix := fmt.Sprintf("generated-%d-", seed)
	for _, st := range must[[]site.Site](t)(n.Sites.Sites(ctx, n.Site(t).Instance)) {
		if !strings.HasPrefix(st.Slug, prefix) {
			continue
		}
		line("site %s %s %s %v", st.Slug, st.Name, st.Tagline, st.Locales)
		for i := 1; ; i++ {
			list := must[content.List](t)(n.Content.List(ctx, st, content.Filter{Page: i, PerPage: 100}))
			for _, a := range list.Items {
				a = must[content.Article](t)(n.Content.Get(ctx, a.ID))
				line("article %s/%s %s %s %q %v %d %d %d %v", st.Slug, a.Slug, a.Kind, a.Status, a.AuthorName,
					a.Sticky, a.Number, a.Live, a.Published.Unix(), a.Publish)
				for _, l := range st.Locales {
					line("article %s/%s %s %+v", st.Slug, a.Slug, l, a.Text[l])
				}
				line("article %s/%s %v", st.Slug, a.Slug,
					slugs(must[taxonomy.Terms](t)(n.Taxonomy.Of(ctx, "article", a.ID, st.ID))))
			}
			if i >= list.Pages() {
				break
			}
		}
		for _, p := range must[[]page.Node](t)(n.Pages.Tree(ctx, st.ID)) {
			line("page %s%s %v %v %v", st.Slug, p.Path, p.Title, p.Hidden,
				must[page.Page](t)(n.Pages.Get(ctx, p.ID)).Layout)
		}
		for _, f := range must[[]document.File](t)(n.Files.List(ctx, st, document.Filter{Limit: 200})) {
			line("file %s/%s %s %s %d", st.Slug, f.Name, f.Type, f.Hash, f.Size)
		}
	}
	people := user.Filter{Query: strings.TrimSuffix(prefix, "-"), Limit: 200}
	for _, u := range must[user.Page[user.User]](t)(n.Users.List(ctx, n.Site(t).Instance, people)).Items {
		u = must[user.User](t)(n.Users.Get(ctx, u.ID))
		line("person %s %s %s %s %d", u.ScreenName, u.Email, u.FullName(), u.Locale, len(u.Roles))
	}
	slices.Sort(out)
	return out
}

func slugs(terms taxonomy.Terms) []string {
	var out []string
	for _, c := range terms.Categories {
		out = append(out, c.Slug)
	}
	for _, tag := range terms.Tags {
		out = append(out, tag.Slug)
	}
	slices.Sort(out)
	return out
}

// same fails at the first difference.
func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("%s: %d and %d things, line %d differs:\n%.300v\n%.300v", what, len(got), len(want), i,
				got[min(i, len(got)):min(i+1, len(got))], want[min(i, len(want)):min(i+1, len(want))])
		}
	}
}

func TestGenerate_SameSeedGivesTheSameOnEveryDatabase(t *testing.T) {
	t.Parallel()
	var first []string // of the first engine
	onEngines(t, 2, func(t *testing.T, nodes []*servertest.Node) {
		text, err := nodes[0].Generate(servertest.System(), few(7))
		if err != nil || !strings.Contains(text, "2 sites, 45 pages, 130 articles, 7 people and 4 files were made") {
			t.Fatalf("the run says %q %v", text, err)
		}
		all := generated(t, nodes[0], 7)
		if first == nil {
			first = all
			published := slices.DeleteFunc(slices.Clone(all),
				func(s string) bool { return !strings.Contains(s, " published ") })
			if len(published) < 80 || len(all) < 3*130 {
				t.Errorf("of %d lines %d are of published articles", len(all), len(published))
			}
		}
		same(t, "two databases", all, first)
		text, err = nodes[1].Generate(servertest.System(), few(7))
		if err != nil || !strings.Contains(text, "0 articles") || !strings.Contains(text, "had made 188 of") {
			t.Errorf("a second run says %q %v", text, err)
		}
		same(t, "after a second run", generated(t, nodes[0], 7), all)
		nodes[1].Poll(t)
		mustSee(t, nodes[1].Get(t, "/web/generated-7-1"), 200, "generated-7-1")

		other := few(7)
		other.Generate.Articles++
		if _, err := nodes[0].Generate(servertest.System(), other); !stoa.Is(err, stoa.KindConflict) {
			t.Errorf("the same seed with other numbers: %v", err)
		}
		if _, err := nodes[0].Generate(t.Context(), few(7)); err == nil {
			t.Error("a guest generates")
		}
	})
}

func TestGenerate_GoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	onEngines(t, 1, func(t *testing.T, nodes []*servertest.Node) {
		whole := servertest.Start(t, 1)
		if _, err := whole[0].Generate(servertest.System(), few(9)); err != nil {
			t.Fatal(err)
		}
		for _, stop := range []int{1, 5, 60, 150, 185} {
			ctx, cancel := context.WithCancel(servertest.System())
			req := few(9)
			req.Progress = func(done, _ int) {
				if done >= stop {
					cancel()
				}
			}
			if _, err := nodes[0].Generate(ctx, req); err == nil && stop < 150 {
				t.Errorf("the run that was cut off at %d says nothing", stop)
			}
			cancel()
		}
		if _, err := nodes[0].Generate(servertest.System(), few(9)); err != nil {
			t.Fatal(err)
		}
		same(t, "in several runs and in one", generated(t, nodes[0], 9), generated(t, whole[0], 9))
	})
}

func TestGenerate_LeavesAPortalOfPeopleAlone(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	n.SignIn(t)
	n.Publish(t, "mine", "Mine", "<p>Mine</p>")
	req := few(3)
	if _, err := n.Generate(servertest.System(), req); !stoa.Is(err, stoa.KindConflict) ||
		!strings.Contains(err.Error(), "--yes") {
		t.Errorf("a portal with content: %v", err)
	}
	req.Yes = true
	if _, err := n.Generate(servertest.System(), req); err != nil {
		t.Error(err)
	}
	req = few(4)
	req.Generate.Sites = 0
	if _, err := n.Generate(servertest.System(), req); !stoa.Is(err, stoa.KindInvalid) {
		t.Errorf("no site at all: %v", err)
	}
}
