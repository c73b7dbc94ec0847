package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"
	"github.com/stoa-portal/stoa"
)

const (
	migrationTable     = "db_migration"      // which files were applied
	migrationLockTable = "db_migration_lock" // who migrates; MariaDB and MySQL
	migrationStepTable = "db_migration_step" // how far the file in work is; MariaDB and MySQL

	// migrationLease is how long the lock of a process that was killed keeps others waiting on MariaDB and
	// MySQL. PostgreSQL gives it free with the connection.
	migrationLease = 10 * time.Second
	// migrationPatience is how long a process waits for another that migrates.
	migrationPatience = 300 // seconds
	// tableWait is how long a statement waits for a table that others use before it lets them pass and tries
	// again: statements that come after it wait behind it.
	tableWait  = 2 * time.Second
	tableTries = 30
)

// migrator changes the schema. It exists while this process has the lock of the migrations.
type migrator struct {
	d      *DB
	conn   *sql.Conn
	store  database.Store
	runner string // tells this run from others
}

// underLock runs fn while no other process migrates. Its connections are its own: they wait as long as a
// statement takes, for tables only shortly, and are closed in the end.
func (d *DB) underLock(ctx context.Context, fn func(m *migrator) error) (err error) {
	pool, done, err := d.patientPool()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	dialect := map[Dialect]database.Dialect{
		SQLite: database.DialectSQLite3, Postgres: database.DialectPostgres, MySQL: database.DialectMySQL,
	}[d.dialect]
	store, err := database.NewStore(dialect, migrationTable)
	if err != nil {
		return err
	}
	if d.dialect == MySQL {
		l, err := lock.NewMySQLTableLocker(lock.WithTableName(migrationLockTable),
			lock.WithTableLeaseDuration(migrationLease), lock.WithTableHeartbeatInterval(migrationLease/5),
			lock.WithTableLockTimeout(500*time.Millisecond, 2*migrationPatience), lock.WithTableLogger(d.log))
		if err != nil {
			return err
		}
		if err := l.Lock(ctx, pool); err != nil {
			return migrationsHeld(d.wrap(err))
		}
		defer func() {
			if unlockErr := l.Unlock(ctx, pool); unlockErr != nil {
				d.log.Warn("the lock of the migrations could not be given back; it ends by itself",
					"error", unlockErr, "within", migrationLease)
			}
		}()
	}
	conn, err := pool.Conn(ctx)
	if err != nil {
		return d.wrap(err)
	}
	defer func() {
		if closeErr := conn.Close(); closeErr != nil && !errors.Is(closeErr, sql.ErrConnDone) {
			err = errors.Join(err, closeErr)
		}
	}()
	m := &migrator{d: d, conn: conn, store: store, runner: fmt.Sprintf("%d-%016x", d.opt.Writer, rand.Uint64())}
	var setUp []string
	switch d.dialect {
	case Postgres:
		l, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, migrationPatience))
		if err != nil {
			return err
		}
		if err := l.SessionLock(ctx, conn); err != nil {
			return migrationsHeld(d.wrap(err))
		}
		defer func() { // the connection is closed next, and the lock goes with it at the latest
			unlock, cancel := context.WithTimeout(context.WithoutCancel(ctx), tableWait)
			defer cancel()
			_ = l.SessionUnlock(unlock, conn)
		}()
		setUp = []string{fmt.Sprintf("SET lock_timeout = %d", tableWait.Milliseconds()), "SET statement_timeout = 0",
			"SET idle_in_transaction_session_timeout = 0"}
	case MySQL:
		setUp = []string{fmt.Sprintf("SET SESSION lock_wait_timeout = %d, SESSION innodb_lock_wait_timeout = %[1]d",
			int(tableWait.Seconds()))}
	}
	for _, s := range setUp {
		if _, err := conn.ExecContext(ctx, s); err != nil {
			return d.wrap(err)
		}
	}
	return fn(m)
}

func migrationsHeld(err error) error {
	return fmt.Errorf("another process migrates the database and has not ended within %d s; "+
		"look there, then start again: %w", migrationPatience, err)
}

// patientPool gives connections that bear statements of any length. SQLite has none to be waited for.
func (d *DB) patientPool() (*sql.DB, func() error, error) {
	p := d.pools.Load()
	if d.dialect == SQLite {
		return p.write, func() error { return nil }, nil
	}
	h := d.dsn.hosts[p.standing.Load().host]
	if h.my != nil {
		h.my = h.my.Clone()
		h.my.ReadTimeout, h.my.WriteTimeout = 0, 0
	}
	base, err := h.connector(d.opt.ConnectTimeout)
	if err != nil {
		return nil, nil, err
	}
	pool := sql.OpenDB(&connector{base, d, p})
	pool.SetMaxOpenConns(3)
	return pool, pool.Close, nil
}

