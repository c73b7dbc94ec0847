//go:build linux

package labtest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/server/labtest/machine"
)

// openGroup starts the servers of a group in a lab without nodes, with a table to write to.
func openGroup(t *testing.T, o machine.GroupOptions) (*machine.Lab, *machine.Group) {
	t.Helper()
	lab, kit := openLab(t)
	err := o.Kind.Need()
	var g *machine.Group
	if err == nil {
		o.First = atServers
		g, err = lab.Group(t.Context(), kit, o)
	}
	if lacks(err) {
		t.Skipf("SKIPPED: %v", err)
	}
	if err != nil {
		for _, d := range g.Servers {
			t.Logf("%s", d.Tail(20))
		}
		t.Fatal(err)
	}
	must(t, g.Servers[0], "CREATE TABLE seen (word VARCHAR(20) PRIMARY KEY)")
	return lab, g
}

func must(t *testing.T, d *machine.Database, sql string) {
	t.Helper()
	if _, err := d.Query(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// has waits until the words are in the table of a server, and no others.
func has(t *testing.T, d *machine.Database, words string) {
	t.Helper()
	err := await(t.Context(), 20*time.Second, func(ctx context.Context) error {
		rows, err := d.Query(ctx, "SELECT word FROM seen ORDER BY word")
		var got []string
		for _, r := range rows {
			got = append(got, r[0])
		}
		if err == nil && strings.Join(got, " ") != words {
			err = fmt.Errorf("%s has %v, want %s", d.Host.Name, got, words)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestMachine_AnOldPrimaryIsWritableUntilDemoted holds for stories about a split: after a fail-over the server that
// comes back as it was takes writes that the other never sees, and gives them up when it is demoted.
func TestMachine_AnOldPrimaryIsWritableUntilDemoted(t *testing.T) {
	all := []machine.Engine{machine.Postgres, machine.MariaDB}
	if *which == "all" { // MySQL comes from a registry
		all = append(all, machine.MySQL)
	}
	for _, e := range all {
		t.Run(string(e), func(t *testing.T) {
			ctx := t.Context()
			_, g := openGroup(t, machine.GroupOptions{Kind: machine.Replicas, Engine: e, Names: []string{"d1", "d2"}})
			d1, d2 := g.Servers[0], g.Servers[1]
			must(t, d1, "INSERT INTO seen VALUES ('a')")
			has(t, d2, "a")
			d1.Kill()
			if err := g.Promote(ctx, d2, d1); err != nil {
				t.Fatal(err)
			}
			must(t, d2, "INSERT INTO seen VALUES ('b')")
			if err := g.Return(ctx, d1); err != nil {
				t.Fatal(err)
			}
			must(t, d1, "INSERT INTO seen VALUES ('lost')")
			has(t, d1, "a lost")
			has(t, d2, "a b")
			if err := g.Demote(ctx, d1, d2); err != nil {
				t.Fatal(err)
			}
			has(t, d1, "a b")
			if err := g.Switch(ctx, d2, d1); err != nil {
				t.Fatal(err)
			}
			must(t, d1, "INSERT INTO seen VALUES ('c')")
			has(t, d2, "a b c")
		})
	}
}

func TestMachine_SynchronousStandbyHasEveryCommit(t *testing.T) {
	ctx := t.Context()
	o := machine.GroupOptions{Kind: machine.Replicas, Engine: machine.Postgres, Names: []string{"d1", "d2", "d3"},
		Synchronous: true}
	_, g := openGroup(t, o)
	d1, d2, d3 := g.Servers[0], g.Servers[1], g.Servers[2]
	err := await(ctx, 10*time.Second, func(ctx context.Context) error {
		rows, err := d1.Query(ctx, "SELECT application_name FROM pg_stat_replication WHERE sync_state = 'sync'")
		if err == nil && (len(rows) != 1 || rows[0][0] != "d2") {
			err = fmt.Errorf("synchronous are %v, want d2", rows)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	must(t, d1, "INSERT INTO seen VALUES ('a')")
	d1.Kill()
	if err := g.Promote(ctx, d2, d1); err != nil {
		t.Fatal(err)
	}
	has(t, d2, "a")
	must(t, d2, "INSERT INTO seen VALUES ('b')")
	has(t, d3, "a b")
}

func TestMachine_GaleraGoesOnWithoutAServerThatComesBack(t *testing.T) {
	ctx := t.Context()
	o := machine.GroupOptions{Kind: machine.Galera, Engine: machine.MariaDB, Names: []string{"g1", "g2", "g3"}}
	lab, g := openGroup(t, o)
	front, err := lab.Host("front", atFront)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := front.FrontTCP(ctx, g); err != nil {
		t.Fatal(err)
	}
	must(t, g.Servers[1], "INSERT INTO seen VALUES ('a')")
	g.Servers[2].Kill()
	must(t, g.Servers[0], "INSERT INTO seen VALUES ('b')")
	if err := g.Return(ctx, g.Servers[2]); err != nil {
		t.Fatal(err)
	}
	if err := g.Joined(ctx); err != nil {
		t.Fatal(err)
	}
	has(t, g.Servers[2], "a b")
}

func TestMachine_PatroniReplacesALeaderThatIsGone(t *testing.T) {
	ctx := t.Context()
	o := machine.GroupOptions{Kind: machine.Patroni, Engine: machine.Postgres, Names: []string{"d1", "d2"}}
	_, g := openGroup(t, o)
	d1, d2 := g.Servers[0], g.Servers[1]
	must(t, d1, "INSERT INTO seen VALUES ('a')")
	has(t, d2, "a")
	if err := g.Switchover(ctx, d1, d2); err != nil {
		t.Fatal(err)
	}
	must(t, d2, "INSERT INTO seen VALUES ('b')")
	has(t, d1, "a b")
	d2.Kill()
	err := await(ctx, 30*time.Second, func(ctx context.Context) error {
		_, err := d1.Query(ctx, "INSERT INTO seen VALUES ('c')")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Return(ctx, d2); err != nil {
		t.Fatal(err)
	}
	has(t, d2, "a b c")
}
