package httpd

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stoa-portal/stoa"
)

func TestBeforeHeader_CompletesTheHeaderOnceHoweverItGoesOut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		handle func(w http.ResponseWriter, r *http.Request)
		status int
	}{
		"status":  {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }, http.StatusTeapot},
		"body":    {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x")) }, http.StatusOK},
		"string":  {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "x") }, http.StatusOK},
		"copy":    {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, strings.NewReader("x")) }, http.StatusOK},
		"flush":   {func(w http.ResponseWriter, _ *http.Request) { _ = http.NewResponseController(w).Flush() }, http.StatusOK},
		"nothing": {func(http.ResponseWriter, *http.Request) {}, http.StatusOK},
		"panic":   {func(http.ResponseWriter, *http.Request) { panic("defect") }, http.StatusInternalServerError},
		"error":   {func(w http.ResponseWriter, r *http.Request) { Error(w, r, stoa.NotFound("page", "x")) }, http.StatusNotFound},
		"redirect": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusSeeOther) },
			http.StatusSeeOther},
		"early hints first": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusAccepted)
			_, _ = w.Write([]byte("x"))
			w.WriteHeader(http.StatusTeapot)
		}, http.StatusAccepted},
		"compressed": {func(w http.ResponseWriter, r *http.Request) {
			Compress(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				BeforeHeader(w, func(h http.Header) { h.Add("Late", "2") })
				_, _ = io.WriteString(w, strings.Repeat("text ", 1000))
			})).ServeHTTP(w, r)
		}, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int64
			s, _ := serving(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
				BeforeHeader(w, func(h http.Header) { calls.Add(1); h.Add("Late", "1") })
				c.handle(w, r)
			})
			res, err := client(t).Get("http://" + s.Addr().String() + "/")
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			_, _ = io.Copy(io.Discard, res.Body)
			want := "1"
			if name == "compressed" { // the last function counts
				want = "2"
				calls.Add(1)
			}
			if got := strings.Join(res.Header["Late"], ","); res.StatusCode != c.status || got != want || calls.Load() != 1 {
				t.Errorf("status %d, header %q after %d calls; want %d and %q after one", res.StatusCode, got, calls.Load(), c.status, want)
			}
		})
	}
}
