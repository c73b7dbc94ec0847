package audit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

func TestWrite_HasARowInItsTransaction(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		var said bytes.Buffer
		l, err := audit.New(audit.Options{DB: d, Node: func() string { return "node-1" },
			InstanceOf: func(site stoa.ID) stoa.ID { return map[stoa.ID]stoa.ID{500: harbour}[site] },
			Logger:     slog.New(slog.NewJSONHandler(&said, nil))})
		must(t, err)
		d.SetAuditor(l)
		ctx := stoa.WithRequestID(from(as(t.Context(), ada()), "::ffff:192.0.2.7"), "REQ1")
		must(t, d.Write(ctx, func(_ context.Context, tx *db.Tx) error {
			tx.Changed("user", 7, harbour, 3)
			tx.Changed("usergroup", 8, harbour, 0)
			tx.Changed("session", 9, harbour, 2)
			audit.Note(tx, audit.RoleGiven, audit.Thing{Kind: "user", ID: 7, Title: "tom\n<b>"}, "Editor")
			return nil
		}))
		list := all(t, l, audit.Filter{})
		if len(list) != 1 {
			t.Fatalf("%d rows: %+v", len(list), list)
		}
		e := list[0]
		if e.Actor != 100 || e.Who != "Ada Brandt" || e.Guest || e.Portal || e.Instance != harbour ||
			e.From != "192.0.2.7" || e.Outcome != audit.Done || e.Thing.ID != 7 || e.Node != "node-1" ||
			e.Request != "REQ1" || e.Times != 1 || e.Sentence() != "Gave the role Editor to user “tom <b>”" ||
			!slices.Equal(e.Also, []string{"usergroup 8"}) {
			t.Errorf("%+v: %s", e, e.Sentence())
		}
		if line := said.String(); strings.Count(line, "\n") != 1 || !strings.Contains(line, fmt.Sprint(e.ID)) ||
			!strings.Contains(line, `"from":"192.0.2.7"`) || !strings.Contains(line, `"request":"REQ1"`) {
			t.Errorf("the log says %s", line)
		}
	})
}

func TestWrite_WithoutWordsHasARowForEachThing(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		l, err := audit.New(audit.Options{DB: d, InstanceOf: func(stoa.ID) stoa.ID { return quay }})
		must(t, err)
		d.SetAuditor(l)
		must(t, d.Write(as(t.Context(), stoa.SystemActor()), func(_ context.Context, tx *db.Tx) error {
			tx.Changed("article", 7, 500, 1)
			tx.Changed("role", 8, harbour, 4)
			tx.Changed("session", 9, harbour, 2) // has none
			for i := range 30 {
				tx.Changed("page", stoa.ID(1000+i), 500, 2)
			}
			return nil
		}))
		var got []string
		for _, e := range all(t, l, audit.Filter{}) {
			got = append(got, fmt.Sprintf("%d %v %s", e.Instance, e.Portal, e.Sentence()))
		}
		slices.Sort(got)
		want := []string{"10 true Changed role 8", "11 true Changed 30 at once: page", "11 true Made web content 7"}
		if !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
	})
}

func TestWrite_RolledBackLeavesNoRow(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		l := open(t, d, "a")
		ctx := as(t.Context(), ada())
		broken := errors.New("broken")
		note := func(tx *db.Tx) {
			tx.Changed("user", 7, harbour, 3)
			audit.Note(tx, audit.PasswordSet, audit.Thing{Kind: "user", ID: 7, Title: "tom"})
		}
		if err := d.Write(ctx, func(_ context.Context, tx *db.Tx) error { note(tx); return broken }); err == nil {
			t.Error("a write that failed is no error")
		}
		// The row is there already when the last statement before the commit fails.
		err := d.Write(ctx, func(_ context.Context, tx *db.Tx) error {
			note(tx)
			tx.Fence(func(ctx context.Context, tx *db.Tx) error {
				var n int
				if err := tx.QueryRow(ctx, "SELECT count(*) FROM audit_event").Scan(&n); err != nil || n != 1 {
					t.Errorf("%d rows before the commit: %v", n, err)
				}
				return broken
			})
			return nil
		})
		if !errors.Is(err, broken) {
			t.Error(err)
		}
		gone, cancel := context.WithCancel(ctx)
		if err := d.Write(gone, func(_ context.Context, tx *db.Tx) error {
			note(tx)
			tx.Fence(func(context.Context, *db.Tx) error { cancel(); return nil })
			return nil
		}); err == nil {
			t.Error("a commit that was given up is no error")
		}
		if list := all(t, l, audit.Filter{}); len(list) != 0 {
			t.Errorf("%+v", list)
		}
	})
}

func TestWrite_FailsWhenItsRowCannotBeWritten(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	open(t, d, "a")
	must(t, d.Control(t.Context(), func(tx *db.Tx) error {
		if _, err := tx.Exec(t.Context(), "CREATE TABLE made (id BIGINT)"); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), "ALTER TABLE audit_event RENAME TO away")
		return err
	}))
	if err := d.Write(as(t.Context(), ada()), func(ctx context.Context, tx *db.Tx) error {
		tx.Changed("user", 7, harbour, 3)
		_, err := tx.Exec(ctx, "INSERT INTO made (id) VALUES (1)")
		return err
	}); err == nil {
		t.Error("a change without its row was saved")
	}
	var n int
	must(t, d.QueryRow(t.Context(), "SELECT count(*) FROM made").Scan(&n))
	if n != 0 {
		t.Error("the change was saved")
	}
}

func TestWrite_CostsOneStatement(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	var log bytes.Buffer
	l := open(t, d, "a")
	counted := &counting{Log: l}
	d.SetAuditor(counted)
	must(t, d.Write(as(t.Context(), ada()), func(_ context.Context, tx *db.Tx) error {
		for i := range 5 {
			tx.Changed("user", stoa.ID(7+i), harbour, 3)
			audit.Note(tx, audit.PasswordSet, audit.Thing{Kind: "user", ID: stoa.ID(7 + i)})
		}
		return nil
	}))
	if counted.times != 1 || len(all(t, l, audit.Filter{})) != 5 || log.Len() != 0 {
		t.Errorf("asked %d times", counted.times)
	}
}

// counting counts how often it is asked.
type counting struct {
	*audit.Log
	times int
}

func (c *counting) Attest(ctx context.Context, tx *db.Tx) error {
	c.times++
	return c.Log.Attest(ctx, tx)
}

func TestRecord_WritesWhatChangedNoRow(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		l := open(t, d, "a")
		ctx, cancel := context.WithCancel(audit.WithOrigin(as(t.Context(), stoa.SystemActor()), "control socket"))
		cancel() // who ordered it has gone
		must(t, l.Record(ctx, audit.Failed, audit.Imported, audit.Thing{}, "export.xml"))
		list := all(t, l, audit.Filter{})
		if len(list) != 1 || list[0].From != "control socket" || !list[0].Portal || list[0].Outcome != audit.Failed ||
			list[0].Sentence() != "Imported export.xml" {
			t.Errorf("%+v", list)
		}
		var none *audit.Log
		must(t, none.Record(ctx, audit.Done, audit.Imported, audit.Thing{}))
	})
}
