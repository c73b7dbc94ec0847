// Package transfer reads a whole portal out of its database, on every engine in the same way, and writes it
// somewhere else: into a stream (Backup, Verify, Restore) or into another database while nodes serve
// (Copy). Tables are read in ranges of their primary keys, rows as typed values; a range has a checksum that
// is equal on all engines. Nothing larger than a page of rows is kept in memory.
//
// What belongs to the life of a process (nodes, leases, the change log) is not taken along, and whatever is
// filled begins a new incarnation.
package transfer

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// Progress tells how far a transfer is: done of total units, where a unit is a row, or a mebibyte of files.
// step is a short word for people. total may grow.
type Progress func(step string, done, total int64)

func (p Progress) tell(step string, done, total int64) {
	if p != nil {
		p(step, done, max(done, total))
	}
}

// FileColumn says which column names bytes in the file store.
type FileColumn struct {
	Table  string
	Column string // holds the end of the key
	Prefix string // of the key
	Size   string // column with the number of bytes
	SHA256 string // column with their digest in lower-case hexadecimal
}

// Tables that belong to the life of processes, or to the database itself: they are filled anew where the portal
// goes.
func leftOut() []string {
	return []string{
		"db_schema", "db_migration", "db_migration_lock", "db_migration_step", "db_incarnation",
		"db_transfer", "db_transfer_part", captureTable, stopTable,
		"change_log", "change_writer", "change_reader", "follow_follower", "follow_task",
		"file_store", "file_head", "file_chunk", "file_upload", // files go with the files, whatever store has them
		"file_move", "file_epoch", // of the stores here; a portal that is being moved is not copied
		"cluster_node", "cluster_lease",
		"lock_held", "user_attempt", "user_challenge", "job_node", "job_local",
	}
}

// Tables of a few rows that the transfer itself writes to. They are copied whole, in the last step.
func copiedLast() []string { return []string{"cluster_fact", "db_history", "db_counter"} }

// Tables that end with a restore: people who were signed in when the backup was made are not afterwards, and a link
// that was withdrawn since does not come back. What was signed then is valid no more: new keys are made.
func endedByRestore() []string { return []string{"user_session", "user_link", "secret_sign"} }

// dataTables are those whose rows are read in ranges, in the order of their names.
func dataTables(all []Table) []Table {
	var out []Table
	for _, t := range all {
		if !slices.Contains(leftOut(), t.Name) && !slices.Contains(copiedLast(), t.Name) {
			out = append(out, t)
		}
	}
	return out
}

func lastTables(all []Table) []Table {
	var out []Table
	for _, t := range all {
		if slices.Contains(copiedLast(), t.Name) {
			out = append(out, t)
		}
	}
	return out
}

func find(all []Table, name string) (Table, bool) {
	i := slices.IndexFunc(all, func(t Table) bool { return t.Name == name })
	if i < 0 {
		return Table{}, false
	}
	return all[i], true
}

// schemaNumber is the number of the newest migration of a database.
func schemaNumber(ctx context.Context, q db.Queryer) (version int64, err error) {
	err = q.QueryRow(ctx, "SELECT version FROM db_schema WHERE id = 1").Scan(&version)
	if err != nil {
		return 0, stoa.Unavailable(err, "the database holds no portal, or it cannot be read")
	}
	return version, nil
}

// firstNotEmpty names a table of data that has rows; "" when none has.
// Filled gives a table of the database that has rows of a portal, empty when none has.
func Filled(ctx context.Context, d *db.DB) (table string, err error) {
	tables, err := ReadSchema(ctx, d, d.Dialect())
	if err != nil {
		return "", err
	}
	return firstNotEmpty(ctx, d, tables)
}

func firstNotEmpty(ctx context.Context, q db.Queryer, tables []Table) (string, error) {
	for _, t := range dataTables(tables) {
		var one int
		err := q.QueryRow(ctx, "SELECT 1 FROM "+t.Name+" LIMIT 1").Scan(&one)
		if err == nil {
			return t.Name, nil
		}
		if !db.IsNoRows(err) {
			return "", err
		}
	}
	return "", nil
}

// empty takes every row of data away again, table by table in bounded transactions.
func empty(ctx context.Context, d *db.DB, tables []Table) error {
	for _, t := range append(dataTables(tables), lastTables(tables)...) {
		if t.Name == "db_counter" {
			continue // it comes with the migrations
		}
		if err := d.Control(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, "DELETE FROM "+t.Name)
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

func logger(l *slog.Logger) *slog.Logger {
	if l == nil {
		return slog.New(slog.DiscardHandler)
	}
	return l
}

// countRows gives the number of rows of each table, and of all.
func countRows(ctx context.Context, q db.Queryer, tables []Table) (each map[string]int64, all int64, err error) {
	each = map[string]int64{}
	for _, t := range tables {
		var n int64
		if err := q.QueryRow(ctx, "SELECT count(*) FROM "+t.Name).Scan(&n); err != nil {
			return nil, 0, err
		}
		each[t.Name] = n
		all += n
	}
	return each, all, nil
}

// beatEvery is how often a transfer says that it lives, beatDead after how long without one it counts as dead.
const (
	beatEvery = 10 * time.Second
	beatDead  = 10 * time.Minute
)
