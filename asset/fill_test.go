package asset_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/asset/testdata/note"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

// many makes rows as nodes of the version before have made them.
func (w *world) many(t testing.TB, from, count int) {
	t.Helper()
	for at := from; at < from+count; at += 500 {
		must(t, w.d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			for i := at; i < min(at+500, from+count); i++ {
				err := tx.Insert(ctx, "note_note", db.Row{"id": i, "site": w.st.ID, "title": "Note", "made_by": i % 7,
					"private": false, "deleted": false, "created": i, "modified": i, "refers": "", "version": 1})
				if err != nil {
					return err
				}
			}
			return nil
		}))
	}
}

func count(t testing.TB, d *db.DB, query string, args ...any) (n int) {
	t.Helper()
	must(t, d.QueryRow(t.Context(), query, args...).Scan(&n))
	return n
}

// whole compares until the end of the pass. No transaction holds the rows of many: a save would wait for it.
func whole(t testing.TB, s *asset.Service) asset.Standing {
	t.Helper()
	for {
		before, err := s.Standings(system(t))
		must(t, err)
		st, err := s.Compare(system(t), "note", nil)
		must(t, err)
		if n := st.Mended - before[0].Mended; n > 20 {
			t.Fatalf("a transaction has held %d rows", n)
		}
		if st.Last == 0 {
			return st
		}
	}
}

// finish makes the schema serve no node that writes no entries.
func finish(t testing.TB, d *db.DB) {
	t.Helper()
	_, err := d.Finish(t.Context(), db.Finish{Others: func(context.Context, func(int64) bool) error { return nil }})
	must(t, err)
}

func TestCompare_FillsWhatIsOlderInPortionsAndGoesOnAfterAKill(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		const first = 1 << 40
		w.many(t, first, 450)
		st, err := w.Compare(system(t), "note", nil)
		must(t, err)
		if n := count(t, d, "SELECT count(*) FROM asset_entry"); n != 20 || st.Last != first+19 || st.Passes != 0 {
			t.Fatalf("the first portion made %d entries and came to %d in pass %d", n, st.Last-first, st.Passes)
		}
		// A run that has lost its claim leaves nothing behind.
		lost := errors.New("lost")
		if _, err := w.Compare(system(t), "note", func(tx *db.Tx) {
			tx.Fence(func(context.Context, *db.Tx) error { return lost })
		}); !errors.Is(err, lost) {
			t.Fatalf("a run that is lost: %v", err)
		}
		if n := count(t, d, "SELECT count(*) FROM asset_entry"); n != 20 {
			t.Fatalf("a run that is lost made %d entries", n-20)
		}
		// Another node goes on where the portion before ended.
		other, err := asset.New(asset.Options{DB: d, Access: w.acc})
		must(t, err)
		must(t, other.Register(w.notes.AssetType()))
		st, err = other.Compare(system(t), "note", nil)
		must(t, err)
		if st.Last != first+39 {
			t.Fatalf("the second portion came to %d", st.Last-first)
		}
		st = whole(t, other)
		if n := count(t, d, "SELECT count(*) FROM asset_entry"); n != 450 || st.Last != 0 || st.Passes != 1 ||
			st.Mended != 450 {
			t.Fatalf("%d entries after the last portion: %+v", n, st)
		}
		// An orphan, a row without entry and one that is old are found by the next passes.
		older(t, d, "DELETE FROM note_note WHERE id = ?", first+7)
		older(t, d, "DELETE FROM asset_entry WHERE id = ?", first+220)
		older(t, d, "UPDATE note_note SET version = 9 WHERE id = ?", first+449)
		for range 3 {
			st, err = w.Compare(system(t), "note", nil)
			must(t, err)
		}
		if st.Mended != 453 || st.Passes != 2 || st.Compared != 900 {
			t.Errorf("three differences were mended as %+v", st)
		}
		if compared, mended := w.Tally("note"); compared != 470 || mended != 3 {
			t.Errorf("the node counts %d things and %d mended", compared, mended)
		}
		if _, err := w.Compare(t.Context(), "note", nil); !stoa.Is(err, stoa.KindForbidden) {
			t.Errorf("a guest compares: %v", err)
		}
	})
}

