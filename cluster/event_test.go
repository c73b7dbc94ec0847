package cluster_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

func system(t *testing.T) context.Context {
	return stoa.WithActor(t.Context(), stoa.SystemActor())
}

func write(ctx context.Context, d *db.DB, e cluster.Event) error {
	return d.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return cluster.RecordEvent(ctx, tx, e) })
}

func record(t *testing.T, d *db.DB, e cluster.Event) {
	t.Helper()
	if err := write(t.Context(), d, e); err != nil {
		t.Fatal(err)
	}
}

func TestEvents_StayUntilTheyAreRead(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := system(t)
		at := time.Now().UTC().Truncate(time.Second)
		record(t, d, cluster.Event{
			Code: cluster.CodeMasterNew,
			At:   at.Add(-time.Hour),
			Node: "node-1",
			Text: "node-2 is the master now.",
		})
		record(t, d, cluster.Event{
			Code: cluster.CodeChangeLost,
			At:   at,
			Node: "node-1",
			Text: "3 changes are lost.",
			Mend: "look",
			Data: map[string]string{"changes": "3"},
		})
		events, all, err := cluster.UnreadEvents(ctx, d, 10)
		if err != nil || all != 2 || events[0].Code != cluster.CodeChangeLost ||
			events[0].Severity != cluster.Critical ||
			events[0].Data["changes"] != "3" ||
			!events[0].At.Equal(at) ||
			events[0].Times != 1 {
			t.Fatalf("%+v, %d, %v", events, all, err)
		}
		if events, all, err = cluster.UnreadEvents(ctx, d, 1); err != nil || len(events) != 1 || all != 2 {
			t.Fatalf("%+v, %d, %v", events, all, err)
		}
		editor := stoa.WithActor(t.Context(), stoa.Actor{User: 5, Name: "Editor"})
		refused := func(err error) bool { return stoa.Is(err, stoa.KindForbidden) || stoa.Is(err, stoa.KindUnauthorized) }
		for _, who := range []context.Context{t.Context(), editor} {
			if _, err := cluster.ReadEvents(who, d); !refused(err) {
				t.Errorf("read by who may not: %v", err)
			}
			if _, err := cluster.Events(who, d, 10); !refused(err) {
				t.Errorf("seen by who may not: %v", err)
			}
		}
		admin := stoa.WithActor(t.Context(), stoa.Actor{User: 7, Name: "Ada", Operator: true, Proven: time.Now()})
		if n, err := cluster.ReadEvents(admin, d, events[0].ID, 99); err != nil || n != 1 {
			t.Fatalf("%d, %v", n, err)
		}
		if n, err := cluster.ReadEvents(admin, d); err != nil || n != 1 {
			t.Fatalf("%d, %v", n, err)
		}
		if _, all, err = cluster.UnreadEvents(ctx, d, 10); err != nil || all != 0 {
			t.Fatalf("%d, %v", all, err)
		}
		events, err = cluster.Events(ctx, d, 10)
		if err != nil || len(events) != 2 || events[0].ReadBy != "Ada" || events[0].ReadAt.IsZero() {
			t.Fatalf("%+v, %v", events, err)
		}
		if err := d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			return cluster.RecordEvent(ctx, tx, cluster.Event{Code: "x.y"})
		}); !stoa.Is(err, stoa.KindInvalid) {
			t.Error(err)
		}
	})
}

// What three nodes see at once is one event, and one that comes again after it was read counts as not read.
func TestEvents_EqualOnesOfAMinuteAreOne(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			nodes := dbtest.Nodes(t, e, 3)
			ctx := system(t)
			at := time.Now().UTC().Truncate(time.Minute).Add(59900 * time.Millisecond) // the minute turns meanwhile
			var wg sync.WaitGroup
			for i, d := range nodes {
				wg.Go(func() {
					ev := cluster.Event{
						Code: cluster.CodeIncarnation,
						At:   at.Add(time.Duration(i) * time.Millisecond),
						Node: fmt.Sprint("node-", i),
						Text: "1 became 2",
					}
					if err := write(ctx, d, ev); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			d := nodes[0]
			events, err := cluster.Events(ctx, d, 10)
			if err != nil || len(events) != 1 || events[0].Times != 3 {
				t.Fatalf("%+v, %v", events, err)
			}
			if _, err := cluster.ReadEvents(ctx, d); err != nil {
				t.Fatal(err)
			}
			record(t, d, cluster.Event{
				Code: cluster.CodeIncarnation,
				At:   at.Add(30 * time.Second),
				Node: "node-1",
				Text: "1 became 2",
			})
			if events, _, err = cluster.UnreadEvents(ctx, d, 10); err != nil || len(events) != 1 ||
				events[0].Times != 4 {
				t.Fatalf("%+v, %v", events, err)
			}
			record(t, d, cluster.Event{
				Code: cluster.CodeIncarnation,
				At:   at.Add(5 * time.Minute),
				Node: "node-1",
				Text: "1 became 2",
			})
			if _, all, err := cluster.UnreadEvents(ctx, d, 10); err != nil || all != 2 {
				t.Fatalf("%d, %v", all, err)
			}
		})
	}
}

