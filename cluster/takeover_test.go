package cluster

import (
	"context"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server/labtest/stall"
)

// pair is two nodes on one database server, the first of them behind a link that can freeze.
type pair struct {
	a, b *Node
	link *dbtest.Link
}

func pairs(t *testing.T, deadAfter time.Duration, fn func(t *testing.T, p pair)) {
	t.Helper()
	for _, e := range []dbtest.Engine{dbtest.Postgres, dbtest.MariaDB} {
		t.Run(string(e), func(t *testing.T) {
			address := dbtest.URL(t, e)
			p := pair{link: dbtest.NewLink(t, address)}
			join := func(url string, writer int64, id string) *Node {
				d, err := db.Open(t.Context(), db.Options{URL: url, Writer: writer, MaxConns: 4})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = d.Close() })
				n, err := Join(t.Context(), NodeOptions{DB: d, Writer: writer, NodeID: id, DeadAfter: deadAfter})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { p.link.Thaw(); _ = n.Leave(context.Background()) })
				return n
			}
			p.a = join(p.link.URL, 1, "a")
			await(t, "a is the master", time.Minute, p.a.IsMaster)
			p.b = join(address, 2, "b")
			fn(t, p)
		})
	}
}

// longestTakeover leaves a second to a machine that is slow, and ends before the server would end the transaction of
// a frozen node by itself, which is after 5 s.
const longestTakeover = takeoverAfter + 2*leaseTick + time.Second

// await waits for a condition and gives how long it took. Of most, what the machine stood still is not counted.
func await(t *testing.T, what string, most time.Duration, ok func() bool) time.Duration {
	t.Helper()
	watch, began := stall.Start(), time.Now()
	defer watch.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if watch.Since(began) > most {
			t.Fatalf("after %s still not so: %s", most, what)
		}
		<-tick.C
	}
	return time.Since(began)
}

// freezeInside begins a transaction of a and freezes a between the fence and the COMMIT.
func (p pair) freezeInside(t *testing.T, f Fence) (outcome <-chan error) {
	t.Helper()
	passed, done := make(chan error, 1), make(chan error, 1)
	go func() {
		done <- p.a.d.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
			tx.Fence(func(ctx context.Context, tx *db.Tx) error {
				err := f.pass(ctx, tx)
				p.link.Freeze()
				passed <- err
				return err
			})
			return tx.Insert(ctx, "cluster_fact", db.Row{"name": "effect", "value": "x"})
		})
	}()
	if err := <-passed; err != nil {
		t.Fatal(err)
	}
	return done
}

// late lets a go on and holds that its COMMIT fails.
func (p pair) late(t *testing.T, outcome <-chan error) {
	t.Helper()
	p.link.Thaw()
	if err := <-outcome; err == nil {
		t.Error("the COMMIT of the frozen node succeeded after it was taken over")
	}
	var value string
	if err := p.b.d.QueryRow(t.Context(), "SELECT value FROM cluster_fact WHERE name = 'effect'").Scan(&value); !db.IsNoRows(err) {
		t.Errorf("the frozen node's transaction had its effect: %q, %v", value, err)
	}
}

func TestTakeover_AHolderFrozenBeforeItsCommitDelaysNobodyAndFails_Rule24(t *testing.T) {
	t.Parallel()
	pairs(t, 0, func(t *testing.T, p pair) {
		outcome := p.freezeInside(t, p.a.Lease(masterLease).fence(1))
		took := await(t, "b is the master", longestTakeover, p.b.IsMaster)
		t.Logf("a new master after %s", took)
		if took < takeoverAfter-leaseTick {
			t.Errorf("taken over after %s, when the old holder could still act", took)
		}
		p.late(t, outcome)
	})
}

func TestSweep_ANodeFrozenBeforeItsCommitIsDeclaredDeadAndFails_Rule24(t *testing.T) {
	t.Parallel()
	pairs(t, 500*time.Millisecond, func(t *testing.T, p pair) {
		outcome := p.freezeInside(t, p.a.Fence())
		await(t, "b is the master", longestTakeover, p.b.IsMaster)
		sweep := func() bool {
			var dead []Member
			if err := p.b.RunAsMaster(t.Context(), func(ctx context.Context, f Fence) (err error) {
				dead, err = p.b.Sweep(ctx, f)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			return len(dead) == 1 && dead[0].Writer == 1
		}
		await(t, "a is declared dead", time.Minute, sweep)
		p.late(t, outcome)
	})
}
