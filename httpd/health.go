package httpd

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	checkTimeout = 5 * time.Second        // for the checks behind a health endpoint
	readyReuse   = 100 * time.Millisecond // an answer of this age is given again, so that probes cannot become load
)

// readiness keeps the last answer of Options.Ready.
type readiness struct {
	mu       sync.Mutex
	at       time.Time
	problems []Problem
}

// serveHealth answers the endpoints for machines and reports whether the request was for one. They stand before
// the checks of host and origin: a load balancer asks by address.
func (s *Server) serveHealth(w http.ResponseWriter, r *http.Request) bool {
	var serve func(http.ResponseWriter, *http.Request)
	switch r.URL.Path {
	case "/livez":
		serve = s.live
	case "/readyz":
		serve = s.isReady
	case "/metrics":
		serve = s.showMetrics
	case "/health_check/data_source":
		serve = s.dataSource
	default:
		return false
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		text(w, http.StatusMethodNotAllowed, "GET or HEAD is expected here\n")
		return true
	}
	serve(w, r)
	return true
}

func text(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	io.WriteString(w, body)
}

func (s *Server) live(w http.ResponseWriter, r *http.Request) { text(w, http.StatusOK, "alive\n") }

// isReady says whether visitors may be sent here. What exactly is wrong and how to mend it is told to those who
// may also see the metrics; to others only which requirement fails.
func (s *Server) isReady(w http.ResponseWriter, r *http.Request) {
	problems := s.problems(r)
	status := http.StatusOK
	if len(problems) > 0 {
		status = http.StatusServiceUnavailable
	}
	if !s.insider(r) {
		short := make([]Problem, len(problems))
		for i, p := range problems {
			short[i] = Problem{Requirement: p.Requirement, Message: "not met", Mend: "ask from this machine, or with the metrics token, for the details"}
		}
		problems = short
	}
	if wantsJSON(r) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(struct {
			Ready    bool      `json:"ready"`
			Problems []Problem `json:"problems"`
		}{status == http.StatusOK, append([]Problem{}, problems...)})
		return
	}
	var b strings.Builder
	if status == http.StatusOK {
		b.WriteString("ready\n")
	} else {
		b.WriteString("not ready\n")
	}
	for _, p := range problems {
		b.WriteString("- " + p.Requirement + ": " + p.Message + "\n")
		if p.Mend != "" {
			b.WriteString("  " + p.Mend + "\n")
		}
	}
	text(w, status, b.String())
}

func (s *Server) problems(r *http.Request) []Problem {
	select {
	case <-s.draining:
		return []Problem{{Requirement: "serving", Message: "this node is leaving", Mend: "nothing to do: other nodes take over"}}
	default:
	}
	if s.routes.Load() == nil {
		return []Problem{{Requirement: "serving", Message: "this node is starting", Mend: "wait for it"}}
	}
	if s.o.Ready == nil {
		return nil
	}
	s.ready.mu.Lock()
	defer s.ready.mu.Unlock()
	if now := time.Now(); s.ready.at.IsZero() || now.Sub(s.ready.at) > readyReuse {
		// Not the context of this request: others wait for the same answer.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), checkTimeout)
		defer cancel()
		s.ready.problems = s.o.Ready(ctx)
		s.ready.at = time.Now()
	}
	return s.ready.problems
}

// showMetrics gives the metrics to insiders.
func (s *Server) showMetrics(w http.ResponseWriter, r *http.Request) {
	if s.o.Registry == nil {
		text(w, http.StatusNotFound, "this node keeps no metrics\n")
		return
	}
	if !s.insider(r) {
		text(w, http.StatusForbidden, "metrics are shown to this machine, to the allowed addresses and with the bearer token\n")
		return
	}
	promhttp.HandlerFor(s.o.Registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: checkTimeout}).ServeHTTP(w, r)
}

// insider reports whether the request comes from an allowed address or knows the token. A proxy on this machine
// that is not declared as trusted would make everybody look local; so a request that shows a proxy counts as local
// only when the proxy is trusted and its visitor is local. A proxy that adds no header shows by the host of a site,
// or by HTTP/1.0, which some speak to what is behind them: what is asked for on this machine names this machine.
func (s *Server) insider(r *http.Request) bool {
	if s.o.MetricsToken != "" {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		got, want := sha256.Sum256([]byte(strings.TrimSpace(token))), sha256.Sum256([]byte(s.o.MetricsToken))
		if strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(got[:], want[:]) == 1 {
			return true
		}
	}
	f := factsOf(r)
	if f == nil || speaksForOthers(r) && !contains(s.o.TrustedProxies, f.peer) {
		return false
	}
	if f.client.IsLoopback() && (!isOwnName(f.host) || !r.ProtoAtLeast(1, 1)) {
		return false
	}
	if s.o.MetricsAllowed == nil {
		return f.client.IsLoopback()
	}
	return contains(s.o.MetricsAllowed, f.client)
}

// isOwnName reports whether a host can only be this machine.
func isOwnName(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// dataSource says whether the database answers, for monitors that know this address.
func (s *Server) dataSource(w http.ResponseWriter, r *http.Request) {
	if s.o.DataSource == nil {
		text(w, http.StatusNotFound, "not enabled: health.check.data.source.enabled=true enables it\n")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
	defer cancel()
	if err := s.o.DataSource(ctx); err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "the data source check failed", slog.String("request", factsOf(r).id), slog.Any("error", err))
		text(w, http.StatusServiceUnavailable, "the data source does not answer; the log says why\n")
		return
	}
	text(w, http.StatusOK, "the data source answers\n")
}
