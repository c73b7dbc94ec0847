package cache

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/stoa-portal/stoa"
)

type loadFunc func(ctx context.Context, l *Load) (any, error)

// request is one Get that was not answered from memory.
type request struct {
	s        *shard
	st       state
	key      string
	m        moment // the caller's arrival, kept while it waits
	load     loadFunc
	markable bool // the caller looks at Info, so a stale copy can be marked
}

// flight is one run of a load function that callers share. Fields before done are written under
// the shard's flightMu; the outcome is written before done is closed and read after.
type flight struct {
	waiting     bool          // for a read-through place; the load has not begun
	begun       time.Duration // boottime at which the load began
	asOf        uint64        // finished number when the load began
	incarnation int64
	standing    []Standing // of this node before the load read anything, when its value is to be offered

	done    chan struct{}
	noPlace bool
	result  outcome
}

// flights are the loads of one key that run now. A caller that may not join the newest starts one
// more, or, when maxFlights run already, waits for the newest and judges it by its tags.
type flights struct {
	newest  *flight
	running int
}

const maxFlights = 2

// role is what a caller does about a flight.
type role uint8

const (
	lead  role = iota // it was started for this caller
	join              // its load is not older than the caller's arrival allows
	watch             // it may be too old; its tags will tell
)

// errClosed is the cause of loads refused or ended by Close.
type errClosed struct{}

func (errClosed) Error() string { return "cache: closed" }

// fetch answers a Get that found nothing fresh in memory.
func (r *region) fetch(ctx context.Context, q *request) (any, Info, error) {
	r.misses.Add(1)
	if q.st.load.within(r, q.key) {
		q.st.load.NoStore()
		return nil, Info{}, fmt.Errorf("cache: the load of %s %q asks for itself", r.o.Name, q.key)
	}
	for {
		f, e, as := r.enter(ctx, q)
		switch {
		case e != nil:
			e.inheritedBy(q.st.load, &q.m)
			return e.val, q.s.hit(e, &q.m), e.err
		case f == nil:
			q.st.load.NoStore()
			return nil, Info{}, stoa.Unavailable(errClosed{}, "The portal is stopping; please try again in a moment.")
		}
		if val, info, ok, err := r.await(ctx, q, f); !ok {
			q.st.load.NoStore()
			return val, info, err
		}
		// A database that is away fails the callers that waited with the load: a load of their own would wait as long again.
		away := !f.noPlace && stoa.Is(f.result.err, stoa.KindUnavailable)
		if as == watch && !away && (f.noPlace || !f.result.cacheable() || !r.covers(f, &q.m)) {
			continue
		}
		if as != lead {
			r.joins.Add(1)
		}
		return r.answer(q, f, as)
	}
}

// covers reports whether the value of a finished flight that began too early holds, after all,
// everything that had been applied when the caller arrived.
func (r *region) covers(f *flight, m *moment) bool {
	return (m.proven || f.begun > m.arrival) && !r.cache.index.touched(f.result.asOf, f.result.tags)
}

// enter finds the flight the caller may share or starts one. It gives the entry instead when a
// flight has stored one since the caller looked.
func (r *region) enter(ctx context.Context, q *request) (*flight, *entry, role) {
	s := q.s
	s.flightMu.Lock()
	defer s.flightMu.Unlock()
	again := r.cache.before(state{arrival: q.m.arrival})
	e := s.get(q.key)
	again.after(r.cache)
	if e.fresh(&again) {
		q.m = again
		return nil, e, join
	}
	keyed := s.flights[q.key]
	if keyed != nil && keyed.newest != nil {
		f := keyed.newest
		switch {
		case f.waiting:
			// Its load begins after this arrival. Callers that need no place do not wait for one.
			if !q.m.proven && !q.st.placed {
				return f, nil, join
			}
		case f.sharable(&q.m):
			return f, nil, join
		case keyed.running >= maxFlights:
			return f, nil, watch
		}
	}
	if !r.cache.startLoad() {
		return nil, nil, lead
	}
	if keyed == nil {
		keyed = &flights{}
		s.flights[q.key] = keyed
	}
	f := &flight{done: make(chan struct{}), waiting: !q.m.proven && !q.st.placed}
	if !f.waiting {
		r.begin(f)
	}
	keyed.newest = f
	keyed.running++
	go r.fly(ctx, q, keyed, f)
	return f, nil, lead
}

