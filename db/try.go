package db

import (
	"context"
	"errors"
	"fmt"

	"github.com/stoa-portal/stoa"
)

// Try runs fn so that where it fails nothing of it stays: neither what it wrote nor what it told the transaction, such
// as by Changed or Note. What was done before stays, and the transaction goes on. undone says that it does; otherwise
// the database has ended the transaction, or asks for its repetition, and its function must return the error. A Try
// within a Try is none.
func (tx *Tx) Try(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) (undone bool, err error) {
	before := *tx
	if _, err := tx.Exec(ctx, "SAVEPOINT tried"); err != nil {
		return false, fmt.Errorf("begin a part of a transaction: %w", err)
	}
	failed := fn(ctx, tx)
	if failed == nil {
		_, err := tx.Exec(ctx, "RELEASE SAVEPOINT tried")
		return false, err
	}
	if ctx.Err() != nil || isTransient(failed) || stoa.Is(failed, stoa.KindUnavailable) {
		return false, failed
	}
	for _, q := range []string{"ROLLBACK TO SAVEPOINT tried", "RELEASE SAVEPOINT tried"} {
		if _, err := tx.Exec(ctx, q); err != nil {
			return false, errors.Join(failed, fmt.Errorf("undo a part of a transaction: %w", err))
		}
	}
	// The ids that SQLite has reserved within are no longer reserved; nothing that had one of them is left.
	*tx = before
	return true, failed
}
