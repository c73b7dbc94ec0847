package cluster_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// A takeover takes many steps, so the worlds are long and many.
	for name, value := range map[string]string{"rapid.checks": "5000", "rapid.steps": "100"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() == f.DefValue {
			_ = f.Value.Set(value)
		}
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

func engines(t *testing.T, n int, fn func(t *testing.T, d []*db.DB)) {
	t.Helper()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) { fn(t, dbtest.Nodes(t, e, n)) })
	}
}

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

func join(t *testing.T, d *db.DB, opts ...func(o *cluster.NodeOptions)) *cluster.Node {
	t.Helper()
	o := cluster.NodeOptions{DB: d, Writer: change.NewWriter(), Heartbeat: 10 * time.Millisecond, DeadAfter: 400 * time.Millisecond, Version: "1"}
	for _, fn := range opts {
		fn(&o)
	}
	if o.NodeID == "" && o.Home == "" {
		o.NodeID = fmt.Sprint("node-", o.Writer)
	}
	n, err := cluster.Join(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Leave(context.Background()) })
	return n
}

func beat(ctx context.Context, d *db.DB, n *cluster.Node) error {
	return d.Control(ctx, func(tx *db.Tx) error { return n.Beat(ctx, tx, 1) })
}

// beating keeps a node alive until stop is called.
func beating(t *testing.T, d *db.DB, n *cluster.Node) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			_ = beat(ctx, d, n)
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		}
	})
	end := func() { cancel(); wg.Wait() }
	t.Cleanup(end)
	return end
}

func member(n *cluster.Node, writer int64) (m cluster.Member) {
	for _, m := range n.Members() {
		if m.Writer == writer {
			return m
		}
	}
	return m
}

func TestNode_SeesOthersJoinLeaveAndDie(t *testing.T) {
	t.Parallel()
	engines(t, 3, func(t *testing.T, d []*db.DB) {
		// Wall clocks take no part: these are wrong by years.
		wrong := func(years int) func(o *cluster.NodeOptions) {
			return func(o *cluster.NodeOptions) {
				o.Now = func() time.Time { return time.Now().AddDate(years, 0, 0) }
			}
		}
		a := join(t, d[0], wrong(-30))
		beating(t, d[0], a)
		var mu sync.Mutex
		events := map[int64][]bool{}
		stop := a.Watch(func(e cluster.MemberEvent) {
			mu.Lock()
			defer mu.Unlock()
			events[e.Member.Writer] = append(events[e.Member.Writer], e.Joined)
		})
		defer stop()
		saw := func(w int64, want ...bool) func() bool {
			return func() bool {
				mu.Lock()
				defer mu.Unlock()
				return fmt.Sprint(events[w]) == fmt.Sprint(want)
			}
		}
		b := join(t, d[1], wrong(30))
		c := join(t, d[2])
		beating(t, d[1], b)
		die := beating(t, d[2], c)
		eventually(t, "a sees b and c", func() bool { return saw(b.Writer(), true)() && saw(c.Writer(), true)() })
		if len(b.Members()) < 2 || !member(b, a.Writer()).Live {
			t.Fatalf("%+v", b.Members())
		}
		die()
		eventually(t, "a sees c die", saw(c.Writer(), true, false))
		if !member(a, b.Writer()).Live || member(a, c.Writer()).Live {
			t.Fatalf("%+v", a.Members())
		}
		if err := b.Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		eventually(t, "a sees b leave", saw(b.Writer(), true, false))
		if err := beat(t.Context(), d[1], b); !errors.Is(err, cluster.ErrExpelled) {
			t.Fatalf("%v: a node that left beats on", err)
		}
	})
}

func TestNode_OneIsMasterAndTheNextFollowsWhenItLeaves(t *testing.T) {
	t.Parallel()
	engines(t, 2, func(t *testing.T, d []*db.DB) {
		a := join(t, d[0])
		eventually(t, "a is the master", a.IsMaster)
		b := join(t, d[1])
		if b.IsMaster() {
			t.Fatal("two masters")
		}
		ran := make(chan error, 1)
		go func() {
			ran <- b.RunAsMaster(t.Context(), func(ctx context.Context, f cluster.Fence) error {
				return d[1].Write(ctx, func(ctx context.Context, tx *db.Tx) error {
					f.Apply(tx)
					return tx.Insert(ctx, "cluster_fact", db.Row{"name": "done by", "value": "b"})
				})
			})
		}()
		if err := a.Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-ran; err != nil {
			t.Fatal(err)
		}
	})
}

