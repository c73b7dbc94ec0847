package asset_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/asset/testdata/note"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

// all reads a list to its end in pages of two, and fails when something comes twice.
func (w *world) all(t testing.TB, ctx context.Context, f asset.Filter) []string {
	t.Helper()
	var out []string
	seen := map[stoa.ID]bool{}
	f.Limit = 2
	for {
		l, err := w.List(ctx, w.st, f)
		must(t, err)
		for _, e := range l.Items {
			if seen[e.ID] {
				t.Fatalf("%q is on two pages", e.Title("en"))
			}
			seen[e.ID] = true
			out = append(out, e.Title("en"))
		}
		if f.After = l.Next; f.After == "" {
			return out
		}
	}
}

// eachWay runs the test with lists that look few things up, with lists that follow an index, and with lists of the
// owner's rows while the entries are not all made.
func (w *world) eachWay(t *testing.T, fn func(t *testing.T)) {
	t.Helper()
	t.Run("rows", fn)
	w.settle(t)
	for name, narrow := range map[string]int{"narrow": 5000, "wide": 0} {
		w.SetNarrow(narrow)
		t.Run(name, fn)
	}
	w.SetNarrow(5000)
	w.unsettle(t)
}

func wantList(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: the list has %q, want %q", what, got, want)
	}
}

func TestList_OrdersTitlesAsPeopleDoOnEveryEngine(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		for _, title := range []string{"zebra", "Chapter 10", "Äpfel", "apple", "résumé", "Apfelwein", "Zebra", "Chapter 2",
			"resume", "日本", "", "Øre"} {
			w.save(t, note.Note{Title: title})
		}
		want := []string{"", "Äpfel", "Apfelwein", "apple", "Chapter 2", "Chapter 10", "Øre", "resume", "résumé", "zebra",
			"Zebra", "日本"}
		wantList(t, "by title", w.all(t, system(t), asset.Filter{Sort: asset.ByTitle}), want...)
		if got := len(w.all(t, system(t), asset.Filter{Sort: asset.ByModified})); got != len(want) {
			t.Errorf("by time the list has %d of %d", got, len(want))
		}
		if got := len(w.all(t, system(t), asset.Filter{Sort: asset.ByCreated, Words: "z"})); got != 2 {
			t.Errorf("two words begin with z, the list has %d", got)
		}
	})
}

func TestList_WhatIsEqualFollowsById(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		for range 7 {
			w.save(t, note.Note{Title: "Twin"})
		}
		older(t, d, "UPDATE asset_entry SET modified = 5, created = 5")
		older(t, d, "UPDATE note_note SET modified = 5, created = 5")
		w.eachWay(t, func(t *testing.T) {
			for _, f := range []asset.Filter{{Words: "twin"}, {Words: "twin", Sort: asset.ByCreated},
				{Words: "twin", Sort: asset.ByTitle}} {
				if got := len(w.all(t, system(t), f)); got != 7 {
					t.Errorf("order %d has %d of 7", f.Sort, got)
				}
			}
		})
	})
}

