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
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			g := servertest.NewGroup(t, e)
			master := g.Join(map[string]string{"scheduler.enabled": "false"})
			// The node that joined first is the master before there is another, however slow it is.
			eventually(t, "the first node is the master", master.Node.IsMaster)
			g.Join(nil)
			count := func(where string) (n int) {
				t.Helper()
				if err := master.DB.QueryRow(context.Background(), "SELECT count(*) FROM "+where).Scan(&n); err != nil {
					t.Fatal(err)
				}
				return n
			}
			if count("change_log") == 0 {
				t.Fatal("the log should hold the first start")
			}
			// The second node tells the database what it has to do once its loop begins.
			eventually(t, "the job has a next time", func() bool { return count("job_schedule WHERE name = 'change.prune'") == 1 })
			err := master.DB.Control(context.Background(), func(tx *db.Tx) error {
				if _, err := tx.Exec(context.Background(), "UPDATE change_log SET at = at - ?", (2 * time.Hour).Microseconds()); err != nil {
					return err
				}
				n, err := tx.Affected(context.Background(), "UPDATE job_schedule SET next_fire = 1 WHERE name = 'change.prune'")
				if n != 1 {
					t.Errorf("%d schedules are due", n)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, "the node that runs jobs has pruned the change log", func() bool { return count("job_run WHERE job = 'change.prune' AND state = 'done'") > 0 })
		})
	}
}
