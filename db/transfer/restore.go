package transfer

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/filestore"
)

// RestoreOptions say where a backup goes. DB and Store are required; the database needs no tables.
type RestoreOptions struct {
	// Above is the newest incarnation that anything besides the backup knows, such as the home of a node: the new
	// one gets a greater number, so that nodes follow it.
	Above int64
	DB    *db.DB
	Store filestore.Store
	// StoreInside makes Store once the database has its tables, where it lies in the database itself; nil: it is made.
	StoreInside func(ctx context.Context) error
	From        string // what people know the backup by
	Progress    Progress
	Logger      *slog.Logger
}

// Restore fills an empty database, of any engine, and an empty file store from a backup. What is not empty is a
// Conflict, unless it is what a restore that was cut off left behind: that is cleared away first. Sessions
// and links are not restored, and the database begins a new incarnation.
func Restore(ctx context.Context, o RestoreOptions, r io.Reader) (Header, End, error) {
	b := &restore{o: o}
	h, e, err := walk(r, visitor{
		header: func(h Header) error { return b.begin(ctx, h) },
		table:  func(t Table) error { return b.table(ctx, t) },
		rows:   func(t Table, rows [][]any) error { return b.rows(ctx, t, rows) },
		ended:  func(t Table, sum Sum) error { b.sums[t.Name] = sum; return nil },
		file:   func(f fileHead, bytes io.Reader) error { return b.file(ctx, f, bytes) },
		gone:   func(f fileHead) error { b.gone = append(b.gone, f); return nil },
		told: func(rows, bytes int64) {
			o.Progress.tell("restored", rows+bytes/mebibyte, b.head.Rows+b.head.FileBytes/mebibyte)
		},
	})
	if b.stop != nil {
		defer b.stop()
	}
	if err != nil {
		return h, e, err
	}
	return h, e, b.finish(ctx)
}

type restore struct {
	o      RestoreOptions
	head   Header
	tables []Table // of the target
	note   row
	sums   map[string]Sum
	gone   []fileHead
	into   Table // the table of the target that is being filled
	skip   bool
	stop   func()
}

// filesSchema is the migration that gave files a place in the database.
const filesSchema = 115

// holdsRestore reports whether the database has a restore that has not ended: then the file store may hold what
// that has brought.
func (b *restore) holdsRestore(ctx context.Context) (bool, error) {
	has, err := tableHas(ctx, b.o.DB, b.o.DB.Dialect(), "db_transfer", "kind")
	if err != nil || !has {
		return false, err
	}
	old, err := rowsOfKind(ctx, b.o.DB, kindRestore)
	return slices.ContainsFunc(old, func(r row) bool { return r.State != stateDone }), err
}

// begin brings the target to the schema of the backup, and refuses one that holds something.
func (b *restore) begin(ctx context.Context, h Header) error {
	b.head, b.sums = h, map[string]Sum{}
	newest, err := b.o.DB.SchemaVersion()
	if err != nil {
		return err
	}
	if h.Schema > newest {
		return stoa.Invalid("backup", "the backup has schema %d, written by stoa %s; this stoa (%s) knows schema %d: "+
			"use a newer one", h.Schema, h.Version, stoa.Version, newest)
	}
	if held, err := b.holdsRestore(ctx); err != nil {
		return err
	} else if !held && b.o.StoreInside == nil { // before anything is made: a refusal leaves the database as it was
		if err := b.emptyStore(ctx); err != nil {
			return err
		}
	}
	b.o.DB.ForgetHistory() // what an attempt before this one made there counts for nothing
	if b.o.StoreInside != nil && h.Schema < filesSchema {
		return stoa.Invalid("backup", "the backup has schema %d, which has no place for files in the database: restore it "+
			"into a folder (dl.store.impl), and back it up once a node has run", h.Schema)
	}
	held, err := b.holdsRestore(ctx)
	if err != nil {
		return err
	}
	if err := b.o.DB.MigrateTo(ctx, h.Schema); err != nil {
		return err
	}
	if b.o.StoreInside != nil {
		if err := b.o.StoreInside(ctx); err != nil {
			return err
		}
		if !held {
			if err := b.emptyStore(ctx); err != nil {
				return err
			}
		}
	}
	at, err := schemaNumber(ctx, b.o.DB)
	if err != nil {
		return err
	}
	if b.tables, err = ReadSchema(ctx, b.o.DB, b.o.DB.Dialect()); err != nil {
		return err
	}
	old, err := rowsOfKind(ctx, b.o.DB, kindRestore)
	if err != nil {
		return err
	}
	unfinished := slices.ContainsFunc(old, func(r row) bool { return r.State != stateDone })
	if unfinished {
		if err := empty(ctx, b.o.DB, b.tables); err != nil {
			return err
		}
	}
	if full, err := firstNotEmpty(ctx, b.o.DB, b.tables); err != nil || full != "" {
		if err != nil {
			return err
		}
		return stoa.Conflict("the database %s is not empty: table %s has rows. A restore fills an empty database "+
			"only; name another (--url, or --home for a new one)", b.o.DB.Describe(), full)
	}
	if at != h.Schema {
		return stoa.Conflict("the database %s is empty and has schema %d; the backup has schema %d: give a database "+
			"without tables", b.o.DB.Describe(), at, h.Schema)
	}
	now := db.Micros(time.Now())
	b.note = row{ID: newID(), Kind: kindRestore, State: stateRunning, Peer: b.o.From, Started: now, Beat: now}
	if err := b.o.DB.Control(ctx, func(tx *db.Tx) error {
		if _, err := tx.Exec(ctx, "DELETE FROM db_transfer WHERE kind = ?", kindRestore); err != nil {
			return err
		}
		return b.note.save(ctx, tx)
	}); err != nil {
		return err
	}
	if err := empty(ctx, b.o.DB, lastTables(b.tables)); err != nil { // what making the tables wrote there
		return err
	}
	b.stop = alive(ctx, b.o.DB, b.note.ID)
	return nil
}

