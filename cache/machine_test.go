package cache

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The machine replays the guard in one goroutine, step by step, with the real index, store, joining
// rule and inheritance, and a model of the database beside it. Page 1 is made of two articles, which
// come from the cache; page 2 of a list of scope 2, read directly, and of the articles in it.
// Moves, changes of whole scopes and of everything occur. What must hold after every step: an entry
// that can be looked up shows every change that has finished; an answer shows every change that had
// finished when its caller arrived; and when all is quiet, the store equals the database.

const (
	machineArticles = 3
	machineScopes   = 2
	machineFlights  = 4 // loads at once; with more, few of them would end
)

// snapshot is what a value shows of the database: versions by name ("a1", "list2", "in2").
type snapshot map[string]int

type machine struct {
	c        *Cache
	articles *region
	pages    *region

	db      snapshot // versions now
	home    [machineArticles + 1]int
	minimum snapshot // versions that all finished changes have brought

	pending  [][]Change // committed, not begun; with the versions they bring
	brings   []snapshot
	victims  []*entry // of the change in progress
	whole    bool
	last     uint64
	inHand   snapshot
	applying bool

	flights []*machineFlight
}

// machineFlight is one load in progress, and the callers that will take its value.
type machineFlight struct {
	r        *region
	key      string
	f        *flight
	l        *Load
	seen     snapshot
	todo     []int // articles a page has yet to read
	inner    *machineFlight
	minimums []snapshot // what each caller may expect to see
	ended    bool
}

func (m *machine) copyOf(s snapshot) snapshot {
	d := snapshot{}
	for k, v := range s {
		d[k] = v
	}
	return d
}

func newMachine(t *rapid.T) *machine {
	c, err := New(Options{
		Proof: func() time.Duration { return time.Hour }, Clock: func() time.Duration { return time.Hour },
		RingSize: rapid.SampledFrom([]int{2, 8, 64}).Draw(t, "ring"),
	})
	if err != nil {
		t.Fatal(err)
	}
	size := func(snapshot) int { return 10 }
	m := &machine{c: c, db: snapshot{}, minimum: snapshot{}}
	// The regions are small enough for evictions to happen.
	m.articles = NewRegion(c, RegionOptions{Name: "article", MaxBytes: 1600}, size).r
	m.pages = NewRegion(c, RegionOptions{Name: "page", MaxBytes: 1600}, size).r
	for id := 1; id <= machineArticles; id++ {
		m.home[id] = id%machineScopes + 1
	}
	return m
}

// commit writes to the database; the change is not applied yet.
func (m *machine) commit(t *rapid.T) {
	id := rapid.IntRange(1, machineArticles).Draw(t, "article")
	from := m.home[id]
	var changes []Change
	row := func(id, scope int) {
		changes = append(changes, Change{Kind: "article", ID: int64(id), Scope: int64(scope)})
	}
	touch := func(id int) { m.db[fmt.Sprint("a", id)]++; m.db[fmt.Sprint("list", m.home[id])]++ }
	switch rapid.SampledFrom([]string{"save", "save", "move", "scope", "kind", "all"}).Draw(t, "write") {
	case "save":
		touch(id)
		row(id, from)
	case "move":
		touch(id)
		m.home[id] = from%machineScopes + 1
		touch(id)
		row(id, from)
		row(id, m.home[id])
	case "scope":
		for other := 1; other <= machineArticles; other++ {
			if m.home[other] == from {
				touch(other)
			}
		}
		row(0, from)
	case "kind":
		for other := 1; other <= machineArticles; other++ {
			touch(other)
		}
		row(0, 0)
	case "all":
		for other := 1; other <= machineArticles; other++ {
			touch(other)
		}
		changes = append(changes, Change{Kind: "*"})
	}
	m.pending = append(m.pending, changes)
	m.brings = append(m.brings, m.copyOf(m.db))
}

func (m *machine) begin() {
	m.last, m.victims, m.whole = m.c.index.begin(m.pending[0])
	m.inHand, m.pending, m.brings = m.brings[0], m.pending[1:], m.brings[1:]
	m.applying = true
}

// drop does the next part of the change in progress; at the end the change is finished.
func (m *machine) drop() {
	switch {
	case len(m.victims) > 0:
		m.victims[0].drop()
		m.victims = m.victims[1:]
	case m.whole:
		m.pages.shards[0].clear()
		m.articles.shards[0].clear()
		m.whole = false
	default:
		m.c.finished.Store(m.last)
		m.minimum, m.applying = m.inHand, false
	}
}

