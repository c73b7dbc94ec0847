// Package db is the portal's one handle on its database: SQLite, PostgreSQL 13+, MariaDB 10.6+ or
// MySQL 8. It gives transactions that are repeated when the database asks for it, ids in blocks,
// migrations under a lock, and the incarnation: a number that changes when the data's history does
// (fail-over, restore, copy). SQL is plain, with ? for arguments; the few differences between the
// dialects sit here. Times are stored as microseconds since 1970 in UTC (see Micros).
package db

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stoa-portal/stoa"
)

// Options says which database to open. Only URL is required.
type Options struct {
	// URL names the database: sqlite:/path/to/file, postgres://user:pw@h1,h2/name, mariadb://… or
	// mysql://…, or their jdbc: forms. What becomes of its parameters: PostgresParameters, MySQLParameters.
	URL      string
	User     string // used when the URL has no user
	Password string // used when the URL has no password
	// PasswordFrom, if not nil, gives the password of each new connection instead of Password and the URL, so that
	// it can be changed at the server while the program runs. It may be called by several goroutines at once.
	PasswordFrom func() (string, error)
	Property     string // the setting that URL stands in, for sentences; "" = jdbc.default.url
	ReadOnly     bool   // the source is only read from: an address that asks for replicas is right

	MaxConns         int           // connections of the pool at most; 0 = 32
	MinIdle          int           // connections kept open; 0 = 4
	ConnectTimeout   time.Duration // per host; 0 = 2 s
	StatementTimeout time.Duration // each statement; 0 = 15 s
	WriteTimeout     time.Duration // a whole Write with its repetitions; 0 = 30 s
	SlowStatement    time.Duration // statements that take longer are logged; 0 = none
	IdleTime         time.Duration // an unused connection is closed after this; 0 = never
	Lifetime         time.Duration // a connection is replaced after this; 0 = never
	NoCreate         bool          // Migrate refuses an empty database (schema.run.enabled=false)
	NoUpgrade        bool          // Migrate refuses an older schema (upgrade.database.auto.run=false)
	IDBlock          int64         // ids reserved at a time (counter.increment); 0 = 100
	BackupDir        string        // where a copy of an SQLite file goes before a migration; "" = beside it
	Name             string        // shown by the server for the sessions of this process; "" = "stoa"
	// MemoryFile is where this node remembers which history of the database it follows, so that a later life
	// does not go back behind it; "" = it forgets with the process.
	MemoryFile string
	// Known are incarnations that something else than this node's own memory knows of, such as the file store.
	Known []Token
	// LossAccept is how much of this node's newest commits a server may lack and still be followed after a
	// fail-over (db.loss.accept); 0 = 1 min, the time for which a node can name what it lost.
	LossAccept time.Duration
	// OnRestored runs in the transaction in which an incarnation begins because the data was put back, or which begins
	// at a start without the newest commits: to end sessions that were ended since, for one.
	OnRestored func(ctx context.Context, tx *Tx) error
	// Beside lets a tool of the operator open an SQLite file that a node uses: it caches nothing, and the node finds what
	// it changes of the history.
	Beside bool
	Clock  func() time.Duration // monotonic; nil = since Open

	Writer int64 // the process life that sessions belong to, by which others can end them (EndSessions); 0 = they cannot
	Logger *slog.Logger
	Now    func() time.Time

	// Watch is for tests: it is told of every statement of Query, QueryRow and Exec once that has ended, and may be called
	// from several goroutines.
	Watch func(query string, args []any)

	Migrations fs.FS // holds migrations/*.sql; nil = those of this binary
}

// timeouts fills in those that every address needs.
func (o *Options) timeouts() {
	o.ConnectTimeout = cmp.Or(o.ConnectTimeout, 2*time.Second)
	o.StatementTimeout = cmp.Or(o.StatementTimeout, 15*time.Second)
}

