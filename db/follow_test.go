package db_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

// A node that knows of a history does not fill an empty database in its place.
func TestOpen_EmptyDatabaseInThePlaceOfAKnownOneIsNotFilled(t *testing.T) {
	t.Parallel()
	for _, e := range []dbtest.Engine{dbtest.Postgres, dbtest.MariaDB} {
		t.Run(string(e), func(t *testing.T) {
			home := filepath.Join(t.TempDir(), "history.json")
			address := dbtest.URL(t, e)
			open := func() (*db.DB, error) {
				return db.Open(t.Context(), db.Options{URL: address, MemoryFile: home})
			}
			d, err := open()
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			for _, table := range []string{"db_incarnation", "db_history"} {
				rename(t, address, table, "away_"+table)
			}
			if _, err := open(); !stoa.Is(err, stoa.KindUnavailable) || !strings.Contains(fmt.Sprint(err), "empty") {
				t.Errorf("an empty database: %v, want a refusal that says so", err)
			}
			// A node that remembers nothing may be told by others, such as the file store.
			_, err = db.Open(t.Context(), db.Options{URL: address, Known: []db.Token{{Number: 1, Value: "known"}}})
			if !stoa.Is(err, stoa.KindUnavailable) {
				t.Errorf("an empty database where the file store knows a history: %v", err)
			}
			for _, table := range []string{"db_incarnation", "db_history"} {
				rename(t, address, "away_"+table, table)
			}
			if d, err = open(); err != nil {
				t.Fatalf("the known database is back: %v", err)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func rename(t *testing.T, address, from, to string) {
	t.Helper()
	p, err := db.OpenPlain(t.Context(), db.Options{URL: address})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := p.ExecContext(t.Context(), "ALTER TABLE "+from+" RENAME TO "+to); err != nil {
		t.Fatal(err)
	}
}

// A file that was put back on SQLite is used: a new incarnation begins, above what was known, and what is to
// happen then happens in the same transaction.
func TestOpen_SQLiteFileThatWasPutBackEndsSessions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "stoa.db")
	ended := 0
	open := func() *db.DB {
		t.Helper()
		d, err := db.Open(t.Context(), db.Options{URL: "sqlite:" + file, MemoryFile: filepath.Join(dir, "history.json"),
			OnRestored: func(ctx context.Context, tx *db.Tx) error {
				ended++
				_, err := tx.Exec(ctx, "DELETE FROM user_session")
				return err
			}})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		return d
	}
	d := open()
	if err := d.CopySQLite(t.Context(), filepath.Join(dir, "yesterday.db")); err != nil {
		t.Fatal(err)
	}
	token, err := d.Adopt(t.Context(), 6, nil) // what happened since: the copy lacks it
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = open()
	if d.Incarnation() != token.Number || ended != 0 {
		t.Fatalf("incarnation %d, sessions ended %d times; want %d and none", d.Incarnation(), ended, token.Number)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		_ = os.Remove(file + suffix)
	}
	if err := os.Rename(filepath.Join(dir, "yesterday.db"), file); err != nil {
		t.Fatal(err)
	}
	d = open()
	defer d.Close()
	if d.Incarnation() <= token.Number || ended != 1 {
		t.Errorf("incarnation %d, sessions ended %d times; want one above %d, and once", d.Incarnation(), ended, token.Number)
	}
}

// Data that a node without memory finds on another machine may be a copy; an operator says what it is.
func TestOpen_DataFoundElsewhereIsUnprovenUntilItIsAdopted(t *testing.T) {
	t.Parallel()
	for _, e := range []dbtest.Engine{dbtest.Postgres, dbtest.MariaDB} {
		t.Run(string(e), func(t *testing.T) {
			address := dbtest.URL(t, e)
			open := func() *db.DB {
				t.Helper()
				d, err := db.Open(t.Context(), db.Options{URL: address})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = d.Close() })
				if err := d.Migrate(t.Context()); err != nil {
					t.Fatal(err)
				}
				return d
			}
			if d := open(); d.Unproven() {
				t.Fatal("a database that began here is unproven")
			}
			p, err := db.OpenPlain(t.Context(), db.Options{URL: address})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			if _, err := p.ExecContext(t.Context(), "UPDATE db_incarnation SET fingerprint = 'another machine'"); err != nil {
				t.Fatal(err)
			}
			copied := open()
			if !copied.Unproven() || !open().Unproven() || copied.Incarnation() != 2 {
				t.Errorf("unproven: %t, incarnation %d", copied.Unproven(), copied.Incarnation())
			}
			if _, err := copied.Adopt(t.Context(), 0, nil); err != nil {
				t.Fatal(err)
			}
			if err := copied.Recheck(t.Context()); err != nil {
				t.Fatal(err)
			}
			if copied.Unproven() || open().Unproven() {
				t.Error("still unproven after it was adopted")
			}
		})
	}
}

// An address with several hosts leads to the one that takes writes, on every engine.
func TestOpen_HostThatDoesNotAnswerIsPassedOver(t *testing.T) {
	t.Parallel()
	for _, e := range []dbtest.Engine{dbtest.Postgres, dbtest.MariaDB} {
		t.Run(string(e), func(t *testing.T) {
			address := strings.Replace(dbtest.URL(t, e), "@", "@127.0.0.1:1,", 1)
			d, err := db.Open(t.Context(), db.Options{URL: address})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if err := d.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := d.Check(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
