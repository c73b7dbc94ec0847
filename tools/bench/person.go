package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"time"
)

var personLine = regexp.MustCompile(`(?m)^BenchmarkSignedIn_SixWidgets\S*\s.*?\s([0-9.]+) cpu-ns/op`)

// personCPU is what a page with six widgets costs of the CPU when it is put together for somebody who is signed in,
// from warm caches: the median of three runs.
func personCPU(ctx context.Context) (time.Duration, error) {
	out, err := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkSignedIn_SixWidgets$", "-count", "3", "./web").CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("measure a page of somebody: %w\n%s", err, out)
	}
	var ns []float64
	for _, m := range personLine.FindAllSubmatch(out, -1) {
		v, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil {
			return 0, err
		}
		ns = append(ns, v)
	}
	if len(ns) == 0 {
		return 0, fmt.Errorf("the benchmark of a page of somebody printed no figures:\n%s", out)
	}
	middle, _ := median(ns)
	return time.Duration(middle), nil
}
