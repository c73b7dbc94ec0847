package embedded

import (
	"errors"
	"slices"
	"sync"

	"github.com/blevesearch/bleve/v2/index/scorch"
	index "github.com/blevesearch/bleve_index_api"

	"github.com/stoa-portal/stoa/search"
)

// columns are the values by which documents of a segment are counted and sorted, in memory: some 40 bytes a document.
// bleve keeps them packed, and reading one there takes as long as counting twenty here. A segment never changes, so
// they are read once.
type columns struct {
	modified []int64
	facets   map[search.Facet]*column
}

// column has the values of one facet, by number: those of document i are from first[i] to first[i+1] in values.
type column struct {
	names  []string
	first  []uint32
	values []uint32
}

// columnCache has the columns of the segments that are searched. Those of segments that were merged are forgotten.
type columnCache struct {
	mu   sync.Mutex
	made map[uint64]*columnsOnce
}

type columnsOnce struct {
	once sync.Once
	cols *columns
	err  error
}

// of gives the columns of the segments of r, in their order.
func (c *columnCache) of(r *scorch.IndexSnapshot) ([]*columns, error) {
	segments := r.Segments()
	entries := make([]*columnsOnce, len(segments))
	c.mu.Lock()
	if c.made == nil {
		c.made = map[uint64]*columnsOnce{}
	}
	for i, s := range segments {
		if c.made[s.Id()] == nil {
			c.made[s.Id()] = &columnsOnce{}
		}
		entries[i] = c.made[s.Id()]
	}
	// Searches of an older moment may run; the segments of a few moments fit.
	if len(c.made) > 4*len(segments)+16 {
		for id := range c.made {
			if !slices.ContainsFunc(segments, func(s *scorch.SegmentSnapshot) bool { return s.Id() == id }) {
				delete(c.made, id)
			}
		}
	}
	c.mu.Unlock()
	list := make([]*columns, len(segments))
	start := 0
	for i, e := range entries {
		n := int(segments[i].FullSize())
		e.once.Do(func() {
			e.err = errors.New("the columns of a segment could not be read") // when it panics
			e.cols, e.err = readColumns(r, start, n)
		})
		if e.err != nil {
			return nil, e.err
		}
		list[i] = e.cols
		start += n
	}
	return list, nil
}

// readColumns reads those of n documents from the one of the number start.
func readColumns(r *scorch.IndexSnapshot, start, n int) (*columns, error) {
	cols := &columns{modified: make([]int64, n), facets: map[search.Facet]*column{}}
	fields := []string{fieldModified}
	byField := map[string]*column{}
	numbers := map[string]map[string]uint32{}
	for _, f := range search.Facets() {
		c := &column{first: make([]uint32, 1, n+1)}
		cols.facets[f] = c
		byField[facetField(f)] = c
		numbers[facetField(f)] = map[string]uint32{}
		fields = append(fields, facetField(f))
	}
	values, err := r.DocValueReader(fields)
	if err != nil {
		return nil, err
	}
	id := make(index.IndexInternalID, 8)
	for doc := range n {
		id.SetValue(uint64(start + doc))
		err := values.VisitDocValues(id, func(field string, term []byte) {
			if field == fieldModified {
				cols.modified[doc] = timeOf(term)
				return
			}
			c := byField[field]
			number, ok := numbers[field][string(term)]
			if !ok {
				number = uint32(len(c.names))
				c.names = append(c.names, string(term))
				numbers[field][c.names[number]] = number
			}
			c.values = append(c.values, number)
		})
		if err != nil {
			return nil, err
		}
		for _, c := range byField {
			c.first = append(c.first, uint32(len(c.values)))
		}
	}
	return cols, nil
}

// tally counts the values of one segment after the other.
type tally struct {
	facet  search.Facet
	total  map[string]int
	col    *column
	counts []int
}

// turn goes on with another segment, and with none at the end.
func (t *tally) turn(cols *columns) {
	for i, n := range t.counts {
		if n > 0 {
			t.total[t.col.names[i]] += n
		}
	}
	t.counts = nil
	if cols != nil {
		t.col = cols.facets[t.facet]
		t.counts = make([]int, len(t.col.names))
	}
}

func (t *tally) count(doc int) {
	for _, v := range t.col.values[t.col.first[doc]:t.col.first[doc+1]] {
		t.counts[v]++
	}
}
