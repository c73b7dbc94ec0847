package clustertest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/cluster"
)

// Transport is the suite that every transport passes. fresh gives n members that reach each other.
func Transport(t *testing.T, fresh func(t *testing.T, n int) []cluster.Transport) {
	t.Run("EveryoneButTheSenderHears", func(t *testing.T) {
		for _, subject := range []string{cluster.SubjectHints, "call", "call.42"} {
			members := fresh(t, 3)
			ears := listenAll(t, members, subject)
			ears.until(t, func() bool { // interest needs a moment to travel
				publish(t, members[0], subject, "hello")
				return ears.count(1) > 0 && ears.count(2) > 0
			})
			if ears.count(0) != 0 {
				t.Errorf("%s: the sender heard itself", subject)
			}
		}
	})
	t.Run("SubjectsAreApart", func(t *testing.T) {
		members := fresh(t, 2)
		right, wrong := listenAll(t, members, "call.1"), listenAll(t, members, "call")
		right.until(t, func() bool { publish(t, members[0], "call.1", "x"); return right.count(1) > 0 })
		if wrong.count(1) != 0 {
			t.Error("a message arrived under another subject")
		}
	})
	t.Run("OrderOfOneSender", func(t *testing.T) {
		members := fresh(t, 2)
		ears := listenAll(t, members, "call")
		ears.until(t, func() bool { publish(t, members[0], "call", "begin"); return ears.count(1) > 0 })
		const n = 500
		for i := range n {
			publish(t, members[0], "call", fmt.Sprint(i))
		}
		ears.until(t, func() bool { return ears.last(1) == fmt.Sprint(n-1) })
		next := 0
		for _, m := range ears.all(1) {
			if m == "begin" {
				continue
			}
			if m != fmt.Sprint(next) {
				t.Fatalf("message %q came instead of %d", m, next)
			}
			next++
		}
	})
	t.Run("NothingAfterStop", func(t *testing.T) {
		members := fresh(t, 2)
		var mu sync.Mutex
		stopped, after := false, 0
		stop, err := members[1].Subscribe("call", func([]byte) {
			mu.Lock()
			defer mu.Unlock()
			if stopped {
				after++
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		other := listenAll(t, members, "call")
		other.until(t, func() bool { publish(t, members[0], "call", "x"); return other.count(1) > 0 })
		stop()
		mu.Lock()
		stopped = true
		mu.Unlock()
		before := other.count(1)
		for range 10 {
			publish(t, members[0], "call", "y")
		}
		other.until(t, func() bool { return other.count(1) >= before+10 })
		mu.Lock()
		defer mu.Unlock()
		if after > 0 {
			t.Errorf("%d messages came after stop returned", after)
		}
	})
	t.Run("ClosedRefuses", func(t *testing.T) {
		members := fresh(t, 2)
		if err := members[0].Close(); err != nil {
			t.Fatal(err)
		}
		if err := members[0].Publish(context.Background(), "call", nil); err == nil {
			t.Error("a closed transport publishes")
		}
		if _, err := members[0].Subscribe("call", func([]byte) {}); err == nil {
			t.Error("a closed transport subscribes")
		}
		if err := members[0].Close(); err != nil {
			t.Errorf("closing twice: %v", err)
		}
	})
	t.Run("EndedContextSendsNothing", func(t *testing.T) {
		members := fresh(t, 2)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := members[0].Publish(ctx, "call", nil); err == nil {
			t.Error("published although the context had ended")
		}
	})
}

func publish(t *testing.T, m cluster.Transport, subject, text string) {
	t.Helper()
	if err := m.Publish(context.Background(), subject, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

// ears is what each member heard under a subject.
type ears struct {
	mu    sync.Mutex
	heard [][]string
}

func listenAll(t *testing.T, members []cluster.Transport, subject string) *ears {
	t.Helper()
	e := &ears{heard: make([][]string, len(members))}
	for i, m := range members {
		stop, err := m.Subscribe(subject, func(b []byte) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.heard[i] = append(e.heard[i], string(b))
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(stop)
	}
	return e
}

func (e *ears) all(i int) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string(nil), e.heard[i]...)
}

func (e *ears) count(i int) int { return len(e.all(i)) }

func (e *ears) last(i int) string {
	if all := e.all(i); len(all) > 0 {
		return all[len(all)-1]
	}
	return ""
}

func (e *ears) until(t *testing.T, ok func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain; heard %v", e.heard)
		case <-tick.C:
		}
	}
}
