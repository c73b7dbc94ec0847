package cluster

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stoa-portal/stoa/db"
)

// ErrFenced says that a transaction was rolled back because its node is not the holder any more.
var ErrFenced = errors.New("this node lost its lease, so the transaction was rolled back")

// Fence makes transactions fail once the lease, or the life of the node, they were begun under is over.
// The zero Fence lets nothing through.
type Fence struct {
	update string
	args   []any
	what   string
	epoch  int64
}

// Epoch numbers the times that the lease was taken: who has it after another has a higher one, as long as the database
// loses nothing. Where work under a lease is put into an order outside of the database, it comes after the incarnation.
func (f Fence) Epoch() int64 { return f.epoch }

// Apply makes the fence the last statement of the transaction. It is a write: the database orders it
// with a takeover, which a read does not do (rule 24).
func (f Fence) Apply(tx *db.Tx) { tx.Fence(f.pass) }

func (f Fence) pass(ctx context.Context, tx *db.Tx) error {
	if f.update == "" {
		return fmt.Errorf("%w: there is no lease", ErrFenced)
	}
	n, err := tx.Affected(ctx, f.update, f.args...)
	if err != nil {
		return fmt.Errorf("fence of %s: %w", f.what, err)
	}
	if n != 1 {
		return fmt.Errorf("%w: %s", ErrFenced, f.what)
	}
	return nil
}

// Lease is a right that at most one node of the cluster has at a time. No clocks of different machines
// are compared. It is safe for concurrent use.
type Lease struct {
	name  string
	d     *db.DB
	clock func() time.Duration
	// lookOn: this node never claims it.
	lookOn bool

	step sync.Mutex // one look or renewal at a time

	wake chan struct{} // it may be claimed

	mu      sync.Mutex
	core    LeaseCore
	rode    time.Duration // when it was renewed or looked at with a heartbeat last
	changed chan struct{} // closed and replaced when held or epoch may have changed
}

func newLease(d *db.DB, name string, holder int64, clock func() time.Duration) *Lease {
	return &Lease{name: name, d: d, clock: clock, core: NewLeaseCore(holder), wake: make(chan struct{}, 1),
		changed: make(chan struct{})}
}

// Held reports whether this node may act under the lease now. It is advice: the answer can be over the
// moment it is given; only a Fence holds.
func (l *Lease) Held() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.core.Acting(l.clock())
}

// Holder is the writer that had the lease when this node last looked, 0 when no writer had it.
func (l *Lease) Holder() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.core.Acting(l.clock()) {
		return l.core.me
	}
	if l.core.row.Holder == l.core.me {
		return 0 // it ran out, or was given back
	}
	return l.core.row.Holder
}

// state gives the epoch and how long this node may act yet, and a channel closed at the next change.
func (l *Lease) state() (epoch int64, left time.Duration, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock()
	if l.core.Acting(now) {
		left = holdLimit - (now - l.core.sent)
	}
	return l.core.epoch, left, l.changed
}

func (l *Lease) update(fn func(c *LeaseCore)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fn(&l.core)
	close(l.changed)
	l.changed = make(chan struct{})
}

// run renews or contends until ctx ends, then gives the lease back. Heartbeats do most of it (ride); when none has
// for a while, or the lease may be claimed, it is done here.
func (l *Lease) run(ctx context.Context, failed func(error)) {
	tick := time.NewTicker(leaseTick)
	defer tick.Stop()
	for {
		if !l.riding() {
			// A renewal that takes longer than this is worth nothing.
			sctx, cancel := context.WithTimeout(ctx, holdLimit)
			err := l.advance(sctx)
			cancel()
			if ctx.Err() == nil {
				failed(err)
			}
		}
		select {
		case <-ctx.Done():
			rctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), holdLimit)
			defer cancel()
			_ = l.release(rctx) // otherwise it runs out by itself
			return
		case <-tick.C:
		case <-l.wake:
		}
	}
}

// advance renews a lease that is held, and otherwise looks at it and claims it when it may.
func (l *Lease) advance(ctx context.Context) error {
	l.step.Lock()
	defer l.step.Unlock()
	var renewing bool
	l.update(func(c *LeaseCore) { renewing = c.Renewing(l.clock()) })
	if renewing {
		return l.renew(ctx)
	}
	row, err := l.read(ctx)
	if err != nil {
		return err
	}
	var claim bool
	var seen, want LeaseRow
	l.update(func(c *LeaseCore) {
		now := l.clock()
		c.Saw(now, row)
		claim = c.Claimable(now)
		seen, want = c.Claim()
	})
	if !claim || l.lookOn {
		return nil
	}
	return l.claim(ctx, seen, want)
}

