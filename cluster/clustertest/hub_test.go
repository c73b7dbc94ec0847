package clustertest_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/cluster/clustertest"
)

type inbox struct {
	mu  sync.Mutex
	got []int
}

func (i *inbox) put(data []byte) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.got = append(i.got, int(data[0]))
}

func (i *inbox) list() []int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.got)
}

func (i *inbox) waitFor(t *testing.T, ok func([]int) bool) []int {
	t.Helper()
	deadline := time.After(5 * time.Minute)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if got := i.list(); ok(got) {
			return got
		}
		select {
		case <-deadline:
			t.Fatalf("waited in vain; got %v", i.list())
		case <-tick.C:
		}
	}
}

// run sends 0 … 99 and gives what arrived.
func run(t *testing.T, seed uint64, f clustertest.Faults) []int {
	t.Helper()
	hub := clustertest.NewHub(seed)
	a, b := hub.Join("a"), hub.Join("b")
	var in inbox
	if _, err := b.Subscribe("s", in.put); err != nil {
		t.Fatal(err)
	}
	hub.SetFaults(f)
	for i := range 100 {
		if err := a.Publish(t.Context(), "s", []byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	hub.Settle()
	in.waitFor(t, func(got []int) bool {
		slices.Sort(got)
		return len(slices.Compact(got))+hub.Dropped() == 100
	})
	hub.Settle()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	return in.list()
}

func TestHub_LosesAndDoublesFromTheSeed(t *testing.T) {
	t.Parallel()
	f := clustertest.Faults{Drop: 0.3, Duplicate: 0.3}
	one, same, other := run(t, 1, f), run(t, 1, f), run(t, 2, f)
	if fmt.Sprint(one) != fmt.Sprint(same) || fmt.Sprint(one) == fmt.Sprint(other) {
		t.Fatalf("not from the seed:\n%v\n%v\n%v", one, same, other)
	}
	if len(slices.Compact(slices.Clone(one))) == len(one) || len(slices.Compact(slices.Clone(one))) == 100 {
		t.Fatalf("nothing was lost or doubled: %v", one)
	}
}

func TestHub_DelaysMakeMessagesOvertake(t *testing.T) {
	t.Parallel()
	got := run(t, 1, clustertest.Faults{Delay: 5 * time.Millisecond})
	if len(got) != 100 || slices.IsSorted(got) {
		t.Fatalf("%v", got)
	}
}

func TestHub_PartitionLosesAndFreezeHolds(t *testing.T) {
	t.Parallel()
	hub := clustertest.NewHub(1)
	a, b, c := hub.Join("a"), hub.Join("b"), hub.Join("c")
	var inA, inB, inC inbox
	if _, err := a.Subscribe("s", inA.put); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Subscribe("s", inB.put); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Subscribe("s", inC.put); err != nil {
		t.Fatal(err)
	}
	send := func(n byte) {
		t.Helper()
		if err := a.Publish(t.Context(), "s", []byte{n}); err != nil {
			t.Fatal(err)
		}
	}
	has := func(want ...int) func([]int) bool {
		return func(got []int) bool { return fmt.Sprint(got) == fmt.Sprint(want) }
	}
	hub.Partition([]string{"a", "b"}, []string{"c"})
	send(1)
	inB.waitFor(t, has(1))
	inC.waitFor(t, func([]int) bool { return hub.Dropped() == 1 })
	hub.Heal()
	hub.Freeze("b")
	send(2)
	inC.waitFor(t, has(2))
	if got := inB.list(); len(got) != 1 {
		t.Fatalf("a frozen member received %v", got)
	}
	send(3)
	inC.waitFor(t, has(2, 3))
	inB.waitFor(t, func([]int) bool { return hub.Held("b") == 2 })
	if err := b.Publish(t.Context(), "s", []byte{9}); err != nil || hub.Held("b") != 3 {
		t.Fatalf("%v: %d messages are held, of which one is from the frozen member", err, hub.Held("b"))
	}
	hub.Thaw("b")
	inB.waitFor(t, has(1, 2, 3))
	inA.waitFor(t, has(9))
	inC.waitFor(t, has(2, 3, 9))
	for _, tr := range []interface{ Close() error }{a, b, c} {
		if err := tr.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
