package embedded

import (
	"context"
	"math/bits"

	"github.com/blevesearch/bleve/v2/index/scorch"
	index "github.com/blevesearch/bleve_index_api"
)

// view is the index at one moment, for one question. Documents go by the numbers that they have at that moment.
type view struct {
	ctx  context.Context
	r    *scorch.IndexSnapshot
	size int // numbers are below it
	step int
}

func newView(ctx context.Context, r *scorch.IndexSnapshot) *view {
	v := &view{ctx: ctx, r: r}
	for _, s := range r.Segments() {
		v.size += int(s.FullSize())
	}
	return v
}

// tick sees now and then whether the answer is still wanted.
func (v *view) tick() error {
	if v.step++; v.step&1023 == 0 {
		return v.ctx.Err()
	}
	return nil
}

// postings calls fn for each document that has the term in the field, in the order of numbers. The posting is reused.
func (v *view) postings(field, term string, freq, places bool, fn func(doc int, p *index.TermFieldDoc)) error {
	r, err := v.r.TermFieldReader(v.ctx, []byte(term), field, freq, freq, places)
	if err != nil {
		return err
	}
	defer r.Close()
	var p index.TermFieldDoc
	for {
		if err := v.tick(); err != nil {
			return err
		}
		next, err := r.Next(p.Reset())
		if err != nil || next == nil {
			return err
		}
		fn(int(next.ID.Value()), next)
	}
}

// set is a set of documents.
type set []uint64

func (v *view) none() set { return make(set, (v.size+63)/64) }

func (s set) add(doc int)      { s[doc>>6] |= 1 << (doc & 63) }
func (s set) has(doc int) bool { return s[doc>>6]&(1<<(doc&63)) != 0 }

func (s set) and(o set) {
	for i := range s {
		s[i] &= o[i]
	}
}

func (s set) count() (n int) {
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// each calls fn for the documents in the order of their numbers, until it fails.
func (s set) each(fn func(doc int) error) error {
	for i, w := range s {
		for ; w != 0; w &= w - 1 {
			if err := fn(i<<6 + bits.TrailingZeros64(w)); err != nil {
				return err
			}
		}
	}
	return nil
}

// with adds the documents that have one of the terms in the field.
func (v *view) with(s set, field string, terms ...string) error {
	for _, t := range terms {
		if err := v.postings(field, t, false, false, func(doc int, _ *index.TermFieldDoc) { s.add(doc) }); err != nil {
			return err
		}
	}
	return nil
}
