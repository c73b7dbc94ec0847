package server

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/httpd"
	"github.com/stoa-portal/stoa/job"
)

// checkup is what the node found when it last looked at itself.
type checkup struct {
	problems []httpd.Problem
	offset   time.Duration // its clock minus the database's
	asked    time.Time     // when that was found
}

// clockEvery is how often the clock of the database is asked for; clocks drift slowly.
const clockEvery = 5 * time.Second

// examine looks at what may take long, so that the node can tell how it is even while its database hangs.
func (s *Server) examine(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	c := &checkup{problems: s.lookForProblems(ctx, true)}
	last := s.checkup.Load()
	if last != nil && time.Since(last.asked) < clockEvery {
		c.offset, c.asked = last.offset, last.asked
		s.checkup.Store(c)
		return
	}
	// Half the way there and back is the error.
	before := time.Now()
	if at, err := job.DatabaseNow(ctx, s.DB); err == nil {
		after := time.Now()
		c.offset = before.Add(after.Sub(before) / 2).Sub(at).Round(time.Millisecond)
		c.asked = after
	}
	s.checkup.Store(c)
}

// statusQuestion is what a node that is asked how it is needs to know. Nodes of the version before send none.
type statusQuestion struct {
	Token  string `json:"token,omitempty"` // the key of what the node that asks has written into the file store
	Moment string `json:"moment"`          // random; key files and secrets are compared for it
}

// report is this node's word about itself. It asks nobody.
func (s *Server) report(q statusQuestion) cluster.Report {
	st := s.Log.Status()
	settings := s.shared.Proofs(q.Moment)
	if q.Moment != "" {
		settings[keyFileSetting] = s.keyFile.Proof(q.Moment)
	}
	r := cluster.Report{
		HTTP: s.address, Uptime: time.Since(s.started).Round(time.Second), Settings: settings, Values: s.values,
		Position: st.Low, ProofAge: st.ProofAge, Heads: map[string]uint64{},
		HintsSent: st.HintsSent, HintsGot: st.HintsGot, HintsLost: st.HintsLost, Repaired: st.Repaired, Jobs: s.cfg.Jobs.Enabled, Command: s.command,
		Leaving: s.leaving.Load(), Warnings: s.warnings(), Search: s.searchKept(),
	}
	if s.level != nil {
		r.LogLevel = strings.ToLower(s.level.Level().String())
	}
	for _, w := range st.Writers {
		r.Heads[strconv.FormatInt(w.Writer, 10)] = w.Head + uint64(w.Hinted)
	}
	for _, c := range s.Cache.Stats() {
		r.Incoherent += c.Incoherences
	}
	names := map[int64]string{}
	for _, m := range s.Node.Members() {
		names[m.Writer] = m.Name
	}
	for _, m := range cluster.Current(s.Node.Members()) {
		if s.unlinked(m) {
			r.Unlinked = append(r.Unlinked, m.Name)
		}
	}
	for _, l := range s.probe.Latencies() {
		r.Latencies = append(
			r.Latencies,
			cluster.NodeLatency{
				Node:   names[l.Writer],
				Writer: strconv.FormatInt(l.Writer, 10),
				P50:    l.P50,
				P99:    l.P99,
				Max:    l.Max,
				Lost:   l.Lost,
			},
		)
	}
	if c := s.checkup.Load(); c != nil {
		r.ClockOffset = c.offset
		for _, p := range s.files.freshen(c.problems) {
			r.Problems = append(r.Problems, cluster.Problem(p))
		}
	}
	return r
}