// Rule 25: a node declared dead has lost its claims, and may live on with a new epoch.
func TestNode_WhoIsDeclaredDeadIsFencedAndMayComeBack_Rule25(t *testing.T) {
	t.Parallel()
	engines(t, 2, func(t *testing.T, d []*db.DB) {
		a := join(t, d[0])
		b := join(t, d[1], func(o *cluster.NodeOptions) { o.Guest = true }) // the master is a, however slow it is
		beating(t, d[0], a)
		claim, epoch := b.Fence(), b.Epoch()
		work := func(f cluster.Fence) error {
			return d[1].Write(t.Context(), func(ctx context.Context, tx *db.Tx) error { f.Apply(tx); return nil })
		}
		if err := work(claim); err != nil {
			t.Fatal(err)
		}
		master := func() (dead []cluster.Member) {
			err := a.RunAsMaster(t.Context(), func(ctx context.Context, f cluster.Fence) (err error) {
				dead, err = a.Sweep(ctx, f)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return dead
		}
		if dead := master(); len(dead) != 0 && dead[0].Quiet < 400*time.Millisecond {
			t.Fatalf("declared dead too early: %+v", dead)
		}
		eventually(t, "b is declared dead", func() bool {
			_ = master()
			m := member(a, b.Writer())
			return m.State == "dead" && !m.Live
		})
		if err := work(claim); !errors.Is(err, cluster.ErrFenced) {
			t.Fatalf("%v: the claim of a dead node still holds", err)
		}
		beating(t, d[1], b) // it thaws
		eventually(t, "b is back", func() bool { return member(a, b.Writer()).Live && b.Epoch() > epoch })
		if err := work(claim); !errors.Is(err, cluster.ErrFenced) {
			t.Fatalf("%v: an old claim came back to life", err)
		}
		if err := work(b.Fence()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestNode_WithoutItsRowItIsExpelled(t *testing.T) {
	t.Parallel()
	engines(t, 1, func(t *testing.T, d []*db.DB) {
		a := join(t, d[0])
		if err := beat(t.Context(), d[0], a); err != nil {
			t.Fatal(err)
		}
		if err := d[0].Control(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), "DELETE FROM cluster_node")
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if err := beat(t.Context(), d[0], a); !errors.Is(err, cluster.ErrExpelled) {
			t.Fatal(err)
		}
		// In another history the row was never there: then the node makes it anew.
		if err := d[0].Control(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), "UPDATE db_incarnation SET number = number + 1")
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if err := d[0].Recheck(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := beat(t.Context(), d[0], a); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the row is back", func() bool { return member(a, a.Writer()).Live })
	})
}

func TestJoin_ACopiedHomeGetsAnIDOfItsOwn(t *testing.T) {
	t.Parallel()
	engines(t, 3, func(t *testing.T, d []*db.DB) {
		home, copied := t.TempDir(), t.TempDir()
		at := func(dir string) func(o *cluster.NodeOptions) {
			// Who joins waits two heartbeats of its own for a sign of life.
			return func(o *cluster.NodeOptions) { o.Home = dir; o.Heartbeat = time.Second }
		}
		a := join(t, d[0], at(home))
		die := beating(t, d[0], a)
		raw, err := os.ReadFile(filepath.Join(home, "data", "node-id"))
		if err != nil || strings.TrimSpace(string(raw)) != a.ID() {
			t.Fatalf("%q %v, want %s", raw, err, a.ID())
		}
		if err := os.CopyFS(copied, os.DirFS(home)); err != nil {
			t.Fatal(err)
		}
		b := join(t, d[1], at(copied))
		if b.ID() == a.ID() {
			t.Fatal("two living nodes have one id")
		}
		if raw, err := os.ReadFile(filepath.Join(copied, "data", "node-id")); err != nil || strings.TrimSpace(string(raw)) != b.ID() {
			t.Fatalf("%q %v, want %s", raw, err, b.ID())
		}
		die() // crashed: the same home starts again and keeps its id
		again := join(t, d[2], at(home))
		if again.ID() != a.ID() {
			t.Fatalf("a restart got the id %s instead of %s", again.ID(), a.ID())
		}
	})
}

func TestJoin_SaysWhatIsWrongWithAnID(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	home := t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "data", "node-id"), []byte("no spaces please"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, o := range []cluster.NodeOptions{
		{},
		{DB: d, Writer: 1},
		{DB: d, Writer: 1, Home: home},
		{DB: d, Writer: 1, NodeID: strings.Repeat("x", 61)},
		{DB: d, Writer: -1, NodeID: "x"},
	} {
		if n, err := cluster.Join(t.Context(), o); err == nil {
			_ = n.Leave(t.Context())
			t.Errorf("joined with %+v", o)
		}
	}
}

func TestFact_TheFirstProposalWins(t *testing.T) {
	t.Parallel()
	engines(t, 3, func(t *testing.T, d []*db.DB) {
		var wg sync.WaitGroup
		got := make([]string, 12)
		for i := range got {
			wg.Go(func() {
				v, err := cluster.Fact(t.Context(), d[i%3], "store", fmt.Sprint("proposal ", i))
				if err != nil {
					t.Error(err)
				}
				got[i] = v
			})
		}
		wg.Wait()
		for _, v := range got {
			if v == "" || v != got[0] {
				t.Fatalf("the nodes disagree: %q", got)
			}
		}
		if v, err := cluster.Fact(t.Context(), d[0], "store", "too late"); err != nil || v != got[0] {
			t.Fatalf("%q %v", v, err)
		}
		if _, err := cluster.Fact(t.Context(), d[0], "", "x"); err == nil {
			t.Fatal("a fact without a name")
		}
	})
}

// The node and the change log together, as a server wires them.
func TestNode_TheHeartbeatIsBehindTheReadOfTheLog_Rule12(t *testing.T) {
	t.Parallel()
	engines(t, 2, func(t *testing.T, d []*db.DB) {
		writer := change.NewWriter()
		var n *cluster.Node
		l, err := change.Open(t.Context(), change.Options{DB: d[0], Writer: writer, PollInterval: 10 * time.Millisecond, Beat: func(ctx context.Context, tx *db.Tx, low uint64) error { return n.Beat(ctx, tx, low) }})
		if err != nil {
			t.Fatal(err)
		}
		n = join(t, d[0], func(o *cluster.NodeOptions) { o.Writer = writer })
		watcher := join(t, d[1])
		done := make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { done <- l.Run(ctx) }()
		first := member(watcher, writer).Beat
		eventually(t, "the log's reads raise the beat", func() bool { return member(watcher, writer).Beat > first+3 && l.Proof() != 0 })
		if err := d[1].Control(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), "DELETE FROM cluster_node WHERE writer = ?", writer)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "an expelled node has no proofs", func() bool { return errors.Is(l.Poll(ctx), cluster.ErrExpelled) })
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if err := l.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}
