package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/stoa-portal/stoa"
)

// Migrate brings the tables up to this binary, under a lock, so that nodes which start together
// migrate once. It runs what only adds, so that the binary before keeps working; Finish runs the rest.
// Before it changes an existing SQLite file it leaves a copy beside it. It refuses a
// database whose oldest served binary is newer than this one. It also reads the incarnation.
func (d *DB) Migrate(ctx context.Context) error {
	if _, err := d.Expand(ctx, false); err != nil {
		return err
	}
	return d.readIncarnation(ctx)
}

// Expand is Migrate without the incarnation, for a caller that does not go on to use the database. Dry, it changes
// nothing and says what would be done.
func (d *DB) Expand(ctx context.Context, dry bool) (Migrated, error) { return d.migrate(ctx, nil, dry) }

// MigrateTo brings the tables of an empty database up to an older schema, so that a backup of an older binary
// can be filled in before Migrate does the rest.
func (d *DB) MigrateTo(ctx context.Context, version int64) error {
	all, err := d.migrations()
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(m migration) bool { return m.number > version })
	if len(all) == 0 {
		return fmt.Errorf("there is no schema %d", version)
	}
	if _, err := d.migrateWith(ctx, all, nil, false); err != nil {
		return err
	}
	return d.readIncarnation(ctx)
}

// Migrated says what became of the schema, or would become of it.
type Migrated struct {
	Steps   []string // the files that were run, in order
	Version int64    // of the schema, afterwards
	Serves  int64    // the schema that a binary must know at least to start, before
	Oldest  int64    // the same afterwards
}

// Finish says how the schema is contracted.
type Finish struct {
	// Dry changes nothing and says what would be done.
	Dry bool
	// Others refuses, naming them, while nodes of another version use the database. It is asked under the lock
	// of the migrations; a second time when binaries from before cannot start any more. applied tells which
	// migrations the database has by then.
	Others func(ctx context.Context, applied func(migration int64) bool) error
	// Expel removes, in the transaction before the first contracting migration, nodes that could come back
	// though Others did not see it; nil: none.
	Expel func(ctx context.Context, tx *Tx) error
}

// Finish runs the migrations that take away what only binaries from before need, and raises the oldest
// binary served to this one. It refuses while nodes of another version live.
func (d *DB) Finish(ctx context.Context, f Finish) (Migrated, error) {
	if f.Others == nil {
		return Migrated{}, errors.New("db: Finish.Others is required")
	}
	return d.migrate(ctx, &f, f.Dry)
}

// Served refuses, like Migrate, when the database serves only newer binaries than this one. A node asks again
// once others can see it: the process that raised the oldest binary before has not seen it, and is seen here.
func (d *DB) Served(ctx context.Context) error {
	all, err := d.migrations()
	if err != nil {
		return err
	}
	now, err := d.readSchema(ctx, d.pools.Load().read)
	if err != nil {
		return err
	}
	return now.refuse(all)
}

// OldestServed is the newest migration that the oldest binary knows which the database still serves; 0 where each
// binary may start. From the answer on no older one writes: Finish has seen that none lives.
func (d *DB) OldestServed(ctx context.Context) (int64, error) {
	now, err := d.readSchema(ctx, d.pools.Load().read)
	return now.oldest, err
}

// SchemaVersion is the number of the newest migration in this binary.
func (d *DB) SchemaVersion() (int64, error) {
	all, err := d.migrations()
	if err != nil {
		return 0, err
	}
	return latest(all), nil
}

func latest(all []migration) int64 { return all[len(all)-1].number }

// migrate expands the schema, and with f contracts it, or says what that would do.
func (d *DB) migrate(ctx context.Context, f *Finish, dry bool) (Migrated, error) {
	all, err := d.migrations()
	if err != nil {
		return Migrated{}, err
	}
	return d.migrateWith(ctx, all, f, dry)
}