// Cluster asks every node how it is, for three seconds at most or until the deadline of ctx. It is for
// operators.
func (s *Server) Cluster(ctx context.Context) (cluster.Status, error) {
	if err := stoa.ActorFrom(ctx).Operates("look at the cluster"); err != nil {
		return cluster.Status{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	detail := s.linkDetail()
	a := cluster.Asked{Link: detail.Link, Channel: detail.Channel, Database: s.DB.Describe(),
		Lonely: s.DB.Dialect() == db.SQLite, StoredIn: s.storeOfDatabase()}
	var wg sync.WaitGroup
	wg.Go(func() { a.Events, a.Unread, a.Unseen = s.unread(ctx) })
	a.Answers = s.status.All(ctx, statusQuestion{Moment: rand.Text(), Token: s.token()})
	wg.Wait()
	a.Members, a.Master = s.Node.Members(), s.Node.Master()
	return cluster.NewStatus(a), nil
}

// linkDetail is what the node's row tells of its Cluster Link.
func (s *Server) linkDetail() cluster.Detail {
	d := cluster.Detail{Level: cluster.Level, Link: "off", Channel: s.cfg.Cluster.ChannelNameControl}
	switch {
	case s.link.inside != nil:
		d.Link = "inside"
	case s.cfg.Cluster.Enabled || s.link.given:
		d.Link = "outside"
	}
	return d
}

// unlinked reports whether there should be a connection to a living member, and is none.
func (s *Server) unlinked(m cluster.Member) bool {
	return m.Live && !m.Self && m.Node != s.Node.ID() && s.link.inside != nil && m.Fingerprint != "" &&
		!s.link.inside.Reaches(m.Writer)
}

// ClusterText is Cluster as JSON, for commands.
func (s *Server) ClusterText(ctx context.Context) (string, error) {
	st, err := s.Cluster(ctx)
	if err != nil {
		return "", err
	}
	for _, n := range st.Nodes {
		s.shared.Hide(n.Settings)
		delete(n.Settings, keyFileSetting)
	}
	raw, err := json.MarshalIndent(st, "", "  ")
	return string(raw), err
}

// EmptyCaches drops every cached value on every node: the order is a row of the log, so it reaches nodes
// that are away as well. It gives the place of that row.
func (s *Server) EmptyCaches(ctx context.Context) (change.Position, error) {
	if err := stoa.ActorFrom(ctx).OperatesNow("empty the caches"); err != nil {
		return change.Position{}, err
	}
	ctx, receipts := change.WithReceipts(ctx)
	err := s.DB.Write(ctx, func(_ context.Context, tx *db.Tx) error {
		tx.Changed(change.Everything, 0, 0, change.CachesOnly)
		audit.Note(tx, audit.CachesCleared, audit.Thing{})
		return nil
	})
	if err != nil {
		return change.Position{}, err
	}
	return receipts.Positions()[0], nil
}

// Emptied asks every node whether it has emptied its caches as the row at p orders, until the deadline of
// ctx. An order that the log does not show (any more) is a NotFound error.
func (s *Server) Emptied(ctx context.Context, p change.Position) ([]cluster.Answer[bool], error) {
	if err := stoa.ActorFrom(ctx).Operates("look at the cluster"); err != nil {
		return nil, err
	}
	orders, err := s.Log.Recent(ctx, 1000, change.Filter{Kind: change.Everything})
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(orders, func(r change.Row) bool { return r.Writer == p.Writer && r.N == p.N }) {
		return nil, stoa.NotFound("order to empty the caches", p.N)
	}
	return s.await.All(ctx, []change.Position{p}), nil
}

// ClearCachesText empties the caches of all nodes, for commands, and says which have confirmed.
func (s *Server) ClearCachesText(ctx context.Context) (string, error) {
	p, err := s.EmptyCaches(ctx)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, change.Bound)
	defer cancel()
	answers, err := s.Emptied(ctx, p)
	if err != nil {
		return "", err
	}
	var lines []string
	for _, a := range answers {
		if a.Err != nil {
			lines = append(
				lines,
				a.Member.Name+" has not confirmed yet; it empties its caches at its next look at the database.",
			)
		} else {
			lines = append(lines, a.Member.Name+" has emptied its caches.")
		}
	}
	return strings.Join(lines, "\n"), nil
}

// Forget takes a dead node off the list: it is not to come back. One that does after all must be restarted.
func (s *Server) Forget(ctx context.Context, writer int64) error {
	if err := stoa.ActorFrom(ctx).OperatesNow("forget nodes"); err != nil {
		return err
	}
	return s.forget(ctx, writer)
}

// forget takes a node off the list and writes down that it did.
func (s *Server) forget(ctx context.Context, writer int64) error {
	name := strconv.FormatInt(writer, 10)
	for _, m := range s.Node.Members() {
		if m.Writer == writer {
			name = m.Name
		}
	}
	err := s.Node.Forget(ctx, writer)
	s.noted(ctx, err, audit.NodeForgotten, audit.Thing{Kind: "node", Title: name})
	return err
}

// ForgetText is Forget for commands: the node is named by its name or id.
func (s *Server) ForgetText(ctx context.Context, name string) (string, error) {
	if err := stoa.ActorFrom(ctx).OperatesNow("forget nodes"); err != nil {
		return "", err
	}
	if err := s.Node.Look(ctx); err != nil {
		return "", err
	}
	m, err := cluster.Lost(s.Node.Members(), name)
	if err == nil {
		err = s.Forget(ctx, m.Writer)
	}
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s (%s) is forgotten. Should it come back after all, restart it.", m.Name, m.Host), nil
}

// ForgetDead takes all nodes that are dead off the list and says which they were. It is for operators.
func (s *Server) ForgetDead(ctx context.Context) (string, error) {
	if err := stoa.ActorFrom(ctx).OperatesNow("forget nodes"); err != nil {
		return "", err
	}
	if err := s.Node.Look(ctx); err != nil {
		return "", err
	}
	var lines []string
	for _, m := range s.Node.Members() {
		if m.State != cluster.Dead {
			continue
		}
		switch err := s.forget(ctx, m.Writer); {
		case stoa.Is(err, stoa.KindConflict): // it is back
		case err != nil:
			return strings.Join(lines, "\n"), err
		default:
			lines = append(lines, fmt.Sprintf("%s (%s, id %s) is forgotten.", m.Name, m.Host, m.Node))
		}
	}
	if len(lines) == 0 {
		return "No node is dead, so there is nothing to forget.", nil
	}
	return strings.Join(lines, "\n") + "\nShould one of them come back after all, restart it.", nil
}

// EventsText gives the newest events as JSON, for commands.
func (s *Server) EventsText(ctx context.Context, limit int) (string, error) {
	events, err := cluster.Events(ctx, s.DB, limit)
	if err != nil {
		return "", err
	}
	waiting := s.Events.Waiting()
	slices.Reverse(waiting)
	raw, err := json.MarshalIndent(append(append([]cluster.Event{}, waiting...), events...), "", "  ")
	return string(raw), err
}

// ReadEventsText marks events as read, for commands: one by its id, or all.
func (s *Server) ReadEventsText(ctx context.Context, which string) (string, error) {
	var ids []stoa.ID
	if which != "all" {
		id, err := stoa.ParseID(which)
		if err != nil {
			return "", stoa.Invalid("read",
				"%.40q is no id of an event: the number that stoa cluster events shows, or all, is expected",
				which)
		}
		ids = append(ids, id)
	}
	if err := stoa.ActorFrom(ctx).OperatesNow("mark events of the cluster as read"); err != nil {
		return "", err
	}
	if err := s.Events.Flush(ctx); err != nil {
		return "", err
	}
	n, err := cluster.ReadEvents(ctx, s.DB, ids...)
	s.noticed.Store(nil)
	switch {
	case err != nil:
		return "", err
	case n == 0 && len(ids) > 0:
		return "", stoa.NotFound("event that has not been read", which)
	case n == 1:
		return "One event is marked as read.", nil
	}
	return fmt.Sprintf("%d events are marked as read.", n), nil
}

// Confirm waits until every other living node has applied the change at p; the error names those that
// have not when ctx ends.
func (s *Server) Confirm(ctx context.Context, p change.Position) error {
	// Whoever has joined since the last look is asked, too. Who joins later opens its log after the commit.
	if err := s.Node.Look(ctx); err != nil {
		return err
	}
	var errs []error
	for _, a := range s.await.Others(ctx, []change.Position{p}) {
		if a.Err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", a.Member.Name, a.Err))
		}
	}
	return errors.Join(errs...)
}
