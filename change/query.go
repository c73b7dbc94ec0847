package change

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/stoa-portal/stoa/db"
)

const (
	writersPerQuery = 100
	gapsPerWriter   = 200 // above it the writer is read from its first gap on
)

// logColumns and writerColumns line up, so that one statement, hence one snapshot, reads both: a
// writer's low may close a gap only if the row was missing in the same snapshot, and its horizon must
// not be older than the rows. Part −1 marks a writer.
const (
	writerColumns = "SELECT writer, horizon AS n, -1 AS part, low, '' AS kind, 0 AS thing, 0 AS scope, " +
		"beat AS version, 0 AS at FROM change_writer"
	logColumns = "SELECT writer, n, part, low, kind, thing, scope, version, at FROM change_log WHERE "
)

// Source is the change log as a transaction sees it.
type Source interface {
	// Rows gives all writers, and the rows asked for in the order of their places, from one snapshot; with
	// limit > 0 at most limit+1 rows.
	Rows(qs []Question, limit int) (map[int64]WriterState, []Row, error)
	// Has gives those of the numbers of a writer that are in the log.
	Has(writer int64, ns []uint64) ([]uint64, error)
}

// WriterState is what the database knows of a writer.
type WriterState struct {
	Low     uint64 // every number below it is settled
	Horizon uint64 // rows below it may have been pruned
	Beat    int64  // its heartbeats, counted
}

// sqlSource reads the log in the database.
type sqlSource struct {
	ctx context.Context
	q   db.Queryer
}

// read asks the log the questions. It also gives the writers that were not asked about and those that
// were and have no row any more. limit bounds the rows (0 = all): the answers are partial then.
func read(src Source, qs []Question, limit int) (answers []answer, unasked, gone []int64, err error) {
	return gather(func(chunk []Question) (map[int64]WriterState, []Row, error) { return src.Rows(chunk, limit) }, qs, limit)
}

// gather makes answers of what fetch reads for chunks of the questions: all writers, and at most
// limit+1 rows in order.
func gather(fetch func([]Question) (map[int64]WriterState, []Row, error), qs []Question, limit int) (answers []answer, unasked, gone []int64, err error) {
	asked := make(map[int64]bool, len(qs))
	for _, x := range qs {
		asked[x.Writer] = true
	}
	for first := 0; first == 0 || first < len(qs); first += writersPerQuery {
		chunk := qs[first:min(first+writersPerQuery, len(qs))]
		writers, rows, err := fetch(chunk)
		if err != nil {
			return nil, nil, nil, err
		}
		cut := limit > 0 && len(rows) > limit
		var last place
		if cut {
			last = place{rows[limit].Writer, rows[limit].N}
		}
		if first == 0 {
			for w := range writers {
				if !asked[w] {
					unasked = append(unasked, w)
				}
			}
			slices.Sort(unasked)
		}
		for _, x := range chunk {
			w, found := writers[x.Writer]
			if !found {
				gone = append(gone, x.Writer)
				continue
			}
			a := answer{writer: x.Writer, low: w.Low, horizon: w.Horizon}
			i, _ := slices.BinarySearchFunc(rows, place{x.Writer, 0}, comparePlace)
			end := place{x.Writer, math.MaxUint64}
			if cut && x.Writer > last.writer {
				continue // nothing of it was read
			}
			if cut && x.Writer == last.writer {
				end = last
				a.partial, a.through = true, throughBefore(rows[i:], last.n)
			}
			j, _ := slices.BinarySearchFunc(rows, end, comparePlace)
			a.rows = rows[i:j]
			answers = append(answers, a)
		}
		if cut {
			return answers, unasked, gone, nil
		}
	}
	return answers, unasked, gone, nil
}

type place struct {
	writer int64
	n      uint64
}

func comparePlace(r Row, p place) int {
	switch {
	case r.Writer != p.writer:
		if r.Writer < p.writer {
			return -1
		}
		return 1
	case r.N < p.n:
		return -1
	case r.N > p.n:
		return 1
	}
	return 0
}

// throughBefore is the highest number read in full before the cut transaction.
func throughBefore(rows []Row, n uint64) (through uint64) {
	for _, r := range rows {
		if r.N >= n {
			break
		}
		through = r.N
	}
	return through
}

