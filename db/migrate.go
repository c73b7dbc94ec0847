package db

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"github.com/stoa-portal/stoa"
)

//go:embed migrations/*.sql
var migrations embed.FS

// oldestServed is the schema number below which a binary is refused: the highest "contract" migration.
// A migration that only adds leaves it alone, so the release before keeps running beside this one.
const oldestServed = 0

// Migrate brings the tables up to this binary, under a lock, so that nodes which start together
// migrate once. Before it changes an existing SQLite file it leaves a copy beside it. It refuses a
// database whose oldest served binary is newer than this one. It also reads the incarnation.
func (d *DB) Migrate(ctx context.Context) error {
	p, err := d.migrator()
	if err != nil {
		return err
	}
	target := latest(p)
	if err := d.refuseNewer(ctx, target); err != nil {
		return err
	}
	pending, err := p.HasPending(ctx)
	if err != nil {
		return fmt.Errorf("look for pending migrations: %w", d.dsn.explain(err))
	}
	if pending {
		if err := d.mayMigrate(ctx, target); err != nil {
			return err
		}
		if err := d.backupFile(ctx); err != nil {
			return err
		}
		results, err := p.Up(ctx)
		if err != nil {
			return fmt.Errorf("migrate the database: %w", err)
		}
		for _, r := range results {
			d.log.Info("migrated", "step", r.Source.Path, "took", r.Duration.Round(time.Millisecond))
		}
		if err := d.plainTx(ctx, func(tx *Tx) error {
			return tx.Upsert(ctx, "db_schema", []string{"id"}, Row{"id": 1, "version": target, "oldest": oldestServed})
		}); err != nil {
			return fmt.Errorf("note the schema version: %w", err)
		}
	}
	return d.readIncarnation(ctx)
}

// mayMigrate says no where the operator wants to see to the schema by hand.
func (d *DB) mayMigrate(ctx context.Context, target int64) error {
	var version int64
	empty := d.QueryRow(ctx, "SELECT version FROM db_schema WHERE id = 1").Scan(&version) != nil // no table yet
	switch {
	case empty && d.opt.NoCreate:
		return stoa.Invalid("schema.run.enabled", "the database %s is empty and schema.run.enabled is false: run stoa migrate, or set the property to true", d.dsn.label)
	case !empty && d.opt.NoUpgrade:
		return stoa.Invalid("upgrade.database.auto.run", "the database %s has schema %d, this binary needs %d, and upgrade.database.auto.run is false: run stoa migrate, or set the property to true", d.dsn.label, version, target)
	}
	return nil
}

// SchemaVersion is the number of the newest migration in this binary.
func (d *DB) SchemaVersion() (int64, error) {
	p, err := d.migrator()
	if err != nil {
		return 0, err
	}
	return latest(p), nil
}

func latest(p *goose.Provider) int64 {
	sources := p.ListSources()
	return sources[len(sources)-1].Version
}

func (d *DB) migrator() (*goose.Provider, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	opts := []goose.ProviderOption{goose.WithTableName("db_migration"), goose.WithLogger(goose.NopLogger())}
	dialect := goose.DialectSQLite3
	switch d.dialect {
	case Postgres:
		dialect = goose.DialectPostgres
		l, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
		if err != nil {
			return nil, err
		}
		opts = append(opts, goose.WithSessionLocker(l))
	case MySQL:
		dialect = goose.DialectMySQL
		l, err := lock.NewMySQLTableLocker(lock.WithTableName("db_migration_lock"))
		if err != nil {
			return nil, err
		}
		opts = append(opts, goose.WithLocker(l))
	}
	p, err := goose.NewProvider(dialect, d.pools.Load().write, dialectFS{sub, d.dialect}, opts...)
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	return p, nil
}

// refuseNewer stops a binary that is older than the oldest one the schema still serves.
func (d *DB) refuseNewer(ctx context.Context, target int64) error {
	var version, oldest int64
	err := d.QueryRow(ctx, "SELECT version, oldest FROM db_schema WHERE id = 1").Scan(&version, &oldest)
	if err != nil {
		return nil // no table yet: an empty database
	}
	if target < oldest {
		return stoa.Invalid("schema", "the database has schema %d, which needs a stoa of schema %d or newer; this binary (%s) knows schema %d: start a newer stoa", version, oldest, stoa.Version, target)
	}
	return nil
}

// backupFile leaves a consistent copy of an SQLite file that holds data before it is migrated.
func (d *DB) backupFile(ctx context.Context) error {
	if d.dialect != SQLite {
		return nil
	}
	var tables int
	if err := d.QueryRow(ctx, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'db_schema'").Scan(&tables); err != nil {
		return d.dsn.explain(err)
	}
	if tables == 0 {
		return nil
	}
	dir := d.opt.BackupDir
	if dir == "" {
		dir = filepath.Join(filepath.Dir(d.dsn.path), "backup")
	}
	name := filepath.Join(dir, "before-migration-"+d.opt.Now().UTC().Format("20060102-150405.000")+".db")
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

// dialectFS shows the migrations as the dialect needs them.
type dialectFS struct {
	fs.FS
	dialect Dialect
}

func (f dialectFS) Open(name string) (fs.File, error) {
	file, err := f.FS.Open(name)
	if err != nil || !strings.HasSuffix(name, ".sql") {
		return file, err
	}
	raw, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	return &expanded{File: file, r: bytes.NewReader([]byte(f.dialect.expand(string(raw))))}, nil
}

type expanded struct {
	fs.File
	r *bytes.Reader
}

func (e *expanded) Read(p []byte) (int, error) { return e.r.Read(p) }

// Migrations are the migration files of this binary, before they are expanded for a dialect.
func Migrations() fs.FS { return migrations }
