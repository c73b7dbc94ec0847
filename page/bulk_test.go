package page

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset/assettest"
	"github.com/stoa-portal/stoa/bulk"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/site"
)

// twoNodes runs a test with two nodes over one database, once on each engine.
func twoNodes(t *testing.T, fn func(t *testing.T, w *world, b *node)) {
	t.Helper()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			handles := dbtest.Nodes(t, e, 2)
			w := newWorld(t, handles[0])
			fn(t, w, newNode(t, handles[1]))
		})
	}
}

// seen wants the addresses of the pages that the actor sees on the node, once it has read what was written.
func seen(t *testing.T, n *node, ctx context.Context, st site.Site, want ...string) {
	t.Helper()
	must(t, n.log.Poll(t.Context()))
	tree, err := n.Tree(ctx, st.ID)
	must(t, err)
	if got := paths(tree); !slices.Equal(got, want) {
		t.Errorf("the tree has %q, want %q", got, want)
	}
}

func idsOf(pages ...Page) []stoa.ID {
	out := make([]stoa.ID, len(pages))
	for i, p := range pages {
		out[i] = p.ID
	}
	return out
}

// ownGrants gives a page grants of its own, which no person of the test has.
func (w *world) ownGrants(t *testing.T, p Page) {
	t.Helper()
	admin := w.as(t, w.st, access.RoleAdministrator)
	p, err := w.Get(admin, p.ID)
	must(t, err)
	p.Restricted = true
	_, err = w.Update(admin, p)
	must(t, err)
}

func TestPublishAll_ShowsAllOrNoneAndOnTheOtherNode(t *testing.T) {
	t.Parallel()
	twoNodes(t, func(t *testing.T, w *world, b *node) {
		admin := w.as(t, w.st, access.RoleAdministrator)
		live := w.make(t, NewPage{Slug: "live", Publish: true, Layout: html("one")})
		old := w.make(t, NewPage{Slug: "old", Publish: true, Layout: html("same")})
		draft := w.make(t, NewPage{Slug: "draft", Layout: html("new")})
		below := w.make(t, NewPage{Slug: "below", Parent: draft.ID, Layout: html("new")})
		secret := w.make(t, NewPage{Slug: "secret", Layout: html("x")})
		w.ownGrants(t, secret)
		_, err := w.SaveDraft(w.editor, live.ID, html("two"), live.DraftVersion)
		must(t, err)
		seen(t, b, w.guest, w.st, "/live", "/old")

		wantKind(t, w.PublishAll(w.guest, idsOf(draft)), stoa.KindUnauthorized)
		wantKind(t, w.PublishAll(w.editor, nil), stoa.KindInvalid)
		wantKind(t, w.PublishAll(w.editor, append(idsOf(draft), 4711)), stoa.KindNotFound)
		err = w.PublishAll(w.editor, idsOf(draft, secret)) // none of those that the editor may not edit is named
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("with a page for others: %v", err)
		}
		seen(t, b, w.guest, w.st, "/live", "/old")

		must(t, b.PublishAll(w.editor, append(idsOf(below, live, draft, old), live.ID)))
		seen(t, w.node, w.guest, w.st, "/live", "/old", "/draft", "/draft/below")
		if p, err := w.ByPath(w.guest, w.st.ID, "/live"); err != nil || p.Number != 2 {
			t.Errorf("the draft is not what visitors see: version %d, %v", p.Number, err)
		}
		if p, err := w.Get(admin, old.ID); err != nil || p.Version != old.Version || p.Number != 1 {
			t.Errorf("a page without a draft was changed: %+v, %v", p, err)
		}

		wantKind(t, w.UnpublishAll(w.guest, idsOf(live)), stoa.KindUnauthorized)
		must(t, w.UnpublishAll(w.editor, idsOf(live, draft)))
		seen(t, b, w.guest, w.st, "/old")
		again, err := w.Get(admin, draft.ID)
		must(t, err)
		must(t, w.UnpublishAll(w.editor, idsOf(draft)))
		if p, err := w.Get(admin, draft.ID); err != nil || p.Version != again.Version {
			t.Errorf("a draft was changed by being hidden: %+v, %v", p, err)
		}
		assettest.Same(t, w.d, w.AssetType())
	})
}

