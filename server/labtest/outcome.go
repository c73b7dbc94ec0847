//go:build linux

package labtest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stoa-portal/stoa/server/labtest/history"
	"github.com/stoa-portal/stoa/server/labtest/load"
	"github.com/stoa-portal/stoa/server/labtest/machine"
)

// The words that expect something of a fail-over, and the losses that a story allows.

func outcomeWords() map[string]word {
	return map[string]word{
		"lost":    {"lost MOST [WINDOW]", 1, allowLosses},
		"outage":  {"outage LONGEST", 1, outage},
		"status":  {"status [not] PATTERN", 1, expectStatus},
		"event":   {"event PATTERN", 1, expectEvent},
		"refused": {"refused NODE PATTERN", 2, refused},
		"single":  {"single WITHIN", 1, single},
		"quiet":   {"quiet SERVER WITHIN", 2, quiet},
		"judge":   {"judge", 0, judgeHistory},
	}
}

// allowance is what a story allows to be lost: writes that were acknowledged so shortly before a server
// failed, if each is named by a node.
type allowance struct {
	most   int
	window time.Duration
}

// allowLosses stands before settle. The usual window is as long as a node can name its lost commits.
func allowLosses(_ context.Context, w *world, args []string) (err error) {
	w.allowed.window = 60 * time.Second
	if len(args) > 1 {
		if w.allowed.window, err = time.ParseDuration(args[1]); err != nil {
			return err
		}
	}
	w.allowed.most, err = strconv.Atoi(args[0])
	return err
}

// lossLine is how a node names a commit that a fail-over has lost.
var lossLine = regexp.MustCompile(`(?m)^time=(\S+) .*msg="a committed change was lost.*kind=(\S+) id=(\d+) .*version=(\d+)`)

// namedLosses reads in the logs of all nodes which changes are lost, and when that was said by the clock of the load.
// The keys are kind:id:version.
func (w *world) namedLosses(l *load.Load) (map[string]time.Duration, error) {
	all := map[string]time.Duration{}
	for _, n := range w.nodes {
		if n.proc == nil {
			continue
		}
		text, err := os.ReadFile(n.proc.Log)
		if err != nil {
			return nil, err
		}
		for _, m := range lossLine.FindAllSubmatch(text, -1) {
			at, err := time.Parse(time.RFC3339Nano, string(m[1]))
			if err != nil {
				return nil, fmt.Errorf("the log of %s: %w", n.host.Name, err)
			}
			if at.Before(l.Began()) {
				continue
			}
			key := fmt.Sprintf("%s:%s:%s", m[2], m[3], m[4])
			all[key] = max(all[key], at.Sub(l.Began()))
		}
	}
	return all, nil
}

// excuse marks acknowledged writes as lost that the database does not have, where the story allows that: they
// were acknowledged within the window before a server failed, and a node names them. What it does not mark is a
// broken promise. have tells whether the database has the write.
func (w *world) excuse(l *load.Load, ops []history.Op, have func(history.Op) bool) error {
	if w.allowed.window == 0 {
		return nil
	}
	names, err := w.namedLosses(l)
	if err != nil {
		return err
	}
	count := 0
	var errs []error
	for i, o := range ops {
		if o.Kind != history.Write || o.Outcome != history.OK {
			continue
		}
		from, near := w.hitAfter(l, o)
		if !near {
			continue
		}
		if strings.HasPrefix(o.Key, history.SessionKey) {
			ops[i].Lost = &history.Loss{From: from, Told: l.After(w.fault[1], 2*time.Second)}
			continue
		}
		// A save is two changes: the text, and that it is what the public sees. The second may be lost alone.
		text := names[fmt.Sprintf("article:%s:%d", o.ID, o.Version-1)]
		shown := names[fmt.Sprintf("article:%s:%d", o.ID, o.Version)]
		if have(o) && shown == 0 {
			continue
		}
		count++
		if max(text, shown) == 0 {
			errs = append(errs, fmt.Errorf("%w: %s: %d, acknowledged by %s at %.3f s, is lost, and no node names article %s",
				errBroken, o.Key, o.Value, o.Node, o.Done.Seconds(), o.ID))
			continue
		}
		ops[i].Lost = &history.Loss{From: from, Told: max(text, shown)}
	}
	w.log("%d acknowledged writes were lost in a fail-over, %d of them without being named", count, len(errs))
	if count > w.allowed.most {
		errs = append(errs, fmt.Errorf("%w: %d acknowledged writes were lost, at most %d are allowed",
			errBroken, count, w.allowed.most))
	}
	return errors.Join(errs...)
}

