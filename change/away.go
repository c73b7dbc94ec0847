package change

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
)

// confirm waits until every live node has applied a write that takes something away, or until those
// that have not could no longer serve what was there before (rule 22).
func (l *Log) confirm(ctx context.Context, n uint64) {
	l.core.stats.tookAway.Add(1)
	if l.opt.Confirm == nil {
		return
	}
	// A node that went away meanwhile does not shorten it: the answer is a promise.
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), l.opt.ConfirmLimit, fmt.Errorf("no answer within %s", l.opt.ConfirmLimit))
	defer cancel()
	if err := l.opt.Confirm(ctx, Position{Writer: l.Writer(), N: n}); err != nil {
		<-ctx.Done() // who does not answer us may still answer visitors, as long as its last proof lasts
		l.core.stats.unconfirmed.Add(1)
		l.log.Info("not every node has confirmed that something was taken away", "n", n, "error", err)
	}
}

const (
	againPause = time.Second
	againTries = 30
)

// takeAgain does once more what the lost commits had taken away: after a fail-over a person could have
// back what was taken from him (rule 33).
func (l *Log) takeAgain(lost []commit) {
	for _, c := range lost {
		if len(c.again) == 0 {
			continue
		}
		err := l.tryAgain(c)
		if l.ctx.Err() != nil {
			return
		}
		for _, r := range c.rows {
			if err == nil {
				l.log.Info("what a lost change had taken away was taken away again", "kind", r.Kind, "id", r.ID, "scope", r.Scope)
			} else {
				l.log.Error("what a lost change had taken away is there again: take it away by hand", "kind", r.Kind, "id", r.ID, "scope", r.Scope, "error", err)
			}
		}
		if err != nil {
			continue
		}
		l.core.takenAgain(c.rows[0].N)
	}
}

// tryAgain waits for a database that has only just come back, and for a writer who was in between. One thing that
// cannot be taken away does not keep the others.
func (l *Log) tryAgain(c commit) error {
	rest := c.again
	for try := 1; ; try++ {
		var left []func(ctx context.Context, tx *db.Tx) error
		var failed error
		var between bool
		err := l.d.Write(l.ctx, func(ctx context.Context, tx *db.Tx) error {
			left, failed, between = nil, nil, false
			for _, again := range rest {
				undone, err := tx.Try(ctx, again)
				if err != nil && !undone {
					return err
				}
				if err != nil {
					left, failed = append(left, again), errors.Join(failed, err)
					between = between || stoa.Is(err, stoa.KindConflict)
					continue
				}
				tx.TakesAway(again)
			}
			if len(tx.Changes()) > 0 {
				audit.Note(tx, audit.TakenAgain, audit.Thing{})
			}
			return nil
		})
		repeats := stoa.Is(err, stoa.KindUnavailable) || stoa.Is(err, stoa.KindConflict)
		if err == nil {
			rest, err, repeats = left, failed, between
		}
		if err == nil || !repeats || try == againTries {
			return err
		}
		timer := time.NewTimer(againPause)
		select {
		case <-timer.C:
		case <-l.ctx.Done():
			timer.Stop()
			return errors.Join(err, errClosed)
		}
	}
}
