package embedded

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"
)

// nearby is a word that differs by mistakes.
type nearby struct {
	term     string
	distance int
}

// nearOf looks once for the words near one of the question.
func (a *asked) nearOf(w *typed) (_ []nearby, err error) {
	if !w.looked {
		w.near, err = a.near(w.pieces[0], w.edits)
		w.looked = err == nil
	}
	return w.near, err
}

// near finds the words of the index that differ from one by so many mistakes, the nearest first.
func (a *asked) near(of string, edits int) ([]nearby, error) {
	if utf8.RuneCountInString(of) > maxTypoWord || isDense(of) {
		return nil, nil
	}
	distance := map[string]int{}
	for _, f := range a.fields {
		d, automaton, err := a.r.FieldDictFuzzyAutomaton(f.name, of, edits, "")
		if err != nil {
			return nil, err
		}
		for {
			if err := a.tick(); err != nil {
				return nil, err
			}
			e, err := d.Next()
			if err != nil {
				return nil, err
			}
			if e == nil {
				break
			}
			if e.Term == of || hasDigit(e.Term) || bare(e.Term) != e.Term || distance[e.Term] > 0 {
				continue
			}
			if ok, n := automaton.MatchAndDistance(e.Term); ok && n > 0 {
				distance[strings.Clone(e.Term)] = int(n)
			}
		}
		if err := d.Close(); err != nil {
			return nil, err
		}
	}
	list := make([]nearby, 0, len(distance))
	for t, n := range distance {
		list = append(list, nearby{t, n})
	}
	slices.SortFunc(list, func(x, y nearby) int {
		return cmp.Or(cmp.Compare(x.distance, y.distance), strings.Compare(x.term, y.term))
	})
	return list, nil
}

// instead is the question with words that exist in place of those that are in no document that may be seen.
func (a *asked) instead(words []*typed) (string, error) {
	other := a.q.Words
	other.Terms = slices.Clone(other.Terms)
	changed := false
	for _, w := range words {
		if w.exact > 0 || w.filler || w.edits == 0 {
			continue
		}
		near, err := a.nearOf(w)
		if err != nil {
			return "", err
		}
		best, err := a.mostSeen(near)
		if err != nil {
			return "", err
		}
		if best == "" {
			continue
		}
		if best, err = a.asWritten(best); err != nil {
			return "", err
		}
		other.Terms[w.place] = best
		changed = true
	}
	if !changed {
		return "", nil
	}
	return other.String(), nil
}

// mostSeen is the word that most documents have which may be seen, of the nearest ones; "" when none has any.
func (a *asked) mostSeen(near []nearby) (string, error) {
	best, most, distance := "", 0, 0
	for i, n := range near {
		if best != "" && (n.distance > distance || i >= maxInsteadOf) {
			break
		}
		have, err := a.seenWith(n.term)
		if err != nil {
			return "", err
		}
		if have > most {
			best, most, distance = n.term, have, n.distance
		}
	}
	return best, nil
}

func (a *asked) seenWith(term string) (int, error) {
	have := a.none()
	for _, f := range a.fields {
		if err := a.with(have, f.name, term); err != nil {
			return 0, err
		}
	}
	have.and(a.seen)
	return have.count(), nil
}

// asWritten is a word with its accents, where most documents that have it write it so.
func (a *asked) asWritten(word string) (string, error) {
	plain, err := a.seenWith(word)
	if err != nil {
		return "", err
	}
	best, most := word, plain/2
	for _, f := range a.fields {
		d, err := a.r.FieldDictFuzzy(f.name, word, 2, "")
		if err != nil {
			return "", err
		}
		for {
			e, err := d.Next()
			if err != nil {
				return "", err
			}
			if e == nil {
				break
			}
			if e.Term == word || e.Term == best || bare(e.Term) != word {
				continue
			}
			term := strings.Clone(e.Term)
			n, err := a.seenWith(term)
			if err != nil {
				return "", err
			}
			if n > most {
				best, most = term, n
			}
		}
	}
	return best, nil
}
