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
	flying bool
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
	l.flight.begun = l.opt.Clock()
	l.flight.mu.Unlock()
	ctx, cancel := context.WithTimeout(l.ctx, l.opt.PollTimeout)
	defer cancel()
	f.err = l.prove(ctx)
	l.stats.poll(l.opt.Clock()-l.flight.begun, f.err)
}

// look is what one read of the log saw.
type look struct {
	answers []answer
	gone    []int64
	lost    []commit // own commits that are not in the database
}

// prove reads the log and commits the heartbeat in one transaction, applies the rows, and dates the
// proof when the transaction was sent (coherence rules 12 and 13).
func (l *Log) prove(ctx context.Context) error {
	sent := l.opt.Clock()
	l.mu.Lock()
	// Whoever was away for so long may have missed the whole life of a writer that is forgotten since.
	era, rebase := l.era, l.rebase || sent-time.Duration(l.alive.Load()) > writerLife
	qs := l.reader.questions()
	var recent []commit
	if rebase {
		recent = append(recent, l.recent...)
	}
	l.mu.Unlock()

	see := func(q db.Queryer) (lk look, err error) {
		if err := l.causal(ctx, q); err != nil {
			return lk, err
		}
		if err := l.sameIncarnation(ctx, q); err != nil {
			return lk, err
		}
		if !rebase {
			return l.news(ctx, q, qs)
		}
		if lk.answers, err = l.present(ctx, q); err == nil {
			lk.lost, err = l.missing(ctx, q, recent)
		}
		return lk, err
	}
	var lk look
	var err error
	if l.d.Dialect() == db.SQLite && !rebase {
		// The file is the only history there is: a plain read proves as much as a commit, and must not
		// wait for a long transaction that writes. The heartbeat is for other handles of a test.
		if lk, err = see(l.d); err == nil {
			err = l.beatBeside(sent)
		}
	} else {
		err = l.control(ctx, func(tx *db.Tx) (err error) {
			if lk, err = see(tx); err != nil {
				return err
			}
			if rebase { // a restored database may never have heard of this writer
				if err := l.register(ctx, tx); err != nil {
					return err
				}
			}
			return l.beat(ctx, tx)
		})
	}
	if errors.Is(err, errIncarnation) {
		if err := l.d.Recheck(ctx); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	l.alive.Store(int64(sent))
	return l.land(lk, recent, era, rebase, sent)
}

var errIncarnation = errors.New("the database belongs to another incarnation than this node knew: everything cached is read again")

// sameIncarnation sees a restore or a fail-over that this process did not notice by its connections.
func (l *Log) sameIncarnation(ctx context.Context, q db.Queryer) error {
	var number int64
	err := q.QueryRow(ctx, "SELECT number FROM db_incarnation WHERE id = 1").Scan(&number)
	if err != nil {
		return fmt.Errorf("read the incarnation: %w", err)
	}
	if number != l.d.Incarnation() {
		return errIncarnation
	}
	return nil
}

// land applies what was read.
func (l *Log) land(lk look, searched []commit, era int, rebase bool, sent time.Duration) error {
	for _, a := range lk.answers {
		l.stats.read.Add(uint64(len(a.rows)))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.moving()
	if era != l.era {
		l.ask()
		return errOtherEra
	}
	if rebase {
		l.startOver(lk, searched)
		l.rebase = false
	} else {
		rows, lost := l.reader.take(lk.answers)
		if l.reader.retain(lk.gone) {
			lost = true
		}
		if lost {
			l.stats.overruns.Add(1)
			l.log.Warn("this node was away for longer than the change log is kept: everything cached is dropped")
			rows = []Row{{Kind: Everything}}
		}
		l.apply(rows)
	}
	l.proof.Store(int64(sent))
	return nil
}

var errOtherEra = errors.New("the database was replaced during the read of the change log")

// startOver takes the present heads of a new history as applied and drops everything. l.mu is held.
func (l *Log) startOver(lk look, searched []commit) {
	l.reader = l.standing(lk.answers)
	for _, c := range lk.lost {
		for _, r := range c.rows {
			l.log.Warn("a committed change was lost when the database was replaced", "kind", r.Kind, "id", r.ID, "scope", r.Scope, "version", r.Version, "at", r.At)
			l.lost = append(l.lost, Lost{Row: r})
		}
	}
	if most := 1000; len(l.lost) > most {
		l.lost = l.lost[len(l.lost)-most:]
	}
	if slices.ContainsFunc(lk.lost, func(c commit) bool { return len(c.again) > 0 }) {
		l.wg.Go(func() { l.takeAgain(lk.lost) }) // the flight is waited for as well, so Close does not miss this
	}
	done := map[uint64]bool{}
	for _, c := range searched {
		done[c.rows[0].N] = true
	}
	l.recent = slices.DeleteFunc(l.recent, func(c commit) bool { return done[c.rows[0].N] })
	l.apply([]Row{{Kind: Everything}})
}

// beat tells the database that this writer lives and how far it is settled.
func (l *Log) beat(ctx context.Context, tx *db.Tx) error {
	low := l.own.low()
	n, err := tx.Affected(ctx, "UPDATE change_writer SET low = ?, beat = beat + 1, seen = ? WHERE writer = ?", int64(low), db.Micros(l.opt.Now()), l.own.writer)
	if err != nil {
		return fmt.Errorf("publish what is settled: %w", err)
	}
	if n != 1 {
		return errNoRow
	}
	if l.opt.Beat != nil {
		if err := l.opt.Beat(ctx, tx, low); err != nil {
			return fmt.Errorf("heartbeat: %w", err)
		}
	}
	return nil
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
		l.beatErr = l.d.Control(ctx, func(tx *db.Tx) error { return l.beat(ctx, tx) })
	})
	if before != nil && stoa.KindOf(before) != stoa.KindUnavailable && !errors.Is(before, context.Canceled) {
		return before
	}
	return nil
}

