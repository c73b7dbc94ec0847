package server_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server/servertest"
)

// Lists of the control panel come from a replica, also on a node that wrote nothing; a person who writes on one node
// sees it on the other even while the replica is held back.
func TestReplica_ListsOfThePanel(t *testing.T) {
	t.Parallel()
	primary := dbtest.StartServer(t, dbtest.Postgres, dbtest.ServerOptions{HBA: "host all all 127.0.0.1/32 trust\n"})
	primary.Exec("CREATE DATABASE app")
	standby := dbtest.StartServer(t, dbtest.Postgres, dbtest.ServerOptions{Of: primary})
	g := servertest.NewGroup(t, dbtest.SQLite)
	flags := map[string]string{
		"jdbc.default.url":      fmt.Sprintf("jdbc:postgresql://%s/app?sslmode=disable", primary.Addr()),
		"jdbc.default.username": "stoa",
		"jdbc.read.url": fmt.Sprintf("jdbc:postgresql://%s/app?sslmode=disable&targetServerType=secondary",
			standby.Addr()),
	}
	one, two := g.Join(flags), g.Join(flags)
	one.SignIn(t)
	on := two.As(one.Client)
	served := func(n *servertest.Node) string {
		for line := range strings.Lines(n.Get(t, "/metrics").Body) {
			if strings.HasPrefix(line, `stoa_database_snapshots_total{source="replica"}`) {
				return strings.TrimSpace(line)
			}
		}
		return ""
	}
	for _, n := range []*servertest.Node{one, on} {
		before := served(n)
		dbtest.Await(t, 30*time.Second, func() error {
			<-time.After(1500 * time.Millisecond) // who clicks faster is shown the write source, to see nothing go back
			if a := n.Get(t, "/control/users"); a.Status != 200 || !strings.Contains(a.Body, "admin@") {
				t.Fatalf("the list of people: %d\n%s", a.Status, a.Body)
			}
			if served(n) == before {
				return errors.New("no list came from the replica")
			}
			return nil
		})
	}
	standby.Exec("SELECT pg_wal_replay_pause()")
	for i := range 3 {
		name := fmt.Sprintf("kim%d", i)
		a := one.Post(t, "/control/users/new", url.Values{"screenName": {name}, "email": {name + "@example.org"},
			"firstName": {"Kim"}, "lastName": {"Li"}})
		if a.Status >= 400 {
			t.Fatalf("a new user: %d\n%s", a.Status, a.Body)
		}
		if a := on.Get(t, "/control/users"); !strings.Contains(a.Body, name+"@example.org") {
			t.Fatalf("the other node does not show %s", name)
		}
	}
}
