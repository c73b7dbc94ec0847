package change

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// The world of these tests: a database with snapshots, writers whose transactions commit in any order
// and at any time, messages that are lost, doubled and late, and readers that read in two steps.

type simTx struct {
	w         *simWriter
	n, low    uint64
	rows      []Row
	inserted  bool // the append has run, so the key is held
	finished  bool
	committed int // place among all commits, from 1; 0 = not
	done      bool
}

type simWriter struct {
	*own
	crashed    bool
	tombstoned bool
	ended      int // when it got its tombstones, in reads and such steps of the simulation
	txs        []*simTx
	publishes  []uint64 // lows on their way to the database
}

type simReader struct {
	*reader
	durable bool
	covered map[Position]bool
	over    int // commits up to this one are covered: they were before the start, or everything was dropped
	hints   []hintTx
	flight  *simFlight
	stored  map[int64]uint64 // a durable reader's: what holds the log back
	ahead   Place            // a durable reader's, as it is registered
	behind  int
	landed  int
}

type simFlight struct {
	lk    Look
	until int // commits before the read
	begun int
}

type sim struct {
	t       *rapid.T
	rows    map[int64]map[uint64][]Row
	known   map[int64]WriterState
	writers []*simWriter
	readers []*simReader
	commits int
	nextID  int64
	steps   int
}

func newSim(t *rapid.T) *sim {
	s := &sim{t: t, rows: map[int64]map[uint64][]Row{}, known: map[int64]WriterState{}}
	for range 2 {
		s.addWriter()
	}
	s.addReader(false, false)
	s.addReader(true, false)
	s.addReader(false, true)
	return s
}

func (s *sim) addWriter() {
	s.nextID++
	w := &simWriter{own: newOwn(s.nextID)}
	s.known[w.writer] = WriterState{Low: 1}
	s.rows[w.writer] = map[uint64][]Row{}
	s.writers = append(s.writers, w)
}

// addReader starts as Log.begin and Cursor.Restart do.
func (s *sim) addReader(trust, durable bool) {
	r := &simReader{durable: durable, covered: map[Position]bool{}}
	if durable {
		s.restart(r)
	} else {
		var qs []Question
		for w, row := range s.known {
			qs = append(qs, row.unsettled(w))
		}
		slices.SortFunc(qs, func(a, b Question) int { return int(a.Writer - b.Writer) })
		s.disturb()
		r.over = s.commits
		answers, _, _, err := read(s, qs, 0)
		if err != nil {
			s.t.Fatal(err)
		}
		r.reader = newReader(trust)
		r.take(answers)
	}
	s.readers = append(s.readers, r)
}

func (s *sim) restart(r *simReader) {
	r.over = s.commits
	r.reader, r.stored = newReader(false), map[int64]uint64{}
	for w, row := range s.known {
		n := row.settled()
		r.begin(w, n)
		r.stored[w] = n
	}
	r.ahead = r.place()
}

// Rows is what one statement reads: one snapshot.
func (s *sim) Rows(qs []Question, limit int) (map[int64]WriterState, []Row, error) {
	var rows []Row
	for _, q := range qs {
		for _, n := range slices.Sorted(maps.Keys(s.rows[q.Writer])) {
			if n > q.After || slices.Contains(q.Gaps, n) {
				rows = append(rows, s.rows[q.Writer][n]...)
			}
		}
	}
	if limit > 0 && len(rows) > limit+1 {
		rows = rows[:limit+1]
	}
	return maps.Clone(s.known), rows, nil
}

func (s *sim) Has(writer int64, ns []uint64) (found []uint64, err error) {
	for _, n := range ns {
		if s.rows[writer][n] != nil {
			found = append(found, n)
		}
	}
	return found, nil
}

// disturb lets something be committed between two statements of a read.
func (s *sim) disturb() {
	for _, tx := range s.openTxs() {
		if rapid.IntRange(0, 3).Draw(s.t, "between") == 0 {
			s.commit(tx)
		}
	}
}

func (s *sim) openTxs() (open []*simTx) {
	for _, w := range s.writers {
		for _, tx := range w.txs {
			if !tx.finished {
				open = append(open, tx)
			}
		}
	}
	return open
}

func (s *sim) insert(tx *simTx) {
	if tx.inserted || tx.finished {
		return
	}
	if s.rows[tx.w.writer][tx.n] != nil { // a tombstone stands there
		tx.finished = true
		return
	}
	tx.inserted = true
}

