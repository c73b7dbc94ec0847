package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
)

// Change says what a transaction changed: the thing, the scope (mostly the site) whose lists it is in,
// and its new version. ID 0 means every thing of the kind in the scope; scope 0 every scope; kind "*"
// everything.
type Change struct {
	Kind    string
	ID      stoa.ID
	Scope   stoa.ID
	Version int64
}

// Journal writes down what transactions changed; package change is the one in production.
type Journal interface {
	// Append writes the rows as the last statement of the transaction and gives its number.
	Append(ctx context.Context, tx *Tx, changes []Change) (n uint64, err error)
	// Settle finds out whether the transaction with that number was committed, by writing its key again.
	Settle(ctx context.Context, n uint64) (committed bool, err error)
	// Done is told the outcome before the writer is answered; a committed change is applied to the
	// caches of this node before Done returns, and one that takes something away also to those of the
	// other nodes, or the time for that has passed.
	Done(ctx context.Context, n uint64, changes []Change, committed bool)
}

// Note is what the domain says of a transaction beside the bare change, for those who ask later who did what.
type Note struct {
	Action   string   // what was done: a word that package audit has
	Kind     string   // kind of the thing it was done to; empty: none
	ID       stoa.ID  // the thing; 0: none, or all of the kind
	Instance stoa.ID  // instance that the thing belongs to; 0: that of the actor
	Title    string   // the name of the thing as people know it
	With     []string // what else belongs to the sentence, such as the role that was given
}

// Auditor writes down who made a transaction, in the transaction; package audit is the one in production.
type Auditor interface {
	// Attest is called once the transaction has said what it changes, before that is appended to the change
	// log. Its error rolls everything back.
	Attest(ctx context.Context, tx *Tx) error
}

type writeKey struct{}

// InWrite reports whether ctx belongs to a Write in progress: caches are bypassed there.
func InWrite(ctx context.Context) bool { return ctx.Value(writeKey{}) != nil }

// Tx is a transaction. It is used by one goroutine.
type Tx struct {
	db      *DB
	tx      *sql.Tx
	now     time.Time
	changes []Change
	notes   []Note
	takes   bool
	again   []func(ctx context.Context, tx *Tx) error
	after   []func()
	idNext  int64
	idLast  int64
	token   string
	journal Journal // nil: none
	last    func(ctx context.Context, tx *Tx) error
	repeats bool
}

// Row is a row to write, by column.
type Row map[string]any

// Now is the time of the transaction: the same for all its rows.
func (tx *Tx) Now() time.Time { return tx.now }

// Changed notes what this transaction changes; it is appended to the change log with the commit.
func (tx *Tx) Changed(kind string, id, scope stoa.ID, version int64) {
	c := Change{Kind: kind, ID: id, Scope: scope, Version: version}
	if !slices.Contains(tx.changes, c) {
		tx.changes = append(tx.changes, c)
	}
}

// Changes are what Changed was told so far.
func (tx *Tx) Changes() []Change { return tx.changes }

// Note says in the words of the domain what this transaction does; the auditor writes it down.
func (tx *Tx) Note(n Note) { tx.notes = append(tx.notes, n) }

// Notes are what Note was told so far.
func (tx *Tx) Notes() []Note { return tx.notes }

// TakesAway says that this transaction takes something away from a person: a session, a password, a role.
// Its writer is answered when every live node has applied it, or after two seconds, so that after the
// answer it holds everywhere. again, if not nil, takes the same away once more, in a transaction of its
// own, should the database lose this one in a fail-over: it notes what it changes, checks no permission,
// does nothing where nothing is left to take, and leaves alone what it does not name. It may be called
// more than once.
func (tx *Tx) TakesAway(again func(ctx context.Context, tx *Tx) error) {
	tx.takes = true
	if again != nil {
		tx.again = append(tx.again, again)
	}
}

// Taken gives what TakesAway was told; ok says whether anything is taken away.
func (tx *Tx) Taken() (again []func(ctx context.Context, tx *Tx) error, ok bool) {
	return tx.again, tx.takes
}

// AfterCommit registers fn to run once the transaction is committed, before Write or Control returns.
func (tx *Tx) AfterCommit(fn func()) { tx.after = append(tx.after, fn) }

// Fence registers the last statement of the transaction: it runs after the change log was appended and
// its error rolls everything back. Leases use it (rule 24).
func (tx *Tx) Fence(fn func(ctx context.Context, tx *Tx) error) { tx.last = fn }

