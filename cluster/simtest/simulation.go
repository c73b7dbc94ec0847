// Package simtest runs whole clusters on virtual time, each from a seed. The nodes are real where they
// decide: the core of the change log, the caches with their guard, the core of the leases, the roster.
// The database, the network and the clocks are models that misbehave: COMMITs hang and their answers get
// lost, a deposed primary goes on serving reads, rows are pruned, messages are dropped, doubled, late
// and out of order, nodes freeze, die and restart, clocks run at other rates. One goroutine decides
// everything that happens, in one order, so a seed that fails does so again.
package simtest

import (
	"bytes"
	"cmp"
	"container/heap"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const (
	tick    = 500 * time.Millisecond // between polls, renewals and looks at the other nodes
	active  = 14 * time.Second       // of writes and faults
	calm    = 7 * time.Second        // for the cluster to come to rest
	bound   = 2 * time.Second        // the promise: acknowledged longer ago, seen by every request
	timeout = 3 * time.Second        // of a statement; shorter than in production, as is what follows
	idle    = 5 * time.Second        // the server ends transactions that stand still
	keep    = 4 * time.Second        // rows of the log are pruned when older
	late    = time.Second            // an append that took longer is rolled back
)

// Simulation is one cluster with its database, and the clients that use it.
type Simulation struct {
	rand  *rand.Rand
	start time.Time
	queue queue
	seq   int
	trace io.Writer
	plan  plan
	err   error

	primary *server
	nodes   []*node
	sides   []int // of the partition, by node
	ledger  ledger
	clients int // requests so far
	waiting int // requests without an answer yet
	stats   Stats

	mu      sync.Mutex // guards what goroutines of the caches hand over
	asks    []*ask
	gates   []gate
	offers  []offer
	answers []answer
}

// Stats say what a simulation has come through.
type Stats struct {
	Events, Requests, Hits, Loads, Stale, Errors, Deposed int
	Saved, Rejected, Unknown, Takeovers, Effects          int
	Hints, Offers, Taken, Lost, Overruns                  int
	Freezes, Kills, Failovers                             int
}

// Add sums up.
func (s *Stats) Add(o Stats) {
	to, from := reflect.ValueOf(s).Elem(), reflect.ValueOf(o)
	for i := range to.NumField() {
		to.Field(i).SetInt(to.Field(i).Int() + from.Field(i).Int())
	}
}

// All gives the counts by their names.
func (s Stats) All() iter.Seq2[string, int] {
	v := reflect.ValueOf(s)
	return func(yield func(string, int) bool) {
		for i := range v.NumField() {
			if !yield(v.Type().Field(i).Name, int(v.Field(i).Int())) {
				return
			}
		}
	}
}

// Run runs the simulation of a seed in a bubble of virtual time. The error says which promise was broken,
// and when. trace, if not nil, is told everything that happens.
func Run(t *testing.T, seed uint64, trace io.Writer) (stats Stats, err error) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		w := &Simulation{rand: rand.New(rand.NewPCG(seed, 0)), start: time.Now(), trace: trace}
		w.begin()
		for w.err == nil && (w.now() <= active+calm || w.waiting > 0) {
			e := heap.Pop(&w.queue).(*event)
			time.Sleep(e.at - w.now()) // until nothing else can happen before
			w.stats.Events++
			e.fn()
			w.settle()
		}
		for _, n := range w.nodes {
			n.stop()
		}
		stats, err = w.stats, w.err
	})
	return stats, err
}

// begin makes the cluster and lets clients come.
func (w *Simulation) begin() {
	w.plan = w.draw()
	w.tracef("plan %+v", w.plan)
	w.primary = newServer(w, "s0", newData())
	for i := range w.plan.nodes {
		n := &node{w: w, index: i}
		w.nodes = append(w.nodes, n)
		w.after(w.between(0, 300*time.Millisecond), n.boot)
	}
	w.sides = make([]int, len(w.nodes))
	w.after(time.Second, w.visit)
	w.after(time.Second, w.edit)
	w.after(1200*time.Millisecond, w.misbehave)
	w.after(active, w.heal)
	w.after(active+calm, w.examine)
}

