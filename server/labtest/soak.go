//go:build linux

package labtest

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"
)

// A soak plays stories that nobody wrote: random troubles one after the other, and in between
// everything is looked at. The lines are those of the stories, so that what went wrong can be written
// down as one.

var soakNodes = []string{"n1", "n2", "n3", "n4"}

// opening are the lines that a soak begins with. The relay stands before all nodes or before half of them.
func opening(relayed bool) []string {
	behind := soakNodes[:len(soakNodes)/2]
	if relayed {
		behind = soakNodes
	}
	return []string{"database movable", "relay " + strings.Join(behind, " "), "start " + strings.Join(soakNodes, " ")}
}

// round is one load with troubles, from the first request to the judgement.
func round(rnd *rand.Rand, relayed bool, troubles int) []string {
	lines := []string{"people at " + strings.Join(soakNodes, " ") + " readers=16 rate=1000 leavers=2", "due content.publish 700ms", "run 2s"}
	for range troubles {
		lines = append(lines, trouble(rnd, relayed)...)
		lines = append(lines, "run "+span(rnd, 500*time.Millisecond, 4*time.Second))
	}
	return append(lines, "clock 0s", "run 3s", "settle", "effects 1")
}

// span draws a time; short ones are as likely as long ones.
func span(rnd *rand.Rand, least, most time.Duration) string {
	for d := least; ; d *= 2 {
		if d >= most || rnd.IntN(2) == 0 {
			return (min(d, most) - time.Duration(rnd.Int64N(int64(least)/2))).Round(10 * time.Millisecond).String()
		}
	}
}

// trouble draws one trouble and its end.
func trouble(rnd *rand.Rand, relayed bool) []string {
	node := soakNodes[rnd.IntN(len(soakNodes))]
	others := strings.Join(slices.DeleteFunc(slices.Clone(soakNodes), func(n string) bool { return n == node }), " ")
	long := span(rnd, 400*time.Millisecond, 20*time.Second)
	all := [][]string{
		{"crash " + node, "run " + long, "start " + node},
		{"master", "crash $MASTER", "newmaster 6s", "start $MASTER"},
		{"worker", "crash $WORKER", "run " + long, "start $WORKER"},
		{"leave " + node, "start " + node},
		{"freeze " + node + " " + long},
		{"freeze " + node + " " + others + " " + span(rnd, 200*time.Millisecond, 5*time.Second)},
		{"master", "freeze $MASTER " + long},
		{"worker", "freeze $WORKER " + long},
		{"cut " + node + " database", "run " + long, "mend", "ready " + node + " 15s"},
		{"cut " + node + " " + others, "run " + long, "mend"},
		{"cut " + node + " database " + others, "run " + long, "mend", "ready " + node + " 15s"},
		{"deafen " + node + " database", "run " + long, "mend", "ready " + node + " 15s"},
		{"deafen " + node + " " + others, "run " + long, "mend"},
		{"disturb " + node + " database " + others, "run " + long, "mend", "ready " + node + " 15s"},
		{"freeze database " + span(rnd, 300*time.Millisecond, 5*time.Second)},
		{"crash database", "run " + span(rnd, 200*time.Millisecond, 5*time.Second), "restart database", "ready " + strings.Join(soakNodes, " ") + " 20s"},
		{fmt.Sprintf("lose %d answers", 1+rnd.IntN(3))},
		{fmt.Sprintf("lose %d commits", 1+rnd.IntN(3))},
		{"hold " + long},
		{"lag " + node + " 1200ms commits", "run " + long, "lag " + node + " 0s"},
		{"clock 1h", "run " + span(rnd, time.Second, 4*time.Second), "clock 0s"},
		{"clock -1h", "run " + span(rnd, time.Second, 4*time.Second), "clock 0s"},
	}
	if relayed {
		all = append(all, []string{"master", "stall $MASTER", "freeze $MASTER", "newmaster 6s", "run " + long, "thaw $MASTER", "release"})
	}
	return all[rnd.IntN(len(all))]
}

// play does one line of a story.
func (w *world) play(ctx context.Context, line string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	f := strings.Fields(os.Expand(line, func(name string) string { return w.vars[name] }))
	c, ok := words()[f[0]]
	if !ok || len(f)-1 < c.least {
		return fmt.Errorf("%s: not a line of a story", line)
	}
	if err := c.run(ctx, w, f[1:]); err != nil {
		return fmt.Errorf("%s: %w", line, err)
	}
	return nil
}

// kinds counts the troubles of lines by their first words, for the end of a soak.
func kinds(lines []string) string {
	n := map[string]int{}
	for _, l := range lines {
		switch f := strings.Fields(l); f[0] {
		case "crash", "freeze", "cut", "deafen", "disturb", "lose", "clock", "hold", "leave", "stall", "lag":
			n[f[0]]++
		}
	}
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(n)) {
		fmt.Fprintf(&b, "%s %d, ", k, n[k])
	}
	return strings.TrimSuffix(b.String(), ", ")
}
