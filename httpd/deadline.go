package httpd

import (
	"context"
	"net/http"
	"time"
)

// Deadline gives the work of a handler a time limit through its context. A handler that returns the error of that
// context is answered with 503. It does not cut a response off: Options.WriteTimeout does.
func Deadline(d time.Duration, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), d)
		defer cancel()
		h.ServeHTTP(w, r.WithContext(ctx))
	})
}
