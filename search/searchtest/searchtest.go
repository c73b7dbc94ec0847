// Package searchtest holds the conformance suite that every engine of search passes. The test of an engine calls Run
// and adds only what is peculiar to the engine.
package searchtest

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/search"
)

// Run puts an engine through the suite. open gives an empty index of its own to each test and removes it when the
// test ends; an engine that can be tested side by side calls t.Parallel in it.
func Run(t *testing.T, open func(t *testing.T) search.Engine) {
	for _, group := range []struct {
		name  string
		cases map[string]func(*bench)
	}{
		{"Writing", writing()},
		{"Rights", rights()},
		{"Languages", languages()},
		{"Words", words()},
		{"Typos", typos()},
		{"Ranking", ranking()},
		{"Facets", facets()},
		{"Paging", paging()},
		{"Hostile", hostile()},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, name := range slices.Sorted(maps.Keys(group.cases)) {
				t.Run(name, func(t *testing.T) {
					group.cases[name](&bench{T: t, engine: open(t)})
				})
			}
		})
	}
}

// The places where the documents of the suite are.
const (
	instance = stoa.ID(1)
	other    = stoa.ID(2)
	site     = stoa.ID(10)
	open     = "site:10" // the acl of what all people may see
	hidden   = "page:99" // that of what few may see
)

// now is when the suite asks. It is fixed, so that what is new stays new.
func now() time.Time { return time.Date(2026, 11, 18, 12, 0, 0, 0, time.UTC) }

// bench is a test with its engine.
type bench struct {
	*testing.T
	engine search.Engine
}

// doc is a document in English that all people may see.
func doc(id stoa.ID, title, body string) search.Document {
	return text(id, "en", search.Text{Title: title, Body: body})
}

// text is a document in one language that all people may see.
func text(id stoa.ID, l stoa.Locale, t search.Text) search.Document {
	return search.Document{
		Kind: "article", ID: id, Instance: instance, Site: site, ACL: open,
		Texts:   map[stoa.Locale]search.Text{l: t},
		Created: now().AddDate(-2, 0, 0), Modified: now().AddDate(-2, 0, 0),
	}
}

func gone(id stoa.ID, version int64) search.Document {
	return search.Document{Kind: "article", ID: id, Instance: instance, Version: version, Gone: true}
}

func key(id stoa.ID) search.Key { return search.Key{Kind: "article", ID: id} }

// ask is what a person who may see everything asks for in English.
func ask(typed string) search.Query {
	return search.Query{
		Instance: instance, All: true, Words: search.Parse(typed), Locale: "en", Size: 20, Now: now(),
	}
}

// asIn is ask in another language, without typing mistakes: what is found is found by the language.
func asIn(l stoa.Locale, typed string) search.Query {
	q := ask(typed)
	q.Locale, q.Exact = l, true
	return q
}

// as is the question of a person who may view the acls alone.
func as(q search.Query, acls ...string) search.Query {
	q.All, q.ACLs = false, acls
	return q
}

// put writes documents so that the next search has them.
func (b *bench) put(docs ...search.Document) {
	b.Helper()
	b.apply(nil, docs...)
}

func (b *bench) apply(token []byte, docs ...search.Document) {
	b.Helper()
	for i := range docs {
		docs[i].Sign()
	}
	if err := b.engine.Apply(b.Context(), docs, token, true); err != nil {
		b.Fatalf("Apply: %v", err)
	}
}

func (b *bench) search(q search.Query) search.Result {
	b.Helper()
	r, err := b.engine.Search(b.Context(), q)
	if err != nil {
		b.Fatalf("Search %q: %v", q.Words, err)
	}
	return r
}

// found gives the ids of the hits in their order.
func (b *bench) found(q search.Query) []stoa.ID {
	b.Helper()
	r := b.search(q)
	if r.Total != len(r.Hits) && r.Next == "" && q.After == "" && q.Size > 0 {
		b.Errorf("Search %q says %d documents and shows %d, without a next page", q.Words, r.Total, len(r.Hits))
	}
	return ids(r)
}

func ids(r search.Result) []stoa.ID {
	list := []stoa.ID{}
	for _, h := range r.Hits {
		list = append(list, h.ID)
	}
	return list
}

// wants fails unless a question finds exactly these documents, in any order.
func (b *bench) wants(q search.Query, want ...stoa.ID) {
	b.Helper()
	got := b.found(q)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		b.Errorf("%q (%s, exact %v, prefix %v) finds %v, want %v", q.Words, q.Locale, q.Exact, q.Prefix, got, want)
	}
}

// ranks fails unless a question finds exactly these documents in this order.
func (b *bench) ranks(q search.Query, want ...stoa.ID) {
	b.Helper()
	r := b.search(q)
	if !slices.Equal(ids(r), want) {
		b.Errorf("%q finds %s, want the order %v", q.Words, scores(r), want)
	}
}

// first fails unless a document is the first hit.
func (b *bench) first(q search.Query, want stoa.ID) {
	b.Helper()
	r := b.search(q)
	if len(r.Hits) == 0 || r.Hits[0].ID != want {
		b.Errorf("%q finds %s, want %d first", q.Words, scores(r), want)
	}
}

func scores(r search.Result) string {
	s := ""
	for _, h := range r.Hits {
		s += fmt.Sprintf("%d (%.4f) ", h.ID, h.Score)
	}
	return "[" + s + "]"
}

// eventually waits for something that happens soon.
func (b *bench) eventually(what string, is func() bool) {
	b.Helper()
	end := time.NewTimer(5 * time.Minute)
	defer end.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-end.C:
			b.Fatalf("waited five minutes for this: %s", what)
		}
	}
}
