package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stoa-portal/stoa"
	sqlite "modernc.org/sqlite"
)

// connector makes the connections of some pools: each shows the server and the history of its pool.
type connector struct {
	driver.Connector
	d    *DB
	pool *pools
}

// Connect opens a connection; one that shows another server or history than the pool's is closed again, and
// the right server is searched for. While the server does not answer it fails at once.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	// Pools that are not in use yet belong to the search itself, which nothing else may hold up.
	if c.d.pools.Load() == c.pool {
		if err := c.d.away.admit(ctx); err != nil {
			return nil, &connectError{err}
		}
	}
	conn, err := c.connect(ctx)
	// Behind one address for several servers the next connection may lead to the right one.
	for range 3 {
		if !errors.Is(err, errOtherHistory) || ctx.Err() != nil {
			break
		}
		conn, err = c.connect(ctx)
	}
	switch {
	case err == nil || ctx.Err() != nil: // a caller that did not want to wait does not know
	case errors.Is(err, errOtherHistory):
		c.d.wake()
	case silent(err) || isConnection(err) && len(c.d.dsn.hosts) > 1:
		c.d.noAnswer(err)
	}
	return conn, err
}

func (c *connector) connect(ctx context.Context) (driver.Conn, error) {
	k := c.d.memory.get() // before the server is asked, which therefore shows no less
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, &connectError{err}
	}
	if err = c.d.setUp(ctx, conn); err == nil {
		err = c.d.belongs(ctx, conn, c.pool, k.mark)
	}
	if err != nil {
		_ = conn.Close()
		return nil, &connectError{err}
	}
	return conn, nil
}

// errOtherHistory ends a connection that shows another server or history than its pool's.
var errOtherHistory = errors.New(
	"the database server was replaced (fail-over, restore or restart): connections are being renewed",
)

// belongs compares what a connection shows with what its pool stands for.
func (d *DB) belongs(ctx context.Context, conn driver.Conn, p *pools, m mark) error {
	fp, readOnly, err := d.readFingerprint(ctx, conn)
	if err != nil {
		return err
	}
	st := p.standing.Load()
	if st == nil { // the first connection to a file
		p.standing.CompareAndSwap(nil, &standing{fingerprint: fp})
		st = p.standing.Load()
	}
	if readOnly != "" || !sameHistory(st.fingerprint, fp) {
		return errOtherHistory
	}
	if st.token == "" || m.writer == 0 || d.dialect == SQLite {
		return nil
	}
	v, err := queryRaw(ctx, conn,
		fmt.Sprintf("SELECT i.token, COALESCE((SELECT w.beat FROM change_writer w WHERE w.writer = %d), -1) "+
			"FROM db_incarnation i WHERE i.id = 1", m.writer))
	switch {
	case err != nil && d.absent(err):
		return errOtherHistory
	case err != nil:
		return err
	case fmt.Sprint(v[0]) != st.token || integer(v[1]) < m.beat:
		return errOtherHistory
	}
	return nil
}

// sqliteConnector opens a file with a fixed set of pragmas.
type sqliteConnector struct {
	drv *sqlite.Driver
	dsn string
}

func (c sqliteConnector) Connect(context.Context) (driver.Conn, error) { return c.drv.Open(c.dsn) }
func (c sqliteConnector) Driver() driver.Driver                        { return c.drv }

// lower is LOWER of SQL for all scripts, as PostgreSQL and MariaDB have it: SQLite's own knows ASCII alone.
func lower(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
	switch v := args[0].(type) {
	case string:
		return strings.ToLower(v), nil
	case []byte:
		return strings.ToLower(string(v)), nil
	}
	return args[0], nil
}

// sqliteURI names a file and how it is opened.
func sqliteURI(path, query string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + query
}

// openServer makes pools on one server of the address.
func (d *DB) openServer(i int, fingerprint string) (*pools, error) {
	base, err := d.bases(i)
	if err != nil {
		return nil, err
	}
	p := &pools{}
	p.standing.Store(&standing{host: i, fingerprint: fingerprint})
	c := &connector{base, d, p}
	main := sql.OpenDB(c)
	main.SetMaxOpenConns(d.opt.MaxConns)
	main.SetMaxIdleConns(max(d.opt.MinIdle, d.opt.MaxConns/4))
	main.SetConnMaxIdleTime(d.opt.IdleTime)
	main.SetConnMaxLifetime(d.opt.Lifetime)
	control := sql.OpenDB(c)
	control.SetMaxOpenConns(2)
	control.SetMaxIdleConns(2)
	p.write, p.read, p.control = main, main, control
	return p, nil
}

