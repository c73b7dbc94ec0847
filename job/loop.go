package job

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// Start begins to run jobs; a disabled service only tells the other nodes that it is. It does not wait
// for the database: while that is away, nothing runs and the loop tries again. It returns an error when
// it was called before. The service stops with Stop, or when ctx ends; Stop must be called in either case.
func (s *Service) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started {
		return errors.New("job: Start was called twice")
	}
	s.started = true
	unhook := context.AfterFunc(ctx, s.cancel)
	s.wg.Go(func() {
		defer unhook()
		s.loop()
	})
	for _, r := range s.jobs {
		if r.Kind == EveryNode && !s.o.Disabled {
			s.wg.Go(func() { s.everyNode(r) })
		}
	}
	return nil
}

// Stop ends the contexts of all runs and waits for them. Runs that were cut off are given back, so
// that another node, or this one after its next start, begins them again.
func (s *Service) Stop() {
	s.mu.Lock()
	s.started = true // nothing starts any more
	s.mu.Unlock()
	s.cancel()
	s.wg.Wait()
	s.withdraw()
}

// calmPolls is how many looks at the tables a service leaves out that knows of nothing that is due.
const calmPolls = 4

func (s *Service) loop() {
	timer := time.NewTicker(s.o.Poll)
	defer timer.Stop()
	ready, broken := false, false
	for {
		err := s.round(s.life, &ready)
		if s.life.Err() != nil {
			return
		}
		if (err != nil) != broken { // one line when it breaks, one when it is well again
			broken = err != nil
			if broken {
				s.log.Warn("jobs are not being started", "err", err)
			} else {
				s.log.Info("jobs are being started again")
			}
		}
		select {
		case <-s.life.Done():
			return
		case <-s.wake:
		case <-timer.C:
			// A node with work for others wakes them, so a calm service looks less often for what nothing told of.
			for range calmPolls {
				if !s.calm || s.comes() {
					break
				}
				select {
				case <-s.life.Done():
					return
				case <-s.wake:
					s.calm = false
				case <-timer.C:
				}
			}
		}
	}
}

func (s *Service) round(ctx context.Context, ready *bool) error {
	if s.o.Disabled {
		return s.publish(ctx)
	}
	g, err := s.glance(ctx)
	if err != nil {
		return err
	}
	s.noteDue(g)
	now := g.now
	if s.calm = *ready && s.nothing(g); s.calm {
		if err := s.prune(ctx, now); err != nil {
			return err
		}
		return s.publish(ctx)
	}
	s.glanced = g
	if !*ready {
		if err := s.declare(ctx, now); err != nil {
			return err
		}
		*ready = true
	}
	for _, step := range []func(context.Context, time.Time) error{s.apply, s.fire, s.claim, s.prune} {
		if err := step(ctx, now); err != nil {
			return err
		}
	}
	s.full = now
	return s.publish(ctx)
}

// declare makes the rows of the scheduled jobs, and gives those whose schedule was changed their new
// next time.
func (s *Service) declare(ctx context.Context, now time.Time) error {
	for _, r := range s.ofKind(Once) {
		err := s.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			next := db.Micros(r.schedule.Next(now))
			if _, err := tx.InsertIgnore(ctx, "job_schedule", db.Row{
				"name": r.Name, "spec": r.Schedule, "next_fire": next, "last_fire": 0, "version": 1,
			}); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "UPDATE job_schedule SET spec = ?, next_fire = ?, version = version + 1 WHERE name = ? AND spec <> ?", r.Schedule, next, r.Name, r.Schedule)
			return err
		})
		if err != nil {
			return fmt.Errorf("job: declare %s: %w", r.Name, err)
		}
	}
	return nil
}

type candidate struct {
	id          stoa.ID
	job, key    string
	state       string
	fire, claim int64
	owner       int64
	attempt     int
}

func scanCandidate(r db.Scanner) (candidate, error) {
	var c candidate
	return c, r.Scan(&c.id, &c.job, &c.key, &c.state, &c.fire, &c.claim, &c.owner, &c.attempt)
}

// claim takes runs that wait, and those whose node has died, and starts them after the claim was
// committed.
func (s *Service) claim(ctx context.Context, now time.Time) error {
	if s.free() == 0 {
		return nil
	}
	// Runs that run are few: at most the workers of all nodes. Those that wait come oldest first.
	const cols = "SELECT id, job, run_key, state, fire, claim, owner, attempt FROM job_run "
	list, err := db.All(ctx, s.o.DB, scanCandidate, cols+"WHERE state = ?", Running)
	if err != nil {
		return fmt.Errorf("job: look for runs: %w", err)
	}
	var names []any
	for _, r := range s.ofKind(Once, Durable) {
		names = append(names, r.Name)
	}
	// No try is further away than the longest wait: then the clock was set back since.
	waiting, err := db.All(ctx, s.o.DB, scanCandidate, cols+"WHERE state = ? AND (due <= ? OR due > ?) AND job IN "+db.In(len(names))+" ORDER BY due, fire, id LIMIT 100",
		append([]any{Waiting, db.Micros(now), db.Micros(now.Add(longestBackoff))}, names...)...)
	if err != nil {
		return fmt.Errorf("job: look for runs: %w", err)
	}
	for _, c := range append(list, waiting...) {
		r := s.find(c.job)
		if r == nil || r.Kind == EveryNode || s.orders[c.job].paused || !s.mine(c) {
			continue
		}
		if c.state == Running && r.AtMostOnce {
			if err := s.giveUp(ctx, c, now); err != nil {
				return err
			}
			continue
		}
		if s.free() == 0 {
			return nil
		}
		if err := s.claimOne(ctx, r, c, now); err != nil {
			return err
		}
	}
	return nil
}

