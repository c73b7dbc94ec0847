package transfer

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// What a row of db_transfer is about.
const (
	kindBackup  = "backup"  // a backup of this database
	kindRestore = "restore" // a restore into this database
	kindTo      = "copy-to" // this database is copied to another
	kindInto    = "copy-in" // another database is copied into this one

	stateRunning  = "running"  // the first pass
	stateCatching = "catching" // what changed meanwhile
	stateDone     = "done"
	stateMoved    = "moved" // of kindTo: the last step has begun; no write of the portal is taken
)

// row is a row of db_transfer.
type row struct {
	ID, Kind, State, Peer string
	Started, Beat         int64
	Detail                detail
}

// detail is what else is known of a transfer.
type detail struct {
	Source      string `json:"source,omitempty"`      // what tells the source from others
	Token       string `json:"token,omitempty"`       // the token of the source's incarnation before the mark
	Incarnation int64  `json:"incarnation,omitempty"` // that was begun
	ReadOnly    bool   `json:"readOnly,omitempty"`    // without triggers
}

func newID() string { return strings.ToLower(rand.Text()) }

func scanRow(s db.Scanner) (r row, err error) {
	var raw string
	if err := s.Scan(&r.ID, &r.Kind, &r.State, &r.Peer, &r.Started, &r.Beat, &raw); err != nil {
		return r, err
	}
	if err := json.Unmarshal([]byte(raw), &r.Detail); err != nil {
		return r, stoa.Unavailable(err, "a row of db_transfer cannot be read; was it written by another version?")
	}
	return r, nil
}

const selectRow = "SELECT id, kind, state, peer, started, beat, detail FROM db_transfer"

// rowsOfKind gives the transfers of a kind.
func rowsOfKind(ctx context.Context, q db.Queryer, kind string) ([]row, error) {
	return db.All(ctx, q, scanRow, selectRow+" WHERE kind = ? ORDER BY started, id", kind)
}

func (r row) save(ctx context.Context, tx *db.Tx) error {
	raw, err := json.Marshal(r.Detail)
	if err != nil {
		return err
	}
	r.Peer = stoa.Clip(r.Peer, 255)
	return tx.Upsert(ctx, "db_transfer", []string{"id"}, db.Row{
		"id": r.ID, "kind": r.Kind, "state": r.State, "peer": r.Peer,
		"started": r.Started, "beat": r.Beat, "detail": string(raw)})
}

// alive keeps saying that a transfer runs, in the database of its row, until the function it gives is called.
func alive(ctx context.Context, d *db.DB, id string) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		t := time.NewTicker(beatEvery)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
			}
			// A beat that fails is made good by the next; that none comes is what is looked for.
			_ = d.Control(ctx, func(tx *db.Tx) error {
				_, err := tx.Exec(ctx, "UPDATE db_transfer SET beat = ? WHERE id = ?", db.Micros(tx.Now()), id)
				return err
			})
		}
	})
	return func() { cancel(); wg.Wait() }
}

// OldestRunning gives the time at which the oldest backup, copy or restore began that runs on this database; ok is
// false when none does. What was in the file store then must stay: no bytes are swept meanwhile. One without a
// sign of life for ten minutes does not count.
func OldestRunning(ctx context.Context, d *db.DB) (began time.Time, ok bool, err error) {
	all, err := db.All(ctx, d, scanRow, selectRow+" WHERE state NOT IN (?, ?) AND beat > ? ORDER BY started",
		stateDone, stateMoved, db.Micros(time.Now().Add(-beatDead)))
	if err != nil || len(all) == 0 {
		return time.Time{}, false, err
	}
	return db.Time(all[0].Started), true, nil
}

// Unfinished says in a sentence that this database is being filled, or was and is not whole; "" when it may be
// used. A node must not start on it.
func Unfinished(ctx context.Context, q db.Queryer) (sentence string, err error) {
	all, err := db.All(ctx, q, scanRow, selectRow+" WHERE kind IN (?, ?) AND state <> ?", kindRestore, kindInto,
		stateDone)
	if err != nil || len(all) == 0 {
		return "", err
	}
	if all[0].Kind == kindRestore {
		return "a restore from " + all[0].Peer + " into this database has not ended: repeat stoa restore, which " +
			"begins anew", nil
	}
	return "a copy of " + all[0].Peer + " into this database has not ended: repeat stoa db copy on the source, which " +
		"goes on, or give it up with --abort", nil
}

// movedFact is the mark of a portal that was moved to another database, in cluster_fact. The token of its incarnation
// begins with db.MovedPrefix.
const movedFact = "moved"

// Moved gives the address, without password, to which the portal was moved from this database; ok is false when it
// is here. A node that sees ok writes nothing any more.
func Moved(ctx context.Context, q db.Queryer) (address string, ok bool, err error) {
	err = q.QueryRow(ctx, "SELECT value FROM cluster_fact WHERE name = ?", movedFact).Scan(&address)
	if db.IsNoRows(err) {
		return "", false, nil
	}
	return address, err == nil, err
}

// incarnationHas reports whether the row of the incarnation has a column, which depends on the binary that
// migrated the database.
func incarnationHas(ctx context.Context, q db.Queryer, d db.Dialect, column string) (bool, error) {
	return tableHas(ctx, q, d, "db_incarnation", column)
}