// Repeatable says that doing this transaction twice leaves the same behind as doing it once. One that changes nothing
// that is in the change log has no row there that would tell what became of a COMMIT whose answer was lost: it is done
// again then, where its writer would be told that nothing is known.
func (tx *Tx) Repeatable() { tx.repeats = true }

// Dialect tells which engine the transaction runs on.
func (tx *Tx) Dialect() Dialect { return tx.db.dialect }

// Exec runs a statement.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	defer tx.db.slow(time.Now(), query, args)
	args, err := texts(args)
	if err != nil {
		return nil, err
	}
	return tx.tx.ExecContext(ctx, tx.db.dialect.Rebind(query), args...)
}

// Query reads rows.
func (tx *Tx) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	defer tx.db.slow(time.Now(), query, args)
	args, err := texts(args)
	if err != nil {
		return nil, err
	}
	return tx.tx.QueryContext(ctx, tx.db.dialect.Rebind(query), args...)
}

// QueryRow reads one row.
func (tx *Tx) QueryRow(ctx context.Context, query string, args ...any) Scanner {
	defer tx.db.slow(time.Now(), query, args)
	args, err := texts(args)
	if err != nil {
		return notSent{err}
	}
	return tx.tx.QueryRowContext(ctx, tx.db.dialect.Rebind(query), args...)
}

