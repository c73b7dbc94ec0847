//go:build linux

package labtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stoa-portal/stoa/server/labtest/load"
	"github.com/stoa-portal/stoa/server/labtest/machine"
)

// word is one of the language of the stories. It gets what follows it.
type word struct {
	usage string
	least int // arguments
	run   func(ctx context.Context, w *world, args []string) error
}

// words are the language of the stories, beside what testscript knows. CONTRIBUTING.md explains them.
func words() map[string]word {
	all := map[string]word{
		"database": {"database [movable|version=NUMBER] | database cluster|galera|patroni SERVER... [synchronous]", 0,
			startDatabase},
		"clone":   {"clone", 0, cloneDatabase},
		"relay":   {"relay NODE...", 1, useRelay},
		"with":    {"with NODE NAME=VALUE...", 2, setProperties},
		"version": {"version NODE... before|now", 2, chooseVersion},
		"start": {"start NODE...", 1, func(ctx context.Context, w *world, args []string) error {
			return w.start(ctx, args...)
		}},
		"balancer":  {"balancer NODE...", 1, startBalancer},
		"people":    {"people at NODE...|balancer [NAME=VALUE...] [giveup]", 2, startPeople},
		"strangers": {"strangers at NODE...", 2, startStrangers},
		"run":       {"run DURATION", 1, runFor},

		"crash":  {"crash NODE...|database", 1, crash},
		"leave":  {"leave NODE...", 1, leave},
		"roll":   {"roll NODE...", 1, roll},
		"finish": {"finish NODE", 1, finish},
		"freeze": {"freeze NODE...|database [DURATION]", 1, freeze},
		"thaw":   {"thaw NODE...|database", 1, thaw},
		"cut": {"cut NODE PEER...", 2, func(_ context.Context, w *world, args []string) error {
			return cut(w, (*machine.Lab).Cut, args)
		}},
		"deafen": {"deafen NODE PEER...", 2, func(_ context.Context, w *world, args []string) error {
			return cut(w, (*machine.Lab).Deafen, args)
		}},
		"disturb": {"disturb NODE PEER...", 2, func(_ context.Context, w *world, args []string) error {
			return cut(w, (*machine.Lab).Disturb, args)
		}},
		"mend":  {"mend [NODE PEER...]", 0, mend},
		"clock": {"clock DURATION", 1, moveClock},
		"stall": {"stall NODE", 1, stallCommit},
		"release": {"release", 0, func(_ context.Context, w *world, _ []string) error {
			w.relay.Release()
			return nil
		}},
		"lose": {"lose N commits|answers", 2, lose},
		"lag":  {"lag NODE... DURATION [commits]", 2, lag},
		"sql": {"sql STATEMENT", 1, func(ctx context.Context, w *world, args []string) error {
			_, err := w.db.Query(ctx, strings.Join(args, " "))
			return err
		}},
		"hold":    {"hold DURATION", 1, hold},
		"restart": {"restart database", 1, restartDatabase},
		"due":     {"due JOB DURATION", 2, makeDue},

		"master":     {"master", 0, findMaster},
		"worker":     {"worker", 0, findWorker},
		"newmaster":  {"newmaster WITHIN", 1, newMaster},
		"ready":      {"ready NODE... WITHIN", 2, expectReady},
		"marked":     {"marked NODE", 1, marked},
		"answered":   {"answered reads|writes|all", 1, answered},
		"unanswered": {"unanswered MOST", 1, unanswered},
		"waited":     {"waited LONGEST", 1, waited},
		"recovered":  {"recovered SHARE WITHIN", 2, recovered},
		"commits":    {"commits MOST TIME", 2, commits},
		"counted":    {"counted NODE LEAST REGION COUNTER", 4, counted},
		"rows":       {"rows EXPECTED STATEMENT", 2, rows},
		"said":       {"said NODE PATTERN", 2, said},
		"effects":    {"effects LEAST", 1, effects},
		"settle":     {"settle", 0, func(ctx context.Context, w *world, _ []string) error { return w.settle(ctx) }},
	}
	maps.Copy(all, serverWords())
	maps.Copy(all, outcomeWords())
	return all
}

func startDatabase(ctx context.Context, w *world, args []string) (err error) {
	if len(args) > 1 {
		return startServers(ctx, w, args)
	}
	kit := w.kit
	for _, arg := range args {
		if v, ok := strings.CutPrefix(arg, "version="); ok {
			if kit, err = kit.OtherPostgres(v); err != nil {
				return err
			}
		}
	}
	w.db, err = w.lab.Database(ctx, kit, w.engine, "database", atDatabase, slices.Contains(args, "movable"))
	return err
}

// cloneDatabase copies database and files, as somebody does who wants to try something out: the nodes
// c1, c2 … are started on the copy.
func cloneDatabase(ctx context.Context, w *world, _ []string) (err error) {
	w.begun()
	defer w.ended()
	if w.clone, err = w.db.Clone(ctx, "clone", atClone); err != nil {
		return err
	}
	return os.CopyFS(filepath.Join(w.lab.Dir, "clone-files"), os.DirFS(filepath.Join(w.lab.Dir, "files")))
}

