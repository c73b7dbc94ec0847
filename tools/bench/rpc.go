package main

import (
	"context"
	"errors"
	"fmt"
)

// calling is one way to call.
type calling struct {
	name, whom string
	threads, n int
	runs       [2][]figures // Stoa, JGroups
}

// measureCalls compares remote calls.
func measureCalls(ctx context.Context, b *bed) (s section, err error) {
	stoa, err := b.members(ctx, b.postgres, 3)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, stoa.stop()) }()
	sides := []crew{stoa}
	if b.jgroups != nil {
		peers, err := b.jgroups.start(ctx, b.dir, 3)
		if err != nil {
			return s, err
		}
		defer func() { err = errors.Join(err, peers.stop()) }()
		sides = append(sides, peers)
	}
	ways := []*calling{
		{
			name:    "one node, 1 thread",
			whom:    "one",
			threads: 1,
			n:       b.pick(4000, 500),
		}, {name: "one node, 16 threads", whom: "one", threads: 16, n: b.pick(12_000, 1500)},
		{
			name:    "all others, 1 thread",
			whom:    "all",
			threads: 1,
			n:       b.pick(4000, 500),
		}, {name: "all others, 16 threads", whom: "all", threads: 16, n: b.pick(12_000, 1500)},
	}
	for round := range b.rounds + 1 {
		for _, w := range ways {
			for k := range sides {
				i := (k + round) % len(sides)
				got, err := sides[i][0].order(ctx, "call %s %d %d %d", w.whom, w.n, w.threads, hintBytes)
				if err != nil {
					return s, err
				}
				if round > 0 { // the first is to get warm
					w.runs[i] = append(w.runs[i], got)
				}
			}
		}
	}
	rows := [][]string{
		{"Call", "Stoa p50", "p99", "calls/s", "JGroups p50", "p99", "calls/s", "p50 against it", "p99 against it"},
	}
	for _, w := range ways {
		row := []string{w.name}
		for i := range w.runs {
			if i >= len(sides) {
				row = append(row, "", "", "")
				continue
			}
			row = append(
				row,
				about(column(w.runs[i], "p50"), "%.0f µs"),
				about(column(w.runs[i], "p99"), "%.0f µs"),
				aboutThousands(column(w.runs[i], "rate")),
			)
		}
		f := finding{what: "Latency of a call to " + w.name + ", against JGroups RPC", goal: "≤ 1.0 ×", left: b.noJGroups}
		if len(sides) > 1 {
			p50, p99 := ratios(
				column(w.runs[0], "p50"),
				column(w.runs[1], "p50"),
			), ratios(
				column(w.runs[0], "p99"),
				column(w.runs[1], "p99"),
			)
			mid, _ := median(p50)
			row = append(row, about(p50, "%.2f ×"), about(p99, "%.2f ×"))
			f.measured, f.met = about(p50, "%.2f ×"), mid <= 1
		} else {
			row = append(row, "", "")
		}
		rows = append(rows, row)
		s.findings = append(s.findings, f)
	}
	s.text = fmt.Sprintf(
		"One member calls a method of the others that gives its argument of %s bytes back, and waits for the answers. "+
			"Stoa's questions and answers are JSON over encrypted links; those of JGroups are Java's serialization in the "+
			"clear, out of band and not bundled. Goals count by p50.%s\n\n%s",
		thousands(hintBytes),
		b.jgroups.is(),
		table(rows...),
	)
	return s, nil
}

// column gives one number of each round.
func column(all []figures, name string) []float64 {
	out := make([]float64, len(all))
	for i, f := range all {
		out[i] = f[name]
	}
	return out
}
