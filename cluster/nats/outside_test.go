package nats_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/cluster/clustertest"
	"github.com/stoa-portal/stoa/cluster/nats"
)

// outside starts a message server that belongs to no node.
func outside(t *testing.T) string {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the message server does not start")
	}
	return s.ClientURL()
}

func connect(t *testing.T, url, cluster, secret string) *nats.Transport {
	t.Helper()
	tr, err := nats.Connect(nats.OutsideOptions{URLs: []string{url}, Cluster: cluster, Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Close() })
	return tr
}

func TestOutside_IsATransport(t *testing.T) {
	t.Parallel()
	for name, secret := range map[string]string{"sealed": "hunter2", "open": ""} {
		t.Run(name, func(t *testing.T) {
			clustertest.Transport(t, func(t *testing.T, n int) []cluster.Transport {
				url := outside(t)
				var out []cluster.Transport
				for range n {
					out = append(out, connect(t, url, "c", secret))
				}
				return out
			})
		})
	}
}

// Others may use the same server: another cluster, and one who knows the cluster's name but not the secret.
func TestOutside_ForgedMessagesAndOtherClustersAreIgnored(t *testing.T) {
	t.Parallel()
	url := outside(t)
	a, b := connect(t, url, "c", "hunter2"), connect(t, url, "c", "hunter2")
	other, thief := connect(t, url, "d", "hunter2"), connect(t, url, "c", "guess")
	heard := make(chan string, 10_000)
	stop, err := a.Subscribe("call", func(m []byte) { heard <- string(m) })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	until(t, "the friend to be heard", func() bool {
		for from, tr := range map[string]*nats.Transport{"other": other, "thief": thief, "friend": b} {
			if err := tr.Publish(context.Background(), "call", []byte(from)); err != nil {
				t.Fatal(err)
			}
		}
		return len(heard) > 0 && a.Forged() > 0
	})
	for len(heard) > 0 {
		if m := <-heard; m != "friend" {
			t.Errorf("heard %q", m)
		}
	}
	if other.Forged() != 0 {
		t.Error("another cluster's messages arrived at all")
	}
}

func TestOutside_NobodyThereIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := nats.Connect(nats.OutsideOptions{URLs: []string{"nats://127.0.0.1:1"}, Cluster: "c"}); err == nil {
		t.Error("connected to no server")
	}
}
