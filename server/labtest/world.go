//go:build linux

// Package labtest is the lab: portals as real processes on hosts of their own, real databases, a load
// balancer, and faults. The stories in testdata/stories say what happens to them, in words that a person
// reads; package load plays visitors and editors meanwhile, and package history judges what they saw.
// It needs root, and says what it leaves out without.
package labtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/stoa-portal/stoa/server/labtest/history"
	"github.com/stoa-portal/stoa/server/labtest/load"
	"github.com/stoa-portal/stoa/server/labtest/machine"
	"github.com/stoa-portal/stoa/server/labtest/stall"
)

// The last parts of the addresses of hosts; those of nodes are their numbers.
const (
	atDatabase = 200
	atClone    = 201
	atBalancer = 210
	atRelay    = 220
	atPeople   = 250
	atFront    = 211 // before the database servers
	atServers  = 231 // of a database that has several, and those that follow
	atStranger = 100 // plus the number of a node of the clone
)

// envBefore names the program of the version before, which the test runner builds.
const envBefore = "STOA_TEST_BEFORE"

// rules are the promises of the portal. Signing out is answered when it holds on every node.
func rules() history.Rules {
	return history.Rules{Bound: 2 * time.Second, Leave: 0, Grace: 5 * time.Minute, Tokens: true, Slack: 2 * time.Second}
}

// number is the last part of a node's address: n3 is 3, and c1, which belongs to a clone, 101.
func number(name string) int {
	var n int
	if _, err := fmt.Sscanf(name, "n%d", &n); err == nil {
		return n
	}
	_, _ = fmt.Sscanf(name, "c%d", &n) // what it does not fit is 100, which nobody has
	return atStranger + n
}

// world is what one story plays in.
type world struct {
	stoa    string // the program
	before  string // that of the version before; "" without
	engine  machine.Engine
	kit     *machine.Kit
	seed    uint64
	keepDir string // where histories and logs of stories that failed go
	keepAll bool   // histories that are well, too
	log     func(format string, args ...any)
	vars    map[string]string
	setenv  func(name, value string) // of whoever plays the story; nil: only vars

	ctx    context.Context // of what goes on beside the story; ends with it
	cancel context.CancelFunc

	lab       *machine.Lab
	people    *machine.Host
	db        *machine.Database
	clone     *machine.Database
	relay     *machine.Relay
	balancer  *machine.Host
	nodes     map[string]*node
	via       map[string]*machine.Host     // what stands between a node and the database
	extra     map[string]map[string]string // properties of single nodes
	programs  map[string]string            // of nodes that are not of the version of now
	load      *load.Load
	strangers *load.Load // at the nodes of the clone
	loads     int
	stopDue   func()           // ends what makes jobs fall due
	counting  bool             // the database counts the effects of jobs
	fault     [2]time.Duration // begin and end of the newest one, by the clock of the load
	faults    int
	counts    map[string]int // counters of nodes, when they were last asked for
	total     history.Report

	group   *machine.Group // of a database with several servers; db is the one that takes writes
	servers map[string]*machine.Database
	front   *machine.Front // what stands before the servers
	each    bool           // every node has a server of its own
	allowed allowance
	dumped  time.Time
	// restored is when a dump began to be put in the place of the database, and when it was.
	restored [2]time.Time
	hits     []time.Duration // when servers failed, by the clock of the load
}

func newWorld(stoa string, kit *machine.Kit, engine machine.Engine, dir string, seed uint64) (*world, error) {
	lab, err := machine.New(dir)
	if err != nil {
		return nil, err
	}
	w := &world{stoa: stoa, before: os.Getenv(envBefore), programs: map[string]string{}, engine: engine, kit: kit,
		seed: seed, lab: lab, stopDue: func() {}, nodes: map[string]*node{}, vars: map[string]string{},
		via:   map[string]*machine.Host{},
		extra: map[string]map[string]string{}, counts: map[string]int{}, servers: map[string]*machine.Database{}}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	if w.people, err = lab.Host("people", atPeople); err != nil {
		return nil, errors.Join(err, lab.Close())
	}
	return w, nil
}

// close ends everything, also what is in the middle of something.
func (w *world) close() error {
	w.cancel()
	w.stopDue()
	for _, l := range []*load.Load{w.load, w.strangers} {
		if l != nil {
			l.Stop()
			l.Close()
		}
	}
	var err error
	if w.relay != nil {
		err = w.relay.Close()
	}
	return errors.Join(err, w.lab.Close())
}

