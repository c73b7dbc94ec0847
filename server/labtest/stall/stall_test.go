package stall

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestLost_CountsWhatLiesBetween(t *testing.T) {
	zero := time.Now()
	at := func(seconds float64) time.Time { return zero.Add(time.Duration(seconds * 1e9)) }
	all := Spans{{at(1), at(2)}, {at(5), at(8)}}
	for _, c := range []struct {
		what     string
		from, to float64
		want     time.Duration
	}{
		{"all", 0, 10, 4 * time.Second},
		{"none", 2, 5, 0},
		{"the rest of one", 1.5, 3, 500 * time.Millisecond},
		{"the begin of one", 3, 6, time.Second},
		{"the middle of one", 6, 7, time.Second},
		{"nothing before it", 8, 20, 0},
	} {
		if got := all.Lost(at(c.from), at(c.to)); got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
}

func TestAfter_WaitsForAsLongAsTheMachineRuns(t *testing.T) {
	zero := time.Now()
	at := func(seconds float64) time.Time { return zero.Add(time.Duration(seconds * 1e9)) }
	all := Spans{{at(1), at(2)}, {at(5), at(8)}}
	for _, c := range []struct{ from, runs, want float64 }{
		{0, 1, 1}, {0, 2, 3}, {0, 4, 5}, {0, 4.5, 8.5}, {1.5, 1, 3}, {2, 3, 5}, {6, 1, 9}, {8, 1, 9},
	} {
		if got := all.After(at(c.from), time.Duration(c.runs*1e9)); !got.Equal(at(c.want)) {
			t.Errorf("%g s after %g: %s, want %g s", c.runs, c.from, got.Sub(zero), c.want)
		}
	}
}

// Time that passes while the watch runs as it wants is no stall, so a portal that is late stays late.
func TestWatch_AMachineThatRunsExcusesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := Start()
		defer w.Stop()
		began := time.Now()
		time.Sleep(3 * time.Second)
		if lost, took := w.Lost(began, time.Now()), w.Since(began); lost != 0 || took != 3*time.Second {
			t.Errorf("%s of 3 s are stalls, and %s are left", lost, took)
		}
	})
}

func TestWatch_WhatItDidNotGetIsAStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &Watch{stop: make(chan struct{}), last: time.Now()} // it does not run
		began := time.Now()
		time.Sleep(2*time.Second + tick)
		if took := w.Since(began); took != tick {
			t.Errorf("%s are left of a time in which nothing ran, want %s", took, tick)
		}
		time.Sleep(tick + least) // as late as a machine may be
		if lost := w.Lost(began, time.Now()); lost != 2*time.Second {
			t.Errorf("%s are stalls, want 2 s", lost)
		}
		w.Stop()
		time.Sleep(time.Second) // after its end it knows nothing
		if lost := w.Lost(began, time.Now()); lost != 2*time.Second {
			t.Errorf("%s are stalls after the end, want 2 s", lost)
		}
	})
}
