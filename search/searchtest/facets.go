package searchtest

import (
	"fmt"
	"maps"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/search"
)

func facets() map[string]func(*bench) {
	return map[string]func(*bench){
		"Counted":             facetsCounted,
		"OwnNarrowingIsNot":   ownNarrowing,
		"SeveralOfSeveral":    severalNarrowings,
		"OnlyThoseAskedFor":   onlyAsked,
		"ManyValues":          manyValues,
		"ValuesAreNoPatterns": valuesNoPatterns,
		"TheHitsOfTypos":      facetsOfTypos,
	}
}

// counts fails unless a facet has these numbers, the greatest first.
func (b *bench) counts(q search.Query, f search.Facet, want map[string]int) {
	b.Helper()
	got, last := map[string]int{}, 1<<60
	for _, c := range b.search(q).Facets[f] {
		if c.N > last || c.N == 0 {
			b.Errorf("facet %s: %d after %d, want the greatest first and none that is 0", f, c.N, last)
		}
		got[c.Value], last = c.N, c.N
	}
	if !maps.Equal(got, want) {
		b.Errorf("%q, narrowed by %v: facet %s has %v, want %v", q.Words, q.Narrow, f, got, want)
	}
}

// shelf is nine documents: kinds and tags in turn.
func (b *bench) shelf() {
	b.Helper()
	var docs []search.Document
	for i := range 9 {
		d := doc(stoa.ID(i+1), "granite", "")
		d.Kind = []string{"article", "page", "file"}[i/3]
		d.Tags = []string{[]string{"red", "green", "blue"}[i%3], "all"}
		d.Site = stoa.ID(10 + i%2)
		d.Author = stoa.ID(100 + i/5)
		d.Categories = []stoa.ID{stoa.ID(1000 + i%3), 2000}
		d.Modified = now().AddDate(0, -(i % 3), 0)
		docs = append(docs, d)
	}
	docs = append(docs, doc(50, "basalt", ""))
	b.put(docs...)
}

func facetsCounted(b *bench) {
	b.shelf()
	q := counted(ask("granite"))
	b.counts(q, search.FacetKind, map[string]int{"article": 3, "page": 3, "file": 3})
	b.counts(q, search.FacetTag, map[string]int{"all": 9, "red": 3, "green": 3, "blue": 3})
	b.counts(q, search.FacetSite, map[string]int{"10": 5, "11": 4})
	b.counts(q, search.FacetAuthor, map[string]int{"100": 5, "101": 4})
	b.counts(q, search.FacetCategory, map[string]int{"2000": 9, "1000": 3, "1001": 3, "1002": 3})
	b.counts(q, search.FacetMonth, map[string]int{"2026-11": 3, "2026-10": 3, "2026-09": 3})
	q.Size = 0
	b.counts(q, search.FacetKind, map[string]int{"article": 3, "page": 3, "file": 3})
	q = counted(ask("basalt")) // it has neither tags nor author
	b.counts(q, search.FacetTag, map[string]int{})
	b.counts(q, search.FacetAuthor, map[string]int{})
	b.counts(q, search.FacetCategory, map[string]int{})
	q = counted(ask(""))
	b.counts(q, search.FacetKind, map[string]int{"article": 4, "page": 3, "file": 3})
}

func ownNarrowing(b *bench) {
	b.shelf()
	q := counted(ask("granite"))
	q.Narrow = map[search.Facet][]string{search.FacetKind: {"page"}}
	b.wants(q, 4, 5, 6)
	if r := b.search(q); r.Total != 3 {
		b.Errorf("%d documents, want 3", r.Total)
	}
	b.counts(q, search.FacetKind, map[string]int{"article": 3, "page": 3, "file": 3})
	b.counts(q, search.FacetTag, map[string]int{"all": 3, "red": 1, "green": 1, "blue": 1})
	q.Facets = []search.Facet{search.FacetTag} // narrowed by one that is not counted
	b.wants(q, 4, 5, 6)
	b.counts(q, search.FacetTag, map[string]int{"all": 3, "red": 1, "green": 1, "blue": 1})
	q.Facets = nil
	b.wants(q, 4, 5, 6)
}