// Affected runs a statement and gives the number of rows it matched.
func (tx *Tx) Affected(ctx context.Context, query string, args ...any) (int64, error) {
	res, err := tx.Exec(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// Insert writes a row. A row with the same key is an error for which IsDuplicate is true.
func (tx *Tx) Insert(ctx context.Context, table string, row Row) error {
	cols, args := row.split()
	var q = "INSERT INTO " + table + " (" + join(cols) + ") VALUES " + In(len(cols))
	_, err := tx.Exec(ctx, q, args...)
	return err
}

// The limits of one statement of InsertAll and UpsertAll: what every engine takes, and what a node should hold at once.
const (
	mostRows, mostArguments = 500, 9000
	mostBytes               = 1 << 20 // of texts
)

// InsertAll writes rows that all have the columns of the first, many of them in one statement.
func (tx *Tx) InsertAll(ctx context.Context, table string, rows []Row) error {
	return tx.all(ctx, table, rows, func(cols []string, n int) string {
		return "INSERT INTO " + table + " (" + join(cols) + ") VALUES " + In(len(cols)) +
			strings.Repeat(", "+In(len(cols)), n-1)
	})
}

// UpsertAll writes rows, or updates those with the same keys, many of them in one statement. All have the columns of
// the first, and no two of them the same keys.
func (tx *Tx) UpsertAll(ctx context.Context, table string, keys []string, rows []Row) error {
	return tx.all(ctx, table, rows, func(cols []string, n int) string {
		return tx.db.dialect.upsert(table, keys, cols, n)
	})
}

// all runs statements for rows, each for as many as a statement may have.
func (tx *Tx) all(ctx context.Context, table string, rows []Row, query func(cols []string, n int) string) error {
	for len(rows) > 0 {
		cols, args := rows[0].split()
		most, size, n := max(1, min(mostRows, mostArguments/max(1, len(cols)))), textBytes(args), 1
		for ; n < min(most, len(rows)); n++ {
			_, more := rows[n].split()
			if len(more) != len(cols) {
				return fmt.Errorf("db: row %d for %s has %d columns, the first has %d", n, table, len(more), len(cols))
			}
			if size += textBytes(more); size > mostBytes {
				break
			}
			args = append(args, more...)
		}
		if _, err := tx.Exec(ctx, query(cols, n), args...); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

func textBytes(args []any) (n int) {
	for _, a := range args {
		switch v := a.(type) {
		case string:
			n += len(v)
		case []byte:
			n += len(v)
		}
	}
	return n
}

// InsertIgnore writes a row unless one with the same key is there; it reports whether it wrote.
func (tx *Tx) InsertIgnore(ctx context.Context, table string, row Row) (bool, error) {
	cols, args := row.split()
	n, err := tx.Affected(ctx, tx.db.dialect.insertIgnore(table, cols), args...)
	return n == 1, err
}

// InsertOrLock writes a row, or locks the one with the same keys as it is. Either way the row is there afterwards, and
// no other transaction changes or deletes it before this one has ended.
func (tx *Tx) InsertOrLock(ctx context.Context, table string, keys []string, row Row) error {
	cols, args := row.split()
	_, err := tx.Exec(ctx, tx.db.dialect.insertOrLock(table, keys, cols), args...)
	return err
}

// Upsert writes a row, or updates the one with the same keys.
func (tx *Tx) Upsert(ctx context.Context, table string, keys []string, row Row) error {
	cols, args := row.split()
	_, err := tx.Exec(ctx, tx.db.dialect.upsert(table, keys, cols, 1), args...)
	return err
}

func (r Row) split() (cols []string, args []any) {
	for c := range r {
		cols = append(cols, c)
	}
	slices.Sort(cols) // the same text each time, so that prepared statements are found again
	for _, c := range cols {
		args = append(args, r[c])
	}
	return cols, args
}

func join(cols []string) string {
	out := ""
	for i, c := range cols {
		if i > 0 {
			out += ", "
		}
		out += c
	}
	return out
}

// Write runs fn in a transaction on the write source and commits it together with the rows of the
// change log. When the database asks for a repetition (deadlock, serialization, fail-over before the
// commit) fn runs again from the start, so it must have no effect outside the transaction. An unknown
// outcome of COMMIT is settled before Write returns; see Repeatable for a transaction without such rows.
func (d *DB) Write(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	if InWrite(ctx) {
		return errors.New("db: Write inside Write: pass the transaction on")
	}
	ctx, cancel := context.WithTimeout(ctx, d.opt.WriteTimeout)
	defer cancel()
	inner := context.WithValue(ctx, writeKey{}, true)
	for attempt := 0; ; attempt++ {
		retry, err := d.writeOnce(inner, fn)
		if err == nil {
			return nil
		}
		if isDeposed(err) { // its connections stay, so none that is new would tell
			d.wake()
		}
		if !retry || attempt == 9 || d.life.Err() != nil { // a handle that is closed stays closed
			return wrapUnavailable(err)
		}
		wait := time.Duration(1+rand.IntN(1<<min(attempt+3, 8))) * time.Millisecond
		select {
		case <-ctx.Done():
			return wrapUnavailable(err)
		case <-time.After(wait):
		}
	}
}

// beginWrite begins a transaction that lets those of Control go first on SQLite: who waited for the one connection meanwhile
// gives it back at once.
func (d *DB) beginWrite(ctx context.Context, p *pools) (*sql.Tx, error) {
	for {
		tx, err := p.write.BeginTx(ctx, nil)
		if err != nil || d.dialect != SQLite || !d.ahead.taken() {
			return tx, err
		}
		if err := tx.Rollback(); err != nil {
			return nil, err
		}
		if err := d.ahead.give(ctx); err != nil {
			return nil, err
		}
	}
}

// writeOnce is one attempt. retry says that nothing was committed and that trying again can help.
func (d *DB) writeOnce(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) (retry bool, err error) {
	journal := d.writesDown()
	if err := d.moved(); err != nil && journal != nil { // a tool may fill it anew
		return false, err
	}
	p := d.pools.Load()
	sqlTx, err := d.beginWrite(ctx, p)
	if err != nil {
		return isTransient(err), err
	}
	tx := &Tx{db: d, tx: sqlTx, now: d.opt.Now().UTC(), token: p.token(), journal: journal}
	var n uint64
	numbered := false
	finished := false
	defer func() { // also when fn panics: the number must not stay open
		if !finished {
			_ = sqlTx.Rollback()
			if numbered {
				journal.Done(ctx, n, nil, false)
			}
		}
	}()
	if err := fn(ctx, tx); err != nil {
		return isTransient(err), err
	}
	if d.auditor != nil && len(tx.changes)+len(tx.notes) > 0 {
		if err := d.auditor.Attest(ctx, tx); err != nil {
			return isTransient(err), fmt.Errorf("write down who did this: %w", err)
		}
	}
	if len(tx.changes) > 0 && journal != nil {
		n, err = journal.Append(ctx, tx, tx.changes)
		numbered = n != 0
		if err != nil {
			return isTransient(err), fmt.Errorf("append to the change log: %w", err)
		}
	}
	if !numbered { // a row of the change log is bound to its history by itself
		if err := tx.sameHistory(ctx); err != nil {
			return isTransient(err), err
		}
	}
	if tx.last != nil {
		if err := tx.last(ctx, tx); err != nil {
			return isTransient(err), err
		}
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}
	err = sqlTx.Commit()
	finished = true
	if err == nil && numbered && d.pools.Load() != p {
		err = errOtherHistory // committed on a server that is not followed any more: the new one has it, or not
	}
	if err != nil {
		if definite(err) {
			_ = sqlTx.Rollback()
			if numbered {
				journal.Done(ctx, n, nil, false)
			}
			return isTransient(err), err
		}
		if !numbered {
			return tx.repeats, unknownOutcome(err)
		}
		committed, settleErr := settle(ctx, journal, n, d.opt.WriteTimeout)
		if settleErr != nil {
			// The number stays open on purpose: readers keep probing for it.
			return false, unknownOutcome(errors.Join(err, settleErr))
		}
		if !committed {
			journal.Done(ctx, n, nil, false)
			return true, err
		}
	}
	if numbered {
		journal.Done(ctx, n, tx.changes, true)
	}
	for _, fn := range tx.after {
		fn()
	}
	return false, nil
}

// settle asks the database for the outcome of a COMMIT that was not answered (rule 27).
func settle(ctx context.Context, journal Journal, n uint64, limit time.Duration) (bool, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	var err error
	for range 5 {
		var committed bool
		if committed, err = journal.Settle(ctx, n); err == nil {
			return committed, nil
		}
		select {
		case <-ctx.Done():
			return false, err
		case <-time.After(200 * time.Millisecond):
		}
	}
	return false, err
}

// sameHistory fails when the server that the transaction runs on does not belong to the history that this
// process follows, whatever stands between.
func (tx *Tx) sameHistory(ctx context.Context) error {
	if tx.token == "" || tx.db.dialect == SQLite || tx.journal == nil { // a tool may change the history itself
		return nil
	}
	var token string
	if err := tx.QueryRow(ctx, "SELECT token FROM db_incarnation WHERE id = 1").Scan(&token); err != nil {
		return err
	}
	if token != tx.token {
		return tx.Strayed()
	}
	return nil
}

// Token is the word of the history that the transaction belongs to. What it writes is bound to it.
func (tx *Tx) Token() string { return tx.token }

// Strayed says that the transaction's server does not belong to its history, and lets the right one be found.
func (tx *Tx) Strayed() error {
	tx.db.wake()
	return errOtherHistory
}

// plainTx runs fn in a transaction that appends nothing to the change log.
func (d *DB) plainTx(ctx context.Context, fn func(tx *Tx) error) error {
	return d.controlTx(ctx, d.pools.Load(), false, fn)
}

// Control runs fn in a transaction on the connections kept for the change log, the heartbeat and the
// leases, so that the load of the site cannot delay it. It is not repeated and appends no changes;
// only a nil error says that it was committed.
func (d *DB) Control(ctx context.Context, fn func(tx *Tx) error) error {
	return d.controlTx(ctx, d.pools.Load(), true, fn)
}

// ControlWithin is Control that waits up to limit for a database which does not answer at first: for what is said
// once, such as a goodbye. fn may run more than once.
func (d *DB) ControlWithin(ctx context.Context, limit time.Duration, fn func(ctx context.Context, tx *Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := d.Control(ctx, func(tx *Tx) error { return fn(ctx, tx) })
		if err == nil || stoa.KindOf(err) != stoa.KindUnavailable {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-d.life.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (d *DB) controlTx(ctx context.Context, p *pools, control bool, fn func(tx *Tx) error) (err error) {
	defer func() {
		if isDeposed(err) && d.pools.Load() == p {
			d.wake()
		}
	}()
	pool := p.write
	if control {
		pool = p.control
		if d.dialect == SQLite {
			done := d.ahead.first()
			defer done()
		}
	}
	sqlTx, err := pool.BeginTx(ctx, nil)
	// A connection that the server has ended shows it here, where nothing has begun yet.
	var connect *connectError
	for tries := 0; tries < 2 && isTransient(err) && !errors.As(err, &connect); tries++ {
		sqlTx, err = pool.BeginTx(ctx, nil)
	}
	if err != nil {
		return wrapUnavailable(err)
	}
	defer func() { _ = sqlTx.Rollback() }()
	tx := &Tx{db: d, tx: sqlTx, now: d.opt.Now().UTC(), token: p.token(), journal: d.writesDown()}
	if err := fn(tx); err != nil {
		return wrapUnavailable(err)
	}
	if tx.last != nil {
		if err := tx.last(ctx, tx); err != nil {
			return err
		}
	}
	if err := sqlTx.Commit(); err != nil {
		return wrapUnavailable(err)
	}
	for _, fn := range tx.after {
		fn()
	}
	return nil
}
