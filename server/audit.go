package server

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/job"
)

// controlSocket is where commands of the operator come from, as the audit log has it.
const controlSocket = "control socket"

// owners knows which instance each site belongs to, without asking the database.
type owners struct {
	of    atomic.Pointer[map[stoa.ID]stoa.ID]
	stale atomic.Bool
}

func (o *owners) instance(site stoa.ID) stoa.ID {
	if of := o.of.Load(); of != nil {
		return (*of)[site]
	}
	return 0
}

// openAudit lets every write from here on have its row.
func (s *Server) openAudit() (err error) {
	s.owners.stale.Store(true)
	s.Audit, err = audit.New(audit.Options{DB: s.DB, Node: func() string { return cmp.Or(s.nodeName(), s.Node.ID()) },
		InstanceOf: s.owners.instance, Logger: s.log})
	if err != nil {
		return err
	}
	s.DB.SetAuditor(s.Audit)
	s.onStop("audit", s.Audit.Flush)
	stop := s.Log.Subscribe(func(rows []change.Row) {
		if slices.ContainsFunc(rows, func(r change.Row) bool { return r.Kind == "site" || r.Kind == change.Everything }) {
			s.owners.stale.Store(true)
		}
	})
	s.onStop("audit", func(context.Context) error { stop(); return nil })
	return nil
}

// keepAudit writes what was counted, about once a second.
func (s *Server) keepAudit(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, flushLimit)
	defer cancel()
	s.learnOwners(ctx)
	_ = s.Audit.Flush(ctx) // says by itself when it begins to fail, and tries again
}

// learnOwners reads which instance each site belongs to, when that may have changed.
func (s *Server) learnOwners(ctx context.Context) {
	if !s.owners.stale.Swap(false) {
		return
	}
	of, err := s.Sites.Owners(stoa.WithActor(ctx, stoa.SystemActor()))
	if err != nil {
		s.owners.stale.Store(true)
		s.log.Debug("the audit log could not learn which instance each site belongs to", "error", err)
		return
	}
	s.owners.of.Store(&of)
}

// noted writes down what was done outside of a transaction, with how it ended. What cannot be written down is said in
// the log; it was done all the same.
func (s *Server) noted(ctx context.Context, err error, action string, t audit.Thing, with ...string) {
	outcome := audit.Done
	switch {
	case stoa.Is(err, stoa.KindForbidden), stoa.Is(err, stoa.KindUnauthorized):
		return // a refusal is counted where it is answered
	case err != nil:
		outcome = audit.Failed
	}
	if err := s.Audit.Record(ctx, outcome, action, t, with...); err != nil {
		s.log.Warn("what was done could not be written down", "action", action, "title", t.Title,
			"with", strings.Join(with, "; "), "error", err)
	}
}

// pruneAudit is the job that deletes what is older than audit.message.max.age.
func (s *Server) pruneAudit() job.Job {
	return job.Job{
		Name: "audit.prune", Does: "Shortens the audit log", Kind: job.Once, Schedule: "@every 1h", Timeout: 10 * time.Minute,
		Run: func(ctx context.Context, run job.Run) error {
			_, err := s.Audit.Prune(stoa.WithActor(ctx, stoa.SystemActor()), s.cfg.Audit.MaxAge, run.Fence)
			return err
		},
	}
}