func (l *Lease) read(ctx context.Context) (row LeaseRow, err error) {
	err = l.d.Control(ctx, func(tx *db.Tx) error {
		err := tx.QueryRow(ctx, "SELECT holder, epoch, beat FROM cluster_lease WHERE name = ?", l.name).Scan(&row.Holder, &row.Epoch, &row.Beat)
		if errors.Is(err, sql.ErrNoRows) {
			row = LeaseRow{}
			return nil
		}
		return err
	})
	if err != nil {
		return row, fmt.Errorf("look at the lease %s: %w", l.name, err)
	}
	return row, nil
}

func (l *Lease) claim(ctx context.Context, seen, want LeaseRow) error {
	var endErr error
	if seen.Holder != 0 && seen.Holder != want.Holder {
		// A transaction of the old holder that has passed its fence holds the row until its COMMIT, which
		// may never come. Where its session cannot be ended, the claim waits for the server's time-out.
		_, endErr = l.d.EndSessions(ctx, seen.Holder)
	}
	sent := l.clock()
	won := false
	err := l.d.Control(ctx, func(tx *db.Tx) error {
		if seen == (LeaseRow{}) {
			var err error
			won, err = tx.InsertIgnore(ctx, "cluster_lease", db.Row{"name": l.name, "holder": want.Holder, "epoch": want.Epoch, "beat": want.Beat})
			return err
		}
		n, err := tx.Affected(ctx, "UPDATE cluster_lease SET holder = ?, epoch = ?, beat = ? WHERE name = ? AND holder = ? AND epoch = ? AND beat = ?",
			want.Holder, want.Epoch, want.Beat, l.name, seen.Holder, seen.Epoch, seen.Beat)
		won = n == 1
		return err
	})
	if err != nil {
		// It may have happened all the same: then the row shows this node, and is claimed again.
		return errors.Join(fmt.Errorf("claim the lease %s: %w", l.name, err), endErr)
	}
	l.update(func(c *LeaseCore) { c.Claimed(sent, want, won) })
	return endErr
}

const touchLease = "UPDATE cluster_lease SET beat = beat + 1 WHERE name = ? AND holder = ? AND epoch = ?"

func (l *Lease) renew(ctx context.Context) error {
	l.mu.Lock()
	holder, epoch := l.core.me, l.core.epoch
	l.mu.Unlock()
	sent := l.clock()
	var n int64
	err := l.d.Control(ctx, func(tx *db.Tx) (err error) {
		n, err = tx.Affected(ctx, touchLease, l.name, holder, epoch)
		return err
	})
	if err != nil {
		return fmt.Errorf("renew the lease %s: %w", l.name, err)
	}
	l.update(func(c *LeaseCore) { c.Renewed(sent, n == 1) })
	return nil
}

// release gives the lease back, so that others need not wait for it to run out. What was begun under
// it is fenced from then on.
func (l *Lease) release(ctx context.Context) error {
	l.step.Lock()
	defer l.step.Unlock()
	var holder, epoch int64
	l.update(func(c *LeaseCore) {
		holder, epoch = c.me, c.epoch
		c.Release()
	})
	if epoch == 0 {
		return nil
	}
	return l.d.Control(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE cluster_lease SET holder = 0, epoch = epoch + 1, beat = beat + 1 WHERE name = ? AND holder = ? AND epoch = ?", l.name, holder, epoch)
		return err
	})
}

// Run calls fn while this node has the lease: with a context that ends when the node may not act any
// more, and with the Fence that every transaction of fn must carry. When the lease was lost, Run waits
// for fn to return, and calls it again once the lease is won again. It returns when fn returned for a
// reason of its own, with fn's error, or nil when ctx ended.
func (l *Lease) Run(ctx context.Context, fn func(ctx context.Context, fence Fence) error) error {
	for {
		epoch, left, changed := l.state()
		if left <= 0 {
			select {
			case <-ctx.Done():
				return nil
			case <-changed:
				continue
			}
		}
		lost, err := l.runOnce(ctx, epoch, fn)
		if ctx.Err() != nil {
			return nil
		}
		if !lost {
			return err
		}
	}
}

func (l *Lease) runOnce(ctx context.Context, epoch int64, fn func(ctx context.Context, fence Fence) error) (lost bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var watch sync.WaitGroup
	watch.Go(func() {
		for {
			now, left, changed := l.state()
			if now != epoch || left <= 0 {
				cancel(ErrFenced)
				return
			}
			// A timer stands still while the machine sleeps, so look at the clock often.
			timer := time.NewTimer(min(left, 100*time.Millisecond))
			select {
			case <-ctx.Done():
			case <-changed:
			case <-timer.C:
			}
			timer.Stop()
			if ctx.Err() != nil {
				return
			}
		}
	})
	err = fn(ctx, l.fence(epoch))
	lost = errors.Is(context.Cause(ctx), ErrFenced) || errors.Is(err, ErrFenced)
	cancel(nil)
	watch.Wait()
	return lost, err
}

func (l *Lease) fence(epoch int64) Fence {
	return Fence{update: touchLease, args: []any{l.name, l.core.me, epoch}, what: "lease " + l.name, epoch: epoch}
}
