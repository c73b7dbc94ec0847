package cluster

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
)

// three gives three nodes that are well.
func three() Asked {
	a := Asked{Master: 1, Link: "inside", Database: "postgres://db/stoa"}
	for w := int64(1); w <= 3; w++ {
		m := Member{
			Writer:  w,
			Node:    fmt.Sprint("id-", w),
			Name:    fmt.Sprint("node-", w),
			Version: "1",
			State:   stateUp,
			Live:    true,
			Self:    w == 1,
			Started: time.Unix(w, 0),
		}
		a.Members = append(a.Members, m)
		a.Answers = append(
			a.Answers,
			Answer[Report]{
				Member: m,
				Value: Report{
					Jobs:     true,
					Settings: map[string]string{"session.timeout": "d30"},
					Values:   map[string]string{"session.timeout": "30"},
					Position: 11,
					Heads:    map[string]uint64{"1": 10, "2": 10, "3": 10},
				},
			},
		)
	}
	return a
}

func set(a *Asked, node int, name, value string) {
	r := &a.Answers[node].Value
	r.Settings[name], r.Values[name] = "digest of "+value, value
}

func TestStatus_NothingIsWrongWithNodesThatAreWell(t *testing.T) {
	t.Parallel()
	s := NewStatus(three())
	if len(s.Wrong) != 0 || s.Master != "node-1" || s.Asker != "node-1" || len(s.Nodes) != 3 || len(s.Differ) != 0 {
		t.Errorf("%+v", s)
	}
	for _, n := range s.Nodes {
		if n.Lag != 0 || n.State != Live || !n.Answered() {
			t.Errorf("%+v", n)
		}
	}
}

func TestStatus_NamesEachThingThatIsWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		spoil func(a *Asked)
		want  string
	}{
		{"dead", func(a *Asked) { a.Members[1].Live, a.Members[1].State = false, stateDead }, "node-2 is gone without saying goodbye"},
		{"silent", func(a *Asked) { a.Members[1].Live, a.Members[1].Quiet = false, 12*time.Second }, "node-2 has given no sign of life for 12s."},
		{"frozen a moment ago", func(a *Asked) { a.Answers[1].Err, a.Members[1].Quiet = errors.New("late"), 4*time.Second }, "node-2 does not answer and has given no sign of life for 4s."},
		{"cut link", func(a *Asked) { a.Answers[1].Err = errors.New("late") }, "node-2 does not answer calls: late."},
		{"not ready", func(a *Asked) {
			a.Answers[1].Value.Problems = []Problem{{Requirement: "database", Message: "it is away", Mend: "start it"}}
		}, "node-2 is not ready (database): it is away."},
		{"not ready for several reasons", func(a *Asked) {
			a.Answers[1].Value.Problems = []Problem{{Requirement: "database", Message: "no answer:\n\tof one\n\tof two", Mend: "start it"}}
		}, "node-2 is not ready (database): no answer: of one of two."},
		{"no proof", func(a *Asked) { a.Answers[1].Value.ProofAge = -1 }, "node-2 cannot prove its caches fresh"},
		{"old proof", func(a *Asked) { a.Answers[1].Value.ProofAge = 6 * time.Second }, "node-2 cannot prove its caches fresh"},
		{"no route", func(a *Asked) { a.Answers[1].Value.Unlinked = []string{"node-3"} }, "node-2 has no connection to node-3."},
		{"setting", func(a *Asked) { set(a, 1, "session.timeout", "5") }, "session.timeout is not the same on all nodes: 30 on node-1, node-3; 5 on node-2."},
		{"clock", func(a *Asked) { a.Answers[1].Value.ClockOffset = -3 * time.Second }, "The clock of node-2 is -3s off"},
		{"incoherent", func(a *Asked) { a.Answers[1].Value.Incoherent = 2 }, "node-2 has served 2 values"},
		{"link off", func(a *Asked) { a.Link = "off" }, "3 nodes use this database, but Cluster Link is off on node-1"},
		{"no master", func(a *Asked) { a.Master = 0 }, "No node is the master"},
		{"jobs", func(a *Asked) { a.Answers[1].Value.Jobs = false }, "Jobs run on node-1, node-3 but not on node-2."},
		{"loopback", func(a *Asked) { a.Members[1].HostID, a.Members[1].Address = "other", "127.0.0.1:7800" }, "node-2 (host ) is at 127.0.0.1:7800"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := three()
			c.spoil(&a)
			s := NewStatus(a)
			if len(s.Wrong) != 1 || !strings.HasPrefix(s.Wrong[0].Text, c.want) || s.Wrong[0].Mend == "" ||
				s.Wrong[0].Code == "" || s.Well() {
				t.Errorf("%+v", s.Wrong)
			}
		})
	}
}

