package taxonomy

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/asset/assettest"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/recycle"
)

// carried names what an article carries, as it is shown and as a binary that knows of no recycle bin reads it.
func (n *node) carried(t *testing.T, d *db.DB, thing stoa.ID) string {
	t.Helper()
	n.poll(t)
	terms, err := n.Of(t.Context(), "article", thing, mine)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range terms.Categories {
		names = append(names, c.Slug)
	}
	for _, c := range terms.Tags {
		names = append(names, c.Slug)
	}
	var rows int
	if err := d.QueryRow(t.Context(), "SELECT count(*) FROM taxonomy_assigned WHERE thing = ?",
		thing).Scan(&rows); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(names, rows)
}

func TestTrash_CategoriesGoWithThoseBelowAndComeBackToWhatCarriedThem(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n, other := newNode(t, d), newNode(t, d)
		assets := assettest.Service(t, d)
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(assets.RegisterBin(n.CategoryBin(), n.TagBin()))
		top := n.category(t, mine, 0, "Sea")
		mid := n.category(t, mine, top.ID, "Boats")
		leaf := n.category(t, mine, mid.ID, "Sails")
		tag := n.tag(t, mine, "Salt")
		const thing, all, rest = 77, "[boats sails sea salt] 4", "[sea salt] 2"
		n.assign(t, d, thing, []stoa.ID{top.ID, mid.ID, leaf.ID}, []stoa.ID{tag})
		n.assign(t, d, 78, []stoa.ID{mid.ID}, nil)
		boss := func(in stoa.ID) context.Context {
			return stoa.WithActor(t.Context(), stoa.Actor{User: 5, Instance: in, Admin: true, Proven: time.Now()})
		}
		ref := []asset.Ref{{Kind: "category", ID: mid.ID}}

		wantKind(t, n.TrashCategory(boss(instance+1), instance, mine, mid.ID), stoa.KindNotFound)
		must(n.TrashCategory(boss(instance), instance, mine, mid.ID))
		if got := n.carried(t, d, thing); got != rest {
			t.Errorf("in the bin, and the article carries %s", got)
		}
		if got := other.carried(t, d, thing); got != rest {
			t.Errorf("in the bin, and on another node the article carries %s", got)
		}
		for _, slug := range []string{"boats", "sails"} {
			_, err := other.CategoryBySlug(t.Context(), mine, slug)
			wantKind(t, err, stoa.KindNotFound)
		}
		if list, _, err := other.Tree(t.Context(), mine); err != nil || len(list) != 1 {
			t.Errorf("the tree has %+v, %v", list, err)
		}
		_, err := n.AddCategory(system(t), instance, Category{Site: mine, Parent: mid.ID, Name: "Oars"})
		wantKind(t, err, stoa.KindInvalid) // below what is in the bin
		_, err = assets.Restore(boss(instance+1), ref)
		wantKind(t, err, stoa.KindNotFound)
		wantKind(t, assets.Purge(boss(instance+1), ref), stoa.KindNotFound)
		_, err = assets.Restore(boss(instance), []asset.Ref{{Kind: "category", ID: leaf.ID}})
		wantKind(t, err, stoa.KindNotFound) // with the one above, not alone

		// Meanwhile another has the address, the article is saved, the other one deleted.
		again := n.category(t, mine, 0, "Boats")
		if again.Slug != "boats" && again.Slug != "" {
			t.Errorf("the address of what is in the bin is not free: %q", again.Slug)
		}
		n.assign(t, d, thing, []stoa.ID{top.ID}, []stoa.ID{tag})
		must(d.Write(system(t), func(ctx context.Context, tx *db.Tx) error { return n.Forget(ctx, tx, "article", 78) }))
		out, err := assets.Restore(boss(instance), ref)
		must(err)
		if !out[0].Renamed {
			t.Error("it is not told that the address has a number")
		}
		const numbered = "[boats-2 sails sea salt] 4"
		if got := n.carried(t, d, thing); got != numbered {
			t.Errorf("restored, and the article carries %s", got)
		}
		if got := other.carried(t, d, 78); got != "[] 0" {
			t.Errorf("a deleted article carries %s", got)
		}
		if got, err := other.CategoryBySlug(t.Context(), mine, "sails"); err != nil || got.Parent != mid.ID {
			t.Errorf("the one below is %+v, %v", got, err)
		}

		must(n.TrashTag(boss(instance), instance, mine, tag))
		wantKind(t, n.TrashTag(boss(instance), instance, theirs, tag), stoa.KindNotFound)
		if got := other.carried(t, d, thing); got != "[boats-2 sails sea] 3" {
			t.Errorf("without the tag the article carries %s", got)
		}
		_, err = assets.Restore(boss(instance), []asset.Ref{{Kind: "tag", ID: tag}})
		must(err)
		if got := other.carried(t, d, thing); got != numbered {
			t.Errorf("restored, and the article carries %s", got)
		}

		// Without the category above it asks for a place.
		must(n.TrashCategory(boss(instance), instance, mine, leaf.ID))
		must(n.TrashCategory(boss(instance), instance, mine, mid.ID))
		must(assets.Purge(boss(instance), ref))
		leafRef := []asset.Ref{{Kind: "category", ID: leaf.ID}}
		if _, err := assets.Restore(boss(instance), leafRef); !errors.Is(err, recycle.ErrNoPlace) {
			t.Errorf("restored below what is gone: %v", err)
		}
		_, err = assets.RestoreTo(boss(instance), leafRef, asset.Place{Parent: again.ID})
		must(err)
		if got := other.carried(t, d, thing); got != "[sails sea salt] 3" {
			t.Errorf("restored elsewhere, and the article carries %s", got)
		}
		var left int
		must(d.QueryRow(t.Context(), "SELECT (SELECT count(*) FROM asset_trash) + (SELECT count(*) FROM taxonomy_trashed)").
			Scan(&left))
		if left != 0 {
			t.Errorf("%d rows are left", left)
		}
	})
}