func TestTrashAll_APageBelowAnotherOneGoesAlongWithIt(t *testing.T) {
	t.Parallel()
	twoNodes(t, func(t *testing.T, w *world, b *node) {
		admin := w.as(t, w.st, access.RoleAdministrator)
		assets := assettest.Service(t, w.d, w.AssetType())
		about := w.make(t, NewPage{Slug: "about", Publish: true})
		team := w.make(t, NewPage{Slug: "team", Parent: about.ID, Publish: true})
		ann := w.make(t, NewPage{Slug: "ann", Parent: team.ID, Publish: true})
		news := w.make(t, NewPage{Slug: "news", Publish: true})
		shut := w.make(t, NewPage{Slug: "shut", Publish: true})
		inner := w.make(t, NewPage{Slug: "inner", Parent: shut.ID, Publish: true})
		w.ownGrants(t, inner)
		all := []string{"/about", "/about/team", "/about/team/ann", "/news", "/shut", "/shut/inner"}
		seen(t, b, admin, w.st, all...)

		_, err := w.TrashAll(w.guest, idsOf(news))
		wantKind(t, err, stoa.KindUnauthorized)
		_, err = w.TrashAll(w.editor, append(idsOf(news), 4711))
		wantKind(t, err, stoa.KindNotFound)
		// A page below one of them needs a right that the editor lacks: the one that was chosen is named, for the editor
		// may edit it, and all stays.
		_, err = w.TrashAll(w.editor, idsOf(news, shut))
		if err == nil || !strings.Contains(err.Error(), "/shut") || strings.Contains(err.Error(), "inner") {
			t.Errorf("with a page for others below: %v", err)
		}
		var e *stoa.Error
		if errors.As(err, &e) {
			if said := lang.In("de").Error(e); !strings.HasPrefix(said, "nichts wurde ausgeführt, ") {
				t.Errorf("in German: %q", said)
			}
		}
		seen(t, b, admin, w.st, all...)

		tops, err := b.TrashAll(w.editor, idsOf(ann, news, about)) // in whatever order they were ticked
		must(t, err)
		if want := idsOf(about, news); !slices.Equal(tops, want) {
			t.Errorf("entries of the bin: %v, want %v", tops, want)
		}
		seen(t, w.node, admin, w.st, "/shut", "/shut/inner")
		bin, err := assets.Trash(admin, w.st, "", 10)
		must(t, err)
		if len(bin.Items) != 2 {
			t.Errorf("the bin has %+v", bin.Items)
		}
		_, err = w.TrashAll(w.editor, idsOf(news))
		wantKind(t, err, stoa.KindNotFound) // it is there already
		_, err = assets.Restore(admin, refOf(about))
		must(t, err)
		seen(t, b, admin, w.st, "/about", "/about/team", "/about/team/ann", "/shut", "/shut/inner")
		assettest.Same(t, w.d, w.AssetType())
	})
}

func TestMoveAll_KeepsTheOrderAndTakesWhatIsBelowAlong(t *testing.T) {
	t.Parallel()
	twoNodes(t, func(t *testing.T, w *world, b *node) {
		admin := w.as(t, w.st, access.RoleAdministrator)
		home := w.make(t, NewPage{Slug: "home", Publish: true})
		there := w.make(t, NewPage{Slug: "there", Parent: home.ID, Publish: true})
		one := w.make(t, NewPage{Slug: "one", Publish: true})
		in := w.make(t, NewPage{Slug: "in", Parent: one.ID, Publish: true})
		two := w.make(t, NewPage{Slug: "two", Publish: true})
		shut := w.make(t, NewPage{Slug: "shut"})
		w.ownGrants(t, shut)
		all := []string{"/home", "/home/there", "/one", "/one/in", "/two", "/shut"}
		seen(t, b, admin, w.st, all...)

		wantKind(t, w.MoveAll(w.guest, idsOf(one), home.ID), stoa.KindUnauthorized)
		wantKind(t, w.MoveAll(w.guest, idsOf(one), 0), stoa.KindUnauthorized) // where it is
		wantKind(t, w.MoveAll(w.editor, idsOf(one), 4711), stoa.KindInvalid)
		wantKind(t, w.MoveAll(w.editor, idsOf(two, one), in.ID), stoa.KindInvalid) // below itself
		if err := w.MoveAll(w.editor, idsOf(one, shut), home.ID); err == nil {
			t.Error("a page for others was moved")
		}
		taken := w.make(t, NewPage{Slug: "two", Parent: home.ID})
		err := w.MoveAll(w.editor, idsOf(one, two), home.ID)
		wantKind(t, err, stoa.KindConflict)
		if !strings.Contains(err.Error(), "because of the page at /two") {
			t.Errorf("the error does not say which page: %v", err)
		}
		must(t, w.Trash(w.editor, taken.ID, taken.Version))
		seen(t, b, admin, w.st, all...)

		must(t, b.MoveAll(w.editor, idsOf(two, in, there, one), home.ID))
		seen(t, w.node, admin, w.st, "/home", "/home/there", "/home/one", "/home/one/in", "/home/two", "/shut")
		if to, ok, err := w.Redirect(w.guest, w.st.ID, "/one/in"); err != nil || !ok || to != "/home/one/in" {
			t.Errorf("the old address leads to %q, %t, %v", to, ok, err)
		}
		must(t, w.MoveAll(w.editor, idsOf(one, in, two), 0))
		seen(t, b, admin, w.st, "/home", "/home/there", "/shut", "/one", "/one/in", "/two")
		assettest.Same(t, w.d, w.AssetType())
	})
}

