// Package cache keeps values in memory, per node, in regions bounded by bytes. Values know by tags
// what they were made from; changes of those things drop them everywhere, a guard keeps loads that
// a change has overtaken from being stored, and nothing is served that is not proven fresh.
// DESIGN.md in this folder gives the invariants and the reasons.
package cache

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Options sets up a Cache. Zero values mean the default that each field names.
type Options struct {
	// FreshLimit is how old the newest proof of freshness may be for a cached value to be served
	// (cache.fresh.limit); default 1.5 s.
	FreshLimit time.Duration
	// Proof gives the instant, by Clock, at which the newest proof of freshness was sent; all rows
	// it covers must have been passed to Invalidate, which has returned, before Proof gives it.
	// 0 means that there never was one. It is called for each hit and must be cheap. Required.
	Proof func() time.Duration
	// Clock gives the time since some fixed instant, never 0; default Boottime.
	Clock func() time.Duration
	// InTransaction reports whether the context is that of a write transaction, inside of which
	// nothing is read from the cache or stored; default: never.
	InTransaction func(context.Context) bool
	// Incarnation names the history of the database; what was loaded across a change of it is not
	// stored. It must give the new number before DropAll is called for it; default: always 0.
	Incarnation func() int64
	// ReadThroughMax is how many loads may run at once while there is no proof; default 16. Loads
	// that run for another load share its place.
	ReadThroughMax int
	// ReadThroughWait is how long a load waits for such a place, and how long a guest whose stale
	// copy is at hand waits for a value while there is no proof; default 250 ms.
	ReadThroughWait time.Duration
	// StaleGrace is how long after it was last known to be fresh a copy may be served to guests,
	// marked; default 5 min.
	StaleGrace time.Duration
	// MaxAge is the age at which every value is loaded again, whatever happened; default 1 h.
	MaxAge time.Duration
	// LoadTimeout is the deadline of the context that loads run with; default 10 s.
	LoadTimeout time.Duration
	// RingSize is how many changes are remembered to judge running loads by; a load that more
	// changes have overtaken is not stored; default 65,536.
	RingSize int
	// MaxBytes is the size of a region that has none of its own; default 64 MiB.
	MaxBytes int64
	// Replication is the mode of regions that have none of their own and whose values can be sent
	// to other nodes: "invalidate" (the default) or "copy".
	Replication string
	// Regions is what the operator wants of single regions, by name; it counts more than what their
	// makers ask for.
	Regions map[string]RegionSettings

	// Standing gives what this node has applied of every writer of the change log, sorted by Writer:
	// all of it has been passed to Invalidate, which has returned, and every load that begins later
	// reads it. Without it no region can be in mode copy.
	Standing func() []Standing
	// Offer sends a loaded value to the other nodes, which pass it to Accept. It must not block; an
	// offer may be lost, doubled or late. nil: nothing is offered.
	Offer func(b []byte)
	// Build names the program that the node runs: only the same one takes its offers.
	Build string
	// Woken, if not nil, is called by every caller whose wait for a load has ended, before he goes on. A
	// simulation lets them go on one by one; a portal leaves it nil.
	Woken func(ctx context.Context)
	// Logger gets what nothing else will report, such as incoherences; default: discarded.
	Logger *slog.Logger
}

// RegionSettings are an operator's wishes for one region; zero values leave things as they are.
type RegionSettings struct {
	MaxBytes    int64
	Replication string
}

// Cache is a set of regions that follow the same changes. All methods may be called at any time
// from any goroutine.
type Cache struct {
	o      Options
	seed   maphash.Seed
	index  *index
	places chan struct{} // tokens of loads without proof

	applying sync.Mutex // one Invalidate at a time, so that "finished" means all numbers up to it
	finished atomic.Uint64

	mu      sync.Mutex // guards regions, closed, and loads.Add against Close
	regions []*region
	closed  bool
	loads   sync.WaitGroup
	life    context.Context // ends with Close
	end     context.CancelFunc

	samples   samples
	badOffers atomic.Uint64

	// step, if not nil, is told what has just happened inside Invalidate and inside loads, so that
	// tests can stop there. It is set before first use and never in a running portal.
	step func(point string)
}