func TestEvents_ArePruned(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := system(t)
		old := time.Now().Add(-100 * 24 * time.Hour)
		record(t, d, cluster.Event{Code: cluster.CodeNodeDead, At: old, Text: "read long ago"})
		record(t, d, cluster.Event{Code: cluster.CodeNodeDead, At: old, Text: "never read"})
		err := d.Control(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, "UPDATE cluster_event SET read_at = ? WHERE text = 'read long ago'", db.Micros(old))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if n, err := cluster.PruneEvents(ctx, d, nil); err != nil || n != 1 {
			t.Fatalf("%d, %v", n, err)
		}
		err = d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			for i := range 1004 {
				e := cluster.Event{Code: cluster.CodeNodeBack, Text: fmt.Sprint("event ", i)}
				if i < 3 {
					e.Code = cluster.CodeChangeLost
				}
				if err := cluster.RecordEvent(ctx, tx, e); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if n, err := cluster.PruneEvents(ctx, d, nil); err != nil || n != 5 {
			t.Fatalf("%d, %v", n, err)
		}
		events, all, err := cluster.UnreadEvents(ctx, d, 4)
		if err != nil || all != 1000 || events[2].Code != cluster.CodeChangeLost || events[3].Text != "never read" {
			t.Errorf("%+v, %d, %v", events, all, err)
		}
	})
}

// A node that cannot write keeps what happens, collapses it, and writes it when it can.
func TestEventLog_WaitsForTheDatabase(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	ctx := system(t)
	l := cluster.NewEventLog(d, func() string { return "node-1" }, slog.New(slog.DiscardHandler))
	gone, cancel := context.WithCancel(ctx)
	cancel()
	for range 3 {
		l.Add(cluster.Event{Code: cluster.CodeIncarnation, Text: "1 became 2"})
	}
	if err := l.Flush(gone); err == nil {
		t.Fatal("it was written by a context that is over")
	}
	l.Add(cluster.Event{Code: cluster.CodeChangeLost, Text: "lost"})
	if w := l.Waiting(); len(w) != 2 || w[0].Times != 3 || w[0].Node != "node-1" {
		t.Fatalf("%+v", w)
	}
	for i := range 300 {
		l.Add(cluster.Event{Code: cluster.CodeNodeBack, Text: fmt.Sprint("back ", i)})
	}
	if w := l.Waiting(); len(w) != 200 || w[0].Code != cluster.CodeIncarnation || w[1].Code != cluster.CodeChangeLost {
		t.Fatalf("%d wait: %+v", len(w), w[:2])
	}
	for range 2 { // the second time there is nothing to write
		if err := l.Flush(ctx); err != nil {
			t.Fatal(err)
		}
	}
	events, all, err := cluster.UnreadEvents(ctx, d, 3)
	if err != nil || all != 201 || events[0].Code != cluster.CodeChangeLost || len(l.Waiting()) != 0 {
		t.Fatalf("%+v, %d, %v", events, all, err)
	}
	if events[1].Times+events[2].Times != 4 { // the incarnation three times, and what was let go once
		t.Errorf("%+v", events[1:])
	}
	l.Add(cluster.Event{Code: cluster.CodeIncarnation, Text: "1 became 2"})
	if err := l.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if _, again, err := cluster.UnreadEvents(ctx, d, 3); err != nil || again != all {
		t.Errorf("%d, %v", again, err)
	}
}