// The ids that are sent are those of a form: pages of another instance stay unknown to who sends them.
func TestBulk_PagesOfAnotherInstanceAreNotThere(t *testing.T) {
	t.Parallel()
	twoNodes(t, func(t *testing.T, w *world, b *node) {
		system := stoa.WithActor(t.Context(), stoa.SystemActor())
		_, other, err := w.sites.CreateInstance(system, site.Defaults{WebID: "other.example", HostName: "other.example",
			Name: "Other", SiteName: "Guest", SiteSlug: "guest", Locale: "en", TimeZone: "UTC"})
		must(t, err)
		merger, err := w.Create(system, w.st, NewPage{Slug: "merger", Title: map[stoa.Locale]string{"en": "M"},
			Publish: true})
		must(t, err)
		own, err := w.Create(system, other, NewPage{Slug: "own", Title: map[stoa.Locale]string{"en": "O"}})
		must(t, err)
		must(t, b.log.Poll(t.Context()))
		stranger := b.as(t, other, access.RoleAdministrator)
		for name, do := range map[string]func([]stoa.ID) error{
			"publish":   func(ids []stoa.ID) error { return b.PublishAll(stranger, ids) },
			"unpublish": func(ids []stoa.ID) error { return b.UnpublishAll(stranger, ids) },
			"delete":    func(ids []stoa.ID) error { _, err := b.TrashAll(stranger, ids); return err },
			"move":      func(ids []stoa.ID) error { return b.MoveAll(stranger, ids, 0) },
			"move below": func([]stoa.ID) error {
				err := b.MoveAll(stranger, idsOf(own), merger.ID)
				if !stoa.Is(err, stoa.KindInvalid) {
					return err
				}
				return stoa.NotFound("page", merger.ID) // said of the field
			},
		} {
			err := do(idsOf(merger, own))
			if !stoa.Is(err, stoa.KindNotFound) || strings.Contains(err.Error(), "/merger") {
				t.Errorf("%s by an administrator of another instance: %v", name, err)
			}
		}
		seen(t, w.node, system, w.st, "/merger")
		seen(t, b, system, other, "/own")
	})
}

func TestBulk_AtMost200PagesAreOneTransaction(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.New(t))
	ids := make([]stoa.ID, MaxBulk+1)
	for i := range ids {
		ids[i] = stoa.ID(i + 1)
	}
	_, err := w.TrashAll(w.editor, ids)
	wantKind(t, err, stoa.KindInvalid)
	wantKind(t, w.PublishAll(w.editor, ids), stoa.KindInvalid)
	wantKind(t, w.MoveAll(w.editor, ids, 0), stoa.KindInvalid)
	_, err = w.TrashAll(w.editor, append(ids[:MaxBulk], ids[0])) // one that stands twice is one
	wantKind(t, err, stoa.KindNotFound)
}

// What package bulk does with each page in turn, in one transaction.
func TestBulkActions_DoWhatTheirNamesSay(t *testing.T) {
	t.Parallel()
	twoNodes(t, func(t *testing.T, w *world, b *node) {
		assettest.Service(t, w.d, w.AssetType())
		about := w.make(t, NewPage{Slug: "about"})
		team := w.make(t, NewPage{Slug: "team", Parent: about.ID})
		do := func(ctx context.Context, name string, things ...bulk.Thing) error {
			t.Helper()
			i := slices.IndexFunc(b.BulkActions(), func(a bulk.Action) bool { return a.Name == name })
			return b.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
				for _, x := range things {
					if err := b.BulkActions()[i].Do(ctx, tx, x); err != nil {
						return fmt.Errorf("%s: %w", x, err)
					}
				}
				return nil
			})
		}
		both := []bulk.Thing{{Kind: kindPage, ID: about.ID}, {Kind: kindPage, ID: team.ID}}
		must(t, b.log.Poll(t.Context()))
		wantKind(t, do(w.guest, BulkPublish, both...), stoa.KindUnauthorized)
		wantKind(t, do(w.editor, BulkPublish, bulk.Thing{Kind: "article", ID: about.ID}), stoa.KindNotFound)
		wantKind(t, do(w.editor, BulkPublish, bulk.Thing{Kind: kindPage, ID: 4711}), stoa.KindNotFound)
		must(t, do(w.editor, BulkPublish, both...))
		seen(t, w.node, w.guest, w.st, "/about", "/about/team")
		wantKind(t, do(w.guest, BulkUnpublish, both...), stoa.KindUnauthorized)
		must(t, do(w.editor, BulkUnpublish, both[1]))
		seen(t, w.node, w.guest, w.st, "/about")
		wantKind(t, do(w.guest, BulkTrash, both...), stoa.KindUnauthorized)
		must(t, do(w.editor, BulkTrash, both...)) // the second one went along with the first
		seen(t, w.node, w.editor, w.st)
		stranger := stoa.WithActor(t.Context(), stoa.Actor{User: 7, Instance: w.st.Instance + 1, Admin: true})
		wantKind(t, do(stranger, BulkTrash, both[1]), stoa.KindNotFound)
		wantKind(t, do(w.guest, BulkTrash, both[1]), stoa.KindUnauthorized)
		wantKind(t, do(w.editor, BulkPublish, both[1]), stoa.KindNotFound)
		assettest.Same(t, w.d, w.AssetType())
	})
}
