package index

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

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

// term is who writes. Its zero value lets no one write.
type term struct {
	mu      sync.Mutex
	now     follow.Term // zero: this node does not write
	last    follow.Term // the greatest there was
	written int64       // in it
}

// began notes that this node writes from now on, or does no longer.
func (t *term) began(now follow.Term) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now = now; now == (follow.Term{}) {
		return
	}
	if t.last != now {
		t.last, t.written = now, 0
	}
}

// writes reports whether this node writes. It is advice.
func (t *term) writes() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.now != (follow.Term{})
}

// number gives the documents their versions.
func (t *term) number(docs []search.Document) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now == (follow.Term{}) {
		return stoa.Unavailable(nil, "another node writes the index of the search")
	}
	for i := range docs {
		t.written++
		if t.now.Incarnation >= 1<<incarnationBits || t.now.Epoch >= 1<<epochBits || t.written >= 1<<numberBits {
			return stoa.Unavailable(nil, "there is no version after incarnation %d, epoch %d and %d documents",
				t.now.Incarnation, t.now.Epoch, t.written)
		}
		docs[i].Version = t.now.Incarnation<<(epochBits+numberBits) | t.now.Epoch<<numberBits | t.written
	}
	return nil
}

// owner is what a shared index says of whose it is.
type owner struct {
	Portal string `json:"portal"`
}

// errForeign says that the index belongs to another portal.
var errForeign = errors.New("another portal")

// claim sees to it that the shared index is of this portal. One that says nothing is new, or was taken away and made
// again: then everything is looked at again, unless that has just begun.
func (s *Service) claim(ctx context.Context, begun bool) error {
	token, err := s.o.Engine.Token(ctx)
	if err != nil {
		return err
	}
	if token != nil {
		var o owner
		if json.Unmarshal(token, &o) != nil || o.Portal != s.o.Portal {
			return stoa.Unavailable(errForeign, "the indexes on the search server belong to another portal: set "+
				"search.server.prefix to something of its own on all nodes of one of the two")
		}
		return nil
	}
	if !begun { // before it says whose it is: what ends between the two is done again
		if err := s.refill(ctx); err != nil {
			return err
		}
	}
	text, err := json.Marshal(owner{s.o.Portal})
	if err != nil {
		return err
	}
	return s.o.Engine.Apply(ctx, nil, text, false)
}

// refill has everything looked at again.
func (s *Service) refill(ctx context.Context) error {
	if s.o.Refill == nil {
		return nil
	}
	s.log.Info("the index on the search server is new, or lacks much: everything is looked at")
	return s.o.Refill(stoa.WithActor(ctx, stoa.SystemActor()))
}