func tableHas(ctx context.Context, q db.Queryer, d db.Dialect, table, column string) (bool, error) {
	query := "SELECT count(*) FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = " +
		"? AND column_name = ?"
	switch d {
	case db.SQLite:
		query = "SELECT count(*) FROM pragma_table_info(?) WHERE name = ?"
	case db.MySQL:
		query = "SELECT count(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? " +
			"AND COLUMN_NAME = ?"
	}
	var n int
	err := q.QueryRow(ctx, query, table, column).Scan(&n)
	return n > 0, err
}

// mark says that the portal was moved to address, and gives the token of the incarnation before.
func mark(ctx context.Context, tx *db.Tx, address string) (token string, err error) {
	address = stoa.Clip(address, 240)
	has, err := incarnationHas(ctx, tx, tx.Dialect(), "token")
	if err != nil {
		return "", err
	}
	if has {
		// The column has 190 bytes; the whole address stands in the fact.
		short := stoa.Clip(db.MovedPrefix+address, 190)
		if err := tx.QueryRow(ctx, "SELECT token FROM db_incarnation WHERE id = 1").Scan(&token); err != nil &&
			!db.IsNoRows(err) {
			return "", err
		}
		if _, err := tx.Exec(ctx, "UPDATE db_incarnation SET token = ? WHERE id = 1", short); err != nil {
			return "", err
		}
	}
	return token, tx.Upsert(ctx, "cluster_fact", []string{"name"}, db.Row{"name": movedFact, "value": address})
}

// unmark takes the mark away and puts the token back.
func unmark(ctx context.Context, tx *db.Tx, token string) error {
	has, err := incarnationHas(ctx, tx, tx.Dialect(), "token")
	if err != nil {
		return err
	}
	if has && token != "" {
		if _, err := tx.Exec(ctx, "UPDATE db_incarnation SET token = ? WHERE id = 1", token); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, "DELETE FROM cluster_fact WHERE name = ?", movedFact)
	return err
}

// begin begins a new incarnation in a database that was filled from another: its number is above every one known,
// and ids go on far above those that were handed out. counters are those of the source. It is the one place that
// knows how an incarnation is raised here.
func begin(ctx context.Context, tx *db.Tx, known int64, counters map[string]int64, how string) (
	number int64, err error) {
	var fingerprint string
	err = tx.QueryRow(ctx, "SELECT number, fingerprint FROM db_incarnation WHERE id = 1"+
		tx.Dialect().ForUpdate()).Scan(&number, &fingerprint)
	if err != nil && !db.IsNoRows(err) {
		return 0, err
	}
	number = max(number, known) + 1
	if _, err := tx.Exec(ctx, "UPDATE db_incarnation SET number = ? WHERE id = 1", number); err != nil {
		return 0, err
	}
	hasToken, err := incarnationHas(ctx, tx, tx.Dialect(), "token")
	if err != nil {
		return 0, err
	}
	if hasToken {
		if err := beginHistory(ctx, tx, number, fingerprint, how); err != nil {
			return 0, err
		}
	}
	for name, next := range counters {
		if err := tx.Upsert(ctx, "db_counter", []string{"name"}, db.Row{"name": name, "next_id": next,
			"incarnation": number}); err != nil {
			return 0, err
		}
	}
	_, err = tx.Exec(ctx, "UPDATE db_counter SET next_id = next_id + ?, incarnation = ?", int64(db.CounterJump), number)
	return number, err
}

// beginHistory gives the new incarnation a token and, where the history is kept, a row in it.
func beginHistory(ctx context.Context, tx *db.Tx, number int64, fingerprint, how string) error {
	token := rand.Text()
	if _, err := tx.Exec(ctx, "UPDATE db_incarnation SET token = ? WHERE id = 1", token); err != nil {
		return err
	}
	kept, err := tableHas(ctx, tx, tx.Dialect(), "db_history", "token")
	if err != nil || !kept {
		return err
	}
	var parent string
	err = tx.QueryRow(ctx, "SELECT token FROM db_history WHERE number < ? ORDER BY number DESC LIMIT 1",
		number).Scan(&parent)
	if err != nil && !db.IsNoRows(err) {
		return err
	}
	return tx.Insert(ctx, "db_history", db.Row{
		"number": number, "token": token, "fingerprint": fingerprint, "parent": parent,
		"how": how, "at": db.Micros(tx.Now())})
}

// counters reads the next id of each counter.
func readCounters(ctx context.Context, q db.Queryer) (map[string]int64, error) {
	out := map[string]int64{}
	err := db.Each(ctx, q, func(s db.Scanner) error {
		var name string
		var next int64
		err := s.Scan(&name, &next)
		out[name] = next
		return err
	}, "SELECT name, next_id FROM db_counter")
	return out, err
}

// readNumber gives the newest number of an incarnation that a database knows, 0 for none.
func readNumber(ctx context.Context, q db.Queryer) (number int64, err error) {
	err = q.QueryRow(ctx, "SELECT COALESCE(MAX(number), 0) FROM db_incarnation").Scan(&number)
	return number, err
}
