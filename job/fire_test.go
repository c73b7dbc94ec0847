package job

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

func TestPlan_FiresWhatIsDueAndFollowsTheClock(t *testing.T) {
	t.Parallel()
	at := func(clock string) time.Time {
		t.Helper()
		if clock == "" {
			return time.Time{}
		}
		v, err := time.Parse("15:04:05", clock)
		if err != nil {
			t.Fatal(err)
		}
		return time.Date(2026, 3, 1, v.Hour(), v.Minute(), v.Second(), 0, time.UTC)
	}
	for _, c := range []struct {
		what, spec, next, last, now string
		fire                        bool
		then                        string
	}{
		{"not yet", "*/5 * * * *", "12:05:00", "12:00:00", "12:04:59", false, "12:05:00"},
		{"on time", "*/5 * * * *", "12:05:00", "12:00:00", "12:05:00", true, "12:10:00"},
		{"a little late", "* * * * *", "12:05:00", "12:04:00", "12:05:40", true, "12:06:00"},
		{"two late, each of them runs", "@every 20s", "12:05:00", "12:04:40", "12:05:45", true, "12:05:20"},
		{"too late, all missed ones are one", "* * * * *", "12:05:00", "12:04:00", "12:06:01", true, "12:07:00"},
		{"an hour forward", "*/5 * * * *", "12:05:00", "12:00:00", "13:04:00", true, "13:05:00"},
		{"and back again: the first time that has not fired", "*/5 * * * *", "13:05:00", "12:05:00", "12:06:00", false, "12:10:00"},
		{"an hour back: what has fired does not fire again", "*/5 * * * *", "12:35:00", "12:30:00", "11:31:00", false, "12:35:00"},
		{"an hour back: an interval goes on", "@every 15s", "12:35:00", "12:34:45", "11:34:50", false, "11:35:05"},
		{"before the first", "@every 15s", "12:35:00", "", "12:34:50", false, "12:35:00"},
	} {
		schedule, err := ParseSchedule(c.spec)
		if err != nil {
			t.Fatal(err)
		}
		fire, then := plan(scheduled{next: at(c.next), last: at(c.last)}, schedule, at(c.now), time.Minute)
		if fire != c.fire || !then.Equal(at(c.then)) {
			t.Errorf("%s: fire %v, then %s; want %v, then %s", c.what, fire, then.Format(time.TimeOnly), c.fire, c.then)
		}
	}
}

func TestOnce_TimesMissedByLessThanMisfireRunEach(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		c := newClock()
		s := newService(t, d, c, member{&crew{}, 1}, Job{Name: "a", Kind: Once, Schedule: "@every 15s", Run: func(ctx context.Context, run Run) error { return run.Commit(ctx, effect(run)) }})
		step(t, s)
		c.add(50 * time.Second)
		for range 5 {
			step(t, s)
		}
		if got := effects(t, d); len(got) != 3 {
			t.Fatalf("%d of three times took effect: %v", len(got), got)
		}
		c.add(time.Hour)
		for range 5 {
			step(t, s)
		}
		if got := effects(t, d); len(got) != 4 {
			t.Fatalf("what was missed in an hour took effect %d times, want once: %v", len(got)-3, got)
		}
	})
}

