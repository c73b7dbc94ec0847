package change_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/cluster/clustertest"
	"github.com/stoa-portal/stoa/db"
)

// link gives a node's options a transport, and starts to deliver once the Log is there.
func link(t *testing.T, tr cluster.Transport, d *db.DB, opts ...func(*change.Options)) *node {
	t.Helper()
	n := open(t, d, append(opts, func(o *change.Options) {
		o.Send = func(hint []byte) { _ = tr.Publish(context.Background(), "hint", hint) }
	})...)
	stop, err := tr.Subscribe("hint", n.Hint)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(); _ = tr.Close() })
	return n
}

func TestHint_ArrivesWithoutAReadAndIsConfirmedByTheLog_Rule10(t *testing.T) {
	t.Parallel()
	engines(t, 3, func(t *testing.T, d []*db.DB) {
		hub := cluster.NewHub()
		a := link(t, hub.Join("a"), d[0])
		wary := link(t, hub.Join("b"), d[1])
		trusting := link(t, hub.Join("c"), d[2], func(o *change.Options) { o.TrustHints = true })
		wary.poll()
		trusting.poll()
		p := a.write("article", 42)
		eventually(t, "the hint arrives", func() bool { return wary.times(p) == 1 && trusting.times(p) == 1 })
		if wary.Applied(p) || !trusting.Applied(p) {
			t.Fatalf("applied by a hint: wary %v, trusting %v", wary.Applied(p), trusting.Applied(p))
		}
		wary.poll()
		trusting.poll()
		if wary.times(p) != 2 || !wary.last().Again || trusting.times(p) != 1 {
			t.Fatalf("after the log: wary %d times (%+v), trusting %d times", wary.times(p), wary.last(), trusting.times(p))
		}
		if s := wary.Status(); s.Confirmed != 1 || s.Repaired != 0 || s.HintsGot != 1 {
			t.Fatalf("%+v", s)
		}
	})
}

func TestHint_LostOnesAreNoticedAndRepaired_Rule9(t *testing.T) {
	t.Parallel()
	engines(t, 2, func(t *testing.T, d []*db.DB) {
		hub := clustertest.NewHub(1)
		a := link(t, hub.Join("a"), d[0])
		b := link(t, hub.Join("b"), d[1], func(o *change.Options) { o.MinPollGap = 20 * time.Millisecond })
		b.poll()
		first := a.write("article", 1)
		eventually(t, "the first hint arrives", func() bool { return b.times(first) == 1 })
		hub.Partition([]string{"a"})
		lost := a.write("article", 2)
		eventually(t, "the hint is lost", func() bool { return hub.Dropped() == 1 })
		hub.Heal()
		next := a.write("article", 3)
		eventually(t, "the gap makes b read the log", func() bool { return b.times(lost) == 1 && b.times(next) >= 1 })
		if s := b.Status(); s.HintsLost != 1 || s.Repaired < 1 {
			t.Fatalf("%+v", s)
		}
	})
}

func TestHint_AStormWithLossesCostsFewReads_Rule9(t *testing.T) {
	t.Parallel()
	engines(t, 2, func(t *testing.T, d []*db.DB) {
		hub := clustertest.NewHub(2)
		hub.SetFaults(clustertest.Faults{Drop: 0.5, Duplicate: 0.2, Delay: 3 * time.Millisecond})
		a := link(t, hub.Join("a"), d[0], func(o *change.Options) { o.HintDelay = time.Microsecond })
		b := link(t, hub.Join("b"), d[1], func(o *change.Options) { o.MinPollGap = 20 * time.Millisecond })
		b.poll()
		began := time.Now()
		var all []change.Position
		for i := range 300 {
			all = append(all, a.write("article", stoa.ID(i+1)))
		}
		hub.Settle()
		polls := b.Status().Polls
		took := time.Since(began)
		if most := uint64(took/(20*time.Millisecond)) + 4; polls > most {
			t.Errorf("%d reads in %s, at most %d are allowed", polls, took, most)
		}
		b.poll()
		for _, p := range all {
			if b.times(p) == 0 || !b.Applied(p) {
				t.Fatalf("%v was missed", p)
			}
		}
	})
}

