package taxonomy

import (
	"context"
	"strings"
	"testing"
	"testing/quick"
	"unicode/utf8"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

const (
	instance stoa.ID = 1
	mine     stoa.ID = 11
	theirs   stoa.ID = 12
)

func (n *node) category(t *testing.T, site, parent stoa.ID, name string) Category {
	t.Helper()
	c, err := n.AddCategory(system(t), instance, Category{Site: site, Parent: parent, Name: name})
	if err != nil {
		t.Fatalf("add the category %q: %v", name, err)
	}
	return c
}

func (n *node) tag(t *testing.T, site stoa.ID, name string) stoa.ID {
	t.Helper()
	id, err := n.AddTag(system(t), instance, site, name)
	if err != nil {
		t.Fatalf("add the tag %q: %v", name, err)
	}
	return id
}

func (n *node) assign(t *testing.T, d *db.DB, thing stoa.ID, categories, tags []stoa.ID) {
	t.Helper()
	if err := d.Write(system(t), func(ctx context.Context, tx *db.Tx) error {
		tx.Changed("article", thing, mine, 1)
		return n.Assign(ctx, tx, "article", thing, mine, categories, tags)
	}); err != nil {
		t.Fatal(err)
	}
	n.poll(t)
}

func TestCategories_FormATree(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d)
		top := n.category(t, mine, 0, "Sea")
		mid := n.category(t, mine, top.ID, "Boats")
		n.category(t, mine, mid.ID, "Sails")
		n.category(t, theirs, 0, "Hills")
		list, _, err := n.Tree(t.Context(), mine)
		if err != nil || len(list) != 3 || list[0].Name != "Boats" || list[1].Name != "Sails" || list[2].Name != "Sea" {
			t.Fatalf("categories %+v, %v; want Boats, Sails, Sea", list, err)
		}
		wantKind(t, n.TrashCategory(system(t), instance, theirs, mid.ID), stoa.KindNotFound) // by a forged site
		_, err = n.AddCategory(system(t), instance, Category{Site: theirs, Parent: mid.ID, Name: "Oars"})
		wantKind(t, err, stoa.KindInvalid)
	})
}

func TestAssign_RefusesTermsOfOtherSites(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d)
		own, foreign := n.category(t, mine, 0, "Own"), n.category(t, theirs, 0, "Foreign")
		ownTag, foreignTag := n.tag(t, mine, "own"), n.tag(t, theirs, "foreign")
		// Twice the same, kinds mixed up, and ids of nothing.
		n.assign(t, d, 5, []stoa.ID{own.ID, own.ID, foreign.ID, ownTag, 424242, -1}, []stoa.ID{ownTag, foreignTag, ownTag, own.ID})
		terms, err := n.Of(t.Context(), "article", 5, mine)
		if err != nil || len(terms.Categories) != 1 || terms.Categories[0].ID != own.ID || len(terms.Tags) != 1 || terms.Tags[0].ID != ownTag {
			t.Fatalf("the article carries %+v, %v", terms, err)
		}
		n.assign(t, d, 5, nil, nil)
		if terms, err = n.Of(t.Context(), "article", 5, mine); err != nil || len(terms.Categories)+len(terms.Tags) != 0 {
			t.Errorf("after it was cleared the article carries %+v, %v", terms, err)
		}
	})
}

func TestTags_TheSameNameIsOneTagOnEveryNode(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			handles := dbtest.Nodes(t, e, 2)
			a, b := newNode(t, handles[0]), newNode(t, handles[1])
			if list, err := b.SearchTags(t.Context(), mine, "", "", 10); err != nil || len(list.Items) != 0 {
				t.Fatalf("%+v, %v", list.Items, err)
			}
			id := a.tag(t, mine, "  High   tide ")
			if again := b.tag(t, mine, "High tide"); again != id {
				t.Errorf("two tags, %d and %d", id, again)
			}
			b.poll(t)
			if got, err := b.TagBySlug(t.Context(), mine, "high-tide"); err != nil || got.ID != id || got.Name != "High tide" {
				t.Errorf("%+v, %v", got, err)
			}
			_, err := b.TagBySlug(t.Context(), theirs, "high-tide")
			wantKind(t, err, stoa.KindNotFound)
		})
	}
}

func TestTaxonomy_GuestsChangeNothing(t *testing.T) {
	t.Parallel()
	n := newNode(t, dbtest.New(t))
	c := n.category(t, mine, 0, "Sea")
	ctx := stoa.WithActor(t.Context(), stoa.Actor{Instance: instance})
	if _, err := n.AddCategory(ctx, instance, Category{Site: mine, Name: "x"}); err == nil {
		t.Error("a guest adds a category")
	}
	if _, err := n.AddTag(ctx, instance, mine, "x"); err == nil {
		t.Error("a guest adds a tag")
	}
	if err := n.TrashCategory(ctx, instance, mine, c.ID); err == nil {
		t.Error("a guest deletes a category")
	}
	n.poll(t)
	if list, _, err := n.Tree(t.Context(), mine); err != nil || len(list) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestTaxonomy_HostileNames(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d)
		for _, name := range []string{"", " \t\n", strings.Repeat("x", 191)} {
			_, err := n.AddTag(system(t), instance, mine, name)
			wantKind(t, err, stoa.KindInvalid)
			_, err = n.AddCategory(system(t), instance, Category{Site: mine, Name: name})
			wantKind(t, err, stoa.KindInvalid)
		}
		fits := Category{Site: mine, Name: "Fits", Description: strings.Repeat("x", MaxDescription)}
		fits, err := n.AddCategory(system(t), instance, fits)
		if err != nil {
			t.Fatal(err)
		}
		fits.Version = 1
		for _, text := range []string{strings.Repeat("x", MaxDescription+1), "\xff", "a\x00b"} {
			fits.Description = text
			_, err := n.UpdateCategory(system(t), instance, fits)
			wantKind(t, err, stoa.KindInvalid)
			_, err = n.AddCategory(system(t), instance, Category{Site: mine, Name: "Long", Description: text})
			wantKind(t, err, stoa.KindInvalid)
		}
		if n := sizeOf([]Category{fits, {Description: strings.Repeat("x", 3000)}}); n < 3000 {
			t.Errorf("a long description counts %d bytes", n)
		}
		for name, slug := range map[string]string{"'; DROP TABLE taxonomy_tag; --": "drop-table-taxonomy-tag", "<b>": "b", "../../etc": "etc", "海 と 山": "海-と-山", "!!!": "untitled", "Ärger’s": "ärgers"} {
			id := n.tag(t, mine, name)
			n.poll(t)
			if got, err := n.TagBySlug(t.Context(), mine, slug); err != nil || got.ID != id {
				t.Errorf("%q: no tag at %q: %v", name, slug, err)
			}
		}
	})
}

func TestSlug_IsShortAndHasOnlyLettersDigitsAndDashes(t *testing.T) {
	t.Parallel()
	ok := func(s string) bool {
		got := Slug(s)
		return got != "" && len(got) <= 190 && utf8.ValidString(got) && !strings.ContainsAny(got, " /?#%&<>\"'\\\x00") &&
			!strings.HasPrefix(got, "-") && !strings.HasSuffix(got, "-") && !strings.Contains(got, "--") && Slug(got) == got
	}
	if err := quick.Check(ok, nil); err != nil {
		t.Error(err)
	}
	for _, s := range []string{strings.Repeat("long words ", 100), strings.Repeat("海", 200), "\xff\xfe", "a\u0301", "İ", "ẞ"} {
		if !ok(s) {
			t.Errorf("%.20q becomes %q", s, Slug(s))
		}
	}
}
