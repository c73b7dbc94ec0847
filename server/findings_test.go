package server_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server"
	"github.com/stoa-portal/stoa/server/labtest/stall"
	"github.com/stoa-portal/stoa/server/servertest"
)

// onServers runs the test on every engine that is a server.
func onServers(t *testing.T, fn func(t *testing.T, g *servertest.Group)) {
	t.Helper()
	for _, e := range dbtest.Servers() {
		t.Run(string(e), func(t *testing.T) {
			t.Parallel() // it waits most of the time
			g := servertest.NewGroup(t, e)
			g.Linked, g.Breakable = true, true
			fn(t, g)
		})
	}
}

// codes gives the causes that a node sees, and what follows from each in brackets.
func codes(t *testing.T, n *servertest.Node) string {
	t.Helper()
	st, err := n.Cluster(servertest.System())
	if err != nil {
		t.Fatal(err)
	}
	return codesOf(st.Wrong)
}

func codesOf(fs []cluster.Finding) string {
	var out []string
	for _, f := range fs {
		c := f.Code
		if len(f.Follows) > 0 {
			c += "[" + codesOf(f.Follows) + "]"
		}
		out = append(out, c)
	}
	return strings.Join(out, " ")
}

// happened waits until every node shows the event as one that has not been read.
func happened(t *testing.T, code string, nodes ...*servertest.Node) cluster.Event {
	t.Helper()
	var found cluster.Event
	for _, n := range nodes {
		eventually(t, code+" on "+n.Node.Self().Name, func() bool {
			st, err := n.Cluster(servertest.System())
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(st.Events, func(e cluster.Event) bool { return e.Code == code })
			if i >= 0 {
				found = st.Events[i]
			}
			return i >= 0
		})
	}
	return found
}

func TestFindings_OneDeadDatabaseIsOneAndIsOverWhenItIsBack(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, g *servertest.Group) {
		a, b := g.Join(nil), g.Join(nil)
		meshed(t, []*servertest.Node{a, b})
		g.Cut(a)
		g.Cut(b)
		var st cluster.Status
		eventually(t, "one cause", func() bool {
			var err error
			if st, err = a.Cluster(servertest.System()); err != nil {
				t.Fatal(err)
			}
			return len(st.Wrong) == 1 && st.Wrong[0].Code == cluster.CodeDatabaseAway &&
				strings.Contains(codesOf(st.Wrong), cluster.CodeProofOld)
		})
		if st.Well() || st.Wrong[0].Severity != cluster.Critical {
			t.Errorf("%+v", st.Wrong)
		}
		for _, n := range st.Nodes {
			if n.Self && n.Condition() != "live, not ready" {
				t.Errorf("%s is %s", n.Name, n.Condition())
			}
		}
		g.Thaw(a)
		g.Thaw(b)
		eventually(t, "nothing to be wrong", func() bool { return codes(t, a) == "" && codes(t, b) == "" })
	})
}

func TestFindings_ADeadNodeIsAFindingAndAnEventUntilItIsBackAndRead(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, g *servertest.Group) {
		a, b := g.Join(nil), g.Join(nil)
		meshed(t, []*servertest.Node{a, b})
		eventually(t, "node-1 to be the master", func() bool { return a.Node.IsMaster() })
		g.Freeze(b)
		eventually(t, "node-2 to be dead", func() bool { return codes(t, a) == cluster.CodeNodeDead })
		happened(t, cluster.CodeNodeDead, a)
		g.Thaw(b)
		happened(t, cluster.CodeNodeDead, b)
		happened(t, cluster.CodeNodeBack, a, b)
		eventually(t, "the finding to be over", func() bool { return codes(t, a) == "" })
		if err := b.ReadEvents(t.Context()); !stoa.Is(err, stoa.KindUnauthorized) {
			t.Errorf("a guest marks events as read: %v", err)
		}
		b.SignIn(t)
		mustSee(t, b.Get(t, "/control/cluster", "Stoa-Refresh", "1"), http.StatusOK, "What has happened",
			"was declared dead")
		out := b.Post(t, "/control/cluster/read", map[string][]string{"event": {"all"}})
		if out.Status != http.StatusSeeOther {
			t.Fatalf("%d\n%s", out.Status, out.Body)
		}
		for _, n := range []*servertest.Node{a, b} {
			eventually(t, "the events to be read", func() bool {
				st, err := n.Cluster(servertest.System())
				return err == nil && st.Unread == 0
			})
		}
	})
}

func TestFindings_LinkOffAndAnotherChannelAreNotAClosedPort(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, g *servertest.Group) {
		a := g.Join(nil)
		off := g.Join(map[string]string{"cluster.link.enabled": "false"})
		eventually(t, "link.off",
			func() bool { return strings.HasPrefix(codes(t, a), "link.off[") && !strings.Contains(codes(t, a), " ") })
		eventually(t, "link.off as it sees itself", func() bool { return strings.HasPrefix(codes(t, off), "link.off") })
		if err := off.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		g.Join(map[string]string{"cluster.link.channel.name.control": "another"})
		eventually(t, "link.channel", func() bool { return strings.HasPrefix(codes(t, a), "link.channel[node.mute") })
	})
}

