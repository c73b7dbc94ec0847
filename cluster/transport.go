package cluster

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
)

// SubjectHints is the subject of the change log's hints. Subjects begin with the kind of message; a
// transport may give each kind a connection of its own.
const SubjectHints = "hint"

// Transport carries messages to the other nodes. Messages only make things faster: any of them may be
// lost, doubled, late or out of order, and nothing may depend on one.
type Transport interface {
	// Publish sends data to every other node that subscribed to the subject. It does not wait for them.
	Publish(ctx context.Context, subject string, data []byte) error
	// Subscribe calls fn for each message of the subject, one at a time. After stop returned, fn is not
	// called again; fn must not call stop.
	Subscribe(subject string, fn func(data []byte)) (stop func(), err error)
	// Close ends the subscriptions and waits for them.
	Close() error
}

// hubQueue is how many messages wait for a slow subscriber before further ones are lost.
const hubQueue = 4096

// Hub connects nodes of one process: the cluster of one, and the nodes of a test. It is safe for
// concurrent use.
type Hub struct {
	mu      sync.RWMutex
	members []*hubMember
	lost    atomic.Uint64
}

// NewHub makes a Hub without members.
func NewHub() *Hub { return &Hub{} }

// Lost counts messages that a slow subscriber had no room for.
func (h *Hub) Lost() uint64 { return h.lost.Load() }

// Join gives the transport of a member. Names are for people; they need not differ.
func (h *Hub) Join(name string) Transport {
	m := &hubMember{hub: h, name: name}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.members = append(h.members, m)
	return m
}

type hubMember struct {
	hub    *Hub
	name   string
	mu     sync.RWMutex
	subs   []*subscription
	closed bool
}

type subscription struct {
	subject string
	queue   chan []byte
	quit    chan struct{}
	once    sync.Once
	wg      sync.WaitGroup
}

var errTransportClosed = errors.New("the transport is closed")

func (m *hubMember) Publish(ctx context.Context, subject string, data []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.RLock()
	closed := m.closed
	m.mu.RUnlock()
	if closed {
		return errTransportClosed
	}
	data = slices.Clone(data) // the sender may use its buffer again
	m.hub.mu.RLock()
	defer m.hub.mu.RUnlock()
	for _, other := range m.hub.members {
		if other != m {
			other.deliver(subject, data)
		}
	}
	return nil
}

func (m *hubMember) deliver(subject string, data []byte) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, s := range m.subs {
		if s.subject != subject {
			continue
		}
		select {
		case s.queue <- data:
		default:
			m.hub.lost.Add(1)
		}
	}
}

func (m *hubMember) Subscribe(subject string, fn func(data []byte)) (func(), error) {
	s := &subscription{subject: subject, queue: make(chan []byte, hubQueue), quit: make(chan struct{})}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, errTransportClosed
	}
	m.subs = append(m.subs, s)
	s.wg.Go(func() {
		for {
			select {
			case <-s.quit:
				return
			case data := <-s.queue:
				select {
				case <-s.quit:
					return
				default:
					fn(data)
				}
			}
		}
	})
	return func() {
		m.mu.Lock()
		m.subs = slices.DeleteFunc(m.subs, func(x *subscription) bool { return x == s })
		m.mu.Unlock()
		s.stop()
	}, nil
}

func (s *subscription) stop() {
	s.once.Do(func() { close(s.quit) })
	s.wg.Wait()
}

func (m *hubMember) Close() error {
	m.mu.Lock()
	subs := m.subs
	m.subs, m.closed = nil, true
	m.mu.Unlock()
	for _, s := range subs {
		s.stop()
	}
	m.hub.mu.Lock()
	defer m.hub.mu.Unlock()
	m.hub.members = slices.DeleteFunc(m.hub.members, func(x *hubMember) bool { return x == m })
	return nil
}
