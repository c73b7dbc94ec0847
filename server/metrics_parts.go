package server

import (
	"context"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/job"
)

// Every metric of a node is made here and in metrics.go, but for those of the HTTP server, which are in
// httpd/metrics.go. Names follow Prometheus' conventions: stoa_ and the part, a base unit at the end (seconds,
// bytes), _total for what only grows; labels take few values, known beforehand, and never what a visitor sends.
// docs/operate/metrics.md lists all of them, and a test compares.

// newRegistry gives a registry with everything but the HTTP server's.
func (s *Server) newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	build := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "stoa_build_info", Help: "1, with the version of the program and of Go.",
		ConstLabels: prometheus.Labels{"version": stoa.Version, "goversion": runtime.Version()},
	}, func() float64 { return 1 })
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		build, newCacheMetrics(s.Cache), newClusterMetrics(s), newDatabaseMetrics(s.DB, s.replicas),
		s.runs.ended, s.runs.took, newJobMetrics(s.Jobs), s.spread, assetMetrics{s.Assets}, fileMetrics{&s.files})
	if s.Search != nil {
		r.MustRegister(searchMetrics{s.Search})
	}
	return r
}

// cacheMetrics shows the regions to Prometheus.
type cacheMetrics struct {
	c       *cache.Cache
	bad     *prometheus.Desc
	figures []cacheFigure
}

// cacheFigure is one figure of each region; those of one name differ by a second label.
type cacheFigure struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	label string
	of    func(cache.RegionStats) float64
}

func newCacheMetrics(c *cache.Cache) *cacheMetrics {
	m := &cacheMetrics{c: c, bad: prometheus.NewDesc("stoa_cache_bad_offers_total",
		"Messages of other nodes that were no offer of a cached value.", nil, nil)}
	gauge := func(name, help string, of func(cache.RegionStats) float64) {
		d := prometheus.NewDesc("stoa_cache_"+name, help, []string{"region"}, nil)
		m.figures = append(m.figures, cacheFigure{d, prometheus.GaugeValue, "", of})
	}
	counter := func(name, help string, of func(cache.RegionStats) uint64) {
		d := prometheus.NewDesc("stoa_cache_"+name, help, []string{"region"}, nil)
		m.figures = append(m.figures, cacheFigure{d, prometheus.CounterValue, "",
			func(r cache.RegionStats) float64 { return float64(of(r)) }})
	}
	shared := func(name, help, label string, of map[string]func(cache.RegionStats) uint64) {
		d := prometheus.NewDesc("stoa_cache_"+name, help, []string{"region", label}, nil)
		for value, fn := range of {
			m.figures = append(m.figures, cacheFigure{d, prometheus.CounterValue, value,
				func(r cache.RegionStats) float64 { return float64(fn(r)) }})
		}
	}
	gauge("entries", "Values held.", func(r cache.RegionStats) float64 { return float64(r.Entries) })
	gauge("negative_entries", "Remembered answers that there is none.",
		func(r cache.RegionStats) float64 { return float64(r.Negative) })
	gauge("bytes", "Estimated size of what is held.", func(r cache.RegionStats) float64 { return float64(r.Bytes) })
	gauge("max_bytes", "Size at which values are dropped to make room.",
		func(r cache.RegionStats) float64 { return float64(r.MaxBytes) })
	counter("hits_total", "Answers from memory, fresh.", func(r cache.RegionStats) uint64 { return r.Hits })
	counter("misses_total", "Questions not answered from memory.",
		func(r cache.RegionStats) uint64 { return r.Misses })
	counter("loads_total", "Values read or computed.", func(r cache.RegionStats) uint64 { return r.Loads })
	counter("load_errors_total", "Loads that failed.", func(r cache.RegionStats) uint64 { return r.LoadErrors })
	counter("joins_total", "Questions that shared a load which was under way.",
		func(r cache.RegionStats) uint64 { return r.Joins })
	counter("bypassed_total", "Questions of write transactions, which the cache does not answer.",
		func(r cache.RegionStats) uint64 { return r.Bypassed })
	shared("not_stored_total", "Loaded values that were not kept, by reason.", "reason",
		map[string]func(cache.RegionStats) uint64{
			"overtaken":  func(r cache.RegionStats) uint64 { return r.Refused },
			"too_large":  func(r cache.RegionStats) uint64 { return r.TooLarge },
			"undeclared": func(r cache.RegionStats) uint64 { return r.Undeclared },
		})
	counter("turned_away_total", "Loads that got no place while freshness could not be proven.",
		func(r cache.RegionStats) uint64 { return r.TurnedAway })
	counter("stale_total", "Answers marked as stale, given while the database was away.",
		func(r cache.RegionStats) uint64 { return r.Stale })
	counter("evictions_total", "Values dropped to make room.",
		func(r cache.RegionStats) uint64 { return r.Evictions })
	counter("invalidations_total", "Values dropped because of a change.",
		func(r cache.RegionStats) uint64 { return r.Invalidations })
	counter("incoherent_total", "Values found wrong that no change explains: 0, or a mistake in the program.",
		func(r cache.RegionStats) uint64 { return r.Incoherences })
	counter("offers_sent_total", "Values sent to other nodes.",
		func(r cache.RegionStats) uint64 { return r.Offered })
	shared("offers_received_total", "Values of other nodes, by what became of them.", "result",
		map[string]func(cache.RegionStats) uint64{
			"accepted": func(r cache.RegionStats) uint64 { return r.Accepted },
			"declined": func(r cache.RegionStats) uint64 { return r.Declined },
		})
	return m
}

