package httpd

import (
	"bytes"
	"errors"
	"io"
	"log"
	"mime"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func contentServer(t *testing.T, c Content, body string) *Server {
	t.Helper()
	s, _ := newServer(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		c := c
		c.Body = strings.NewReader(body)
		if err := ServeContent(w, r, c); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestServeContent_TypesAreNotBelieved(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]struct {
		kind   string
		inline bool
	}{
		"image/png": {"image/png", true}, "IMAGE/PNG": {"image/png", true}, "image/svg+xml": {"image/svg+xml", true},
		"application/pdf": {"application/pdf", true}, "video/mp4; codecs=x": {"video/mp4", true}, "text/plain; charset=utf-7": {"text/plain; charset=utf-8", true},
		"text/html": {"application/octet-stream", false}, "application/xhtml+xml": {"application/octet-stream", false},
		"text/javascript": {"application/octet-stream", false}, "application/x-shockwave-flash": {"application/octet-stream", false},
		"text/xml": {"application/octet-stream", false}, "": {"application/octet-stream", false}, "image/png\r\nX: y": {"application/octet-stream", false},
		"multipart/x-mixed-replace": {"application/octet-stream", false},
	} {
		rec := answer(contentServer(t, Content{Name: "f", Type: kind}, "<script>alert(1)</script>"), request("GET", "http://example.com/"))
		h := rec.Header()
		if rec.Code != 200 || h.Get("Content-Type") != want.kind || strings.HasPrefix(h.Get("Content-Disposition"), "inline") != want.inline {
			t.Errorf("%q: %d, type %q, %q; want %+v", kind, rec.Code, h.Get("Content-Type"), h.Get("Content-Disposition"), want)
		}
		csp := h.Get("Content-Security-Policy")
		if h.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "script") {
			t.Errorf("%q: nosniff %q, policy %q", kind, h.Get("X-Content-Type-Options"), csp)
		}
		if kind != "application/pdf" && !strings.HasSuffix(csp, "; sandbox") {
			t.Errorf("%q: the policy %q has no sandbox", kind, csp)
		}
	}
	rec := answer(contentServer(t, Content{Name: "f.png", Type: "image/png", Download: true}, "x"), request("GET", "http://example.com/"))
	if got := rec.Header().Get("Content-Disposition"); got != `attachment; filename="f.png"` {
		t.Errorf("a download is sent as %q", got)
	}
}

func TestServeContent_RangesAndConditions(t *testing.T) {
	t.Parallel()
	body := "0123456789"
	when := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := contentServer(t, Content{Name: "f", Type: "text/plain", ETag: `"v1"`, Modified: when}, body)
	for _, c := range []struct {
		header []string
		status int
		body   string
	}{
		{nil, 200, body},
		{[]string{"Range", "bytes=2-4"}, 206, "234"},
		{[]string{"Range", "bytes=-3"}, 206, "789"},
		{[]string{"Range", "bytes=5-"}, 206, "56789"},
		{[]string{"Range", "bytes=10-"}, 416, "*"},
		{[]string{"Range", "bytes=4-2"}, 416, "*"},
		{[]string{"Range", "lines=1-2"}, 200, body},
		{[]string{"Range", "bytes=2-4", "If-Range", `"v1"`}, 206, "234"},
		{[]string{"Range", "bytes=2-4", "If-Range", `"v0"`}, 200, body},
		{[]string{"If-None-Match", `"v1"`}, 304, ""},
		{[]string{"If-Match", `"v0"`}, 412, "*"},
		{[]string{"If-Modified-Since", when.Format(http.TimeFormat)}, 304, ""},
		{[]string{"Range", "bytes=" + strings.Repeat("0-0,", 2000) + "0-0"}, 200, body},
	} {
		rec := answer(s, request("GET", "http://example.com/", c.header...))
		if rec.Code != c.status || c.body != "*" && rec.Body.String() != c.body {
			t.Errorf("%.60q: %d %q, want %d %q", c.header, rec.Code, rec.Body, c.status, c.body)
		}
	}
	if rec := answer(s, request("HEAD", "http://example.com/")); rec.Body.Len() != 0 || rec.Header().Get("Content-Length") != "10" {
		t.Errorf("HEAD: %d bytes, length %q", rec.Body.Len(), rec.Header().Get("Content-Length"))
	}
}

func TestServeContent_Caching(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		c    Content
		want string
	}{
		{Content{}, "private, no-cache"}, {Content{Forever: true}, "private, no-cache"},
		{Content{Public: true}, "public, no-cache"}, {Content{Public: true, Forever: true}, "public, max-age=31536000, immutable"},
	} {
		if got := answer(contentServer(t, c.c, "x"), request("GET", "http://example.com/")).Header().Get("Cache-Control"); got != c.want {
			t.Errorf("public %v, forever %v: %q, want %q", c.c.Public, c.c.Forever, got, c.want)
		}
	}
}

