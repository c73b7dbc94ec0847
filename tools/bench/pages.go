package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/stoa-portal/stoa"
)

// readPages are as many as are read in turn.
const readPages = 500

const readPage = "SELECT id, site, parent, slug, path, title, place, hidden, page_type, target, layout, draft, " +
	"published, restricted, password, seo, template, created, modified, modified_by, live_number, version, " +
	"draft_version FROM page_page WHERE id = ?"

// pageRow is a page as it is stored.
type pageRow struct {
	id, site, parent, created, modified, by, version, draftVersion   int64
	slug, path, title, kind, target, layout, draft, password, seo, t string
	place, number                                                    int
	hidden, published, restricted                                    bool
}

func (r *pageRow) scan(s interface{ Scan(...any) error }) error {
	return s.Scan(&r.id, &r.site, &r.parent, &r.slug, &r.path, &r.title, &r.place, &r.hidden, &r.kind, &r.target,
		&r.layout, &r.draft, &r.published, &r.restricted, &r.password, &r.seo, &r.t, &r.created, &r.modified, &r.by,
		&r.number, &r.version, &r.draftVersion)
}

// measureReads reads pages by their ids.
func measureReads(ctx context.Context, b *bed) (s section, err error) {
	rows := [][]string{{"Database", "Readers", "Stoa, reads/s", "bare, reads/s", "Ratio", "from the cache, reads/s",
		"against bare"}}
	for _, e := range b.engines() {
		more, err := b.reads(ctx, e, &s)
		if err != nil {
			return s, fmt.Errorf("%s: %w", e.name, err)
		}
		rows = append(rows, more...)
	}
	s.text = fmt.Sprintf("A page with all its columns, %d bytes of layout, by its primary key: the same statement "+
		"through Stoa's handle and through the driver used bare, %d pages in turn. From the cache, as for visitors, it "+
		"comes with the permission asked and the JSON decoded.\n\n%s", layoutBytes, readPages, table(rows...))
	return s, nil
}

func (b *bed) reads(ctx context.Context, e engine, s *section) (rows [][]string, err error) {
	st, err := b.open(ctx, e, readPages, false)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, st.close()) }()
	query := st.bare.dialect.Rebind(readPage)
	next := make([]int, 64) // by worker; each is only touched by its own
	id := func(worker int) int64 {
		next[worker] += 7
		return firstPage + int64(next[worker]%readPages)
	}
	sides := []side{
		{"Stoa", func(w int) error { return (&pageRow{}).scan(st.k.d.QueryRow(ctx, readPage, id(w))) }},
		{"the driver used bare", func(w int) error {
			return (&pageRow{}).scan(st.bare.p.QueryRowContext(ctx, query, id(w)))
		}},
		{"Stoa's cache", func(w int) error { _, err := st.k.pages.Live(st.k.editor, stoa.ID(id(w))); return err }},
	}
	for _, readers := range []int{1, 8} {
		rates, p50, err := b.inTurn(ctx, sides, readers, time.Duration(b.pick(1000, 200))*time.Millisecond)
		if err != nil {
			return nil, err
		}
		ratio := about(ratios(rates[0], rates[1]), "%.2f ×")
		rows = append(rows, []string{e.name, fmt.Sprint(readers), aboutThousands(rates[0]), aboutThousands(rates[1]), ratio,
			aboutThousands(rates[2]), about(ratios(rates[2], rates[1]), "%.1f ×")})
		s.rows = append(s.rows, []string{fmt.Sprintf("Reads by primary key, %s", people(readers, "reader")), e.name,
			perSecond(rates[0], p50[0]), perSecond(rates[1], p50[1]), ratio})
	}
	return rows, nil
}

func people(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// perSecond tells a rate with the median latency.
func perSecond(rates, ms []float64) string {
	rate, _ := median(rates)
	mid, _ := median(ms)
	return fmt.Sprintf("%s/s, p50 %.2f ms", thousands(int(math.Round(rate))), mid)
}

// measureSavesOfPages saves pages one after the other.
func measureSavesOfPages(ctx context.Context, b *bed) (s section, err error) {
	rows := [][]string{{"Database", "Save", "Stoa, saves/s", "bare, saves/s", "Ratio", "Stoa, p50", "bare, p50"}}
	for _, e := range b.engines() {
		more, err := b.savesOfPages(ctx, e, &s)
		if err != nil {
			return s, fmt.Errorf("%s: %w", e.name, err)
		}
		rows = append(rows, more...)
	}
	s.text = fmt.Sprintf("One editor saves pages of %d bytes as fast as that goes, in the process, without HTTP: Stoa "+
		"reads the page, asks for the permission, checks the layout, and writes page and change log; caches are dropped "+
		"before the answer, and the node beats. The bare side writes as many rows in one transaction: two for a draft; "+
		"published, in a second transaction four more (page, version, the version that is forgotten, log).\n\n%s",
		layoutBytes, table(rows...))
	return s, nil
}

func (b *bed) savesOfPages(ctx context.Context, e engine, s *section) (rows [][]string, err error) {
	st, err := b.open(ctx, e, 2, true)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, st.close()) }()
	ours, theirs := pagesOf(2), pagesOf(2)
	for i, kind := range []struct {
		name       string
		stoa, bare func() error
	}{
		{"a draft", func() error { return st.k.save(&ours[0]) }, func() error { return st.bare.save(ctx, &theirs[0]) }},
		{"a draft, and published", func() error { return st.k.publish(&ours[1]) },
			func() error { return st.bare.publish(ctx, &theirs[1]) }},
	} {
		sides := []side{
			{"Stoa", func(int) error { return kind.stoa() }},
			{"the driver used bare", func(int) error { return kind.bare() }},
		}
		rates, p50, err := b.inTurn(ctx, sides, 1, time.Duration(b.pick(1500, 300))*time.Millisecond)
		if err != nil {
			return nil, err
		}
		if err := st.bare.written(ctx, theirs[i:i+1]); err != nil {
			return nil, err
		}
		ratio := about(ratios(rates[0], rates[1]), "%.2f ×")
		rows = append(rows, []string{e.name, kind.name, aboutThousands(rates[0]), aboutThousands(rates[1]), ratio,
			about(p50[0], "%.2f ms"), about(p50[1], "%.2f ms")})
		s.rows = append(s.rows, []string{"Page saves, " + kind.name, e.name, perSecond(rates[0], p50[0]),
			perSecond(rates[1], p50[1]), ratio})
	}
	return rows, nil
}

