package server_test

import (
	"context"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/server/servertest"
)

func TestScreen_NodesAreSeenFromEachAndCachesEmptyOnAll(t *testing.T) {
	t.Parallel()
	linked(t, 2, nil, func(t *testing.T, g *servertest.Group, nodes []*servertest.Node) {
		meshed(t, nodes)
		a, b := nodes[0], nodes[1]
		a.SignIn(t)
		for _, n := range []*servertest.Node{a, b.As(a.Client)} {
			// The first look is a short one, so on a busy machine it may take another.
			eventually(t, "both to answer", func() bool { return strings.Contains(n.Get(t, "/control/cluster").Body, "Nothing is wrong") })
			mustSee(t, n.Get(t, "/control/cluster", "Stoa-Refresh", "1"), http.StatusOK, "2 nodes answer", "node-1", "node-2", "to node-2", "Master", stoa.Version)
		}
		for _, n := range nodes {
			n.Guest(t).Get(t, "/") // something to empty
		}
		order := a.Post(t, "/control/cluster/empty", nil)
		to := order.Header.Get("Location")
		if order.Status != http.StatusSeeOther || !strings.HasPrefix(to, "/control/cluster?emptied=") {
			t.Fatalf("%d to %q", order.Status, to)
		}
		for _, n := range []*servertest.Node{a, b.As(a.Client)} {
			eventually(t, "both to confirm", func() bool { return strings.Contains(n.Get(t, to).Body, "Caches emptied: node-1, node-2.") })
		}
		if _, err := a.EmptyCaches(context.Background()); !stoa.Is(err, stoa.KindUnauthorized) {
			t.Errorf("a guest empties the caches: %v", err)
		}
		if err := a.Forget(context.Background(), b.Node.Writer()); !stoa.Is(err, stoa.KindUnauthorized) {
			t.Errorf("a guest forgets nodes: %v", err)
		}
		if err := a.Forget(servertest.System(), b.Node.Writer()); !stoa.Is(err, stoa.KindConflict) {
			t.Errorf("a living node is forgotten: %v", err)
		}
	})
}

func TestScreen_LogLevelOfAnotherNodeAndOfAll(t *testing.T) {
	t.Parallel()
	linked(t, 2, nil, func(t *testing.T, g *servertest.Group, nodes []*servertest.Node) {
		meshed(t, nodes)
		a, b := nodes[0], nodes[1]
		a.SignIn(t)
		levels := func() (out [2]string) {
			st, err := a.Cluster(servertest.System())
			if err != nil {
				t.Fatal(err)
			}
			for i := range out {
				out[i] = st.Nodes[i].LogLevel
			}
			return out
		}
		set := func(node, level string) {
			if got := a.Post(t, "/control/log", url.Values{"node": {node}, "level": {level}}); got.Status != http.StatusSeeOther {
				t.Fatalf("%d\n%s", got.Status, got.Body)
			}
		}
		st, err := a.Cluster(servertest.System())
		if err != nil {
			t.Fatal(err)
		}
		set(st.Nodes[1].Writer, "error")
		if got := levels(); got != [2]string{"warn", "error"} {
			t.Errorf("levels %v after node-2 was set", got)
		}
		set("0", "info")
		if got := levels(); got != [2]string{"info", "info"} {
			t.Errorf("levels %v after all were set", got)
		}
		if err := b.SetLogLevel(context.Background(), 0, 0); !stoa.Is(err, stoa.KindUnauthorized) {
			t.Errorf("a guest sets the level: %v", err)
		}
		if err := b.SetLogLevel(servertest.System(), 17, 0); !stoa.Is(err, stoa.KindInvalid) {
			t.Errorf("the level of nobody is set: %v", err)
		}
	})
}

// A node whose folder of files is not the one of the others is not ready, and every node says so.
func TestScreen_AnotherFileStoreIsNamed(t *testing.T) {
	t.Parallel()
	linked(t, 1, nil, func(t *testing.T, g *servertest.Group, nodes []*servertest.Node) {
		b := g.Join(map[string]string{"dl.store.file.system.root.dir": filepath.Join(t.TempDir(), "files")})
		mustSee(t, nodes[0].Get(t, "/readyz"), http.StatusOK)
		mustSee(t, b.Get(t, "/readyz"), http.StatusServiceUnavailable, "file store", "dl.store.file.system.root.dir")
		eventually(t, "the words", func() bool {
			st, err := nodes[0].Cluster(servertest.System())
			if err != nil {
				t.Fatal(err)
			}
			return len(st.Wrong) == 1 && strings.HasPrefix(st.Wrong[0].Text, "node-2 is not ready (file store)") && st.Requirements()[1].State == "not met"
		})
	})
}

// Settings that should be the same are named with their values and nodes.
func TestCluster_NamesSettingsThatDiffer(t *testing.T) {
	t.Parallel()
	linked(t, 1, nil, func(t *testing.T, g *servertest.Group, nodes []*servertest.Node) {
		g.Join(map[string]string{"session.timeout": "45"})
		eventually(t, "the setting", func() bool {
			st, err := nodes[0].Cluster(servertest.System())
			if err != nil {
				t.Fatal(err)
			}
			return len(st.Differ) == 1 && st.Differ[0].Property == "session.timeout" && st.Differ[0].String() == "30 on node-1; 45 on node-2"
		})
	})
}
