//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// event is one line of "go test -json".
type event struct {
	Action      string
	Package     string
	ImportPath  string // of build output
	Test        string
	Elapsed     float64
	Output      string
	FailedBuild string
}

// collector turns events into readable lines and counts. A test with subtests
// is not counted beside them, unless it failed by itself.
type collector struct {
	out     *printer
	rep     *report
	verbose bool

	mu      sync.Mutex
	pkgs    map[string]*pkgState
	builds  map[string][]string // build output by import path, also of failed builds
	printed map[string]bool     // builds whose output was printed
	ended   int
	total   counts
}

type pkgState struct {
	name   string
	order  []string
	tests  map[string]*testState
	output []string
	ended  bool
}

type testState struct {
	result  string // pass, fail, skip; empty: it never ended
	elapsed float64
	output  []string
}

func newCollector(out *printer, rep *report, verbose bool) *collector {
	return &collector{out: out, rep: rep, verbose: verbose,
		pkgs: map[string]*pkgState{}, builds: map[string][]string{}, printed: map[string]bool{}}
}

// runGoTest tests pkgs, which may be of several modules, and prints as it goes.
func (r *tierRun) runGoTest(ctx context.Context, pkgs []string) counts {
	var total counts
	for dir, own := range byModule(pkgs) {
		total = total.plus(r.testModule(ctx, dir, own))
	}
	return total
}

// longest are the folders whose tests take minutes, the longest first.
var longest = [...]string{"server", "job", "web", "importer/wordpress", "follow", "user", "change", "asset", "cluster"}

// longestFirst orders packages so that a long one is not begun when all others have ended. The rest keeps its order.
func longestFirst(pkgs []string) []string {
	weight := func(pkg string) int {
		for i, folder := range longest {
			if strings.HasSuffix(pkg, "/"+folder) {
				return i
			}
		}
		return len(longest)
	}
	return slices.SortedStableFunc(slices.Values(pkgs), func(a, b string) int { return weight(a) - weight(b) })
}

// testModule tests packages of the module in dir.
func (r *tierRun) testModule(ctx context.Context, dir string, pkgs []string) counts {
	args := []string{"test", "-json", "-shuffle=on", "-timeout=" + max(r.opts.timeout, r.tier.timeout).String(),
		fmt.Sprintf("-p=%d", parallelism(r.opts)), fmt.Sprintf("-count=%d", r.opts.count)}
	race := r.race()
	if len(race) == 0 && !r.opts.noRace && !r.tier.noRace {
		r.rep.skipf("race detector: there is no C compiler (package gcc)")
	}
	args = append(args, race...)
	if r.opts.run != "" {
		args = append(args, "-run", r.opts.run)
	}
	if r.opts.skip != "" {
		args = append(args, "-skip", r.opts.skip)
	}
	args = append(args, longestFirst(pkgs)...)
	if r.tier.name == "lab" {
		args = append(args, "-args", "-turns="+r.opts.turns)
	}
	cmd := r.goCommand(ctx, args...)
	cmd.Dir = dir
	if r.tier.name == "lab" {
		cmd.Env = append(cmd.Env, "STOA_TEST_LAB=1") // go test ./... leaves it out
	}
	if r.opts.engines != "" {
		cmd.Env = append(cmd.Env, "STOA_TEST_ENGINES="+r.opts.engines)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return r.rep.failf("go test: %v", err)
	}
	var stderr lockedTail
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		return r.rep.failf("go test: %v", err)
	}
	c := newCollector(r.out, r.rep, r.opts.verbose)
	stop := make(chan struct{})
	var beat sync.WaitGroup
	beat.Go(func() { c.heartbeat(stop, len(pkgs)) })
	readErr := c.read(stdout)
	waitErr := cmd.Wait()
	close(stop)
	beat.Wait()
	total := c.finish()
	switch {
	case ctx.Err() != nil: // the report says why
	case readErr != nil:
		total = total.plus(r.rep.failf("go test: read its output: %v", readErr))
	case waitErr != nil && total.failed == 0:
		total = total.plus(r.rep.failf("go test: %v\n%s", waitErr, tail(stderr.String(), 40)))
	}
	return total
}

