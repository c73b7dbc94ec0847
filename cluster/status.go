package cluster

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Report is what a node says of itself.
type Report struct {
	HTTP        string            `json:"http"`        // host:port for people
	Uptime      time.Duration     `json:"uptime"`      // nanoseconds
	ClockOffset time.Duration     `json:"clockOffset"` // its clock minus the database's
	Settings    map[string]string `json:"settings"`    // short digests of those that must be the same on all nodes
	Values      map[string]string `json:"values"`      // the same, as they may be shown
	Position    uint64            `json:"position"`    // its own changes below are settled
	ProofAge    time.Duration     `json:"proofAge"`    // since its newest proof of freshness; −1 without one
	Heads       map[string]uint64 `json:"heads"`       // by writer: how many of its changes are applied here
	HintsSent   uint64            `json:"hintsSent"`
	HintsGot    uint64            `json:"hintsGot"`
	HintsLost   uint64            `json:"hintsLost"`
	Repaired    uint64            `json:"repaired"` // transactions that no hint had brought
	Incoherent  uint64            `json:"incoherent"`
	Jobs        bool              `json:"jobs"`
	LogLevel    string            `json:"logLevel,omitempty"`
	Command     bool              `json:"command,omitempty"` // it lives for one command of the operator
	Latencies   []NodeLatency     `json:"latencies"`
	Unlinked    []string          `json:"unlinked,omitempty"` // living nodes that it has no connection to
	Problems    []Problem         `json:"problems,omitempty"` // why it is not ready
}

// NodeLatency is how long a hint takes from a node to another and back.
type NodeLatency struct {
	Node   string        `json:"node"`
	Writer string        `json:"writer"`
	P50    time.Duration `json:"p50"`
	P99    time.Duration `json:"p99"`
	Max    time.Duration `json:"max"`
	Lost   uint64        `json:"lost"`
}

// Problem is one reason why a node is not ready.
type Problem struct {
	Requirement string `json:"requirement"`
	Message     string `json:"message"`
	Mend        string `json:"mend"`
}

// States of a node as people see it.
const (
	Live   = "live"
	Silent = "silent" // its row says that it runs, but its beat stands still
	Dead   = "dead"   // it was declared dead
	Left   = "left"   // it said goodbye, or was forgotten
)

// NodeStatus is a row of the cluster's table.
type NodeStatus struct {
	Name    string        `json:"name"`
	Node    string        `json:"node"`
	Writer  string        `json:"writer"`
	Host    string        `json:"host"`
	Address string        `json:"address"` // for other nodes
	Version string        `json:"version"`
	Started time.Time     `json:"started"`
	Seen    time.Time     `json:"seen"`  // its last beat, by its own clock
	Quiet   time.Duration `json:"quiet"` // how long the asking node has seen no beat
	State   string        `json:"state"`
	Master  bool          `json:"master"`
	Self    bool          `json:"self"`
	Lag     uint64        `json:"lag"`             // changes that others have settled and it has not applied
	Error   string        `json:"error,omitempty"` // why it did not answer
	Report
}

// Answered reports whether the node has told how it is.
func (n NodeStatus) Answered() bool { return n.State == Live && n.Error == "" }

// Difference is a setting that should be the same on all nodes and is not.
type Difference struct {
	Property string         `json:"property"`
	Values   []SettingValue `json:"values"` // the value of most nodes first
}

// SettingValue is one of the values that a setting has.
type SettingValue struct {
	Value  string   `json:"value"` // as it may be shown
	Nodes  []string `json:"nodes"`
	digest string
}

// Wrong is something that is not as it should be.
type Wrong struct {
	Text string `json:"text"`
	Mend string `json:"mend"`
}

// Status is what one node knows of the cluster.
type Status struct {
	Link     string       `json:"link"` // "off", "inside" or "outside"
	Master   string       `json:"master"`
	Asker    string       `json:"asker"` // the node that asked the others
	Database string       `json:"database"`
	Lonely   bool         `json:"lonely"` // the database belongs to one process
	Nodes    []NodeStatus `json:"nodes"`
	Differ   []Difference `json:"differ"`
	Wrong    []Wrong      `json:"wrong"`
}

