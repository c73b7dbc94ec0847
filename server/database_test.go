package server_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server/labtest/stall"
	"github.com/stoa-portal/stoa/server/servertest"
)

// A database that lets nobody in (SQLSTATE 55000, as in recovery) is away: 503 with a time, on every address, and it is
// found again by itself.
func TestDatabase_ThatLetsNobodyInIsAwayAndNoFault(t *testing.T) {
	t.Parallel()
	g := servertest.NewGroup(t, dbtest.Postgres)
	a, b := g.Join(nil), g.Join(nil)
	a.SignIn(t)
	mustSee(t, a.Get(t, "/control/"), http.StatusOK)
	address, err := url.Parse(dbtest.URL(t, dbtest.Postgres))
	if err != nil {
		t.Fatal(err)
	}
	var name string
	if err := a.DB.QueryRow(t.Context(), "SELECT current_database()").Scan(&name); err != nil {
		t.Fatal(err)
	}
	admin, err := db.OpenPlain(t.Context(), db.Options{URL: address.String()})
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	let := func(in bool) {
		t.Helper()
		if _, err := admin.ExecContext(context.Background(), fmt.Sprintf("ALTER DATABASE %s ALLOW_CONNECTIONS %t", name, in)); err != nil {
			t.Fatal(err)
		}
	}
	let(false)
	t.Cleanup(func() { // before the nodes say goodbye
		again, err := db.OpenPlain(context.Background(), db.Options{URL: address.String()})
		if err != nil {
			t.Error(err)
			return
		}
		defer again.Close()
		if _, err := again.ExecContext(context.Background(), "ALTER DATABASE "+name+" ALLOW_CONNECTIONS true"); err != nil {
			t.Error(err)
		}
	})
	throw(t, admin, name)
	for _, n := range []*servertest.Node{a, b.As(a.Client)} {
		for _, path := range []string{"/control/", "/control/users", "/account", "/w/welcome", "/search?q=x"} {
			got := n.Get(t, path)
			if got.Status != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" {
				t.Errorf(
					"%s answers %d with Retry-After %q, want 503 with a time\n%.300s",
					path,
					got.Status,
					got.Header.Get("Retry-After"),
					got.Body,
				)
			}
		}
	}
	let(true)
	for _, n := range []*servertest.Node{a, b.As(a.Client)} {
		eventually(t, "the database is found again", func() bool { return n.Get(t, "/control/").Status == http.StatusOK })
	}
}

// throw ends all sessions in the database.
func throw(t *testing.T, admin *sql.DB, name string) {
	t.Helper()
	eventually(t, "no session is left", func() bool {
		if _, err := admin.ExecContext(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name); err != nil {
			t.Fatal(err)
		}
		var n int
		if err := admin.QueryRowContext(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = $1", name).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n == 0
	})
}

// Once a node has found out that its database does not answer, nobody who is signed in waits for that again; the other
// node goes on, and the one that was cut off finds back by itself.
func TestDatabase_CutOffNodeLetsNobodyWait(t *testing.T) {
	for _, e := range dbtest.Servers() {
		t.Run(string(e), func(t *testing.T) {
			g := servertest.NewGroup(t, e)
			g.Breakable = true
			a, b := g.Join(nil), g.Join(nil)
			a.SignIn(t)
			mine := b.As(a.Client)
			mustSee(t, mine.Get(t, "/account"), http.StatusOK)
			g.Cut(b)
			// This way of cutting answers to TCP, so the open connections hang, as on a server that was frozen.
			eventually(t, "the node finds out", func() bool { return !b.Cache.Proven() && b.Log.Hangs() })
			watch := stall.Start()
			defer watch.Stop()
			var wg sync.WaitGroup
			for range 10 {
				wg.Go(func() {
					began := time.Now()
					got := mine.Get(t, "/account")
					if took := watch.Since(began); got.Status != http.StatusServiceUnavailable ||
						got.Header.Get("Retry-After") == "" ||
						took > change.Bound/2 {
						t.Errorf(
							"answered %d with Retry-After %q after %s, want 503 soon",
							got.Status,
							got.Header.Get("Retry-After"),
							took,
						)
					}
				})
			}
			wg.Wait()
			mustSee(t, a.Get(t, "/account"), http.StatusOK)
			g.Thaw(b)
			eventually(t, "the node finds back", func() bool { return mine.Get(t, "/account").Status == http.StatusOK })
		})
	}
}
