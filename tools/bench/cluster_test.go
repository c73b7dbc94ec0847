package main

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestQuantile_NearestRank(t *testing.T) {
	v := []float64{5, 1, 4, 2, 3}
	for _, c := range []struct{ q, want float64 }{{0, 1}, {0.2, 1}, {0.5, 3}, {0.8, 4}, {0.99, 5}, {1, 5}} {
		if got := quantile(v, c.q); got != c.want {
			t.Errorf("%v of %v: %v, want %v", c.q, v, got, c.want)
		}
	}
	if quantile(nil, 0.5) != 0 || v[0] != 5 {
		t.Error("nothing has a quantile, or the values were moved")
	}
}

func TestFigures_OnlyNamesWithNumbers(t *testing.T) {
	f, err := parseFigures("got=12 seconds=1.5e-1")
	if err != nil || f["got"] != 12 || f["seconds"] != 0.15 {
		t.Errorf("%v, %v", f, err)
	}
	for _, bad := range []string{"ready", "got=", "=", "got=12 x"} {
		if _, err := parseFigures(bad); err == nil && bad != "" {
			t.Errorf("%q is read as numbers", bad)
		}
	}
	all := []figures{{"n": 2}, {"n": 5}, {}}
	if most(all, "n") != 5 || total(all, "n") != 7 {
		t.Errorf("most %v, total %v", most(all, "n"), total(all, "n"))
	}
}

// Three nodes read two thirds of the rows each, eight read seven eighths.
func TestShares_EightNodesFromThree(t *testing.T) {
	s := shares{idle: spent{control: 3, all: 5}, load: spent{control: 9, all: 109}, plain: spent{control: 3, all: 90}}
	if got, want := s.reads(3), 3.0; math.Abs(got-want) > 1e-9 {
		t.Errorf("a node of three costs %v, want %v", got, want)
	}
	if got, want := s.reads(8), 1+2*(7.0/8)/(2.0/3); math.Abs(got-want) > 1e-9 {
		t.Errorf("a node of eight costs %v, want %v", got, want)
	}
	if quieter := (shares{idle: spent{control: 3}, load: spent{control: 2}}); quieter.reads(8) != 1 {
		t.Errorf("noise makes rows cost less than nothing: %v", quieter.reads(8))
	}
	text := s.arithmetic(rowsOfSave, portalCost{perRow: 0.4})
	if !strings.Contains(text, "8 × (1.00 + 2.00 × 875 / 667) = 29.0 ms/s, which is 2.9 % of one core") || !strings.Contains(text, "29.0 / (29.0 + 400) = 6.8 %") || !strings.Contains(text, "Writing the rows costs 13 ms/s") {
		t.Errorf("the arithmetic reads\n%s", text)
	}
}

func TestVisited_CountsSecondsNotRequests(t *testing.T) {
	v := visited{failed: []time.Duration{10 * time.Millisecond, 900 * time.Millisecond, 1100 * time.Millisecond, 7 * time.Second}}
	if got := v.secondsWithErrors(); got != 3 {
		t.Errorf("%d seconds have errors, want 3", got)
	}
	if (visited{}).secondsWithErrors() != 0 {
		t.Error("errors out of nothing")
	}
}

func TestTally_TimeIsFromTheFirstToTheLastExpected(t *testing.T) {
	var c tally
	c.add(1) // before an order: not counted
	c.expect(2)
	c.add(1)
	c.add(1)
	if got, took := c.wait(time.Minute); got != 2 || took < 0 || took > time.Minute {
		t.Errorf("%d in %v", got, took)
	}
	c.expect(2)
	c.add(1)
	if got, _ := c.wait(time.Millisecond); got != 1 {
		t.Errorf("of two that were expected %d came, want 1", got)
	}
}

func TestChangesFor_FillAHint(t *testing.T) {
	changes := changesFor(9990, hintBytes)
	if n := hintSize(changes); n < hintBytes || n > hintBytes+30 {
		t.Errorf("%d bytes", n)
	}
	if last := changes[len(changes)-1].ID; last < 1 || last > thingCount {
		t.Errorf("the last one names %d", last)
	}
}

func TestChoose_UnknownPartIsNamed(t *testing.T) {
	if got, err := choose(parts(), "hints, calls"); err != nil || len(got) != 2 || got[1].name != "calls" {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := choose(parts(), "hint"); err == nil || !strings.Contains(err.Error(), "hints, rows") {
		t.Errorf("%v does not say what there is", err)
	}
}

func TestReport_SaysWhatIsMissedAndWhatWasNotMeasured(t *testing.T) {
	r := report{head: clusterHead, target: "bench-cluster", at: time.Unix(0, 0), servers: []string{"PostgreSQL 15"}, whole: true, sections: []section{
		{title: "Hints", text: "How.\n", findings: []finding{{what: "Rate", goal: "≥ 2 ×", measured: "1.5 ×"}, {what: "Lost", goal: "0", measured: "0", met: true}}},
		{title: "Calls", findings: []finding{{what: "Latency", goal: "≤ 1 ×", left: "no JDK"}}},
		{title: "Master", left: "it failed: line one\nline two"},
	}}
	text := r.markdown()
	for _, want := range []string{"| Rate | ≥ 2 × | 1.5 × | **missed** |", "| Lost | 0 | 0 | met |", "| Latency | ≤ 1 × | not measured: no JDK | |", "| Master | | not measured: it failed: line one | |", "Missed: Rate.", "## Hints\n\nHow."} {
		if !strings.Contains(text, want) {
			t.Errorf("the report does not say %q\n%s", want, text)
		}
	}
	if strings.Contains(text, "Only a part") || strings.Contains(text, "line two") {
		t.Errorf("the report says too much\n%s", text)
	}
}

func TestReport_NotesSurviveTheNextRun(t *testing.T) {
	name := filepath.Join(t.TempDir(), "report.md")
	for _, text := range []string{"first\n", "second\n"} {
		if err := writeReport(name, text); err != nil {
			t.Fatal(err)
		}
		if text != "first\n" {
			continue
		}
		if err := os.WriteFile(name, []byte("first\n"+handWritten+"\nBy hand.\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil || string(got) != "second\n"+handWritten+"\nBy hand.\n" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestTimes_WaitingForADiskIsIdle(t *testing.T) {
	before, err := parseTimes("cpu  10 0 10 100 20 0 0 0 0 0\ncpu0 1 2 3\n")
	after, err2 := parseTimes("cpu  25 0 15 140 40 5 5 10 9 9\n")
	if busy := after.busySince(before); err != nil || err2 != nil || math.Abs(busy-0.4) > 1e-9 {
		t.Errorf("busy %v, %v, %v; want 0.4", busy, err, err2)
	}
	if before.busySince(before) != 0 {
		t.Error("busy in no time")
	}
	if _, err := parseTimes("cpu0 1 2"); err == nil {
		t.Error("nonsense is a time")
	}
}

func TestTable_FirstColumnIsTextTheOthersNumbers(t *testing.T) {
	if got, want := table([]string{"A", "B"}, []string{"x", "1"}), "| A | B |\n|---|---:|\n| x | 1 |\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
