//go:build linux

package labtest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/stoa-portal/stoa/server/labtest/history"
	"github.com/stoa-portal/stoa/server/labtest/machine"
)

var (
	engines = flag.String("engines", "postgres,mariadb", "database servers to play the stories on; MySQL has turns only")
	which   = flag.String("turns", "today", "stories that have their day: today, all, or none of those that come once "+
		"a week; -run takes from all")
	keep    = flag.Bool("keep", false, "keep the history of every story, not only of those that failed")
	overlay = flag.String("overlay", "", "build the program with files replaced, as go build -overlay does; tools/mutants plants mistakes so")
	program = flag.String("program", "", "a built program to play with, in place of one built from this checkout")
	seed    = flag.Uint64("seed", 0, "of what people do; 0 chooses one")
)

// base is where the folder of a run goes: the usual place, unless the accounts of the servers could not
// get there.
func base() string {
	for p := filepath.Clean(os.TempDir()); p != "/"; p = filepath.Dir(p) {
		if info, err := os.Stat(p); err != nil || info.Mode().Perm()&0o001 == 0 {
			return "/tmp"
		}
	}
	return os.TempDir()
}

const dirPrefix = "stoa-lab-"

// labDir makes the folder of a run, and removes those of runs that were ended by force. Without root or a
// tool it skips the test, loudly; so it does when all packages are tested and none asked for the lab.
func labDir(t *testing.T) string {
	t.Helper()
	if os.Getenv("STOA_TEST_LAB") == "" && flag.Lookup("test.run").Value.String() == "" {
		t.Skip("SKIPPED: the lab takes many minutes: make lab plays it, as does a test of it that is named with -run")
	}
	if missing := machine.Missing(); len(missing) > 0 {
		text := "SKIPPED: the lab (real processes, networks and faults) was left out, for want of " + strings.Join(missing, ", ")
		if os.Getenv("STOA_TEST_REQUIRE") == "1" && os.Geteuid() == 0 {
			t.Fatal(text)
		}
		t.Skip(text)
	}
	old, _ := filepath.Glob(filepath.Join(base(), dirPrefix+"*-*")) // the pattern is good
	for _, d := range old {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(d), dirPrefix), "-")
		if n, err := strconv.Atoi(pid); err == nil && errors.Is(syscall.Kill(n, 0), syscall.ESRCH) {
			_ = os.RemoveAll(d) // what cannot be removed is in nobody's way
		}
	}
	dir, err := os.MkdirTemp(base(), fmt.Sprintf("%s%d-", dirPrefix, os.Getpid()))
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// prepare makes the folder of a run and builds the program into it.
func prepare(t *testing.T) (stoa string, kit *machine.Kit) {
	t.Helper()
	dir := labDir(t)
	if *program != "" {
		return *program, machine.NewKit(dir)
	}
	stoa = filepath.Join(dir, "stoa")
	build := exec.Command("go", "build", "-buildvcs=false", "-overlay", *overlay, "-o", stoa, "github.com/stoa-portal/stoa/cmd/stoa")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	return stoa, machine.NewKit(dir)
}

func chooseSeed() uint64 {
	if *seed != 0 {
		return *seed
	}
	return uint64(time.Now().UnixNano() % 1e6)
}

