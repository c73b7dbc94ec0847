package server

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/db"
)

const (
	// flushLimit bounds the writing of events.
	flushLimit = 5 * time.Second
	// watchEvery is how often a node looks whether something is wrong, for log and metrics.
	watchEvery = 10 * time.Second
	// lostNamed is how many lost changes an event names.
	lostNamed = 20
)

// openEvents begins to note what happens to the cluster.
func (s *Server) openEvents() {
	s.Events = cluster.NewEventLog(s.DB, func() string { return s.Node.Self().Name }, s.log.With("component", "cluster"))
	if t := s.DB.Started(); t != nil && !s.command {
		s.Events.Add(turned(*t))
	}
	s.DB.OnIncarnation(func(t db.Turn) { s.Events.Add(turned(t)) })
	stop := s.Node.Watch(s.noticeMember)
	s.onStop("events", func(ctx context.Context) error {
		stop()
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		if err := s.Events.Flush(ctx); err != nil {
			s.log.Warn("events were not written", "count", len(s.Events.Waiting()), "error", err)
		}
		return nil
	})
	s.every(time.Second, func(ctx context.Context) {
		s.noticeMaster()
		s.noticeLost()
		if len(s.Events.Waiting()) == 0 {
			return
		}
		ctx, cancel := context.WithTimeout(ctx, flushLimit)
		defer cancel()
		if err := s.Events.Flush(ctx); err != nil {
			s.log.Debug("events wait", "error", err)
		}
	})
}

// ReadEvents marks events as read: those with the ids, or all without one. It is for operators.
func (s *Server) ReadEvents(ctx context.Context, ids ...stoa.ID) error {
	if err := stoa.ActorFrom(ctx).OperatesNow("mark events of the cluster as read"); err != nil {
		return err
	}
	if err := s.Events.Flush(ctx); err != nil {
		return err
	}
	_, err := cluster.ReadEvents(ctx, s.DB, ids...)
	s.noticed.Store(nil)
	return err
}

// noticeMember tells, as the master, of nodes that are back.
func (s *Server) noticeMember(e cluster.MemberEvent) {
	m := e.Member
	if !e.Joined || m.Self || !s.Node.IsMaster() {
		return
	}
	replaced := slices.ContainsFunc(s.Node.Members(), func(o cluster.Member) bool {
		return o.Writer != m.Writer && o.State == cluster.Dead && (o.Node == m.Node || o.Name == m.Name)
	})
	if m.Epoch > 1 || replaced {
		s.Events.Add(cluster.Event{
			Code: cluster.CodeNodeBack,
			Data: map[string]string{"node": m.Node},
		}.Saying("%s (host %s) is back.", m.Name, m.Host))
	}
}

// noticeDead tells of a node that was declared dead.
func (s *Server) noticeDead(m cluster.Member) {
	e := cluster.Event{
		Code: cluster.CodeNodeDead,
		Data: map[string]string{"node": m.Node, "writer": strconv.FormatInt(m.Writer, 10)},
		Mend: "look at its log and its machine",
	}.Saying("%s (host %s) gave no sign of life and was declared dead. Others do its work.", m.Name, m.Host)
	for _, o := range s.Node.Members() {
		if o.Writer != m.Writer && o.Live && (o.Node == m.Node || o.Name == m.Name) {
			e.Severity = cluster.Info
			e = e.Saying("%s (host %s) ended without saying goodbye, and was started again.", m.Name, m.Host)
		}
	}
	s.Events.Add(e)
}

// noticeMaster remembers another master, to be named when this node follows it.
func (s *Server) noticeMaster() {
	if w := s.Node.Master(); w != 0 && w != s.Node.Writer() {
		s.master.Store(w)
	}
}

// noticeMastery tells that this node is the master now, after another.
func (s *Server) noticeMastery() {
	was := s.master.Swap(0)
	self := s.Node.Self()
	if was == 0 || was == self.Writer {
		return
	}
	before := "" // a node that has been forgotten
	for _, m := range s.Node.Members() {
		if m.Writer != was {
			continue
		}
		if m.Node == self.Node {
			return // its own life before
		}
		before = m.Name
	}
	e := cluster.Event{Code: cluster.CodeMasterNew}
	if before == "" {
		s.Events.Add(e.Saying("%s is the master now; it was a node that has been forgotten.", self.Name))
		return
	}
	s.Events.Add(e.Saying("%s is the master now; it was %s.", self.Name, before))
}

