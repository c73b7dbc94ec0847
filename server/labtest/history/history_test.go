package history_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/server/labtest/history"
)

var rules = history.Rules{Bound: 2 * time.Second, Leave: 2 * time.Second, Grace: 5 * time.Minute, Tokens: true, Slack: time.Second}

// op makes a request of 10 ms; seconds is when it was sent.
func op(kind history.Kind, node string, value int64, seconds float64, change ...func(*history.Op)) history.Op {
	sent := time.Duration(seconds * float64(time.Second))
	o := history.Op{Kind: kind, Key: "a", Value: value, Node: node, Sent: sent, Done: sent + 10*time.Millisecond, Outcome: history.OK}
	for _, fn := range change {
		fn(&o)
	}
	return o
}

func write(node string, value int64, seconds float64, change ...func(*history.Op)) history.Op {
	return op(history.Write, node, value, seconds, change...)
}

func read(node string, value int64, seconds float64, change ...func(*history.Op)) history.Op {
	return op(history.Read, node, value, seconds, change...)
}

func member(node string, value int64, seconds float64, change ...func(*history.Op)) history.Op {
	return op(history.Member, node, value, seconds, change...)
}

func stale(seconds int) func(*history.Op)        { return func(o *history.Op) { o.Stale = seconds } }
func as(session string) func(*history.Op)        { return func(o *history.Op) { o.Session = session } }
func ended(as history.Outcome) func(*history.Op) { return func(o *history.Op) { o.Outcome = as } }
func lasting(seconds float64) func(*history.Op) {
	return func(o *history.Op) { o.Done = o.Sent + time.Duration(seconds*1e9) }
}
func key(k string) func(*history.Op) { return func(o *history.Op) { o.Key = k } }
func atTheEnd(o *history.Op)         { o.Last = true }
func lost(from, told float64) func(*history.Op) {
	return func(o *history.Op) {
		o.Lost = &history.Loss{From: time.Duration(from * 1e9), Told: time.Duration(told * 1e9)}
	}
}
func signOut(seconds float64, change ...func(*history.Op)) history.Op {
	return write("n1", 1, seconds, append(change, key(history.SessionKey+"x"))...)
}
func who(value int64, seconds float64) history.Op {
	return member("n2", value, seconds, key(history.SessionKey+"x"))
}

