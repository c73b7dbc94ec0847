//go:build linux

package main

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"syscall"
	"time"
)

// A test that fails for being late says nothing of the product. So some run while other processes keep the
// processors busy: all of the tiers unit, worlds and mutant with -load, and without it a seventh of the unit
// packages, another each day.
const (
	dailyLoad = 8 // processes that do nothing but count
	slowness  = 5 // how much longer a package may take beside them
)

// loaded returns the packages whose day it is to be tested on a busy machine, and the others.
func loaded(pkgs []string, day time.Time) (busy, calm []string) {
	pkgs = slices.Sorted(slices.Values(pkgs))
	turn := int(day.Unix()/(24*60*60)) % 7
	for i, p := range pkgs {
		if i%7 == turn {
			busy = append(busy, p)
		} else {
			calm = append(calm, p)
		}
	}
	return busy, calm
}

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
	busy, calm := loaded(pkgs, time.Now())
	var total counts
	if len(calm) > 0 {
		total = r.runGoTest(ctx, calm)
	}
	if len(busy) == 0 || ctx.Err() != nil {
		return total
	}
	own := *r
	own.opts.load = dailyLoad
	return total.plus(own.underLoad(ctx, func(ctx context.Context) counts { return own.runGoTest(ctx, busy) }))
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
