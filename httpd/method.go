package httpd

import "net/http"

// serveOptions answers OPTIONS (RFC 9110, 9.3.7), which load balancers send as a check: HAProxy's own default is
// OPTIONS / in HTTP/1.0. A node that leaves says so, as /readyz does. It reports whether it has answered: a preflight
// request of a browser, which names a method to come, is for the routes.
func (s *Server) serveOptions(w http.ResponseWriter, r *http.Request) bool {
	if r.Header.Get("Access-Control-Request-Method") != "" {
		return false
	}
	select {
	case <-s.draining:
		w.Header().Set("Retry-After", "5")
		text(w, http.StatusServiceUnavailable, "this node is leaving\n")
		return true
	default:
	}
	w.Header().Set("Allow", allowedMethods)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
	return true
}
