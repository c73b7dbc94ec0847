package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stoa-portal/stoa"
)

const (
	// replicaFresh is how old the newest heartbeat of this node may be that a replica shows.
	replicaFresh = time.Second
	// replicaAsk is the pause between two looks at each replica, and replicaWait how long a look, or the first
	// answer of a snapshot, may take.
	replicaAsk  = time.Second
	replicaWait = 500 * time.Millisecond
	// replicaPatience is how long the reads of a request may take on a replica before they begin anew elsewhere.
	replicaPatience = 5 * time.Second
)

// Place is where a transaction stands in the change log.
type Place struct {
	Writer int64
	N      uint64
}

// Replicas are servers that have what the write source had a moment ago. They serve reads that are shown and
// forgotten: nothing that was read there goes into a cache, decides about a permission or leads to a write.
type Replicas struct {
	d    *DB
	list []*replica
	life context.Context
	end  context.CancelFunc
	wg   sync.WaitGroup

	all, served atomic.Uint64
	mu          sync.Mutex
	shown       map[string]minimum // by who
	swept       time.Duration
	turn        atomic.Uint64
}

// replica is one server of jdbc.read.url.
type replica struct {
	name   string
	pool   *sql.DB
	usable atomic.Bool
	why    atomic.Value // string: why it is left out
}

// minimum is the beat that belongs to what a person has seen. The next snapshot needs a higher one: what was shown
// can have more than its beat tells, and less than the next beat does.
type minimum struct {
	beat int64
	at   time.Duration
}

// sentBeat is a heartbeat of this node that was committed, by when its transaction began.
type sentBeat struct {
	beat int64
	at   time.Duration
}

// sentBeats are the newest of one writer, in order.
type sentBeats struct {
	mu     sync.Mutex
	writer int64
	list   []sentBeat
}

// BeatSent notes a heartbeat of this node that was committed, and when, by Options.Clock, its transaction was
// sent: a server that shows it has everything that was answered before then.
func (d *DB) BeatSent(writer, beat int64, sent time.Duration) {
	b := &d.sent
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.writer != writer {
		b.writer, b.list = writer, nil
	}
	b.list = append(b.list, sentBeat{beat, sent})
	if len(b.list) > 64 {
		b.list = append(b.list[:0], b.list[32:]...)
	}
}

// newest gives the writer and its newest beat.
func (b *sentBeats) newest() (writer, beat int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.list) == 0 {
		return 0, 0
	}
	return b.writer, b.list[len(b.list)-1].beat
}

// since gives when the transaction of the newest beat was sent that is not above the given one.
func (b *sentBeats) since(writer, beat int64) (time.Duration, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.writer != writer {
		return 0, false
	}
	for i := len(b.list) - 1; i >= 0; i-- {
		if b.list[i].beat <= beat {
			return b.list[i].at, true
		}
	}
	return 0, false
}

// OpenReplicas begins to watch the replicas that o names; the first look at each is under way when it returns.
// With an empty URL there are none, and all reads go to d. An address that cannot be used is an Invalid error.
func OpenReplicas(d *DB, o Options) (*Replicas, error) {
	r := &Replicas{d: d, shown: map[string]minimum{}}
	r.life, r.end = context.WithCancel(context.Background())
	if o.URL == "" {
		return r, nil
	}
	o.ReadOnly, o.Logger = true, d.opt.Logger
	o.ConnectTimeout, o.StatementTimeout = max(o.ConnectTimeout, 2*time.Second), max(o.StatementTimeout, time.Second)
	parsed, err := parseURL(o)
	if err != nil {
		return nil, err
	}
	if parsed.dialect != d.dialect || d.dialect == SQLite {
		return nil, stoa.Invalid(o.property(), "replicas are of the same kind as the database that is written to, and no "+
			"file has any: an address of %s is expected", d.dialect)
	}
	for _, w := range parsed.warnings {
		o.Logger.Warn(w)
	}
	for _, h := range parsed.hosts {
		base, err := h.connector(o.ConnectTimeout)
		if err != nil {
			return nil, err
		}
		one := &replica{name: h.String(), pool: sql.OpenDB(replicaConnector{base, d})}
		one.pool.SetMaxOpenConns(o.MaxConns)
		one.pool.SetMaxIdleConns(max(o.MinIdle, o.MaxConns/4))
		one.pool.SetConnMaxIdleTime(o.IdleTime)
		one.pool.SetConnMaxLifetime(o.Lifetime)
		one.why.Store("it was not asked yet")
		r.list = append(r.list, one)
		r.wg.Go(func() { r.watch(one) })
	}
	return r, nil
}

