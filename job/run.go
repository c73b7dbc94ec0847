package job

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// The states of a run.
const (
	Waiting = "waiting" // for its time, a free place, or its next try
	Running = "running"
	Done    = "done"
	Failed  = "failed" // all tries used up
)

// ErrLost says that the run's claim no longer stands: the node was taken for dead and another one
// has begun the run again. Nothing of the transaction was committed.
var ErrLost = errors.New("job: the run was taken over by another node")

// Run is one run of a job.
type Run struct {
	ID      stoa.ID
	Job     string
	Fire    time.Time // when it was due, UTC; zero for an entry of the queue
	Now     time.Time // the cluster's time when it was claimed: use it instead of the node's clock
	Attempt int       // 1 for the first try
	Payload []byte    // what Enqueue was given
	Token   string    // the same for every try: for Message-ID, idempotency keys, object names

	s     *Service
	claim int64
	done  *outcome
}

// outcome is shared by the copies of a Run.
type outcome struct {
	mu        sync.Mutex
	committed bool
}

// Commit writes with fn in the transaction that also completes the run: both happen, once, or
// neither. It is called at most once, as the last thing a job does; a job that writes nothing need
// not call it. fn may run several times and must have no effect outside of tx. ErrLost means that
// another node has taken the run over.
func (r Run) Commit(ctx context.Context, fn func(ctx context.Context, tx *db.Tx) error) error {
	r.done.mu.Lock()
	defer r.done.mu.Unlock()
	if r.done.committed {
		return errors.New("job: Commit was called twice")
	}
	end, err := r.s.now(ctx)
	if err != nil {
		return err
	}
	err = r.fenced(ctx, fn, func(ctx context.Context, tx *db.Tx) (int64, error) {
		return tx.Affected(ctx, "UPDATE job_run SET state = ?, ended = ?, message = '' WHERE id = ? AND claim = ? AND owner = ? AND state = ?",
			Done, db.Micros(end), r.ID, r.claim, r.s.o.Leader.Writer(), Running)
	})
	r.done.committed = err == nil
	return err
}

// Step writes with fn in a transaction that leaves the run running, for jobs that work in portions.
// It commits only while the run's claim stands, otherwise it returns ErrLost. A run that is started
// again must find out by itself which portions are done.
func (r Run) Step(ctx context.Context, fn func(ctx context.Context, tx *db.Tx) error) error {
	return r.fenced(ctx, fn, r.hold)
}

// Fence makes a transaction fail with ErrLost once another node has taken the run over, for jobs whose
// work is in transactions that other code begins.
func (r Run) Fence(tx *db.Tx) {
	if r.claim != 0 { // EveryNode: there is no row
		tx.Fence(once(r.hold))
	}
}

// hold is a write, not a read: reads do not keep a take-over out.
func (r Run) hold(ctx context.Context, tx *db.Tx) (int64, error) {
	return tx.Affected(ctx, "UPDATE job_run SET message = '' WHERE id = ? AND claim = ? AND owner = ? AND state = ?",
		r.ID, r.claim, r.s.o.Leader.Writer(), Running)
}

func (r Run) fenced(ctx context.Context, fn func(ctx context.Context, tx *db.Tx) error, last func(ctx context.Context, tx *db.Tx) (int64, error)) error {
	if r.claim == 0 { // EveryNode: there is no row
		return r.s.o.DB.Write(ctx, fn)
	}
	return r.s.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := fn(ctx, tx); err != nil {
			return err
		}
		tx.Changed("job", r.ID, 0, r.claim)
		tx.Fence(once(last))
		return nil
	})
}

// once makes a fence of a statement that finds the row of the run, or else the run is lost.
func once(last func(ctx context.Context, tx *db.Tx) (int64, error)) func(ctx context.Context, tx *db.Tx) error {
	return func(ctx context.Context, tx *db.Tx) error {
		n, err := last(ctx, tx)
		if err == nil && n != 1 {
			err = ErrLost
		}
		return err
	}
}

// execute does one claimed run and writes down how it ended.
func (s *Service) execute(r *registered, run Run) {
	began := time.Now()
	err := s.call(r, run)
	run.done.mu.Lock()
	committed := run.done.committed
	run.done.mu.Unlock()
	log := s.log.With("job", run.Job, "run", run.ID, "attempt", run.Attempt)
	if committed {
		if err != nil {
			log.Warn("the job returned an error after its completion was committed", "err", err)
		}
		s.ended(r, began, Succeeded)
		return
	}
	// The outcome is written also when the node is stopping; the database's own time-outs bound it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.life), 15*time.Second)
	defer cancel()
	if err == nil {
		err = run.Commit(ctx, func(context.Context, *db.Tx) error { return nil })
		if err == nil {
			s.ended(r, began, Succeeded)
			return
		}
	}
	if errors.Is(err, ErrLost) {
		log.Warn("the run was taken over by another node, nothing of it was saved")
		s.ended(r, began, TakenOver)
		return
	}
	if s.life.Err() != nil && !r.AtMostOnce {
		s.ended(r, began, GivenBack)
		if err := s.giveBack(ctx, run); err != nil {
			log.Warn("the run could not be given back; it is begun again once this node is known to be gone", "err", err)
		}
		return
	}
	final, saveErr := s.fail(ctx, r, run, err)
	if final {
		s.ended(r, began, GaveUp)
	} else {
		s.ended(r, began, Retried)
	}
	log.Error("a run of a job failed", "err", err, "final", final)
	if saveErr != nil {
		log.Error("the failure could not be written down; the run is begun again", "err", saveErr)
	}
}

// call runs the job's function within its time-out and turns a panic into an error.
func (s *Service) call(r *registered, run Run) (err error) {
	ctx, cancel := context.WithTimeout(s.life, r.Timeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("job: %s panicked: %v\n%s", r.Name, p, debug.Stack())
		}
	}()
	return r.Run(ctx, run)
}

// giveBack puts a run that was cut off by Stop back as it was: the try does not count.
func (s *Service) giveBack(ctx context.Context, run Run) error {
	return s.settle(ctx, run, Waiting, run.Attempt-1, run.Now, "the node was stopped during the run")
}

// fail puts the run back for its next try, or ends it when there is none left.
func (s *Service) fail(ctx context.Context, r *registered, run Run, cause error) (final bool, err error) {
	now, err := s.now(ctx)
	if err != nil {
		return false, err
	}
	final = run.Attempt >= r.Attempts
	state, due := Waiting, now.Add(backoff(s.o.Backoff, run.Attempt))
	if final {
		state = Failed
	}
	return final, s.settle(ctx, run, state, run.Attempt, due, cause.Error())
}

const longestBackoff = time.Hour

// backoff is the wait after a number of tries: doubled each time, up to the longest.
func backoff(base time.Duration, attempt int) time.Duration {
	for i := 1; i < attempt && base < longestBackoff; i++ {
		base *= 2
	}
	return min(base, longestBackoff)
}

func (s *Service) settle(ctx context.Context, run Run, state string, attempt int, due time.Time, message string) error {
	end, err := s.now(ctx)
	if err != nil {
		return err
	}
	if len(message) > 4000 {
		message = stoa.Clip(message, 4000)
	}
	return s.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE job_run SET state = ?, attempt = ?, due = ?, ended = ?, message = ?, claim = claim + 1 WHERE id = ? AND claim = ? AND owner = ? AND state = ?",
			state, attempt, db.Micros(due), db.Micros(end), message, run.ID, run.claim, s.o.Leader.Writer(), Running)
		tx.Changed("job", run.ID, 0, run.claim+1)
		return err
	})
}
