package job

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

func TestStatus_CountsOutcomesAndTellsWhatIsLate(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		c := newClock()
		var mu sync.Mutex
		var seen []Outcome
		o := Options{DB: d, Leader: member{&crew{}, 1}, Now: c.now, Backoff: time.Second}
		o.Ended = func(name string, how Outcome, took time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			if name != "q" || took < 0 {
				t.Errorf("%s took %s", name, took)
			}
			seen = append(seen, how)
		}
		fails := true
		s := newServiceWith(t, o, Job{Name: "q", Kind: Durable, Attempts: 2, Run: func(context.Context, Run) error {
			if fails {
				return errors.New("no")
			}
			return nil
		}})
		step(t, s)
		if st := s.Status(); st.Overdue != 0 || st.Running != 0 {
			t.Errorf("an empty queue: %+v", st)
		}
		enqueue(t, d, s, "x", "")
		step(t, s)
		if st := s.Status(); st.Overdue > time.Minute {
			t.Errorf("a run that was due at once was seen as %s late", st.Overdue)
		}
		c.add(10 * time.Minute)
		step(t, s)
		if st := s.Status(); st.Overdue < 9*time.Minute || st.Overdue > time.Hour {
			t.Errorf("a try that waited ten minutes was seen as %s late", st.Overdue)
		}
		fails = false
		enqueue(t, d, s, "y", "")
		step(t, s)
		step(t, s)
		if st := s.Status(); st.Overdue != 0 {
			t.Errorf("nothing waits: %+v", st)
		}
		mu.Lock()
		defer mu.Unlock()
		if want := []Outcome{Retried, GaveUp, Succeeded}; !slices.Equal(seen, want) {
			t.Errorf("outcomes %v, want %v", seen, want)
		}
	})
}
