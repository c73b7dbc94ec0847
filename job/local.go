package job

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// local is what a node shows of a job that it runs by itself.
type local struct {
	next   time.Time
	result Result
}

// localState is that of this node.
type localState struct {
	mu sync.Mutex
	local
	paused bool
	now    chan struct{} // asks for a run outside of the schedule
}

func (l *localState) set(fn func(l *localState)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fn(l)
}

func (l *localState) get() (v local, paused bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.local, l.paused
}

// everyNode runs an EveryNode job by its schedule until Stop.
func (s *Service) everyNode(r *registered) {
	for {
		now := time.Now().UTC()
		next := r.schedule.Next(now)
		r.local.set(func(l *localState) { l.next = next })
		timer := time.NewTimer(next.Sub(now))
		select {
		case <-s.life.Done():
			timer.Stop()
			return
		case <-r.local.now:
			timer.Stop()
		case <-timer.C:
		}
		if _, paused := r.local.get(); paused {
			continue
		}
		start := time.Now().UTC()
		r.local.set(func(l *localState) { l.result = Result{State: Running, Start: start} })
		err := s.call(r, Run{Job: r.Name, Fire: next, Now: start, Attempt: 1, Token: fmt.Sprintf("%s-%d", r.Name, next.UnixMicro()), s: s, done: new(outcome)})
		if s.life.Err() != nil {
			return
		}
		r.local.set(func(l *localState) {
			l.result.End, l.result.State = time.Now().UTC(), Done
			if err != nil {
				l.result.State, l.result.Message = Failed, stoa.Clip(err.Error(), 4000)
			}
		})
		switch {
		case stoa.Is(err, stoa.KindUnavailable): // the database is away, which is said where it is found out
			s.log.Debug("a run of a job failed", "job", r.Name, "err", err)
		case err != nil:
			s.log.Error("a run of a job failed", "job", r.Name, "err", err)
		}
	}
}

// publication is what this node has published of itself.
type publication struct {
	begun bool
	at    time.Time
	jobs  map[string]local
}

// publish writes a row, for the screens of all nodes, that this node runs jobs or does not, and how the jobs
// went that it runs by itself. It writes only what has changed, and not more often than Options.Publish.
func (s *Service) publish(ctx context.Context) error {
	if s.published.begun && time.Since(s.published.at) < s.o.Publish {
		return nil
	}
	changed := map[string]local{}
	for _, r := range s.ofKind(EveryNode) {
		if v, _ := r.local.get(); v != s.published.jobs[r.Name] {
			changed[r.Name] = v
		}
	}
	if s.published.begun && len(changed) == 0 {
		return nil
	}
	writer := s.o.Leader.Writer()
	err := s.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if !s.published.begun {
			if err := tx.Upsert(ctx, "job_node", []string{"writer"}, db.Row{"writer": writer, "node": s.o.Node, "enabled": !s.o.Disabled}); err != nil {
				return err
			}
		}
		for name, v := range changed {
			if err := tx.Upsert(ctx, "job_local", []string{"writer", "job"}, db.Row{"writer": writer, "job": name, "next_fire": db.Micros(v.next),
				"started": db.Micros(v.result.Start), "ended": db.Micros(v.result.End), "state": v.result.State, "message": v.result.Message}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("job: publish the runs of this node: %w", err)
	}
	s.published.begun, s.published.at = true, time.Now()
	for name, v := range changed {
		if s.published.jobs == nil {
			s.published.jobs = map[string]local{}
		}
		s.published.jobs[name] = v
	}
	return nil
}

// withdraw deletes what this node published, when it stops.
func (s *Service) withdraw() {
	if !s.published.begun {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.life), 5*time.Second)
	defer cancel()
	if err := s.forgetWriters(ctx, s.o.Leader.Writer()); err != nil {
		s.log.Debug("what this node published of its jobs stays until another one clears it away", "err", err)
	}
}

// forget removes what nodes published that are gone.
func (s *Service) forget(ctx context.Context) error {
	writers, err := db.All(ctx, s.o.DB, func(r db.Scanner) (w int64, err error) { return w, r.Scan(&w) },
		"SELECT writer FROM job_node UNION SELECT writer FROM job_local")
	if err != nil {
		return fmt.Errorf("job: look for nodes that are gone: %w", err)
	}
	var gone []int64
	for _, w := range writers {
		if !s.o.Leader.Alive(w) {
			gone = append(gone, w)
		}
	}
	return s.forgetWriters(ctx, gone...)
}

func (s *Service) forgetWriters(ctx context.Context, writers ...int64) error {
	if len(writers) == 0 {
		return nil
	}
	err := s.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		for _, w := range writers {
			for _, table := range []string{"job_node", "job_local"} {
				if _, err := tx.Exec(ctx, "DELETE FROM "+table+" WHERE writer = ?", w); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("job: forget what nodes published: %w", err)
	}
	return nil
}
