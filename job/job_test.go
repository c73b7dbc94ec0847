package job

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

// clock is a clock that stands still until it is moved.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// crew knows which writers are alive.
type crew struct {
	mu   sync.Mutex
	dead map[int64]bool
}

func (c *crew) kill(w int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead == nil {
		c.dead = map[int64]bool{}
	}
	c.dead[w] = true
}

type member struct {
	crew   *crew
	writer int64
}

func (m member) IsMaster() bool { return m.writer == 1 }
func (m member) Writer() int64  { return m.writer }
func (m member) Alive(w int64) bool {
	m.crew.mu.Lock()
	defer m.crew.mu.Unlock()
	return !m.crew.dead[w]
}

func newService(t *testing.T, d *db.DB, c *clock, m member, jobs ...Job) *Service {
	t.Helper()
	return newServiceWith(t, Options{DB: d, Leader: m, Now: c.now}, jobs...)
}

func newServiceWith(t *testing.T, o Options, jobs ...Job) *Service {
	t.Helper()
	o.Poll, o.Node = 5*time.Millisecond, fmt.Sprintf("node-%d", o.Leader.Writer())
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range jobs {
		if err := s.Register(j); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(s.Stop)
	return s
}

// step does one round of the loop and waits for the runs that it started.
func step(t *testing.T, s *Service) {
	t.Helper()
	round(t, s)
	s.wg.Wait()
}

// round is step without waiting.
func round(t *testing.T, s *Service) {
	t.Helper()
	ready := false
	if err := s.round(s.life, &ready); err != nil {
		t.Fatal(err)
	}
}

func admin(t *testing.T) context.Context { return stoa.WithActor(t.Context(), stoa.SystemActor()) }

func overview(t *testing.T, s *Service) Overview {
	t.Helper()
	o, err := s.Overview(admin(t))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func records(t *testing.T, s *Service, name string) []Record {
	t.Helper()
	list, err := s.Runs(admin(t), name, 100)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// effect writes a row that a second effect of the same run would collide with or be counted beside.
func effect(run Run) func(ctx context.Context, tx *db.Tx) error {
	return func(ctx context.Context, tx *db.Tx) error {
		id, err := tx.NewID(ctx)
		if err != nil {
			return err
		}
		return tx.Insert(ctx, "cluster_fact", db.Row{"name": "effect " + id.String(), "value": run.Token})
	}
}

func effects(t *testing.T, d *db.DB) map[string]int {
	t.Helper()
	list, err := db.All(t.Context(), d, func(r db.Scanner) (string, error) {
		var v string
		return v, r.Scan(&v)
	}, "SELECT value FROM cluster_fact WHERE name LIKE 'effect %'")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for _, v := range list {
		out[v]++
	}
	return out
}

func wait(t *testing.T, ch <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-ch:
	case <-time.After(5 * time.Minute):
		t.Fatalf("waited in vain for %s", what)
	}
}

func TestOnce_RunsWhenDueAndNotBefore(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		c := newClock()
		runs := 0
		s := newService(
			t,
			d,
			c,
			member{&crew{}, 1},
			Job{Name: "a", Kind: Once, Schedule: "@every 1m", Run: func(ctx context.Context, run Run) error {
				runs++
				return run.Commit(ctx, effect(run))
			}},
		)
		step(t, s)
		if runs != 0 {
			t.Fatal("ran before it was due")
		}
		c.add(time.Minute)
		step(t, s)
		step(t, s)
		if runs != 1 {
			t.Fatalf("ran %d times at one fire time", runs)
		}
		list := records(t, s, "a")
		if len(list) != 1 || list[0].State != Done || list[0].Attempt != 1 ||
			!list[0].Fire.Equal(time.Date(2026, 3, 1, 12, 1, 0, 0, time.UTC)) {
			t.Fatalf("runs: %+v", list)
		}
		c.add(-time.Hour) // the clock goes back: what has fired does not fire again
		step(t, s)
		if runs != 1 {
			t.Fatal("ran again after the clock went back")
		}
	})
}