func TestFindings_TwoNodesOfOneName(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, g *servertest.Group) {
		twin := map[string]string{"cluster.link.channel.logic.name.control": "twin"}
		a := g.Join(twin)
		b := g.Join(twin)
		eventually(t, "the twins", func() bool { return codes(t, a) == cluster.CodeNodeDuplicate })
		st, err := a.Cluster(servertest.System())
		if err != nil || !strings.Contains(st.Wrong[0].Text, b.Node.ID()) || st.Nodes[0].Label == st.Nodes[1].Label {
			t.Errorf("%+v, %v", st.Wrong, err)
		}
	})
}

// hostName gives the name of this host where it leads to loopback, as Debian's installer writes it at 127.0.1.1.
func hostName(t *testing.T) string {
	t.Helper()
	name, err := os.Hostname()
	if err != nil || name == "localhost" || !cluster.LoopbackName(t.Context(), name) {
		t.Skip("SKIPPED: the name of this host does not lead to its loopback address")
	}
	return name
}

// A host name that leads to loopback is said at the first start, and where it is written.
func TestFindings_AHostNameThatLeadsToLoopback(t *testing.T) {
	t.Parallel()
	flags := map[string]string{"portal.instance.inet.socket.address": hostName(t) + ":0"}
	n := servertest.NewGroup(t, dbtest.SQLite).Join(flags)
	st, err := n.Cluster(servertest.System())
	if err != nil || codesOf(st.Wrong) != cluster.CodeHostLoopback ||
		!strings.Contains(st.Wrong[0].Text, "/etc/hosts, line ") {
		t.Errorf("%+v, %v", st.Wrong, err)
	}
	mustSee(t, n.Get(t, "/readyz"), http.StatusOK)
}