// prepare makes the tables that migrations are noted in.
func (m *migrator) prepare(ctx context.Context) error {
	if m.d.dialect != MySQL { // handles of one process on one SQLite file have no lock but this transaction
		return m.inTx(ctx, func(tx *sql.Tx) error { return m.versionTable(ctx, tx) })
	}
	if err := m.versionTable(ctx, m.conn); err != nil {
		return err
	}
	_, err := m.conn.ExecContext(ctx, MySQL.expand("CREATE TABLE IF NOT EXISTS "+migrationStepTable+
		" (version BIGINT NOT NULL PRIMARY KEY, digest VARCHAR(64) NOT NULL, runner VARCHAR(60) NOT NULL, "+
		"begun INTEGER NOT NULL, done INTEGER NOT NULL){{table}}"))
	return err
}

func (m *migrator) versionTable(ctx context.Context, on database.DBTxConn) error {
	there, err := m.d.tableExists(ctx, on, migrationTable)
	if err == nil && !there {
		err = m.store.CreateVersionTable(ctx, on)
	}
	if err != nil {
		return fmt.Errorf("make the table %s: %w", migrationTable, err)
	}
	_, err = m.store.GetMigration(ctx, on, 0)
	if errors.Is(err, database.ErrVersionNotFound) { // binaries from before look for it
		return m.store.Insert(ctx, on, database.InsertRequest{Version: 0})
	}
	return err
}

// apply runs one migration. While a table is in use by others it lets them pass and tries again.
func (m *migrator) apply(ctx context.Context, step migration) error {
	began := time.Now()
	for try := 1; ; try++ {
		var err error
		if m.d.dialect == MySQL {
			err = m.applyByStatement(ctx, step)
		} else {
			err = m.applyAtOnce(ctx, step)
		}
		if err == nil {
			m.d.log.Info("migrated", "step", step.name, "took", time.Since(began).Round(time.Millisecond))
			return nil
		}
		if !IsLocked(err) || try == tableTries {
			return m.explain(ctx, step, err)
		}
		m.d.log.Warn("a table that a migration changes is in use; trying again",
			"step", step.name, "try", try, "error", err)
		pause := time.NewTimer(tableWait/8 + rand.N(tableWait/4))
		select {
		case <-ctx.Done():
			pause.Stop()
			return m.explain(ctx, step, err)
		case <-pause.C:
		}
	}
}

// explain says what is left of a migration that failed, and what to do.
func (m *migrator) explain(ctx context.Context, step migration, err error) error {
	kept := "nothing of it was kept"
	if m.d.dialect == MySQL {
		var done int
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tableWait)
		defer cancel()
		query := "SELECT done FROM " + migrationStepTable + " WHERE version = ?"
		if m.conn.QueryRowContext(ctx, query, step.number).Scan(&done) == nil && done > 0 {
			kept = fmt.Sprintf("its first %d of %d statements are kept", done, len(step.statements))
		}
	}
	way := "Nodes that run go on; mend the cause and start again, or start the binary from before"
	if step.contract {
		way = "Nodes of this version go on; mend the cause and run stoa migrate --finish again"
	}
	if IsLocked(err) {
		way = "A long transaction holds one of its tables: end it. " + way
	}
	return fmt.Errorf("the migration %s failed, and %s: %w. %s", step.name, kept, m.d.wrap(err), way)
}

// applyAtOnce runs a migration in one transaction, where the engine can take back changes of tables.
func (m *migrator) applyAtOnce(ctx context.Context, step migration) error {
	return m.inTx(ctx, func(tx *sql.Tx) error {
		// Handles of one process on one SQLite file have no lock but this transaction.
		switch _, err := m.store.GetMigration(ctx, tx, step.number); {
		case err == nil:
			return nil
		case !errors.Is(err, database.ErrVersionNotFound):
			return err
		}
		for i, s := range step.statements {
			if err := m.interrupted(step, i, false); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, s); err != nil {
				return fmt.Errorf("statement %d: %w", i+1, err)
			}
			if err := m.interrupted(step, i, true); err != nil {
				return err
			}
		}
		return m.note(ctx, tx, step)
	})
}

