package server_test

import (
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server/labtest/stall"
	"github.com/stoa-portal/stoa/server/servertest"
)

// A database that answers reads and returns no COMMIT may be a primary that was deposed and does not know it: what it
// shows is marked for guests, with an honest age, and not shown to anybody else. The other node, whose commits return,
// goes on as ever, and so does the first when its own do again.
func TestProof_DatabaseThatReturnsNoCommit(t *testing.T) {
	for _, e := range dbtest.Servers() {
		t.Run(string(e), func(t *testing.T) {
			g := servertest.NewGroup(t, e)
			g.Breakable = true
			a, b := g.Join(nil), g.Join(nil)
			a.SignIn(t)
			a.Publish(t, "tides", "Tides", "<p>High water at noon.</p>")
			mine, guest := b.As(a.Client), b.Guest(t)
			mustSee(t, mine.Get(t, "/w/tides"), http.StatusOK, "High water")
			mustSee(t, guest.Get(t, "/"), http.StatusOK, "Welcome")

			// What every proof of b has to write is held; everything can be read.
			hold, err := plain(t, a, e).BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = hold.Rollback() }()
			if e == dbtest.Postgres { // the portal's own transactions may not stand still for longer than 5 s
				if _, err := hold.ExecContext(t.Context(), "SET LOCAL idle_in_transaction_session_timeout = 0"); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := hold.ExecContext(t.Context(), fmt.Sprint("UPDATE cluster_node SET detail = 'held' WHERE writer = ", b.Node.Writer())); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the proofs of the node end", func() bool { return !b.Cache.Proven() })
			for _, path := range []string{"/", "/w/tides"} { // one that b has, and one that it has to load
				got := guest.Get(t, path)
				old, err := strconv.Atoi(got.Header.Get("Stoa-Stale"))
				if got.Status != http.StatusOK || err != nil || old < 1 || got.Header.Get("Cache-Control") != "no-store" {
					t.Errorf("a guest gets %d for %s, marked %q", got.Status, path, got.Header.Get("Stoa-Stale"))
				}
			}
			watch := stall.Start()
			defer watch.Stop()
			for _, path := range []string{"/account", "/w/tides"} {
				sent := time.Now()
				if got := mine.Get(t, path); got.Status != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" {
					t.Errorf("somebody who is signed in gets %d for %s", got.Status, path)
				} else if took := watch.Since(sent); took > 4*time.Second {
					t.Errorf("refused after %s", took)
				}
				if got := a.Get(t, path); got.Status != http.StatusOK {
					t.Errorf("the other node answers %d", got.Status)
				}
			}
			if err := hold.Rollback(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the node proves itself again", func() bool { return mine.Get(t, "/account").Status == http.StatusOK })
			if got := guest.Get(t, "/w/tides"); got.Status != http.StatusOK || got.Header.Get("Stoa-Stale") != "" {
				t.Errorf("a guest gets %d, marked %q", got.Status, got.Header.Get("Stoa-Stale"))
			}
		})
	}
}

// plain opens connections to the database of the node that nothing is expected of.
func plain(t *testing.T, n *servertest.Node, e dbtest.Engine) *sql.DB {
	t.Helper()
	u, err := url.Parse(dbtest.URL(t, e))
	if err != nil {
		t.Fatal(err)
	}
	var name string
	if err := n.DB.QueryRow(t.Context(), map[dbtest.Engine]string{dbtest.Postgres: "SELECT current_database()", dbtest.MariaDB: "SELECT database()"}[e]).Scan(&name); err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	p, err := db.OpenPlain(t.Context(), db.Options{URL: u.String()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}
