package change

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// flights keeps reads of the log to one in flight and one waiting.
type flights struct {
	mu     sync.Mutex
	next   *flight       // begins when the one in flight has ended; callers join it
	freed  chan struct{} // held by the flight in progress
	begun  time.Duration // Clock when the newest one began
	flying bool          // it has not ended
}

type flight struct {
	done chan struct{}
	err  error
}

// Poll reads the log once: it joins the next read that begins after the call, at least MinPollGap after
// the one before. When it returns nil, everything committed before the call is applied on this node.
func (l *Log) Poll(ctx context.Context) error {
	f, err := l.board()
	if err != nil {
		return err
	}
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Hangs reports whether the read of the log in flight has waited for the database for longer than Bound: a caller
// that joins the next one cannot expect it to be answered sooner.
func (l *Log) Hangs() bool {
	l.flight.mu.Lock()
	defer l.flight.mu.Unlock()
	return l.flight.flying && l.opt.Clock()-l.flight.begun > Bound
}

// Refresh makes sure that the log is read soon, without waiting for it: messages may have been lost.
func (l *Log) Refresh() { l.ask() }

// ask makes sure that a read begins soon, without waiting for it.
func (l *Log) ask() { _, _ = l.board() }

var errClosed = errors.New("the change log is closed")

func (l *Log) board() (*flight, error) {
	l.flight.mu.Lock()
	defer l.flight.mu.Unlock()
	if l.ctx.Err() != nil {
		return nil, errClosed
	}
	if l.flight.next == nil {
		f := &flight{done: make(chan struct{})}
		l.flight.next = f
		l.wg.Go(func() { l.fly(f) })
	}
	return l.flight.next, nil
}

// fly waits for its turn, closes the door and reads.
func (l *Log) fly(f *flight) {
	defer close(f.done)
	f.err = errClosed
	select {
	case l.flight.freed <- struct{}{}:
		defer func() { <-l.flight.freed }()
	case <-l.ctx.Done():
		return
	}
	l.flight.mu.Lock()
	wait := l.flight.begun + l.opt.MinPollGap - l.opt.Clock()
	first := l.flight.begun == 0
	l.flight.mu.Unlock()
	if wait > 0 && !first {
		timer := time.NewTimer(min(wait, l.opt.MinPollGap))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-l.ctx.Done():
			return
		}
	}
	l.flight.mu.Lock()
	l.flight.next = nil
	l.flight.begun, l.flight.flying = l.opt.Clock(), true
	l.flight.mu.Unlock()
	defer func() {
		l.flight.mu.Lock()
		l.flight.flying = false
		l.flight.mu.Unlock()
	}()
	ctx, cancel := context.WithTimeout(l.ctx, l.opt.PollTimeout)
	defer cancel()
	answered, err := l.prove(ctx)
	f.err = err
	took := l.opt.Clock() - l.flight.begun
	l.core.stats.poll(took, err)
	if took > Bound && err == nil { // an error is told by Run
		l.log.Warn("a proof of freshness took long: caches were bypassed, and visitors may have been answered 503",
			"took", took.Round(time.Millisecond), "database", (answered - l.flight.begun).Round(time.Millisecond))
	}
}

// prove reads the log and commits the heartbeat in one transaction, applies the rows, and dates the
// proof when the transaction was sent (rules 12 and 13). answered is when the database had done its part.
func (l *Log) prove(ctx context.Context) (answered time.Duration, err error) {
	lk := l.core.Look(l.opt.Clock())
	see := func(q db.Queryer) error {
		if err := l.causal(ctx, q); err != nil {
			return err
		}
		if err := l.sameView(ctx, q); err != nil {
			return err
		}
		if err := l.sameIncarnation(ctx, q); err != nil {
			return err
		}
		return lk.Read(sqlSource{ctx, q})
	}
	var h heartbeat
	beside := l.d.Dialect() == db.SQLite && !lk.rebase
	if beside {
		// The file is the only history there is: a plain read proves as much as a commit, and must not
		// wait for a long transaction that writes. The heartbeat is for other handles of a test.
		if err = see(l.d); err == nil {
			err = l.beatBeside(lk.sent)
		}
	} else {
		err = l.control(ctx, func(tx *db.Tx) (err error) {
			if err := see(tx); err != nil {
				return err
			}
			if lk.rebase { // a restored database may never have heard of this writer
				if err := l.register(ctx, tx); err != nil {
					return err
				}
			}
			h, err = l.beat(ctx, tx)
			return err
		})
	}
	answered = l.opt.Clock()
	if errors.Is(err, errIncarnation) {
		if err := l.d.Recheck(ctx); err != nil {
			return answered, err
		}
	}
	if err != nil {
		return answered, err
	}
	if !beside {
		l.d.BeatSent(l.Writer(), h.beat, lk.sent)
		l.alive(h)
	}
	return answered, l.land(lk)
}

