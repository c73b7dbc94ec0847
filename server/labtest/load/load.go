// Package load plays the people of a portal: writers who stamp numbers into articles through the control
// panel, guests and members who read them on every node, and people who sign out. It writes down each
// request for package history and judges nothing. The main type is Load.
package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stoa-portal/stoa/server/labtest/history"
	"github.com/stoa-portal/stoa/server/labtest/stall"
)

// Target is a node, or a load balancer in front of several.
type Target struct {
	Name string
	Dial func(ctx context.Context) (net.Conn, error)
	Many bool // which node answers is not known
}

// Options say how many people there are and what they do.
type Options struct {
	Targets  []Target
	Login    string // of somebody who may publish
	Password string
	Writers  int           // each with an article of its own
	Pause    time.Duration // of a writer between two writes, on average
	Rest     time.Duration // of a writer after ten writes, at least: the next must not hide that the last is not seen
	Patience time.Duration // of a writer with one save; it is uncertain then
	Readers  int           // shared out among the targets: one that hangs keeps only its own from reading
	Rate     int           // reads a second of all readers together; 0 = as many as they can
	Leavers  int           // people who sign in, look around and sign out
	GiveUp   bool          // a writer whose save is uncertain writes no more, so that the end shows what became of it
	Seed     uint64
	Prefix   string // of the keys, different for each load of a database
}

// Load is a running or finished load.
type Load struct {
	o     Options
	begin time.Time
	watch *stall.Watch
	stop  chan struct{}
	once  sync.Once
	wg    sync.WaitGroup

	site    string
	writers []*writer
	member  *client

	mu  sync.Mutex
	ops []history.Op
	odd []string
}

// New makes a load that stands still.
func New(o Options) *Load {
	return &Load{o: o, begin: time.Now(), watch: stall.Start(), stop: make(chan struct{})}
}

// Now is the time since the load was made, by the clock of the history.
func (l *Load) Now() time.Duration { return time.Since(l.begin) }

// Began is when the clock of the history was zero.
func (l *Load) Began() time.Time { return l.begin }

// Lost is how much of the time between two moments by the clock of the history the machine of the people stood still:
// a request was late by so much for none of the portal's doing.
func (l *Load) Lost(from, to time.Duration) time.Duration {
	return l.watch.Lost(l.begin.Add(from), l.begin.Add(to))
}

// After is the moment by the clock of the history when the machine of the people has run for d since from.
func (l *Load) After(from, d time.Duration) time.Duration {
	return l.watch.After(l.begin.Add(from), d).Sub(l.begin)
}

// Ops gives the requests that are finished.
func (l *Load) Ops() []history.Op {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.ops)
}

// Odd gives the answers that no promise allows, such as an error page in place of an article.
func (l *Load) Odd() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.odd)
}

func (l *Load) record(o history.Op) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ops = append(l.ops, o)
}

func (l *Load) oddity(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.odd) < 50 {
		l.odd = append(l.odd, fmt.Sprintf("at %.3f s: ", l.Now().Seconds())+fmt.Sprintf(format, args...))
	}
}

// Start signs everybody in, makes the first articles and lets all begin. It ends with ctx.
func (l *Load) Start(ctx context.Context) error {
	l.member = l.newClient("")
	if err := l.member.signIn(ctx, l.o.Targets[0]); err != nil {
		return err
	}
	form, err := l.member.get(ctx, l.o.Targets[0], "/control/content/new", "")
	if err != nil {
		return err
	}
	if l.site = input(form.body, "site"); l.site == "" {
		return fmt.Errorf("the form of a new article on %s has no site; it answers %d", l.o.Targets[0].Name, form.status)
	}
	for i := range l.o.Writers {
		w := &writer{l: l, c: l.newClient(fmt.Sprint("writer ", i)), friend: l.newClient(""), key: fmt.Sprintf("%s%d", l.o.Prefix, i), rnd: l.random(100 + i)}
		l.writers = append(l.writers, w)
		if err := w.begin(ctx); err != nil {
			return err
		}
	}
	for _, w := range l.writers {
		l.wg.Go(func() { w.run(ctx) })
	}
	for i := range l.o.Readers {
		l.wg.Go(func() { l.read(ctx, l.o.Targets[i%len(l.o.Targets)], l.random(200+i)) })
	}
	for i := range l.o.Leavers {
		l.wg.Go(func() { l.leave(ctx, i, l.random(300+i)) })
	}
	return nil
}

