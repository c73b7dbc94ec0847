package simtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/db"
)

const (
	articles = 4
	pages    = 2 // page 1 shows the articles 1 to 3, page 2 the articles 2 to 4
	shown    = 3
)

// part is what a visitor sees of one thing.
type part struct {
	What    thing
	State   state
	Deposed bool // it was read from a primary that is not the primary any more
}

// ledger knows what was acknowledged when.
type ledger struct {
	saves int
	acked map[thing][]ack
	done  map[int]bool // saves whose outcome was told: true = acknowledged, false = refused
}

type ack struct {
	at      time.Duration
	version int // the highest of all acknowledged until then
}

// minimum is the version that was acknowledged no later than at.
func (l *ledger) minimum(what thing, at time.Duration) int {
	acks := l.acked[what]
	i, _ := slices.BinarySearchFunc(acks, at+1, func(a ack, at time.Duration) int { return int(a.at - at) })
	if i == 0 {
		return 0
	}
	return acks[i-1].version
}

func (l *ledger) ack(at time.Duration, what thing, version int) {
	if l.acked == nil {
		l.acked = map[thing][]ack{}
	}
	l.acked[what] = append(l.acked[what], ack{at, max(version, l.minimum(what, at))})
}

// request is one visit.
type request struct {
	id      int
	n       *node
	life    int // of the node, in which the request was begun
	what    thing
	guest   bool
	arrival time.Duration
	own     map[thing]state // what this person has saved
	last    bool            // all must be as the database has it
	hinted  bool            // a hint alone says that the node has applied what own names
	// how old the answer may be when nothing proves that the node is up to date since the request arrived
	behind func() (time.Duration, bool)
}

// requestKey is under what the contexts of a request, and of loads begun for it, carry its number.
type requestKey struct{}

type answer struct {
	req  *request
	at   time.Duration
	seen []part
	info cache.Info
	err  error
}

// visit lets a client come, and then the next.
func (w *Simulation) visit() {
	if w.now() > active+calm {
		return
	}
	w.after(w.between(10*time.Millisecond, w.plan.visits), w.visit)
	n := pick(w, w.nodes)
	if n.joined {
		w.send(&request{n: n, what: w.subject(), guest: w.chance(0.5)})
	}
}

func (w *Simulation) subject() thing {
	if w.chance(0.5) {
		return thing{"article", 1 + w.rand.Int64N(articles)}
	}
	return thing{"page", 1 + w.rand.Int64N(pages)}
}

// send is the arrival of a request; a frozen node gets to it later.
func (w *Simulation) send(r *request) {
	w.clients++
	w.stats.Requests++
	r.id, r.arrival = w.clients, w.now()
	r.n.arrive(r.n.life, r.serve)
}

// serve waits for a proof when there is none, as package web does: a guest not for long, and then he gets what there
// is with a mark.
func (r *request) serve() {
	n, life, begun := r.n, r.n.life, false
	if !n.joined {
		return
	}
	if n.cache.Proven() {
		r.show()
		return
	}
	then := func(err error) {
		if begun || !n.joined || n.life != life {
			return
		}
		begun = true
		if err != nil && !r.guest {
			n.w.check(answer{req: r, at: n.w.now(), err: err})
			return
		}
		if err != nil {
			r.behind = n.cache.Unproven()
		}
		n.w.after(0, func() { n.arrive(life, r.show) }) // one at a time, as others wait for the same proof
	}
	n.poll(then)
	limit := change.Bound
	if r.guest {
		limit = n.cache.GuestPatience()
	}
	n.w.after(limit, func() { n.arrive(life, func() { then(errNoProof) }) })
}

var errNoProof = errors.New("no proof in time")

// show runs the request in a goroutine of its own, as package httpd does.
func (r *request) show() {
	w, n := r.n.w, r.n
	if !n.joined {
		return
	}
	w.waiting++
	r.life = n.life
	c, pass := n.cache, w.queueAt(r.id, n.ended)
	go func() {
		pass() // several may come at one instant
		ctx := c.Arrived(context.WithValue(context.Background(), requestKey{}, r.id))
		if r.guest {
			ctx = cache.StaleOK(ctx)
		}
		a := answer{req: r}
		if r.what.Kind == "article" {
			var p part
			p, a.info, a.err = n.articles.GetInfo(ctx, r.what.key(), n.loadArticle(r.what))
			a.seen = []part{p}
		} else {
			a.seen, a.info, a.err = n.pages.GetInfo(ctx, r.what.key(), n.loadPage(r.what))
		}
		a.at = w.now()
		if r.behind != nil && a.err == nil {
			age, ok := r.behind()
			if a.info.Stale = max(a.info.Stale, age); !ok {
				a.err = errNoProof
			}
		}
		w.mu.Lock()
		w.answers = append(w.answers, a)
		w.mu.Unlock()
	}()
}

func (t thing) key() string { return fmt.Sprint(t.ID) }

