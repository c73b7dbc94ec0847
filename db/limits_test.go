package db_test

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

func openFile(t *testing.T, o db.Options) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func TestMigrate_RefusesWhereTheOperatorWantsToSeeToTheSchema(t *testing.T) {
	t.Parallel()
	url := "sqlite:" + filepath.Join(t.TempDir(), "stoa.db")
	careful := db.Options{URL: url, NoCreate: true, NoUpgrade: true}
	if err := openFile(t, careful).Migrate(t.Context()); !stoa.Is(err, stoa.KindInvalid) || !strings.Contains(err.Error(), "schema.run.enabled") {
		t.Errorf("an empty database: %v", err)
	}
	full := openFile(t, db.Options{URL: url, NoUpgrade: true})
	if err := full.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := openFile(t, careful).Migrate(t.Context()); err != nil {
		t.Errorf("a schema that is up to date: %v", err)
	}
	if err := full.Control(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), "DELETE FROM db_migration WHERE version_id = (SELECT MAX(version_id) FROM db_migration)")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := openFile(t, careful).Migrate(t.Context()); !stoa.Is(err, stoa.KindInvalid) || !strings.Contains(err.Error(), "upgrade.database.auto.run") || !strings.Contains(err.Error(), "stoa migrate") {
		t.Errorf("an older schema: %v", err)
	}
}

func TestSlowStatement_IsLoggedWithoutItsArguments(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	d := openFile(t, db.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "stoa.db"), SlowStatement: time.Nanosecond, Logger: slog.New(slog.NewTextHandler(&out, nil))})
	var n int
	if err := d.QueryRow(t.Context(), "SELECT  count(*)\n FROM sqlite_master WHERE name = ?", "a secret").Scan(&n); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "a slow statement") || !strings.Contains(got, "SELECT count(*) FROM sqlite_master") || strings.Contains(got, "a secret") {
		t.Errorf("the log holds %q", got)
	}
	out.Reset()
	fast := openFile(t, db.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "stoa.db"), SlowStatement: time.Hour, Logger: slog.New(slog.NewTextHandler(&out, nil))})
	if err := fast.QueryRow(t.Context(), "SELECT 1").Scan(&n); err != nil || out.Len() != 0 {
		t.Errorf("%v; a fast statement is logged: %q", err, out.String())
	}
}
