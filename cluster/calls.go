package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stoa-portal/stoa"
)

// Subjects of calls. A node listens to what is for every node and to what is for itself.
const (
	subjectCall   = "call"
	subjectAnswer = "answer"
)

func subjectOf(kind string, writer int64) string { return kind + "." + strconv.FormatInt(writer, 10) }

// Members is what calls need to know of the cluster; *Node is it.
type Members interface {
	Writer() int64
	Members() []Member
	Master() int64 // the writer that holds the master lease as far as is known; 0 = none
	IsMaster() bool
}

// CallsOptions says between whom calls go. Transport and Members are required.
type CallsOptions struct {
	Transport Transport
	Members   Members
	// Off, if not empty, says why nodes may not call each other; calls to other nodes fail with it.
	Off     string
	Timeout time.Duration // of a call whose context has no deadline; 0 = 10 s
	Resend  time.Duration // between two sendings of a call that is not answered yet; 0 = 250 ms
	Running int           // calls of other nodes that run here at once; 0 = 64
	Logger  *slog.Logger
}

// Calls lets nodes call each other's methods. A call is sent again until it is answered and runs at
// most once on each node; that a call failed does not say that it did not run. It is safe for
// concurrent use.
type Calls struct {
	o     CallsOptions
	log   *slog.Logger
	self  int64
	seq   atomic.Uint64
	slots chan struct{}
	stats callCounters

	mu      sync.Mutex
	methods map[string]handler
	waiting map[uint64]*waiter
	peers   map[int64]*peer // callers
	closed  bool

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	stops  []func()
}

type handler func(ctx context.Context, from Member, body []byte) ([]byte, error)

// waiter is a call of this node.
type waiter struct{ answers chan envelope }

type callCounters struct{ sent, resent, answered, refused, malformed atomic.Uint64 }

// NewCalls begins to answer calls. Close it before the transport.
func NewCalls(o CallsOptions) (*Calls, error) {
	if o.Transport == nil || o.Members == nil {
		return nil, errors.New("cluster: CallsOptions.Transport and Members are required")
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Resend <= 0 {
		o.Resend = 250 * time.Millisecond
	}
	if o.Running <= 0 {
		o.Running = 64
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Calls{
		o: o, log: o.Logger.With("component", "calls"), self: o.Members.Writer(), slots: make(chan struct{}, o.Running),
		methods: map[string]handler{}, waiting: map[uint64]*waiter{}, peers: map[int64]*peer{},
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	if o.Off != "" {
		return c, nil
	}
	for subject, fn := range map[string]func([]byte){
		subjectCall: c.take, subjectOf(subjectCall, c.self): c.take, subjectOf(subjectAnswer, c.self): c.answered,
	} {
		stop, err := o.Transport.Subscribe(subject, fn)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("listen for calls: %w", err), c.Close())
		}
		c.stops = append(c.stops, stop)
	}
	return c, nil
}

// Close refuses further calls, ends the contexts of those that run here and waits for them.
func (c *Calls) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	for _, stop := range c.stops {
		stop()
	}
	c.cancel()
	c.wg.Wait()
	return nil
}

// CallStats are counts since the start.
type CallStats struct {
	Sent      uint64 // calls and messages to other nodes
	Resent    uint64 // repetitions of those that had no answer yet
	Answered  uint64 // calls of other nodes that ran here
	Refused   uint64 // calls of nodes that are no members, or run before
	Malformed uint64 // messages that are no calls
}

// Stats gives the present counts.
func (c *Calls) Stats() CallStats {
	return CallStats{c.stats.sent.Load(), c.stats.resent.Load(), c.stats.answered.Load(), c.stats.refused.Load(),
		c.stats.malformed.Load()}
}

// Method is something that nodes can be asked to do: Q is the question, A the answer, both as JSON.
type Method[Q, A any] struct {
	c    *Calls
	name string
}

// Answer is what one node answered.
type Answer[A any] struct {
	Member Member
	Value  A
	Err    error
	Took   time.Duration
}

