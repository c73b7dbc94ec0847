package httpd

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/stoa-portal/stoa"
)

// logRequest writes one line for a request: at info when Options.LogRequests asks for it, else and for health checks at debug. The query is left out,
// because secrets end up there. The record is built by hand: it costs two allocations where Logger.Info costs ten.
func (s *Server) logRequest(rw *response, r *http.Request, f *facts, class string, status int, took time.Duration) {
	level := slog.LevelDebug
	if s.o.LogRequests && class != "health" {
		level = slog.LevelInfo
	}
	h := s.log.Handler()
	ctx := context.Context(f)
	if !h.Enabled(ctx, level) {
		return
	}
	rec := slog.NewRecord(f.start.Add(took), level, "request", 0)
	rec.AddAttrs(
		slog.String("method", stoa.Clip(r.Method, 300)), slog.String("path", stoa.Clip(r.URL.Path, 300)),
		slog.Int("status", status),
		slog.Int64("bytes", rw.bytes), slog.Duration("took", took),
		slog.String("host", f.host), slog.String("client", f.client.String()), slog.String("request", f.id),
	)
	h.Handle(ctx, rec) // a log that cannot be written has nobody to be told
}
