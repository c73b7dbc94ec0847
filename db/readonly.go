package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	sqlite "modernc.org/sqlite"
)

// copyMost is how large an SQLite file may be to be copied for a look at it, in bytes.
const copyMost = 1 << 30

// viewTimeout bounds each connection attempt and each statement of a View.
const viewTimeout = 2 * time.Second

// View is a look at a database that changes nothing in it and around it: no table, no row, no file.
type View struct {
	pool    *sql.DB
	dsn     dsn
	scratch string // a folder with a copy; empty without
	behind  bool
}

// OpenView opens a database for reading only. It migrates nothing, takes no place and needs no server that can be
// written to. inUse says that a process may be using the SQLite file. A file that is not there is NotFound; a server
// that does not answer is Unavailable. ctx bounds the opening.
func OpenView(ctx context.Context, o Options, inUse bool) (*View, error) {
	if o.ConnectTimeout == 0 {
		o.ConnectTimeout = viewTimeout
	}
	if o.StatementTimeout == 0 {
		o.StatementTimeout = viewTimeout
	}
	o.Name = "stoa-look"
	parsed, err := parseURL(o)
	if err != nil {
		return nil, err
	}
	v := &View{dsn: parsed}
	if parsed.dialect == SQLite {
		address, err := v.file(inUse)
		if err != nil {
			return nil, errors.Join(err, v.Close())
		}
		if err := v.open(ctx, sqliteConnector{&sqlite.Driver{}, address}); err != nil {
			return nil, errors.Join(parsed.explain(err), v.Close())
		}
		return v, nil
	}
	// Of several hosts the first that takes writes is looked at, else the first that answers.
	var failed error
	for _, writable := range []bool{true, false} {
		for _, h := range parsed.hosts {
			base, err := h.connector(o.ConnectTimeout)
			if err == nil {
				err = v.open(ctx, base)
			}
			if err == nil && (!writable || len(parsed.hosts) == 1 || v.writable(ctx)) {
				return v, nil
			}
			failed = err
			if err == nil {
				_ = v.pool.Close()
			}
		}
	}
	return nil, errors.Join(parsed.explain(failed), v.Close())
}

// open makes the one connection of the look.
func (v *View) open(ctx context.Context, base driver.Connector) error {
	v.pool = sql.OpenDB(base)
	v.pool.SetMaxOpenConns(1)
	if err := v.pool.PingContext(ctx); err != nil {
		return errors.Join(err, v.pool.Close()) // the next host gets a pool of its own
	}
	return nil
}

// writable reports whether the server says that it takes writes.
func (v *View) writable(ctx context.Context) bool {
	query := "SELECT CASE WHEN pg_is_in_recovery() THEN 1 ELSE 0 END"
	if v.dsn.dialect == MySQL {
		query = "SELECT @@GLOBAL.read_only"
	}
	var no int
	return v.pool.QueryRowContext(ctx, query).Scan(&no) == nil && no == 0
}

// file says how to open an SQLite file without leaving a trace. Opened in the ordinary way, one that was not closed
// would be repaired, and the files beside it made: so a copy of it is read. One that was closed has all that it holds
// in itself.
func (v *View) file(inUse bool) (address string, err error) {
	path := v.dsn.path
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", stoa.NotFound("database", v.dsn.label)
	} else if err != nil {
		return "", stoa.Unavailable(err, "the database %s cannot be read", v.dsn.label)
	}
	if inUse {
		return sqliteURI(path, "mode=ro"), nil
	}
	wal, err := os.Stat(path + "-wal")
	if err != nil || wal.Size() == 0 {
		return sqliteURI(path, "mode=ro&immutable=1"), nil
	}
	if st, err := os.Stat(path); err == nil && st.Size() > copyMost {
		v.behind = true
		return sqliteURI(path, "mode=ro&immutable=1"), nil
	}
	if v.scratch, err = os.MkdirTemp("", "stoa-look"); err != nil {
		return "", stoa.Unavailable(err, "no temporary folder can be made for a copy of the database")
	}
	to := filepath.Join(v.scratch, "look.db")
	for _, suffix := range []string{"-wal", ""} {
		if err := copyFile(path+suffix, to+suffix); err != nil {
			return "", stoa.Unavailable(err, "the database %s cannot be copied to be looked at", v.dsn.label)
		}
	}
	return sqliteURI(to, ""), nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// Behind reports whether the newest changes of a large SQLite file that was not closed are not seen.
func (v *View) Behind() bool { return v.behind }

// Describe names the database without its password.
func (v *View) Describe() string { return v.dsn.describe() }

// Dialect tells which engine it is.
func (v *View) Dialect() Dialect { return v.dsn.dialect }

// Close ends the look.
func (v *View) Close() error {
	var err error
	if v.pool != nil {
		err = v.pool.Close()
	}
	if v.scratch != "" {
		err = errors.Join(err, os.RemoveAll(v.scratch))
	}
	return err
}

// Read gives fn what is committed at its beginning, in a transaction that the server refuses to write in.
func (v *View) Read(ctx context.Context, fn func(q Queryer) error) error {
	o := &sql.TxOptions{ReadOnly: true}
	if v.dsn.dialect == SQLite { // the file is opened for reading only
		o = nil
	}
	tx, err := v.pool.BeginTx(ctx, o)
	if err != nil {
		return v.dsn.explain(err)
	}
	defer func() { _ = tx.Rollback() }() // nothing is to be kept
	return wrapUnavailable(fn(viewTx{tx, v.dsn.dialect}))
}

type viewTx struct {
	tx      *sql.Tx
	dialect Dialect
}

func (t viewTx) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	args, err := texts(args)
	if err != nil {
		return nil, err
	}
	return t.tx.QueryContext(ctx, t.dialect.Rebind(query), args...)
}

func (t viewTx) QueryRow(ctx context.Context, query string, args ...any) Scanner {
	args, err := texts(args)
	if err != nil {
		return notSent{err}
	}
	return kindRow{t.tx.QueryRowContext(ctx, t.dialect.Rebind(query), args...)}
}

// Tables says which of these tables are there.
func (v *View) Tables(ctx context.Context, names ...string) (map[string]bool, error) {
	query := "SELECT count(*) FROM information_schema.tables WHERE table_name = ? AND table_schema = "
	switch v.dsn.dialect {
	case Postgres:
		query += "current_schema()"
	case MySQL:
		query += "DATABASE()"
	default:
		query = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?"
	}
	out := map[string]bool{}
	err := v.Read(ctx, func(q Queryer) error {
		for _, name := range names {
			var n int
			if err := q.QueryRow(ctx, query, name).Scan(&n); err != nil {
				return err
			}
			out[name] = n > 0
		}
		return nil
	})
	return out, err
}

// NewestSchema is the number of the newest migration in this binary.
func NewestSchema() (newest int64) {
	entries, err := fs.ReadDir(migrations, "migrations")
	if err != nil {
		return 0 // they are embedded
	}
	for _, e := range entries {
		number, _, _ := strings.Cut(e.Name(), "_")
		if n, err := strconv.ParseInt(number, 10, 64); err == nil {
			newest = max(newest, n)
		}
	}
	return newest
}
