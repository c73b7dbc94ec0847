package simtest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/cluster"
)

// node is a machine on which one process life follows another.
type node struct {
	w      *Simulation
	index  int
	life   int // counts the processes; 0 = none yet
	up     bool
	joined bool
	frozen bool
	held   []func() // what has arrived while it was frozen
	cut    bool     // from the database

	rate   float64 // of the clock
	offset time.Duration

	server   *server
	renewing bool // connections to a new server are being made
	calls    []*call

	writer      int64
	incarnation atomic.Int64
	beats       int64 // heartbeats begun
	core        *change.Core
	cache       *cache.Cache
	ended       chan struct{} // closed with the caches
	articles    *cache.Region[part]
	pages       *cache.Region[[]part]
	lease       cluster.LeaseCore
	leasing     bool
	looking     bool
	rode        time.Duration // when a heartbeat looked after the lease last
	lookedAt    time.Duration // when the read of the members began that was seen last
	roster      *cluster.Roster
	ticks       int

	polling bool
	next    []func(error) // wait for the poll after the present one
}

// lives says whether the process is still there: what a killed one did in its last instant is in no order, and is
// seen by no client.
func (n *node) lives(life int) bool { return n.joined && n.life == life }

// clock is CLOCK_BOOTTIME of this machine: it goes on while the node is frozen.
func (n *node) clock() time.Duration {
	return n.offset + time.Duration(float64(n.w.now())*n.rate)
}

// boot starts a process and joins the cluster.
func (n *node) boot() {
	w := n.w
	if n.up {
		return
	}
	n.life++
	n.up, n.joined, n.frozen, n.held, n.calls, n.renewing = true, false, false, nil, nil, false
	n.polling, n.next, n.leasing, n.looking, n.ticks, n.rode, n.lookedAt = false, nil, false, false, 0, 0, 0
	n.rate = pick(w, []float64{0.96, 1, 1.04})
	n.offset = w.between(time.Hour, 1000*time.Hour)
	n.writer = w.rand.Int64()>>8 + 1
	n.server = w.primary
	n.core = change.NewCore(n.writer, w.plan.trust, n.apply)
	n.lease = cluster.NewLeaseCore(n.writer)
	n.roster = cluster.NewRoster(n.writer, 2500*time.Millisecond)
	w.tracef("%s starts as writer %d", n, n.writer)
	n.join()
}

// join is what change.Open and cluster.Join do in the database.
func (n *node) join() {
	lk := n.core.Look(n.clock())
	n.do(timeout+tick, n.expire) // it does not tick yet
	var number int64
	n.call(n.session(), func(t *tx, reply func(error)) {
		t.lock("incarnation", func() {
			number = t.raise()
			t.write(func(d *data) {
				if _, found := d.writers[t.owner]; !found {
					d.writers[t.owner] = change.WriterState{Low: 1}
				}
				d.members[t.owner] = cluster.Member{Writer: t.owner, Name: n.String(), State: "up", Epoch: 1, Beat: 1}
			})
			if err := lk.Read(t.s.data); err != nil {
				n.w.failf("%v", err)
			}
			t.commit(reply)
		})
	}, func(err error) {
		if err != nil {
			n.do(n.w.between(100*time.Millisecond, 300*time.Millisecond), n.join)
			return
		}
		n.core.Join(lk)
		n.incarnation.Store(number)
		n.caches()
		n.joined = true
		n.w.tracef("%s has joined", n)
		n.do(n.w.between(0, tick), n.tick)
	})
}

// raise is db.raiseIncarnation: the first to see another server raises the number.
func (t *tx) raise() (number int64) {
	number = t.s.data.incarnation
	if t.s.data.fingerprint != t.s.name {
		number++
		t.write(func(d *data) { d.incarnation, d.fingerprint = number, t.s.name })
	}
	return number
}