// sharable reports whether the value of a running flight will hold everything that the caller may
// expect to see: what was applied when it arrived and, where nothing proves that all was, what was
// committed when it arrived.
func (f *flight) sharable(m *moment) bool {
	return f.asOf >= m.finished && (m.proven || f.begun > m.arrival)
}

// begin notes what the guard needs before the load reads anything.
func (r *region) begin(f *flight) {
	f.asOf = r.cache.finished.Load()
	f.incarnation = r.cache.incarnation()
	f.begun = r.cache.o.Clock()
	f.waiting = false
}

// fly runs a flight: place, load, store, and hand over. The order of the last two matters: a
// caller sees the flight or, once it is gone, what it stored.
func (r *region) fly(ctx context.Context, q *request, keyed *flights, f *flight) {
	c, s := r.cache, q.s
	placed := q.st.placed
	var kept *entry
	defer c.loads.Done()
	defer func() {
		if kept != nil && r.copies && c.o.Offer != nil {
			r.offer(kept, f)
		}
	}()
	defer func() {
		s.flightMu.Lock()
		if keyed.running--; keyed.running == 0 {
			delete(s.flights, q.key)
		}
		if keyed.newest == f {
			keyed.newest = nil
		}
		s.flightMu.Unlock()
		close(f.done)
	}()
	if f.waiting {
		if !c.takePlace() {
			f.noPlace = true
			r.turnedAway.Add(1)
			return
		}
		defer func() { <-c.places }()
		placed = true
		s.flightMu.Lock()
		r.begin(f)
		s.flightMu.Unlock()
	}
	l := &Load{cache: c, region: r, key: q.key, parent: q.st.load, asOf: f.asOf}
	own := withState(context.WithoutCancel(ctx), state{load: l, arrival: f.begun, placed: placed})
	timed, cancel := context.WithTimeoutCause(own, c.o.LoadTimeout,
		fmt.Errorf("cache: the load of %s %q took longer than %v", r.o.Name, q.key, c.o.LoadTimeout))
	defer cancel()
	stop := context.AfterFunc(c.life, cancel)
	defer stop()
	r.loads.Add(1)
	if r.copies && c.o.Offer != nil {
		f.standing = c.o.Standing()
	}
	f.result.err = fmt.Errorf("cache: the load of %s %q ended its goroutine", r.o.Name, q.key)
	val, err := protect(timed, l, q.load)
	f.result = l.outcome(val, err, f.begun)
	c.passed("loaded")
	if !f.result.cacheable() {
		r.loadErrors.Add(1)
		return
	}
	kept = r.keep(own, q, f)
}

// keep stores the outcome of a flight if it may be stored, and gives the entry then.
func (r *region) keep(ctx context.Context, q *request, f *flight) *entry {
	o := &f.result
	switch {
	case o.undeclared:
		if r.undeclared.Add(1) == 1 {
			r.cache.o.Logger.Warn("cache: a load declared nothing its value depends on; such values are not stored (Load.Thing, Scope, ExpiresIn or Immutable)",
				"region", r.o.Name, "key", q.key)
		}
		return nil
	case o.noStore:
		return nil
	}
	e := &entry{
		region: r, shard: q.s, key: q.key, val: o.val, err: o.err, tags: o.tags,
		asOf: o.asOf, loaded: f.begun, expires: o.expires, timed: o.timed,
	}
	if err := r.weigh(e); err != nil {
		r.cache.o.Logger.Error("cache: the size of a value cannot be told, so it is not stored", "region", r.o.Name, "key", q.key, "error", err)
		return nil
	}
	switch r.store(e, f.incarnation) {
	case stored:
		r.cache.samples.offer(sample{entry: e, load: q.load, ctx: ctx}, rand.Int())
		return e
	case refusedByChange, refusedByIncarnation:
		r.refused.Add(1)
	case refusedBySize:
		r.tooLarge.Add(1)
	}
	return nil
}

// register lets Verify know how to load a value that came from another node.
func (r *region) register(ctx context.Context, e *entry, load loadFunc) {
	if e.remote.CompareAndSwap(true, false) {
		r.cache.samples.offer(sample{entry: e, load: load, ctx: context.WithoutCancel(ctx)}, rand.Int())
	}
}

// weigh sets the size of an entry that is otherwise complete.
func (r *region) weigh(e *entry) error {
	n := 0
	if e.err != nil {
		e.val, n = nil, len(e.err.Error())
	} else {
		var err error
		if n, err = r.measure(e.val); err != nil {
			return err
		}
	}
	e.size = int64(entryOverhead + len(e.key) + tagOverhead*len(e.tags) + max(0, n))
	return nil
}

