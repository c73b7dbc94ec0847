package db

import (
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stoa-portal/stoa"
)

// CounterJump is added to every id counter when the history changes: more than can have been handed out and lost in an
// asynchronous fail-over (rule 31), or between the reading of a counter and the end of a copy.
const CounterJump = 1 << 24

// Turn is a change of the history that this process follows.
type Turn struct {
	Old, New int64         // numbers of the incarnations
	How      string        // "continued", "loss", "restored", or "" when another node has begun it
	Lost     time.Duration // how much of this node's newest commits are missing, at most
	Server   string        // where the history goes on
}

// turns tells the parts of this process of new incarnations.
type turns struct {
	number  atomic.Int64 // of the incarnation that is followed; 0 until the row was read
	started atomic.Pointer[Turn]
	changed []func(Turn) // DB.mu guards it
}

// Incarnation is the number of the history that the data belongs to, 0 before Migrate.
func (d *DB) Incarnation() int64 { return d.turns.number.Load() }

// Started is the incarnation that this process began when it started, nil when it found its history as it was.
func (d *DB) Started() *Turn { return d.turns.started.Load() }

// OnIncarnation registers fn to be called after the history changed: cached values and everything
// else that was read before is void then. fn must not block.
func (d *DB) OnIncarnation(fn func(Turn)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.turns.changed = append(d.turns.changed, fn)
}

// turn takes the number over and tells those who hold what was read before.
func (d *DB) turn(t Turn) {
	t.Old = d.turns.number.Swap(t.New)
	if t.Old == 0 && t.How != "" && t.How != howFirst {
		t.Old = t.New - 1
		d.turns.started.Store(&t)
		d.log.Warn("the database begins another incarnation with this start", "is", t.New, "how", t.How,
			"server", t.Server, "lost", t.Lost.Round(time.Millisecond))
		return
	}
	if t.Old == 0 || t.Old == t.New {
		return
	}
	d.ids.drop()
	d.log.Warn("new incarnation of the database: cached values are dropped", "was", t.Old, "is", t.New, "how", t.How,
		"server", t.Server, "lost", t.Lost.Round(time.Millisecond))
	d.mu.Lock()
	fns := slices.Clone(d.turns.changed)
	d.mu.Unlock()
	for _, fn := range fns {
		fn(t)
	}
}

// readFingerprint asks the server who it is, and why it takes no writes. The sources are those that change at
// once on a fail-over (rule 30): pg_control_checkpoint lags, so the timeline comes from the WAL
// file's name.
func (d *DB) readFingerprint(ctx context.Context, conn driver.Conn) (fingerprint, readOnly string, err error) {
	switch d.dialect {
	case Postgres:
		v, err := queryRaw(ctx, conn,
			"SELECT CASE WHEN pg_is_in_recovery() THEN '' ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END, "+
				"current_setting('transaction_read_only')")
		if err != nil {
			return "", "", err
		}
		switch {
		case v[0] == "":
			return "postgres replica", "it is a replica (in recovery)", nil
		case v[1] == "on":
			readOnly = "it is read-only (default_transaction_read_only)"
		}
		system, ok, err := tell(ctx, conn, "SELECT system_identifier FROM pg_control_system()")
		if err != nil {
			return "", "", err
		}
		if !ok {
			system = "?"
		}
		return fmt.Sprintf("postgres %s %v", system, v[0]), readOnly, nil
	case MySQL:
		if v, ok, err := tell(ctx, conn, "SELECT @@GLOBAL.read_only"); err != nil {
			return "", "", err
		} else if ok && !slices.Contains([]string{"0", "OFF", "false"}, v) { // newer servers answer with words
			readOnly = "it is read-only (read_only=" + v + ")"
		}
		fingerprint, err := d.fingerprintMySQL(ctx, conn)
		return fingerprint, readOnly, err
	default:
		st, err := os.Stat(d.dsn.path)
		if err != nil {
			return "", "", err
		}
		return "sqlite " + fileNumber(st), "", nil
	}
}