func (n *node) caches() {
	core := n.core
	c, err := cache.New(cache.Options{
		Proof: core.Proof, Clock: n.clock, Incarnation: n.incarnation.Load, Replication: n.w.plan.replication, Build: "the same",
		Standing: func() []cache.Standing {
			applied := core.Standing()
			out := make([]cache.Standing, len(applied))
			for i, a := range applied {
				out[i] = cache.Standing(a)
			}
			return out
		},
		Offer: n.offer, Woken: n.gate(), RingSize: n.w.plan.ring, ReadThroughMax: n.w.plan.places, LoadTimeout: timeout,
	})
	if err != nil {
		n.w.failf("%v", err)
		return
	}
	n.cache = c
	n.articles = cache.NewRegion(
		c,
		cache.RegionOptions{Name: "article", MaxBytes: n.w.plan.bytes, StaleForGuests: true},
		func(part) int { return 64 },
		cache.JSON[part](),
	)
	n.pages = cache.NewRegion(
		c,
		cache.RegionOptions{Name: "page", MaxBytes: n.w.plan.bytes, StaleForGuests: true},
		func(p []part) int { return 64 * len(p) },
		cache.JSON[[]part](),
	)
}

// gate gives cache.Options.Woken: who has waited goes on when the simulation says so.
func (n *node) gate() func(context.Context) {
	w, ended := n.w, make(chan struct{})
	n.ended = ended
	return func(ctx context.Context) {
		id, _ := ctx.Value(requestKey{}).(int)
		w.queueAt(id, ended)()
	}
}

// apply is change.Options.Apply, as package server wires it.
func (n *node) apply(rows []change.Row) {
	if n.cache == nil {
		return
	}
	changes := make([]cache.Change, len(rows))
	for i, r := range rows {
		changes[i] = cache.Change{Kind: r.Kind, ID: int64(r.ID), Scope: int64(r.Scope), Writer: r.Writer, N: r.N}
	}
	n.cache.Invalidate(changes, nil)
}

// kill ends the process. What it had sent is still on its way.
func (n *node) kill() {
	if !n.up {
		return
	}
	n.w.stats.Kills++
	n.w.tracef("%s is killed", n)
	n.stop()
	s, writer := n.server, n.writer
	n.w.after(
		n.w.between(10*time.Millisecond, 300*time.Millisecond),
		func() { s.endSessions(writer) },
	) // the server sees the end of its connections
}

func (n *node) stop() {
	n.up, n.joined = false, false
	if n.cache != nil {
		for _, r := range n.cache.Stats() {
			n.w.stats.Taken += int(r.Accepted)
		}
		close(n.ended)
		n.cache.Close()
	}
	n.cache = nil
}

func (n *node) freeze() {
	if !n.up || n.frozen {
		return
	}
	n.w.stats.Freezes++
	n.frozen = true
	n.orphan()
	n.w.tracef("%s is frozen", n)
}

// orphan lets the server's time-out look at what the node has left open.
func (n *node) orphan() {
	s, writer := n.server, n.writer
	n.w.after(idle+time.Millisecond, func() { s.endIdle(writer) })
}

func (n *node) thaw() {
	if !n.frozen {
		return
	}
	n.w.tracef("%s is thawed", n)
	n.frozen = false
	n.inTurn(n.held)
	n.held = nil
}

// inTurn does one thing after the other: what several goroutines of the caches did at one instant would
// not happen in the same order again.
func (n *node) inTurn(fns []func()) {
	for i, fn := range fns {
		n.do(time.Duration(i)*time.Microsecond, fn)
	}
}

// do runs fn on the node later, if the same process lives then; when it is frozen, after that.
func (n *node) do(d time.Duration, fn func()) {
	life := n.life
	n.w.after(d, func() { n.arrive(life, fn) })
}

func (n *node) arrive(life int, fn func()) {
	switch {
	case !n.up || n.life != life:
	case n.frozen:
		n.held = append(n.held, fn)
	default:
		fn()
	}
}

// String names the node.
func (n *node) String() string { return fmt.Sprintf("n%d", n.index) }

// call is a statement on its way.
type call struct {
	n     *node
	t     *tx
	since time.Duration
	then  func(error)
	done  bool
	stays bool // it is answered by the old server, too, when the node moves to another
}

// session begins a transaction. It is registered at the server with its first statement; a model need
// not tell the two apart.
func (n *node) session() *tx {
	t := n.server.begin(n.writer)
	return t
}