// Describe names every series.
func (m *cacheMetrics) Describe(ch chan<- *prometheus.Desc) {
	ch <- m.bad
	for _, f := range m.figures {
		ch <- f.desc
	}
}

// Collect reads the counters of every region.
func (m *cacheMetrics) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.MustNewConstMetric(m.bad, prometheus.CounterValue, float64(m.c.BadOffers()))
	for _, r := range m.c.Stats() {
		for _, f := range m.figures {
			labels := []string{r.Name}
			if f.label != "" {
				labels = append(labels, f.label)
			}
			ch <- prometheus.MustNewConstMetric(f.desc, f.kind, f.of(r), labels...)
		}
	}
}

// databaseMetrics shows the connections to the database, and how much is read from replicas.
type databaseMetrics struct {
	d *db.DB
	r *db.Replicas

	connections, most, waits, waited, reads, out *prometheus.Desc
}

func newDatabaseMetrics(d *db.DB, r *db.Replicas) *databaseMetrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("stoa_database_"+name, help, labels, nil)
	}
	return &databaseMetrics{
		d: d, r: r,
		connections: desc("connections", "Connections of the pool that writes, by state.", "state"),
		most:        desc("connections_max", "Connections that the pool may have; 0 for no limit."),
		waits:       desc("connection_waits_total", "Times that a connection was waited for."),
		waited:      desc("connection_wait_seconds_total", "Time spent waiting for connections."),
		reads:       desc("snapshots_total", "Reads that may go to a replica, by where they went.", "source"),
		out:         desc("replica_left_out", "1 for a replica that lags or fails, and is not used.", "server"),
	}
}

// Describe names every series.
func (m *databaseMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.connections, m.most, m.waits, m.waited, m.reads, m.out} {
		ch <- d
	}
}

// Collect gives the present numbers.
func (m *databaseMetrics) Collect(ch chan<- prometheus.Metric) {
	one := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	pool := m.d.Stats()
	one(m.connections, prometheus.GaugeValue, float64(pool.InUse), "in_use")
	one(m.connections, prometheus.GaugeValue, float64(pool.Idle), "idle")
	one(m.most, prometheus.GaugeValue, float64(pool.MaxOpenConnections))
	one(m.waits, prometheus.CounterValue, float64(pool.WaitCount))
	one(m.waited, prometheus.CounterValue, pool.WaitDuration.Seconds())
	s := m.r.Stats()
	one(m.reads, prometheus.CounterValue, float64(s.Served), "replica")
	one(m.reads, prometheus.CounterValue, float64(s.All-s.Served), "write")
	for server := range s.LeftOut {
		one(m.out, prometheus.GaugeValue, 1, server)
	}
}

// runMetrics counts runs of jobs on this node.
type runMetrics struct {
	ended *prometheus.CounterVec
	took  *prometheus.HistogramVec
}

func newRunMetrics() *runMetrics {
	return &runMetrics{
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "stoa_job_runs_total", Help: "Runs of jobs that ended on this node, by job and outcome.",
		}, []string{"job", "outcome"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "stoa_job_run_duration_seconds", Help: "Time that runs of jobs took on this node.",
			Buckets: []float64{.01, .1, 1, 10, 60, 600, 3600},
		}, []string{"job"}),
	}
}

// observe is told of a run that ended. A job that runs for the first time gets a series for each outcome, so that
// the first failure is seen as a rise.
func (m *runMetrics) observe(name string, how job.Outcome, took time.Duration) {
	for _, o := range job.Outcomes() {
		m.ended.WithLabelValues(name, string(o))
	}
	m.ended.WithLabelValues(name, string(how)).Inc()
	m.took.WithLabelValues(name).Observe(took.Seconds())
}

// newJobMetrics shows what the jobs of this node do now.
func newJobMetrics(jobs *job.Service) prometheus.Collector { return jobMetrics{jobs} }

type jobMetrics struct{ jobs *job.Service }

var (
	jobsRunning = prometheus.NewDesc("stoa_job_running", "Runs of jobs that this node has under way.", nil, nil)
	jobsOverdue = prometheus.NewDesc("stoa_job_overdue_seconds",
		"How long the oldest run that is due has waited to be begun, as this node last saw.", nil, nil)
)

// Describe names every series.
func (m jobMetrics) Describe(ch chan<- *prometheus.Desc) { ch <- jobsRunning; ch <- jobsOverdue }

// Collect gives the present numbers.
func (m jobMetrics) Collect(ch chan<- prometheus.Metric) {
	s := m.jobs.Status()
	ch <- prometheus.MustNewConstMetric(jobsRunning, prometheus.GaugeValue, float64(s.Running))
	ch <- prometheus.MustNewConstMetric(jobsOverdue, prometheus.GaugeValue, s.Overdue.Seconds())
}

// newEverywhere measures how long it takes until a change that takes something away is seen on every living node.
func newEverywhere() prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "stoa_change_everywhere_seconds",
		Help:    "Time from the commit of a change that takes something away until every living node has applied it.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
	})
}

// confirm is Confirm, measured.
func (s *Server) confirm(ctx context.Context, p change.Position) error {
	began := time.Now()
	err := s.Confirm(ctx, p)
	if err == nil {
		s.spread.Observe(time.Since(began).Seconds())
	}
	return err
}
