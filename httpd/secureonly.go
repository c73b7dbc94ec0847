package httpd

import "net/http"

// redirectToHTTPS answers a request in the clear with a redirect where web.server.protocol says that visitors use
// HTTPS, and reports whether it did. One that shows a proxy which is not believed about the protocol is let through,
// as it may well have come encrypted to the proxy, and would be sent round in circles; MustBeSecure holds for it.
func (s *Server) redirectToHTTPS(w http.ResponseWriter, r *http.Request, f *facts) bool {
	if s.o.Links.Protocol != "https" || f.https || speaksForOthers(r) && !f.toldProto {
		return false
	}
	h := w.Header()
	h.Set("Location", s.httpsOrigin(f)+r.URL.RequestURI())
	h.Set("Cache-Control", "no-store") // the setting may change
	w.WriteHeader(http.StatusPermanentRedirect)
	return true
}

// httpsOrigin is where the visitor of f finds this portal over HTTPS.
func (s *Server) httpsOrigin(f *facts) string {
	host, port := f.host, 0
	if s.o.Links.Host != "" {
		host = s.o.Links.Host
	}
	switch {
	case s.o.Links.HTTPSPort > 0:
		port = s.o.Links.HTTPSPort
	case f.port == s.Port(): // asked for by the port of this node itself, not that of a proxy
		port = s.PortTLS()
	}
	return "https://" + joinHost(host, port, true)
}

// MustBeSecure reports whether the request came in the clear although web.server.protocol says that visitors use
// HTTPS: no password may be taken from it.
func MustBeSecure(r *http.Request) bool {
	f := factsOf(r)
	return f != nil && f.server.o.Links.Protocol == "https" && !f.https
}

// SettledOrigin is the beginning of links that are mailed. It is Origin without what the requester can choose: HTTPS
// where the settings or a certificate of this node say so, and a port that the settings or this node's own listeners
// have. The host is that of the request where web.server.host is not set; the caller has to know that it is the
// portal's.
func SettledOrigin(r *http.Request) string {
	f := factsOf(r)
	if f == nil {
		return Origin(r)
	}
	s, l := f.server, &f.server.o.Links
	if s.settledHTTPS(f) {
		if f.port == s.PortTLS() && l.HTTPSPort <= 0 && l.Host == "" {
			return "https://" + joinHost(f.host, f.port, true)
		}
		return s.httpsOrigin(f)
	}
	host, port := f.host, 0
	switch {
	case l.Host != "":
		host, port = l.Host, max(l.HTTPPort, 0)
	case l.HTTPPort > 0:
		port = l.HTTPPort
	case f.port == s.Port():
		port = f.port
	}
	return "http://" + joinHost(host, port, false)
}

// settledHTTPS reports whether visitors use HTTPS as far as the settings, a certificate of this node and trusted
// proxies tell.
func (s *Server) settledHTTPS(f *facts) bool {
	p := s.o.Links.Protocol
	return p == "https" || p == "" && (f.https || s.PortTLS() != 0)
}

// SettledAt is SettledOrigin for the host given, which is the portal's: its scheme and port are those of the settings
// or of this node's own listeners, whatever host, port and protocol the request names.
func SettledAt(r *http.Request, host string) string {
	f := factsOf(r)
	if f == nil {
		return Scheme(r) + "://" + joinHost(host, 0, Secure(r))
	}
	s, l, port := f.server, &f.server.o.Links, 0
	if s.settledHTTPS(f) {
		switch {
		case l.HTTPSPort > 0:
			port = l.HTTPSPort
		case f.port == s.Port() || f.port == s.PortTLS():
			port = s.PortTLS()
		}
		return "https://" + joinHost(host, port, true)
	}
	switch {
	case l.HTTPPort > 0:
		port = l.HTTPPort
	case f.port == s.Port():
		port = f.port
	}
	return "http://" + joinHost(host, port, false)
}
