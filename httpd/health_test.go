package httpd

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stoa-portal/stoa"
)

func local(target string, header ...string) *http.Request {
	r := request("GET", "http://127.0.0.1:8080"+target, header...)
	r.RemoteAddr = "127.0.0.1:4711"
	return r
}

func TestReadyz_NamesWhatFailsAndHowToMendIt(t *testing.T) {
	t.Parallel()
	problems := []Problem{
		{Requirement: "database", Message: "db1 does not answer", Mend: "start it, or change jdbc.default.url"},
		{Requirement: "file store", Message: "another identity", Mend: "mount the shared directory"},
	}
	s, _ := newServer(t, Options{Ready: func(context.Context) []Problem { return problems }}, nil)
	rec := answer(s, local("/readyz"))
	if rec.Code != 503 || rec.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("answered %d, Cache-Control %q", rec.Code, rec.Header().Get("Cache-Control"))
	}
	for _, part := range []string{"not ready", "database: db1 does not answer", "change jdbc.default.url", "file store", "mount the shared directory"} {
		if !strings.Contains(rec.Body.String(), part) {
			t.Errorf("the text %q does not say %q", rec.Body, part)
		}
	}
	rec = answer(s, local("/readyz", "Accept", "application/json"))
	var got struct {
		Ready    bool
		Problems []Problem
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil || rec.Code != 503 || got.Ready ||
		len(got.Problems) != 2 ||
		!reflect.DeepEqual(got.Problems[0], problems[0]) {
		t.Errorf("JSON: %d %q %v", rec.Code, rec.Body, err)
	}
	stranger := local("/readyz")
	stranger.RemoteAddr = "203.0.113.5:1"
	rec = answer(s, stranger)
	if b := rec.Body.String(); rec.Code != 503 || !strings.Contains(b, "database") || strings.Contains(b, "db1") ||
		strings.Contains(b, "jdbc") {
		t.Errorf("a stranger is told %q", b)
	}
}

func TestReadyz_FollowsChecksAndSparesThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		var bad atomic.Bool
		s, _ := newServer(t, Options{Ready: func(ctx context.Context) []Problem {
			asked.Add(1)
			if _, ok := ctx.Deadline(); !ok {
				t.Error("the checks have no deadline")
			}
			if bad.Load() {
				return []Problem{{Requirement: "database"}}
			}
			return nil
		}}, nil)
		probe := func(want int) {
			t.Helper()
			if rec := answer(s, local("/readyz")); rec.Code != want {
				t.Fatalf("answered %d %q, want %d", rec.Code, rec.Body, want)
			}
		}
		for range 50 { // in one moment
			probe(http.StatusOK)
		}
		if n := asked.Load(); n != 1 {
			t.Errorf("50 probes in a row asked %d times", n)
		}
		bad.Store(true)
		time.Sleep(readyReuse + time.Nanosecond)
		probe(http.StatusServiceUnavailable)
		if n := asked.Load(); n != 2 {
			t.Errorf("a probe %s later asked for the time %d", readyReuse, n)
		}
	})
}

func TestLivez_AnswersEvenWhenLeaving(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, Options{}, nil)
	s.Drain(t.Context())
	if rec := answer(s, local("/livez")); rec.Code != 200 {
		t.Errorf("/livez: %d", rec.Code)
	}
	if rec := answer(s, local("/readyz")); rec.Code != 503 || !strings.Contains(rec.Body.String(), "leaving") {
		t.Errorf("/readyz: %d %q", rec.Code, rec.Body)
	}
	if rec := answer(s, request("GET", "http://example.com/")); rec.Code != 200 {
		t.Errorf("a visitor while draining: %d", rec.Code)
	}
	for _, p := range []string{"/livez", "/readyz", "/metrics", "/health_check/data_source"} {
		r := local(p)
		r.Method = "POST"
		if rec := answer(s, r); rec.Code != 405 {
			t.Errorf("POST %s: %d, want 405", p, rec.Code)
		}
	}
}