// Asked is what a status is made of.
type Asked struct {
	Members  []Member
	Answers  []Answer[Report]
	Master   int64
	Link     string
	Database string
	Lonely   bool
}

// NewStatus puts together what the node knows and what the others answered, and says what is wrong.
func NewStatus(a Asked) Status {
	out := Status{Link: a.Link, Database: a.Database, Lonely: a.Lonely}
	answers := map[int64]Answer[Report]{}
	for _, x := range a.Answers {
		answers[x.Member.Writer] = x
	}
	var self Member
	for _, m := range current(a.Members) {
		n := NodeStatus{
			Name: m.Name, Node: m.Node, Writer: strconv.FormatInt(m.Writer, 10), Host: m.Host, Address: m.Address, Version: m.Version,
			Started: m.Started, Seen: m.Seen, Quiet: m.Quiet, State: m.State, Self: m.Self, Master: m.Writer == a.Master && m.Live,
		}
		switch {
		case m.Live:
			n.State = Live
		case m.State == stateUp:
			n.State = Silent
		}
		if n.Master {
			out.Master = n.Name
		}
		if m.Self {
			self, out.Asker = m, n.Name
		}
		if x, asked := answers[m.Writer]; asked {
			n.Report = x.Value
			if x.Err != nil {
				n.Error = x.Err.Error()
			}
		}
		out.Nodes = append(out.Nodes, n)
	}
	out.compare()
	out.judge(Unreachable(self, a.Members))
	return out
}

// current leaves out earlier lives of nodes that have come back.
func current(members []Member) []Member {
	return slices.DeleteFunc(slices.Clone(members), func(m Member) bool {
		return !m.Live && slices.ContainsFunc(members, func(o Member) bool { return o.Node == m.Node && (o.Live || o.Started.After(m.Started)) })
	})
}

// compare finds settings that differ and how far each node is behind.
func (s *Status) compare() {
	names := map[string]bool{}
	for i := range s.Nodes {
		n := &s.Nodes[i]
		if n.Answered() && !n.Command {
			for name := range n.Settings {
				names[name] = true
			}
		}
		for _, other := range s.Nodes {
			head, follows := n.Heads[other.Writer]
			if follows && other.Position > head+1 {
				n.Lag += other.Position - 1 - head
			}
		}
	}
	delete(names, "scheduler.enabled") // has words of its own
	for _, name := range slices.Sorted(maps.Keys(names)) {
		d := Difference{Property: name}
		for _, n := range s.Nodes {
			if !n.Answered() || n.Command {
				continue
			}
			digest, has := n.Settings[name]
			if !has {
				continue // a node of another version need not know it
			}
			i := slices.IndexFunc(d.Values, func(v SettingValue) bool { return v.digest == digest })
			if i < 0 {
				i = len(d.Values)
				d.Values = append(d.Values, SettingValue{Value: n.Values[name], digest: digest})
			}
			d.Values[i].Nodes = append(d.Values[i].Nodes, n.Name)
		}
		if len(d.Values) > 1 {
			slices.SortStableFunc(d.Values, func(a, b SettingValue) int { return cmp.Compare(len(b.Nodes), len(a.Nodes)) })
			s.Differ = append(s.Differ, d)
		}
	}
}

const (
	// clockTolerance is how far a clock may be off before it is worth a word: nothing depends on it, but
	// the times that people see do.
	clockTolerance = 2 * time.Second
	// quietTolerance is how long a beat may stand still before a node that does not answer is taken for
	// one that hangs, and not for one that cannot be reached.
	quietTolerance = 2 * time.Second
	// proofTolerance is the age of a proof from which on a node's caches have certainly been bypassed.
	proofTolerance = 5 * time.Second
)

