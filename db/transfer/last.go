package transfer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

const (
	// lastLimit is how long the source may be without writes at the end; after that they are let in again.
	lastLimit = 10 * time.Second
	// countLimit is how long the numbers of rows are compared there.
	countLimit = 2 * time.Second
	// sampleRows and sampleTime bound what is copied to find out how long all of it would take.
	sampleRows = 20_000
	sampleTime = 3 * time.Second
)

// last is the last step: no writes, the rest of what changed, and the target is the portal.
func (c *copying) last(ctx context.Context) error {
	if c.o.BeforeLast != nil {
		if err := c.o.BeforeLast(); err != nil {
			return err
		}
	}
	began := time.Now()
	err := stopWrites(ctx, c.o.Source, &c.out)
	for try := 0; db.IsLocked(err) && try < 10; try++ { // a transaction that takes long: let the others pass, and try again
		if _, err := c.round(ctx); err != nil {
			return c.letWrite(ctx, err)
		}
		began = time.Now()
		err = stopWrites(ctx, c.o.Source, &c.out)
	}
	if err != nil {
		return c.letWrite(ctx, fmt.Errorf("stop the writes of the source: %w", err))
	}
	if c.o.InLast != nil {
		if err := c.o.InLast(); err != nil {
			return err
		}
	}
	short, cancel := context.WithTimeout(ctx, lastLimit)
	defer cancel()
	for {
		n, err := c.round(short)
		if err != nil && short.Err() != nil && ctx.Err() == nil {
			err = stoa.Unavailable(err, "the last step took longer than %s, so the source takes writes again: repeat "+
				"when less is written; the copy goes on where it is", lastLimit)
		}
		if err != nil {
			return c.letWrite(ctx, err)
		}
		if n == 0 {
			break
		}
	}
	if err := c.sameCounts(short); err != nil {
		return c.letWrite(ctx, err)
	}
	if err := c.finish(short); err != nil {
		// An answer that was lost: the target says what is so. Where it does not, nothing is let in: of two
		// portals that both take writes one would lose them.
		ins, readErr := rowsOfKind(ctx, c.o.Target, kindInto)
		switch {
		case readErr != nil:
			return errors.Join(err, readErr, stoa.Unavailable(readErr, "it is not known whether the target is "+
				"complete: the source stays read-only; repeat stoa db copy, or give it up with --abort"))
		case !slices.ContainsFunc(ins, func(r row) bool { return r.ID == c.out.ID && r.State == stateDone }):
			return c.letWrite(ctx, err)
		}
	}
	c.result.ReadOnly = time.Since(began)
	c.o.Progress.tell("done", c.total, c.total)
	return nil
}

// letWrite lets the source take writes again after a last step that failed, and gives the error on.
func (c *copying) letWrite(ctx context.Context, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	err := c.o.Source.Control(ctx, func(tx *db.Tx) error {
		if !c.out.Detail.ReadOnly {
			if _, err := tx.Exec(ctx, "UPDATE "+stopTable+" SET stopped = 0 WHERE id = 1"); err != nil {
				return err
			}
		}
		if err := unmark(ctx, tx, c.out.Detail.Token); err != nil {
			return err
		}
		c.out.State = stateRunning
		return c.out.save(ctx, tx)
	})
	if err != nil {
		err = stoa.Unavailable(err, "the source stays read-only: repeat stoa db copy, or give it up with --abort")
	}
	return errors.Join(cause, err)
}

// sameCounts compares how many rows each table has, as far as there is time: the ranges and the changes were compared
// already, so this looks for what no trigger noted.
func (c *copying) sameCounts(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, countLimit)
	defer cancel()
	from, _, err := countRows(ctx, c.o.Source, c.tables)
	if ctx.Err() != nil {
		c.log.Info("the tables are too large to count their rows in the last step")
		return nil
	}
	if err != nil {
		return err
	}
	to, _, err := countRows(ctx, c.o.Target, c.tables)
	if ctx.Err() != nil {
		return nil
	}
	for _, t := range c.tables {
		if err == nil && from[t.Name] != to[t.Name] {
			err = stoa.Unavailable(nil, "table %s has %d rows in the source and %d in the target; is anything else "+
				"writing to it?", t.Name, from[t.Name], to[t.Name])
		}
	}
	return err
}