func TestList_ChoosesByWhatTheFilterSays(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		ann, ben := w.as(t, 901, access.RoleAdministrator), w.as(t, 902, access.RoleAdministrator)
		for i, title := range []string{"High water", "Low water", "Dürre im Süden", "東京の海", "Deleted water"} {
			by := ann
			if i%2 == 1 {
				by = ben
			}
			n, err := w.notes.Save(by, note.Note{Site: w.st, Title: title})
			must(t, err)
			if i == 4 {
				_, err = w.notes.Trash(ann, n, true)
				must(t, err)
			}
			if i < 2 {
				older(t, d, "INSERT INTO taxonomy_assigned (kind, thing, term_kind, term, site) VALUES ('note', ?, 'tag', 55, ?)",
					n.ID, w.st.ID)
			}
		}
		w.eachWay(t, func(t *testing.T) {
			for _, c := range []struct {
				what string
				f    asset.Filter
				want string
			}{
				{"everything", asset.Filter{}, "Dürre im Süden|High water|Low water|東京の海"},
				{"two beginnings", asset.Filter{Words: "WAT hi"}, "High water"},
				{"a word without its accents", asset.Filter{Words: "sud"}, "Dürre im Süden"},
				{"a word with them", asset.Filter{Words: "süden DÜRRE"}, "Dürre im Süden"},
				{"not the middle of a word", asset.Filter{Words: "ater"}, ""},
				{"inside a script without spaces", asset.Filter{Words: "海"}, "東京の海"},
				{"no wildcard", asset.Filter{Words: "%"}, "Dürre im Süden|High water|Low water|東京の海"},
				{"a person", asset.Filter{Owner: 902}, "Low water|東京の海"},
				{"a person and a word", asset.Filter{Owner: 902, Words: "water"}, "Low water"},
				{"a tag", asset.Filter{Tag: 55}, "High water|Low water"},
				{"a tag and a word", asset.Filter{Tag: 55, Words: "low"}, "Low water"},
				{"a category with the id of a tag", asset.Filter{Category: 55}, ""},
				{"the bin", asset.Filter{Status: []asset.Status{asset.Trashed}}, "Deleted water"},
				{"a status that none has", asset.Filter{Status: []asset.Status{asset.Draft}}, ""},
				{"two", asset.Filter{Status: []asset.Status{asset.Trashed, asset.Live}, Words: "water"},
					"Deleted water|High water|Low water"},
				{"a form that none has", asset.Filter{Form: "image/png"}, ""},
			} {
				c.f.Sort = asset.ByTitle
				want := strings.FieldsFunc(c.want, func(r rune) bool { return r == '|' })
				wantList(t, c.what, w.all(t, ann, c.f), want...)
				if n, more, err := w.Count(ann, w.st, c.f); err != nil || n != len(want) || more {
					t.Errorf("%s: the total is %d, %v, %v; want %d", c.what, n, more, err, len(want))
				}
			}
		})
		for what, f := range map[string]asset.Filter{
			"a kind that there is not":   {Kinds: []string{"elephant"}},
			"a status that there is not": {Status: []asset.Status{"x' OR 1=1"}},
			"an order that there is not": {Sort: 9},
			"a place that is none":       {After: "%%%"},
			"a place of another order":   {After: "eyJTb3J0IjoxLCJOIjo1LCJJRCI6NX0", Sort: asset.ByTitle},
		} {
			if _, err := w.List(ann, w.st, f); !stoa.Is(err, stoa.KindInvalid) {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

// Two instances see nothing of each other, and of one site each person sees what they may.
func TestList_AsksForEachThing(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		editor := w.as(t, 903, access.RoleEditor)
		guest, err := w.acc.GuestActor(system(t), w.st.Instance)
		must(t, err)
		for i := range 9 {
			w.save(t, note.Note{Title: fmt.Sprint("Note ", i), Private: i%3 == 0})
		}
		hidden, err := w.notes.Trash(system(t), w.save(t, note.Note{Title: "Note 9"}), true)
		must(t, err)
		f := asset.Filter{Sort: asset.ByTitle}
		w.eachWay(t, func(t *testing.T) {
			open := []string{"Note 1", "Note 2", "Note 4", "Note 5", "Note 7", "Note 8"}
			wantList(t, "an editor", w.all(t, editor, f), open...)
			if n, more, err := w.Count(editor, w.st, f); err != nil || n != 6 || more {
				t.Errorf("the total of an editor is %d, %v, %v", n, more, err)
			}
			asGuest := stoa.WithActor(t.Context(), guest)
			wantList(t, "a guest who would edit", w.all(t, asGuest, f))
			seen := asset.Filter{Sort: asset.ByTitle, Need: access.View,
				Status: []asset.Status{asset.Live, asset.Trashed}, Words: "note"}
			wantList(t, "a guest", w.all(t, asGuest, seen), open...)
			if n, _, err := w.Count(asGuest, w.st, seen); err != nil || n != 6 {
				t.Errorf("the total of a guest is %d, %v", n, err)
			}
		})
		stranger := stoa.WithActor(t.Context(), stoa.Actor{User: 904, Instance: w.st.Instance + 1, Admin: true})
		if _, err := w.List(stranger, w.st, f); !stoa.Is(err, stoa.KindNotFound) {
			t.Errorf("an administrator of another instance lists: %v", err)
		}
		if _, _, err := w.Count(stranger, w.st, f); !stoa.Is(err, stoa.KindNotFound) {
			t.Errorf("an administrator of another instance counts: %v", err)
		}
		claimed := w.st
		claimed.Instance++ // a site is believed to be where its row says
		if _, err := w.List(stranger, claimed, f); err == nil {
			t.Error("a site was listed as one of another instance")
		}
		_ = hidden
	})
}

// A person who may do little gets pages that end early and goes on from there, and no request looks at everything.
func TestList_EndsAPageWhenEnoughWasLookedAt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.New(t))
	w.settle(t)
	w.grow(t, 4500, "private")
	editor := w.as(t, 903, access.RoleEditor)
	pages := 0
	for f := (asset.Filter{}); ; pages++ {
		l, err := w.List(editor, w.st, f)
		must(t, err)
		if len(l.Items) > 0 {
			t.Fatalf("an editor sees %d private notes", len(l.Items))
		}
		if f.After = l.Next; f.After == "" {
			break
		}
	}
	if pages != 2 {
		t.Errorf("4500 entries were looked at in %d pages", pages+1)
	}
}

