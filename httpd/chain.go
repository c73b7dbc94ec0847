package httpd

import (
	"net/http"

	"github.com/stoa-portal/stoa"
)

// ServeHTTP takes one request through the whole chain.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := &facts{server: s, start: s.o.Now()}
	f.id = newRequestID()
	f.Context = stoa.WithRequestID(r.Context(), f.id)
	r = r.WithContext(f)
	rw := &f.out
	*rw = response{ResponseWriter: w, f: f, mark: writeMark}
	s.inFlight.Add(1)
	defer s.finish(rw, r, f)

	hostErr := f.resolve(r)
	f.Context = stoa.WithRequester(f.Context, f.client)
	if s.serveHealth(rw, r) {
		return
	}
	s.secure.set(rw.Header(), f)
	if err := checkRequest(rw, r); err != nil {
		s.refuse(rw, r, err)
		return
	}
	if rw.wrote { // a redirect to the clean form of the address
		return
	}
	if hostErr == nil {
		hostErr = s.checkHost(f)
	}
	if hostErr != nil {
		s.refuse(rw, r, hostErr)
		return
	}
	if s.redirectToHTTPS(rw, r, f) {
		return
	}
	if err := s.checkOrigin(r); err != nil {
		s.fail(rw, r, err)
		return
	}
	f.limitBody(rw, r)
	if s.o.NoCompression {
		r.Header.Del("Accept-Encoding") // nobody encodes what was not asked for
	}
	routes := s.routes.Load()
	if routes == nil {
		s.fail(rw, r, stoa.Unavailable(nil, "the portal is starting; try again in a moment"))
		return
	}
	(*routes).ServeHTTP(rw, r)
}
