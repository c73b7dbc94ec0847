package transfer_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/transfer"
)

func TestCopy_WithWritersNothingIsLostAndNothingDoubled(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, from, to *db.DB) {
		seed(t, from, 3000)
		w := write(t, from, 4, 2000)
		got, err := transfer.Copy(context.Background(), transfer.CopyOptions{Source: from, Target: to, PageRows: 100})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d rows, %d changes caught, read-only for %s, %d transactions, %d refused", got.Rows, got.Caught,
			got.ReadOnly, w.done.Load(), w.failed.Load())
		before := w.failed.Load()
		waitFor(t, "the writers are refused", func() bool { return w.failed.Load() > before+4 })
		w.stop()
		if got.Caught == 0 {
			t.Error("no change was caught: the writers did not write during the copy")
		}
		if got.ReadOnly > 5*time.Second {
			t.Errorf("the source was read-only for %s", got.ReadOnly)
		}
		w.check(t, to)
		same(t, from, to)
		if address, ok, err := transfer.Moved(context.Background(), from); err != nil || !ok ||
			address != to.Describe() {
			t.Errorf("the source is marked %q %v %v", address, ok, err)
		}
		if _, ok, err := transfer.Moved(context.Background(), to); ok || err != nil {
			t.Errorf("the target is marked as moved: %v", err)
		}
		if n := one(t, to, "SELECT number FROM db_incarnation"); n <= one(t, from,
			"SELECT number FROM db_incarnation") || n != got.Incarnation {
			t.Errorf("the target has incarnation %d", n)
		}
		if a, b := one(t, from, "SELECT next_id FROM db_counter WHERE name = 'id'"), one(t, to,
			"SELECT next_id FROM db_counter WHERE name = 'id'"); b < a+1<<24 {
			t.Errorf("ids go on at %d, and were at %d in the source", b, a)
		}
		if n := one(t, to, "SELECT count(*) FROM cluster_lease"); n != 0 {
			t.Error("leases of processes were copied")
		}
		if n := one(t, to, "SELECT count(*) FROM cluster_fact WHERE name = 'filestore'"); n != 1 {
			t.Error("the identity of the file store was not copied")
		}
		if err := to.Recheck(context.Background()); err != nil { // as a node does at its start
			t.Fatal(err)
		}
		if err := to.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
			return tx.Insert(ctx, "page_page", pageRow(99_000_000, 77, "after", ""))
		}); err != nil {
			t.Errorf("the target takes no writes: %v", err)
		}
	})
}

func TestCopy_CutOffGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, from, to *db.DB) {
		seed(t, from, 2000)
		w := write(t, from, 2, 1000)
		dead := errors.New("killed")
		pages := 0
		o := transfer.CopyOptions{Source: from, Target: to, PageRows: 100, AfterPage: func(table string) error {
			if table == "page_page" {
				if pages++; pages == 5 {
					return dead
				}
			}
			return nil
		}}
		if _, err := transfer.Copy(context.Background(), o); !errors.Is(err, dead) {
			t.Fatal(err)
		}
		if s, err := transfer.Unfinished(context.Background(), to); err != nil || s == "" {
			t.Errorf("half a copy is taken for a portal: %q %v", s, err)
		}
		copied := one(t, to, "SELECT copied FROM db_transfer_part WHERE name = 'page_page'")
		first := int64(0)
		o.AfterPage = func(table string) error {
			if first == 0 {
				first = one(t, to, "SELECT copied FROM db_transfer_part WHERE name = 'page_page'")
			}
			return nil
		}
		// Killed once more, after the source has stopped taking writes.
		o.InLast = func() error { return dead }
		if _, err := transfer.Copy(context.Background(), o); !errors.Is(err, dead) {
			t.Fatal(err)
		}
		if first <= copied {
			t.Errorf("the second run began with %d rows of pages, the first had %d", first, copied)
		}
		o.InLast = nil
		if _, err := transfer.Copy(context.Background(), o); err != nil {
			t.Fatal(err)
		}
		w.stop()
		w.check(t, to)
		same(t, from, to)
		if s, err := transfer.Unfinished(context.Background(), to); err != nil || s != "" {
			t.Errorf("after the copy: %q %v", s, err)
		}
		if _, err := transfer.Copy(context.Background(), o); !stoa.Is(err, stoa.KindConflict) {
			t.Errorf("a copy that is done already: %v", err)
		}
	})
}

func TestCopy_FullTargetIsRefused(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, from, to *db.DB) {
		seed(t, from, 10)
		if err := to.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
			return tx.Insert(ctx, "page_tree", db.Row{"site": 1, "touched": 1})
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := transfer.Copy(context.Background(), transfer.CopyOptions{Source: from, Target: to}); !stoa.Is(err,
			stoa.KindConflict) {
			t.Fatalf("a copy into a database that is not empty: %v", err)
		}
		if n := one(t, to, "SELECT count(*) FROM page_page"); n != 0 {
			t.Error("something was copied")
		}
		w := write(t, from, 1, 10)
		waitFor(t, "the source takes writes", func() bool { return w.done.Load() > 3 })
	})
}

