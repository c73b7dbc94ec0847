package db

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"
)

// idleWrite is how long the server lets a session stand still in a transaction before it ends it.
const idleWrite = 5 * time.Second

// Sessions bear the number of the process life they belong to, so that the node that takes over from a node
// can end what that node left open, with the rights every user has over sessions of its own. PostgreSQL
// shows a name for each session. MariaDB and MySQL show none without their performance schema, but say
// who holds a named lock: there each session holds one, which goes with it.

// mysqlSessions is how many sessions of one process can be named there.
const mysqlSessions = 512

func applicationName(o Options) string {
	if o.Writer == 0 {
		return o.Name
	}
	return fmt.Sprintf("%.40s %d", o.Name, o.Writer)
}

// sessionLocks is a query over the names that sessions of the writer can hold in MySQL.
func sessionLocks(writer int64, what string) string {
	return fmt.Sprintf("WITH RECURSIVE s (name, i) AS (SELECT CAST('stoa.%d.0' AS CHAR(40)), 0 UNION ALL SELECT CONCAT('stoa.%[1]d.', i + 1), i + 1 FROM s WHERE i < %d) %s",
		writer, mysqlSessions-1, what)
}

// setUp makes a new connection what the portal expects of one, as far as its address cannot.
func (d *DB) setUp(ctx context.Context, conn driver.Conn) error {
	if d.dialect != MySQL {
		return nil
	}
	e, ok := conn.(driver.ExecerContext)
	if !ok {
		return fmt.Errorf("driver %T cannot execute", conn)
	}
	for _, s := range []string{
		"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
		// What stands in the comment is for MariaDB alone; MySQL has no such time-out.
		fmt.Sprintf("SET /*M!100303 SESSION idle_write_transaction_timeout = %d, */ SESSION time_zone = '+00:00'", int(idleWrite.Seconds())),
	} {
		if _, err := e.ExecContext(ctx, s, nil); err != nil {
			return err
		}
	}
	// On Galera what one server has acknowledged may not be on another yet: reads wait for it.
	galera, ok, err := tell(ctx, conn, "SELECT @@GLOBAL.wsrep_on")
	if err != nil {
		return err
	}
	if ok && (galera == "1" || galera == "ON") {
		if _, err := e.ExecContext(ctx, "SET SESSION wsrep_sync_wait = 1", nil); err != nil {
			return err
		}
	}
	if d.opt.Writer == 0 {
		return nil
	}
	_, err = queryRaw(ctx, conn, sessionLocks(d.opt.Writer, "SELECT i FROM s WHERE GET_LOCK(name, 0) = 1 LIMIT 1"))
	if err != nil {
		d.unnamed.Do(func() {
			d.log.Warn("sessions at the database cannot be named, so other nodes cannot end them and wait for time-outs instead", "error", err)
		})
	}
	return nil
}

// EndSessions ends the sessions that another process life (Options.Writer) has open at the server and
// gives their number. What they have not committed never will be, and what it holds locked becomes free
// as soon as the server has rolled it back. On SQLite, a file of one process, there are none.
func (d *DB) EndSessions(ctx context.Context, writer int64) (ended int, err error) {
	if writer == 0 || writer == d.opt.Writer {
		return 0, fmt.Errorf("db: end the sessions of writer %d: another process life is expected", writer)
	}
	switch d.dialect {
	case Postgres:
		// A COMMIT that waits for a standby is left alone: it would become visible without being safe,
		// and until it is safe no other transaction can be answered either.
		err = d.pools.Load().control.QueryRowContext(ctx, `SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
			WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
			AND application_name LIKE $1 AND wait_event IS DISTINCT FROM 'SyncRep'`, fmt.Sprintf("%% %d", writer)).Scan(&ended)
	case MySQL:
		ended, err = d.killSessions(ctx, writer)
	}
	if err != nil {
		return ended, fmt.Errorf("end the sessions of writer %d: %w", writer, d.wrap(err))
	}
	return ended, nil
}

func (d *DB) killSessions(ctx context.Context, writer int64) (ended int, err error) {
	control := d.pools.Load().control
	rows, err := control.QueryContext(ctx, sessionLocks(writer, "SELECT COALESCE(IS_USED_LOCK(name), 0) FROM s"))
	if err != nil {
		return 0, err
	}
	var ids []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return 0, errors.Join(err, rows.Close())
		}
		if id != 0 {
			ids = append(ids, id)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return 0, err
	}
	for _, id := range ids {
		_, err := control.ExecContext(ctx, fmt.Sprintf("KILL %d", id))
		var my *mysql.MySQLError
		if errors.As(err, &my) && my.Number == 1094 { // it ended by itself
			continue
		}
		if err != nil {
			return ended, err
		}
		ended++
	}
	return ended, nil
}
