package document_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/filestore"
	"github.com/stoa-portal/stoa/site"
)

const day = 24 * time.Hour

func (n *node) sweep(t *testing.T, now time.Time) document.Swept {
	t.Helper()
	w, err := n.Sweep(system(t), now)
	must(t, err)
	return w
}

// list gives what is in the store.
func (n *node) list(t *testing.T) []string {
	t.Helper()
	var out []string
	must(t, n.store.List(t.Context(), "", func(i filestore.Info) error { out = append(out, i.Key); return nil }))
	slices.Sort(out)
	return out
}

func (n *node) put(t *testing.T, keys ...string) {
	t.Helper()
	for _, key := range keys {
		_, err := n.store.Put(t.Context(), key, strings.NewReader("bytes"), -1)
		must(t, err)
	}
}

// born changes the time at which the portal was made.
func (n *node) born(t *testing.T, at time.Time) {
	t.Helper()
	must(t, n.d.Write(system(t), func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE site_site SET created = ?", db.Micros(at))
		return err
	}))
}

func TestSweep_RemovesWhatNoFileRefersToDaysAfterItWasFound(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node, st site.Site) {
		n.born(t, time.Now().Add(-time.Hour))
		f := n.upload(t, st, "kept.txt", []byte("kept"))
		orphan := filestore.NewKey()
		others := []string{"history/1-abc", "identity", "preview/x", "document/a/b"}
		n.put(t, append(others, "document/"+orphan, "document/"+orphan+"-w320", "document/"+f.Key+"-w160")...)
		now := time.Now()
		_, err := n.Sweep(t.Context(), now)
		wantKind(t, err, stoa.KindForbidden, "an actor who sweeps")
		if w := n.sweep(t, now); w.Found != 0 || w.Waiting != 0 {
			t.Errorf("bytes of an upload on its way: %+v", w)
		}
		found := now.Add(2 * day)
		if w := n.sweep(t, found); w.Found != 1 || w.Waiting != 1 || w.Removed != 0 {
			t.Errorf("first found: %+v", w)
		}
		if w := n.sweep(t, found.Add(7*day-time.Hour)); w.Found != 0 || w.Removed != 0 || w.Waiting != 1 {
			t.Errorf("less than seven days later: %+v", w)
		}
		if w := n.sweep(t, found.Add(7*day+time.Hour)); w.Removed != 1 || w.Waiting != 0 || w.Freed == 0 {
			t.Errorf("seven days later: %+v", w)
		}
		want := append(others, "document/"+f.Key, "document/"+f.Key+"-w160")
		slices.Sort(want)
		if left := n.list(t); !slices.Equal(left, want) {
			t.Errorf("left: %v, want %v", left, want)
		}
		// A database that is younger than the bytes does not know whose they are.
		n.put(t, "document/"+orphan)
		n.born(t, now.Add(time.Hour))
		if w := n.sweep(t, found); w.Found != 0 {
			t.Errorf("older than the database: %+v", w)
		}
	})
}

func TestSweep_ReferencedAgainLeavesTheBin(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node, st site.Site) {
		f := n.upload(t, st, "restored.txt", []byte("bytes"))
		must(t, n.Delete(system(t), f.ID))
		now := time.Now()
		restore := func() { // as a database that is restored shows it
			must(t, n.d.Write(system(t), func(ctx context.Context, tx *db.Tx) error {
				return tx.Insert(ctx, "document_file", db.Row{"id": f.ID, "site": f.Site, "file_key": f.Key, "name": f.Name,
					"type": f.Type, "size": f.Size, "width": 0, "height": 0, "alt": "", "hash": f.Hash, "source": "",
					"created": db.Micros(f.Created), "created_by": 0, "version": 1})
			}))
		}
		restore()
		if w := n.sweep(t, now.Add(2*day)); w.Returned != 1 || w.Waiting != 0 {
			t.Errorf("referenced again: %+v", w)
		}
		// Also after the time at which its bytes would have gone.
		must(t, n.Delete(system(t), f.ID))
		restore()
		if w := n.sweep(t, now.Add(30*day)); w.Removed != 0 || w.Returned != 1 || w.Waiting != 0 {
			t.Errorf("referenced again after it was due: %+v", w)
		}
		if data, _ := n.bytesOf(t, system(t), f.Key, 0); string(data) != "bytes" {
			t.Errorf("%q", data)
		}
	})
}

