package simtest

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/cluster"
)

// thing is a row that people edit: an article, or what a page has of its own.
type thing struct {
	Kind string
	ID   int64
}

// state is one state of a thing.
type state struct {
	Version int
	Save    int // which save made it
}

// data is what one history of the database has committed.
type data struct {
	incarnation int64
	fingerprint string // of the server that the incarnation was raised for
	things      map[thing]state
	saves       map[int]int // how often each save took effect
	log         map[int64]map[uint64][]change.Row
	written     map[change.Position]time.Duration // when a transaction was, to prune it
	writers     map[int64]change.WriterState
	members     map[int64]cluster.Member
	lease       cluster.LeaseRow
	fires       map[int]bool
}

func newData() *data {
	return &data{
		incarnation: 1, fingerprint: "s0", things: map[thing]state{}, saves: map[int]int{},
		log: map[int64]map[uint64][]change.Row{}, written: map[change.Position]time.Duration{},
		writers: map[int64]change.WriterState{}, members: map[int64]cluster.Member{}, fires: map[int]bool{},
	}
}

func (d *data) clone() *data {
	c := *d
	c.things, c.saves, c.written, c.writers = maps.Clone(d.things), maps.Clone(d.saves), maps.Clone(d.written), maps.Clone(d.writers)
	c.members, c.fires = maps.Clone(d.members), maps.Clone(d.fires)
	c.log = map[int64]map[uint64][]change.Row{}
	for w, rows := range d.log {
		c.log[w] = maps.Clone(rows)
	}
	return &c
}

// Rows and Has make the data a change.Source: what one statement reads is one snapshot.
func (d *data) Rows(qs []change.Question, limit int) (map[int64]change.WriterState, []change.Row, error) {
	var rows []change.Row
	for _, q := range qs {
		var ns []uint64
		for n := range d.log[q.Writer] {
			if n > q.After || slices.Contains(q.Gaps, n) {
				ns = append(ns, n)
			}
		}
		slices.Sort(ns)
		for _, n := range ns {
			rows = append(rows, d.log[q.Writer][n]...)
		}
	}
	return maps.Clone(d.writers), rows, nil
}

// Has looks for numbers of a writer.
func (d *data) Has(writer int64, ns []uint64) (found []uint64, err error) {
	for _, n := range ns {
		if d.log[writer][n] != nil {
			found = append(found, n)
		}
	}
	return found, nil
}

func (d *data) append(rows []change.Row, at time.Duration) {
	r := rows[0]
	if d.log[r.Writer] == nil {
		d.log[r.Writer] = map[uint64][]change.Row{}
	}
	d.log[r.Writer][r.N] = rows
	d.written[change.Position{Writer: r.Writer, N: r.N}] = at
}

var (
	errEnded     = errors.New("the session was ended")
	errTimeout   = errors.New("the server did not answer in time")
	errGone      = errors.New("the server is gone")
	errHistory   = errors.New("another incarnation")
	errFenced    = errors.New("fenced")
	errTombstone = errors.New("duplicate: a tombstone stands there")
)

// server is one database server. Its statements run at one instant each, at READ COMMITTED; rows that a
// transaction has written are locked until it ends.
type server struct {
	w       *Simulation
	name    string
	data    *data
	locks   map[string]*lock
	open    []*tx
	stalled []stalledCommit // COMMITs that wait for the standby, in the order in which they were sent
	stall   time.Duration   // until when they do
	frozen  time.Duration   // until when nothing happens at all
	deposed bool            // it is cut off from its standby, which has become the primary: it answers reads
}

type lock struct {
	holder *tx
	queue  []waiter
}

type waiter struct {
	t    *tx
	then func()
}

type stalledCommit struct {
	t     *tx
	reply func(error)
}

// tx is a transaction, and the session it runs in.
type tx struct {
	s          *server
	owner      int64 // the process life that the session is named after
	writes     []func(d *data)
	held       []string
	last       time.Duration // when its newest statement ran
	waits      bool          // for a lock
	committing bool
	over       bool
	broken     func() // tells the client that the session ended
}

func newServer(w *Simulation, name string, d *data) *server {
	return &server{w: w, name: name, data: d, locks: map[string]*lock{}}
}

func (s *server) begin(owner int64) *tx {
	t := &tx{s: s, owner: owner, last: s.w.now()}
	s.open = append(s.open, t)
	return t
}

// lock calls then when the transaction has the row, which is never if it ends before.
func (t *tx) lock(key string, then func()) {
	l := t.s.locks[key]
	switch {
	case l == nil:
		t.s.locks[key] = &lock{holder: t}
		t.held = append(t.held, key)
		then()
	case l.holder == t:
		then()
	default:
		t.waits = true
		l.queue = append(l.queue, waiter{t, then})
	}
}

func (t *tx) write(fn func(d *data)) { t.writes = append(t.writes, fn) }

// commit makes the transaction visible, at once or when the standby has it.
func (t *tx) commit(reply func(error)) {
	if t.over {
		reply(errEnded)
		return
	}
	t.committing = true
	if t.s.deposed || t.s.stall > t.s.w.now() {
		t.s.stalled = append(t.s.stalled, stalledCommit{t, reply})
		return
	}
	t.apply()
	reply(nil)
}

func (t *tx) apply() {
	for _, fn := range t.writes {
		fn(t.s.data)
	}
	t.end()
}

// end releases what the transaction holds; without apply before, it was rolled back.
func (t *tx) end() {
	if t.over {
		return
	}
	t.over = true
	t.s.open = slices.DeleteFunc(t.s.open, func(o *tx) bool { return o == t })
	var next []func()
	for _, key := range t.held {
		l := t.s.locks[key]
		l.queue = slices.DeleteFunc(l.queue, func(x waiter) bool { return x.t.over })
		if len(l.queue) == 0 {
			delete(t.s.locks, key)
			continue
		}
		x := l.queue[0]
		l.holder, l.queue = x.t, l.queue[1:]
		x.t.held, x.t.waits = append(x.t.held, key), false
		next = append(next, x.then)
	}
	for _, then := range next {
		then()
	}
}

// kill ends a session; its client learns of it.
func (t *tx) kill() {
	if t.over || t.committing {
		return
	}
	t.end()
	if t.broken != nil {
		t.broken()
	}
}

// release ends a stall: the COMMITs that waited become visible in any order.
func (s *server) release() {
	if s.deposed || s.stall > s.w.now() {
		return
	}
	waited := s.stalled
	s.stalled = nil
	s.w.rand.Shuffle(len(waited), func(i, j int) { waited[i], waited[j] = waited[j], waited[i] })
	for _, c := range waited {
		c.t.apply()
		c.reply(nil)
	}
}

// endSessions is db.EndSessions: a COMMIT that waits for the standby is left alone.
func (s *server) endSessions(owner int64) {
	for _, t := range slices.Clone(s.open) {
		if t.owner == owner {
			t.kill()
		}
	}
}

// endIdle is the server's time-out for transactions that stand still.
func (s *server) endIdle(owner int64) {
	for _, t := range slices.Clone(s.open) {
		if t.owner == owner && !t.waits && s.w.now()-t.last >= idle {
			t.kill()
		}
	}
}

// promote makes a new primary of the standby: it has every COMMIT that was answered, and of those that
// waited for it some.
func (s *server) promote(name string) *server {
	d := s.data.clone()
	for _, c := range s.stalled {
		if s.w.chance(0.5) {
			for _, fn := range c.t.writes {
				fn(d)
			}
		}
	}
	s.deposed = true
	return newServer(s.w, name, d)
}