// replicaConnector makes sessions that are what the portal expects of one.
type replicaConnector struct {
	driver.Connector
	d *DB
}

func (c replicaConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if err = c.d.setUp(ctx, conn); err == nil {
		err = ordered(ctx, c.d.dialect, conn)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// ordered refuses a replica of MySQL that commits in another order than its source: there a heartbeat does not
// vouch for what was committed before it.
func ordered(ctx context.Context, dialect Dialect, conn driver.Conn) error {
	if dialect != MySQL {
		return nil
	}
	for _, names := range [][2]string{{"replica_preserve_commit_order", "replica_parallel_workers"},
		{"slave_preserve_commit_order", "slave_parallel_workers"}} {
		v, err := queryRaw(ctx, conn, "SELECT @@GLOBAL."+names[0]+", @@GLOBAL."+names[1])
		switch {
		case refused(err): // MariaDB commits in order, and older MySQL has the other names
			continue
		case err != nil:
			return err
		case fmt.Sprint(v[0]) == "0" && integer(v[1]) > 1:
			return errors.New("it commits in another order than its source: set " + names[0] + "=ON there")
		}
		return nil
	}
	return nil
}

// Close ends the looks and all connections.
func (r *Replicas) Close() error {
	r.end()
	r.wg.Wait()
	var err error
	for _, one := range r.list {
		err = errors.Join(err, one.pool.Close())
	}
	return err
}

// ReplicaStats are the counters of the replicas of one node.
type ReplicaStats struct {
	All, Served uint64            // reads that may go to a replica, and those that did
	LeftOut     map[string]string // replicas that are not used now, with the reason
}

// Stats tells how much the replicas serve.
func (r *Replicas) Stats() ReplicaStats {
	s := ReplicaStats{All: r.all.Load(), Served: r.served.Load(), LeftOut: map[string]string{}}
	for _, one := range r.list {
		if !one.usable.Load() {
			s.LeftOut[one.name], _ = one.why.Load().(string)
		}
	}
	return s
}

// watch looks at a replica every second, so that no request has to find out that it lags or is away.
func (r *Replicas) watch(one *replica) {
	tick := time.NewTicker(replicaAsk)
	defer tick.Stop()
	for {
		ctx, cancel := context.WithTimeout(r.life, r.d.opt.ConnectTimeout)
		_, err := r.on(ctx, one, nil, 0, func(context.Context) error { return nil })
		cancel()
		if r.life.Err() != nil {
			return
		}
		r.judge(one, err)
		select {
		case <-r.life.Done():
			return
		case <-tick.C:
		}
	}
}

// judge notes whether a replica can be used, and logs when that changes.
func (r *Replicas) judge(one *replica, err error) {
	if err == nil {
		if !one.usable.Swap(true) {
			r.d.log.Info("a replica is used", "server", one.name)
		}
		return
	}
	reason := err.Error()
	used, other := one.usable.Swap(false), one.why.Swap(reason) != reason
	if used || other && !errors.Is(err, errLags) {
		r.d.log.Warn("a replica is left out", "server", one.name, "error", err)
	}
}

var errLags = errors.New("it is behind what this node has written")

type snapshotKey struct{}

// Reader is what a list is read from that is shown and not kept: the snapshot that ctx belongs to, or d.
func Reader(ctx context.Context, d *DB) Queryer {
	if tx, ok := ctx.Value(snapshotKey{}).(*Tx); ok && tx.db == d && !InWrite(ctx) {
		return tx
	}
	return d
}

// Snapshot runs fn, whose reads through Reader come from one moment of one replica, or from the write source
// where no replica has all that was answered more than a second ago, each of the places, and what the same
// person was shown before. When the replica fails or ends the transaction, fn runs once more, on the write
// source; so fn sends nothing and writes nothing. The transaction is over when Snapshot returns. who is any
// name of a person or visitor.
func (r *Replicas) Snapshot(ctx context.Context, who string, places []Place, fn func(ctx context.Context) error) error {
	if len(r.list) == 0 || InWrite(ctx) {
		return fn(ctx)
	}
	r.all.Add(1)
	if one := r.pick(); one != nil {
		r.mu.Lock()
		above := r.shown[who].beat
		r.mu.Unlock()
		tried, cancel := context.WithTimeout(ctx, replicaPatience)
		beat, err := r.on(tried, one, places, above, fn)
		cancel()
		if err == nil {
			r.served.Add(1)
			r.remember(who, beat)
			return nil
		}
		if ctx.Err() != nil {
			return err
		}
		if isConnection(err) {
			r.judge(one, err)
		}
	}
	err := fn(ctx)
	_, newest := r.d.sent.newest()
	// The beat after the newest may have begun before these reads, so only the one after that vouches for them.
	r.remember(who, newest+1)
	return err
}

// pick gives one of the replicas that can be used, each in turn.
func (r *Replicas) pick() *replica {
	n := r.turn.Add(1)
	for i := range uint64(len(r.list)) {
		if one := r.list[(n+i)%uint64(len(r.list))]; one.usable.Load() {
			return one
		}
	}
	return nil
}

// remember keeps what a person was shown for as long as a replica could show less.
func (r *Replicas) remember(who string, beat int64) {
	now := r.d.opt.Clock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if now-r.swept > 10*replicaFresh {
		maps.DeleteFunc(r.shown, func(_ string, f minimum) bool { return now-f.at > 10*replicaFresh })
		r.swept = now
	}
	r.shown[who] = minimum{max(beat, r.shown[who].beat), now}
}

// on runs fn in a snapshot of the replica, if that shows a beat above the given one and all else that is asked
// for, and gives the beat that it shows.
func (r *Replicas) on(ctx context.Context, one *replica, places []Place, above int64,
	fn func(context.Context) error) (int64, error) {
	sqlTx, err := one.pool.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return 0, err
	}
	defer func() { _ = sqlTx.Rollback() }()
	tx := &Tx{db: r.d, tx: sqlTx, now: r.d.opt.Now().UTC()}
	first, cancel := context.WithTimeout(ctx, replicaWait)
	defer cancel()
	beat, err := r.shows(first, tx, places, above)
	if err != nil {
		return 0, err
	}
	if err := fn(context.WithValue(ctx, snapshotKey{}, tx)); err != nil {
		return 0, err
	}
	return beat, sqlTx.Rollback() // nothing of it is open any more when the answer is sent
}

// shows takes the snapshot, with its first statement, and checks that it has what is asked for.
func (r *Replicas) shows(ctx context.Context, tx *Tx, places []Place, above int64) (beat int64, err error) {
	writer, _ := r.d.sent.newest()
	var token string
	err = tx.QueryRow(ctx, "SELECT i.token, COALESCE((SELECT w.beat FROM change_writer w WHERE w.writer = ?), -1) "+
		"FROM db_incarnation i WHERE i.id = 1", writer).Scan(&token, &beat)
	if err != nil {
		return 0, err
	}
	sent, known := r.d.sent.since(writer, beat)
	switch {
	case token != r.d.Token():
		return 0, fmt.Errorf("%w: it shows another history", errLags)
	case !known || beat <= above || r.d.opt.Clock()-sent > replicaFresh:
		return 0, errLags
	}
	for _, p := range places {
		var there int
		err := tx.QueryRow(ctx, "SELECT 1 FROM change_log WHERE writer = ? AND n = ? LIMIT 1", p.Writer, int64(p.N)).
			Scan(&there)
		if IsNoRows(err) {
			return 0, errLags
		}
		if err != nil {
			return 0, err
		}
	}
	return beat, nil
}
