package job

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db/dbtest"
)

// watch waits until the overview of a node is as it should be.
func watch(t *testing.T, s *Service, what string, ok func(o Overview) bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.After(5 * time.Minute)
	for !ok(overview(t, s)) {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("waited in vain for: %s\n%+v", what, overview(t, s))
		}
	}
}

func TestEveryNode_EachNodeTellsAllOthersOfItsRuns(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			alive := &crew{}
			var nodes []*Service
			ran := make([]chan struct{}, 3)
			for i, d := range dbtest.Nodes(t, e, 3) {
				ran[i] = make(chan struct{}, 8)
				nodes = append(nodes, newServiceWith(t,
					Options{DB: d, Leader: member{alive, int64(i + 1)}, Publish: time.Millisecond},
					Job{Name: "here", Kind: EveryNode, Schedule: "@every 1h", Run: func(context.Context, Run) error {
						ran[i] <- struct{}{}
						if i == 1 {
							return errors.New("no luck here")
						}
						return nil
					}}))
				if err := nodes[i].Start(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			for _, s := range nodes {
				watch(t, s, "a line per node with its next time", func(o Overview) bool {
					l := o.Jobs[0].Nodes
					return len(o.Nodes) == 3 && len(l) == 3 && !l[0].Next.IsZero() && !l[1].Next.IsZero() && !l[2].Next.IsZero() && l[2].Last.State == ""
				})
			}
			if err := nodes[2].RunNow(admin(t), "here"); err != nil {
				t.Fatal(err)
			}
			for _, ch := range ran {
				wait(t, ch, "a run on each node")
			}
			for _, s := range nodes {
				watch(t, s, "the result of each node", func(o Overview) bool {
					l := o.Jobs[0].Nodes
					return l[0].Last.State == Done && l[1].Last.State == Failed && l[1].Last.Message == "no luck here" && l[1].Node == "node-2" && l[2].Last.State == Done
				})
			}
			if err := nodes[0].Pause(admin(t), "here"); err != nil {
				t.Fatal(err)
			}
			if err := nodes[1].RunNow(admin(t), "here"); !stoa.Is(err, stoa.KindConflict) {
				t.Fatalf("started although paused: %v", err)
			}
			for _, s := range nodes {
				watch(t, s, "paused", func(o Overview) bool { return o.Jobs[0].Paused })
			}
			// One leaves, one dies: their lines go.
			nodes[0].Stop()
			alive.kill(2)
			if o := overview(t, nodes[2]); len(o.Nodes) != 1 || len(o.Jobs[0].Nodes) != 1 || o.Jobs[0].Nodes[0].Node != "node-3" || !o.Jobs[0].Nodes[0].Self {
				t.Fatalf("after two nodes are gone: %+v", o)
			}
			if len(ran[0])+len(ran[1])+len(ran[2]) != 0 {
				t.Error("more runs than one on each node")
			}
		})
	}
}

func TestEveryNode_ANodeThatJoinsDoesNotRunWhatWasAskedForBefore(t *testing.T) {
	t.Parallel()
	handles := dbtest.Nodes(t, dbtest.SQLite, 2)
	job := Job{Name: "here", Kind: EveryNode, Schedule: "@every 1h", Run: func(context.Context, Run) error { return nil }}
	first := newServiceWith(t, Options{DB: handles[0], Leader: member{&crew{}, 1}}, job)
	round(t, first)
	if err := first.RunNow(admin(t), "here"); err != nil {
		t.Fatal(err)
	}
	late := newServiceWith(t, Options{DB: handles[1], Leader: member{&crew{}, 2}}, job)
	for _, s := range []*Service{first, late} {
		round(t, s)
	}
	if n := len(first.find("here").local.now); n != 1 {
		t.Errorf("the node that was there is asked %d times", n)
	}
	if n := len(late.find("here").local.now); n != 0 {
		t.Error("the node that came later is asked, too")
	}
}

