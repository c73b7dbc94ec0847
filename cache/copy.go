package cache

import (
	"fmt"
	"time"
)

// The modes of a region.
const (
	modeInvalidate = "invalidate"
	modeCopy       = "copy"
)

// setMode decides about the mode of a region that is being made.
func (r *region) setMode(asked string) {
	c := r.cache
	named := asked != ""
	if !named {
		asked = c.o.Replication
	}
	warn := func(why string) {
		c.o.Logger.Warn("cache: region stays in mode invalidate: "+why, "region", r.o.Name, "mode", asked)
	}
	switch asked {
	case "", modeInvalidate:
	case modeCopy:
		switch {
		case r.decode == nil && named:
			warn("its values cannot be sent to other nodes")
		case r.decode == nil:
		case c.o.Standing == nil:
			warn("this node does not follow a change log")
		default:
			r.copies = true
			c.index.remember(c.o.Clock)
		}
	default:
		warn("there is no such mode")
	}
}

func (r *region) mode() string {
	if r.copies {
		return modeCopy
	}
	return modeInvalidate
}

// remember makes the index keep what offers are judged by.
func (x *index) remember(clock func() time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.trail == nil {
		x.trail = newTrails(len(x.ring), clock)
	}
}

// offer sends a value that this node has loaded and stored to the other nodes. How long it travels
// no node can tell without comparing the clocks of two machines, so values that are right for a time
// only stay where they are; so do absences, of which there is no end.
func (r *region) offer(e *entry, f *flight) {
	c := r.cache
	if e.err != nil || e.timed || f.standing == nil {
		return
	}
	value, err := r.encode(e.val)
	if err != nil {
		c.o.Logger.Error("cache: a value cannot be sent to other nodes", "region", r.o.Name, "key", e.key, "error", err)
		return
	}
	o := offer{
		incarnation: f.incarnation, build: c.o.Build, region: r.o.Name, key: e.key,
		left: e.expires - c.o.Clock(), tags: e.tags, standing: f.standing, value: value,
	}
	if b := o.encode(); b != nil && o.left > 0 {
		r.offered.Add(1)
		c.o.Offer(b)
	}
}

// Accept takes the offer of another node: the value is stored if it comes from the same history of the
// database and the same build, and the positions that the sender had applied when its load began cover
// every change applied here that touches it. Anything else is counted and ignored. b must not be
// changed afterwards.
func (c *Cache) Accept(b []byte) {
	o, err := decodeOffer(b)
	if err != nil {
		c.badOffers.Add(1)
		return
	}
	for _, r := range c.allRegions() {
		if r.o.Name != o.region {
			continue
		}
		if r.copies && r.accept(o) {
			r.accepted.Add(1)
		} else {
			r.declined.Add(1)
		}
		return
	}
	c.badOffers.Add(1)
}

// BadOffers counts the messages that Accept could not read or that name no region.
func (c *Cache) BadOffers() uint64 { return c.badOffers.Load() }

func (r *region) accept(o *offer) bool {
	c := r.cache
	if o.build != c.o.Build || o.incarnation != c.incarnation() {
		return false
	}
	e := &entry{
		region: r, shard: r.shardOfKey(o.key), key: o.key, tags: o.tags,
		expires: c.o.Clock() + min(o.left, c.o.MaxAge),
	}
	// What is here is as good as what is offered.
	if old := e.shard.get(o.key); old != nil && c.o.Clock() < old.expires {
		return false
	}
	var ok bool
	if e.asOf, ok = c.asOf(o.standing); !ok || c.index.touched(e.asOf, e.tags) {
		return false
	}
	var err error
	if e.val, err = r.decode(o.value); err != nil || r.weigh(e) != nil {
		return false
	}
	e.remote.Store(true)
	return r.store(e, o.incarnation) == stored
}

// asOf turns the positions of an offer into a change number of this cache. This node's own standing is
// read between two looks at the index and never under its lock: the log calls Invalidate under its own.
func (c *Cache) asOf(offered []Standing) (uint64, bool) {
	x := c.index
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.trail.stale(offered) {
		resets := x.trail.resets
		x.mu.Unlock()
		own := c.o.Standing()
		x.mu.Lock()
		x.trail.refresh(own, resets)
	}
	return x.trail.asOf(x.begun, offered)
}

// guarded runs a function of a codec so that a panic in it is an error.
func guarded[A, B any](region, what string, fn func(A) (B, error)) func(A) (B, error) {
	return func(a A) (b B, err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("cache: %s of region %s panicked: %v", what, region, p)
			}
		}()
		return fn(a)
	}
}
