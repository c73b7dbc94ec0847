package httpd

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stoa-portal/stoa"
)

// discardWriter is a response writer without costs of its own.
type discardWriter struct{ h http.Header }

func (d *discardWriter) Header() http.Header         { return d.h }
func (d *discardWriter) WriteHeader(int)             {}
func (d *discardWriter) Write(p []byte) (int, error) { return len(p), nil }

// A cached page costs little more than the chain, so what the chain allocates is kept low: the facts, the id with its
// place in the context, the copy of the request, the log line.
func TestChain_CachedPageAllocatesLittle(t *testing.T) {
	const most = 9
	page := NewCached(http.StatusOK, "text/html; charset=utf-8", "no-cache", []byte(strings.Repeat("<p>Hello</p>", 2000)))
	s, err := New(Options{
		Addr: "127.0.0.1:0", ValidHosts: []string{"example.com"}, Registry: prometheus.NewRegistry(),
		Logger: slog.New(slog.NewJSONHandler(io.Discard, nil)),
	}, page)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r := request("GET", "http://example.com/about/team", "Accept-Encoding", "gzip, deflate, br;q=0.9", "User-Agent", "test")
	w := &discardWriter{h: make(http.Header, 32)}
	got := testing.AllocsPerRun(2000, func() {
		clear(w.h)
		s.ServeHTTP(w, r)
	})
	t.Logf("the chain allocates %.0f times for a cached page", got)
	if got > most {
		t.Errorf("the chain allocates %.0f times for a cached page, want at most %d", got, most)
	}
	if w.h.Get("Content-Encoding") != "gzip" {
		t.Errorf("the page measured was sent with encoding %q, want gzip", w.h.Get("Content-Encoding"))
	}
}

func BenchmarkChain_CachedPage(b *testing.B) {
	page := NewCached(http.StatusOK, "text/html; charset=utf-8", "no-cache", []byte(strings.Repeat("<p>Hello</p>", 2000)))
	s, err := New(Options{
		Addr: "127.0.0.1:0", ValidHosts: []string{"example.com"}, Registry: prometheus.NewRegistry(),
		Logger: slog.New(slog.NewJSONHandler(io.Discard, nil)),
	}, page)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	r := request("GET", "http://example.com/about/team", "Accept-Encoding", "gzip, deflate, br")
	w := &discardWriter{h: make(http.Header, 32)}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.h)
		s.ServeHTTP(w, r)
	}
}

func TestRequestID_NotTakenFromOutside(t *testing.T) {
	t.Parallel()
	var inside []string
	s, book := newServer(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		inside = append(inside, stoa.RequestIDFrom(r.Context()))
	})
	for range 2 {
		rec := answer(s, request("GET", "http://example.com/", "X-Request-Id", "forged", "X-Correlation-Id", "forged"))
		id := rec.Header().Get("X-Request-Id")
		if !regexp.MustCompile(`^[0-9a-z]{26}$`).MatchString(id) || id != inside[len(inside)-1] {
			t.Errorf("the response carries id %q, the handler saw %q", id, inside[len(inside)-1])
		}
	}
	if inside[0] == inside[1] {
		t.Errorf("two requests got the same id %q", inside[0])
	}
	for i, l := range book.lines(t, "request") {
		if l["request"] != inside[i] {
			t.Errorf("the log names request %v, want %s", l["request"], inside[i])
		}
	}
}

func TestRequestLog_IsAtDebugUnlessAskedFor(t *testing.T) {
	t.Parallel()
	s, book := newServer(t, Options{}, nil)
	answer(s, request("GET", "http://example.com/"))
	if got := book.lines(t, "request"); len(got) != 1 || got[0]["level"] != "DEBUG" {
		t.Errorf("the lines are %v, want one at DEBUG", got)
	}
}

func TestRequestLog_TellsWhatHappenedWithoutQuery(t *testing.T) {
	t.Parallel()
	s, book := newServer(t, Options{LogRequests: true}, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, "short and stout")
	})
	answer(s, request("POST", "http://example.com/pot?token=secret"))
	answer(s, request("GET", "http://example.com/"+strings.Repeat("long", 200)))
	answer(s, request("GET", "http://example.com/livez"))
	got := book.lines(t, "request")
	if len(got) != 3 {
		t.Fatalf("%d lines, want 3", len(got))
	}
	for k, want := range map[string]any{"level": "INFO", "method": "POST", "path": "/pot", "status": 418.0, "bytes": 15.0,
		"host": "example.com", "client": "192.0.2.1"} {
		if got[0][k] != want {
			t.Errorf("the line says %s=%v, want %v", k, got[0][k], want)
		}
	}
	if p := got[1]["path"].(string); len(p) > 300 {
		t.Errorf("a path of %d bytes was logged", len(p))
	}
	if got[2]["level"] != "DEBUG" {
		t.Errorf("a health check was logged at %v, want DEBUG", got[2]["level"])
	}
	if strings.Contains(book.buf.String(), "secret") {
		t.Error("the log holds the query")
	}
}