func (s *sim) commit(tx *simTx) {
	s.insert(tx)
	if tx.finished {
		return
	}
	tx.finished = true
	s.commits++
	tx.committed = s.commits
	s.rows[tx.w.writer][tx.n] = tx.rows
	for _, r := range s.readers { // a number that a reader has settled is never committed
		if r.streams[tx.w.writer] != nil && !r.streams[tx.w.writer].open(tx.n) {
			s.t.Fatalf("writer %d: %d was committed after a reader had settled it", tx.w.writer, tx.n)
		}
	}
}

// writeTombstone is Log.writeTombstone: it fails while the transaction holds the key.
func (s *sim) writeTombstone(tx *simTx, low uint64) (ok bool) {
	if tx.inserted && !tx.finished {
		return false
	}
	if s.rows[tx.w.writer][tx.n] == nil && tx.committed == 0 {
		s.rows[tx.w.writer][tx.n] = []Row{{Writer: tx.w.writer, N: tx.n, Low: low}}
	}
	return true
}

func pick[T any](t *rapid.T, label string, from []T) (v T) {
	if len(from) == 0 {
		t.Skip("nothing to pick")
	}
	return from[rapid.IntRange(0, len(from)-1).Draw(t, label)]
}

func (s *sim) liveWriters() []*simWriter {
	return slices.DeleteFunc(slices.Clone(s.writers), func(w *simWriter) bool { return w.crashed })
}

func (s *sim) actions() map[string]func(*rapid.T) {
	one := func(fn func(t *rapid.T)) func(*rapid.T) { return func(t *rapid.T) { s.t = t; fn(t) } }
	return map[string]func(*rapid.T){
		"begin": one(func(t *rapid.T) {
			w := pick(t, "writer", s.liveWriters())
			if len(w.open) > 5 {
				t.Skip("enough in flight")
			}
			tx := &simTx{w: w}
			var changes []db.Change
			for range rapid.IntRange(1, 2).Draw(t, "parts") {
				changes = append(changes, db.Change{Kind: "article", ID: stoa.ID(rapid.IntRange(1, 9).Draw(t, "id"))})
			}
			tx.n, tx.low = w.begin(w.txsTime(), changes)
			tx.rows = rowsOf(w.writer, tx.n, tx.low, w.txsTime(), changes)
			w.txs = append(w.txs, tx)
		}),
		"insert":   one(func(t *rapid.T) { s.insert(pick(t, "tx", s.openTxs())) }),
		"commit":   one(func(t *rapid.T) { s.commit(pick(t, "tx", s.openTxs())) }),
		"commit2":  one(func(t *rapid.T) { s.commit(pick(t, "tx", s.openTxs())) }),
		"rollback": one(func(t *rapid.T) { pick(t, "tx", s.openTxs()).finished = true }),
		"done":     one(func(t *rapid.T) { s.done(pick(t, "tx", s.undone())) }),
		"done2":    one(func(t *rapid.T) { s.done(pick(t, "tx", s.undone())) }),
		"unknown outcome": one(func(t *rapid.T) {
			tx := pick(t, "tx", s.undone())
			if s.writeTombstone(tx, tx.w.low()) {
				s.done(tx)
			}
		}),
		"publish": one(func(t *rapid.T) {
			w := pick(t, "writer", s.liveWriters())
			w.publishes = append(w.publishes, w.low())
		}),
		"published": one(func(t *rapid.T) { s.published(pick(t, "writer", s.writers)) }),
		"crash": one(func(t *rapid.T) {
			if rapid.IntRange(0, 4).Draw(t, "rare") == 0 {
				pick(t, "writer", s.liveWriters()).crashed = true
			}
		}),
		"write tombstones": one(func(t *rapid.T) { s.writeTombstones(pick(t, "writer", s.writers)) }),
		"new writer": one(func(t *rapid.T) {
			if len(s.writers) < 6 {
				s.addWriter()
			}
		}),
		"prune":  one(func(t *rapid.T) { s.prune(pick(t, "writer", s.writers), rapid.Uint64Range(0, 20).Draw(t, "below")) }),
		"forget": one(func(t *rapid.T) { s.forget(pick(t, "writer", s.writers)) }),
		"new reader": one(func(t *rapid.T) {
			if len(s.readers) < 5 {
				s.addReader(rapid.Bool().Draw(t, "trust"), rapid.Bool().Draw(t, "durable"))
			}
		}),
		"hint":  one(func(t *rapid.T) { s.deliver(pick(t, "reader", s.readers)) }),
		"forge": one(func(t *rapid.T) { s.forge(pick(t, "reader", s.readers)) }),
		"read":  one(func(t *rapid.T) { s.snapshot(pick(t, "reader", s.readers)) }),
		"land":  one(func(t *rapid.T) { s.land(pick(t, "reader", s.readers)) }),
		"follow": one(func(t *rapid.T) {
			s.follow(pick(t, "reader", s.readers), rapid.IntRange(1, 4).Draw(t, "max"), rapid.IntRange(0, 2).Draw(t, "fate"))
		}),
	}
}

