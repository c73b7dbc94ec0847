package cache

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"reflect"
	"sync/atomic"
	"time"
)

// RegionOptions describes a region.
type RegionOptions struct {
	// Name is unique in the cache and shown in figures. Required.
	Name string
	// MaxBytes bounds the region, a sixteenth of it for negative entries; default Options.MaxBytes.
	MaxBytes int64
	// Large says that single values may be large, such as the whole tree of a site: the region is not divided into parts
	// that are locked by themselves, of which each would hold a sixteenth, so that a value may fill most of it.
	Large bool
	// StaleForGuests allows GetInfo to serve stale copies, marked, within the grace to contexts made
	// by StaleOK. Only for values that hold nothing made for a particular actor.
	StaleForGuests bool
	// Replication is the mode: "invalidate" (every node loads for itself) or "copy" (values loaded by
	// this node are offered to the others, which store them under the guard); default
	// Options.Replication. Only a region with a Codec can be in mode copy.
	Replication string
	// Same compares a cached value (first) with a new load of it (second) for Verify; default
	// reflect.DeepEqual. Needed when two loads of the same rows may differ in what does not matter.
	Same func(cached, loaded any) bool
}

// Info says how a value was come by.
type Info struct {
	Stale time.Duration // 0: fresh; otherwise how long ago the copy was last known to be fresh
	Age   time.Duration // time since the value's load began
	Hit   bool          // from memory, without waiting for a load
	AsOf  uint64        // number of the change up to which the value holds all that touch it
}

// Region holds values of one type by key. Values are shared: no caller may change them.
type Region[V any] struct {
	r    *region
	size func(V) int
}

// region is what a Region is without its type.
type region struct {
	cache  *Cache
	o      RegionOptions
	shards []shard // a power of two
	mask   uint64
	size   func(any) int
	encode func(any) ([]byte, error) // nil without a Codec, like decode
	decode func([]byte) (any, error)
	copies bool // the mode is copy

	misses, loads, loadErrors, joins, bypassed    atomic.Uint64
	refused, tooLarge, undeclared, turnedAway     atomic.Uint64
	stale, evictions, invalidations, incoherences atomic.Uint64
	offered, accepted, declined                   atomic.Uint64
}

// shardBytes is the least size of a shard: fewer, larger shards hold larger values.
const shardBytes = 4 << 20