func (n *node) loadArticle(what thing) func(context.Context, *cache.Load) (part, error) {
	return func(ctx context.Context, l *cache.Load) (part, error) {
		l.Thing(what.Kind, stoa.ID(what.ID))
		return n.read(ctx, what)
	}
}

func (n *node) loadPage(what thing) func(context.Context, *cache.Load) ([]part, error) {
	return func(ctx context.Context, l *cache.Load) ([]part, error) {
		l.Thing(what.Kind, stoa.ID(what.ID))
		own, err := n.read(ctx, what)
		if err != nil {
			return nil, err
		}
		seen := []part{own}
		for i := range int64(shown) {
			a := thing{"article", what.ID + i}
			p, err := n.articles.Get(ctx, a.key(), n.loadArticle(a))
			if err != nil {
				return nil, err
			}
			seen = append(seen, p)
		}
		return seen, nil
	}
}

// ask is a read of a load, which runs in a goroutine of the cache, on its way to the database.
type ask struct {
	n    *node
	id   int // of the request that it is for
	life int
	what thing
	back chan asked
}

type asked struct {
	p   part
	err error
}

// read is called by loads.
func (n *node) read(ctx context.Context, what thing) (part, error) {
	id, _ := ctx.Value(requestKey{}).(int)
	a := &ask{n: n, id: id, life: n.life, what: what, back: make(chan asked, 1)}
	n.w.mu.Lock()
	n.w.asks = append(n.w.asks, a)
	n.w.mu.Unlock()
	select {
	case got := <-a.back:
		return got.p, got.err
	case <-ctx.Done():
		return part{}, ctx.Err()
	}
}

func (a *ask) send() {
	a.n.w.stats.Loads++
	got := asked{}
	stays := a.n.w.chance(0.5)
	do := func() {
		c := a.n.call(a.n.session(), func(t *tx, reply func(error)) {
			got.p = part{What: a.what, State: t.s.data.things[a.what], Deposed: t.s.deposed}
			t.end()
			reply(nil)
		}, func(err error) {
			if err != nil {
				got.err = stoa.Unavailable(err, "the database does not answer")
			}
			a.back <- got
		})
		c.stays = stays
	}
	a.n.arrive(a.life, do)
}

// check holds an answer against the promises.
func (w *Simulation) check(a answer) {
	r := a.req
	if a.err != nil {
		w.stats.Errors++
		if r.last {
			w.failf("at the end %s cannot show %v: %v", r.n, r.what, a.err)
		}
		return
	}
	if a.info.Hit {
		w.stats.Hits++
	}
	since := r.arrival - bound
	if a.info.Stale > 0 {
		w.stats.Stale++
		if !r.guest {
			w.failf("%s serves a stale %v to a signed-in client", r.n, r.what)
		}
		// The mark says how long ago it would have been served without one.
		since = a.at - time.Duration(float64(a.info.Stale)/r.n.rate) - bound
	}
	for _, p := range a.seen {
		if p.Deposed {
			w.stats.Deposed++
		}
		minimum := w.ledger.minimum(p.What, since)
		own, mine := r.own[p.What]
		switch {
		case r.last && p.State != w.primary.data.things[p.What]:
			w.failf("at the end %s shows %v of %v, the database has %v: stale for ever", r.n, p.State, p.What, w.primary.data.things[p.What])
		case p.State.Version < minimum:
			w.failf("request %d for %v, which arrived at %s on %s, sees version %d of %v; version %d was acknowledged by %s (hit %v, marked stale %s)",
				r.id, r.what, r.arrival, r.n, p.State.Version, p.What, minimum, since, a.info.Hit, a.info.Stale)
		case mine && a.info.Stale == 0 && p.State.Version < own.Version && p.Deposed && r.hinted:
			// A hint vouches for the caches, not for the database: see the limits in DESIGN.md of change.
		case mine && a.info.Stale == 0 && p.State.Version < own.Version:
			w.failf("request %d for %v on %s: who saved version %d of %v sees version %d", r.id, r.what, r.n, own.Version, p.What, p.State.Version)
		}
	}
}

// edit lets a client save something, and then the next.
func (w *Simulation) edit() {
	if w.now() > active {
		return
	}
	w.after(w.between(10*time.Millisecond, w.plan.edits), w.edit)
	if n := pick(w, w.nodes); n.joined && !n.frozen {
		what := []thing{w.subject()}
		if other := w.subject(); other != what[0] && w.chance(0.2) {
			what = append(what, other)
			slices.SortFunc(what, compare)
		}
		n.save(what)
	}
}

func compare(a, b thing) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID))
}

