package change_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// A hundred worlds find only what is wrong everywhere; five thousand take half a second.
	if f := flag.Lookup("rapid.checks"); f != nil && f.Value.String() == f.DefValue {
		_ = f.Value.Set("5000")
	}
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(goleak.IgnoreTopFunction("database/sql.(*DB).connectionOpener")); err != nil {
			println(err.Error())
			code = 1
		}
	}
	os.Exit(code)
}

// node is a Log with a memory of what it applied.
type node struct {
	*change.Log
	t  *testing.T
	d  *db.DB
	mu sync.Mutex
	// applied counts how often each thing was dropped.
	applied map[change.Position]int
	rows    []change.Row
	all     int // times everything was dropped
}

func open(t *testing.T, d *db.DB, change_ ...func(o *change.Options)) *node {
	t.Helper()
	n := &node{t: t, d: d, applied: map[change.Position]int{}}
	o := change.Options{DB: d, Apply: n.apply, MinPollGap: time.Millisecond}
	for _, fn := range change_ {
		fn(&o)
	}
	l, err := change.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	n.Log = l
	t.Cleanup(func() { _ = l.Close(context.Background()) })
	return n
}

func (n *node) apply(rows []change.Row) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.rows = append(n.rows, rows...)
	for _, r := range rows {
		if r.Kind == change.Everything {
			n.all++
		}
		if r.Part == 0 {
			n.applied[change.Position{Writer: r.Writer, N: r.N}]++
		}
	}
}

func (n *node) times(p change.Position) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.applied[p]
}

func (n *node) drops() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.all
}

func (n *node) last() change.Row {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.rows) == 0 {
		return change.Row{}
	}
	return n.rows[len(n.rows)-1]
}

// write changes one thing and gives its position.
func (n *node) write(kind string, id stoa.ID) change.Position {
	n.t.Helper()
	return n.writeBy(0, kind, id)
}

// writeBy is write in the name of a user.
func (n *node) writeBy(user stoa.ID, kind string, id stoa.ID) change.Position {
	n.t.Helper()
	ctx, receipts := change.WithReceipts(stoa.WithActor(n.t.Context(), stoa.Actor{User: user}))
	if err := n.d.Write(ctx, func(_ context.Context, tx *db.Tx) error {
		tx.Changed(kind, id, 7, 1)
		return nil
	}); err != nil {
		n.t.Fatal(err)
	}
	got := receipts.Positions()
	if len(got) != 1 {
		n.t.Fatalf("%d receipts for one write", len(got))
	}
	return got[0]
}

func (n *node) poll() {
	n.t.Helper()
	if err := n.Poll(n.t.Context()); err != nil {
		n.t.Fatal(err)
	}
}

// publish reads the log until the database has what this writer has settled; on SQLite that is done
// beside the reads.
func (n *node) publish() {
	n.t.Helper()
	eventually(n.t, "what is settled is published", func() bool {
		n.poll()
		var low int64
		if err := n.d.QueryRow(n.t.Context(), "SELECT low FROM change_writer WHERE writer = ?", n.Writer()).Scan(&low); err != nil {
			n.t.Fatal(err)
		}
		return uint64(low) == n.Status().Low
	})
}

var errRollback = errors.New("rolled back by the test")

// held is a transaction that has appended its row and waits before its COMMIT.
type held struct {
	n       uint64
	release chan error
	done    chan error
}

// hold begins a transaction of the node through another handle, as a COMMIT that hangs does.
func (n *node) hold(through *db.DB, id stoa.ID) *held {
	n.t.Helper()
	h := &held{release: make(chan error, 1), done: make(chan error, 1)}
	ready := make(chan error, 1)
	go func() {
		h.done <- through.Control(context.Background(), func(tx *db.Tx) error {
			var err error
			h.n, err = n.Append(context.Background(), tx, []db.Change{{Kind: "article", ID: id, Scope: 7, Version: 1}})
			ready <- err
			if err != nil {
				return err
			}
			return <-h.release
		})
	}()
	if err := <-ready; err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		select {
		case h.release <- errRollback:
		default:
		}
	})
	return h
}

// commit lets the transaction go on; it is not settled by that.
func (h *held) commit(t *testing.T) {
	t.Helper()
	h.release <- nil
	if err := <-h.done; err != nil {
		t.Fatal(err)
	}
}

func (h *held) rollback(t *testing.T) {
	t.Helper()
	h.release <- errRollback
	if err := <-h.done; !errors.Is(err, errRollback) {
		t.Fatal(err)
	}
}

// servers runs the test on the engines where two transactions can be open at once.
func servers(t *testing.T, n int, fn func(t *testing.T, d []*db.DB)) {
	t.Helper()
	for _, e := range []dbtest.Engine{dbtest.Postgres, dbtest.MariaDB} {
		t.Run(string(e), func(t *testing.T) { fn(t, dbtest.Nodes(t, e, n)) })
	}
}

func engines(t *testing.T, n int, fn func(t *testing.T, d []*db.DB)) {
	t.Helper()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) { fn(t, dbtest.Nodes(t, e, n)) })
	}
}

// eventually waits for a condition that other goroutines bring about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(5 * time.Minute)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatal("waited in vain: " + what)
		case <-tick.C:
		}
	}
}