// openWorld makes an empty world in a folder of its own.
func openWorld(t testscript.T, stoa string, kit *machine.Kit, engine machine.Engine, number uint64) (*world, string) {
	dir, err := os.MkdirTemp(kit.Dir, "story-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	var w *world
	if err == nil {
		w, err = newWorld(stoa, kit, engine, dir, number)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.keepDir, w.keepAll = base(), *keep
	return w, dir
}

// oneByOne plays stories one after the other: they share the processors.
type oneByOne struct{ *testing.T }

func (t oneByOne) Parallel() {}
func (t oneByOne) Run(name string, fn func(testscript.T)) {
	t.T.Run(name, func(t *testing.T) { fn(oneByOne{t}) })
}
func (t oneByOne) Verbose() bool { return testing.Verbose() }

// TestStories plays the stories of testdata on every database server.
func TestStories(t *testing.T) {
	stoa, kit := prepare(t)
	var total history.Report
	narrowed := strings.Count(flag.Lookup("test.run").Value.String(), "/") > 1
	if narrowed {
		*which = "all"
	} else {
		fmt.Print(tellTurns(today()))
	}
	for e := range strings.SplitSeq(*engines+",mysql", ",") {
		files := storiesOf(machine.Engine(e), *which, today())
		if len(files) == 0 {
			continue
		}
		t.Run(e, func(t *testing.T) { play(t, stoa, kit, machine.Engine(e), files, &total) })
	}
	t.Logf("all stories: %s", total)
	const least = 50_000
	if flag.Lookup("test.run").Value.String() == "" && total.Reads < least {
		t.Errorf("%d reads were checked, and %d are wanted at least", total.Reads, least)
	}
}

// TestWords_StoriesAreWellFormed reads the stories where they cannot be played.
func TestWords_StoriesAreWellFormed(t *testing.T) {
	var all []string
	for _, e := range []machine.Engine{machine.Postgres, machine.MariaDB, machine.MySQL} {
		all = append(all, storiesOf(e, "all", 0)...)
	}
	if len(all) == 0 {
		t.Fatal("there are no stories")
	}
	known := words()
	for _, name := range all {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if text[0] != '#' {
			t.Errorf("%s does not say what it is about", name)
		}
		judged := false
		for i, line := range strings.Split(string(text), "\n") {
			f := strings.Fields(line)
			for len(f) > 0 && (f[0][0] == '[' || f[0] == "!") {
				f = f[1:]
			}
			if len(f) == 0 || f[0][0] == '#' || f[0] == "skip" {
				continue
			}
			if w, ok := known[f[0]]; !ok || len(f)-1 < w.least {
				t.Errorf("%s:%d: %q is not a line of a story (%s)", name, i+1, line, w.usage)
			}
			judged = judged || f[0] == "settle" || f[0] == "judge" || f[0] == "refused"
		}
		if !judged {
			t.Errorf("%s is not judged: settle is missing", name)
		}
	}
}

type (
	worldKey struct{}
	hereKey  struct{} // of the test that plays a story
)

func play(t *testing.T, stoa string, kit *machine.Kit, engine machine.Engine, files []string, total *history.Report) {
	number := chooseSeed()
	t.Logf("-seed %d", number)
	cmds := map[string]func(*testscript.TestScript, bool, []string){}
	for name, c := range words() {
		cmds[name] = func(ts *testscript.TestScript, neg bool, args []string) {
			if len(args) < c.least {
				ts.Fatalf("usage: %s", c.usage)
			}
			w := ts.Value(worldKey{}).(*world)
			w.log = func(format string, args ...any) { ts.Logf("  "+format, args...) }
			w.setenv = ts.Setenv
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
			defer cancel()
			begun := time.Now()
			err := c.run(ctx, w, args)
			ts.Logf("  (%s took %.1f s)", name, time.Since(begun).Seconds())
			switch {
			case neg && err == nil:
				ts.Fatalf("%s: it should not be so", strings.Join(append([]string{name}, args...), " "))
			case neg:
				ts.Logf("  %v", err)
			case lacks(err) && (os.Getenv("STOA_TEST_REQUIRE") != "1" || machine.Fetched(err)):
				ts.Value(hereKey{}).(testscript.T).Skip(fmt.Sprintf("SKIPPED: %v", err))
			case err != nil:
				ts.Logf("%s", w.logs())
				ts.Fatalf("%v", err)
			}
		}
	}
	testscript.RunT(oneByOne{t}, testscript.Params{
		Files: files, Cmds: cmds, RequireExplicitExec: true,
		Condition: func(cond string) (bool, error) {
			if cond == string(machine.Postgres) || cond == string(machine.MariaDB) {
				return cond == string(engine), nil
			}
			if cond == "before" {
				there := os.Getenv(envBefore) != ""
				if !there && os.Getenv("STOA_TEST_REQUIRE") == "1" {
					return false, fmt.Errorf("%s is not set, so there is no version before to upgrade from", envBefore)
				}
				return there, nil
			}
			return false, fmt.Errorf("there is no condition %q", cond)
		},
		Setup: func(env *testscript.Env) error {
			w, dir := openWorld(env.T(), stoa, kit, engine, number)
			env.Values[worldKey{}], env.Values[hereKey{}] = w, env.T()
			env.Defer(func() {
				total.Add(w.total)
				if err := errors.Join(w.close(), os.RemoveAll(dir)); err != nil {
					env.T().Fatal(err)
				}
			})
			return nil
		},
	})
}
