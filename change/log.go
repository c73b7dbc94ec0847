// Package change is the change log: every transaction writes down, in itself, what it changed, and
// every cache, index and live screen on every node follows that log. It is the only feed. Messages
// between nodes (hints) carry the same rows sooner; losing one costs time, never a change. Reading the
// log and committing a heartbeat in one transaction is the proof that a node's caches are fresh.
// DESIGN.md beside this file tells why it is so.
package change

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stoa-portal/stoa/db"
)

// Bound is the promise: a request that arrives longer than this after a write was acknowledged never sees
// the value before it, on any node. It is cache.fresh.limit plus room for errors (rule 13).
const Bound = 2 * time.Second

// Options says what a Log works on and what it feeds. DB is required.
type Options struct {
	DB     *db.DB
	Writer int64 // id of this process life (NewWriter); 0 = a new one

	// Apply drops from this node's caches what the rows name. It runs before the writer is answered and
	// before a proof counts, one call at a time. It must be quick and must not call the Log or the DB, nor
	// keep rows.
	Apply func(rows []Row)
	// Beat is the heartbeat of the node (cluster.Node.Beat); it runs in the transaction that reads the
	// log. Its error means there is no proof.
	Beat func(ctx context.Context, tx *db.Tx, low uint64) error
	// Send carries a hint to the other nodes, after the commit. It must not block for long.
	Send func(hint []byte)
	// Tell carries a node's word about the database it follows to the other nodes; they give it to Hear. nil:
	// there are none, or messages do not come from members only. It may block: no proof waits for it.
	Tell func(message []byte)
	// Confirm returns nil once every other live node has applied the write, or an error that says who has
	// not, when ctx ends at the latest; after an error the writer is answered only when ConfirmLimit is
	// over. It is called for writes that take something away, after they were applied here and handed to
	// Send. nil: there is no other node.
	Confirm func(ctx context.Context, p Position) error
	// TrustHints says that hints come from authenticated nodes. Where a load on this node cannot be older
	// than a hint (one database server, not Galera), a row that a hint brought is then not applied a
	// second time when the log confirms it, and a hint satisfies a token and counts in Standing.
	TrustHints bool

	PollInterval time.Duration        // between reads of the log when nothing asks for one; 0 = 500 ms
	MinPollGap   time.Duration        // between the beginnings of two reads; 0 = 20 ms
	PollTimeout  time.Duration        // of one read; 0 = 10 s
	HintDelay    time.Duration        // how long hints are gathered; 0 = 1 ms
	ConfirmLimit time.Duration        // how long the writer of what takes something away waits at most; 0 = Bound
	CacheKeep    time.Duration        // how long rows are kept for caches; 0 = 1 h
	Retention    time.Duration        // how long rows are kept for durable readers (change.retention); 0 = 7 days
	Clock        func() time.Duration // 0 = Boottime
	Now          func() time.Time     // information in rows only; nil = time.Now
	Logger       *slog.Logger
}

