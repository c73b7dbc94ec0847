package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// codes gives the codes of the causes, with those that follow in brackets.
func codes(fs []Finding) string {
	var out []string
	for _, f := range fs {
		c := f.Code
		if len(f.Follows) > 0 {
			c += "[" + codes(f.Follows) + "]"
		}
		out = append(out, c)
	}
	return strings.Join(out, " ")
}

func away(message string) []Problem {
	return []Problem{{Requirement: "database", Message: message, Mend: "start it", Code: CodeDatabaseAway}}
}

func TestFinding_WhatFollowsFromACauseIsFoldedUnderIt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, want string
		spoil      func(a *Asked)
	}{
		{"the database is dead for all", "database.away[proof.old master.none]", func(a *Asked) {
			for i := range a.Answers {
				a.Answers[i].Value.Problems, a.Answers[i].Value.ProofAge = away(fmt.Sprint("try ", i)), 9*time.Second
			}
			a.Master = 0
		}},
		{"and the store cannot be compared", "database.away[filestore.unknown node.mute]", func(a *Asked) {
			for i := range a.Answers {
				a.Answers[i].Value.Problems = append(away("x"),
					Problem{Requirement: "file store", Message: "not compared", Mend: "m", Code: CodeStoreUnknown})
			}
			a.Answers[2].Err = errors.New("late")
		}},
		{"and an index cannot be filled", "database.away[search.index follow.behind]", func(a *Asked) {
			a.Answers[1].Value.Problems = append(away("x"),
				Problem{Requirement: "search", Message: "stuck", Mend: "m", Code: CodeSearchIndex},
				Problem{Requirement: "followers", Message: "stuck", Mend: "m", Code: CodeFollowBehind})
		}},
		{"the index of another node is not its consequence", "database.away search.index", func(a *Asked) {
			a.Answers[1].Value.Problems = away("x")
			a.Answers[2].Value.Problems = []Problem{
				{Requirement: "search", Message: "stuck", Mend: "m", Code: CodeSearchIndex}}
		}},
		{"one node is cut off from the database", "database.away[proof.old]", func(a *Asked) {
			a.Answers[1].Value.Problems, a.Answers[1].Value.ProofAge = away("x"), -1
		}},
		{"the proof of another node is not its consequence", "database.away proof.old", func(a *Asked) {
			a.Answers[1].Value.Problems, a.Answers[2].Value.ProofAge = away("x"), -1
		}},
		{"an older node tells no code", "change.late[proof.old]", func(a *Asked) {
			a.Answers[1].Value.Problems = []Problem{{Requirement: "change log", Message: "x", Mend: "y"}}
			a.Answers[1].Value.ProofAge = 9 * time.Second
		}},
		{"the master is silent", "node.silent[master.none]", func(a *Asked) {
			a.Members[1].Live, a.Members[1].Quiet, a.Master = false, 3*time.Second, 0
		}},
		{"link off on one", "link.off[node.mute]", func(a *Asked) {
			a.Members[2].Detail, a.Answers[2].Err = Detail{Link: "off"}.String(), errors.New("late")
			a.Answers[1].Value.Unlinked = []string{"node-3"}
		}},
		{"link off on the asker", "link.off[node.mute]", func(a *Asked) {
			a.Link = "off"
			a.Answers[1].Err, a.Answers[2].Err = errors.New("late"), errors.New("late")
		}},
		{"another channel", "link.channel[node.mute]", func(a *Asked) {
			a.Channel = "one"
			a.Members[1].Detail = Detail{Link: "inside", Channel: "one"}.String()
			a.Members[2].Detail, a.Answers[2].Err = Detail{Link: "inside", Channel: "two"}.String(), errors.New("late")
		}},
		{"while rolling, a setting of the new version", "version.differ[settings.differ]", func(a *Asked) {
			a.Members[2].Version = "2"
			set(a, 2, "session.timeout", "5")
		}},
		{"while rolling, a setting of one node", "settings.differ version.differ", func(a *Asked) {
			a.Members[2].Version = "2"
			set(a, 1, "session.timeout", "5")
		}},
		{"three connections of one node", "link.cut", func(a *Asked) {
			a.Answers[0].Value.Unlinked, a.Answers[1].Value.Unlinked = []string{"node-3"}, []string{"node-3"}
			a.Answers[2].Value.Unlinked = []string{"node-1", "node-2"}
		}},
		{"two stores are wrong in one way", "filestore.swapped", func(a *Asked) {
			p := []Problem{{Requirement: "file store", Message: "x", Mend: "y", Code: CodeStoreOther}}
			a.Answers[1].Value.Problems, a.Answers[2].Value.Problems = p, p
		}},
		{"a node with a copy of the store", "filestore.apart", func(a *Asked) {
			a.Answers[0].Value.StoreToken, a.Answers[1].Value.StoreToken = TokenSeen, TokenSeen
			a.Answers[2].Value.StoreToken = TokenMissing
		}},
		{"the store of the asker is another one by now", "", func(a *Asked) {
			a.Answers[0].Value.StoreToken, a.Answers[2].Value.StoreToken = TokenMissing, TokenMissing
		}},
		{"a code of a part", "quota.full", func(a *Asked) {
			a.Answers[1].Value.Warnings = []Problem{{Message: "x", Mend: "y", Code: "quota.full"}}
		}},
		{"two warnings of one code", "host.loopback host.loopback", func(a *Asked) {
			a.Answers[0].Value.Warnings = []Problem{{Message: "a leads here", Mend: "y", Code: CodeHostLoopback}}
			a.Answers[1].Value.Warnings = []Problem{{Message: "b leads here", Mend: "y", Code: CodeHostLoopback}}
		}},
		{"the gravest first", "database.away clock.off", func(a *Asked) {
			a.Answers[0].Value.ClockOffset = time.Minute
			a.Answers[1].Value.Problems = away("x")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := three()
			c.spoil(&a)
			s := NewStatus(a)
			if got := codes(append(slices.Clone(s.Wrong), s.Notes...)); got != c.want {
				t.Errorf("%s, want %s\n%+v", got, c.want, s.Wrong)
			}
			for _, f := range s.Wrong {
				if f.Severity == "" || f.Page == "" || f.Mend == "" || f.Text == "" {
					t.Errorf("not whole: %+v", f)
				}
			}
		})
	}
}