// get is a caller's arrival: it hits, joins, or starts a load. outer is the page that asks.
func (m *machine) get(t *rapid.T, r *region, key string, outer *machineFlight) (snapshot, *machineFlight) {
	s := &r.shards[0]
	at := m.c.before(state{})
	e := s.get(key)
	at.after(m.c)
	if e.fresh(&at) {
		s.hit(e, &at)
		if outer != nil {
			e.inheritedBy(outer.l, &at)
		}
		m.check(t, "hit of "+key, e.val.(snapshot), m.minimum)
		return e.val.(snapshot), nil
	}
	for _, other := range slices.Backward(m.flights) {
		if other.r == r && other.key == key && !other.ended {
			if other.f.sharable(&at) {
				other.minimums = append(other.minimums, m.copyOf(m.minimum))
				return nil, other
			}
			break // only the newest flight of a key is looked at
		}
	}
	n := &machineFlight{r: r, key: key, f: &flight{}, seen: snapshot{}, minimums: []snapshot{m.copyOf(m.minimum)}}
	r.begin(n.f)
	n.l = &Load{cache: m.c, region: r, key: key, asOf: n.f.asOf}
	m.flights = append(m.flights, n)
	return nil, n
}

// read does the next read of a load. Reading and storing are steps of their own, so that anything
// can come between.
func (m *machine) read(t *rapid.T, n *machineFlight) {
	if n.inner != nil {
		if !n.inner.ended {
			m.read(t, n.inner)
			return
		}
		o := n.inner.f.result
		n.l.inherit(&o)
		n.take(o.val.(snapshot))
		n.inner = nil
		return
	}
	var number int
	switch {
	case n.r == m.articles && len(n.seen) == 0:
		fmt.Sscanf(n.key, "a%d", &number)
		n.l.tag(Tag{Kind: "article", ID: int64(number)})
		n.seen[n.key] = m.db[n.key]
	case n.r == m.pages && len(n.seen) == 0:
		fmt.Sscanf(n.key, "page%d", &number)
		if number == 1 {
			n.seen["page1"], n.todo = 0, []int{1, 2}
			return
		}
		n.l.tag(Tag{Kind: "article", Scope: int64(number)})
		list := fmt.Sprint("list", number)
		n.seen[list] = m.db[list]
		for id := 1; id <= machineArticles; id++ {
			if m.home[id] == number {
				n.todo = append(n.todo, id)
			}
		}
	case len(n.todo) > 0:
		id := n.todo[0]
		n.todo = n.todo[1:]
		v, inner := m.get(t, m.articles, fmt.Sprint("a", id), n)
		n.take(v)
		n.inner = inner
	default:
		m.end(t, n)
	}
}

func (n *machineFlight) take(v snapshot) {
	for k, version := range v {
		n.seen[k] = version
	}
}

// end stores a value as keep does and answers the callers.
func (m *machine) end(t *rapid.T, n *machineFlight) {
	n.ended = true
	n.f.result = n.l.outcome(n.seen, nil, n.f.begun)
	m.flights = slices.DeleteFunc(m.flights, func(o *machineFlight) bool { return o == n })
	q := &request{s: &n.r.shards[0], key: n.key, load: func(context.Context, *Load) (any, error) { return nil, nil }}
	n.r.keep(context.Background(), q, n.f)
	for _, minimum := range n.minimums {
		m.check(t, "answer of "+n.key, n.seen, minimum)
	}
}

func (m *machine) check(t *rapid.T, what string, got, minimum snapshot) {
	for k, version := range got {
		if version < minimum[k] {
			t.Fatalf("%s shows version %d of %s; a finished change had brought %d", what, version, k, minimum[k])
		}
	}
}

func (m *machine) everyEntry(check func(e *entry)) {
	for _, r := range []*region{m.articles, m.pages} {
		for _, e := range r.shards[0].entries {
			check(e)
		}
	}
}

func TestMachine_GuardHoldsInEveryOrder(t *testing.T) {
	if err := flag.Set("rapid.steps", "100"); err != nil {
		t.Fatal(err)
	}
	runs := 30
	if testing.Short() {
		runs = 3
	}
	for range runs { // of 100 sequences each
		rapid.Check(t, oneMachine)
		if t.Failed() {
			return
		}
	}
}

