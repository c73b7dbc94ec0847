package change_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/db"
)

// take is a write that takes a fact away.
func take(ctx context.Context, d *db.DB, name string) error {
	var again func(ctx context.Context, tx *db.Tx) error
	again = func(ctx context.Context, tx *db.Tx) error {
		n, err := tx.Affected(ctx, "DELETE FROM cluster_fact WHERE name = ?", name)
		if n > 0 {
			tx.Changed("fact", 1, 7, 1)
			tx.TakesAway(again)
		}
		return err
	}
	return d.Write(ctx, again)
}

func give(t *testing.T, d *db.DB, name string) {
	t.Helper()
	if err := d.Control(t.Context(), func(tx *db.Tx) error {
		return tx.Insert(t.Context(), "cluster_fact", db.Row{"name": name, "value": "x"})
	}); err != nil {
		t.Fatal(err)
	}
}

func has(t *testing.T, d *db.DB, name string) bool {
	t.Helper()
	var n int
	if err := d.QueryRow(t.Context(), "SELECT COUNT(*) FROM cluster_fact WHERE name = ?", name).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n > 0
}

func TestTakesAway_IsAnsweredWhenTheOthersHaveConfirmed_Rule22(t *testing.T) {
	t.Parallel()
	engines(t, 2, func(t *testing.T, d []*db.DB) {
		b := open(t, d[1])
		asked, answer := make(chan change.Position), make(chan error)
		sent := make(chan []byte, 10)
		a := open(t, d[0], func(o *change.Options) {
			o.Send = func(hint []byte) { sent <- hint }
			o.Confirm = func(_ context.Context, p change.Position) error { asked <- p; return <-answer }
		})
		a.write("fact", 1) // gives, so no node is asked
		give(t, d[0], "role")
		done := make(chan error, 1)
		go func() { done <- take(t.Context(), d[0], "role") }()
		p := <-asked
		if a.times(p) != 1 || !a.Applied(p) {
			t.Error("the others were asked before it was applied here")
		}
		if err := b.Await(t.Context(), []change.Position{p}); err != nil || b.times(p) != 1 {
			t.Errorf("applied %d times there: %v", b.times(p), err)
		}
		select {
		case err := <-done:
			t.Fatalf("answered before the others had confirmed: %v", err)
		case <-sent: // the hint is under way while the writer waits
		}
		answer <- nil
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if s := a.Status(); s.TookAway != 1 || s.Unconfirmed != 0 {
			t.Errorf("%d took away, %d unconfirmed", s.TookAway, s.Unconfirmed)
		}
		if err := take(t.Context(), d[0], "role"); err != nil { // there is nothing to take, so no node is asked
			t.Fatal(err)
		}
		err := d[0].Write(t.Context(), func(_ context.Context, tx *db.Tx) error {
			tx.Changed("fact", 1, 7, 1)
			tx.TakesAway(nil)
			tx.Fence(func(context.Context, *db.Tx) error { return errRollback })
			return nil
		})
		if !errors.Is(err, errRollback) || a.Status().TookAway != 1 {
			t.Errorf("rolled back: %v, %d took away", err, a.Status().TookAway)
		}
	})
}

func TestTakesAway_WaitsNoLongerThanTheBound_Rule22(t *testing.T) {
	t.Parallel()
	engines(t, 1, func(t *testing.T, d []*db.DB) {
		gone, leave := context.WithCancel(t.Context())
		confirm := []func(ctx context.Context) error{
			func(context.Context) error { return errors.New("a node cannot be reached") }, // visitors may reach it
			func(ctx context.Context) error {
				leave() // who goes away meanwhile does not shorten it
				<-ctx.Done()
				return context.Cause(ctx)
			},
		}
		a := open(t, d[0], func(o *change.Options) {
			o.ConfirmLimit = 50 * time.Millisecond
			o.Confirm = func(ctx context.Context, p change.Position) error { return confirm[p.N-1](ctx) }
		})
		for i := range confirm {
			give(t, d[0], "role")
			began := time.Now()
			if err := take(gone, d[0], "role"); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took < 50*time.Millisecond {
				t.Errorf("answered after %s", took)
			}
			if s := a.Status(); s.TookAway != uint64(i+1) || s.Unconfirmed != uint64(i+1) {
				t.Errorf("%d took away, %d unconfirmed", s.TookAway, s.Unconfirmed)
			}
		}
	})
}

