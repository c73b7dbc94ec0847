package db

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stoa-portal/stoa"
)

const (
	// awayPatience is how long those who need a new connection wait, once the server did not answer, for the
	// attempt that finds out whether it still does not: one connection may have been lost alone.
	awayPatience = 250 * time.Millisecond
	// awayPause is between two attempts.
	awayPause = 250 * time.Millisecond
)

// away remembers that the server does not answer, so that only one attempt at a time waits for it, and
// every other caller that needs a new connection is refused at once.
type away struct {
	mu     sync.Mutex
	outage *outage               // nil while the server answers
	conns  map[*trackedConn]bool // the connections in use
}

// outage is a time without answers.
type outage struct {
	cause error
	until time.Time     // a caller that needs a connection waits until then
	over  chan struct{} // closed when the server answers again
}

// admit returns when the server is to be asked for a connection, or why it is not.
func (a *away) admit(ctx context.Context) error {
	a.mu.Lock()
	g := a.outage
	a.mu.Unlock()
	if g == nil {
		return nil
	}
	timer := time.NewTimer(time.Until(g.until))
	defer timer.Stop()
	select {
	case <-g.over:
		return nil
	case <-timer.C:
		return stoa.Unavailable(g.cause, "the database does not answer; try again in a moment")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// silent reports whether err says that the server did not answer, not even with an error.
func silent(err error) bool {
	var pg *pgconn.PgError
	var my *mysql.MySQLError
	return isNetwork(err) && !errors.As(err, &pg) && !errors.As(err, &my)
}

// noAnswer is told of an attempt to connect that the server did not answer, or that there is none to follow.
func (d *DB) noAnswer(cause error) {
	d.away.mu.Lock()
	defer d.away.mu.Unlock()
	if d.away.outage != nil || d.life.Err() != nil {
		return
	}
	g := &outage{cause: cause, until: time.Now().Add(awayPatience), over: make(chan struct{})}
	d.away.outage = g
	d.wg.Go(func() { d.find(g) })
}

// find searches until a server is followed that answers.
func (d *DB) find(g *outage) {
	began := time.Now()
	pause := time.NewTimer(0)
	defer pause.Stop()
	for said := false; ; {
		select {
		case <-d.life.Done():
			return
		case <-pause.C:
		}
		err := d.search(d.life)
		// A server that answers, if only with an error, ends the wait: callers see that error for themselves.
		if p := d.pools.Load(); err == nil || p.refused == nil && len(d.dsn.hosts) < 2 && !silent(err) {
			d.away.mu.Lock()
			if d.pools.Load().refused != nil { // shut meanwhile: noAnswer has left the search to this one
				d.away.mu.Unlock()
				pause.Reset(awayPause)
				continue
			}
			d.away.outage = nil
			d.away.mu.Unlock()
			close(g.over)
			if said {
				d.log.Info("the database answers again", "after", time.Since(began).Round(time.Millisecond))
			}
			return
		}
		if !said && d.life.Err() == nil {
			d.log.Warn("the database does not answer: who needs it is refused at once until it does", "error", err)
			said = true
		}
		pause.Reset(awayPause)
	}
}

// wake searches once, without refusing callers meanwhile.
func (d *DB) wake() {
	d.away.mu.Lock()
	defer d.away.mu.Unlock()
	if d.life.Err() != nil || d.away.outage != nil || !d.waking.CompareAndSwap(false, true) {
		return
	}
	d.wg.Go(func() {
		defer d.waking.Store(false)
		if err := d.search(d.life); err != nil && d.life.Err() == nil {
			d.log.Debug("no database server was found to follow", "error", err) // note has said what there is to say
		}
	})
}

// trackedConn is a connection to the server that reports when it is lost.
type trackedConn struct {
	*net.TCPConn
	d *DB
}

// dial makes connections that are closed together once one of them finds that the server is gone: else
// each would have to find it out by itself, and requests that meet several of them wait several times.
func (d *DB) dial(plain dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := plain(ctx, network, address)
		tcp, ok := conn.(*net.TCPConn)
		if err != nil || !ok {
			return conn, err
		}
		w := &trackedConn{tcp, d}
		d.away.mu.Lock()
		defer d.away.mu.Unlock()
		d.away.conns[w] = true
		return w, nil
	}
}

// Read tells the others of a server that is gone.
func (w *trackedConn) Read(b []byte) (int, error) {
	n, err := w.TCPConn.Read(b)
	w.see(err)
	return n, err
}

// Write tells the others of a server that is gone.
func (w *trackedConn) Write(b []byte) (int, error) {
	n, err := w.TCPConn.Write(b)
	w.see(err)
	return n, err
}

// Close ends the connection.
func (w *trackedConn) Close() error {
	w.d.away.mu.Lock()
	delete(w.d.away.conns, w)
	w.d.away.mu.Unlock()
	return w.TCPConn.Close()
}

func (w *trackedConn) see(err error) {
	if errors.Is(err, syscall.ETIMEDOUT) || errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH) {
		w.d.connectionLost(w.RemoteAddr().String(), err)
	}
}

// connectionLost closes the connections to a host that answers nothing any more (rule 39).
func (d *DB) connectionLost(address string, cause error) {
	d.noAnswer(cause)
	var lost []*trackedConn
	d.away.mu.Lock()
	for w := range d.away.conns {
		if w.RemoteAddr().String() == address {
			lost = append(lost, w)
		}
	}
	d.away.mu.Unlock()
	for _, w := range lost {
		_ = w.Close()
	}
}