func TestCopy_AbortLeavesBothAsTheyWere(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, from, to *db.DB) {
		seed(t, from, 500)
		for _, last := range []bool{false, true} {
			dead := errors.New("killed")
			o := transfer.CopyOptions{Source: from, Target: to, PageRows: 100}
			if last {
				o.InLast = func() error { return dead }
			} else {
				o.AfterPage = func(string) error { return dead }
			}
			if _, err := transfer.Copy(context.Background(), o); !errors.Is(err, dead) {
				t.Fatal(err)
			}
			if err := transfer.Abort(context.Background(), from, to); err != nil {
				t.Fatal(err)
			}
			w := write(t, from, 1, 100)
			waitFor(t, "the source takes writes", func() bool { return w.done.Load() > 10 })
			w.stop()
			if n := w.failed.Load(); n > 0 {
				t.Errorf("%d writes were refused after the copy was given up", n)
			}
			if n := one(t, to, "SELECT count(*) FROM page_page"); n != 0 {
				t.Errorf("the target keeps %d pages", n)
			}
			if _, ok, err := transfer.Moved(context.Background(), from); ok || err != nil {
				t.Errorf("the source is still marked: %v", err)
			}
		}
		if _, err := transfer.Copy(context.Background(), transfer.CopyOptions{Source: from, Target: to}); err != nil {
			t.Fatalf("a copy after two that were given up: %v", err)
		}
		same(t, from, to)
	})
}

func TestCopy_UndoOnlyWhileTheTargetIsUntouched(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, from, to *db.DB) {
		ctx := context.Background()
		seed(t, from, 300)
		if _, err := transfer.Copy(ctx, transfer.CopyOptions{Source: from, Target: to}); err != nil {
			t.Fatal(err)
		}
		touch := func(n int) {
			t.Helper()
			if err := to.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
				_, err := tx.Exec(ctx, "UPDATE page_page SET place = ? WHERE id = 1001", n)
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		touch(2)
		if err := transfer.Undo(ctx, from, to, nil); !stoa.Is(err, stoa.KindConflict) {
			t.Errorf("undo after a write on the target: %v", err)
		}
		if _, ok, err := transfer.Moved(ctx, to); ok || err != nil {
			t.Errorf("an undo that was refused leaves the target marked: %v", err)
		}
		touch(1)
		if err := transfer.Undo(ctx, from, to, nil); err != nil {
			t.Fatal(err)
		}
		if a, b := one(t, from, "SELECT number FROM db_incarnation"), one(t, to,
			"SELECT number FROM db_incarnation"); a <= b {
			t.Errorf("the source goes on in incarnation %d, the target had %d", a, b)
		}
		w := write(t, from, 1, 100)
		waitFor(t, "the source takes writes again", func() bool { return w.done.Load() > 5 })
		w.stop()
		if _, err := transfer.Copy(ctx, transfer.CopyOptions{Source: from, Target: to}); err != nil {
			t.Fatalf("a copy after undo: %v", err)
		}
		same(t, from, to)
	})
}

func TestCopy_ReadOnlyNeedsNoTriggers(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, from, to *db.DB) {
		seed(t, from, 1000)
		got, err := transfer.Copy(context.Background(), transfer.CopyOptions{Source: from, Target: to, ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		if got.Rows < 1000 {
			t.Errorf("%d rows", got.Rows)
		}
		same(t, from, to)
		if _, ok, err := transfer.Moved(context.Background(), from); !ok || err != nil {
			t.Errorf("the source is not marked: %v", err)
		}
	})
}

func waitFor(t testing.TB, what string, done func() bool) {
	t.Helper()
	deadline := time.After(5 * time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		case <-tick.C:
		}
	}
}

func TestCopy_OpenTransactionAtTheEndIsNotLost(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, from, to *db.DB) {
		waiting := map[db.Dialect]string{
			db.Postgres: "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory' AND database = " +
				"(SELECT oid FROM pg_database WHERE datname = current_database())",
			db.MySQL: "SELECT count(*) FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT' AND " +
				"trx_query LIKE 'UPDATE db_capture_stop%'",
		}[from.Dialect()]
		if waiting == "" {
			return // a file has one writer, so none is left open
		}
		seed(t, from, 300)
		began, written := make(chan struct{}), make(chan error, 1)
		o := transfer.CopyOptions{Source: from, Target: to, BeforeLast: func() error {
			go func() {
				written <- from.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
					if err := tx.Insert(ctx, "page_page", pageRow(88_000_000, 5, "last", "")); err != nil {
						return err
					}
					close(began)
					// MariaDB shows nothing new to a client that asks more often than every 100 ms.
					tick := time.NewTicker(250 * time.Millisecond)
					defer tick.Stop()
					for {
						var n int
						if err := from.QueryRow(ctx, waiting).Scan(&n); err != nil || n > 0 {
							return err
						}
						<-tick.C
					}
				})
			}()
			<-began
			return nil
		}}
		if _, err := transfer.Copy(context.Background(), o); err != nil {
			t.Fatal(err)
		}
		if err := <-written; err != nil {
			t.Fatalf("a transaction that began before the end: %v", err)
		}
		if n := one(t, to, "SELECT count(*) FROM page_page WHERE id = 88000000"); n != 1 {
			t.Error("what was written in a transaction that was open at the end is not in the target")
		}
		same(t, from, to)
	})
}