// set gives a variable of the story its value.
func (w *world) set(name, value string) {
	w.vars[name] = value
	if w.setenv != nil {
		w.setenv(name, value)
	}
}

// settle lets everything become well, ends the loads, reads everything once more and judges.
func (w *world) settle(ctx context.Context) error {
	if w.load == nil {
		return errors.New("there are no people whose experience could be judged")
	}
	w.load.Stop()
	if w.strangers != nil {
		w.strangers.Stop()
	}
	if err := w.lab.MendAll(); err != nil {
		return err
	}
	for name, n := range w.nodes {
		if n.proc == nil || !n.proc.Running() {
			continue
		}
		if err := n.proc.Await(ctx, func(ctx context.Context) error { return w.ready(ctx, n) }); err != nil {
			return fmt.Errorf("%s in the end: %w", name, err)
		}
	}
	if err := pass(ctx, rules().Bound); err != nil {
		return err
	}
	err := w.judge(ctx, w.load, w.db)
	w.load, w.hits = nil, nil
	if w.strangers != nil {
		err = errors.Join(err, w.judge(ctx, w.strangers, w.clone))
		w.strangers = nil
	}
	return err
}

// errBroken is the judgement that a promise of the portal does not hold, other than that a story went wrong
// in another way; tools/mutants looks for its words.
var errBroken = errors.New("a promise was broken")

// judge holds what the people of a load saw, and what the database has, to the promises.
func (w *world) judge(ctx context.Context, l *load.Load, db *machine.Database) error {
	defer l.Close()
	err := l.Settle(ctx)
	ops := l.Ops()
	saved, readErr := readSaves(ctx, db)
	err = errors.Join(err, readErr)
	if readErr == nil && db == w.db {
		err = errors.Join(err, w.excuse(l, ops, func(o history.Op) bool {
			return saved.times[load.Title(o.Key, o.Value)] != ""
		}))
	}
	if readErr == nil {
		err = errors.Join(err, kept(saved, ops))
	}
	return w.verdict(l, ops, err)
}

// verdict holds a history to the promises; err is what is known to be wrong already.
func (w *world) verdict(l *load.Load, ops []history.Op, err error) error {
	r := history.Judge(ops, rules())
	w.total.Add(r)
	w.log("%s", r)
	if len(r.Violations) > 0 {
		err = errors.Join(err, fmt.Errorf("%w: %d violations", errBroken, len(r.Violations)))
	}
	for _, o := range ops {
		if o.Kind == history.Write && strings.HasPrefix(o.Note, "404") && !w.gone(l, o) {
			err = errors.Join(err, fmt.Errorf("%w: %s: %d, saved on %s at %.3f s, is of an article that is not there",
				errBroken, o.Key, o.Value, o.Node, o.Sent.Seconds()))
		}
	}
	if odd := l.Odd(); len(odd) > 0 {
		err = errors.Join(err, fmt.Errorf("%d odd answers:\n  %s", len(odd), strings.Join(odd[:min(5, len(odd))], "\n  ")))
	}
	if r.Acknowledged == 0 || r.Decided == 0 {
		err = errors.Join(err, fmt.Errorf("nothing was put to the test: %s", r))
	}
	if err != nil || w.keepAll {
		err = errors.Join(err, w.keep(ops))
	}
	return err
}

// gone says whether what an operation is about may have vanished from the database before its answer: a dump was
// restored, or a server failed of which the story says that writes may be lost.
func (w *world) gone(l *load.Load, o history.Op) bool {
	if !w.restored[0].IsZero() {
		return o.Done >= w.restored[0].Sub(l.Began())
	}
	return w.allowed.window > 0 && len(w.hits) > 0 && o.Done >= w.hits[0]
}

// saves are the saves that the database has, by their titles: how often, and whether it is what the public sees.
type saves struct {
	times map[string]string
	live  map[string]bool
}

func readSaves(ctx context.Context, db *machine.Database) (saves, error) {
	s := saves{times: map[string]string{}, live: map[string]bool{}}
	rows, err := db.Query(ctx, "SELECT t.title, count(*), max(CASE WHEN t.number = a.live THEN 1 ELSE 0 END) "+
		"FROM content_text t "+
		"JOIN content_article a ON a.id = t.article WHERE t.title LIKE 'Article %' GROUP BY t.title")
	for _, r := range rows {
		s.times[r[0]], s.live[r[0]] = r[1], r[2] == "1"
	}
	return s, err
}