// A large file goes out whole over a real connection, through the piecewise sendfile path.
func TestServeContent_LargeOverNetwork(t *testing.T) {
	t.Parallel()
	body := bytes.Repeat([]byte("0123456789abcdef"), 100_000)
	s, book := serving(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		if err := ServeContent(w, r, Content{Name: "f", Type: "text/plain", Body: bytes.NewReader(body)}); err != nil {
			t.Error(err)
		}
	})
	for rng, want := range map[string][]byte{"": body, "bytes=262144-524287": body[262144:524288], "bytes=1-1599998": body[1:1599999]} {
		req, _ := http.NewRequest("GET", "http://"+s.Addr().String()+"/", nil)
		if rng != "" {
			req.Header.Set("Range", rng)
		}
		resp, err := client(t).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("range %q: %d bytes, %v; want %d", rng, len(got), err, len(want))
		}
	}
	total := 0.0
	for _, l := range book.waitLines(t, "request", 3) {
		total += l["bytes"].(float64)
	}
	if want := float64(len(body) + 262144 + 1599998); total != want {
		t.Errorf("the log counts %v bytes, want %v", total, want)
	}
}

func TestContentDisposition_Names(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"report.pdf":               `attachment; filename="report.pdf"`,
		"a b.txt":                  `attachment; filename="a b.txt"`,
		"Übersicht.pdf":            `attachment; filename="_bersicht.pdf"; filename*=UTF-8''%C3%9Cbersicht.pdf`,
		`a"b.txt`:                  `attachment; filename="a_b.txt"; filename*=UTF-8''a%22b.txt`,
		"../../etc/passwd":         `attachment; filename="_.._etc_passwd"`,
		`..\..\x.exe`:              `attachment; filename="_.._x.exe"`,
		"a\r\nSet-Cookie: x=1":     `attachment; filename="a__Set-Cookie: x=1"`,
		"cod\u202egpj.exe":         `attachment; filename="cod_gpj.exe"`,
		"100%.txt":                 `attachment; filename="100_.txt"; filename*=UTF-8''100%25.txt`,
		"x; filename=evil.exe.txt": `attachment; filename="x_ filename=evil.exe.txt"; filename*=UTF-8''x%3B%20filename%3Devil.exe.txt`,
		"":                         "attachment", " . ": "attachment", "\xff.txt": `attachment; filename="_.txt"`,
	} {
		if got := ContentDisposition("attachment", name); got != want {
			t.Errorf("%q:\n got %s\nwant %s", name, got, want)
		}
	}
	if got := ContentDisposition("inline", strings.Repeat("ü", 5000)+".docx"); len(got) > 1500 || !strings.HasSuffix(got, ".docx") {
		t.Errorf("a long name gives %d bytes, ending in %q", len(got), got[len(got)-10:])
	}
}

