package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// quietBelow is how busy the machine may be with other things, as a share, before a part begins.
const quietBelow = 0.1

// quiet waits, at most for limit, until the machine does little else, and gives how busy it is.
func quiet(ctx context.Context, limit time.Duration) (busy float64, err error) {
	for begun := time.Now(); ; {
		before, err := processorTimes()
		if err != nil {
			return 0, err
		}
		if err := pause(ctx, 2*time.Second); err != nil {
			return 0, err
		}
		after, err := processorTimes()
		if err != nil {
			return 0, err
		}
		if busy = after.busySince(before); busy < quietBelow || time.Since(begun) >= limit {
			return busy, nil
		}
	}
}

// times are ticks of all processors since the machine started.
type times struct{ idle, all int64 }

func (t times) busySince(before times) float64 {
	if t.all == before.all {
		return 0
	}
	return 1 - float64(t.idle-before.idle)/float64(t.all-before.all)
}

func processorTimes() (times, error) {
	raw, err := os.ReadFile("/proc/stat")
	if err != nil {
		return times{}, err
	}
	return parseTimes(string(raw))
}

// parseTimes reads the first line: cpu user nice system idle iowait irq softirq steal, and times that are
// counted twice.
func parseTimes(s string) (t times, err error) {
	line, _, _ := strings.Cut(s, "\n")
	f := strings.Fields(line)
	if len(f) < 9 || f[0] != "cpu" {
		return t, fmt.Errorf("%q are not the times of the processors", line)
	}
	for i, text := range f[1:9] {
		v, convErr := strconv.ParseInt(text, 10, 64)
		err = errors.Join(err, convErr)
		t.all += v
		if i == 3 || i == 4 {
			t.idle += v
		}
	}
	return t, err
}
