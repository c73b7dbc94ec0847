package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/job"
)

// NodeReport is what a node says of itself.
type NodeReport struct {
	HTTP        string            `json:"http"`
	Uptime      time.Duration     `json:"uptime"`      // nanoseconds
	ClockOffset time.Duration     `json:"clockOffset"` // its clock minus the database's
	Settings    map[string]string `json:"settings"`    // short digests of the properties that must be the same
	Position    uint64            `json:"position"`    // its own changes below are settled
	ProofAge    time.Duration     `json:"proofAge"`    // since its newest proof of freshness; −1 without one
	Heads       map[string]uint64 `json:"heads"`       // by writer: how far it has followed the log
	HintsSent   uint64            `json:"hintsSent"`
	HintsGot    uint64            `json:"hintsGot"`
	HintsLost   uint64            `json:"hintsLost"`
	Repaired    uint64            `json:"repaired"` // transactions that no hint had brought
	Incoherent  uint64            `json:"incoherent"`
	Jobs        bool              `json:"jobs"`
	Command     bool              `json:"command,omitempty"` // it lives for one command of the operator
	Latencies   []NodeLatency     `json:"latencies"`
	Unlinked    []string          `json:"unlinked,omitempty"` // living nodes that it has no connection to
	Problems    []string          `json:"problems,omitempty"` // why it is not ready
}

// NodeLatency is how long a hint takes from a node to another and back.
type NodeLatency struct {
	Node string        `json:"node"`
	P50  time.Duration `json:"p50"`
	P99  time.Duration `json:"p99"`
	Max  time.Duration `json:"max"`
	Lost uint64        `json:"lost"`
}

// NodeStatus is a row of the cluster's table.
type NodeStatus struct {
	Name    string    `json:"name"`
	Node    string    `json:"node"`
	Writer  string    `json:"writer"`
	Host    string    `json:"host"`
	Address string    `json:"address"` // for other nodes
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	State   string    `json:"state"` // live, silent, dead or left
	Master  bool      `json:"master"`
	Self    bool      `json:"self"`
	Differs []string  `json:"differs,omitempty"` // properties whose values are others than here
	Lag     uint64    `json:"lag"`               // changes that others have settled and it has not applied
	Error   string    `json:"error,omitempty"`   // why it did not answer
	NodeReport
}

// ClusterStatus is what this node knows of the cluster.
type ClusterStatus struct {
	Link     string       `json:"link"` // "off", "inside" or "outside"
	Master   string       `json:"master"`
	Database string       `json:"database"`
	Nodes    []NodeStatus `json:"nodes"`
	Wrong    []Wrong      `json:"wrong"`
}

// Wrong is something that is not as it should be.
type Wrong struct {
	Text string `json:"text"`
	Mend string `json:"mend"`
}

// report is this node's word about itself.
func (s *Server) report(ctx context.Context) NodeReport {
	st := s.Log.Status()
	r := NodeReport{
		HTTP: s.address, Uptime: time.Since(s.started).Round(time.Second), Settings: s.shared, Position: st.Low, ProofAge: st.ProofAge, Heads: map[string]uint64{},
		HintsSent: st.HintsSent, HintsGot: st.HintsGot, HintsLost: st.HintsLost, Repaired: st.Repaired, Jobs: s.cfg.Jobs.Enabled, Command: s.command,
	}
	r.ClockOffset = s.clockOffset(ctx)
	for _, w := range st.Writers {
		r.Heads[strconv.FormatInt(w.Writer, 10)] = w.Head
	}
	for _, c := range s.Cache.Stats() {
		r.Incoherent += c.Incoherences
	}
	names := map[int64]string{}
	for _, m := range s.Node.Members() {
		names[m.Writer] = m.Name
		if m.Live && !m.Self && s.link.inside != nil && m.Fingerprint != "" && !s.link.inside.Reaches(m.Writer) {
			r.Unlinked = append(r.Unlinked, m.Name)
		}
	}
	for _, l := range s.probe.Latencies() {
		r.Latencies = append(r.Latencies, NodeLatency{Node: names[l.Writer], P50: l.P50, P99: l.P99, Max: l.Max, Lost: l.Lost})
	}
	for _, p := range s.problems(ctx) {
		r.Problems = append(r.Problems, p.Requirement+": "+p.Message)
	}
	return r
}