// read takes in events until the end of the stream.
func (c *collector) read(in io.Reader) error {
	r := bufio.NewReaderSize(in, 1<<16)
	for {
		line, err := r.ReadBytes('\n')
		if len(line) > 0 {
			var ev event
			if jerr := json.Unmarshal(line, &ev); jerr != nil {
				c.out.printf("%s", line) // not an event: something printed past the test
			} else {
				c.take(ev)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (c *collector) take(ev event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ev.Action == "build-output" {
		c.builds[ev.ImportPath] = append(c.builds[ev.ImportPath], ev.Output)
		return
	}
	if ev.Package == "" {
		return
	}
	p := c.pkgs[ev.Package]
	if p == nil {
		p = &pkgState{name: ev.Package, tests: map[string]*testState{}}
		c.pkgs[ev.Package] = p
	}
	if ev.Test == "" {
		switch ev.Action {
		case "output":
			p.output = append(p.output, ev.Output)
		case "pass", "fail", "skip":
			c.endPackage(p, ev)
		}
		return
	}
	t := p.tests[ev.Test]
	if t == nil {
		t = &testState{}
		p.tests[ev.Test] = t
		p.order = append(p.order, ev.Test)
	}
	switch ev.Action {
	case "output":
		t.output = append(t.output, ev.Output)
		if c.verbose || strings.HasPrefix(ev.Output, "TURNS ") { // which stories the lab plays today, and when others
			c.out.printf("%s", ev.Output)
		}
	case "pass", "fail", "skip":
		// With -count above one a test ends several times: the worst stays.
		if t.result != "fail" {
			t.result = ev.Action
		}
		t.elapsed += ev.Elapsed
	}
}

// endPackage counts the tests of a package and prints its line.
func (c *collector) endPackage(p *pkgState, ev event) {
	p.ended = true
	c.ended++
	name := shortName(p.name)
	if ev.Action == "skip" && len(p.tests) == 0 {
		return // no test files
	}
	n := p.counts()
	if ev.Action == "fail" && n.failed == 0 {
		n.failed = 1 // did not build, TestMain ended it, a race after the last test
	}
	c.total = c.total.plus(n)
	verdict := "ok   "
	if n.failed > 0 {
		verdict = "FAIL "
	}
	line := fmt.Sprintf("%s %-40s %7.1fs  %4d passed", verdict, name, ev.Elapsed, n.passed)
	if n.failed > 0 {
		line += fmt.Sprintf(", %d failed", n.failed)
	}
	if n.skipped > 0 {
		line += fmt.Sprintf(", %d skipped", n.skipped)
	}
	c.out.printf("%s\n", line)
	c.rep.slow(name, ev.Elapsed)
	for _, t := range p.order {
		st := p.tests[t]
		if st.result == "skip" && p.leaf(t) {
			c.rep.skipped(name, t, reason(st.output))
		}
	}
	if n.failed == 0 {
		return
	}
	c.rep.failed(p.story(n, name, c.buildOutput(ev)))
}

// buildOutput is what the compiler said about a package that did not build;
// an output that many packages share is printed once.
func (c *collector) buildOutput(ev event) string {
	if ev.FailedBuild == "" {
		return ""
	}
	if c.printed[ev.FailedBuild] {
		return "does not build because of " + shortName(ev.FailedBuild) + ", see above\n"
	}
	c.printed[ev.FailedBuild] = true
	return strings.Join(c.builds[ev.FailedBuild], "")
}

// story is everything known about the failures of a package.
func (p *pkgState) story(n counts, name, build string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "---- FAIL %s\n", name)
	b.WriteString(build)
	for _, t := range p.order {
		st := p.tests[t]
		if st.result == "pass" || st.result == "skip" || len(st.output) == 0 {
			continue
		}
		if st.result == "" {
			fmt.Fprintf(&b, "(%s never ended)\n", t)
		}
		b.WriteString(strings.Join(st.output, ""))
	}
	b.WriteString(strings.Join(p.output, ""))
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func (p *pkgState) leaf(test string) bool {
	return !slices.ContainsFunc(p.order, func(o string) bool { return strings.HasPrefix(o, test+"/") })
}

// counts counts each leaf once, and a parent only for a failure of its own.
func (p *pkgState) counts() counts {
	parents, failedBelow := map[string]bool{}, map[string]bool{}
	for _, name := range p.order {
		failed := p.tests[name].result != "pass" && p.tests[name].result != "skip"
		for i := strings.LastIndexByte(name, '/'); i >= 0; i = strings.LastIndexByte(name[:i], '/') {
			parents[name[:i]] = true
			if failed {
				failedBelow[name[:i]] = true
			}
		}
	}
	var n counts
	for _, name := range p.order {
		switch p.tests[name].result {
		case "pass":
			if !parents[name] {
				n.passed++
			}
		case "skip":
			if !parents[name] {
				n.skipped++
			}
		default:
			if !failedBelow[name] {
				n.failed++
			}
		}
	}
	return n
}

// reason finds why a test was skipped in what it printed.
func reason(output []string) string {
	for _, line := range slices.Backward(output) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "---") || strings.HasPrefix(line, "===") {
			continue
		}
		return line
	}
	return "no reason given"
}

// heartbeat shows, once a minute, that a long build or test is under way.
func (c *collector) heartbeat(stop <-chan struct{}, packages int) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			c.mu.Lock()
			var busy []string
			for _, p := range c.pkgs {
				if !p.ended {
					busy = append(busy, shortName(p.name))
				}
			}
			ended := c.ended
			c.mu.Unlock()
			slices.Sort(busy)
			what := "compiling"
			if len(busy) > 0 {
				what = "testing " + strings.Join(busy, " ")
			}
			c.out.printf("      (%d of %d packages done, %s)\n", ended, packages, what)
		}
	}
}

// finish counts packages that never ended, as when the run was cut off.
func (c *collector) finish() counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for name, p := range c.pkgs {
		if !p.ended {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		p := c.pkgs[name]
		n := p.counts()
		n.failed = max(n.failed, 1)
		c.total = c.total.plus(n)
		c.rep.failed(p.story(n, shortName(name)+" (cut off)", ""))
	}
	return c.total
}

const modulePath = "github.com/stoa-portal/stoa"

// shortName is a package's path inside the module.
func shortName(pkg string) string {
	if pkg == modulePath {
		return "stoa"
	}
	pkg, _, _ = strings.Cut(pkg, " ")
	return strings.TrimPrefix(pkg, modulePath+"/")
}

// lockedTail keeps what a command prints to its standard error, up to 64 KB.
type lockedTail struct {
	mu sync.Mutex
	b  []byte
}

func (l *lockedTail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b = append(l.b, p...)
	if len(l.b) > 64<<10 {
		l.b = l.b[len(l.b)-64<<10:]
	}
	return os.Stderr.Write(p)
}

func (l *lockedTail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.b)
}
