package change

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// ErrBehind says that rows a durable reader had not read are gone from the log: what it feeds must be
// rebuilt, after Restart.
var ErrBehind = errors.New("the change log was pruned past the position of this reader: rebuild, then restart it")

// Cursor is a reader that cannot start over by dropping a cache: search, audit, webhooks. Its position
// is stored in the database and holds the log back for up to Options.Retention. The stored position is
// the settled one, never the head, so after a crash rows can be delivered again but none is left out.
// A Cursor is used by one goroutine; if two nodes run one name, rows are delivered to both.
type Cursor struct {
	l      *Log
	name   string
	reader *reader
	stored map[int64]uint64 // as in change_reader
	pivot  int64            // the writer to begin with, so that a busy one does not starve others
	era    int
	news   chan struct{}
	stop   func()
}

// Follow opens the durable reader with that name (1 to 60 bytes). A new one is registered at the
// present end of the log before Follow returns, and holds the log back from then on. Close it.
func (l *Log) Follow(ctx context.Context, name string) (*Cursor, error) {
	if name == "" || len(name) > 60 {
		return nil, stoa.Invalid("name", "the reader %q of the change log needs a name of 1 to 60 bytes", name)
	}
	c := &Cursor{l: l, name: name, news: make(chan struct{}, 1)}
	if err := c.load(ctx); err != nil {
		return nil, err
	}
	c.stop = l.Subscribe(func([]Row) {
		select {
		case c.news <- struct{}{}:
		default:
		}
	})
	return c, nil
}

// Close ends the use of the cursor; its stored position stays.
func (c *Cursor) Close() { c.stop() }

// Forget removes the position of a durable reader that is not used any more, so that it no longer holds
// the log back.
func (l *Log) Forget(ctx context.Context, name string) error {
	return l.d.Control(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, "DELETE FROM change_reader WHERE name = ?", name)
		return err
	})
}

type position struct {
	writer int64
	n      int64
}

func (c *Cursor) load(ctx context.Context) error {
	c.era = c.l.core.Era()
	positions, err := db.All(ctx, c.l.d, func(s db.Scanner) (p position, err error) { return p, s.Scan(&p.writer, &p.n) },
		"SELECT writer, n FROM change_reader WHERE name = ?", c.name)
	if err != nil {
		return fmt.Errorf("load the position of %s: %w", c.name, err)
	}
	if !slices.ContainsFunc(positions, func(p position) bool { return p.writer == 0 }) {
		return c.Restart(ctx)
	}
	c.reader, c.stored = newReader(false), map[int64]uint64{}
	for _, p := range positions {
		if p.writer != 0 {
			c.reader.begin(p.writer, uint64(p.n))
			c.stored[p.writer] = uint64(p.n)
		}
	}
	return nil
}

