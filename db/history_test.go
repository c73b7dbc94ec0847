package db

import (
	"database/sql"
	"path/filepath"
	"testing"
	"time"
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
	d.history.fingerprint = "elsewhere"
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
