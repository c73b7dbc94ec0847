package change

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stoa-portal/stoa/db"
)

const (
	pruneBatch = 1000
	// forgetAfter is how long a silent writer with nothing left in the log keeps its row; far above
	// writerLife, so that it cannot write again.
	forgetAfter = 30 * 24 * time.Hour
)

// Prune removes rows that no reader needs: older than CacheKeep, and older than Retention while a
// durable reader has not read them. It works in batches of 1,000; fence is registered in each
// transaction (job.Run.Fence; nil without a cluster), so only one node prunes. Each batch moves
// the writer's horizon in the same transaction: a reader that was away for longer sees that it missed
// something. It gives the number of rows removed.
func (l *Log) Prune(ctx context.Context, fence func(tx *db.Tx)) (removed int64, err error) {
	if fence == nil {
		fence = func(*db.Tx) {}
	}
	writers, _, err := sqlSource{ctx, l.d}.Rows(nil, 0)
	if err != nil {
		return 0, err
	}
	for w := range writers {
		for {
			n, err := l.pruneOnce(ctx, w, fence)
			removed += n
			if err != nil {
				return removed, fmt.Errorf("prune the change log: %w", err)
			}
			if n == 0 {
				break
			}
		}
		if err := l.forget(ctx, w, fence); err != nil {
			return removed, fmt.Errorf("forget a silent writer: %w", err)
		}
	}
	return removed, nil
}

// pruneOnce removes at most one batch of one writer.
func (l *Log) pruneOnce(ctx context.Context, writer int64, fence func(*db.Tx)) (removed int64, err error) {
	err = l.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		removed = 0
		now := l.opt.Now()
		forCaches, forReaders := db.Micros(now.Add(-l.opt.CacheKeep)), db.Micros(now.Add(-l.opt.Retention))
		var low int64
		if err := tx.QueryRow(ctx, "SELECT low FROM change_writer WHERE writer = ?", writer).Scan(&low); err != nil {
			if db.IsNoRows(err) {
				return nil
			}
			return err
		}
		slowest, err := l.slowest(ctx, tx, writer, low)
		if err != nil {
			return err
		}
		type old struct{ n, at int64 }
		rows, err := db.All(ctx, tx, func(s db.Scanner) (o old, err error) { return o, s.Scan(&o.n, &o.at) },
			"SELECT n, at FROM change_log WHERE writer = ? AND n < ? ORDER BY n, part LIMIT ?", writer, low, pruneBatch)
		if err != nil {
			return err
		}
		// A transaction is removed whole, as deletion is by n.
		horizon := int64(0)
		for _, o := range rows {
			if o.at >= forCaches || o.n > slowest && o.at >= forReaders {
				break
			}
			horizon = o.n + 1
		}
		if horizon == 0 {
			return nil
		}
		removed, err = tx.Affected(ctx, "DELETE FROM change_log WHERE writer = ? AND n < ?", writer, horizon)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE change_writer SET horizon = ? WHERE writer = ? AND horizon < ?", horizon, writer, horizon); err != nil {
			return err
		}
		fence(tx)
		return nil
	})
	return removed, err
}

// slowest is the number of the writer up to which every durable reader has read; low−1 without any.
func (l *Log) slowest(ctx context.Context, q db.Queryer, writer, low int64) (int64, error) {
	n := low - 1
	positions, err := db.All(ctx, q, func(s db.Scanner) (n int64, err error) { return n, s.Scan(&n) },
		`SELECT COALESCE(p.n, 0) FROM change_reader r LEFT JOIN change_reader p ON p.name = r.name AND p.writer = ? WHERE r.writer = 0`, writer)
	for _, p := range positions {
		n = min(n, p)
	}
	return n, err
}

// forget removes the row of a writer that has been silent for forgetAfter and has nothing in the log.
func (l *Log) forget(ctx context.Context, writer int64, fence func(*db.Tx)) error {
	if writer == l.Writer() {
		return nil
	}
	return l.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		var seen, low, horizon, rows int64
		err := tx.QueryRow(ctx, "SELECT seen, low, horizon FROM change_writer WHERE writer = ?"+tx.Dialect().ForUpdate(), writer).Scan(&seen, &low, &horizon)
		if db.IsNoRows(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if seen > db.Micros(l.opt.Now().Add(-forgetAfter)) {
			return nil
		}
		if err := tx.QueryRow(ctx, "SELECT COUNT(*) FROM change_log WHERE writer = ?", writer).Scan(&rows); err != nil || rows > 0 {
			return err
		}
		slowest, err := l.slowest(ctx, tx, writer, low)
		if err != nil {
			return err
		}
		if slowest+1 < horizon { // a durable reader must still learn that it fell behind
			return nil
		}
		for _, s := range []string{"DELETE FROM change_reader WHERE writer = ?", "DELETE FROM change_writer WHERE writer = ?"} {
			if _, err := tx.Exec(ctx, s, writer); err != nil {
				return err
			}
		}
		fence(tx)
		return nil
	})
}

// WriteTombstones settles the numbers that a dead writer left open, so that readers need not ask about them for
// ever: each gets a tombstone unless it was committed. It is exact at any time, even if the writer
// turns out to live: then a transaction in flight there fails and nothing is lost. It gives the number
// of tombstones.
func (l *Log) WriteTombstones(ctx context.Context, writer int64) (tombstones int, err error) {
	if writer == l.Writer() {
		return 0, errors.New("change: a writer writes no tombstones for itself")
	}
	gaps, head, err := Unsettled(sqlSource{ctx, l.d}, writer)
	if err != nil || head == 0 {
		return 0, err
	}
	for _, n := range gaps {
		committed, err := l.writeTombstone(ctx, Row{Writer: writer, N: n, Low: gaps[0], At: l.opt.Now()})
		if errors.Is(err, ErrForgotten) {
			continue // another node has written it
		}
		if err != nil {
			return tombstones, fmt.Errorf("settle change %d of writer %d: %w", n, writer, err)
		}
		if !committed {
			tombstones++
		}
	}
	err = l.d.Control(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE change_writer SET low = ? WHERE writer = ? AND low < ?", int64(head+1), writer, int64(head+1))
		return err
	})
	if err != nil {
		return tombstones, fmt.Errorf("publish what writer %d settled: %w", writer, err)
	}
	return tombstones, nil
}