func TestCount_EndsAtTenThousand(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.settle(t)
		w.grow(t, asset.MostCounted+7, "")
		editor := w.as(t, 903, access.RoleEditor)
		for who, ctx := range map[string]context.Context{"the portal": system(t), "an editor": editor} {
			n, more, err := w.Count(ctx, w.st, asset.Filter{})
			if err != nil || n != asset.MostCounted || !more {
				t.Errorf("%s counts %d, more: %v, %v", who, n, more, err)
			}
		}
	})
}

// back reads a list from its end to its beginning in pages of two.
func (w *world) back(t testing.TB, ctx context.Context, f asset.Filter) []string {
	t.Helper()
	var out []string
	f.Limit, f.Before = 2, ""
	for { // to the last page
		l, err := w.List(ctx, w.st, f)
		must(t, err)
		if l.Next == "" {
			for _, e := range l.Items {
				out = append(out, e.Title("en"))
			}
			f.After, f.Before = "", l.Prev
			break
		}
		f.After = l.Next
	}
	for f.Before != "" {
		l, err := w.List(ctx, w.st, f)
		must(t, err)
		if l.Next == "" {
			t.Fatal("a page before another has none after it")
		}
		var page []string
		for _, e := range l.Items {
			page = append(page, e.Title("en"))
		}
		out = append(page, out...)
		f.Before = l.Prev
	}
	return out
}

