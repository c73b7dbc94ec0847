package embedded

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	index "github.com/blevesearch/bleve_index_api"
)

// How words are weighed. A document's score is the sum over the words: each has a share for being there, and one that
// grows with where and how often it is there, and both weigh more the fewer documents have the word.
const (
	weighStem   = 0.7  // the word in another form, against the word as it is typed, which counts besides
	weighPrefix = 0.6  // a word that begins with what is typed
	weighTypo   = 0.5  // a word that differs by a mistake; by two it is half of that
	shareThere  = 0.4  // of a word for being there at all
	shareTypo   = 0.35 // of a word that is there with a mistake only; less than shareThere
	saturation  = 1.5  // of how often it is there
	byLength    = 0.3  // how much more a word says in a short text
)

// The limits of what a word stands for, so that a question has an end.
const (
	maxPrefix    = 400 // words that begin with what is typed
	maxTypos     = 60  // words that differ by mistakes
	enoughRight  = 10  // documents with the word as it is typed: then it is no mistake
	maxTypoWord  = 40  // characters of a word in which mistakes are looked for
	maxInsteadOf = 20  // words that are weighed to be offered
)

// scorer weighs one word after another. Where a document has the word, acc is above zero; where it has it with a
// mistake only, below.
type scorer struct {
	*asked
	acc     []float32
	touched []uint32
	visible float64 // how many documents may be seen
}

func (a *asked) newScorer() *scorer {
	return &scorer{asked: a, acc: make([]float32, a.size), visible: float64(a.seen.count())}
}

// pour adds what a word came to to the scores, and one to the words that a document has, and clears the scorer.
func (s *scorer) pour(score []float32, enough []uint8) {
	right := 0
	for _, doc := range s.touched {
		if s.acc[doc] > 0 {
			right++
		}
	}
	if right == 0 {
		right = len(s.touched)
	}
	rare := 0.1 + math.Log(1+(max(0, s.visible-float64(right))+0.5)/(float64(right)+0.5))
	for _, doc := range s.touched {
		a := float64(s.acc[doc])
		if a > 0 {
			score[doc] += float32(rare * (shareThere + (1-shareThere)*a/(a+saturation)))
		} else {
			score[doc] += float32(rare * shareTypo * -a / (-a + saturation))
		}
		if enough != nil {
			enough[doc]++
		}
	}
	s.clear()
}

func (s *scorer) clear() {
	for _, doc := range s.touched {
		s.acc[doc] = 0
	}
	s.touched = s.touched[:0]
}

// worth is what a word is worth that stands so often in a text of such a length.
func (f textField) worth(freq uint64, norm float64) float64 {
	length := f.usual
	if norm > 0 {
		length = 1 / (norm * norm)
	}
	return f.weight * float64(freq) / (1 - byLength + byLength*length/f.usual)
}

// right adds to a document that has the word.
func (s *scorer) right(doc int, worth float64) {
	if s.acc[doc] == 0 {
		s.touched = append(s.touched, uint32(doc))
	}
	s.acc[doc] += float32(worth)
}

// wrong adds to a document that has the word with a mistake, unless it has it without.
func (s *scorer) wrong(doc int, worth float64) {
	if s.acc[doc] > 0 {
		return
	}
	if s.acc[doc] == 0 {
		s.touched = append(s.touched, uint32(doc))
	}
	s.acc[doc] -= float32(worth)
}

// term adds a term of a field by one of the two.
func (s *scorer) term(f textField, field, term string, weight float64, add func(int, float64)) error {
	return s.postings(field, term, true, false, func(doc int, p *index.TermFieldDoc) {
		if s.seen.has(doc) {
			add(doc, weight*f.worth(p.Freq, p.Norm))
		}
	})
}

// word weighs a word: as it is typed, by its stem, by what begins with it, and with mistakes.
func (s *scorer) word(w *typed) error {
	if len(w.pieces) > 1 {
		if err := s.phrase(places(w.pieces), 1); err != nil {
			return err
		}
	} else {
		for _, f := range s.fields {
			if err := s.term(f, f.name, w.pieces[0], 1, s.right); err != nil {
				return err
			}
		}
	}
	if err := s.stems(w); err != nil {
		return err
	}
	if w.prefix || len(w.pieces) == 1 && isDense(w.pieces[0]) && utf8.RuneCountInString(w.pieces[0]) == 1 {
		if err := s.prefix(w); err != nil {
			return err
		}
	}
	w.exact = len(s.touched)
	if s.q.Exact || w.edits == 0 || w.filler || w.exact >= enoughRight {
		return nil
	}
	near, err := s.nearOf(w)
	if err != nil {
		return err
	}
	for _, n := range near[:min(len(near), maxTypos)] {
		for _, f := range s.fields {
			if err := s.term(f, f.name, n.term, weighTypo/float64(n.distance), s.wrong); err != nil {
				return err
			}
		}
	}
	return nil
}

// stems weighs the word in the language of the person who asks. Of a word that has several there, all must be in the
// document.
func (s *scorer) stems(w *typed) error {
	if len(w.stems) == 0 {
		return nil
	}
	if len(w.stems) == 1 {
		for _, f := range s.fields {
			if err := s.term(f, s.stemField(f), w.stems[0], weighStem, s.right); err != nil {
				return err
			}
		}
		return nil
	}
	var all map[int]float64 // the least of what the stems are worth
	for _, stem := range w.stems {
		have := map[int]float64{}
		for _, f := range s.fields {
			err := s.term(f, s.stemField(f), stem, weighStem, func(doc int, worth float64) {
				if all == nil || all[doc] > 0 {
					have[doc] += worth
				}
			})
			if err != nil {
				return err
			}
		}
		for doc, worth := range have {
			if all != nil {
				have[doc] = min(worth, all[doc])
			}
		}
		all = have
	}
	for doc, worth := range all {
		s.right(doc, worth)
	}
	return nil
}

