//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program writes a module with the given files and changes into it. The
// services are said to be elsewhere, so that none is started.
func program(t *testing.T, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	files["go.mod"] = "module example.org/x\n\ngo 1.26.0\n"
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	t.Setenv(envPostgres, "elsewhere")
	t.Setenv(envMaria, "elsewhere")
	t.Setenv(envChromium, "/bin/true")
	t.Setenv(envBefore, "/bin/true")
	for _, s := range searchServers() {
		t.Setenv(s.env, "elsewhere")
	}
	t.Setenv("CI", "")
	t.Setenv("GOFLAGS", "")
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return lines[len(lines)-1]
}

func TestRun_CountsEveryOutcome(t *testing.T) {
	program(t, map[string]string{
		"good/good_test.go": `package good
import "testing"
func TestOne(t *testing.T) {}
func TestTwo(t *testing.T) {
	for _, n := range []string{"a", "b", "c"} { t.Run(n, func(t *testing.T) { t.Parallel() }) }
}
func TestSkipped(t *testing.T) { t.Skip("no such server here") }
func FuzzSeed(f *testing.F) { f.Add("x"); f.Fuzz(func(t *testing.T, s string) {}) }
`,
		"bad/bad_test.go": `package bad
import "testing"
func TestFine(t *testing.T) {}
func TestParent(t *testing.T) {
	t.Run("fine", func(t *testing.T) {})
	t.Run("broken", func(t *testing.T) { t.Error("the reason it broke") })
}
func TestItself(t *testing.T) { t.Run("fine", func(t *testing.T) {}); t.Error("own failure") }
`,
		"broken/broken_test.go":        "package broken\nvar _ int = \"text\"\n",
		"stops/stops_test.go":          "package stops\nimport \"testing\"\nfunc TestPanics(t *testing.T) { panic(\"out of order\") }\n",
		"web/browsertest/some_test.go": "package browsertest\nimport \"testing\"\nfunc TestScreen(t *testing.T) {}\n",
		"none/none.go":                 "package none\n",
	})
	var out, stderr bytes.Buffer
	code := realMain([]string{"-no-race", "-no-install", "-tier", "unit,browser"}, &out, &stderr)
	if code != 1 {
		t.Errorf("exit code %d, want 1 for failing tests", code)
	}
	// passed: One, Two/a b c, FuzzSeed/seed#0 | Fine, Parent/fine, Itself/fine | Screen
	// failed: Parent/broken, Itself, package broken, Panics
	if got, want := lastLine(out.String()), "9 passed, 4 failed, 1 skipped"; got != want {
		t.Errorf("last line is %q, want %q", got, want)
	}
	for _, want := range []string{"the reason it broke", "own failure", "cannot use \"text\"", "out of order", "no such server here"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output does not tell %q", want)
		}
	}
	if t.Failed() {
		t.Logf("output:\n%s\n%s", out.String(), stderr.String())
	}
}

func TestRun_PassesWhenAllPass(t *testing.T) {
	program(t, map[string]string{"a/a_test.go": "package a\n\nimport \"testing\"\n\nfunc TestA(t *testing.T) {}\n"})
	var out, stderr bytes.Buffer
	code := realMain([]string{"-no-race", "-no-install"}, &out, &stderr)
	// two checks of the code, two of the lists of modules, one test
	if got, want := lastLine(out.String()), "5 passed, 0 failed, 0 skipped"; code != 0 || got != want {
		t.Errorf("exit code %d and %q, want 0 and %q; output:\n%s", code, got, want, out.String())
	}
}

func TestRun_VetFindsFormatting(t *testing.T) {
	program(t, map[string]string{"a/a.go": "package a\nfunc  F() {}\n"})
	var out, stderr bytes.Buffer
	code := realMain([]string{"-no-race", "-no-install", "-tier", "vet"}, &out, &stderr)
	if code != 1 || !strings.Contains(out.String(), "a/a.go") {
		t.Errorf("exit code %d, want 1 and the name of the file; output:\n%s", code, out.String())
	}
}

func TestRun_MissingServiceIsSkippedAndFailsOnBuildServer(t *testing.T) {
	for _, c := range []struct{ ci, want string }{
		{"", "1 passed, 0 failed, 1 skipped"},
		{"true", "1 passed, 1 failed, 0 skipped"},
	} {
		t.Setenv("CI", c.ci)
		var out bytes.Buffer
		rep := &report{out: &printer{w: &out}}
		env := &environment{absent: []absence{{"MariaDB", "no package"}}}
		rep.services(env)
		rep.tier(tier{name: "unit"}, time.Second, counts{passed: 1})
		code := rep.finish(time.Second)
		if got := lastLine(out.String()); got != c.want || (code != 0) != (c.ci != "") {
			t.Errorf("CI=%q: exit code %d and %q, want %q", c.ci, code, got, c.want)
		}
	}
}