// The clock of the database jumps forth and back by up to an hour while three nodes race.
func TestOnce_EachFireTimeTakesEffectOnceWhateverTheClockDoes(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			seed := time.Now().UnixNano()
			t.Logf("seed %d", seed)
			rnd := rand.New(rand.NewPCG(uint64(seed), 0))
			handles, c, declared := dbtest.Nodes(t, e, 3), newClock(), false
			var nodes []*Service
			for i, d := range handles {
				jobs := make([]Job, 2)
				for k, spec := range []string{"* * * * *", "@every 30s"} {
					name := fmt.Sprintf("job-%d", k)
					jobs[k] = Job{Name: name, Kind: Once, Schedule: spec, Run: func(ctx context.Context, run Run) error { return run.Commit(ctx, effect(run)) }}
				}
				nodes = append(nodes, newService(t, d, c, member{&crew{}, int64(i + 1)}, jobs...))
			}
			all := func() {
				t.Helper()
				for _, s := range nodes {
					s.wg.Go(func() {
						ready := declared
						if err := s.round(s.life, &ready); err != nil {
							t.Error(err)
						}
					})
				}
				for _, s := range nodes {
					s.wg.Wait()
				}
				step(t, nodes[rnd.IntN(3)]) // whatever the race left waiting
			}
			all()
			declared = true
			for range 24 {
				switch rnd.IntN(6) {
				case 0:
					c.add(time.Hour)
				case 1:
					c.add(-time.Hour)
				default:
					c.add(time.Duration(20+rnd.IntN(20)) * time.Second)
				}
				all()
			}
			before := len(effects(t, handles[0]))
			// Wherever the jumps led, an interval goes on at once.
			for range 2 {
				c.add(31 * time.Second)
				all()
			}
			got := effects(t, handles[0])
			if len(got) == before {
				t.Errorf("nothing ran any more after the jumps")
			}
			for token, n := range got {
				if n != 1 {
					t.Errorf("%s took effect %d times", token, n)
				}
			}
		})
	}
}

func TestOnce_IntervalPassesOverSecondsThatHaveFired(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	c := newClock()
	s := newService(t, d, c, member{&crew{}, 1}, Job{Name: "a", Kind: Once, Schedule: "@every 30s", Run: func(ctx context.Context, run Run) error { return run.Commit(ctx, effect(run)) }})
	step(t, s)
	for range 6 {
		c.add(30 * time.Second)
		step(t, s)
	}
	c.add(-3 * time.Minute) // the same seconds come again
	for range 6 {
		step(t, s)
		c.add(15 * time.Second)
		step(t, s)
		c.add(15 * time.Second)
	}
	got := effects(t, d)
	if len(got) < 11 {
		t.Errorf("%d runs in twice three minutes: the clock that was set back holds the job up", len(got))
	}
	for token, n := range got {
		if n != 1 {
			t.Errorf("%s took effect %d times", token, n)
		}
	}
}

func TestOnce_WaitsForATryAfterTheClockWasSetBack(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	c, tries := newClock(), 0
	s := newService(t, d, c, member{&crew{}, 1}, Job{Name: "q", Kind: Durable, Run: func(context.Context, Run) error {
		if tries++; tries == 1 {
			return context.DeadlineExceeded
		}
		return nil
	}})
	enqueue(t, d, s, "x", "")
	step(t, s)
	c.add(-time.Hour)
	step(t, s)
	if tries != 2 {
		t.Fatalf("%d tries: no wait is longer than an hour, so the clock was set back", tries)
	}
}

func TestOnce_PausedSkipsItsTimesAndGoesOn(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			handles, c, ran := dbtest.Nodes(t, e, 2), newClock(), []time.Time{}
			job := Job{Name: "a", Kind: Once, Schedule: "@every 1m", Run: func(_ context.Context, run Run) error { ran = append(ran, run.Fire); return nil }}
			queue := Job{Name: "q", Kind: Durable, Run: func(_ context.Context, run Run) error { ran = append(ran, run.Now); return nil }}
			var nodes []*Service
			for i, d := range handles {
				nodes = append(nodes, newService(t, d, c, member{&crew{}, int64(i + 1)}, job, queue))
				step(t, nodes[i])
			}
			for _, name := range []string{"a", "q"} {
				if err := nodes[0].Pause(admin(t), name); err != nil {
					t.Fatal(err)
				}
			}
			enqueue(t, handles[1], nodes[1], "x", "")
			c.add(90 * time.Second)
			for _, s := range nodes {
				step(t, s)
				if o := overview(t, s); !o.Jobs[0].Paused || !o.Jobs[1].Paused || o.Jobs[0].OrderedBy != "Stoa" || o.Jobs[1].Waiting != 1 {
					t.Fatalf("overview: %+v", o.Jobs)
				}
			}
			if err := nodes[1].RunNow(admin(t), "a"); err == nil {
				t.Fatal("a job that is paused was started")
			}
			if len(ran) != 0 {
				t.Fatalf("ran although paused: %v", ran)
			}
			for _, name := range []string{"a", "q"} {
				if err := nodes[1].Resume(admin(t), name); err != nil {
					t.Fatal(err)
				}
			}
			step(t, nodes[0])
			if len(ran) != 1 { // the entry of the queue
				t.Fatalf("ran %d times after it was resumed: times that passed meanwhile are left out", len(ran))
			}
			c.add(time.Minute)
			step(t, nodes[0])
			if want := newClock().now().Add(150 * time.Second); len(ran) != 2 || !slices.ContainsFunc(ran, want.Equal) {
				t.Fatalf("ran %v, want %v", ran, want)
			}
		})
	}
}