func (s *sim) undone() (txs []*simTx) {
	for _, w := range s.liveWriters() {
		for _, tx := range w.txs {
			if tx.finished && !tx.done {
				txs = append(txs, tx)
			}
		}
	}
	return txs
}

func (s *sim) done(tx *simTx) {
	tx.done = true
	tx.w.settle(tx.n)
	if tx.committed == 0 {
		return
	}
	for _, r := range s.readers {
		r.hints = append(r.hints, hintTx{n: tx.n, rows: tx.rows})
	}
}

func (s *sim) published(w *simWriter) {
	row, found := s.known[w.writer]
	if len(w.publishes) == 0 || !found {
		return
	}
	row.Low = w.publishes[0] // as UPDATE … SET low does, even below what WriteTombstones wrote
	w.publishes = w.publishes[1:]
	s.known[w.writer] = row
}

func (s *sim) writeTombstones(w *simWriter) {
	row, found := s.known[w.writer]
	if !found {
		return
	}
	gaps, head, err := Unsettled(s, w.writer)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, n := range gaps {
		if !s.writeTombstone(w.txs[n-1], gaps[0]) {
			return
		}
	}
	row = s.known[w.writer]
	row.Low = max(row.Low, head+1)
	s.known[w.writer] = row
	w.tombstoned = w.crashed
	s.steps++
	w.ended = s.steps
}

func (s *sim) prune(w *simWriter, below uint64) {
	row, found := s.known[w.writer]
	if !found {
		return
	}
	for _, tx := range w.txs {
		if !tx.finished && !tx.inserted { // appendLimit: its tombstone is younger than what is pruned
			below = min(below, tx.n)
		}
	}
	for n := range s.rows[w.writer] {
		if n < min(below, row.Low) {
			delete(s.rows[w.writer], n)
			row.Horizon = max(row.Horizon, n+1)
		}
	}
	s.known[w.writer] = row
}

// forget lets a writer go as Log.forget does: long after its end, when every reader has met it.
func (s *sim) forget(w *simWriter) {
	row, found := s.known[w.writer]
	if !found || !w.tombstoned || len(s.rows[w.writer]) > 0 ||
		slices.ContainsFunc(w.txs, func(tx *simTx) bool { return !tx.finished }) {
		return
	}
	for _, r := range s.readers {
		// Readers read at least once a day (writerLife), or start over.
		if r.streams[w.writer] == nil || !r.durable && r.landed < w.ended || r.durable && r.stored[w.writer]+1 < row.Horizon {
			return
		}
	}
	for _, r := range s.readers {
		delete(r.stored, w.writer)
		r.ahead = slices.DeleteFunc(r.ahead, func(m Mark) bool { return m.Writer == w.writer })
	}
	delete(s.known, w.writer)
}

func (s *sim) deliver(r *simReader) {
	if r.durable || len(r.hints) == 0 {
		return
	}
	i := rapid.IntRange(0, len(r.hints)-1).Draw(s.t, "which")
	h := r.hints[i]
	fate := rapid.SampledFrom([]string{"arrives", "arrives", "twice", "lost"}).Draw(s.t, "fate")
	if fate != "twice" {
		r.hints = slices.Delete(r.hints, i, i+1)
	}
	if fate == "lost" {
		return
	}
	if r.hint(h.rows[0].Writer, h.n, h.rows) && r.trust {
		r.covered[Position{h.rows[0].Writer, h.n}] = true
	}
}

