package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/stoa-portal/stoa/asset"
)

// assetMetrics shows what this node has found when it compared entries of content with the rows of their owners, and
// what it has entered for others.
type assetMetrics struct{ s *asset.Service }

func (assetMetrics) descs() (compared, mended, filled *prometheus.Desc) {
	return prometheus.NewDesc("stoa_asset_compared_total", "Things whose entry this node has compared with its row.",
			[]string{"kind"}, nil),
		prometheus.NewDesc("stoa_asset_mended_total", "Entries that were not as their row, and have been mended.",
			[]string{"kind"}, nil),
		prometheus.NewDesc("stoa_asset_filled_total",
			"Entries that this node has written because the node that changed the row had not.", []string{"kind"}, nil)
}

// Describe names every series.
func (m assetMetrics) Describe(ch chan<- *prometheus.Desc) {
	compared, mended, filled := m.descs()
	ch <- compared
	ch <- mended
	ch <- filled
}

// Collect gives the present numbers.
func (m assetMetrics) Collect(ch chan<- prometheus.Metric) {
	compared, mended, filled := m.descs()
	for _, t := range m.s.Types() {
		c, n := m.s.Tally(t.Kind)
		ch <- prometheus.MustNewConstMetric(compared, prometheus.CounterValue, float64(c), t.Kind)
		ch <- prometheus.MustNewConstMetric(mended, prometheus.CounterValue, float64(n), t.Kind)
		ch <- prometheus.MustNewConstMetric(filled, prometheus.CounterValue, float64(m.s.Filled(t.Kind)), t.Kind)
	}
}
