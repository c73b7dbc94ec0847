package follow

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/bits"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/db"
)

const (
	mostTasks    = 10_000 // things on the list of a follower; of more, whole kinds are looked at
	mostListed   = 5000   // those that stay on it then, and of one read
	mostScopes   = 100    // looked at one by one because of one read; of more, all are
	mostWaiting  = 1000   // things that wait for a try; with more, the log is not read on
	longestWait  = 5 * time.Minute
	shortestWait = 100 * time.Millisecond
	gapWait      = time.Second // between reads while numbers are open
	returnWait   = 10 * time.Second
	quickStep    = 400 * time.Millisecond // of a lease of 2 s: twice as much is done in time, too
)

// worker runs one follower: by itself for OwnPlace, otherwise while this node has the lease. Its state is of the
// one goroutine that runs it; what others may see is in seen.
type worker struct {
	s      *Service
	f      Follower
	name   string // of its rows
	log    *slog.Logger
	news   chan struct{}
	orders atomic.Bool
	seen   seen

	fence       cluster.Fence
	loaded      bool
	version     int64 // of the row, as read or written last
	incarnation int64
	history     string       // of the database that place belongs to
	saved       change.Place // as the database, or the follower, has it
	place       change.Place
	dirty       time.Time // since when place is further than saved
	from        int64     // the writer to begin the next read with
	tasks       counts
	away        int       // tries in a row that found the other side away
	beyond      time.Time // since when the database lacks what was read
	lacks       string    // the history in which it does
	behind      bool      // the newest read said so
	settled     bool      // the newest step found nothing to read and no thing to do
	term        Term      // that the follower was told of
	halved      int       // how often the lease was lost in the middle of a batch, so that the next ones are smaller
}

// seen is what a status shows of a worker.
type seen struct {
	mu      sync.Mutex
	running bool
	failed  int
	since   time.Time // when it could not go on for the first time in a row
	err     error     // why
	// Closed once a step that begins after they were put here leaves nothing to read, and no thing to do: settle; and
	// no scope to look at either: idle.
	settle, idle []chan struct{}
}

func newWorker(s *Service, f Follower) *worker {
	w := &worker{s: s, f: f, name: f.Name, log: s.log.With("follower", f.Name), news: make(chan struct{}, 1)}
	if f.Effect == OwnPlace {
		w.name += "@" + s.o.Node
	}
	return w
}

// wants reports whether the follower is told of the row.
func (w *worker) wants(r change.Row) bool {
	if r.Kind == change.Everything {
		return r.Version != change.CachesOnly
	}
	return w.f.Kinds == nil && r.Kind != "" || slices.Contains(w.f.Kinds, r.Kind)
}

// live runs until ctx ends.
func (w *worker) live(ctx context.Context) {
	if w.f.Effect == OwnPlace {
		_ = w.run(ctx, cluster.Fence{})
		return
	}
	lease := w.s.o.Lease("follow " + w.f.Name)
	for ctx.Err() == nil {
		if err := lease.Run(ctx, w.run); err != nil && ctx.Err() == nil {
			w.log.Error("a follower ended by itself and is begun again", "error", err)
		}
	}
}

// run follows until ctx ends, or the lease is lost.
func (w *worker) run(ctx context.Context, fence cluster.Fence) error {
	w.fence, w.loaded, w.away = fence, false, 0
	w.running(true)
	defer w.running(false)
	defer w.ends()
	failing, said := false, int64(0)
	var settling, idling []chan struct{}
	for tries := 0; ; {
		settle, idle := w.awaited()
		settling, idling = append(settling, settle...), append(idling, idle...)
		began := time.Now()
		more, err := w.step(ctx)
		switch took := time.Since(began); {
		case errors.Is(err, cluster.ErrFenced) || errors.Is(context.Cause(ctx), cluster.ErrFenced):
			w.halved = min(w.halved+1, bits.Len(uint(w.s.o.Batch)))
		case err == nil && took < quickStep:
			w.halved = max(w.halved-1, 0)
		}
		if ctx.Err() != nil {
			return nil
		}
		w.show(err)
		switch {
		case errors.Is(err, cluster.ErrFenced):
			return err
		case err != nil:
			w.loaded = false
			if !failing {
				w.log.Warn("a follower of the change log cannot go on; it is tried until it can", "error", err)
			}
			if !failing || said != w.version { // a move since has forgotten it
				w.say(ctx, err)
			}
			failing, said = true, w.version
			if !w.pause(ctx, backoff(shortestWait, tries, w.s.o.Calm)) {
				return nil
			}
			tries++
			continue
		case failing:
			w.log.Info("the follower goes on")
			failing = false
		}
		tries = 0
		if w.settled {
			release(&settling)
		}
		if more {
			continue
		}
		release(&idling)
		if !w.wait(ctx) {
			return nil
		}
	}
}

