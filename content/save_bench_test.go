package content_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/db/dbtest"
)

// BenchmarkSave is the save of a text of usual length, which keeps its title.
func BenchmarkSave(b *testing.B) {
	for _, e := range dbtest.Engines() {
		b.Run(string(e), func(b *testing.B) {
			n := newNode(b, dbtest.Open(b, e))
			st, ctx := n.firstSite(b), system(b)
			d := draft("High water at noon, low water at six", strings.Repeat("<p>The sea comes and goes.</p>", 150))
			a, err := n.Create(ctx, st, d)
			must(b, err)
			var each []time.Duration
			for b.Loop() {
				at := time.Now()
				a, err = n.Save(ctx, a.ID, d, a.Version)
				must(b, err)
				each = append(each, time.Since(at))
			}
			slices.Sort(each) // the mean is of a machine that does other things, too
			b.ReportMetric(float64(each[len(each)/10].Microseconds()), "µs-p10")
			b.ReportMetric(float64(each[len(each)/2].Microseconds()), "µs-median")
		})
	}
}
