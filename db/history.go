package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stoa-portal/stoa"
)

// counterJump is added to every id counter when the history changes: more than can have been handed
// out and lost in an asynchronous fail-over (coherence rule 31).
const counterJump = 1 << 24

// history tells one past of the data from another. The fingerprint is what the server says of itself;
// the number (the incarnation) counts the changes of fingerprint and lives in the database.
type history struct {
	mu       sync.Mutex
	number   atomic.Int64 // 0 until the row was read
	changed  []func(old, now int64)
	renewing bool
	seen     string // the other fingerprint that was logged last
}

// past is the history that the connections of some pools belong to. history.mu guards it.
type past struct{ fingerprint string } // "" before the first connection

// errOtherHistory ends a connection that shows another past of the data than the pool's.
var errOtherHistory = errors.New("the database server was replaced (fail-over, restore or restart): connections are being renewed")

// Incarnation is the number of the history that the data belongs to, 0 before Migrate.
func (d *DB) Incarnation() int64 { return d.history.number.Load() }

// OnIncarnation registers fn to be called after the history changed: cached values and everything
// else that was read before is void then. fn must not block.
func (d *DB) OnIncarnation(fn func(old, now int64)) {
	d.history.mu.Lock()
	defer d.history.mu.Unlock()
	d.history.changed = append(d.history.changed, fn)
}

// checkHistory compares the fingerprint that a new connection shows with that of its pool, which takes no
// connection to another history.
func (d *DB) checkHistory(ctx context.Context, conn driver.Conn, pool *past) error {
	fp, err := d.readFingerprint(ctx, conn)
	if err != nil {
		return err
	}
	d.history.mu.Lock()
	defer d.history.mu.Unlock()
	switch {
	case pool.fingerprint == "":
		pool.fingerprint = fp
		return nil
	case sameHistory(pool.fingerprint, fp):
		return nil
	}
	if d.life.Err() != nil || d.history.renewing {
		return errOtherHistory
	}
	if d.history.seen != fp {
		d.log.Warn("the database shows another history", "was", pool.fingerprint, "is", fp)
		d.history.seen = fp
	}
	d.history.renewing = true
	d.wg.Go(func() { d.renew(fp) })
	return errOtherHistory
}

// renew writes the new incarnation down and replaces all connections.
func (d *DB) renew(fingerprint string) {
	defer func() {
		d.history.mu.Lock()
		d.history.renewing = false
		d.history.mu.Unlock()
	}()
	p, err := d.openPools()
	if err != nil {
		d.log.Error("the connections to the database could not be renewed", "error", err)
		return
	}
	p.past.fingerprint = fingerprint
	ctx, cancel := context.WithTimeout(d.life, d.opt.WriteTimeout)
	defer cancel()
	// The number is raised on the new connections before anybody else uses them, so that no proof of
	// freshness from the new history can vouch for values of the old one. When that fails they are not
	// used at all: whoever needs a connection next begins anew.
	number, err := d.raiseIncarnation(ctx, p)
	if err != nil {
		d.log.Warn("the incarnation of the database could not be raised: nothing uses its new history before", "error", err)
		_ = p.close()
		return
	}
	old := d.pools.Swap(p)
	d.setIncarnation(number)
	d.ids.drop()
	go func() { _ = old.close() }() // waits for statements in flight, which is not ours to wait for
}

// readFingerprint asks the server who it is. The sources are those that change at once on a fail-over
// (coherence rule 30): pg_control_checkpoint lags, so the timeline comes from the WAL file's name.
func (d *DB) readFingerprint(ctx context.Context, conn driver.Conn) (string, error) {
	switch d.dialect {
	case Postgres:
		v, err := queryRaw(ctx, conn, "SELECT CASE WHEN pg_is_in_recovery() THEN 'replica' ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END")
		if err != nil {
			return "", err
		}
		system, ok, err := tell(ctx, conn, "SELECT system_identifier FROM pg_control_system()")
		if err != nil {
			return "", err
		}
		if !ok {
			system = "?"
		}
		return fmt.Sprintf("postgres %s %v", system, v[0]), nil
	case MySQL:
		if galera, ok, err := tell(ctx, conn, "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'WSREP_CLUSTER_STATE_UUID' AND VARIABLE_VALUE <> ''"); ok || err != nil {
			return "galera " + galera, err
		}
		v, err := queryRaw(ctx, conn, "SELECT @@server_id, @@hostname, @@port")
		if err != nil {
			return "", err
		}
		start := "0"
		for _, from := range []string{"information_schema.GLOBAL_STATUS", "performance_schema.global_status"} {
			s, ok, err := tell(ctx, conn, "SELECT CAST(UNIX_TIMESTAMP() - VARIABLE_VALUE AS SIGNED) FROM "+from+" WHERE VARIABLE_NAME = 'UPTIME'")
			if err != nil {
				return "", err
			}
			if ok {
				start = s
				break
			}
		}
		return fmt.Sprintf("mysql %v %v:%v start %s", v[0], v[1], v[2], start), nil
	default:
		st, err := os.Stat(d.dsn.path)
		if err != nil {
			return "", err
		}
		if sys, ok := st.Sys().(*syscall.Stat_t); ok {
			return fmt.Sprintf("sqlite %d", sys.Ino), nil
		}
		return "sqlite " + st.Name(), nil
	}
}

