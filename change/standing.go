package change

import (
	"cmp"
	"maps"
	"slices"
)

// Standing says how far this node has followed one writer: it has applied every change numbered up to
// Head, or knows that there is none, except those in Gaps, which rise.
type Standing struct {
	Writer int64
	Head   uint64
	Gaps   []uint64
}

// maxHintsAhead is how far above its head a hint counts in a Standing; further up there is but one gap.
const maxHintsAhead = 1024

// Standing gives how far this node has followed every writer, its own changes among them, by writer.
// What it holds has been applied, and a load that begins now reads it: hints count only where they are
// trusted. No caller may change the list.
func (c *Core) Standing() []Standing {
	if known := c.stand.Load(); known != nil {
		return *known
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]Standing, 0, len(c.reader.streams)+1)
	for w, s := range c.reader.streams {
		list = append(list, s.standing(w, c.reader.trust))
	}
	list = append(list, c.own.standing())
	slices.SortFunc(list, func(a, b Standing) int { return cmp.Compare(a.Writer, b.Writer) })
	c.stand.Store(&list)
	return list
}

// Standing gives how far this node has followed every writer; see Core.Standing.
func (l *Log) Standing() []Standing { return l.core.Standing() }

// moving is called before anything that Standing tells of changes. c.mu is held until it is applied.
func (c *Core) moving() { c.stand.Store(nil) }

func (s *stream) standing(writer int64, trust bool) Standing {
	st := Standing{Writer: writer, Head: s.head, Gaps: slices.Clone(s.gaps)}
	if !trust || len(s.hinted) == 0 {
		return st
	}
	st.Gaps = slices.DeleteFunc(st.Gaps, func(n uint64) bool { _, hinted := s.hinted[n]; return hinted })
	for _, n := range slices.Sorted(maps.Keys(s.hinted)) {
		if n <= st.Head || n > s.head+maxHintsAhead {
			continue
		}
		for k := st.Head + 1; k < n; k++ {
			st.Gaps = append(st.Gaps, k)
		}
		st.Head = n
	}
	return st
}

// standing of this process: the numbers whose outcome is open are gaps.
func (o *own) standing() Standing {
	o.mu.Lock()
	defer o.mu.Unlock()
	return Standing{Writer: o.writer, Head: o.last, Gaps: slices.Sorted(maps.Keys(o.open))}
}

// covers reports whether the change with the number is within the standing.
func (s Standing) covers(n uint64) bool {
	_, gap := slices.BinarySearch(s.Gaps, n)
	return n > 0 && n <= s.Head && !gap
}
