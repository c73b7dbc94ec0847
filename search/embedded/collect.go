package embedded

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"math"
	"slices"
	"strings"
	"time"

	index "github.com/blevesearch/bleve_index_api"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/search"
)

// cursor is the last hit of a page.
type cursor struct {
	order    search.Order
	score    float64
	modified int64
	name     string
}

// String is the cursor as Query.After has it.
func (c *cursor) String() string {
	data := binary.BigEndian.AppendUint64(nil, math.Float64bits(c.score))
	data = binary.BigEndian.AppendUint64(data, uint64(c.modified))
	data = append(data, byte(len(c.order)))
	data = append(data, c.order...)
	data = append(data, c.name...)
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(data, crc32.ChecksumIEEE(data)))
}

// readCursor reads Query.After, nil for the first page.
func readCursor(q search.Query) (*cursor, error) {
	if q.After == "" {
		return nil, nil
	}
	wrong := stoa.Invalid("after", "this is not the end of a page of search results: start again from the first page")
	data, err := base64.RawURLEncoding.DecodeString(q.After)
	if err != nil || len(data) < 21 {
		return nil, wrong
	}
	sum := binary.BigEndian.Uint32(data[len(data)-4:])
	if data = data[:len(data)-4]; sum != crc32.ChecksumIEEE(data) || 17+int(data[16]) > len(data) {
		return nil, wrong
	}
	c := &cursor{
		order:    search.Order(data[17 : 17+int(data[16])]),
		score:    math.Float64frombits(binary.BigEndian.Uint64(data)),
		modified: int64(binary.BigEndian.Uint64(data[8:])),
		name:     string(data[17+int(data[16]):]),
	}
	if c.order != q.Order || math.IsNaN(c.score) {
		return nil, wrong
	}
	return c, nil
}

// hit is a document that was found, with what it is sorted by. Its name is read when all else is the same.
type hit struct {
	doc      int
	score    float64
	modified int64
	name     string
}

// collector goes through the documents that were found, once: it counts, and keeps the first ones of a page.
type collector struct {
	*asked
	after  *hit
	keep   int
	page   []*hit // sorted; one more than the page has, so that its end is known
	total  int
	recent [3]int64 // what was modified after these weighs a little more
	err    error    // of reading a name

	narrow map[search.Facet]set
	counts []*tally
}

func (a *asked) collect(f *found, after *cursor) (search.Result, error) {
	c := &collector{asked: a}
	if a.q.Size > 0 {
		c.keep = min(a.q.Size, search.MaxSize) + 1
	}
	if after != nil {
		c.after = &hit{score: after.score, modified: after.modified, name: after.name}
	}
	for _, facet := range a.q.Facets {
		if slices.Contains(search.Facets(), facet) && !c.counted(facet) {
			c.counts = append(c.counts, &tally{facet: facet, total: map[string]int{}})
		}
	}
	c.recent = [3]int64{math.MaxInt64, math.MaxInt64, math.MaxInt64}
	if now := a.q.Now; !now.IsZero() {
		c.recent = [3]int64{now.AddDate(0, 0, -7).Unix(), now.AddDate(0, -1, 0).Unix(), now.AddDate(-1, 0, 0).Unix()}
	}
	if err := c.narrowed(f.docs); err != nil {
		return search.Result{}, err
	}
	if err := c.run(f); err != nil {
		return search.Result{}, err
	}
	return c.result()
}

func (c *collector) counted(facet search.Facet) bool {
	return slices.ContainsFunc(c.counts, func(t *tally) bool { return t.facet == facet })
}

// narrowed takes away what no number needs: documents that lack a value of a facet which is not counted. The other
// facets are kept as sets, since each is counted without its own.
func (c *collector) narrowed(docs set) error {
	c.narrow = map[search.Facet]set{}
	for facet, values := range c.q.Narrow {
		if len(values) == 0 {
			continue
		}
		have := c.none()
		for _, v := range values {
			if v == "" {
				continue
			}
			if err := c.with(have, facetField(facet), facetTerm(v)); err != nil {
				return err
			}
		}
		if c.counted(facet) {
			c.narrow[facet] = have
		} else {
			docs.and(have)
		}
	}
	return nil
}

// lacking tells how many of the narrowed facets a document lacks, and the last one of them.
func (c *collector) lacking(doc int) (n int, facet search.Facet) {
	for f, s := range c.narrow {
		if !s.has(doc) {
			n, facet = n+1, f
		}
	}
	return n, facet
}