// finish copies the few rows that come last and begins the new incarnation, in one transaction.
func (c *copying) finish(ctx context.Context) error {
	if n, err := schemaNumber(ctx, c.o.Source); err != nil || n != c.schema {
		return errors.Join(err, stoa.Conflict("the source was brought to schema %d during the copy: give the copy up "+
			"with --abort, and begin anew with that version", n))
	}
	known, err := readNumber(ctx, c.o.Source)
	if err != nil {
		return err
	}
	ids, err := readCounters(ctx, c.o.Source)
	if err != nil {
		return err
	}
	rows := map[string][][]any{}
	r := reader{q: c.o.Source, dialect: c.o.Source.Dialect()}
	for _, t := range c.lasts {
		if err := r.pages(ctx, t, nil, func(p Page) error {
			rows[t.Name] = append(rows[t.Name], p.Rows...)
			return nil
		}); err != nil {
			return err
		}
	}
	return c.o.Target.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		for _, t := range c.lasts {
			if t.Name == "db_counter" {
				continue
			}
			if _, err := tx.Exec(ctx, "DELETE FROM "+t.Name); err != nil {
				return err
			}
			if err := put(ctx, tx, t, rows[t.Name], nil); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, "DELETE FROM cluster_fact WHERE name = ?", movedFact); err != nil {
			return err
		}
		number, err := begin(ctx, tx, known, ids, db.HowRestored)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM db_transfer_part WHERE transfer = ?", c.into.ID); err != nil {
			return err
		}
		into := c.into
		into.State, into.Detail.Incarnation, into.Beat = stateDone, number, db.Micros(tx.Now())
		c.result.Incarnation = number
		return into.save(ctx, tx)
	})
}

// readOnly copies everything while locks keep writers out.
func (c *copying) readOnly(ctx context.Context) (err error) {
	began := time.Now()
	if err := c.o.Source.Control(ctx, func(tx *db.Tx) error { return c.out.markMoved(ctx, tx) }); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = c.letWrite(ctx, err)
		}
	}()
	own, err := c.o.Source.Own(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = own.Close() }()
	names := make([]string, len(c.tables))
	for i, t := range c.tables {
		names[i] = t.Name
	}
	lock := []string{"BEGIN IMMEDIATE"}
	switch own.Dialect() {
	case db.Postgres:
		lock = []string{"BEGIN", "LOCK TABLE " + strings.Join(names, ", ") + " IN SHARE MODE"}
	case db.MySQL:
		lock = []string{"SET SESSION lock_wait_timeout = 30", "LOCK TABLES " + strings.Join(names, " READ, ") + " READ"}
	}
	for _, s := range lock {
		if _, err := own.Exec(ctx, s); err != nil {
			return stoa.Unavailable(err, "the tables of the source cannot be locked against writes; this user needs "+
				"the privilege LOCK TABLES, or nodes must be stopped and their long transactions end")
		}
	}
	if err := c.firstPass(ctx, reader{q: own, dialect: own.Dialect(), rows: c.o.PageRows}); err != nil {
		return err
	}
	if err := c.finish(ctx); err != nil {
		return err
	}
	c.result.ReadOnly = time.Since(began)
	return nil
}

var errSample = errors.New("transfer: only a sample")

// estimate copies a part of the largest table, takes it back, and works out how long all would take.
func (c *copying) estimate(ctx context.Context) (time.Duration, error) {
	each, total, err := countRows(ctx, c.o.Source, c.tables)
	if err != nil || total == 0 {
		return 0, err
	}
	largest := slices.MaxFunc(c.tables, func(a, b Table) int { return int(min(max(each[a.Name]-each[b.Name], -1), 1)) })
	began, n := time.Now(), int64(0)
	err = (reader{q: c.o.Source, dialect: c.o.Source.Dialect()}).pages(ctx, largest, nil, func(p Page) error {
		err := c.o.Target.Control(ctx, func(tx *db.Tx) error {
			if err := put(ctx, tx, largest, p.Rows, nil); err != nil {
				return err
			}
			if _, err := (reader{q: tx, dialect: tx.Dialect()}).sum(ctx, p); err != nil {
				return err
			}
			return errSample
		})
		n += int64(len(p.Rows))
		if errors.Is(err, errSample) && (n < sampleRows && time.Since(began) < sampleTime) {
			return nil
		}
		return err
	})
	if err != nil && !errors.Is(err, errSample) {
		return 0, err
	}
	return time.Duration(float64(time.Since(began)) / float64(n) * float64(total)), nil
}

// markMoved says in the source that the portal is elsewhere, and keeps what the mark takes the place of.
func (r *row) markMoved(ctx context.Context, tx *db.Tx) error {
	token, err := mark(ctx, tx, r.Peer)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(token, db.MovedPrefix) {
		r.Detail.Token = token
	}
	r.State = stateMoved
	return r.save(ctx, tx)
}

// Abort gives up a copy that has not ended: triggers and marks go from the source, which takes writes again, and the
// target is empty again. target may be nil when it cannot be reached: it has to be emptied by hand then.
func Abort(ctx context.Context, source, target *db.DB) error {
	outs, err := rowsOfKind(ctx, source, kindTo)
	if err != nil {
		return err
	}
	tables, err := ReadSchema(ctx, source, source.Dialect())
	if err != nil {
		return err
	}
	if len(outs) == 0 { // triggers may be there all the same, from one that died at its very beginning
		return stopCapture(ctx, source, dataTables(tables))
	}
	if target == nil && outs[0].State == stateMoved {
		return stoa.Unavailable(nil, "the copy to %s was in its last step: whether it is complete stands there, so "+
			"it has to be reached", outs[0].Peer)
	}
	if target != nil {
		ins, err := rowsOfKind(ctx, target, kindInto)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(ins, func(r row) bool { return r.ID == outs[0].ID && r.State == stateDone }) {
			return stoa.Conflict("the portal was moved to %s: there is nothing to give up; take it back with --undo",
				outs[0].Peer)
		}
	}
	return giveUp(ctx, source, target, tables, outs[0])
}

