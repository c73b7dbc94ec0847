package change

import (
	"context"
	"sync"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// own gives out the numbers of this process's write transactions and knows which are settled.
type own struct {
	writer int64

	mu   sync.Mutex
	last uint64
	open map[uint64]*pending
}

// pending is a number whose outcome is not known yet.
type pending struct {
	changes []db.Change
	at      time.Time
	unsure  bool    // its COMMIT was not answered and a settlement failed
	takes   bool    // it takes something away
	by      stoa.ID // who made it; 0: the portal itself
	again   []func(ctx context.Context, tx *db.Tx) error
}

func newOwn(writer int64) *own { return &own{writer: writer, open: map[uint64]*pending{}} }

// begin gives the next number and the low that goes with it.
func (o *own) begin(at time.Time, changes []db.Change) (n, low uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last++
	o.open[o.last] = &pending{changes: changes, at: at}
	return o.last, o.lowLocked()
}

// madeBy notes who made the transaction of the open number n.
func (o *own) madeBy(n uint64, by stoa.ID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if p := o.open[n]; p != nil {
		p.by = by
	}
}

// takesAway notes that the open number n takes something away, and how to do that again.
func (o *own) takesAway(n uint64, again []func(ctx context.Context, tx *db.Tx) error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if p := o.open[n]; p != nil {
		p.takes, p.again = true, again
	}
}

// low is the number below which every one is settled. It never falls.
func (o *own) low() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lowLocked()
}

func (o *own) lowLocked() uint64 {
	low := o.last + 1
	for n := range o.open {
		low = min(low, n)
	}
	return low
}

// pending gives what is known of an open number, nil when it is settled.
func (o *own) pending(n uint64) *pending {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.open[n]
}

// settle closes a number; it reports whether it was open.
func (o *own) settle(n uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, found := o.open[n]
	delete(o.open, n)
	return found
}

// doubt notes that the outcome of n could not be found out.
func (o *own) doubt(n uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if p := o.open[n]; p != nil {
		p.unsure = true
	}
}

// doubtful lists the numbers whose outcome must still be found out.
func (o *own) doubtful() (ns []uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for n, p := range o.open {
		if p.unsure {
			ns = append(ns, n)
		}
	}
	return ns
}

// applied reports whether a number of this process is settled.
func (o *own) applied(n uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return n > 0 && n <= o.last && o.open[n] == nil
}