func TestSweep_WaitsForBackupsAndHistories(t *testing.T) {
	t.Parallel()
	n, st := lite(t, 0, 0)
	f := n.upload(t, st, "a.txt", []byte("bytes"))
	must(t, n.Delete(system(t), f.ID))
	var oldest, born time.Time
	running := false
	now := time.Now()
	c, err := cache.New(cache.Options{Proof: cache.Boottime, InTransaction: db.InWrite})
	must(t, err)
	t.Cleanup(c.Close)
	s, err := document.New(document.Options{DB: n.d, Cache: c, Access: n.acc, Store: n.store,
		Spare:      func(context.Context) (time.Time, bool, error) { return oldest, running, nil },
		Incarnated: func(context.Context) (time.Time, error) { return born, nil },
	})
	must(t, err)
	sweep := func(what string, held, removed bool) {
		t.Helper()
		w, err := s.Sweep(system(t), now.Add(8*day))
		must(t, err)
		if (w.Held != "") != held || (w.Removed == 1) != removed {
			t.Errorf("%s: %+v", what, w)
		}
	}
	running = true
	sweep("while a backup runs", true, false)
	running, born = false, now.Add(2*day)
	sweep("six days after a new incarnation", true, false)
	born, oldest = now.Add(-time.Hour), now.Add(-time.Minute)
	sweep("with a backup in which the file still is", false, false)
	oldest = now.Add(time.Minute)
	sweep("with backups in which it is no more", false, true)
}

// An upload whose COMMIT was not answered may have its row, so its bytes stay (whichever way it went).
func TestUpload_UnknownCommitKeepsBytes(t *testing.T) {
	t.Parallel()
	for _, e := range []dbtest.Engine{dbtest.Postgres, dbtest.MariaDB} {
		t.Run(string(e), func(t *testing.T) {
			link := dbtest.NewLink(t, dbtest.URL(t, e))
			d, err := db.Open(t.Context(), db.Options{URL: link.URL, ConnectTimeout: time.Second, WriteTimeout: 5 * time.Second})
			must(t, err)
			t.Cleanup(func() { _ = d.Close() })
			must(t, d.Migrate(t.Context()))
			n := newNode(t, d, t.TempDir(), 0, 0)
			st := n.firstSite(t)
			var f document.File
			_, err = n.Upload(system(t), st, document.Upload{Name: "a.txt", Body: strings.NewReader("precious"),
				Also: func(_ context.Context, _ *db.Tx, made document.File) error {
					f = made
					link.LoseAnswer()
					return nil
				}})
			if !link.Mend() {
				t.Fatalf("no COMMIT was lost; the upload says %v", err)
			}
			if !stoa.Is(err, stoa.KindUnavailable) || !db.IsUnknownOutcome(err) {
				t.Fatalf("got %v, want an unknown outcome", err)
			}
			var got document.File
			eventually(t, func() (err error) { got, err = n.Get(system(t), f.ID); return err })
			if data, _ := n.bytesOf(t, system(t), got.Key, 0); string(data) != "precious" {
				t.Errorf("the row is there, its bytes are %q", data)
			}
			// A refusal of the database is no unknown outcome: nothing is left.
			boom := errors.New("boom")
			_, err = n.Upload(system(t), st, document.Upload{Name: "b.txt", Body: strings.NewReader("x"),
				Also: func(context.Context, *db.Tx, document.File) error { return boom }})
			if !errors.Is(err, boom) || db.IsUnknownOutcome(err) || n.keys(t) != 1 {
				t.Errorf("%v, %d keys", err, n.keys(t))
			}
		})
	}
}

func eventually(t *testing.T, fn func() error) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(5 * time.Minute); ; {
		err := fn()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal(err)
		}
	}
}