// applyByStatement runs a migration where each change of a table commits by itself. Before a statement is sent
// its number is noted, and afterwards that it is done, so that the process which goes on after a kill knows which
// single statement may have been done or not: such a one is sent again, and the answer that what it makes is there
// already means that it was done. The notes bear the name of the run, so that a process that was frozen and
// whose lock another has taken over stops.
func (m *migrator) applyByStatement(ctx context.Context, step migration) error {
	var digest string
	var begun, done int
	err := m.conn.QueryRowContext(ctx, "SELECT digest, begun, done FROM "+migrationStepTable+" WHERE version = ?",
		step.number).
		Scan(&digest, &begun, &done)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		_, err = m.conn.ExecContext(ctx, "INSERT INTO "+migrationStepTable+
			" (version, digest, runner, begun, done) VALUES (?, '', ?, 0, 0)", step.number, m.runner)
	case err == nil && begun > 0 && (begun > len(step.statements) || digest != step.digest(begun)):
		return stoa.Conflict("%d of its statements were run by another build of Stoa, in which they are others: "+
			"start that build once", begun)
	case err == nil:
		m.d.log.Info("going on with a migration that was cut off",
			"step", step.name, "done", done, "of", len(step.statements))
		_, err = m.conn.ExecContext(ctx, "UPDATE "+migrationStepTable+" SET runner = ? WHERE version = ?",
			m.runner, step.number)
	}
	if err != nil {
		return err
	}
	for i := done; i < len(step.statements); i++ {
		if err := m.statement(ctx, step, i, begun > i); err != nil {
			return err
		}
	}
	return m.inTx(ctx, func(tx *sql.Tx) error {
		if err := m.note(ctx, tx, step); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM "+migrationStepTable+" WHERE version = ? AND runner = ?",
			step.number, m.runner)
		return err
	})
}

// statement runs statement i of a migration. again says that it may have been done before.
func (m *migrator) statement(ctx context.Context, step migration, i int, again bool) error {
	if err := m.interrupted(step, i, false); err != nil {
		return err
	}
	failed := func(err error) error { return fmt.Errorf("statement %d of %d: %w", i+1, len(step.statements), err) }
	if changesRows(step.statements[i]) {
		return m.inTx(ctx, func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, step.statements[i]); err != nil {
				return failed(err)
			}
			return m.progress(ctx, tx, step, i+1, i+1)
		})
	}
	if err := m.progress(ctx, m.conn, step, i+1, i); err != nil {
		return err
	}
	_, err := m.conn.ExecContext(ctx, step.statements[i])
	var answer *mysql.MySQLError
	switch {
	case again && alreadyDone(err):
	case errors.As(err, &answer): // the server says that it has done nothing
		return errors.Join(failed(err), m.progress(ctx, m.conn, step, i, i))
	case err != nil:
		return failed(err)
	}
	if err := m.interrupted(step, i, true); err != nil {
		return err
	}
	return m.progress(ctx, m.conn, step, i+1, i+1)
}

type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// progress notes how far the migration is, unless another run has taken it over.
func (m *migrator) progress(ctx context.Context, e execer, step migration, begun, done int) error {
	res, err := e.ExecContext(ctx,
		"UPDATE "+migrationStepTable+" SET digest = ?, begun = ?, done = ? WHERE version = ? AND runner = ?",
		step.digest(begun), begun, done, step.number, m.runner)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return stoa.Conflict("another process has taken the migration over, because this one stood still for more than %s: "+
			"start again", migrationLease)
	}
	return nil
}

// alreadyDone reports whether MariaDB or MySQL says that what a statement makes is there, or what it removes is
// gone: table, column or key.
func alreadyDone(err error) bool {
	var my *mysql.MySQLError
	return errors.As(err, &my) && slices.Contains([]uint16{1050, 1051, 1060, 1061, 1091}, my.Number)
}

func (m *migrator) inTx(ctx context.Context, fn func(tx *sql.Tx) error) error {
	tx, err := m.conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if err := fn(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// note writes down that the migration was applied, and the version of the schema.
func (m *migrator) note(ctx context.Context, tx *sql.Tx, step migration) error {
	if err := m.store.Insert(ctx, tx, database.InsertRequest{Version: step.number}); err != nil {
		return err
	}
	there, err := m.d.tableExists(ctx, tx, "db_schema")
	if err != nil || !there {
		return err
	}
	bind := m.d.dialect.Rebind
	insert := bind(m.d.dialect.insertIgnore("db_schema", []string{"id", "version", "oldest"}))
	if _, err := tx.ExecContext(ctx, insert, 1, step.number, 0); err != nil {
		return err
	}
	columns := []string{"version"}
	if step.contract { // what it took away, no binary from before it can do without
		columns = append(columns, "oldest")
	}
	for _, c := range columns {
		raise := bind("UPDATE db_schema SET " + c + " = ? WHERE id = 1 AND " + c + " < ?")
		if _, err := tx.ExecContext(ctx, raise, step.number, step.number); err != nil {
			return err
		}
	}
	return nil
}

// interrupted lets tests stop a migration before or after a statement, as the end of the process would.
func (m *migrator) interrupted(step migration, statement int, after bool) error {
	if m.d.interrupt == nil {
		return nil
	}
	return m.d.interrupt(step.name, statement, after)
}