// forge sends a reader that does not trust hints one that no writer wrote, or one that comes too early.
func (s *sim) forge(r *simReader) {
	if r.durable || r.trust {
		return
	}
	w := pick(s.t, "writer", s.writers)
	n := rapid.Uint64Range(1, w.last+2).Draw(s.t, "n")
	rows := []Row{{Writer: w.writer, N: n, Kind: "forged"}}
	if n <= w.last && rapid.Bool().Draw(s.t, "early") {
		rows = w.txs[n-1].rows
	}
	r.hint(w.writer, n, rows)
}

func (s *sim) snapshot(r *simReader) {
	if r.durable || r.flight != nil {
		return
	}
	s.steps++
	f := &simFlight{until: s.commits, begun: s.steps}
	var err error
	f.lk.answers, f.lk.gone, err = catchUp(-1, r.questions(), func(qs []Question) ([]answer, []int64, []int64, error) {
		s.disturb()
		return read(s, qs, 0)
	})
	if err != nil {
		s.t.Fatal(err)
	}
	r.flight = f
}

// land is Log.land, and then checks the promise: what was committed before the read began is applied.
func (s *sim) land(r *simReader) {
	f := r.flight
	if f == nil {
		return
	}
	r.flight = nil
	r.landed = f.begun
	rows, lost := r.take(f.lk.answers)
	if r.retain(f.lk.gone) || lost {
		r.over = f.until
	}
	for _, row := range rows {
		if row.Kind == tombstone {
			s.t.Fatalf("a tombstone was applied: %+v", row)
		}
		r.covered[Position{row.Writer, row.N}] = true
	}
	s.check(r, f.until, "after a read")
}

func (s *sim) check(r *simReader, until int, when string) {
	for _, w := range s.writers {
		for _, tx := range w.txs {
			p := Position{w.writer, tx.n}
			if tx.committed > 0 && tx.committed <= until && tx.committed > r.over && !r.covered[p] {
				s.t.Fatalf("%s: %v was committed as number %d of %d and not applied", when, p, tx.committed, until)
			}
			if r.streams[w.writer] != nil && r.applied(p) && tx.committed > r.over && !r.covered[p] {
				s.t.Fatalf("%s: %v counts as applied and was not", when, p)
			}
			if st := r.streams[w.writer]; st != nil && st.standing(w.writer, r.trust).covers(tx.n) != r.applied(p) {
				s.t.Fatalf("%s: %v is applied: %v; the standing says otherwise: %+v", when, p, r.applied(p), st.standing(w.writer, r.trust))
			}
		}
	}
}

// follow is a step of a durable reader; fate 0 loses the rows in a crash, 1 before the acknowledgement.
func (s *sim) follow(r *simReader, limit, fate int) (idle bool) {
	if !r.durable {
		return true
	}
	if fate == 0 {
		r.reader = r.ahead.reader()
	}
	next := r.place().reader()
	var lk Look
	for ; ; limit *= 4 {
		answers, unasked, gone, err := read(s, next.questions(), limit)
		if err != nil {
			s.t.Fatal(err)
		}
		var fresh []Question
		for _, w := range unasked {
			fresh = append(fresh, Question{Writer: w})
		}
		if len(fresh) > 0 && !hasRows(answers) {
			s.disturb()
			more, _, _, err := read(s, fresh, limit)
			if err != nil {
				s.t.Fatal(err)
			}
			answers = append(answers, more...)
		}
		lk = Look{answers: answers, gone: gone}
		if hasRows(answers) || !partial(answers) {
			break
		}
	}
	rows, lost := next.take(lk.answers)
	if next.retain(lk.gone) || lost {
		r.behind++
		s.restart(r)
		return false
	}
	if fate == 1 {
		return false
	}
	for _, row := range rows {
		r.covered[Position{row.Writer, row.N}] = true
	}
	for w, st := range next.streams {
		r.stored[w] = max(r.stored[w], st.settled())
	}
	r.reader, r.ahead = next, stored(s.t, next.place())
	return !hasRows(lk.answers) && !partial(lk.answers)
}

// stored is a place as it comes back from the database.
func stored(t *rapid.T, p Place) (back Place) {
	for _, m := range p {
		b := Mark{Writer: m.Writer, Head: m.Settled()}
		if s, ok := m.ahead().(string); ok {
			if err := b.parseAhead(s); err != nil {
				t.Fatal(err)
			}
		}
		if !b.equal(m) {
			t.Fatalf("%+v comes back as %+v", m, b)
		}
		back = append(back, b)
	}
	return back
}

func (w *simWriter) txsTime() (zero time.Time) { return }

