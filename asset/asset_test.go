package asset_test

import (
	"context"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/asset/assettest"
	"github.com/stoa-portal/stoa/asset/testdata/note"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/site"
)

// world is a node that has notes and two sites of two instances.
type world struct {
	*asset.Service
	d     *db.DB
	acc   *access.Service
	notes *note.Service
	st    site.Site
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func system(t testing.TB) context.Context { return stoa.WithActor(t.Context(), stoa.SystemActor()) }

func newWorld(t testing.TB, d *db.DB) *world {
	t.Helper()
	c, err := cache.New(cache.Options{Proof: cache.Boottime, InTransaction: db.InWrite})
	must(t, err)
	t.Cleanup(c.Close)
	w := &world{d: d}
	w.acc, err = access.New(access.Options{DB: d, Cache: c, InstanceOf: site.InstanceOf})
	must(t, err)
	sites, err := site.New(site.Options{DB: d, Cache: c, Access: w.acc})
	must(t, err)
	_, w.st, _, err = sites.EnsureDefault(system(t), site.Defaults{WebID: "stoa.example", Name: "Stoa",
		SiteName: "Guest", Locale: "en", TimeZone: "UTC"})
	must(t, err)
	w.notes = &note.Service{DB: d, Access: w.acc}
	w.Service, err = asset.New(asset.Options{DB: d, Access: w.acc})
	must(t, err)
	w.notes.Assets = w.Service
	must(t, w.Register(w.notes.AssetType())) // the one line that a kind costs here
	must(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, note.Table)
		return err
	}))
	return w
}

// settle compares all notes with their entries, so that lists are made from these.
func (w *world) settle(t testing.TB) {
	t.Helper()
	finish(t, w.d)
	for range 1000 {
		st, err := w.Compare(system(t), "note", nil)
		must(t, err)
		if st.Ready && st.Last == 0 {
			return
		}
	}
	t.Fatal("the notes are never all compared")
}

// unsettle makes lists from the notes themselves again.
func (w *world) unsettle(t testing.TB) {
	t.Helper()
	older(t, w.d, "UPDATE asset_fill SET ready = ?", false)
}

// as gives the context of a person of the site's instance with a role.
func (w *world) as(t testing.TB, person stoa.ID, role string) context.Context {
	t.Helper()
	ids, err := w.acc.RoleIDs(system(t), w.st.Instance)
	must(t, err)
	return stoa.WithActor(t.Context(), stoa.Actor{User: person, Name: "Ann", Instance: w.st.Instance,
		Roles: []stoa.ID{ids[role]}, Admin: role == access.RoleAdministrator, Proven: time.Now()})
}

func (w *world) save(t testing.TB, n note.Note) note.Note {
	t.Helper()
	if n.Site.ID == 0 {
		n.Site = w.st
	}
	n, err := w.notes.Save(system(t), n)
	must(t, err)
	return n
}

// entries counts the rows that the tables of this package have for a thing.
func (w *world) entries(t testing.TB, id stoa.ID) (entries, words int) {
	t.Helper()
	must(t, w.d.QueryRow(t.Context(), "SELECT (SELECT count(*) FROM asset_entry WHERE kind = 'note' AND id = ?), "+
		"(SELECT count(*) FROM asset_word WHERE kind = 'note' AND id = ?)", id, id).Scan(&entries, &words))
	return entries, words
}

func TestPut_FollowsTheRowFromItsBeginningToItsEnd(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		n := w.save(t, note.Note{Title: "High water"})
		if e, words := w.entries(t, n.ID); e != 1 || words != 2 {
			t.Fatalf("%d entries and %d words of a new note", e, words)
		}
		n.Title = "Low water at noon"
		n = w.save(t, n)
		if e, words := w.entries(t, n.ID); e != 1 || words != 4 {
			t.Fatalf("%d entries and %d words of a changed note", e, words)
		}
		stale := n
		stale.Version--
		if _, err := w.notes.Save(system(t), stale); !stoa.Is(err, stoa.KindConflict) {
			t.Fatalf("a stale version: %v", err)
		}
		var err error
		n, err = w.notes.Trash(system(t), n, true)
		must(t, err)
		if got := assettest.Same(t, d, w.notes.AssetType()); got != 1 {
			t.Errorf("%d things were compared, there is 1", got)
		}
		n, err = w.notes.Trash(system(t), n, false)
		must(t, err)
		must(t, w.notes.Purge(system(t), n))
		if e, words := w.entries(t, n.ID); e != 0 || words != 0 {
			t.Errorf("%d entries and %d words of a note that is gone", e, words)
		}
		assettest.Same(t, d, w.notes.AssetType())
	})
}

func TestPut_RefusesWhatNoOwnerMayWrite(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	good := asset.Entry{Kind: "note", ID: 1, Instance: 2, Site: 3, Status: asset.Live}
	for name, spoil := range map[string]func(e *asset.Entry){
		"no kind":             func(e *asset.Entry) { e.Kind = "" },
		"no instance":         func(e *asset.Entry) { e.Instance = 0 },
		"no site":             func(e *asset.Entry) { e.Site = 0 },
		"an unknown status":   func(e *asset.Entry) { e.Status = "gone" },
		"shown from the bin":  func(e *asset.Entry) { e.Status, e.Shown = asset.Trashed, true },
		"no status":           func(e *asset.Entry) { e.Status = "" },
		"a kind out of width": func(e *asset.Entry) { e.Kind = string(make([]byte, 41)) },
	} {
		e := good
		spoil(&e)
		err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error { return asset.Put(ctx, tx, e) })
		if err == nil {
			t.Errorf("an entry with %s was written", name)
		}
	}
}

// A node of the version before changes rows and writes no entries.
func TestFill_MakesUpForANodeThatWritesNoEntries(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		changed := w.save(t, note.Note{Title: "Before"})
		gone := w.save(t, note.Note{Title: "Short-lived"})
		older(t, d, "UPDATE note_note SET title = 'Later', version = version + 1 WHERE id = ?", changed.ID)
		older(t, d, "DELETE FROM note_note WHERE id = ?", gone.ID)
		older(t, d, "INSERT INTO note_note (id, site, title, made_by, private, deleted, created, modified, refers, version) "+
			"VALUES (77777777, ?, 'Made there', 1, ?, ?, 5, 5, '', 1)", w.st.ID, false, false)
		for _, c := range []struct {
			id   stoa.ID
			want int
		}{{changed.ID, 1}, {changed.ID, 0}, {gone.ID, 1}, {gone.ID, 0}, {77777777, 1}, {77777777, 0}, {99999999, 0}} {
			got, err := w.Fill(system(t), "note", c.id)
			must(t, err)
			if got != c.want {
				t.Errorf("filling %d changed %d entries, want %d", c.id, got, c.want)
			}
		}
		if e, words := w.entries(t, gone.ID); e+words != 0 {
			t.Errorf("%d entries and %d words of a note that another node has deleted", e, words)
		}
		assettest.Same(t, d, w.notes.AssetType())
		if _, err := w.Fill(w.as(t, 5, access.RoleAdministrator), "note", changed.ID); !stoa.Is(err, stoa.KindForbidden) {
			t.Errorf("an administrator fills entries: %v", err)
		}
		if _, err := w.Fill(system(t), "elephant", changed.ID); err == nil {
			t.Error("a kind that there is not is filled")
		}
	})
}

func older(t testing.TB, d *db.DB, statement string, args ...any) {
	t.Helper()
	must(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, statement, args...)
		return err
	}))
}