func TestSoon_RunsAtOnceAndOnceMoreAfterARunThatGoesOn(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		c := newClock()
		began, goOn := make(chan struct{}, 10), make(chan struct{})
		s := newService(t, d, c, member{&crew{}, 1}, Job{Name: "a", Kind: Once, Schedule: "@every 1h", Asked: true,
			Run: func(ctx context.Context, run Run) error {
				began <- struct{}{}
				<-goOn
				return nil
			}})
		soon := func() {
			t.Helper()
			if err := d.Write(admin(t), func(ctx context.Context, tx *db.Tx) error { return s.Soon(ctx, tx, "a") }); err != nil {
				t.Fatal(err)
			}
		}
		soon() // before any node has declared it
		round(t, s)
		<-began
		c.add(time.Second)
		soon() // while it runs: it may have looked already for what is to be done
		round(t, s)
		if len(began) > 0 {
			t.Fatal("the job overlaps itself")
		}
		goOn <- struct{}{}
		s.wg.Wait()
		round(t, s)
		<-began
		goOn <- struct{}{}
		s.wg.Wait()
		c.add(time.Second)
		step(t, s)
		if n := len(records(t, s, "a")); n != 2 || len(began) > 0 {
			t.Errorf("%d runs; want the two that were asked for", n)
		}
		if err := d.Write(admin(t), func(ctx context.Context, tx *db.Tx) error { return s.Soon(ctx, tx, "b") }); err == nil {
			t.Error("a job that there is not is due")
		}
	})
}

// What people ask for while a job is paused is done once it goes on, and not at its next time.
func TestSoon_AskedForWhilePausedRunsWhenItGoesOn(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			handles, c, ran := dbtest.Nodes(t, e, 2), newClock(), 0
			asked := Job{Name: "a", Kind: Once, Schedule: "@every 1h", Asked: true,
				Run: func(context.Context, Run) error { ran++; return nil }}
			var nodes []*Service
			for i, d := range handles {
				nodes = append(nodes, newService(t, d, c, member{&crew{}, int64(i + 1)}, asked))
				step(t, nodes[i])
			}
			if err := nodes[0].Pause(admin(t), "a"); err != nil {
				t.Fatal(err)
			}
			if err := handles[1].Write(admin(t), func(ctx context.Context, tx *db.Tx) error {
				return nodes[1].Soon(ctx, tx, "a")
			}); err != nil {
				t.Fatal(err)
			}
			c.add(time.Second)
			for _, s := range nodes {
				step(t, s)
			}
			if ran != 0 {
				t.Fatalf("ran %d times although paused", ran)
			}
			if err := nodes[0].Resume(admin(t), "a"); err != nil {
				t.Fatal(err)
			}
			for _, s := range nodes {
				step(t, s)
			}
			if ran != 1 {
				t.Fatalf("ran %d times after it was resumed, want 1", ran)
			}
		})
	}
}
