package job

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// State is a job as the control panel shows it.
type State struct {
	Name       string
	Kind       Kind
	Schedule   string
	NextFire   time.Time // zero for a queue
	LastStart  time.Time
	LastEnd    time.Time
	LastResult string // "", waiting, running, done or failed
	LastError  string
	Owner      int64 // writer of the node that has or had the last run
	Waiting    int   // runs that wait or run
}

// Record is one run as the control panel shows it.
type Record struct {
	ID      stoa.ID
	Job     string
	Fire    time.Time
	Key     string
	State   string
	Attempt int
	Due     time.Time
	Started time.Time
	Ended   time.Time
	Owner   int64
	Message string
}

// localState is the last run of an EveryNode job on this node.
type localState struct {
	mu               sync.Mutex
	next, start, end time.Time
	result, message  string
	now              chan struct{}
}

func mayManage(ctx context.Context) error {
	a := stoa.ActorFrom(ctx)
	switch {
	case a.Admin || a.System:
		return nil
	case !a.SignedIn():
		return stoa.Unauthorized("sign in as an administrator to see the jobs")
	}
	return stoa.Forbidden("only administrators may see and start jobs")
}

// List gives all jobs by name, with their last run. Only administrators may.
func (s *Service) List(ctx context.Context) ([]State, error) {
	if err := mayManage(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	jobs := make([]*registered, 0, len(s.order))
	for _, name := range s.order {
		jobs = append(jobs, s.jobs[name])
	}
	s.mu.Unlock()
	out := make([]State, 0, len(jobs))
	for _, r := range jobs {
		st := State{Name: r.Name, Kind: r.Kind, Schedule: r.Schedule}
		if r.Kind == EveryNode {
			r.local.mu.Lock()
			st.NextFire, st.LastStart, st.LastEnd = r.local.next, r.local.start, r.local.end
			st.LastResult, st.LastError, st.Owner = r.local.result, r.local.message, s.o.Leader.Writer()
			r.local.mu.Unlock()
			out = append(out, st)
			continue
		}
		if err := s.stateOf(ctx, r, &st); err != nil {
			return nil, fmt.Errorf("job: list %s: %w", r.Name, err)
		}
		out = append(out, st)
	}
	return out, nil
}

func (s *Service) stateOf(ctx context.Context, r *registered, st *State) error {
	if r.Kind == Once {
		var next int64
		err := s.o.DB.QueryRow(ctx, "SELECT next_fire FROM job_schedule WHERE name = ?", r.Name).Scan(&next)
		if err != nil && !db.IsNoRows(err) {
			return err
		}
		st.NextFire = db.Time(next)
	}
	last, err := s.runs(ctx, r.Name, 1)
	if err != nil {
		return err
	}
	if len(last) == 1 {
		st.LastStart, st.LastEnd, st.LastResult, st.LastError, st.Owner = last[0].Started, last[0].Ended, last[0].State, last[0].Message, last[0].Owner
	}
	return s.o.DB.QueryRow(ctx, "SELECT count(*) FROM job_run WHERE job = ? AND state IN (?, ?)", r.Name, Waiting, Running).Scan(&st.Waiting)
}

// Runs gives the runs of a job, the one begun last first, at most limit (1 to 500). Only
// administrators may; a job that is not known is NotFound.
func (s *Service) Runs(ctx context.Context, name string, limit int) ([]Record, error) {
	if err := mayManage(ctx); err != nil {
		return nil, err
	}
	if s.find(name) == nil {
		return nil, stoa.NotFound("job", name)
	}
	return s.runs(ctx, name, min(max(limit, 1), 500))
}

func (s *Service) runs(ctx context.Context, name string, limit int) ([]Record, error) {
	return db.All(ctx, s.o.DB, func(r db.Scanner) (Record, error) {
		var v Record
		var fire, due, started, ended int64
		err := r.Scan(&v.ID, &v.Job, &fire, &v.Key, &v.State, &v.Attempt, &due, &started, &ended, &v.Owner, &v.Message)
		v.Fire, v.Due, v.Started, v.Ended = db.Time(fire), db.Time(due), db.Time(started), db.Time(ended)
		return v, err
	}, "SELECT id, job, fire, run_key, state, attempt, due, started, ended, owner, message FROM job_run WHERE job = ? ORDER BY started DESC, fire DESC, id DESC LIMIT ?", name, limit)
}

// RunNow starts a job outside of its schedule: an EveryNode job on this node, a Once job on
// whichever node claims it. Only administrators may. A Once job whose run is not finished is a
// Conflict; a queue cannot be run without an entry and is Invalid.
func (s *Service) RunNow(ctx context.Context, name string) error {
	if err := mayManage(ctx); err != nil {
		return err
	}
	r := s.find(name)
	if r == nil {
		return stoa.NotFound("job", name)
	}
	switch r.Kind {
	case EveryNode:
		select {
		case r.local.now <- struct{}{}:
		default: // it is about to run anyway
		}
		return nil
	case Durable:
		return stoa.Invalid("job", "%s is a queue: it runs when something is put into it", name)
	}
	now, err := s.now(ctx)
	if err != nil {
		return err
	}
	err = s.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
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
	})
	if err != nil {
		return fmt.Errorf("job: run %s now: %w", name, err)
	}
	s.Wake()
	return nil
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
		start := time.Now().UTC()
		r.local.set(func(l *localState) { l.start, l.result = start, Running })
		err := s.call(r, Run{Job: r.Name, Fire: next, Now: start, Attempt: 1, Token: fmt.Sprintf("%s-%d", r.Name, next.UnixMicro()), s: s, done: new(outcome)})
		if s.life.Err() != nil {
			return
		}
		r.local.set(func(l *localState) {
			l.end, l.result, l.message = time.Now().UTC(), Done, ""
			if err != nil {
				l.result, l.message = Failed, clip4000(err.Error())
			}
		})
		if err != nil {
			s.log.Error("a run of a job failed", "job", r.Name, "err", err)
		}
	}
}

func (l *localState) set(fn func(l *localState)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fn(l)
}

func clip4000(s string) string { return strings.ToValidUTF8(s[:min(len(s), 4000)], "") }