// run looks at each document that was found, segment by segment.
func (c *collector) run(f *found) error {
	all, err := c.columns.of(c.r)
	if err != nil {
		return err
	}
	since, until := int64(math.MinInt64), int64(math.MaxInt64)
	if !c.q.Since.IsZero() {
		since = second(c.q.Since)
	}
	if !c.q.Until.IsZero() {
		until = second(c.q.Until)
	}
	var cols *columns
	start, end := 0, 0 // of the segment
	err = f.docs.each(func(doc int) error {
		if err := c.tick(); err != nil {
			return err
		}
		if doc >= end {
			for ; doc >= end; all = all[1:] {
				cols = all[0]
				start, end = end, end+len(cols.modified)
			}
			for _, t := range c.counts {
				t.turn(cols)
			}
		}
		lacks, facet := c.lacking(doc)
		modified := cols.modified[doc-start]
		if lacks > 1 || modified < since || modified >= until {
			return nil
		}
		for _, t := range c.counts {
			if lacks == 0 || t.facet == facet {
				t.count(doc - start)
			}
		}
		if lacks > 0 {
			return nil
		}
		c.total++
		score := 1.0
		if !f.all {
			score = float64(f.score[doc])
		}
		if c.keep > 0 {
			c.offer(&hit{doc: doc, score: score * c.newer(modified), modified: modified})
		}
		return c.err
	})
	for _, t := range c.counts {
		t.turn(nil)
	}
	return err
}

// second is the first full second that is not before t: what is modified is kept to the second.
func second(t time.Time) int64 {
	n := t.Unix()
	if t.Nanosecond() > 0 {
		n++
	}
	return n
}

// newer weighs what was modified of late a little more.
func (c *collector) newer(modified int64) float64 {
	for i, since := range c.recent {
		if modified >= since {
			return []float64{1.1, 1.06, 1.03}[i]
		}
	}
	return 1
}

// offer keeps a hit that is among the first ones of the page.
func (c *collector) offer(h *hit) {
	if c.after != nil && c.compare(h, c.after) <= 0 {
		return
	}
	if len(c.page) == c.keep && c.compare(h, c.page[c.keep-1]) >= 0 {
		return
	}
	at, _ := slices.BinarySearchFunc(c.page, h, c.compare)
	if len(c.page) == c.keep {
		c.page = c.page[:c.keep-1]
	}
	c.page = slices.Insert(c.page, at, h)
}

// compare sorts hits: no two are the same, so that a page begins where the one before it has ended.
func (c *collector) compare(x, y *hit) int {
	n := 0
	switch c.q.Order {
	case search.ByNewest:
		n = cmp.Compare(y.modified, x.modified)
	case search.ByOldest:
		n = cmp.Compare(x.modified, y.modified)
	default:
		n = cmp.Or(cmp.Compare(y.score, x.score), cmp.Compare(y.modified, x.modified))
	}
	if n != 0 {
		return n
	}
	return strings.Compare(c.named(x), c.named(y))
}

func (c *collector) named(h *hit) string {
	if h.name == "" {
		var err error
		if h.name, err = c.r.ExternalID(index.NewIndexInternalID(nil, uint64(h.doc))); err != nil && c.err == nil {
			c.err = err
		}
	}
	return h.name
}

func (c *collector) result() (search.Result, error) {
	res := search.Result{Total: min(c.total, most), More: c.total > most}
	if len(c.page) > 0 && len(c.page) == c.keep {
		c.page = c.page[:c.keep-1]
		last := c.page[len(c.page)-1]
		res.Next = (&cursor{c.q.Order, last.score, last.modified, c.named(last)}).String()
	}
	for _, h := range c.page {
		_, k, err := keyOf(c.named(h))
		if c.err != nil {
			return res, c.err
		}
		if err != nil {
			return res, err
		}
		s, _, err := about(c.r, h.name)
		if err != nil {
			return res, err
		}
		res.Hits = append(res.Hits, search.Hit{Key: k, ACL: s.ACL, Score: h.score})
	}
	if len(c.counts) > 0 {
		res.Facets = map[search.Facet][]search.Count{}
	}
	for _, t := range c.counts {
		list := make([]search.Count, 0, len(t.total))
		for v, n := range t.total {
			list = append(list, search.Count{Value: v, N: n})
		}
		slices.SortFunc(list, func(x, y search.Count) int {
			return cmp.Or(cmp.Compare(y.N, x.N), strings.Compare(x.Value, y.Value))
		})
		res.Facets[t.facet] = slices.Clone(list[:min(len(list), search.MaxFacet)])
	}
	return res, nil
}
