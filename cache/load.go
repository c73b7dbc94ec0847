package cache

import (
	"context"
	"sync"
	"time"

	"github.com/stoa-portal/stoa"
)

// Load is one run of a load function: what it declares here decides how long its value is kept.
// What inner Gets depend on is added by itself, so a load declares only what it reads directly.
// A Load may be used by several goroutines until the load function returns. A nil Load ignores
// everything, so that code which may or may not run inside a load need not ask.
type Load struct {
	cache  *Cache
	region *region
	key    string
	parent *Load

	mu      sync.Mutex
	tags    tagSet
	asOf    uint64
	expires time.Duration // boottime; 0: no expiry declared
	timed   bool          // an expiry was declared, here or in a part
	noStore bool
	static  bool
}

// Thing declares that the value depends on one thing that was read and found. Id 0 declares
// everything of the kind.
func (l *Load) Thing(kind string, id stoa.ID) { l.tag(Tag{Kind: kind, ID: int64(id)}) }

// Scope declares that the value depends on anything of the kind in the scope: a list, or something
// that was looked for and not found. Scope 0 is every scope.
func (l *Load) Scope(kind string, scope stoa.ID) { l.tag(Tag{Kind: kind, Scope: int64(scope)}) }

func (l *Load) tag(t Tag) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.Kind == "" {
		// No change could ever reach such a tag.
		l.noStore = true
		return
	}
	l.tags.add(t)
}

// ExpiresIn declares that the value is right for d from now at most, and so is every value made
// from it; the shortest declaration counts. With d of zero or less nothing is stored.
func (l *Load) ExpiresIn(d time.Duration) {
	if l == nil {
		return
	}
	if d <= 0 {
		l.NoStore()
		return
	}
	at := l.cache.o.Clock() + d
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(at)
	l.timed = true
}

// expire lowers the expiry. The caller holds mu.
func (l *Load) expire(at time.Duration) {
	if l.expires == 0 || at < l.expires {
		l.expires = at
	}
}

// NoStore declares that neither this value nor any value made from it may be stored.
func (l *Load) NoStore() {
	if l == nil {
		return
	}
	l.mu.Lock()
	l.noStore = true
	l.mu.Unlock()
}

// Immutable declares that no change can make the value wrong, for example because its key is a
// hash of what it was made from. A value for which nothing at all was declared is not stored:
// no change could reach it.
func (l *Load) Immutable() {
	if l == nil {
		return
	}
	l.mu.Lock()
	l.static = true
	l.mu.Unlock()
}

// outcome is what a load gave: the value or error, and what every value made from it inherits.
type outcome struct {
	val     any
	err     error
	tags    []Tag
	asOf    uint64
	expires time.Duration
	timed   bool
	noStore bool // by declaration, by inheritance, or because nothing was declared

	undeclared bool
}

// cacheable reports whether the outcome is one that may be kept: a value, or that there is none.
func (o *outcome) cacheable() bool { return o.err == nil || stoa.Is(o.err, stoa.KindNotFound) }

// inherit adds what an inner value depends on to the load that asked for it.
func (l *Load) inherit(o *outcome) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if o.noStore || !o.cacheable() {
		// The load may go on without the part that failed; its value must then not be kept.
		l.noStore = true
	}
	for _, t := range o.tags {
		l.tags.add(t)
	}
	l.asOf = min(l.asOf, o.asOf)
	if o.expires != 0 {
		l.expire(o.expires)
	}
	l.timed = l.timed || o.timed
}

// outcome closes the load and gives its result. begun is the boottime at which it began.
func (l *Load) outcome(val any, err error, begun time.Duration) outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	o := outcome{val: val, err: err, tags: l.tags.sorted(), asOf: l.asOf, timed: l.timed}
	o.undeclared = !l.noStore && len(o.tags) == 0 && !l.static && l.expires == 0
	o.noStore = l.noStore || o.undeclared
	o.expires = begun + l.cache.o.MaxAge
	if l.expires != 0 && l.expires < o.expires {
		o.expires = l.expires
	}
	return o
}

// within reports whether the load, or one that it runs for, loads this key.
func (l *Load) within(r *region, key string) bool {
	for ; l != nil; l = l.parent {
		if l.region == r && l.key == key {
			return true
		}
	}
	return false
}

// state is what a context says to the cache; one value, so that a hit looks it up once.
type state struct {
	load    *Load         // the load on whose behalf the context is used
	arrival time.Duration // boottime at which the request arrived; 0: not said
	staleOK bool
	bypass  bool // read nothing from the cache and store nothing
	placed  bool // the load already holds one of the read-through places
}

type stateKey struct{}

func stateFrom(ctx context.Context) state {
	s, _ := ctx.Value(stateKey{}).(*state)
	if s == nil {
		return state{}
	}
	return *s
}

func withState(ctx context.Context, s state) context.Context {
	return context.WithValue(ctx, stateKey{}, &s)
}

// StaleOK returns a context for the request of a guest: where there is no proof of freshness,
// GetInfo may answer from regions with StaleForGuests by a copy within the grace, marked in Info.
// Never use it for a request that carries a signed-in actor.
func StaleOK(ctx context.Context) context.Context {
	s := stateFrom(ctx)
	s.staleOK = s.load == nil // inside a load the value is shared with callers who did not agree
	return withState(ctx, s)
}

// Current returns the load that the context belongs to, nil outside of any. The methods of a nil
// Load do nothing.
func Current(ctx context.Context) *Load { return stateFrom(ctx).load }

// Arrived returns a context that remembers that its request arrived now. Where there is no proof of
// freshness, whatever was loaded since then, by any request, is fresh enough for this one, so that
// requests which arrive together share their loads.
func (c *Cache) Arrived(ctx context.Context) context.Context {
	s := stateFrom(ctx)
	if s.load != nil {
		return ctx
	}
	s.arrival = c.o.Clock()
	return withState(ctx, s)
}
