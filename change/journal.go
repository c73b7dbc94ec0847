package change

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

var _ db.Journal = (*Log)(nil)

// rowsPerInsert keeps a statement below every engine's limit of arguments.
const rowsPerInsert = 100

// writerLife bounds how long a process that the database did not hear of may still write: far below
// the time after which a silent writer is forgotten (forgetAfter).
const writerLife = 24 * time.Hour

// appendLimit bounds the time from taking a number to holding its key in the database: if the node was
// taken for dead meanwhile, the tombstone of the number must not have been pruned yet (minCacheKeep).
const (
	appendLimit  = time.Minute
	minCacheKeep = 5 * time.Minute
)

const insertRow = "INSERT INTO change_log (writer, n, part, low, kind, thing, scope, version, at) "

// Append writes down what a transaction changed, as its last statement, and gives the transaction its
// number. It is called by the database handle.
func (l *Log) Append(ctx context.Context, tx *db.Tx, changes []db.Change) (uint64, error) {
	for _, c := range changes {
		if c.Kind == tombstone || len(c.Kind) > maxKind {
			return 0, fmt.Errorf("change kind %q: 1 to %d bytes are expected", c.Kind, maxKind)
		}
	}
	if away := l.opt.Clock() - time.Duration(l.core.alive.Load()); away > writerLife {
		return 0, stoa.Unavailable(nil,
			"this node was cut off from the database for %s, so the others may have forgotten it: restart it",
			away.Round(time.Minute))
	}
	begun := l.opt.Clock()
	n, rows := l.core.Number(tx.Now(), changes)
	l.core.own.madeBy(n, stoa.ActorFrom(ctx).User)
	if again, ok := tx.Taken(); ok {
		l.core.own.takesAway(n, again)
	}
	for first := 0; first < len(rows); first += rowsPerInsert {
		part := rows[first:min(first+rowsPerInsert, len(rows))]
		if err := insertRows(ctx, tx, part); err != nil {
			if db.IsDuplicate(err) {
				err = stoa.Unavailable(err, "this node was taken for dead while it was saving: nothing was saved; try again")
			}
			return n, err
		}
	}
	if took := l.opt.Clock() - begun; took > appendLimit {
		return n, stoa.Unavailable(nil,
			"this node stood still for %s while it was saving: nothing was saved; try again", took.Round(time.Second))
	}
	return n, nil
}

// insertRows writes rows of one transaction. The first is taken from the incarnation of the database, so that a
// server of another history writes none and the transaction cannot commit there, whatever stands between.
func insertRows(ctx context.Context, tx *db.Tx, rows []Row) error {
	args := make([]any, 0, 9*len(rows)+1)
	for _, r := range rows {
		args = append(args, r.Writer, int64(r.N), r.Part, int64(r.Low), r.Kind, r.ID, r.Scope, r.Version, db.Micros(r.At))
	}
	if tx.Token() == "" || rows[0].Part > 0 {
		_, err := tx.Exec(ctx, insertRow+"VALUES "+strings.TrimSuffix(strings.Repeat(db.In(9)+",", len(rows)), ","), args...)
		return err
	}
	written, err := tx.Affected(ctx,
		insertRow+"SELECT "+strings.Trim(db.In(9), "()")+" FROM db_incarnation WHERE id = 1 AND token = ?",
		append(args[:9:9], tx.Token())...)
	switch {
	case err != nil:
		return err
	case written == 0:
		return tx.Strayed()
	case len(rows) == 1:
		return nil
	}
	_, err = tx.Exec(ctx, insertRow+"VALUES "+strings.TrimSuffix(strings.Repeat(db.In(9)+",", len(rows)-1), ","),
		args[9:]...)
	return err
}

