package cluster

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/stoa-portal/stoa"
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
	Leaving     bool              `json:"leaving,omitempty"` // it takes no new visitors and ends soon
	Latencies   []NodeLatency     `json:"latencies"`
	StoreToken  string            `json:"storeToken,omitempty"` // TokenSeen, TokenMissing; empty: not known
	Unlinked    []string          `json:"unlinked,omitempty"`   // living nodes that it has no connection to
	Search      string            `json:"search,omitempty"`     // SearchEmbedded, or what its search server is
	Problems    []Problem         `json:"problems,omitempty"`   // why it is not ready
	Warnings    []Problem         `json:"warnings,omitempty"`   // what is wrong on it, though it is ready
}

// Whether a node has found in its file store what the node that asks has written into its own.
const (
	TokenSeen    = "seen"
	TokenMissing = "missing"
)

// What Report.Search says of a node that searches an index of its own, and of one whose search server has not said yet
// what it is. An older node says nothing.
const (
	SearchEmbedded = "embedded"
	SearchUnnamed  = "a search server"
)

// NodeLatency is how long a hint takes from a node to another and back.
type NodeLatency struct {
	Node   string        `json:"node"`
	Writer string        `json:"writer"`
	P50    time.Duration `json:"p50"`
	P99    time.Duration `json:"p99"`
	Max    time.Duration `json:"max"`
	Lost   uint64        `json:"lost"`
}

// Problem is one reason why a node is not ready, or one thing that is wrong on it.
type Problem struct {
	Requirement string `json:"requirement"`
	Message     string `json:"message"`
	Mend        string `json:"mend"`
	Code        string `json:"code,omitempty"` // of the finding; without one it follows from the requirement
	// Sentence is Message before its Args were put in, as Finding has them; an older node tells neither.
	Sentence string `json:"sentence,omitempty"`
	Args     []any  `json:"args,omitempty"`
}

// code gives the code of a problem, also of one that an older node tells without.
func (p Problem) code() string {
	switch {
	case p.Code != "":
		return p.Code
	case p.Requirement == "database":
		return CodeDatabaseAway
	case p.Requirement == "change log":
		return CodeChangeLate
	case p.Requirement == "file store":
		return CodeStoreOther
	}
	return CodeNodeNotReady
}

// Detail is what a node's row tells of it besides its columns, as JSON.
type Detail struct {
	Link    string `json:"link,omitempty"`    // "off", "inside" or "outside"
	Channel string `json:"channel,omitempty"` // of Cluster Link
	Level   int    `json:"level,omitempty"`   // what its binary takes: Level
}

// Level is raised when a binary takes what those before do not, and must not be sent it while they are beside: 1 is
// the names of cookies over HTTPS and the slow proof of the secret in Identity.Row.
const Level = 1

// Older reports whether a member that is up has a binary of a lower level.
func Older(members []Member) bool {
	return slices.ContainsFunc(members, func(m Member) bool { return m.State == stateUp && m.detail().Level < Level })
}

// String is the detail as the row keeps it.
func (d Detail) String() string {
	raw, err := json.Marshal(d)
	if err != nil {
		return ""
	}
	return string(raw)
}

// detail reads what a row tells; an older node tells nothing.
func (m Member) detail() (d Detail) {
	_ = json.Unmarshal([]byte(m.Detail), &d) // what cannot be read is not known
	return d
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
	Label   string        `json:"label"` // the name, with the id where another node has the same name
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
	Unasked bool          `json:"unasked,omitempty"`
	Report
	detail Detail
	digest string
}

// Answered reports whether the node has told how it is.
func (n NodeStatus) Answered() bool { return n.State == Live && n.Error == "" && !n.Unasked }

// Condition is the state in words: a node that lives need not be ready.
func (n NodeStatus) Condition() string {
	switch {
	case n.State != Live || n.Unasked:
		return n.State
	case n.Error != "":
		return Live + ", no answer"
	case len(n.Problems) > 0:
		return Live + ", not ready"
	case n.Leaving:
		return Live + ", leaving"
	}
	return Live
}

