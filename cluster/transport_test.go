package cluster_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/cluster/clustertest"
)

func TestHub_CarriesToAllOthersInOrder(t *testing.T) {
	t.Parallel()
	hub := cluster.NewHub()
	a, b, c := hub.Join("a"), hub.Join("b"), hub.Join("c")
	got := map[string]chan string{"a": make(chan string, 10), "b": make(chan string, 10), "c": make(chan string, 10)}
	for name, tr := range map[string]cluster.Transport{"a": a, "b": b, "c": c} {
		if _, err := tr.Subscribe("hint", func(data []byte) { got[name] <- string(data) }); err != nil {
			t.Fatal(err)
		}
	}
	buffer := []byte("one")
	if err := a.Publish(t.Context(), "hint", buffer); err != nil {
		t.Fatal(err)
	}
	copy(buffer, "two") // the sender may use its buffer again
	if err := a.Publish(t.Context(), "hint", buffer); err != nil {
		t.Fatal(err)
	}
	if err := a.Publish(t.Context(), "other", []byte("not subscribed")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"b", "c"} {
		if x, y := <-got[name], <-got[name]; x != "one" || y != "two" {
			t.Fatalf("%s got %q and %q", name, x, y)
		}
	}
	for _, tr := range []cluster.Transport{a, b, c} {
		if err := tr.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for name, ch := range got {
		if len(ch) != 0 {
			t.Errorf("%s got %d messages too many", name, len(ch))
		}
	}
	if err := a.Publish(t.Context(), "hint", nil); err == nil {
		t.Fatal("published after Close")
	}
}

func TestHub_IsATransport(t *testing.T) {
	t.Parallel()
	for name, fresh := range map[string]func() func(string) cluster.Transport{
		"plain":  func() func(string) cluster.Transport { return cluster.NewHub().Join },
		"faulty": func() func(string) cluster.Transport { return clustertest.NewHub(1).Join }, // without faults
	} {
		t.Run(name, func(t *testing.T) {
			clustertest.Transport(t, func(t *testing.T, n int) []cluster.Transport {
				join := fresh()
				var out []cluster.Transport
				for i := range n {
					out = append(out, join(fmt.Sprint(i)))
				}
				return out
			})
		})
	}
}

func TestHub_ASlowSubscriberLosesMessagesAndStopsNobody(t *testing.T) {
	t.Parallel()
	hub := cluster.NewHub()
	a, b := hub.Join("a"), hub.Join("b")
	release, entered := make(chan struct{}), make(chan struct{}, 1)
	stop, err := b.Subscribe("hint", func([]byte) {
		select {
		case entered <- struct{}{}:
		default:
		}
		<-release
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Publish(t.Context(), "hint", nil); err != nil {
		t.Fatal(err)
	}
	<-entered
	for range 5000 {
		if err := a.Publish(context.Background(), "hint", nil); err != nil {
			t.Fatal(err)
		}
	}
	if hub.Lost() == 0 {
		t.Fatal("nothing was lost, so something waited")
	}
	close(release)
	stop()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}