func (d *DB) fingerprintMySQL(ctx context.Context, conn driver.Conn) (string, error) {
	if galera, ok, err := tell(ctx, conn, "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS "+
		"WHERE VARIABLE_NAME = 'WSREP_CLUSTER_STATE_UUID' AND VARIABLE_VALUE <> ''"); ok || err != nil {
		return galeraPrefix + galera, err
	}
	v, err := queryRaw(ctx, conn, "SELECT @@server_id, @@hostname, @@port")
	if err != nil {
		return "", err
	}
	start := "0"
	for _, from := range []string{"information_schema.GLOBAL_STATUS", "performance_schema.global_status"} {
		s, ok, err := tell(ctx, conn,
			"SELECT CAST(UNIX_TIMESTAMP() - VARIABLE_VALUE AS SIGNED) FROM "+from+" WHERE VARIABLE_NAME = 'UPTIME'")
		if err != nil {
			return "", err
		}
		if ok {
			start = s
			break
		}
	}
	return fmt.Sprintf("mysql %v %v:%v start %s", v[0], v[1], v[2], start), nil
}

// tell asks for what some servers refuse to tell; ok is false then. Everything else that goes wrong is an
// error: a connection that breaks off meanwhile does not show another history.
func tell(ctx context.Context, conn driver.Conn, query string) (value string, ok bool, err error) {
	v, err := queryRaw(ctx, conn, query)
	switch {
	case err == nil:
		return fmt.Sprint(v[0]), true, nil
	case refused(err):
		return "", false, nil
	}
	return "", false, err
}