func TestFinding_WordsOfSeveralNodes(t *testing.T) {
	t.Parallel()
	a := three()
	for i := range a.Members[1:] {
		a.Members[i+1].Live, a.Members[i+1].State = false, stateDead
	}
	s := NewStatus(a)
	if len(s.Wrong) != 1 || !strings.HasPrefix(s.Wrong[0].Text, "node-2, node-3 are gone without saying goodbye") {
		t.Errorf("%+v", s.Wrong)
	}
}

// While versions roll, two values that look the same are never printed as different.
func TestFinding_EqualWordsAreNoDifference(t *testing.T) {
	t.Parallel()
	a := three()
	a.Members[2].Version = "2"
	for i, digest := range []string{"a", "a", "b"} {
		a.Answers[i].Value.Settings["locales.enabled"], a.Answers[i].Value.Values["locales.enabled"] = digest, ""
	}
	if s := NewStatus(a); len(s.Differ) != 0 || len(s.Wrong) != 0 || codes(s.Notes) != CodeVersionDiffer {
		t.Errorf("%+v", s)
	}
	// On one version it is a secret: told, but not shown.
	a.Members[2].Version = "1"
	if s := NewStatus(a); len(s.Wrong) != 1 ||
		!strings.Contains(s.Wrong[0].Text, "one value (not shown) on node-1, node-2; another value on node-3.") {
		t.Errorf("%+v", s.Wrong)
	}
}

// A node never misses a connection to its own earlier life, and a name that is back closes what was said of the dead.
func TestFinding_EarlierLivesAreOver(t *testing.T) {
	t.Parallel()
	a := three()
	a.Answers[0].Value.Unlinked = []string{"node-1"}
	a.Members = append(
		a.Members,
		Member{
			Writer:  7,
			Node:    "id-1",
			Name:    "node-1",
			State:   stateUp,
			Live:    true,
			Started: time.Unix(-5, 0),
		}, // killed a moment ago
		Member{Writer: 8, Node: "pod-x", Name: "node-2", State: stateDead},
		Member{Writer: 9, Node: "pod-y", Name: "node-2", State: stateDead},
	)
	if s := NewStatus(a); len(s.Wrong) != 0 || len(s.Nodes) != 3 {
		t.Errorf("%+v", s)
	}
}

