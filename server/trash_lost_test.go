package server_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/bulk"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/server/servertest"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/taxonomy"
	"github.com/stoa-portal/stoa/user"
)

// errLost ends the transactions that a forgetful journal loses.
var errLost = errors.New("lost in a fail-over")

// forgetful loses every write, as a fail-over does, but keeps what is to be done again.
type forgetful struct {
	db.Journal
	took  bool
	again []func(ctx context.Context, tx *db.Tx) error
}

func (f *forgetful) Append(_ context.Context, tx *db.Tx, _ []db.Change) (uint64, error) {
	f.again, f.took = tx.Taken()
	return 0, errLost
}

// binned is a kind of thing as the recycle bin has it.
type binned struct {
	kind  string
	make  func(t *testing.T, n *servertest.Node, st site.Site) stoa.ID
	trash func(ctx context.Context, n *servertest.Node, st site.Site, id stoa.ID) error
	there func(ctx context.Context, n *servertest.Node, st site.Site, id stoa.ID) (bool, error)
}

// is makes "there" of an error that says that there is nothing.
func is(err error) (bool, error) {
	if stoa.Is(err, stoa.KindNotFound) {
		return false, nil
	}
	return err == nil, err
}

// binnedKinds has each kind that the recycle bin has; the test finds those that are missing.
func binnedKinds() []binned {
	sys := servertest.System()
	return []binned{
		{"article", func(t *testing.T, n *servertest.Node, st site.Site) stoa.ID {
			a, err := n.Content.Create(sys, st, content.Draft{Slug: "tides",
				Text: map[stoa.Locale]content.Text{st.Locale: {Title: "Tides", Body: "<p>High.</p>"}}})
			ok(t, err)
			a, err = n.Content.Publish(sys, a.ID, a.Version, time.Time{})
			ok(t, err)
			return a.ID
		}, func(ctx context.Context, n *servertest.Node, _ site.Site, id stoa.ID) error {
			return n.Content.Trash(ctx, id)
		}, func(ctx context.Context, n *servertest.Node, _ site.Site, id stoa.ID) (bool, error) {
			return is(second(n.Content.Get(ctx, id)))
		}},
		{"file", func(t *testing.T, n *servertest.Node, st site.Site) stoa.ID {
			f, err := n.Files.Upload(sys, st, document.Upload{Name: "t.txt", Body: strings.NewReader("High."), Size: 5})
			ok(t, err)
			return f.ID
		}, func(ctx context.Context, n *servertest.Node, _ site.Site, id stoa.ID) error {
			return n.Files.Trash(ctx, id)
		}, func(ctx context.Context, n *servertest.Node, _ site.Site, id stoa.ID) (bool, error) {
			return is(second(n.Files.Get(ctx, id)))
		}},
		{"folder", func(t *testing.T, n *servertest.Node, st site.Site) stoa.ID {
			f, err := n.Files.SaveFolder(sys, st, document.Folder{Name: "Sea"})
			ok(t, err)
			_, err = n.Files.Upload(sys, st, document.Upload{Name: "t.txt", Body: strings.NewReader("High."), Size: 5,
				Folder: f.ID})
			ok(t, err)
			return f.ID
		}, func(ctx context.Context, n *servertest.Node, st site.Site, id stoa.ID) error {
			return n.Files.TrashFolder(ctx, st, id)
		}, func(ctx context.Context, n *servertest.Node, st site.Site, id stoa.ID) (bool, error) {
			return is(second(n.Files.Folder(ctx, st, id)))
		}},
		{"page", func(t *testing.T, n *servertest.Node, st site.Site) stoa.ID {
			p, err := n.Pages.Create(sys, st, page.NewPage{Slug: "sea", Publish: true, Position: -1,
				Title: map[stoa.Locale]string{st.Locale: "Sea"}})
			ok(t, err)
			return p.ID
		}, func(ctx context.Context, n *servertest.Node, _ site.Site, id stoa.ID) error {
			p, err := n.Pages.Get(ctx, id)
			if err != nil {
				return err
			}
			return n.Pages.Trash(ctx, id, p.Version)
		}, func(ctx context.Context, n *servertest.Node, _ site.Site, id stoa.ID) (bool, error) {
			return is(second(n.Pages.Get(ctx, id)))
		}},
		{"menu", func(t *testing.T, n *servertest.Node, st site.Site) stoa.ID {
			m, err := n.Pages.SaveMenu(sys, page.Menu{Site: st.ID, Name: "Harbour",
				Items: []page.Item{{URL: "/a", Title: map[stoa.Locale]string{st.Locale: "A"}}}})
			ok(t, err)
			return m.ID
		}, func(ctx context.Context, n *servertest.Node, _ site.Site, id stoa.ID) error {
			m, err := n.Pages.Menu(ctx, id)
			if err != nil {
				return err
			}
			return n.Pages.TrashMenu(ctx, id, m.Version)
		}, func(ctx context.Context, n *servertest.Node, st site.Site, _ stoa.ID) (bool, error) {
			return is(second(n.Pages.MenuBySlug(ctx, st.ID, "harbour")))
		}},
		{"redirect", func(t *testing.T, n *servertest.Node, st site.Site) stoa.ID {
			ok(t, n.DB.Write(sys, func(ctx context.Context, tx *db.Tx) error {
				return n.Pages.AddRedirect(ctx, tx, st.ID, "/elsewhere", "/new")
			}))
			list, err := n.Pages.Redirects(sys, st.ID, 1)
			ok(t, err)
			return list[0].ID
		}, func(ctx context.Context, n *servertest.Node, st site.Site, id stoa.ID) error {
			return n.Pages.TrashRedirect(ctx, st.ID, id)
		}, func(ctx context.Context, n *servertest.Node, st site.Site, _ stoa.ID) (bool, error) {
			_, leads, err := n.Pages.Redirect(ctx, st.ID, "/elsewhere")
			return leads, err
		}},
		{"category", func(t *testing.T, n *servertest.Node, st site.Site) stoa.ID {
			c, err := n.Taxonomy.AddCategory(sys, st.Instance, taxonomy.Category{Site: st.ID, Name: "Boats"})
			ok(t, err)
			return c.ID
		}, func(ctx context.Context, n *servertest.Node, st site.Site, id stoa.ID) error {
			return n.Taxonomy.TrashCategory(ctx, st.Instance, st.ID, id)
		}, func(ctx context.Context, n *servertest.Node, st site.Site, _ stoa.ID) (bool, error) {
			return is(second(n.Taxonomy.CategoryBySlug(ctx, st.ID, "boats")))
		}},
		{"tag", func(t *testing.T, n *servertest.Node, st site.Site) stoa.ID {
			id, err := n.Taxonomy.AddTag(sys, st.Instance, st.ID, "Salt")
			ok(t, err)
			return id
		}, func(ctx context.Context, n *servertest.Node, st site.Site, id stoa.ID) error {
			return n.Taxonomy.TrashTag(ctx, st.Instance, st.ID, id)
		}, func(ctx context.Context, n *servertest.Node, st site.Site, _ stoa.ID) (bool, error) {
			return is(second(n.Taxonomy.TagBySlug(ctx, st.ID, "salt")))
		}},
		{"role", func(t *testing.T, n *servertest.Node, st site.Site) stoa.ID {
			r, err := n.Access.CreateRole(sys, access.Role{Instance: st.Instance, Name: "Keepers"})
			ok(t, err)
			return r.ID
		}, func(ctx context.Context, n *servertest.Node, _ site.Site, id stoa.ID) error {
			return n.Access.TrashRole(ctx, id)
		}, func(ctx context.Context, n *servertest.Node, st site.Site, id stoa.ID) (bool, error) {
			list, err := n.Access.Roles(ctx, st.Instance)
			return slices.ContainsFunc(list, func(r access.Role) bool { return r.ID == id }), err
		}},
		{"usergroup", func(t *testing.T, n *servertest.Node, st site.Site) stoa.ID {
			g, err := n.Users.CreateGroup(sys, user.Group{Instance: st.Instance, Name: "Harbour"})
			ok(t, err)
			return g.ID
		}, func(ctx context.Context, n *servertest.Node, _ site.Site, id stoa.ID) error {
			return n.Users.TrashGroup(ctx, id)
		}, func(ctx context.Context, n *servertest.Node, _ site.Site, id stoa.ID) (bool, error) {
			return is(second(n.Users.Group(ctx, id)))
		}},
	}
}