// refused reports whether the server lives and says no: no such row, table, column, or privilege.
func refused(err error) bool {
	var pg *pgconn.PgError
	var my *mysql.MySQLError
	return IsNoRows(err) || (errors.As(err, &pg) || errors.As(err, &my)) && !isConnection(err)
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

// look reads what a server shows of the history, on a connection that is in no pool.
func (d *DB) look(ctx context.Context, conn driver.Conn, m mark) (s shown, err error) {
	s.beat = -1
	if s.fingerprint, s.readOnly, err = d.readFingerprint(ctx, conn); err != nil || s.readOnly != "" {
		return s, err
	}
	v, err := queryRaw(ctx, conn, "SELECT number, token FROM db_incarnation WHERE id = 1")
	switch {
	case err == nil:
		s.made, s.number, s.token = true, integer(v[0]), fmt.Sprint(v[1])
	case !d.absent(err):
		return s, err
	default: // empty, or of the schema before there were tokens
		if v, err = queryRaw(ctx, conn, "SELECT number FROM db_incarnation WHERE id = 1"); err == nil {
			s.made, s.number = true, integer(v[0])
		} else if !d.absent(err) {
			return s, err
		}
	}
	err = eachRaw(ctx, conn, "SELECT number, token, how FROM db_history ORDER BY number", func(v []driver.Value) {
		s.add(Token{integer(v[0]), fmt.Sprint(v[1])}, fmt.Sprint(v[2]))
	})
	if err != nil && !d.absent(err) {
		return s, err
	}
	if m.writer != 0 {
		v, err = queryRaw(ctx, conn, fmt.Sprintf("SELECT beat, seen FROM change_writer WHERE writer = %d", m.writer))
		switch {
		case err == nil:
			s.beat, s.seen = integer(v[0]), integer(v[1])
		case IsNoRows(err): // nothing of this life is there: how old is what is?
			if v, err = queryRaw(ctx, conn, "SELECT COALESCE(MAX(seen), 0) FROM change_writer"); err != nil {
				return s, err
			}
			s.seen = integer(v[0])
		case !d.absent(err):
			return s, err
		}
	}
	s.pending, err = d.unapplied(ctx, conn)
	return s, err
}

// absent reports whether a query found no row, no table or no column.
func (d *DB) absent(err error) bool {
	var pg *pgconn.PgError
	var my *mysql.MySQLError
	switch {
	case IsNoRows(err):
		return true
	case errors.As(err, &pg):
		return pg.Code == "42P01" || pg.Code == "42703"
	case errors.As(err, &my):
		return my.Number == 1146 || my.Number == 1054
	}
	return d.dialect == SQLite &&
		(strings.Contains(err.Error(), "no such table") || strings.Contains(err.Error(), "no such column"))
}

// unapplied says what a MariaDB or MySQL server that was a replica has received and not applied yet. A
// PostgreSQL server that takes writes has applied everything. It is empty where the server does not tell.
func (d *DB) unapplied(ctx context.Context, conn driver.Conn) (what string, err error) {
	if d.dialect != MySQL {
		return "", nil
	}
	err = eachRow(ctx, conn, "SHOW SLAVE STATUS", func(row map[string]string) {
		read := row["Master_Log_File"] + ":" + row["Read_Master_Log_Pos"]
		applied := row["Relay_Master_Log_File"] + ":" + row["Exec_Master_Log_Pos"]
		if read != applied && row["Relay_Master_Log_File"] != "" {
			what = "received up to " + read + ", applied up to " + applied
		}
	})
	if err != nil && !refused(err) {
		return "", err
	}
	return what, nil
}

func integer(v driver.Value) int64 {
	n, _ := strconv.ParseInt(fmt.Sprint(v), 10, 64) // columns are integers; text is what MySQL's protocol makes of them
	return n
}

// established is what establish found or began.
type established struct {
	finding
	number int64
	token  string
	how    string // of what was begun just now; empty when nothing was
	tokens []Token
	known  []Token // what this node knew when it looked

	unproven bool // since some incarnation it is not known whether this is a copy
}

// establish makes the history of the server behind the pools the one that this node follows: it begins a new
// incarnation, with every id counter moved on, where the data continues on another server or has lost its
// end. The first of several nodes to see it does so for all. It fails when the verdict is not usable.
func (d *DB) establish(ctx context.Context, p *pools) (e established, err error) {
	fp := p.standing.Load().fingerprint
	k := d.memory.get()
	look := func(tx *Tx) error {
		e = established{known: k.tokens}
		s := shown{made: true, fingerprint: fp, beat: -1}
		var stored string
		const row = "SELECT number, token, fingerprint FROM db_incarnation WHERE id = 1"
		err := tx.QueryRow(ctx, row+d.dialect.ForUpdate()).Scan(&s.number, &s.token, &stored)
		if errors.Is(err, sql.ErrNoRows) { // of several nodes that begin together one makes it
			if _, err = tx.InsertIgnore(ctx, "db_incarnation", Row{"id": 1, "number": 1, "fingerprint": fp,
				"token": ""}); err == nil {
				err = tx.QueryRow(ctx, row+d.dialect.ForUpdate()).Scan(&s.number, &s.token, &stored)
			}
		}
		if err != nil {
			return err
		}
		if err := Each(ctx, tx, func(sc Scanner) error {
			var t Token
			var how string
			err := sc.Scan(&t.Number, &t.Value, &how)
			s.add(t, how)
			return err
		}, "SELECT number, token, how FROM db_history ORDER BY number"); err != nil {
			return err
		}
		if k.mark.writer != 0 {
			err := tx.QueryRow(ctx, "SELECT beat, seen FROM change_writer WHERE writer = ?", k.mark.writer).
				Scan(&s.beat, &s.seen)
			if IsNoRows(err) {
				err = tx.QueryRow(ctx, "SELECT COALESCE(MAX(seen), 0) FROM change_writer").Scan(&s.seen)
			}
			if err != nil {
				return err
			}
		}
		first := len(s.tokens) == 0 && len(k.tokens) == 0
		if first { // the schema had no tokens before: nothing can be missing
			e.finding = finding{verdict: newer}
		} else {
			e.finding = judge(k, s, d.opt.LossAccept)
		}
		switch {
		case !e.verdict.usable() && d.dialect == SQLite:
			e.how = HowRestored // a file of one process: who put it there meant it
		case !e.verdict.usable():
			return errUnusable
		case e.verdict == lossy:
			e.how = howLoss
		case strings.HasPrefix(s.token, MovedPrefix):
			// It belongs to another database now: nothing is begun here.
		case !sameHistory(stored, fp) && len(s.tokens) > 0 && len(k.tokens) == 0 && !samePlace(stored, fp):
			e.how = howUnproven // this node remembers nothing, so the data may have been copied here
		case !sameHistory(stored, fp):
			e.how = howContinued
		case len(s.tokens) == 0 || s.tokens[len(s.tokens)-1].Number < s.number: // raised by the version before
			e.how = howFirst
		}
		e.number, e.token, e.tokens, e.unproven = s.number, s.token, s.tokens, s.unproven > s.restored
		if e.how == "" {
			return nil
		}
		if e.how != howFirst {
			e.number = max(s.number, k.newest().Number) + 1
		}
		e.unproven = (e.unproven || e.how == howUnproven) && e.how != HowRestored
		e.token = rand.Text()
		e.tokens = append(e.tokens, Token{e.number, e.token})
		if err := d.begin(ctx, tx, e, s.token, fp); err != nil || d.opt.OnRestored == nil {
			return err
		}
		// A process that starts remembers no revocation that it could repeat.
		if e.how == HowRestored || e.how == howLoss && d.Incarnation() == 0 {
			return d.opt.OnRestored(ctx, tx)
		}
		return nil
	}
	// Nodes that begin together on an empty table lock the place of its row, each before any makes it.
	for range 10 {
		if err = d.controlTx(ctx, p, false, look); !IsLocked(err) {
			break
		}
	}
	if err != nil {
		return e, fmt.Errorf("read the incarnation: %w", err)
	}
	return e, nil
}

// errUnusable says that a server's history is not one that this node may follow.
var errUnusable = errors.New("the database server shows a history that this node may not follow")

// begin writes a new incarnation down.
func (d *DB) begin(ctx context.Context, tx *Tx, e established, parent, fingerprint string) error {
	if err := tx.Insert(ctx, "db_history", Row{
		"number": e.number, "token": e.token, "parent": parent, "fingerprint": fingerprint,
		"how": e.how, "at": Micros(tx.now)}); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "UPDATE db_incarnation SET number = ?, token = ?, fingerprint = ? WHERE id = 1",
		e.number, e.token, fingerprint); err != nil {
		return err
	}
	if e.how == howFirst {
		return nil
	}
	_, err := tx.Exec(ctx, "UPDATE db_counter SET next_id = next_id + ?, incarnation = ?", int64(CounterJump), e.number)
	return err
}