func TestStatus_NodesThatCameBackOrSaidGoodbyeAreNotWrong(t *testing.T) {
	t.Parallel()
	a := three()
	a.Members = append(a.Members,
		Member{Writer: 4, Node: "id-2", Name: "node-2", State: stateDead, Started: time.Unix(0, 0)},
		Member{Writer: 5, Node: "id-5", Name: "node-5", State: stateLeft})
	s := NewStatus(a)
	if len(s.Wrong) != 0 || len(s.Nodes) != 4 || s.Nodes[3].State != Left {
		t.Errorf("%+v", s)
	}
}

func TestStatus_LagCountsWhatOthersHaveSettled(t *testing.T) {
	t.Parallel()
	a := three()
	a.Answers[0].Value.Position = 21
	a.Answers[1].Value.Position = 14
	s := NewStatus(a)
	if s.Nodes[2].Lag != 13 {
		t.Errorf("lag %d", s.Nodes[2].Lag)
	}
}

func TestRequirements_FollowFromTheAnswers(t *testing.T) {
	t.Parallel()
	states := func(s Status) string {
		var out []string
		for _, r := range s.Requirements() {
			if r.Name == "" || r.Text == "" {
				t.Errorf("%+v has no words", r)
			}
			out = append(out, r.State)
		}
		return strings.Join(out, ", ")
	}
	for _, c := range []struct {
		name, want string
		spoil      func(a *Asked)
	}{
		{"three nodes", "met, met, not met, met, not yet", func(*Asked) {}},
		{"before a token was written", "met, not known, not met, met, not yet", func(a *Asked) {
			for i := range a.Answers {
				a.Answers[i].Value.StoreToken = ""
			}
		}},
		{"a node has not looked yet", "met, not known, not met, met, not yet", func(a *Asked) {
			a.Answers[2].Value.StoreToken = ""
		}},
		{"files in the database", "met, met, not met, met, not yet", func(a *Asked) {
			a.StoredIn = true
			for i := range a.Answers {
				a.Answers[i].Value.StoreToken = ""
			}
		}},
		{"one node on a file", "one, one, one, one, not yet", func(a *Asked) {
			a.Members, a.Answers, a.Lonely, a.Link = a.Members[:1], a.Answers[:1], true, "off"
		}},
		{"ready for a second", "met, one, one, met, not yet", func(a *Asked) {
			a.Members, a.Answers = a.Members[:1], a.Answers[:1]
		}},
		{"link off", "met, met, not met, not met, not yet", func(a *Asked) { a.Link = "off" }},
		{"another store", "met, not met, not met, met, not yet", func(a *Asked) {
			a.Answers[2].Value.Problems = []Problem{{Requirement: "file store", Message: "x", Mend: "y"}}
		}},
		{"no database", "not met, met, not met, met, not yet", func(a *Asked) {
			a.Answers[2].Value.Problems = []Problem{{Requirement: "database", Message: "x", Mend: "y"}}
		}},
		{"no answer", "met, not known, not met, not met, not yet", func(a *Asked) { a.Answers[2].Err = errors.New("late") }},
		{"no route", "met, met, not met, not met, not yet", func(a *Asked) {
			a.Answers[2].Value.Unlinked = []string{"node-1"}
		}},
		{"a search server", "met, met, met, met, not yet", func(a *Asked) { searchOn(a, "OpenSearch 2.19.6", 0, 1, 2) }},
		{"a search server of some", "met, met, not met, met, not yet", func(a *Asked) {
			searchOn(a, "OpenSearch 2.19.6", 0, 1)
		}},
		{"a search server that is away", "met, met, not met, met, not yet", func(a *Asked) {
			searchOn(a, SearchUnnamed, 0, 1, 2)
			a.Answers[1].Value.Warnings = []Problem{{Requirement: "search", Message: "x", Mend: "y", Code: CodeSearchAway}}
		}},
		{"a search server, and no answer", "met, not known, not known, not met, not yet", func(a *Asked) {
			searchOn(a, "Elasticsearch 8.19.0", 0, 1, 2)
			a.Answers[2].Err = errors.New("late")
		}},
		{"outside", "met, met, not met, met, not yet", func(a *Asked) { a.Link = "outside" }},
	} {
		a := three()
		for i := range a.Answers { // each has found what the asking node wrote into the file store
			a.Answers[i].Value.StoreToken = TokenSeen
		}
		c.spoil(&a)
		if got := states(NewStatus(a)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestDifference_NamesTheValueOfMostNodesFirst(t *testing.T) {
	t.Parallel()
	a := three()
	set(&a, 0, "x", "")
	set(&a, 1, "x", "1")
	set(&a, 2, "x", "1")
	set(&a, 2, "unknown.to.others", "1")
	d := NewStatus(a).Differ
	if len(d) != 1 || d[0].String() != "1 on node-2, node-3; empty on node-1" ||
		!slices.Equal(d[0].Values[0].Nodes, []string{"node-2", "node-3"}) {
		t.Errorf("%+v", d)
	}
}

// Who is cut off from a node that is gone needs no advice about ports.
func TestStatus_NoConnectionToAMuteNodeIsNotSaidTwice(t *testing.T) {
	t.Parallel()
	a := three()
	a.Answers[0].Value.Unlinked = []string{"node-2"}
	a.Answers[1].Err, a.Members[1].Quiet = errors.New("late"), 3*time.Second
	if s := NewStatus(a); len(s.Wrong) != 1 || !strings.HasPrefix(s.Wrong[0].Text, "node-2 does not answer") {
		t.Errorf("%+v", s.Wrong)
	}
}

// Who is to be forgotten is found by name or id among the dead; any other name hears what would be right.
func TestLost_FindsTheDeadNodeOrSaysWhoCouldBeMeant(t *testing.T) {
	t.Parallel()
	a := three()
	a.Members[1].State, a.Members[1].Live = stateDead, false
	a.Members[2].Live, a.Members[2].Quiet = false, 2*time.Second
	a.Members = append(
		a.Members,
		Member{Writer: 4, Node: "id-4", Name: "node-4", State: stateLeft, Started: time.Unix(4, 0)},
		Member{Writer: 5, Node: "id-5", Name: "twin", Host: "h5", State: stateDead, Started: time.Unix(5, 0)},
		Member{Writer: 6, Node: "id-6", Name: "twin", Host: "h6", State: stateDead, Started: time.Unix(6, 0)},
		Member{
			Writer:  7,
			Node:    "id-1",
			Name:    "node-1",
			State:   stateDead,
			Started: time.Unix(-1, 0),
		}, // an earlier life of node-1
		Member{Writer: 8, Node: "id-8", Name: "node-8", State: stateDead, Started: time.Unix(8, 0)},
		Member{
			Writer:  9,
			Node:    "id-9",
			Name:    "node-8",
			State:   stateUp,
			Live:    true,
			Started: time.Unix(9, 0),
		}, // another home under the name of a dead one
	)
	for _, c := range []struct {
		name   string
		writer int64
		kind   stoa.Kind
		words  string
	}{
		{"node-2", 2, 0, ""},
		{"id-2", 2, 0, ""},
		{"id-5", 5, 0, ""},
		{"node-8", 8, 0, ""},
		{"twin", 0, stoa.KindConflict, "2 dead nodes are called twin: name one by its id, which is one of id-5 (h5, started 1970-01-01 00:00:05); id-6 (h6, "},
		{"node-1", 0, stoa.KindConflict, "node-1 has not been declared dead: its last sign of life was seen 0s ago."},
		{"node-3", 0, stoa.KindConflict, "node-3 has not been declared dead: its last sign of life was seen 2s ago."},
		{"id-4", 0, stoa.KindConflict, "node-4 has left or was forgotten already, so there is nothing to do; these are " +
			"dead: node-2, twin (id-5), twin (id-6), node-8"},
		{"nobody", 0, stoa.KindNotFound, `there is no node with the name or id "nobody"; these are dead: node-2, twin (id-5), twin (id-6), node-8`},
		{"", 0, stoa.KindNotFound, "there is no node"},
	} {
		m, err := Lost(a.Members, c.name)
		if m.Writer != c.writer || stoa.KindOf(err) != c.kind || err != nil && !strings.HasPrefix(err.Error(), c.words) {
			t.Errorf("%q: %d, %v", c.name, m.Writer, err)
		}
	}
	if _, err := Lost(three().Members, "nobody"); err == nil || !strings.HasSuffix(err.Error(), "; no node is dead") {
		t.Error(err)
	}
}

// searchOn lets nodes say that they search on a server.
func searchOn(a *Asked, server string, nodes ...int) {
	for _, i := range nodes {
		a.Answers[i].Value.Search = server
	}
}
