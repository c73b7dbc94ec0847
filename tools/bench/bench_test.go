package main

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestMedian_MiddleAndSpread(t *testing.T) {
	for _, c := range []struct {
		in          []float64
		mid, spread float64
	}{{nil, 0, 0}, {[]float64{5}, 5, 0}, {[]float64{9, 1, 5}, 5, 80}, {[]float64{4, 2}, 3, 100.0 / 3}} {
		if mid, spread := median(c.in); mid != c.mid || math.Abs(spread-c.spread) > 1e-9 {
			t.Errorf("%v: %v ± %v, want %v ± %v", c.in, mid, spread, c.mid, c.spread)
		}
	}
	if got := ratios([]float64{1, 2, 3}, []float64{2, 0}); len(got) != 1 || got[0] != 0.5 {
		t.Errorf("ratios: %v", got)
	}
}

func TestParseWrk_ReadsTotalsAndFailures(t *testing.T) {
	got, err := parseWrk("Running 2s test @ http://127.0.0.1:1/\n  12345 requests in 2.01s, 300.00MB read\n  Socket errors: connect 1, read 2, write 0, timeout 4\n  Non-2xx or 3xx responses: 10\nRequests/sec:   6141.79\n")
	if err != nil || got != (loaded{requests: 12345, failed: 17, rate: 6141.79}) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := parseWrk("unable to connect"); err == nil {
		t.Error("nonsense is a result")
	}
}

func TestParseStat_NameMayHoldBlanks(t *testing.T) {
	got, err := parseStat("12 (a b) c) S 1 12 12 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 9 0 100 1 1 1")
	if err != nil || got != 3*time.Second {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := parseStat("nothing"); err == nil {
		t.Error("nonsense is a time")
	}
}

func TestMarkdown_SaysWhatIsMissed(t *testing.T) {
	r := &result{rows: []row{{"Stoa", []float64{50}, []float64{20}}, {"nginx, a file", []float64{100}, []float64{5}}, {"net/http, from memory", []float64{100}, []float64{10}}},
		size: 25000, allocs: 10, starts: []float64{0.5}, rss: 99e6, importTook: 6 * time.Second}
	text := r.markdown()
	for _, want := range []string{"nginx, a file | ≥ 0.40 | 0.50 | met", "from memory | ≥ 0.85 | 0.50 | **missed**", "≤ 9 | 10 (0 ns) | **missed**", "99 MB | met", "6.00 s | **missed**"} {
		if !strings.Contains(text, want) {
			t.Errorf("the report does not say %q\n%s", want, text)
		}
	}
	if thousands(1234567) != "1,234,567" || thousands(999) != "999" {
		t.Error("thousands")
	}
}
