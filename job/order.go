package job

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
)

// order is what people said about a job, for all nodes.
type order struct {
	paused bool
	asked  int64 // how often every node was asked to run it at once
	by     string
	at     time.Time
}

func readOrders(ctx context.Context, q db.Queryer) (map[string]order, error) {
	type named struct {
		job string
		order
	}
	list, err := db.All(ctx, q, func(r db.Scanner) (named, error) {
		var o named
		var at int64
		err := r.Scan(&o.job, &o.paused, &o.asked, &o.by, &at)
		o.at = db.Time(at)
		return o, err
	}, "SELECT job, paused, asked, by_name, at FROM job_order")
	if err != nil {
		return nil, fmt.Errorf("job: read the orders: %w", err)
	}
	out := make(map[string]order, len(list))
	for _, o := range list {
		out[o.job] = o.order
	}
	return out, nil
}

// apply applies the orders. What was asked for before this node began is not for it.
func (s *Service) apply(ctx context.Context, _ time.Time) error {
	orders, err := readOrders(ctx, s.o.DB)
	if err != nil {
		return err
	}
	for _, r := range s.ofKind(EveryNode) {
		o := orders[r.Name]
		r.local.set(func(l *localState) { l.paused = o.paused })
		if s.orders != nil && o.asked > s.orders[r.Name].asked {
			select {
			case r.local.now <- struct{}{}:
			default: // it is about to run anyway
			}
		}
	}
	s.orders = orders
	s.looked.Store(true)
	return nil
}

// deaf reports whether this node runs jobs and has not read the orders yet: one that is given now could be taken for
// one from before it began.
func (s *Service) deaf() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.started && !s.o.Disabled && !s.looked.Load()
}

// Pause keeps a job from being started, on all nodes; what runs goes on. Entries put into a queue wait.
// It is for operators; a job that is not known is NotFound.
func (s *Service) Pause(ctx context.Context, name string) error {
	return s.command(ctx, "pause jobs", name, func(ctx context.Context, tx *db.Tx, r *registered) error {
		audit.Note(tx, audit.JobPaused, audit.Thing{Kind: "job", Title: name})
		if err := give(ctx, tx, name, "paused = ?", true); err != nil {
			return err
		}
		// A node that is about to fire finds another version and looks again.
		_, err := tx.Exec(ctx, "UPDATE job_schedule SET version = version + 1 WHERE name = ?", name)
		return err
	})
}

// Resume lets a job that is paused go on. Times that passed meanwhile are left out, but for one that is Asked. It is
// for operators; a job that is not known is NotFound.
func (s *Service) Resume(ctx context.Context, name string) error {
	now, err := s.now(ctx)
	if err != nil {
		return err
	}
	return s.command(ctx, "resume jobs", name, func(ctx context.Context, tx *db.Tx, r *registered) error {
		audit.Note(tx, audit.JobResumed, audit.Thing{Kind: "job", Title: name})
		if err := give(ctx, tx, name, "paused = ?", false); err != nil || r.Kind != Once || r.Asked {
			return err
		}
		_, err := tx.Exec(ctx, "UPDATE job_schedule SET next_fire = ?, version = version + 1 WHERE name = ? AND next_fire <= ?",
			db.Micros(r.schedule.Next(now)), name, db.Micros(now))
		return err
	})
}

// RunNow starts a job outside of its schedule: an EveryNode job on every node, a Once job on whichever
// node claims it. It is for operators. A job that is paused, a Once job whose run is not finished and
// any job while no node runs jobs are a Conflict; a queue cannot be run without an entry and is Invalid.
func (s *Service) RunNow(ctx context.Context, name string) error {
	now, err := s.now(ctx)
	if err != nil {
		return err
	}
	return s.command(ctx, "run jobs", name, func(ctx context.Context, tx *db.Tx, r *registered) error {
		if r.Kind == Durable {
			return stoa.Invalid("job", "%s is a queue: it runs when something is put into it", name)
		}
		nodes, err := s.nodes(ctx, tx)
		if err != nil {
			return err
		}
		if !anyEnabled(nodes) {
			return stoa.Conflict("no node runs jobs: scheduler.enabled is false on all of them")
		}
		orders, err := readOrders(ctx, tx)
		if err != nil {
			return err
		}
		if orders[name].paused {
			return stoa.Conflict("the job %s is paused; resume it first", name)
		}
		audit.Note(tx, audit.JobStarted, audit.Thing{Kind: "job", Title: name})
		if r.Kind == EveryNode {
			if s.deaf() {
				return stoa.Unavailable(nil, "the jobs of this node are being started; try again in a moment")
			}
			return give(ctx, tx, name, "asked = asked + ?", 1)
		}
		return s.runOnce(ctx, tx, name, now)
	})
}

func (s *Service) runOnce(ctx context.Context, tx *db.Tx, name string, now time.Time) error {
	n, err := tx.Affected(ctx, "UPDATE job_schedule SET version = version + 1 WHERE name = ?", name)
	if err != nil {
		return err
	}
	if n == 0 {
		return stoa.Unavailable(nil, "the job %s was not declared yet; try again in a moment", name)
	}
	busy, err := unfinished(ctx, tx, name)
	if err != nil {
		return err
	}
	if busy {
		return stoa.Conflict("the job %s is running already", name)
	}
	id, err := tx.NewID(ctx)
	if err != nil {
		return err
	}
	added, err := insertRun(ctx, tx, id, name, db.Micros(now), "", nil, 0)
	if err == nil && !added {
		err = stoa.Conflict("the job %s has just run", name)
	}
	return err
}

// command does what an operator ordered, and lets this node act on it at once.
func (s *Service) command(ctx context.Context, what, name string, do func(ctx context.Context, tx *db.Tx, r *registered) error) error {
	if err := stoa.ActorFrom(ctx).OperatesNow(what); err != nil {
		return err
	}
	r := s.find(name)
	if r == nil {
		return stoa.NotFound("job", name)
	}
	if err := s.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return do(ctx, tx, r) }); err != nil {
		return fmt.Errorf("job: %s, %s: %w", what, name, err)
	}
	s.log.InfoContext(ctx, "a job was given an order", "job", name, "order", strings.TrimSuffix(what, " jobs"), "user",
		stoa.ActorFrom(ctx).User)
	s.Wake()
	return nil
}

// give changes the order for a job and notes who gave it.
func give(ctx context.Context, tx *db.Tx, name, set string, value any) error {
	id, err := tx.NewID(ctx)
	if err != nil {
		return err
	}
	if _, err := tx.InsertIgnore(ctx, "job_order", db.Row{"job": name, "id": id, "paused": false, "asked": 0, "by_name": "", "at": 0, "version": 0}); err != nil {
		return err
	}
	by := []rune(stoa.ActorFrom(ctx).Name)
	if _, err := tx.Exec(ctx, "UPDATE job_order SET "+set+", by_name = ?, at = ?, version = version + 1 WHERE job = ?",
		value, string(by[:min(len(by), 190)]), db.Micros(tx.Now()), name); err != nil {
		return err
	}
	var version int64
	if err := tx.QueryRow(ctx, "SELECT id, version FROM job_order WHERE job = ?", name).Scan(&id, &version); err != nil {
		return err
	}
	tx.Changed("job-order", id, 0, version)
	return nil
}
