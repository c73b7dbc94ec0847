package cluster

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

// twoLeases are two nodes' parts in one lease, with clocks that the test moves.
type twoLeases struct {
	a, b   *Lease
	clocks [2]atomic.Int64
}

func newTwoLeases(d []*db.DB) *twoLeases {
	w := &twoLeases{}
	for i := range w.clocks {
		w.clocks[i].Store(int64(time.Duration(i+1) * time.Hour))
	}
	w.a = newLease(d[0], "master", 1, func() time.Duration { return time.Duration(w.clocks[0].Load()) })
	w.b = newLease(d[1], "master", 2, func() time.Duration { return time.Duration(w.clocks[1].Load()) })
	return w
}

func (w *twoLeases) pass(d time.Duration) {
	for i := range w.clocks {
		w.clocks[i].Add(int64(d))
	}
}

// silence lets time pass in which a does nothing and b looks, until b may claim when it looks next.
func (w *twoLeases) silence(t *testing.T) {
	t.Helper()
	for range takeoverAfter/leaseTick - 1 {
		w.pass(leaseTick)
		advance(t, w.b)
	}
	if w.b.Held() {
		t.Fatalf("taken over after %s", takeoverAfter-leaseTick)
	}
	w.pass(leaseTick)
}

func advance(t *testing.T, l *Lease) {
	t.Helper()
	if err := l.advance(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func engines(t *testing.T, n int, fn func(t *testing.T, d []*db.DB)) {
	t.Helper()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) { fn(t, dbtest.Nodes(t, e, n)) })
	}
}

// servers runs the test on the engines where two transactions can be open at once.
func servers(t *testing.T, n int, fn func(t *testing.T, d []*db.DB)) {
	t.Helper()
	for _, e := range []dbtest.Engine{dbtest.Postgres, dbtest.MariaDB} {
		t.Run(string(e), func(t *testing.T) { fn(t, dbtest.Nodes(t, e, n)) })
	}
}

func TestLease_PassesOnAfterTheHolderFellSilent_Rule25(t *testing.T) {
	t.Parallel()
	engines(t, 2, func(t *testing.T, d []*db.DB) {
		w := newTwoLeases(d)
		advance(t, w.a)
		advance(t, w.b)
		if !w.a.Held() || w.b.Held() {
			t.Fatal("the first to claim does not hold it alone")
		}
		for range 12 { // renewals keep it
			w.pass(leaseTick)
			advance(t, w.a)
			advance(t, w.b)
		}
		if !w.a.Held() || w.b.Held() {
			t.Fatal("a renewed lease was lost")
		}
		w.silence(t)
		if w.a.Held() {
			t.Fatalf("it acts %s after its last renewal", takeoverAfter)
		}
		advance(t, w.b)
		if !w.b.Held() {
			t.Fatal("not taken over after 2.5 s")
		}
		advance(t, w.a) // it wakes up
		if w.a.Held() || !w.b.Held() {
			t.Fatal("the old holder is back")
		}
	})
}

func TestLease_GivenBackItPassesOnAtOnce(t *testing.T) {
	t.Parallel()
	engines(t, 2, func(t *testing.T, d []*db.DB) {
		w := newTwoLeases(d)
		advance(t, w.a)
		old := w.a.fence(1)
		if err := w.a.release(t.Context()); err != nil {
			t.Fatal(err)
		}
		advance(t, w.b)
		if w.a.Held() || !w.b.Held() {
			t.Fatal("the next node does not hold it")
		}
		if err := effect(t.Context(), d[0], old, "late", nil); !errors.Is(err, ErrFenced) {
			t.Fatalf("%v: what was begun before still has effect", err)
		}
	})
}

func TestLease_AHolderThatOverslaptWinsANewEpoch(t *testing.T) {
	t.Parallel()
	engines(t, 2, func(t *testing.T, d []*db.DB) {
		w := newTwoLeases(d)
		advance(t, w.a)
		w.pass(3 * time.Second)
		advance(t, w.a)
		if epoch, left, _ := w.a.state(); epoch != 2 || left <= 0 {
			t.Fatalf("epoch %d, %s left", epoch, left)
		}
		if err := effect(t.Context(), d[0], w.a.fence(1), "late", nil); !errors.Is(err, ErrFenced) {
			t.Fatalf("%v: the run of the old epoch still has effect", err)
		}
	})
}

// effect is what a job writes: one row, in a fenced transaction. pause runs before the fence.
func effect(ctx context.Context, d *db.DB, f Fence, name string, pause func()) error {
	return d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		f.Apply(tx)
		if err := tx.Insert(ctx, "cluster_fact", db.Row{"name": name, "value": "x"}); err != nil {
			return err
		}
		if pause != nil {
			pause()
		}
		return nil
	})
}

