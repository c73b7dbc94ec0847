package taxonomy

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

func TestUpdate_OldAddressLeadsToTheTermOnEveryNode(t *testing.T) {
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			handles := dbtest.Nodes(t, e, 2)
			a, b := newNode(t, handles[0]), newNode(t, handles[1])
			sea, boats := a.category(t, mine, 0, "Sea"), a.category(t, mine, 0, "Boats")
			tag := a.tag(t, mine, "Tide")
			b.poll(t)
			if c, err := b.CategoryBySlug(t.Context(), mine, "boats"); err != nil || c.ID != boats.ID {
				t.Fatalf("%+v, %v", c, err)
			}
			boats.Name, boats.Slug, boats.Parent, boats.Version = "Ships", "ships", sea.ID, 1
			saved, err := a.UpdateCategory(system(t), instance, boats)
			if err != nil || saved.Version != 2 {
				t.Fatalf("%+v, %v", saved, err)
			}
			if _, err := a.UpdateTag(system(t), instance,
				Tag{ID: tag, Site: mine, Name: "Tides", Slug: "tides", Version: 1}); err != nil {
				t.Fatal(err)
			}
			b.poll(t)
			for _, slug := range []string{"boats", "ships"} {
				c, err := b.CategoryBySlug(t.Context(), mine, slug)
				if err != nil || c.ID != boats.ID || c.Slug != "ships" || c.Name != "Ships" || c.Parent != sea.ID {
					t.Errorf("at %q there is %+v, %v", slug, c, err)
				}
			}
			if got, err := b.TagBySlug(t.Context(), mine, "tide"); err != nil || got.Slug != "tides" {
				t.Errorf("at the old address of the tag there is %+v, %v", got, err)
			}
			_, err = a.UpdateCategory(system(t), instance, boats) // still version 1
			wantKind(t, err, stoa.KindConflict)

			// What is new takes the address, and what had it before keeps its own.
			fresh := a.category(t, mine, 0, "Boats")
			b.poll(t)
			if c, err := b.CategoryBySlug(t.Context(), mine, "boats"); err != nil || c.ID != fresh.ID {
				t.Errorf("the new category is not at its address: %+v, %v", c, err)
			}
			// An old word that is typed again means the tag that it became.
			if again := b.tag(t, mine, "Tide"); again != tag {
				t.Errorf("the old word of the tag made another tag, %d", again)
			}
		})
	}
}

func TestUpdate_RefusesRingsTakenAddressesAndOtherSites(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d)
		top := n.category(t, mine, 0, "Sea")
		mid := n.category(t, mine, top.ID, "Boats")
		other := n.category(t, theirs, 0, "Hills")
		update := func(c Category, change func(*Category)) error {
			c.Version, c.Slug = 1, Slug(c.Name)
			change(&c)
			_, err := n.UpdateCategory(system(t), instance, c)
			return err
		}
		wantKind(t, update(top, func(c *Category) { c.Parent = mid.ID }), stoa.KindInvalid)
		wantKind(t, update(top, func(c *Category) { c.Parent = top.ID }), stoa.KindInvalid)
		wantKind(t, update(top, func(c *Category) { c.Parent = other.ID }), stoa.KindInvalid)
		wantKind(t, update(top, func(c *Category) { c.Slug = "boats" }), stoa.KindConflict)
		wantKind(t, update(top, func(c *Category) { c.Slug = "../x" }), stoa.KindInvalid)
		wantKind(t, update(top, func(c *Category) { c.Name = "" }), stoa.KindInvalid)
		wantKind(t, update(top, func(c *Category) { c.Site = theirs }), stoa.KindNotFound)
		one, two := n.tag(t, mine, "One"), n.tag(t, mine, "Two")
		_, err := n.UpdateTag(system(t), instance, Tag{ID: one, Site: mine, Name: "Two", Version: 1})
		wantKind(t, err, stoa.KindConflict)
		guest := stoa.WithActor(t.Context(), stoa.Actor{Instance: instance})
		if _, err := n.UpdateCategory(guest, instance, top); err == nil {
			t.Error("a guest renames a category")
		}
		for what, err := range map[string]error{
			"rename a tag": func() error {
				_, err := n.UpdateTag(guest, instance,
					Tag{ID: one, Site: mine, Name: "x"})
				return err
			}(),
			"merge tags":       n.MergeTag(guest, instance, mine, one, two),
			"merge categories": n.MergeCategory(guest, instance, mine, mid.ID, top.ID),
			"delete a tag":     n.TrashTag(guest, instance, mine, one),
		} {
			if err == nil {
				t.Errorf("a guest may %s", what)
			}
		}
		wantKind(t, n.MergeCategory(system(t), instance, mine, top.ID, mid.ID), stoa.KindInvalid) // into one below
		wantKind(t, n.MergeCategory(system(t), instance, mine, top.ID, top.ID), stoa.KindInvalid)
		wantKind(t, n.MergeCategory(system(t), instance, mine, top.ID, other.ID), stoa.KindNotFound)
		wantKind(t, n.MergeTag(system(t), instance, theirs, one, two), stoa.KindNotFound)
	})
}

