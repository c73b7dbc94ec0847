package change_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

func TestLog_AWriteIsAppliedHereBeforeItIsAnsweredAndElsewhereAfterARead(t *testing.T) {
	t.Parallel()
	engines(t, 2, func(t *testing.T, d []*db.DB) {
		a, b := open(t, d[0]), open(t, d[1])
		p := a.write("article", 42)
		if a.times(p) != 1 || !a.Applied(p) {
			t.Fatal("the writer's own node did not apply it")
		}
		if b.times(p) != 0 || b.Applied(p) {
			t.Fatal("the other node cannot know yet")
		}
		b.poll()
		if b.times(p) != 1 || !b.Applied(p) {
			t.Fatal("the other node did not apply it")
		}
		want := change.Row{Writer: a.Writer(), N: 1, Low: 1, Kind: "article", ID: 42, Scope: 7, Version: 1}
		if got := b.last(); got.At.IsZero() || func() change.Row { got.At = time.Time{}; return got }() != want {
			t.Fatalf("%+v, want %+v", got, want)
		}
		a.poll()
		b.poll()
		if a.times(p) != 1 || b.times(p) != 1 {
			t.Fatal("it was applied twice")
		}
	})
}

func TestLog_ARollbackLeavesNoTrace(t *testing.T) {
	t.Parallel()
	engines(t, 2, func(t *testing.T, d []*db.DB) {
		a, b := open(t, d[0]), open(t, d[1])
		err := d[0].Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			tx.Changed("article", 1, 7, 1)
			tx.Fence(func(context.Context, *db.Tx) error { return errRollback })
			return nil
		})
		if !errors.Is(err, errRollback) {
			t.Fatal(err)
		}
		p := a.write("article", 2)
		b.poll()
		if p.N != 2 || b.times(p) != 1 || b.times(change.Position{Writer: p.Writer, N: 1}) != 0 {
			t.Fatalf("position %v", p)
		}
		for _, w := range b.Status().Writers {
			if w.Gaps != 0 {
				t.Fatalf("the rolled back number stays a gap: %+v", w)
			}
		}
	})
}

// Rule 1: nothing bounds how late a commit may be; it must be seen whenever it comes.
func TestLog_ACommitThatHangsIsSeenWheneverItComes_Rule1(t *testing.T) {
	t.Parallel()
	servers(t, 3, func(t *testing.T, d []*db.DB) {
		a, b := open(t, d[0]), open(t, d[1])
		late := a.hold(d[2], 1)
		for range 50 {
			p := a.write("article", 2)
			b.poll()
			if b.times(p) != 1 {
				t.Fatal("a later commit waits for the one that hangs")
			}
		}
		late.commit(t)
		b.poll()
		if b.times(change.Position{Writer: a.Writer(), N: late.n}) != 1 {
			t.Fatal("the late commit was missed")
		}
	})
}

// Rule 1: neither does a clock; this commit bears a time of an hour ago.
func TestLog_NoClockTakesPartInFollowing_Rule1(t *testing.T) {
	t.Parallel()
	for _, e := range []dbtest.Engine{dbtest.Postgres, dbtest.MariaDB} {
		t.Run(string(e), func(t *testing.T) {
			address := dbtest.URL(t, e)
			handle := func(wrong time.Duration) *db.DB {
				d, err := db.Open(t.Context(), db.Options{URL: address, Now: func() time.Time { return time.Now().Add(wrong) }})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = d.Close() })
				if err := d.Migrate(t.Context()); err != nil {
					t.Fatal(err)
				}
				return d
			}
			a, b := open(t, handle(0)), open(t, handle(0))
			late := a.hold(handle(-time.Hour), 1)
			a.write("article", 2)
			b.poll()
			late.commit(t)
			b.poll()
			if b.times(change.Position{Writer: a.Writer(), N: late.n}) != 1 {
				t.Fatal("the late commit was missed")
			}
		})
	}
}