// save is db.Write: the statements, the append to the log, COMMIT.
func (n *node) save(what []thing) {
	w := n.w
	w.ledger.saves++
	id := w.ledger.saves
	made := map[thing]state{}
	t := n.session()
	n.call(t, func(t *tx, reply func(error)) { t.edit(what, id, made, reply) }, func(err error) {
		if err != nil {
			w.stats.Rejected++
			return
		}
		var changes []db.Change
		for _, x := range what {
			c := db.Change{Kind: x.Kind, ID: stoa.ID(x.ID), Scope: 7, Version: int64(made[x].Version)}
			if w.chance(0.05) {
				c = db.Change{Kind: x.Kind, Scope: 7}
			}
			changes = append(changes, c)
		}
		begun := n.clock()
		num, rows := n.core.Number(time.UnixMicro(int64(w.now())), changes)
		n.call(t, func(t *tx, reply func(error)) { t.note(rows, reply) }, func(err error) {
			if err != nil || n.clock()-begun > late {
				n.abandon(t)
				n.core.Done(n.clock(), num, changes, false)
				n.refused(id)
				return
			}
			s := saved{n: n, id: id, num: num, changes: changes, made: made}
			n.call(t, func(t *tx, reply func(error)) { t.commit(reply) }, func(err error) {
				if err != nil {
					w.tracef("%s does not know about save %d: %v", n, id, err)
					w.stats.Unknown++
					s.settle(5)
					return
				}
				s.done(true, true)
			})
		})
	})
}

// edit locks the things one after the other and writes a new version of each.
func (t *tx) edit(what []thing, id int, made map[thing]state, reply func(error)) {
	if len(what) == 0 {
		t.write(func(d *data) {
			for x, s := range made {
				d.things[x] = s
			}
			d.saves[id]++
		})
		reply(nil)
		return
	}
	x := what[0]
	t.lock(fmt.Sprint(x), func() {
		made[x] = state{t.s.data.things[x].Version + 1, id}
		t.edit(what[1:], id, made, reply)
	})
}

// note appends rows to the log; it waits for the transaction that holds the key.
func (t *tx) note(rows []change.Row, reply func(error)) {
	t.lock(key(rows[0].Writer, rows[0].N), func() {
		if t.s.data.log[rows[0].Writer][rows[0].N] != nil {
			reply(errTombstone)
			return
		}
		at := t.s.w.now()
		t.write(func(d *data) { d.append(rows, at) })
		reply(nil)
	})
}

// saved is a save whose COMMIT was sent.
type saved struct {
	n       *node
	id      int
	num     uint64
	changes []db.Change
	made    map[thing]state
}

// settle is Log.Settle, and Log.settleDoubtful when no caller waits for the outcome any more.
func (s saved) settle(tries int) {
	tombstone, open := s.n.core.Doubt(s.num, time.UnixMicro(int64(s.n.w.now())))
	if !open {
		return
	}
	s.n.entomb(tombstone, func(committed bool, err error) {
		switch {
		case err == nil:
			s.done(committed, tries > 0)
		case errors.Is(err, change.ErrForgotten):
			s.n.core.Done(s.n.clock(), s.num, nil, false)
		default:
			s.n.do(200*time.Millisecond, func() { s.settle(tries - 1) })
		}
	})
}

// done applies the outcome and then, if a caller waits for it, tells it.
func (s saved) done(committed, told bool) {
	n, w := s.n, s.n.w
	n.core.Done(n.clock(), s.num, s.changes, committed)
	w.tracef("%s: save %d of %v is committed: %v, told %v", n, s.id, s.made, committed, told)
	if committed {
		n.do(time.Millisecond, n.tell)
	}
	if !told {
		return
	}
	if !committed {
		n.refused(s.id)
		return
	}
	w.stats.Saved++
	w.ledger.tell(s.id, true)
	for x, state := range s.made {
		w.ledger.ack(w.now(), x, state.Version)
	}
	var x thing
	for y := range s.made {
		if x == (thing{}) || compare(y, x) < 0 {
			x = y
		}
	}
	w.send(&request{n: n, what: x, own: s.made})
	if w.chance(0.5) {
		o, at := pick(w, w.nodes), change.Position{Writer: n.writer, N: s.num}
		w.after(w.between(0, 100*time.Millisecond), func() { o.follow(x, at, s.made) })
	}
}

func (n *node) refused(id int) {
	n.w.stats.Rejected++
	n.w.ledger.tell(id, false)
}

func (l *ledger) tell(id int, acknowledged bool) {
	if l.done == nil {
		l.done = map[int]bool{}
	}
	l.done[id] = acknowledged
}

// follow is the next request of a client that has saved, on another node: it carries the position of the
// save, and waits for it or for a read of the log that began after it arrived.
func (n *node) follow(what thing, at change.Position, own map[thing]state) {
	if !n.joined {
		return
	}
	r := &request{n: n, what: what, own: own}
	n.arrive(n.life, func() {
		n.w.tracef("%s: follow %v, applied %v", n, at, n.core.Applied(at))
		if n.core.Applied(at) {
			r.hinted = true
			n.w.send(r)
			return
		}
		n.poll(func(err error) {
			if err == nil {
				n.w.send(r)
			}
		})
	})
}