// Two editors on two nodes move two categories below each other at the same moment: one is refused.
func TestUpdate_TwoMovesMakeNoRing(t *testing.T) {
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			handles := dbtest.Nodes(t, e, 2)
			nodes := []*node{newNode(t, handles[0]), newNode(t, handles[1])}
			for round := range 5 {
				pair := []Category{nodes[0].category(t, mine, 0, fmt.Sprintf("A%d", round)),
					nodes[0].category(t, mine, 0, fmt.Sprintf("B%d", round))}
				var all sync.WaitGroup
				for i, c := range pair {
					all.Go(func() {
						c.Parent, c.Version, c.Slug = pair[1-i].ID, 1, Slug(c.Name)
						_, _ = nodes[i].UpdateCategory(system(t), instance, c) // which one is refused is not said
					})
				}
				all.Wait()
				list, err := nodes[0].CategoriesByID(t.Context(), mine, []stoa.ID{pair[0].ID, pair[1].ID})
				if err != nil || list[0].Parent != 0 && list[1].Parent != 0 {
					t.Errorf("round %d: each is below the other: %+v, %v", round, list, err)
				}
			}
		})
	}
}

func TestMerge_MovesAllAndLeadsOn(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d)
		from, into := n.tag(t, mine, "Colour"), n.tag(t, mine, "Color")
		const things = batch + 7
		if err := d.Write(system(t), func(ctx context.Context, tx *db.Tx) error {
			for i := range stoa.ID(things) {
				ids := []stoa.ID{from}
				if i%3 == 0 {
					ids = append(ids, into) // carries both
				}
				if err := n.Assign(ctx, tx, "article", 1000+i, mine, nil, ids); err != nil {
					return err
				}
			}
			tx.Changed("article", 1000, mine, 1)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		n.poll(t)
		if terms, err := n.Of(t.Context(), "article", 1001, mine); err != nil || terms.Tags[0].ID != from {
			t.Fatalf("%+v, %v", terms, err)
		}
		if got, err := n.Carried(t.Context(), "tag", from); err != nil || got != things {
			t.Errorf("%d carry it, %v; want %d", got, err, things)
		}
		if err := n.MergeTag(system(t), instance, mine, from, into); err != nil {
			t.Fatal(err)
		}
		n.poll(t)
		if got, err := n.Carried(t.Context(), "tag", into); err != nil || got != things {
			t.Errorf("%d carry the other one, %v; want %d", got, err, things)
		}
		if got, _ := n.Carried(t.Context(), "tag", from); got != 0 {
			t.Errorf("%d still carry what is gone", got)
		}
		for i := range stoa.ID(things) {
			terms, err := n.Of(t.Context(), "article", 1000+i, mine)
			if err != nil || len(terms.Tags) != 1 || terms.Tags[0].ID != into {
				t.Fatalf("thing %d carries %+v, %v", i, terms.Tags, err)
			}
		}
		if got, err := n.TagBySlug(t.Context(), mine, "colour"); err != nil || got.ID != into {
			t.Errorf("the old address leads to %+v, %v", got, err)
		}
		if again := n.tag(t, mine, "Colour"); again != into {
			t.Errorf("the old word made another tag")
		}

		// Categories: those below go along, and addresses that led to the one that is gone lead on.
		a, b := n.category(t, mine, 0, "Ships"), n.category(t, mine, 0, "Boats")
		below := n.category(t, mine, a.ID, "Sails")
		a.Slug, a.Version = "vessels", 1
		if _, err := n.UpdateCategory(system(t), instance, a); err != nil {
			t.Fatal(err)
		}
		n.assign(t, d, 77, []stoa.ID{a.ID, b.ID}, nil)
		if err := n.MergeCategory(system(t), instance, mine, a.ID, b.ID); err != nil {
			t.Fatal(err)
		}
		n.poll(t)
		for _, slug := range []string{"ships", "vessels", "boats"} {
			if got, err := n.CategoryBySlug(t.Context(), mine, slug); err != nil || got.ID != b.ID {
				t.Errorf("%s leads to %+v, %v", slug, got, err)
			}
		}
		if list, err := n.CategoriesByID(t.Context(), mine, []stoa.ID{below.ID}); err != nil || list[0].Parent != b.ID {
			t.Errorf("what was below is %+v, %v", list, err)
		}
		if err := n.TrashTag(system(t), instance, mine, into); err != nil {
			t.Fatal(err)
		}
		n.poll(t)
		_, err := n.TagBySlug(t.Context(), mine, "colour")
		wantKind(t, err, stoa.KindNotFound)
	})
}

func TestChosen_AnAddressCountsBeforeAName(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d)
		first, second := n.category(t, mine, 0, "Sport"), Category{Site: mine, Name: "sport", Slug: "sport-2"}
		second, err := n.AddCategory(system(t), instance, second)
		if err != nil {
			t.Fatal(err)
		}
		var tags [2]stoa.ID
		if err := d.Write(system(t), func(ctx context.Context, tx *db.Tx) (err error) {
			if tags[0], err = n.EnsureTag(ctx, tx, mine, "Sport", ""); err == nil {
				tags[1], err = n.EnsureTag(ctx, tx, mine, "sport", "sport-2")
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		for chosen, want := range map[string]int{"sport": 0, "sport-2": 1, "Sport": 0, "SPORT 2": 1} {
			c, err := n.CategoryChosen(t.Context(), mine, chosen)
			if id := []stoa.ID{first.ID, second.ID}[want]; err != nil || c.ID != id {
				t.Errorf("chosen %q: the category %d, %v; want %d", chosen, c.ID, err, id)
			}
			if tag, err := n.TagChosen(t.Context(), mine, chosen); err != nil || tag.ID != tags[want] {
				t.Errorf("chosen %q: the tag %d, %v; want %d", chosen, tag.ID, err, tags[want])
			}
		}
		if c, err := n.CategoryNamed(t.Context(), mine, "sport"); err != nil || c.ID != second.ID {
			t.Errorf("by its name: %+v, %v", c, err)
		}
	})
}
