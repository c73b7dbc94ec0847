package db

import (
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"modernc.org/sqlite"
)

// elsewhere makes the pools of the handle stand for another server than the one that its next new connection
// shows, as after a fail-over.
func elsewhere(t *testing.T, d *DB) *pools {
	t.Helper()
	plainly(t, d, "UPDATE db_incarnation SET fingerprint = 'elsewhere'")
	p := d.pools.Load()
	st := *p.standing.Load()
	st.fingerprint = "elsewhere"
	p.standing.Store(&st)
	return p
}

func plainly(t *testing.T, d *DB, statement string) {
	t.Helper()
	if err := d.Control(t.Context(), func(tx *Tx) error {
		_, err := tx.Exec(t.Context(), statement)
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func migrated(t *testing.T) (*DB, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "stoa.db")
	d, err := Open(t.Context(), Options{URL: "sqlite:" + file})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d, file
}

// What a fail-over looks like to a process: the next new connection shows another server.
func TestHistory_ConnectionsOfAnotherHistoryAreClosed_Rules19and30(t *testing.T) {
	t.Parallel()
	d, _ := migrated(t)
	id, err := d.NewID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan Turn, 1)
	d.OnIncarnation(func(turn Turn) { told <- turn })
	old := elsewhere(t, d)
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
	case turn := <-told:
		if turn.New != 2 || turn.How != howContinued || d.Incarnation() != 2 {
			t.Errorf("incarnation %d, told %+v", d.Incarnation(), turn)
		}
	case <-time.After(5 * time.Minute):
		t.Fatal("the new incarnation was not told")
	}
	if d.pools.Load() == old {
		t.Fatal("the connections of the old history are used on")
	}
	until(t, func() bool {
		return old.read.Stats().OpenConnections+old.write.Stats().OpenConnections+old.control.Stats().OpenConnections == 0
	})
	// Ids that were handed out there and lost are not given again.
	if next, err := d.NewID(t.Context()); err != nil || next < id+CounterJump {
		t.Errorf("after %d comes the id %d, %v", id, next, err)
	}
}

// Connections to another history are not used before its incarnation is known to have been raised: a proof of
// freshness from it would vouch for values of the old one.
func TestHistory_IsNotUsedBeforeItsNumberIsRaised(t *testing.T) {
	t.Parallel()
	d, file := migrated(t)
	old := elsewhere(t, d)
	plainly(t, d, "ALTER TABLE db_incarnation RENAME TO hidden") // so that it cannot be raised
	connect := func() error {
		conn, err := (&connector{sqliteConnector{&sqlite.Driver{}, "file:" + file}, d, old}).Connect(t.Context())
		if err == nil {
			_ = conn.Close()
		}
		return err
	}
	for range 2 {
		if err := connect(); !errors.Is(err, errOtherHistory) {
			t.Fatalf("a connection to another history: %v", err)
		}
		until(t, func() bool { return !d.waking.Load() })
		if d.pools.Load() != old || d.Incarnation() != 1 {
			t.Fatal("the other history is used although its number was not raised")
		}
	}
	plainly(t, d, "ALTER TABLE hidden RENAME TO db_incarnation")
	if err := connect(); !errors.Is(err, errOtherHistory) {
		t.Fatal(err)
	}
	until(t, func() bool { return d.pools.Load() != old && d.Incarnation() == 2 })
}

func until(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}
