package searchtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/search"
)

func writing() map[string]func(*bench) {
	return map[string]func(*bench){
		"NewerVersionWins":            newerWins,
		"WithoutVersionTheLastWins":   lastWins,
		"GoneIsNotResurrected":        goneStays,
		"TokenIsKept":                 tokenKept,
		"CancelledKeepsAllOrNothing":  cancelledWrite,
		"RefreshIsSeenByTheNext":      refreshSeen,
		"WithoutRefreshItIsSeenSoon":  seenSoon,
		"ChangedIsFoundByTheNewAlone": changed,
		"Known":                       known,
		"Walk":                        walk,
		"Status":                      status,
		"ManyAtOnce":                  manyAtOnce,
		"ClosedIsUnavailable":         closed,
	}
}

func version(n int64, title string) search.Document {
	d := doc(1, title, "")
	d.Version = n
	return d
}

func newerWins(b *bench) {
	b.put(version(5, "granite"))
	b.put(version(4, "basalt"))
	b.put(version(5, "marble"))
	b.wants(ask("granite"), 1)
	b.wants(ask("basalt"))
	b.wants(ask("marble"))
	b.put(version(6, "sandstone"))
	b.wants(ask("sandstone"), 1)
	b.wants(ask("granite"))
	big := int64(3)<<40 | 7 // an incarnation and a number
	b.put(version(big, "slate"))
	b.put(version(big-1, "limestone"))
	b.wants(ask("slate"), 1)
	d := version(big+1, "gneiss")
	d.Sign()
	e := doc(2, "quartz", "")
	e.Version = 1
	e.Sign()
	stale := doc(3, "flint", "")
	stale.Version = 1
	b.put(stale)
	// an older one among newer ones keeps nothing back
	stale.Version, stale.Texts = 1, map[stoa.Locale]search.Text{"en": {Title: "chalk"}}
	b.put(d, stale, e)
	b.wants(ask("gneiss"), 1)
	b.wants(ask("quartz"), 2)
	b.wants(ask("chalk"))
	b.wants(ask("flint"), 3)
}

func lastWins(b *bench) {
	b.put(doc(1, "granite", ""))
	b.put(doc(1, "basalt", ""))
	b.wants(ask("granite"))
	b.wants(ask("basalt"), 1)
	b.put(gone(1, 0))
	b.wants(ask("basalt"))
	b.put(doc(1, "marble", ""))
	b.wants(ask("marble"), 1)
	b.put(gone(7, 0)) // of what never was
	b.wants(ask(""), 1)
}

func goneStays(b *bench) {
	b.put(version(5, "granite"))
	b.put(gone(1, 4))
	b.wants(ask("granite"), 1)
	b.put(gone(1, 8))
	b.wants(ask("granite"))
	b.wants(ask(""))
	b.put(version(7, "basalt"))
	b.wants(ask("basalt"))
	b.wants(ask(""))
	b.put(version(8, "basalt"))
	b.wants(ask(""))
	b.put(version(9, "marble"))
	b.wants(ask("marble"), 1)
	// removed before it was ever there
	b.put(gone(2, 3))
	late := doc(2, "slate", "")
	late.Version = 2
	b.put(late)
	b.wants(ask("slate"))
}

func (b *bench) token() []byte {
	b.Helper()
	t, err := b.engine.Token(b.Context())
	if err != nil {
		b.Fatalf("Token: %v", err)
	}
	return t
}

func tokenKept(b *bench) {
	if t := b.token(); t != nil {
		b.Errorf("an empty index has the token %q, want nil", t)
	}
	b.put(doc(1, "granite", ""))
	if t := b.token(); t != nil {
		b.Errorf("no token was kept, but there is %q", t)
	}
	one := []byte{0, 1, 255, 'a', '"', '\n'}
	b.apply(one, doc(2, "basalt", ""))
	if t := b.token(); !bytes.Equal(t, one) {
		b.Errorf("token %q, want %q", t, one)
	}
	b.put(doc(3, "marble", "")) // without one: it stays
	if t := b.token(); !bytes.Equal(t, one) {
		b.Errorf("token %q after a write without, want %q", t, one)
	}
	two := bytes.Repeat([]byte("long"), 10_000)
	b.apply(two) // without documents
	if t := b.token(); !bytes.Equal(t, two) {
		b.Errorf("token of %d bytes, want %d", len(t), len(two))
	}
	b.wants(ask(""), 1, 2, 3)
}