// Rule 33: what went to the recycle bin, or was deleted from it for good, does so again when a fail-over lost that.
func TestTrash_WhatAFailOverLostIsDoneAgain_Rule33(t *testing.T) {
	t.Parallel()
	onEngines(t, 2, func(t *testing.T, nodes []*servertest.Node) {
		a, b, sys, st := nodes[0], nodes[1], servertest.System(), nodes[0].Site(t)
		kinds := map[string]bool{}
		for _, k := range a.Assets.BinKinds() {
			kinds[k.Kind] = true
		}
		lose := func(what string, write func() error) []func(ctx context.Context, tx *db.Tx) error {
			t.Helper()
			f := &forgetful{Journal: a.Log}
			a.DB.SetJournal(f)
			defer a.DB.SetJournal(a.Log)
			if err := write(); !errors.Is(err, errLost) {
				t.Fatalf("%s: %v, want that it is lost", what, err)
			}
			if !f.took || len(f.again) == 0 {
				t.Fatalf("%s: it does not say that it takes something away, or not how", what)
			}
			return f.again
		}
		repeat := func(what string, again []func(ctx context.Context, tx *db.Tx) error) {
			t.Helper()
			if err := a.DB.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
				for _, fn := range again {
					if err := fn(ctx, tx); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				t.Fatalf("%s again: %v", what, err)
			}
			b.Poll(t)
		}
		inBin := func(r asset.Ref) (found bool) {
			t.Helper()
			for _, whole := range []bool{false, true} {
				l, err := b.Assets.FindTrash(sys, st, asset.TrashFilter{Whole: whole, Limit: 200})
				ok(t, err)
				for _, one := range l.Items {
					found = found || one.Kind == r.Kind && one.ID == r.ID && !one.At.IsZero()
				}
			}
			return found
		}
		for _, k := range binnedKinds() {
			delete(kinds, k.kind)
			id := k.make(t, a, st)
			ref := asset.Ref{Kind: k.kind, ID: id}
			want := func(what string, there, bin bool) {
				t.Helper()
				for _, n := range nodes {
					n.Poll(t)
					if is, err := k.there(sys, n, st, id); err != nil || is != there {
						t.Errorf("%s: %s is there: %v, %v, want %v", k.kind, what, is, err, there)
					}
				}
				if inBin(ref) != bin {
					t.Errorf("%s: %s is in the bin: %v", k.kind, what, !bin)
				}
			}
			want("what was made", true, false)
			again := lose("trash "+k.kind, func() error { return k.trash(sys, a, st, id) })
			want("what was lost on its way into the bin", true, false)
			repeat("trash "+k.kind, again)
			want("what came into the bin", false, true)
			repeat("trash "+k.kind, again) // does nothing
			want("what is in the bin", false, true)
			_, err := b.Assets.Restore(sys, []asset.Ref{ref})
			ok(t, err)
			want("what was restored", true, false)
			ok(t, k.trash(sys, a, st, id))
			want("what is in the bin again", false, true)
			again = lose("purge "+k.kind, func() error { return a.Assets.Purge(sys, []asset.Ref{ref}) })
			want("what was to be purged", false, true)
			repeat("purge "+k.kind, again)
			want("what was purged", false, false)
			repeat("purge "+k.kind, again) // does nothing

			id = k.make(t, a, st)
			ok(t, k.trash(sys, a, st, id))
			ref.ID = id
			again = lose("empty the bin of "+k.kind, func() error {
				return a.Assets.InOrder(sys, asset.BulkPurge, []bulk.Thing{{Kind: k.kind, ID: id}})
			})
			want("what a bulk action was to purge", false, true)
			repeat("empty the bin of "+k.kind, again)
			want("what a bulk action purged", false, false)
		}
		for kind := range kinds {
			t.Errorf("the kind %s is not tested", kind)
		}
	})
}
