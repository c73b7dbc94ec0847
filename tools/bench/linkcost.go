package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"
)

const goalLink = 1.03

// measureLink compares a node of a cluster of three with a node by itself.
func measureLink(ctx context.Context, b *bed) (s section, err error) {
	export, err := findExport()
	if err != nil {
		return s, err
	}
	var sides [2]*process // off, on
	var page string
	for i, n := range []int{1, 3} {
		c, err := b.startNodes(ctx, b.postgres, n, n > 1)
		if err != nil {
			return s, err
		}
		defer func() { err = errors.Join(err, c.stop()) }()
		sides[i] = c.all[0]
		imp := exec.CommandContext(ctx, b.stoa, "import", "wordpress", export, "--home", c.all[0].home, "--external-properties", c.all[0].home+".properties")
		if out, err := imp.CombinedOutput(); err != nil {
			return s, fmt.Errorf("import: %w\n%s", err, out)
		}
		if page, _, _, err = choosePage(ctx, sides[i].url); err != nil {
			return s, err
		}
	}
	set := settings{wrk: b.wrk}
	length := time.Duration(b.pick(3, 1)) * time.Second
	var cost, rate [2][]float64
	for pair := range b.pick(4, 1) * b.rounds {
		for k := range sides {
			i := (k + pair) % len(sides)
			before, err := cpu(sides[i].pids())
			if err != nil {
				return s, err
			}
			got, err := load(ctx, set, sides[i].url+page, length)
			if err != nil {
				return s, err
			}
			after, err := cpu(sides[i].pids())
			if err != nil {
				return s, err
			}
			if got.failed > 0 {
				return s, fmt.Errorf("%d of %d requests failed", got.failed, got.requests)
			}
			cost[i] = append(cost[i], float64((after-before).Nanoseconds())/1000/float64(max(got.requests, 1)))
			rate[i] = append(rate[i], got.rate)
		}
	}
	ratio := ratios(cost[1], cost[0])
	mid, _ := median(ratio)
	low, high := quantile(ratio, 0.25), quantile(ratio, 0.75)
	s.findings = []finding{{what: "CPU per cached page with Cluster Link on against off", goal: fmt.Sprintf("≤ %.2f ×", goalLink), measured: fmt.Sprintf("%.3f × (half of the pairs %.3f to %.3f)", mid, low, high), met: mid <= goalLink}}
	client := "the built-in Go client"
	if b.wrk != "" {
		client = "wrk -t2 -c64"
	}
	s.text = fmt.Sprintf("`%s` of the imported site from a node of a cluster of three, and from a node by itself with Cluster Link off, in turn, %d pairs of %s each with %s. Both use PostgreSQL. The CPU is that of the node's process.\n\n%s",
		page, len(ratio), length, client, table([]string{"Node", "CPU per page", "Requests/s"},
			[]string{"Cluster Link off", about(cost[0], "%.1f µs"), aboutThousands(rate[0])}, []string{"one of three, Cluster Link on", about(cost[1], "%.1f µs"), aboutThousands(rate[1])}))
	return s, nil
}
