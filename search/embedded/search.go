package embedded

import (
	"context"

	"github.com/blevesearch/bleve/v2/index/scorch"

	"github.com/stoa-portal/stoa/search"
)

// most is how far totals are exact.
const most = 10_000

// Search implements search.Engine.
func (x *Index) Search(ctx context.Context, q search.Query) (res search.Result, err error) {
	after, err := readCursor(q)
	if err != nil {
		return search.Result{}, err
	}
	err = x.reading(ctx, func(ctx context.Context, r *scorch.IndexSnapshot) error {
		a := &asked{view: newView(ctx, r), q: q, languages: x.languages, columns: &x.at.columns}
		res, err = a.answer(after)
		return err
	})
	if err != nil {
		return search.Result{}, err
	}
	return res, nil
}

// asked is a question to a view.
type asked struct {
	*view
	q         search.Query
	languages *languages
	columns   *columnCache

	seen   set // what the person who asks may see
	fields []textField
}

func (a *asked) answer(after *cursor) (search.Result, error) {
	var err error
	if a.seen, err = a.visible(); err != nil {
		return search.Result{}, err
	}
	a.fields = textFields()
	if a.q.Titles {
		a.fields = a.fields[:1]
	}
	found, err := a.words()
	if err != nil {
		return search.Result{}, err
	}
	res, err := a.collect(found, after)
	if err != nil {
		return search.Result{}, err
	}
	if !a.q.Titles {
		res.Instead, err = a.instead(found.words)
	}
	return res, err
}

// visible are the documents that the person who asks may view, in the sites that are asked for. All that is told of
// others is that they are not among these: words are weighed and counted in this set alone.
func (a *asked) visible() (set, error) {
	s := a.none()
	switch {
	case a.q.Instance <= 0:
		return s, nil
	case a.q.All:
		if err := a.with(s, fieldInstance, a.q.Instance.String()); err != nil {
			return nil, err
		}
	default:
		if err := a.allowed(s); err != nil {
			return nil, err
		}
	}
	if len(a.q.Sites) > 0 {
		in := a.none()
		for _, id := range a.q.Sites {
			if err := a.with(in, facetField(search.FacetSite), id.String()); err != nil {
				return nil, err
			}
		}
		s.and(in)
	}
	return s, nil
}

// allowed adds the documents of the acls. Of many acls most have no document: the index's own are looked through
// instead.
func (a *asked) allowed(s set) error {
	const many = 64
	terms := make(map[string]bool, len(a.q.ACLs))
	for _, acl := range a.q.ACLs {
		if acl != "" {
			terms[aclTerm(a.q.Instance, acl)] = true
		}
	}
	if len(terms) > many {
		have, err := a.r.FieldDictPrefix(fieldACL, []byte(aclTerm(a.q.Instance, "")))
		if err != nil {
			return err
		}
		defer have.Close()
		there := map[string]bool{}
		for {
			if err := a.tick(); err != nil {
				return err
			}
			e, err := have.Next()
			if err != nil {
				return err
			}
			if e == nil {
				break
			}
			if terms[e.Term] {
				there[e.Term] = true
			}
		}
		terms = there
	}
	for t := range terms {
		if err := a.with(s, fieldACL, t); err != nil {
			return err
		}
	}
	return nil
}

// found is what the words of a question came to.
type found struct {
	all   bool      // nothing was asked for: everything is found
	docs  set       // the documents that have enough of the words
	score []float32 // of each document, by its number
	words []*typed
}

