package filestoretest

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

// Relay stands between nodes and a file store that is reached by HTTP, and does what networks and servers do.
type Relay struct {
	URL string

	proxy   *httputil.ReverseProxy
	disturb atomic.Pointer[Disturb]
}

// Disturb answers a request in its own way, or gives false: then the server behind answers, which next is.
type Disturb func(w http.ResponseWriter, r *http.Request, next http.Handler) bool

// NewRelay starts a relay to the server at that address.
func NewRelay(t *testing.T, address string) *Relay {
	t.Helper()
	to, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	y := &Relay{}
	y.proxy = &httputil.ReverseProxy{ // the host stays: it is signed
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = to.Scheme, to.Host
			r.Out.Host = r.In.Host
		},
		ModifyResponse: func(r *http.Response) error { // an upload goes on where the server says
			if at := r.Header.Get("Location"); at != "" {
				r.Header.Set("Location", strings.Replace(at, to.Scheme+"://"+to.Host, y.URL, 1))
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d := y.disturb.Load(); d != nil && (*d)(w, r, y.proxy) {
			return
		}
		y.proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	y.URL = front.URL
	return y
}

// Set chooses what is done from now on; nil: nothing.
func (y *Relay) Set(d Disturb) {
	if d == nil {
		y.disturb.Store(nil)
		return
	}
	y.disturb.Store(&d)
}

// Refuse is a Disturb that answers with a status and no body.
func Refuse(status int) Disturb {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool { w.WriteHeader(status); return true }
}

// CutOff is a Disturb that breaks connections off.
func CutOff(http.ResponseWriter, *http.Request, http.Handler) bool { panic(http.ErrAbortHandler) }

// AnswerNothing is a Disturb that answers never.
func AnswerNothing(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
	<-r.Context().Done()
	panic(http.ErrAbortHandler)
}
