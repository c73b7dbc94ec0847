package asset_test

import (
	"context"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/asset/testdata/note"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

// told lets the follower look at what the change log names, until it asks for nothing once more.
func (w *world) told(t testing.TB, each func(), named ...asset.Named) {
	t.Helper()
	for rounds := 0; len(named) > 0; rounds++ {
		if rounds > 100 {
			t.Fatalf("the follower never ends with %v", named)
		}
		must(t, w.d.Write(system(t), func(ctx context.Context, tx *db.Tx) (err error) {
			again, err := w.Follow(ctx, tx, named)
			tx.AfterCommit(func() { named = again })
			return err
		}))
		each()
	}
}

func (w *world) broken(t testing.TB, to stoa.ID) int {
	t.Helper()
	return count(t, w.d, "SELECT count(*) FROM asset_link WHERE to_kind = 'note' AND to_id = ? AND broken = ?", to, true)
}

// What all refer to is marked in portions: the first in the transaction of its owner, the others by the follower.
func TestMark_NoTransactionMarksVeryManyReferences(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		logo := w.save(t, note.Note{Title: "Logo"})
		const all, most = 1701, 510 // two of each thing
		must(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			for i := range all {
				if err := tx.Insert(ctx, "asset_link", db.Row{"kind": "note", "id": 1<<40 + i/2, "part": 0, "place": i % 2,
					"site": w.st.ID, "to_kind": "note", "to_id": logo.ID, "address": "", "broken": false}); err != nil {
					return err
				}
			}
			return nil
		}))
		marked := 0
		portion := func() {
			t.Helper()
			n := w.broken(t, logo.ID)
			if n-marked > most || marked-n > most {
				t.Errorf("a transaction has marked %d references", n-marked)
			}
			marked = n
		}
		for _, into := range []bool{true, false} {
			want := 0
			if into {
				want = all
			}
			var err error
			logo, err = w.notes.Trash(system(t), logo, into)
			must(t, err)
			portion()
			if marked == want {
				t.Error("the transaction of the owner has marked all")
			}
			w.told(t, portion, asset.Named{Change: "note", ID: logo.ID})
			if marked != want {
				t.Errorf("in the bin: %v; %d of %d references are marked", into, marked, all)
			}
		}
		// The comparison of all finds them, too.
		older(t, d, "UPDATE asset_link SET broken = ?", true)
		marked = w.broken(t, logo.ID)
		for {
			st, err := w.Compare(system(t), "note", nil)
			must(t, err)
			if portion(); st.Last == 0 {
				break
			}
		}
		if marked != 0 {
			t.Errorf("%d references are marked after a comparison", marked)
		}
	})
}

// A transaction that deletes and one that refers to the same thing do not see each other; the follower is told of both.
func TestMark_AReferenceBesideADeletionIsMended(t *testing.T) {
	for _, e := range []dbtest.Engine{dbtest.Postgres, dbtest.MariaDB} { // on SQLite one waits for the other
		t.Run(string(e), func(t *testing.T) {
			handles := dbtest.Nodes(t, e, 2)
			w := newWorld(t, handles[0])
			target := w.save(t, note.Note{Title: "Target"})
			var from note.Note
			must(t, handles[1].Write(system(t), func(ctx context.Context, tx *db.Tx) error {
				if _, err := tx.Exec(ctx, "DELETE FROM note_note WHERE id = ?", target.ID); err != nil {
					return err
				}
				tx.Changed("note", target.ID, w.st.ID, 2)
				if err := w.EnterLinked(ctx, tx, "note", target.ID); err != nil {
					return err
				}
				from = w.save(t, note.Note{Title: "From", Refers: "/n/" + target.ID.String()})
				return nil
			}))
			if n := w.broken(t, target.ID); n != 0 {
				t.Fatalf("%d references are marked: the two have seen each other", n)
			}
			w.told(t, func() {}, asset.Named{Change: "note", ID: target.ID})
			if n := w.broken(t, target.ID); n != 1 {
				t.Errorf("%d references are marked after the deletion was told", n)
			}
			older(t, handles[0], "UPDATE asset_link SET broken = ?", false)
			w.told(t, func() {}, asset.Named{Change: "note", ID: from.ID})
			if n := w.broken(t, target.ID); n != 1 {
				t.Errorf("%d references are marked after the save was told", n)
			}
		})
	}
}

// While the entries of older things are filled, what refers to them is not broken, whichever comes first.
func TestMark_WhatIsNotFilledYetIsThere(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		const first = 1 << 40
		w.many(t, first, 3)
		w.save(t, note.Note{Title: "New", Refers: "/n/1099511627776"})
		if n := w.broken(t, first); n != 0 {
			t.Errorf("%d references to a note without an entry are broken", n)
		}
	})
}

// The follower holds the rows of few things at a time: a save of one of them waits for it.
func TestFollow_HoldsFewRows(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		const first, all = 1 << 40, 90
		w.many(t, first, 2*all)
		have := 0
		portion := func() {
			t.Helper()
			n := count(t, d, "SELECT count(*) FROM asset_entry")
			if n-have > 20 {
				t.Errorf("a transaction has held %d rows", n-have)
			}
			have = n
		}
		var named []asset.Named
		for i := range all {
			named = append(named, asset.Named{Change: "note", ID: stoa.ID(first + i)})
		}
		w.told(t, portion, named...)
		if have != all {
			t.Errorf("%d of %d entries are there", have, all)
		}
		from, calls := "", 0
		for {
			must(t, d.Write(system(t), func(ctx context.Context, tx *db.Tx) error {
				next, err := w.FollowAll(ctx, tx, "", 0, from)
				if next == from && next != "" {
					t.Fatalf("the portion from %q leads to itself", from)
				}
				tx.AfterCommit(func() { from = next })
				return err
			}))
			portion()
			if calls++; from == "" || calls > 100 {
				break
			}
		}
		if have != 2*all {
			t.Errorf("%d of %d entries are there", have, 2*all)
		}
	})
}