// NewMethod registers what this node does when it is asked, and gives the handle with which it asks
// others. fn gets the caller, a live member, and a context that ends when the caller does not wait any
// more; errors keep their kind and message on the way. The name is the same on all nodes, at most 100
// bytes; a name that is taken is a mistake in wiring and panics.
func NewMethod[Q, A any](c *Calls, name string, fn func(ctx context.Context, from Member, q Q) (A, error)) Method[Q, A] {
	c.register(name, func(ctx context.Context, from Member, body []byte) ([]byte, error) {
		var q Q
		if err := json.Unmarshal(body, &q); err != nil {
			return nil, stoa.Invalid("call", "the question to %s of %s cannot be read; do the nodes run the same version?", name, from.Name)
		}
		a, err := fn(ctx, from, q)
		if err != nil {
			return nil, err
		}
		return json.Marshal(a)
	})
	return Method[Q, A]{c, name}
}

func (c *Calls) register(name string, h handler) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if name == "" || len(name) > maxMethod || c.methods[name] != nil {
		panic(fmt.Sprintf("cluster: the method %q has no name, a long one, or one that is taken", name))
	}
	c.methods[name] = h
}

// Node asks one node, by its writer.
func (m Method[Q, A]) Node(ctx context.Context, writer int64, q Q) (A, error) {
	found := pick(m.c.o.Members.Members(), func(x Member) bool { return x.Writer == writer && x.Live })
	if len(found) == 0 {
		var none A
		return none, stoa.Unavailable(nil, "the node %d is not there", writer)
	}
	a := m.ask(ctx, found, q, 0)[0]
	return a.Value, a.Err
}

// Nodes asks those live members that choose picks, this node among them if it picks it, and gives an
// answer for each when all have answered or the context has ended.
func (m Method[Q, A]) Nodes(ctx context.Context, choose func(Member) bool, q Q) []Answer[A] {
	return m.ask(ctx, pick(m.c.o.Members.Members(), func(x Member) bool { return x.Live && choose(x) }), q, 0)
}

// All asks every live member, this node among them.
func (m Method[Q, A]) All(ctx context.Context, q Q) []Answer[A] {
	return m.Nodes(ctx, func(Member) bool { return true }, q)
}

// Others asks every live member but this node.
func (m Method[Q, A]) Others(ctx context.Context, q Q) []Answer[A] {
	return m.Nodes(ctx, func(x Member) bool { return !x.Self }, q)
}

// errNotMaster is the answer of a node that was taken for the master.
const notMaster = "this node is not the master"

// Master asks the master, and the node that becomes it while the call waits.
func (m Method[Q, A]) Master(ctx context.Context, q Q) (A, error) {
	ctx, cancel := m.c.bounded(ctx)
	defer cancel()
	for {
		writer := m.c.o.Members.Master()
		found := pick(m.c.o.Members.Members(), func(x Member) bool { return x.Writer == writer && x.Live })
		if len(found) == 1 && (!found[0].Self || m.c.o.Members.IsMaster()) {
			a := m.ask(ctx, found, q, flagMaster)[0]
			var e *stoa.Error
			if !errors.As(a.Err, &e) || e.Message != notMaster {
				return a.Value, a.Err
			}
		}
		timer := time.NewTimer(100 * time.Millisecond) // a takeover takes seconds
		select {
		case <-ctx.Done():
			timer.Stop()
			var none A
			return none, stoa.Unavailable(ctx.Err(), "no node became the master in time")
		case <-timer.C:
		}
	}
}

func pick(all []Member, choose func(Member) bool) []Member {
	var out []Member
	for _, m := range all {
		if choose(m) {
			out = append(out, m)
		}
	}
	return out
}

// ask sends the question to the members and gathers their answers, in the order of the members.
func (m Method[Q, A]) ask(ctx context.Context, to []Member, q Q, flags uint64) []Answer[A] {
	out := make([]Answer[A], len(to))
	body, err := json.Marshal(q)
	if err == nil && len(body) > maxBody {
		err = stoa.TooLarge("a question of %d bytes was to be sent to other nodes; %d are possible", len(body), maxBody)
	}
	begun := time.Now()
	m.c.ask(ctx, m.name, to, body, flags, err, func(i int, body []byte, err error) {
		a := &out[i]
		a.Member, a.Err, a.Took = to[i], err, time.Since(begun)
		if err == nil {
			if err := json.Unmarshal(body, &a.Value); err != nil {
				a.Err = stoa.Unavailable(err, "the answer of %s to %s cannot be read; do the nodes run the same version?", to[i].Name, m.name)
			}
		}
	})
	return out
}

