package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/cluster/clustertest"
)

// town is a cluster whose members are listed by hand.
type town struct {
	mu     sync.Mutex
	master int64
	gone   map[int64]bool
	size   int64
}

type citizen struct {
	*town
	self int64
}

func (c citizen) Writer() int64 { return c.self }

func (c citizen) Members() (out []cluster.Member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for w := int64(1); w <= c.size; w++ {
		out = append(out, cluster.Member{Writer: w, Name: fmt.Sprintf("node-%d", w), Live: !c.gone[w], Self: w == c.self})
	}
	return out
}

func (c citizen) Master() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.master
}

func (c citizen) IsMaster() bool { return c.Master() == c.self }

func (t *town) set(fn func(t *town)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fn(t)
}

type question struct{ Text string }
type reply struct{ Text string }

// found starts n members that can greet.
func found(t *testing.T, hub *clustertest.Hub, n int, greet func(self int64, ctx context.Context, from cluster.Member, q question) (reply, error)) (*town, []cluster.Method[question, reply]) {
	t.Helper()
	tw := &town{master: 1, gone: map[int64]bool{}, size: int64(n)}
	var methods []cluster.Method[question, reply]
	for i := range n {
		self := int64(i + 1)
		tr := hub.Join(fmt.Sprintf("node-%d", self))
		c, err := cluster.NewCalls(cluster.CallsOptions{Transport: tr, Members: citizen{tw, self}, Resend: 10 * time.Millisecond, Timeout: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := errors.Join(c.Close(), tr.Close()); err != nil {
				t.Error(err)
			}
		})
		methods = append(methods, cluster.NewMethod(c, "greet", func(ctx context.Context, from cluster.Member, q question) (reply, error) {
			return greet(self, ctx, from, q)
		}))
	}
	return tw, methods
}

func hello(self int64, _ context.Context, from cluster.Member, q question) (reply, error) {
	return reply{fmt.Sprintf("%s to %s from %d", q.Text, from.Name, self)}, nil
}

func TestMethod_OneSomeAllAndTheMaster(t *testing.T) {
	t.Parallel()
	tw, m := found(t, clustertest.NewHub(1), 4, hello)
	ctx := t.Context()
	a, err := m[0].Node(ctx, 3, question{"hi"})
	if err != nil || a.Text != "hi to node-1 from 3" {
		t.Errorf("one: %q, %v", a.Text, err)
	}
	for i, answer := range m[1].All(ctx, question{"hi"}) {
		if answer.Err != nil || answer.Value.Text != fmt.Sprintf("hi to node-2 from %d", i+1) || answer.Member.Writer != int64(i+1) {
			t.Errorf("all, %d: %+v", i, answer)
		}
	}
	if got := m[1].Others(ctx, question{"hi"}); len(got) != 3 {
		t.Errorf("%d others answered, want 3", len(got))
	}
	some := m[0].Nodes(ctx, func(x cluster.Member) bool { return x.Writer%2 == 0 }, question{"yo"})
	if len(some) != 2 || some[0].Value.Text != "yo to node-1 from 2" || some[1].Value.Text != "yo to node-1 from 4" {
		t.Errorf("some: %+v", some)
	}
	for _, master := range []int64{1, 2} { // from the node itself as from another
		tw.set(func(tw *town) { tw.master = master })
		if a, err := m[1].Master(ctx, question{"sire"}); err != nil || a.Text != fmt.Sprintf("sire to node-2 from %d", master) {
			t.Errorf("master %d: %q, %v", master, a.Text, err)
		}
	}
	if _, err := m[0].Node(ctx, 99, question{}); !stoa.Is(err, stoa.KindUnavailable) {
		t.Errorf("a node that is not there: %v", err)
	}
}

func TestMethod_ErrorsKeepTheirKindAndNodesFailAlone(t *testing.T) {
	t.Parallel()
	tw, m := found(t, clustertest.NewHub(1), 3, func(self int64, ctx context.Context, from cluster.Member, q question) (reply, error) {
		switch self {
		case 2:
			return reply{}, stoa.Invalid("title", "%s is too short", q.Text)
		case 3:
			panic("out of marble")
		}
		return reply{"fine"}, nil
	})
	got := m[0].All(t.Context(), question{"x"})
	var e *stoa.Error
	if got[0].Err != nil || got[0].Value.Text != "fine" {
		t.Errorf("the first: %+v", got[0])
	}
	if !errors.As(got[1].Err, &e) || e.Kind != stoa.KindInvalid || e.Field != "title" || e.Message != "x is too short" {
		t.Errorf("the second: %v", got[1].Err)
	}
	if got[2].Err == nil || !strings.Contains(got[2].Err.Error(), "panicked") {
		t.Errorf("the third: %v", got[2].Err)
	}
	// Who is not asked any more does not keep the others waiting.
	tw.set(func(tw *town) { tw.gone[2] = true })
	if got := m[0].All(t.Context(), question{"x"}); len(got) != 2 {
		t.Errorf("%d answers, want those of the living", len(got))
	}
}

