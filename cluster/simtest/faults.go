package simtest

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// plan is what kind of simulation it is.
type plan struct {
	nodes         int
	trust         bool   // hints count as applied
	replication   string // of the caches
	ring, places  int
	bytes         int64
	visits, edits time.Duration // between two of them, at most

	drop, duplicate float64       // of hints
	late            time.Duration // hints are late by up to this
	slow            float64       // statements that are slow
	slowest         time.Duration
	faults          []string
}

// draw makes the plan of a simulation: calm ones and wild ones, with few kinds of faults or all.
func (w *Simulation) draw() plan {
	p := plan{
		nodes: 2 + w.rand.IntN(3), ring: pick(w, []int{2, 16, 256}), places: pick(w, []int{2, 16}), bytes: pick(w, []int64{2000, 1 << 16}),
		visits: w.between(40*time.Millisecond, 150*time.Millisecond), edits: w.between(150*time.Millisecond, 900*time.Millisecond),
	}
	if w.chance(0.6) {
		p.drop, p.duplicate = pick(w, []float64{0.05, 0.5, 1}), pick(w, []float64{0, 0.3})
	}
	if w.chance(0.5) {
		p.late = pick(w, []time.Duration{5 * time.Millisecond, 200 * time.Millisecond, 5 * time.Second})
	}
	if w.chance(0.5) {
		p.slow, p.slowest = pick(w, []float64{0.02, 0.3}), pick(w, []time.Duration{50 * time.Millisecond, time.Second})
	}
	for _, f := range []string{"freeze", "kill", "cut", "partition", "stall", "freeze the database", "fail over"} {
		if w.chance(0.35) {
			p.faults = append(p.faults, f)
		}
	}
	p.trust, p.replication = w.chance(0.6), pick(w, []string{"invalidate", "copy"})
	return p
}

// latency is how long a statement or its answer is on its way.
func (w *Simulation) latency() time.Duration {
	if w.plan.slow > 0 && w.chance(w.plan.slow) {
		return w.between(time.Millisecond, w.plan.slowest)
	}
	return w.between(80*time.Microsecond, 400*time.Microsecond)
}

// misbehave does one harm, and later the next.
func (w *Simulation) misbehave() {
	if w.now() > active || len(w.plan.faults) == 0 {
		return
	}
	w.after(w.between(200*time.Millisecond, 2500*time.Millisecond), w.misbehave)
	n := pick(w, w.nodes)
	until := w.between(100*time.Millisecond, 6*time.Second)
	switch f := pick(w, w.plan.faults); f {
	case "freeze":
		n.freeze()
		w.after(until, n.thaw)
	case "kill":
		n.kill()
		w.after(min(until, 2*time.Second), n.boot)
	case "cut":
		if !n.cut {
			n.cut = true
			w.tracef("%s is cut from the database", n)
			n.orphan()
			w.after(until, n.mend)
		}
	case "partition":
		for i := range w.sides {
			w.sides[i] = w.rand.IntN(2)
		}
		w.tracef("partition %v", w.sides)
		w.after(until, func() { clear(w.sides) })
	case "stall":
		s := w.primary
		s.stall = max(s.stall, w.now()+until)
		w.tracef("COMMITs on %s wait until %s", s.name, s.stall)
		w.after(until, s.release)
	case "freeze the database":
		w.primary.frozen = max(w.primary.frozen, w.now()+min(until, 3*time.Second))
		w.tracef("%s is frozen until %s", w.primary.name, w.primary.frozen)
	case "fail over":
		w.failOver()
	}
}

// mend ends a cut. Connections that lost something meanwhile are found out by their time-outs.
func (n *node) mend() {
	n.w.tracef("%s reaches the database again", n)
	n.cut = false
}

// failOver promotes the standby. Some nodes notice at once; the others are on the side of the old
// primary, which answers reads until it is demoted.
func (w *Simulation) failOver() {
	if slices.ContainsFunc(w.nodes, func(n *node) bool { return n.up && n.server != w.primary }) {
		return
	}
	w.stats.Failovers++
	old := w.primary
	w.primary = old.promote(fmt.Sprint("s", w.stats.Failovers))
	w.tracef("%s is promoted", w.primary.name)
	demoted := w.between(time.Second, 6*time.Second)
	for _, n := range w.nodes {
		if w.chance(0.5) {
			w.after(w.between(time.Millisecond, 600*time.Millisecond), n.move)
		} else {
			w.after(demoted, n.move)
		}
	}
}

// heal ends all faults.
func (w *Simulation) heal() {
	w.tracef("everything is healed")
	w.plan.drop, w.plan.slow, w.plan.faults = 0, 0, nil
	clear(w.sides)
	w.primary.stall = w.now()
	w.primary.frozen = w.now()
	w.primary.release()
	for _, n := range w.nodes {
		n.cut = false
		n.thaw()
		n.fail(errTimeout, func(*call) bool { return true }) // what was lost is lost
		n.boot()
		n.move()
	}
}

// examine looks at the end: everything that was acknowledged is there, once, nothing that was refused
// is, one node is the master, and every node shows what the database has.
func (w *Simulation) examine() {
	d := w.primary.data
	for id := range w.ledger.saves + 1 {
		acknowledged, told := w.ledger.done[id]
		switch took := d.saves[id]; {
		case took > 1, told && acknowledged != (took == 1):
			w.failf("save %d took effect %d times; it was told %v, acknowledged %v", id, took, told, acknowledged)
		}
	}
	masters := 0
	for _, n := range w.nodes {
		if !n.joined {
			w.failf("%s has not joined by the end", n)
			return
		}
		if n.lease.Acting(n.clock()) {
			masters++
		}
		for i := range int64(articles) {
			w.send(&request{n: n, what: thing{"article", i + 1}, last: true})
		}
		for i := range int64(pages) {
			w.send(&request{n: n, what: thing{"page", i + 1}, last: true})
		}
	}
	if fire := int(w.now() / time.Second); masters != 1 || !d.fires[fire-1] && !d.fires[fire-2] {
		w.failf("%d masters at the end, and the last work was done at %v", masters, slices.Max(slices.Collect(maps.Keys(d.fires))))
	}
}