// kept looks for every save that was acknowledged, also those that others have followed: it made one version of
// the article, and not two; one that was refused made none. What was read last of all is what the database shows
// the public, also where a save was uncertain.
func kept(saved saves, ops []history.Op) error {
	shown := map[string]int64{}
	var errs []error
	for _, o := range ops {
		if o.Kind != history.Write || strings.HasPrefix(o.Key, history.SessionKey) || o.Lost != nil {
			continue
		}
		title := load.Title(o.Key, o.Value)
		if saved.live[title] {
			shown[o.Key] = o.Value
		}
		if n := saved.times[title]; !(n == "1" && o.Outcome != history.Failed || n == "" && o.Outcome != history.OK) {
			errs = append(errs, fmt.Errorf("%w: %s: %d, written on %s at %.3f s (%s), is there %s times", errBroken, o.Key, o.Value, o.Node, o.Sent.Seconds(), o.Outcome, cmp.Or(n, "0")))
		}
	}
	for _, o := range ops {
		if o.Last && o.Outcome == history.OK && o.Stale == 0 && o.Value != shown[o.Key] {
			errs = append(errs, fmt.Errorf("%w: in the end %s shows %d of %s, and the database has %d", errBroken, o.Node, o.Value, o.Key, shown[o.Key]))
		}
	}
	return errors.Join(errs[:min(10, len(errs))]...)
}

// keep saves a history that failed, to be judged again.
func (w *world) keep(ops []history.Op) error {
	f, err := os.CreateTemp(w.keepDir, "stoa-history-*.jsonl")
	if err != nil {
		return err
	}
	if err := errors.Join(f.Close(), history.Save(f.Name(), ops)); err != nil {
		return err
	}
	w.log("the history is kept in %s; judge it again with: go test ./server/labtest/history -run Replay -args -replay %[1]s", f.Name())
	return nil
}

// idle waits while the load goes on.
func idle(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// pass waits until the machine has run for so long: a promise that holds from a time on gives the portal that time.
func pass(ctx context.Context, d time.Duration) error {
	watch, begun := stall.Start(), time.Now()
	defer watch.Stop()
	for {
		left := d - watch.Since(begun)
		if left <= 0 {
			return nil
		}
		if err := idle(ctx, left); err != nil {
			return err
		}
	}
}

// await asks again and again until check gives nil. Time in which the machine stood still is not counted.
func await(ctx context.Context, limit time.Duration, check func(context.Context) error) error {
	watch, begun := stall.Start(), time.Now()
	defer watch.Stop()
	var last error
	for {
		asked, cancel := context.WithTimeout(ctx, limit-watch.Since(begun))
		err := check(asked)
		if err == nil {
			cancel()
			return nil
		}
		if asked.Err() == nil || last == nil {
			last = err // not the end of the wait itself
		}
		cancel()
		if idle(ctx, 20*time.Millisecond) != nil || watch.Since(begun) >= limit {
			return fmt.Errorf("not within %s: %w", limit, last)
		}
	}
}

// begun and ended note a fault, for what is expected after it.
func (w *world) begun() {
	w.faults++
	for _, n := range w.nodes {
		if info, err := os.Stat(filepath.Join(w.lab.Dir, n.host.Name+".log")); err == nil {
			n.said = info.Size()
		}
	}
	if w.load != nil {
		w.fault = [2]time.Duration{w.load.Now(), w.load.Now()}
	}
}

func (w *world) ended() {
	if w.load != nil {
		w.fault[1] = w.load.Now()
	}
}

// loud is what no log of a node should say.
var loud = regexp.MustCompile(`level=ERROR|status=500|^panic:|^fatal error:`)

// logs keeps what the processes of a failed story said, and gives the last lines and the loud ones.
func (w *world) logs() string {
	kept, err := os.MkdirTemp(w.keepDir, "stoa-lab-logs-")
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "all that was said is kept in %s\n", kept)
	names, _ := filepath.Glob(filepath.Join(w.lab.Dir, "*.log")) // the pattern is good
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(filepath.Join(kept, filepath.Base(name)), text, 0o644)
		}
		if err != nil {
			fmt.Fprintln(&b, err)
			continue
		}
		fmt.Fprintf(&b, "---- %s\n", filepath.Base(name))
		lines := slices.DeleteFunc(strings.Split(strings.TrimSpace(string(text)), "\n"), func(line string) bool {
			return strings.Contains(line, "msg=audit ") // a line for each save: they are in what is kept
		})
		shown := 0
		for i, line := range lines {
			if shouts := loud.MatchString(line); shouts && shown < 5 || i >= len(lines)-5 {
				shown++
				fmt.Fprintf(&b, "%.400s\n", line)
			}
		}
	}
	return b.String()
}
