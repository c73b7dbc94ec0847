// Package dbtest hands tests real, migrated databases: SQLite always, PostgreSQL and MariaDB when
// `make test` (or STOA_TEST_POSTGRES, STOA_TEST_MARIADB) provides servers. Each engine is migrated
// once and every test gets a copy of that template.
package dbtest

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/db"
)

// Engine is a kind of database server.
type Engine string

// The engines that every domain test runs on.
const (
	SQLite   Engine = "sqlite"
	Postgres Engine = "postgres"
	MariaDB  Engine = "mariadb"
)

// Engines are all engines, SQLite first, or those of them that STOA_TEST_ENGINES names, separated by commas: tests that
// take very long have one server a day in `make test`.
func Engines() []Engine {
	all := []Engine{SQLite, Postgres, MariaDB}
	names := os.Getenv("STOA_TEST_ENGINES")
	if names == "" {
		return all
	}
	return slices.DeleteFunc(all, func(e Engine) bool { return !slices.Contains(strings.Split(names, ","), string(e)) })
}

// Servers are the Engines that are servers.
func Servers() []Engine {
	return slices.DeleteFunc(Engines(), func(e Engine) bool { return e == SQLite })
}

// New gives a migrated SQLite database of the test's own, closed with the test.
func New(t testing.TB) *db.DB {
	t.Helper()
	return Open(t, SQLite)
}

// Open gives a migrated database of the engine, closed and dropped with the test. Without a server
// for the engine the test is skipped, loudly; with STOA_TEST_REQUIRE=1 it fails.
func Open(t testing.TB, e Engine) *db.DB {
	t.Helper()
	return Nodes(t, e, 1)[0]
}

// Nodes gives n handles on one migrated database, as n nodes of a cluster have.
func Nodes(t testing.TB, e Engine, n int) []*db.DB {
	t.Helper()
	address := URL(t, e)
	handles := make([]*db.DB, n)
	for i := range handles {
		d, err := db.Open(context.Background(), db.Options{URL: address, MaxConns: 10, MinIdle: 1, Name: fmt.Sprintf("test-%d", i), Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatalf("open %s: %v", e, err)
		}
		t.Cleanup(func() { _ = d.Close() })
		if err := d.Migrate(context.Background()); err != nil {
			t.Fatalf("migrate %s: %v", e, err)
		}
		handles[i] = d
	}
	return handles
}

// Each runs the test once on every engine.
func Each(t *testing.T, fn func(t *testing.T, d *db.DB)) {
	t.Helper()
	for _, e := range Engines() {
		t.Run(string(e), func(t *testing.T) { fn(t, Open(t, e)) })
	}
}

// URL makes a migrated database of the engine and gives its address; it is dropped with the test.
func URL(t testing.TB, e Engine) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var address string
	var err error
	switch e {
	case SQLite:
		address, err = copySQLite(ctx, filepath.Join(t.TempDir(), "stoa.db"))
	case Postgres:
		address, err = copyPostgres(ctx, t, server(t, "STOA_TEST_POSTGRES", e))
	case MariaDB:
		address, err = copyMariaDB(ctx, t, server(t, "STOA_TEST_MARIADB", e))
	default:
		err = fmt.Errorf("no engine %q", e)
	}
	if err != nil {
		t.Fatalf("make a %s database: %v", e, err)
	}
	return address
}

func server(t testing.TB, env string, e Engine) string {
	t.Helper()
	v := os.Getenv(env)
	if v == "" {
		if os.Getenv("STOA_TEST_REQUIRE") == "1" {
			t.Fatalf("%s is not set, so there is no %s to test on", env, e)
		}
		t.Skipf("SKIPPED: no %s server: set %s, or run make test, which starts one", e, env)
	}
	return v
}

// migrationsHash names a template, so that processes of one test run share it and a changed migration
// makes a new one.
func migrationsHash() (string, error) {
	h := sha256.New()
	err := fs.WalkDir(db.Migrations(), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		f, err := db.Migrations().Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		_, _ = io.WriteString(h, path)
		_, err = io.Copy(h, f)
		return err
	})
	return hex.EncodeToString(h.Sum(nil))[:16], err
}

// migrate opens the database, brings it up and forgets its history, which belongs to each copy.
func migrate(ctx context.Context, address string) error {
	d, err := db.Open(ctx, db.Options{URL: address})
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Migrate(ctx); err != nil {
		return err
	}
	return d.Control(ctx, func(tx *db.Tx) error {
		// Each copy is a database of its own, whose first node begins its history.
		for _, s := range []string{"DELETE FROM db_incarnation", "DELETE FROM db_history"} {
			if _, err := tx.Exec(ctx, s); err != nil {
				return err
			}
		}
		return nil
	})
}

func copySQLite(ctx context.Context, to string) (string, error) {
	hash, err := migrationsHash()
	if err != nil {
		return "", err
	}
	template := filepath.Join(os.TempDir(), fmt.Sprintf("stoa-test-template-%s-%d.db", hash, os.Getuid()))
	if _, err := os.Stat(template); errors.Is(err, fs.ErrNotExist) {
		dir, err := os.MkdirTemp("", "stoa-template")
		if err != nil {
			return "", err
		}
		defer os.RemoveAll(dir)
		fresh := filepath.Join(dir, "fresh.db")
		if err := migrate(ctx, "sqlite:"+fresh); err != nil {
			return "", err
		}
		if err := os.Rename(fresh, template); err != nil { // the last one wins; all are alike
			return "", err
		}
	}
	raw, err := os.ReadFile(template)
	if err != nil {
		return "", err
	}
	return "sqlite:" + to, os.WriteFile(to, raw, 0o600)
}

