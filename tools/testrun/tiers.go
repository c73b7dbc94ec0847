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
		{name: "vet", what: "formatting, go vet, staticcheck; linters, editor, release, alerts and growth on their days",
			budget: 2 * time.Minute, run: runVet},
		{name: "unit", what: "all packages, with the race detector", budget: 6 * time.Minute, services: true,
			timeout: 40 * time.Minute, run: runUnit},
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
		{name: "browser", what: "screens in a real browser", budget: 8 * time.Minute, services: true,
			timeout: 30 * time.Minute, run: runBrowser},
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
	var pkgs []string
	for _, m := range modulesOf(r.opts.packages) {
		text, err := r.goTries(ctx, m.dir, append([]string{"list"}, m.packages...)...)
		if err != nil {
			return nil, err
		}
		for p := range strings.FieldsSeq(text) {
			if tierOf(p) == name {
				pkgs = append(pkgs, p)
			}
		}
	}
	return pkgs, nil
}

// goTries runs a go command that may fetch modules in a folder, three times at most, and gives what it prints.
func (r *tierRun) goTries(ctx context.Context, dir string, args ...string) (string, error) {
	var text string
	return text, try(ctx, func() error {
		var stderr bytes.Buffer
		cmd := r.goCommand(ctx, args...)
		cmd.Dir, cmd.Stderr = dir, &stderr
		b, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("go %s: %w\n%s", args[0], err, tail(stderr.String(), 20))
		}
		text = string(b)
		return nil
	})
}

// goCommand prepares a go command in the environment of the tests.
func (r *tierRun) goCommand(ctx context.Context, args ...string) *exec.Cmd {
	return r.command(ctx, append([]string{"go"}, args...)...)
}

// command prepares any command in the environment of the tests.
func (r *tierRun) command(ctx context.Context, argv ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = r.env.environ()
	cmd.SysProcAttr = attributes(nil, syscall.SIGKILL)
	groupCancel(cmd)
	return cmd
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
		{"go.mod and go.sum", r.checkTidy},
		{"gofmt", r.checkFormat},
		{"go vet", r.checkVet},
		{"staticcheck", r.checkStaticcheck},
		{"golangci-lint", r.checkLint},
		{"known vulnerabilities", r.checkVulnerabilities},
		{"licences of what is linked", r.checkNotices},
		{"the editor from its lock file", r.checkEditor},
		{"alert rules", r.checkAlerts},
		{"a release", r.checkRelease},
		{"a portal that has grown", r.checkGrowth},
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
	for _, m := range modulesOf(everything) {
		if _, err := r.goTries(ctx, m.dir, "list", "-deps", "-test", everything); err != nil {
			return err
		}
	}
	return nil
}

// checkTidy holds the lists of modules to what the code imports: the tools' one names all that the product's does.
func (r *tierRun) checkTidy(ctx context.Context) error {
	for _, m := range modulesOf(everything) {
		if _, err := r.goTries(ctx, m.dir, "mod", "tidy", "-diff"); err != nil {
			return fmt.Errorf("run \"make tidy\" and commit go.mod and go.sum of both modules: %w", err)
		}
	}
	return nil
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
	for _, m := range modulesOf(r.opts.packages) {
		cmd := r.goCommand(ctx, slices.Concat([]string{"vet"}, r.race(), m.packages)...)
		cmd.Dir = m.dir
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w\n%s", err, tail(string(text), 60))
		}
	}
	return nil
}

// checkNotices compares the licences that "stoa licenses" prints with what go.mod brings now.
func (r *tierRun) checkNotices(ctx context.Context) error {
	if _, err := os.Stat("tools/notices"); err != nil {
		return fmt.Errorf("%w: there is no tools/notices", errLeftOut)
	}
	program, err := r.buildTool(ctx, "notices")
	if err != nil {
		return err
	}
	_, err = output(ctx, nil, ".", program, "-check")
	return err
}
