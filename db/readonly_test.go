package db_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

func TestView_ReadsAndCannotWrite(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			address := dbtest.URL(t, e)
			v, err := db.OpenView(t.Context(), db.Options{URL: address}, false)
			if err != nil {
				t.Fatal(err)
			}
			defer v.Close()
			there, err := v.Tables(t.Context(), "db_schema", "no_such_table")
			if err != nil || !there["db_schema"] || there["no_such_table"] {
				t.Errorf("%v, %v", there, err)
			}
			err = v.Read(t.Context(), func(q db.Queryer) error {
				var version int64
				err := q.QueryRow(t.Context(), "SELECT version FROM db_schema WHERE id = ?", 1).Scan(&version)
				if version != db.NewestSchema() {
					t.Errorf("schema %d, newest %d", version, db.NewestSchema())
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
			err = v.Read(t.Context(), func(q db.Queryer) error {
				rows, err := q.Query(t.Context(), "UPDATE db_schema SET version = 1")
				if err == nil {
					rows.Next()
					err = rows.Err()
					_ = rows.Close()
				}
				return err
			})
			if err == nil {
				t.Error("it was written to")
			}
		})
	}
}

// A server that takes no writes for a while can be looked at.
func TestView_OfAServerThatIsReadOnly(t *testing.T) {
	t.Parallel()
	address := dbtest.URL(t, dbtest.Postgres)
	d, err := db.OpenPlain(t.Context(), db.Options{URL: address})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var name string
	if err := d.QueryRow("SELECT current_database()").Scan(&name); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Exec("ALTER DATABASE " + name + " SET default_transaction_read_only = on"); err != nil {
		t.Fatal(err)
	}
	v, err := db.OpenView(t.Context(), db.Options{URL: address}, false)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if there, err := v.Tables(t.Context(), "db_schema"); err != nil || !there["db_schema"] {
		t.Errorf("%v, %v", there, err)
	}
}

// A file that was not closed properly is read with what its log holds, and nothing beside it is touched.
func TestView_OfAFileThatWasNotClosed(t *testing.T) {
	t.Parallel()
	address := dbtest.URL(t, dbtest.SQLite)
	d, err := db.Open(t.Context(), db.Options{URL: address})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	err = d.Control(t.Context(), func(tx *db.Tx) error {
		return tx.Insert(t.Context(), "cluster_fact", db.Row{"name": "in the log", "value": "yes"})
	})
	if err != nil {
		t.Fatal(err)
	}
	left := t.TempDir() // as a killed process leaves it
	from := filepath.Dir(address[len("sqlite:"):])
	for _, name := range []string{"stoa.db", "stoa.db-wal"} {
		raw, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(left, name), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	v, err := db.OpenView(t.Context(), db.Options{URL: "sqlite:" + filepath.Join(left, "stoa.db")}, false)
	if err != nil {
		t.Fatal(err)
	}
	err = v.Read(context.Background(), func(q db.Queryer) error {
		var value string
		return q.QueryRow(t.Context(), "SELECT value FROM cluster_fact WHERE name = 'in the log'").Scan(&value)
	})
	if err != nil || v.Behind() {
		t.Errorf("%v, behind %v", err, v.Behind())
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
	if found, err := os.ReadDir(left); err != nil || len(found) != 2 {
		t.Errorf("%v, %v", found, err)
	}
	_, err = db.OpenView(t.Context(), db.Options{URL: "sqlite:" + filepath.Join(left, "none.db")}, false)
	if !stoa.Is(err, stoa.KindNotFound) {
		t.Error(err)
	}
}