func cancelledWrite(b *bench) {
	b.apply([]byte("before"), doc(1, "granite", ""))
	ctx, cancel := context.WithCancel(b.Context())
	cancel()
	d := doc(2, "basalt", "")
	d.Sign()
	if err := b.engine.Apply(ctx, []search.Document{d}, []byte("after"), true); !errors.Is(err, context.Canceled) {
		b.Errorf("Apply with a cancelled context: %v, want context.Canceled", err)
	}
	if t := b.token(); string(t) != "before" {
		b.Errorf("token %q after a write that was cancelled, want %q", t, "before")
	}
	b.wants(ask(""), 1)
}

func refreshSeen(b *bench) {
	for i := stoa.ID(1); i <= 20; i++ {
		b.put(doc(i, fmt.Sprintf("granite number%d", i), ""))
		b.wants(ask(fmt.Sprintf("number%d", i)), i)
	}
}

func seenSoon(b *bench) {
	d := doc(1, "granite", "")
	d.Sign()
	if err := b.engine.Apply(b.Context(), []search.Document{d}, []byte("t"), false); err != nil {
		b.Fatal(err)
	}
	b.eventually("what was written without refresh is found", func() bool { return len(b.found(ask("granite"))) == 1 })
}

func changed(b *bench) {
	d := doc(1, "granite", "")
	d.Tags, d.Site = []string{"stone"}, site
	b.put(d)
	d = doc(1, "oak", "")
	d.Tags, d.ACL, d.Site = []string{"wood"}, hidden, 11
	b.put(d)
	b.wants(ask("granite"))
	b.wants(as(ask(""), open))
	b.wants(as(ask("oak"), hidden), 1)
	q := ask("")
	q.Sites = []stoa.ID{site}
	b.wants(q)
	q.Sites, q.Facets = nil, []search.Facet{search.FacetTag}
	if got := b.search(q).Facets[search.FacetTag]; !slices.Equal(got, []search.Count{{Value: "wood", N: 1}}) {
		b.Errorf("tags after a change: %v, want wood alone", got)
	}
}

func known(b *bench) {
	d, e := doc(1, "granite", ""), doc(2, "basalt", "")
	e.ACL = hidden
	d.Sign()
	e.Sign()
	far := doc(math.MaxInt64, "far", "")
	far.Sign()
	b.put(d, e, far, doc(3, "marble", ""))
	b.put(gone(3, 0))
	v := doc(4, "slate", "")
	v.Version = 3
	b.put(v)
	b.put(gone(4, 4))
	got, err := b.engine.Known(b.Context(), instance, []search.Key{
		key(2), key(1), key(3), key(4), key(77), key(math.MaxInt64), {Kind: "page", ID: 1}})
	if err != nil {
		b.Fatal(err)
	}
	slices.SortFunc(got, func(x, y search.Known) int { return int(min(x.ID, 10) - min(y.ID, 10)) })
	want := []search.Known{
		{Key: key(1), Digest: d.Digest, ACL: open},
		{Key: key(2), Digest: e.Digest, ACL: hidden},
		{Key: key(math.MaxInt64), Digest: far.Digest, ACL: open},
	}
	said := 0 // versions, by an engine that knows them
	for i := range got {
		if got[i].Version > 0 {
			said++
		}
		got[i].Version = 0
	}
	if !slices.Equal(got, want) || said != 0 && said != len(want) {
		b.Errorf("Known: %v with %d versions, want %v with none or all", got, said, want)
	}
	if got, err := b.engine.Known(b.Context(), other, []search.Key{key(1)}); err != nil || len(got) > 0 {
		b.Errorf("Known of another instance: %v, %v, want nothing", got, err)
	}
	if got, err := b.engine.Known(b.Context(), instance, nil); err != nil || len(got) > 0 {
		b.Errorf("Known of nothing: %v, %v, want nothing", got, err)
	}
}