// useRelay puts a relay between nodes, which must not run yet, and the database.
func useRelay(_ context.Context, w *world, args []string) error {
	host, err := w.lab.Host("relay", atRelay)
	if err != nil {
		return err
	}
	if w.relay, err = host.Relay(w.db); err != nil {
		return err
	}
	for _, name := range args {
		w.via[name] = host
	}
	return nil
}

func setProperties(_ context.Context, w *world, args []string) error {
	set := map[string]string{}
	for _, kv := range args[1:] {
		k, v, _ := strings.Cut(kv, "=")
		set[k] = v
	}
	w.extra[args[0]] = set
	return nil
}

// chooseVersion says which program nodes are from their next start on: that of now, or of the version before.
func chooseVersion(_ context.Context, w *world, args []string) error {
	last := len(args) - 1
	program := map[string]string{"now": w.stoa, "before": w.before}[args[last]]
	if program == "" {
		return fmt.Errorf("there is no version %q to start", args[last])
	}
	for _, name := range args[:last] {
		w.programs[name] = program
	}
	return nil
}

func startBalancer(ctx context.Context, w *world, args []string) (err error) {
	if w.balancer, err = w.lab.Host("balancer", atBalancer); err != nil {
		return err
	}
	var hosts []*machine.Host
	for _, name := range args {
		n, err := w.node(name)
		if err != nil {
			return err
		}
		hosts = append(hosts, n.host)
	}
	_, err = w.balancer.Balance(ctx, webPort, hosts)
	return err
}

func (w *world) node(name string) (*node, error) {
	if n := w.nodes[name]; n != nil && n.proc != nil {
		return n, nil
	}
	return nil, fmt.Errorf("there is no node %q", name)
}

// startPeople begins the load: people at NODE… with numbers that replace the usual ones.
func startPeople(_ context.Context, w *world, args []string) (err error) {
	if w.load != nil {
		return errors.New("there are people already")
	}
	w.load, err = w.newLoad(args)
	return err
}

// startStrangers begins a load at the nodes of the clone.
func startStrangers(_ context.Context, w *world, args []string) (err error) {
	w.strangers, err = w.newLoad(args)
	return err
}

func (w *world) newLoad(args []string) (*load.Load, error) {
	w.loads++
	o := load.Options{Login: adminLogin, Password: adminPassword, Writers: 6, Pause: 100 * time.Millisecond, Rest: 2500 * time.Millisecond, Patience: 10 * time.Second, Readers: 12, Rate: 500, Leavers: 1,
		Seed: w.seed + uint64(w.loads), Prefix: fmt.Sprintf("r%dw", w.loads)}
	durations := map[string]*time.Duration{"pause": &o.Pause, "rest": &o.Rest, "patience": &o.Patience}
	numbers := map[string]*int{"writers": &o.Writers, "readers": &o.Readers, "rate": &o.Rate, "leavers": &o.Leavers}
	for _, arg := range args {
		k, v, set := strings.Cut(arg, "=")
		var err error
		switch {
		case set && durations[k] != nil:
			*durations[k], err = time.ParseDuration(v)
		case set && numbers[k] != nil:
			*numbers[k], err = strconv.Atoi(v)
		case set:
			err = fmt.Errorf("%q is not understood", arg)
		case arg == "at":
		case arg == "giveup":
			o.GiveUp = true
		case arg == "balancer":
			o.Targets = append(o.Targets, w.target(w.balancer, true))
		default:
			var n *node
			if n, err = w.node(arg); err == nil {
				o.Targets = append(o.Targets, w.target(n.host, false))
			}
		}
		if err != nil {
			return nil, err
		}
	}
	l := load.New(o)
	if err := l.Start(w.ctx); err != nil {
		l.Stop()
		l.Close()
		return nil, err
	}
	return l, nil
}

func runFor(ctx context.Context, _ *world, args []string) error {
	d, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	return idle(ctx, d)
}

func crash(_ context.Context, w *world, args []string) error {
	w.begun()
	for _, name := range args {
		if name == "database" {
			w.db.Kill()
			continue
		}
		if d := w.servers[name]; d != nil {
			w.hit()
			d.Kill()
			continue
		}
		n, err := w.node(name)
		if err != nil {
			return err
		}
		n.proc.Kill()
	}
	w.ended()
	return nil
}