// clockOffset compares this node's clock with the database's; half the way there and back is the error.
func (s *Server) clockOffset(ctx context.Context) time.Duration {
	before := time.Now()
	at, err := job.DatabaseNow(ctx, s.DB)
	if err != nil {
		return 0
	}
	after := time.Now()
	return before.Add(after.Sub(before) / 2).Sub(at).Round(time.Millisecond)
}

// Cluster asks every node how it is. It is for administrators and the operator.
func (s *Server) Cluster(ctx context.Context) (ClusterStatus, error) {
	actor := stoa.ActorFrom(ctx)
	if !actor.Admin && !actor.System {
		return ClusterStatus{}, stoa.Forbidden("only administrators may look at the cluster")
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	out := ClusterStatus{Link: "off", Database: s.DB.Describe()}
	switch {
	case s.link.inside != nil:
		out.Link = "inside"
	case s.cfg.Cluster.Enabled:
		out.Link = "outside"
	}
	answers := map[int64]cluster.Answer[NodeReport]{}
	for _, a := range s.status.All(ctx, struct{}{}) {
		answers[a.Member.Writer] = a
	}
	master := s.Node.Master()
	members := s.Node.Members()
	for _, m := range members {
		if !m.Live && slices.ContainsFunc(members, func(o cluster.Member) bool { return o.Node == m.Node && (o.Live || o.Started.After(m.Started)) }) {
			continue // an earlier life of a node that has come back
		}
		n := NodeStatus{
			Name: m.Name, Node: m.Node, Writer: strconv.FormatInt(m.Writer, 10), Host: m.Host, Address: m.Address, Version: m.Version,
			Started: m.Started, State: m.State, Self: m.Self, Master: m.Writer == master && m.Live,
		}
		switch {
		case m.Live:
			n.State = "live"
		case m.State == "up":
			n.State = "silent"
		}
		if n.Master {
			out.Master = n.Name
		}
		if a, asked := answers[m.Writer]; asked {
			n.NodeReport = a.Value
			if a.Err != nil {
				n.Error = a.Err.Error()
			}
		}
		out.Nodes = append(out.Nodes, n)
	}
	out.compare(s.shared)
	out.judge(s.cfg.Cluster.Enabled, s.Node)
	return out, nil
}

// ClusterText is Cluster as JSON, for commands.
func (s *Server) ClusterText(ctx context.Context) (string, error) {
	st, err := s.Cluster(ctx)
	if err != nil {
		return "", err
	}
	raw, err := json.MarshalIndent(st, "", "  ")
	return string(raw), err
}

// ClearCachesText empties the caches of all nodes, for commands, and says which have confirmed.
func (s *Server) ClearCachesText(ctx context.Context) (string, error) {
	ctx, receipts := change.WithReceipts(ctx)
	if err := s.ClearCaches(ctx); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, change.Bound)
	defer cancel()
	var text strings.Builder
	text.WriteString("The caches of this node are empty.\n")
	for _, a := range s.await.Others(ctx, receipts.Positions()) {
		if a.Err != nil {
			fmt.Fprintf(&text, "%s has not confirmed yet; it empties its own at its next look at the database.\n", a.Member.Name)
		} else {
			fmt.Fprintf(&text, "%s has emptied its own.\n", a.Member.Name)
		}
	}
	return strings.TrimSuffix(text.String(), "\n"), nil
}

