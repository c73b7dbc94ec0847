package db

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/stoa-portal/stoa"
)

// idBlock hands out ids of a reserved block.
type idBlock struct {
	mu         sync.Mutex
	next, last int64
}

func (b *idBlock) drop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next, b.last = 0, 0
}

// NewID gives an id that no row of this portal has or had. Ids are reserved in blocks of
// counter.increment, so they are unique over the nodes but not in order.
func (d *DB) NewID(ctx context.Context) (stoa.ID, error) {
	d.ids.mu.Lock()
	defer d.ids.mu.Unlock()
	if d.ids.next == 0 || d.ids.next > d.ids.last {
		if InWrite(ctx) && d.dialect == SQLite {
			// One writer at a time: a second transaction inside the first would wait for itself.
			return 0, errors.New("db: NewID inside a transaction: use Tx.NewID")
		}
		var first int64
		err := d.plainTx(ctx, func(tx *Tx) (err error) {
			first, err = tx.reserve(ctx, d.opt.IDBlock)
			return err
		})
		if err != nil {
			return 0, fmt.Errorf("reserve ids: %w", err)
		}
		d.ids.next, d.ids.last = first, first+d.opt.IDBlock-1
	}
	id := d.ids.next
	d.ids.next++
	return stoa.ID(id), nil
}

// NewID gives a fresh id inside a transaction. Where the block is used up, SQLite takes a new one in
// this transaction and keeps it only for this transaction; servers take it in one of their own.
func (tx *Tx) NewID(ctx context.Context) (stoa.ID, error) {
	if tx.db.dialect != SQLite {
		return tx.db.NewID(context.WithoutCancel(ctx))
	}
	b := &tx.db.ids
	b.mu.Lock()
	if b.next != 0 && b.next <= b.last {
		id := b.next
		b.next++
		b.mu.Unlock()
		return stoa.ID(id), nil
	}
	b.mu.Unlock()
	if tx.idNext == 0 || tx.idNext > tx.idLast {
		first, err := tx.reserve(ctx, tx.db.opt.IDBlock)
		if err != nil {
			return 0, err
		}
		tx.idNext, tx.idLast = first, first+tx.db.opt.IDBlock-1
	}
	id := tx.idNext
	tx.idNext++
	return stoa.ID(id), nil
}

// reserve moves the counter on by n and gives the first id of the block. It fails when the counter
// belongs to another incarnation than the one this process knows.
func (tx *Tx) reserve(ctx context.Context, n int64) (int64, error) {
	res, err := tx.Exec(ctx, "UPDATE db_counter SET next_id = next_id + ? WHERE name = 'id' AND incarnation = ?", n,
		tx.db.Incarnation())
	if err != nil {
		return 0, err
	}
	if count, err := res.RowsAffected(); err != nil || count != 1 {
		return 0, stoa.Unavailable(err, "the database was replaced; ids are handed out again once its new history is known")
	}
	var next int64
	if err := tx.QueryRow(ctx, "SELECT next_id FROM db_counter WHERE name = 'id'").Scan(&next); err != nil {
		return 0, err
	}
	return next - n, nil
}
