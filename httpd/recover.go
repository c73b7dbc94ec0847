package httpd

import (
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/stoa-portal/stoa"
)

// StatusClientGone is what the request log shows for a visitor who left before the answer. It is never sent.
const StatusClientGone = 499

// finish is deferred for every request: it catches a panic, and tells log and metrics how it
// went. It panics again only to make net/http cut the connection.
func (s *Server) finish(rw *response, r *http.Request, f *facts) {
	abort := false
	if p := recover(); p != nil {
		if p == http.ErrAbortHandler {
			abort = true
		} else {
			abort = s.recovered(rw, r, p)
		}
	}
	if !abort && !rw.wrote {
		rw.complete() // net/http sends the header of a handler that wrote nothing
	}
	f.body.leave()
	status := rw.status
	switch {
	case abort && status < 500, rw.cut, !rw.wrote && r.Context().Err() != nil:
		status = StatusClientGone
	case status == 0:
		status = http.StatusOK // net/http sends it for a handler that wrote nothing
	}
	took := s.o.Now().Sub(f.start)
	class := s.o.Class(r.URL.Path)
	s.metrics.observe(class, status, took)
	s.logRequest(rw, r, f, class, status, took)
	s.inFlight.Add(-1)
	if abort {
		panic(http.ErrAbortHandler)
	}
}

// recovered logs a defect with its stack and answers 500. It reports true when part of a response is out
// already: then only a cut connection tells the client that the rest is missing.
func (s *Server) recovered(rw *response, r *http.Request, p any) (abort bool) {
	s.metrics.panics()
	s.log.LogAttrs(r.Context(), slog.LevelError, "a request panicked",
		slog.String("request", rw.f.id), slog.String("method", r.Method), slog.String("path", stoa.Clip(r.URL.Path, 300)),
		slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
	if rw.wrote {
		return true
	}
	defer func() {
		if recover() != nil { // the answer to a panic panicked
			abort = true
		}
	}()
	render(s, rw, r, outcome{status: http.StatusInternalServerError, message: internalMessage(wordsOf(r), rw.f.id)})
	return false
}
