package bulk

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/job"
)

// JobName is the job that works through bulk actions.
const JobName = "bulk.work"

const (
	// runFor is how long one run works before the next one goes on, perhaps on another node.
	runFor = 5 * time.Minute
	// atOnce is how many actions take turns; further ones wait.
	atOnce = 100
)

// Job works through what was asked for. It is due when an action is started; the schedule finds what was left over.
func (s *Service) Job() job.Job {
	return job.Job{
		Name:     JobName,
		Does:     "Works through bulk actions",
		Kind:     job.Once,
		Schedule: "@every 5m",
		Timeout:  2 * runFor,
		Asked:    true,
		Run:      s.work,
	}
}

// work does a portion of each action in turn until nothing is left to do.
func (s *Service) work(ctx context.Context, run job.Run) error {
	var failed error
	for until := time.Now().Add(runFor); failed == nil && time.Now().Before(until); {
		open, err := db.All(ctx, s.o.DB, scan, columns+"WHERE state IN (?, ?) ORDER BY made, id LIMIT ?", Waiting, Running,
			atOnce)
		if err != nil {
			return fmt.Errorf("bulk: look for actions: %w", err)
		}
		known := 0
		for _, r := range open {
			a, ok := s.actions[r.Action]
			if !ok {
				continue // of another version of the portal
			}
			known++
			err := s.portion(ctx, run, a, r)
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case errors.Is(err, job.ErrLost):
				return err
			case err != nil: // the others go on; this one when the job is tried again
				failed = errors.Join(failed, fmt.Errorf("bulk: %s, action %d: %w", r.Action, r.ID, err))
			}
		}
		if known == 0 {
			return s.forget(ctx, run)
		}
	}
	if failed != nil {
		return failed
	}
	return run.Commit(ctx, func(ctx context.Context, tx *db.Tx) error { return s.o.Jobs.Soon(ctx, tx, JobName) })
}

// errMoved says that things are no longer as they were read: the action was stopped, another node has done the portion,
// or the person may do more or less than before.
var errMoved = errors.New("the bulk action has gone on or was stopped")

// portion works through the next portion of an action, with the rights that its person has now.
func (s *Service) portion(ctx context.Context, run job.Run, a Action, r Record) error {
	things, err := s.portionOf(ctx, r)
	if err != nil || len(things) == 0 { // it has gone on since it was read
		return err
	}
	actor, gone, err := s.person(ctx, r)
	if err != nil {
		return err
	}
	ctx = stoa.WithActor(ctx, actor)
	var refusals []error
	err = run.Step(ctx, func(ctx context.Context, tx *db.Tx) error {
		began, refused, worked := time.Now(), 0, 0
		refusals = refusals[:0] // it may be repeated
		for _, t := range things {
			if worked > 0 && time.Since(began) >= s.o.Longest {
				break
			}
			worked++
			why := gone
			if why == nil {
				if why, err = s.one(ctx, tx, a, t); err != nil {
					return err
				}
			}
			if why == nil {
				continue
			}
			refused++
			refusals = append(refusals, why)
			if err := tx.Insert(ctx, "bulk_refusal", db.Row{"action": r.ID, "n": r.Worked + worked, "kind": t.Kind,
				"thing": t.ID, "reason": reasonOf(why).String()}); err != nil {
				return err
			}
		}
		// What was taken away from the person meanwhile, and answered, holds for what is not committed yet.
		now, away, err := s.person(ctx, r)
		if err != nil {
			return err
		}
		if (away == nil) != (gone == nil) || !sameRights(now, actor) {
			return errMoved
		}
		return s.moveOn(ctx, tx, r, things[worked:], worked, refused)
	})
	if errors.Is(err, errMoved) {
		return nil // nothing of it was committed; the next turn sees how it is now
	}
	if err == nil && gone == nil && s.o.Refused != nil {
		for _, why := range refusals {
			s.o.Refused(ctx, why)
		}
	}
	return err
}