// What others hear of must be there when they look.
func TestLog_WhatIsAppliedAndSentIsCommitted(t *testing.T) {
	t.Parallel()
	engines(t, 2, func(t *testing.T, d []*db.DB) {
		var a *node
		told := make(chan error, 2)
		look := func() {
			var rows int
			err := d[1].QueryRow(context.Background(), "SELECT COUNT(*) FROM change_log WHERE writer = ?", a.Writer()).Scan(&rows)
			if err == nil && rows != 1 {
				err = fmt.Errorf("%d rows are in the database", rows)
			}
			told <- err
		}
		a = open(t, d[0], func(o *change.Options) {
			o.Apply = func([]change.Row) { look() }
			o.Send = func([]byte) { look() }
		})
		a.write("article", 1)
		for _, what := range []string{"applied", "sent"} {
			if err := <-told; err != nil {
				t.Errorf("%s too early: %v", what, err)
			}
		}
	})
}

// Rule 2: the cost is the changes, not the changes times a window.
func TestLog_EachChangeIsReadOnce_Rule2(t *testing.T) {
	t.Parallel()
	engines(t, 2, func(t *testing.T, d []*db.DB) {
		a, b := open(t, d[0]), open(t, d[1])
		for range 40 {
			a.write("article", 1)
			b.poll()
		}
		if got := b.Status().Read; got != 40 {
			t.Fatalf("%d rows were read for 40 changes", got)
		}
	})
}

// Rules 3 and 5: a number is never used again, not even after the log was emptied and the writer is new.
func TestLog_NumbersAreNeverUsedAgain_Rules3and5(t *testing.T) {
	t.Parallel()
	engines(t, 2, func(t *testing.T, d []*db.DB) {
		b := open(t, d[1])
		first := open(t, d[0])
		p := first.write("article", 1)
		b.poll()
		if err := first.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		pruner := open(t, d[0], func(o *change.Options) { o.Now = func() time.Time { return time.Now().Add(2 * time.Hour) } })
		if n, err := pruner.Prune(t.Context(), nil); err != nil || n != 1 {
			t.Fatalf("pruned %d rows: %v", n, err)
		}
		q := pruner.write("article", 1)
		b.poll()
		if q == p || b.times(q) != 1 || b.drops() != 0 {
			t.Fatalf("%v after %v: applied %d times, %d drops", q, p, b.times(q), b.drops())
		}
	})
}

// Rule 4: a token names one write exactly; forged ones share one read and are never waited for.
func TestLog_TokensAreExactAndForgedOnesAreCheap_Rule4(t *testing.T) {
	t.Parallel()
	engines(t, 2, func(t *testing.T, d []*db.DB) {
		a, b := open(t, d[0]), open(t, d[1])
		p, q := a.write("article", 1), a.write("article", 2)
		if err := b.Await(t.Context(), []change.Position{p, q}); err != nil || b.times(p) != 1 || b.times(q) != 1 {
			t.Fatalf("after the wait: %d %d %v", b.times(p), b.times(q), err)
		}
		before := b.Status().Polls
		if err := b.Await(t.Context(), []change.Position{p, q}); err != nil || b.Status().Polls != before {
			t.Fatalf("what is applied was read again: %v", err)
		}
		var wg sync.WaitGroup
		start := make(chan struct{})
		for i := range 100 {
			wg.Go(func() {
				<-start
				if err := b.Await(t.Context(), []change.Position{{Writer: 5, N: uint64(i + 1)}}); err != nil {
					t.Error(err)
				}
			})
		}
		close(start)
		wg.Wait()
		if polls := b.Status().Polls - before; polls > 50 {
			t.Fatalf("100 forged tokens at once cost %d reads", polls)
		}
	})
}

// Rule 9: at most one read in flight and one waiting, however many ask.
func TestLog_ReadsAreShared_Rule9(t *testing.T) {
	t.Parallel()
	servers(t, 1, func(t *testing.T, d []*db.DB) {
		var flying, most, reads atomic.Int32
		begun, release := make(chan struct{}, 1), make(chan struct{})
		block := atomic.Bool{}
		var later atomic.Int64
		a := open(t, d[0], func(o *change.Options) {
			o.Clock = func() time.Duration { return change.Boottime() + time.Duration(later.Load()) }
			o.Beat = func(context.Context, *db.Tx, uint64) error {
				most.Store(max(most.Load(), flying.Add(1)))
				reads.Add(1)
				if block.CompareAndSwap(true, false) {
					begun <- struct{}{}
					<-release
				}
				flying.Add(-1)
				return nil
			}
		})
		block.Store(true)
		var wg sync.WaitGroup
		wg.Go(func() { a.poll() })
		<-begun
		joined := make(chan struct{}, 500)
		for range 500 {
			wg.Go(func() { joined <- struct{}{}; a.poll() })
		}
		for range 500 {
			<-joined
		}
		later.Store(int64(change.Bound + time.Second))
		if !a.Hangs() {
			t.Error("a read that has waited for longer than the bound does not hang")
		}
		close(release)
		wg.Wait()
		if a.Hangs() {
			t.Error("a read that has ended hangs")
		}
		if most.Load() != 1 || reads.Load() > 20 {
			t.Fatalf("%d reads, %d at once", reads.Load(), most.Load())
		}
	})
}

