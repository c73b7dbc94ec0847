package server_test

import (
	"context"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server/servertest"
)

func TestPrune_AnyNodeDoesIt(t *testing.T) {
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			g := servertest.NewGroup(t, e)
			master := g.Join(map[string]string{"scheduler.enabled": "false"})
			g.Join(nil)
			count := func(where string) (n int) {
				t.Helper()
				if err := master.DB.QueryRow(context.Background(), "SELECT count(*) FROM "+where).Scan(&n); err != nil {
					t.Fatal(err)
				}
				return n
			}
			if !master.Node.IsMaster() || count("change_log") == 0 {
				t.Fatal("the first node should be the master, and the log should hold the first start")
			}
			err := master.DB.Control(context.Background(), func(tx *db.Tx) error {
				if _, err := tx.Exec(context.Background(), "UPDATE change_log SET at = at - ?", (2 * time.Hour).Microseconds()); err != nil {
					return err
				}
				_, err := tx.Exec(context.Background(), "UPDATE job_schedule SET next_fire = 1 WHERE name = 'change.prune'")
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			late := time.After(20 * time.Second)
			for count("job_run WHERE job = 'change.prune' AND state = 'done'") == 0 {
				select {
				case <-late:
					t.Fatal("the change log was not pruned by the node that is not the master")
				case <-tick.C:
				}
			}
		})
	}
}
