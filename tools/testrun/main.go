//go:build linux

// Command testrun is what "make test" runs: it installs and starts what the
// tests need, runs them tier by tier and prints one line of counts.
//
//	testrun [flags]            all tiers, or those named by -tier
//	testrun [flags] services   start the servers, print their addresses, wait
//
// It works with the standard library alone, so that it builds in seconds on a
// machine that has nothing but Go. Servers run in a directory of their own, on
// free ports of 127.0.0.1, and are stopped by process id; servers that belong
// to the machine are never touched.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// everything is the pattern of all packages.
const everything = "./..."

// options is the command line.
type options struct {
	tiers     string
	packages  string
	run       string
	skip      string // tests that another part of the run has
	engines   string // databases that dbtest.Engines gives, separated by commas; empty for all
	mutants   string
	turns     string
	envFile   string
	parallel  int
	load      int
	count     int
	timeout   time.Duration
	deadline  time.Duration
	lab       bool
	noInstall bool
	noRace    bool
	durable   bool
	verbose   bool
}

func main() {
	os.Exit(realMain(os.Args[1:], os.Stdout, os.Stderr))
}

func realMain(args []string, stdout, stderr io.Writer) int {
	var o options
	fs := flag.NewFlagSet("testrun", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.tiers, "tier", "", "tiers to run, separated by commas; empty runs the default ones: "+strings.Join(defaultTiers(), ", "))
	fs.StringVar(&o.packages, "pkg", everything, "package patterns to test, separated by spaces")
	fs.StringVar(&o.run, "run", "", "run only the tests this regular expression matches")
	fs.StringVar(&o.mutants, "mutants", "", "mutants that the tier mutant plants: names separated by spaces, or all; empty plants the one of the day")
	fs.BoolVar(&o.lab, "lab", false, "stories of the lab, too, must catch the mutants; for root")
	fs.StringVar(&o.turns, "turns", "today", "of the lab's stories and the checks that have a day of a week: "+
		"today, all or none")
	fs.StringVar(&o.envFile, "env-file", "", "with services: write the export lines to this file, too")
	fs.IntVar(&o.parallel, "p", 0, "packages built and tested at a time; 0 chooses by processors and memory")
	fs.IntVar(&o.load, "load", 0, "processes that keep the processors busy beside the tiers unit, worlds and mutant; "+
		"0: beside the fourteenth of the unit packages whose day it is")
	fs.IntVar(&o.count, "count", 1, "times to run each test")
	fs.DurationVar(&o.timeout, "timeout", 10*time.Minute, "longest time one package may take")
	fs.DurationVar(&o.deadline, "deadline", 80*time.Minute, "longest time the whole run may take; 0 for no limit")
	fs.BoolVar(&o.noInstall, "no-install", false, "install nothing; what is missing is skipped")
	fs.BoolVar(&o.noRace, "no-race", false, "leave the race detector out: much quicker to build")
	fs.BoolVar(&o.durable, "durable", false, "servers keep what they confirm, as real ones do: slower, for what is measured")
	fs.BoolVar(&o.verbose, "v", false, "print the output of passing tests, too")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	mode := fs.Arg(0)
	if fs.NArg() > 1 || (mode != "" && mode != "services") {
		fmt.Fprintf(stderr, "testrun: unknown argument %q: the only word it knows is \"services\"; see -help\n", fs.Args())
		return 2
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go watchParent(ctx, cancel)
	if mode == "" && o.deadline > 0 {
		var end context.CancelFunc
		ctx, end = context.WithTimeoutCause(ctx, o.deadline,
			fmt.Errorf("the whole run took longer than %s", o.deadline))
		defer end()
	}
	if err := becomeSubreaper(); err != nil {
		fmt.Fprintf(stderr, "testrun: processes that tests leave behind cannot be found: %v\n", err)
	}

	out := &printer{w: stdout}
	if mode == "services" {
		return serveServices(ctx, o, out)
	}
	return runTests(ctx, o, out)
}

// serveServices starts the servers and waits until it is told to stop.
func serveServices(ctx context.Context, o options, out *printer) int {
	quiet := &printer{w: os.Stderr}
	env, err := newEnvironment(ctx, o, quiet)
	if err != nil {
		quiet.printf("testrun: %v\n", err)
		return 1
	}
	defer env.close(quiet)
	env.install(ctx)
	env.start(ctx)
	for _, m := range env.missing() {
		quiet.printf("MISSING  %s: %s\n", m.name, m.why)
	}
	if ctx.Err() != nil {
		return 1
	}
	var b strings.Builder
	for _, kv := range env.variables() {
		k, v, _ := strings.Cut(kv, "=")
		fmt.Fprintf(&b, "export %s='%s'\n", k, v)
	}
	out.printf("%s", b.String())
	if o.envFile != "" {
		if err := os.WriteFile(o.envFile, []byte(b.String()), 0o644); err != nil {
			quiet.printf("testrun: write the file of -env-file: %v\n", err)
			return 1
		}
		defer func() { _ = os.Remove(o.envFile) }()
	}
	out.printf("# servers are up; Ctrl-C stops them\n") // a comment to the shell, and the end of the list to a program
	select {
	case <-ctx.Done():
		return 0
	case name := <-env.died:
		quiet.printf("testrun: %s ended by itself; its log is above\n", name)
		return 1
	}
}

// runTests runs the chosen tiers and prints the counts as the last line.
func runTests(ctx context.Context, o options, out *printer) int {
	began := time.Now()
	chosen, err := chooseTiers(o.tiers)
	if err != nil {
		out.printf("testrun: %v\n", err)
		return 2
	}
	env, err := newEnvironment(ctx, o, out)
	if err != nil {
		out.printf("testrun: %v\n", err)
		return 1
	}
	rep := &report{out: out}
	func() {
		defer env.close(out)
		defer env.stopStrays(out)
		env.install(ctx)
		ready := make(chan struct{})
		go func() {
			defer close(ready)
			if needServices(chosen) {
				env.start(ctx)
			}
		}()
		waited := false
		for _, t := range chosen {
			if t.services && !waited {
				<-ready
				waited = true
				rep.services(env)
			}
			if ctx.Err() != nil {
				break
			}
			out.printf("\n== %s: %s\n", t.name, t.what)
			start := time.Now()
			c := t.run(ctx, &tierRun{tier: t, opts: o, env: env, out: out, rep: rep})
			rep.tier(t, time.Since(start), c)
		}
		<-ready
		if ctx.Err() != nil {
			rep.interrupted(context.Cause(ctx))
		}
	}()
	return rep.finish(time.Since(began))
}

// parallelism is how many packages are built and tested at a time. Linking a
// test binary with the embedded database and the race detector takes well over
// a gigabyte, so memory counts as much as processors.
func parallelism(o options) int {
	if o.parallel > 0 {
		return o.parallel
	}
	n := min(runtime.NumCPU(), 8)
	if gb := memoryGB(); gb > 0 {
		n = min(n, gb/2)
	}
	return max(n, 1)
}
