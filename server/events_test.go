package server_test

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
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
			// The person who made them is told on every node, and no one else is.
			if !strings.Contains(lost.Text, servertest.AdminLogin) {
				t.Errorf("%s; want the person who made the changes", lost.Text)
			}
			mine := b.As(a.Client).Get(t, "/control/")
			if !strings.Contains(mine.Body, "Changes of yours were lost") ||
				!strings.Contains(mine.Body, "web content 1") {
				t.Errorf("the person is not told on the other node: %d", mine.Status)
			}
			if other, err := b.Losses(stoa.WithActor(t.Context(), stoa.Actor{User: 1, Admin: true})); err != nil ||
				len(other) > 0 {
				t.Errorf("another person is told %v, %v", other, err)
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

// What is lost after a thousand changes were is told as well: only the newest thousand are kept by name.
func TestEvents_LossesAfterAThousandAreTold(t *testing.T) {
	t.Parallel()
	g := servertest.NewGroup(t, dbtest.SQLite)
	a := g.Join(nil)
	// lose writes many changes and puts the database back to before them.
	lose := func(many int) {
		t.Helper()
		err := a.DB.Write(t.Context(), func(_ context.Context, tx *db.Tx) error {
			for i := range many {
				tx.Changed("article", stoa.ID(i+1), 1, 1)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		a.Poll(t)
		if err := a.DB.Control(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), "DELETE FROM change_log WHERE writer = ?", a.Node.Writer())
			for _, table := range []string{
				"db_incarnation SET number = number + 1", "db_counter SET incarnation = incarnation + 1",
			} {
				if err == nil {
					_, err = tx.Exec(t.Context(), "UPDATE "+table)
				}
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if err := a.DB.Recheck(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	told := func(changes string) func() bool {
		return func() bool {
			events, err := cluster.Events(servertest.System(), a.DB, 100)
			if err != nil {
				t.Fatal(err)
			}
			return slices.ContainsFunc(events, func(e cluster.Event) bool {
				return e.Code == cluster.CodeChangeLost && e.Data["changes"] == changes
			})
		}
	}
	lose(1200)
	eventually(t, "an event of all that was lost", func() bool {
		return a.Log.Status().Losses >= 1200 && told(strconv.FormatUint(a.Log.Status().Losses, 10))()
	})
	before := a.Log.Status().Losses
	lose(1)
	eventually(t, "an event of what was lost later", func() bool {
		now := a.Log.Status().Losses
		return now > before && told(strconv.FormatUint(now-before, 10))()
	})
}
