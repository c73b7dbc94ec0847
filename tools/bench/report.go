package main

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"
)

// The goals of the product.
const (
	goalNginx  = 0.40 // of the requests per second of nginx
	goalPlain  = 0.85 // of those of bare net/http
	goalAllocs = 9
	goalPerson = 600 * time.Microsecond // of the CPU
	goalStart  = 1.0                    // seconds
	goalRSS    = 100.0                  // MB
	goalImport = 5.0                    // seconds
)

// row is one server's rounds.
type row struct {
	name string
	rate []float64 // requests per second
	cpu  []float64 // microseconds per request
}

type result struct {
	at                    time.Time
	note, client          string
	export, path          string
	size, addresses       int
	rows                  []row // Stoa first
	errors                int64
	allocs                int
	nsPerOp               float64
	personCPU             time.Duration
	starts                []float64
	importTook            time.Duration
	rss                   int64
	loadBefore, loadAfter string
	grown                 *grown
}

// median gives the middle value, and half the way from the least to the greatest in per cent of it.
func median(v []float64) (mid, spread float64) {
	if len(v) == 0 {
		return 0, 0
	}
	s := slices.Sorted(slices.Values(v))
	mid = s[len(s)/2]
	if len(s)%2 == 0 {
		mid = (s[len(s)/2-1] + s[len(s)/2]) / 2
	}
	if mid != 0 {
		spread = (s[len(s)-1] - s[0]) / 2 / mid * 100
	}
	return mid, spread
}

// ratios divides round by round, so that what disturbed a round disturbs both sides.
func ratios(a, b []float64) []float64 {
	out := make([]float64, 0, len(a))
	for i := range min(len(a), len(b)) {
		if b[i] > 0 {
			out = append(out, a[i]/b[i])
		}
	}
	return out
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "**missed**"
}

// markdown writes the report.
func (r *result) markdown() string {
	var b strings.Builder
	note := r.note
	if note == "" {
		note = fmt.Sprintf("%d cores", runtime.NumCPU())
	}
	fmt.Fprintf(&b, "# Benchmarks\n\nMeasured by `make bench` on %s, %s, %s/%s, %s. Load average before: %s, after: %s.\n", r.at.UTC().Format("2 January 2006"), note, runtime.GOOS, runtime.GOARCH, runtime.Version(), r.loadBefore, r.loadAfter)
	fmt.Fprintf(&b, "Absolute numbers depend on the machine and on what else it does; the ratios are taken round by round between servers that work in turn.\n\n")
	fmt.Fprintf(&b, "## A warm page for a guest\n\n`%s` of the imported site, %s bytes, not compressed, over the loopback with %s; median of %d rounds, ± half the range. Server and client share the cores.\n\n", r.path, thousands(r.size), r.client, len(r.rows[0].rate))
	if r.size < pageFrom || r.size > pageTo {
		fmt.Fprintf(&b, "The imported site has no page of %s to %s bytes; this is the nearest.\n\n", thousands(pageFrom), thousands(pageTo))
	}
	b.WriteString("| Server | Requests/s | CPU per request | Stoa's rate against it | Stoa's CPU against it |\n|---|---:|---:|---:|---:|\n")
	for i, x := range r.rows {
		rate, rs := median(x.rate)
		cpu, cs := median(x.cpu)
		against, cpuAgainst := "", ""
		if i > 0 {
			m, s := median(ratios(r.rows[0].rate, x.rate))
			against = fmt.Sprintf("%.2f ± %.0f %%", m, s)
			m, s = median(ratios(r.rows[0].cpu, x.cpu))
			cpuAgainst = fmt.Sprintf("%.2f ± %.0f %%", m, s)
		}
		fmt.Fprintf(&b, "| %s | %s ± %.0f %% | %.1f µs ± %.0f %% | %s | %s |\n", x.name, thousands(int(rate)), rs, cpu, cs, against, cpuAgainst)
	}
	fmt.Fprintf(&b, "\nFailed requests: %d.\n\n## Goals\n\n| What | Goal | Measured | |\n|---|---:|---:|---|\n", r.errors)
	for i, x := range r.rows[1:] {
		goal := goalPlain
		if strings.HasPrefix(r.rows[i+1].name, "nginx") {
			goal = goalNginx
		}
		m, _ := median(ratios(r.rows[0].rate, x.rate))
		fmt.Fprintf(&b, "| Requests/s against %s | ≥ %.2f | %.2f | %s |\n", x.name, goal, m, verdict(m >= goal))
	}
	if len(r.rows) < 3 {
		b.WriteString("| Requests/s against nginx | | not measured: there is no nginx | |\n")
	}
	first, spread := median(r.starts)
	fmt.Fprintf(&b, "| Allocations of the handler per warm page | ≤ %d | %d (%.0f ns) | %s |\n", goalAllocs, r.allocs, r.nsPerOp, verdict(r.allocs <= goalAllocs))
	fmt.Fprintf(&b, "| CPU of a page with six widgets for somebody who is signed in, caches warm | ≤ %.1f ms | %.2f ms | %s |\n", goalPerson.Seconds()*1e3, r.personCPU.Seconds()*1e3, verdict(r.personCPU <= goalPerson))
	fmt.Fprintf(&b, "| From an empty folder to the first page | ≤ %.0f s | %.2f s ± %.0f %% (%d starts) | %s |\n", goalStart, first, spread, len(r.starts), verdict(first <= goalStart))
	mb := float64(r.rss) / 1e6
	fmt.Fprintf(&b, "| Memory (RSS) after the import and %s requests to %d addresses | ≤ %.0f MB | %.0f MB | %s |\n", thousands(visits), r.addresses, goalRSS, mb, verdict(mb <= goalRSS))
	fmt.Fprintf(&b, "| Import of `%s` into a running node | ≤ %.0f s | %.2f s | %s |\n", r.export, goalImport, r.importTook.Seconds(), verdict(r.importTook.Seconds() <= goalImport))
	if r.grown != nil {
		b.WriteString(r.grown.markdown())
	}
	return b.String()
}

// thousands writes a number with commas.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
