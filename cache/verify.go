package cache

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// maxSamples is how many entries are kept ready for Verify together with the means to load them
// again; keeping those for every entry would hold on to the contexts of their requests.
const maxSamples = 128

// verifyPoll is how often Verify looks for the proof it waits for.
const verifyPoll = 20 * time.Millisecond

// sample is an entry and how to load it again.
type sample struct {
	entry *entry
	load  loadFunc
	ctx   context.Context
}

// samples is a reservoir over the entries stored.
type samples struct {
	mu   sync.Mutex
	list []sample
	seen int // entries offered since the reservoir was last short of samples
}

// offer takes the sample with the chance that makes every entry offered so far equally likely.
func (s *samples) offer(x sample, random int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen++
	if len(s.list) < maxSamples {
		s.list = append(s.list, x)
		return
	}
	if i := random % s.seen; i < maxSamples {
		s.list[i] = x
	}
}

// pick gives a random sample whose entry is still stored and forgets those whose entry is not.
func (s *samples) pick() (sample, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.list)
	s.list = slices.DeleteFunc(s.list, func(x sample) bool { return !x.entry.current() })
	if len(s.list) < before {
		s.seen = len(s.list)
	}
	if len(s.list) == 0 {
		return sample{}, false
	}
	return s.list[rand.IntN(len(s.list))], true
}

// current reports whether the entry is the one stored under its key.
func (e *entry) current() bool { return e.shard.get(e.key) == e }

// Verify loads one random entry again, past the cache, and compares. When the two differ it waits
// until a proof covers the second load; an entry that is still stored then is wrong and no change
// explains it: it is counted, logged with its tags and dropped, and ok is false. checked is false
// when there was nothing to compare with. Call it once a second, one call at a time.
func (c *Cache) Verify(ctx context.Context) (checked, ok bool) {
	x, found := c.samples.pick()
	if !found || !c.startLoad() {
		return false, true
	}
	defer c.loads.Done()
	e := x.entry
	if e.expires <= c.o.Clock() {
		return false, true
	}
	l := &Load{cache: c, region: e.region, key: e.key, asOf: c.finished.Load()}
	reload, cancel := context.WithTimeout(withState(x.ctx, state{load: l, bypass: true}), c.o.LoadTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, cancel)
	defer stop()
	val, err := protect(reload, l, x.load)
	o := l.outcome(val, err, c.o.Clock())
	if !o.cacheable() || reload.Err() != nil {
		return false, true
	}
	same := (o.err == nil) == (e.err == nil) && (e.err != nil || e.region.o.Same(e.val, o.val))
	if same || !e.current() {
		return true, true
	}
	if !c.awaitProof(ctx, c.o.Clock()) {
		return false, true
	}
	if !e.drop() {
		return true, true // a change that was on its way has explained it
	}
	e.region.incoherences.Add(1)
	c.o.Logger.Error("cache: a cached value differs from the database and no change explains it; it was dropped",
		"region", e.region.o.Name, "key", e.key, "tags", fmt.Sprint(e.tags), "asof", e.asOf,
		"age", e.age(c.o.Clock()), "negative", e.err != nil)
	return true, false
}

// awaitProof waits for a proof sent after the instant.
func (c *Cache) awaitProof(ctx context.Context, after time.Duration) bool {
	limit := time.NewTimer(c.o.LoadTimeout)
	defer limit.Stop()
	poll := time.NewTicker(verifyPoll)
	defer poll.Stop()
	for c.o.Proof() <= after {
		select {
		case <-poll.C:
		case <-limit.C:
			return false
		case <-ctx.Done():
			return false
		case <-c.life.Done():
			return false
		}
	}
	return true
}