func TestOnce_MissedTimesBecomeOneRun(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		c := newClock()
		runs := 0
		s := newService(
			t,
			d,
			c,
			member{&crew{}, 1},
			Job{Name: "a", Kind: Once, Schedule: "*/5 * * * *", Run: func(context.Context, Run) error {
				runs++
				return nil
			}},
		)
		step(t, s)
		c.add(5 * time.Hour)
		step(t, s)
		step(t, s)
		if runs != 1 {
			t.Fatalf("ran %d times for what was missed in five hours, want once", runs)
		}
		c.add(5 * time.Minute)
		step(t, s)
		if runs != 2 {
			t.Fatal("did not go on by the schedule")
		}
	})
}

func TestOnce_RacingNodesTakeEffectOnce(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			handles := dbtest.Nodes(t, e, 2)
			c := newClock()
			var nodes []*Service
			job := Job{
				Name:     "a",
				Kind:     Once,
				Schedule: "@every 1m",
				Run:      func(ctx context.Context, run Run) error { return run.Commit(ctx, effect(run)) },
			}
			for i, d := range handles {
				nodes = append(nodes, newService(t, d, c, member{&crew{}, int64(i + 1)}, job))
			}
			for _, s := range nodes {
				step(t, s)
			}
			const fires = 8
			for range fires {
				c.add(time.Minute)
				var wg sync.WaitGroup
				for _, s := range nodes {
					wg.Go(func() {
						ready := true
						if err := s.round(s.life, &ready); err != nil {
							t.Error(err)
						}
					})
				}
				wg.Wait()
				for _, s := range nodes {
					s.wg.Wait()
				}
				step(t, nodes[0]) // whatever the race left waiting
			}
			got := effects(t, handles[0])
			if len(got) != fires {
				t.Fatalf("%d fire times took effect, want %d: %v", len(got), fires, got)
			}
			for token, n := range got {
				if n != 1 {
					t.Errorf("%s took effect %d times", token, n)
				}
			}
		})
	}
}

func TestRun_CutOffByDeathRunsAgainAndTheLateWriteIsLost(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			handles := dbtest.Nodes(t, e, 2)
			c, alive := newClock(), &crew{}
			begun, resume, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
			frozen := newService(
				t,
				handles[0],
				c,
				member{alive, 1},
				Job{Name: "a", Kind: Once, Schedule: "@every 1m", Run: func(ctx context.Context, run Run) error {
					close(begun)
					<-resume
					err := run.Commit(ctx, effect(run))
					ended <- err
					return err
				}},
			)
			var second Run
			other := newService(
				t,
				handles[1],
				c,
				member{alive, 2},
				Job{Name: "a", Kind: Once, Schedule: "@every 1m", Run: func(ctx context.Context, run Run) error {
					second = run
					return run.Commit(ctx, effect(run))
				}},
			)
			step(t, other)
			c.add(time.Minute)
			round(t, frozen)
			wait(t, begun, "the first run")
			step(t, other)
			if len(effects(t, handles[1])) != 0 {
				t.Fatal("a run of a living node was taken over")
			}
			alive.kill(1)
			step(t, other)
			if second.Attempt != 2 {
				t.Fatalf("the second run is attempt %d, want 2", second.Attempt)
			}
			close(resume)
			if err := <-ended; !errors.Is(err, ErrLost) {
				t.Fatalf("the late commit gave %v, want ErrLost", err)
			}
			frozen.wg.Wait()
			got := effects(t, handles[1])
			if len(got) != 1 || got[second.Token] != 1 {
				t.Fatalf("effects: %v", got)
			}
			if list := records(t, other, "a"); len(list) != 1 || list[0].State != Done || list[0].Owner != 2 {
				t.Fatalf("runs: %+v", list)
			}
		})
	}
}

func TestDurable_RetriesWithBackoffThenFails(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		c := newClock()
		var tokens []string
		s := newService(
			t,
			d,
			c,
			member{&crew{}, 1},
			Job{Name: "q", Kind: Durable, Attempts: 3, Run: func(_ context.Context, run Run) error {
				tokens = append(tokens, run.Token)
				if string(run.Payload) != "hello" {
					t.Errorf("payload %q", run.Payload)
				}
				if len(tokens) == 2 {
					panic("a defect")
				}
				return errors.New("no luck")
			}},
		)
		enqueue(t, d, s, "hello", "one")
		enqueue(t, d, s, "again", "one") // the same key: dropped
		step(t, s)
		step(t, s)
		if len(tokens) != 1 {
			t.Fatalf("tried %d times without waiting", len(tokens))
		}
		c.add(5 * time.Second)
		step(t, s)
		c.add(5 * time.Second)
		step(t, s)
		if len(tokens) != 2 {
			t.Fatalf("tried %d times: the second wait is twice the first", len(tokens))
		}
		c.add(5 * time.Second)
		step(t, s)
		c.add(time.Hour)
		step(t, s)
		if len(tokens) != 3 || tokens[0] != tokens[1] || tokens[1] != tokens[2] {
			t.Fatalf("tokens %v: three tries with the same token are expected", tokens)
		}
		list := records(t, s, "q")
		if len(list) != 1 || list[0].State != Failed || list[0].Message != "no luck" {
			t.Fatalf("runs: %+v", list)
		}
	})
}