// New gives an empty Cache. It returns an error that names the option that is wrong.
func New(o Options) (*Cache, error) {
	if o.Proof == nil {
		return nil, errors.New("cache: Options.Proof is missing: without proofs of freshness nothing could be served from the cache")
	}
	if o.FreshLimit < 0 || o.ReadThroughWait < 0 || o.StaleGrace < 0 || o.MaxAge < 0 || o.LoadTimeout < 0 {
		return nil, fmt.Errorf("cache: durations must not be negative: FreshLimit %v, ReadThroughWait %v, StaleGrace %v, MaxAge %v, LoadTimeout %v",
			o.FreshLimit, o.ReadThroughWait, o.StaleGrace, o.MaxAge, o.LoadTimeout)
	}
	if o.Standing == nil && o.Offer != nil {
		return nil, errors.New("cache: Options.Offer needs Options.Standing: an offer says what its sender had applied")
	}
	if o.ReadThroughMax < 0 || o.RingSize < 0 || o.MaxBytes < 0 {
		return nil, fmt.Errorf("cache: sizes must not be negative: ReadThroughMax %d, RingSize %d, MaxBytes %d",
			o.ReadThroughMax, o.RingSize, o.MaxBytes)
	}
	setDefault(&o.FreshLimit, 1500*time.Millisecond)
	setDefault(&o.ReadThroughMax, 16)
	setDefault(&o.ReadThroughWait, 250*time.Millisecond)
	setDefault(&o.StaleGrace, 5*time.Minute)
	setDefault(&o.MaxAge, time.Hour)
	setDefault(&o.LoadTimeout, 10*time.Second)
	setDefault(&o.RingSize, 1<<16)
	setDefault(&o.MaxBytes, 64<<20)
	if o.Clock == nil {
		o.Clock = Boottime
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Cache{
		o:      o,
		seed:   maphash.MakeSeed(),
		index:  newIndex(o.RingSize),
		places: make(chan struct{}, o.ReadThroughMax),
	}
	c.life, c.end = context.WithCancel(context.Background())
	return c, nil
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Close ends running loads by their contexts, waits for them, and refuses new ones. What is cached
// can still be read.
func (c *Cache) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.end()
	c.loads.Wait()
}

// startLoad counts a load in, unless the cache is closed.
func (c *Cache) startLoad() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.loads.Add(1)
	return true
}

func (c *Cache) incarnation() int64 {
	if c.o.Incarnation == nil {
		return 0
	}
	return c.o.Incarnation()
}

func (c *Cache) inTransaction(ctx context.Context) bool {
	return c.o.InTransaction != nil && c.o.InTransaction(ctx)
}

func (c *Cache) passed(point string) {
	if c.step != nil {
		c.step(point)
	}
}

// Invalidate applies committed changes: each is remembered (begun), the values it touches are
// dropped from all regions, and then it counts as finished, so that every Get that begins after
// Invalidate returned sees the changes. The follower of the change log calls it for every row, and
// a writer for its own rows after commit and before it answers. mark, if not nil, is called when
// all is dropped; there the follower records the proof or position that covers the changes.
// Applying a change again is harmless. A follower may leave out a row that it has applied before,
// as a hint, only if every load since then was sure to see that row.
func (c *Cache) Invalidate(changes []Change, mark func()) {
	if len(changes) > 0 {
		c.apply(changes)
	}
	if mark != nil {
		mark()
	}
}

func (c *Cache) apply(changes []Change) {
	c.applying.Lock()
	defer c.applying.Unlock()
	last, victims, whole := c.index.begin(changes)
	c.passed("begun")
	for _, e := range victims {
		if e.drop() {
			e.region.invalidations.Add(1)
		}
		c.passed("dropped")
	}
	if whole {
		for _, r := range c.allRegions() {
			for i := range r.shards {
				r.invalidations.Add(uint64(r.shards[i].clear()))
			}
		}
	}
	c.finished.Store(last)
}

// DropAll drops every value of every region and keeps loads that are running from being stored:
// for a new incarnation of the database, a follower that fell behind, or an operator's wish.
// The reason is logged.
func (c *Cache) DropAll(reason string) {
	c.o.Logger.Info("cache: everything dropped", "reason", reason)
	c.apply([]Change{{Kind: everything}})
}

func (c *Cache) allRegions() []*region {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.regions)
}

// RegionStats is what one region holds now and what it has done since it was made.
type RegionStats struct {
	Name     string
	Mode     string // "invalidate" or "copy"
	Entries  int    // values held
	Negative int    // remembered "there is none"
	Bytes    int64  // estimated, both together
	MaxBytes int64

	Hits          uint64 // answered from memory, fresh
	Misses        uint64 // not answered from memory
	Loads         uint64 // runs of a load function
	LoadErrors    uint64 // loads that failed otherwise than by NotFound
	Joins         uint64 // callers that shared a load another caller had begun
	Bypassed      uint64 // Gets inside write transactions and inside Verify
	Refused       uint64 // values not stored because a change or a new incarnation had overtaken them
	TooLarge      uint64 // values not stored because of their size
	Undeclared    uint64 // values not stored because nothing was declared that could make them wrong
	TurnedAway    uint64 // loads that got no place while there was no proof
	Stale         uint64 // stale copies served, marked
	Evictions     uint64 // values dropped to make room
	Invalidations uint64 // values dropped because of a change
	Incoherences  uint64 // values found wrong by Verify that no change explains
	Offered       uint64 // values sent to other nodes
	Accepted      uint64 // values of other nodes that were stored
	Declined      uint64 // values of other nodes that were not
}

// Stats gives the figures of all regions in the order in which they were made.
func (c *Cache) Stats() []RegionStats {
	regions := c.allRegions()
	all := make([]RegionStats, 0, len(regions))
	for _, r := range regions {
		all = append(all, r.stats())
	}
	return all
}
