package follow

import (
	"context"
	"slices"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/db"
)

const (
	sayRows  = 200 // rows of one transaction
	sayPause = time.Second
)

// sayAgain lets the log of a new history of the database name what this node had changed and the history lacks: who
// acts outside of the database may have been told of it, and now must look at what is there instead.
func (s *Service) sayAgain() {
	for {
		select {
		case <-s.life.Done():
			return
		case <-s.lost:
		}
		for {
			err := s.sayLost()
			if err == nil || s.life.Err() != nil {
				break
			}
			s.log.Warn("what a fail-over lost could not be said again yet", "error", err)
			timer := time.NewTimer(sayPause)
			select {
			case <-s.life.Done():
			case <-timer.C:
			}
			timer.Stop()
		}
	}
}

func (s *Service) sayLost() error {
	status := s.o.Log.Status()
	fresh := status.Losses - s.said
	inside := func(w *worker) bool { return w.f.Effect == InDatabase } // what it did is lost with the rest
	if fresh == 0 || !slices.ContainsFunc(s.all(), func(w *worker) bool { return !inside(w) }) {
		return nil
	}
	rows := []db.Change{{Kind: change.Everything}} // more than the log remembers
	if fresh <= uint64(len(status.Lost)) {
		rows = rows[:0]
		for _, l := range status.Lost[uint64(len(status.Lost))-fresh:] {
			c := db.Change{Kind: l.Kind, ID: l.ID, Scope: l.Scope} // without a version: it names no state
			if !slices.Contains(rows, c) {
				rows = append(rows, c)
			}
		}
	}
	ctx := stoa.WithActor(s.life, stoa.SystemActor())
	for part := range slices.Chunk(rows, sayRows) {
		err := s.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			for _, c := range part {
				tx.Changed(c.Kind, c.ID, c.Scope, c.Version)
			}
			audit.Note(tx, audit.SaidAgain, audit.Thing{})
			return nil
		})
		if err != nil {
			return err
		}
	}
	s.said = status.Losses
	s.log.Info("what a fail-over lost was named in the change log, so that it is looked at again", "things", len(rows))
	return nil
}