// measure runs the region's size function, which a value it was not made for must not turn into
// the end of the process.
func (r *region) measure(v any) (n int, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("cache: the size function of region %s panicked: %v", r.o.Name, p)
		}
	}()
	return r.size(v), nil
}

// takePlace waits for one of the places for loads without proof.
func (c *Cache) takePlace() bool {
	select {
	case c.places <- struct{}{}:
		return true
	default:
	}
	// A moment less than guests wait: on virtual time, where both begin at one instant, the order of two timers
	// that end together would be the scheduler's.
	t := time.NewTimer(c.o.ReadThroughWait - time.Nanosecond)
	defer t.Stop()
	select {
	case c.places <- struct{}{}:
		return true
	case <-t.C:
	case <-c.life.Done():
	}
	return false
}

// protect runs a load so that a panic in it fails the load and not the process.
func protect(ctx context.Context, l *Load, load loadFunc) (val any, err error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		p := recover()
		if p == nil {
			// runtime.Goexit: nothing after the load runs in this goroutine but what is deferred.
			l.region.loadErrors.Add(1)
		} else {
			val, err = nil, fmt.Errorf("cache: the load of %s %q panicked: %v\n%s", l.region.o.Name, l.key, p, debug.Stack())
		}
	}()
	val, err = load(ctx, l)
	returned = true
	return val, err
}

// await waits for the flight, for the caller's own context, or, when a stale copy is at hand and
// nothing can be proven, for as long as a place may take. ok says that the flight is done.
func (r *region) await(ctx context.Context, q *request, f *flight) (val any, info Info, ok bool, err error) {
	var late <-chan time.Time
	if !q.m.proven && r.mayServeStale(q) {
		t := time.NewTimer(r.cache.o.ReadThroughWait)
		defer t.Stop()
		late = t.C
	}
	for {
		select {
		case <-f.done:
			if r.cache.o.Woken != nil {
				r.cache.o.Woken(ctx)
			}
			return nil, Info{}, true, nil
		case <-late:
			if val, info, ok := r.staleCopy(q); ok {
				return val, info, false, nil
			}
			late = nil
		case <-ctx.Done():
			return nil, Info{}, false, fmt.Errorf("cache: wait for %s %q: %w", r.o.Name, q.key, context.Cause(ctx))
		}
	}
}

// answer gives the caller what a flight brought.
func (r *region) answer(q *request, f *flight, as role) (any, Info, error) {
	o := f.result
	if f.noPlace {
		o = outcome{err: stoa.Unavailable(errNoPlace(r.o.Name), "The portal is busy; please try again in a moment.")}
	}
	if !o.cacheable() {
		if k := stoa.KindOf(o.err); k == stoa.KindUnavailable || k == stoa.KindInternal {
			if val, info, ok := r.staleCopy(q); ok {
				return val, info, nil
			}
		}
		q.st.load.NoStore()
		return nil, Info{}, o.err
	}
	if as == watch {
		o.asOf = max(o.asOf, q.m.finished)
	}
	q.st.load.inherit(&o)
	return o.val, Info{AsOf: o.asOf, Age: r.cache.o.Clock() - f.begun}, o.err
}

func errNoPlace(region string) error {
	return errors.New("cache: no proof of freshness and no place to load a value of region " + region)
}

func (r *region) mayServeStale(q *request) bool {
	return q.markable && q.st.staleOK && q.st.load == nil && r.o.StaleForGuests
}

// staleCopy gives the copy in memory if it may be served, marked, although nothing proves it.
func (r *region) staleCopy(q *request) (any, Info, bool) {
	if !r.mayServeStale(q) {
		return nil, Info{}, false
	}
	c := r.cache
	proof := c.o.Proof()
	e := q.s.get(q.key)
	if e == nil || e.err != nil {
		return nil, Info{}, false
	}
	now := c.o.Clock()
	// A copy that is still here has survived all changes up to the newest proof. That it was loaded since does not
	// make it newer: it may come from a primary that was deposed and does not know it.
	known := proof
	if proof == 0 {
		known = e.loaded
	}
	known = min(known, e.expires)
	if now-known > c.o.StaleGrace {
		return nil, Info{}, false
	}
	r.stale.Add(1)
	return e.val, Info{Stale: max(now-known, 1), Age: e.age(now), Hit: true, AsOf: e.asOf}, true
}