// emptyStore refuses a file store that holds files. What tells of the history of a portal is no file.
func (b *restore) emptyStore(ctx context.Context) error {
	return b.o.Store.List(ctx, "", func(i filestore.Info) error {
		if strings.HasPrefix(i.Key, "history/") {
			return nil
		}
		return stoa.Conflict("the file store is not empty: it holds %s. A restore fills an empty file store only; "+
			"set dl.store.file.system.root.dir to a new folder", i.Key)
	})
}

func (b *restore) table(_ context.Context, t Table) error {
	b.skip = slices.Contains(endedByRestore(), t.Name) || slices.Contains(leftOut(), t.Name)
	if b.skip {
		return nil
	}
	var ok bool
	if b.into, ok = find(b.tables, t.Name); !ok {
		return stoa.Invalid("backup", "the backup has a table %s, which schema %d does not have here", t.Name,
			b.head.Schema)
	}
	if why := sameTables([]Table{t}, []Table{b.into}); why != "" {
		return stoa.Invalid("backup", "the backup does not fit into this database: %s", why)
	}
	return nil
}

func (b *restore) rows(ctx context.Context, _ Table, rows [][]any) error {
	if b.skip {
		return nil
	}
	return b.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return put(ctx, tx, b.into, rows, nil) })
}

// file puts one file. One that is there is from a restore that was cut off: keys are never used twice, so it is
// the same, which its size confirms.
func (b *restore) file(ctx context.Context, f fileHead, bytes io.Reader) error {
	_, err := b.o.Store.Put(ctx, f.Key, bytes, f.Size)
	if !stoa.Is(err, stoa.KindConflict) {
		return err
	}
	there, err := b.o.Store.Open(ctx, f.Key)
	if err != nil {
		return err
	}
	defer there.Close()
	if there.Info().Size != f.Size {
		return stoa.Conflict("the file store holds another file under the key %s; restore into an empty store", f.Key)
	}
	return nil
}

// finish compares every table with the backup, takes away what must not come back, and opens the portal.
func (b *restore) finish(ctx context.Context) error {
	r := reader{q: b.o.DB, dialect: b.o.DB.Dialect()}
	done := int64(0)
	for _, t := range b.tables {
		want, ok := b.sums[t.Name]
		if !ok {
			continue
		}
		got, err := r.whole(ctx, t)
		if err != nil {
			return err
		}
		if slices.Contains(endedByRestore(), t.Name) || slices.Contains(leftOut(), t.Name) {
			want = Sum{}
		}
		if got != want {
			return stoa.Unavailable(nil, "table %s of the restored database is not what the backup says (%s, not "+
				"%s): do not use it; is anything else writing to it?", t.Name, got, want)
		}
		done += got.Rows
		b.o.Progress.tell("compared", done, b.head.Rows)
	}
	err := b.o.DB.Control(ctx, func(tx *db.Tx) error {
		for _, f := range b.gone {
			if _, err := tx.Exec(ctx, "DELETE FROM "+f.Table+" WHERE "+f.Column+" = ?", f.Value); err != nil {
				return err
			}
		}
		for _, t := range endedByRestore() {
			if _, err := tx.Exec(ctx, "DELETE FROM "+t); err != nil {
				return err
			}
		}
		// The file store is another one, and the portal is here.
		if _, err := tx.Exec(ctx, "DELETE FROM cluster_fact WHERE name IN (?, ?)", "filestore", movedFact); err != nil {
			return err
		}
		number, err := begin(ctx, tx, max(b.head.Incarnation, b.o.Above), b.head.Counters, db.HowRestored)
		if err != nil {
			return err
		}
		b.note.State, b.note.Detail.Incarnation, b.note.Beat = stateDone, number, db.Micros(tx.Now())
		return b.note.save(ctx, tx)
	})
	if err != nil {
		return fmt.Errorf("end the restore: %w", err)
	}
	b.o.DB.ForgetHistory()
	return b.o.DB.Migrate(ctx) // the rest, when the backup is of an older schema
}
