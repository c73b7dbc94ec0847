package filestore

import (
	"context"
	"errors"
	"sync"
	"time"
)

// pool bounds how many goroutines are inside of a store at once: a call that the store does not answer blocks a thread
// of the process, and the process dies of too many threads.
type pool struct {
	size  int           // inside at once
	most  int           // the same with those that were written off
	stuck time.Duration // who is inside for longer is stuck

	mu     sync.Mutex
	inside map[*turn]bool
	lost   int // of inside: written off
	queue  []*waiter
}

// turn is the right to be inside.
type turn struct {
	began time.Time
	lost  bool
}

type waiter struct{ got chan *turn }

// Why no turn was given.
var (
	errAllStuck = errors.New("every worker waits for an answer of the file store")
	errLate     = errors.New("no worker was free in time")
)

func newPool(size, most int, stuck time.Duration) *pool {
	return &pool{size: size, most: most, stuck: stuck, inside: map[*turn]bool{}}
}

// enter gives a turn, waiting for one until late or the end of ctx. It does not wait when all workers are stuck. A
// nil late waits for a turn whatever happens.
func (p *pool) enter(ctx context.Context, late <-chan time.Time) (*turn, error) {
	p.mu.Lock()
	if p.room() {
		defer p.mu.Unlock()
		return p.admit(), nil
	}
	if late != nil && p.allStuck() {
		p.mu.Unlock()
		return nil, errAllStuck
	}
	w := &waiter{make(chan *turn, 1)}
	p.queue = append(p.queue, w)
	p.mu.Unlock()
	err := errLate
	select {
	case t := <-w.got:
		return t, nil
	case <-late:
	case <-ctx.Done():
		err = ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, other := range p.queue {
		if other == w {
			p.queue = append(p.queue[:i], p.queue[i+1:]...)
			return nil, err
		}
	}
	p.release(<-w.got) // it was given in the same moment
	return nil, err
}

func (p *pool) room() bool { return len(p.inside)-p.lost < p.size && len(p.inside) < p.most }

func (p *pool) admit() *turn {
	t := &turn{began: time.Now()}
	p.inside[t] = true
	return t
}

func (p *pool) allStuck() bool {
	for t := range p.inside {
		if !t.lost && time.Since(t.began) < p.stuck {
			return false
		}
	}
	return true
}

// leave gives a turn back.
func (p *pool) leave(t *turn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.release(t)
}

func (p *pool) release(t *turn) {
	delete(p.inside, t)
	if t.lost {
		p.lost--
	}
	p.serve()
}

// serve lets in who waits.
func (p *pool) serve() {
	for len(p.queue) > 0 && p.room() {
		p.queue[0].got <- p.admit()
		p.queue = p.queue[1:]
	}
}

// writeOff gives the places of those who were stuck at the given moment to others: the store answers, so they hang on
// something that is no longer there, such as the mount before.
func (p *pool) writeOff(at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for t := range p.inside {
		if !t.lost && at.Sub(t.began) > p.stuck {
			t.lost = true
			p.lost++
		}
	}
	p.serve()
}

// count gives how many are inside and for how long the oldest of them that is not written off is.
func (p *pool) count() (inside int, oldest time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for t := range p.inside {
		if !t.lost {
			oldest = max(oldest, time.Since(t.began))
		}
	}
	return len(p.inside), oldest
}