// DB is a handle on one database. It is safe for concurrent use.
type DB struct {
	opt     Options
	ahead   queue // SQLite: who goes before other writers
	dialect Dialect
	dsn     dsn
	log     *slog.Logger

	pools   atomic.Pointer[pools]
	turns   turns
	memory  *memory
	sent    sentBeats
	journal atomic.Pointer[Journal]
	witness Witness
	auditor Auditor
	ids     idBlock
	unnamed sync.Once // says once that sessions cannot be named

	refusal   atomic.Pointer[Refusal]
	searching chan struct{} // held by the search in progress
	waking    atomic.Bool

	mu          sync.Mutex
	lastRefused time.Time
	heldSince   time.Time // another node has been heard on the server before since then
	split       *apart
	writable    []string  // fingerprints of the servers that took writes when last asked
	sawAt       time.Time // when writable was found out

	away      away
	life      context.Context // ends with Close
	end       context.CancelFunc
	closeOnce sync.Once
	wg        sync.WaitGroup
	only      func()                                                  // gives an SQLite file back to other processes
	interrupt func(migration string, statement int, after bool) error // of tests
}

// pools are the connections to one server and one history: when either changes, all are replaced.
type pools struct {
	refused  error // why there are no connections: no server may be followed
	standing atomic.Pointer[standing]

	write   *sql.DB // transactions that write; SQLite: one connection
	read    *sql.DB // statements that only read; the same pool but for SQLite
	control *sql.DB // two connections for the change log, the heartbeat and the leases, so that load cannot starve them
}

// token is the word of the history that the pools belong to; empty before Migrate.
func (p *pools) token() string {
	if st := p.standing.Load(); st != nil {
		return st.token
	}
	return ""
}

func (p *pools) close() error {
	err := p.write.Close()
	if p.read != p.write {
		err = errors.Join(err, p.read.Close())
	}
	if p.control != p.write {
		err = errors.Join(err, p.control.Close())
	}
	return err
}

// Open connects to the database and finds out its history. It does not create tables: call Migrate.
// A URL that names no known engine is an Invalid error; a server that cannot be reached is Unavailable.
func Open(ctx context.Context, o Options) (*DB, error) {
	o.timeouts()
	o.MaxConns, o.MinIdle = cmp.Or(o.MaxConns, 32), cmp.Or(o.MinIdle, 4)
	o.WriteTimeout, o.LossAccept = cmp.Or(o.WriteTimeout, 30*time.Second), cmp.Or(o.LossAccept, time.Minute)
	o.IDBlock, o.Name = cmp.Or(o.IDBlock, 100), cmp.Or(o.Name, "stoa")
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Clock == nil {
		began := time.Now()
		o.Clock = func() time.Duration { return time.Since(began) }
	}
	parsed, err := parseURL(o)
	if err != nil {
		return nil, err
	}
	for _, w := range parsed.warnings {
		o.Logger.Warn(w)
	}
	d, err := newDB(ctx, o, parsed)
	if err != nil {
		return nil, err
	}
	if err := d.claimFile(); err != nil {
		d.end()
		return nil, err
	}
	p, err := d.first(ctx)
	if err != nil {
		d.end()
		d.only()
		return nil, d.dsn.explain(err)
	}
	d.pools.Store(p)
	if err := d.ping(ctx); err != nil {
		_ = d.Close()
		return nil, err
	}
	if len(d.dsn.hosts) > 1 && o.Writer != 0 {
		d.wg.Go(d.watchHosts)
	}
	return d, nil
}

// first makes the first pools: on the server whose history this node may follow. Of several that take writes
// none is taken, unless their histories or this node's memory tell which is right.
func (d *DB) first(ctx context.Context) (*pools, error) {
	if d.dialect == SQLite {
		return d.openSQLite()
	}
	c, err := d.choose(d.probeAll(ctx), nil)
	if err != nil {
		return nil, err
	}
	return d.openServer(c.host, c.fingerprint)
}

// newDB is a handle without connections.
func newDB(ctx context.Context, o Options, parsed dsn) (*DB, error) {
	d := &DB{
		opt:       o,
		dsn:       parsed,
		dialect:   parsed.dialect,
		log:       o.Logger.With("component", "db"),
		away:      away{conns: map[*trackedConn]bool{}},
		searching: make(chan struct{}, 1),
		only:      func() {},
	}
	var err error
	if d.memory, err = openMemory(o.MemoryFile, o.Clock); err != nil {
		return nil, err
	}
	if len(d.memory.known.tokens) == 0 && len(o.Known) > 0 {
		// Only the newest: the store keeps also those that an operator or a fail-over has given up.
		d.memory.known.tokens = o.Known[len(o.Known)-1:]
	}
	d.life, d.end = context.WithCancel(context.WithoutCancel(ctx))
	for _, h := range parsed.hosts {
		if h.pg != nil {
			h.pg.DialFunc = d.dial(h.pg.DialFunc)
		} else {
			h.my.DialFunc = d.dial(h.my.DialFunc)
		}
	}
	return d, nil
}

