package dbtest

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
	"time"
)

// Empty makes a database of the engine without any table and gives its address; it is dropped with the test.
func Empty(t testing.TB, e Engine) string {
	t.Helper()
	if e == SQLite {
		return "sqlite:" + filepath.Join(t.TempDir(), "stoa.db")
	}
	env, options, force := "STOA_TEST_POSTGRES", "", " WITH (FORCE)"
	if e == MariaDB {
		env, options, force = "STOA_TEST_MARIADB", " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", ""
	}
	at, name := server(t, env, e), databaseName(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := admin(ctx, at, func(q *sql.DB) error {
		_, err := q.ExecContext(ctx, "CREATE DATABASE "+name+options)
		return err
	}); err != nil {
		t.Fatalf("make an empty %s database: %v", e, err)
	}
	t.Cleanup(func() { drop(t, at, "DROP DATABASE IF EXISTS "+name+force) })
	address, err := withName(at, name)
	if err != nil {
		t.Fatal(err)
	}
	return address
}
