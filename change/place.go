package change

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// ErrBehind says that rows a durable reader had not read are gone from the log: what it feeds must be
// rebuilt, from End on.
var ErrBehind = errors.New("the change log was pruned past the place of this reader: what it feeds must be rebuilt")

// Mark is how far a durable reader has read one writer: every number up to Head, except those in Gaps, which
// rise. Every number below Low was settled when it was read.
type Mark struct {
	Writer int64
	Head   uint64
	Gaps   []uint64
	Low    uint64
}

// Settled is the highest number with nothing open at or below it.
func (m Mark) Settled() uint64 {
	if len(m.Gaps) > 0 {
		return m.Gaps[0] - 1
	}
	return m.Head
}

func (m Mark) equal(o Mark) bool {
	return m.Writer == o.Writer && m.Head == o.Head && slices.Equal(m.Gaps, o.Gaps)
}

// Place is how far a durable reader has read the log: a mark for each writer, by writer. A reader that keeps one
// outside of the database keeps the history it belongs to beside it. No caller may change one.
type Place []Mark

// Open reports whether there are numbers of which the log did not say yet what became of them.
func (p Place) Open() bool {
	return slices.ContainsFunc(p, func(m Mark) bool { return len(m.Gaps) > 0 })
}

// Equal reports whether both have read the same.
func (p Place) Equal(o Place) bool { return slices.EqualFunc(p, o, Mark.equal) }

// Has reports whether the place has read the row of a writer with the number.
func (p Place) Has(writer int64, n uint64) bool {
	i := slices.IndexFunc(p, func(m Mark) bool { return m.Writer == writer })
	return i >= 0 && n <= p[i].Head && !slices.Contains(p[i].Gaps, n)
}

// reader gives a reader that stands at the place.
func (p Place) reader() *reader {
	r := newReader(false)
	for _, m := range p {
		r.streams[m.Writer] = &stream{head: m.Head, gaps: slices.Clone(m.Gaps), low: m.Low, hinted: map[uint64]uint64{}}
	}
	return r
}

func (r *reader) place() Place {
	p := make(Place, 0, len(r.streams))
	for w, s := range r.streams {
		p = append(p, Mark{Writer: w, Head: s.head, Gaps: s.gaps, Low: s.low})
	}
	slices.SortFunc(p, func(a, b Mark) int { return cmp.Compare(a.Writer, b.Writer) })
	return p
}

// Read is what a durable reader has read at once.
type Read struct {
	Rows  []Row // by writer and number; a transaction is never cut
	Place Place // of who has dealt with the rows
	More  bool  // this was not the end
}

