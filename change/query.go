package change

import (
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
	writerColumns = "SELECT writer, horizon AS n, -1 AS part, low, '' AS kind, 0 AS thing, 0 AS scope, 0 AS version, 0 AS at FROM change_writer"
	logColumns    = "SELECT writer, n, part, low, kind, thing, scope, version, at FROM change_log WHERE "
)

// read asks the log the questions. It also gives the writers that were not asked about and those that
// were and have no row any more. limit bounds the rows (0 = all): the answers are partial then.
func read(ctx context.Context, q db.Queryer, qs []question, limit int) (answers []answer, unasked, gone []int64, err error) {
	return gather(func(chunk []question) (map[int64]writerRow, []Row, error) { return readChunk(ctx, q, chunk, limit) }, qs, limit)
}

// gather makes answers of what fetch reads for chunks of the questions: all writers, and at most
// limit+1 rows in order.
func gather(fetch func([]question) (map[int64]writerRow, []Row, error), qs []question, limit int) (answers []answer, unasked, gone []int64, err error) {
	asked := make(map[int64]bool, len(qs))
	for _, x := range qs {
		asked[x.writer] = true
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
			w, found := writers[x.writer]
			if !found {
				gone = append(gone, x.writer)
				continue
			}
			a := answer{writer: x.writer, low: w.low, horizon: w.horizon}
			i, _ := slices.BinarySearchFunc(rows, place{x.writer, 0}, comparePlace)
			end := place{x.writer, math.MaxUint64}
			if cut && x.writer > last.writer {
				continue // nothing of it was read
			}
			if cut && x.writer == last.writer {
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

type writerRow struct{ low, horizon uint64 }

// readChunk reads all writers and the rows asked for, in order of their place.
func readChunk(ctx context.Context, q db.Queryer, qs []question, limit int) (map[int64]writerRow, []Row, error) {
	query, args := writerColumns, []any(nil)
	if len(qs) > 0 {
		var where []string
		for _, x := range qs {
			after, gaps := x.after, x.gaps
			if len(gaps) > gapsPerWriter {
				after, gaps = gaps[0]-1, nil
			}
			w := "(writer = ? AND n > ?)"
			args = append(args, x.writer, int64(after))
			if len(gaps) > 0 {
				padded := pad(gaps)
				w += " OR (writer = ? AND n IN " + db.In(len(padded)) + ")"
				args = append(args, x.writer)
				for _, n := range padded {
					args = append(args, int64(n))
				}
			}
			where = append(where, w)
		}
		rows := logColumns + strings.Join(where, " OR ")
		if limit > 0 {
			rows = fmt.Sprintf("SELECT * FROM (%s ORDER BY writer, n, part LIMIT %d) AS page", rows, limit+1)
		}
		query += " UNION ALL " + rows
	}
	all, err := db.All(ctx, q, scanRow, query, args...)
	if err != nil {
		return nil, nil, fmt.Errorf("read the change log: %w", err)
	}
	writers := map[int64]writerRow{}
	rows := all[:0]
	for _, r := range all {
		if r.Part == -1 {
			writers[r.Writer] = writerRow{low: r.Low, horizon: r.N}
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
	return writers, rows, nil
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
