package index

import (
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/follow"
	"github.com/stoa-portal/stoa/search"
)

func TestTerm_WhatIsWrittenLaterHasTheHigherVersion(t *testing.T) {
	t.Parallel()
	var last int64
	write := func(w *term, n int) {
		t.Helper()
		docs := make([]search.Document, n)
		if err := w.number(docs, w.current()); err != nil {
			t.Fatal(err)
		}
		for _, d := range docs {
			if d.Version <= last {
				t.Errorf("%d comes after %d", d.Version, last)
			}
			last = d.Version
		}
	}
	var a, b term
	begin := func(w *term, incarnation, epoch, shift int64) {
		now := follow.Term{Incarnation: incarnation, Epoch: epoch}
		w.began(now)
		w.take(now, shift)
	}
	begin(&a, 1, 7, 0)
	write(&a, 3)
	a.began(follow.Term{}) // it ends and begins again within its term
	begin(&a, 1, 7, 0)
	write(&a, 3)
	begin(&b, 1, 8, 0)
	write(&b, 1000)
	begin(&a, 1, 9, 0)
	write(&a, 1)
	begin(&b, 2, 3, 0) // a fail-over lost the newer epochs
	write(&b, 1)
	begin(&a, 1, 1, 2) // a backup was put back that knows of neither: the index does
	write(&a, 1)
	if a.floor() >= last || a.floor() < last-1 {
		t.Errorf("%d is the floor of a term whose first version is %d", a.floor(), last)
	}
}

func TestTerm_OnlyWhoHasOneWrites(t *testing.T) {
	t.Parallel()
	var w term
	docs := make([]search.Document, 1)
	refused := func(when string, read follow.Term) {
		t.Helper()
		if err := w.number(docs, read); !stoa.Is(err, stoa.KindUnavailable) {
			t.Errorf("%s: %v", when, err)
		}
	}
	refused("before the first term", w.current())
	one, two := follow.Term{Incarnation: 1, Epoch: 1}, follow.Term{Incarnation: 1, Epoch: 2}
	w.began(one)
	refused("before the index says so", one)
	w.take(two, 0) // late
	refused("when the index says so of another one", one)
	w.take(one, 0)
	if err := w.number(docs, one); err != nil {
		t.Error(err)
	}
	w.began(two)
	w.take(two, 0)
	refused("of rows that were read in the term before", one)
	w.began(follow.Term{})
	refused("after it", two)
	for _, far := range []follow.Term{{Incarnation: 1 << 20, Epoch: 1}, {Incarnation: 1, Epoch: 1 << 30}} {
		w.began(far)
		w.take(far, 0)
		refused("with numbers that would be those of another term", far)
	}
}
