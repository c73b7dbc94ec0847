package main

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/db"
)

// What members send each other beside what nodes do.
const (
	subjectCast  = cluster.SubjectHints + ".bench" // on the connection of hints
	subjectPlain = "bench"
)

// The things that rows name.
const (
	thingKind  = "article"
	thingScope = 20_101
	thingCount = 10_000
)

// nowhere is the change log of a database that knows the writers and has none of their transactions.
type nowhere []int64

func (writers nowhere) Rows([]change.Question, int) (map[int64]change.WriterState, []change.Row, error) {
	out := map[int64]change.WriterState{}
	for _, w := range writers {
		out[w] = change.WriterState{Low: 1}
	}
	return out, nil, nil
}

func (nowhere) Has(int64, []uint64) ([]uint64, error) { return nil, nil }

// castWriter is the writer under which a member makes up transactions.
func castWriter(writer int64) int64 { return writer ^ 1 }

// listen takes made-up hints and plain messages of the other members.
func (m *member) listen() error {
	m.made = change.NewCore(castWriter(m.log.Writer()), true, func([]change.Row) {})
	m.casts = change.NewCore(castWriter(m.log.Writer()), true, m.dropper(func(rows []change.Row) {
		n := 0
		for i := range rows {
			if rows[i].Part == 0 {
				n++
			}
		}
		m.came.add(n)
	}))
	var others nowhere
	for _, w := range m.others() {
		others = append(others, castWriter(w))
	}
	look := m.casts.Look(change.Boottime())
	if err := look.Read(others); err != nil {
		return err
	}
	m.casts.Join(look)
	for subject, fn := range map[string]func([]byte){
		subjectCast: func(b []byte) { m.casts.Hint(b) }, subjectPlain: func([]byte) { m.came.add(1) },
	} {
		stop, err := m.link.Subscribe(subject, fn)
		if err != nil {
			return err
		}
		m.onClose(stop)
	}
	return nil
}

// changesFor gives as many changes as fill a hint of size bytes, from the thing first on.
func changesFor(first, size int) []db.Change {
	var changes []db.Change
	for hintSize(changes) < size {
		changes = append(changes, db.Change{Kind: thingKind, ID: stoa.ID(1 + (first+len(changes))%thingCount), Scope: thingScope, Version: 12})
	}
	return changes
}

// hintSize is the length of the message that announces a transaction by itself.
func hintSize(changes []db.Change) int {
	c := change.NewCore(1<<62, true, func([]change.Row) {})
	n, _ := c.Number(time.Now(), changes)
	c.Done(0, n, changes, true)
	return len(c.Hints()[0])
}

// fill puts a value for each thing into the cache.
func (m *member) fill(ctx context.Context) error {
	for i := range thingCount {
		_, err := m.things.Get(ctx, strconv.Itoa(i), func(_ context.Context, l *cache.Load) (int, error) {
			l.Thing(thingKind, stoa.ID(i+1))
			return i, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// prepared is a message and what its transactions change on the node that sends it.
type prepared struct {
	message []byte
	changes [][]cache.Change // of each transaction
}

// prepare fills the cache, makes up n transactions whose hints have size bytes each, and the messages in
// which the log announces them when there are as many as fit.
func (m *member) prepare(ctx context.Context, n, size int) error {
	var things [][]db.Change // all of them, in transactions
	for first := 0; first < thingCount; first += len(things[len(things)-1]) {
		things = append(things, changesFor(first, size))
	}
	own := make([][]cache.Change, len(things))
	for i, changes := range things {
		for _, c := range changes {
			own[i] = append(own[i], cache.Change{Kind: c.Kind, ID: int64(c.ID), Scope: int64(c.Scope)})
		}
	}
	m.prepared = nil
	var p prepared
	for i := range n {
		number, _ := m.made.Number(time.Now(), things[i%len(things)])
		m.made.Done(change.Boottime(), number, things[i%len(things)], true)
		if p.changes = append(p.changes, own[i%len(own)]); len(p.changes) < castTogether && i < n-1 {
			continue
		}
		p.message = m.made.Hints()[0]
		m.prepared, p = append(m.prepared, p), prepared{}
	}
	if err := m.fill(ctx); err != nil {
		return err
	}
	runtime.GC() // of what making them left behind
	return nil
}

// castTogether is how many hints of hintBytes the log puts into one message of 64 KiB.
const castTogether = (64<<10 - 100) / (hintBytes + 30)

// cast sends what was prepared as fast as it can: each transaction is applied here, as after a commit, and
// its hint sent to the others. It answers when all expected hints of all members were applied here.
func (m *member) cast(ctx context.Context) (string, error) {
	for _, p := range m.prepared {
		for _, changes := range p.changes {
			m.caches.Invalidate(changes, nil)
		}
		m.came.add(len(p.changes))
		if err := m.link.Publish(ctx, subjectCast, p.message); err != nil {
			return "", err
		}
	}
	return m.received()
}

// received waits for what was expected; left are values that are still in the cache.
func (m *member) received() (string, error) {
	got, took := m.came.wait(time.Minute)
	return fmt.Sprintf("got=%d seconds=%g left=%d", got, took.Seconds(), m.caches.Stats()[0].Entries), nil
}

// plain sends n messages of size bytes that are only counted.
func (m *member) plain(ctx context.Context, n, size int) (string, error) {
	b := make([]byte, size)
	for range n {
		if err := m.link.Publish(ctx, subjectPlain, b); err != nil {
			return "", err
		}
		m.came.add(1)
	}
	return m.received()
}

// tally counts what arrives and tells when all of it has.
type tally struct {
	mu          sync.Mutex
	got, want   int
	first, last time.Time
	all         chan struct{}
}

// expect begins a count.
func (t *tally) expect(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.got, t.want, t.all = 0, n, make(chan struct{})
	t.first, t.last = time.Time{}, time.Time{}
}

func (t *tally) add(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil || n == 0 {
		return
	}
	if t.got == 0 {
		t.first = time.Now()
	}
	if t.got += n; t.got >= t.want && t.last.IsZero() {
		t.last = time.Now()
		close(t.all)
	}
}

// wait gives how many came, and the time from the first to the last.
func (t *tally) wait(limit time.Duration) (got int, took time.Duration) {
	t.mu.Lock()
	all := t.all
	t.mu.Unlock()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-all:
	case <-timer.C:
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last.IsZero() {
		t.last = time.Now()
	}
	return t.got, t.last.Sub(t.first)
}