func oneMachine(t *rapid.T) {
	m := newMachine(t)
	defer m.c.Close()
	flightIn := func(t *rapid.T) *machineFlight {
		if len(m.flights) == 0 {
			t.Skip("no load runs")
		}
		return rapid.SampledFrom(m.flights).Draw(t, "load")
	}
	arrive := func(r *region, kind string, last int) func(*rapid.T) {
		return func(t *rapid.T) {
			if len(m.flights) >= machineFlights {
				t.Skip("enough loads run")
			}
			m.get(t, r, fmt.Sprint(kind, rapid.IntRange(1, last).Draw(t, kind)), nil)
		}
	}
	advance := func(t *rapid.T) { m.read(t, flightIn(t)) }
	apply := func(t *rapid.T) {
		switch {
		case m.applying:
			m.drop()
		case len(m.pending) > 0:
			m.begin()
		default:
			t.Skip("nothing to apply")
		}
	}
	t.Repeat(map[string]func(*rapid.T){
		"commit": func(t *rapid.T) {
			if len(m.pending) > 1 {
				t.Skip("enough is to be applied")
			}
			m.commit(t)
		},
		"apply": apply, "apply more": apply,
		"page": arrive(m.pages, "page", machineScopes), "another page": arrive(m.pages, "page", machineScopes),
		"article": arrive(m.articles, "a", machineArticles),
		"read":    advance, "read more": advance, "read on": advance, "read yet more": advance,
		"": func(t *rapid.T) {
			m.everyEntry(func(e *entry) { m.check(t, "entry "+e.key, e.val.(snapshot), m.minimum) })
			checkIndex(t, m.c)
		},
	})
	// Let everything come to rest: then the cache and the database must agree.
	for m.applying || len(m.pending) > 0 {
		apply(t)
	}
	for len(m.flights) > 0 {
		m.read(t, m.flights[0])
	}
	m.everyEntry(func(e *entry) {
		for k, version := range e.val.(snapshot) {
			if version != m.db[k] {
				t.Fatalf("%s is stale for ever: version %d of %s, the database has %d", e.key, version, k, m.db[k])
			}
		}
	})
}

// failer is what rapid.T and testing.T have in common.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkIndex holds that the index links exactly the stored entries and that queues add up. Nobody
// else may use the cache meanwhile.
func checkIndex(t failer, c *Cache) {
	t.Helper()
	linked := map[*entry]int{}
	count := func(b *bucket) {
		for l := b.head; l != nil; l = l.next {
			linked[l.entry]++
			if l.bucket != b || l.next != nil && l.next.prev != l {
				t.Fatalf("the list of a tag is broken at %s", l.entry.key)
			}
		}
	}
	count(&c.index.star)
	for name, k := range c.index.kinds {
		count(&k.anyScope)
		for _, buckets := range []map[int64]*bucket{k.things, k.scopes} {
			for id, b := range buckets {
				if b.head == nil && b.last+uint64(len(c.index.ring)) <= c.index.begun {
					t.Fatalf("an empty bucket of %s %d was left behind", name, id)
				}
				count(b)
			}
		}
	}
	for _, r := range c.allRegions() {
		for i := range r.shards {
			s := &r.shards[i]
			var bytes int64
			for key, e := range s.entries {
				bytes += e.size
				if e.key != key || e.links != nil && linked[e] != len(e.tags) {
					t.Fatalf("%s is linked %d times, it has %d tags", key, linked[e], len(e.tags))
				}
				delete(linked, e)
			}
			queued := 0
			for _, q := range []*queue{&s.found, &s.absent} {
				n := 0
				for e := q.head; e != nil; e = e.next {
					n++
					if s.entries[e.key] != e || e.next == nil && q.tail != e {
						t.Fatalf("the queue holds %s, which is not stored", e.key)
					}
				}
				if n != q.n || q.bytes > q.max {
					t.Fatalf("a queue of %d says %d entries, %d bytes of %d", n, q.n, q.bytes, q.max)
				}
				queued += n
			}
			if queued != len(s.entries) || bytes != s.found.bytes+s.absent.bytes {
				t.Fatalf("%d entries of %d bytes are stored, %d of %d queued", len(s.entries), bytes, queued, s.found.bytes+s.absent.bytes)
			}
		}
	}
	for e := range linked {
		t.Fatalf("the index still links %s, which is gone", e.key)
	}
}