// begins tells the follower of a new term. That the lease is held there is asked of the database first: after a
// fail-over that lost the claim, another node may claim the same epoch.
func (w *worker) begins(ctx context.Context) error {
	t := Term{w.incarnation, w.fence.Epoch()}
	if t == w.term || w.f.Began == nil {
		return nil
	}
	err := w.s.o.DB.Write(ctx, func(_ context.Context, tx *db.Tx) error {
		if tx.Token() != w.history {
			return errMoved
		}
		w.fence.Apply(tx)
		return nil
	})
	if err != nil {
		return fmt.Errorf("begin a term: %w", err)
	}
	w.term = t
	w.f.Began(t)
	return nil
}

// ends tells the follower that its term is over here.
func (w *worker) ends() {
	if w.term != (Term{}) {
		w.term = Term{}
		w.f.Began(Term{})
	}
}

// awaited gives the callers of Settle and Idle that wait for what was committed before the step that comes now.
func (w *worker) awaited() (settle, idle []chan struct{}) {
	w.seen.mu.Lock()
	defer w.seen.mu.Unlock()
	settle, idle = w.seen.settle, w.seen.idle
	w.seen.settle, w.seen.idle = nil, nil
	return settle, idle
}

func release(waiting *[]chan struct{}) {
	for _, c := range *waiting {
		close(c)
	}
	*waiting = nil
}

// batch is how many things are done at once. Where a whole batch takes longer than the lease lasts, the lease is lost
// each time before it is done, and without smaller ones nothing ever would be. They grow again with each quick step.
func (w *worker) batch() int { return max(1, w.s.o.Batch>>w.halved) }

func (w *worker) running(is bool) {
	w.seen.mu.Lock()
	defer w.seen.mu.Unlock()
	w.seen.running = is
	w.seen.since, w.seen.err = time.Time{}, nil
}

// show lets others see how the newest step ended.
func (w *worker) show(err error) {
	w.seen.mu.Lock()
	defer w.seen.mu.Unlock()
	w.seen.failed, w.seen.err = w.tasks.failed, err
	switch {
	case err == nil:
		w.seen.since = time.Time{}
	case w.seen.since.IsZero():
		w.seen.since = time.Now()
	}
}

// step does a little of everything there is to do, and reports whether there is more.
func (w *worker) step(ctx context.Context) (more bool, err error) {
	if err := w.load(ctx); err != nil {
		return false, err
	}
	if err := w.begins(ctx); err != nil {
		return false, err
	}
	w.settled = false
	for i, part := range []func(context.Context) (bool, error){w.readOn, w.retry, w.review} {
		if i == 2 {
			w.settled = !more
		}
		again, err := part(ctx)
		if err != nil {
			return false, err
		}
		more = more || again
		if !w.loaded { // something of it was decided anew
			return true, nil
		}
	}
	return more, nil
}

// wait returns when there may be something to do; false: ctx has ended.
func (w *worker) wait(ctx context.Context) bool {
	d := w.s.o.Calm
	if w.place.Open() {
		d = min(d, gapWait)
	}
	if !w.dirty.IsZero() {
		d = min(d, w.s.o.Calm-time.Since(w.dirty))
	}
	if w.tasks.waiting > 0 {
		d = min(d, time.Until(w.tasks.due))
	}
	timer := time.NewTimer(max(d, time.Millisecond))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		w.tasks.stale = true // another node may have changed the list
	case <-w.news:
		if w.f.Gather > 0 {
			if !w.pause(ctx, w.f.Gather) {
				return false
			}
			select {
			case <-w.news: // what that was of is read now as well
			default:
			}
		}
	}
	return true
}

func (w *worker) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// backoff is the wait after a number of tries that failed before this one.
func backoff(base time.Duration, tries int, most time.Duration) time.Duration {
	for ; tries > 0 && base < most; tries-- {
		base *= 2
	}
	return min(base, most)
}

// unavailable reports whether an error says nothing about the thing that it came with.
func unavailable(err error) bool {
	return stoa.Is(err, stoa.KindUnavailable) || errors.Is(err, context.Canceled) ||
		errors.Is(err, context.DeadlineExceeded)
}

// readOn reads the log once and does what it leads to.
func (w *worker) readOn(ctx context.Context) (more bool, err error) {
	if w.tasks.waiting >= mostWaiting {
		return false, nil
	}
	read, err := w.s.o.Log.After(ctx, w.place, w.from, 2*w.batch())
	if errors.Is(err, change.ErrBehind) {
		if !w.behind { // the place in memory may name a writer that was forgotten since it was loaded
			w.behind, w.loaded = true, false
			return true, nil
		}
		w.log.Warn("the change log was pruned past the place of a follower: it is rebuilt")
		return true, w.begin(ctx, Behind)
	}
	if err != nil {
		return false, err
	}
	w.behind = false
	changes, scopes := w.sort(read.Rows)
	if len(read.Rows) > 0 {
		w.from = read.Rows[len(read.Rows)-1].Writer + 1
	}
	if len(changes)+len(scopes) == 0 {
		return read.More, w.pass(ctx, read.Place)
	}
	changes, folded := w.fold(changes)
	late := append(scopes, folded...)
	if most := w.batch(); len(changes) > most { // of a big transaction: they are done one batch after the other
		late, changes = append(late, tasksOf(changes[most:], Told)...), changes[:most]
	}
	err = w.commit(ctx, move{to: read.Place, add: late, changes: changes})
	var failed *failure
	switch {
	case err == nil:
		w.away = 0
		return true, nil
	case !errors.As(err, &failed):
		return false, err
	case unavailable(err):
		if w.away++; w.away < w.s.o.Tries || w.f.Patient {
			return false, err
		}
		w.away = 0 // one of them may be what makes the other side hang
	}
	w.log.Warn("a follower could not do what the change log told: it is tried for each thing by itself",
		"things", len(changes), "error", err)
	return true, w.commit(ctx, move{to: read.Place, add: append(late, w.parked(changes, err)...)})
}

