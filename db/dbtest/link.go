package dbtest

import (
	"bytes"
	"errors"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
)

// Link is the network between one node and its database server, which a test can freeze. To the server
// a node behind a frozen link looks like one that was stopped by SIGSTOP: its sessions stay open, with
// what they hold locked, and say nothing.
type Link struct {
	URL string // the address of the database through the link

	server string
	listen net.Listener
	wg     sync.WaitGroup

	mu    sync.Mutex
	open  chan struct{} // closed while bytes may pass
	conns map[net.Conn]bool
	armed bool // the answer to the next COMMIT is lost
	lost  bool // it was: nothing passes until Mend
	ended bool
}

// NewLink makes a link to the database server of the address; it ends with the test.
func NewLink(t testing.TB, address string) *Link {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		t.Fatalf("dbtest: %q names no database server", address)
	}
	l := &Link{server: u.Host, open: make(chan struct{}), conns: map[net.Conn]bool{}}
	close(l.open)
	if l.listen, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	u.Host = l.listen.Addr().String()
	l.URL = u.String()
	l.wg.Go(l.accept)
	t.Cleanup(l.close)
	return l
}

// Freeze holds everything that is on its way, in both directions, until Thaw.
func (l *Link) Freeze() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.open:
		l.open = make(chan struct{})
	default:
	}
}

// Thaw lets through what was held.
func (l *Link) Thaw() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.open:
	default:
		close(l.open)
	}
}

// LoseAnswer lets the next COMMIT reach the server and its answer be lost: all connections break then, and none can be
// made until Mend, so that the client cannot find out what became of it.
func (l *Link) LoseAnswer() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.armed = true
}

// Mend ends LoseAnswer, and reports whether an answer was lost.
func (l *Link) Mend() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	lost := l.lost
	l.armed, l.lost = false, false
	return lost
}

// commits reports whether the bytes for the server hold the COMMIT whose answer is to be lost.
func (l *Link) commits(b []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.armed || !bytes.Contains(bytes.ToUpper(b), []byte("COMMIT")) {
		return false
	}
	l.armed = false
	return true
}

// lose breaks all connections.
func (l *Link) lose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost = true
	for c := range l.conns {
		_ = c.Close()
	}
}

// Broken reports whether an answer was lost, so that nothing can be reached until Mend.
func (l *Link) Broken() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// pass waits while the link is frozen.
func (l *Link) pass() {
	l.mu.Lock()
	open := l.open
	l.mu.Unlock()
	<-open
}

func (l *Link) accept() {
	for {
		client, err := l.listen.Accept()
		if err != nil {
			return
		}
		l.wg.Go(func() { l.connect(client) })
	}
}

// connect carries one connection until one of its ends closes it.
func (l *Link) connect(client net.Conn) {
	defer client.Close()
	l.pass()
	if l.Broken() {
		return
	}
	server, err := net.Dial("tcp", l.server)
	if err != nil {
		return
	}
	defer server.Close()
	if !l.track(client, server) {
		return
	}
	var both sync.WaitGroup
	var doomed atomic.Bool // its COMMIT is on the way
	carry := func(to, from net.Conn) {
		b := make([]byte, 32<<10)
		for {
			n, err := from.Read(b)
			l.pass()
			if to == server && l.commits(b[:n]) {
				doomed.Store(true)
			}
			if to == client && n > 0 && doomed.Load() {
				l.lose()
				return
			}
			if _, werr := to.Write(b[:n]); errors.Join(err, werr) != nil {
				_ = to.Close() // the other direction ends with it
				_ = from.Close()
				return
			}
		}
	}
	both.Go(func() { carry(server, client) })
	both.Go(func() { carry(client, server) })
	both.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, client)
	delete(l.conns, server)
}

func (l *Link) track(conns ...net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range conns {
		l.conns[c] = true
	}
	return !l.ended
}

func (l *Link) close() {
	l.mu.Lock()
	l.ended = true
	for c := range l.conns {
		_ = c.Close()
	}
	l.mu.Unlock()
	l.Thaw()
	_ = l.listen.Close()
	l.wg.Wait()
}
