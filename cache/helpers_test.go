package cache

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
)

// simulated is what a cache under test sees of the rest of the portal. The clock stands still until a
// test moves it, and the proof is always new until a test says otherwise.
type simulated struct {
	now         atomic.Int64
	proof       atomic.Int64 // -1: as new as the clock
	incarnation atomic.Int64
}

type txKey struct{}

func inTx(ctx context.Context) context.Context { return context.WithValue(ctx, txKey{}, true) }

func newSimulated(t testing.TB, change func(o *Options)) (*Cache, *simulated) {
	t.Helper()
	w := &simulated{}
	w.now.Store(int64(1000 * time.Hour))
	w.proof.Store(-1)
	o := Options{
		Clock: func() time.Duration { return time.Duration(w.now.Load()) },
		Proof: func() time.Duration {
			if p := w.proof.Load(); p >= 0 {
				return time.Duration(p)
			}
			return time.Duration(w.now.Load())
		},
		Incarnation:   w.incarnation.Load,
		InTransaction: func(ctx context.Context) bool { return ctx.Value(txKey{}) != nil },
		RingSize:      256,
	}
	if change != nil {
		change(&o)
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, w
}

func (w *simulated) pass(d time.Duration) { w.now.Add(int64(d)) }
func (w *simulated) loseProof()           { w.proof.CompareAndSwap(-1, w.now.Load()) }
func (w *simulated) regainProof()         { w.proof.Store(-1) }

func sizeOf(s string) int { return len(s) }

func newRegion(c *Cache, name string) *Region[string] {
	return NewRegion(c, RegionOptions{Name: name}, sizeOf)
}

// store is the database of a test: named rows.
type table struct {
	mu   sync.Mutex
	rows map[int64]string
}

func (tb *table) get(id int64) string {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	return tb.rows[id]
}

func (tb *table) set(id int64, v string) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	if tb.rows == nil {
		tb.rows = map[int64]string{}
	}
	tb.rows[id] = v
}

// loadArticle is the load function that reads one row and declares it.
func (tb *table) loadArticle(id int64) func(context.Context, *Load) (string, error) {
	return func(_ context.Context, l *Load) (string, error) {
		v := tb.get(id)
		if v == "" {
			l.Scope("article", 7)
			return "", stoa.NotFound("article", id)
		}
		l.Thing("article", stoa.ID(id))
		return v, nil
	}
}

func mustGet(t testing.TB, r *Region[string], key string, load func(context.Context, *Load) (string, error)) string {
	t.Helper()
	v, err := r.Get(context.Background(), key, load)
	if err != nil {
		t.Fatalf("get %s: %v", key, err)
	}
	return v
}

func want(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func statsOf(c *Cache, name string) RegionStats {
	for _, s := range c.Stats() {
		if s.Name == name {
			return s
		}
	}
	return RegionStats{}
}

func value(v string, tags ...Tag) func(context.Context, *Load) (string, error) {
	return func(_ context.Context, l *Load) (string, error) {
		for _, t := range tags {
			l.tag(t)
		}
		return v, nil
	}
}

// never is a load function for what must be answered from memory.
func never(context.Context, *Load) (string, error) {
	return "", errors.New("loaded although it is in memory")
}

func thing(id int64) Tag    { return Tag{Kind: "article", ID: id} }
func scope(s int64) Tag     { return Tag{Kind: "article", Scope: s} }
func saved(id int64) Change { return Change{Kind: "article", ID: id, Scope: 7} }
