//go:build linux

package labtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stoa-portal/stoa/server/labtest/history"
	"github.com/stoa-portal/stoa/server/labtest/machine"
	"github.com/stoa-portal/stoa/server/labtest/stall"
)

// The words that find something out, and those that expect something.

// findMaster sets $MASTER to the node that holds the lease, and $OTHER to one that does not.
func findMaster(ctx context.Context, w *world, _ []string) error {
	return await(ctx, 10*time.Second, func(ctx context.Context) error {
		name, _, err := w.master(ctx)
		if err == nil && name == "" {
			err = errors.New("there is no master")
		}
		if err == nil {
			w.set("MASTER", name)
			var others []string
			for n := range w.nodes {
				if n != name && n[0] == 'n' {
					others = append(others, n)
				}
			}
			slices.Sort(others)
			if len(others) > 0 {
				w.set("OTHER", others[0])
			}
		}
		return err
	})
}

// findWorker waits until a node works on a job, and sets $WORKER to it.
func findWorker(ctx context.Context, w *world, _ []string) error {
	return await(ctx, 20*time.Second, func(ctx context.Context) error {
		rows, err := w.db.Query(
			ctx,
			"SELECT n.name FROM job_run r JOIN cluster_node n ON n.writer = r.owner WHERE r.state = 'running'",
		)
		if err == nil && len(rows) == 0 {
			err = errors.New("no job runs")
		}
		if err == nil {
			w.set("WORKER", rows[0][0])
		}
		return err
	})
}

