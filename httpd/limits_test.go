package httpd

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestServer_NoCompressionEncodesNothing(t *testing.T) {
	t.Parallel()
	for _, off := range []bool{false, true} {
		s, _ := newServer(t, Options{NoCompression: off}, Compress(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			io.WriteString(w, strings.Repeat("a long answer. ", 1000))
		})).ServeHTTP)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, request("GET", "http://example.com/", "Accept-Encoding", "gzip"))
		if got := w.Header().Get("Content-Encoding"); (got == "gzip") == off {
			t.Errorf("NoCompression %v: encoded with %q", off, got)
		}
	}
}

func TestServer_MaxHeaderIsWhatTheOperatorSays(t *testing.T) {
	t.Parallel()
	s, _ := serving(t, Options{MaxHeader: 1 << 20}, nil)
	r := request("GET", "http://"+s.Addr().String()+"/")
	r.RequestURI = ""
	r.Header.Set("X-Long", strings.Repeat("a", 200<<10))
	resp, err := client(t).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("a header of 200 KiB: %d", resp.StatusCode)
	}
}
