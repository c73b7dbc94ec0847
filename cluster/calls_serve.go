package cluster

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/stoa-portal/stoa"
)

// What a node remembers of each caller, so that a call which arrives twice runs once: an old one is
// refused even if its answer is forgotten, because callers count.
const (
	peerWindow  = 4096 // calls below the newest that may still come for the first time
	peerAnswers = 256  // answers kept for repetitions
)

// peer is one caller. It is guarded by Calls.mu.
type peer struct {
	newest  uint64
	begun   map[uint64]bool   // calls of the window
	answers map[uint64][]byte // encoded; the newest ones
	order   []uint64          // of the answers
}

// first notes a call and reports whether it is a new one; if not, it gives the answer that is known.
func (p *peer) first(seq uint64) (fresh bool, answer []byte) {
	if p.begun[seq] || p.newest >= peerWindow && seq <= p.newest-peerWindow {
		return false, p.answers[seq]
	}
	p.begun[seq] = true
	if seq > p.newest {
		p.newest = seq
		if len(p.begun) > 2*peerWindow {
			for old := range p.begun {
				if old+peerWindow <= seq {
					delete(p.begun, old)
				}
			}
		}
	}
	return true, nil
}

func (p *peer) keep(seq uint64, answer []byte) {
	p.answers[seq] = answer
	p.order = append(p.order, seq)
	if len(p.order) > peerAnswers {
		delete(p.answers, p.order[0])
		p.order = slices.Delete(p.order, 0, 1)
	}
}

// caller gives the live member behind a writer.
func (c *Calls) caller(writer int64) (Member, bool) {
	for _, m := range c.o.Members.Members() {
		if m.Writer == writer {
			return m, m.Live && !m.Self
		}
	}
	return Member{}, false
}

// take handles a call of another node.
func (c *Calls) take(b []byte) {
	e, err := decodeEnvelope(b)
	if err != nil || e.has(flagAnswer) {
		c.stats.malformed.Add(1)
		return
	}
	from, member := c.caller(e.from)
	if !member { // one that has just joined sends again after it was seen
		c.stats.refused.Add(1)
		return
	}
	c.mu.Lock()
	p := c.peers[e.from]
	if p == nil {
		c.forgetPeers()
		p = &peer{begun: map[uint64]bool{}, answers: map[uint64][]byte{}}
		c.peers[e.from] = p
	}
	fresh, answer := p.first(e.seq)
	h := c.methods[e.method]
	closed := c.closed
	if fresh && !closed {
		c.wg.Add(1)
	}
	c.mu.Unlock()
	switch {
	case closed:
	case !fresh:
		c.stats.refused.Add(1)
		if answer != nil {
			c.publish(e.from, answer)
		}
	default:
		go func() {
			defer c.wg.Done()
			c.run(e, from, h)
		}()
	}
}

// forgetPeers lets go of callers that are no members any more. c.mu is held.
func (c *Calls) forgetPeers() {
	alive := map[int64]bool{}
	for _, m := range c.o.Members.Members() {
		alive[m.Writer] = true
	}
	for w := range c.peers {
		if !alive[w] {
			delete(c.peers, w)
		}
	}
}

// run does what a call asks for and answers it.
func (c *Calls) run(e envelope, from Member, h handler) {
	ctx, cancel := context.WithTimeout(c.ctx, max(e.limit, time.Millisecond))
	defer cancel()
	var body []byte
	var err error
	select {
	case c.slots <- struct{}{}:
		body, err = c.handle(ctx, e, from, h)
		<-c.slots
	case <-ctx.Done():
		err = stoa.Unavailable(ctx.Err(), "the node answers too many calls at once")
	}
	if err != nil && ctx.Err() != nil && stoa.KindOf(err) == stoa.KindInternal {
		err = stoa.Unavailable(err, "%s did not end in time", e.method)
	}
	c.stats.answered.Add(1)
	if e.has(flagOneWay) {
		if err != nil {
			c.log.Warn("a message of another node could not be dealt with", "method", e.method, "from", from.Name, "error", err)
		}
		return
	}
	a := envelope{flags: flagAnswer | flagOK, from: c.self, seq: e.seq, method: e.method, body: body}
	if len(body) > maxBody {
		err = stoa.TooLarge("the answer to %s has %d bytes; %d are possible", e.method, len(body), maxBody)
	}
	if err != nil {
		a.flags, a.body, a.kind, a.message = flagAnswer, nil, stoa.KindOf(err), stoa.Clip(err.Error(), 4<<10)
		var known *stoa.Error
		if errors.As(err, &known) {
			a.message, a.field = stoa.Clip(known.Message, 4<<10), stoa.Clip(known.Field, 200)
		}
	}
	answer := a.encode()
	c.mu.Lock()
	if p := c.peers[e.from]; p != nil {
		p.keep(e.seq, answer)
	}
	c.mu.Unlock()
	c.publish(e.from, answer)
}

func (c *Calls) handle(ctx context.Context, e envelope, from Member, h handler) (body []byte, err error) {
	switch {
	case h == nil:
		return nil, stoa.NotFound("method of nodes", e.method)
	case e.has(flagMaster) && !c.o.Members.IsMaster():
		return nil, stoa.Unavailable(nil, notMaster)
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the method %s panicked: %v\n%s", e.method, p, debug.Stack())
			c.log.Error("a call of another node failed", "method", e.method, "from", from.Name, "error", err)
			err = fmt.Errorf("the method %s panicked: %v", e.method, p)
		}
	}()
	return h(ctx, from, e.body)
}

// publish sends an answer; the caller asks again for one that was lost.
func (c *Calls) publish(to int64, answer []byte) {
	if err := c.o.Transport.Publish(c.ctx, subjectOf(subjectAnswer, to), answer); err != nil {
		c.log.Debug("an answer was not sent", "error", err)
	}
}

// answered hands an answer to the call that waits for it.
func (c *Calls) answered(b []byte) {
	e, err := decodeEnvelope(b)
	if err != nil || !e.has(flagAnswer) {
		c.stats.malformed.Add(1)
		return
	}
	c.mu.Lock()
	w := c.waiting[e.seq]
	c.mu.Unlock()
	if w == nil {
		return // late, or twice
	}
	select {
	case w.answers <- e:
	default: // more answers than were asked for; the repetition brings what is missing
	}
}