func TestRecover_PanicIs500AndLoggedOnceWithStack(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	s, book := newServer(t, Options{Registry: reg}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"half"`)
		panic("the secret of the house")
	})
	rec := answer(s, request("GET", "http://example.com/x"))
	if rec.Code != 500 || strings.Contains(rec.Body.String(), "secret") || rec.Header().Get("ETag") != "" {
		t.Errorf("answered %d %q with ETag %q", rec.Code, rec.Body, rec.Header().Get("ETag"))
	}
	if !strings.Contains(rec.Body.String(), rec.Header().Get("X-Request-Id")) {
		t.Errorf("the page %q does not name the request", rec.Body)
	}
	lines := book.lines(t, "a request panicked")
	if len(lines) != 1 || lines[0]["panic"] != "the secret of the house" || !strings.Contains(lines[0]["stack"].(string), "chain_test.go") {
		t.Errorf("the log holds %v, want one line with the stack", lines)
	}
	if l := book.lines(t, "request"); len(l) != 1 || l[0]["status"] != 500.0 {
		t.Errorf("request log: %v", l)
	}
	if n := counter(t, reg, "stoa_http_panics_total", ""); n != 1 {
		t.Errorf("%v panics were counted, want 1", n)
	}
}

func TestRecover_PanicAfterHeaderCutsConnection(t *testing.T) {
	t.Parallel()
	s, book := serving(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, strings.Repeat("x", 100))
		http.NewResponseController(w).Flush()
		panic("half way")
	})
	resp, err := client(t).Get("http://" + s.Addr().String() + "/")
	if err == nil {
		defer resp.Body.Close()
		_, err = io.ReadAll(resp.Body)
	}
	if err == nil {
		t.Error("the client took half a response for a whole one")
	}
	if l := book.waitLines(t, "request", 1); l[0]["status"] != 499.0 {
		t.Errorf("logged status %v, want 499", l[0]["status"])
	}
}

func TestRecover_ErrorPageThatPanicsGivesPlainPage(t *testing.T) {
	t.Parallel()
	s, book := newServer(t, Options{ErrorPage: func(http.ResponseWriter, *http.Request, int, string, bool) { panic("no theme") }},
		func(w http.ResponseWriter, r *http.Request) { panic("no page") })
	rec := answer(s, request("GET", "http://example.com/"))
	if rec.Code != 500 || !strings.Contains(rec.Body.String(), "Something went wrong") {
		t.Errorf("answered %d %q", rec.Code, rec.Body)
	}
	if len(book.lines(t, "the error page itself failed")) != 1 {
		t.Error("that the error page failed was not logged")
	}
}

func TestServe_ClientThatLeavesIsLoggedAs499(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{})
	s, book := serving(t, Options{}, Handle(func(w http.ResponseWriter, r *http.Request) error {
		close(entered)
		<-r.Context().Done()
		return r.Context().Err()
	}).ServeHTTP)
	c := rawConn(t, s, "GET /slow HTTP/1.1\r\nHost: example.com\r\n\r\n")
	<-entered
	c.Close()
	if l := book.waitLines(t, "request", 1); l[0]["status"] != 499.0 {
		t.Errorf("logged status %v, want 499", l[0]["status"])
	}
	if l := book.lines(t, "a request failed"); len(l) != 0 {
		t.Errorf("a visitor who left was logged as a failure: %v", l)
	}
}

func TestMetrics_CountByClassAndStatus(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	s, _ := newServer(t, Options{Registry: reg}, Handle(func(w http.ResponseWriter, r *http.Request) error {
		if strings.HasPrefix(r.URL.Path, "/o/") {
			return stoa.NotFound("thing", "x")
		}
		return nil
	}).ServeHTTP)
	for _, p := range []string{"/", "/a", "/o/x", "/o/y", "/o/z", "/control/users"} {
		answer(s, request("GET", "http://example.com"+p))
	}
	for labels, want := range map[string]float64{"page 200": 2, "api 404": 3, "admin 200": 1} {
		if n := counter(t, reg, "stoa_http_requests_total", labels); n != want {
			t.Errorf("%s: counted %v, want %v", labels, n, want)
		}
	}
	if n := counter(t, reg, "stoa_http_requests_in_flight", ""); n != 0 {
		t.Errorf("%v requests are in flight, want 0", n)
	}
	if n := counter(t, reg, "stoa_http_request_duration_seconds", "api"); n != 3 {
		t.Errorf("%v durations of the API, want 3", n)
	}
	if _, err := New(Options{Addr: "127.0.0.1:0", Registry: reg}, nil); err == nil {
		t.Error("a second server registered the same metrics in the same registry")
	}
}

// counter gives the value of the series whose label values, joined with blanks, are labels.
func counter(t *testing.T, reg *prometheus.Registry, name, labels string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			var values []string
			for _, l := range m.GetLabel() {
				values = append(values, l.GetValue())
			}
			if strings.Join(values, " ") != labels {
				continue
			}
			switch {
			case m.GetCounter() != nil:
				return m.GetCounter().GetValue()
			case m.GetGauge() != nil:
				return m.GetGauge().GetValue()
			default:
				return float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	t.Fatalf("there is no series %s{%s}", name, labels)
	return 0
}

func TestHeaders_SecureByDefault(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, Options{FrameHosts: []string{"www.Youtube-nocookie.com", "*.vimeo.com"}, ValidHosts: []string{"*"}}, nil)
	rec := answer(s, request("GET", "http://example.com/"))
	for k, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "strict-origin-when-cross-origin",
		"Cross-Origin-Opener-Policy": "same-origin", "Strict-Transport-Security": "", "Server": "",
	} {
		if got := rec.Header().Get(k); got != want {
			t.Errorf("%s is %q, want %q", k, got, want)
		}
	}
	csp := rec.Header().Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'self'", "script-src 'self';", "style-src 'self';", "img-src 'self' data: https:", "object-src 'none'",
		"base-uri 'none'", "form-action 'self'", "frame-ancestors 'self'", "frame-src 'self' https://www.youtube-nocookie.com https://*.vimeo.com;"} {
		if !strings.Contains(csp, part) {
			t.Errorf("the policy %q lacks %q", csp, part)
		}
	}
	if strings.Contains(csp, "unsafe") {
		t.Errorf("the policy %q allows something unsafe", csp)
	}
	// A handler that adds to a shared value changes its own response only.
	s.Mount(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Referrer-Policy", "no-referrer")
		w.Header().Set("X-Content-Type-Options", "other")
	}))
	answer(s, request("GET", "http://example.com/"))
	s.Mount(http.NotFoundHandler())
	rec = answer(s, request("GET", "http://example.com/"))
	if v := rec.Header().Values("Referrer-Policy"); len(v) != 1 || rec.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("a handler changed the headers of the next response: %v", rec.Header())
	}
}

func TestHeaders_HSTSOnHTTPSNamesOnly(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, Options{ValidHosts: []string{"*"}}, nil)
	for target, want := range map[string]bool{
		"https://example.com/": true, "https://sub.example.com:8443/": true, "http://example.com/": false, "https://localhost/": false,
		"https://a.localhost/": false, "https://192.0.2.7/": false, "https://[::1]/": false, "https://x7/": true,
	} {
		got := answer(s, request("GET", target)).Header().Get("Strict-Transport-Security")
		if (got != "") != want {
			t.Errorf("%s: Strict-Transport-Security is %q, want it set: %v", target, got, want)
		}
	}
}

func TestContentPolicy_RefusesInjection(t *testing.T) {
	t.Parallel()
	for _, h := range []string{"a.com; script-src *", "a.com b.com", "'unsafe-inline'", "*", "", "http://a.com", "https://a.com/path", "a.com,b.com", "data:"} {
		if csp, err := ContentPolicy([]string{h}); !stoa.Is(err, stoa.KindInvalid) {
			t.Errorf("%q gave %q, %v, want Invalid", h, csp, err)
		}
	}
}

func TestResponse_HeaderInjectionIsDefused(t *testing.T) {
	t.Parallel()
	s, _ := serving(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "/x?"+r.URL.Query().Get("to"))
		w.Header().Set("Content-Disposition", ContentDisposition("attachment", r.URL.Query().Get("to")))
		w.WriteHeader(http.StatusFound)
	})
	resp, err := client(t).Get("http://" + s.Addr().String() + "/?to=a%0d%0aSet-Cookie:%20admin=1%0d%0a%0d%0a<script>")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.Header.Get("Set-Cookie") != "" || strings.ContainsAny(resp.Header.Get("Content-Disposition"), "\r\n") {
		t.Errorf("the headers are %v", resp.Header)
	}
}

func TestServer_WithoutRoutesIsStartingNotBroken(t *testing.T) {
	t.Parallel()
	s, err := New(Options{Addr: "127.0.0.1:0", ValidHosts: []string{"*"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if rec := answer(s, request("GET", "http://example.com/")); rec.Code != 503 || rec.Header().Get("Retry-After") == "" {
		t.Errorf("answered %d with Retry-After %q, want 503 with a time", rec.Code, rec.Header().Get("Retry-After"))
	}
	if rec := answer(s, request("GET", "http://example.com/readyz")); rec.Code != 503 {
		t.Errorf("/readyz answered %d, want 503", rec.Code)
	}
	s.Mount(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	if rec := answer(s, httptest.NewRequest("GET", "http://example.com/readyz", nil)); rec.Code != 200 {
		t.Errorf("/readyz answered %d after Mount, want 200", rec.Code)
	}
}
