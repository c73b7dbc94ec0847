package httpd

import (
	"fmt"
	"maps"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts requests. Its series are looked up without a lock: there are few, and soon all are known.
type metrics struct {
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
	panicked  prometheus.Counter

	mu    sync.Mutex // held to add a series
	known atomic.Pointer[map[seriesKey]series]
}

type seriesKey struct {
	class  string
	status int
}

type series struct {
	requests prometheus.Counter
	duration prometheus.Observer
}

func newMetrics(o *Options, inFlight *atomic.Int64) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "stoa_http_requests_total", Help: "Requests answered, by route class and status (499: the visitor left).",
		}, []string{"class", "status"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "stoa_http_request_duration_seconds", Help: "Time from the end of the request headers to the end of the response, by route class.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"class"}),
		panicked: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "stoa_http_panics_total", Help: "Requests that ended in a panic.",
		}),
	}
	m.known.Store(&map[seriesKey]series{})
	if o.Registry == nil {
		return m, nil
	}
	flight := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "stoa_http_requests_in_flight", Help: "Requests being answered.",
	}, func() float64 { return float64(inFlight.Load()) })
	for _, c := range []prometheus.Collector{m.requests, m.durations, m.panicked, flight} {
		if err := o.Registry.Register(c); err != nil {
			return nil, fmt.Errorf("register the metrics of the HTTP server: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) panics() { m.panicked.Inc() }

func (m *metrics) observe(class string, status int, took time.Duration) {
	if status < 100 || status > 599 {
		status = 599
	}
	key := seriesKey{class, status}
	s, ok := (*m.known.Load())[key]
	if !ok {
		s = m.add(key)
	}
	s.requests.Inc()
	s.duration.Observe(took.Seconds())
}

func (m *metrics) add(key seriesKey) series {
	s := series{
		requests: m.requests.WithLabelValues(key.class, strconv.Itoa(key.status)),
		duration: m.durations.WithLabelValues(key.class),
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	next := maps.Clone(*m.known.Load())
	next[key] = s
	m.known.Store(&next)
	return s
}