// portionOf gives the things of the next portion.
func (s *Service) portionOf(ctx context.Context, r Record) ([]Thing, error) {
	var text string
	err := s.o.DB.QueryRow(ctx, "SELECT things FROM bulk_portion WHERE action = ? AND n = ?", r.ID, r.place).Scan(&text)
	if db.IsNoRows(err) {
		now, err := read(ctx, s.o.DB, r.ID)
		if err == nil && now.Version == r.Version {
			err = fmt.Errorf("portion %d of the list is not there", r.place)
		}
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	var out []Thing
	for _, name := range strings.Fields(text) {
		t, err := parseThing(name)
		if err != nil {
			return nil, fmt.Errorf("portion %d: %w", r.place, err)
		}
		out = append(out, t)
	}
	return out, nil
}

// person gives the person who asked for the action as an actor, with the rights of now. Who may not sign in any more is
// given as the portal, for the audit log, with the reason why nothing is done for them.
func (s *Service) person(ctx context.Context, r Record) (actor stoa.Actor, gone *stoa.Error, err error) {
	actor, err = s.o.Actor(ctx, r.Person)
	if err != nil && !stoa.Is(err, stoa.KindNotFound) {
		return actor, nil, err
	}
	if err != nil || actor.Instance != r.Instance {
		return stoa.SystemActor(), stoa.Forbidden("the person who asked for this may not sign in any more"), nil
	}
	// The whole installation is no matter of bulk actions, and the person is not here to prove who they are.
	actor.Operator, actor.Session, actor.Proven = false, 0, time.Time{}
	return actor, nil, nil
}

func sameRights(a, b stoa.Actor) bool {
	return a.User == b.User && a.Instance == b.Instance && a.Admin == b.Admin && slices.Equal(a.Roles, b.Roles)
}

// one does it with one thing; refused says why it was not done. An error ends the transaction.
func (s *Service) one(ctx context.Context, tx *db.Tx, a Action, t Thing) (refused *stoa.Error, err error) {
	undone, err := tx.Try(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		return a.Do(ctx, tx, t)
	})
	if err == nil || !undone {
		return nil, err
	}
	if errors.As(err, &refused) && refused.Kind != stoa.KindInternal {
		return refused, nil
	}
	// It would fail each time, and hold up all the rest.
	s.log.ErrorContext(ctx, "a bulk action failed for one thing", "action", a.Name, "kind", t.Kind, "id", t.ID,
		"error", err)
	return stoa.Conflict("something went wrong; an operator finds the cause in the log"), nil
}

// moveOn ends the transaction of a portion, of which rest is left for the next one.
func (s *Service) moveOn(ctx context.Context, tx *db.Tx, r Record, rest []Thing, worked, refused int) error {
	if err := cut(ctx, tx, r, rest); err != nil {
		return err
	}
	place, state, ended := r.place, Running, int64(0)
	if len(rest) == 0 {
		place++
	}
	if r.Worked+worked >= r.Total {
		state, ended = Ended, db.Micros(tx.Now())
	}
	n, err := tx.Affected(ctx, "UPDATE bulk_action SET state = ?, ended = ?, place = ?, worked = worked + ?, "+
		"refused = refused + ?, version = version + 1 WHERE id = ? AND version = ? AND state IN (?, ?)",
		state, ended, place, worked, refused, r.ID, r.Version, Waiting, Running)
	if err != nil {
		return err
	}
	if n == 0 {
		return errMoved
	}
	tx.Changed(kindBulk, r.ID, r.Site, r.Version+1)
	if state == Ended {
		audit.Note(tx, audit.BulkEnded, s.thing(r), fmt.Sprint(r.Done()+worked-refused), fmt.Sprint(r.Refused+refused))
	}
	return nil
}

// cut leaves the rest of a portion, or nothing.
func cut(ctx context.Context, tx *db.Tx, r Record, rest []Thing) error {
	q, args := "DELETE FROM bulk_portion WHERE action = ? AND n = ?", []any{r.ID, r.place}
	if len(rest) > 0 {
		names := make([]string, len(rest))
		for i, t := range rest {
			names[i] = t.String()
		}
		q = "UPDATE bulk_portion SET things = ? WHERE action = ? AND n = ?"
		args = append([]any{strings.Join(names, " ")}, args...)
	}
	_, err := tx.Exec(ctx, q, args...)
	return err
}

// forget removes what ended long ago, and what is left of the lists of actions that were stopped.
func (s *Service) forget(ctx context.Context, run job.Run) error {
	before := db.Micros(run.Now.Add(-s.o.Keep))
	return s.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		run.Fence(tx)
		for _, q := range []struct {
			text string
			args []any
		}{
			{"DELETE FROM bulk_portion WHERE action IN (SELECT id FROM bulk_action WHERE state = ?)", []any{Stopped}},
			{"DELETE FROM bulk_refusal WHERE action IN (SELECT id FROM bulk_action WHERE ended > 0 AND ended < ?)",
				[]any{before}},
			{"DELETE FROM bulk_action WHERE ended > 0 AND ended < ?", []any{before}},
		} {
			if _, err := tx.Exec(ctx, q.text, q.args...); err != nil {
				return fmt.Errorf("bulk: forget what ended long ago: %w", err)
			}
		}
		return nil
	})
}