// gate holds a goroutine that is about to use a cache, at first or after a wait for another caller's load.
type gate struct {
	id   int // of the request that it works for
	open chan struct{}
}

// queueAt makes a gate. pass, which its goroutine calls, returns when the simulation has opened it or ended is closed.
func (w *Simulation) queueAt(id int, ended <-chan struct{}) (pass func()) {
	g := gate{id: id, open: make(chan struct{})}
	w.mu.Lock()
	w.gates = append(w.gates, g)
	w.mu.Unlock()
	return func() {
		select {
		case <-g.open:
		case <-ended:
		}
	}
}

// settle lets the caches go on until all they can do is wait, and takes what they hand over. What comes
// together is put in an order that does not depend on the scheduler, and what has come or waited goes on alone.
func (w *Simulation) settle() {
	for w.waiting > 0 {
		synctest.Wait()
		w.mu.Lock()
		asks, answers, offers := w.asks, w.answers, w.offers
		w.asks, w.answers, w.offers = nil, nil, nil
		slices.SortFunc(w.gates, func(a, b gate) int { return cmp.Compare(a.id, b.id) })
		if len(w.gates) > 0 {
			close(w.gates[0].open)
			w.gates = w.gates[1:]
		} else if len(asks)+len(answers)+len(offers) == 0 {
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
		slices.SortFunc(asks, func(a, b *ask) int {
			return cmp.Or(cmp.Compare(a.n.index, b.n.index), compare(a.what, b.what), cmp.Compare(a.id, b.id))
		})
		slices.SortFunc(offers, func(a, b offer) int {
			return cmp.Or(cmp.Compare(a.n.index, b.n.index), bytes.Compare(a.b, b.b))
		})
		slices.SortFunc(answers, func(a, b answer) int { return cmp.Compare(a.req.id, b.req.id) })
		for _, a := range asks {
			if !a.n.lives(a.life) {
				continue // its context ends
			}
			w.tracef("%s loads %v", a.n, a.what)
			a.send()
		}
		for _, o := range offers {
			if o.n.lives(o.life) {
				o.send()
			}
		}
		for _, a := range answers {
			if w.waiting--; !a.req.n.lives(a.req.life) {
				continue
			}
			w.tracef("%s answers request %d of %s: %v, %+v, failed: %v", a.req.n, a.req.id, a.req.arrival, a.seen, a.info, a.err != nil)
			w.check(a)
		}
	}
}

// now is the true time, which no node knows.
func (w *Simulation) now() time.Duration { return time.Since(w.start) }

func (w *Simulation) after(d time.Duration, fn func()) {
	w.seq++
	heap.Push(&w.queue, &event{at: w.now() + max(d, 1), seq: w.seq, fn: fn})
}

func (w *Simulation) tracef(format string, args ...any) {
	if w.trace != nil {
		fmt.Fprintf(w.trace, "%12s  %s\n", w.now(), fmt.Sprintf(format, args...))
	}
}

// failf notes the first promise that was broken; the simulation ends with it.
func (w *Simulation) failf(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf("at %s: %s", w.now(), fmt.Sprintf(format, args...))
		w.tracef("FAILED: %v", w.err)
	}
}

func (w *Simulation) chance(p float64) bool { return w.rand.Float64() < p }

func (w *Simulation) between(a, b time.Duration) time.Duration {
	return a + time.Duration(w.rand.Int64N(int64(b-a)+1))
}

func pick[T any](w *Simulation, from []T) T { return from[w.rand.IntN(len(from))] }

type event struct {
	at  time.Duration
	seq int
	fn  func()
}

// queue is a heap of what is to happen.
type queue []*event

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push and Pop are for package heap.
func (q *queue) Push(x any) { *q = append(*q, x.(*event)) }

// Pop removes the last.
func (q *queue) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return e
}
