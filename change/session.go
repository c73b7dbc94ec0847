package change

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/stoa-portal/stoa/db"
)

// begin registers the writer and takes the present heads as applied.
func (l *Log) begin(ctx context.Context) error {
	if err := l.findGalera(ctx); err != nil {
		return err
	}
	l.core.trust = l.opt.TrustHints && !l.galera.Load()
	lk := l.core.Look(l.opt.Clock())
	err := l.control(ctx, func(tx *db.Tx) error {
		if err := l.causal(ctx, tx); err != nil {
			return err
		}
		if err := l.sameView(ctx, tx); err != nil {
			return err
		}
		if err := l.register(ctx, tx); err != nil {
			return err
		}
		return lk.Read(sqlSource{ctx, tx})
	})
	if err == nil {
		l.core.Join(lk)
	}
	return err
}

// register makes the row that lets readers know of this writer before its first change.
func (l *Log) register(ctx context.Context, tx *db.Tx) error {
	_, err := tx.InsertIgnore(ctx, "change_writer", db.Row{
		"writer": l.Writer(), "low": int64(l.core.Low()), "horizon": 0, "beat": 0, "seen": db.Micros(l.opt.Now()),
	})
	return err
}

var errAgain = errors.New("the session was set up; begin again")

// control runs a transaction on the connections kept for the log. On Galera a session must ask for
// causal reads before its transaction begins, so the first one of a connection is repeated.
func (l *Log) control(ctx context.Context, fn func(tx *db.Tx) error) error {
	for range 8 {
		if err := l.d.Control(ctx, fn); !errors.Is(err, errAgain) {
			return err
		}
	}
	return errAgain
}

// findGalera asks whether the server replicates by write sets: then a read may miss what another node
// has committed and acknowledged.
func (l *Log) findGalera(ctx context.Context) error {
	if l.d.Dialect() != db.MySQL {
		return nil
	}
	type variable struct{ name, value string }
	found, err := db.All(ctx, l.d, func(s db.Scanner) (v variable, err error) { return v, s.Scan(&v.name, &v.value) },
		"SHOW VARIABLES LIKE 'wsrep_on'")
	if err != nil {
		return fmt.Errorf("ask for Galera: %w", err)
	}
	l.galera.Store(len(found) == 1 && strings.EqualFold(found[0].value, "ON"))
	return nil
}

// sameView notices that the servers of a Galera cluster form another group than before: what was acknowledged
// just before may be gone, so this node looks for its own commits and drops what it has read.
func (l *Log) sameView(ctx context.Context, q db.Queryer) error {
	if !l.galera.Load() {
		return nil
	}
	var view string
	err := q.QueryRow(ctx, "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS "+
		"WHERE VARIABLE_NAME = 'WSREP_CLUSTER_CONF_ID'").
		Scan(&view)
	if err != nil {
		return fmt.Errorf("ask for the view of the Galera cluster: %w", err)
	}
	if before := l.view.Swap(&view); before != nil && *before != view {
		l.log.Warn(
			"the servers of the Galera cluster form another group: own commits are looked for, cached values are dropped",
			"was", *before, "is", view)
		l.core.NewHistory() // the look in progress proves nothing
	}
	return nil
}

// causal makes the reads of this transaction wait for what other servers of the group have committed.
func (l *Log) causal(ctx context.Context, q db.Queryer) error {
	if !l.galera.Load() {
		return nil
	}
	var wait int
	if err := q.QueryRow(ctx, "SELECT @@SESSION.wsrep_sync_wait").Scan(&wait); err != nil {
		return fmt.Errorf("ask for causal reads: %w", err)
	}
	if wait&1 == 1 {
		return nil
	}
	tx, ok := q.(*db.Tx)
	if !ok {
		return errors.New("causal reads need a transaction")
	}
	if _, err := tx.Exec(ctx, "SET SESSION wsrep_sync_wait = 1"); err != nil {
		return fmt.Errorf("ask for causal reads: %w", err)
	}
	return errAgain
}
