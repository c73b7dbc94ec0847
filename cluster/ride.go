package cluster

import (
	"context"
	"fmt"
	"time"

	"github.com/stoa-portal/stoa/db"
)

// due is how much of a period must have passed before a heartbeat does again what is done once in it: heartbeats
// come more often under load, and never quite at their time.
func due(since, now, period time.Duration) bool { return since == 0 || now-since >= period*8/10 }

// ride reads the rows of the other nodes, and renews or looks at the leases, in the transaction of a heartbeat. What
// it saw, and what it renewed, counts once the transaction is committed.
func (n *Node) ride(ctx context.Context, tx *db.Tx) error {
	now := n.opt.Clock()
	if n.looking.TryLock() { // otherwise a look is under way
		last := n.lookedAt
		n.looking.Unlock()
		if due(last, now, n.opt.Heartbeat) {
			rows, err := n.read(ctx, tx)
			if err != nil {
				return err
			}
			ended := n.opt.Clock()
			tx.AfterCommit(func() {
				if n.looking.TryLock() {
					defer n.looking.Unlock()
					n.saw(now, ended, rows)
				}
			})
		}
	}
	n.mu.Lock()
	var leases []*Lease
	for _, l := range n.leases {
		if !n.left && due(l.ridden(), now, leaseTick) {
			leases = append(leases, l)
		}
	}
	n.mu.Unlock()
	if len(leases) == 0 {
		return nil
	}
	rows := map[string]LeaseRow{}
	if err := db.Each(ctx, tx, func(s db.Scanner) error {
		var name string
		var row LeaseRow
		err := s.Scan(&name, &row.Holder, &row.Epoch, &row.Beat)
		rows[name] = row
		return err
	}, "SELECT name, holder, epoch, beat FROM cluster_lease"); err != nil {
		return fmt.Errorf("look at the leases: %w", err)
	}
	seen := n.opt.Clock()
	for _, l := range leases {
		if err := l.ride(ctx, tx, seen, rows[l.name]); err != nil {
			return fmt.Errorf("renew the lease %s: %w", l.name, err)
		}
	}
	return nil
}

func (l *Lease) ridden() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rode
}

// riding reports whether heartbeats look after the lease, so that nothing is to be done beside them.
func (l *Lease) riding() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock()
	return l.rode != 0 && now-l.rode < 2*leaseTick && (l.lookOn || !l.core.Claimable(now))
}

// ride takes part in a heartbeat that has read the row at seen. The renewal waits for no other transaction: one
// that holds the row has passed its fence, which raises the beat as well.
func (l *Lease) ride(ctx context.Context, tx *db.Tx, seen time.Duration, row LeaseRow) error {
	var renewing bool
	var epoch int64
	l.update(func(c *LeaseCore) { renewing, epoch = c.Renewing(seen), c.epoch })
	if !renewing {
		tx.AfterCommit(func() { l.rideSaw(seen, row) })
		return nil
	}
	sent := l.clock()
	if row.Holder != l.core.me || row.Epoch != epoch {
		tx.AfterCommit(func() { l.rideRenewed(sent, epoch, false) })
		return nil
	}
	var free int
	err := tx.QueryRow(ctx,
		"SELECT 1 FROM cluster_lease WHERE name = ? AND holder = ? AND epoch = ?"+tx.Dialect().SkipLocked(),
		l.name, l.core.me, epoch).Scan(&free)
	if db.IsNoRows(err) {
		return nil // the next heartbeat will tell; meanwhile the lease is as old as it is
	}
	if err != nil {
		return err
	}
	n, err := tx.Affected(ctx, touchLease, l.name, l.core.me, epoch)
	if err != nil {
		return err
	}
	tx.AfterCommit(func() { l.rideRenewed(sent, epoch, n == 1) })
	return nil
}

func (l *Lease) rideSaw(seen time.Duration, row LeaseRow) {
	l.update(func(c *LeaseCore) {
		l.rode = seen
		c.SawWith(seen, row)
	})
	if !l.riding() {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

func (l *Lease) rideRenewed(sent time.Duration, epoch int64, kept bool) {
	l.update(func(c *LeaseCore) {
		if c.RenewedWith(sent, epoch, kept) {
			l.rode = sent
		}
	})
}
