package db_test

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

func TestNewID_NodesNeverShareAnID(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			nodes := dbtest.Nodes(t, e, 2)
			var mu sync.Mutex
			seen := map[stoa.ID]bool{}
			var wg sync.WaitGroup
			for _, d := range nodes {
				for range 2 {
					wg.Go(func() {
						for range 150 {
							id, err := d.NewID(t.Context())
							if err != nil {
								t.Error(err)
								return
							}
							mu.Lock()
							if seen[id] {
								t.Errorf("id %d was given twice", id)
							}
							seen[id] = true
							mu.Unlock()
						}
					})
				}
			}
			wg.Wait()
			if len(seen) != 600 {
				t.Fatalf("%d ids, want 600", len(seen))
			}
		})
	}
}

func TestTxNewID_InsideWriteOnEveryEngine(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		seen := map[stoa.ID]bool{}
		for range 3 {
			if err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
				for range 120 {
					id, err := tx.NewID(ctx)
					if err != nil {
						return err
					}
					if seen[id] {
						t.Errorf("id %d was given twice", id)
					}
					seen[id] = true
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestWrite_RollsBackOnError(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		boom := errors.New("boom")
		err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			if err := tx.Insert(ctx, "cluster_fact", db.Row{"name": "a", "value": "1"}); err != nil {
				return err
			}
			return boom
		})
		if !errors.Is(err, boom) {
			t.Fatalf("error %v, want boom", err)
		}
		var n int
		if err := d.QueryRow(t.Context(), "SELECT count(*) FROM cluster_fact").Scan(&n); err != nil || n != 0 {
			t.Fatalf("%d rows (%v), want 0", n, err)
		}
	})
}

func TestWrite_ConcurrentIncrementsAreAllCounted(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			nodes := dbtest.Nodes(t, e, 3)
			if err := nodes[0].Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
				return tx.Insert(ctx, "cluster_lease", db.Row{"name": "n", "holder": 1, "epoch": 1, "beat": 0})
			}); err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			for _, d := range nodes {
				wg.Go(func() {
					for range 20 {
						if err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
							var beat int64
							if err := tx.QueryRow(ctx, "SELECT beat FROM cluster_lease WHERE name = ?"+tx.Dialect().ForUpdate(), "n").Scan(&beat); err != nil {
								return err
							}
							_, err := tx.Exec(ctx, "UPDATE cluster_lease SET beat = ? WHERE name = ?", beat+1, "n")
							return err
						}); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			var beat int64
			if err := nodes[1].QueryRow(t.Context(), "SELECT beat FROM cluster_lease WHERE name = ?", "n").Scan(&beat); err != nil || beat != 60 {
				t.Fatalf("beat %d (%v), want 60", beat, err)
			}
		})
	}
}

func TestQueryRow_DatabaseThatDoesNotAnswerIsUnavailable(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		late, cancel := context.WithTimeout(context.Background(), -time.Second)
		defer cancel()
		var n int
		if err := d.QueryRow(late, "SELECT 1").Scan(&n); !stoa.Is(err, stoa.KindUnavailable) {
			t.Errorf("a query that got no answer: %v, want Unavailable", err)
		}
		if err := d.QueryRow(context.Background(), "SELECT next_id FROM db_counter WHERE name = 'nobody'").Scan(&n); !errors.Is(err, sql.ErrNoRows) {
			t.Errorf("no row: %v, want sql.ErrNoRows", err)
		}
	})
}

// A clock of the server that is set forward ends sessions that were idle for no time at all.
func TestWrite_IsRepeatedWhenTheServerEndsAnIdleSession(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, dbtest.Postgres)
	tries := 0
	err := d.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
		if tries++; tries > 1 {
			return nil
		}
		var pid int
		if err := tx.QueryRow(ctx, "SELECT pg_backend_pid() FROM (SELECT set_config('idle_in_transaction_session_timeout', '20ms', true)) AS s").Scan(&pid); err != nil {
			return err
		}
		for alive := 1; alive > 0; {
			if err := d.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE pid = ?", pid).Scan(&alive); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, "SELECT 1")
		return err
	})
	if err != nil || tries != 2 {
		t.Errorf("%d tries: %v, want the second one to succeed", tries, err)
	}
}

func TestUpsertAndInsertIgnore(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		if err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			for _, v := range []string{"one", "two?"} {
				if err := tx.Upsert(ctx, "cluster_fact", []string{"name"}, db.Row{"name": "k", "value": v}); err != nil {
					return err
				}
			}
			if wrote, err := tx.InsertIgnore(ctx, "cluster_fact", db.Row{"name": "k", "value": "three"}); err != nil || wrote {
				t.Errorf("InsertIgnore wrote=%v err=%v over an existing row", wrote, err)
			}
			if wrote, err := tx.InsertIgnore(ctx, "cluster_fact", db.Row{"name": "l", "value": "x"}); err != nil || !wrote {
				t.Errorf("InsertIgnore wrote=%v err=%v for a new row", wrote, err)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		var v string
		if err := d.QueryRow(t.Context(), "SELECT value FROM cluster_fact WHERE name = ? AND value <> '?'", "k").Scan(&v); err != nil || v != "two?" {
			t.Fatalf("value %q (%v), want two?", v, err)
		}
		err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			return tx.Insert(ctx, "cluster_fact", db.Row{"name": "k", "value": "x"})
		})
		if !db.IsDuplicate(err) {
			t.Fatalf("error %v, want a duplicate", err)
		}
	})
}

func TestMigrate_ThreeNodesTogetherMigrateOnce(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			nodes := dbtest.Nodes(t, e, 3)
			var wg sync.WaitGroup
			for _, d := range nodes {
				wg.Go(func() {
					if err := d.Migrate(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			var n int64
			if err := nodes[0].QueryRow(t.Context(), "SELECT version FROM db_schema WHERE id = 1").Scan(&n); err != nil {
				t.Fatal(err)
			}
			if want, err := nodes[0].SchemaVersion(); err != nil || n != want {
				t.Fatalf("schema %d, want %d (%v)", n, want, err)
			}
			for _, d := range nodes {
				if d.Incarnation() != 1 {
					t.Errorf("incarnation %d, want 1", d.Incarnation())
				}
			}
		})
	}
}

func TestMigrate_RefusesABinaryOlderThanTheSchemaServes(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	if err := d.Control(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE db_schema SET version = 99999, oldest = 99999")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := d.Migrate(t.Context()); !stoa.Is(err, stoa.KindInvalid) {
		t.Fatalf("error %v, want Invalid", err)
	}
}

func TestOpen_BadAddressesSayWhatWouldBeRight(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "oracle:thin:@x", "jdbc:db2://h/n", "postgres", "sqlite:", "postgres:/h", "mysql://h ost/x"} {
		if _, err := db.Open(t.Context(), db.Options{URL: bad}); !stoa.Is(err, stoa.KindInvalid) {
			t.Errorf("%q: error %v, want Invalid", bad, err)
		}
	}
}
