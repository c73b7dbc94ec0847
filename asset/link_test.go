package asset_test

import (
	"context"
	"slices"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/asset/testdata/note"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

func TestLinks_TellWhoRefersAndWhatLeadsNowhere(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		editor := w.as(t, 905, access.RoleEditor)
		target := w.save(t, note.Note{Title: "Target"})
		at := "/n/" + target.ID.String()
		open := w.save(t, note.Note{Title: "Open", Refers: at + "?a=b#c " + at + " https://example.org" + at + " /elsewhere"})
		w.save(t, note.Note{Title: "Private", Refers: at, Private: true})
		lost := w.save(t, note.Note{Title: "Lost", Refers: "/n/12345678"})
		uses := func(what string, other int, want ...string) {
			t.Helper()
			u, err := w.Uses(editor, "note", target.ID)
			must(t, err)
			var got []string
			for _, e := range u.Items {
				got = append(got, e.Title("en"))
			}
			if !slices.Equal(got, want) || u.Other != other {
				t.Errorf("%s: %q and %d others refer, want %q and %d", what, got, u.Other, want, other)
			}
		}
		broken := func(what string, want ...string) {
			t.Helper()
			list, err := w.Broken(editor, w.st, "")
			must(t, err)
			var got []string
			for _, b := range list.Items {
				got = append(got, b.From.Title("en")+" → "+b.Address)
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%s: broken are %q, want %q", what, got, want)
			}
		}
		uses("at first", 1, "Open")
		broken("at first", "Lost → /n/12345678")
		target, err := w.notes.Trash(system(t), target, true)
		must(t, err)
		broken("in the bin", "Lost → /n/12345678", "Open → "+at)
		target, err = w.notes.Trash(system(t), target, false)
		must(t, err)
		broken("out of the bin", "Lost → /n/12345678")
		open.Refers = "/n/" + open.ID.String()
		w.save(t, open)
		uses("after the reference was taken out", 1)
		must(t, w.notes.Purge(system(t), target))
		broken("after it was deleted", "Lost → /n/12345678")
		// Something comes to the address of a reference that led nowhere; a node from before writes it.
		older(t, d, "INSERT INTO note_note (id, site, title, made_by, private, deleted, created, modified, refers, version) "+
			"VALUES (12345678, ?, 'Found', 1, ?, ?, 5, 5, ?, 1)", w.st.ID, false, false, "/n/"+lost.ID.String())
		_, err = w.Fill(system(t), "note", 12345678)
		must(t, err)
		broken("when something is there")
		u, err := w.Uses(editor, "note", 12345678)
		must(t, err)
		if len(u.Items) != 1 || u.Items[0].ID != lost.ID {
			t.Errorf("what was found is used by %v", u.Items)
		}
		if u, err = w.Uses(editor, "note", lost.ID); err != nil || len(u.Items) != 1 || u.Items[0].ID != 12345678 {
			t.Errorf("the references of what an older node has written: %v, %v", u, err)
		}
		stranger := stoa.WithActor(t.Context(), stoa.Actor{User: 904, Instance: w.st.Instance + 1, Admin: true})
		if _, err := w.Uses(stranger, "note", lost.ID); !stoa.Is(err, stoa.KindNotFound) {
			t.Errorf("an administrator of another instance asks what refers: %v", err)
		}
		if _, err := w.Broken(stranger, w.st, ""); !stoa.Is(err, stoa.KindNotFound) {
			t.Errorf("an administrator of another instance asks what is broken: %v", err)
		}
	})
}

func TestAddressLinks_LeavesOutWhatIsNotOfTheSite(t *testing.T) {
	t.Parallel()
	got := asset.AddressLinks(3, []string{"/w/a?x=1", "/w/a#top", "//example.org/w/a", "mailto:a@example.org", "w/b", "#c",
		"https://example.org/w/c", " /w/d ", "%zz", "/%C3%BCber", ""})
	want := []asset.Link{{Part: 3, Address: "/w/a"}, {Part: 3, Address: "/w/d"}, {Part: 3, Address: "/über"}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// recorder is a change log that only remembers.
type recorder struct{ changes []db.Change }

func (r *recorder) Append(_ context.Context, _ *db.Tx, changes []db.Change) (uint64, error) {
	r.changes = append(r.changes, changes...)
	return 1, nil
}
func (*recorder) Settle(context.Context, uint64) (bool, error)    { return true, nil }
func (*recorder) Done(context.Context, uint64, []db.Change, bool) {}

// What is found may be taken away by a transaction that does not see the mended reference: the follower looks again.
func TestBroken_TheFollowerIsToldOfWhatIsMended(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		editor := w.as(t, 905, access.RoleEditor)
		lost := w.save(t, note.Note{Title: "Lost", Refers: "/n/12345678"})
		w.save(t, note.Note{Title: "Still lost", Refers: "/n/12345679"})
		older(t, d, "INSERT INTO note_note (id, site, title, made_by, private, deleted, created, modified, refers, version) "+
			"VALUES (12345678, ?, 'Found', 1, ?, ?, 5, 5, '', 1)", w.st.ID, false, false)
		_, err := w.Fill(system(t), "note", 12345678)
		must(t, err)
		var log recorder
		d.SetJournal(&log)
		list, err := w.Broken(editor, w.st, "")
		must(t, err)
		want := db.Change{Kind: "note", ID: lost.ID, Scope: w.st.ID}
		if len(list.Items) != 1 || !slices.Equal(log.changes, []db.Change{want}) {
			t.Errorf("broken are %+v, and the follower is told of %+v; want one and %+v", list.Items, log.changes, want)
		}
	})
}