func enqueue(t *testing.T, d *db.DB, s *Service, payload, key string) {
	t.Helper()
	if err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		return s.Enqueue(ctx, tx, "q", []byte(payload), key)
	}); err != nil {
		t.Fatal(err)
	}
}

func TestDurable_RolledBackEntryNeverRuns(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	s := newService(
		t,
		d,
		newClock(),
		member{&crew{}, 1},
		Job{Name: "q", Kind: Durable, Run: func(context.Context, Run) error {
			t.Error("ran")
			return nil
		}},
	)
	boom := errors.New("boom")
	err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		return errors.Join(s.Enqueue(ctx, tx, "q", nil, ""), boom)
	})
	if !errors.Is(err, boom) {
		t.Fatal(err)
	}
	step(t, s)
}

func TestStop_GivesTheRunBackAndLeavesNothingBehind(t *testing.T) {
	d := dbtest.New(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	c := newClock()
	begun := make(chan struct{})
	s := newService(t, d, c, member{&crew{}, 1},
		Job{Name: "q", Kind: Durable, Run: func(ctx context.Context, _ Run) error {
			close(begun)
			<-ctx.Done()
			return ctx.Err()
		}},
		Job{Name: "here", Kind: EveryNode, Schedule: "@every 1h", Run: func(context.Context, Run) error { return nil }})
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	enqueue(t, d, s, "x", "")
	wait(t, begun, "the run")
	s.Stop()
	list := records(t, s, "q")
	if len(list) != 1 || list[0].State != Waiting || list[0].Attempt != 0 {
		t.Fatalf("runs: %+v", list)
	}
	if err := s.Start(t.Context()); err == nil {
		t.Fatal("started again after Stop")
	}

	done := make(chan struct{})
	next := newService(t, d, c, member{&crew{}, 2}, Job{Name: "q", Kind: Durable, Run: func(context.Context, Run) error {
		close(done)
		return nil
	}})
	if err := next.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	wait(t, done, "the next life to run it")
	next.Stop()
}

func TestRunNow_OnceAtATimeAndOnlyByOperators(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		c := newClock()
		runs := 0
		s := newService(
			t,
			d,
			c,
			member{&crew{}, 1},
			Job{Name: "a", Kind: Once, Schedule: "@daily", Run: func(context.Context, Run) error {
				runs++
				return nil
			}},
		)
		step(t, s)
		if err := s.RunNow(t.Context(), "a"); !stoa.Is(err, stoa.KindUnauthorized) {
			t.Fatalf("a guest got %v", err)
		}
		if _, err := s.Overview(stoa.WithActor(t.Context(), stoa.Actor{User: 5})); !stoa.Is(err, stoa.KindForbidden) {
			t.Fatalf("a user got %v", err)
		}
		tenant := stoa.WithActor(t.Context(), stoa.Actor{User: 5, Instance: 7, Admin: true})
		for what, fn := range map[string]func(context.Context, string) error{"run": s.RunNow, "pause": s.Pause,
			"resume": s.Resume} {
			if err := fn(tenant, "a"); !stoa.Is(err, stoa.KindForbidden) {
				t.Errorf("the administrator of an instance may %s a job: %v", what, err)
			}
		}
		if _, err := s.Runs(tenant, "a", 1); !stoa.Is(err, stoa.KindForbidden) {
			t.Errorf("the administrator of an instance sees runs of all: %v", err)
		}
		if err := s.RunNow(admin(t), "a"); err != nil {
			t.Fatal(err)
		}
		if err := s.RunNow(admin(t), "a"); !stoa.Is(err, stoa.KindConflict) {
			t.Fatalf("a second run beside the first gave %v", err)
		}
		step(t, s)
		o := overview(t, s)
		if runs != 1 || len(o.Jobs) != 1 || o.Jobs[0].Last.State != Done || o.Jobs[0].Last.Node != "node-1" ||
			!o.Jobs[0].Next.Equal(time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)) {
			t.Fatalf("%d runs, %+v", runs, o)
		}
	})
}