// hitAfter finds the failure of a server that a write may have been lost in, and when it was.
func (w *world) hitAfter(l *load.Load, o history.Op) (time.Duration, bool) {
	for _, at := range w.hits {
		if o.Sent <= l.After(at, time.Second) && o.Done >= at-w.allowed.window {
			return at, true
		}
	}
	return 0, false
}

// outage wants no longer time without an acknowledged save since the newest trouble.
func outage(_ context.Context, w *world, args []string) error {
	limit, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	from := w.fault[0]
	if len(w.hits) > 0 {
		from = min(from, w.hits[0])
	}
	var done []time.Duration
	for _, o := range w.load.Ops() {
		if o.Kind == history.Write && o.Outcome == history.OK && !strings.HasPrefix(o.Key, history.SessionKey) {
			done = append(done, o.Done)
		}
	}
	longest, at := gap(done, from, w.load.Now(), w.load.Lost)
	text := fmt.Sprintf("no save was answered for %.2f s, from %.2f s on", longest.Seconds(), at.Seconds())
	if longest > limit {
		return errors.New(text)
	}
	w.log("%s", text)
	return nil
}

// gap is the longest time between two of the moments, or the last and now, that ends after from, less what of it was
// lost to a machine that stood still; and when it began.
func gap(moments []time.Duration, from, now time.Duration, lost func(from, to time.Duration) time.Duration) (
	longest, at time.Duration) {
	last := time.Duration(0)
	at = from
	for _, t := range append(slices.Sorted(slices.Values(moments)), now) {
		if d := t - last - lost(last, t); t > from && d > longest {
			longest, at = d, last
		}
		last = t
	}
	return longest, at
}

// statusLimit is how long after a trouble the status may still be untrue.
const statusLimit = 5 * time.Second

// expectStatus looks at the output of stoa cluster status. Of a text that is to be there, one node that says it is
// enough; what is not to be there no node may say.
func expectStatus(ctx context.Context, w *world, args []string) error {
	not := args[0] == "not"
	if not {
		args = args[1:]
	}
	re, err := regexp.Compile(strings.Join(args, " "))
	if err != nil {
		return err
	}
	return await(ctx, statusLimit, func(ctx context.Context) error {
		var seen []string
		for _, name := range w.running() {
			out, err := w.stoaAt(ctx, w.nodes[name], "cluster", "status")
			if err != nil {
				out += err.Error() // the exit code says that something is wrong
			}
			if re.MatchString(out) != not {
				if !not {
					return nil
				}
				continue
			}
			seen = append(seen, name+" says:\n"+out)
		}
		if not && len(seen) == 0 {
			return nil
		}
		return fmt.Errorf("%w: the status is not as it should be (%s): %s", errBroken,
			strings.Join(args, " "), strings.Join(seen, "\n"))
	})
}