func TestMethod_RunsOnceThoughMessagesAreLostAndDoubled(t *testing.T) {
	t.Parallel()
	hub := clustertest.NewHub(7)
	hub.SetFaults(clustertest.Faults{Drop: 0.4, Duplicate: 0.4, Delay: 5 * time.Millisecond})
	var mu sync.Mutex
	runs := map[string]int{}
	_, m := found(t, hub, 3, func(self int64, _ context.Context, from cluster.Member, q question) (reply, error) {
		mu.Lock()
		defer mu.Unlock()
		runs[fmt.Sprintf("%s at %d", q.Text, self)]++
		return reply(q), nil
	})
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			text := fmt.Sprint("call ", i)
			for _, a := range m[i%3].Others(t.Context(), question{text}) {
				if a.Err != nil || a.Value.Text != text {
					t.Errorf("%s: %q, %v", text, a.Value.Text, a.Err)
				}
			}
		})
	}
	wg.Wait()
	hub.Settle()
	mu.Lock()
	defer mu.Unlock()
	for what, n := range runs {
		if n != 1 {
			t.Errorf("%s ran %d times", what, n)
		}
	}
	if len(runs) != 200 {
		t.Errorf("%d runs, want 200", len(runs))
	}
}

func TestMethod_DeadlineAndDeathEndTheWait(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	var entered atomic.Int32
	tw, m := found(t, clustertest.NewHub(1), 2, func(self int64, ctx context.Context, _ cluster.Member, q question) (reply, error) {
		entered.Add(1)
		select {
		case <-release:
			return reply{}, nil
		case <-ctx.Done(): // the caller's deadline travels with the call
			return reply{}, ctx.Err()
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond) // in which the call arrives, however slowly
	defer cancel()
	if _, err := m[0].Node(ctx, 2, question{}); !stoa.Is(err, stoa.KindUnavailable) {
		t.Errorf("late: %v", err)
	}
	done := make(chan error)
	go func() {
		_, err := m[0].Node(t.Context(), 2, question{})
		done <- err
	}()
	eventually(t, "the second call to run", func() bool { return entered.Load() == 2 })
	tw.set(func(tw *town) { tw.gone[2] = true })
	if err := <-done; !stoa.Is(err, stoa.KindUnavailable) || !strings.Contains(err.Error(), "went away") {
		t.Errorf("dead: %v", err)
	}
	close(release)
}

func TestMethod_MasterIsFoundAfterATakeover(t *testing.T) {
	t.Parallel()
	tw, m := found(t, clustertest.NewHub(1), 3, hello)
	tw.set(func(tw *town) { tw.master = 0 })
	done := make(chan reply)
	go func() {
		a, err := m[0].Master(t.Context(), question{"sire"})
		if err != nil {
			t.Error(err)
		}
		done <- a
	}()
	tw.set(func(tw *town) { tw.master = 3 })
	if a := <-done; a.Text != "sire to node-1 from 3" {
		t.Errorf("%q", a.Text)
	}
}

func TestCalls_StrangersAndNonsenseAreIgnored(t *testing.T) {
	t.Parallel()
	hub := clustertest.NewHub(1)
	var runs atomic.Int32
	_, m := found(t, hub, 2, func(int64, context.Context, cluster.Member, question) (reply, error) {
		runs.Add(1)
		return reply{}, nil
	})
	outsider := hub.Join("node-9")
	c, err := cluster.NewCalls(cluster.CallsOptions{Transport: outsider, Members: citizen{&town{master: 1, size: 9}, 9}, Resend: 5 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	greet := cluster.NewMethod(c, "greet", func(context.Context, cluster.Member, question) (reply, error) { return reply{}, nil })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := greet.Node(ctx, 1, question{}); err == nil {
		t.Error("a node without a row was answered")
	}
	for _, b := range [][]byte{nil, {1}, []byte("hello"), {1, 200, 1, 2, 3}} {
		if err := outsider.Publish(t.Context(), "call.1", b); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m[1].Node(t.Context(), 1, question{}); err != nil { // after all of them
		t.Fatal(err)
	}
	if n := runs.Load(); n != 1 {
		t.Errorf("the method ran %d times, want once, for the member", n)
	}
}

func TestCalls_OffSaysWhy(t *testing.T) {
	t.Parallel()
	hub := clustertest.NewHub(1)
	c, err := cluster.NewCalls(cluster.CallsOptions{Transport: hub.Join("a"), Members: citizen{&town{master: 1, size: 2}, 1}, Off: "set the secret"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	greet := cluster.NewMethod(c, "greet", func(context.Context, cluster.Member, question) (reply, error) { return reply{"me"}, nil })
	got := greet.All(t.Context(), question{})
	if got[0].Err != nil || got[0].Value.Text != "me" || got[1].Err == nil || !strings.Contains(got[1].Err.Error(), "set the secret") {
		t.Errorf("%+v", got)
	}
}

func TestTopic_ReachesOneAndAll(t *testing.T) {
	t.Parallel()
	hub := clustertest.NewHub(1)
	tw := &town{master: 1, gone: map[int64]bool{}, size: 3}
	heard := make(chan string, 10)
	var topics []cluster.Topic[question]
	for self := int64(1); self <= 3; self++ {
		c, err := cluster.NewCalls(cluster.CallsOptions{Transport: hub.Join(fmt.Sprintf("node-%d", self)), Members: citizen{tw, self}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		topics = append(topics, cluster.NewTopic(c, "news", func(_ context.Context, from cluster.Member, q question) error {
			heard <- fmt.Sprintf("%s from %s at %d", q.Text, from.Name, self)
			return nil
		}))
	}
	if err := topics[0].SendAll(t.Context(), question{"rain"}); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{<-heard: true, <-heard: true}
	if !got["rain from node-1 at 2"] || !got["rain from node-1 at 3"] {
		t.Errorf("heard %v", got)
	}
	if err := topics[2].Send(t.Context(), 1, question{"sun"}); err != nil {
		t.Fatal(err)
	}
	if got := <-heard; got != "sun from node-3 at 1" {
		t.Errorf("heard %q", got)
	}
}
