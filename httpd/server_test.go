package httpd

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
)

func TestNew_PortInUseSaysSo(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, Options{}, nil)
	addr := s.Addr().String()
	_, err := New(Options{Addr: addr}, nil)
	if !stoa.Is(err, stoa.KindUnavailable) {
		t.Fatalf("error %v, want Unavailable", err)
	}
	for _, part := range []string{"portal.instance.inet.socket.address", strconv.Itoa(s.Port()), "in use by another program", "--port"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the message %q does not say %q", err, part)
		}
	}
	for addr, want := range map[string]string{
		"": "missing", "8080": "host:port", "127.0.0.1:http-alt-x": "not a port", "127.0.0.1:70000": "not a port", "203.0.113.77:0": "not an address of this machine",
	} {
		if _, err := New(Options{Addr: addr}, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want a sentence with %q", addr, err, want)
		}
	}
	for _, o := range []Options{{ReadTimeout: -1}, {IdleTimeout: -1}, {MaxBody: -1}} {
		o.Addr = "127.0.0.1:0"
		if _, err := New(o, nil); !stoa.Is(err, stoa.KindInvalid) {
			t.Errorf("%v, want Invalid", err)
		}
	}
}

func TestShutdown_FinishesRequestsUnderWay(t *testing.T) {
	t.Parallel()
	entered, step := make(chan struct{}), make(chan struct{})
	s, _ := newServer(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-step
		io.WriteString(w, "finished")
	})
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	got := make(chan string, 1)
	go func() {
		resp, err := client(t).Get("http://" + s.Addr().String() + "/")
		if err != nil {
			got <- err.Error()
			return
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			got <- err.Error()
			return
		}
		got <- string(b)
	}()
	<-entered
	s.Drain(t.Context())
	select {
	case <-s.Draining():
	default:
		t.Error("Draining is not closed after Drain")
	}
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(context.Background()) }()
	if err := <-served; err != nil {
		t.Errorf("serve: %v", err)
	}
	if _, err := net.Dial("tcp", s.Addr().String()); err == nil {
		t.Error("the server still listens")
	}
	select {
	case err := <-down:
		t.Fatalf("shutdown returned %v while a request was under way", err)
	default:
	}
	close(step)
	if g := <-got; g != "finished" {
		t.Errorf("the request under way got %q", g)
	}
	if err := <-down; err != nil {
		t.Errorf("shutdown: %v", err)
	}
}

func TestShutdown_DeadlineCutsAndCounts(t *testing.T) {
	t.Parallel()
	entered, ended := make(chan struct{}), make(chan struct{})
	s, _ := newServer(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
		close(ended)
	})
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	c := rawConn(t, s, "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := s.Shutdown(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 requests did not end in time") {
		t.Errorf("shutdown: %v", err)
	}
	if _, err := io.ReadAll(c); err != nil && !errors.Is(err, net.ErrClosed) && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the connection ended with %v", err)
	}
	<-ended
	if err := <-served; err != nil {
		t.Errorf("serve: %v", err)
	}
}

