package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"time"
)

// Own is one connection that is taken out of the pool for as long as a tool needs it: a snapshot that is read
// for minutes, locks that are held, settings of the session. It has no time limit per statement, and it is
// closed, not given back, so nothing of what was set stays. It is used by one goroutine.
type Own struct {
	d    *DB
	conn *sql.Conn
}

// Own takes a connection to the write source. The caller closes it.
func (d *DB) Own(ctx context.Context) (*Own, error) {
	conn, err := d.pools.Load().read.Conn(ctx)
	if err != nil {
		return nil, wrapUnavailable(err)
	}
	o := &Own{d, conn}
	for _, s := range d.dialect.unhurried() {
		if _, err := o.Exec(ctx, s); err != nil {
			_ = o.Close()
			return nil, wrapUnavailable(err)
		}
	}
	return o, nil
}

// unhurried takes the limits off a session that waits for what it reads to be written elsewhere.
func (d Dialect) unhurried() []string {
	switch d {
	case Postgres:
		return []string{"SET statement_timeout = 0", "SET idle_in_transaction_session_timeout = 0"}
	case MySQL:
		// What stands in the first comment is for MariaDB alone, in the second for MySQL alone.
		return []string{"SET /*M!100101 SESSION max_statement_time = 0, */ SESSION net_write_timeout = 3600",
			"SET /*!80000 SESSION max_execution_time = 0, */ SESSION time_zone = '+00:00'"}
	}
	return nil
}

// Snapshot begins a read-only transaction in which every statement sees the database as it is now. It ends
// with Close.
func (o *Own) Snapshot(ctx context.Context) error {
	statements := []string{"BEGIN", "SELECT count(*) FROM db_schema"} // SQLite: the first read fixes the point
	switch o.d.dialect {
	case Postgres:
		statements = []string{"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", "SELECT 1"}
	case MySQL:
		statements = []string{"SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
			"START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"}
	}
	for _, s := range statements {
		if _, err := o.Exec(ctx, s); err != nil {
			return wrapUnavailable(err)
		}
	}
	return nil
}

// Dialect tells which engine the connection belongs to.
func (o *Own) Dialect() Dialect { return o.d.dialect }

// Exec runs a statement.
func (o *Own) Exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return o.conn.ExecContext(ctx, o.d.dialect.Rebind(query), args...)
}

// Query reads rows.
func (o *Own) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	rows, err := o.conn.QueryContext(ctx, o.d.dialect.Rebind(query), args...)
	return rows, wrapUnavailable(err)
}

// QueryRow reads one row.
func (o *Own) QueryRow(ctx context.Context, query string, args ...any) Scanner {
	return kindRow{o.conn.QueryRowContext(ctx, o.d.dialect.Rebind(query), args...)}
}

// Close ends the connection, and with it a transaction that is open.
func (o *Own) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, _ = o.conn.ExecContext(ctx, "ROLLBACK") // an error says that nothing was open
	_ = o.conn.Raw(func(any) error { return driver.ErrBadConn })
	return o.conn.Close()
}
