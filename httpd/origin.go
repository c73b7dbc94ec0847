package httpd

import (
	"net/http"
	"strings"

	"github.com/stoa-portal/stoa"
)

func newOriginCheck(trusted []string) (*http.CrossOriginProtection, error) {
	p := http.NewCrossOriginProtection()
	for _, o := range trusted {
		if err := p.AddTrustedOrigin(o); err != nil {
			return nil, &stoa.Error{Kind: stoa.KindInvalid, Field: "TrustedOrigins", Err: err,
				Message: "an origin such as https://forms.example.com is expected, without a path"}
		}
	}
	return p, nil
}

// checkOrigin refuses requests that change something and that a page of another origin made a browser send. A
// request that proves itself with a bearer token and carries no cookie is not made by a browser on
// behalf of somebody, so it may come from anywhere.
func (s *Server) checkOrigin(r *http.Request) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return nil
	}
	if len(r.Header["Cookie"]) == 0 {
		if a := r.Header["Authorization"]; len(a) == 1 && len(a[0]) > 7 && strings.EqualFold(a[0][:7], "Bearer ") {
			return nil
		}
	}
	if err := s.origin.Check(r); err != nil {
		e := stoa.Forbidden("this form was sent from a page of another site; open the page here and send it again")
		e.Err = err
		return e
	}
	return nil
}