// ping makes the first connection, which also reads the fingerprint of the server's history.
func (d *DB) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.opt.ConnectTimeout+d.opt.StatementTimeout)
	defer cancel()
	if err := d.pools.Load().write.PingContext(ctx); err != nil {
		return d.dsn.explain(err)
	}
	if d.dialect == SQLite {
		var one int
		if err := d.pools.Load().write.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master").Scan(&one); err != nil {
			return d.dsn.explain(err)
		}
	}
	return nil
}

// Dialect tells which engine is behind the handle.
func (d *DB) Dialect() Dialect { return d.dialect }

// Describe names the database without its password, for logs and screens.
func (d *DB) Describe() string { return d.dsn.describe() }

// Server is host:port of the (first) database server; empty for a file or a Unix socket.
func (d *DB) Server() string { return d.dsn.server() }

// Close ends all connections. It is safe to call twice.
func (d *DB) Close() error {
	var err error
	d.closeOnce.Do(func() {
		d.away.mu.Lock() // so that nothing begins while what did is waited for
		d.end()
		d.away.mu.Unlock()
		d.wg.Wait()
		err = d.pools.Load().close()
		d.only()
	})
	return err
}

// MovedTo is the address that the portal was moved to from this database (stoa db copy); empty when it is here.
func (d *DB) MovedTo() string {
	to, moved := strings.CutPrefix(d.Token(), MovedPrefix)
	if !moved {
		return ""
	}
	return to
}

// SetJournal tells who writes down what transactions changed. It is called before the first Write that changes
// anything; package change is the journal. A Write that has begun may use the one before.
func (d *DB) SetJournal(j Journal) { d.journal.Store(&j) }

// writesDown is the journal; nil without one.
func (d *DB) writesDown() Journal {
	if j := d.journal.Load(); j != nil {
		return *j
	}
	return nil
}

// SetAuditor names who writes down who made each transaction of Write. It is called once, before the first
// transaction that matters; without it nothing is written down.
func (d *DB) SetAuditor(a Auditor) { d.auditor = a }

// Witness knows what a node sees of the database by other ways than a connection that it is about to make;
// package change is the one in production.
type Witness interface {
	// Beating reports whether this node's heartbeats are being committed.
	Beating() bool
	// StillBeats commits a heartbeat on the connections in use, or says why it cannot.
	StillBeats(ctx context.Context) error
	// PeerOn reports whether another node was heard, within that time, to prove its caches fresh on the server with
	// that fingerprint.
	PeerOn(fingerprint string, within time.Duration) bool
	// PeersSee gives the fingerprints of servers that other nodes see taking writes.
	PeersSee() []string
}

// SetWitness tells who knows what other nodes see. It is called once, before the first Write.
func (d *DB) SetWitness(w Witness) { d.witness = w }

// Stats are the numbers of the pools, for the metrics and the control panel.
func (d *DB) Stats() sql.DBStats { return d.pools.Load().write.Stats() }

// Check reports whether the database answers and can be written to, within the caller's deadline.
func (d *DB) Check(ctx context.Context) error {
	var n int
	if err := d.pools.Load().read.QueryRowContext(ctx, "SELECT 1").Scan(&n); err != nil {
		return d.dsn.explain(err)
	}
	return nil
}

// Micros turns a time into the stored form: microseconds since 1970, 0 for the zero time.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Time turns the stored form back into a time in UTC.
func Time(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

// Queryer is what reading code needs; *DB and *Tx have it.
type Queryer interface {
	Query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRow(ctx context.Context, query string, args ...any) Scanner
}

// Query reads rows outside of any transaction, from the write source.
func (d *DB) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	defer d.slow(time.Now(), query, args)
	args, err := texts(args)
	if err != nil {
		return nil, err
	}
	p := d.pools.Load()
	rows, err := p.read.QueryContext(ctx, d.dialect.Rebind(query), args...)
	if isClosed(err) && d.pools.Load() != p { // another server was found between the two
		rows, err = d.pools.Load().read.QueryContext(ctx, d.dialect.Rebind(query), args...)
	}
	if err != nil {
		return nil, d.wrap(err)
	}
	return rows, nil
}