func TestReady_OnlyAfterAllWasComparedSinceOlderNodesAreGone(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.many(t, 1<<40, 250)
		ready := func(want bool, when string) {
			t.Helper()
			got, err := w.Ready(t.Context(), "note")
			must(t, err)
			if got != want {
				t.Errorf("ready %s: %v", when, got)
			}
		}
		compare := func(times int) {
			t.Helper()
			for range times {
				_, err := w.Compare(system(t), "note", nil)
				must(t, err)
			}
		}
		ready(false, "at the start")
		whole(t, w.Service)
		ready(false, "while older nodes may write")
		compare(1) // half of a pass; then the schema is finished, and an older node has changed something before
		older(t, d, "UPDATE note_note SET version = 2 WHERE id = ?", 1<<40)
		finish(t, d)
		compare(1)
		ready(false, "after the rest of a pass that began before")
		compare(1)
		ready(true, "after a whole pass")
		if n := count(t, d, "SELECT version FROM asset_entry WHERE id = ?", 1<<40); n != 2 {
			t.Errorf("the entry has version %d", n)
		}
		n := w.save(t, note.Note{Title: "New"})
		compare(1)
		ready(true, "for ever")
		if got, err := w.Ready(t.Context(), "note", "elephant"); err != nil || got {
			t.Errorf("a kind that was never compared is ready: %v, %v", got, err)
		}
		_ = n
	})
}

func TestBegin_IsForADatabaseWithNothingInIt(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		if err := w.Begin(w.as(t, 901, access.RoleEditor)); !stoa.Is(err, stoa.KindForbidden) {
			t.Errorf("a person begins: %v", err)
		}
		ready := func(want bool, when string) {
			t.Helper()
			if got, err := w.Ready(t.Context(), "note"); err != nil || got != want {
				t.Errorf("ready %s: %v, %v", when, got, err)
			}
		}
		must(t, w.Begin(system(t)))
		ready(true, "in a new database")
		_, err := w.Compare(system(t), "note", nil)
		must(t, err)
		ready(true, "after a comparison while older nodes may come")

		older(t, d, "DELETE FROM asset_fill")
		w.many(t, 1<<40, 3) // which an older node has made
		must(t, w.Begin(system(t)))
		ready(false, "where there is something older")
	})
}

func TestFill_WaitsForTheOwnerAndNeverWritesAnOlderState(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			handles := dbtest.Nodes(t, e, 2)
			w := newWorld(t, handles[0])
			other, err := asset.New(asset.Options{DB: handles[1], Access: w.acc})
			must(t, err)
			must(t, other.Register(w.notes.AssetType()))
			n := w.save(t, note.Note{Title: "0"})
			id := n.ID // n changes while the other node fills
			ctx := system(t)
			done := make(chan error, 1)
			stop := make(chan struct{})
			go func() {
				for {
					select {
					case <-stop:
						done <- nil
						return
					default:
					}
					if _, err := other.Fill(ctx, "note", id); err != nil {
						done <- err
						return
					}
				}
			}()
			for range 40 {
				n = w.save(t, n)
				if got := count(t, handles[0], "SELECT version FROM asset_entry WHERE id = ?", n.ID); int64(got) != n.Version {
					t.Errorf("the entry has version %d after the note was saved as %d", got, n.Version)
				}
			}
			must(t, w.notes.Purge(ctx, n))
			close(stop)
			must(t, <-done)
			if e, words := w.entries(t, n.ID); e+words != 0 {
				t.Errorf("%d entries and %d words of a note that is gone", e, words)
			}
		})
	}
}
