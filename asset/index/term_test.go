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
		if err := w.number(docs); err != nil {
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
	a.began(follow.Term{Incarnation: 1, Epoch: 7})
	write(&a, 3)
	a.began(follow.Term{}) // it ends and begins again within its term
	a.began(follow.Term{Incarnation: 1, Epoch: 7})
	write(&a, 3)
	b.began(follow.Term{Incarnation: 1, Epoch: 8})
	write(&b, 1000)
	a.began(follow.Term{Incarnation: 1, Epoch: 9})
	write(&a, 1)
	b.began(follow.Term{Incarnation: 2, Epoch: 3}) // a fail-over lost the newer epochs
	write(&b, 1)
}

func TestTerm_OnlyWhoHasOneWrites(t *testing.T) {
	t.Parallel()
	var w term
	docs := make([]search.Document, 1)
	if err := w.number(docs); !stoa.Is(err, stoa.KindUnavailable) || w.writes() {
		t.Errorf("before the first term: %v", err)
	}
	w.began(follow.Term{Incarnation: 1, Epoch: 1})
	if err := w.number(docs); err != nil || !w.writes() {
		t.Error(err)
	}
	w.began(follow.Term{})
	if err := w.number(docs); !stoa.Is(err, stoa.KindUnavailable) || w.writes() {
		t.Errorf("after it: %v", err)
	}
	for _, far := range []follow.Term{{Incarnation: 1 << 20, Epoch: 1}, {Incarnation: 1, Epoch: 1 << 30}} {
		w.began(far)
		if err := w.number(docs); !stoa.Is(err, stoa.KindUnavailable) {
			t.Errorf("%+v has a version, which would be one of another term: %v", far, err)
		}
	}
}