func TestJudge_FindsEachBrokenPromise(t *testing.T) {
	one := write("n1", 1, 1, as("w"))
	two := write("n1", 2, 10, as("w"))
	for _, c := range []struct {
		name    string
		ops     []history.Op
		promise string // "" = all is well
	}{
		{"the new value", []history.Op{one, two, read("n2", 2, 12.1)}, ""},
		{"the old value within the bound", []history.Op{one, two, read("n2", 1, 12)}, ""},
		{"the old value that was asked for within the bound and came late", []history.Op{one, two, read("n2", 1, 12, lasting(30))}, ""},
		{"the old value after the bound", []history.Op{one, two, read("n2", 1, 12.02)}, "within the bound"},
		{"nothing after the bound", []history.Op{one, read("n2", 0, 3.1)}, "within the bound"},
		{"nothing before the first write", []history.Op{read("n2", 0, 0.5), one}, ""},
		{"the order of the history does not matter", []history.Op{read("n2", 1, 12.02), two, one}, "within the bound"},
		{"another key", []history.Op{one, two, read("n2", 0, 20, key("b"))}, ""},

		{"an uncertain write need not be seen", []history.Op{one, write("n1", 2, 10, ended(history.Unknown)), read("n2", 1, 60)}, ""},
		{"an uncertain write may be seen", []history.Op{one, write("n1", 2, 10, ended(history.Unknown)), read("n2", 2, 60)}, ""},
		{"a refused write is not seen", []history.Op{one, write("n1", 2, 10, ended(history.Failed)), read("n2", 2, 11)}, "refused"},
		{"a write under way may be seen", []history.Op{one, write("n1", 2, 10, lasting(60)), read("n2", 2, 11)}, ""},
		{"a value that nobody wrote", []history.Op{one, read("n2", 7, 2)}, "not written"},
		{"a value from the future", []history.Op{one, read("n2", 2, 5), two}, "not written"},

		{"the mark excuses an old value", []history.Op{one, two, read("n2", 1, 22, stale(10))}, ""},
		{"but not one older than it says", []history.Op{one, two, read("n2", 1, 30, stale(10))}, "within the bound"},
		{"a mark beyond the grace", []history.Op{one, read("n2", 1, 900, stale(301))}, "grace"},
		{"a member gets nothing stale", []history.Op{one, member("n2", 1, 5, stale(1))}, "only guests"},
		{"a read that failed says nothing", []history.Op{one, two, read("n2", 0, 30, ended(history.Failed))}, ""},

		{"the writer on the same node", []history.Op{one, two, member("n1", 1, 10.02, as("w"))}, "own write"},
		{"the writer on the next node", []history.Op{one, two, member("n2", 1, 10.02, as("w"))}, "own write"},
		{"the writer sees it", []history.Op{one, two, member("n2", 2, 10.02, as("w"))}, ""},
		{"the writer before the answer", []history.Op{one, two, member("n2", 1, 10.005, as("w"))}, ""},
		{"somebody else", []history.Op{one, two, member("n1", 1, 10.02, as("x"))}, ""},

		{"nodes agree in the end", []history.Op{one, read("n1", 1, 9, atTheEnd), read("n2", 1, 9, atTheEnd)}, ""},
		{"nodes differ in the end", []history.Op{one, write("n1", 2, 2, ended(history.Unknown)), read("n1", 1, 9, atTheEnd), read("n2", 2, 9, atTheEnd)}, "all nodes show the same"},

		{"what was lost need not be seen", []history.Op{one, write("n1", 2, 10, as("w"), lost(13, 15)), read("n2", 1, 13)}, ""},
		{"not even by its writer", []history.Op{one, write("n1", 2, 10, as("w"), lost(13, 15)), member("n2", 1, 14, as("w"))}, ""},
		{"but before the loss it is", []history.Op{one, write("n1", 2, 10, lost(13, 15)), read("n2", 1, 12.5)}, "within the bound"},
		{"a loss excuses nothing else", []history.Op{one, write("n1", 2, 10, lost(13, 15)), read("n2", 0, 14)}, "within the bound"},
		{"what was lost may be seen until that is told", []history.Op{one, write("n1", 2, 10, lost(13, 15)), read("n2", 2, 17.5)}, ""},
		{"what was lost is seen for longer", []history.Op{one, write("n1", 2, 10, lost(13, 15)), read("n2", 2, 18.1)}, "lost and named"},
		{"unless it is marked", []history.Op{one, write("n1", 2, 10, lost(13, 15)), read("n2", 2, 27, stale(10))}, ""},
		{"a save after a loss is seen", []history.Op{one, write("n1", 2, 10, lost(13, 15)), write("n1", 3, 20), read("n2", 1, 23)},
			"within the bound"},
		{"a sign-out that was lost is repeated", []history.Op{signOut(10, lost(13, 15)), who(0, 16), who(1, 19)}, ""},
		{"a sign-out that was lost is not repeated", []history.Op{signOut(10, lost(13, 15)), who(0, 19.1)}, "within the bound"},

		{"two writes at a time", []history.Op{write("n1", 1, 1, lasting(5)), write("n1", 2, 2)}, "one write at a time"},
		{"a number twice", []history.Op{write("n1", 1, 1), write("n1", 1, 2)}, "one write at a time"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := history.Judge(c.ops, rules)
			switch {
			case c.promise == "" && len(r.Violations) > 0:
				t.Errorf("all is well, but: %s", r)
			case c.promise != "" && (len(r.Violations) != 1 || !strings.Contains(r.Violations[0].Promise, c.promise)):
				t.Errorf("want one violation of %q: %s", c.promise, r)
			}
		})
	}
}

func TestJudge_WithoutTokensOnlyTheSameNodeKnowsAtOnce(t *testing.T) {
	plain := rules
	plain.Tokens = false
	ops := []history.Op{write("n1", 1, 1, as("w")), write("n2", 2, 10, as("w")), member("n1", 1, 10.02, as("w"))}
	if r := history.Judge(ops, plain); len(r.Violations) != 0 || r.Own != 1 {
		t.Errorf("%d own reads: %s", r.Own, r)
	}
	ops = []history.Op{write("n1", 1, 1, as("w")), member("n1", 0, 1.02, as("w"))}
	if r := history.Judge(ops, plain); len(r.Violations) != 1 {
		t.Errorf("want the own write on the same node missing: %s", r)
	}
}