func TestRun_DeadlineCutsOffAndStillCounts(t *testing.T) {
	program(t, map[string]string{
		"a/a_test.go": "package a\nimport \"testing\"\nfunc TestHangs(t *testing.T) { select {} }\n",
	})
	var out, stderr bytes.Buffer
	code := realMain([]string{"-no-race", "-no-install", "-tier", "unit", "-deadline", "4s"}, &out, &stderr)
	if code != 1 || !strings.Contains(out.String(), "the whole run took longer than 4s") || !strings.Contains(lastLine(out.String()), " 1 failed, ") {
		t.Errorf("exit code %d, want 1, the reason and a line of counts; output:\n%s", code, out.String())
	}
}

func TestRun_UnknownWordsAreRefused(t *testing.T) {
	for _, args := range [][]string{{"-tier", "unti"}, {"serve"}, {"-nonsense"}} {
		var out, stderr bytes.Buffer
		if code := realMain(args, &out, &stderr); code != 2 || out.Len()+stderr.Len() == 0 {
			t.Errorf("%q: exit code %d, want 2 and a sentence", args, code)
		}
	}
}

// TestStrays_OrphansAreFoundAndEnded leaves a process running the way a
// careless test does: its parent is gone before anybody looks.
func TestStrays_OrphansAreFoundAndEnded(t *testing.T) {
	if err := becomeSubreaper(); err != nil {
		t.Fatal(err)
	}
	b, err := exec.Command("sh", "-c", "sleep 1000 </dev/null >/dev/null 2>&1 & echo $!").Output()
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(string(b), &pid); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	(&environment{}).stopStrays(&printer{w: &out})
	if !strings.Contains(out.String(), "sleep") {
		t.Errorf("the report is %q and does not name the process", out.String())
	}
	if err := syscall.Kill(pid, 0); err == nil {
		t.Errorf("process %d still runs", pid)
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

func TestProcess_StopForcesWhatDoesNotListen(t *testing.T) {
	if err := becomeSubreaper(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	p, err := startProcess("deaf", filepath.Join(dir, "log"), nil, syscall.SIGKILL, dir,
		"sh", "-c", "trap '' TERM; echo ready; while :; do sleep 100; done")
	if err != nil {
		t.Fatal(err)
	}
	err = p.awaitReady(context.Background(), 10*time.Second, func(context.Context) error {
		if b, _ := os.ReadFile(p.log); !strings.Contains(string(b), "ready") {
			return fmt.Errorf("log is %q", b)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	p.stop(syscall.SIGTERM, 200*time.Millisecond)
	// What the shell had started is this process's to wait for now.
	for {
		if _, err := syscall.Wait4(-p.cmd.Process.Pid, nil, 0, nil); err == syscall.ECHILD {
			return
		}
	}
}

func TestProcess_AwaitReadyTellsWhyAServerEnded(t *testing.T) {
	dir := t.TempDir()
	p, err := startProcess("broken", filepath.Join(dir, "log"), nil, syscall.SIGKILL, dir, "sh", "-c", "echo port is taken; exit 3")
	if err != nil {
		t.Fatal(err)
	}
	err = p.awaitReady(context.Background(), 10*time.Second, func(context.Context) error { return fmt.Errorf("no answer") })
	if err == nil || !strings.Contains(err.Error(), "port is taken") {
		t.Errorf("error is %v, want the end of the server's log", err)
	}
}

func TestParseStat_NamesMayHoldAnything(t *testing.T) {
	c, ok := parseStat(7, "7 (a b) c) S 42 7 7 0 -1")
	if !ok || c.name != "a b) c" || c.ppid != 42 || c.zombie {
		t.Errorf("got %+v, %v", c, ok)
	}
	for _, bad := range []string{"", "7", "7 (x", "7 (x) S", "7 (x) S y"} {
		if _, ok := parseStat(7, bad); ok {
			t.Errorf("parseStat accepts %q", bad)
		}
	}
}

func TestSweep_RemovesOnlyWhatDeadRunsLeft(t *testing.T) {
	base := t.TempDir()
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	stale := filepath.Join(base, fmt.Sprintf("%s%d-1", dirPrefix, ended.Process.Pid))
	alive := filepath.Join(base, fmt.Sprintf("%s%d-1", dirPrefix, os.Getpid()))
	foreign := filepath.Join(base, dirPrefix+"mine-1")
	for _, d := range []string{stale, alive, foreign} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	sweepStale(base)
	for d, want := range map[string]bool{stale: false, alive: true, foreign: true} {
		if _, err := os.Stat(d); (err == nil) != want {
			t.Errorf("%s is there: %v, want %v", filepath.Base(d), err == nil, want)
		}
	}
}

func TestBuildBefore_SaysWhatACloneWithoutHistoryNeeds(t *testing.T) {
	t.Chdir(t.TempDir())
	e := &environment{dir: t.TempDir()}
	if _, err := e.buildBefore(t.Context()); err == nil || !strings.Contains(err.Error(), "git fetch --unshallow") {
		t.Errorf("error %v, want one that says how to get the history", err)
	}
	for packages, want := range map[string]bool{"./...": true, "./server": true, "./server/labtest": true,
		"./page ./db": false} {
		if got := wantsBefore(options{packages: packages}); got != want {
			t.Errorf("-pkg %q wants the version before: %v, want %v", packages, got, want)
		}
	}
}

func TestLoaded_EachPackageHasItsDay(t *testing.T) {
	pkgs := strings.Fields("a b c d e f g h i j k l m n o p q")
	seen := map[string]int{}
	for day := range busyTurns {
		busy, calm := loaded(pkgs, time.Unix(int64(day)*24*60*60+5, 0))
		if len(busy)+len(calm) != len(pkgs) {
			t.Errorf("day %d: %d and %d of %d packages", day, len(busy), len(calm), len(pkgs))
		}
		for _, p := range busy {
			seen[p]++
		}
	}
	for _, p := range pkgs {
		if seen[p] != 1 {
			t.Errorf("%s has %d days of a round", p, seen[p])
		}
	}
}

func TestEnginesOn_BothServersInTwoDays(t *testing.T) {
	r := &tierRun{opts: options{turns: "today"}}
	day := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	got := []string{r.enginesOn(day), r.enginesOn(day.AddDate(0, 0, 1))}
	slices.Sort(got)
	if !slices.Equal(got, []string{"sqlite,mariadb", "sqlite,postgres"}) {
		t.Errorf("in two days: %q", got)
	}
	if r.opts.turns = "all"; r.enginesOn(day) != "" {
		t.Errorf("-turns all leaves some out: %q", r.enginesOn(day))
	}
}

func TestOtherHalf_EachTestHasBothServersInFourDays(t *testing.T) {
	tests := strings.Fields("c b a")
	seen := map[string]int{}
	r := &tierRun{opts: options{turns: "today"}}
	for day := range 4 {
		at := time.Unix(int64(day)*24*60*60+5, 0)
		left := otherHalf(tests, at)
		for _, name := range tests {
			if !slices.Contains(left, name) {
				seen[name+" "+r.enginesOn(at)]++
			}
		}
	}
	for _, name := range tests {
		if seen[name+" sqlite,postgres"] != 1 || seen[name+" sqlite,mariadb"] != 1 {
			t.Errorf("%s: %v", name, seen)
		}
	}
}

func TestByEngine_WhatIsAboutTheDatabaseHasAllOfThemEachDay(t *testing.T) {
	pkgs := []string{modulePath + "/asset", modulePath + "/db/dbtest", modulePath + "/follow", modulePath + "/dbx"}
	all, daily := byEngine(pkgs)
	if !slices.Equal(all, []string{pkgs[1], pkgs[2]}) || !slices.Equal(daily, []string{pkgs[0], pkgs[3]}) {
		t.Errorf("on all: %q, on those of the day: %q", all, daily)
	}
}

// What the busy half of the long package runs and what the calm half leaves out are the same tests, and all are known.
func TestTestsOf_FindsWhatGoRuns(t *testing.T) {
	folder := t.TempDir()
	text := "package x\n\nfunc TestA(t *testing.T) {}\nfunc TestMain(m *testing.M) {}\nfunc TestB_c(t *testing.T) {\n}\n" +
		"func helper(t *testing.T) {}\nfunc BenchmarkA(b *testing.B) {}\n"
	if err := os.WriteFile(filepath.Join(folder, "a_test.go"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := testsOf(folder)
	if err != nil || !slices.Equal(got, []string{"TestA", "TestB_c"}) {
		t.Errorf("%q, %v", got, err)
	}
	if p := regexp.MustCompile(only(got)); !p.MatchString("TestB_c") || p.MatchString("TestB_cd") {
		t.Errorf("%s matches others", p)
	}
	all, err := testsOf(filepath.Join("..", "..", inParts))
	if err != nil || len(all) < 100 {
		t.Errorf("%d tests in %s, %v", len(all), inParts, err)
	}
}

func TestKeepBusy_EndsWhatItStarted(t *testing.T) {
	others, err := keepBusy(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, cmd := range others {
		if err := syscall.Kill(cmd.Process.Pid, 0); err != nil {
			t.Errorf("process %d does not run: %v", cmd.Process.Pid, err)
		}
	}
	others.stop()
	for _, cmd := range others {
		if err := syscall.Kill(cmd.Process.Pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("process %d is still there: %v", cmd.Process.Pid, err)
		}
	}
}
