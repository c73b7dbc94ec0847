package db_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

// startPgBouncer starts PgBouncer before the server and gives its address.
func startPgBouncer(t *testing.T, s *dbtest.Server, mode string, settings ...string) string {
	t.Helper()
	program := dbtest.Program(t, "pgbouncer", "/usr/sbin/pgbouncer")
	port := dbtest.FreePort(t)
	file := filepath.Join(s.Dir, fmt.Sprintf("pgbouncer-%d.ini", port))
	text := fmt.Sprintf("[databases]\n* = host=127.0.0.1 port=%d "+
		"user=stoa\n[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port=%d\nauth_type=any\n"+
		"unix_socket_dir=\npool_mode=%s\n%s\n", s.Port, port, mode, strings.Join(settings, "\n"))
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := dbtest.CommandAs(t, "postgres", s.Dir, program, file)
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	address := "jdbc:postgresql://127.0.0.1:" + strconv.Itoa(port) + "/app?sslmode=disable"
	dbtest.Await(t, 20*time.Second, func() error {
		p, err := db.OpenPlain(t.Context(), db.Options{URL: address, User: "stoa"})
		if err != nil && !strings.Contains(err.Error(), "pool_mode") {
			return err
		}
		if p != nil {
			return p.Close()
		}
		return nil
	})
	return address
}

// Behind a pooler that gives each client a session of its own, everything works; one that shares sessions is
// refused at the start in one sentence, however many server connections it has and in whatever order it uses them.
func TestPooler_SessionModeWorksOthersAreNamed(t *testing.T) {
	t.Parallel()
	s := dbtest.StartServer(t, dbtest.Postgres, dbtest.ServerOptions{HBA: "host all all 127.0.0.1/32 trust\n"})
	s.Exec("CREATE DATABASE app")
	for _, c := range []struct {
		mode     string
		settings []string
	}{
		{"session", nil},
		{"session", []string{"server_reset_query="}},
		{"session", []string{"server_round_robin=1"}},
		{"transaction", nil},
		{"transaction", []string{"default_pool_size=1"}},
		{"transaction", []string{"server_round_robin=1"}},
		{"transaction", []string{"server_round_robin=1", "min_pool_size=6"}},
		{"statement", nil},
	} {
		t.Run(c.mode+" "+strings.Join(c.settings, " "), func(t *testing.T) {
			address := startPgBouncer(t, s, c.mode, c.settings...)
			for round := range 3 {
				d, err := db.Open(t.Context(), db.Options{URL: address, User: "stoa", Writer: int64(7 + round), MaxConns: 4})
				if c.mode != "session" {
					if !stoa.Is(err, stoa.KindUnavailable) || !strings.Contains(err.Error(), "set pool_mode=session") ||
						strings.Contains(err.Error(), "answer") {
						t.Fatalf("round %d: error %v, want a refusal that says pool_mode=session", round, err)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if err := d.Migrate(t.Context()); err != nil {
					t.Fatal(err)
				}
				var zone, isolation, timeout, name string
				if err := d.QueryRow(t.Context(), "SELECT current_setting('TimeZone'), "+
					"current_setting('default_transaction_isolation'), current_setting('statement_timeout'), "+
					"current_setting('application_name') WHERE 1 = ?", 1).
					Scan(&zone, &isolation, &timeout, &name); err != nil {
					t.Fatal(err)
				}
				if zone != "UTC" || isolation != "read committed" || timeout != "15s" || name != fmt.Sprintf("stoa %d", 7+round) {
					t.Errorf("the session has %q, %q, %q, %q", zone, isolation, timeout, name)
				}
				if _, err := d.NewID(t.Context()); err != nil {
					t.Error(err)
				}
				if err := d.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// The same statements, without a name at the server or without being prepared at all.
func TestAddress_WaysToAskPostgres(t *testing.T) {
	t.Parallel()
	base := dbtest.URL(t, dbtest.Postgres)
	for _, params := range []string{"prepareThreshold=0", "preferQueryMode=simple"} {
		t.Run(params, func(t *testing.T) {
			d, err := db.Open(t.Context(), db.Options{URL: base + "&" + params})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if err := d.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if _, err := d.NewID(t.Context()); err != nil {
					t.Fatal(err)
				}
				var n int64
				var text string
				var b []byte
				if err := d.QueryRow(t.Context(), "SELECT CAST(? AS BIGINT), CAST(? AS TEXT), CAST(? AS BYTEA) WHERE "+
					"current_setting('TimeZone') = ?", stoa.ID(7), `o'n\e`, []byte{0, 255}, "UTC").
					Scan(&n, &text, &b); err != nil || n != 7 || text != `o'n\e` || len(b) != 2 {
					t.Errorf("%d %q %v, error %v", n, text, b, err)
				}
				var prepared int
				if err := d.QueryRow(t.Context(), "SELECT count(*) FROM pg_prepared_statements").Scan(&prepared); err != nil ||
					prepared != 0 {
					t.Errorf("%d statements keep a name at the server, error %v", prepared, err)
				}
			}
		})
	}
}

// Tables are made in the schema that the address names, and a schema that is not there is said to be missing.
func TestAddress_CurrentSchema(t *testing.T) {
	t.Parallel()
	base := dbtest.URL(t, dbtest.Postgres)
	p, err := db.OpenPlain(t.Context(), db.Options{URL: base})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	_, err = db.Open(t.Context(), db.Options{URL: base + "&currentSchema=portal"})
	if !stoa.Is(err, stoa.KindUnavailable) || !strings.Contains(err.Error(), "CREATE SCHEMA") {
		t.Fatalf("error %v, want one that says CREATE SCHEMA", err)
	}
	for _, q := range []string{"DROP SCHEMA public CASCADE", "CREATE SCHEMA portal"} {
		if _, err := p.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	d, err := db.Open(t.Context(), db.Options{URL: base + "&currentSchema=portal"})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := p.QueryRowContext(t.Context(), "SELECT count(*) FROM pg_tables WHERE schemaname = "+
		"'portal'").Scan(&n); err != nil || n < 10 {
		t.Errorf("%d tables in the schema, error %v", n, err)
	}
}
