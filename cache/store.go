package cache

import (
	"sync"
	"sync/atomic"
	"time"
)

// entryOverhead is what an entry costs besides key, value and tags, in bytes: the entry itself, its
// place in the map and the allocator's rounding. tagOverhead is the same for one tag and its link.
const (
	entryOverhead = 320
	tagOverhead   = 112
)

// entry is one stored value. Everything but the marked fields is fixed once it is published.
type entry struct {
	region  *region
	shard   *shard
	key     string
	val     any
	err     error // not nil: a negative entry, the NotFound that the load returned
	tags    []Tag
	asOf    uint64        // every change up to here that touches the value is in it
	loaded  time.Duration // boottime at which its load began; 0 for one of another node: this node cannot tell
	expires time.Duration // boottime from which it is no longer fresh
	timed   bool          // the load, or one of its parts, declared an expiry
	size    int64

	visited    atomic.Bool // used since the hand of the eviction last passed
	remote     atomic.Bool // of another node, and Verify does not know yet how to load it
	links      []link      // guarded by index.mu
	prev, next *entry      // guarded by shard.mu
}

// shard is a part of a region with its own locks. mu comes before index.mu; flightMu before mu.
type shard struct {
	mu      sync.RWMutex
	entries map[string]*entry
	found   queue // entries that hold a value
	absent  queue // negative entries, bounded apart so that made-up addresses push out only each other
	hits    atomic.Uint64

	flightMu sync.Mutex
	flights  map[string]*flights
}

func (s *shard) get(key string) *entry {
	s.mu.RLock()
	e := s.entries[key]
	s.mu.RUnlock()
	return e
}

func (s *shard) getBytes(key []byte) *entry {
	s.mu.RLock()
	e := s.entries[string(key)]
	s.mu.RUnlock()
	return e
}

// age is the time since the load began; of a value of another node, since that of its oldest part.
func (e *entry) age(now time.Duration) time.Duration {
	if e.loaded == 0 {
		return e.region.cache.o.MaxAge - (e.expires - now)
	}
	return now - e.loaded
}

func (s *shard) queue(e *entry) *queue {
	if e.err != nil {
		return &s.absent
	}
	return &s.found
}

// verdict is what became of an attempt to store.
type verdict uint8

const (
	stored verdict = iota
	refusedByChange
	refusedByIncarnation
	refusedBySize
	superseded // a value whose load began later is already there
)

// store publishes the entry if the guard lets it and makes room for it.
func (r *region) store(e *entry, incarnation int64) verdict {
	s := e.shard
	q := s.queue(e)
	if e.size > q.max {
		return refusedBySize
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.entries[e.key]
	if old != nil && old.loaded > e.loaded {
		return superseded
	}
	if r.cache.incarnation() != incarnation {
		return refusedByIncarnation
	}
	// From here to the unlock no caller can see the entry in the map, but a change that begins now
	// finds it in the index and waits for the lock of this shard to drop it.
	if !r.cache.index.admit(e) {
		return refusedByChange
	}
	if old != nil {
		s.remove(old)
	}
	for q.bytes+e.size > q.max {
		victim := q.pick()
		s.remove(victim)
		r.evictions.Add(1)
	}
	s.entries[e.key] = e
	q.push(e)
	return stored
}

// remove takes the entry out of map, queue and index. The caller holds mu.
func (s *shard) remove(e *entry) {
	delete(s.entries, e.key)
	s.queue(e).remove(e)
	e.region.cache.index.unlink(e)
}

// drop removes the entry if it is still the one stored under its key.
func (e *entry) drop() bool {
	s := e.shard
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entries[e.key] != e {
		return false
	}
	s.remove(e)
	return true
}

// clear removes every entry and gives their number.
func (s *shard) clear() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.entries)
	for _, e := range s.entries {
		s.remove(e)
	}
	return n
}

// queue is a byte-bounded SIEVE: new entries go to the head, a hand walks from the tail to the
// head, spares what was used since it last passed and evicts the first that was not.
type queue struct {
	head, tail, hand *entry
	n                int
	bytes, max       int64
}

func (q *queue) push(e *entry) {
	e.prev, e.next = nil, q.head
	if q.head != nil {
		q.head.prev = e
	} else {
		q.tail = e
	}
	q.head = e
	q.n++
	q.bytes += e.size
}

func (q *queue) remove(e *entry) {
	if q.hand == e {
		q.hand = e.prev
	}
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		q.head = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		q.tail = e.prev
	}
	e.prev, e.next = nil, nil
	q.n--
	q.bytes -= e.size
}

// pick gives the entry to evict next. The queue is not empty.
func (q *queue) pick() *entry {
	e := q.hand
	if e == nil {
		e = q.tail
	}
	for e.visited.Load() {
		e.visited.Store(false)
		if e = e.prev; e == nil {
			e = q.tail
		}
	}
	q.hand = e.prev
	return e
}