// call sends a statement of a transaction; then is told how it ended, once, at the node.
func (n *node) call(t *tx, exec func(t *tx, reply func(error)), then func(error)) *call {
	c := &call{n: n, t: t, since: n.clock(), then: then}
	n.calls = append(n.calls, c)
	life, s := n.life, t.s
	if n.renewing || s != n.server {
		n.do(time.Millisecond, func() { c.finish(errGone) })
		return c
	}
	answer := func(err error) {
		if n.cut || n.server != s && !c.stays {
			return // lost
		}
		n.w.after(n.w.latency(), func() { n.arrive(life, func() { c.finish(err) }) })
	}
	t.broken = func() { answer(errEnded) }
	if n.cut {
		return c
	}
	n.w.after(n.w.latency(), func() {
		s.run(func() {
			if t.over {
				answer(errEnded)
				return
			}
			t.last = n.w.now()
			exec(t, answer)
		})
	})
	return c
}

// run executes a statement when the server is not frozen.
func (s *server) run(fn func()) {
	if wait := s.frozen - s.w.now(); wait > 0 {
		s.w.after(wait+s.w.between(0, time.Millisecond), fn)
		return
	}
	fn()
}

// finish ends a call. After an error the transaction is rolled back, as far as the server hears of it.
func (c *call) finish(err error) {
	if c.done {
		return
	}
	c.done = true
	n := c.n
	for i, o := range n.calls {
		if o == c {
			n.calls = append(n.calls[:i:i], n.calls[i+1:]...)
			break
		}
	}
	if err != nil {
		n.abandon(c.t)
	}
	c.then(err)
}

// abandon closes the connection of a transaction.
func (n *node) abandon(t *tx) {
	t.broken = nil
	if n.cut {
		n.orphan()
		return
	}
	n.w.after(n.w.latency(), func() { t.kill() })
}

// expire gives up statements that were not answered in time.
func (n *node) expire() {
	n.fail(errTimeout, func(c *call) bool { return n.clock()-c.since > timeout })
}

// fail ends calls without their answers.
func (n *node) fail(err error, which func(c *call) bool) {
	var fns []func()
	for _, c := range n.calls {
		if which(c) {
			fns = append(fns, func() { c.finish(err) })
		}
	}
	n.inTurn(fns)
}

// move makes all connections anew, to the server that is the primary now.
func (n *node) move() {
	if !n.up || n.server == n.w.primary {
		return
	}
	if n.frozen {
		n.held = append(n.held, n.move)
		return
	}
	n.w.tracef("%s moves to %s", n, n.w.primary.name)
	n.server, n.renewing = n.w.primary, true
	for _, c := range n.calls {
		if !c.stays {
			c.t.broken = nil
			c.t.kill()
		}
	}
	n.fail(errGone, func(c *call) bool { return !c.stays })
	n.do(time.Millisecond, n.recheck)
}

// recheck is db.Recheck: it raises the incarnation if need be and takes it over.
func (n *node) recheck() {
	if !n.joined { // join raises it
		n.renewing = false
		return
	}
	var number int64
	renewing := n.renewing
	n.renewing = false // for this call alone: nothing else uses the new connections before
	n.call(n.session(), func(t *tx, reply func(error)) {
		t.lock("incarnation", func() {
			number = t.raise()
			t.commit(reply)
		})
	}, func(err error) {
		if err != nil {
			n.do(200*time.Millisecond, n.recheck)
			return
		}
		n.renewing = false
		if number != n.incarnation.Swap(number) {
			n.w.tracef("%s sees incarnation %d", n, number)
			n.cache.DropAll("another history")
			n.core.NewHistory()
		}
		n.poll(nil)
	})
	n.renewing = renewing
}

// tick is what a node does twice a second.
func (n *node) tick() {
	n.do(time.Duration(float64(tick)/n.rate), n.tick)
	n.expire()
	n.ticks++
	n.poll(nil)
	n.contend()
	n.look()
	if n.lease.Acting(n.clock()) {
		for _, o := range n.w.nodes {
			if o != n && o.joined && o.lease.Acting(o.clock()) {
				n.w.failf("%s and %s both act as the master", n, o)
			}
		}
		n.reign()
	}
}