// Whether the owner's rows are read or the entries, the list and its total are the same, forward and back.
func TestList_IsTheSameOfRowsAndOfEntries(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		ann, ben := w.as(t, 901, access.RoleAdministrator), w.as(t, 902, access.RoleEditor)
		for i := range 17 {
			ctx := ann
			if i%3 == 0 {
				ctx = ben
			}
			n, err := w.notes.Save(ctx, note.Note{Site: w.st, Private: i%5 == 4,
				Title: []string{"High water", "low Tide", "Ärger", "東京の海", "tide 10", "Tide 9"}[i%6]})
			must(t, err)
			older(t, d, "UPDATE note_note SET created = ?, modified = ? WHERE id = ?", 1000-i%4, 100+i*i%13, n.ID)
			if i == 8 {
				_, err = w.notes.Trash(ann, n, true)
				must(t, err)
			}
			if i%2 == 0 {
				older(t, d, "INSERT INTO taxonomy_assigned (kind, thing, term_kind, term, site) VALUES ('note', ?, 'tag', 55, ?)",
					n.ID, w.st.ID)
			}
		}
		type answer struct {
			forth, back []string
			total       int
		}
		read := func(narrow int, sorts ...asset.Sort) map[string]answer {
			t.Helper()
			w.SetNarrow(narrow)
			out := map[string]answer{}
			for who, ctx := range map[string]context.Context{"ann": ann, "ben": ben} {
				for what, f := range map[string]asset.Filter{"all": {}, "a word": {Words: "tide"}, "two": {Words: "1 tid"},
					"no word": {Words: "elephant"}, "a script": {Words: "海"}, "a tag": {Tag: 55}, "a person": {Owner: 902},
					"a word of a person": {Owner: 901, Words: "water"}, "live": {Status: []asset.Status{asset.Live}},
					"drafts": {Status: []asset.Status{asset.Draft}}, "visible": {Need: access.View},
					"lately": {Since: time.UnixMicro(105)}, "long ago": {Until: time.UnixMicro(104)},
					"between":       {Since: time.UnixMicro(102), Until: time.UnixMicro(109), Words: "tide"},
					"not in German": {Missing: "de"}, "not in English": {Missing: "en"}, "a form": {Form: "letter"},
					"a folder": {Parent: 7}} {
					for _, f.Sort = range sorts {
						a := answer{forth: w.all(t, ctx, f), back: w.back(t, ctx, f)}
						n, more, err := w.Count(ctx, w.st, f)
						must(t, err)
						name := fmt.Sprint(who, " ", what, " ", f.Sort)
						if a.total = n; more || n != len(a.forth) || !slices.Equal(a.forth, a.back) {
							t.Errorf("%s: forward %q, back %q, total %d", name, a.forth, a.back, n)
						}
						out[name] = a
					}
				}
			}
			return out
		}
		same := func(how string, got, want map[string]answer) {
			t.Helper()
			for name, g := range got {
				if !slices.Equal(g.forth, want[name].forth) || g.total != want[name].total {
					t.Errorf("%s: %s has %q of rows, %q of entries", how, name, g.forth, want[name].forth)
				}
			}
		}
		rows := read(5000, asset.ByModified, asset.ByCreated, asset.ByTitle)
		wide := read(0, asset.ByModified, asset.ByCreated)
		if len(rows["ann all 2"].forth) != 16 || len(rows["ben all 0"].forth) >= 16 || rows["ann a word 1"].total == 0 {
			t.Fatalf("the lists are not what this test is about: %v", rows)
		}
		if _, err := w.List(ann, w.st, asset.Filter{Sort: asset.ByTitle}); !stoa.Is(err, stoa.KindUnavailable) ||
			!errors.Is(err, asset.ErrUnsorted) {
			t.Errorf("too many titles that have no keys yet were put in order: %v", err)
		}
		w.settle(t)
		same("few rows", rows, read(5000, asset.ByModified, asset.ByCreated, asset.ByTitle))
		same("many rows", wide, read(0, asset.ByModified, asset.ByCreated))
	})
}

// Who goes back comes to the first page and finds it full, whatever was added before the place meanwhile.
func TestList_GoesBackToAFullFirstPage(t *testing.T) {
	w := newWorld(t, dbtest.New(t))
	for _, title := range []string{"c", "d", "e", "f"} {
		w.save(t, note.Note{Title: title})
	}
	f := asset.Filter{Sort: asset.ByTitle, Limit: 2}
	w.eachWay(t, func(t *testing.T) {
		first, err := w.List(system(t), w.st, f)
		must(t, err)
		second, err := w.List(system(t), w.st, asset.Filter{Sort: f.Sort, Limit: 2, After: first.Next})
		must(t, err)
		added := w.save(t, note.Note{Title: "a"})
		defer func() { must(t, w.notes.Purge(system(t), added)) }()
		back, err := w.List(system(t), w.st, asset.Filter{Sort: f.Sort, Limit: 2, Before: second.Prev})
		must(t, err)
		if back.Items[0].Title("en") != "c" || back.Prev == "" || len(back.Items) != 2 {
			t.Fatalf("the page before the second: %v, more before: %q", back.Items, back.Prev)
		}
		start, err := w.List(system(t), w.st, asset.Filter{Sort: f.Sort, Limit: 2, Before: back.Prev})
		must(t, err)
		if len(start.Items) != 2 || start.Items[0].Title("en") != "a" || start.Prev != "" {
			t.Errorf("the first page when going back: %v, more before: %q", start.Items, start.Prev)
		}
	})
}