// NewRegion makes a region of c. size estimates the bytes of a value besides its key; a codec lets the
// region be in mode copy. It panics when the name is empty or taken, size is nil or there are two
// codecs, for these are mistakes in wiring.
func NewRegion[V any](c *Cache, o RegionOptions, size func(V) int, codec ...Codec[V]) *Region[V] {
	if o.Name == "" || size == nil || o.MaxBytes < 0 || len(codec) > 1 {
		panic(fmt.Sprintf("cache: region %q needs a name, a size function, no negative MaxBytes and at most one codec", o.Name))
	}
	wish := c.o.Regions[o.Name]
	if wish.MaxBytes > 0 {
		o.MaxBytes = wish.MaxBytes
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = c.o.MaxBytes
	}
	if o.Same == nil {
		o.Same = reflect.DeepEqual
	}
	n := 1
	for n < 16 && o.MaxBytes/int64(2*n) >= shardBytes && !o.Large {
		n *= 2
	}
	r := &region{cache: c, o: o, shards: make([]shard, n), mask: uint64(n - 1)}
	r.size = func(v any) int {
		typed, _ := v.(V)
		return size(typed)
	}
	for _, k := range codec {
		r.encode = guarded(o.Name, "Encode", func(v any) ([]byte, error) { typed, _ := v.(V); return k.Encode(typed) })
		r.decode = guarded(o.Name, "Decode", func(b []byte) (any, error) { return k.Decode(b) })
	}
	r.setMode(cmp.Or(wish.Replication, o.Replication))
	for i := range r.shards {
		s := &r.shards[i]
		s.entries = map[string]*entry{}
		s.flights = map[string]*flights{}
		s.absent.max = o.MaxBytes / int64(16*n)
		s.found.max = o.MaxBytes/int64(n) - s.absent.max
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, other := range c.regions {
		if other.o.Name == o.Name {
			panic(fmt.Sprintf("cache: there already is a region %q", o.Name))
		}
	}
	c.regions = append(c.regions, r)
	return &Region[V]{r: r, size: size}
}

// Get gives the value of key, from memory if it is proven fresh, otherwise by load, which runs once
// for all callers that may share it, in a context that keeps ctx's values but neither its
// cancellation nor its deadline. The value is returned whether or not it may be stored. Errors of
// load are returned and not stored, except NotFound, which is remembered like a value. Inside a
// write transaction load runs in ctx itself and nothing is read from memory or stored. Unavailable
// means that there is no proof of freshness and too many loads run already.
func (r *Region[V]) Get(ctx context.Context, key string, load func(ctx context.Context, l *Load) (V, error)) (V, error) {
	v, _, err := r.get(ctx, key, load, false)
	return v, err
}

// GetInfo is Get that also says how the value was come by. Only GetInfo serves stale copies: the
// caller must show Info.Stale to the client that gets the answer.
func (r *Region[V]) GetInfo(ctx context.Context, key string, load func(ctx context.Context, l *Load) (V, error)) (V, Info, error) {
	return r.get(ctx, key, load, true)
}

func (r *Region[V]) get(ctx context.Context, key string, load func(ctx context.Context, l *Load) (V, error), markable bool) (V, Info, error) {
	st := stateFrom(ctx)
	bypass := st.bypass
	inTx := !bypass && r.r.cache.inTransaction(ctx)
	if !bypass && !inTx {
		s := r.r.shardOfKey(key)
		m := r.r.cache.before(st)
		e := s.get(key)
		m.after(r.r.cache)
		if e.fresh(&m) {
			info := s.hit(e, &m)
			e.inheritedBy(st.load, &m)
			if e.remote.Load() {
				r.r.register(ctx, e, func(ctx context.Context, l *Load) (any, error) { return load(ctx, l) })
			}
			v, _ := e.val.(V)
			return v, info, e.err
		}
		untyped := func(ctx context.Context, l *Load) (any, error) { return load(ctx, l) }
		val, info, err := r.r.fetch(ctx, &request{s: s, st: st, key: key, m: m, load: untyped, markable: markable})
		v, _ := val.(V)
		return v, info, err
	}
	untyped := func(ctx context.Context, l *Load) (any, error) { return load(ctx, l) }
	val, info, err := r.r.direct(ctx, st, key, inTx, untyped)
	v, _ := val.(V)
	return v, info, err
}

// Peek gives the value of key if it is in memory and proven fresh, without loading or allocating.
// It is for the outermost caller: inside a load or a write transaction use Get, which passes on
// what the value depends on. A miss is not counted; the Get that follows counts it. The first look at
// a value of another node is left to Get, so that Verify learns how to load it.
func (r *Region[V]) Peek(key string) (V, Info, bool) {
	s := r.r.shardOfKey(key)
	m := r.r.cache.before(state{})
	e := s.get(key)
	return r.peek(s, e, &m)
}

// PeekBytes is Peek for a key that is still in a buffer, which need not become a string.
func (r *Region[V]) PeekBytes(key []byte) (V, Info, bool) {
	s := r.r.shardOf(maphash.Bytes(r.r.cache.seed, key))
	m := r.r.cache.before(state{})
	e := s.getBytes(key)
	return r.peek(s, e, &m)
}

func (r *Region[V]) peek(s *shard, e *entry, m *moment) (V, Info, bool) {
	m.after(r.r.cache)
	if !e.fresh(m) || e.err != nil || e.remote.Load() {
		var none V
		return none, Info{}, false
	}
	v, _ := e.val.(V)
	return v, s.hit(e, m), true
}

func (r *region) shardOf(hash uint64) *shard { return &r.shards[hash&r.mask] }

func (r *region) shardOfKey(key string) *shard {
	return r.shardOf(maphash.String(r.cache.seed, key))
}

// moment is what is known at one look into the store. The order in which it is taken is part of
// the proof: newest proof, finished number, then the entry, then the clock. What is in the store
// after the proof was read has survived all changes that the proof covers, and the clock read last
// shows any pause before it.
type moment struct {
	proof    time.Duration
	finished uint64
	arrival  time.Duration
	now      time.Duration
	proven   bool
}

func (c *Cache) before(st state) moment {
	m := moment{proof: c.o.Proof(), arrival: st.arrival}
	m.finished = c.finished.Load()
	return m
}

func (m *moment) after(c *Cache) {
	m.now = c.o.Clock()
	m.proven = m.proof != 0 && m.now >= m.proof && m.now-m.proof <= c.o.FreshLimit
	// A context that lives long, of a job or a stream, must not call old loads new for ever.
	if oldest := m.now - c.o.LoadTimeout; m.arrival == 0 || m.arrival > m.now {
		m.arrival = m.now
	} else if m.arrival < oldest {
		m.arrival = oldest
	}
}

// Proven reports whether a proof of freshness is young enough. A request that arrives then reads, wherever it reads, what
// was committed up to that proof at least. One that arrives without needs a proof of its own, sent after its arrival,
// or a mark: what it loads may come from a primary that was deposed and does not know it.
func (c *Cache) Proven() bool {
	m := c.before(state{})
	m.after(c)
	return m.proven
}

// GuestPatience is how long a guest waits for such a proof (cache.readthrough.wait): a page that says how old it is is
// there sooner.
func (c *Cache) GuestPatience() time.Duration { return c.o.ReadThroughWait }

// Unproven is for the mark of an answer that is made from now on although nothing proves it: age gives how old it may be
// when it is ready. ok is false when that is not known, or more than the grace, so that it must not be shown at all.
func (c *Cache) Unproven() (age func() (age time.Duration, ok bool)) {
	proof := c.o.Proof() // a later one need not cover what was read before it
	return func() (time.Duration, bool) {
		age := max(c.o.Clock()-proof, 1)
		return age, proof != 0 && age <= c.o.StaleGrace
	}
}

// fresh reports whether the entry, looked up within m, may be served as fresh.
func (e *entry) fresh(m *moment) bool {
	return e != nil && m.now < e.expires && (m.proven || e.loaded > m.arrival)
}

func (s *shard) hit(e *entry, m *moment) Info {
	s.hits.Add(1)
	if !e.visited.Load() {
		e.visited.Store(true)
	}
	return Info{Hit: true, Age: e.age(m.now), AsOf: max(e.asOf, m.finished)}
}

// inheritedBy lets a load inherit from the entry it hit. The entry was in the store after the finished
// number was read, so it holds every change up to that number that touches it.
func (e *entry) inheritedBy(l *Load, m *moment) {
	if l == nil {
		return
	}
	l.inherit(&outcome{err: e.err, tags: e.tags, asOf: max(e.asOf, m.finished), expires: e.expires, timed: e.timed})
}

// direct runs load in the caller's own context and stores nothing.
func (r *region) direct(ctx context.Context, st state, key string, inTx bool, load loadFunc) (any, Info, error) {
	r.bypassed.Add(1)
	begun := r.cache.o.Clock()
	l := &Load{cache: r.cache, region: r, key: key, parent: st.load, asOf: r.cache.finished.Load()}
	outer := st.load
	st.load = l
	val, err := load(withState(ctx, st), l)
	o := l.outcome(val, err, begun)
	o.noStore = o.noStore || inTx
	outer.inherit(&o)
	return val, Info{AsOf: o.asOf}, err
}

func (r *region) stats() RegionStats {
	st := RegionStats{
		Name: r.o.Name, MaxBytes: r.o.MaxBytes,
		Misses: r.misses.Load(), Loads: r.loads.Load(), LoadErrors: r.loadErrors.Load(),
		Joins: r.joins.Load(), Bypassed: r.bypassed.Load(), Refused: r.refused.Load(),
		TooLarge: r.tooLarge.Load(), Undeclared: r.undeclared.Load(), TurnedAway: r.turnedAway.Load(),
		Stale: r.stale.Load(), Evictions: r.evictions.Load(), Invalidations: r.invalidations.Load(),
		Incoherences: r.incoherences.Load(), Mode: r.mode(),
		Offered: r.offered.Load(), Accepted: r.accepted.Load(), Declined: r.declined.Load(),
	}
	for i := range r.shards {
		s := &r.shards[i]
		st.Hits += s.hits.Load()
		s.mu.RLock()
		st.Entries += s.found.n
		st.Negative += s.absent.n
		st.Bytes += s.found.bytes + s.absent.bytes
		s.mu.RUnlock()
	}
	return st
}
