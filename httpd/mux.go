package httpd

import (
	"net/http"
	"slices"
)

// Mux is an http.ServeMux that knows which patterns it has, so that a test can ask of each who may use it. The zero
// value is ready; patterns are added by one goroutine before the first request.
type Mux struct {
	mux      http.ServeMux
	patterns []string
}

// Registrar is what takes patterns: a Mux, or an http.ServeMux.
type Registrar interface {
	Handle(pattern string, h http.Handler)
}

// Handle adds a handler for a pattern, as http.ServeMux does: it panics when the pattern is wrong or taken.
func (m *Mux) Handle(pattern string, h http.Handler) {
	m.mux.Handle(pattern, h)
	m.patterns = append(m.patterns, pattern)
}

// ServeHTTP gives the request to the handler of its pattern.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.mux.ServeHTTP(w, r) }

// Patterns gives the patterns in the order in which they were added.
func (m *Mux) Patterns() []string { return slices.Clone(m.patterns) }
