package asset_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset/testdata/note"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

func TestAgenda_GivesBeginningsAndEndsInTheOrderOfTime(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		editor := w.as(t, 903, access.RoleEditor)
		at := func(title string, publish, expire int64, private bool) {
			n := w.save(t, note.Note{Title: title, Private: private})
			older(t, d, "UPDATE asset_entry SET publish = ?, expire = ? WHERE id = ?", publish, expire, n.ID)
		}
		for range 5 { // of a kind that this node does not know
			n := w.save(t, note.Note{Title: "of a later version"})
			older(t, d, "UPDATE asset_entry SET publish = 95, expire = 150, kind = 'mystery' WHERE id = ?", n.ID)
		}
		at("a", 100, 0, false)
		at("b", 90, 100, false) // ends when a begins
		at("c", 0, 100, false)
		at("secret", 100, 105, true)
		at("d", 100, 100, false)
		at("e", 200, 300, false)
		at("always", 0, 0, false)
		gone := w.save(t, note.Note{Title: "gone"})
		_, err := w.notes.Trash(system(t), gone, true)
		must(t, err)
		older(t, d, "UPDATE asset_entry SET publish = 100 WHERE id = ?", gone.ID)
		read := func(ctx context.Context, from, to int64, limit int) (out []string) {
			t.Helper()
			for after := ""; ; {
				a, err := w.Agenda(ctx, w.st, time.UnixMicro(from), time.UnixMicro(to), after, limit)
				must(t, err)
				if len(a.Items) > limit {
					t.Fatalf("%d moments on a page of %d", len(a.Items), limit)
				}
				for _, m := range a.Items {
					out = append(out, fmt.Sprintf("%d %s %t", db.Micros(m.At), m.Title("en"), m.Ends))
				}
				if after = a.Next; after == "" {
					return out
				}
			}
		}
		all := []string{"90 b false", "100 a false", "100 b true", "100 c true", "100 d false", "100 d true", "200 e false",
			"300 e true"}
		for limit := 1; limit < 10; limit++ {
			wantList(t, "everything", read(editor, 1, 1000, limit), all...)
			wantList(t, "from one and before another", read(editor, 100, 200, limit), all[1:6]...)
		}
		if got := read(system(t), 1, 1000, 3); len(got) != 10 || !slices.Contains(got, "105 secret true") {
			t.Errorf("the portal itself reads %v", got)
		}
		stranger := stoa.WithActor(t.Context(), stoa.Actor{User: 904, Instance: w.st.Instance + 1, Admin: true})
		if _, err := w.Agenda(stranger, w.st, time.UnixMicro(1), time.UnixMicro(9), "", 5); !stoa.Is(err, stoa.KindNotFound) {
			t.Errorf("an administrator of another instance: %v", err)
		}
		for _, place := range []string{"x", "1-2", "1-x-true", "--", "1-2-true-4"} {
			if _, err := w.Agenda(editor, w.st, time.UnixMicro(1), time.UnixMicro(9), place, 5); !stoa.Is(err,
				stoa.KindInvalid) {
				t.Errorf("the place %q: %v", place, err)
			}
		}
	})
}

func TestActivity_TellsEachOnlyOfWhatTheyMayEdit(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		log, err := audit.New(audit.Options{DB: d, InstanceOf: func(stoa.ID) stoa.ID { return w.st.Instance }})
		must(t, err)
		d.SetAuditor(log)
		admin, editor := w.as(t, 901, access.RoleAdministrator), w.as(t, 903, access.RoleEditor)
		open, err := w.notes.Save(admin, note.Note{Site: w.st, Title: "Open"})
		must(t, err)
		for range 4 {
			open, err = w.notes.Save(admin, open)
			must(t, err)
		}
		_, err = w.notes.Save(admin, note.Note{Site: w.st, Title: "Secret", Private: true})
		must(t, err)
		gone, err := w.notes.Save(admin, note.Note{Site: w.st, Title: "Gone"})
		must(t, err)
		must(t, w.notes.Purge(admin, gone))
		for range 300 { // what is no matter of people who write
			must(t, log.Record(admin, audit.Done, audit.PasswordSet,
				audit.Thing{Kind: "note", ID: open.ID, Instance: w.st.Instance}))
		}
		open, err = w.notes.Save(editor, open)
		must(t, err)
		read := func(ctx context.Context, limit int) (out []string) {
			t.Helper()
			for after := ""; ; {
				a, err := w.Activity(ctx, w.st, time.Time{}, after, limit)
				must(t, err)
				for _, x := range a.Items {
					if x.Event.From+x.Event.Node+x.Event.Request != "" {
						t.Errorf("it tells where the person was: %+v", x.Event)
					}
					out = append(out, fmt.Sprintf("%s %s %d ×%d", x.Title("en"), x.Event.Action, x.Event.Actor, x.Event.Times))
				}
				if after = a.Next; after == "" {
					return out
				}
			}
		}
		of := func(ctx context.Context) string { return strings.Join(read(ctx, 50), ", ") }
		if got, want := of(editor), "Open changed 903 ×1, Open changed 901 ×4, Open made 901 ×1"; got != want {
			t.Errorf("an editor is told %s, want %s", got, want)
		}
		want := "Open changed 903 ×1, Secret made 901 ×1, Open changed 901 ×4, Open made 901 ×1"
		if got := of(admin); got != want {
			t.Errorf("an administrator is told %s, want %s", got, want)
		}
		if got := strings.Join(read(admin, 1), ", "); got != want {
			t.Errorf("in pages of one an administrator is told %s", got)
		}
		if a, err := w.Activity(admin, w.st, time.Now().Add(2*time.Minute), "", 9); err != nil || len(a.Items) > 0 {
			t.Errorf("since later: %v, %v", a, err)
		}
		stranger := stoa.WithActor(t.Context(), stoa.Actor{User: 904, Instance: w.st.Instance + 1, Admin: true})
		if _, err := w.Activity(stranger, w.st, time.Time{}, "", 9); !stoa.Is(err, stoa.KindNotFound) {
			t.Errorf("an administrator of another instance: %v", err)
		}
	})
}

// Every broken reference is on one page, however many there are, and none twice.
func TestBroken_GoesOnToTheLast(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		editor := w.as(t, 905, access.RoleEditor)
		for i := range 130 {
			w.save(t, note.Note{Title: fmt.Sprint("Note ", i), Private: i%10 == 0,
				Refers: fmt.Sprintf("/n/9999%d /n/8888%d", i, i)})
		}
		seen := map[string]bool{}
		pages := 0
		for after := ""; ; pages++ {
			l, err := w.Broken(editor, w.st, after)
			must(t, err)
			for _, b := range l.Items {
				if seen[b.Address] || b.From.Restricted {
					t.Errorf("%s is listed again, or to who may not know of it", b.Address)
				}
				seen[b.Address] = true
			}
			if after = l.Next; after == "" {
				break
			}
		}
		if len(seen) != 117*2 || pages != 2 {
			t.Errorf("%d broken references on %d pages", len(seen), pages+1)
		}
		if _, err := w.Broken(editor, w.st, "note-x-1-1"); !stoa.Is(err, stoa.KindInvalid) {
			t.Errorf("a place that there is not: %v", err)
		}
	})
}
