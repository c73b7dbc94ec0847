package cache

import (
	"cmp"
	"slices"
	"time"
)

// Standing says how far a node has followed one writer of the change log: it has applied every change
// numbered up to Head except those in Gaps, which rise.
type Standing struct {
	Writer int64
	Head   uint64
	Gaps   []uint64
}

const (
	// maxTrails bounds what changes with made-up writers can make an index remember. Beyond it nothing is
	// accepted any more.
	maxTrails = 4096
	// maxAhead is by how many changes of one writer an offer may be behind this node.
	maxAhead = 4096
	// trailRest is after how long a writer that no node knows any more is forgotten here. The log forgets
	// a writer after 30 days of silence, and a new one is known to it after its next read.
	trailRest = time.Hour
)

// trails let an index tell what a value loaded on another node may lack. They remember for each change
// number within the ring which write of the log it stands for, so that the positions of an offer can be
// turned into a change number of this cache: the offer's as-of, by which the guard judges it like any
// load. There are none until a region is in copy mode. Guarded by index.mu.
type trails struct {
	clock   func() time.Duration
	places  []place // by change number, like index.ring
	writers map[int64]*trail

	// resets counts the changes that stand for more than themselves: a start, a new history, an overrun
	// of the log. What they stand for is in this node's own standing after them, so an offer must cover
	// that; based is how many of them the bases of the writers allow for.
	resets, based uint64

	full bool // there were more than maxTrails writers, so some are not remembered
}

// place is the position in the log of one change; zero for a reset.
type place struct {
	writer int64
	n      uint64
}

// trail is what is remembered of one writer.
type trail struct {
	base  uint64 // an offer must cover every number up to here: the ring does not know what they touched
	marks []mark // by n
	seen  time.Duration
}

// mark says that the write n was first applied here as the change number at.
type mark struct{ n, at uint64 }

func newTrails(ring int, clock func() time.Duration) *trails {
	return &trails{clock: clock, places: make([]place, ring), writers: map[int64]*trail{}, resets: 1}
}

// note remembers the write that a change number stands for, in place of the one that leaves the ring.
func (t *trails) note(number uint64, ch *Change) {
	at := &t.places[number%uint64(len(t.places))]
	if tr := t.writers[at.writer]; tr != nil {
		tr.fade(at.n, number-uint64(len(t.places)))
	}
	*at = place{}
	if ch.Writer == 0 || ch.N == 0 {
		t.resets++
		return
	}
	tr := t.trail(ch.Writer)
	if tr == nil {
		return
	}
	*at = place{ch.Writer, ch.N}
	tr.seen = t.clock()
	if k := len(tr.marks); k == 0 || tr.marks[k-1].n < ch.N {
		tr.marks = append(tr.marks, mark{ch.N, number})
	} else if i, found := tr.find(ch.N); !found {
		tr.marks = slices.Insert(tr.marks, i, mark{ch.N, number})
	}
}

// trail gives the trail of a writer, a new one for a new writer, and nil when there are too many.
func (t *trails) trail(writer int64) *trail {
	tr := t.writers[writer]
	if tr == nil {
		if t.full = t.full || len(t.writers) >= maxTrails; t.full {
			return nil
		}
		tr = &trail{seen: t.clock()}
		t.writers[writer] = tr
	}
	return tr
}

func (tr *trail) find(n uint64) (int, bool) {
	return slices.BinarySearchFunc(tr.marks, n, func(m mark, n uint64) int { return cmp.Compare(m.n, n) })
}

// fade moves a write that the ring forgets below the base.
func (tr *trail) fade(n, at uint64) {
	i, found := tr.find(n)
	if !found || tr.marks[i].at != at {
		return // it has another row or came again, and went with the first
	}
	tr.base = max(tr.base, n)
	if i == 0 {
		tr.marks = tr.marks[1:]
	} else {
		tr.marks = slices.Delete(tr.marks, i, i+1)
	}
}

// stale reports whether the node's own standing is needed to judge the offer: there was a reset, or the
// offer does not know a writer that may be forgotten.
func (t *trails) stale(offered []Standing) bool {
	if t.based != t.resets {
		return true
	}
	now := t.clock()
	for w, tr := range t.writers {
		if now-tr.seen > trailRest {
			if _, known := standingOf(offered, w); !known {
				return true
			}
		}
	}
	return false
}

// refresh takes this node's own standing, read after the given number of resets.
func (t *trails) refresh(own []Standing, resets uint64) {
	now := t.clock()
	for w, tr := range t.writers {
		if _, known := standingOf(own, w); !known && now-tr.seen > trailRest {
			delete(t.writers, w)
		}
	}
	if t.based >= resets {
		return
	}
	t.based = resets
	for _, s := range own {
		if tr := t.trail(s.Writer); tr != nil {
			tr.base = max(tr.base, s.Head)
		}
	}
}

// asOf gives the highest change number, at most begun, up to which an offer with these positions holds
// every change applied here. ok is false when that cannot be told.
func (t *trails) asOf(begun uint64, offered []Standing) (asOf uint64, ok bool) {
	if t.based != t.resets || t.full {
		return 0, false
	}
	asOf = begun
	for w, tr := range t.writers {
		s, _ := standingOf(offered, w)
		if s.Head < tr.base || len(s.Gaps) > 0 && s.Gaps[0] <= tr.base {
			return 0, false
		}
		i, _ := tr.find(s.Head + 1)
		if len(tr.marks)-i > maxAhead {
			return 0, false
		}
		for _, m := range tr.marks[i:] {
			asOf = min(asOf, m.at-1)
		}
		for _, n := range s.Gaps {
			if i, found := tr.find(n); found {
				asOf = min(asOf, tr.marks[i].at-1)
			}
		}
	}
	return asOf, true
}

// standingOf finds a writer in a list that is sorted by writers.
func standingOf(list []Standing, writer int64) (Standing, bool) {
	i, found := slices.BinarySearchFunc(list, writer, func(s Standing, w int64) int { return cmp.Compare(s.Writer, w) })
	if !found {
		return Standing{}, false
	}
	return list[i], true
}
