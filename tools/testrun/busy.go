//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A test that fails for being late says nothing of the product. So some run while other processes keep the
// processors busy: all of the tiers unit, worlds and mutant with -load, and without it a fourteenth of the
// unit packages, another each day. Of the package whose tests take longer than all others' it is a fourteenth of its
// tests; of the others a half is tested each day.
// Packages that are not about the database itself have one database server a day beside SQLite.
const (
	dailyLoad = 5 // processes that do nothing but count; on two processors a test gets a third to a half of one
	busyTurns = 14
	slowness  = 5 // how much longer a package may take beside them
)

// inParts is the folder of the package that is not tested whole: it takes longer than all others.
const inParts = "server"

// loaded returns those of a list whose day it is to be tested on a busy machine, and the others.
func loaded(all []string, day time.Time) (busy, calm []string) {
	all = slices.Sorted(slices.Values(all))
	turn := dayNumber(day) % busyTurns
	for i, p := range all {
		if i%busyTurns == turn {
			busy = append(busy, p)
		} else {
			calm = append(calm, p)
		}
	}
	return busy, calm
}

// everyEngine are the folders whose tests, and those of what is in them, run on all databases each day: what is
// believed of a database is made and broken there.
var everyEngine = [...]string{"cache", "change", "cluster", "db", "filestore", "follow", "job"}

// byEngine gives the packages that have all databases each day, and those that have those of the day.
func byEngine(pkgs []string) (all, daily []string) {
	for _, p := range pkgs {
		folder, _, _ := strings.Cut(shortName(p), "/")
		if slices.Contains(everyEngine[:], folder) {
			all = append(all, p)
		} else {
			daily = append(daily, p)
		}
	}
	return all, daily
}

// enginesOn are the databases that most packages are tested on: SQLite, and PostgreSQL on one day and MariaDB on the
// next. It is empty for all, as -turns all wants.
func (r *tierRun) enginesOn(day time.Time) string {
	if r.opts.turns != "today" {
		return ""
	}
	return "sqlite," + [...]string{"postgres", "mariadb"}[(dayNumber(day)+1)%2] // the lab has the other one
}

// otherHalf gives the tests that a day leaves out. Each has two days after each other, and so both database servers.
func otherHalf(all []string, day time.Time) (out []string) {
	for i, test := range slices.Sorted(slices.Values(all)) {
		if i%2 != dayNumber(day)/2%2 {
			out = append(out, test)
		}
	}
	return out
}

// dayNumber counts the days in UTC.
func dayNumber(day time.Time) int { return int(day.Unix() / (24 * 60 * 60)) }

// testFunc finds the tests that a file declares.
var testFunc = regexp.MustCompile(`(?m)^func (Test\w*)\(t \*testing\.T\)`)

// testsOf names the tests that are declared in a folder.
func testsOf(folder string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		for _, m := range testFunc.FindAllSubmatch(b, -1) {
			out = append(out, string(m[1]))
		}
	}
	return out, nil
}

// only is the pattern of -run and -skip for these tests.
func only(tests []string) string { return "^(" + strings.Join(tests, "|") + ")$" }

// busy are processes that use all that a processor gives them.
type busy []*exec.Cmd

// keepBusy starts n of them.
func keepBusy(ctx context.Context, n int) (all busy, err error) {
	for range n {
		cmd := exec.CommandContext(ctx, "sh", "-c", "while :; do :; done")
		cmd.SysProcAttr = attributes(nil, syscall.SIGKILL)
		if err := cmd.Start(); err != nil {
			all.stop()
			return nil, fmt.Errorf("keep the processors busy: %w", err)
		}
		all = append(all, cmd)
	}
	return all, nil
}

// stop ends them and waits until they have ended.
func (b busy) stop() {
	for _, cmd := range b {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed: there is nothing to hear
	}
}

// runUnit tests the unit packages: those whose day it is last, on a busy machine.
func runUnit(ctx context.Context, r *tierRun) counts {
	if r.opts.load > 0 || r.narrow() || r.opts.turns == "none" {
		return r.underLoad(ctx, func(ctx context.Context) counts { return r.goTest(ctx, "unit") })
	}
	pkgs, err := r.list(ctx, "unit")
	if err != nil {
		return r.rep.failf("%v", err)
	}
	today := time.Now()
	others := slices.DeleteFunc(slices.Clone(pkgs), func(p string) bool { return shortName(p) == inParts })
	busy, calm := loaded(others, today)
	var tests, without []string // of the other package, on a busy machine and not on a calm one
	if len(others) < len(pkgs) {
		all, err := testsOf(inParts)
		if err != nil {
			return r.rep.failf("%v", err)
		}
		tests, _ = loaded(all, today)
		without = slices.Clone(tests)
		if r.opts.turns == "today" {
			without = append(without, otherHalf(all, today)...)
		}
	}
	total := r.calm(ctx, calm, without, today)
	if ctx.Err() != nil {
		return total
	}
	own := *r
	own.opts.load = dailyLoad
	return total.plus(own.underLoad(ctx, func(ctx context.Context) (n counts) {
		if len(busy) > 0 {
			n = own.byEngine(ctx, busy, today)
		}
		if len(tests) > 0 && ctx.Err() == nil {
			own.opts.run, own.opts.engines = only(tests), r.enginesOn(today)
			n = n.plus(own.runGoTest(ctx, []string{modulePath + "/" + inParts}))
		}
		return n
	}))
}

// calm tests packages, and beside them the one that takes longer than they all, without the tests that it has on a
// busy machine or on another day; with no such tests it is not asked for.
func (r *tierRun) calm(ctx context.Context, pkgs, without []string, day time.Time) (total counts) {
	var wg sync.WaitGroup
	var long counts
	if len(without) > 0 {
		own := *r
		own.opts.engines = r.enginesOn(day)
		own.opts.skip = only(without)
		wg.Go(func() { long = own.runGoTest(ctx, []string{modulePath + "/" + inParts}) })
	}
	if len(pkgs) > 0 {
		total = r.byEngine(ctx, pkgs, day)
	}
	wg.Wait()
	return total.plus(long)
}

// byEngine tests packages on the databases that each has on a day.
func (r *tierRun) byEngine(ctx context.Context, pkgs []string, day time.Time) (total counts) {
	all, daily := byEngine(pkgs)
	own := *r
	own.opts.engines = r.enginesOn(day)
	for _, part := range []struct {
		run  *tierRun
		pkgs []string
	}{{r, all}, {&own, daily}} {
		if len(part.pkgs) > 0 && ctx.Err() == nil {
			total = total.plus(part.run.runGoTest(ctx, part.pkgs))
		}
	}
	return total
}

// busily makes a tier heed -load.
func busily(run func(context.Context, *tierRun) counts) func(context.Context, *tierRun) counts {
	return func(ctx context.Context, r *tierRun) counts {
		return r.underLoad(ctx, func(ctx context.Context) counts { return run(ctx, r) })
	}
}

// narrow says that this run is about some packages or tests only.
func (r *tierRun) narrow() bool { return r.opts.packages != everything || r.opts.run != "" }

// underLoad runs fn while as many processes as -load says keep the processors busy.
func (r *tierRun) underLoad(ctx context.Context, fn func(context.Context) counts) counts {
	if r.opts.load == 0 {
		return fn(ctx)
	}
	others, err := keepBusy(ctx, r.opts.load)
	if err != nil {
		return r.rep.failf("%v", err)
	}
	defer others.stop()
	r.out.printf("beside %d processes that keep the processors busy:\n", r.opts.load)
	r.opts.timeout *= slowness
	return fn(ctx)
}
