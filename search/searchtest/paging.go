package searchtest

import (
	"fmt"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/search"
)

func paging() map[string]func(*bench) {
	return map[string]func(*bench){
		"EachOnce":           eachOnce,
		"WritingInBetween":   writingInBetween,
		"DamagedAfter":       damagedAfter,
		"SizeNothing":        sizeNothing,
		"BeyondTenThousand":  beyond,
		"LastPageHasNoNext":  lastPage,
		"NarrowedAndCounted": narrowedPages,
	}
}

// eachOnce pages through 500 documents: many with the same score, many of the same moment.
func eachOnce(b *bench) {
	const n = 500
	var docs []search.Document
	for i := range n {
		title := "granite"
		if i%3 == 0 {
			title = fmt.Sprintf("granite and %d others", i)
		}
		d := doc(stoa.ID(i+1), title, "")
		d.Modified = now().AddDate(0, 0, -(i % 5))
		if i%2 == 0 {
			d.Kind = "page"
		}
		docs = append(docs, d)
	}
	for len(docs) > 0 { // in several writes, as an index is made
		b.put(docs[:100]...)
		docs = docs[100:]
	}
	for _, order := range []search.Order{search.ByRelevance, search.ByNewest, search.ByOldest} {
		for _, typed := range []string{"granite", ""} {
			q := as(ask(typed), open)
			q.Size, q.Order = 37, order
			b.pages(q, n)
		}
	}
}

// writingInBetween makes words weigh less with each page, and things newer: what was there all the time is on some
// page.
func writingInBetween(b *bench) {
	for i := range 30 {
		b.put(doc(stoa.ID(i+1), "granite", strings.Repeat("and more ", i)))
	}
	q := as(ask("granite"), open)
	q.Size = 7
	seen := map[search.Key]int{}
	for page := 0; ; page++ {
		r := b.search(q)
		for _, h := range r.Hits {
			seen[h.Key]++
		}
		if q.After = r.Next; r.Next == "" {
			break
		}
		q.Now = q.Now.AddDate(0, 1, 0)
		for i := range 20 {
			b.put(doc(stoa.ID(1000+20*page+i), "slate", "no such stone"))
		}
	}
	for i := range 30 {
		if n := seen[key(stoa.ID(i+1))]; n != 1 {
			b.Errorf("document %d is on %d pages", i+1, n)
		}
	}
}

// pages fails unless n documents come page by page, each once, with falling scores and the same total.
func (b *bench) pages(q search.Query, n int) {
	b.Helper()
	seen := map[search.Key]bool{}
	last := 0.0
	for page := 0; ; page++ {
		r := b.search(q)
		if r.Total != n {
			b.Errorf("page %d says %d documents, want %d", page, r.Total, n)
		}
		for i, h := range r.Hits {
			if seen[h.Key] {
				b.Fatalf("%q, order %q: %v comes twice", q.Words, q.Order, h.Key)
			}
			seen[h.Key] = true
			if q.Order == search.ByRelevance && (page > 0 || i > 0) && h.Score > last {
				b.Errorf("%q: score %v after %v", q.Words, h.Score, last)
			}
			last = h.Score
		}
		if r.Next == "" {
			break
		}
		if len(r.Hits) != q.Size {
			b.Fatalf("page %d has %d hits and a next one, want %d", page, len(r.Hits), q.Size)
		}
		q.After = r.Next
	}
	if len(seen) != n {
		b.Errorf("%q, order %q: %d documents came, want %d", q.Words, q.Order, len(seen), n)
	}
}

func damagedAfter(b *bench) {
	for i := stoa.ID(1); i <= 5; i++ {
		b.put(doc(i, "granite", ""))
	}
	q := ask("granite")
	q.Size = 2
	next := b.search(q).Next
	if next == "" {
		b.Fatal("no next page of 5 documents with 2 a page")
	}
	for _, after := range []string{"x", "null", "{}", "[]", next[:len(next)/2], "!" + next, strings.Repeat("A", 5000),
		"%00", "[1,2,3]", "W10", "e30"} {
		q.After = after
		if _, err := b.engine.Search(b.Context(), q); !stoa.Is(err, stoa.KindInvalid) {
			b.Errorf("after %.20q: %v, want an error of kind invalid", after, err)
		}
	}
	q.After, q.Order = next, search.ByNewest // it is of another order
	if _, err := b.engine.Search(b.Context(), q); !stoa.Is(err, stoa.KindInvalid) {
		b.Errorf("after of another order: %v, want an error of kind invalid", err)
	}
}

func sizeNothing(b *bench) {
	b.put(doc(1, "granite", ""), doc(2, "granite", ""))
	q := counted(ask("granite"))
	q.Size = 0
	r := b.search(q)
	if len(r.Hits) != 0 || r.Total != 2 || r.Next != "" || len(r.Facets[search.FacetKind]) != 1 {
		b.Errorf("size 0 answers %+v, want numbers alone", r)
	}
}

// beyond has one document more than totals are exact.
func beyond(b *bench) {
	const most = 10_000
	docs := make([]search.Document, 0, 2000)
	for i := range most {
		docs = append(docs, doc(stoa.ID(i+1), "granite", ""))
		if len(docs) == cap(docs) {
			b.put(docs...)
			docs = docs[:0]
		}
	}
	q := ask("granite")
	q.Size = 1
	if r := b.search(q); r.Total != most || r.More {
		b.Errorf("%d documents, more %v, want %d and no more", r.Total, r.More, most)
	}
	b.put(doc(most+1, "granite", ""))
	r := b.search(counted(q))
	if r.Total != most || !r.More {
		b.Errorf("%d documents, more %v, want %d and more", r.Total, r.More, most)
	}
	if c := r.Facets[search.FacetKind]; len(c) != 1 || c[0].N != most+1 {
		b.Errorf("kinds %v, want %d", c, most+1)
	}
}

func lastPage(b *bench) {
	for i := stoa.ID(1); i <= 4; i++ {
		b.put(doc(i, "granite", ""))
	}
	q := ask("granite")
	q.Size = 4
	if r := b.search(q); len(r.Hits) != 4 || r.Next != "" {
		b.Errorf("%d hits and next %q of 4 documents with 4 a page, want no next", len(r.Hits), r.Next)
	}
	q.Size = 3
	r := b.search(q)
	if len(r.Hits) != 3 || r.Next == "" {
		b.Fatalf("%d hits and next %q of 4 documents with 3 a page", len(r.Hits), r.Next)
	}
	q.After = r.Next
	if r = b.search(q); len(r.Hits) != 1 || r.Next != "" || r.Total != 4 {
		b.Errorf("last page: %d hits of %d, next %q", len(r.Hits), r.Total, r.Next)
	}
}

func narrowedPages(b *bench) {
	var docs []search.Document
	for i := range 100 {
		d := doc(stoa.ID(i+1), "granite", "")
		d.Tags = []string{fmt.Sprintf("t%d", i%2)}
		docs = append(docs, d)
	}
	b.put(docs...)
	q := counted(ask("granite"))
	q.Narrow, q.Size = map[search.Facet][]string{search.FacetTag: {"t1"}}, 7
	b.pages(q, 50)
	for range 3 {
		r := b.search(q)
		if c := r.Facets[search.FacetTag]; len(c) != 2 || c[0].N != 50 || c[1].N != 50 {
			b.Errorf("tags %v on a page, want 50 of each on every page", c)
		}
		q.After = r.Next
	}
}