// Settle finds out whether the transaction with that number was committed. What it may have changed is
// dropped from the caches first. Then its key is written again: the database waits for the old
// transaction, "duplicate" means that it was committed, and success that it never will be.
func (l *Log) Settle(ctx context.Context, n uint64) (committed bool, err error) {
	if l.core.own.pending(n) == nil { // settleDoubtful was faster
		return l.committed(ctx, l.Writer(), n)
	}
	select {
	case l.settler <- struct{}{}:
		defer func() { <-l.settler }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	tombstone, open := l.core.Doubt(n, l.opt.Now())
	if !open {
		return l.committed(ctx, l.Writer(), n)
	}
	committed, err = l.writeTombstone(ctx, tombstone)
	if err != nil {
		l.core.own.doubt(n)
		l.core.stats.unknown.Add(1)
		return false, fmt.Errorf("settle change %d: %w", n, err)
	}
	return committed, nil
}

// ErrForgotten says that the log was pruned past a number: what became of it can no longer be told.
var ErrForgotten = errors.New("the change log was pruned past this transaction before it was known what became of it")

// writeTombstone writes a tombstone unless its number was committed.
func (l *Log) writeTombstone(ctx context.Context, tombstone Row) (committed bool, err error) {
	err = l.d.Control(ctx, func(tx *db.Tx) error {
		if err := insertRows(ctx, tx, []Row{tombstone}); err != nil {
			return err
		}
		// A row that was pruned is no duplicate. The horizon moves in the transaction that prunes, so it is
		// seen to have moved by the transaction that could insert.
		var horizon uint64
		err := tx.QueryRow(ctx, "SELECT horizon FROM change_writer WHERE writer = ?", tombstone.Writer).Scan(&horizon)
		switch {
		case db.IsNoRows(err): // a restored database that never heard of the writer
			return nil
		case err == nil && tombstone.N < horizon:
			return ErrForgotten
		}
		return err
	})
	if err == nil || !db.IsDuplicate(err) {
		return false, err
	}
	// Either the transaction was committed, or an earlier tombstone whose COMMIT was not answered.
	return l.committed(ctx, tombstone.Writer, tombstone.N)
}

// committed looks at the row of a number whose outcome is decided: it is a change or a tombstone.
func (l *Log) committed(ctx context.Context, writer int64, n uint64) (bool, error) {
	var kind string
	row := l.d.QueryRow(ctx, "SELECT kind FROM change_log WHERE writer = ? AND n = ? AND part = 0", writer, int64(n))
	if err := row.Scan(&kind); err != nil {
		return false, fmt.Errorf("look at the row of change %d: %w", n, err)
	}
	return kind != tombstone, nil
}

// settleDoubtful tries again, beside the reads of the log, to find out about COMMITs whose outcome no
// writer waits for any more. One attempt can take as long as a COMMIT hangs.
func (l *Log) settleDoubtful() {
	ns := l.core.own.doubtful()
	if len(ns) == 0 || !l.settling.CompareAndSwap(false, true) {
		return
	}
	l.flight.mu.Lock() // see Close
	defer l.flight.mu.Unlock()
	if l.ctx.Err() != nil {
		return
	}
	l.wg.Go(func() {
		defer l.settling.Store(false)
		for _, n := range ns {
			p := l.core.own.pending(n)
			if p == nil {
				continue
			}
			ctx, cancel := context.WithTimeout(l.ctx, 5*time.Second)
			committed, err := l.Settle(ctx, n)
			switch {
			case err == nil:
				l.log.Info("an unknown outcome was found out", "n", n, "committed", committed)
				l.core.Done(l.opt.Clock(), n, p.changes, committed)
			case errors.Is(err, ErrForgotten):
				l.log.Warn("it will never be known whether a transaction was committed: this node was away for longer "+
					"than the change log is kept", "n", n)
				l.core.Done(l.opt.Clock(), n, nil, false)
			}
			cancel()
		}
	})
}

// Done is told the outcome of a transaction before its writer is answered: a committed change is
// applied to the caches of this node now and sent to the others; one that takes something away is
// waited for until the others have applied it too.
func (l *Log) Done(ctx context.Context, n uint64, changes []db.Change, committed bool) {
	if r, ok := ctx.Value(receiptsKey{}).(*Receipts); ok && committed {
		r.add(Position{Writer: l.Writer(), N: n})
	}
	if l.core.Done(l.opt.Clock(), n, changes, committed) {
		l.confirm(ctx, n)
	}
}

type receiptsKey struct{}

// Receipts gathers the positions of the writes made with one context.
type Receipts struct {
	mu        sync.Mutex
	positions []Position
}

// WithReceipts gives a context whose committed writes are gathered in the Receipts.
func WithReceipts(ctx context.Context) (context.Context, *Receipts) {
	r := &Receipts{}
	return context.WithValue(ctx, receiptsKey{}, r), r
}

type placesKey struct{}

// WithPlaces gives a context whose request wants to see the writes at the positions; all is false when it names
// more than can be read.
func WithPlaces(ctx context.Context, positions []Position, all bool) context.Context {
	return context.WithValue(ctx, placesKey{}, wanted{positions, all})
}

type wanted struct {
	positions []Position
	all       bool
}

// Places gives the writes that whatever is read in the context must show: those that its request names, and
// those that it has made. all is false when they are not all known.
func Places(ctx context.Context) (places []db.Place, all bool) {
	w, ok := ctx.Value(placesKey{}).(wanted)
	positions := w.positions
	if r, _ := ctx.Value(receiptsKey{}).(*Receipts); r != nil {
		positions = append(r.Positions(), positions...)
	}
	for _, p := range positions {
		places = append(places, db.Place(p))
	}
	return places, ok && w.all
}

func (r *Receipts) add(p Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.positions = append(r.positions, p)
}

// Positions are the writes so far.
func (r *Receipts) Positions() []Position {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Position(nil), r.positions...)
}

var errNoRow = errors.New(
	"this writer is not in the database any more: it was taken for dead long ago, or the database was restored; " +
		"restart the node",
)
