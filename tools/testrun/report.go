//go:build linux

package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// printer writes whole messages from several goroutines.
type printer struct {
	mu sync.Mutex
	w  io.Writer
}

func (p *printer) printf(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = fmt.Fprintf(p.w, format, args...)
}

type counts struct{ passed, failed, skipped int }

func (c counts) plus(d counts) counts {
	return counts{c.passed + d.passed, c.failed + d.failed, c.skipped + d.skipped}
}

// String is the line that ends every run.
func (c counts) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", c.passed, c.failed, c.skipped)
}

// report gathers what the end of the run says.
type report struct {
	out *printer

	mu      sync.Mutex
	total   counts
	tiers   []tierResult
	stories []string
	skips   []skip
	slowest []slow
	cut     error
}

type tierResult struct {
	tier   tier
	used   time.Duration
	counts counts
}

type skip struct{ pkg, test, why string }

type slow struct {
	pkg     string
	seconds float64
}

// failf records a failure that is not a test's and counts it.
func (r *report) failf(format string, args ...any) counts {
	s := fmt.Sprintf(format, args...)
	r.out.printf("FAIL  %s\n", s)
	r.mu.Lock()
	r.stories = append(r.stories, "---- FAIL "+s+"\n")
	r.mu.Unlock()
	return counts{failed: 1}
}

// skipf records something left out, loudly. On a build server it is a failure.
func (r *report) skipf(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	if continuous() {
		c := r.failf("%s; with CI=true nothing may be left out", s)
		r.mu.Lock()
		r.total = r.total.plus(c)
		r.mu.Unlock()
		return
	}
	r.out.printf("SKIP  %s\n", s)
	r.mu.Lock()
	r.total.skipped++
	r.mu.Unlock()
}

// services says which servers are there and skips those that are not.
func (r *report) services(e *environment) {
	for _, kv := range e.variables() {
		k, v, _ := strings.Cut(kv, "=")
		r.out.printf("      %s=%s\n", k, v)
	}
	for _, m := range e.missing() {
		r.skipf("%s is missing, so its tests do not run: %s", m.name, m.why)
	}
}

// failed keeps the story of a failed package and prints it at once.
func (r *report) failed(story string) {
	r.out.printf("%s", story)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stories = append(r.stories, story)
}

func (r *report) skipped(pkg, test, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.skips = append(r.skips, skip{pkg, test, why})
}

func (r *report) slow(pkg string, seconds float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.slowest = append(r.slowest, slow{pkg, seconds})
}

func (r *report) tier(t tier, used time.Duration, c counts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tiers = append(r.tiers, tierResult{t, used, c})
	r.total = r.total.plus(c)
}

func (r *report) interrupted(why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut = why
}

// finish prints the summary, the counts last, and returns the exit code.
func (r *report) finish(used time.Duration) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.skips) > 0 {
		r.out.printf("\nskipped\n")
		for _, s := range r.skips {
			r.out.printf("      %s %s: %s\n", s.pkg, s.test, s.why)
		}
	}
	// Failures were printed where they happened; many lines may lie between.
	if len(r.stories) > 0 {
		r.out.printf("\nfailed\n")
		for _, s := range r.stories {
			first, _, _ := strings.Cut(s, "\n")
			r.out.printf("      %s\n", strings.TrimPrefix(first, "---- FAIL "))
			for line := range strings.Lines(s) {
				if line = strings.TrimSpace(line); strings.HasPrefix(line, "--- FAIL") {
					r.out.printf("          %s\n", line)
				}
			}
		}
	}
	slices.SortFunc(r.slowest, func(a, b slow) int { return cmp.Compare(b.seconds, a.seconds) })
	if len(r.slowest) > 1 {
		r.out.printf("\nslowest packages\n")
		for _, s := range r.slowest[:min(len(r.slowest), 8)] {
			r.out.printf("      %-40s %7.1fs\n", s.pkg, s.seconds)
		}
	}
	r.out.printf("\n%-10s %10s %10s  %s\n", "tier", "budget", "used", "counts")
	for _, t := range r.tiers {
		over := ""
		if t.used > t.tier.budget {
			over = "  over budget (a first run compiles everything)"
		}
		r.out.printf("%-10s %10s %10s  %s%s\n", t.tier.name, t.tier.budget, t.used.Round(100*time.Millisecond), t.counts, over)
	}
	r.out.printf("%-10s %10s %10s\n", "all", "", used.Round(100*time.Millisecond))
	if r.cut != nil {
		r.out.printf("CUT OFF: %v\n", r.cut)
		r.total.failed = max(r.total.failed, 1)
	}
	r.out.printf("%s\n", r.total)
	if r.total.failed > 0 {
		return 1
	}
	return 0
}
