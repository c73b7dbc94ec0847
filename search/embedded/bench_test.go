package embedded_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/search"
	"github.com/stoa-portal/stoa/search/embedded"
)

// corpus makes documents that look like those of a site: words as frequent as in a language, about 2 KB each, of three
// languages, in ten sites and under fifty acls.
type corpus struct {
	rand  *rand.Rand
	words []string
	often *rand.Zipf
}

func newCorpus() *corpus {
	c := &corpus{rand: rand.New(rand.NewPCG(1, 2))}
	syllables := strings.Fields("ba be bi co da de di fe fo ga ge ha he in ka ko la le li ma me mi mo na ne ni no " +
		"pa pe ra re ri ro sa se si so ta te ti to un va ve vi wa we")
	seen := map[string]bool{}
	for len(c.words) < 30_000 {
		var b strings.Builder
		for range 1 + c.rand.IntN(2) + c.rand.IntN(3) {
			b.WriteString(syllables[c.rand.IntN(len(syllables))])
		}
		if w := b.String(); !seen[w] {
			seen[w] = true
			c.words = append(c.words, w)
		}
	}
	c.often = rand.NewZipf(c.rand, 1.07, 4, uint64(len(c.words)-1))
	return c
}

func (c *corpus) text(n int) string {
	var b strings.Builder
	for range n {
		b.WriteString(c.words[c.often.Uint64()])
		b.WriteByte(' ')
	}
	return b.String()
}

func (c *corpus) doc(id int) search.Document {
	d := search.Document{
		Kind: []string{"article", "page", "file"}[id%3], ID: stoa.ID(id), Instance: 1, Site: stoa.ID(10 + id%10),
		ACL:      fmt.Sprintf("page:%d", id%50),
		Tags:     []string{c.words[c.rand.IntN(100)], c.words[c.rand.IntN(100)]},
		Author:   stoa.ID(100 + c.rand.IntN(30)),
		Modified: asked().AddDate(0, 0, -c.rand.IntN(2000)),
		Texts: map[stoa.Locale]search.Text{
			[]stoa.Locale{"en", "en", "de", "fr"}[id%4]: {
				Title: c.text(6), Headings: c.text(20), Body: c.text(300), Terms: c.text(3),
			},
		},
	}
	d.Sign()
	return d
}

func asked() time.Time { return time.Date(2026, 11, 18, 12, 0, 0, 0, time.UTC) }

// fill writes n documents, a hundred at a time.
func fill(tb testing.TB, x *embedded.Index, n int) {
	tb.Helper()
	c := newCorpus()
	var batch []search.Document
	for id := 1; id <= n; id++ {
		batch = append(batch, c.doc(id))
		if len(batch) == 100 || id == n {
			if err := x.Apply(tb.Context(), batch, []byte("token"), false); err != nil {
				tb.Fatal(err)
			}
			batch = batch[:0]
		}
	}
}

// memory is what the process has in memory: now, and at most so far, in MB; 0 where the system does not tell.
func memory() (now, most float64) {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0, 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if part := strings.Fields(s.Text()); len(part) == 3 {
			n, _ := strconv.ParseFloat(part[1], 64)
			switch part[0] {
			case "VmRSS:":
				now = n / 1024
			case "VmHWM:":
				most = n / 1024
			}
		}
	}
	return now, most
}

// BenchmarkIndex writes 10,000 documents, or BENCH_DOCUMENTS, into an empty index.
func BenchmarkIndex(b *testing.B) {
	n := documents()
	for b.Loop() {
		x := open(b, b.TempDir())
		start := time.Now()
		fill(b, x, n)
		took := time.Since(start)
		s, err := x.Status(b.Context())
		if err != nil || s.Documents != int64(n) {
			b.Fatalf("%+v, %v: want %d documents", s, err, n)
		}
		now, most := memory()
		b.ReportMetric(float64(n)/took.Seconds(), "docs/s")
		b.ReportMetric(float64(s.Bytes)/1e6, "MB")
		b.ReportMetric(now, "MB-memory")
		b.ReportMetric(most, "MB-memory-most")
		if err := x.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func documents() int {
	if n, err := strconv.Atoi(os.Getenv("BENCH_DOCUMENTS")); err == nil && n > 0 {
		return n
	}
	return 10_000
}

// BenchmarkQuery asks an index of 10,000 documents, or BENCH_DOCUMENTS, as a person who may view half of it.
func BenchmarkQuery(b *testing.B) {
	x := open(b, b.TempDir())
	fill(b, x, documents())
	words := newCorpus().words
	ask := func(n, from, to int, r *rand.Rand) search.Query {
		q := search.Query{Instance: 1, Locale: "en", Size: 20, Now: asked()}
		for i := range 25 {
			q.ACLs = append(q.ACLs, fmt.Sprintf("page:%d", i))
		}
		for range n {
			q.Words.Terms = append(q.Words.Terms, words[from+r.IntN(to-from)])
		}
		return q
	}
	for _, c := range []struct {
		name string
		q    func(r *rand.Rand) search.Query
	}{
		{"Two", func(r *rand.Rand) search.Query { return ask(2, 50, 2000, r) }},
		{"TwoWithFacets", func(r *rand.Rand) search.Query {
			q := ask(2, 50, 2000, r)
			q.Facets = search.Facets()
			return q
		}},
		{"FrequentWithFacets", func(r *rand.Rand) search.Query {
			q := ask(1, 0, 20, r)
			q.Facets = search.Facets()
			return q
		}},
		{"Rare", func(r *rand.Rand) search.Query { return ask(1, 20_000, 30_000, r) }},
		{"Typo", func(r *rand.Rand) search.Query {
			q := ask(1, 2000, 20_000, r)
			q.Words.Terms[0] = "x" + q.Words.Terms[0][1:]
			return q
		}},
		{"Phrase", func(r *rand.Rand) search.Query {
			q := ask(0, 0, 1, r)
			q.Words.Phrases = []string{words[r.IntN(20)] + " " + words[r.IntN(20)]}
			return q
		}},
		{"Typing", func(r *rand.Rand) search.Query {
			q := ask(1, 0, 5000, r)
			q.Words.Terms[0] = q.Words.Terms[0][:min(3, len(q.Words.Terms[0]))]
			q.Prefix, q.Titles, q.Exact, q.Size = true, true, true, 8
			return q
		}},
		{"EverythingNewest", func(r *rand.Rand) search.Query {
			q := ask(0, 0, 1, r)
			q.Order, q.Facets = search.ByNewest, search.Facets()
			return q
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := rand.New(rand.NewPCG(3, 4))
			var took []time.Duration
			for b.Loop() {
				q := c.q(r)
				start := time.Now()
				if _, err := x.Search(b.Context(), q); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(start))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-p50")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms-p99")
		})
	}
}