// readIncarnation learns, on the connections in use, which history is followed; where it is new, it is begun.
func (d *DB) readIncarnation(ctx context.Context) error {
	p := d.pools.Load()
	e, err := d.establish(ctx, p)
	if err != nil {
		return err
	}
	if err := d.remember(p, e); err != nil {
		return err
	}
	p.bind(e)
	d.settleOn(p, e)
	return nil
}

// remember keeps an established history for a next life of this node, before anything is read or written there. It
// fails when this node has learned of another history since it was established.
func (d *DB) remember(p *pools, e established) error {
	err := d.memory.follow(e.tokens, p.standing.Load().fingerprint, e.known)
	if d.dialect == SQLite {
		return nil
	}
	return err
}

// bind makes the pools stand for an established history.
func (p *pools) bind(e established) {
	st := *p.standing.Load()
	st.token, st.number, st.unproven = e.token, e.number, e.unproven
	p.standing.Store(&st)
}

// settleOn takes an established history over for this life of the node.
func (d *DB) settleOn(p *pools, e established) {
	if e.how == HowRestored || e.agreed || e.lost > 0 { // the heartbeats that are missing there will not come back
		d.memory.forget()
	}
	if e.agreed {
		e.how = HowRestored
	}
	d.turn(Turn{New: e.number, How: e.how, Lost: e.lost, Server: d.serverName(p.standing.Load().host)})
}