// doubtful reports whether a connection is to be asked for a sign of life before it is used again. A ping is a
// transaction for the server, so one that was idle for shortly is only looked at: whether its end has come.
func doubtful(_ context.Context, p stdlib.ShouldPingParams) bool {
	if p.IdleDuration <= time.Second {
		return false
	}
	//lint:ignore SA1019 a Ping is what this saves; a write that seems to succeed is checked at its commit
	return p.IdleDuration > idleWrite || p.Conn.PgConn().CheckConn() != nil || p.Conn.IsClosed()
}

// bases makes bare connections to a server of the address.
func (d *DB) bases(i int) (driver.Connector, error) {
	return d.dsn.hosts[i].connector(d.opt.ConnectTimeout)
}

// openSQLite makes one connection for writing, because SQLite has one writer at a time and waiting in
// Go is fairer than in busy_timeout, and several for reading.
func (d *DB) openSQLite() (*pools, error) {
	if err := os.MkdirAll(filepath.Dir(d.dsn.path), 0o700); err != nil {
		return nil, stoa.Unavailable(err, "the folder of the database %s cannot be made", d.dsn.path)
	}
	if err := d.keepPrivate(); err != nil {
		return nil, err
	}
	pragmas := url.Values{
		"_pragma": {
			"busy_timeout(10000)",
			"journal_mode(WAL)",
			"synchronous(NORMAL)",
			"foreign_keys(1)",
			"cache_size(-8000)",
		},
	}
	readDSN := sqliteURI(d.dsn.path, pragmas.Encode())
	pragmas.Set("_txlock", "immediate")
	writeDSN := sqliteURI(d.dsn.path, pragmas.Encode())
	drv, p := &sqlite.Driver{}, &pools{}
	if err := drv.RegisterFunction("lower",
		&sqlite.FunctionImpl{NArgs: 1, Deterministic: true, Scalar: lower}); err != nil {
		return nil, fmt.Errorf("teach SQLite the letters of all scripts: %w", err)
	}
	open := func(dsn string, n int) *sql.DB {
		pool := sql.OpenDB(&connector{sqliteConnector{drv, dsn}, d, p})
		pool.SetMaxOpenConns(n)
		pool.SetMaxIdleConns(n)
		return pool
	}
	p.write, p.read, p.control = open(writeDSN, 1), open(readDSN, 8), open(writeDSN, 1)
	return p, nil
}

// queryRaw reads the first row of a query on a connection that is not in a pool.
func queryRaw(ctx context.Context, conn driver.Conn, query string) (first []driver.Value, err error) {
	err = eachRaw(ctx, conn, query, func(v []driver.Value) {
		if first == nil {
			first = v
		}
	})
	if err == nil && first == nil {
		err = sql.ErrNoRows
	}
	return first, err
}

// eachRaw gives each row of a query to fn, texts as strings.
func eachRaw(ctx context.Context, conn driver.Conn, query string, fn func([]driver.Value)) error {
	return eachNamed(ctx, conn, query, func(_ []string, v []driver.Value) { fn(v) })
}

// eachRow is eachRaw for statements whose columns differ from server to server.
func eachRow(ctx context.Context, conn driver.Conn, query string, fn func(map[string]string)) error {
	return eachNamed(ctx, conn, query, func(columns []string, v []driver.Value) {
		row := map[string]string{}
		for i, c := range columns {
			row[c] = fmt.Sprint(v[i])
		}
		fn(row)
	})
}

func eachNamed(ctx context.Context, conn driver.Conn, query string, fn func(columns []string, v []driver.Value)) error {
	q, ok := conn.(driver.QueryerContext)
	if !ok {
		return fmt.Errorf("driver %T cannot query", conn)
	}
	rows, err := q.QueryContext(ctx, query, nil)
	if err != nil {
		return err
	}
	defer rows.Close()
	for {
		values := make([]driver.Value, len(rows.Columns()))
		if err := rows.Next(values); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		for i, v := range values {
			if b, ok := v.([]byte); ok {
				values[i] = string(b)
			}
		}
		fn(rows.Columns(), values)
	}
}

// OpenPlain opens a bare pool on the server that the options name, without any look at its history.
// Tools use it to make and drop databases; the portal never does.
func OpenPlain(ctx context.Context, o Options) (*sql.DB, error) {
	o.timeouts()
	parsed, err := parseURL(o)
	if err != nil {
		return nil, err
	}
	var base driver.Connector
	if parsed.dialect == SQLite {
		base = sqliteConnector{&sqlite.Driver{}, sqliteURI(parsed.path, "")}
	} else if base, err = parsed.hosts[0].connector(o.ConnectTimeout); err != nil {
		return nil, err
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