func leave(_ context.Context, w *world, args []string) error {
	w.begun()
	for _, name := range args {
		n, err := w.node(name)
		if err != nil {
			return err
		}
		if err := n.stop(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	w.ended()
	return nil
}

// roll restarts nodes one after the other, as an upgrade does.
func roll(ctx context.Context, w *world, args []string) error {
	for _, name := range args {
		if err := leave(ctx, w, []string{name}); err != nil {
			return err
		}
		if err := w.start(ctx, name); err != nil {
			return err
		}
		if err := idle(ctx, time.Second); err != nil { // the balancer finds it again
			return err
		}
	}
	return nil
}

// finish ends an upgrade with the program of a node: binaries from before can no longer start.
func finish(ctx context.Context, w *world, args []string) error {
	n, err := w.node(args[0])
	if err != nil {
		return err
	}
	out, err := n.host.Run(ctx, "", cmp.Or(w.programs[args[0]], w.stoa), "migrate", "--finish", "--home", n.home)
	if err == nil {
		w.log("%s", strings.TrimSpace(out))
	}
	return err
}

func restartDatabase(ctx context.Context, w *world, _ []string) error {
	return w.db.Start(ctx)
}

// freezer is what can stand still.
type freezer interface {
	Freeze()
	Thaw()
}

func (w *world) freezers(names []string) (all []freezer, err error) {
	for _, name := range names {
		if name == "database" {
			all = append(all, w.db)
			continue
		}
		if d := w.servers[name]; d != nil {
			all = append(all, d)
			continue
		}
		n, err := w.node(name)
		if err != nil {
			return nil, err
		}
		all = append(all, n.proc)
	}
	return all, nil
}

// freeze lets nodes or the database stand still, for as long, or until they are thawed.
func freeze(ctx context.Context, w *world, args []string) error {
	last := len(args) - 1
	d, err := time.ParseDuration(args[last])
	if err == nil {
		args = args[:last]
	}
	all, err := w.freezers(args)
	if err != nil {
		return err
	}
	w.begun()
	for i, f := range all {
		if w.servers[args[i]] != nil {
			w.hit()
		}
		f.Freeze()
	}
	if d == 0 {
		return nil
	}
	return errors.Join(idle(ctx, d), thaw(ctx, w, args))
}

func thaw(_ context.Context, w *world, args []string) error {
	all, err := w.freezers(args)
	for _, f := range all {
		f.Thaw()
	}
	w.ended()
	return err
}

// host finds who is meant in a cut.
func (w *world) host(name string) (*machine.Host, error) {
	switch name {
	case "database":
		return w.db.Host, nil
	case "people":
		return w.people, nil
	case "balancer":
		return w.balancer, nil
	}
	if d := w.servers[name]; d != nil {
		return d.Host, nil
	}
	n, err := w.node(name)
	if err != nil {
		return nil, err
	}
	return n.host, nil
}

// cut does something to the links between a host and others.
func cut(w *world, how func(l *machine.Lab, a, b *machine.Host) error, args []string) error {
	a, err := w.host(args[0])
	if err != nil {
		return err
	}
	w.hit()
	for _, name := range args[1:] {
		b, err := w.host(name)
		if err != nil {
			return err
		}
		if via := w.via[args[0]]; name == "database" && via != nil {
			b = via
		}
		if err := how(w.lab, a, b); err != nil {
			return err
		}
	}
	return nil
}

// mend undoes all that was done to links, or what was done between a host and others.
func mend(_ context.Context, w *world, args []string) error {
	if len(args) > 1 {
		return cut(w, (*machine.Lab).Mend, args)
	}
	defer w.ended()
	return w.lab.MendAll()
}

func moveClock(_ context.Context, w *world, args []string) error {
	d, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	w.begun()
	defer w.ended()
	return w.db.SetClock(d)
}

// lose breaks transactions of writers at COMMIT and waits until it has happened.
func lose(ctx context.Context, w *world, args []string) error {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	harm := machine.LoseAnswer
	if args[1] == "commits" {
		harm = machine.LoseCommit
	}
	w.begun()
	defer w.ended()
	w.relay.Plan(harm, "", "The text of [", n)
	return w.harmed(ctx, n)
}

// stallCommit holds back the COMMIT with which a node renews the lease of the master.
func stallCommit(ctx context.Context, w *world, args []string) error {
	n, err := w.node(args[0])
	if err != nil {
		return err
	}
	w.begun()
	w.relay.Plan(machine.Stall, n.host.Addr, "master", 1)
	return w.harmed(ctx, 1)
}

// lag lets all that nodes send reach the database so much later, as if it were far away, or only COMMITs.
func lag(_ context.Context, w *world, args []string) error {
	last := len(args) - 1
	commits := args[last] == "commits"
	if commits {
		last--
	}
	by, err := time.ParseDuration(args[last])
	if err != nil {
		return err
	}
	w.begun()
	for _, name := range args[:last] {
		n, err := w.node(name)
		if err != nil {
			return err
		}
		w.relay.Lag(n.host.Addr, by, commits)
	}
	return nil
}

func (w *world) harmed(ctx context.Context, n int) error {
	return await(ctx, time.Minute, func(context.Context) error {
		if done := w.relay.Harmed(); done < n {
			return fmt.Errorf("it happened to %d of %d transactions", done, n)
		}
		return nil
	})
}
