package db

import (
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"modernc.org/sqlite"
)

// What a fail-over looks like to a process: the next new connection shows another fingerprint.
func TestHistory_ConnectionsOfAnotherHistoryAreClosed_Rules19and30(t *testing.T) {
	d, err := Open(t.Context(), Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "stoa.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	id, err := d.NewID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan int64, 1)
	d.OnIncarnation(func(_, now int64) { told <- now })
	old := d.pools.Load()
	if err := d.Control(t.Context(), func(tx *Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE db_incarnation SET fingerprint = 'elsewhere'")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	d.history.mu.Lock()
	old.past.fingerprint = "elsewhere"
	d.history.mu.Unlock()
	var busy []*sql.Conn // so that a new one must be made
	for {
		c, err := old.read.Conn(t.Context())
		if err != nil {
			break
		}
		busy = append(busy, c)
	}
	for _, c := range busy {
		_ = c.Close()
	}
	select {
	case now := <-told:
		if now != 2 || d.Incarnation() != 2 {
			t.Errorf("incarnation %d, told %d", d.Incarnation(), now)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("nobody was told of the new incarnation")
	}
	if d.pools.Load() == old {
		t.Fatal("the connections of the old history are used on")
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); old.read.Stats().OpenConnections+old.write.Stats().OpenConnections+old.control.Stats().OpenConnections > 0; <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal("connections of the old history stay open")
		}
	}
	// Ids that were handed out there and lost are not given again.
	if next, err := d.NewID(t.Context()); err != nil || next < id+counterJump {
		t.Errorf("after %d comes the id %d, %v", id, next, err)
	}
}

// Connections to another history are not used before its incarnation is known to have been raised: a proof of freshness
// from it would vouch for values of the old one.
func TestHistory_IsNotUsedBeforeItsNumberIsRaised(t *testing.T) {
	file := filepath.Join(t.TempDir(), "stoa.db")
	d, err := Open(t.Context(), Options{URL: "sqlite:" + file})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	old := d.pools.Load()
	exec := func(statement string) {
		t.Helper()
		if err := d.Control(t.Context(), func(tx *Tx) error { _, err := tx.Exec(t.Context(), statement); return err }); err != nil {
			t.Fatal(err)
		}
	}
	exec("UPDATE db_incarnation SET fingerprint = 'elsewhere'")
	exec("ALTER TABLE db_incarnation RENAME TO hidden") // so that it cannot be raised
	d.history.mu.Lock()
	old.past.fingerprint = "elsewhere"
	d.history.mu.Unlock()
	renewing := func() bool {
		d.history.mu.Lock()
		defer d.history.mu.Unlock()
		return d.history.renewing
	}
	connect := func() error {
		conn, err := (&connector{sqliteConnector{&sqlite.Driver{}, "file:" + file}, d, old.past}).connect(t.Context())
		if err == nil {
			_ = conn.Close()
		}
		return err
	}
	for range 2 {
		if err := connect(); !errors.Is(err, errOtherHistory) {
			t.Fatalf("a connection to another history: %v", err)
		}
		until(t, func() bool { return !renewing() })
		if d.pools.Load() != old || d.Incarnation() != 1 {
			t.Fatal("the other history is used although its number was not raised")
		}
	}
	exec("ALTER TABLE hidden RENAME TO db_incarnation")
	if err := connect(); !errors.Is(err, errOtherHistory) {
		t.Fatal(err)
	}
	until(t, func() bool { return d.pools.Load() != old && d.Incarnation() == 2 })
}

func until(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}
