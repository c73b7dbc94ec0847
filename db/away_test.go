package db

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/server/labtest/stall"
)

// mute listens on a free port and answers nothing. most is how many connections it had at once.
type mute struct {
	net.Listener
	now, most atomic.Int32
	wg        sync.WaitGroup
}

func newMute(t *testing.T) *mute {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &mute{Listener: l}
	m.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			m.most.Store(max(m.most.Load(), m.now.Add(1)))
			m.wg.Go(func() {
				defer c.Close()
				defer m.now.Add(-1)
				for b := make([]byte, 1024); ; {
					if _, err := c.Read(b); err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); m.wg.Wait() })
	return m
}

// handle is a DB whose server does not answer, as Open would not give it.
func handle(t *testing.T, scheme, address string, timeout time.Duration) *DB {
	t.Helper()
	began := time.Now()
	o := Options{URL: scheme + "://stoa:x@" + address + "/stoa", ConnectTimeout: timeout, StatementTimeout: time.Second, MaxConns: 64, Logger: slog.New(slog.DiscardHandler)}
	parsed, err := parseURL(o)
	if err != nil {
		t.Fatal(err)
	}
	o.Clock = func() time.Duration { return time.Since(began) }
	d, err := newDB(t.Context(), o, parsed)
	if err != nil {
		t.Fatal(err)
	}
	p, err := d.openServer(0, "")
	if err != nil {
		t.Fatal(err)
	}
	d.pools.Store(p)
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// Once the server did not answer, one attempt at a time waits for it; who asks meanwhile is refused.
func TestAway_OneWaitsAndTheOthersAreRefused(t *testing.T) {
	for _, scheme := range []string{"postgres", "mariadb"} {
		t.Run(scheme, func(t *testing.T) {
			const timeout = 3 * time.Second
			m := newMute(t)
			d := handle(t, scheme, m.Addr().String(), timeout)
			began := time.Now()
			if err := d.Check(t.Context()); !stoa.Is(err, stoa.KindUnavailable) || time.Since(began) < timeout {
				t.Fatalf("the first found out after %s: %v", time.Since(began), err)
			}
			m.most.Store(0)
			watch := stall.Start()
			defer watch.Stop()
			var wg sync.WaitGroup
			for range 50 {
				wg.Go(func() {
					began := time.Now()
					_, err := d.Query(t.Context(), "SELECT 1")
					if took := watch.Since(began); !stoa.Is(err, stoa.KindUnavailable) || took > timeout/2 {
						t.Errorf("refused after %s: %v", took, err)
					}
				})
			}
			wg.Wait()
			if most := m.most.Load(); most > 2 { // the end of one is noticed a little later than it happens
				t.Errorf("%d attempts at once", most)
			}
			// Who gave up by himself knows nothing of the server.
			other := handle(t, scheme, newMute(t).Addr().String(), timeout)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			if err := other.Check(ctx); err == nil || other.away.outage != nil {
				t.Errorf("%v; %+v", err, other.away.outage)
			}
		})
	}
}

// When one connection finds that the server is gone, all to that server end, and no others.
func TestAway_LostServerLosesAllConnectionsAtOnce_Rule39(t *testing.T) {
	t.Parallel()
	m, other := newMute(t), newMute(t)
	d := handle(t, "postgres", m.Addr().String(), time.Minute)
	dial := func(l net.Listener) net.Conn {
		t.Helper()
		c, err := d.dsn.hosts[0].pg.DialFunc(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	first, second, elsewhere := dial(m), dial(m), dial(other)
	read := make(chan error, 1)
	go func() {
		_, err := second.Read(make([]byte, 1))
		read <- err
	}()
	first.(*trackedConn).see(&net.OpError{Op: "read", Err: syscall.ECONNRESET})
	if d.away.outage != nil {
		t.Error("a connection that was reset is taken for a server that is gone")
	}
	first.(*trackedConn).see(&net.OpError{Op: "read", Err: syscall.ETIMEDOUT})
	if err := <-read; !errors.Is(err, net.ErrClosed) {
		t.Errorf("the other connection: %v", err)
	}
	if _, err := elsewhere.Write([]byte("x")); err != nil {
		t.Errorf("the connection to another host: %v", err)
	}
	if err := d.Check(t.Context()); !stoa.Is(err, stoa.KindUnavailable) || !errors.Is(err, syscall.ETIMEDOUT) {
		t.Errorf("a new one: %v", err)
	}
}
