package searchtest

import (
	"fmt"
	"slices"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/search"
)

func rights() map[string]func(*bench) {
	return map[string]func(*bench){
		"WithoutACLsNothing": withoutACLs,
		"OnlyWhatTheyAllow":  onlyAllowed,
		"AllOfTheInstance":   allOfInstance,
		"ManyACLs":           manyACLs,
		"Sites":              sites,
		"InsteadKeepsQuiet":  insteadQuiet,
		"ACLIsNoPattern":     aclNoPattern,
		"TheACLsThereAre":    theACLs,
	}
}

func withACL(d search.Document, acl string) search.Document {
	d.ACL = acl
	return d
}

func counted(q search.Query) search.Query {
	q.Facets = search.Facets()
	return q
}

// nothing fails unless an answer says nothing at all.
func (b *bench) nothing(q search.Query) {
	b.Helper()
	r := b.search(q)
	n := 0
	for _, counts := range r.Facets {
		n += len(counts)
	}
	if len(r.Hits) > 0 || r.Total > 0 || r.More || n > 0 || r.Next != "" || r.Instead != "" {
		b.Errorf("%q answers %+v, want nothing", q.Words, r)
	}
}

func withoutACLs(b *bench) {
	d := doc(1, "granite", "")
	d.Tags, d.Categories, d.Author = []string{"stone"}, []stoa.ID{5}, 6
	b.put(d, withACL(doc(2, "granite", ""), ""))
	for _, typed := range []string{"granite", "", "granita", `"granite"`, "-oak"} {
		b.nothing(counted(as(ask(typed))))
		b.nothing(counted(as(ask(typed), "")))
		b.nothing(counted(as(ask(typed), "site:1", "page:10")))
	}
	b.nothing(search.Query{})
	b.nothing(search.Query{Instance: instance, Size: 10, Now: now()})
	b.nothing(search.Query{All: true, Size: 10, Now: now()}) // of no instance
}

func onlyAllowed(b *bench) {
	for i := stoa.ID(1); i <= 6; i++ {
		d := doc(i, "granite", "")
		d.Tags, d.Categories, d.Author, d.Kind = []string{"seen"}, []stoa.ID{5}, 6, "article"
		if i > 4 {
			d.ACL, d.Tags, d.Categories, d.Author = hidden, []string{"secret"}, []stoa.ID{55}, 66
			d.Kind, d.Modified, d.Site = "secret", now(), 77
		}
		b.put(d)
	}
	r := b.search(counted(as(ask("granite"), open)))
	if r.Total != 4 || len(r.Hits) != 4 {
		b.Errorf("%d documents, %d hits, want 4", r.Total, len(r.Hits))
	}
	for _, h := range r.Hits {
		if h.ACL != open {
			b.Errorf("hit %+v, want the acl %s", h, open)
		}
	}
	for _, f := range search.Facets() {
		if c := r.Facets[f]; len(c) != 1 || c[0].N != 4 {
			b.Errorf("facet %s: %v, want one value with 4", f, c)
		}
	}
	if r := b.search(as(ask("granite"), open, hidden)); r.Total != 6 {
		b.Errorf("both acls see %d, want 6", r.Total)
	}
	q := as(ask("granite"), open)
	q.Narrow = map[search.Facet][]string{search.FacetTag: {"secret"}}
	b.wants(q)
	q = as(ask("granite"), hidden)
	b.wants(q, 5, 6)
}

func allOfInstance(b *bench) {
	mine, theirs := doc(1, "granite", ""), doc(2, "granite", "")
	mine.ACL = hidden
	theirs.Instance = other
	same := doc(1, "basalt", "") // ids are unique, but an engine need not rely on it
	same.Instance = other
	b.put(mine, theirs, same)
	b.wants(ask("granite"), 1)
	b.wants(ask("basalt"))
	q := ask("granite")
	q.Instance = other
	b.wants(q, 2)
	q = as(ask("granite"), open)
	b.wants(q)
	q.Instance = 3
	q.All = true
	b.nothing(counted(q))
	b.put(search.Document{Kind: "article", ID: 1, Instance: other, Gone: true})
	b.wants(ask("granite"), 1)
	q = ask("basalt")
	q.Instance = other
	b.wants(q)
}