// End is the present end of the log. Rows that are committed after End began come after it, and those that are in
// flight; some that were committed before may come as well.
func (l *Log) End(ctx context.Context) (Place, error) {
	r := newReader(false)
	err := l.control(ctx, func(tx *db.Tx) error {
		if err := l.causal(ctx, tx); err != nil {
			return err
		}
		writers, _, err := sqlSource{ctx, tx}.Rows(nil, 0)
		if err != nil {
			return err
		}
		clear(r.streams)
		for w, state := range writers {
			r.begin(w, state.settled()) // what is in flight is delivered later
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for the end of the change log: %w", err)
	}
	return r.place(), nil
}

// After reads on from a place, at most about limit (1 or more) rows, as a transaction is never cut. It begins with
// the writer from, so that a busy one does not starve the others; the next call begins after the last one of the
// rows. ErrBehind says that rows are gone that were not read.
func (l *Log) After(ctx context.Context, p Place, from int64, limit int) (Read, error) {
	if limit < 1 {
		return Read{}, stoa.Invalid("limit", "%d rows were asked for: at least 1 is expected", limit)
	}
	r := p.reader()
	answers, gone, err := l.readOn(ctx, r, from, limit)
	if err != nil {
		return Read{}, err
	}
	rows, lost := r.take(answers)
	if r.retain(gone) || lost {
		return Read{}, ErrBehind
	}
	return Read{Rows: rows, Place: r.place(), More: hasRows(answers) || partial(answers)}, nil
}

// readOn asks about the writers from the given one on, and about the others when those have nothing.
func (l *Log) readOn(ctx context.Context, r *reader, from int64, limit int) ([]answer, []int64, error) {
	qs := r.questions()
	split, _ := slices.BinarySearchFunc(qs, from, func(q Question, w int64) int { return cmp.Compare(q.Writer, w) })
	if split == len(qs) {
		split = 0
	}
	var answers []answer
	var gone []int64
	for i, part := range [][]Question{qs[split:], qs[:split]} {
		if i == 1 && len(part) == 0 {
			break
		}
		a, unasked, missing, err := l.page(ctx, part, limit)
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
			more, _, _, err := l.page(ctx, fresh, limit)
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

// page reads at most limit rows, but one whole transaction at least.
func (l *Log) page(ctx context.Context, qs []Question, limit int) (answers []answer, unasked, gone []int64, err error) {
	for ; ; limit *= 4 {
		answers, unasked, gone, err = read(sqlSource{ctx, l.d}, qs, limit)
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

// Beyond gives the writers of which a place has read more than the database has: a fail-over lost it. One that
// lives is back above it with its next heartbeat.
func (l *Log) Beyond(ctx context.Context, p Place) (writers []int64, err error) {
	type state struct{ writer, low, horizon, newest int64 }
	states, err := db.All(ctx, l.d,
		func(s db.Scanner) (w state, err error) { return w, s.Scan(&w.writer, &w.low, &w.horizon, &w.newest) },
		"SELECT writer, low, horizon, COALESCE((SELECT MAX(n) FROM change_log "+
			"WHERE change_log.writer = change_writer.writer), 0) FROM change_writer")
	if err != nil {
		return nil, fmt.Errorf("compare a place with the change log: %w", err)
	}
	for _, m := range p {
		i := slices.IndexFunc(states, func(s state) bool { return s.writer == m.Writer })
		if i < 0 || m.Head > uint64(max(states[i].low-1, states[i].horizon-1, states[i].newest)) {
			writers = append(writers, m.Writer)
		}
	}
	return writers, nil
}

// Position gives the place that is registered under a name; found is false when none is. What is registered holds
// pruning back up to Options.Retention.
func (l *Log) Position(ctx context.Context, q db.Queryer, name string) (p Place, found bool, err error) {
	type position struct {
		writer, n int64
		ahead     *string
	}
	rows, err := db.All(ctx, q,
		func(s db.Scanner) (p position, err error) { return p, s.Scan(&p.writer, &p.n, &p.ahead) },
		"SELECT writer, n, ahead FROM change_reader WHERE name = ? ORDER BY writer", name)
	if err != nil {
		return nil, false, fmt.Errorf("read the place of %s: %w", name, err)
	}
	for _, row := range rows {
		if row.writer == 0 {
			found = true
			continue
		}
		m := Mark{Writer: row.writer, Head: uint64(row.n)}
		if row.ahead != nil {
			if err := m.parseAhead(*row.ahead); err != nil {
				return nil, false, fmt.Errorf("read the place of %s: %w", name, err)
			}
		}
		p = append(p, m)
	}
	return p, found, nil
}

// Register makes a place the registered one of a name (1 to 60 bytes), whatever it was before.
func (l *Log) Register(ctx context.Context, tx *db.Tx, name string, p Place) error {
	if name == "" || len(name) > 60 {
		return stoa.Invalid("name", "the reader %q of the change log needs a name of 1 to 60 bytes", name)
	}
	if err := Forget(ctx, tx, name); err != nil {
		return err
	}
	row := db.Row{"name": name, "writer": 0, "n": 0, "at": db.Micros(tx.Now())}
	if err := tx.Insert(ctx, "change_reader", row); err != nil {
		return fmt.Errorf("register %s with the change log: %w", name, err)
	}
	return l.Move(ctx, tx, name, nil, p)
}

// Move changes the registered place of a name. The caller sees to it that from is what is registered, and that
// nothing else moves it meanwhile.
func (l *Log) Move(ctx context.Context, tx *db.Tx, name string, from, to Place) error {
	at := db.Micros(tx.Now())
	was := make(map[int64]Mark, len(from))
	for _, m := range from {
		was[m.Writer] = m
	}
	for _, m := range to {
		old, found := was[m.Writer]
		delete(was, m.Writer)
		if found && old.equal(m) {
			continue
		}
		n, ahead := int64(m.Settled()), m.ahead()
		done, err := tx.Affected(ctx, "UPDATE change_reader SET n = ?, ahead = ?, at = ? WHERE name = ? AND writer = ?",
			n, ahead, at, name, m.Writer)
		if err == nil && done == 0 {
			err = tx.Insert(ctx, "change_reader",
				db.Row{"name": name, "writer": m.Writer, "n": n, "ahead": ahead, "at": at})
		}
		if err != nil {
			return fmt.Errorf("move the place of %s: %w", name, err)
		}
	}
	for w := range was { // forgotten writers
		if _, err := tx.Exec(ctx, "DELETE FROM change_reader WHERE name = ? AND writer = ?", name, w); err != nil {
			return fmt.Errorf("move the place of %s: %w", name, err)
		}
	}
	return nil
}

// Forget removes the registered place of a name that is not used any more, so that it no longer holds the log back.
func Forget(ctx context.Context, tx *db.Tx, name string) error {
	if _, err := tx.Exec(ctx, "DELETE FROM change_reader WHERE name = ?", name); err != nil {
		return fmt.Errorf("forget the place of %s: %w", name, err)
	}
	return nil
}

// ahead gives what was read above Settled as "head:gap,gap", nil when that is nothing.
func (m Mark) ahead() any {
	if len(m.Gaps) == 0 {
		return nil
	}
	b := strconv.AppendUint(nil, m.Head, 10)
	for i, n := range m.Gaps {
		b = append(b, ":,"[min(i, 1)])
		b = strconv.AppendUint(b, n, 10)
	}
	return string(b)
}

// parseAhead reads what ahead gives.
func (m *Mark) parseAhead(s string) (err error) {
	head, gaps, _ := strings.Cut(s, ":")
	if m.Head, err = strconv.ParseUint(head, 10, 63); err != nil {
		return fmt.Errorf("%.60q is not what was read ahead: %w", s, err)
	}
	for part := range strings.SplitSeq(gaps, ",") {
		n, err := strconv.ParseUint(part, 10, 63)
		if err != nil || n == 0 || n > m.Head || len(m.Gaps) > 0 && n <= m.Gaps[len(m.Gaps)-1] {
			return fmt.Errorf("%.60q is not what was read ahead: rising gaps below a head are expected", s)
		}
		m.Gaps = append(m.Gaps, n)
	}
	return nil
}
