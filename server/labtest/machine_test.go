//go:build linux

package labtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/server/labtest/machine"
)

// openLab makes a lab without nodes.
func openLab(t *testing.T) (*machine.Lab, *machine.Kit) {
	t.Helper()
	dir := labDir(t)
	lab, err := machine.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	return lab, machine.NewKit(dir)
}

func TestMachine_CutLetsNothingPassUntilMended(t *testing.T) {
	lab, _ := openLab(t)
	a, err := lab.Host("a", 1)
	if err != nil {
		t.Fatal(err)
	}
	b, err := lab.Host("b", 2)
	if err != nil {
		t.Fatal(err)
	}
	l, err := b.Listen(80)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	reach := func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		defer cancel()
		c, err := a.Dial(ctx, "tcp4", b.Addr+":80")
		if err == nil {
			err = c.Close()
		}
		return err
	}
	ctx := context.Background()
	if err := await(ctx, 10*time.Second, reach); err != nil {
		t.Fatalf("before the cut: %v", err)
	}
	if err := lab.Cut(a, b); err != nil {
		t.Fatal(err)
	}
	var silence net.Error
	if err := reach(ctx); !errors.As(err, &silence) || !silence.Timeout() {
		t.Errorf("over the cut: %v, want silence", err)
	}
	if err := lab.Mend(a, b); err != nil {
		t.Fatal(err)
	}
	if err := await(ctx, 10*time.Second, reach); err != nil {
		t.Errorf("after it is mended: %v", err)
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range addrs {
		if strings.HasPrefix(addr.String(), "10.77.0.") {
			t.Errorf("%s is an address outside of the lab", addr)
		}
	}
}

func TestMachine_RelayLosesAndDelaysCommits(t *testing.T) {
	lab, kit := openLab(t)
	ctx := context.Background()
	db, err := lab.Database(ctx, kit, machine.Postgres, "database", atDatabase, false)
	if err != nil {
		t.Fatal(err)
	}
	host, err := lab.Host("relay", atRelay)
	if err != nil {
		t.Fatal(err)
	}
	relay, err := host.Relay(db)
	if err != nil {
		t.Fatal(err)
	}
	defer relay.Close()
	if _, err := db.Query(ctx, "CREATE TABLE seen (word TEXT)"); err != nil {
		t.Fatal(err)
	}
	insert := func(word string) error {
		_, err := host.Run(ctx, "", "psql", "-h", host.Addr, "-U", "stoa", "-d", "stoa", "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", "BEGIN", "-c", "INSERT INTO seen VALUES ('"+word+"')", "-c", "COMMIT")
		return err
	}
	for _, c := range []struct {
		word  string
		harm  machine.Harm
		fails bool
		there bool
	}{
		{"plain", 0, false, true}, {"answer", machine.LoseAnswer, true, true}, {"commit", machine.LoseCommit, true, false}, {"other", machine.LoseCommit, false, true},
	} {
		mark := c.word
		if c.word == "other" {
			mark = "what nobody sends"
		}
		relay.Plan(c.harm, "", mark, 1)
		if err := insert(c.word); (err != nil) != c.fails {
			t.Errorf("%s: %v", c.word, err)
		}
		rows, err := db.Query(ctx, "SELECT word FROM seen WHERE word = '"+c.word+"'")
		if err != nil || (len(rows) == 1) != c.there {
			t.Errorf("%s: the table has %v (%v)", c.word, rows, err)
		}
	}
	relay.Lag(host.Addr, 300*time.Millisecond, true)
	begun := time.Now()
	if err := insert("late"); err != nil || time.Since(begun) < 300*time.Millisecond {
		t.Errorf("late: after %s, %v", time.Since(begun), err)
	}
}

// freezeGroups starts what runs other programs, as far as this machine has it, and lets it stand still.
func freezeGroups(t *testing.T, lab *machine.Lab, kit *machine.Kit) {
	t.Helper()
	for _, o := range []machine.GroupOptions{
		{Kind: machine.Replicas, Engine: machine.Postgres, Names: []string{"d1", "d2"}, First: 21},
		{Kind: machine.Patroni, Engine: machine.Postgres, Names: []string{"p1"}, First: 31},
		{Kind: machine.Galera, Engine: machine.MariaDB, Names: []string{"g1", "g2"}, First: 41},
	} {
		if o.Kind.Need() != nil {
			continue
		}
		g, err := lab.Group(t.Context(), kit, o)
		if err != nil {
			t.Fatal(err)
		}
		host, err := lab.Host("front-"+o.Names[0], o.First+8)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := host.FrontTCP(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		for _, d := range g.Servers {
			d.Freeze()
		}
	}
}

// TestMachine_NothingOutlivesTheProgram kills a program that runs a lab, while the database of the lab
// stands still, which is when nothing in it can end by itself.
func TestMachine_NothingOutlivesTheProgram(t *testing.T) {
	if os.Getenv("STOA_LAB_CHILD") != "" {
		lab, kit := openLab(t)
		db, err := lab.Database(context.Background(), kit, machine.Postgres, "database", atDatabase, false)
		if err != nil {
			t.Fatal(err)
		}
		db.Freeze()
		freezeGroups(t, lab, kit)
		fmt.Println("frozen", kit.Dir)
		select {}
	}
	labDir(t) // skips where there is no lab
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), "STOA_LAB_CHILD=1")
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	said, err := bufio.NewReader(out).ReadString('\n')
	dir, ok := strings.CutPrefix(strings.TrimSpace(said), "frozen ")
	if err != nil || !ok {
		_ = child.Process.Kill()
		t.Fatalf("the child says %q (%v)", said, err)
	}
	defer os.RemoveAll(dir)
	left := func() (pids []string) {
		all, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is good
		for _, f := range all {
			if b, err := os.ReadFile(f); err == nil && strings.Contains(string(b), dir) {
				pids = append(pids, f)
			}
		}
		return pids
	}
	if len(left()) == 0 {
		t.Error("no process of the lab is found, so that none is found later proves nothing")
	}
	_ = child.Process.Signal(syscall.SIGKILL)
	_ = child.Wait()
	err = await(context.Background(), 10*time.Second, func(context.Context) error {
		if pids := left(); len(pids) > 0 {
			return fmt.Errorf("still there: %v", pids)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