// migrateWith is migrate with these migrations.
func (d *DB) migrateWith(ctx context.Context, all []migration, f *Finish, dry bool) (Migrated, error) {
	now, err := d.readSchema(ctx, d.pools.Load().read)
	if err != nil {
		return Migrated{}, fmt.Errorf("look at the schema: %w", err)
	}
	out, todo, err := d.plan(all, now, f)
	if err != nil {
		return Migrated{}, err
	}
	if dry {
		if f != nil {
			err = f.Others(ctx, now.has)
		}
		return out, err
	}
	if f == nil && len(todo) == 0 { // most starts find nothing to do and need no lock
		return out, nil
	}
	err = d.underLock(ctx, func(m *migrator) error {
		if err := m.prepare(ctx); err != nil {
			return d.wrap(err)
		}
		if now, err = d.readSchema(ctx, m.conn); err != nil { // another process may have been quicker
			return err
		}
		if out, todo, err = d.plan(all, now, f); err != nil {
			return err
		}
		if f != nil { // before anything is done, so that a refusal leaves everything as it was
			if err := f.Others(ctx, now.has); err != nil {
				return err
			}
		}
		if len(todo) > 0 {
			if err := d.backupFile(ctx, now); err != nil {
				return err
			}
		}
		for ; len(todo) > 0 && !todo[0].contract; todo = todo[1:] {
			if err := m.apply(ctx, todo[0]); err != nil {
				return err
			}
		}
		if f == nil {
			return nil
		}
		return m.contract(ctx, *f, out, todo)
	})
	return out, err
}