const (
	editorsLimit = 250.0 // milliseconds, p99
	editorsMost  = 4000
)

// measureEditors finds out how many editors can save at once.
func measureEditors(ctx context.Context, b *bed) (s section, err error) {
	rows := [][]string{{"Database", "Stoa, editors", "bare, editors", "Ratio", "Stoa, saves/s there",
		"bare, saves/s there"}}
	for _, e := range b.engines() {
		row, err := b.editors(ctx, e, &s)
		if err != nil {
			return s, fmt.Errorf("%s: %w", e.name, err)
		}
		rows = append(rows, row)
	}
	s.text = fmt.Sprintf("Editors save drafts of pages of their own, each the next as soon as the one before is "+
		"answered, which no person does: one who saves twice a minute is some hundredth of such an editor. Their number "+
		"grows until the p99 of a save passes %.0f ms twice in a row; between the last number below and the first above "+
		"it is interpolated. What a save is stands above.\n\n%s", editorsLimit, table(rows...))
	return s, nil
}

// crowd is the search for the number of editors that one side bears.
type crowd struct {
	side
	below, belowP99, belowRate float64 // the greatest number within the limit
	above, aboveP99            float64 // the least beyond it; 0 until there is one
	next                       float64
	found, rates               []float64 // by round
	doubted                    bool      // the number was beyond it once, which other work on the machine may have done
}

// tried takes the p99 for the number that was tried, and gives whether the limit is passed.
func (c *crowd) tried(w worked, grow float64) bool {
	p99 := quantile(w.latencies, 0.99)
	if p99 > editorsLimit && !c.doubted {
		c.doubted = true
		return false
	}
	c.doubted = false
	if p99 > editorsLimit || c.next >= editorsMost {
		c.above, c.aboveP99 = c.next, p99
		c.found = append(c.found, between(c.below, c.belowP99, c.above, c.aboveP99))
		c.rates = append(c.rates, max(c.belowRate, w.rate))
		return true
	}
	c.below, c.belowP99, c.belowRate = c.next, p99, w.rate
	c.next = math.Ceil(c.next * grow)
	return false
}

// between gives where a line from one number with its p99 to the next passes the limit.
func between(n, p99, n2, p992 float64) float64 {
	if p992 <= editorsLimit || p992 <= p99 {
		return n2
	}
	return n + (n2-n)*(editorsLimit-p99)/(p992-p99)
}

// again begins the next round a little below what was found.
func (c *crowd) again() {
	found := c.found[len(c.found)-1]
	c.below, c.belowP99, c.belowRate, c.above, c.aboveP99 = 0, 0, 0, 0, 0
	c.next = max(1, math.Floor(found*0.6))
}

func (b *bed) editors(ctx context.Context, e engine, s *section) (row []string, err error) {
	st, err := b.open(ctx, e, editorsMost, true)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, st.close()) }()
	ours, theirs := pagesOf(editorsMost), pagesOf(editorsMost)
	sides := []*crowd{
		{side: side{"Stoa", func(w int) error { return st.k.save(&ours[w]) }}, next: 8},
		{side: side{"the driver used bare", func(w int) error { return st.bare.save(ctx, &theirs[w]) }}, next: 8},
	}
	for round := range b.pick(3, 1) + 1 {
		length, grow := time.Duration(b.pick(3000, 500))*time.Millisecond, 1.25
		if round == 0 {
			length, grow = length/2, 2 // only to know where
		} else {
			sides[0].again()
			sides[1].again()
		}
		for going := []*crowd{sides[round%2], sides[1-round%2]}; len(going) > 0; {
			var left []*crowd
			for _, c := range going {
				w, err := work(ctx, c.side, int(c.next), length)
				if err != nil {
					return nil, err
				}
				if !c.tried(w, grow) {
					left = append(left, c)
				}
			}
			going = left
		}
	}
	if err := st.bare.written(ctx, theirs[:8]); err != nil {
		return nil, err
	}
	for _, c := range sides {
		c.found, c.rates = c.found[1:], c.rates[1:]
	}
	ratio := about(ratios(sides[0].found, sides[1].found), "%.2f ×")
	tell := func(c *crowd) string {
		n, _ := median(c.found)
		rate, _ := median(c.rates)
		return fmt.Sprintf("%.0f, %s saves/s", n, thousands(int(rate)))
	}
	s.rows = append(s.rows, []string{fmt.Sprintf("Concurrent editors until p99 passes %.0f ms", editorsLimit), e.name,
		tell(sides[0]), tell(sides[1]), ratio})
	return []string{e.name, aboutThousands(sides[0].found), aboutThousands(sides[1].found), ratio,
		aboutThousands(sides[0].rates), aboutThousands(sides[1].rates)}, nil
}