// noticeLost tells of own commits that a replaced database does not have.
func (s *Server) noticeLost() {
	st := s.Log.Status()
	if st.Losses == s.lost {
		return
	}
	many := st.Losses - s.lost
	s.lost = st.Losses
	fresh := st.Lost[len(st.Lost)-int(min(many, uint64(len(st.Lost)))):] // of more than can be kept, the newest
	var things, said []string
	data := map[string]string{"changes": strconv.FormatUint(many, 10)}
	for _, by := range makers(fresh) {
		var own []string
		for _, r := range fresh {
			thing := fmt.Sprintf("%s %d (version %d)", r.Kind, r.ID, r.Version)
			if r.By == by && !slices.Contains(own, thing) {
				own = append(own, thing)
			}
		}
		things = append(things, own...)
		if len(own) > lostNamed {
			own = append(own[:lostNamed], "and more")
		}
		if by != 0 {
			data[cluster.LossKey(by)] = strings.Join(own, ", ")
		}
		said = append(said, "by "+s.personName(by)+": "+strings.Join(own, ", "))
	}
	data["things"] = strings.Join(things[:min(len(things), lostNamed)], ", ")
	s.Events.Add(cluster.Event{
		Code: cluster.CodeChangeLost,
		Data: data,
		Mend: "tell the people who made them, and make them again; what they had taken away is taken away " +
			"again by itself. Synchronous replication loses none",
	}.Saying("%d changes that %s had confirmed are not in the database any more, %s.",
		many, s.Node.Self().Name, strings.Join(said, "; ")))
}

// Losses gives what a fail-over has lost of the changes of the person who asks.
func (s *Server) Losses(ctx context.Context) ([]cluster.Loss, error) {
	return cluster.LossesOf(ctx, s.DB, s.now())
}

// makers are those who made the changes, each once.
func makers(lost []change.Lost) (by []stoa.ID) {
	for _, r := range lost {
		if !slices.Contains(by, r.By) {
			by = append(by, r.By)
		}
	}
	return by
}

// personName names a person for the operator.
func (s *Server) personName(id stoa.ID) string {
	if id == 0 {
		return "the portal itself"
	}
	ctx, cancel := context.WithTimeout(stoa.WithActor(s.ctx, stoa.SystemActor()), time.Second)
	defer cancel()
	if s.Users != nil {
		if u, err := s.Users.Get(ctx, id); err == nil {
			return strings.TrimSpace(u.FirstName+" "+u.LastName) + " (" + u.Email + ")"
		}
	}
	return "person " + id.String()
}

// unread gives the events that have not been read: as the database has them or, while it does not answer, as they were
// seen last, with those that wait to be written.
func (s *Server) unread(ctx context.Context) (events []cluster.Event, all int, unseen []string) {
	ctx, cancel := context.WithTimeout(stoa.WithActor(ctx, stoa.SystemActor()), time.Second)
	defer cancel()
	n := &noticed{}
	var err error
	if n.events, n.all, err = cluster.UnreadEvents(ctx, s.DB, eventsShown); err == nil {
		s.noticed.Store(n)
	} else {
		unseen = []string{"The events could not be read from the database; these are as this node knew them."}
		n = cmp.Or(s.noticed.Load(), n)
	}
	waiting := s.Events.Waiting()
	slices.Reverse(waiting)
	return append(waiting, n.events...), n.all + len(waiting), unseen
}

// noticed are events that have not been read, as they were seen last.
type noticed struct {
	events []cluster.Event
	all    int
}

// watchFindings looks at the cluster, says in the log what has begun or ended to be wrong, and keeps it for the
// metrics. Each node says what is wrong with itself, and the master the rest.
func (s *Server) watchFindings(ctx context.Context) {
	s.writeToken(ctx)
	st, err := s.Cluster(stoa.WithActor(ctx, stoa.SystemActor()))
	if err != nil || ctx.Err() != nil {
		return
	}
	s.seen.Store(&st)
	s.settleKeys(ctx, st)
	s.settleRow(ctx)
	self := s.Node.Self().Name
	now := map[string]cluster.Finding{}
	for _, f := range slices.Concat(st.Wrong, st.Notes) {
		if slices.Contains(f.Nodes, self) || s.Node.IsMaster() {
			now[f.Code+" "+strings.Join(f.Nodes, " ")] = f
		}
	}
	for key, f := range now {
		if _, told := s.told[key]; told {
			continue
		}
		level := slog.LevelWarn
		switch f.Severity {
		case cluster.Critical:
			level = slog.LevelError
		case cluster.Info:
			level = slog.LevelInfo
		}
		s.log.Log(ctx, level, f.Text, "code", f.Code, "mend", f.Mend, "follows", len(f.Follows), "see", f.Page)
	}
	for key, f := range s.told {
		if _, still := now[key]; !still {
			s.log.Info("over: "+f.Text, "code", f.Code)
		}
	}
	s.told = now
}
