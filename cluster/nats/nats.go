// Package nats carries the messages between nodes over NATS: a server inside each node, linked by
// encrypted routes between nodes that know each other from the rows of their database, or a NATS
// cluster outside. Only core NATS is used; what is lost is repaired by the change log.
package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	client "github.com/nats-io/nats.go"

	"github.com/stoa-portal/stoa/cluster"
)

// pendingBytes bounds what waits for a slow subscriber of this node: above it messages are lost, which
// Lost is told.
const pendingBytes = 128 << 20

// lane is one connection to the message server. Hints have one of their own, so that a subscriber who is
// slow to take a big answer never delays them.
type lane struct {
	conn   *client.Conn
	prefix string
	seal   *sealer // nil: not needed
}

// Transport is the cluster.Transport of both forms. It is safe for concurrent use.
type Transport struct {
	hints, rest lane
	lost        func(reason string)
	log         *slog.Logger
	forged      atomic.Uint64

	mu     sync.Mutex
	subs   map[*subscription]bool
	closed bool
	ended  func() // what the form itself has to end
}

var _ cluster.Transport = (*Transport)(nil)

type subscription struct {
	sub   *client.Subscription
	mu    sync.Mutex
	ended bool
}

// lane tells which connection carries a subject: all of its subjects begin with the kind of message.
func (t *Transport) lane(subject string) *lane {
	if kind, _, _ := strings.Cut(subject, "."); kind == cluster.SubjectHints {
		return &t.hints
	}
	return &t.rest
}

// Publish hands data to the message server of this node, which sends it on.
func (t *Transport) Publish(ctx context.Context, subject string, data []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l := t.lane(subject)
	if l.seal != nil {
		data = l.seal.seal(subject, data)
	}
	if err := l.conn.Publish(l.prefix+subject, data); err != nil {
		return fmt.Errorf("send %s to the other nodes: %w", subject, err)
	}
	return nil
}

// Subscribe calls fn for each message of other nodes, one at a time.
func (t *Transport) Subscribe(subject string, fn func(data []byte)) (func(), error) {
	l, s := t.lane(subject), &subscription{}
	sub, err := l.conn.Subscribe(l.prefix+subject, func(m *client.Msg) {
		data := m.Data
		if l.seal != nil {
			var ok bool
			if data, ok = l.seal.open(subject, data); !ok {
				if t.forged.Add(1) == 1 {
					t.log.Warn("a message was not sealed with this cluster's cluster.link.auth.value and is ignored; further ones are only counted", "subject", subject)
				}
				return
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.ended {
			fn(data)
		}
	})
	if err == nil {
		err = sub.SetPendingLimits(-1, pendingBytes)
	}
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", subject, err)
	}
	s.sub = sub
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, errors.New("the transport is closed")
	}
	t.subs[s] = true
	return func() {
		t.mu.Lock()
		delete(t.subs, s)
		t.mu.Unlock()
		s.stop()
	}, nil
}

func (s *subscription) stop() {
	_ = s.sub.Unsubscribe() // fails only when the connection is closed, which ends it as well
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
}

// Forged counts messages that no member sealed.
func (t *Transport) Forged() uint64 { return t.forged.Load() }

// Close ends the subscriptions, the connections and, if it is inside this node, the message server.
func (t *Transport) Close() error {
	t.mu.Lock()
	already := t.closed
	t.closed = true
	subs := t.subs
	t.subs = nil
	t.mu.Unlock()
	if already {
		return nil
	}
	for s := range subs {
		s.stop()
	}
	for _, c := range []*client.Conn{t.hints.conn, t.rest.conn} {
		if c != nil {
			// What was published last is on its way once the server has answered.
			_ = c.FlushTimeout(time.Second)
			c.Close()
		}
	}
	if t.ended != nil {
		t.ended()
	}
	return nil
}

// connect opens both connections.
func (t *Transport) connect(url string, more ...client.Option) error {
	for name, l := range map[string]*lane{"hints": &t.hints, "rest": &t.rest} {
		options := append([]client.Option{
			client.Name("stoa " + name), client.NoEcho(), client.MaxReconnects(-1), client.ReconnectWait(100 * time.Millisecond),
			client.ReconnectJitter(50*time.Millisecond, 50*time.Millisecond), client.ReconnectBufSize(1 << 20), client.PingInterval(2 * time.Second), client.MaxPingsOutstanding(2),
			client.DisconnectErrHandler(func(_ *client.Conn, err error) {
				if err != nil { // nil when this node closes the connection
					t.lost("the connection to the message server was lost: " + err.Error())
				}
			}),
			client.ReconnectHandler(func(*client.Conn) { t.lost("the connection to the message server is back") }),
			client.ErrorHandler(func(_ *client.Conn, _ *client.Subscription, err error) { t.lost(err.Error()) }),
		}, more...)
		conn, err := client.Connect(url, options...)
		if err != nil {
			return err
		}
		l.conn = conn
	}
	return nil
}

func newTransport(lost func(string), log *slog.Logger) *Transport {
	if lost == nil {
		lost = func(string) {}
	}
	return &Transport{lost: lost, log: log, subs: map[*subscription]bool{}}
}