// running are the names of the nodes that run, those of the clone aside.
func (w *world) running() (names []string) {
	for name, n := range w.nodes {
		if n.proc != nil && n.proc.Running() && name[0] == 'n' {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// expectEvent wants an event in the status: what happened, and stays there until it is read.
func expectEvent(ctx context.Context, w *world, args []string) error {
	return expectStatus(ctx, w, args)
}

// refused wants a node not to be ready, or to have ended, and to say why: in its answer or in its log since the
// newest trouble.
func refused(ctx context.Context, w *world, args []string) error {
	n := w.nodes[args[0]]
	if n == nil {
		return fmt.Errorf("there is no node %q", args[0])
	}
	re, err := regexp.Compile(strings.Join(args[1:], " "))
	if err != nil {
		return err
	}
	return await(ctx, 10*time.Second, func(ctx context.Context) error {
		body := ""
		if n.proc.Running() {
			status, text, err := w.ask(ctx, n.host.Addr, "/readyz")
			if err == nil && status == http.StatusOK {
				return fmt.Errorf("%w: %s is ready", errBroken, args[0])
			}
			body = text
		}
		text, err := os.ReadFile(n.proc.Log)
		if err == nil && !re.MatchString(body) && !re.Match(text[min(n.said, int64(len(text))):]) {
			err = fmt.Errorf("%s does not say why: %s\n%s", args[0], strings.TrimSpace(body), n.proc.Tail(5))
		}
		return err
	})
}

// beating tells how many heartbeats nodes committed on a server in two seconds.
func beating(ctx context.Context, d *machine.Database) (int, error) {
	var sums [2]int
	for i := range sums {
		rows, err := d.Query(ctx, "SELECT sum(beat) FROM change_writer")
		if err == nil {
			sums[i], err = strconv.Atoi(rows[0][0])
		}
		if err == nil && i == 0 {
			err = idle(ctx, 2*time.Second)
		}
		if err != nil {
			return 0, err
		}
	}
	return sums[1] - sums[0], nil
}

// quiet wants no node to commit on a server any more, from so long on.
func quiet(ctx context.Context, w *world, args []string) error {
	d, err := w.server(args[0])
	if err != nil {
		return err
	}
	limit, err := time.ParseDuration(args[1])
	if err == nil {
		err = pass(ctx, limit)
	}
	if err != nil {
		return err
	}
	n, err := beating(ctx, d)
	if err == nil && n > 0 {
		err = fmt.Errorf("%w: nodes still write to %s %s after: %d heartbeats in 2 s", errBroken, args[0], limit, n)
	}
	return err
}

// single wants nodes to commit on one server only, from so long on, and sets $WRITTEN to it, which counts from now
// on, and $IDLE to another that takes writes and gets none.
func single(ctx context.Context, w *world, args []string) error {
	limit, err := time.ParseDuration(args[0])
	if err == nil {
		err = pass(ctx, limit)
	}
	if err != nil {
		return err
	}
	var written, not []string
	for _, d := range w.group.Servers {
		if !d.Running() {
			continue
		}
		n, err := beating(ctx, d)
		if err != nil {
			return err
		}
		if n > 0 {
			written = append(written, d.Host.Name)
			w.db = d
		} else {
			not = append(not, d.Host.Name)
		}
	}
	if len(written) != 1 || len(not) == 0 {
		return fmt.Errorf("%w: nodes write to %v %s after, and not to %v", errBroken, written, limit, not)
	}
	w.set("WRITTEN", written[0])
	w.set("IDLE", not[0])
	w.log("nodes write to %s", written[0])
	return nil
}

// judgeHistory ends the people and judges what they saw until now, without a look at the database: what it had is
// gone, such as after a restore, from which on nothing is to be seen that was saved after the dump.
func judgeHistory(_ context.Context, w *world, _ []string) error {
	if w.load == nil {
		return errors.New("there are no people whose experience could be judged")
	}
	l := w.load
	w.load, w.hits = nil, nil
	defer l.Close()
	l.Stop()
	ops := l.Ops()
	from, told := w.restored[0].Sub(l.Began()), w.restored[1].Sub(l.Began())
	for i, o := range ops {
		saved := o.Kind == history.Write && o.Outcome == history.OK
		if !w.restored[0].IsZero() && saved && o.Sent >= w.dumped.Sub(l.Began()) {
			ops[i].Lost = &history.Loss{From: from, Told: told} // who restored the dump knew that
		}
	}
	// A session that was begun after the dump is not in it, so it ends without anybody's signing out.
	ops = slices.DeleteFunc(ops, func(o history.Op) bool {
		return o.Kind == history.Member && strings.HasPrefix(o.Key, history.SessionKey) && w.gone(l, o)
	})
	return w.verdict(l, ops, nil)
}

// lacks says of an error that it is for want of something that the machine does not have.
func lacks(err error) bool { return errors.Is(err, machine.ErrMissing) }