// finish ends everything and checks that nothing stays open.
func (s *sim) finish(t *rapid.T) {
	s.t = t
	for _, tx := range s.openTxs() {
		tx.finished = true
	}
	for _, tx := range s.undone() {
		s.done(tx)
	}
	for _, w := range s.writers {
		if w.crashed {
			s.writeTombstones(w)
		} else if row, found := s.known[w.writer]; found {
			row.Low = w.low()
			s.known[w.writer] = row
		}
	}
	for _, r := range s.readers {
		if r.durable {
			for range 1000 {
				if s.follow(r, 2, 2) {
					break
				}
			}
			s.check(r, s.commits, "durable, at the end")
		} else {
			s.land(r)
			s.snapshot(r)
			s.land(r)
			s.check(r, s.commits, "at the end")
		}
		for w, st := range r.streams {
			if len(st.gaps) > 0 {
				t.Fatalf("the gaps %v of writer %d never close", st.gaps, w)
			}
			if len(st.hinted) > 0 && st.head >= s.writers[w-1].last && r.trust {
				t.Fatalf("hints of writer %d are remembered for ever: %v", w, st.hinted)
			}
		}
	}
}

func TestReader_AppliesEveryCommitBeforeAReadItBeganAfter_Rules1to3(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSim(t)
		t.Repeat(s.actions())
		s.finish(t)
	})
}

func TestReader_AWriterThatVanishesBeforeItWasReadMeansStartOver(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		a    answer
		lost bool
	}{
		{"all settled", answer{writer: 7, low: 3, rows: []Row{{Writer: 7, N: 2, Low: 1, Kind: "article"}}}, false},
		{"a number may have been committed since", answer{writer: 7, low: 2, rows: []Row{{Writer: 7, N: 2, Low: 1, Kind: "article"}}}, true},
		{"a gap", answer{writer: 7, low: 1, rows: []Row{{Writer: 7, N: 2, Low: 1, Kind: "article"}}}, true},
	} {
		r := newReader(false)
		r.begin(7, 0)
		r.take([]answer{c.a})
		if lost := r.retain([]int64{7, 8}); lost != c.lost || len(r.streams) != 0 {
			t.Errorf("%s: lost %v, want %v; %d streams left", c.name, lost, c.lost, len(r.streams))
		}
	}
}

// The same world catches a reader that is wrong.
func TestReader_TheWorldOfTheTestCatchesMistakes(t *testing.T) {
	t.Parallel()
	mutants := map[string]func(r *reader, answers []answer){
		"a gap is closed by a low that was read after the rows": func(r *reader, answers []answer) {
			for i := range answers {
				answers[i].low = 1 << 40
			}
		},
		"the horizon is older than the rows": func(r *reader, answers []answer) {
			for i := range answers {
				answers[i].horizon = 0
			}
		},
		"no gaps are kept": func(r *reader, answers []answer) {
			for _, s := range r.streams {
				s.gaps = nil
			}
		},
	}
	for name, mutate := range mutants {
		t.Run(name, func(t *testing.T) {
			w := newOwn(7)
			r := newReader(false)
			r.begin(7, 0)
			rows := map[uint64][]Row{}
			for range 3 {
				n, low := w.begin(time.Time{}, nil)
				rows[n] = []Row{{Writer: 7, N: n, Low: low, Kind: "article", ID: stoa.ID(n)}}
			}
			got := map[uint64]bool{}
			poll := func(mutated bool, a answer) (lost bool) {
				answers := []answer{a}
				if mutated {
					mutate(r, answers)
				}
				applied, lost := r.take(answers)
				for _, row := range applied {
					got[row.N] = true
				}
				return lost
			}
			run := func(mutated bool) string {
				r = newReader(false)
				r.begin(7, 0)
				clear(got)
				lost := poll(mutated, answer{writer: 7, low: 1, rows: rows[3]}) // 1 and 2 are in flight
				lost = poll(mutated, answer{writer: 7, low: 1, rows: rows[2]}) || lost
				lost = poll(mutated, answer{writer: 7, low: 4, horizon: 2}) || lost // 1 was committed and pruned
				return fmt.Sprint(got[2] && got[3], got[1] || lost)
			}
			if ok := run(false); ok != "true true" {
				t.Fatalf("the reader itself is wrong: %s", ok)
			}
			if ok := run(true); ok == "true true" {
				t.Fatal("the mistake was not seen")
			}
		})
	}
}
