package simtest

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/cluster"
)

// ride is what a heartbeat does beside its beat: it looks at the members and renews the lease or looks at it.
type ride struct {
	sent  time.Duration // when the heartbeat was sent
	epoch int64         // to renew; 0 = look
	due   bool          // the lease is to be looked after

	seen    time.Duration
	members []cluster.Member
	row     cluster.LeaseRow
	kept    bool
	skipped bool // another transaction holds the row
}

// ride is decided before the heartbeat is sent.
func (n *node) ride() *ride {
	r := &ride{sent: n.clock()}
	if r.due = n.rode == 0 || r.sent-n.rode >= tick*8/10; r.due && n.lease.Renewing(r.sent) {
		r.epoch = n.lease.Epoch()
	}
	return r
}

// read is done in the transaction.
func (r *ride) read(n *node, t *tx) {
	r.seen, r.row = n.clock(), t.s.data.lease
	for _, w := range slices.Sorted(maps.Keys(t.s.data.members)) {
		r.members = append(r.members, t.s.data.members[w])
	}
	if r.epoch == 0 || r.row.Holder != t.owner || r.row.Epoch != r.epoch {
		return
	}
	if r.skipped = t.s.locks["lease"] != nil; r.skipped {
		return
	}
	r.kept = true
	t.fence(r.epoch, func(err error) {
		if err != nil {
			n.w.failf("the row of a lease that is free cannot be renewed: %v", err)
		}
	})
}

// landed is done when the COMMIT has returned.
func (r *ride) landed(n *node) {
	if r.sent >= n.lookedAt {
		n.lookedAt = r.sent
		n.roster.Saw(r.seen, r.members)
	}
	switch {
	case !r.due || r.skipped:
	case r.epoch == 0:
		n.rode = r.seen
		n.lease.SawWith(r.seen, r.row)
		n.contend()
	default:
		if n.lease.RenewedWith(r.sent, r.epoch, r.kept) {
			n.rode = r.sent
		}
	}
}

// contend is Lease.advance: it renews the lease, or looks at it and claims it when it may. While heartbeats look after
// the lease there is nothing to do but to claim it.
func (n *node) contend() {
	sent := n.clock()
	if n.leasing || n.rode != 0 && sent-n.rode < 2*tick && !n.lease.Claimable(sent) {
		return
	}
	n.leasing = true
	if n.lease.Renewing(sent) {
		epoch, kept := n.lease.Epoch(), false
		n.call(n.session(), func(t *tx, reply func(error)) {
			t.fence(epoch, func(err error) {
				kept = err == nil
				t.commit(reply)
			})
		}, func(err error) {
			n.leasing = false
			if err == nil {
				n.lease.Renewed(sent, kept)
			}
		})
		return
	}
	var row cluster.LeaseRow
	n.call(n.session(), func(t *tx, reply func(error)) {
		row = t.s.data.lease
		t.commit(reply)
	}, func(err error) {
		n.leasing = false
		if err != nil {
			return
		}
		now := n.clock()
		n.lease.Saw(now, row)
		if n.lease.Claimable(now) {
			n.claim(now)
		}
	})
}

func (n *node) claim(sent time.Duration) {
	n.leasing = true
	seen, want := n.lease.Claim()
	won := false
	n.call(n.session(), func(t *tx, reply func(error)) {
		if seen.Holder != 0 && seen.Holder != t.owner {
			t.s.endSessions(seen.Holder)
		}
		t.lock("lease", func() {
			if won = t.s.data.lease == seen; won {
				t.write(func(d *data) { n.w.reign(d, want) })
			}
			t.commit(reply)
		})
	}, func(err error) {
		n.leasing = false
		if err == nil {
			n.lease.Claimed(sent, want, won)
			n.w.tracef("%s claims the lease: %v, epoch %d", n, won, want.Epoch)
		}
	})
}

// reign puts a new holder into the lease. An epoch that is won twice lets old fences hold again.
func (w *Simulation) reign(d *data, want cluster.LeaseRow) {
	if want.Epoch <= d.lease.Epoch {
		w.failf("epoch %d is won by %d after epoch %d of %d: what was begun under the old one can still take effect",
			want.Epoch, want.Holder, d.lease.Epoch, d.lease.Holder)
	}
	if d.lease.Holder != 0 && d.lease.Holder != want.Holder {
		w.stats.Takeovers++
	}
	d.lease = want
}

// fence is Fence.Apply: a write on the row of the lease, which the database orders with a takeover.
func (t *tx) fence(epoch int64, then func(error)) {
	t.lock("lease", func() {
		if l := t.s.data.lease; l.Holder != t.owner || l.Epoch != epoch {
			then(errFenced)
			return
		}
		t.write(func(d *data) { d.lease.Beat++ })
		then(nil)
	})
}

// look is Node.look: who lives, by whether the beats change.
func (n *node) look() {
	began := n.clock()
	if n.looking || n.lookedAt != 0 && began-n.lookedAt < 2*tick { // heartbeats do it
		return
	}
	n.looking = true
	var rows []cluster.Member
	n.call(n.session(), func(t *tx, reply func(error)) {
		for _, w := range slices.Sorted(maps.Keys(t.s.data.members)) {
			rows = append(rows, t.s.data.members[w])
		}
		t.commit(reply)
	}, func(err error) {
		n.looking = false
		if err == nil && began >= n.lookedAt {
			n.lookedAt = began
			n.roster.Saw(n.clock(), rows)
		}
	})
}

