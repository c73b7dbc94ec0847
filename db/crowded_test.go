package db_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

// A server that gives this node fewer connections than its pool may have is said to do that: it did answer.
func TestQuery_ConnectionLimitBelowThePoolIsTold(t *testing.T) {
	t.Parallel()
	for e, made := range map[dbtest.Engine][]string{
		dbtest.Postgres: {"CREATE ROLE app LOGIN PASSWORD 'pw' CONNECTION LIMIT 6", "CREATE DATABASE few OWNER app " +
			"ENCODING 'UTF8' TEMPLATE template0"},
		dbtest.MariaDB: {"CREATE DATABASE few CHARACTER SET utf8mb4", "CREATE USER app@'%' IDENTIFIED BY 'pw' WITH " +
			"MAX_USER_CONNECTIONS 6",
			"GRANT ALL ON few.* TO app@'%'"},
	} {
		t.Run(string(e), func(t *testing.T) {
			s := dbtest.StartServer(
				t,
				e,
				dbtest.ServerOptions{HBA: "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"},
			)
			s.Exec(made...)
			scheme := map[dbtest.Engine]string{dbtest.Postgres: "postgres", dbtest.MariaDB: "mariadb"}[e]
			d, err := db.Open(
				t.Context(),
				db.Options{URL: fmt.Sprintf("%s://%s/few", scheme, s.Addr()), User: "app", Password: "pw", MaxConns: 40},
			)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			var held []*sql.Rows
			defer func() {
				for _, r := range held {
					r.Close()
				}
			}()
			for range 20 {
				rows, err := d.Query(ctx, "SELECT 1")
				if err == nil {
					held = append(held, rows)
					continue
				}
				if !stoa.Is(err, stoa.KindUnavailable) || !strings.Contains(err.Error(), "no connection left for this node") ||
					strings.Contains(err.Error(), "does not answer") {
					t.Fatalf("%v", err)
				}
				return
			}
			t.Fatal("20 connections were given")
		})
	}
}
