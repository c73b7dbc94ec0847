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
	for deadline := time.Now().Add(30 * time.Second); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}