func TestInstanceRuns_AreThoseOfTheOwnInstanceWithoutNodes(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newService(t, d, newClock(), member{&crew{}, 1}, Job{Name: "q", Does: "Does it", Kind: Durable,
			Attempts: 1, Run: func(context.Context, Run) error { return errors.New("no route to db.internal:5432") }})
		mine, other := stoa.ID(7), stoa.ID(8)
		for _, instance := range []stoa.ID{mine, other, 0} {
			ctx := stoa.WithActor(t.Context(), stoa.Actor{User: 5, Instance: instance})
			if err := d.Write(ctx, func(ctx context.Context,
				tx *db.Tx) error {
				return s.Enqueue(ctx, tx, "q", nil, "")
			}); err != nil {
				t.Fatal(err)
			}
		}
		step(t, s)
		as := func(a stoa.Actor) context.Context { return stoa.WithActor(t.Context(), a) }
		list, err := s.InstanceRuns(as(stoa.Actor{User: 5, Instance: mine, Admin: true}), 10)
		if err != nil || len(list) != 1 || list[0].Instance != mine || list[0].Does != "Does it" || list[0].Node != "" ||
			list[0].Owner != 0 || strings.Contains(list[0].Message, "db.internal") {
			t.Fatalf("%+v %v", list, err)
		}
		for _, a := range []stoa.Actor{{}, {User: 5, Instance: mine}, {User: 5, Admin: true}} {
			if list, err := s.InstanceRuns(as(a), 10); err == nil {
				t.Errorf("%+v sees %v", a, list)
			}
		}
		if list, err := s.Runs(admin(t), "q", 10); err != nil || len(list) != 3 || list[0].Node == "" {
			t.Fatalf("an operator sees %+v %v", list, err)
		}
	})
}

func TestPrune_ForgetsOldRunsAndKeepsWhatFailed(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		c := newClock()
		bad := true
		s := newService(
			t,
			d,
			c,
			member{&crew{}, 1},
			Job{Name: "a", Kind: Once, Schedule: "@every 1h", Attempts: 1, Run: func(context.Context, Run) error {
				if bad {
					return errors.New("bad")
				}
				return nil
			}},
		)
		step(t, s)
		for _, bad = range []bool{true, false} {
			c.add(time.Hour)
			step(t, s)
		}
		c.add(25 * time.Hour)
		step(t, s) // forgets the run that went well, and makes one
		list := records(t, s, "a")
		if len(list) != 2 || list[0].State != Done || list[1].State != Failed {
			t.Fatalf("after a day: %+v", list)
		}
		c.add(31 * 24 * time.Hour)
		step(t, s)
		if list = records(t, s, "a"); len(list) != 1 || list[0].State != Done {
			t.Fatalf("after a month: %+v", list)
		}
	})
}

func TestRegister_RefusesWhatCannotRun(t *testing.T) {
	t.Parallel()
	s := newService(t, dbtest.New(t), newClock(), member{&crew{}, 1})
	run := func(context.Context, Run) error { return nil }
	for name, j := range map[string]Job{
		"no name": {Kind: Once, Schedule: "@daily", Run: run}, "no run": {Name: "a", Kind: Once, Schedule: "@daily"},
		"bad schedule": {Name: "a", Kind: Once, Schedule: "sometimes", Run: run}, "no schedule": {Name: "a", Kind: EveryNode, Run: run},
		"never": {Name: "a", Kind: Once, Schedule: "0 0 30 2 *", Run: run}, "at most once, twice": {Name: "a", Kind: Durable, AtMostOnce: true, Attempts: 2, Run: run},
		"queue with schedule": {Name: "a", Kind: Durable, Schedule: "@daily", Run: run}, "no kind": {Name: "a", Run: run},
	} {
		if err := s.Register(j); err == nil {
			t.Errorf("%s: registered", name)
		}
	}
}

func TestDatabaseNow_IsNearThisClock(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		now, err := DatabaseNow(t.Context(), d)
		if err != nil || time.Until(now).Abs() > time.Minute {
			t.Fatalf("%v, %v", now, err)
		}
	})
}
