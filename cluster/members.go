package cluster

import (
	"cmp"
	"slices"
	"time"
)

// States of a node's row.
const (
	stateUp   = "up"
	stateLeft = "left" // it said goodbye
	stateDead = "dead" // the others declared it so
)

// Member is a node as this node sees it.
type Member struct {
	Writer      int64  // the process life
	Node        string // the node id, which survives restarts
	Name        string
	Address     string
	Host        string // the machine, for people
	HostID      string // tells one host (machine, boot, network namespace) from another
	Version     string
	Settings    string // digest of the settings that must be the same everywhere
	Fingerprint string // of its certificate
	State       string // "up", "left" or "dead", as in the database
	Epoch       int64  // raised when it is declared dead
	Beat        int64
	Started     time.Time     // information: its own clock
	Seen        time.Time     // information: its own clock
	Quiet       time.Duration // how long this node has seen no beat
	Live        bool          // up, and a beat was seen within DeadAfter of this node's own clock
	Met         bool          // its beat was seen to rise
	Self        bool
	Detail      string
}

// heardAfter is for how long a node that was met and is taken for dead may still be heard over Cluster Link.
const heardAfter = 10 * time.Minute

// Heard reports whether the node's messages are listened to. One that is taken for dead may live on another database,
// after a fail-over that left two which take writes, and only messages can tell. One whose row was removed, or
// that said goodbye, is not heard.
func (m Member) Heard() bool {
	return m.Live || m.Met && m.State != stateLeft && m.Quiet < heardAfter
}

// MemberEvent says that a node joined or left the cluster, as seen from this node.
type MemberEvent struct {
	Member Member
	Joined bool // false: it left, died or was removed
}

// Roster tells the living from the dead by whether their beats change. It does no I/O and reads no clock;
// times are of the own one.
type Roster struct {
	self      int64
	deadAfter time.Duration
	looked    time.Duration // the newest look ended
	known     map[int64]*sighting
}

type sighting struct {
	m     Member
	since time.Duration // when the beat was first seen as it is
}

// NewRoster gives a roster that counts those as dead whose beat stood still for deadAfter.
func NewRoster(self int64, deadAfter time.Duration) *Roster {
	return &Roster{self: self, deadAfter: deadAfter, known: map[int64]*sighting{}}
}

// Saw takes the rows of a read that has just ended and gives what changed. A row seen for the first
// time counts as living until it has been quiet for long enough.
func (r *Roster) Saw(now time.Duration, rows []Member) (events []MemberEvent) {
	// A node that saw nothing for long, because the database or this machine stood still, cannot tell which node did.
	blind := now-r.looked > r.deadAfter*4/5
	r.looked = now
	present := map[int64]bool{}
	for _, m := range rows {
		present[m.Writer] = true
		s := r.known[m.Writer]
		if s == nil {
			s = &sighting{since: now}
			r.known[m.Writer] = s
		} else if blind && s.m.Live || m.Beat != s.m.Beat || m.Epoch != s.m.Epoch {
			s.since = now
		}
		was := s.m.Live
		m.Met = s.m.Met || s.m.Writer != 0 && m.Beat != s.m.Beat
		m.Self = m.Writer == r.self
		m.Quiet = now - s.since
		m.Live = m.State == stateUp && (m.Quiet <= r.deadAfter || m.Self)
		s.m = m
		if m.Live != was {
			events = append(events, MemberEvent{Member: m, Joined: m.Live})
		}
	}
	for w, s := range r.known {
		if !present[w] {
			delete(r.known, w)
			if s.m.Live {
				s.m.Live = false
				events = append(events, MemberEvent{Member: s.m})
			}
		}
	}
	return events
}

// Members lists all rows, the living first, then by name.
func (r *Roster) Members() []Member {
	out := make([]Member, 0, len(r.known))
	for _, s := range r.known {
		out = append(out, s.m)
	}
	slices.SortFunc(out, func(a, b Member) int {
		if a.Live != b.Live {
			if a.Live {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Writer, b.Writer))
	})
	return out
}