func TestHint_ABigTransactionIsAnnouncedNotSent_Rule9(t *testing.T) {
	t.Parallel()
	engines(t, 2, func(t *testing.T, d []*db.DB) {
		hub := cluster.NewHub()
		a, b := link(t, hub.Join("a"), d[0]), link(t, hub.Join("b"), d[1])
		b.poll()
		ctx, receipts := change.WithReceipts(t.Context())
		err := d[0].Write(ctx, func(_ context.Context, tx *db.Tx) error {
			for i := range 700 {
				tx.Changed("article", stoa.ID(i+1), 7, 1)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		p := receipts.Positions()[0]
		eventually(t, "b reads the log by itself", func() bool { return b.times(p) == 1 })
		if s := b.Status(); s.Read != 700 || s.Applied != 700 || a.Status().HintsSent != 1 {
			t.Fatalf("%+v", s)
		}
	})
}

func TestHint_WhatIsNoHintIsCountedAndAForgedOneHidesNothing_Rule29(t *testing.T) {
	t.Parallel()
	engines(t, 2, func(t *testing.T, d []*db.DB) {
		var stolen []byte
		sent := make(chan []byte, 10)
		a := open(t, d[0], func(o *change.Options) { o.Send = func(b []byte) { sent <- b } })
		b := open(t, d[1])
		b.poll()
		p := a.write("article", 1)
		stolen = <-sent
		b.Hint([]byte("nonsense"))
		b.Hint(nil)
		b.Hint(stolen)
		b.Hint(stolen)
		if s := b.Status(); s.HintsBad != 2 || s.HintsGot != 2 || b.times(p) != 1 {
			t.Fatalf("%+v, applied %d times", s, b.times(p))
		}
		b.poll()
		if b.times(p) != 2 {
			t.Fatal("the log's row was skipped because of a message")
		}
	})
}

func TestLog_ASubscriberSeesWhatTheCachesSawAfterThem(t *testing.T) {
	t.Parallel()
	engines(t, 2, func(t *testing.T, d []*db.DB) {
		a, b := open(t, d[0]), open(t, d[1])
		var got []change.Row
		seen := 0
		stop := b.Subscribe(func(rows []change.Row) {
			got = append(got, rows...)
			seen = b.times(change.Position{Writer: rows[0].Writer, N: rows[0].N})
		})
		a.write("article", 1)
		b.poll()
		if len(got) != 1 || got[0].ID != 1 || seen != 1 {
			t.Fatalf("%+v; applied %d times before", got, seen)
		}
		stop()
		a.write("article", 2)
		b.poll()
		if len(got) != 1 {
			t.Fatal("called after stop")
		}
	})
}

func later(by time.Duration) func(o *change.Options) {
	return func(o *change.Options) { o.Now = func() time.Time { return time.Now().Add(by) } }
}

// Rule 6: a reader that was away for too long knows it, even when the log is empty.
func TestPrune_AReaderBelowTheHorizonStartsOver_Rule6(t *testing.T) {
	t.Parallel()
	engines(t, 3, func(t *testing.T, d []*db.DB) {
		a, b := open(t, d[0]), open(t, d[1])
		b.poll()
		for range 5 {
			a.write("article", 1)
		}
		a.publish()
		young := open(t, d[2])
		if n, err := young.Prune(t.Context(), nil); err != nil || n != 0 {
			t.Fatalf("pruned %d young rows: %v", n, err)
		}
		old := open(t, d[2], later(2*time.Hour))
		if n, err := old.Prune(t.Context(), nil); err != nil || n != 5 {
			t.Fatalf("pruned %d rows: %v", n, err)
		}
		b.poll()
		if b.drops() != 1 || b.Status().Overruns != 1 {
			t.Fatalf("everything was dropped %d times", b.drops())
		}
		p := a.write("article", 2)
		b.poll()
		if b.drops() != 1 || b.times(p) != 1 {
			t.Fatal("not back to normal")
		}
		a.poll()
		if a.drops() != 0 {
			t.Fatal("a node that had read everything dropped it")
		}
	})
}

func TestPrune_WorksInBatchesAndIsFenced(t *testing.T) {
	t.Parallel()
	engines(t, 1, func(t *testing.T, d []*db.DB) {
		a := open(t, d[0], later(-2*time.Hour))
		for range 3 {
			err := d[0].Write(t.Context(), func(_ context.Context, tx *db.Tx) error {
				for i := range 800 {
					tx.Changed("article", stoa.ID(i+1), 7, 1)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		a.publish()
		// The time of a row is its transaction's, so make the rows old.
		if err := d[0].Control(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), "UPDATE change_log SET at = 1")
			return err
		}); err != nil {
			t.Fatal(err)
		}
		fenced := func(tx *db.Tx) { tx.Fence(func(context.Context, *db.Tx) error { return cluster.ErrFenced }) }
		if n, err := a.Prune(t.Context(), fenced); !errors.Is(err, cluster.ErrFenced) {
			t.Fatalf("%d %v", n, err)
		}
		batches := 0
		n, err := a.Prune(t.Context(), func(*db.Tx) { batches++ })
		if err != nil || n != 2400 || batches < 2 {
			t.Fatalf("%d rows in %d batches: %v", n, batches, err)
		}
	})
}

// Rule 6: what cannot start over holds the log back, but not for ever.
func TestPlace_HoldsTheLogBackUpToTheRetention_Rule6(t *testing.T) {
	t.Parallel()
	engines(t, 2, func(t *testing.T, d []*db.DB) {
		a := open(t, d[0])
		c := a.follow(t, "search")
		a.write("article", 1)
		a.write("article", 2)
		a.publish()
		lunch := open(t, d[1], later(2*time.Hour))
		if n, err := lunch.Prune(t.Context(), nil); err != nil || n != 0 {
			t.Fatalf("pruned %d unread rows: %v", n, err)
		}
		rows, ack, err := c.next(t.Context(), 1)
		if err != nil || len(rows) != 1 || rows[0].ID != 1 {
			t.Fatalf("%+v %v", rows, err)
		}
		if err := ack(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n, err := lunch.Prune(t.Context(), nil); err != nil || n != 1 {
			t.Fatalf("pruned %d rows, 1 was read: %v", n, err)
		}
		vacation := open(t, d[1], later(8*24*time.Hour))
		if n, err := vacation.Prune(t.Context(), nil); err != nil || n != 1 {
			t.Fatalf("pruned %d rows: %v", n, err)
		}
		if rows, _, err := c.next(t.Context(), 10); !errors.Is(err, change.ErrBehind) {
			t.Fatalf("%+v %v, want ErrBehind", rows, err)
		}
		c.restart(t)
		a.write("article", 3)
		if rows, _, err := c.next(t.Context(), 10); err != nil || len(rows) != 1 || rows[0].ID != 3 {
			t.Fatalf("%+v %v", rows, err)
		}
	})
}

func TestPlace_DeliversUntilItIsAcknowledgedAndAfterARestart(t *testing.T) {
	t.Parallel()
	engines(t, 2, func(t *testing.T, d []*db.DB) {
		a, b := open(t, d[0]), open(t, d[1])
		c := a.follow(t, "audit")
		a.write("article", 1)
		b.write("article", 2)
		b.write("article", 3)
		got := map[stoa.ID]int{}
		ids := func(c *cursor, acknowledge bool) (n int) {
			t.Helper()
			rows, ack, err := c.next(t.Context(), 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rows {
				got[r.ID]++
			}
			if acknowledge {
				if err := ack(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			return len(rows)
		}
		first := ids(c, false)
		if again := ids(c, false); again != first {
			t.Fatalf("%d rows, then %d without an acknowledgement", first, again)
		}
		for got[1] == 0 || got[2] == 0 || got[3] == 0 {
			ids(c, true)
		}
		clear(got)
		p := b.write("article", 4)
		// The node dies; another one goes on with the reader.
		next := b.follow(t, "audit")
		for got[4] == 0 {
			ids(next, true)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if rows, _, err := next.next(ctx, 100); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("%v was delivered again after it was acknowledged: %+v %v", p, rows, err)
		}
	})
}

// What is in flight below the head is delivered later, and what was read above it is not delivered again.
func TestPlace_WhatIsInFlightIsDeliveredLater_Rule6(t *testing.T) {
	t.Parallel()
	servers(t, 3, func(t *testing.T, d []*db.DB) {
		a, b := open(t, d[0]), open(t, d[1])
		c := b.follow(t, "audit")
		late := a.hold(d[2], 1)
		a.write("article", 2)
		rows, ack, err := c.next(t.Context(), 10)
		if err != nil || len(rows) != 1 || rows[0].ID != 2 {
			t.Fatalf("%+v %v", rows, err)
		}
		if err := ack(t.Context()); err != nil {
			t.Fatal(err)
		}
		late.commit(t)
		again := b.follow(t, "audit")
		found := false
		for !found {
			rows, ack, err := again.next(t.Context(), 10)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rows {
				found = found || r.ID == 1
				if r.ID == 2 {
					t.Fatal("what was read above a gap is delivered again")
				}
			}
			if err := ack(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Rules 12 and 33: on a new history everything is dropped, and own commits that it lacks are reported.
func TestLog_ANewHistoryDropsEverythingAndReportsLostCommits_Rules12and33(t *testing.T) {
	t.Parallel()
	engines(t, 2, func(t *testing.T, d []*db.DB) {
		a, b := open(t, d[0]), open(t, d[1])
		kept, lost := a.write("article", 1), a.writeBy(77, "article", 2)
		b.poll()
		a.poll()
		err := d[1].Control(t.Context(), func(tx *db.Tx) error {
			for _, s := range []string{
				"UPDATE db_incarnation SET number = number + 1",
				"DELETE FROM change_log WHERE thing = 2",
				"DELETE FROM change_writer", // as a backup from before these processes
			} {
				if _, err := tx.Exec(t.Context(), s); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []*node{a, b} {
			eventually(t, "the node starts over", func() bool { return n.Poll(t.Context()) == nil })
			if n.drops() != 1 || n.Proof() == 0 {
				t.Fatalf("%d drops, proof %s", n.drops(), n.Proof())
			}
		}
		if got := a.Status().Lost; len(got) != 1 || got[0].N != lost.N || got[0].ID != 2 || got[0].By != 77 {
			t.Fatalf("lost: %+v (kept %v)", got, kept)
		}
		if got := b.Status().Lost; len(got) != 0 {
			t.Fatalf("lost on the other node: %+v", got)
		}
		p := a.write("article", 3)
		b.poll()
		if p.N != 3 || b.times(p) != 1 {
			t.Fatalf("%v applied %d times in the new history", p, b.times(p))
		}
	})
}

func TestLog_ANodeThatWasAwayForADayStartsOverAndMayNotWrite(t *testing.T) {
	t.Parallel()
	engines(t, 1, func(t *testing.T, d []*db.DB) {
		now := time.Hour
		a := open(t, d[0], func(o *change.Options) { o.Clock = func() time.Duration { return now } })
		a.poll()
		now += 25 * time.Hour
		err := d[0].Write(t.Context(), func(_ context.Context, tx *db.Tx) error { tx.Changed("article", 1, 7, 1); return nil })
		if !stoa.Is(err, stoa.KindUnavailable) {
			t.Fatalf("%v: it wrote after a day away", err)
		}
		a.poll()
		if a.drops() != 1 {
			t.Fatal("it did not start over")
		}
		a.write("article", 1)
	})
}

func TestRecent_ShowsTheNewestRowsThatMatch(t *testing.T) {
	t.Parallel()
	engines(t, 1, func(t *testing.T, d []*db.DB) {
		a := open(t, d[0])
		a.write("article", 1)
		a.write("page", 2)
		a.write("article", 3)
		if _, err := a.Recent(stoa.WithActor(t.Context(), stoa.Actor{User: 5, Instance: 1, Admin: true}), 10,
			change.Filter{}); !stoa.Is(err, stoa.KindForbidden) {
			t.Errorf("an administrator who is no operator reads the log: %v", err)
		}
		operator := stoa.WithActor(t.Context(), stoa.Actor{User: 5, Instance: 1, Operator: true})
		rows, err := a.Recent(operator, 10, change.Filter{Kind: "article"})
		if err != nil || len(rows) != 2 || rows[0].ID != 3 {
			t.Fatalf("%+v %v", rows, err)
		}
		if rows, err := a.Recent(operator, 1, change.Filter{}); err != nil || len(rows) != 1 {
			t.Fatalf("%+v %v", rows, err)
		}
		if _, err := a.Recent(operator, 0, change.Filter{}); !stoa.Is(err, stoa.KindInvalid) {
			t.Fatal(err)
		}
	})
}

func TestLog_RunFollowsByItselfAndCloseEndsIt(t *testing.T) {
	t.Parallel()
	engines(t, 2, func(t *testing.T, d []*db.DB) {
		a, b := open(t, d[0]), open(t, d[1], func(o *change.Options) { o.PollInterval = 5 * time.Millisecond })
		done := make(chan error, 1)
		go func() { done <- b.Run(t.Context()) }()
		p := a.write("article", 1)
		eventually(t, "Run reads the log", func() bool { return b.times(p) == 1 })
		if err := b.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if err := b.Poll(t.Context()); err == nil {
			t.Fatal("read after Close")
		}
	})
}
