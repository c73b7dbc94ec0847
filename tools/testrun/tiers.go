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
	"slices"
	"strings"
	"syscall"
	"time"
)

// tier is one stage of the run. Budgets are what a warm build cache should
// need on two processors; they are reported, not enforced.
type tier struct {
	name     string
	what     string
	budget   time.Duration
	services bool          // wants the servers started
	extra    bool          // runs only when asked for by name
	noRace   bool          // what it tests is in other processes, which the race detector cannot see
	timeout  time.Duration // longest time one package may take; 0 = that of the command line
	run      func(context.Context, *tierRun) counts
}

// tierRun is what a tier works with.
type tierRun struct {
	tier tier
	opts options
	env  *environment
	out  *printer
	rep  *report
}

// tiers lists all tiers in the order in which they run. A package belongs to
// exactly one test tier: the first below whose owns says so, else "unit".
func tiers() []tier {
	return []tier{
		{name: "vet", what: "formatting, go vet, the editor from its lock file on its day", budget: time.Minute, run: runVet},
		{name: "unit", what: "all packages, with the race detector", budget: 6 * time.Minute, services: true, run: runUnit},
		{
			name:   "worlds",
			what:   "ten thousand simulated clusters, others each day",
			budget: 2 * time.Minute,
			run:    busily(runWorlds),
		},
		{
			name:     "mutant",
			what:     "a planted mistake that the tests must catch, another each day",
			budget:   2 * time.Minute,
			services: true,
			run:      busily(runMutant),
		},
		{name: "browser", what: "screens in a real browser", budget: 2 * time.Minute, services: true, run: runBrowser},
		{name: "lab", what: "real processes, networks and faults", budget: 30 * time.Minute, noRace: true,
			timeout: 70 * time.Minute, run: runLab},
	}
}

func defaultTiers() []string {
	var names []string
	for _, t := range tiers() {
		if !t.extra {
			names = append(names, t.name)
		}
	}
	return names
}

// chooseTiers returns the tiers named in list, in their own order.
func chooseTiers(list string) ([]tier, error) {
	wanted := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
	if len(wanted) == 0 {
		wanted = defaultTiers()
	}
	var chosen []tier
	var all []string
	for _, t := range tiers() {
		all = append(all, t.name)
		if slices.Contains(wanted, t.name) {
			chosen = append(chosen, t)
		}
	}
	for _, w := range wanted {
		if !slices.Contains(all, w) {
			return nil, fmt.Errorf("there is no tier %q; the tiers are %s", w, strings.Join(all, ", "))
		}
	}
	return chosen, nil
}

func needServices(ts []tier) bool {
	return slices.ContainsFunc(ts, func(t tier) bool { return t.services })
}

// tierOf names the tier of a package by its import path.
func tierOf(pkg string) string {
	switch filepath.Base(pkg) {
	case "browsertest":
		return "browser"
	case "labtest":
		return "lab"
	}
	return "unit"
}

func runBrowser(ctx context.Context, r *tierRun) counts { return r.goTest(ctx, "browser") }
func runLab(ctx context.Context, r *tierRun) counts     { return r.goTest(ctx, "lab") }

// goTest tests the packages of one tier.
func (r *tierRun) goTest(ctx context.Context, name string) counts {
	pkgs, err := r.list(ctx, name)
	if err != nil {
		return r.rep.failf("%v", err)
	}
	if len(pkgs) == 0 {
		r.out.printf("no packages\n")
		return counts{}
	}
	return r.runGoTest(ctx, pkgs)
}

// list returns the packages of the tier among those asked for. The first use
// fetches modules, and networks fail: it tries three times.
func (r *tierRun) list(ctx context.Context, name string) ([]string, error) {
	args := append([]string{"list"}, strings.Fields(r.opts.packages)...)
	var text string
	for try := 0; ; try++ {
		var stderr bytes.Buffer
		cmd := r.goCommand(ctx, args...)
		cmd.Stderr = &stderr
		b, err := cmd.Output()
		if err == nil {
			text = string(b)
			break
		}
		if try == 2 || ctx.Err() != nil {
			return nil, fmt.Errorf("go list: %w\n%s", err, tail(stderr.String(), 20))
		}
	}
	var pkgs []string
	for p := range strings.FieldsSeq(text) {
		if tierOf(p) == name {
			pkgs = append(pkgs, p)
		}
	}
	return pkgs, nil
}

// goCommand prepares a go command in the environment of the tests.
func (r *tierRun) goCommand(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = r.env.environ()
	cmd.SysProcAttr = attributes(nil, syscall.SIGKILL)
	groupCancel(cmd)
	return cmd
}

// race returns the flag of the race detector. go vet gets it, too: it shares
// compiled packages with the tests then, instead of compiling them twice.
func (r *tierRun) race() []string {
	if r.opts.noRace || r.tier.noRace || !haveCompiler() {
		return nil
	}
	return []string{"-race"}
}

// errLeftOut is what a check returns that has nothing to do in this run.
var errLeftOut = errors.New("not in this run")

// runVet is the tier of the checks that need no test.
func runVet(ctx context.Context, r *tierRun) counts {
	var total counts
	for _, c := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"modules", r.fetchModules},
		{"gofmt", r.checkFormat},
		{"go vet", r.checkVet},
		{"licences of what is linked", r.checkNotices},
		{"the editor from its lock file", r.checkEditor},
	} {
		if ctx.Err() != nil {
			return total
		}
		start := time.Now()
		err := c.run(ctx)
		if errors.Is(err, errLeftOut) {
			r.out.printf("%s: left out: %v\n", c.name, err)
			continue
		}
		if err != nil {
			total = total.plus(r.rep.failf("%s: %v", c.name, err))
			continue
		}
		total.passed++
		r.out.printf("ok    %-40s %7.1fs\n", c.name, time.Since(start).Seconds())
	}
	return total
}

// fetchModules brings every module the packages and their tests import into
// the module cache, trying three times.
func (r *tierRun) fetchModules(ctx context.Context) error {
	var err error
	for range 3 {
		var stderr bytes.Buffer
		cmd := r.goCommand(ctx, "list", "-deps", "-test", "./...")
		cmd.Stderr = &stderr
		if err = cmd.Run(); err == nil {
			return nil
		}
		err = fmt.Errorf("go list: %w\n%s", err, tail(stderr.String(), 20))
		if ctx.Err() != nil {
			break
		}
	}
	return err
}

func (r *tierRun) checkFormat(ctx context.Context) error {
	text, err := output(ctx, nil, ".", "gofmt", "-l", ".")
	if err != nil {
		return err
	}
	if text = strings.TrimSpace(text); text != "" {
		return fmt.Errorf(
			"these files are not formatted; run \"gofmt -w\" on them:\n    %s",
			strings.ReplaceAll(text, "\n", "\n    "),
		)
	}
	return nil
}

func (r *tierRun) checkVet(ctx context.Context) error {
	var b bytes.Buffer
	cmd := r.goCommand(ctx, append(append([]string{"vet"}, r.race()...), strings.Fields(r.opts.packages)...)...)
	cmd.Stdout, cmd.Stderr = &b, &b
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w\n%s", err, tail(b.String(), 60))
	}
	return nil
}

// checkNotices compares the licences that "stoa licenses" prints with what go.mod brings now.
func (r *tierRun) checkNotices(ctx context.Context) error {
	if _, err := os.Stat("tools/notices"); err != nil {
		return fmt.Errorf("%w: there is no tools/notices", errLeftOut)
	}
	text, err := r.goCommand(ctx, "run", "./tools/notices", "-check").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, tail(string(text), 20))
	}
	return nil
}