// contract lets no binary from before start, makes sure that none runs, and takes away what they needed.
func (m *migrator) contract(ctx context.Context, f Finish, out Migrated, todo []migration) error {
	if err := m.serve(ctx, out.Oldest, nil); err != nil {
		return err
	}
	if out.Oldest > out.Serves {
		now, err := m.d.readSchema(ctx, m.conn)
		if err == nil {
			err = f.Others(ctx, now.has)
		}
		if err != nil {
			back, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.d.opt.WriteTimeout)
			defer cancel()
			return errors.Join(err, m.serve(back, out.Serves, nil))
		}
	}
	if err := m.serve(ctx, out.Oldest, f.Expel); err != nil {
		return err
	}
	for _, step := range todo {
		if err := m.apply(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

// serve sets the oldest binary served, and does what else belongs into that transaction.
func (m *migrator) serve(ctx context.Context, oldest int64, also func(ctx context.Context, tx *Tx) error) error {
	err := m.inTx(ctx, func(sqlTx *sql.Tx) error {
		tx := &Tx{db: m.d, tx: sqlTx, now: m.d.opt.Now().UTC()}
		if _, err := tx.Exec(ctx, "UPDATE db_schema SET oldest = ? WHERE id = 1", oldest); err != nil || also == nil {
			return err
		}
		return also(ctx, tx)
	})
	if err != nil {
		return fmt.Errorf("set the oldest binary served: %w", m.d.wrap(err))
	}
	return nil
}

// plan gives what is to be done to a schema, or why not.
func (d *DB) plan(all []migration, now schema, f *Finish) (Migrated, []migration, error) {
	if err := now.refuse(all); err != nil {
		return Migrated{}, nil, err
	}
	var expand, contract []migration
	for _, step := range all {
		switch {
		case now.applied[step.number]:
		case !step.contract:
			expand = append(expand, step)
		case f != nil:
			contract = append(contract, step)
		}
	}
	todo := append(expand, contract...)
	if len(todo) > 0 {
		if err := d.mayMigrate(now, latest(all)); err != nil {
			return Migrated{}, nil, err
		}
	}
	out := Migrated{Version: now.version, Serves: now.oldest, Oldest: now.oldest}
	for _, step := range todo {
		out.Steps = append(out.Steps, step.name)
		out.Version = max(out.Version, step.number)
	}
	if f != nil {
		out.Oldest = max(out.Oldest, latest(all))
	}
	return out, todo, nil
}

// schema is what a database says of its tables.
type schema struct {
	empty           bool
	version, oldest int64
	applied         map[int64]bool
}

func (s schema) has(migration int64) bool { return s.applied[migration] }

// rowQueryer is a pool, a connection or a transaction.
type rowQueryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// readSchema asks the database. That it is empty is believed only when it says that there is no table.
func (d *DB) readSchema(ctx context.Context, q rowQueryer) (s schema, err error) {
	s.applied = map[int64]bool{}
	there, err := d.tableExists(ctx, q, migrationTable)
	if err != nil {
		return s, err
	}
	if there {
		rows, err := q.QueryContext(ctx, "SELECT version_id FROM "+migrationTable+" WHERE version_id > 0")
		if err != nil {
			return s, d.wrap(err)
		}
		for rows.Next() {
			var n int64
			if err := rows.Scan(&n); err != nil {
				return s, errors.Join(err, rows.Close())
			}
			s.applied[n] = true
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return s, d.wrap(err)
		}
	}
	s.empty = len(s.applied) == 0
	if there, err = d.tableExists(ctx, q, "db_schema"); err != nil || !there {
		return s, err
	}
	err = q.QueryRowContext(ctx, "SELECT version, oldest FROM db_schema WHERE id = 1").Scan(&s.version, &s.oldest)
	if IsNoRows(err) {
		err = nil
	}
	return s, d.wrap(err)
}

// tableExists asks the catalogue, so that an error is never taken for an answer.
func (d *DB) tableExists(ctx context.Context, q rowQueryer, name string) (bool, error) {
	query := "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?"
	switch d.dialect {
	case Postgres:
		query = "SELECT CASE WHEN to_regclass($1) IS NULL THEN 0 ELSE 1 END"
	case MySQL:
		query = "SELECT count(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?"
	}
	var n int
	err := q.QueryRowContext(ctx, query, name).Scan(&n)
	return n > 0, d.wrap(err)
}

// refuse stops a binary that is older than the oldest one the schema still serves.
func (s schema) refuse(all []migration) error {
	if known := latest(all); known < s.oldest {
		return stoa.Invalid("schema", "the database has schema %d, which needs a stoa of schema %d or newer; "+
			"this binary (%s) knows schema %d: start a newer stoa",
			s.version, s.oldest, stoa.Version, known)
	}
	return nil
}

// mayMigrate says no where the operator wants to see to the schema by hand.
func (d *DB) mayMigrate(now schema, target int64) error {
	switch {
	case now.empty && d.opt.NoCreate:
		return stoa.Invalid("schema.run.enabled", "the database %s is empty and schema.run.enabled is false: "+
			"run stoa migrate, or set the property to true", d.dsn.label)
	case !now.empty && d.opt.NoUpgrade:
		return stoa.Invalid("upgrade.database.auto.run", "the database %s has schema %d, this binary needs %d, and "+
			"upgrade.database.auto.run is false: run stoa migrate, or set the property to true",
			d.dsn.label, now.version, target)
	}
	return nil
}

// backupFile leaves a consistent copy of an SQLite file that holds data before it is migrated.
func (d *DB) backupFile(ctx context.Context, now schema) error {
	if d.dialect != SQLite || now.empty {
		return nil
	}
	dir := d.opt.BackupDir
	if dir == "" {
		dir = filepath.Join(filepath.Dir(d.dsn.path), "backup")
	}
	name := filepath.Join(dir, "before-migration-"+d.opt.Now().UTC().Format("20060102-150405.000000")+".db")
	if err := d.CopySQLite(ctx, name); err != nil {
		return fmt.Errorf("copy the database before the migration: %w", err)
	}
	d.log.Info("copied the database before the migration", "to", name)
	return nil
}

// CopySQLite writes a consistent copy of the SQLite database to a file that must not exist yet. On
// other engines it returns Invalid: their own tools make backups.
func (d *DB) CopySQLite(ctx context.Context, to string) error {
	if d.dialect != SQLite {
		return stoa.Invalid("database", "only an SQLite file can be copied; use the tools of %s", d.Describe())
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return stoa.Unavailable(err, "the folder %s cannot be made", filepath.Dir(to))
	}
	if _, err := d.pools.Load().read.ExecContext(ctx, "VACUUM INTO ?", to); err != nil {
		_ = os.Remove(to)
		return wrapUnavailable(err)
	}
	return os.Chmod(to, 0o600)
}

// FilePath is the file of an SQLite database, "" when the options name a server.
func FilePath(o Options) string {
	parsed, err := parseURL(o)
	if err != nil || parsed.dialect != SQLite {
		return ""
	}
	return parsed.path
}