func TestDisabled_RunsNothingAndEveryNodeSaysSo(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			handles, c := dbtest.Nodes(t, e, 2), newClock()
			jobs := []Job{{Name: "a", Kind: Once, Schedule: "@every 1m", Run: func(context.Context, Run) error { return nil }},
				{Name: "here", Kind: EveryNode, Schedule: "@every 1s", Run: func(context.Context, Run) error { t.Error("ran"); return nil }},
				{Name: "q", Kind: Durable, Run: func(context.Context, Run) error { t.Error("ran"); return nil }}}
			off := newServiceWith(t, Options{DB: handles[0], Leader: member{&crew{}, 1}, Now: c.now, Disabled: true}, jobs...)
			enqueue(t, handles[0], off, "x", "")
			if err := off.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := off.RunNow(admin(t), "a"); !stoa.Is(err, stoa.KindConflict) {
				t.Fatalf("with no node that runs jobs: %v", err)
			}
			on := newServiceWith(t, Options{DB: handles[1], Leader: member{&crew{}, 2}, Now: c.now}, jobs[:2]...)
			step(t, on)
			watch(t, on, "the other node is known", func(o Overview) bool { return len(o.Nodes) == 2 })
			for _, s := range []*Service{off, on} {
				o := overview(t, s)
				if len(o.Nodes) != 2 || o.Nodes[0].Name != "node-1" || o.Nodes[0].Enabled || !o.Nodes[1].Enabled || o.Nodes[0].Self != (s == off) {
					t.Errorf("overview: %+v", o)
				}
				if l := o.Jobs[1].Nodes; len(l) != 1 || l[0].Node != "node-2" {
					t.Errorf("lines: %+v", l)
				}
			}
			if err := off.RunNow(admin(t), "a"); err != nil { // the other one does it
				t.Fatal(err)
			}
			step(t, on)
			if list := records(t, off, "a"); len(list) != 1 || list[0].State != Done || list[0].Node != "node-2" {
				t.Errorf("runs: %+v", list)
			}
			off.Stop()
			if o := overview(t, on); len(o.Nodes) != 1 {
				t.Errorf("a node that has left is still told of: %+v", o.Nodes)
			}
		})
	}
}

func TestPrune_ForgetsWhatDeadNodesTold(t *testing.T) {
	t.Parallel()
	handles, c, alive := dbtest.Nodes(t, dbtest.SQLite, 2), newClock(), &crew{}
	job := Job{Name: "here", Kind: EveryNode, Schedule: "@every 1h", Run: func(context.Context, Run) error { return nil }}
	master := newService(t, handles[0], c, member{alive, 1}, job)
	other := newService(t, handles[1], c, member{alive, 2}, job)
	other.find("here").local.next = c.now()
	round(t, other)
	rows := func() (n int) {
		t.Helper()
		if err := handles[0].QueryRow(t.Context(), "SELECT (SELECT count(*) FROM job_node WHERE writer = 2) + (SELECT count(*) FROM job_local WHERE writer = 2)").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	round(t, master)
	if rows() != 2 {
		t.Fatalf("%d rows of a living node", rows())
	}
	alive.kill(2)
	c.add(2 * time.Hour)
	round(t, master)
	if rows() != 0 {
		t.Fatalf("%d rows of a dead node are left", rows())
	}
}

// An order that is accepted is carried out, also by a node that has just begun.
func TestRunNow_OfANodeThatBeginsIsRefusedOrCarriedOut(t *testing.T) {
	t.Parallel()
	refused := 0
	for i := range 30 {
		ran := make(chan struct{}, 1)
		s := newServiceWith(t, Options{DB: dbtest.New(t), Leader: member{&crew{}, int64(i + 1)}, Poll: 5 * time.Millisecond},
			Job{Name: "here", Kind: EveryNode, Schedule: "@every 1h", Run: func(context.Context, Run) error {
				ran <- struct{}{}
				return nil
			}})
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		tick := time.NewTicker(time.Millisecond)
		for {
			err := s.RunNow(admin(t), "here")
			if err == nil {
				break
			}
			if !stoa.Is(err, stoa.KindUnavailable) {
				t.Fatal(err)
			}
			refused++
			<-tick.C
		}
		tick.Stop()
		wait(t, ran, "the run that was accepted")
		s.Stop()
	}
	t.Logf("%d orders were refused", refused)
}