func TestMetricsPage_OnlyForInsiders(t *testing.T) {
	t.Parallel()
	const token = "a-token-of-some-length"
	def := Options{Registry: prometheus.NewRegistry()}
	for _, c := range []struct {
		name    string
		allowed []string
		trusted []string
		token   string
		peer    string
		host    string // "" = this machine
		old     bool   // HTTP/1.0
		header  []string
		want    int
	}{
		{name: "loopback", peer: "127.0.0.1:1", want: 200},
		{name: "loopback v6", peer: "[::1]:1", want: 200},
		{name: "loopback by name", peer: "127.0.0.1:1", host: "localhost:9090", want: 200},
		{name: "a local proxy without headers that passes the host on", peer: "127.0.0.1:1", host: "example.com", want: 403},
		{name: "the same, for a visitor who came by address", peer: "127.0.0.1:1", host: "10.0.0.7:8080", want: 403},
		{name: "a local proxy without headers that names what is behind it", peer: "127.0.0.1:1", host: "localhost:8080",
			old: true, want: 403},
		{name: "such a proxy with the allowed address", allowed: []string{"127.0.0.0/8"}, peer: "127.0.0.1:1",
			host: "example.com", want: 403},
		{name: "such a proxy with the token", token: token, peer: "127.0.0.1:1", host: "example.com",
			header: []string{"Authorization", "Bearer " + token}, want: 200},
		{name: "stranger", peer: "203.0.113.5:1", want: 403},
		{name: "stranger who claims to be local", peer: "203.0.113.5:1", header: []string{"X-Forwarded-For", "127.0.0.1"}, want: 403},
		{name: "through a proxy here that is not declared", peer: "127.0.0.1:1", header: []string{"X-Forwarded-For", "203.0.113.5"}, want: 403},
		{name: "through such a proxy that says Via only", peer: "127.0.0.1:1", header: []string{"Via", "1.1 x"}, want: 403},
		{name: "through a trusted proxy", trusted: []string{"127.0.0.1"}, peer: "127.0.0.1:1", header: []string{"X-Forwarded-For", "203.0.113.5"}, want: 403},
		{name: "forged local behind a trusted proxy", trusted: []string{"127.0.0.1"}, peer: "127.0.0.1:1", header: []string{"X-Forwarded-For", "127.0.0.1, 203.0.113.5"}, want: 403},
		{name: "allowed network", allowed: []string{"203.0.113.0/24"}, peer: "203.0.113.5:1", want: 200},
		{name: "loopback when others are allowed", allowed: []string{"203.0.113.0/24"}, peer: "127.0.0.1:1", want: 403},
		{name: "token", token: token, peer: "203.0.113.5:1", header: []string{"Authorization", "Bearer " + token}, want: 200},
		{name: "wrong token", token: token, peer: "203.0.113.5:1", header: []string{"Authorization", "Bearer " + token + "x"}, want: 403},
		{name: "empty token", token: token, peer: "203.0.113.5:1", header: []string{"Authorization", "Bearer "}, want: 403},
		{name: "no token set", peer: "203.0.113.5:1", header: []string{"Authorization", "Bearer "}, want: 403},
		{name: "basic", token: token, peer: "203.0.113.5:1", header: []string{"Authorization", "Basic " + token}, want: 403},
	} {
		o := def
		o.Registry = prometheus.NewRegistry()
		o.MetricsToken = c.token
		if c.allowed != nil {
			o.MetricsAllowed = prefixes(t, c.allowed...)
		}
		o.TrustedProxies = prefixes(t, c.trusted...)
		s, _ := newServer(t, o, nil)
		answer(s, request("GET", "http://example.com/")) // something to count
		r := local("/metrics", c.header...)
		r.RemoteAddr = c.peer
		if c.host != "" {
			r.Host = c.host
		}
		if c.old {
			r.Proto, r.ProtoMinor = "HTTP/1.0", 0
		}
		rec := answer(s, r)
		if rec.Code != c.want || strings.Contains(rec.Body.String(), "stoa_http_requests_total") != (c.want == 200) {
			t.Errorf("%s: %d %.80q, want %d", c.name, rec.Code, rec.Body, c.want)
		}
	}
	s, _ := newServer(t, Options{}, nil)
	if rec := answer(s, local("/metrics")); rec.Code != 404 {
		t.Errorf("without metrics: %d, want 404", rec.Code)
	}
	if _, err := New(Options{Addr: "127.0.0.1:0", MetricsToken: "short"}, nil); !stoa.Is(err, stoa.KindInvalid) {
		t.Errorf("a short token: %v, want Invalid", err)
	}
}

func TestDataSource_Check(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, Options{}, nil)
	if rec := answer(s, local("/health_check/data_source")); rec.Code != 404 ||
		!strings.Contains(rec.Body.String(), "health.check.data.source.enabled") {
		t.Errorf("not enabled: %d %q", rec.Code, rec.Body)
	}
	var err error
	s, _ = newServer(t, Options{DataSource: func(context.Context) error { return err }}, nil)
	if rec := answer(s, local("/health_check/data_source")); rec.Code != 200 {
		t.Errorf("healthy: %d", rec.Code)
	}
	err = errors.New("password=hunter2 refused")
	if rec := answer(s, local("/health_check/data_source")); rec.Code != 503 ||
		strings.Contains(rec.Body.String(), "hunter2") {
		t.Errorf("failing: %d %q", rec.Code, rec.Body)
	}
}