// tell asks for what some servers refuse to tell; ok is false then. Everything else that goes wrong is an
// error: a connection that breaks off meanwhile does not show another history.
func tell(ctx context.Context, conn driver.Conn, query string) (value string, ok bool, err error) {
	v, err := queryRaw(ctx, conn, query)
	var pg *pgconn.PgError
	var my *mysql.MySQLError
	switch {
	case err == nil:
		return fmt.Sprint(v[0]), true, nil
	case IsNoRows(err), (errors.As(err, &pg) || errors.As(err, &my)) && !isConnection(err):
		return "", false, nil
	}
	return "", false, err
}

// sameHistory compares fingerprints. The start of a MySQL server is computed from its uptime and
// wanders by a second or two, so it is compared with a margin.
func sameHistory(a, b string) bool {
	if a == b {
		return true
	}
	headA, startA, okA := strings.Cut(a, " start ")
	headB, startB, okB := strings.Cut(b, " start ")
	if !okA || !okB || headA != headB {
		return false
	}
	x, errX := strconv.ParseInt(startA, 10, 64)
	y, errY := strconv.ParseInt(startB, 10, 64)
	return errX == nil && errY == nil && max(x-y, y-x) <= 5
}

// readIncarnation learns the number on the connections in use.
func (d *DB) readIncarnation(ctx context.Context) error {
	number, err := d.raiseIncarnation(ctx, d.pools.Load())
	if err == nil {
		d.setIncarnation(number)
	}
	return err
}

// raiseIncarnation compares the fingerprint with the one in the database and raises the incarnation,
// with every id counter, when they differ. The first of several nodes to see it does it for all.
func (d *DB) raiseIncarnation(ctx context.Context, p *pools) (int64, error) {
	var number int64
	err := d.controlTx(ctx, p.write, func(tx *Tx) error {
		var stored string
		d.history.mu.Lock()
		fp := p.past.fingerprint // known, as there is a connection
		d.history.mu.Unlock()
		err := tx.QueryRow(ctx, "SELECT number, fingerprint FROM db_incarnation WHERE id = 1"+d.dialect.ForUpdate()).Scan(&number, &stored)
		if errors.Is(err, sql.ErrNoRows) {
			number = 1
			_, err = tx.InsertIgnore(ctx, "db_incarnation", Row{"id": 1, "number": number, "fingerprint": fp})
			return err
		}
		if err != nil || sameHistory(stored, fp) {
			return err
		}
		number++
		if _, err := tx.Exec(ctx, "UPDATE db_incarnation SET number = ?, fingerprint = ? WHERE id = 1", number, fp); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "UPDATE db_counter SET next_id = next_id + ?, incarnation = ?", int64(counterJump), number)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("read the incarnation: %w", err)
	}
	return number, nil
}

// setIncarnation takes the number over and tells those who hold what was read before.
func (d *DB) setIncarnation(number int64) {
	old := d.history.number.Swap(number)
	if old != 0 && old != number {
		d.log.Warn("new incarnation of the database: cached values are dropped", "was", old, "is", number)
		d.history.mu.Lock()
		fns := append([]func(old, now int64){}, d.history.changed...)
		d.history.mu.Unlock()
		for _, fn := range fns {
			fn(old, number)
		}
	}
}

// Recheck reads the incarnation again, for whoever saw in the database that it is not the one this
// process knows: a restore or another node's fail-over that the connections here lived through.
func (d *DB) Recheck(ctx context.Context) error {
	before := d.Incarnation()
	err := d.readIncarnation(ctx)
	if d.Incarnation() != before {
		d.ids.drop()
	}
	return err
}

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
	res, err := tx.Exec(ctx, "UPDATE db_counter SET next_id = next_id + ? WHERE name = 'id' AND incarnation = ?", n, tx.db.Incarnation())
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