// giveUp ends a run that may have been done in part, and is not to be done twice.
func (s *Service) giveUp(ctx context.Context, c candidate, now time.Time) error {
	err := s.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		n, err := tx.Affected(ctx, "UPDATE job_run SET state = ?, claim = claim + 1, ended = ?, message = ? WHERE id = ? AND claim = ? AND state = ?",
			Failed, db.Micros(now), "the run was cut off by the end of its node, and this job happens at most once", c.id, c.claim, c.state)
		if n == 1 {
			tx.Changed("job", c.id, 0, c.claim+1)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("job: end a run of %s that was cut off: %w", c.job, err)
	}
	return nil
}

// mine reports whether this node may try to claim the run: no node has it, or the one that had it is gone.
func (s *Service) mine(c candidate) bool {
	s.mu.Lock()
	here := s.active[c.id]
	s.mu.Unlock()
	switch {
	case here:
		return false
	case c.state == Waiting:
		return true
	case c.owner == s.o.Leader.Writer():
		return true // claimed by this process, but the answer of the database was lost
	}
	return !s.o.Leader.Alive(c.owner)
}

func (s *Service) claimOne(ctx context.Context, r *registered, c candidate, now time.Time) error {
	var payload []byte
	claimed := false
	s.setActive(c.id, true)
	err := s.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		n, err := tx.Affected(ctx, `UPDATE job_run SET state = ?, owner = ?, node = ?, claim = claim + 1, attempt = attempt + 1, started = ?
			WHERE id = ? AND claim = ? AND state = ? AND NOT EXISTS (SELECT 1 FROM job_order WHERE job_order.job = job_run.job AND job_order.paused = ?)`,
			Running, s.o.Leader.Writer(), s.o.Node, db.Micros(now), c.id, c.claim, c.state, true)
		claimed = n == 1
		if err != nil || !claimed {
			return err
		}
		tx.Changed("job", c.id, 0, c.claim+1)
		return tx.QueryRow(ctx, "SELECT payload FROM job_run WHERE id = ?", c.id).Scan(&payload)
	})
	if err != nil || !claimed {
		s.setActive(c.id, false)
		if err != nil {
			return fmt.Errorf("job: claim a run of %s: %w", c.job, err)
		}
		return nil
	}
	run := Run{ID: c.id, Job: c.job, Fire: db.Time(c.fire), Now: now, Attempt: c.attempt + 1, Payload: payload,
		Token: token(c), s: s, claim: c.claim + 1, done: new(outcome)}
	s.wg.Go(func() {
		defer s.Wake() // a place is free
		defer s.setActive(c.id, false)
		s.execute(r, run)
	})
	return nil
}

// token names what the run does outside of the database; it is the same each time it is tried.
func token(c candidate) string {
	if c.fire != 0 {
		return fmt.Sprintf("%s-%d", c.job, c.fire)
	}
	return fmt.Sprintf("%s-%s", c.job, c.id)
}

func (s *Service) free() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(0, s.o.Workers-len(s.active))
}

func (s *Service) setActive(id stoa.ID, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if on {
		s.active[id] = true
	} else {
		delete(s.active, id)
	}
}

// keepScheduled is how long runs of a schedule that went well are remembered.
const keepScheduled = 24 * time.Hour

// prune forgets old runs, once an hour, on one node.
func (s *Service) prune(ctx context.Context, now time.Time) error {
	if !s.o.Leader.IsMaster() || now.Sub(s.pruned) < time.Hour {
		return nil
	}
	err := s.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if _, err := tx.Exec(ctx, "DELETE FROM job_run WHERE state IN (?, ?) AND ended < ?", Done, Failed, db.Micros(now.Add(-s.o.Keep))); err != nil {
			return err
		}
		// Frequent schedules make many runs that went well; job_schedule keeps their times from firing again.
		_, err := tx.Exec(ctx, "DELETE FROM job_run WHERE state = ? AND fire > 0 AND ended < ?", Done, db.Micros(now.Add(-min(s.o.Keep, keepScheduled))))
		return err
	})
	if err != nil {
		return fmt.Errorf("job: forget old runs: %w", err)
	}
	if err := s.forget(ctx); err != nil {
		return err
	}
	s.pruned = now
	return nil
}
