package db_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

// Reading and writing fail while the server is cut off, and work soon after it is back, without help.
func TestAway_HealsByItself(t *testing.T) {
	t.Parallel()
	for _, e := range []dbtest.Engine{dbtest.Postgres, dbtest.MariaDB} {
		t.Run(string(e), func(t *testing.T) {
			link := dbtest.NewLink(t, dbtest.URL(t, e))
			d, err := db.Open(t.Context(), db.Options{URL: link.URL, ConnectTimeout: time.Second, WriteTimeout: time.Second})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = d.Close() })
			if err := d.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			link.Freeze()
			t.Cleanup(link.Thaw) // or closing would wait
			for {                // connections that are there hang, until a new one is tried
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				err := d.Check(ctx)
				waited := ctx.Err() != nil
				cancel()
				if err == nil {
					t.Fatal("a server that is cut off answers")
				}
				if !waited {
					break
				}
			}
			for what, err := range map[string]error{
				"check":   d.Check(t.Context()),
				"read":    d.QueryRow(t.Context(), "SELECT 1").Scan(new(int)),
				"write":   d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error { _, err := tx.NewID(ctx); return err }),
				"control": d.Control(t.Context(), func(*db.Tx) error { return errors.New("the transaction began") }),
			} {
				if !stoa.Is(err, stoa.KindUnavailable) {
					t.Errorf("%s: %v", what, err)
				}
			}
			link.Thaw()
			deadline := time.After(5 * time.Minute)
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for began := time.Now(); ; {
				if err = d.Check(t.Context()); err == nil {
					t.Logf("healed after %s", time.Since(began))
					return
				}
				select {
				case <-deadline:
					t.Fatal(err)
				case <-tick.C:
				}
			}
		})
	}
}
