package change

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// Core is the deciding part of a Log: it numbers the transactions of this process, tells which rows of
// the log are new here, and dates proofs. It does no I/O, starts nothing and reads no clock, so that a
// simulation of a whole cluster can replay every interleaving from a seed. A Log is a Core with a
// database, a clock and messages. It is safe for concurrent use.
type Core struct {
	own    *own
	trust  bool
	apply  func(rows []Row)
	outbox outbox
	stats  counters

	// mu orders everything that is applied: what the state says was applied has been.
	mu     sync.Mutex
	reader *reader
	seqs   map[int64]uint64 // the newest hint of each other writer
	hints  hintDecoder
	recent []commit // own commits of the last minute, oldest first
	rebase bool     // start over at the present heads of the database
	era    int      // counts the histories; a look begun in an earlier one proves nothing
	lost   []Lost   // own commits that a new history lacks, the newest
	losses uint64   // how many there were
	told   map[int64]*told

	stand atomic.Pointer[[]Standing] // what Standing gave last; nil after anything changed
	proof atomic.Int64               // when the newest proof was sent
	alive atomic.Int64               // the newest sign that the database knows this writer
}

// commit is a write of this process that may yet be lost in a fail-over.
type commit struct {
	at    time.Duration
	rows  []Row
	by    stoa.ID
	again []func(ctx context.Context, tx *db.Tx) error // take away again what it took
}

// NewCore gives the core of one process life. apply is Options.Apply; it is called for one thing at a
// time and must not call the Core. Before anything is read or written, Join is called.
func NewCore(writer int64, trustHints bool, apply func(rows []Row)) *Core {
	c := &Core{own: newOwn(writer), trust: trustHints, apply: apply, seqs: map[int64]uint64{}, told: map[int64]*told{},
		rebase: true}
	c.outbox.wake = make(chan struct{}, 1)
	return c
}

// give applies rows. c.mu is held.
func (c *Core) give(rows []Row) {
	if len(rows) > 0 {
		c.stats.applied.Add(uint64(len(rows)))
		c.apply(rows)
	}
}

// Low is the number below which every own transaction is settled.
func (c *Core) Low() uint64 { return c.own.low() }

// Proof is when the newest proof of freshness was sent, by the clock that Look was told; 0 is none.
func (c *Core) Proof() time.Duration { return time.Duration(c.proof.Load()) }

// Number gives a transaction its number, and the rows that it appends as its last statement.
func (c *Core) Number(at time.Time, changes []db.Change) (n uint64, rows []Row) {
	n, low := c.own.begin(at, changes)
	return n, rowsOf(c.own.writer, n, low, at, changes)
}

// Doubt is told that the COMMIT of a transaction was not answered. What it may have changed is dropped;
// then the row it gives is to be inserted, which the database orders behind the transaction: duplicate
// means that it was committed, success that it never will be. open is false when that is known by now.
func (c *Core) Doubt(n uint64, at time.Time) (tombstone Row, open bool) {
	p := c.own.pending(n)
	if p == nil {
		return Row{}, false
	}
	c.mu.Lock()
	c.give(rowsOf(c.own.writer, n, 0, p.at, p.changes))
	c.mu.Unlock()
	return Row{Writer: c.own.writer, N: n, Low: c.own.low(), At: at}, true
}

// Done is told the outcome of a transaction before its writer is answered. A committed change is
// applied here now, and waits to be sent to the others. took says that it was committed, takes something
// away, and that no node knew the outcome before.
func (c *Core) Done(now time.Duration, n uint64, changes []db.Change, committed bool) (took bool) {
	p := c.own.pending(n)
	if p == nil {
		return false
	}
	var rows []Row
	c.mu.Lock()
	c.moving()
	if committed {
		rows = rowsOf(c.own.writer, n, 0, p.at, changes)
		c.give(rows)
		c.remember(commit{at: now, rows: rows, by: p.by, again: p.again})
	}
	first := c.own.settle(n)
	c.mu.Unlock()
	switch {
	case !committed:
		c.stats.rolledBack.Add(1)
		return false
	case !first:
		return false
	}
	c.stats.committed.Add(1)
	c.outbox.put(n, rows)
	return p.takes
}

// remember keeps own commits for a minute, to see which ones a fail-over lost. c.mu is held.
func (c *Core) remember(own commit) {
	const most = 4096
	c.recent = append(c.recent, own)
	drop := 0
	for drop < len(c.recent) && (own.at-c.recent[drop].at > time.Minute || len(c.recent)-drop > most) {
		drop++
	}
	if drop > 0 && (drop > 256 || drop == len(c.recent)) {
		c.recent = append([]commit(nil), c.recent[drop:]...)
	}
}

