package server_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/follow"
	"github.com/stoa-portal/stoa/server"
	"github.com/stoa-portal/stoa/server/servertest"
)

// heard is what followers on several nodes were told of web content.
type heard struct {
	mu sync.Mutex
	by map[stoa.ID]map[string]int // article, node, times
}

func (h *heard) times(id stoa.ID) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, times := range h.by[id] {
		n += times
	}
	return n
}

func (h *heard) nodes(id stoa.ID) (nodes []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for node := range h.by[id] {
		nodes = append(nodes, node)
	}
	return nodes
}

// follow runs the follower on a node, as a part of the portal does.
func (h *heard) follow(t *testing.T, n *servertest.Node) *follow.Service {
	t.Helper()
	s, err := follow.New(follow.Options{DB: n.DB, Log: n.Log,
		Lease: func(name string) follow.Lease { return n.Node.Lease(name) }})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Add(follow.Follower{Name: "test", Kinds: []string{"article"}, Effect: follow.InDatabase,
		Apply: func(_ context.Context, b follow.Batch) error {
			b.Tx.AfterCommit(func() {
				h.mu.Lock()
				defer h.mu.Unlock()
				for _, c := range b.Changes {
					if h.by[c.ID] == nil {
						h.by[c.ID] = map[string]int{}
					}
					h.by[c.ID][n.Node.ID()]++
				}
			})
			return nil
		},
		Rebuild: func(context.Context, follow.Portion) (string, error) { return "", nil },
	}); err != nil {
		t.Fatal(err)
	}
	s.Start(servertest.System())
	t.Cleanup(s.Stop)
	return s
}

// statusOf gives how a follower does, as far as the service knows; without a name when there is none yet.
func statusOf(t *testing.T, s *follow.Service, name string) follow.Status {
	t.Helper()
	list, err := s.Statuses(t.Context())
	if err != nil {
		return follow.Status{} // away for a moment
	}
	for _, st := range list {
		if st.Name == name {
			return st
		}
	}
	return follow.Status{}
}

func TestFollow_WhatEditorsSaveOnEitherNodeIsToldOnOne(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			g := servertest.NewGroup(t, e)
			g.Breakable = true
			a, b := g.Join(nil), g.Join(nil)
			a.SignIn(t)
			b.SignIn(t)
			h := &heard{by: map[stoa.ID]map[string]int{}}
			onA := h.follow(t, a)
			eventually(t, "a runs it", func() bool {
				st := statusOf(t, onA, "test")
				return st.Name != "" && st.Looking == "" && st.Here
			})
			h.follow(t, b)
			first, second := a.Publish(t, "first", "First", "<p>x</p>"), b.Publish(t, "second", "Second", "<p>x</p>")
			eventually(t, "both are told", func() bool { return h.times(first) > 0 && h.times(second) > 0 })
			for _, id := range []stoa.ID{first, second} {
				if nodes := h.nodes(id); len(nodes) != 1 || nodes[0] != a.Node.ID() {
					t.Errorf("article %s was told on %v", id, nodes)
				}
			}
			text, err := b.FollowText(servertest.System(), server.ControlRequest{})
			if err != nil || !strings.Contains(text, "test") {
				t.Errorf("%s %v", text, err)
			}
			if _, err := b.FollowText(stoa.WithActor(t.Context(), stoa.Actor{User: 9, Instance: 1, Admin: true}),
				server.ControlRequest{}); !stoa.Is(err, stoa.KindForbidden) {
				t.Errorf("an administrator who is no operator sees the followers: %v", err)
			}
			if e == dbtest.SQLite {
				return // nothing stands between a node and its file
			}
			g.Freeze(a)
			third := b.Publish(t, "third", "Third", "<p>x</p>")
			eventually(t, "b has taken over", func() bool { return h.times(third) > 0 })
			g.Thaw(a)
			fourth := b.Publish(t, "fourth", "Fourth", "<p>x</p>")
			eventually(t, "b goes on", func() bool { return h.times(fourth) > 0 })
			for _, id := range []stoa.ID{third, fourth} {
				if nodes := h.nodes(id); len(nodes) != 1 || nodes[0] != b.Node.ID() {
					t.Errorf("article %s was told on %v", id, nodes)
				}
			}
		})
	}
}

func TestFollow_WhatFailedIsAFindingOnEveryNodeUntilItIsDealtWith(t *testing.T) {
	t.Parallel()
	nodes := servertest.Start(t, 2)
	if err := nodes[0].Follow.Add(follow.Follower{Name: "test", Kinds: []string{"article"},
		Apply:   func(context.Context, follow.Batch) error { return nil },
		Rebuild: func(context.Context, follow.Portion) (string, error) { return "", nil },
	}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it runs", func() bool {
		st := statusOf(t, nodes[0].Follow, "test")
		return st.Name != "" && st.Looking == ""
	})
	if f := findings(t, nodes[1], cluster.CodeFollowFailed); len(f) != 0 {
		t.Fatalf("nothing has failed: %+v", f)
	}
	// As after eight tries, which take minutes.
	if err := nodes[0].DB.Write(servertest.System(), func(ctx context.Context, tx *db.Tx) error {
		tx.Changed("follow", 0, 0, 0)
		return tx.Insert(ctx, "follow_task", db.Row{"name": "test", "kind": "article", "thing": 4711, "scope": 7,
			"version": 1, "writer": 1, "n": 1, "part": 0, "reason": "told", "progress": "", "anew": false, "tries": 8, "due": 0,
			"failed": true, "since": 1, "message": "the index refuses it"})
	}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other node shows it",
		func() bool { return len(findings(t, nodes[1], cluster.CodeFollowFailed)) == 1 })
	f := findings(t, nodes[1], cluster.CodeFollowFailed)[0]
	if f.Severity != cluster.Warning || !strings.Contains(f.Mend, "stoa follow retry test") {
		t.Errorf("%+v", f)
	}
	text, err := nodes[1].FollowText(servertest.System(), server.ControlRequest{Order: "failed", Follower: "test"})
	if err != nil || !strings.Contains(text, "article 4711") || !strings.Contains(text, "the index refuses it") {
		t.Errorf("%s %v", text, err)
	}
	if _, err := nodes[1].FollowText(servertest.System(),
		server.ControlRequest{Order: "discard", Follower: "test"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is over", func() bool { return len(findings(t, nodes[1], cluster.CodeFollowFailed)) == 0 })
}