// reign is what the master does: work that takes effect once, the sweep, and pruning.
func (n *node) reign() {
	switch epoch := n.lease.Epoch(); n.ticks % 4 {
	case 0, 2:
		n.work(epoch)
	case 1:
		n.sweep(epoch)
	case 3:
		n.prune(epoch)
	}
}

// work does what is due once: the statements, the fence and the COMMIT are sent one after the other, and
// anything can come between.
func (n *node) work(epoch int64) {
	fire := int(n.w.now() / time.Second)
	t := n.session()
	n.call(t, func(t *tx, reply func(error)) {
		t.lock(fmt.Sprint("fire ", fire), func() {
			if t.s.data.fires[fire] {
				reply(errFenced) // it is done
				return
			}
			t.write(func(d *data) { t.s.w.effect(d, fire, t.owner, epoch) })
			reply(nil)
		})
	}, func(err error) {
		if err != nil {
			return
		}
		n.call(t, func(t *tx, reply func(error)) { t.fence(epoch, reply) }, func(err error) {
			if err == nil {
				n.call(t, func(t *tx, reply func(error)) { t.commit(reply) }, func(error) {})
			}
		})
	})
}

// effect is what fenced work does to the database.
func (w *Simulation) effect(d *data, fire int, holder, epoch int64) {
	w.stats.Effects++
	if d.fires[fire] {
		w.failf("the fire time %d takes effect a second time", fire)
	}
	if d.lease.Holder != holder || d.lease.Epoch != epoch {
		w.failf("work of epoch %d takes effect in epoch %d", epoch, d.lease.Epoch)
	}
	d.fires[fire] = true
}

// sweep is Node.Sweep, and Log.WriteTombstones for those it declares dead.
func (n *node) sweep(epoch int64) {
	for _, m := range n.roster.Members() {
		if m.Self || m.Live || m.State != "up" {
			continue
		}
		n.call(n.session(), func(t *tx, reply func(error)) {
			if t.s.data.members[m.Writer].Beat != m.Beat {
				reply(errFenced)
				return
			}
			t.s.endSessions(m.Writer)
			t.lock(fmt.Sprint("node ", m.Writer), func() {
				if now := t.s.data.members[m.Writer]; now.Beat != m.Beat || now.Epoch != m.Epoch {
					reply(errFenced)
					return
				}
				t.fence(epoch, func(err error) {
					if err != nil {
						reply(err)
						return
					}
					t.write(func(d *data) {
						m := d.members[m.Writer]
						m.State, m.Epoch = "dead", m.Epoch+1
						d.members[m.Writer] = m
					})
					t.commit(reply)
				})
			})
		}, func(err error) {
			if err == nil {
				n.w.tracef("%s declares %s, writer %d, dead", n, m.Name, m.Writer)
				n.writeTombstones(m.Writer)
			}
		})
	}
}

// writeTombstones is Log.WriteTombstones.
func (n *node) writeTombstones(writer int64) {
	var gaps []uint64
	var head uint64
	n.call(n.session(), func(t *tx, reply func(error)) {
		var err error
		if gaps, head, err = change.Unsettled(t.s.data, writer); err != nil {
			n.w.failf("%v", err)
		}
		t.commit(reply)
	}, func(err error) {
		if err == nil && head != 0 {
			n.writeEach(writer, gaps, gaps, head)
		}
	})
}

func (n *node) writeEach(writer int64, gaps, left []uint64, head uint64) {
	if len(left) == 0 {
		n.call(n.session(), func(t *tx, reply func(error)) {
			t.write(func(d *data) {
				state, found := d.writers[writer]
				if found {
					state.Low = max(state.Low, head+1)
					d.writers[writer] = state
				}
			})
			t.commit(reply)
		}, func(error) {})
		return
	}
	n.entomb(change.Row{Writer: writer, N: left[0], Low: gaps[0]}, func(_ bool, err error) {
		if err == nil {
			n.writeEach(writer, gaps, left[1:], head)
		}
	})
}

// entomb writes a tombstone unless the number was committed, which the database knows when no
// transaction holds its key any more.
func (n *node) entomb(row change.Row, then func(committed bool, err error)) {
	committed := false
	n.call(n.session(), func(t *tx, reply func(error)) {
		t.lock(key(row.Writer, row.N), func() {
			if rows := t.s.data.log[row.Writer][row.N]; rows != nil {
				committed = rows[0].Kind != ""
				t.end()
				reply(nil)
				return
			}
			if row.N < t.s.data.writers[row.Writer].Horizon {
				reply(change.ErrForgotten)
				return
			}
			at := n.w.now()
			t.write(func(d *data) { d.append([]change.Row{row}, at) })
			t.commit(reply)
		})
	}, func(err error) { then(committed, err) })
}

func key(writer int64, n uint64) string { return fmt.Sprint("log ", writer, " ", n) }

// prune is Log.Prune: it moves the horizon in the transaction that removes rows.
func (n *node) prune(epoch int64) {
	n.call(n.session(), func(t *tx, reply func(error)) {
		t.fence(epoch, func(err error) {
			if err != nil {
				reply(err)
				return
			}
			old := n.w.now() - keep
			t.write(func(d *data) {
				for w, state := range d.writers {
					for _, n := range slices.Sorted(maps.Keys(d.log[w])) {
						p := change.Position{Writer: w, N: n}
						if n >= state.Low || d.written[p] >= old {
							break
						}
						delete(d.log[w], n)
						delete(d.written, p)
						state.Horizon = n + 1
					}
					d.writers[w] = state
				}
			})
			t.commit(reply)
		})
	}, func(error) {})
}
