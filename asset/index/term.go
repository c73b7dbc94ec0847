package index

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/follow"
	"github.com/stoa-portal/stoa/search"
)

// Of an index that all nodes share, one node at a time writes what is in it: who has the lease of the follower. A node
// that stood still can write after its successor, so everything written has a version: the incarnation of the database,
// the epoch of the lease and a number, one after the other. What comes late is older than what the successor wrote.
const (
	numberBits      = 27 // documents that are written in one term
	epochBits       = 22 // times that the lease is taken
	incarnationBits = 63 - epochBits - numberBits
)

const (
	// young is for how long a writer writes down the removal of things that the index does not have: what the writer
	// before it sent may still arrive.
	young = 10 * time.Minute
	// refillPause is the least time between two fillings that the comparison asks for.
	refillPause = 10 * time.Minute
)

// term is who writes. Its zero value lets no one write.
type term struct {
	mu      sync.Mutex
	now     follow.Term // as the database has it; zero: this node does not write
	begun   time.Time
	claimed bool  // the index says so, too
	shift   int64 // that is added to the incarnation: the index has seen what the database has lost
	last    follow.Term
	written int64 // in the last one
}

// began notes that this node writes from now on, or does no longer.
func (t *term) began(now follow.Term) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now, t.claimed = now, false
	if now != (follow.Term{}) && t.last != now {
		t.last, t.written, t.begun = now, 0, time.Now()
	}
}

// current gives the term in which this node writes; the zero Term when it does not.
func (t *term) current() follow.Term {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.now
}

// taken reports whether the index says that this term is the newest.
func (t *term) taken(now follow.Term) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.claimed && t.now == now
}

// take notes that it does.
func (t *term) take(now follow.Term, shift int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now == now {
		t.claimed, t.shift = true, shift
	}
}

// isYoung reports whether the writer before may still be heard of.
func (t *term) isYoung() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Since(t.begun) < young
}

// floor is below the versions of the present term.
func (t *term) floor() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return (t.now.Incarnation+t.shift)<<(epochBits+numberBits) | t.now.Epoch<<numberBits
}

// number gives documents their versions, whose rows were read in a term.
func (t *term) number(docs []search.Document, read follow.Term) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if read == (follow.Term{}) || t.now != read || !t.claimed {
		return stoa.Unavailable(nil, "another node writes the index of the search")
	}
	incarnation := t.now.Incarnation + t.shift
	for i := range docs {
		t.written++
		if incarnation >= 1<<incarnationBits || t.now.Epoch >= 1<<epochBits || t.written >= 1<<numberBits {
			return stoa.Unavailable(nil, "there is no version after incarnation %d, epoch %d and %d documents", incarnation,
				t.now.Epoch, t.written)
		}
		docs[i].Version = incarnation<<(epochBits+numberBits) | t.now.Epoch<<numberBits | t.written
	}
	return nil
}

// owner is what a shared index says of whose it is, and which term was the newest in which it was written.
type owner struct {
	Portal      string `json:"portal"`
	Shift       int64  `json:"shift,omitempty"`
	Incarnation int64  `json:"incarnation"` // with Shift
	Epoch       int64  `json:"epoch"`
}

// whose is what this node knows of the owner of a shared index.
type whose int32

const (
	unknown whose = iota
	ours          // or that of no portal yet
	foreign
)

// errForeign says that the index belongs to another portal.
var errForeign = errors.New("another portal")

// owner reads whose the shared index is; found is false when it does not say.
func (s *Service) owner(ctx context.Context) (o owner, found bool, err error) {
	token, err := s.o.Engine.Token(ctx)
	if err != nil {
		return o, false, err
	}
	if token != nil && (json.Unmarshal(token, &o) != nil || o.Portal != s.o.Portal) {
		s.whose.Store(int32(foreign))
		return o, true, notOurs()
	}
	s.whose.Store(int32(ours))
	return o, token != nil, nil
}

func notOurs() error {
	return stoa.Unavailable(errForeign, "the indexes on the search server belong to another portal: set "+
		"search.server.prefix to something of its own on all nodes of one of the two")
}

// claim sees to it that the shared index is of this portal, and says that this node writes it. An index that says
// nothing is new, or was taken away and made again: then everything is looked at, unless that has just begun. One that
// was written in a later term has seen what the database has lost: this node's term is put above it, and everything is
// looked at as well. That the term is the present one, the database has confirmed.
func (s *Service) claim(ctx context.Context, begun bool) error {
	s.claiming.Lock()
	defer s.claiming.Unlock()
	if s.o.Held != nil {
		if err := s.o.Held(); err != nil {
			return err
		}
	}
	now := s.term.current()
	if now == (follow.Term{}) {
		return stoa.Unavailable(nil, "another node writes the index of the search")
	}
	o, found, err := s.owner(ctx)
	if err != nil || found && s.term.taken(now) {
		return err
	}
	lost := found && (o.Incarnation > now.Incarnation+o.Shift ||
		o.Incarnation == now.Incarnation+o.Shift && o.Epoch > now.Epoch)
	if lost {
		o.Shift = o.Incarnation + 1 - now.Incarnation
		s.log.Warn("the index on the search server has seen changes that the database does not have any more: everything " +
			"is looked at again")
	}
	if lost || !found && !begun { // before the index says so: what ends between the two is done again
		if err := s.refill(ctx); err != nil {
			return err
		}
	}
	o.Portal, o.Incarnation, o.Epoch = s.o.Portal, now.Incarnation+o.Shift, now.Epoch
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	if err := s.o.Engine.Apply(ctx, nil, text, false); err != nil {
		return err
	}
	s.term.take(now, o.Shift)
	return nil
}

// refill has everything looked at again.
func (s *Service) refill(ctx context.Context) error {
	s.refilled = time.Now()
	if s.o.Refill == nil {
		return nil
	}
	s.log.Info("the index on the search server is new, or lacks much: everything is looked at")
	if err := s.o.Refill(stoa.WithActor(ctx, stoa.SystemActor())); err != nil {
		return fmt.Errorf("%w: everything was to be looked at: %w", ErrRows, err)
	}
	return nil
}

// refillNow is refill for who has not the lock.
func (s *Service) refillNow(ctx context.Context) error {
	s.claiming.Lock()
	defer s.claiming.Unlock()
	return s.refill(ctx)
}

// mayRefill reports whether the comparison may ask for it.
func (s *Service) mayRefill() bool {
	s.claiming.Lock()
	defer s.claiming.Unlock()
	return time.Since(s.refilled) > refillPause
}

// Reach asks whether the index can be reached, and is this portal's. The node that writes it sees to it that it is
// there.
func (s *Service) Reach(ctx context.Context) error {
	if !s.shared() {
		_, err := s.o.Engine.Token(ctx)
		return err
	}
	if s.term.current() != (follow.Term{}) {
		err := s.claim(ctx, false)
		if err == nil || s.Writes() {
			return err
		}
	}
	_, _, err := s.owner(ctx)
	return err
}

// A server that makes the index just now cannot say yet whose it is.
const (
	ownerWait  = 2 * time.Second
	ownerPause = 100 * time.Millisecond
)

// usable refuses to search what is not known to be this portal's.
func (s *Service) usable(ctx context.Context) error {
	if !s.shared() {
		return nil
	}
	switch whose(s.whose.Load()) {
	case ours:
		return nil
	case foreign:
		return notOurs()
	}
	for until := time.Now().Add(ownerWait); ; {
		_, _, err := s.owner(ctx)
		if err == nil || errors.Is(err, errForeign) || time.Now().After(until) {
			return err
		}
		timer := time.NewTimer(ownerPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}
