package job

import (
	"time"

	"github.com/stoa-portal/stoa/db"
)

// Outcome is how a run ended on the node that had it.
type Outcome string

// The outcomes.
const (
	Succeeded Outcome = "succeeded"
	Retried   Outcome = "retried"    // it failed, and has another try
	GaveUp    Outcome = "failed"     // it failed for good
	TakenOver Outcome = "lost"       // another node took it over, and nothing of it was saved
	GivenBack Outcome = "given_back" // the node stopped
)

// Outcomes are all of them.
func Outcomes() []Outcome { return []Outcome{Succeeded, Retried, GaveUp, TakenOver, GivenBack} }

// Status is what the metrics show of the jobs of one node.
type Status struct {
	// Overdue is how long the oldest run that is due has waited to be begun, as far as this node saw when it last
	// looked; 0 where none waits, or where the node runs no jobs.
	Overdue time.Duration
	Running int // on this node
}

// Status gives the present numbers without asking the database.
func (s *Service) Status() Status {
	var st Status
	if due := s.due.Load(); due != 0 {
		st.Overdue = max(0, time.Since(time.UnixMicro(due)))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Running = len(s.active)
	return st
}

// noteDue keeps, by this machine's clock, when the oldest that has not been begun was or will be due. What was put
// into a queue is due at once, and waits since this node first saw that there is something.
func (s *Service) noteDue(g glance) {
	here := func(at int64) int64 { return time.Now().UnixMicro() + at - db.Micros(g.now) }
	oldest := int64(0)
	if g.fire != never {
		oldest = here(g.fire)
	}
	if g.soonest != 0 {
		s.queued = 0
	} else if s.queued == 0 {
		s.queued = time.Now().UnixMicro()
	}
	waits := s.queued
	if g.soonest > 0 {
		waits = here(g.soonest)
	}
	if waits != 0 && (oldest == 0 || waits < oldest) {
		oldest = waits
	}
	s.due.Store(oldest)
}

// ended tells the counters how a run ended.
func (s *Service) ended(r *registered, began time.Time, how Outcome) {
	if s.o.Ended != nil {
		s.o.Ended(r.Name, how, time.Since(began))
	}
}