// Rule 33: what a lost commit had taken away is taken away again.
func TestTakesAway_IsRepeatedWhenAFailOverLostIt_Rule33(t *testing.T) {
	t.Parallel()
	engines(t, 2, func(t *testing.T, d []*db.DB) {
		asked := make(chan change.Position, 10)
		a := open(t, d[0], func(o *change.Options) {
			o.Confirm = func(_ context.Context, p change.Position) error { asked <- p; return nil }
		})
		b := open(t, d[1])
		give(t, d[0], "role")
		give(t, d[0], "kept")
		for _, name := range []string{"kept", "role"} {
			if err := take(t.Context(), d[0], name); err != nil {
				t.Fatal(err)
			}
		}
		kept, lost := <-asked, <-asked
		given := a.write("fact", 9)
		broken := errors.New("there is nothing it could be taken from")
		ctx, receipts := change.WithReceipts(t.Context())
		if err := d[0].Write(ctx, func(_ context.Context, tx *db.Tx) error {
			tx.Changed("fact", 5, 7, 1)
			tx.TakesAway(func(context.Context, *db.Tx) error { return broken })
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		hopeless := receipts.Positions()[0]
		<-asked
		a.poll()
		b.poll()
		give(t, d[1], "role") // the new history has it again
		if err := d[1].Control(t.Context(), func(tx *db.Tx) error {
			for _, s := range []string{"UPDATE db_incarnation SET number = number + 1", "DELETE FROM change_log WHERE n > 1"} {
				if _, err := tx.Exec(t.Context(), s); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it is taken away again", func() bool {
			_ = a.Poll(t.Context()) // the first read in the new history fails
			return !has(t, d[1], "role")
		})
		again := <-asked
		if again.N <= hopeless.N || kept.N != 1 {
			t.Fatalf("taken again at %v", again)
		}
		want := map[uint64]bool{lost.N: true, given.N: false, hopeless.N: false}
		eventually(t, "it is reported", func() bool {
			got := a.Status().Lost
			for _, l := range got {
				if taken, known := want[l.N]; !known || taken != l.TakenAgain {
					return false
				}
			}
			return len(got) == len(want)
		})
		eventually(t, "the other node starts over behind it", func() bool { return b.Poll(t.Context()) == nil && b.drops() == 1 && b.Applied(again) })
	})
}

// Rule 33: of what one lost commit had taken away, what can be taken again is, and a writer in between is waited for.
func TestTakesAway_OneThatFailsDoesNotKeepTheOthers_Rule33(t *testing.T) {
	t.Parallel()
	engines(t, 1, func(t *testing.T, d []*db.DB) {
		a := open(t, d[0])
		drop := func(name string) func(ctx context.Context, tx *db.Tx) error {
			return func(ctx context.Context, tx *db.Tx) error {
				n, err := tx.Affected(ctx, "DELETE FROM cluster_fact WHERE name = ?", name)
				if n > 0 {
					tx.Changed("fact", 1, 7, 1)
				}
				return err
			}
		}
		var broken atomic.Bool
		late := 0
		a.write("fact", 1)
		ctx, receipts := change.WithReceipts(t.Context())
		if err := d[0].Write(ctx, func(_ context.Context, tx *db.Tx) error {
			tx.Changed("fact", 5, 7, 1)
			tx.TakesAway(func(ctx context.Context, tx *db.Tx) error {
				broken.Store(true)
				return errors.Join(drop("kept")(ctx, tx), errors.New("there is nothing it could be taken from"))
			})
			tx.TakesAway(drop("role"))
			tx.TakesAway(func(ctx context.Context, tx *db.Tx) error {
				if late++; late == 1 {
					return stoa.Conflict("another person was faster")
				}
				return drop("late")(ctx, tx)
			})
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		lost := receipts.Positions()[0]
		a.poll()
		for _, name := range []string{"kept", "role", "late"} {
			give(t, d[0], name)
		}
		if err := d[0].Control(t.Context(), func(tx *db.Tx) error {
			for _, s := range []string{"UPDATE db_incarnation SET number = number + 1", "DELETE FROM change_log WHERE n > 1"} {
				if _, err := tx.Exec(t.Context(), s); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "what can be is taken away again", func() bool {
			_ = a.Poll(t.Context()) // the first read in the new history fails
			return !has(t, d[0], "role") && !has(t, d[0], "late")
		})
		if !broken.Load() || !has(t, d[0], "kept") {
			t.Error("what failed half-way was not undone")
		}
		eventually(t, "it is reported", func() bool { return len(a.Status().Lost) == 1 })
		if l := a.Status().Lost[0]; l.N != lost.N || l.TakenAgain {
			t.Errorf("reported as %+v", l)
		}
	})
}
