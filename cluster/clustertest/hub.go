// Package clustertest gives tests of several nodes a network that misbehaves, from a seed.
package clustertest

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/stoa-portal/stoa/cluster"
)

// Faults say what happens to a message on its way to one receiver; chances are from 0 to 1.
type Faults struct {
	Drop      float64       // it is lost
	Duplicate float64       // it arrives twice
	Delay     time.Duration // each is late by up to this, so messages overtake each other
}

// Hub is a cluster.Hub whose links fail as told. Which messages are hit follows from the seed and the
// order of deliveries. It is safe for concurrent use.
type Hub struct {
	inner *cluster.Hub

	mu      sync.Mutex
	rand    *rand.Rand
	faults  Faults
	side    map[string]int // of the partition; all 0 without one
	frozen  map[string][]func()
	dropped int
	late    int        // delayed messages on their way
	arrived *sync.Cond // of mu; late went down
}

// NewHub makes a network without faults.
func NewHub(seed uint64) *Hub {
	h := &Hub{inner: cluster.NewHub(), rand: rand.New(rand.NewPCG(seed, 1)), side: map[string]int{}, frozen: map[string][]func(){}}
	h.arrived = sync.NewCond(&h.mu)
	return h
}

// SetFaults changes what happens from now on.
func (h *Hub) SetFaults(f Faults) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = f
}

// Partition cuts the network: members of different groups do not reach each other. Members that are in
// no group form one of their own.
func (h *Hub) Partition(groups ...[]string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.side = map[string]int{}
	for i, g := range groups {
		for _, name := range g {
			h.side[name] = i + 1
		}
	}
}

// Heal ends the partition. What was sent meanwhile is lost.
func (h *Hub) Heal() { h.Partition() }

// Freeze holds what is on its way to the member, and what it sends, until Thaw.
func (h *Hub) Freeze(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.frozen[name] == nil {
		h.frozen[name] = []func(){}
	}
}

// Thaw delivers what was held, in order.
func (h *Hub) Thaw(name string) {
	h.mu.Lock()
	held := h.frozen[name]
	delete(h.frozen, name)
	h.mu.Unlock()
	for _, deliver := range held {
		deliver()
	}
}

// Dropped counts messages lost to faults and partitions.
func (h *Hub) Dropped() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.dropped
}

// Held counts messages to and from a frozen member that wait.
func (h *Hub) Held(name string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.frozen[name])
}

// Settle waits until no delayed message is on its way.
func (h *Hub) Settle() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.late > 0 {
		h.arrived.Wait()
	}
}

// Join gives the transport of a member; names must differ.
func (h *Hub) Join(name string) cluster.Transport {
	return &transport{hub: h, name: name, inner: h.inner.Join(name)}
}

type transport struct {
	hub   *Hub
	name  string
	inner cluster.Transport
}

// Publish marks the message with its sender, so that the receiving end knows the link.
func (t *transport) Publish(ctx context.Context, subject string, data []byte) error {
	framed := binary.AppendUvarint(nil, uint64(len(t.name)))
	framed = append(framed, t.name...)
	framed = append(framed, data...)
	if t.hub.hold(t.name, func() { _ = t.inner.Publish(context.WithoutCancel(ctx), subject, framed) }) {
		return nil
	}
	return t.inner.Publish(ctx, subject, framed)
}

// Subscribe delivers what the faults let through, one message at a time.
func (t *transport) Subscribe(subject string, fn func(data []byte)) (func(), error) {
	var one sync.Mutex
	ended := false
	deliver := func(data []byte) {
		one.Lock()
		defer one.Unlock()
		if !ended {
			fn(data)
		}
	}
	stop, err := t.inner.Subscribe(subject, func(framed []byte) {
		size, n := binary.Uvarint(framed)
		from, data := string(framed[n:n+int(size)]), framed[n+int(size):]
		t.hub.route(from, t.name, func() { deliver(data) })
	})
	if err != nil {
		return nil, err
	}
	return func() {
		stop()
		one.Lock()
		defer one.Unlock()
		ended = true
	}, nil
}

// Close ends the member's subscriptions.
func (t *transport) Close() error { return t.inner.Close() }

func (h *Hub) route(from, to string, deliver func()) {
	h.mu.Lock()
	copies := 1
	if h.rand.Float64() < h.faults.Duplicate {
		copies = 2
	}
	if h.side[from] != h.side[to] || h.rand.Float64() < h.faults.Drop {
		copies = 0
		h.dropped++
	}
	var delays []time.Duration
	for range copies {
		d := time.Duration(0)
		if h.faults.Delay > 0 {
			d = time.Duration(h.rand.Int64N(int64(h.faults.Delay)))
		}
		if d > 0 {
			h.late++
		}
		delays = append(delays, d)
	}
	h.mu.Unlock()
	for _, d := range delays {
		if d == 0 {
			h.arrive(to, deliver)
			continue
		}
		time.AfterFunc(d, func() {
			h.arrive(to, deliver)
			h.mu.Lock()
			h.late--
			h.arrived.Broadcast()
			h.mu.Unlock()
		})
	}
}

func (h *Hub) arrive(to string, deliver func()) {
	if !h.hold(to, deliver) {
		deliver()
	}
}

// hold keeps what a frozen member would do now until it thaws.
func (h *Hub) hold(name string, fn func()) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	held, frozen := h.frozen[name]
	if frozen {
		h.frozen[name] = append(held, fn)
	}
	return frozen
}
