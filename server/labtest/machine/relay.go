//go:build linux

package machine

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// Relay stands between nodes and a database server and can do harm at the worst moment: when a node has
// sent COMMIT and has no answer yet.
type Relay struct {
	Host *Host

	listener net.Listener
	to       string
	ctx      context.Context
	cancel   context.CancelFunc
	wg       sync.WaitGroup

	mu   sync.Mutex
	plan plan
	lags map[string]lag // by the address of the node
}

// Harm is what a relay does to a COMMIT.
type Harm int

// The harms.
const (
	LoseAnswer Harm = iota + 1 // it reaches the server; the connection breaks instead of the answer
	LoseCommit                 // the connection breaks before it reaches the server
	Stall                      // it does not reach the server, and the connection stays, until Relay.Release
)

// lag is how much later than it was sent something of a node reaches the server.
type lag struct {
	by      time.Duration
	commits bool // only COMMITs
}

// plan is what is to happen to coming transactions.
type plan struct {
	harm    Harm
	from    string // address of the node; "" = any
	mark    []byte // what a transaction must have sent
	left    int    // transactions yet to be harmed
	done    int
	release chan struct{}
}

// Relay starts a relay to the server on the host.
func (h *Host) Relay(d *Database) (*Relay, error) {
	l, err := h.Listen(d.Port())
	if err != nil {
		return nil, err
	}
	r := &Relay{Host: h, listener: l, lags: map[string]lag{}, to: fmt.Sprintf("%s:%d", d.Host.Addr, d.Port())}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed
			}
			r.wg.Go(func() { r.serve(c) })
		}
	})
	return r, nil
}

// Plan harms the next n transactions of a node (its address; "" = of any) that sent the mark, at COMMIT.
func (r *Relay) Plan(harm Harm, from, mark string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.plan = plan{harm: harm, from: from, mark: []byte(mark), left: n, release: make(chan struct{})}
}

// Lag lets everything a node sends reach the server so much later, or only its COMMITs.
func (r *Relay) Lag(from string, by time.Duration, commits bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lags[from] = lag{by, commits}
}

// Harmed counts the transactions that were harmed since Plan.
func (r *Relay) Harmed() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.plan.done
}

// Release lets those go on that are stalled. It is called once for a plan.
func (r *Relay) Release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.plan.release)
}

// Close ends all connections.
func (r *Relay) Close() error {
	r.cancel()
	err := r.listener.Close()
	r.wg.Wait()
	return err
}

func (r *Relay) serve(client net.Conn) {
	server, err := r.Host.Dial(r.ctx, "tcp4", r.to)
	if err != nil {
		_ = client.Close()
		return
	}
	end := func() { _, _ = client.Close(), server.Close() }
	defer context.AfterFunc(r.ctx, end)()
	from, _, _ := net.SplitHostPort(client.RemoteAddr().String()) // always host and port
	lost := make(chan struct{})                                   // closed when the next answer is the one to lose
	marked := false
	var both sync.WaitGroup
	both.Go(func() {
		defer end()
		pass(client, server, func(b []byte) bool {
			harm, release, late := r.decide(from, b, &marked)
			if late > 0 {
				t := time.NewTimer(late)
				defer t.Stop()
				select {
				case <-t.C:
				case <-r.ctx.Done():
				}
			}
			switch harm {
			case LoseCommit:
				return false
			case LoseAnswer:
				close(lost)
			case Stall:
				select {
				case <-release:
				case <-r.ctx.Done():
				}
			}
			return true
		})
	})
	both.Go(func() {
		defer end()
		pass(server, client, func([]byte) bool {
			select {
			case <-lost:
				return false
			default:
				return true
			}
		})
	})
	both.Wait()
}

// decide says what happens to what a node sends. marked remembers that the transaction carries the mark.
func (r *Relay) decide(from string, b []byte, marked *bool) (harm Harm, release <-chan struct{}, late time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	commit := bytes.Contains(bytes.ToLower(b), []byte("commit"))
	if l := r.lags[from]; commit || !l.commits {
		late = l.by
	}
	p := &r.plan
	if p.left == 0 || p.from != "" && p.from != from {
		return 0, nil, late
	}
	*marked = *marked || bytes.Contains(b, p.mark)
	if !*marked || !commit {
		return 0, nil, late
	}
	*marked = false
	p.left--
	p.done++
	return p.harm, p.release, late
}

// pass copies from one side to the other for as long as ok says so.
func pass(from, to net.Conn, ok func([]byte) bool) {
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if n > 0 {
			if !ok(b[:n]) {
				return
			}
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