// judge says in words what is wrong. unreachable are members whose address this node cannot use.
func (s *Status) judge(unreachable []Member) {
	wrong := func(mend, format string, args ...any) {
		s.Wrong = append(s.Wrong, Wrong{fmt.Sprintf(format, args...), mend})
	}
	live, versions, jobs := 0, map[string][]string{}, map[bool][]string{}
	mute := map[string]bool{} // who does not answer has a sentence of its own
	for _, n := range s.Nodes {
		mute[n.Name] = mute[n.Name] || !n.Answered()
	}
	for _, n := range s.Nodes {
		switch n.State {
		case Live:
			live++
			if !n.Command {
				versions[n.Version] = append(versions[n.Version], n.Name)
			}
		case Silent:
			wrong("look whether its process and its machine run and reach the database; it comes back by itself, or the master declares it dead",
				"%s has given no sign of life for %s.", n.Name, n.Quiet.Round(time.Second))
		case Dead:
			wrong("look at its log and its machine and start it again; if it only hung, it joins again by itself; if it is not to come back, forget it: Control Panel → Cluster → Nodes, or stoa cluster forget",
				"%s is gone without saying goodbye: it was killed, crashed, hangs, or is cut off from the database.", n.Name)
		}
		if n.State != Live {
			continue
		}
		if n.Error != "" {
			if n.Quiet > quietTolerance {
				wrong("look whether its process and its machine run and reach the database; it comes back by itself, or is declared dead",
					"%s does not answer and has given no sign of life for %s.", n.Name, n.Quiet.Round(time.Second))
			} else {
				wrong("if it stays so, open the port of its address for the other nodes; changes reach it through the database meanwhile, within two seconds",
					"%s does not answer calls: %s.", n.Name, n.Error)
			}
			continue
		}
		if !n.Command {
			jobs[n.Jobs] = append(jobs[n.Jobs], n.Name)
		}
		for _, p := range n.Problems {
			wrong(p.Mend, "%s is not ready (%s): %s.", n.Name, p.Requirement, p.Message)
		}
		if n.ProofAge < 0 || n.ProofAge > proofTolerance {
			wrong("see its log; the database may be slow, or read-only for it", "%s cannot prove its caches fresh, so it asks the database for everything.", n.Name)
		}
		if to := slices.DeleteFunc(slices.Clone(n.Unlinked), func(name string) bool { return mute[name] }); len(to) > 0 {
			wrong("open the ports of their addresses between them; changes reach them through the database meanwhile, within two seconds", "%s has no connection to %s.", n.Name, strings.Join(to, ", "))
		}
		if n.ClockOffset.Abs() > clockTolerance {
			wrong("let its clock be set over the network (NTP)", "The clock of %s is %s off the database's. Nothing depends on it but the times that people see.", n.Name, n.ClockOffset)
		}
		if n.Incoherent > 0 {
			wrong("report it; it was found, dropped and logged with its tags", "%s has served %d values from memory that no change explains.", n.Name, n.Incoherent)
		}
	}
	for _, d := range s.Differ {
		wrong("give it the same value on all nodes and restart those that had another, one after the other", "%s is not the same on all nodes: %s.", d.Property, d)
	}
	if live > 1 && s.Link == "off" {
		wrong("set cluster.link.enabled=true on every node", "%d nodes use this database, but Cluster Link is off on %s: changes reach it through the database only.", live, s.Asker)
	}
	if s.Master == "" {
		wrong("wait a few seconds; if it stays so, see the log of the nodes for the lease master", "No node is the master, so nothing runs that is done once for all nodes.")
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
	for _, m := range unreachable {
		wrong("set cluster.link.bind.addr[\"cluster-link-control\"] on the node that is at 127.0.0.1 to its machine's address in the network of the nodes",
			"%s (host %s) is at %s for other nodes, and one of it and %s is on 127.0.0.1: they cannot reach each other from their hosts.", m.Name, m.Host, m.Address, s.Asker)
	}
}

// String names the values and who has them.
func (d Difference) String() string {
	var parts []string
	for _, v := range d.Values {
		parts = append(parts, cmp.Or(v.Value, "empty")+" on "+strings.Join(v.Nodes, ", "))
	}
	return strings.Join(parts, "; ")
}