// newMaster waits until another node than $MASTER renews the lease.
func newMaster(ctx context.Context, w *world, args []string) error {
	limit, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	old, begun := w.vars["MASTER"], time.Now()
	err = await(ctx, limit, func(ctx context.Context) error {
		name, _, err := w.master(ctx)
		if err == nil && (name == "" || name == old) {
			err = fmt.Errorf("the master is %q", name)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	w.log("a new master after %.1f s", time.Since(begun).Seconds())
	return nil
}

func expectReady(ctx context.Context, w *world, args []string) error {
	last := len(args) - 1
	limit, err := time.ParseDuration(args[last])
	if err != nil {
		return err
	}
	watch, begun := stall.Start(), time.Now()
	defer watch.Stop()
	for _, name := range args[:last] {
		n, err := w.node(name)
		if err != nil {
			return err
		}
		if err := await(ctx, limit-watch.Since(begun),
			func(ctx context.Context) error { return w.ready(ctx, n) }); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	w.log("ready after %.1f s", watch.Since(begun).Seconds())
	return nil
}

// marked wants answers of a node that are marked stale since the newest fault began.
func marked(_ context.Context, w *world, args []string) error {
	n, oldest := 0, 0
	for _, o := range w.load.Ops() {
		if o.Node == args[0] && o.Sent >= w.fault[0] && o.Stale > 0 {
			n, oldest = n+1, max(oldest, o.Stale)
		}
	}
	if n == 0 {
		return fmt.Errorf("no answer of %s is marked stale", args[0])
	}
	w.log("%d answers of %s are marked, up to %d s stale", n, args[0], oldest)
	return nil
}

// answered wants every request since the people came to have worked.
func answered(_ context.Context, w *world, args []string) error {
	if bad := w.failures(args[0] != "writes", args[0] != "reads"); len(bad) > 0 {
		return fmt.Errorf("%d requests were not answered:\n  %s", len(bad), strings.Join(bad[:min(10, len(bad))], "\n  "))
	}
	return nil
}

// unanswered allows some requests to have failed since the people came.
func unanswered(_ context.Context, w *world, args []string) error {
	most, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	bad := w.failures(true, true)
	w.log("%d requests were not answered", len(bad))
	if len(bad) > most {
		return fmt.Errorf(
			"more than %d requests were not answered:\n  %s",
			most,
			strings.Join(bad[:min(10, len(bad))], "\n  "),
		)
	}
	return nil
}

// failures lists the requests that were not answered; a save that was refused is answered.
func (w *world) failures(reads, writes bool) (bad []string) {
	for _, o := range w.load.Ops() {
		write := o.Kind == history.Write
		if o.Outcome == history.OK || write && (!writes || o.Outcome == history.Failed) || !write && !reads {
			continue
		}
		bad = append(
			bad,
			fmt.Sprintf(
				"%s of %s on %s at %.3f s, %.3f s long: %s",
				o.Kind,
				o.Key,
				o.Node,
				o.Sent.Seconds(),
				(o.Done-o.Sent).Seconds(),
				o.Note,
			),
		)
	}
	return bad
}

// waited wants no read since the newest fault began to have taken longer, answered or not.
func waited(_ context.Context, w *world, args []string) error {
	limit, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	o, took := slowest(w.load.Ops(), w.fault[0], w.load.Lost)
	text := fmt.Sprintf("the slowest read took %.2f s (%.2f s beside what the machine stood still): %s of %q on %s, %s %s",
		took.Seconds(), (o.Done - o.Sent - took).Seconds(), o.Kind, o.Key, o.Node, o.Outcome, o.Note)
	if took > limit {
		return errors.New(text)
	}
	w.log("%s", text)
	return nil
}

// slowest is the read, of those sent since from, that took longest, and how long, less what of it was lost to a machine
// that stood still.
func slowest(ops []history.Op, from time.Duration, lost func(from, to time.Duration) time.Duration) (
	most history.Op, took time.Duration) {
	for _, o := range ops {
		// what a stall takes only makes it shorter, so most need not be asked for
		if o.Kind == history.Write || o.Sent < from || o.Done-o.Sent <= took {
			continue
		}
		if d := o.Done - o.Sent - lost(o.Sent, o.Done); d > took {
			most, took = o, d
		}
	}
	return most, took
}

// recovered compares the fresh answers a second before the newest fault with those after it.
func recovered(ctx context.Context, w *world, args []string) error {
	share, err := strconv.ParseFloat(args[0], 64)
	if err != nil {
		return err
	}
	within, err := time.ParseDuration(args[1])
	if err != nil {
		return err
	}
	const window = 2 * time.Second
	// The portal has the time that the story gives it, however long the machine stands still meanwhile.
	end := w.load.After(w.fault[1], within)
	for ; end > w.load.Now(); end = w.load.After(w.fault[1], within) {
		if err := idle(ctx, end-w.load.Now()); err != nil {
			return err
		}
	}
	from := end - window
	calm := w.fault[0] - window
	before, after, marked, failed := 0, 0, 0, 0
	for _, o := range w.load.Ops() {
		switch late := o.Done > from && o.Done <= from+window; {
		case late && o.Stale > 0:
			marked++
		case late && o.Outcome != history.OK:
			failed++
		case o.Outcome != history.OK || o.Stale > 0 || o.Kind == history.Write:
		case o.Done > calm && o.Done <= calm+window:
			before++
		case late:
			after++
		}
	}
	// A second is one in which the machine of the people ran.
	rate := func(n int, from time.Duration) float64 {
		return float64(n) / (window - w.load.Lost(from, from+window) + time.Nanosecond).Seconds()
	}
	w.log("%.0f fresh answers a second before, %.0f within %s after; %d were marked and %d failed in these %s",
		rate(before, calm), rate(after, from), within, marked, failed, window)
	if before == 0 || rate(after, from) < share*rate(before, calm) {
		return fmt.Errorf("%d answers in %s before the fault and %d after it, less than %v of them",
			before, window, after, share)
	}
	return nil
}

// counted waits until a counter of a cache region of a node has grown by so much since it was last asked for.
func counted(ctx context.Context, w *world, args []string) error {
	n, err := w.node(args[0])
	if err != nil {
		return err
	}
	least, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	counter, label, more := strings.Cut(args[3], ",")
	if more {
		name, value, _ := strings.Cut(label, "=")
		label = fmt.Sprintf(",%s=%q", name, value)
	}
	series := fmt.Sprintf("stoa_cache_%s{region=%q%s} ", counter, args[2], label)
	before, now := w.counts[args[0]+series], 0
	err = await(ctx, 5*time.Second, func(ctx context.Context) error {
		status, body, err := w.ask(ctx, n.host.Addr, "/metrics")
		if err != nil {
			return err
		}
		_, value, there := strings.Cut(body, "\n"+series)
		value, _, _ = strings.Cut(value, "\n")
		if now, err = strconv.Atoi(value); err != nil || !there {
			return fmt.Errorf("%s answers %d and has no counter %s", args[0], status, series)
		}
		if now-before < least {
			return fmt.Errorf("%s %s of %s is %d more, want %d", args[2], args[3], args[0], now-before, least)
		}
		return nil
	})
	w.counts[args[0]+series] = now
	if err == nil {
		w.log("%d more: %s %s of %s", now-before, args[2], args[3], args[0])
	}
	return err
}

// rows waits until a query has the answer: values with a space, rows with a semicolon between them.
func rows(ctx context.Context, w *world, args []string) error {
	return await(ctx, 20*time.Second, func(ctx context.Context) error {
		got, err := w.db.Query(ctx, strings.Join(args[1:], " "))
		if err != nil {
			return err
		}
		var lines []string
		for _, r := range got {
			lines = append(lines, strings.Join(r, " "))
		}
		if text := strings.Join(lines, ";"); text != args[0] {
			return fmt.Errorf("the answer is %q, want %q", text, args[0])
		}
		return nil
	})
}

// commits lets time pass and asks the database how many transactions it has committed in a second for each node that
// runs: at most so many.
func commits(ctx context.Context, w *world, args []string) error {
	most, err := strconv.ParseFloat(args[0], 64)
	if err != nil {
		return err
	}
	d, err := time.ParseDuration(args[1])
	if err != nil {
		return err
	}
	query := "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
	if w.engine == machine.MariaDB {
		if _, err := w.db.Query(ctx, "SET GLOBAL innodb_monitor_enable = 'module_trx'"); err != nil {
			return err
		}
		query = "SELECT SUM(COUNT) FROM information_schema.INNODB_METRICS " +
			"WHERE NAME IN ('trx_rw_commits', 'trx_ro_commits', 'trx_nl_ro_commits')"
	}
	count := func() (float64, error) {
		rows, err := w.db.Query(ctx, query)
		if err != nil {
			return 0, err
		}
		return strconv.ParseFloat(rows[0][0], 64)
	}
	if w.engine == machine.Postgres { // cleaning new tables, the server commits more than the nodes do
		for _, statement := range []string{"ALTER SYSTEM SET autovacuum = off", "SELECT pg_reload_conf()"} {
			if _, err := w.db.Query(ctx, statement); err != nil {
				return err
			}
		}
	}
	before, err := count()
	if err != nil {
		return err
	}
	begun := time.Now()
	if err := idle(ctx, d); err != nil {
		return err
	}
	after, err := count()
	if err != nil {
		return err
	}
	running := 0
	for _, n := range w.nodes {
		if n.proc != nil && n.proc.Running() {
			running++
		}
	}
	rate := (after - before) / time.Since(begun).Seconds() / float64(max(1, running))
	w.log("%.1f transactions a second for each of %d nodes", rate, running)
	if rate > most || rate < 1 {
		return fmt.Errorf("%.1f transactions a second for each of %d nodes, "+
			"want at most %.1f and a heartbeat each second", rate, running, most)
	}
	return nil
}

func said(_ context.Context, w *world, args []string) error {
	n, err := w.node(args[0])
	if err != nil {
		return err
	}
	re, err := regexp.Compile(strings.Join(args[1:], " "))
	if err != nil {
		return err
	}
	text, err := os.ReadFile(n.proc.Log)
	if err == nil && !re.Match(text) {
		err = fmt.Errorf("%s never said %q", args[0], re)
	}
	return err
}