// Rule 9: the reads that hints ask for keep their distance.
func TestLog_ReadsKeepTheirDistance_Rule9(t *testing.T) {
	t.Parallel()
	engines(t, 1, func(t *testing.T, d []*db.DB) {
		a := open(t, d[0], func(o *change.Options) { o.MinPollGap = 20 * time.Millisecond })
		began := time.Now()
		for range 5 {
			a.poll()
		}
		if took := time.Since(began); took < 75*time.Millisecond {
			t.Fatalf("five reads in a row took %s", took)
		}
	})
}

// Rule 11: what is in flight when a node joins is not taken for applied.
func TestLog_WhatIsInFlightAtTheJoinIsAppliedLater_Rule11(t *testing.T) {
	t.Parallel()
	servers(t, 3, func(t *testing.T, d []*db.DB) {
		a := open(t, d[0])
		before := a.write("article", 1)
		flying := a.hold(d[2], 2)
		after := a.write("article", 3)
		b := open(t, d[1])
		b.poll()
		if b.times(before) != 0 || b.times(after) != 0 || !b.Applied(before) || !b.Applied(after) {
			t.Fatal("what was committed before the join counts as applied")
		}
		p := change.Position{Writer: a.Writer(), N: flying.n}
		if b.Applied(p) {
			t.Fatal("what is in flight counts as applied")
		}
		flying.commit(t)
		b.poll()
		if b.times(p) != 1 {
			t.Fatal("what was in flight was missed")
		}
	})
}

// Rule 12: only a COMMIT that returned is a proof.
func TestLog_NoProofWithoutTheCommitOfAHeartbeat_Rule12(t *testing.T) {
	t.Parallel()
	servers(t, 1, func(t *testing.T, d []*db.DB) {
		var refuse atomic.Bool
		deposed := errors.New("read only")
		a := open(t, d[0], func(o *change.Options) {
			o.Beat = func(context.Context, *db.Tx, uint64) error {
				if refuse.Load() {
					return deposed
				}
				return nil
			}
		})
		if a.Proof() != 0 {
			t.Fatal("a proof before the first read")
		}
		a.poll()
		proof := a.Proof()
		if proof == 0 {
			t.Fatal("no proof after a read")
		}
		refuse.Store(true)
		if err := a.Poll(t.Context()); !errors.Is(err, deposed) {
			t.Fatalf("%v, want the refusal", err)
		}
		if a.Proof() != proof {
			t.Fatal("a read whose heartbeat was refused counts as a proof")
		}
		if s := a.Status(); s.PollsFailed != 1 || s.PollError == "" {
			t.Fatalf("the failure does not show: %+v", s)
		}
	})
}

// Rule 13: a proof is dated when it was sent, and counts once its rows are applied.
func TestLog_AProofIsDatedWhenItWasSent_Rule13(t *testing.T) {
	t.Parallel()
	servers(t, 2, func(t *testing.T, d []*db.DB) {
		var clock atomic.Int64
		clock.Store(int64(time.Hour))
		var during time.Duration
		var b *node
		w := open(t, d[0])
		b = open(t, d[1], func(o *change.Options) {
			o.Clock = func() time.Duration { return time.Duration(clock.Load()) }
			o.Beat = func(context.Context, *db.Tx, uint64) error {
				clock.Add(int64(5 * time.Second)) // a slow server
				return nil
			}
			apply := o.Apply
			o.Apply = func(rows []change.Row) { during = b.Proof(); apply(rows) }
		})
		p := w.write("article", 1)
		b.poll()
		if b.Proof() != time.Hour {
			t.Fatalf("dated %s, sent at 1h", b.Proof())
		}
		if b.times(p) != 1 || during != 0 {
			t.Fatalf("the proof counted before its rows were applied: %s", during)
		}
	})
}

