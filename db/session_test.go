package db_test

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server/labtest/stall"
)

// ordinary gives the address of the database for a user who may do no more than use its tables.
func ordinary(t *testing.T, e dbtest.Engine, address string) string {
	t.Helper()
	d, err := db.OpenPlain(t.Context(), db.Options{URL: address})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.Replace(strings.TrimPrefix(u.Path, "/"), "stoa_t_", "stoa_u_", 1)
	make, drop := []string{"CREATE ROLE " + name + " LOGIN PASSWORD 'secret'", "GRANT ALL ON ALL TABLES IN SCHEMA public TO " + name},
		[]string{"DROP OWNED BY " + name, "DROP ROLE " + name}
	if e == dbtest.MariaDB {
		make, drop = []string{"CREATE USER " + name + "@'%' IDENTIFIED BY 'secret'", "GRANT ALL ON `" + strings.TrimPrefix(u.Path, "/") + "`.* TO " + name + "@'%'"},
			[]string{"DROP USER " + name + "@'%'"}
	}
	for _, s := range make {
		if _, err := d.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		d, err := db.OpenPlain(context.Background(), db.Options{URL: address})
		if err != nil {
			t.Error(err)
			return
		}
		defer d.Close()
		for _, s := range drop {
			if _, err := d.ExecContext(context.Background(), s); err != nil {
				t.Error(err)
			}
		}
	})
	u.User = url.UserPassword(name, "secret")
	return u.String()
}

// servers runs the test on the engines whose sessions can be ended.
func servers(t *testing.T, fn func(t *testing.T, open func(writer int64) *db.DB)) {
	t.Helper()
	for _, e := range []dbtest.Engine{dbtest.Postgres, dbtest.MariaDB} {
		t.Run(string(e), func(t *testing.T) {
			address := ordinary(t, e, dbtest.URL(t, e))
			fn(t, func(writer int64) *db.DB {
				d, err := db.Open(t.Context(), db.Options{URL: address, Writer: writer, MaxConns: 4})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = d.Close() })
				return d
			})
		})
	}
}

// held is a transaction that has written a row and stands still.
type held struct {
	commit chan struct{}
	done   chan error
}

func hold(t *testing.T, d *db.DB, name string) held {
	t.Helper()
	h, wrote := held{make(chan struct{}), make(chan error, 1)}, make(chan error, 1)
	go func() {
		h.done <- d.Control(context.Background(), func(tx *db.Tx) error {
			wrote <- tx.Upsert(context.Background(), "cluster_fact", []string{"name"}, db.Row{"name": name, "value": "held"})
			<-h.commit
			return nil
		})
	}()
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
	return h
}

func TestEndSessions_FreesWhatAnotherLifeHoldsAndTouchesNobodyElse_Rule24(t *testing.T) {
	servers(t, func(t *testing.T, open func(int64) *db.DB) {
		a, b, c := open(11), open(12), open(111)
		frozen, alive := hold(t, a, "of a"), hold(t, c, "of c")
		watch, began := stall.Start(), time.Now()
		defer watch.Stop()
		ended, err := b.EndSessions(t.Context(), 11)
		if err != nil || ended < 1 {
			t.Fatalf("%d sessions ended, %v", ended, err)
		}
		after := hold(t, b, "of a") // waits for a row that is locked
		if took := watch.Since(began); took > 2*time.Second {
			t.Errorf("the row was free only after %s", took)
		}
		for _, h := range []held{frozen, alive, after} {
			close(h.commit)
		}
		if err := <-frozen.done; err == nil {
			t.Error("the transaction of the ended session was committed")
		}
		for _, h := range []held{alive, after} {
			if err := <-h.done; err != nil {
				t.Errorf("another life's session ended: %v", err)
			}
		}
		if again, err := b.EndSessions(t.Context(), 13); again != 0 || err != nil {
			t.Errorf("%d sessions of no writer ended, %v", again, err)
		}
		if err := a.Check(t.Context()); err != nil {
			t.Errorf("whose sessions were ended may open new ones: %v", err)
		}
		for _, w := range []int64{0, 12} {
			if _, err := b.EndSessions(t.Context(), w); err == nil {
				t.Errorf("the sessions of writer %d were ended", w)
			}
		}
	})
}

func TestSessions_ServerEndsATransactionThatStandsStill_Rule24(t *testing.T) {
	t.Parallel()
	servers(t, func(t *testing.T, open func(int64) *db.DB) {
		d := open(11)
		query, want := "SELECT current_setting('idle_in_transaction_session_timeout')", "5s"
		if d.Dialect() == db.MySQL {
			query, want = "SELECT @@SESSION.idle_write_transaction_timeout", "5"
		}
		var got string
		if err := d.QueryRow(t.Context(), query).Scan(&got); err != nil || got != want {
			t.Errorf("a transaction may stand still for %q, %v; want %q", got, err, want)
		}
	})
}