// Log is this process's writer and follower of the change log. It is safe for concurrent use.
type Log struct {
	opt    Options
	d      *db.DB
	log    *slog.Logger
	core   *Core
	galera atomic.Bool
	view   atomic.Pointer[string] // of the Galera cluster
	beats  atomic.Int64           // heartbeats begun
	peers  peers

	subsMu sync.Mutex // held while rows are given to subs
	subs   map[int]func([]Row)
	subID  int

	// SQLite only: the heartbeat beside the reads.
	beaten  time.Duration // Clock when the newest one was sent; of the flight in progress
	beating atomic.Bool   // one is under way; beatErr is its own until then
	beatErr error

	flight   flights
	settler  chan struct{} // one settlement at a time, so that a poll always finds a control connection
	settling atomic.Bool   // settleDoubtful is at work

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// Open registers this process as a writer, makes the Log the journal of the database handle, and takes
// everything committed so far as already applied: no cache may load before it returns. The database
// must have been migrated. The caller runs Run and, at the end, Close.
func Open(ctx context.Context, o Options) (*Log, error) {
	if o.DB == nil {
		return nil, errors.New("change: Options.DB is required")
	}
	if o.Writer < 0 {
		return nil, fmt.Errorf("change: writer %d: a positive number is expected (NewWriter)", o.Writer)
	}
	if o.Writer == 0 {
		o.Writer = NewWriter()
	}
	setDefault(&o.PollInterval, 500*time.Millisecond)
	setDefault(&o.MinPollGap, 20*time.Millisecond)
	setDefault(&o.PollTimeout, 10*time.Second)
	setDefault(&o.HintDelay, time.Millisecond)
	setDefault(&o.ConfirmLimit, Bound)
	setDefault(&o.CacheKeep, time.Hour)
	setDefault(&o.Retention, 7*24*time.Hour)
	if o.CacheKeep < minCacheKeep || o.Retention < o.CacheKeep {
		return nil, fmt.Errorf("change: rows are to be kept for %s for caches and %s for durable readers: at least %s is expected, and not less for durable readers", o.CacheKeep, o.Retention, minCacheKeep)
	}
	if o.Clock == nil {
		o.Clock = Boottime
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Log{
		opt: o, d: o.DB, log: o.Logger.With("component", "change"),
		subs: map[int]func([]Row){}, settler: make(chan struct{}, 1),
	}
	l.core = NewCore(o.Writer, o.TrustHints, l.apply)
	l.core.outbox.shut = o.Send == nil
	l.ctx, l.cancel = context.WithCancel(context.WithoutCancel(ctx))
	l.flight.freed = make(chan struct{}, 1)
	l.peers.next = make(chan []byte, 1)
	if err := l.begin(ctx); err != nil {
		l.cancel()
		return nil, fmt.Errorf("open the change log: %w", err)
	}
	o.DB.OnIncarnation(l.newIncarnation)
	o.DB.SetJournal(l)
	o.DB.SetWitness(l)
	if o.Send != nil {
		l.wg.Go(l.send)
	}
	if o.Tell != nil {
		l.wg.Go(l.speak)
	}
	return l, nil
}

func setDefault(d *time.Duration, v time.Duration) {
	if *d <= 0 {
		*d = v
	}
}

// Writer is the id of this process life.
func (l *Log) Writer() int64 { return l.core.own.writer }

// Run reads the log every PollInterval until ctx ends. An error of a read is logged when it begins and
// when it ends; meanwhile there is no proof.
func (l *Log) Run(ctx context.Context) error {
	tick := time.NewTicker(l.opt.PollInterval)
	defer tick.Stop()
	failing := false
	for {
		err := l.Poll(ctx)
		switch {
		case ctx.Err() != nil || l.ctx.Err() != nil:
			return nil
		case err != nil && !failing:
			l.log.Warn("the change log cannot be read: caches are bypassed until it can", "error", err)
		case err == nil && failing:
			l.log.Info("the change log is read again")
		}
		failing = err != nil
		if err == nil {
			l.settleDoubtful()
		} else {
			l.tell(0)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-l.ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// goodbyeLimit is how long the end of the writer waits for a database that does not answer.
const goodbyeLimit = time.Second

// Close sends the hints that wait, ends reads in progress and tells the other nodes how far this writer
// is settled. No transaction may be written afterwards.
func (l *Log) Close(ctx context.Context) error {
	l.flight.mu.Lock() // so that no flight begins while the ones that did are waited for
	l.cancel()
	l.flight.mu.Unlock()
	l.wg.Wait()
	low := l.core.Low()
	beat := l.beats.Add(1)
	err := l.d.ControlWithin(ctx, goodbyeLimit, func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE change_writer SET low = ?, beat = ?, seen = ? WHERE writer = ? AND low <= ?",
			int64(low), beat, db.Micros(l.opt.Now()), l.Writer(), int64(low))
		return err
	})
	if err != nil {
		return fmt.Errorf("publish the end of the writer: %w", err)
	}
	return nil
}

// Proof is when, by Clock, the newest proof of freshness was sent: everything committed before then is
// applied here. 0 means that there is none.
func (l *Log) Proof() time.Duration { return l.core.Proof() }

// Subscribe lets another follower in this process see rows right after they were applied to the
// caches. fn must be quick, must not call the Log and must not keep rows. After stop returned, fn is not
// called again.
func (l *Log) Subscribe(fn func(rows []Row)) (stop func()) {
	l.subsMu.Lock()
	defer l.subsMu.Unlock()
	l.subID++
	id := l.subID
	l.subs[id] = fn
	return func() {
		l.subsMu.Lock()
		defer l.subsMu.Unlock()
		delete(l.subs, id)
	}
}

// apply hands rows to the caches and then to the other followers.
func (l *Log) apply(rows []Row) {
	if l.opt.Apply != nil {
		l.opt.Apply(rows)
	}
	l.subsMu.Lock()
	defer l.subsMu.Unlock()
	for _, fn := range l.subs {
		fn(rows)
	}
}

// Applied reports whether what the position names has been applied on this node.
func (l *Log) Applied(p Position) bool { return l.core.Applied(p) }

// Await returns when every position has been applied here, or after one read of the log that began
// after the call, which has then shown every write acknowledged before it. So a forged position costs
// one shared query and is never waited for.
func (l *Log) Await(ctx context.Context, positions []Position) error {
	if !slices.ContainsFunc(positions, func(p Position) bool { return !l.Applied(p) }) {
		return nil
	}
	return l.Poll(ctx)
}

// newIncarnation is told by the database handle that its history changed. The next read starts over.
func (l *Log) newIncarnation(db.Turn) {
	l.core.NewHistory()
	l.ask()
}