// Rule 14: load does not starve the proof.
func TestLog_AFullPoolDoesNotDelayTheProof_Rule14(t *testing.T) {
	t.Parallel()
	servers(t, 1, func(t *testing.T, d []*db.DB) {
		a := open(t, d[0])
		var wg sync.WaitGroup
		release, busy := make(chan struct{}), make(chan struct{}, 10)
		for range 10 { // all connections of the pool of dbtest
			wg.Go(func() {
				_ = d[0].Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
					if _, err := tx.Exec(ctx, "SELECT 1"); err != nil {
						return err
					}
					busy <- struct{}{}
					<-release
					return nil
				})
			})
		}
		for range 10 {
			<-busy
		}
		a.poll()
		close(release)
		wg.Wait()
	})
}

// Rule 14, on SQLite: a long transaction that writes does not delay the proof.
func TestLog_ALongWriteDoesNotDelayTheProof_Rule14(t *testing.T) {
	t.Parallel()
	d := dbtest.Nodes(t, dbtest.SQLite, 2)
	a := open(t, d[0], func(o *change.Options) { o.PollInterval = time.Millisecond })
	busy, release, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- d[1].Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
			err := tx.Insert(ctx, "cluster_fact", db.Row{"name": "long", "value": "x"})
			close(busy)
			<-release
			return err
		})
	}()
	<-busy
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for range 20 {
		if err := a.Poll(ctx); err != nil {
			t.Fatal(err)
		}
	}
	close(release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// Rule 27: the database says what became of a COMMIT that was not answered.
func TestLog_AnUnknownCommitIsSettledByTheDatabase_Rule27(t *testing.T) {
	t.Parallel()
	servers(t, 2, func(t *testing.T, d []*db.DB) {
		for _, committed := range []bool{true, false} {
			t.Run(fmt.Sprint("committed ", committed), func(t *testing.T) {
				a := open(t, d[0])
				h := a.hold(d[1], 5)
				type outcome struct {
					committed bool
					err       error
				}
				settled := make(chan outcome, 1)
				go func() {
					c, err := a.Settle(context.Background(), h.n)
					settled <- outcome{c, err}
				}()
				p := change.Position{Writer: a.Writer(), N: h.n}
				eventually(t, "the tags are dropped first", func() bool { return a.times(p) == 1 })
				select {
				case got := <-settled:
					t.Fatalf("settled while the transaction was open: %+v", got)
				case <-time.After(150 * time.Millisecond): // the insertion waits in the database
				}
				if committed {
					h.commit(t)
				} else {
					h.rollback(t)
				}
				if got := <-settled; got.err != nil || got.committed != committed {
					t.Fatalf("%+v", got)
				}
				if a.Applied(p) {
					t.Fatal("not settled before Done")
				}
				if again, err := a.Settle(t.Context(), h.n); err != nil || again != committed {
					t.Fatalf("asked again: %v %v", again, err)
				}
				a.Done(t.Context(), h.n, []db.Change{{Kind: "article", ID: 5}}, committed)
				if !a.Applied(p) {
					t.Fatal("not settled after Done")
				}
			})
		}
	})
}

// Rule 27: while the outcome is unknown, the number stays open and is asked about again; reads go on meanwhile.
func TestLog_AnOutcomeThatNobodyCouldTellIsAskedAboutAgain_Rule27(t *testing.T) {
	t.Parallel()
	servers(t, 3, func(t *testing.T, d []*db.DB) {
		a, b := open(t, d[0], func(o *change.Options) { o.PollInterval = 10 * time.Millisecond }), open(t, d[1])
		h := a.hold(d[2], 5)
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if _, err := a.Settle(ctx, h.n); err == nil {
			t.Fatal("settled while the transaction was open")
		}
		p := change.Position{Writer: a.Writer(), N: h.n}
		if s := a.Status(); s.Doubtful != 1 || s.Low != h.n || a.Applied(p) {
			t.Fatalf("%+v", s)
		}
		run, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- a.Run(run) }()
		polls := a.Status().Polls
		eventually(t, "reads go on while the COMMIT hangs", func() bool { return a.Status().Polls > polls+20 })
		dropped := a.times(p)
		h.commit(t)
		eventually(t, "the outcome is found out", func() bool { return a.Status().Doubtful == 0 && a.Applied(p) })
		if a.times(p) <= dropped {
			t.Fatal("the commit was not applied once it was known")
		}
		stop()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		b.poll()
		if b.times(p) != 1 {
			t.Fatal("the other node missed it")
		}
	})
}

