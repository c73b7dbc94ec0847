package httpd

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// logBook collects what the server logs.
type logBook struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	written chan struct{} // closed at the next line; nil when nobody waits
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.written != nil {
		close(l.written)
		l.written = nil
	}
	return l.buf.Write(p)
}

// lines gives the lines logged with the message, all for an empty one.
func (l *logBook) lines(t *testing.T, msg string) []map[string]any {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []map[string]any
	for line := range strings.Lines(l.buf.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("the log holds %q: %v", line, err)
		}
		if msg == "" || m["msg"] == msg {
			out = append(out, m)
		}
	}
	return out
}

// waitLines waits until n lines with the message are there: the log is written after the response is out.
func (l *logBook) waitLines(t *testing.T, msg string, n int) []map[string]any {
	t.Helper()
	timeout := time.After(5 * time.Minute)
	for {
		l.mu.Lock()
		if l.written == nil {
			l.written = make(chan struct{})
		}
		next := l.written
		l.mu.Unlock()
		got := l.lines(t, msg)
		if len(got) >= n {
			return got
		}
		select {
		case <-next:
		case <-timeout:
			t.Fatalf("waited for %d lines %q in vain; the log holds %v", n, msg, l.lines(t, ""))
		}
	}
}

// newServer makes a server that listens but does not serve; tests call its ServeHTTP.
func newServer(t *testing.T, o Options, h http.HandlerFunc) (*Server, *logBook) {
	t.Helper()
	book := &logBook{}
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewJSONHandler(book, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if o.ValidHosts == nil {
		o.ValidHosts = []string{"example.com", "127.0.0.1", "localhost"}
	}
	if h == nil {
		h = func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "served "+r.URL.Path) }
	}
	s, err := New(o, h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, book
}

// serving makes a server and serves until the test ends.
func serving(t *testing.T, o Options, h http.HandlerFunc) (*Server, *logBook) {
	t.Helper()
	s, book := newServer(t, o, h)
	done := make(chan error, 1)
	go func() { done <- s.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		s.Shutdown(ctx)
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return s, book
}

func client(t *testing.T) *http.Client {
	tr := &http.Transport{DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func request(method, target string, header ...string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	r.RemoteAddr = "192.0.2.1:4711"
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

func answer(s http.Handler, r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, r)
	return rec
}

// raw sends bytes as they are and gives what comes back until the server closes.
func raw(t *testing.T, s *Server, send string) *http.Response {
	t.Helper()
	return readResponse(t, rawConn(t, s, send))
}

func readResponse(t *testing.T, c net.Conn) *http.Response {
	t.Helper()
	all, err := io.ReadAll(c)
	if err != nil && len(all) == 0 {
		t.Fatalf("no response: %v", err)
	}
	if len(all) == 0 {
		return &http.Response{Header: http.Header{}, Body: http.NoBody}
	}
	resp, body := parseResponse(t, all)
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp
}

// parseResponse reads a response that the server ended by closing the connection.
func parseResponse(t *testing.T, all []byte) (*http.Response, []byte) {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(all)), nil)
	if err != nil {
		t.Fatalf("the server sent %q: %v", all, err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body) // a cut-off body is what some tests are about
	return resp, body
}

// rawConn opens a connection and sends bytes as they are.
func rawConn(t *testing.T, s *Server, send string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, send); err != nil {
		t.Fatal(err)
	}
	return c
}
