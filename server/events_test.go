package server_test

import (
	"strings"
	"testing"

	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server/servertest"
)

// A database that comes back with another history, and without what this node had confirmed, is told as two events
// that stay, and as one of them by all nodes together.
func TestEvents_AnotherHistoryAndWhatItLost(t *testing.T) {
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			t.Parallel()
			g := servertest.NewGroup(t, e)
			a, b := g.Join(nil), g.Join(nil)
			a.SignIn(t)
			a.Publish(t, "lost", "Lost", "<p>x</p>")
			b.Poll(t)
			err := a.DB.Control(t.Context(), func(tx *db.Tx) error {
				_, err := tx.Exec(t.Context(), "DELETE FROM change_log WHERE writer = ?", a.Node.Writer())
				for _, table := range []string{
					"db_incarnation SET number = number + 1", "db_counter SET incarnation = incarnation + 1",
				} {
					if err == nil {
						_, err = tx.Exec(t.Context(), "UPDATE "+table)
					}
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range []*servertest.Node{a, b} {
				if err := n.DB.Recheck(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			lost := happened(t, cluster.CodeChangeLost, a, b)
			if lost.Severity != cluster.Critical || !strings.Contains(lost.Text, "article ") ||
				lost.Data["changes"] == "" {
				t.Errorf("%+v", lost)
			}
			eventually(t, "both nodes to tell of the history, as one event", func() bool {
				events, err := cluster.Events(servertest.System(), a.DB, 10)
				if err != nil {
					t.Fatal(err)
				}
				told, times := 0, int64(0)
				for _, e := range events {
					if e.Code == cluster.CodeIncarnation {
						told, times = told+1, e.Times
					}
				}
				return told == 1 && times == 2
			})
			if st, err := a.Cluster(servertest.System()); err != nil || st.Well() {
				t.Errorf("all is well although changes were lost: %v", err)
			}
			if err := a.ReadEvents(servertest.System()); err != nil {
				t.Fatal(err)
			}
			eventually(t, "all to be well", func() bool {
				st, err := b.Cluster(servertest.System())
				return err == nil && st.Unread == 0
			})
		})
	}
}