// Rule 27: a node that was away until the row was pruned is not told that it was never committed.
func TestLog_AnOutcomeThatWasPrunedIsNotTakenForARollback_Rule27(t *testing.T) {
	t.Parallel()
	servers(t, 3, func(t *testing.T, d []*db.DB) {
		later := func() time.Time { return time.Now().Add(2 * time.Hour) }
		a, b := open(t, d[0], func(o *change.Options) { o.PollInterval = 10 * time.Millisecond }), open(t, d[1], func(o *change.Options) { o.Now = later })
		h := a.hold(d[2], 5)
		h.commit(t) // and a is frozen before it has the answer
		if _, err := b.WriteTombstones(t.Context(), a.Writer()); err != nil {
			t.Fatal(err)
		}
		if n, err := b.Prune(t.Context(), nil); n != 1 || err != nil {
			t.Fatalf("%d rows pruned, %v", n, err)
		}
		if committed, err := a.Settle(t.Context(), h.n); !errors.Is(err, change.ErrForgotten) {
			t.Fatalf("committed %v, %v", committed, err)
		}
		run, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- a.Run(run) }()
		eventually(t, "the number is given up", func() bool { s := a.Status(); return s.Doubtful == 0 && s.Low == h.n+1 })
		stop()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}

// Rule 27: a context that ends during COMMIT leaves the outcome to the server; it is asked.
func TestLog_ACommitThatIsCutOffIsAskedAbout_Rule27(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, onCancel string
		rows           int
	}{
		{"the server gives up", "RAISE", 0},
		{"the server goes on", "PERFORM pg_sleep(0.4)", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := dbtest.Nodes(t, dbtest.Postgres, 2)
			a, b := open(t, d[0]), open(t, d[1])
			err := d[1].Control(t.Context(), func(tx *db.Tx) error {
				for _, s := range []string{
					// PostgreSQL signals a session and then its process group, so it can be cancelled again while it handles the first.
					"CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN " +
						"BEGIN PERFORM pg_sleep(5); EXCEPTION WHEN query_canceled THEN " + c.onCancel + "; END; RETURN NULL; " +
						"EXCEPTION WHEN query_canceled THEN " + c.onCancel + "; RETURN NULL; END $$",
					"CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON cluster_fact DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION dawdle()",
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
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan error, 1)
			go func() {
				done <- d[0].Write(ctx, func(ctx context.Context, tx *db.Tx) error {
					tx.Changed("fact", 1, 7, 1)
					return tx.Insert(ctx, "cluster_fact", db.Row{"name": "slow", "value": "x"})
				})
			}()
			eventually(t, "the server is in COMMIT", func() bool {
				var n int
				err := d[1].QueryRow(t.Context(), "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'").Scan(&n)
				return err == nil && n == 1
			})
			cancel()
			err = <-done
			var rows int
			if err := d[1].QueryRow(t.Context(), "SELECT COUNT(*) FROM cluster_fact WHERE name = 'slow'").Scan(&rows); err != nil {
				t.Fatal(err)
			}
			p := change.Position{Writer: a.Writer(), N: 1}
			b.poll()
			if rows != c.rows || (err == nil) != (rows == 1) || b.times(p) != rows || gaps(b, a.Writer()) != 0 {
				t.Fatalf("%d rows are there; the writer was told %v; another node applied it %d times and has %d gaps", rows, err, b.times(p), gaps(b, a.Writer()))
			}
		})
	}
}

// Rule 27: a tombstone keeps the old transaction out for ever.
func TestLog_ATombstoneKeepsTheOldTransactionOut_Rule27(t *testing.T) {
	t.Parallel()
	engines(t, 3, func(t *testing.T, d []*db.DB) {
		a, b := open(t, d[0]), open(t, d[1])
		boom := errors.New("the node is taken for dead here")
		var n uint64
		err := d[0].Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		// Take a number and die before anything was sent.
		err = d[2].Control(t.Context(), func(tx *db.Tx) error {
			n, err = a.Append(t.Context(), tx, []db.Change{{Kind: "article", ID: 5}})
			return errors.Join(boom, err)
		})
		if !errors.Is(err, boom) || n != 1 {
			t.Fatalf("number %d, %v", n, err)
		}
		p := a.write("article", 6)
		b.poll()
		if got := gaps(b, a.Writer()); got != 1 {
			t.Fatalf("%d gaps for the number in flight", got)
		}
		if dead, err := b.WriteTombstones(t.Context(), a.Writer()); err != nil || dead != 1 {
			t.Fatalf("%d tombstones, %v", dead, err)
		}
		if dead, err := b.WriteTombstones(t.Context(), a.Writer()); err != nil || dead != 0 {
			t.Fatalf("%d tombstones the second time, %v", dead, err)
		}
		err = d[2].Control(t.Context(), func(tx *db.Tx) error {
			return tx.Insert(t.Context(), "change_log", db.Row{"writer": a.Writer(), "n": 1, "part": 0, "low": 1, "kind": "article", "thing": 5, "scope": 0, "version": 1, "at": 1})
		})
		if !db.IsDuplicate(err) {
			t.Fatalf("%v: the old transaction got through", err)
		}
		if committed, err := a.Settle(t.Context(), n); err != nil || committed {
			t.Fatalf("the writer takes the tombstone for its commit: %v %v", committed, err)
		}
		b.poll()
		if gaps(b, a.Writer()) != 0 || b.times(p) != 1 || b.times(change.Position{Writer: a.Writer(), N: 1}) != 0 {
			t.Fatalf("after the tombstones: %+v", b.Status().Writers)
		}
	})
}

func gaps(n *node, writer int64) int {
	for _, w := range n.Status().Writers {
		if w.Writer == writer {
			return w.Gaps
		}
	}
	return -1
}

// The race of the experiments: writers on two nodes that roll back and dawdle, a third node that
// follows, no hints. Nothing may be missed.
func TestLog_NothingIsMissedUnderRacingWriters_Rules1to3(t *testing.T) {
	t.Parallel()
	engines(t, 3, func(t *testing.T, d []*db.DB) {
		nodes := []*node{open(t, d[0]), open(t, d[1]), open(t, d[2])}
		run, stop := context.WithCancel(t.Context())
		var followers, writers sync.WaitGroup
		for _, n := range nodes {
			followers.Go(func() {
				for run.Err() == nil {
					if err := n.Poll(run); err != nil && run.Err() == nil {
						t.Error(err)
					}
				}
			})
		}
		var mu sync.Mutex
		var committed []change.Position
		var rolled atomic.Int64
		end := time.Now().Add(2500 * time.Millisecond)
		for i := range 24 {
			writers.Go(func() {
				rnd := rand.New(rand.NewPCG(uint64(i), 7))
				n := nodes[i%2]
				for time.Now().Before(end) {
					ctx, receipts := change.WithReceipts(t.Context())
					fail, wait := rnd.IntN(100) < 5, time.Duration(0)
					if rnd.IntN(100) < 5 {
						wait = time.Duration(rnd.IntN(60)) * time.Millisecond
					}
					if n.d.Dialect() == db.SQLite {
						wait /= 10 // one writer at a time
					}
					err := n.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
						tx.Changed("article", stoa.ID(rnd.IntN(1000)+1), 7, 1)
						tx.Fence(func(context.Context, *db.Tx) error { // after the row was appended
							<-time.After(wait)
							if fail {
								return errRollback
							}
							return nil
						})
						return nil
					})
					if errors.Is(err, errRollback) {
						rolled.Add(1)
						continue
					}
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					committed = append(committed, receipts.Positions()...)
					mu.Unlock()
				}
			})
		}
		writers.Wait()
		stop()
		followers.Wait()
		for _, n := range nodes {
			n.poll()
		}
		if len(committed) < 50 || rolled.Load() == 0 {
			t.Fatalf("%d commits and %d rollbacks: too few to tell", len(committed), rolled.Load())
		}
		for i, n := range nodes {
			missed := 0
			for _, p := range committed {
				if n.times(p) != 1 || !n.Applied(p) {
					missed++
				}
			}
			if missed > 0 {
				t.Errorf("node %d missed %d of %d, or applied them twice", i, missed, len(committed))
			}
		}
		s := nodes[2].Status()
		t.Logf("%d commits, %d rollbacks, %d rows read in %d reads", len(committed), rolled.Load(), s.Read, s.Polls)
		if s.Read > uint64(len(committed))*11/10+10 {
			t.Errorf("%d rows were read for %d changes", s.Read, len(committed))
		}
	})
}