// bounded gives calls without a deadline the one of the options.
func (c *Calls) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, c.o.Timeout)
}

// ask calls the method on the members and tells done the outcome for each, exactly once, before it
// returns. failed, if not nil, is the outcome for all.
func (c *Calls) ask(ctx context.Context, method string, to []Member, body []byte, flags uint64, failed error, done func(i int, body []byte, err error)) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	open := map[int64]int{} // by writer: the place of the member
	self := -1
	for i, m := range to {
		switch {
		case failed != nil:
			done(i, nil, failed)
		case m.Self:
			self = i
		case c.o.Off != "":
			done(i, nil, stoa.Unavailable(nil, "%s", c.o.Off))
		default:
			open[m.Writer] = i
		}
	}
	if len(open) == 0 {
		if self >= 0 {
			body, err := c.local(ctx, method, to[self], body)
			done(self, body, err)
		}
		return
	}
	seq, w := c.seq.Add(1), &waiter{answers: make(chan envelope, 2*len(open))}
	c.mu.Lock()
	c.waiting[seq] = w
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.waiting, seq)
		c.mu.Unlock()
	}()
	// One message reaches all; what is for some only goes to each.
	everyone := len(open) > 1 && len(open) == len(pick(c.o.Members.Members(), func(m Member) bool { return m.Live && !m.Self }))
	send := func(again bool) error {
		deadline, _ := ctx.Deadline()
		e := envelope{flags: flags, from: c.self, seq: seq, limit: time.Until(deadline), method: method, body: body}
		if everyone && !again {
			c.stats.sent.Add(uint64(len(open)))
			return c.o.Transport.Publish(ctx, subjectCall, e.encode())
		}
		var errs error
		for writer := range open {
			if again {
				c.stats.resent.Add(1)
			} else {
				c.stats.sent.Add(1)
			}
			errs = errors.Join(errs, c.o.Transport.Publish(ctx, subjectOf(subjectCall, writer), e.encode()))
		}
		return errs
	}
	lastErr := send(false)
	if self >= 0 {
		body, err := c.local(ctx, method, to[self], body)
		done(self, body, err)
	}
	tick := time.NewTicker(c.o.Resend)
	defer tick.Stop()
	for len(open) > 0 {
		select {
		case e := <-w.answers:
			i, waited := open[e.from]
			if !waited {
				continue // twice
			}
			delete(open, e.from)
			if e.has(flagOK) {
				done(i, e.body, nil)
			} else {
				done(i, nil, &stoa.Error{Kind: e.kind, Field: e.field, Message: e.message})
			}
		case <-tick.C:
			gone := map[int64]bool{}
			for _, m := range c.o.Members.Members() {
				gone[m.Writer] = !m.Live
			}
			for writer, i := range open {
				if dead, known := gone[writer]; dead || !known {
					delete(open, writer)
					done(i, nil, stoa.Unavailable(lastErr, "the node %s went away before it answered %s", to[i].Name, method))
				}
			}
			lastErr = send(true)
		case <-ctx.Done():
			for _, i := range open {
				done(i, nil, stoa.Unavailable(errors.Join(lastErr, ctx.Err()), "the node %s did not answer %s in time", to[i].Name, method))
			}
			return
		case <-c.ctx.Done():
			for _, i := range open {
				done(i, nil, stoa.Unavailable(nil, "this node is stopping"))
			}
			return
		}
	}
}

// local runs a method of this node.
func (c *Calls) local(ctx context.Context, method string, self Member, body []byte) ([]byte, error) {
	c.mu.Lock()
	h := c.methods[method]
	c.mu.Unlock()
	return h(ctx, self, body)
}