// apart names the nodes whose file store has not what the asking node has written into its own, where that node finds
// it itself; all reports that each node which lives has it.
func (s Status) apart() (nodes []string, all bool) {
	own := false
	all = true
	for _, n := range s.Nodes {
		switch {
		case !n.Answered():
			all = all && n.State != Live
		case n.StoreToken == TokenMissing:
			nodes, all = append(nodes, n.Label), false
		case n.StoreToken == "":
			all = false
		default:
			own = own || n.Self
		}
	}
	if !own {
		return nil, false
	}
	return nodes, all
}

// Difference is a setting that should be the same on all nodes and is not.
type Difference struct {
	Property string         `json:"property"`
	Values   []SettingValue `json:"values"` // the value of most nodes first

	rolling bool // each value belongs to versions of its own
}

// SettingValue is one of the values that a setting has.
type SettingValue struct {
	Value  string   `json:"value"` // as it may be shown
	Hidden bool     `json:"hidden,omitempty"`
	Nodes  []string `json:"nodes"`
	digest string
}

// Status is what one node knows of the cluster, or what its rows tell where no node was asked.
type Status struct {
	Link     string       `json:"link"` // "off", "inside" or "outside"; empty: not known
	Master   string       `json:"master"`
	Asker    string       `json:"asker"` // the node that asked the others; empty: the rows were read
	Database string       `json:"database"`
	Lonely   bool         `json:"lonely"`             // the database belongs to one process
	StoredIn bool         `json:"storedIn,omitempty"` // the file store lies in the database
	Nodes    []NodeStatus `json:"nodes"`
	Differ   []Difference `json:"differ"`
	Wrong    []Finding    `json:"wrong"`            // critical findings and warnings, causes only
	Notes    []Finding    `json:"notes,omitempty"`  // what is good to know
	Events   []Event      `json:"events,omitempty"` // those that have not been read, the newest first
	Unread   int          `json:"unread"`           // how many there are
	Unseen   []string     `json:"unseen,omitempty"` // what could not be looked at, in sentences
}

// Asked is what a status is made of.
type Asked struct {
	Members  []Member
	Answers  []Answer[Report]
	Master   int64
	Link     string
	Channel  string
	Database string
	Lonely   bool
	StoredIn bool      // the file store lies in the database
	Rows     bool      // no node was asked: Members is all there is
	Found    []Finding // what the caller has found besides
	Events   []Event
	Unread   int
	Unseen   []string
}