// poll is Log.Poll: then is told of the next read that begins after the call.
func (n *node) poll(then func(error)) {
	if then != nil {
		n.next = append(n.next, then)
	}
	if n.polling {
		if then == nil {
			n.next = append(n.next, func(error) {})
		}
		return
	}
	waiting := n.next
	n.polling, n.next = true, nil
	core, lk, number := n.core, n.core.Look(n.clock()), n.incarnation.Load()
	n.beats++
	beat, writer, ride := n.beats, n.writer, n.ride()
	n.call(n.session(), func(t *tx, reply func(error)) {
		if t.s.data.incarnation != number {
			reply(errHistory)
			return
		}
		if err := lk.Read(t.s.data); err != nil {
			n.w.failf("%v", err)
		}
		n.beat(t, lk.Rebase(), core.Low(), beat, ride, reply)
	}, func(err error) {
		n.polling = false
		if err == nil {
			// What change.Log tells the other nodes: this beat is committed.
			n.broadcast(func(o *node) { o.core.Heard(o.clock(), writer, beat) })
			ride.landed(n)
			var out change.Landed
			out, err = n.core.Land(lk)
			if len(out.Apart) > 0 { // there is one database whose commits are answered
				n.w.failf("%s takes the writers %v for nodes on another database", n, out.Apart)
			}
			if out.Overrun {
				n.w.stats.Overruns++
				n.w.tracef("%s was away for too long", n)
			}
		}
		n.w.tracef("%s has polled: %v, proof %s", n, err, n.core.Proof()-n.offset)
		if errors.Is(err, errHistory) {
			n.recheck()
		}
		for _, then := range waiting {
			then(err)
		}
		if len(n.next) > 0 {
			n.do(20*time.Millisecond, func() {
				if !n.polling {
					n.poll(nil)
				}
			})
		}
	})
}

// beat is the heartbeat behind a read of the log, and its COMMIT.
func (n *node) beat(t *tx, rebase bool, low uint64, beat int64, ride *ride, reply func(error)) {
	t.lock(fmt.Sprint("node ", t.owner), func() {
		t.write(func(d *data) {
			state, found := d.writers[t.owner]
			if found || rebase {
				state.Low, state.Beat = low, max(state.Beat, beat)
				d.writers[t.owner] = state
			}
			m := d.members[t.owner]
			m.Writer, m.Name, m.State, m.Beat = t.owner, n.String(), "up", m.Beat+1
			d.members[t.owner] = m
		})
		ride.read(n, t)
		t.commit(reply)
	})
}

// hear takes a hint.
func (n *node) hear(b []byte) {
	if n.joined && n.core.Hint(b) {
		n.poll(nil)
	}
}

// tell sends what was committed to the others.
func (n *node) tell() {
	for _, b := range n.core.Hints() {
		n.w.stats.Hints++
		n.broadcast(func(o *node) { o.hear(b) })
	}
}

// offer is cache.Options.Offer; loads call it.
func (n *node) offer(b []byte) {
	n.w.mu.Lock()
	n.w.offers = append(n.w.offers, offer{n, n.life, b})
	n.w.mu.Unlock()
}

// offer is a value that a node has loaded and sends to the others.
type offer struct {
	n    *node
	life int
	b    []byte
}

func (o offer) send() {
	o.n.w.stats.Offers++
	o.n.broadcast(func(to *node) {
		if to.joined {
			to.cache.Accept(o.b)
		}
	})
}

// broadcast sends a message to the other nodes, who may or may not hear it.
func (n *node) broadcast(hear func(o *node)) {
	w := n.w
	for _, o := range w.nodes {
		if o == n || !o.up {
			continue
		}
		copies := 1
		if w.chance(w.plan.duplicate) {
			copies = 2
		}
		if w.sides[n.index] != w.sides[o.index] || w.chance(w.plan.drop) {
			copies = 0
			w.stats.Lost++
		}
		for range copies {
			o.do(w.between(50*time.Microsecond, 300*time.Microsecond+w.plan.late), func() { hear(o) })
		}
	}
}