var errIncarnation = errors.New(
	"the database belongs to another incarnation than this node knew: everything cached is read again",
)

// sameIncarnation sees a restore, a fail-over, or another database behind the same connection: by the word of
// the history, and by this writer's own heartbeat, which never goes back.
func (l *Log) sameIncarnation(ctx context.Context, q db.Queryer) error {
	var token string
	var number, beat int64
	known := l.d.Beat(l.Writer())
	err := q.QueryRow(ctx, "SELECT i.number, i.token, COALESCE("+
		"(SELECT w.beat FROM change_writer w WHERE w.writer = ?), -1) "+
		"FROM db_incarnation i WHERE i.id = 1", l.Writer()).
		Scan(&number, &token, &beat)
	if err != nil {
		return fmt.Errorf("read the incarnation: %w", err)
	}
	if token != l.d.Token() || number != l.d.Incarnation() || beat < known {
		return errIncarnation
	}
	return nil
}

// land applies what was read.
func (l *Log) land(lk *Look) error {
	out, err := l.core.Land(lk)
	if errors.Is(err, ErrOtherHistory) {
		l.ask()
	}
	for _, w := range out.Apart {
		l.apart(w)
	}
	if out.Overrun {
		l.log.Warn("this node was away for longer than the change log is kept: everything cached is dropped")
	}
	for _, c := range out.lost {
		for _, r := range c.rows {
			l.log.Warn("a committed change was lost when the database was replaced",
				"kind", r.Kind, "id", r.ID, "scope", r.Scope, "version", r.Version, "at", r.At)
		}
	}
	if slices.ContainsFunc(out.lost, func(c commit) bool { return len(c.again) > 0 }) {
		l.wg.Go(func() { l.takeAgain(out.lost) }) // the flight is waited for as well, so Close does not miss this
	}
	return err
}

// beat tells the database that this writer lives and how far it is settled. When its transaction was committed,
// alive is called with what it gives.
func (l *Log) beat(ctx context.Context, tx *db.Tx) (h heartbeat, err error) {
	low := l.core.Low()
	h = heartbeat{l.beats.Add(1), db.Micros(l.opt.Now())}
	n, err := tx.Affected(ctx,
		"UPDATE change_writer SET low = ?, beat = CASE WHEN beat < ? THEN ? ELSE beat END, seen = ? WHERE writer = ?",
		int64(low), h.beat, h.beat, h.seen, l.Writer())
	if err != nil {
		return h, fmt.Errorf("publish what is settled: %w", err)
	}
	if n != 1 {
		return h, errNoRow
	}
	if l.opt.Beat != nil {
		if err := l.opt.Beat(ctx, tx, low); err != nil {
			return h, fmt.Errorf("heartbeat: %w", err)
		}
	}
	return h, nil
}

// heartbeat is one of this writer: its number, and when it was by the wall clock.
type heartbeat struct{ beat, seen int64 }

// alive notes that a heartbeat was committed, and tells the other nodes.
func (l *Log) alive(h heartbeat) {
	l.d.Beaten(l.Writer(), h.beat, h.seen)
	l.tell(h.beat)
}

// beatBeside raises the heartbeat of an SQLite database beside the reads, every PollInterval, and gives
// the error of the one before if it means that this node has no place any more.
func (l *Log) beatBeside(now time.Duration) error {
	if l.beaten != 0 && now-l.beaten < l.opt.PollInterval*9/10 || !l.beating.CompareAndSwap(false, true) {
		return nil
	}
	l.beaten = now
	before := l.beatErr
	l.wg.Go(func() { // the flight is waited for as well, so Close does not miss this
		defer l.beating.Store(false)
		ctx, cancel := context.WithTimeout(l.ctx, l.opt.PollTimeout)
		defer cancel()
		var h heartbeat
		l.beatErr = l.d.Control(ctx, func(tx *db.Tx) (err error) { h, err = l.beat(ctx, tx); return err })
		if l.beatErr == nil {
			l.alive(h)
		}
	})
	if before != nil && stoa.KindOf(before) != stoa.KindUnavailable && !errors.Is(before, context.Canceled) {
		return before
	}
	return nil
}