// Restart registers the reader at the present end of the log. Rows that are committed after Restart
// began are delivered, so a rebuild that starts when it has returned misses nothing.
func (c *Cursor) Restart(ctx context.Context) error {
	var r *reader
	err := c.l.control(ctx, func(tx *db.Tx) error {
		if err := c.l.causal(ctx, tx); err != nil {
			return err
		}
		writers, _, err := sqlSource{ctx, tx}.Rows(nil, 0)
		if err != nil {
			return err
		}
		r = newReader(false)
		if _, err := tx.Exec(ctx, "DELETE FROM change_reader WHERE name = ?", c.name); err != nil {
			return err
		}
		at := db.Micros(c.l.opt.Now())
		if err := tx.Insert(ctx, "change_reader", db.Row{"name": c.name, "writer": 0, "n": 0, "at": at}); err != nil {
			return err
		}
		for w, state := range writers {
			n := state.settled() // what is in flight is delivered later
			r.begin(w, n)
			if err := tx.Insert(ctx, "change_reader", db.Row{"name": c.name, "writer": w, "n": int64(n), "at": at}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("register %s with the change log: %w", c.name, err)
	}
	c.reader, c.stored = r, map[int64]uint64{}
	for w, s := range r.streams {
		c.stored[w] = s.settled()
	}
	return nil
}

// Next waits for rows and gives at most about max of them (a transaction is never cut), by writer and
// number. ack stores that they were dealt with; without it the next call gives them again. It returns
// ErrBehind when rows are gone that were not read.
func (c *Cursor) Next(ctx context.Context, max int) (rows []Row, ack func(ctx context.Context) error, err error) {
	if max < 1 {
		return nil, nil, stoa.Invalid("max", "%d rows were asked for: at least 1 is expected", max)
	}
	for {
		rows, ack, more, err := c.look(ctx, max)
		if err != nil || len(rows) > 0 {
			return rows, ack, err
		}
		if more {
			continue
		}
		timer := time.NewTimer(c.l.opt.PollInterval)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, nil, ctx.Err()
		case <-c.l.ctx.Done():
			timer.Stop()
			return nil, nil, errClosed
		case <-c.news:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// look reads once. Without rows there is nothing to deliver; more says that this was not the end.
func (c *Cursor) look(ctx context.Context, max int) (rows []Row, ack func(context.Context) error, more bool, err error) {
	if err := c.sameEra(ctx); err != nil {
		return nil, nil, false, err
	}
	next := c.reader.clone()
	answers, gone, err := c.read(ctx, next, max)
	if err != nil {
		return nil, nil, false, err
	}
	rows, lost := next.take(answers)
	if next.retain(gone) || lost {
		return nil, nil, false, ErrBehind
	}
	ack = func(ctx context.Context) error { return c.settle(ctx, next) }
	if len(rows) > 0 {
		c.pivot = rows[len(rows)-1].Writer + 1
		return rows, ack, false, nil
	}
	// Nothing to deliver, but numbers may have been settled without rows.
	return nil, nil, hasRows(answers) || partial(answers), ack(ctx)
}

// read asks about the writers from the pivot on, and about the others when those have nothing.
func (c *Cursor) read(ctx context.Context, r *reader, max int) ([]answer, []int64, error) {
	qs := r.questions()
	split, _ := slices.BinarySearchFunc(qs, c.pivot, func(q Question, w int64) int {
		switch {
		case q.Writer < w:
			return -1
		case q.Writer > w:
			return 1
		}
		return 0
	})
	if split == len(qs) {
		split = 0
	}
	var answers []answer
	var gone []int64
	for i, part := range [][]Question{qs[split:], qs[:split]} {
		if i == 1 && len(part) == 0 {
			break
		}
		a, unasked, missing, err := c.page(ctx, part, max)
		if err != nil {
			return nil, nil, err
		}
		var fresh []Question
		for _, w := range unasked {
			if r.streams[w] == nil {
				fresh = append(fresh, Question{Writer: w})
			}
		}
		if len(fresh) > 0 && !hasRows(a) {
			more, _, _, err := c.page(ctx, fresh, max)
			if err != nil {
				return nil, nil, err
			}
			a = append(a, more...)
		}
		answers, gone = append(answers, a...), append(gone, missing...)
		if hasRows(answers) {
			break
		}
	}
	return answers, gone, nil
}

// page reads at most max rows, but one whole transaction at least.
func (c *Cursor) page(ctx context.Context, qs []Question, max int) (answers []answer, unasked, gone []int64, err error) {
	for ; ; max *= 4 {
		answers, unasked, gone, err = read(sqlSource{ctx, c.l.d}, qs, max)
		if err != nil {
			return nil, nil, nil, err
		}
		if stuck := !hasRows(answers) && partial(answers); !stuck {
			return answers, unasked, gone, nil
		}
	}
}

func hasRows(answers []answer) bool {
	return slices.ContainsFunc(answers, func(a answer) bool { return len(a.rows) > 0 })
}

func partial(answers []answer) bool {
	return slices.ContainsFunc(answers, func(a answer) bool { return a.partial })
}

// settle stores the settled positions and moves the cursor on.
func (c *Cursor) settle(ctx context.Context, next *reader) error {
	moved := map[int64]uint64{}
	for w, s := range next.streams {
		if old, found := c.stored[w]; !found || s.settled() > old {
			moved[w] = s.settled()
		}
	}
	if len(moved) > 0 {
		err := c.l.d.Control(ctx, func(tx *db.Tx) error {
			at := db.Micros(c.l.opt.Now())
			for w, n := range moved {
				// Never back: another node may run this reader and be further.
				done, err := tx.Affected(ctx, "UPDATE change_reader SET n = CASE WHEN n < ? THEN ? ELSE n END, at = ? WHERE name = ? AND writer = ?", int64(n), int64(n), at, c.name, w)
				if err != nil {
					return err
				}
				if done == 0 {
					if _, err := tx.InsertIgnore(ctx, "change_reader", db.Row{"name": c.name, "writer": w, "n": int64(n), "at": at}); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("store the position of %s: %w", c.name, err)
		}
	}
	for w, n := range moved {
		c.stored[w] = n
	}
	c.reader = next
	return nil
}

// sameEra goes back to the stored position when the database was replaced: what this process read may
// not have happened in the new history.
func (c *Cursor) sameEra(ctx context.Context) error {
	if c.era == c.l.core.Era() {
		return nil
	}
	return c.load(ctx)
}

// clone copies a reader, so that a read that is not acknowledged leaves no trace.
func (r *reader) clone() *reader {
	c := newReader(r.trust)
	for w, s := range r.streams {
		copied := *s
		copied.gaps = slices.Clone(s.gaps)
		copied.hinted = map[uint64]uint64{}
		c.streams[w] = &copied
	}
	return c
}