// Hints gives the messages for the other nodes about what was committed since the last call.
func (c *Core) Hints() [][]byte {
	messages := c.outbox.messages(c.own.writer)
	c.stats.hintsSent.Add(uint64(len(messages)))
	return messages
}

// Hint takes a message of another node. wanted asks for a read of the log: a message before this one was
// lost, or says no more than that.
func (c *Core) Hint(b []byte) (wanted bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h, err := c.hints.decode(b)
	if err != nil {
		c.stats.hintsBad.Add(1)
		return false
	}
	if h.writer == c.own.writer {
		return false
	}
	c.stats.hintsReceived.Add(1)
	c.moving()
	wanted = c.follow(h.writer, h.seq)
	rows := c.hints.rows[:0] // those that are new here
	for _, tx := range h.txs {
		switch {
		case tx.rows == nil:
			wanted = true
		case c.reader.hint(h.writer, tx.n, tx.rows):
			at := len(rows)
			rows = c.hints.rows[:at+len(tx.rows)] // in place: they stand where they are to be, or after it
			if &rows[at] != &tx.rows[0] {
				copy(rows[at:], tx.rows)
			}
		}
	}
	c.give(rows)
	return wanted
}

// follow notes the number of a message and reports whether one before it is missing. c.mu is held.
func (c *Core) follow(writer int64, seq uint64) (missing bool) {
	const mostSenders = 4096 // forged ones must not fill the memory
	last, known := c.seqs[writer]
	switch {
	case !known:
		if len(c.seqs) >= mostSenders {
			clear(c.seqs)
		}
		c.seqs[writer] = seq
		return seq != 1
	case seq <= last: // late or twice
		return false
	}
	c.seqs[writer] = seq
	c.stats.hintsLost.Add(seq - last - 1)
	return seq != last+1
}

// Applied reports whether what the position names has been applied on this node.
func (c *Core) Applied(p Position) bool {
	if p.Writer == c.own.writer {
		return c.own.applied(p.N)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reader.applied(p)
}

// NewHistory voids all proofs, and looks in progress: the database is not the one it was.
func (c *Core) NewHistory() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rebase = true
	c.era++
	c.proof.Store(0)
	clear(c.told)
}

// told is a heartbeat that another node says it has committed and that was not seen here yet.
type told struct {
	beat   int64
	at     time.Duration // when it was heard
	missed int           // looks begun since that did not show it
}

// apartAfter is for how long a heartbeat that another node has committed may be missing here: that node commits
// the next one meanwhile, so one that a crash of the server took with it is made up for.
const apartAfter = 400 * time.Millisecond

// Heard is told of a heartbeat that another node says it has committed. Looks that begin from now on must
// show it, or the two follow two databases.
func (c *Core) Heard(now time.Duration, writer, beat int64) {
	const mostPeers = 4096
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.told[writer] == nil && len(c.told) < mostPeers {
		c.told[writer] = &told{beat: beat, at: now}
	}
}

// compare looks for the heartbeats that others told of, and gives the nodes whose own are not here after two
// looks. c.mu is held.
func (c *Core) compare(lk *Look) (apart []int64, sure bool) {
	sure = true
	for w, t := range c.told {
		switch {
		case lk.writers[w].Beat >= t.beat:
			delete(c.told, w)
		case lk.sent > t.at:
			sure = false // what that node has committed is not here, so this look proves nothing
			if t.missed++; t.missed >= 2 && lk.sent-t.at >= apartAfter {
				apart = append(apart, w)
				delete(c.told, w)
			}
		}
	}
	return apart, sure
}

// Era counts the histories of the database that this process has seen.
func (c *Core) Era() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.era
}

// takenAgain notes of a lost commit that what it had taken away was taken away again.
func (c *Core) takenAgain(n uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.lost {
		c.lost[i].TakenAgain = c.lost[i].TakenAgain || c.lost[i].N == n
	}
}

// Look is one read of the log: begun by Core.Look, done by Read, and applied by Core.Land.
type Look struct {
	writer    int64
	sent      time.Duration
	era       int
	rebase    bool
	questions []Question
	recent    []commit

	answers []answer
	writers map[int64]WriterState
	gone    []int64
	lost    []commit // own commits that are not in the database
}