// compare finds settings that differ from this node's and how far each node is behind.
func (c *ClusterStatus) compare(own map[string]string) {
	for i := range c.Nodes {
		n := &c.Nodes[i]
		if n.Settings != nil {
			for name, digest := range own {
				if n.Settings[name] != digest {
					n.Differs = append(n.Differs, name)
				}
			}
			sort.Strings(n.Differs)
		}
		for _, other := range c.Nodes {
			head, follows := n.Heads[other.Writer]
			if follows && other.Position > head+1 {
				n.Lag += other.Position - 1 - head
			}
		}
	}
}

// clockTolerance is how far a clock may be off before it is worth a word: nothing depends on it, but the
// times that people see do.
const clockTolerance = 2 * time.Second

// judge says in words what is wrong.
func (c *ClusterStatus) judge(enabled bool, self *cluster.Node) {
	wrong := func(mend, format string, args ...any) {
		c.Wrong = append(c.Wrong, Wrong{fmt.Sprintf(format, args...), mend})
	}
	live, versions, jobs := 0, map[string][]string{}, map[bool][]string{}
	for _, n := range c.Nodes {
		switch n.State {
		case "live":
			live++
			versions[n.Version] = append(versions[n.Version], n.Name)
		case "silent":
			wrong("look whether its process and its machine run; it comes back by itself, or the master declares it dead", "%s has given no sign of life for a while.", n.Name)
		}
		if n.State != "live" {
			continue
		}
		if n.Error != "" {
			wrong("open the port of its address for the other nodes; changes reach it through the database meanwhile, within two seconds", "%s does not answer calls: %s.", n.Name, n.Error)
			continue
		}
		if !n.Command {
			jobs[n.Jobs] = append(jobs[n.Jobs], n.Name)
		}
		for _, p := range n.Problems {
			wrong("see /readyz of that node", "%s is not ready: %s.", n.Name, p)
		}
		if len(n.Unlinked) > 0 {
			wrong("open the ports of their addresses between them; changes reach them through the database meanwhile, within two seconds", "%s has no connection to %s.", n.Name, strings.Join(n.Unlinked, ", "))
		}
		if len(n.Differs) > 0 {
			wrong("give these properties the same values on all nodes and restart the nodes one after another", "%s has other values than this node for %s.", n.Name, strings.Join(n.Differs, ", "))
		}
		if n.ClockOffset.Abs() > clockTolerance {
			wrong("let its clock be set over the network (NTP)", "The clock of %s is %s off the database's. Nothing depends on it but the times that people see.", n.Name, n.ClockOffset)
		}
		if n.Incoherent > 0 {
			wrong("report it; it was found, dropped and logged with its tags", "%s has served %d values from memory that no change explains.", n.Name, n.Incoherent)
		}
	}
	if live > 1 && !enabled {
		wrong("set cluster.link.enabled=true on every node", "%d nodes use this database, but Cluster Link is off on this one: changes reach it through the database only.", live)
	}
	if c.Master == "" {
		wrong("wait a few seconds; if it stays so, see the log of the nodes for the lease master", "No node is the master.")
	}
	if len(versions) > 1 {
		var parts []string
		for v, names := range versions {
			slices.Sort(names)
			parts = append(parts, v+" ("+strings.Join(names, ", ")+")")
		}
		slices.Sort(parts)
		wrong("finish the rolling restart: two versions next to each other work together, for the time of an update", "The nodes run different versions: %s.", strings.Join(parts, "; "))
	}
	if len(jobs) > 1 {
		wrong("set scheduler.enabled the same on all nodes", "Jobs run on %s but not on %s.", strings.Join(jobs[true], ", "), strings.Join(jobs[false], ", "))
	}
	for _, m := range cluster.Unreachable(self.Self(), self.Members()) {
		wrong("set cluster.link.bind.addr[\"cluster-link-control\"] on the node that is at 127.0.0.1 to its machine's address in the network of the nodes",
			"%s (host %s) is at %s for other nodes, and this one at %s: one of the two is not reachable from the other's host.", m.Name, m.Host, m.Address, self.Self().Address)
	}
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
