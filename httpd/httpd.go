// Package httpd is the HTTP server under every page and every API call: it listens, speaks TLS, guards
// against hostile requests, turns errors into responses, writes the request log, answers health
// checks, and leaves without cutting anybody off. What is served is given to it as one http.Handler.
//
// A request passes, in this order: recovery, request log and metrics; the facts of the request (id,
// client address, scheme, host); health endpoints; secure headers; checks of address, method, host and
// origin; the body limit; the routes. Each step is in a file of its own, and all of them together are
// one function without closures, because a cached page costs little more than they do.
package httpd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Server is one listening HTTP server.
type Server struct {
	o        Options
	log      *slog.Logger
	listener net.Listener
	secured  net.Listener // speaks TLS beside listener; nil: there is only listener
	http     *http.Server
	routes   atomic.Pointer[http.Handler]
	metrics  *metrics
	secure   *secureHeaders
	origin   *http.CrossOriginProtection
	hosts    hostList
	ready    readiness

	strangers strangers

	inFlight  atomic.Int64
	draining  chan struct{}
	drainOnce sync.Once
}

// New checks the options and binds the listener, so that a port in use is known before anything else
// starts and Addr gives the real port. routes may be nil when Mount follows before Serve. An error is a
// sentence that names the setting and the way out.
func New(o Options, routes http.Handler) (*Server, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	s := &Server{o: o, log: o.Logger, draining: make(chan struct{})}
	var err error
	if s.hosts, err = parseHosts(o.ValidHosts); err != nil {
		return nil, err
	}
	if s.secure, err = newSecureHeaders(&o); err != nil {
		return nil, err
	}
	if s.origin, err = newOriginCheck(o.TrustedOrigins); err != nil {
		return nil, err
	}
	if s.metrics, err = newMetrics(&o, &s.inFlight); err != nil {
		return nil, err
	}
	tlsConfig, err := newTLS(&o)
	if err != nil {
		return nil, err
	}
	if routes != nil {
		s.Mount(routes)
	}
	s.http = newHTTPServer(&o, s, tlsConfig)
	if s.listener, err = listen("portal.instance.inet.socket.address", o.Addr); err != nil {
		return nil, err
	}
	if o.TLSAddr != "" {
		if s.secured, err = listen("web.server.https.listen", o.TLSAddr); err != nil {
			return nil, errors.Join(err, s.listener.Close())
		}
	}
	return s, nil
}

// newHTTPServer sets the limits that hold before a request is ours. ReadTimeout stays off on purpose:
// net/http would then cancel the context of every handler that takes longer; body.go and response.go
// set deadlines that follow the progress of each body instead.
func newHTTPServer(o *Options, h http.Handler, t tlsSettings) *http.Server {
	var p http.Protocols
	p.SetHTTP1(true)
	p.SetHTTP2(true)
	return &http.Server{
		Handler:           h,
		TLSConfig:         t.config,
		ReadHeaderTimeout: o.ReadHeaderTimeout,
		WriteTimeout:      o.WriteTimeout,
		IdleTimeout:       o.IdleTimeout,
		MaxHeaderBytes:    o.MaxHeader,
		Protocols:         &p,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: 100,
			SendPingTimeout:      o.ReadHeaderTimeout,
			PingTimeout:          o.ReadHeaderTimeout,
			WriteByteTimeout:     o.WriteTimeout,
		},
		ErrorLog: slog.NewLogLogger(connectionLog{o.Logger.Handler()}, slog.LevelDebug),
	}
}

// Mount sets what is served. It may be called again at any time; requests under way keep what they have.
func (s *Server) Mount(routes http.Handler) { s.routes.Store(&routes) }

// Addr is the address the server listens on, with the real port when port 0 was asked for.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Port is the port of Addr.
func (s *Server) Port() int { return port(s.listener) }

// PortTLS is the port that speaks TLS, 0 when none does.
func (s *Server) PortTLS() int {
	switch {
	case s.secured != nil:
		return port(s.secured)
	case s.o.TLSCert != "":
		return s.Port()
	}
	return 0
}

func port(l net.Listener) int {
	a, err := netip.ParseAddrPort(l.Addr().String())
	if err != nil {
		return 0
	}
	return int(a.Port())
}

// Serve answers requests until Shutdown or Close. It returns nil after those and the reason otherwise.
func (s *Server) Serve() error {
	if s.secured == nil {
		return s.serve(s.listener, s.o.TLSCert != "")
	}
	done := make(chan error, 2)
	go func() { done <- s.serve(s.listener, false) }()
	go func() { done <- s.serve(s.secured, true) }()
	first := <-done
	if first != nil { // a server with one deaf ear is worse than none: it would look alive
		first = errors.Join(first, s.Close())
	}
	return errors.Join(first, <-done)
}

func (s *Server) serve(l net.Listener, secure bool) (err error) {
	if secure {
		err = s.http.ServeTLS(l, "", "")
	} else {
		err = s.http.Serve(l)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve HTTP on %s: %w", l.Addr(), err)
}

// deafen closes the listeners: net/http knows them only once Serve has begun.
func (s *Server) deafen() {
	s.listener.Close()
	if s.secured != nil {
		s.secured.Close()
	}
}

// Drain makes /readyz say no and waits DrainDelay, or until ctx is done, so that a load balancer stops
// sending visitors before the door closes. Requests are still answered.
func (s *Server) Drain(ctx context.Context) {
	s.drainOnce.Do(func() { close(s.draining) })
	if s.o.DrainDelay <= 0 {
		return
	}
	t := time.NewTimer(s.o.DrainDelay)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// Draining is closed when the server begins to leave. Handlers that stream for long watch it and end.
func (s *Server) Draining() <-chan struct{} { return s.draining }

// Shutdown stops listening and waits until every request under way is answered. When ctx is done first,
// the remaining connections are cut and the error says how many requests were lost.
func (s *Server) Shutdown(ctx context.Context) error {
	s.drainOnce.Do(func() { close(s.draining) })
	err := s.http.Shutdown(ctx)
	s.deafen()
	if err == nil {
		return nil
	}
	lost := s.inFlight.Load()
	s.http.Close()
	return fmt.Errorf("shut down the HTTP server: %d requests did not end in time and were cut off: %w", lost, err)
}

// Close stops at once and cuts every connection.
func (s *Server) Close() error {
	s.drainOnce.Do(func() { close(s.draining) })
	err := s.http.Close()
	s.deafen()
	return err
}

// connectionLog passes on what net/http has to say about connections: failures to accept are the
// operator's problem, the rest (broken handshakes, resets) is the noise of the open network.
type connectionLog struct{ slog.Handler }

func (c connectionLog) Enabled(context.Context, slog.Level) bool { return true }

func (c connectionLog) Handle(ctx context.Context, r slog.Record) error {
	if len(r.Message) > 18 && r.Message[:18] == "http: Accept error" {
		r.Level = slog.LevelError
	}
	if !c.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return c.Handler.Handle(ctx, r)
}