func walk(b *bench) {
	all := []stoa.ID{2, 9, 10, 11, 99, 100, 101, 1_000_000, 1 << 53, 1<<53 + 1, math.MaxInt64}
	var docs []search.Document
	for i, id := range all {
		d := doc(id, "granite", "")
		d.Version = int64(i) // the first one has none
		docs = append(docs, d)
	}
	page := doc(50, "a page", "")
	page.Kind = "page"
	article := doc(51, "of another instance", "")
	article.Instance = other
	articles := doc(52, "a kind that begins alike", "")
	articles.Kind = "article-note"
	b.put(append(docs, page, article, articles, doc(3, "gone", ""))...)
	b.put(gone(3, 0), gone(101, 50))
	var want, got []stoa.ID
	for _, id := range all {
		if id != 101 {
			want = append(want, id)
		}
	}
	after := stoa.ID(0)
	for {
		some, err := b.engine.Walk(b.Context(), instance, "article", after, 3)
		if err != nil {
			b.Fatal(err)
		}
		if len(some) > 3 {
			b.Fatalf("Walk gives %d, want 3 at most", len(some))
		}
		for _, k := range some {
			d := doc(k.ID, "granite", "")
			d.Sign()
			if k.Kind != "article" || k.ACL != open || k.Digest != d.Digest {
				b.Errorf("Walk gives %+v, want digest %s and acl %s", k, d.Digest, open)
			}
			got = append(got, k.ID)
		}
		if len(some) == 0 || len(got) > 2*len(all) {
			break
		}
		after = some[len(some)-1].ID
	}
	if !slices.Equal(got, want) {
		b.Errorf("Walk gives %v, want %v", got, want)
	}
	if some, err := b.engine.Walk(b.Context(), instance, "none", 0, 10); err != nil || len(some) > 0 {
		b.Errorf("Walk of a kind that is not there: %v, %v", some, err)
	}
}

func status(b *bench) {
	b.put(doc(1, "granite", ""), doc(2, "basalt", ""), doc(3, "marble", ""))
	b.put(gone(2, 0), gone(3, 9)) // a tombstone is no document
	var s search.Status
	b.eventually("the status says one document", func() bool {
		var err error
		if s, err = b.engine.Status(b.Context()); err != nil {
			b.Fatal(err)
		}
		return s.Documents == 1
	})
	if s.Engine == "" || s.Address == "" || s.Bytes <= 0 {
		b.Errorf("status %+v: want engine, address and bytes", s)
	}
}

// manyAtOnce writes and asks at the same time; what is there at the end is what was written.
func manyAtOnce(b *bench) {
	const writers, each = 4, 25
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				d := doc(stoa.ID(1+w*each+i), "granite", fmt.Sprintf("writer%d", w))
				d.Version = 1
				d.Sign()
				if err := b.engine.Apply(b.Context(), []search.Document{d}, nil, i == each-1); err != nil {
					b.Errorf("Apply: %v", err)
				}
			}
		})
		wg.Go(func() {
			for range each {
				q := ask("granite")
				q.Facets = search.Facets()
				if _, err := b.engine.Search(b.Context(), q); err != nil {
					b.Errorf("Search: %v", err)
				}
			}
		})
	}
	wg.Wait()
	b.put()
	for w := range writers {
		q := ask(fmt.Sprintf("writer%d", w))
		q.Size = 0
		b.eventually("all of a writer are found", func() bool { return b.search(q).Total == each })
	}
}

func closed(b *bench) {
	b.put(doc(1, "granite", ""))
	if err := b.engine.Close(); err != nil {
		b.Fatal(err)
	}
	if err := b.engine.Close(); err != nil {
		b.Errorf("Close twice: %v", err)
	}
	ctx, cancel := context.WithTimeout(b.Context(), 5*time.Minute)
	defer cancel()
	_, err := b.engine.Search(ctx, ask("granite"))
	if !stoa.Is(err, stoa.KindUnavailable) {
		b.Errorf("Search after Close: %v, want an error of kind unavailable", err)
	}
	if err := b.engine.Apply(ctx, []search.Document{doc(1, "x", "")}, nil, true); !stoa.Is(err, stoa.KindUnavailable) {
		b.Errorf("Apply after Close: %v, want an error of kind unavailable", err)
	}
}