func TestContentDisposition_AnyNameParsesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.String().Draw(t, "name")
		got := ContentDisposition("attachment", name)
		kind, params, err := mime.ParseMediaType(got)
		if err != nil || kind != "attachment" {
			t.Fatalf("%q gives %q, which reads as %q, %v", name, got, kind, err)
		}
		file := params["filename"]
		if strings.ContainsAny(file, "/\\\r\n\x00") || !utf8.ValidString(file) || len(params) > 1 {
			t.Fatalf("%q gives the file name %q and %v", name, file, params)
		}
	})
}

// broken is a body that can be read only so far.
type broken struct {
	*strings.Reader
	left int
}

func (b *broken) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errors.New("the store does not answer")
	}
	n, err := b.Reader.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

func TestServeContent_BodyThatFailsIsNotTakenForWhole(t *testing.T) {
	t.Parallel()
	for _, two := range []bool{false, true} {
		s := httptest.NewUnstartedServer(Handle(func(w http.ResponseWriter, r *http.Request) error {
			body := &broken{strings.NewReader(strings.Repeat("x", 1<<20)), 100_000}
			c := Content{Name: "f", Type: "image/png", Body: body, ETag: `"1"`, Public: true, Forever: true}
			return ServeContent(w, r, c)
		}))
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.EnableHTTP2 = two
		s.StartTLS()
		t.Cleanup(s.Close)
		for _, header := range []string{"", "bytes=50000-900000"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			if header != "" {
				req.Header.Set("Range", header)
			}
			res, err := s.Client().Do(req)
			if err != nil {
				continue // nothing came at all, which is as well
			}
			got, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err == nil {
				t.Errorf("%s, range %q: %d, %d bytes that look whole", res.Proto, header, res.StatusCode, len(got))
			}
		}
	}
}

// slowly is a body that says when it is read from the second range on, and may be read then.
type slowly struct {
	*strings.Reader
	at      atomic.Int64
	reading chan struct{}
	release chan struct{}
	inside  atomic.Int32
	closed  atomic.Bool
	late    atomic.Bool
}

func (s *slowly) Seek(offset int64, whence int) (int64, error) {
	if s.closed.Load() {
		s.late.Store(true)
	}
	at, err := s.Reader.Seek(offset, whence)
	s.at.Store(at)
	return at, err
}

func (s *slowly) Read(p []byte) (int, error) {
	if s.closed.Load() {
		s.late.Store(true)
	}
	s.inside.Add(1)
	defer s.inside.Add(-1)
	if s.at.Load() >= 1000 {
		close(s.reading)
		<-s.release
	}
	return s.Reader.Read(p)
}

// leaving is a client that is gone once the second range is read.
type leaving struct {
	*httptest.ResponseRecorder
	body   *slowly
	writes int
}

func (l *leaving) Write(p []byte) (int, error) {
	if l.writes++; l.writes < 3 { // the head of the first part, its byte, and then the head of the second
		return len(p), nil
	}
	<-l.body.reading
	go close(l.body.release)
	return 0, errors.New("the client is gone")
}

// Several ranges are read by a goroutine of its own: when ServeContent has returned, it touches the body no more.
func TestServeContent_LeavesTheBodyAloneWhenItReturns(t *testing.T) {
	t.Parallel()
	body := &slowly{Reader: strings.NewReader(strings.Repeat("x", 100_000)), reading: make(chan struct{}),
		release: make(chan struct{})}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Header.Set("Range", "bytes=0-0,1000-1999")
	w := &leaving{ResponseRecorder: httptest.NewRecorder(), body: body}
	err := ServeContent(w, r, Content{Name: "f", Type: "image/png", Body: body})
	inside := body.inside.Load()
	body.closed.Store(true) // as the handler does
	if err != nil || inside != 0 {
		t.Errorf("%v, %d reads are under way", err, inside)
	}
	if body.late.Load() {
		t.Error("the body was read after it was closed")
	}
}