func TestFence_AHolderFrozenInItsTransactionHasNoEffectAndDelaysNobody_Rule24(t *testing.T) {
	t.Parallel()
	servers(t, 2, func(t *testing.T, d []*db.DB) {
		w := newTwoLeases(d)
		advance(t, w.a)
		advance(t, w.b)
		frozen, thaw, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		go func() {
			done <- effect(context.Background(), d[0], w.a.fence(1), "of the old master", func() {
				close(frozen)
				<-thaw
			})
		}()
		<-frozen
		w.silence(t)
		advance(t, w.b) // would wait, if the frozen transaction held the row
		if !w.b.Held() {
			t.Fatal("the takeover failed")
		}
		if err := effect(t.Context(), d[1], w.b.fence(2), "of the new master", nil); err != nil {
			t.Fatal(err)
		}
		close(thaw)
		if err := <-done; !errors.Is(err, ErrFenced) {
			t.Fatalf("%v: the old master's transaction was committed after the new master's", err)
		}
		var value string
		if err := d[1].QueryRow(t.Context(), "SELECT value FROM cluster_fact WHERE name = 'of the old master'").Scan(&value); !db.IsNoRows(err) {
			t.Fatalf("%q %v", value, err)
		}
	})
}

// The other order: the fence has passed, so the takeover must come after the transaction or fail.
func TestFence_ATakeoverIsOrderedAfterAFenceThatPassed_Rule24(t *testing.T) {
	t.Parallel()
	servers(t, 2, func(t *testing.T, d []*db.DB) {
		w := newTwoLeases(d)
		advance(t, w.a)
		advance(t, w.b)
		w.silence(t)
		passed, commit, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		go func() {
			done <- d[0].Control(context.Background(), func(tx *db.Tx) error {
				err := w.a.fence(1).pass(context.Background(), tx)
				close(passed)
				<-commit
				return err
			})
		}()
		<-passed
		claimed := make(chan error, 1)
		go func() { claimed <- w.b.advance(context.Background()) }()
		select {
		case err := <-claimed:
			t.Fatalf("taken over while a fenced transaction was committing: %v", err)
		case <-time.After(150 * time.Millisecond): // it waits in the database
		}
		close(commit)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if err := <-claimed; err != nil {
			t.Fatal(err)
		}
		if w.b.Held() {
			t.Fatal("the beat was raised by the fence, so the claim must fail")
		}
	})
}

// Rule 26: a fire time takes effect once, though both masters run it.
func TestFence_AFireTimeTakesEffectOnce_Rule26(t *testing.T) {
	t.Parallel()
	engines(t, 2, func(t *testing.T, d []*db.DB) {
		w := newTwoLeases(d)
		advance(t, w.a)
		advance(t, w.b)
		old := w.a.fence(1)
		w.silence(t)
		advance(t, w.b)
		starts, effects := 0, 0
		for _, run := range []struct {
			d *db.DB
			f Fence
		}{{d[1], w.b.fence(2)}, {d[0], old}, {d[1], w.b.fence(2)}} {
			starts++
			err := effect(t.Context(), run.d, run.f, "fire 2026-01-01T00:00Z", nil)
			switch {
			case err == nil:
				effects++
			case !errors.Is(err, ErrFenced) && !db.IsDuplicate(err):
				t.Fatal(err)
			}
		}
		if starts != 3 || effects != 1 {
			t.Fatalf("%d effects of one fire time in %d starts", effects, starts)
		}
		if err := effect(t.Context(), d[0], Fence{}, "no lease", nil); !errors.Is(err, ErrFenced) {
			t.Fatalf("%v: the zero fence lets something through", err)
		}
	})
}

func TestLease_RunEndsAtTheLocalLimitAndBeginsAnew(t *testing.T) {
	t.Parallel()
	engines(t, 2, func(t *testing.T, d []*db.DB) {
		w := newTwoLeases(d)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		runs, ended := make(chan Fence), make(chan error)
		done := make(chan error, 1)
		go func() {
			done <- w.a.Run(ctx, func(ctx context.Context, f Fence) error {
				runs <- f
				<-ctx.Done()
				ended <- context.Cause(ctx)
				return ctx.Err()
			})
		}()
		advance(t, w.a)
		first := <-runs
		w.clocks[0].Add(int64(holdLimit) + 1) // no node renews
		if err := <-ended; !errors.Is(err, ErrFenced) {
			t.Fatalf("ended by %v", err)
		}
		advance(t, w.a)
		second := <-runs
		if err := effect(t.Context(), d[0], first, "first", nil); !errors.Is(err, ErrFenced) {
			t.Fatalf("the first run still has effect: %v", err)
		}
		if err := effect(t.Context(), d[0], second, "second", nil); err != nil {
			t.Fatal(err)
		}
		cancel()
		<-ended
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}

func TestLease_RunReturnsWhatItsWorkReturned(t *testing.T) {
	t.Parallel()
	d := dbtest.Nodes(t, dbtest.SQLite, 2)
	w := newTwoLeases(d)
	advance(t, w.a)
	boom := errors.New("boom")
	if err := w.a.Run(t.Context(), func(context.Context, Fence) error { return boom }); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	if err := w.a.Run(t.Context(), func(context.Context, Fence) error { return nil }); err != nil {
		t.Fatal(err)
	}
}
