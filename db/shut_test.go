package db_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

// A node that stops using its server while a search for it is under way finds it again: the search has asked
// before, so its answer is of no use.
func TestApart_DuringASearchHealsByItself(t *testing.T) {
	t.Parallel()
	for _, e := range []dbtest.Engine{dbtest.Postgres, dbtest.MariaDB} {
		t.Run(string(e), func(t *testing.T) {
			address := dbtest.URL(t, e)
			slow, err := net.Listen("tcp", "127.0.0.1:0") // a host that takes connections and says nothing
			if err != nil {
				t.Fatal(err)
			}
			defer slow.Close()
			asked := make(chan net.Conn, 16)
			go func() {
				for {
					c, err := slow.Accept()
					if err != nil {
						close(asked)
						return
					}
					asked <- c
				}
			}()
			open := func(url string) *db.DB {
				t.Helper()
				d, err := db.Open(t.Context(), db.Options{URL: url, ConnectTimeout: time.Second})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = d.Close() })
				if err := d.Migrate(t.Context()); err != nil {
					t.Fatal(err)
				}
				return d
			}
			operator := open(address)
			d := open(strings.Replace(address, "@", "@"+slow.Addr().String()+",", 1))
			for len(asked) > 0 { // those of the start
				<-asked
			}
			d.Missed(errors.New("one connection was lost"))
			<-asked // the search is under way
			token, err := operator.Adopt(t.Context(), 0, nil)
			if err != nil {
				t.Fatal(err)
			}
			d.Apart("node 7", append(d.Histories(), token), "elsewhere")
			eventually(t, func() bool {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				return d.Check(ctx) == nil && d.Refused() == nil
			})
		})
	}
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}

// A node that stops using its server while a search is about to take it on again, for what that search does not know,
// stays away from it: it was told that two databases take writes.
func TestApart_WhileASearchTakesTheServerStaysApart(t *testing.T) {
	t.Parallel()
	address := dbtest.URL(t, dbtest.Postgres)
	d, err := db.Open(t.Context(), db.Options{URL: address, Name: "searcher"})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	p, err := db.OpenPlain(t.Context(), db.Options{URL: address})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, s := range []string{ // another node has begun an incarnation
		"INSERT INTO db_history SELECT number + 1, 'ANOTHER', token, fingerprint, 'continued', at FROM db_history",
		"UPDATE db_incarnation SET number = number + 1, token = 'ANOTHER'",
	} {
		if _, err := p.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	tx, err := p.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(t.Context(), "SELECT 1 FROM db_incarnation WHERE id = 1 FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	d.Missed(errors.New("one connection was lost"))
	eventually(t, func() bool { // the search has asked the server, and is about to follow it
		var waiting int
		if err := p.QueryRowContext(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "+
			"AND datname = current_database()").Scan(&waiting); err != nil {
			t.Fatal(err)
		}
		return waiting > 0
	})
	began := time.Now()
	d.Apart("node 7", []db.Token{{Number: 7, Value: "OTHER"}}, "elsewhere")
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		return d.Check(ctx) == nil
	})
	if after := time.Since(began); after < 2*time.Second {
		t.Errorf("the server was followed again after %s, while another database was just seen to take writes", after)
	}
	eventually(t, func() bool { return d.Refused() == nil && d.Token() == "ANOTHER" })
}