// NewStatus puts together what the node knows and what the others answered, and says what is wrong.
func NewStatus(a Asked) Status {
	out := Status{
		Link:     a.Link,
		Database: a.Database,
		Lonely:   a.Lonely,
		StoredIn: a.StoredIn,
		Events:   a.Events,
		Unread:   max(a.Unread, len(a.Events)),
		Unseen:   a.Unseen,
	}
	answers := map[int64]Answer[Report]{}
	for _, x := range a.Answers {
		answers[x.Member.Writer] = x
	}
	members := withoutReplaced(Current(a.Members))
	names := map[string]int{}
	for _, m := range members {
		names[m.Name]++
	}
	var self Member
	for _, m := range members {
		n := NodeStatus{
			Name: m.Name, Label: m.Name, Node: m.Node, Writer: strconv.FormatInt(m.Writer, 10), Host: m.Host,
			Address: m.Address, Version: m.Version,
			Started: m.Started, Seen: m.Seen, Quiet: m.Quiet, State: m.State, Self: m.Self,
			Master:  m.Writer == a.Master && m.Live,
			Unasked: a.Rows, detail: m.detail(), digest: m.Settings,
		}
		if names[m.Name] > 1 {
			n.Label = m.Name + " (" + m.Node + ")"
		}
		switch {
		case m.Live:
			n.State = Live
		case m.State == stateUp:
			n.State = Silent
		}
		if n.Master {
			out.Master = n.Label
		}
		if m.Self {
			self, out.Asker = m, n.Label
			n.detail = Detail{Link: a.Link, Channel: a.Channel}
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
	j := &judge{s: &out, rows: a.Rows, found: a.Found}
	if !a.Rows {
		j.unreachable = Unreachable(self, members)
	}
	for _, f := range j.judge() {
		if f.Severity == Info {
			out.Notes = append(out.Notes, f)
		} else {
			out.Wrong = append(out.Wrong, f)
		}
	}
	return out
}

// Well reports whether nothing asks for a person: no finding but notes, and no critical event that has not been read.
func (s Status) Well() bool {
	return len(s.Wrong) == 0 && !slices.ContainsFunc(s.Events, func(e Event) bool { return e.Severity == Critical })
}

// Current leaves out earlier lives of nodes that have come back.
func Current(members []Member) []Member {
	return slices.DeleteFunc(slices.Clone(members), func(m Member) bool {
		return !m.Self && slices.ContainsFunc(members, func(o Member) bool {
			return o.Node == m.Node && o.Writer != m.Writer &&
				(o.Self || o.Live && !m.Live || o.Live == m.Live && o.Started.After(m.Started))
		})
	})
}

// withoutReplaced leaves out the dead whose name a living node has: a node without a kept home, such as a pod, comes
// back with another id.
func withoutReplaced(members []Member) []Member {
	return slices.DeleteFunc(slices.Clone(members), func(m Member) bool {
		return !m.Live && slices.ContainsFunc(members, func(o Member) bool { return o.Live && o.Name == m.Name })
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
		if d, differs := s.difference(name); differs {
			s.Differ = append(s.Differ, d)
		}
	}
}

// difference compares one setting.
func (s *Status) difference(name string) (d Difference, differs bool) {
	d.Property = name
	versions := map[string]string{} // by version: the digest that its nodes have
	d.rolling = true
	for _, n := range s.Nodes {
		digest, has := n.Settings[name]
		if !has || !n.Answered() || n.Command {
			continue // a node of another version need not know it
		}
		i := slices.IndexFunc(d.Values, func(v SettingValue) bool { return v.digest == digest })
		if i < 0 {
			i = len(d.Values)
			d.Values = append(d.Values, SettingValue{Value: n.Values[name], digest: digest})
		}
		d.Values[i].Nodes = append(d.Values[i].Nodes, n.Label)
		if known, met := versions[n.Version]; met && known != digest {
			d.rolling = false
		}
		versions[n.Version] = digest
	}
	if len(d.Values) < 2 {
		return d, false
	}
	shown := map[string]bool{}
	for _, v := range d.Values {
		shown[v.Value] = true
	}
	if len(shown) < len(d.Values) { // a secret; or two versions that take the same words in different ways
		if d.rolling {
			return d, false
		}
		for i := range d.Values {
			d.Values[i].Hidden = true
		}
	}
	slices.SortStableFunc(d.Values, func(a, b SettingValue) int { return cmp.Compare(len(b.Nodes), len(a.Nodes)) })
	return d, true
}

// String names the values and who has them; equal words for different values are not shown.
func (d Difference) String() string { return d.said().Message }

// said is String as a part of a sentence.
func (d Difference) said() *stoa.Error {
	all := &stoa.Error{}
	for i, v := range d.Values {
		var what any = v.Value
		switch {
		case v.Hidden && i == 0:
			what = stoa.Phrase("one value (not shown)")
		case v.Hidden:
			what = stoa.Phrase("another value")
		case v.Value == "":
			what = stoa.Phrase("empty")
		}
		one := says("%s on %s", what, join(v.Nodes)).asError()
		if i > 0 {
			one = says("%s; %s", all, one).asError()
		}
		all = one
	}
	return all
}