// A database on the first node under the node's own name hides the network from it: said before a second node joins.
func TestFindings_ADatabaseUnderTheOwnName(t *testing.T) {
	t.Parallel()
	name := hostName(t)
	g := servertest.NewGroup(t, dbtest.Postgres)
	g.Linked = true
	c := g.Config(nil)
	c.Database.Default.URL = strings.Replace(c.Database.Default.URL, "127.0.0.1:", name+":", 1)
	s, err := server.New(t.Context(), server.Options{Config: c, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	st, err := s.Cluster(servertest.System())
	if err != nil || len(st.Wrong) == 0 || st.Wrong[0].Code != cluster.CodeHostLoopback ||
		!strings.Contains(st.Wrong[0].Text, "the database server "+name) {
		t.Errorf("%+v, %v", st.Wrong, err)
	}
}

func TestMetrics_ShowTheCluster(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	mustSee(
		t,
		n.Get(t, "/metrics"),
		http.StatusOK,
		"# TYPE stoa_change_proof_age_seconds gauge",
		"# TYPE stoa_cluster_hints_lost_total counter",
		"stoa_cluster_master ",
		`stoa_cluster_nodes{state="live"} 1`,
		"stoa_cluster_clock_offset_seconds ",
		`stoa_cache_incoherent_total{region="page"} 0`,
		"# TYPE stoa_cache_hits_total counter",
		"# TYPE stoa_cache_entries gauge",
		"stoa_database_incarnation 1",
	)
}

// rowsOf counts the rows of every table, so that a look that writes is seen.
func rowsOf(t *testing.T, n *servertest.Node) map[string]int64 {
	t.Helper()
	out := map[string]int64{}
	for _, table := range []string{"cluster_node", "cluster_lease", "cluster_event", "cluster_fact", "db_schema",
		"db_incarnation", "user_account", "site_site"} {
		var count int64
		if err := n.DB.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&count); err != nil {
			t.Fatal(err)
		}
		out[table] = count
	}
	return out
}

// A look at the rows sees who lives, and leaves no trace.
func TestLook_SeesWhoLivesAndLeavesNoTrace(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			g := servertest.NewGroup(t, e)
			g.Breakable = true
			a, b := g.Join(nil), g.Join(nil)
			eventually(t, "a master", func() bool { return a.Node.Master() != 0 })
			elsewhere := g.Config(nil)
			look := func(mute *server.MuteError) cluster.Status {
				t.Helper()
				st, err := server.Look(t.Context(), elsewhere, mute)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := os.Stat(elsewhere.Home); !os.IsNotExist(err) {
					t.Fatalf("the home was made: %v", err)
				}
				return st
			}
			inUse := &server.MuteError{PID: "7"} // the file belongs to processes that live
			if e != dbtest.SQLite {
				inUse = nil
			}
			var st cluster.Status
			seen := func() string {
				before := rowsOf(t, a)
				st = look(inUse)
				live := 0
				for _, n := range st.Nodes {
					if n.State == cluster.Live {
						live++
					}
				}
				if live != 2 || st.Master == "" || st.Asker != "" || len(st.Unseen) == 0 ||
					e != dbtest.SQLite && codesOf(st.Wrong) != "" {
					return fmt.Sprintf("%d live, master %q, %s, %q", live, st.Master, codesOf(st.Wrong), st.Unseen)
				}
				if after := rowsOf(t, a); !mapsEqual(before, after) {
					return fmt.Sprintf("before %v, after %v", before, after)
				}
				return ""
			}
			why := ""
			t.Cleanup(func() {
				if t.Failed() {
					t.Log(why)
				}
			})
			// The nodes write events of their own, and one that gets no processor for long is silent.
			eventually(t, "a look that leaves no trace", func() bool { why = seen(); return why == "" })
			if e != dbtest.SQLite {
				g.Cut(b)
				eventually(t, "what is wrong", func() bool {
					st = look(nil)
					return strings.Contains(codesOf(st.Wrong), cluster.CodeNodeSilent) ||
						strings.Contains(codesOf(st.Wrong), cluster.CodeNodeDead)
				})
				g.Thaw(b)
			}
			// An older schema has no events, and stays as it is.
			if err := a.DB.Control(t.Context(), func(tx *db.Tx) error {
				if _, err := tx.Exec(t.Context(), "UPDATE db_schema SET version = 73"); err != nil {
					return err
				}
				_, err := tx.Exec(t.Context(), "ALTER TABLE cluster_event RENAME TO later_event")
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if st = look(inUse); codesOf(st.Notes) != cluster.CodeSchemaOlder ||
				!slices.ContainsFunc(st.Unseen, func(s string) bool { return strings.Contains(s, "older schema") }) {
				t.Errorf("%s, %q", codesOf(st.Notes), st.Unseen)
			}
			if err := a.DB.Control(t.Context(), func(tx *db.Tx) error {
				_, err := tx.Exec(t.Context(), "ALTER TABLE later_event RENAME TO cluster_event")
				return err
			}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func mapsEqual(a, b map[string]int64) bool {
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return len(a) == len(b)
}

func TestLook_SaysThatADatabaseIsEmptyOrNotThere(t *testing.T) {
	t.Parallel()
	g := servertest.NewGroup(t, dbtest.SQLite)
	file := filepath.Join(t.TempDir(), "stoa.db")
	c := g.Config(map[string]string{"jdbc.default.url": "sqlite:" + file})
	if _, err := server.Look(t.Context(), c, nil); !stoa.Is(err, stoa.KindNotFound) ||
		!strings.Contains(err.Error(), c.Home) {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	st, err := server.Look(t.Context(), c, nil)
	if err != nil || !strings.HasPrefix(codesOf(st.Wrong), cluster.CodeDatabaseEmpty) {
		t.Errorf("%v, %v", st.Wrong, err)
	}
	if found, err := os.ReadDir(filepath.Dir(file)); err != nil || len(found) != 1 {
		t.Errorf("%v, %v", found, err)
	}
	if info, err := os.Stat(file); err != nil || info.Size() != 0 {
		t.Errorf("%v, %v", info, err)
	}
	nowhere := g.Config(map[string]string{"jdbc.default.url": "postgres://127.0.0.1:9/stoa"})
	if _, err := server.Look(t.Context(), nowhere, nil); !stoa.Is(err, stoa.KindUnavailable) {
		t.Errorf("%v", err)
	}
}

// A process that holds its socket and says nothing does not hang a command.
func TestControl_AFrozenNodeIsNamed(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, "run"), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", server.SocketPath(home))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.WriteFile(filepath.Join(home, "run", "stoa.lock"), []byte("4711\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	watch, began := stall.Start(), time.Now()
	defer watch.Stop()
	_, running, err := server.Control(context.Background(), home, "cluster/status", server.ControlRequest{})
	if mute, ok := err.(*server.MuteError); !running || !ok || mute.PID != "4711" ||
		watch.Since(began) > 20*time.Second {
		t.Errorf("%v, %v after %s", running, err, watch.Since(began))
	}
}

func TestForget_AllThatAreDead(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, g *servertest.Group) {
		a, b, c := g.Join(nil), g.Join(nil), g.Join(nil)
		forget := func() string {
			text, _, err := server.Control(t.Context(), a.Home, "cluster/forget", server.ControlRequest{Dead: true})
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
		if text := forget(); !strings.HasPrefix(text, "No node is dead") {
			t.Error(text)
		}
		g.Freeze(b)
		g.Freeze(c)
		eventually(t, "both to be dead", func() bool {
			return strings.HasPrefix(codes(t, a), cluster.CodeNodeDead) &&
				!strings.Contains(codes(t, a), cluster.CodeNodeSilent)
		})
		if text := forget(); !strings.Contains(text, b.Node.ID()) || !strings.Contains(text, c.Node.ID()) {
			t.Error(text)
		}
		eventually(t, "nothing to be wrong", func() bool { return codes(t, a) == "" })
		for _, n := range []*servertest.Node{b, c} { // or they could not stop
			g.Thaw(n)
			eventually(t, "its database to answer", func() bool { return n.DB.Check(t.Context()) == nil })
		}
	})
}
