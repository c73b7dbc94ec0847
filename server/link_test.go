package server_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server/servertest"
)

// linked runs the test with n nodes that have real links between them, on every engine that is a server.
func linked(t *testing.T, n int, flags map[string]string, fn func(t *testing.T, g *servertest.Group, nodes []*servertest.Node)) {
	t.Helper()
	for _, e := range dbtest.Engines() {
		if e == dbtest.SQLite {
			continue
		}
		t.Run(string(e), func(t *testing.T) {
			g := servertest.NewGroup(t, e)
			g.Linked = true
			var nodes []*servertest.Node
			for range n {
				nodes = append(nodes, g.Join(flags))
			}
			fn(t, g, nodes)
		})
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(5 * time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatal("waited in vain: " + what)
		case <-tick.C:
		}
	}
}

// meshed waits until every node hears every other and measures it.
func meshed(t *testing.T, nodes []*servertest.Node) cluster.Status {
	t.Helper()
	var st cluster.Status
	eventually(t, "all nodes to hear each other", func() bool {
		var err error
		if st, err = nodes[0].Cluster(servertest.System()); err != nil {
			t.Fatal(err)
		}
		if len(st.Nodes) != len(nodes) || len(st.Wrong) > 0 {
			return false
		}
		for _, n := range st.Nodes {
			if n.Error != "" || len(n.Latencies) != len(nodes)-1 {
				return false
			}
			for _, l := range n.Latencies {
				if l.P50 == 0 {
					return false
				}
			}
		}
		return true
	})
	return st
}

func TestLink_NodesFindEachOtherAndTellHowTheyAre(t *testing.T) {
	t.Parallel()
	linked(t, 3, nil, func(t *testing.T, g *servertest.Group, nodes []*servertest.Node) {
		st := meshed(t, nodes)
		if st.Link != "inside" || st.Master == "" || st.Nodes[0].Name != "node-1" || !st.Nodes[0].Self {
			t.Errorf("%+v", st)
		}
		masters := 0
		for _, n := range st.Nodes {
			if n.Master {
				masters++
			}
			if n.State != "live" || n.ProofAge < 0 || n.ClockOffset.Abs() > time.Minute || n.Version != stoa.Version {
				t.Errorf("%s: %+v", n.Name, n)
			}
		}
		if masters != 1 {
			t.Errorf("%d masters", masters)
		}
		if _, err := nodes[0].Cluster(context.Background()); !stoa.Is(err, stoa.KindUnauthorized) {
			t.Errorf("a guest looks at the cluster: %v", err)
		}
	})
}

// What one node commits reaches the others as a message, before they look into the database.
func TestLink_HintsCarryChanges(t *testing.T) {
	t.Parallel()
	linked(t, 3, nil, func(t *testing.T, g *servertest.Group, nodes []*servertest.Node) {
		meshed(t, nodes)
		a := nodes[0]
		a.SignIn(t)
		a.Publish(t, "first", "The first title", "<p>x</p>")
		for _, n := range nodes[1:] {
			eventually(t, "the page on another node", func() bool { return n.Guest(t).Get(t, "/w/first").Status == http.StatusOK })
		}
		p, err := a.EmptyCaches(servertest.System())
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range nodes[1:] {
			eventually(t, "the hint", func() bool { return n.Log.Applied(p) })
		}
		if err := a.Confirm(t.Context(), p); err != nil {
			t.Errorf("not every node confirmed what it has applied: %v", err)
		}
		for _, n := range nodes[1:] {
			if st := n.Log.Status(); st.HintsGot == 0 || st.HintsBad > 0 {
				t.Errorf("hints got %d, bad %d", st.HintsGot, st.HintsBad)
			}
		}
	})
}

func TestLink_LeavingAndJoiningIsSeen(t *testing.T) {
	t.Parallel()
	linked(t, 2, nil, func(t *testing.T, g *servertest.Group, nodes []*servertest.Node) {
		meshed(t, nodes)
		third := g.Join(nil)
		meshed(t, append(nodes, third))
		if err := third.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the third to be gone", func() bool {
			st, err := nodes[0].Cluster(servertest.System())
			if err != nil {
				t.Fatal(err)
			}
			live := 0
			for _, n := range st.Nodes {
				if n.State == "live" {
					live++
				}
			}
			return live == 2 && len(st.Wrong) == 0
		})
	})
}

// A scheduler that is off on one node is named, and so is a node without Cluster Link.
func TestCluster_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	linked(t, 1, nil, func(t *testing.T, g *servertest.Group, nodes []*servertest.Node) {
		g.Join(map[string]string{"scheduler.enabled": "false"})
		g.Join(map[string]string{"cluster.link.enabled": "false"})
		// On a busy machine one node or the other may be too late for a look, so each sentence may come from one of its own;
		// and each look waits for node-3, which cannot answer, so it is a short one.
		missing := []string{"Jobs run on node-1 but not on node-2", "Cluster Link is off on node-3"}
		eventually(t, "the words", func() bool {
			ctx, cancel := context.WithTimeout(servertest.System(), time.Second)
			defer cancel()
			st, err := nodes[0].Cluster(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range st.Wrong {
				missing = slices.DeleteFunc(missing, func(words string) bool { return strings.Contains(w.Text, words) })
			}
			return len(missing) == 0
		})
	})
}
