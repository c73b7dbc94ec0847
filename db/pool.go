package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stoa-portal/stoa"
	sqlite "modernc.org/sqlite"
)

// connector makes connections, sets each new one up and lets it tell which history of the data it shows.
type connector struct {
	driver.Connector
	d    *DB
	past *past // of the pool
}

// Connect opens a connection; one that shows another history than the pool's is closed again. While the
// server does not answer it fails at once.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	if err := c.d.away.admit(ctx); err != nil {
		return nil, &connectError{err}
	}
	conn, err := c.connect(ctx)
	if silent(err) && ctx.Err() == nil { // whoever did not want to wait does not know
		c.d.missed(err)
	}
	return conn, err
}

func (c *connector) connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, &connectError{err}
	}
	if err = c.d.setUp(ctx, conn); err == nil {
		err = c.d.checkHistory(ctx, conn, c.past)
	}
	if err != nil {
		_ = conn.Close()
		return nil, &connectError{err}
	}
	return conn, nil
}

// sqliteConnector opens a file with a fixed set of pragmas.
type sqliteConnector struct {
	drv *sqlite.Driver
	dsn string
}

func (c sqliteConnector) Connect(context.Context) (driver.Conn, error) { return c.drv.Open(c.dsn) }
func (c sqliteConnector) Driver() driver.Driver                        { return c.drv }

func (d *DB) openPools() (*pools, error) {
	if d.dialect == SQLite {
		return d.openSQLite()
	}
	base, err := d.base()
	if err != nil {
		return nil, err
	}
	c := &connector{base, d, &past{}}
	main := sql.OpenDB(c)
	main.SetMaxOpenConns(d.opt.MaxConns)
	main.SetMaxIdleConns(max(d.opt.MinIdle, d.opt.MaxConns/4))
	main.SetConnMaxIdleTime(d.opt.IdleTime)
	main.SetConnMaxLifetime(d.opt.Lifetime)
	control := sql.OpenDB(c)
	control.SetMaxOpenConns(2)
	control.SetMaxIdleConns(2)
	return &pools{write: main, read: main, control: control, past: c.past}, nil
}

// base makes bare connections to the server.
func (d *DB) base() (driver.Connector, error) {
	if d.dialect == Postgres {
		return stdlib.GetConnector(*d.dsn.pg, stdlib.OptionShouldPing(doubtful)), nil
	}
	c, err := mysql.NewConnector(d.dsn.my)
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", d.dsn.label, err)
	}
	return mysqlConnector{c, d.opt.ConnectTimeout}, nil
}

// doubtful reports whether a connection is to be asked for a sign of life before it is used again. A ping is a
// transaction for the server, so one that was idle for shortly is only looked at: whether its end has come.
func doubtful(_ context.Context, p stdlib.ShouldPingParams) bool {
	if p.IdleDuration <= time.Second {
		return false
	}
	return p.IdleDuration > idleWrite || p.Conn.PgConn().CheckConn() != nil || p.Conn.IsClosed()
}

// mysqlConnector bounds the whole greeting, as pgx does, and not its first packet alone.
type mysqlConnector struct {
	driver.Connector
	timeout time.Duration
}

func (c mysqlConnector) Connect(ctx context.Context) (driver.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return c.Connector.Connect(ctx)
}

// openSQLite makes one connection for writing, because SQLite has one writer at a time and waiting in
// Go is fairer than in busy_timeout, and several for reading.
func (d *DB) openSQLite() (*pools, error) {
	if err := os.MkdirAll(filepath.Dir(d.dsn.path), 0o700); err != nil {
		return nil, stoa.Unavailable(err, "the folder of the database %s cannot be made", d.dsn.path)
	}
	pragmas := url.Values{"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(NORMAL)", "foreign_keys(1)", "cache_size(-8000)"}}
	dsnFor := func(v url.Values) string {
		return "file:" + (&url.URL{Path: d.dsn.path}).EscapedPath() + "?" + v.Encode()
	}
	readDSN := dsnFor(pragmas)
	pragmas.Set("_txlock", "immediate")
	writeDSN := dsnFor(pragmas)
	drv, past := &sqlite.Driver{}, &past{}
	open := func(dsn string, n int) *sql.DB {
		p := sql.OpenDB(&connector{sqliteConnector{drv, dsn}, d, past})
		p.SetMaxOpenConns(n)
		p.SetMaxIdleConns(n)
		return p
	}
	return &pools{write: open(writeDSN, 1), read: open(readDSN, 8), control: open(writeDSN, 1), past: past}, nil
}

// queryRaw reads the first row of a query on a connection that is not in a pool yet.
func queryRaw(ctx context.Context, conn driver.Conn, query string) ([]driver.Value, error) {
	q, ok := conn.(driver.QueryerContext)
	if !ok {
		return nil, fmt.Errorf("driver %T cannot query", conn)
	}
	rows, err := q.QueryContext(ctx, query, nil)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	values := make([]driver.Value, len(rows.Columns()))
	if err := rows.Next(values); err != nil {
		if err == io.EOF {
			return nil, sql.ErrNoRows
		}
		return nil, err
	}
	for i, v := range values {
		if b, ok := v.([]byte); ok {
			values[i] = string(b)
		}
	}
	return values, nil
}

// OpenPlain opens a bare pool on the server that the options name, without any look at its history.
// Tools use it to make and drop databases; the portal never does.
func OpenPlain(ctx context.Context, o Options) (*sql.DB, error) {
	if o.ConnectTimeout == 0 {
		o.ConnectTimeout = 2 * time.Second
	}
	if o.StatementTimeout == 0 {
		o.StatementTimeout = 15 * time.Second
	}
	parsed, err := parseURL(o)
	if err != nil {
		return nil, err
	}
	var base driver.Connector
	switch parsed.dialect {
	case Postgres:
		base = stdlib.GetConnector(*parsed.pg)
	case MySQL:
		if base, err = mysql.NewConnector(parsed.my); err != nil {
			return nil, fmt.Errorf("database %s: %w", parsed.label, err)
		}
	default:
		base = sqliteConnector{&sqlite.Driver{}, "file:" + (&url.URL{Path: parsed.path}).EscapedPath()}
	}
	p := sql.OpenDB(base)
	if o.MaxConns > 0 {
		p.SetMaxOpenConns(o.MaxConns)
	}
	if err := p.PingContext(ctx); err != nil {
		_ = p.Close()
		return nil, parsed.explain(err)
	}
	return p, nil
}
