//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

// worlds is how many simulated clusters the tier of that name runs.
const worlds = 10_000

// narrowed says that this run is about a part that the two tiers below are not.
func (r *tierRun) narrowed(folder string) bool {
	if r.narrow() {
		r.out.printf("left out: -pkg or -run is given\n")
		return true
	}
	_, err := os.Stat(folder)
	if err != nil {
		r.out.printf("left out: there is no %s\n", folder)
	}
	return err != nil
}

// runWorlds runs the simulation of whole clusters without the race detector, which finds nothing in a
// world that one goroutine decides about. Each day has its own seeds.
func runWorlds(ctx context.Context, r *tierRun) counts {
	const folder = "cluster/simtest"
	if r.narrowed(folder) {
		return counts{}
	}
	first := 1 + worlds*(time.Now().Unix()/(24*60*60))
	start := time.Now()
	cmd := r.goCommand(ctx, "test", "-count=1", "-timeout="+r.opts.timeout.String(), "-run=TestWorld_Keeps", "./"+folder,
		"-args", fmt.Sprint("-seeds=", worlds), fmt.Sprint("-first=", first))
	out, err := cmd.CombinedOutput()
	if err != nil {
		return r.rep.failf("%s: %v\n%s", folder, err, tail(string(out), 40))
	}
	r.out.printf("ok    %-40s %7.1fs  seeds from %d\n", folder, time.Since(start).Seconds(), first)
	return counts{passed: 1}
}

// runMutant plants mutants, each line of whose output is one.
func runMutant(ctx context.Context, r *tierRun) counts {
	const folder = "tools/mutants"
	if r.narrowed(folder) {
		return counts{}
	}
	program, err := r.buildTool(ctx, "mutants")
	if err != nil {
		return r.rep.failf("%v", err)
	}
	args := []string{program}
	if r.opts.lab {
		args = append(args, "-lab")
	}
	switch r.opts.mutants {
	case "":
		args = append(args, "-day")
	case "all":
	default:
		args = append(args, strings.Fields(r.opts.mutants)...)
	}
	out, err := r.command(ctx, args...).CombinedOutput()
	var total counts
	for _, story := range stories(string(out)) {
		verdict, rest, _ := strings.Cut(story, " ")
		switch rest = strings.TrimSpace(rest); verdict {
		case "ok":
			r.out.printf("%s", story)
			total.passed++
		case "SKIP":
			r.rep.skipf("mutant %s", rest)
		case "FAIL":
			total = total.plus(r.rep.failf("mutant %s", rest))
		}
	}
	if err != nil && total.failed == 0 && ctx.Err() == nil {
		total = total.plus(r.rep.failf("%s: %v\n%s", folder, err, tail(string(out), 40)))
	}
	return total
}

// stories splits an output before each line that begins with a verdict.
func stories(out string) (all []string) {
	for line := range strings.Lines(out) {
		verdict, _, _ := strings.Cut(line, " ")
		if len(all) == 0 || verdict == "ok" || verdict == "SKIP" || verdict == "FAIL" {
			all = append(all, "")
		}
		all[len(all)-1] += line
	}
	return all
}
