package change

import (
	"cmp"
	"hash/maphash"
	"slices"
)

// reader decides which rows of the log are new. It does no I/O and knows no time, so that a test can
// replay every interleaving from a seed. It is not safe for concurrent use.
//
// Per writer it keeps a head and the open gaps below it. Every number up to the head is applied, or
// settled without a row, or a gap. A gap closes when its row appears, or when a low above it was read
// in the same snapshot as the (missing) row: then the number was rolled back.
type reader struct {
	digest  digester
	trust   bool // a hint counts as applied, and the log's row is not applied a second time
	streams map[int64]*stream

	repaired uint64 // transactions applied from the log that no hint had brought
	again    uint64 // transactions confirmed by the log after their hint
}

// stream is what a reader knows of one writer.
type stream struct {
	head    uint64
	gaps    []uint64          // sorted; all ≤ head
	hinted  map[uint64]uint64 // numbers applied as hints that the log has not shown yet, with the digest of their rows
	low     uint64            // as read last; for status and for letting a writer go
	horizon uint64
}

// maxHinted bounds what forged or early hints can make a reader remember per writer.
const maxHinted = 1 << 14

// Question is what to ask the log about one writer: every row with n > After or n in Gaps.
type Question struct {
	Writer int64
	After  uint64
	Gaps   []uint64
}

// answer is what one snapshot of the database says to a question. Low and horizon are of the writer's
// own row in that same snapshot.
type answer struct {
	writer  int64
	low     uint64 // every number below it is settled
	horizon uint64 // rows below it may have been pruned
	rows    []Row  // by n and part; a transaction is never cut
	partial bool   // only rows with n ≤ through were read
	through uint64
}

func newReader(trust bool) *reader {
	return &reader{digest: digester{seed: maphash.MakeSeed()}, trust: trust, streams: map[int64]*stream{}}
}

// next is the smallest number that this reader still needs.
func (s *stream) next() uint64 {
	if len(s.gaps) > 0 {
		return s.gaps[0]
	}
	return s.head + 1
}

// settled is the highest number with nothing open at or below it.
func (s *stream) settled() uint64 { return s.next() - 1 }

func (s *stream) open(n uint64) bool {
	if n > s.head {
		return true
	}
	_, found := slices.BinarySearch(s.gaps, n)
	return found
}

// questions says what to ask the log, in the order of the writers.
func (r *reader) questions() []Question {
	qs := make([]Question, 0, len(r.streams))
	for w, s := range r.streams {
		qs = append(qs, Question{Writer: w, After: s.head, Gaps: slices.Clone(s.gaps)})
	}
	slices.SortFunc(qs, func(a, b Question) int { return cmp.Compare(a.Writer, b.Writer) })
	return qs
}

// begin takes a writer as read up to and including n.
func (r *reader) begin(writer int64, n uint64) {
	r.streams[writer] = &stream{head: n, hinted: map[uint64]uint64{}}
}

// take moves the reader on by the answers of one log read and gives the rows to apply. lost says that
// rows this reader had not read are gone, so whatever it feeds must start over.
func (r *reader) take(answers []answer) (rows []Row, lost bool) {
	for _, a := range answers {
		s := r.streams[a.writer]
		if s == nil {
			s = &stream{hinted: map[uint64]uint64{}}
			r.streams[a.writer] = s
		}
		if s.next() < a.horizon {
			lost = true
			s.skip(a.horizon - 1)
		}
		rows = append(rows, r.takeOne(s, a)...)
	}
	return rows, lost
}

// skip gives up everything up to and including n.
func (s *stream) skip(n uint64) {
	s.head = max(s.head, n)
	i, found := slices.BinarySearch(s.gaps, n)
	if found {
		i++
	}
	s.gaps = slices.Delete(s.gaps, 0, i)
	s.forget()
}

// forget drops hints that are no longer open.
func (s *stream) forget() {
	for n := range s.hinted {
		if !s.open(n) {
			delete(s.hinted, n)
		}
	}
}

func (r *reader) takeOne(s *stream, a answer) (apply []Row) {
	low, top := max(a.low, 1), s.head
	present := make(map[uint64]bool, len(a.rows))
	for i := 0; i < len(a.rows); {
		n, j := a.rows[i].N, i
		for j < len(a.rows) && a.rows[j].N == n {
			j++
		}
		tx := a.rows[i:j]
		low, top = max(low, tx[0].Low), max(top, n)
		if s.open(n) && !present[n] {
			apply = append(apply, r.confirm(s, n, tx)...)
		}
		present[n] = true
		i = j
	}
	if a.partial {
		top = max(top, a.through)
	} else {
		top = max(top, low-1)
	}
	missing := func(n uint64) bool { // still open after this read
		return !present[n] && (n >= low || a.partial && n > a.through)
	}
	s.gaps = slices.DeleteFunc(s.gaps, func(n uint64) bool { return !missing(n) })
	for n := max(s.head+1, low); n <= top; n++ {
		if missing(n) {
			s.gaps = append(s.gaps, n)
		}
	}
	s.head = top
	s.low, s.horizon = max(s.low, low), max(s.horizon, a.horizon)
	s.forget()
	return apply
}

// confirm gives the rows of a transaction that the log shows for the first time.
func (r *reader) confirm(s *stream, n uint64, tx []Row) []Row {
	if tx[0].Kind == tombstone {
		return nil
	}
	digest, hinted := s.hinted[n]
	if !hinted || digest != r.digest.of(tx) {
		r.repaired++
		return tx
	}
	r.again++
	if r.trust {
		return nil
	}
	again := slices.Clone(tx)
	for i := range again {
		again[i].Again = true
	}
	return again
}

// hint reports whether the rows of a transaction that came as a message are to be applied now. It never
// moves the head: only the log does, so a forged hint costs a reload and nothing else.
func (r *reader) hint(writer int64, n uint64, rows []Row) bool {
	s := r.streams[writer]
	if s == nil {
		return true
	}
	if !s.open(n) {
		return false
	}
	digest := r.digest.of(rows)
	if old, found := s.hinted[n]; found && old == digest {
		return false
	}
	if len(s.hinted) < maxHinted {
		s.hinted[n] = digest
	}
	return true
}

// applied reports whether a write has reached what this reader feeds.
func (r *reader) applied(p Position) bool {
	s := r.streams[p.Writer]
	if s == nil || p.N == 0 {
		return false
	}
	if !s.open(p.N) {
		return true
	}
	_, hinted := s.hinted[p.N]
	return r.trust && hinted
}

// retain lets go of writers whose row was removed. lost says that one of them had numbers that this
// reader had not seen settled.
func (r *reader) retain(gone []int64) (lost bool) {
	for _, w := range gone {
		s := r.streams[w]
		if s == nil {
			continue
		}
		if len(s.gaps) > 0 || s.low != s.head+1 {
			lost = true
		}
		delete(r.streams, w)
	}
	return lost
}