// news asks the questions, and about writers that appeared since.
func (l *Log) news(ctx context.Context, q db.Queryer, qs []question) (look, error) {
	return catchUp(l.own.writer, qs, func(qs []question) (answers []answer, unasked, gone []int64, err error) {
		return read(ctx, q, qs, 0)
	})
}

func catchUp(self int64, qs []question, read func([]question) (answers []answer, unasked, gone []int64, err error)) (lk look, err error) {
	for {
		answers, unasked, gone, err := read(qs)
		if err != nil {
			return lk, err
		}
		lk.answers, lk.gone = append(lk.answers, answers...), append(lk.gone, gone...)
		qs = qs[:0]
		for _, w := range unasked {
			if w != self && !answered(lk.answers, w) {
				qs = append(qs, question{writer: w})
			}
		}
		if len(qs) == 0 {
			return lk, nil
		}
	}
}

func answered(answers []answer, w int64) bool {
	for _, a := range answers {
		if a.writer == w {
			return true
		}
	}
	return false
}

// present reads where every other writer stands now: from its published low on, so that the numbers in
// flight become gaps.
func (l *Log) present(ctx context.Context, q db.Queryer) ([]answer, error) {
	writers, _, err := readChunk(ctx, q, nil, 0)
	if err != nil {
		return nil, err
	}
	var qs []question
	for w, row := range writers {
		if w != l.own.writer {
			qs = append(qs, question{writer: w, after: max(row.low, row.horizon, 1) - 1})
		}
	}
	answers, _, _, err := read(ctx, q, qs, 0)
	return answers, err
}

// missing gives the own commits that a new history does not have.
func (l *Log) missing(ctx context.Context, q db.Queryer, recent []commit) (lost []commit, err error) {
	const batch = 200
	for first := 0; first < len(recent); first += batch {
		part := recent[first:min(first+batch, len(recent))]
		args := []any{l.own.writer}
		for _, c := range part {
			args = append(args, int64(c.rows[0].N))
		}
		ns, err := db.All(ctx, q, func(s db.Scanner) (n int64, err error) { return n, s.Scan(&n) },
			"SELECT n FROM change_log WHERE writer = ? AND part = 0 AND n IN "+db.In(len(part)), args...)
		if err != nil {
			return nil, fmt.Errorf("look for own commits: %w", err)
		}
		there := map[uint64]bool{}
		for _, n := range ns {
			there[uint64(n)] = true
		}
		for _, c := range part {
			if !there[c.rows[0].N] {
				lost = append(lost, c)
			}
		}
	}
	return lost, nil
}