func (l *Load) random(stream int) *rand.Rand { return rand.New(rand.NewPCG(l.o.Seed, uint64(stream))) }

// Stop lets everybody finish what they are doing, and waits.
func (l *Load) Stop() {
	l.once.Do(func() { close(l.stop) })
	l.wg.Wait()
}

// wait is a pause that the end of the load cuts short; false says that it is over.
func (l *Load) wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-l.stop:
		return false
	case <-t.C:
		return true
	}
}

// Close frees the connections.
func (l *Load) Close() {
	l.watch.Stop()
	for _, w := range l.writers {
		w.c.close()
		w.friend.close()
	}
	if l.member != nil {
		l.member.close()
	}
}

// Settle reads every article on every target, as a guest and as a member, when the load has stopped and
// all nodes are well. These are the reads that show whether everything is there in the end.
func (l *Load) Settle(ctx context.Context) error {
	guest := l.newClient("")
	defer guest.close()
	for _, key := range l.keys() {
		for _, t := range l.o.Targets {
			for _, c := range []*client{guest, l.member} {
				err := l.last(ctx, func() []history.Op { return []history.Op{c.readArticle(ctx, t, key, "").Op} })
				if err != nil {
					return err
				}
			}
		}
	}
	for _, t := range l.o.Targets {
		for _, c := range []*client{guest, l.member} {
			if err := l.last(ctx, func() []history.Op { return c.readList(ctx, t) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// last repeats a read until it is answered: a node may refuse for a moment, such as while it drops old
// connections.
func (l *Load) last(ctx context.Context, read func() []history.Op) error {
	for {
		bad := false
		var o history.Op
		for _, o = range read() {
			o.Last = true
			l.record(o)
			bad = bad || o.Outcome != history.OK || o.Stale > 0
		}
		if !bad {
			return nil
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return fmt.Errorf("%s does not answer for %q in the end: %s", o.Node, o.Key, o.Note)
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// keys lists the articles that were written, the newborn ones included.
func (l *Load) keys() []string {
	var keys []string
	for _, w := range l.writers {
		keys = append(keys, w.key)
		for n := int64(1); n <= w.born.Load(); n++ {
			keys = append(keys, w.child(n))
		}
	}
	return keys
}

// read is one reader: mostly a guest, who asks again for what it knows as browsers do.
func (l *Load) read(ctx context.Context, t Target, rnd *rand.Rand) {
	guest := l.newClient("")
	defer guest.close()
	known := map[string]string{} // entity tags by key
	var every time.Duration
	if l.o.Rate > 0 {
		every = time.Duration(l.o.Readers) * time.Second / time.Duration(l.o.Rate)
	}
	for ctx.Err() == nil {
		begun := time.Now()
		w := l.writers[rnd.IntN(len(l.writers))]
		key := w.key
		if rnd.IntN(5) == 0 { // one of the newborn, or the next, which is not there yet
			key = w.child(max(1, w.born.Load()+1-int64(rnd.IntN(3))))
		}
		switch n := rnd.IntN(20); {
		case n < 2:
			l.record(l.member.readArticle(ctx, t, key, "").Op)
		case n < 5:
			for _, o := range guest.readList(ctx, t) {
				l.record(o)
			}
		case n < 12:
			o := guest.readArticle(ctx, t, key, known[key])
			if o.tag != "" {
				known[key] = o.tag
			}
			l.record(o.Op)
		default:
			l.record(guest.readArticle(ctx, t, key, "").Op)
		}
		if !l.wait(ctx, max(0, every-time.Since(begun))) {
			return
		}
	}
}

// next is a random target other than the one given.
func (l *Load) next(rnd *rand.Rand, not Target) Target {
	if len(l.o.Targets) == 1 {
		return not
	}
	for {
		if t := l.o.Targets[rnd.IntN(len(l.o.Targets))]; t.Name != not.Name {
			return t
		}
	}
}

// versionsPerWrite is what a save with publication adds to the version of an article. Were it another
// number, every write would meet a conflict and ask for the version.
const versionsPerWrite = 2

// writer owns one article and writes ever higher numbers into it, each time through another node.
type writer struct {
	l      *Load
	c      *client
	friend *client // a guest who is told what was written
	key    string
	id     string // of the article
	rnd    *rand.Rand
	born   atomic.Int64 // articles that it made beside its own

	value   int64
	version int64 // that the next form must carry; 0 = ask
}

func (w *writer) child(n int64) string { return fmt.Sprintf("%s-%d", w.key, n) }

func (w *writer) begin(ctx context.Context) error {
	t := w.l.o.Targets[w.rnd.IntN(len(w.l.o.Targets))]
	if err := w.c.signIn(ctx, t); err != nil {
		return err
	}
	w.value = 1
	o, location := w.c.write(ctx, t, "/control/content/new", w.key, 1, 0)
	w.l.record(o)
	if o.Outcome != history.OK {
		return fmt.Errorf("the first article of a writer on %s: %s", t.Name, o.Note)
	}
	w.id, _, _ = strings.Cut(strings.TrimPrefix(location, "/control/content/"), "?")
	return nil
}

func (w *writer) run(ctx context.Context) {
	for round := 1; ctx.Err() == nil; round++ {
		if !w.l.wait(ctx, w.l.o.Pause/2+time.Duration(w.rnd.Int64N(int64(w.l.o.Pause)+1))) {
			return
		}
		t := w.l.o.Targets[w.rnd.IntN(len(w.l.o.Targets))]
		if round%10 == 0 {
			w.birth(ctx, t)
			if !w.l.wait(ctx, w.l.o.Rest+time.Duration(w.rnd.Int64N(int64(w.l.o.Rest)/2+1))) {
				return
			}
			continue
		}
		if w.version == 0 {
			w.version = w.ask(ctx, t)
		}
		if w.version == 0 {
			continue
		}
		w.value++
		o, _ := w.c.write(ctx, t, "/control/content/"+w.id, w.key, w.value, w.version)
		w.l.record(o)
		if o.Outcome == history.Unknown && w.l.o.GiveUp {
			return
		}
		if o.Outcome != history.OK {
			w.version = 0
			continue
		}
		w.version += versionsPerWrite
		w.readOwn(ctx, t, w.key)
	}
}

// birth makes a new article. One that is uncertain stays so: the next has another name.
func (w *writer) birth(ctx context.Context, t Target) {
	n := w.born.Load() + 1
	o, _ := w.c.write(ctx, t, "/control/content/new", w.child(n), 1, 0)
	w.l.record(o)
	w.born.Store(n)
	if o.Outcome == history.OK {
		w.readOwn(ctx, t, w.child(n))
	}
}

// readOwn looks for what was just written, on the same node and on another, and lets a friend look there, for
// whom pages are made that many share.
func (w *writer) readOwn(ctx context.Context, t Target, key string) {
	w.friend.after = w.c.wrote
	for _, at := range []Target{t, w.l.next(w.rnd, t)} {
		ops := append(w.friend.readList(ctx, at), w.friend.readArticle(ctx, at, key, "").Op, w.c.readArticle(ctx, at, key, "").Op)
		for _, o := range ops {
			o.Session = w.c.session
			w.l.record(o)
		}
	}
}

// ask gives the version of the article from its form, 0 when there is no answer.
func (w *writer) ask(ctx context.Context, t Target) int64 {
	a, err := w.c.get(ctx, t, "/control/content/"+w.id, "")
	if err != nil || a.status != 200 {
		return 0
	}
	var v int64
	if _, err := fmt.Sscan(input(a.body, "version"), &v); err != nil {
		w.l.oddity("the form of article %s on %s has no version", w.id, t.Name)
	}
	return v
}
