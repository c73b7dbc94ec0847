//go:build linux

package labtest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stoa-portal/stoa/server/labtest/history"
)

const second = time.Second

// stood is a machine that stood still from one second to another.
func stood(begin, end time.Duration) func(from, to time.Duration) time.Duration {
	return func(from, to time.Duration) time.Duration { return max(0, min(to, end)-max(from, begin)) }
}

func ran(_, _ time.Duration) time.Duration { return 0 }

func TestSlowest_IsLateByWhatTheMachineDidNotTake(t *testing.T) {
	ops := []history.Op{
		{Kind: history.Read, Key: "before", Sent: 0, Done: 9 * second},
		{Kind: history.Read, Key: "in the stall", Sent: 1 * second, Done: 5 * second},
		{Kind: history.Member, Key: "after it", Sent: 5 * second, Done: 8 * second},
		{Kind: history.Write, Key: "a save", Sent: 5 * second, Done: 20 * second},
	}
	for _, c := range []struct {
		what string
		lost func(from, to time.Duration) time.Duration
		key  string
		took time.Duration
	}{
		{"a machine that ran", ran, "in the stall", 4 * second},
		{"a machine that stood still", stood(second, 4*second), "after it", 3 * second},
		{"a machine that stood still after it", stood(8*second, 20*second), "in the stall", 4 * second},
	} {
		if o, took := slowest(ops, second/2, c.lost); o.Key != c.key || took != c.took {
			t.Errorf("%s: %q took %s, want %q and %s", c.what, o.Key, took, c.key, c.took)
		}
	}
}

func TestGap_IsLongByWhatTheMachineDidNotTake(t *testing.T) {
	saves := []time.Duration{9 * second, second / 2, 5 * second} // and an old gap, and none since
	for _, c := range []struct {
		what         string
		lost         func(from, to time.Duration) time.Duration
		now, gap, at time.Duration
	}{
		{"a machine that ran", ran, 10 * second, 9 * second / 2, second / 2},
		{"a machine that stood still", stood(second, 4*second), 10 * second, 4 * second, 5 * second},
		{"a machine that stood still after it", stood(5*second, 8*second), 10 * second, 9 * second / 2, second / 2},
		{"no save since", stood(second, 4*second), 15 * second, 6 * second, 9 * second},
	} {
		if gap, at := gap(saves, 2*second, c.now, c.lost); gap != c.gap || at != c.at {
			t.Errorf("%s: %s from %s on, want %s from %s on", c.what, gap, at, c.gap, c.at)
		}
	}
}

func TestAwait_EndsWhenTheMachineHasRunForTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		no := errors.New("no")
		err := await(t.Context(), 3*second, func(context.Context) error { return no })
		if took := time.Since(begun); !errors.Is(err, no) || took < 3*second || took > 3*second+100*time.Millisecond {
			t.Errorf("after %s: %v", took, err)
		}
		err = await(t.Context(), 3*second, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a question without an answer: %v", err)
		}
		begun = time.Now()
		if err := pass(t.Context(), second); err != nil || time.Since(begun) != second {
			t.Errorf("a second took %s, %v", time.Since(begun), err)
		}
	})
}