func severalNarrowings(b *bench) {
	b.shelf()
	q := counted(ask("granite"))
	q.Narrow = map[search.Facet][]string{search.FacetKind: {"page", "file"}, search.FacetTag: {"red"}}
	b.wants(q, 4, 7)
	b.counts(q, search.FacetKind, map[string]int{"article": 1, "page": 1, "file": 1})
	b.counts(q, search.FacetTag, map[string]int{"all": 6, "red": 2, "green": 2, "blue": 2})
	b.counts(q, search.FacetMonth, map[string]int{"2026-11": 2})
	q.Narrow[search.FacetMonth] = []string{"2026-10"}
	b.wants(q)
	b.counts(q, search.FacetMonth, map[string]int{"2026-11": 2})
	b.counts(q, search.FacetKind, map[string]int{})
	q.Narrow = map[search.Facet][]string{search.FacetTag: {"red", "green", "nothing"}}
	b.wants(q, 1, 2, 4, 5, 7, 8)
	q.Narrow = map[search.Facet][]string{
		search.FacetSite: {"11"}, search.FacetAuthor: {"100"}, search.FacetCategory: {"1001", "1000"}}
	b.wants(q, 2, 4)
	q.Narrow = map[search.Facet][]string{search.FacetTag: {"nothing"}}
	b.wants(q)
	b.counts(q, search.FacetTag, map[string]int{"all": 9, "red": 3, "green": 3, "blue": 3})
	q.Narrow = map[search.Facet][]string{search.FacetTag: {}} // by none of its values: not narrowed
	if n := b.search(q).Total; n != 9 {
		b.Errorf("%d documents, want 9", n)
	}
}

func onlyAsked(b *bench) {
	b.shelf()
	q := ask("granite")
	if got := b.search(q).Facets; len(got) > 0 {
		b.Errorf("facets %v, want none", got)
	}
	q.Facets = []search.Facet{search.FacetTag}
	if got := b.search(q).Facets; len(got) != 1 {
		b.Errorf("facets %v, want tags alone", got)
	}
}

func manyValues(b *bench) {
	var docs []search.Document
	for i := range search.MaxFacet + 30 {
		d := doc(stoa.ID(i+1), "granite", "")
		d.Tags = []string{fmt.Sprintf("tag-%d", i), fmt.Sprintf("few-%d", i/20)}
		docs = append(docs, d)
	}
	b.put(docs...)
	q := counted(ask("granite"))
	got := b.search(q).Facets[search.FacetTag]
	if len(got) != search.MaxFacet || got[0].N != 20 || got[3].N != 20 || got[4].N != 1 {
		b.Errorf("%d values, %v, want %d with the greatest first", len(got), got, search.MaxFacet)
	}
}

func valuesNoPatterns(b *bench) {
	d, e := doc(1, "granite", ""), doc(2, "granite", "")
	d.Tags = []string{"größe", "a b", "x*", "über-uns", "日本"}
	e.Tags = []string{"xy", "a", "Größe"}
	b.put(d, e)
	for value, want := range map[string][]stoa.ID{
		"größe": {1}, "a b": {1}, "x*": {1}, "日本": {1}, "a": {2}, "Größe": {2}, "x": nil, "*": nil, "": nil,
		"gross": nil,
	} {
		q := ask("granite")
		q.Narrow = map[search.Facet][]string{search.FacetTag: {value}}
		b.wants(q, want...)
	}
}

func facetsOfTypos(b *bench) {
	b.shelf()
	b.counts(counted(ask("granit")), search.FacetKind, map[string]int{"article": 3, "page": 3, "file": 3})
	b.counts(counted(ask("garnite")), search.FacetKind, map[string]int{"article": 3, "page": 3, "file": 3})
}
