package transfer

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/stoa-portal/stoa/db"
)

// Sizes of one INSERT: below the parameters that every engine takes, and below the smallest packet that MariaDB
// and MySQL are set to accept.
const (
	insertArgs  = 20_000
	insertRows  = 500
	insertBytes = 1 << 20
)

// put inserts rows. A row whose place in some unique index is taken goes to taken when that is not nil, and is left
// out then.
func put(ctx context.Context, tx *db.Tx, t Table, rows [][]any, taken func(row []any) error) error {
	for len(rows) > 0 {
		n := batch(t, rows)
		err := insert(ctx, tx, t, rows[:n], taken != nil)
		if taken != nil && db.IsDuplicate(err) {
			err = nil
			for _, row := range rows[:n] {
				if err = insert(ctx, tx, t, [][]any{row}, true); db.IsDuplicate(err) {
					err = taken(row)
				}
				if err != nil {
					break
				}
			}
		}
		if err != nil {
			return fmt.Errorf("write table %s, rows with keys %s to %s: %w", t.Name, keyText(t.keyOf(rows[0])),
				keyText(t.keyOf(rows[n-1])), err)
		}
		rows = rows[n:]
	}
	return nil
}

// batch gives how many of the rows fit into one statement, at least one.
func batch(t Table, rows [][]any) int {
	size := 0
	for i, row := range rows {
		for _, v := range row {
			switch v := v.(type) {
			case string:
				size += len(v)
			case []byte:
				size += len(v)
			default:
				size += 8
			}
		}
		if i > 0 && (size > insertBytes || i >= insertRows || (i+1)*len(t.Columns) > insertArgs) {
			return i
		}
	}
	return len(rows)
}

// insert is one statement. guarded ones can fail without ending the transaction.
func insert(ctx context.Context, tx *db.Tx, t Table, rows [][]any, guarded bool) error {
	if guarded {
		if _, err := tx.Exec(ctx, "SAVEPOINT stoa_put"); err != nil {
			return err
		}
	}
	place := db.In(len(t.Columns))
	args := make([]any, 0, len(rows)*len(t.Columns))
	for _, row := range rows {
		for i, v := range row {
			if n, ok := v.(int64); ok && t.Columns[i].Kind == Bool && tx.Dialect() == db.Postgres {
				v = n != 0
			}
			args = append(args, exact(v))
		}
	}
	_, err := tx.Exec(ctx, "INSERT INTO "+t.Name+" ("+strings.Join(t.names(), ", ")+") VALUES "+
		strings.TrimSuffix(strings.Repeat(place+",", len(rows)), ","), args...)
	if !guarded {
		return err
	}
	if err != nil {
		if _, back := tx.Exec(ctx, "ROLLBACK TO SAVEPOINT stoa_put"); back != nil {
			return errors.Join(back, err)
		}
	}
	if _, ended := tx.Exec(ctx, "RELEASE SAVEPOINT stoa_put"); ended != nil {
		return errors.Join(ended, err)
	}
	return err
}

// exact lets a text go into the database as it came out of another.
func exact(v any) any {
	if s, ok := v.(string); ok {
		return db.Exact(s)
	}
	return v
}

// byKeys gives the condition that a key is one of those given.
func byKeys(t Table, keys [][]any) (string, []any) {
	var args []any
	if len(t.Key) == 1 {
		for _, k := range keys {
			args = append(args, exact(k[0]))
		}
		return " WHERE " + t.Key[0] + " IN " + db.In(len(keys)), args
	}
	one := "(" + strings.Join(t.Key, " = ? AND ") + " = ?)"
	for _, k := range keys {
		for _, v := range k {
			args = append(args, exact(v))
		}
	}
	return " WHERE " + strings.TrimSuffix(strings.Repeat(one+" OR ", len(keys)), " OR "), args
}

// rowsOf reads the rows with the given keys and their checksum.
func (r reader) rowsOf(ctx context.Context, t Table, keys [][]any) (rows [][]any, sum Sum, err error) {
	where, args := byKeys(t, keys)
	query := "SELECT " + strings.Join(t.names(), ", ") + " FROM " + t.Name + where
	err = r.scan(ctx, t, query, args, func(row []any, encoded []byte) bool {
		rows = append(rows, row)
		sum.add(encoded)
		return true
	})
	if err != nil {
		return nil, Sum{}, fmt.Errorf("read table %s by keys: %w", t.Name, err)
	}
	return rows, sum, nil
}
