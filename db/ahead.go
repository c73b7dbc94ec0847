package db

import (
	"context"
	"sync"
)

// queue lets the few statements that keep a node alive go before other writers where there is one lock for all: an
// SQLite file. Its own waiting asks for the lock again and again, so that a queue of writers in this process would take
// it each time before a lease is renewed.
type queue struct {
	mu      sync.Mutex
	waiting int
	none    chan struct{} // closed when no one waits any more; nil when no one does
}

// first says that a lease or a heartbeat wants to go before others, until done is called.
func (t *queue) first() (done func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waiting++; t.none == nil {
		t.none = make(chan struct{})
	}
	return sync.OnceFunc(func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.waiting--; t.waiting == 0 {
			close(t.none)
			t.none = nil
		}
	})
}

// taken reports whether one of them wants to go first.
func (t *queue) taken() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.none != nil
}

// give waits until no one wants to go first.
func (t *queue) give(ctx context.Context) error {
	for {
		t.mu.Lock()
		none := t.none
		t.mu.Unlock()
		if none == nil {
			return nil
		}
		select {
		case <-none:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
