package nats_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/cluster/nats"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

// resident is a link whose node stands in a real database.
type resident struct {
	*nats.Link
	node *cluster.Node
}

func settle(t *testing.T, d *db.DB, name string) *resident {
	t.Helper()
	const secret, id = "hunter2", "test-cluster"
	identity, err := nats.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	writer := change.NewWriter()
	l, err := nats.Listen(nats.Options{Identity: identity, Cluster: id, Name: fmt.Sprint(writer), Listen: "127.0.0.1", Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	n, err := cluster.Join(t.Context(), cluster.NodeOptions{DB: d, Writer: writer, NodeID: name, Address: l.Address(), Fingerprint: identity.Row(secret, id), HostID: "h"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	beating := make(chan struct{})
	go func() { // the change log's part
		defer close(beating)
		for ctx.Err() == nil {
			_ = d.Control(ctx, func(tx *db.Tx) error { return n.Beat(ctx, tx, 1) })
			_ = n.Look(ctx)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-beating
		_ = l.Close()
		if err := n.Leave(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return &resident{l, n}
}

func (r *resident) follow(t *testing.T, d nats.Discovery) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done, err := r.Follow(ctx, r.node, d)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); <-done })
}

func TestFollow_RowsStaticListAndDNS(t *testing.T) {
	t.Parallel()
	for name, discover := range map[string]func(other *resident) nats.Discovery{
		"rows":   func(*resident) nats.Discovery { return nats.Discovery{} },
		"static": func(o *resident) nats.Discovery { return nats.Discovery{Static: []string{o.Address()}} },
		"dns":    func(o *resident) nats.Discovery { return nats.Discovery{DNS: "localhost", Port: o.Port()} },
	} {
		t.Run(name, func(t *testing.T) {
			d := dbtest.Nodes(t, dbtest.SQLite, 2)
			a, b := settle(t, d[0], "a"), settle(t, d[1], "b")
			a.follow(t, discover(b))
			b.follow(t, discover(a))
			until(t, "the link", func() bool { return a.Reaches(b.node.Writer()) && b.Reaches(a.node.Writer()) })
		})
	}
}

// A hundred rows of nodes that died without a word: they are dialled in vain and keep no node waiting.
func TestFollow_RowsOfTheDeadAreNoHindrance(t *testing.T) {
	t.Parallel()
	d := dbtest.Nodes(t, dbtest.SQLite, 2)
	err := d[0].Control(t.Context(), func(tx *db.Tx) error {
		for i := range 100 {
			if err := tx.Insert(t.Context(), "cluster_node", db.Row{"writer": i + 1, "node": fmt.Sprint("dead-", i), "name": "dead", "address": fmt.Sprintf("127.0.0.1:%d", i+1), "host": "h#h",
				"version": "1", "settings": "", "fingerprint": fmt.Sprint("f", i), "state": "up", "epoch": 1, "beat": 1, "low": 1, "started": 0, "seen": 0, "detail": ""}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	a, b := settle(t, d[0], "a"), settle(t, d[1], "b")
	a.follow(t, nats.Discovery{})
	b.follow(t, nats.Discovery{})
	until(t, "the link", func() bool { return a.Reaches(b.node.Writer()) && b.Reaches(a.node.Writer()) })
	for _, m := range a.node.Members() {
		if m.Name == "dead" && m.Beat != 1 {
			t.Fatal("a dead row was beaten")
		}
	}
}