func manyACLs(b *bench) {
	var docs []search.Document
	acls := make([]string, 0, 2000)
	for i := stoa.ID(1); i <= 2000; i++ {
		acls = append(acls, fmt.Sprintf("page:%d", i))
		if i%100 == 0 {
			docs = append(docs, withACL(doc(i, "granite", ""), acls[i-1]))
		}
	}
	docs = append(docs, withACL(doc(9999, "granite", ""), "page:9999"))
	b.put(docs...)
	q := as(ask("granite"), acls...)
	q.Size = 100
	if got := b.found(q); len(got) != 20 || slices.Contains(got, 9999) {
		b.Errorf("2,000 acls find %v, want 20 documents and not 9999", got)
	}
}

func sites(b *bench) {
	d := doc(2, "granite", "")
	d.Site = 11
	e := doc(3, "granite", "")
	e.Site = 0
	b.put(doc(1, "granite", ""), d, e)
	q := ask("granite")
	b.wants(q, 1, 2, 3)
	q.Sites = []stoa.ID{site}
	b.wants(q, 1)
	q.Sites = []stoa.ID{11, site, 12}
	b.wants(q, 1, 2)
	q.Sites = []stoa.ID{12}
	b.wants(q)
}

// insteadQuiet sees that no person is offered a word of a document that is hidden from them.
func insteadQuiet(b *bench) {
	b.put(doc(1, "library opening hours", ""),
		withACL(doc(2, "zebrafish", ""), hidden),
		withACL(doc(3, "librery", ""), hidden))
	theirs := doc(4, "telescope", "")
	theirs.Instance = other
	b.put(theirs)
	for _, c := range []struct {
		typed string
		acls  []string
		want  string
	}{
		{"zebrafisk", []string{open}, ""},
		{"zebrafisk", []string{open, hidden}, "zebrafish"},
		{"librery", []string{open}, "library"}, // the only one that has it is hidden
		{"librery", []string{open, hidden}, ""},
		{"telescopa", []string{open, hidden}, ""},
	} {
		if got := b.search(as(ask(c.typed), c.acls...)).Instead; got != c.want {
			b.Errorf("%q with %v: instead %q, want %q", c.typed, c.acls, got, c.want)
		}
	}
	if got := b.search(ask("telescopa")).Instead; got != "" {
		b.Errorf("instead %q, a word of another instance", got)
	}
}

func aclNoPattern(b *bench) {
	b.put(withACL(doc(1, "granite", ""), "page:42"), withACL(doc(2, "granite", ""), "page:4"))
	for _, acl := range []string{"page", "page:", "page:*", "*", "42", "PAGE:42", "page:42 OR *", ".*", "page:?2"} {
		b.nothing(counted(as(ask("granite"), acl)))
	}
	b.wants(as(ask("granite"), "page:4"), 2)
}

// theACLs are at least those that documents have, and none of another instance or of nothing.
func theACLs(b *bench) {
	other := withACL(doc(3, "slate", ""), "site:other")
	other.Instance = instance + 1
	b.put(withACL(doc(1, "granite", ""), "page:42!/site:7/instance:1"), withACL(doc(2, "marble", ""), "site:7/instance:1"),
		other)
	got, err := b.engine.ACLs(b.Context(), instance)
	if err != nil {
		b.Fatal(err)
	}
	slices.Sort(got)
	if want := []string{"page:42!/site:7/instance:1", "site:7/instance:1"}; !slices.Equal(got, want) {
		b.Errorf("the ACLs are %q, want %q", got, want)
	}
}
