// Package stall measures for how long the machine ran something else than the process that asks, so that a test can
// tell a portal that is late from a machine that stood still. The main type is Watch.
package stall

import (
	"sync"
	"time"
)

// tick is how often a watch wants to run; what it gets later than that by more than least is a stall. On an idle
// machine a tick is late by a millisecond, so nothing is a stall there.
const (
	tick  = 10 * time.Millisecond
	least = 20 * time.Millisecond
)

// Span is a time in which the machine stood still.
type Span struct{ From, To time.Time }

// Spans are stalls, in the order of time and none within another.
type Spans []Span

// Lost is how much of the time between from and to the machine stood still.
func (s Spans) Lost(from, to time.Time) (sum time.Duration) {
	for _, one := range s {
		begin, end := one.From, one.To
		if begin.Before(from) {
			begin = from
		}
		if end.After(to) {
			end = to
		}
		sum += max(0, end.Sub(begin))
	}
	return sum
}

// After is the moment when the machine has run for d since from, as far as the stalls are known.
func (s Spans) After(from time.Time, d time.Duration) time.Time {
	end := from.Add(d)
	for _, one := range s {
		if one.To.After(from) && one.From.Before(end) {
			end = end.Add(Spans{one}.Lost(from, one.To))
		}
	}
	return end
}

// Watch notes stalls from Start to Stop. It waits for a short time again and again and sees how much longer that takes:
// a goroutine that is due and does not run is what the requests of the same process go through, too.
type Watch struct {
	stop chan struct{}
	once sync.Once

	mu    sync.Mutex
	last  time.Time // when the watch last ran
	spans Spans
}

// Start begins to watch.
func Start() *Watch {
	w := &Watch{stop: make(chan struct{}), last: time.Now()}
	go w.run()
	return w
}

func (w *Watch) run() {
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		select {
		case <-w.stop:
			return
		case <-t.C:
			w.mu.Lock()
			w.ran(time.Now())
			w.mu.Unlock()
		}
	}
}

// ran notes that the watch runs now, and the stall before it if there was one.
func (w *Watch) ran(now time.Time) {
	if due := w.last.Add(tick); now.Sub(due) > least {
		w.spans = append(w.spans, Span{From: due, To: now})
	}
	w.last = now
}

// Stop ends the watch. What it has seen can be asked for further on.
func (w *Watch) Stop() {
	w.once.Do(func() {
		w.mu.Lock()
		w.ran(time.Now())
		w.mu.Unlock()
		close(w.stop)
	})
}

// Lost is how much of the time between from and to the machine stood still, as far as the watch was there. A stall
// that ends just now counts although the watch itself has not run again.
func (w *Watch) Lost(from, to time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.stop:
	default:
		w.ran(time.Now())
	}
	return w.spans.Lost(from, to)
}

// After is the moment when the machine has run for d since from. While that is to come, a stall may still move it.
func (w *Watch) After(from time.Time, d time.Duration) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.spans.After(from, d)
}

// Since is the time that has passed since from, without that in which the machine stood still.
func (w *Watch) Since(from time.Time) time.Duration {
	now := time.Now()
	return now.Sub(from) - w.Lost(from, now)
}