// Look begins a read of the log that is sent now. What is committed before then is applied when the
// read has landed, and that is what a proof says: so it is dated now and not later (rule 13).
func (c *Core) Look(now time.Duration) *Look {
	c.mu.Lock()
	defer c.mu.Unlock()
	lk := &Look{writer: c.own.writer, sent: now, era: c.era}
	// A node that was away for so long may have missed the whole life of a writer that is forgotten since.
	lk.rebase = c.rebase || now-time.Duration(c.alive.Load()) > writerLife
	if lk.rebase {
		lk.recent = slices.Clone(c.recent)
	} else {
		lk.questions = c.reader.questions()
	}
	return lk
}

// Rebase reports whether the look starts over at the present heads of the database, as the first one
// does, and the first one of a new history.
func (lk *Look) Rebase() bool { return lk.rebase }

// Read asks the log. It may be called again when the transaction of the source could not be committed.
func (lk *Look) Read(src Source) (err error) {
	lk.answers, lk.gone, lk.lost, lk.writers = nil, nil, nil, nil
	src = keepWriters{src, lk}
	if !lk.rebase {
		lk.answers, lk.gone, err = catchUp(lk.writer, lk.questions, func(qs []Question) ([]answer, []int64, []int64, error) {
			return read(src, qs, 0)
		})
		return err
	}
	if lk.answers, err = present(src, lk.writer); err != nil {
		return err
	}
	lk.lost, err = missing(src, lk.writer, lk.recent)
	return err
}

// keepWriters notes what a look sees of all writers.
type keepWriters struct {
	Source
	lk *Look
}

// Rows implements Source.
func (k keepWriters) Rows(qs []Question, limit int) (map[int64]WriterState, []Row, error) {
	writers, rows, err := k.Source.Rows(qs, limit)
	if k.lk.writers == nil {
		k.lk.writers = writers
	}
	return writers, rows, err
}

// Join takes what the first look saw as applied already. No cache may load before it returns.
func (c *Core) Join(lk *Look) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reader, c.rebase = c.standing(lk.answers), false
	c.alive.Store(int64(lk.sent))
}

// standing is a reader for which everything in the answers is applied already.
func (c *Core) standing(answers []answer) *reader {
	r := newReader(c.trust)
	r.take(answers)
	r.repaired = 0
	return r
}

// Landed says what a look has led to beside rows that were applied.
type Landed struct {
	Apart   []int64  // other nodes that follow another database
	Overrun bool     // rows were pruned before they were read here, so everything was dropped
	lost    []commit // own commits that the new history of the database lacks
}

// ErrOtherHistory says that the database was replaced during a look, which therefore proves nothing.
var ErrOtherHistory = errors.New("the database was replaced during the read of the change log")

// Land applies what a look saw. It is called when the transaction of the look, in which the heartbeat
// was raised as well, was committed: then it is a proof.
func (c *Core) Land(lk *Look) (Landed, error) {
	c.alive.Store(int64(lk.sent))
	for _, a := range lk.answers {
		c.stats.read.Add(uint64(len(a.rows)))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.moving()
	if lk.era != c.era {
		return Landed{}, ErrOtherHistory
	}
	apart, sure := c.compare(lk)
	out := Landed{Apart: apart}
	if lk.rebase {
		c.startOver(lk)
		out.lost = lk.lost
	} else {
		rows, lost := c.reader.take(lk.answers)
		if c.reader.retain(lk.gone) {
			lost = true
		}
		if lost {
			c.stats.overruns.Add(1)
			rows, out.Overrun = []Row{{Kind: Everything}}, true
		}
		c.give(rows)
	}
	if sure {
		c.proof.Store(int64(lk.sent))
	}
	return out, nil
}

// startOver takes the present heads of a new history as applied and drops everything. c.mu is held.
func (c *Core) startOver(lk *Look) {
	c.reader, c.rebase = c.standing(lk.answers), false
	for _, own := range lk.lost {
		for _, r := range own.rows {
			c.lost = append(c.lost, Lost{Row: r, By: own.by})
			c.losses++
		}
	}
	if most := 1000; len(c.lost) > most {
		c.lost = c.lost[len(c.lost)-most:]
	}
	searched := map[uint64]bool{}
	for _, own := range lk.recent {
		searched[own.rows[0].N] = true
	}
	c.recent = slices.DeleteFunc(c.recent, func(own commit) bool { return searched[own.rows[0].N] })
	c.give([]Row{{Kind: Everything}})
}