func TestShutdown_BeforeServeFreesThePort(t *testing.T) {
	t.Parallel()
	s, err := New(Options{Addr: "127.0.0.1:0"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(); err != nil {
		t.Errorf("serve after shutdown: %v", err)
	}
	again, err := New(Options{Addr: s.Addr().String()}, nil)
	if err != nil {
		t.Fatalf("the port is still taken: %v", err)
	}
	again.Close()
}

func TestDrain_WaitsAndCanBeCutShort(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, Options{DrainDelay: time.Hour}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { s.Drain(ctx); close(done) }()
	<-s.Draining()
	select {
	case <-done:
		t.Error("drain did not wait")
	default:
	}
	cancel()
	<-done
	quick, _ := newServer(t, Options{DrainDelay: 30 * time.Millisecond}, nil)
	began := time.Now()
	quick.Drain(t.Context())
	if d := time.Since(began); d < 30*time.Millisecond {
		t.Errorf("drain waited %v, want 30 ms", d)
	}
}

func TestSlowloris_HeadersAndBodyAreCut(t *testing.T) {
	t.Parallel()
	const limit = 400 * time.Millisecond // also what a busy machine has for the headers that are there
	s, book := serving(t, Options{ReadHeaderTimeout: limit, ReadTimeout: limit, IdleTimeout: limit},
		Handle(func(w http.ResponseWriter, r *http.Request) error {
			_, err := io.ReadAll(r.Body)
			return err
		}).ServeHTTP)
	// The header never ends: the server hangs up without ever having called a handler.
	if _, err := io.ReadAll(rawConn(t, s, "GET / HTTP/1.1\r\nHost: example.com\r\nX-Slow: ")); err != nil {
		t.Errorf("slow header: %v", err)
	}
	if l := book.lines(t, "request"); len(l) != 0 {
		t.Errorf("half a request was served: %v", l)
	}
	// The body never ends: 408, and the connection is closed.
	if resp := raw(t, s, "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 100\r\n\r\nslow"); resp.StatusCode != 408 {
		t.Errorf("a slow body got %d, want 408", resp.StatusCode)
	}
	// A connection that does nothing after its request.
	if all, err := io.ReadAll(rawConn(t, s, "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")); err != nil ||
		!strings.Contains(string(all), "200 OK") {
		t.Errorf("idle connection: %q, %v", all, err)
	}
}

// A handler may take longer than the read timeout: its context must not end, and the connection lives on.
func TestTimeouts_SlowHandlerIsNotTakenForAGoneClient(t *testing.T) {
	t.Parallel()
	const limit = 500 * time.Millisecond // a busy machine needs some of it to read what is there
	s, _ := serving(
		t,
		Options{ReadHeaderTimeout: limit, ReadTimeout: limit},
		Handle(func(w http.ResponseWriter, r *http.Request) error {
			if _, err := io.ReadAll(r.Body); err != nil {
				return err
			}
			select {
			case <-r.Context().Done():
				return r.Context().Err()
			case <-time.After(2 * limit):
			}
			_, err := io.WriteString(w, "done")
			return err
		}).ServeHTTP,
	)
	c := client(t)
	for range 2 { // the second over the same connection
		resp, err := c.Post("http://"+s.Addr().String()+"/", "text/plain", strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 || string(b) != "done" {
			t.Errorf("%d %q", resp.StatusCode, b)
		}
	}
}

// An upload and a download that take longer than the timeouts go through as long as they make progress.
func TestTimeouts_SteadyTransferMayTakeLong(t *testing.T) {
	t.Parallel()
	const (
		piece, pieces = 80 << 10, 8
		limit         = time.Second // between two pieces; a busy machine may be late with one by most of it
		pause         = limit / 5
	)
	s, _ := serving(
		t,
		Options{MaxBody: 1 << 30, ReadTimeout: limit, WriteTimeout: limit},
		Handle(func(w http.ResponseWriter, r *http.Request) error {
			n, err := io.Copy(io.Discard, r.Body)
			if err != nil {
				return err
			}
			_, err = io.WriteString(w, strconv.FormatInt(n, 10))
			return err
		}).ServeHTTP,
	)
	pr, pw := io.Pipe()
	go func() {
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for range pieces {
			<-tick.C
			pw.Write(make([]byte, piece))
		}
		pw.Close()
	}()
	resp, err := client(t).Post("http://"+s.Addr().String()+"/", "application/octet-stream", pr)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 || string(b) != strconv.Itoa(piece*pieces) {
		t.Errorf("%d %q after an upload of %s", resp.StatusCode, b, pieces*pause)
	}
}

func TestTimeouts_ReaderThatStopsIsCut(t *testing.T) {
	t.Parallel()
	failed := make(chan error, 1)
	s, book := serving(t, Options{WriteTimeout: 100 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
		var err error
		for err == nil {
			_, err = w.Write(make([]byte, 64<<10))
		}
		failed <- err
	})
	rawConn(t, s, "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n") // and never reads
	if err := <-failed; err == nil {
		t.Error("writing to a reader that stopped never failed")
	}
	if l := book.waitLines(t, "request", 1); l[0]["status"] != 499.0 {
		t.Errorf("logged as %v, want 499", l[0]["status"])
	}
}

func TestStream_HandlerMayTakeOverTheDeadline(t *testing.T) {
	t.Parallel()
	s, _ := serving(t, Options{WriteTimeout: 50 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).SetWriteDeadline(time.Time{}); err != nil {
			t.Errorf("set the deadline: %v", err)
		}
		for range 3 {
			<-time.After(60 * time.Millisecond)
			io.WriteString(w, "tick\n")
			http.NewResponseController(w).Flush()
		}
	})
	resp, err := client(t).Get("http://" + s.Addr().String() + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "tick\ntick\ntick\n" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestHijack_PassesThrough(t *testing.T) {
	t.Parallel()
	s, _ := serving(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Errorf("hijack: %v", err)
			return
		}
		defer c.Close()
		io.WriteString(c, "HTTP/1.1 299 Mine\r\nContent-Length: 0\r\n\r\n")
	})
	if resp := raw(t, s, "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"); resp.StatusCode != 299 {
		t.Errorf("got %d", resp.StatusCode)
	}
}

func TestConnectionLog_NoiseIsDebugAndFullTablesAreErrors(t *testing.T) {
	t.Parallel()
	s, book := newServer(t, Options{}, nil)
	s.http.ErrorLog.Print("http: Accept error: too many open files; retrying in 5ms")
	s.http.ErrorLog.Print("http: TLS handshake error from 192.0.2.1:1: EOF")
	l := book.lines(t, "")
	if len(l) != 2 || l[0]["level"] != "ERROR" || l[1]["level"] != "DEBUG" {
		t.Errorf("logged %v", l)
	}
}
