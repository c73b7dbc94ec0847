//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stoa-portal/stoa/tools/pinned"
)

// What takes long, or needs much that is not on the machine, has its day of a week, as some stories of the lab do.
// -turns all, which is for the time before a tag, runs all of it.
const (
	lintDay    = time.Monday
	vulnDay    = time.Tuesday
	editorDay  = time.Wednesday // npm fetches some megabytes
	releaseDay = time.Thursday
	alertsDay  = time.Friday   // promtool comes with all of Prometheus
	azureDay   = time.Saturday // npm fetches some more
	gcsDay     = time.Sunday
	growthDay  = time.Sunday // it fills a database
)

// turn says whether what has its day is run.
func (o options) turn(day time.Weekday) bool {
	return o.turns == "all" || o.turns == "today" && time.Now().UTC().Weekday() == day
}

// itsDay gives the error that leaves a check out on other days.
func (r *tierRun) itsDay(day time.Weekday) error {
	if r.opts.turn(day) {
		return nil
	}
	return fmt.Errorf("%w: its day is %s, or -turns all", errLeftOut, day)
}

// ofHouse gives the error that leaves a check out of trees that are not held to the rules of this one.
func ofHouse() error {
	if _, err := os.Stat(".golangci.yml"); err != nil {
		return fmt.Errorf("%w: there is no .golangci.yml", errLeftOut)
	}
	return nil
}

// pinned gives a program of others in its one version, trying three times. A machine that cannot fetch it leaves
// the check out; a build server may not.
func (r *tierRun) pinned(ctx context.Context, name string) (program string, err error) {
	err = try(ctx, func() error { program, err = pinned.Program(ctx, name); return err })
	if errors.Is(err, pinned.ErrUnreachable) && !continuous() {
		err = fmt.Errorf("%w: %w", errLeftOut, err)
	}
	return program, err
}

// inModules runs a program in each module with the packages asked for.
func (r *tierRun) inModules(ctx context.Context, argv ...string) error {
	for _, m := range modulesOf(r.opts.packages) {
		cmd := r.command(ctx, append(argv[:len(argv):len(argv)], m.packages...)...)
		cmd.Dir = m.dir
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w\n%s", err, tail(string(text), 60))
		}
	}
	return nil
}

func (r *tierRun) checkStaticcheck(ctx context.Context) error {
	if err := ofHouse(); err != nil {
		return err
	}
	program, err := r.pinned(ctx, "staticcheck")
	if err != nil {
		return err
	}
	return r.inModules(ctx, program)
}

// checkLint runs the linters of .golangci.yml, which is found from each module upwards.
func (r *tierRun) checkLint(ctx context.Context) error {
	if err := errors.Join(ofHouse(), r.itsDay(lintDay)); err != nil {
		return err
	}
	program, err := r.pinned(ctx, "golangci-lint")
	if err != nil {
		return err
	}
	return r.inModules(ctx, program, "run", "--timeout=20m")
}

// checkVulnerabilities asks whether the program calls code that is known to be vulnerable. The database is at one
// address only; where that cannot be reached, the check says so and is left out, on a build server too.
func (r *tierRun) checkVulnerabilities(ctx context.Context) error {
	if err := errors.Join(ofHouse(), r.itsDay(vulnDay)); err != nil {
		return err
	}
	program, err := r.pinned(ctx, "govulncheck")
	if err != nil {
		return err
	}
	text, err := r.command(ctx, program, "./cmd/stoa").CombinedOutput()
	if err == nil {
		return nil
	}
	if unreachable(string(text)) {
		return fmt.Errorf("%w: the database of vulnerabilities at vuln.go.dev cannot be reached from here", errLeftOut)
	}
	return fmt.Errorf("%w\n%s", err, tail(string(text), 60))
}

// unreachable says whether govulncheck got no answer from its database.
func unreachable(output string) bool {
	return strings.Contains(output, "fetching vulnerabilities:")
}

// checkRelease builds a release that is thrown away.
func (r *tierRun) checkRelease(ctx context.Context) error {
	if err := errors.Join(ofHouse(), r.itsDay(releaseDay)); err != nil {
		return err
	}
	program, err := r.buildTool(ctx, "release")
	if err != nil {
		return err
	}
	_, err = output(ctx, nil, ".", program, "-out", r.env.dir+"/release", "-check")
	return err
}

// checkGrowth fills a portal of 50,000 articles and asks it what a small one is asked. How fast a machine is that
// others use, too, is no reason to fail: only what takes four times as long as the goals allow, as a statement does
// that goes through all rows.
func (r *tierRun) checkGrowth(ctx context.Context) error {
	if err := errors.Join(ofHouse(), r.itsDay(growthDay)); err != nil {
		return err
	}
	if _, err := r.buildTool(ctx, "testrun"); err != nil { // it starts the servers
		return err
	}
	program, err := r.buildTool(ctx, "bench")
	if err != nil {
		return err
	}
	text, err := r.command(ctx, program, "scale", "-engines", "PostgreSQL,MariaDB", "-articles", "50000", "-pages", "2000",
		"-people", "10000", "-files", "200", "-rounds", "5", "-fail", "4").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, tail(string(text), 60))
	}
	return nil
}

// checkAlerts lets Prometheus' own tool read the alert rules, and plays what they are tested with.
func (r *tierRun) checkAlerts(ctx context.Context) error {
	if err := errors.Join(ofHouse(), r.itsDay(alertsDay)); err != nil {
		return err
	}
	if firstProgram("promtool") == "" {
		return errors.New("there is no promtool: install Debian's package prometheus")
	}
	const folder = "packaging/prometheus"
	if _, err := output(ctx, nil, folder, "promtool", "check", "rules", "stoa.rules.yml"); err != nil {
		return err
	}
	if _, err := output(ctx, nil, folder, "promtool", "test", "rules", "stoa.rules.test.yml"); err != nil {
		return err
	}
	queries := filepath.Join(r.env.dir, "dashboard.yml")
	if err := queriesAsRules("packaging/grafana/stoa.json", queries); err != nil {
		return err
	}
	_, err := output(ctx, nil, ".", "promtool", "check", "rules", queries)
	return err
}

// queriesAsRules writes the queries of a dashboard as rules, which promtool can read: JSON is YAML.
func queriesAsRules(dashboard, to string) error {
	text, err := os.ReadFile(dashboard)
	if err != nil {
		return err
	}
	var board struct {
		Panels []struct {
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		return fmt.Errorf("%s: %w", dashboard, err)
	}
	type rule struct {
		Record string `json:"record"`
		Expr   string `json:"expr"`
	}
	var rules []rule
	known := strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*")
	for _, p := range board.Panels {
		for _, t := range p.Targets {
			rules = append(rules, rule{fmt.Sprintf("query:%d", len(rules)), known.Replace(t.Expr)})
		}
	}
	if len(rules) == 0 {
		return fmt.Errorf("%s has no query", dashboard)
	}
	groups := map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}}
	if text, err = json.Marshal(groups); err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o600)
}