// prefix weighs what begins with the word. Of very many the most frequent ones count.
func (s *scorer) prefix(w *typed) error {
	last := len(w.pieces) - 1
	for _, f := range s.fields {
		begin, err := s.beginning(f.name, w.pieces[last])
		if err != nil {
			return err
		}
		if last > 0 {
			if err := s.phraseIn(f, append(places(w.pieces[:last]), begin), weighPrefix); err != nil {
				return err
			}
			continue
		}
		for _, t := range begin {
			if t == w.pieces[last] {
				continue // it has been weighed
			}
			if err := s.term(f, f.name, t, weighPrefix, s.right); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *scorer) beginning(field, with string) ([]string, error) {
	d, err := s.r.FieldDictPrefix(field, []byte(with))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	var list []index.DictEntry
	for {
		if err := s.tick(); err != nil {
			return nil, err
		}
		e, err := d.Next()
		if err != nil {
			return nil, err
		}
		if e == nil {
			break
		}
		if bare(e.Term) == e.Term { // as it is written stands beside it
			list = append(list, *e)
		}
	}
	slices.SortFunc(list, func(x, y index.DictEntry) int {
		return cmp.Or(cmp.Compare(y.Count, x.Count), strings.Compare(x.Term, y.Term))
	})
	var terms []string
	for _, e := range list[:min(len(list), maxPrefix)] {
		terms = append(terms, e.Term)
	}
	return terms, nil
}

// phrase weighs words that follow each other; each place has the words that may stand there.
func (s *scorer) phrase(words [][]string, weight float64) error {
	for _, f := range s.fields {
		if len(words) == 1 {
			for _, w := range words[0] {
				if err := s.term(f, f.name, w, weight, s.right); err != nil {
					return err
				}
			}
			continue
		}
		if err := s.phraseIn(f, words, weight); err != nil {
			return err
		}
	}
	return nil
}

// phraseIn weighs a phrase in one field: the rarest of its words first, and then those documents alone.
func (s *scorer) phraseIn(f textField, words [][]string, weight float64) error {
	order := make([]int, len(words))
	counts := make([]uint64, len(words))
	for i, terms := range words {
		order[i] = i
		for _, t := range terms {
			n, err := s.count(f.name, t)
			if err != nil {
				return err
			}
			counts[i] += n
		}
		if counts[i] == 0 {
			return nil
		}
	}
	slices.SortFunc(order, func(x, y int) int { return cmp.Compare(counts[x], counts[y]) })
	var begins map[int][]int // where in each document the phrase may begin
	norms := map[int]float64{}
	for _, i := range order {
		next := map[int][]int{}
		for _, t := range words[i] {
			var late error // a long text has very many places
			err := s.where(f.name, t, begins, func(doc int, p *index.TermFieldDoc) {
				norms[doc] = p.Norm
				for _, v := range p.Vectors {
					if late = cmp.Or(late, s.tick()); late != nil {
						return
					}
					begin := int(v.Pos) - i
					_, goesOn := slices.BinarySearch(begins[doc], begin)
					if begins == nil || goesOn {
						next[doc] = append(next[doc], begin)
					}
				}
			})
			if err = cmp.Or(err, late); err != nil {
				return err
			}
		}
		for doc, at := range next {
			slices.Sort(at)
			next[doc] = slices.Compact(at)
		}
		if begins = next; len(begins) == 0 {
			return nil
		}
	}
	for doc, at := range begins {
		s.right(doc, weight*f.worth(uint64(len(at)), norms[doc]))
	}
	return nil
}

func (s *scorer) count(field, term string) (uint64, error) {
	r, err := s.r.TermFieldReader(s.ctx, []byte(term), field, false, false, false)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	return r.Count(), nil
}

// where calls fn with the places of a term in the documents that are wanted, all that may be seen when wanted is nil.
func (s *scorer) where(field, term string, wanted map[int][]int, fn func(int, *index.TermFieldDoc)) error {
	if wanted == nil {
		return s.postings(field, term, true, true, func(doc int, p *index.TermFieldDoc) {
			if s.seen.has(doc) {
				fn(doc, p)
			}
		})
	}
	r, err := s.r.TermFieldReader(s.ctx, []byte(term), field, true, true, true)
	if err != nil {
		return err
	}
	defer r.Close()
	docs := make([]int, 0, len(wanted))
	for doc := range wanted {
		docs = append(docs, doc)
	}
	slices.Sort(docs)
	var p index.TermFieldDoc
	at := -1
	for _, doc := range docs {
		if err := s.tick(); err != nil {
			return err
		}
		if at < doc { // bleve starts again from the beginning when it is asked for where it is
			next, err := r.Advance(index.NewIndexInternalID(nil, uint64(doc)), p.Reset())
			if err != nil {
				return err
			}
			if next == nil {
				return nil
			}
			at = int(next.ID.Value())
		}
		if at == doc {
			fn(doc, &p)
		}
	}
	return nil
}

func hasDigit(s string) bool { return strings.ContainsFunc(s, unicode.IsDigit) }

func isDense(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return dense(r)
}
