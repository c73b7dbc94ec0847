package cluster

import "time"

// Times of a lease. A holder stops before a contender may begin, with room for clocks of different
// rates: 2 s on the slowest against 2.5 s on the fastest allows 11 % either way.
const (
	holdLimit     = 2 * time.Second         // the holder acts this long after its last renewal was sent
	takeoverAfter = 2500 * time.Millisecond // a contender must have seen no change for this long
	leaseTick     = 500 * time.Millisecond  // between renewals, and between looks of a contender
	blindAfter    = 2 * time.Second         // a contender that did not see the row for longer begins to count anew
)

// leaseRow is a lease as the database has it; the zero value is "no row yet".
type leaseRow struct{ holder, epoch, beat int64 }

// leaseCore decides what a node does about one lease. It does no I/O and reads no clock, so that tests
// replay it from a seed. All times are of the node's own clock.
type leaseCore struct {
	me int64

	row    leaseRow      // as seen last
	seen   bool          // row was read at least once
	since  time.Duration // when row was first seen so
	looked time.Duration // when row was seen last

	held  bool
	epoch int64
	sent  time.Duration // when the newest renewal that was confirmed had been sent
}

// acting reports whether the node may act as the holder at now.
func (c *leaseCore) acting(now time.Duration) bool { return c.held && now-c.sent <= holdLimit }

// renewing reports whether the next thing to do is a renewal; otherwise it is a look at the row. A
// holder whose time is over must win the lease anew, with a new epoch.
func (c *leaseCore) renewing(now time.Duration) bool {
	if c.held && !c.acting(now) {
		c.held = false
	}
	return c.held
}

// saw is told what a read of the row that has just ended showed.
func (c *leaseCore) saw(now time.Duration, row leaseRow) {
	if !c.seen || row != c.row || now-c.looked > blindAfter {
		// Not when the read was sent: the beat may have been raised after that. And when the database, or
		// this machine, stood still, so did the holder's renewals.
		c.row, c.seen, c.since = row, true, now
	}
	c.looked = now
}

// claimable reports whether the lease may be claimed by compare-and-set on the row as seen.
func (c *leaseCore) claimable(now time.Duration) bool {
	if !c.seen || c.held {
		return false
	}
	return c.row.holder == 0 || c.row.holder == c.me || now-c.since >= takeoverAfter
}

// claim is the row that a claim writes over the one seen.
func (c *leaseCore) claim() leaseRow {
	return leaseRow{holder: c.me, epoch: c.row.epoch + 1, beat: c.row.beat + 1}
}

// claimed is told that the COMMIT of a claim sent at sent has returned. won is false when another node
// was faster.
func (c *leaseCore) claimed(sent time.Duration, row leaseRow, won bool) {
	c.seen = false // look again, either way
	if won {
		c.held, c.epoch, c.sent = true, row.epoch, sent
	}
}

// renewed is told that the COMMIT of a renewal sent at sent has returned. kept is false when the row
// belongs to another holder or epoch. A renewal without an answer is not reported at all.
func (c *leaseCore) renewed(sent time.Duration, kept bool) {
	if !kept {
		c.held, c.seen = false, false
		return
	}
	c.sent = sent
}

// release is told that the node gave the lease back.
func (c *leaseCore) release() { c.held, c.seen = false, false }