// withName replaces the database name in a server's address.
func withName(address, name string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	u.Path = "/" + name
	return u.String(), nil
}

func databaseName(t testing.TB) string {
	sum := sha256.Sum256([]byte(fmt.Sprint(t.Name(), os.Getpid(), time.Now().UnixNano())))
	return "stoa_t_" + hex.EncodeToString(sum[:])[:16]
}

// admin opens a plain handle on a server, through the portal's own address parser.
func admin(ctx context.Context, address string, fn func(q *sql.DB) error) error {
	d, err := db.OpenPlain(ctx, db.Options{URL: address, MaxConns: 2, StatementTimeout: time.Minute})
	if err != nil {
		return err
	}
	defer d.Close()
	return fn(d)
}

func copyPostgres(ctx context.Context, t testing.TB, serverURL string) (string, error) {
	hash, err := migrationsHash()
	if err != nil {
		return "", err
	}
	template, name := "stoa_template_"+hash, databaseName(t)
	err = admin(ctx, serverURL, func(q *sql.DB) error {
		conn, err := q.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		// One process makes the template; the others wait for it on this lock.
		if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock(727001)"); err != nil {
			return err
		}
		defer func() { _, _ = conn.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock(727001)") }()
		var n int
		if err := conn.QueryRowContext(ctx, "SELECT count(*) FROM pg_database WHERE datname = $1", template).Scan(&n); err != nil {
			return err
		}
		if n == 0 {
			building := template + "_building"
			for _, s := range []string{"DROP DATABASE IF EXISTS " + building, "CREATE DATABASE " + building} {
				if _, err := conn.ExecContext(ctx, s); err != nil {
					return err
				}
			}
			address, err := withName(serverURL, building)
			if err != nil {
				return err
			}
			if err := migrate(ctx, address); err != nil {
				return err
			}
			if err := retry(ctx, func() error {
				_, err := conn.ExecContext(ctx, "ALTER DATABASE "+building+" RENAME TO "+template)
				return err
			}); err != nil {
				return err
			}
		}
		return retry(ctx, func() error {
			_, err := conn.ExecContext(ctx, "CREATE DATABASE "+name+" TEMPLATE "+template)
			return err
		})
	})
	if err != nil {
		return "", err
	}
	t.Cleanup(func() { drop(t, serverURL, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)") })
	return withName(serverURL, name)
}

// retry repeats what fails because a connection to the template is still closing.
func retry(ctx context.Context, fn func() error) error {
	var err error
	for range 50 {
		if err = fn(); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
	return err
}

func drop(t testing.TB, serverURL, statement string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := admin(ctx, serverURL, func(q *sql.DB) error {
		_, err := q.ExecContext(ctx, statement)
		return err
	}); err != nil {
		t.Logf("drop the test database: %v", err)
	}
}

func copyMariaDB(ctx context.Context, t testing.TB, serverURL string) (string, error) {
	hash, err := migrationsHash()
	if err != nil {
		return "", err
	}
	template, name := "stoa_template_"+hash, databaseName(t)
	err = admin(ctx, serverURL, func(q *sql.DB) error {
		conn, err := q.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		var got sql.NullInt64
		err = conn.QueryRowContext(ctx, "SELECT GET_LOCK('stoa_template', 100)").Scan(&got)
		if err != nil {
			return fmt.Errorf("wait for the template: %w", err)
		}
		if got.Int64 != 1 {
			return errors.New("wait for the template: another test kept it for 100 s")
		}
		defer func() { _, _ = conn.ExecContext(context.WithoutCancel(ctx), "SELECT RELEASE_LOCK('stoa_template')") }()
		var n int
		if err := conn.QueryRowContext(ctx, "SELECT count(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?", template+"_ready").Scan(&n); err != nil {
			return err
		}
		if n == 0 {
			for _, s := range []string{"DROP DATABASE IF EXISTS " + template, "CREATE DATABASE " + template + " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"} {
				if _, err := conn.ExecContext(ctx, s); err != nil {
					return err
				}
			}
			address, err := withName(serverURL, template)
			if err != nil {
				return err
			}
			if err := migrate(ctx, address); err != nil {
				return err
			}
			if _, err := conn.ExecContext(ctx, "CREATE DATABASE "+template+"_ready"); err != nil {
				return err
			}
		}
		return cloneMariaDB(ctx, conn, template, name)
	})
	if err != nil {
		return "", err
	}
	t.Cleanup(func() { drop(t, serverURL, "DROP DATABASE IF EXISTS "+name) })
	return withName(serverURL, name)
}

// cloneMariaDB copies tables and rows; MariaDB has no templates of databases.
func cloneMariaDB(ctx context.Context, conn *sql.Conn, from, to string) error {
	if _, err := conn.ExecContext(ctx, "CREATE DATABASE "+to+" CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"); err != nil {
		return err
	}
	rows, err := conn.QueryContext(ctx, "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = ?", from)
	if err != nil {
		return err
	}
	var tables []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return errors.Join(err, rows.Close())
		}
		if !strings.HasSuffix(name, "_lock") {
			tables = append(tables, name)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, name := range tables {
		for _, s := range []string{
			fmt.Sprintf("CREATE TABLE %s.%s LIKE %s.%s", to, name, from, name),
			fmt.Sprintf("INSERT INTO %s.%s SELECT * FROM %s.%s", to, name, from, name),
		} {
			if _, err := conn.ExecContext(ctx, s); err != nil {
				return err
			}
		}
	}
	return nil
}