func TestJudge_CountsWhatItChecked(t *testing.T) {
	r := history.Judge([]history.Op{
		write("n1", 1, 1, as("w")), write("n1", 2, 10, ended(history.Unknown)), write("n1", 3, 11, ended(history.Failed)),
		read("n2", 0, 1.5), read("n2", 1, 5), read("n2", 1, 100), read("n2", 1, 5, stale(1)), read("n3", 0, 5, ended(history.Failed)),
		member("n1", 1, 6, as("w")),
	}, rules)
	want := history.Report{Reads: 5, Marked: 1, Decided: 2, Own: 1, Missed: 1, Acknowledged: 1, Refused: 1, Uncertain: 1, Oldest: 490 * time.Millisecond}
	if !reflect.DeepEqual(r, want) {
		t.Errorf("got  %+v\nwant %+v", r, want)
	}
	var sum history.Report
	sum.Add(r)
	sum.Add(r)
	if sum.Reads != 2*r.Reads || sum.Uncertain != 2*r.Uncertain || sum.Oldest != r.Oldest {
		t.Errorf("the sum is %+v", sum)
	}
}

// register is a model of a cluster: nodes that follow one value with a delay of their own.
type register struct {
	rnd    *rand.Rand
	writes []history.Op
	delay  map[string]time.Duration
}

func (g *register) seen(node string, at time.Duration) int64 {
	v := int64(0)
	for _, w := range g.writes {
		if w.Sent+5*time.Millisecond+g.delay[node] <= at {
			v = w.Value
		}
	}
	return v
}

// play writes for a minute and reads on three nodes; one of them follows with the delay.
func play(seed uint64, late time.Duration) []history.Op {
	g := &register{rnd: rand.New(rand.NewPCG(seed, 1)), delay: map[string]time.Duration{"n1": 0, "n2": 400 * time.Millisecond, "n3": late}}
	for i := range 60 {
		g.writes = append(g.writes, write("n1", int64(i+1), float64(i)+g.rnd.Float64()/2))
	}
	ops := g.writes
	for range 3000 {
		node := fmt.Sprint("n", 1+g.rnd.IntN(3))
		at := g.rnd.Float64() * 60
		ops = append(ops, read(node, g.seen(node, time.Duration(at*1e9)), at))
	}
	return ops
}

func TestJudge_ModelWithinTheBoundIsWellAndBeyondIsNot(t *testing.T) {
	for seed := range uint64(20) {
		if r := history.Judge(play(seed, 1900*time.Millisecond), rules); len(r.Violations) != 0 || r.Decided < 1000 {
			t.Errorf("seed %d, 1.9 s late: %s", seed, r)
		}
		if r := history.Judge(play(seed, 2100*time.Millisecond), rules); len(r.Violations) == 0 || r.Violations[0].Op.Node != "n3" {
			t.Errorf("seed %d, 2.1 s late: %s", seed, r)
		}
	}
}

func TestSave_LoadGivesTheSameReport(t *testing.T) {
	name := filepath.Join(t.TempDir(), "history")
	ops := play(7, 2100*time.Millisecond)
	if err := history.Save(name, ops); err != nil {
		t.Fatal(err)
	}
	again, err := history.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := history.Judge(ops, rules), history.Judge(again, rules); !reflect.DeepEqual(a, b) {
		t.Errorf("saved:  %s\nloaded: %s", a, b)
	}
	if err := os.WriteFile(name, []byte("{\"kind\":\"read\"}\nnonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := history.Load(name); err == nil || !strings.Contains(err.Error(), "request 2") {
		t.Errorf("a broken file gives %v", err)
	}
}

var replay = flag.String("replay", "", "file with a history that the lab has kept, to be judged again")

func TestReplay(t *testing.T) {
	if *replay == "" {
		t.Skip("no history to judge again: -args -replay FILE")
	}
	ops, err := history.Load(*replay)
	if err != nil {
		t.Fatal(err)
	}
	r := history.Judge(ops, rules)
	t.Log(r)
	if len(r.Violations) > 0 {
		t.Fail()
	}
}

func TestJudge_SigningOutHasABoundOfItsOwn(t *testing.T) {
	own := rules
	own.Leave = 0
	session := key(history.SessionKey + "a1")
	ops := []history.Op{write("n1", 1, 10, session), member("n2", 0, 10.5, session), read("n2", 0, 10.5)}
	if r := history.Judge(ops, own); len(r.Violations) != 1 || !strings.HasPrefix(r.Violations[0].Op.Key, history.SessionKey) {
		t.Errorf("want one violation, of the session: %s", r)
	}
	own.Leave = time.Second
	if r := history.Judge(ops, own); len(r.Violations) != 0 {
		t.Errorf("within the bound of signing out: %s", r)
	}
}