// giveUp clears away what a copy made on both sides. Its rows go last, so that it can be repeated.
func giveUp(ctx context.Context, source, target *db.DB, tables []Table, out row) error {
	if err := source.Control(ctx, func(tx *db.Tx) error {
		if out.State != stateMoved {
			return nil
		}
		return unmark(ctx, tx, out.Detail.Token)
	}); err != nil {
		return err
	}
	if err := stopCapture(ctx, source, dataTables(tables)); err != nil {
		return err
	}
	if target != nil {
		ins, err := rowsOfKind(ctx, target, kindInto)
		if err != nil {
			return err
		}
		// Only what this copy wrote: the row says whose it is.
		if slices.ContainsFunc(ins, func(r row) bool { return r.ID == out.ID }) {
			if err := clearTarget(ctx, target, tables, out.ID); err != nil {
				return err
			}
		}
	}
	return source.Control(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, "DELETE FROM db_transfer WHERE id = ?", out.ID)
		return err
	})
}

func clearTarget(ctx context.Context, target *db.DB, tables []Table, id string) error {
	if err := empty(ctx, target, tables); err != nil {
		return err
	}
	return target.Control(ctx, func(tx *db.Tx) error {
		if _, err := tx.Exec(ctx, "DELETE FROM db_transfer_part WHERE transfer = ?", id); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "DELETE FROM db_transfer WHERE id = ?", id)
		return err
	})
}

// Undo takes a copy that has ended back, as long as the target took no write of its own: every table is compared with
// the source, which took none since. The source then takes writes again, in a new incarnation, and the target is empty.
func Undo(ctx context.Context, source, target *db.DB, progress Progress) error {
	outs, err := rowsOfKind(ctx, source, kindTo)
	if err != nil {
		return err
	}
	ins, err := rowsOfKind(ctx, target, kindInto)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(outs, func(r row) bool {
		return slices.ContainsFunc(ins, func(i row) bool { return i.ID == r.ID && i.State == stateDone })
	})
	if at < 0 {
		return stoa.Conflict("the portal was not moved from %s to %s", source.Describe(), target.Describe())
	}
	out := outs[at]
	tables, err := ReadSchema(ctx, source, source.Dialect())
	if err != nil {
		return err
	}
	var token string
	if err := target.Control(ctx, func(tx *db.Tx) error { // nodes on it stop before it is looked at
		var err error
		token, err = mark(ctx, tx, source.Describe())
		return err
	}); err != nil {
		return err
	}
	if err := unchanged(ctx, source, target, tables, progress); err != nil {
		return errors.Join(err, target.Control(context.WithoutCancel(ctx), func(tx *db.Tx) error {
			return unmark(ctx, tx, token)
		}))
	}
	known, err := readNumber(ctx, target)
	if err != nil {
		return err
	}
	if err := source.Control(ctx, func(tx *db.Tx) error {
		if err := unmark(ctx, tx, out.Detail.Token); err != nil {
			return err
		}
		if _, err := begin(ctx, tx, known, nil, db.HowRestored); err != nil {
			return err
		}
		out.State = stateRunning // from here on it is a copy to give up
		return out.save(ctx, tx)
	}); err != nil {
		return err
	}
	return giveUp(ctx, source, target, tables, out)
}

// unchanged is nil when the target is what the source is.
func unchanged(ctx context.Context, source, target *db.DB, tables []Table, progress Progress) error {
	_, total, err := countRows(ctx, source, dataTables(tables))
	if err != nil {
		return err
	}
	var done int64
	wrote := func(what string) error {
		return stoa.Conflict("the portal at %s has been written to since it was moved there (%s): going back would "+
			"lose that. To go back with it, copy from there", target.Describe(), what)
	}
	for _, t := range dataTables(tables) {
		a, err := (reader{q: source, dialect: source.Dialect()}).whole(ctx, t)
		if err != nil {
			return err
		}
		b, err := (reader{q: target, dialect: target.Dialect()}).whole(ctx, t)
		if err != nil {
			return err
		}
		if a != b {
			return wrote("table " + t.Name + " differs")
		}
		done += a.Rows
		progress.tell("compared", done, total)
	}
	var one int
	err = target.QueryRow(ctx, "SELECT 1 FROM change_log LIMIT 1").Scan(&one)
	if err == nil {
		return wrote("its change log has rows")
	}
	if !db.IsNoRows(err) {
		return err
	}
	return nil
}