// QueryRow reads one row outside of any transaction, from the write source.
func (d *DB) QueryRow(ctx context.Context, query string, args ...any) Scanner {
	defer d.slow(time.Now(), query, args)
	args, err := texts(args)
	if err != nil {
		return notSent{err}
	}
	return kindRow{d.pools.Load().read.QueryRowContext(ctx, d.dialect.Rebind(query), args...)}
}

// kindRow gives the errors of a row their kind: callers scan them directly.
type kindRow struct{ row *sql.Row }

func (r kindRow) Scan(dest ...any) error { return wrapUnavailable(r.row.Scan(dest...)) }

// Scanner is a row that can be read once: *sql.Row and *sql.Rows are.
type Scanner interface{ Scan(dest ...any) error }

// All reads every row of a query through scan.
func All[T any](ctx context.Context, q Queryer, scan func(Scanner) (T, error), query string, args ...any) ([]T, error) {
	var out []T
	err := Each(ctx, q, func(s Scanner) error {
		v, err := scan(s)
		out = append(out, v)
		return err
	}, query, args...)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Each gives every row of a query to scan, until that fails.
func Each(ctx context.Context, q Queryer, scan func(Scanner) error, query string, args ...any) error {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return wrapUnavailable(rows.Err())
}

// One reads the first row of a query through scan. It returns sql.ErrNoRows when there is none.
func One[T any](ctx context.Context, q Queryer, scan func(Scanner) (T, error), query string, args ...any) (T, error) {
	v, err := scan(q.QueryRow(ctx, query, args...))
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		err = wrapUnavailable(err)
	}
	return v, err
}

// wrap gives driver errors a kind: a lost connection or a time-out is Unavailable, a full disk says so.
func (d *DB) wrap(err error) error { return wrapUnavailable(err) }

func wrapUnavailable(err error) error {
	if err == nil || stoa.KindOf(err) != stoa.KindInternal || errors.Is(err, sql.ErrNoRows) {
		return err
	}
	switch {
	case isMoved(err):
		return stoa.Unavailable(err, "this portal was moved to another database; here nothing is saved any more")
	case IsDiskFull(err):
		return stoa.Unavailable(err,
			"the disk that holds the database is full: nothing was saved; free some space and try again")
	case isCorrupt(err):
		return stoa.Unavailable(err,
			"the database file is damaged: restore it from a backup (stoa restore) or from the copies in data/backup")
	case isTableMissing(err):
		return stoa.Unavailable(err, "a table of the database is missing, as while it is being restored; try again in "+
			"a moment")
	case isTooLarge(err):
		return &stoa.Error{Kind: stoa.KindTooLarge, Err: err,
			Message: "this is larger than the database takes at once: nothing was saved; make it shorter, or let the " +
				"operator raise max_allowed_packet of the database server"}
	case isUnheld(err):
		return &stoa.Error{Kind: stoa.KindInvalid, Err: err,
			Message: "a table of the database cannot hold every letter of this text: nothing was saved; leave out the " +
				"unusual ones, or let the operator mend the table (stoa db check says how)"}
	case isConnection(err):
		return stoa.Unavailable(err, "%s; try again in a moment", awayBecause(err))
	case isBusy(err):
		return stoa.Unavailable(err, "the database is held up by other work; try again in a moment")
	}
	return err
}

// In gives "(?,?,?)" for n arguments; an empty list gives "(NULL)", which matches nothing.
func In(n int) string {
	if n <= 0 {
		return "(NULL)"
	}
	b := make([]byte, 0, 2*n+1)
	b = append(b, '(')
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '?')
	}
	return string(append(b, ')'))
}

// Args turns ids into arguments for In.
func Args(ids []stoa.ID) []any {
	out := make([]any, len(ids))
	for i, id := range ids {
		out[i] = id
	}
	return out
}

func (d *DB) String() string { return fmt.Sprintf("db(%s)", d.Describe()) }
