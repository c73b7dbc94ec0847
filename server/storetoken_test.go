package server_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server/servertest"
)

// A folder that was copied to each machine has the identity of the cluster's store, and is another one.
func TestFileStore_NodesWithCopiesOfOneFolderAreNamed(t *testing.T) {
	t.Parallel()
	g := servertest.NewGroup(t, dbtest.SQLite)
	g.TokenEvery = 2 * time.Second
	folder, other := filepath.Join(t.TempDir(), "files"), filepath.Join(t.TempDir(), "files")
	a := g.Join(map[string]string{"dl.store.file.system.root.dir": folder})
	if err := os.CopyFS(other, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	b := g.Join(map[string]string{"dl.store.file.system.root.dir": folder})
	files := func(n *servertest.Node) cluster.Requirement {
		t.Helper()
		st, err := n.Cluster(servertest.System())
		if err != nil {
			t.Fatal(err)
		}
		return st.Requirements()[1]
	}
	eventually(t, "both to find what the other one writes", func() bool {
		return strings.Contains(files(a).Text, "has just written") && strings.Contains(files(b).Text, "has just written")
	})
	if f := findings(t, a, cluster.CodeStoreApart); len(f) != 0 {
		t.Fatalf("with one folder: %v", f)
	}

	c := g.Join(map[string]string{"dl.store.file.system.root.dir": other})
	apart := func(n *servertest.Node, want ...string) {
		t.Helper()
		slices.Sort(want)
		deadline := time.After(4 * time.Minute)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			f := findings(t, n, cluster.CodeStoreApart)
			if len(f) == 1 {
				slices.Sort(f[0].Nodes)
				if f[0].Severity == cluster.Critical && slices.Equal(f[0].Nodes, want) && files(n).State == cluster.NotMet {
					return
				}
			}
			select {
			case <-deadline:
				t.Fatalf("%v, want that %q are named; %v", f, want, files(n))
			case <-tick.C:
			}
		}
	}
	name := func(n *servertest.Node) string { return n.Node.Self().Name }
	apart(a, name(c))
	apart(c, name(a), name(b))

	tokens := func() (all []string) {
		t.Helper()
		found, err := os.ReadDir(filepath.Join(folder, "history"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			if strings.Contains(f.Name(), "token") {
				all = append(all, f.Name())
			}
		}
		return all
	}
	before := tokens()
	if err := b.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	left := tokens()
	if !slices.ContainsFunc(before, func(t string) bool { return !slices.Contains(left, t) }) || len(left) == 0 {
		t.Errorf("before a node left %q were there, and then %q", before, left)
	}
}