func TestFinding_EqualNamesShowIds(t *testing.T) {
	t.Parallel()
	a := three()
	a.Members[2].Name = "node-2"
	s := NewStatus(a)
	if codes(s.Wrong) != CodeNodeDuplicate || !strings.Contains(s.Wrong[0].Text, "id-2") ||
		s.Nodes[1].Label != "node-2 (id-2)" ||
		s.Nodes[1].Name != "node-2" {
		t.Errorf("%+v", s)
	}
	a = three()
	a.Members[1].State, a.Members[1].Live, a.Members[1].Name = stateDead, false, "pod"
	a.Members[2].State, a.Members[2].Live, a.Members[2].Name = stateDead, false, "pod"
	if s = NewStatus(a); codes(s.Wrong) != CodeNodeDead ||
		!strings.HasPrefix(s.Wrong[0].Text, "pod (id-2), pod (id-3) are gone") {
		t.Errorf("%+v", s.Wrong)
	}
}

func TestCondition_ANodeThatIsNotReadyIsNotSimplyLive(t *testing.T) {
	t.Parallel()
	a := three()
	a.Answers[0].Value.Leaving = true
	a.Answers[1].Value.Problems = away("x")
	a.Answers[2].Err = errors.New("late")
	var got []string
	for _, n := range NewStatus(a).Nodes {
		got = append(got, n.Condition())
	}
	if strings.Join(got, "; ") != "live, leaving; live, not ready; live, no answer" {
		t.Error(got)
	}
}

func TestStatus_FromRowsAlone(t *testing.T) {
	t.Parallel()
	a := three()
	a.Answers, a.Rows, a.Link = nil, true, ""
	for i := range a.Members {
		a.Members[i].Self = false
	}
	s := NewStatus(a)
	if len(s.Wrong) != 0 || s.Asker != "" || s.Nodes[0].Answered() || s.Nodes[0].Condition() != Live {
		t.Errorf("%+v", s)
	}
	a.Members[1].Settings = "other"
	a.Members[2].Live = false
	if s = NewStatus(a); codes(s.Wrong) != "node.silent settings.differ" {
		t.Errorf("%s", codes(s.Wrong))
	}
	for i := range a.Members {
		a.Members[i].Settings, a.Members[i].Live = "", false
	}
	a.Master = 0
	a.Found = []Finding{{Code: CodeNodeFrozen, Nodes: []string{"node-1", "node-2", "node-3"}, Text: "pid 7", Mend: "x"}}
	if s = NewStatus(a); codes(s.Wrong) != "node.frozen[node.silent node.none]" || s.Wrong[0].Severity != Critical {
		t.Errorf("%s", codes(s.Wrong))
	}
	a.Found = nil
	for i := range a.Members {
		a.Members[i].State, a.Members[i].Live = stateLeft, false
	}
	if s = NewStatus(a); codes(s.Wrong) != CodeNodeNone || s.Well() {
		t.Errorf("%s", codes(s.Wrong))
	}
}

// Every code that a part gives to a finding or an event is explained in the documentation.
func TestFinding_EveryCodeIsDocumented(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(findingsPage)))
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^### `([a-z.]+)`$").FindAllStringSubmatch(string(raw), -1) {
		documented[m[1]] = true
	}
	literal := regexp.MustCompile(`\bCode(?:[A-Z]\w*)?\s*[:=]\s*"([a-z]+(?:\.[a-z]+)+)"`)
	found := 0
	err = filepath.WalkDir("..", func(path string, d os.DirEntry, err error) error {
		if err != nil ||
			d.IsDir() &&
				(d.Name() == "testdata" || d.Name() == "node_modules" ||
					strings.HasPrefix(d.Name(), ".") && len(d.Name()) > 2) {
			if d != nil && d.IsDir() && err == nil {
				return filepath.SkipDir
			}
			return err
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range literal.FindAllStringSubmatch(string(text), -1) {
			found++
			if !documented[m[1]] {
				t.Errorf("%s gives the code %s, which %s does not explain under a heading of its own",
					path, m[1], findingsPage)
			}
		}
		return nil
	})
	if err != nil || found < 30 {
		t.Errorf("%d codes were found: %v", found, err)
	}
	if documented["no.such"] || Page(CodeDatabaseAway) != "docs/operate/findings.md#databaseaway" {
		t.Error(Page(CodeDatabaseAway))
	}
}