// words finds the documents that have enough of what was asked for and nothing that was excluded.
func (a *asked) words() (*found, error) {
	f := &found{}
	f.words = a.typed()
	phrases, not := a.parts(a.q.Words.Phrases), a.parts(a.q.Words.Not)
	if len(f.words)+len(phrases) == 0 {
		f.all = true
		f.docs = a.none()
		f.docs.or(a.seen)
		return f, a.without(f.docs, not)
	}
	f.score = make([]float32, a.size)
	enough := make([]uint8, a.size) // how many of the words a document has
	s := a.newScorer()
	needed := 0
	for _, w := range f.words {
		if err := s.word(w); err != nil {
			return nil, err
		}
		if w.filler {
			s.pour(f.score, nil)
			continue
		}
		needed++
		s.pour(f.score, enough)
	}
	needed = search.Needed(needed)
	f.docs = a.none()
	for doc, n := range enough {
		if int(n) >= needed && a.seen.has(doc) {
			f.docs.add(doc)
		}
	}
	for _, p := range phrases {
		if err := s.phrase(p, 1); err != nil {
			return nil, err
		}
		have := a.none()
		for _, doc := range s.touched {
			have.add(int(doc))
		}
		s.pour(f.score, nil)
		f.docs.and(have)
	}
	return f, a.without(f.docs, not)
}

func (s set) or(o set) {
	for i := range s {
		s[i] |= o[i]
	}
}

// without takes away the documents that have one of the words or phrases in any text.
func (a *asked) without(docs set, not [][][]string) error {
	if len(not) == 0 {
		return nil
	}
	fields := a.fields
	a.fields = textFields() // also where titles alone are looked in
	defer func() { a.fields = fields }()
	s := a.newScorer()
	for _, n := range not {
		if err := s.phrase(n, 1); err != nil {
			return err
		}
		for _, doc := range s.touched {
			docs[doc>>6] &^= 1 << (doc & 63)
		}
		s.clear()
	}
	return nil
}

// typed is a word of the question.
type typed struct {
	place  int // in Words.Terms
	pieces []string
	stems  []string
	filler bool // it says nothing in the language of the person who asks: documents need not have it
	prefix bool // it is being typed
	edits  int

	exact  int      // documents that have it, as it is typed or by its stem, or that begin with it
	near   []nearby // words that differ from it by mistakes, once they were looked for
	looked bool
}

// typed takes the words of the question apart. Where all of them are fillers, none is.
func (a *asked) typed() []*typed {
	var words []*typed
	all := true
	terms := a.q.Words.Terms
	terms = terms[:min(len(terms), search.MaxTerms)]
	for i, t := range terms {
		w := &typed{place: i, pieces: bareOf(pieces(t)), stems: a.languages.stems(a.q.Locale, t)}
		if len(w.pieces) == 0 {
			continue
		}
		w.prefix = a.q.Prefix && i == len(terms)-1
		w.filler = len(w.stems) == 0 && analyzerOf(a.q.Locale) != "" && len(w.pieces) == 1 && !w.prefix &&
			!hasDigit(w.pieces[0]) && !isDense(w.pieces[0])
		if !w.filler {
			all = false
		}
		if len(w.pieces) == 1 {
			w.edits = search.Edits(w.pieces[0])
		}
		if hasDigit(t) { // a code is what it is, not what its parts mean
			w.stems = nil
		}
		words = append(words, w)
	}
	if all {
		for _, w := range words {
			w.filler = false
		}
	}
	return words
}

// parts takes phrases apart, each into the words that stand in its places.
func (a *asked) parts(list []string) [][][]string {
	var parts [][][]string
	for _, p := range list[:min(len(list), search.MaxTerms)] {
		if words := bareOf(pieces(p)); len(words) > 0 {
			parts = append(parts, places(words))
		}
	}
	return parts
}

// places are words that follow each other, each the only one in its place.
func places(words []string) [][]string {
	list := make([][]string, len(words))
	for i, w := range words {
		list[i] = []string{w}
	}
	return list
}

func bareOf(words []word) []string {
	var list []string
	for _, w := range words {
		if w.bare != "" {
			list = append(list, w.bare)
		}
	}
	return list
}

func (a *asked) stemField(f textField) string { return f.name + "." + analyzerOf(a.q.Locale) }