// pass moves over rows that lead to nothing. That is written down now and then, so that it costs nothing.
func (w *worker) pass(ctx context.Context, to change.Place) error {
	if w.place.Equal(to) {
		w.place = to
	} else if w.place = to; w.dirty.IsZero() {
		w.dirty = time.Now()
	}
	if w.dirty.IsZero() || time.Since(w.dirty) < w.s.o.Calm {
		return nil
	}
	return w.commit(ctx, move{to: to})
}

// sort makes of rows what the follower is told: each thing once in each scope, and scopes.
func (w *worker) sort(rows []change.Row) (changes []Change, scopes []task) {
	at := map[key]int{}
	for _, r := range rows {
		if !w.wants(r) {
			continue
		}
		c := Change{Kind: r.Kind, ID: r.ID, Scope: r.Scope, Version: r.Version,
			follower: w.name, writer: r.Writer, n: r.N, part: r.Part}
		if r.Kind == change.Everything {
			c.ID, c.Scope = 0, 0
		}
		if c.ID == 0 {
			scopes = append(scopes, task{Change: c, reason: Told})
			continue
		}
		i, found := at[c.key()]
		switch {
		case !found:
			at[c.key()] = len(changes)
			changes = append(changes, c)
		default:
			changes[i] = changes[i].join(c)
		}
	}
	return changes, scopes
}

// join makes one change of two of a thing. The order in which they were read plays no part.
func (c Change) join(o Change) Change {
	sum := c.sum() + o.sum()
	first := cmp.Or(cmp.Compare(c.Version, o.Version), cmp.Compare(c.writer, o.writer), cmp.Compare(c.n, o.n),
		cmp.Compare(c.part, o.part)) < 0
	if first {
		c = o
	}
	c.joined = sum
	return c
}

// sum tells which rows a change is of.
func (c Change) sum() uint64 {
	if c.joined != 0 {
		return c.joined
	}
	var b [24]byte
	binary.LittleEndian.PutUint64(b[:], uint64(c.writer))
	binary.LittleEndian.PutUint64(b[8:], c.n)
	binary.LittleEndian.PutUint64(b[16:], uint64(c.part))
	d := sha256.Sum256(b[:])
	return max(binary.LittleEndian.Uint64(d[:]), 1)
}

// fold makes of the things of a kind of which very many were changed at once looks at their scopes.
func (w *worker) fold(changes []Change) (few []Change, scopes []task) {
	byKind := map[string]int{}
	for _, c := range changes {
		byKind[c.Kind]++
	}
	kinds := tooMany(byKind)
	for _, c := range changes {
		if !slices.Contains(kinds, c.Kind) {
			few = append(few, c)
			continue
		}
		t := scan(w.name, c.Kind, TooMany)
		if t.Scope = c.Scope; !slices.ContainsFunc(scopes, func(o task) bool { return o.key() == t.key() }) {
			scopes = append(scopes, t)
		}
	}
	if len(scopes) > mostScopes {
		scopes = scopes[:0]
		for _, kind := range kinds {
			scopes = append(scopes, scan(w.name, kind, TooMany))
		}
	}
	return few, scopes
}

// tooMany gives the kinds that have the most things, so that without them no more than mostListed are left.
func tooMany(byKind map[string]int) (kinds []string) {
	left := 0
	for _, n := range byKind {
		left += n
	}
	for _, kind := range slices.SortedFunc(maps.Keys(byKind), func(a, b string) int {
		return cmp.Or(cmp.Compare(byKind[b], byKind[a]), cmp.Compare(a, b))
	}) {
		if left <= mostListed {
			break
		}
		kinds, left = append(kinds, kind), left-byKind[kind]
	}
	return kinds
}

// failure is an error of the follower itself, not of what moves it.
type failure struct{ err error }

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// guard turns a panic of the follower into an error.
func guard(fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return fn()
}

// apply calls the follower.
func (w *worker) apply(ctx context.Context, tx *db.Tx, changes []Change, token []byte) (again []Change, err error) {
	if len(changes) == 0 && token == nil {
		return nil, nil
	}
	b := Batch{Changes: changes, Tx: tx, Token: token, again: &again}
	if err := guard(func() error { return w.f.Apply(ctx, b) }); err != nil {
		return nil, &failure{err}
	}
	if len(again) > 0 && tx == nil {
		return nil, &failure{errors.New("it asks for changes once more, which is for followers in the database")}
	}
	return again, nil
}
