package db_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// lockedFile opens a migrated file of SQLite, whose write lock another program holds until release is called.
func lockedFile(t *testing.T) (d *db.DB, release func()) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "stoa.db")
	d, err := db.Open(t.Context(), db.Options{URL: "sqlite:" + file})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	other, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	conn, err := other.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	return d, func() {
		t.Helper()
		if _, err := conn.ExecContext(t.Context(), "COMMIT"); err != nil {
			t.Fatal(err)
		}
	}
}

func saveOne(ctx context.Context, tx *db.Tx) error {
	_, err := tx.Exec(ctx, "INSERT INTO db_counter (name, next_id, incarnation) VALUES ('locked', 1, 1)")
	return err
}

func savedOnes(t *testing.T, d *db.DB) (n int) {
	t.Helper()
	if err := d.QueryRow(t.Context(), "SELECT count(*) FROM db_counter WHERE name = 'locked'").Scan(&n); err != nil {
		t.Fatalf("a read: %v", err)
	}
	return n
}

// A backup program or a shell holds the write lock of the file: who saves waits and loses nothing, who reads does not
// wait at all.
func TestWrite_WaitsForAnotherProgramThatHoldsTheFile_SQLite(t *testing.T) {
	t.Parallel()
	d, release := lockedFile(t)
	began, done := make(chan struct{}), make(chan error, 1)
	ctx := context.WithoutCancel(t.Context())
	go func() {
		close(began)
		done <- d.Write(ctx, saveOne)
	}()
	<-began
	for range 100 {
		if n := savedOnes(t, d); n != 0 {
			t.Fatal("a save went past the lock of another program")
		}
	}
	select {
	case err := <-done:
		t.Fatalf("a save ended while another program holds the file: %v", err)
	default:
	}
	release()
	if err := <-done; err != nil {
		t.Errorf("a save after another program let go of the file: %v", err)
	}
	if n := savedOnes(t, d); n != 1 {
		t.Errorf("%d rows were saved", n)
	}
}

// When it is held for longer than the save may take, the save says so, and nothing of it is done later.
func TestWrite_GivesUpWhenAnotherProgramKeepsTheFile_SQLite(t *testing.T) {
	t.Parallel()
	d, release := lockedFile(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := d.Write(ctx, saveOne); !stoa.Is(err, stoa.KindUnavailable) {
		t.Errorf("a save of which the time is up says %v", err)
	}
	release()
	if n := savedOnes(t, d); n != 0 {
		t.Errorf("%d rows were saved after it was given up", n)
	}
	if err := d.Write(t.Context(), saveOne); err != nil {
		t.Errorf("the next save: %v", err)
	}
}