// Rows reads all writers and the rows asked for in one statement.
func (s sqlSource) Rows(qs []Question, limit int) (map[int64]WriterState, []Row, error) {
	query, args := writerColumns, []any(nil)
	var where, pages []string
	for _, x := range qs {
		after, gaps := x.After, x.Gaps
		if len(gaps) > gapsPerWriter {
			after, gaps = gaps[0]-1, nil
		}
		parts := []string{"writer = ? AND n > ?"}
		args = append(args, x.Writer, int64(after))
		if len(gaps) > 0 {
			padded := pad(gaps)
			parts = append(parts, "writer = ? AND n IN "+db.In(len(padded)))
			args = append(args, x.Writer)
			for _, n := range padded {
				args = append(args, int64(n))
			}
		}
		for _, part := range parts {
			where = append(where, "("+part+")")
			// Each by itself: of all together, an engine would rather go through the whole log in the order of its key.
			pages = append(pages, fmt.Sprintf("SELECT * FROM (%s%s ORDER BY n, part LIMIT %d) AS p%d", logColumns, part,
				limit+1, len(pages)))
		}
	}
	switch {
	case len(qs) > 0 && limit > 0:
		query += " UNION ALL " + strings.Join(pages, " UNION ALL ")
	case len(qs) > 0:
		query += " UNION ALL " + logColumns + strings.Join(where, " OR ")
	}
	all, err := db.All(s.ctx, s.q, scanRow, query, args...)
	if err != nil {
		return nil, nil, fmt.Errorf("read the change log: %w", err)
	}
	writers := map[int64]WriterState{}
	rows := all[:0]
	for _, r := range all {
		if r.Part == -1 {
			writers[r.Writer] = WriterState{Low: r.Low, Horizon: r.N, Beat: r.Version}
		} else {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b Row) int {
		if c := comparePlace(a, place{b.Writer, b.N}); c != 0 {
			return c
		}
		return a.Part - b.Part
	})
	if limit > 0 && len(rows) > limit+1 {
		rows = rows[:limit+1]
	}
	return writers, rows, nil
}

// Has looks for numbers of a writer.
func (s sqlSource) Has(writer int64, ns []uint64) ([]uint64, error) {
	args := []any{writer}
	for _, n := range ns {
		args = append(args, int64(n))
	}
	found, err := db.All(s.ctx, s.q, func(sc db.Scanner) (n int64, err error) { return n, sc.Scan(&n) },
		"SELECT n FROM change_log WHERE writer = ? AND part = 0 AND n IN "+db.In(len(ns)), args...)
	if err != nil {
		return nil, fmt.Errorf("look for changes: %w", err)
	}
	out := make([]uint64, len(found))
	for i, n := range found {
		out[i] = uint64(n)
	}
	return out, nil
}

// pad repeats the last number up to a power of two, so that there are few texts of statements.
func pad(ns []uint64) []uint64 {
	size := 1
	for size < len(ns) {
		size *= 2
	}
	out := slices.Grow(slices.Clone(ns), size-len(ns))
	for len(out) < size {
		out = append(out, ns[len(ns)-1])
	}
	return out
}

func scanRow(s db.Scanner) (Row, error) {
	var r Row
	var n, low, at int64
	err := s.Scan(&r.Writer, &n, &r.Part, &low, &r.Kind, &r.ID, &r.Scope, &r.Version, &at)
	r.N, r.Low, r.At = uint64(n), uint64(low), db.Time(at)
	return r, err
}

// catchUp asks the questions, and about writers that have appeared since.
func catchUp(self int64, qs []Question, read func([]Question) (answers []answer, unasked, gone []int64, err error)) (answers []answer, gone []int64, err error) {
	for {
		more, unasked, missing, err := read(qs)
		if err != nil {
			return nil, nil, err
		}
		answers, gone, qs = append(answers, more...), append(gone, missing...), nil
		for _, w := range unasked {
			if w != self && !answered(answers, w) {
				qs = append(qs, Question{Writer: w})
			}
		}
		if len(qs) == 0 {
			return answers, gone, nil
		}
	}
}

func answered(answers []answer, w int64) bool {
	for _, a := range answers {
		if a.writer == w {
			return true
		}
	}
	return false
}

// present reads where every other writer stands now: from its published low on, so that the numbers in
// flight become gaps.
func present(src Source, self int64) ([]answer, error) {
	writers, _, err := src.Rows(nil, 0)
	if err != nil {
		return nil, err
	}
	var qs []Question
	for w, state := range writers {
		if w != self {
			qs = append(qs, state.unsettled(w))
		}
	}
	slices.SortFunc(qs, func(a, b Question) int { return cmp.Compare(a.Writer, b.Writer) })
	answers, _, _, err := read(src, qs, 0)
	return answers, err
}

// unsettled asks for what the writer has not said is settled.
func (w WriterState) unsettled(writer int64) Question {
	return Question{Writer: writer, After: w.settled()}
}

// settled is the highest number with nothing open at or below it, by what the database knows.
func (w WriterState) settled() uint64 { return max(w.Low, w.Horizon, 1) - 1 }

// missing gives the own commits that a new history does not have.
func missing(src Source, self int64, recent []commit) (lost []commit, err error) {
	for part := range slices.Chunk(recent, 200) {
		ns := make([]uint64, len(part))
		for i, c := range part {
			ns[i] = c.rows[0].N
		}
		there, err := src.Has(self, ns)
		if err != nil {
			return nil, err
		}
		for i, c := range part {
			if !slices.Contains(there, ns[i]) {
				lost = append(lost, c)
			}
		}
	}
	return lost, nil
}

// Unsettled gives the numbers of a dead writer of which the log does not say what became of them, and
// the number up to which they were looked for.
func Unsettled(src Source, writer int64) (gaps []uint64, head uint64, err error) {
	writers, _, err := src.Rows(nil, 0)
	if err != nil {
		return nil, 0, err
	}
	state, found := writers[writer]
	if !found {
		return nil, 0, nil
	}
	answers, _, _, err := read(src, []Question{state.unsettled(writer)}, 0)
	if err != nil || len(answers) == 0 {
		return nil, 0, err
	}
	r := newReader(false)
	r.take(answers)
	return r.streams[writer].gaps, r.streams[writer].head, nil
}