// serverName names a server of the address for people.
func (d *DB) serverName(i int) string {
	if len(d.dsn.hosts) == 0 {
		return d.dsn.label
	}
	return d.dsn.hosts[i].String()
}

// Token is the word of the history that this process follows; writes are bound to it.
func (d *DB) Token() string { return d.pools.Load().token() }

// Histories are the incarnations that this node knows, in the order of their numbers.
func (d *DB) Histories() []Token { return d.memory.get().tokens }

// Beaten notes that a heartbeat of this node was committed: what a server must show to be followed from now
// on. seen is by this node's wall clock, in microseconds, as in the database.
func (d *DB) Beaten(writer, beat, seen int64) {
	if d.memory.beat(mark{writer, beat, seen}) {
		d.away.mu.Lock() // so that nothing begins while Close waits for what did
		if d.life.Err() == nil {
			d.wg.Go(d.memory.saveBeat)
		}
		d.away.mu.Unlock()
	}
	if r := d.refusal.Load(); r != nil && !r.Closed && r.Verdict == readOnly.String() {
		d.refusal.CompareAndSwap(r, nil) // it takes writes
	}
}

// Beat is the newest heartbeat of the writer that is known to be committed, −1 for none.
func (d *DB) Beat(writer int64) int64 {
	if k := d.memory.get(); k.mark.writer == writer {
		return k.mark.beat
	}
	return -1
}

// Unproven reports whether the data may be a copy: it was found on another server by a node that remembered
// nothing. Until an operator says what it is (Adopt), nothing outside of the database may be changed for it.
func (d *DB) Unproven() bool {
	st := d.pools.Load().standing.Load()
	return st != nil && st.unproven
}

// Adopt begins a new incarnation because an operator has said that this database is the one from now on: its
// number is above every one that is known anywhere (above and what the database has), and nodes that know of
// more than the database has follow it all the same. also runs in the same transaction; nil: nothing does.
func (d *DB) Adopt(ctx context.Context, above int64, also func(ctx context.Context, tx *Tx) error) (Token, error) {
	p := d.pools.Load()
	fp := p.standing.Load().fingerprint
	e := established{how: HowRestored}
	err := d.controlTx(ctx, p, false, func(tx *Tx) error {
		var parent string
		if err := tx.QueryRow(ctx,
			"SELECT number, token FROM db_incarnation WHERE id = 1"+d.dialect.ForUpdate(),
		).Scan(&e.number, &parent); err != nil {
			return err
		}
		e.number, e.token = max(e.number, above)+1, rand.Text()
		if err := d.begin(ctx, tx, e, parent, fp); err != nil {
			return err
		}
		if also != nil {
			return also(ctx, tx)
		}
		return nil
	})
	if err != nil {
		return Token{}, fmt.Errorf("begin an incarnation: %w", err)
	}
	// For what this handle still writes. A node finds the new incarnation with its next proof.
	if d.Incarnation() == 0 {
		d.turns.number.Store(e.number)
	}
	return Token{e.number, e.token}, nil
}

// ForgetHistory lets the handle take the database as it finds it. It is for tools that fill a database with the
// data of another; nodes never call it.
func (d *DB) ForgetHistory() { d.memory.clear() }

// Recheck looks again which history the server shows, for a reader that saw in the database that it is not
// the one this process knows.
func (d *DB) Recheck(ctx context.Context) error { return d.search(ctx) }

var errMoved = "this database was moved to %s: set jdbc.default.url to that address on every node and restart it"

// moved gives the error of a write to a database that was copied elsewhere for good, nil for any other.
func (d *DB) moved() error {
	if to, ok := strings.CutPrefix(d.Token(), MovedPrefix); ok {
		return stoa.Unavailable(nil, errMoved, to)
	}
	return nil
}
