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

// LeaseRow is a lease as the database has it; the zero value is "no row yet".
type LeaseRow struct{ Holder, Epoch, Beat int64 }

// LeaseCore decides what a node does about one lease. It does no I/O and reads no clock, so that tests
// and simulations replay it from a seed. All times are of the node's own clock. A Lease is a LeaseCore
// with a database and a clock.
type LeaseCore struct {
	me int64

	row    LeaseRow      // as seen last
	seen   bool          // row was read at least once
	since  time.Duration // when row was first seen so
	looked time.Duration // when row was seen last

	held  bool
	epoch int64
	sent  time.Duration // when the newest renewal that was confirmed had been sent
}

// NewLeaseCore gives the part in a lease of the process life with that number.
func NewLeaseCore(me int64) LeaseCore { return LeaseCore{me: me} }

// Epoch is the number of the newest term that this node won.
func (c *LeaseCore) Epoch() int64 { return c.epoch }

// Acting reports whether the node may act as the holder at now.
func (c *LeaseCore) Acting(now time.Duration) bool { return c.held && now-c.sent <= holdLimit }

// Renewing reports whether the next thing to do is a renewal; otherwise it is a look at the row. A
// holder whose time is over must win the lease anew, with a new epoch.
func (c *LeaseCore) Renewing(now time.Duration) bool {
	if c.held && !c.Acting(now) {
		c.held = false
	}
	return c.held
}

// Saw is told what a read of the row that has just ended showed.
func (c *LeaseCore) Saw(now time.Duration, row LeaseRow) {
	if !c.seen || row != c.row || now-c.looked > blindAfter {
		// Not when the read was sent: the beat may have been raised after that. And when the database, or
		// this machine, stood still, so did the holder's renewals.
		c.row, c.seen, c.since = row, true, now
	}
	c.looked = now
}

// Claimable reports whether the lease may be claimed by compare-and-set on the row as seen.
func (c *LeaseCore) Claimable(now time.Duration) bool {
	if !c.seen || c.held {
		return false
	}
	return c.row.Holder == 0 || c.row.Holder == c.me || now-c.since >= takeoverAfter
}

// Claim is the row as seen, and the one that a claim writes over it if it is still so.
func (c *LeaseCore) Claim() (seen, want LeaseRow) {
	return c.row, LeaseRow{Holder: c.me, Epoch: c.row.Epoch + 1, Beat: c.row.Beat + 1}
}

// Claimed is told that the COMMIT of a claim sent at sent has returned. won is false when another node
// was faster.
func (c *LeaseCore) Claimed(sent time.Duration, row LeaseRow, won bool) {
	c.seen = false // look again, either way
	if won {
		c.held, c.epoch, c.sent = true, row.Epoch, sent
	}
}

// Renewed is told that the COMMIT of a renewal sent at sent has returned. kept is false when the row
// belongs to another holder or epoch. A renewal without an answer is not reported at all.
func (c *LeaseCore) Renewed(sent time.Duration, kept bool) {
	if !kept {
		c.held, c.seen = false, false
		return
	}
	c.sent = sent
}

// SawWith is Saw for a row that a heartbeat read at seen, of which the COMMIT has returned since: beside it something
// newer may have been seen, or the lease won.
func (c *LeaseCore) SawWith(seen time.Duration, row LeaseRow) {
	if !c.held && seen >= c.looked {
		c.Saw(seen, row)
	}
}

// RenewedWith is Renewed for a renewal of the epoch in a heartbeat, beside which another may have been confirmed, or
// the lease lost and won again. It reports whether it counts.
func (c *LeaseCore) RenewedWith(sent time.Duration, epoch int64, kept bool) bool {
	if !c.held || c.epoch != epoch || kept && sent < c.sent {
		return false
	}
	c.Renewed(sent, kept)
	return true
}

// Release is told that the node gave the lease back.
func (c *LeaseCore) Release() { c.held, c.seen = false, false }
