// Package follow lets parts of the portal follow the change log durably: what fills the list of assets, feeds an
// index, tells other systems. Unlike a cache, a follower cannot drop what it has and start over for nothing, so it
// keeps its place in the log: registered in the database, where it holds pruning back, or with itself.
//
// Followers are told states, not steps. For each change of a thing they are told to look at it at least once
// afterwards; steps in between may be left out. DESIGN.md beside this file tells what holds and why.
package follow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/db"
)

// Effect says where that takes effect which a follower does.
type Effect uint8

const (
	// InDatabase followers write with Batch.Tx, the transaction that moves their place: each row of the log takes
	// effect once. One node at a time runs them, under a lease.
	InDatabase Effect = iota
	// Outside followers act on something else: each row takes effect at least once, and Change.Key is the same each
	// time. One node at a time runs them, under a lease; but a node that stood still can act after its successor, so
	// the other side must compare versions where that matters.
	Outside
	// OwnPlace followers keep their place themselves, together with what they make of the log (Batch.Token): an index
	// in the home of a node. Each node runs its own. They hold nothing back.
	OwnPlace
)

// Follower is one follower. Name and Apply and Rebuild are required.
type Follower struct {
	Name   string   // 1 to 40 bytes, the same for ever
	Kinds  []string // kinds of change that it wants to be told of; nil: all. One that it had not before is looked at
	Effect Effect
	// Gather is how long it waits after the sign that something was changed before it reads the log, so that what is
	// changed meanwhile is one transaction; 0: not at all.
	Gather time.Duration

	// Apply brings what the follower feeds to the present state of each thing named, which it reads for itself from
	// the write source (with InDatabase: through Batch.Tx); a thing that is not there was deleted. An error of kind
	// Unavailable says that the other side is away: everything is tried again later. Any other error is of one of
	// the things: they are tried one by one, each up to Options.Tries times, and then put on the list of failed ones.
	Apply func(ctx context.Context, b Batch) error
	// Rebuild looks at a whole scope, or at everything, in portions of bounded size. It gives where the next portion
	// begins, "" at the end. It also removes what is not there any more. It is called for scopes that the log names,
	// when a follower is new, and when rows that it had not read are gone (Portion.Reason).
	Rebuild func(ctx context.Context, p Portion) (next string, err error)
	// Token gives what the newest Batch.Token was that took effect, nil when there is none. OwnPlace only.
	Token func(ctx context.Context) ([]byte, error)
	// Began is told which term begins, before anything else of it and after the database has confirmed it, and of the
	// zero Term when this node runs the follower no longer; nil: it is not told. Outside only.
	Began func(t Term)
	// Patient says that the other side is away as a whole or not at all: nothing is put off for an error of kind
	// Unavailable, and the place stays where it is until it is back.
	Patient bool
}

// Term is a time in which one node runs a follower. Of two terms the greater one is the later one: the incarnation of
// the database decides, and within one the epoch of the lease. The zero Term is none.
type Term struct {
	Incarnation int64
	Epoch       int64
}

// Batch is what a follower is told at once.
type Batch struct {
	// Changes name each thing once, for each scope. With OwnPlace there may be none: then Token is new.
	Changes []Change
	Tx      *db.Tx // InDatabase: write with it and with nothing else; it has its own fence
	Token   []byte // OwnPlace: to be kept in the same moment as what the changes lead to

	again *[]Change
}

// Again asks to be told of a change of the batch once more when this transaction is committed: by a follower that does
// more for it than one transaction should hold. InDatabase only.
func (b Batch) Again(c Change) { *b.again = append(*b.again, c) }

// Change says that a thing was changed.
type Change struct {
	Kind  string
	ID    stoa.ID
	Scope stoa.ID // whose lists it is in
	// Version is the newest one that the log told of, 0 when it is not known. What is read is at least as new, unless
	// the database was replaced by one that had lost it.
	Version int64

	follower string
	writer   int64
	n        uint64
	part     int
	joined   uint64 // of all rows that are told as one; 0: it is one
}

// Key names the row of the log for idempotency keys and the like: it is the same however often the row is delivered.
// Where several rows of a thing are told as one, it names all of them: each further one makes it another key, so that
// who has seen the key has seen them all.
func (c Change) Key() string {
	key := fmt.Sprintf("%s-%x-%x-%x", c.follower, c.writer, c.n, c.part)
	if c.joined != 0 {
		key += fmt.Sprintf("-%x", c.joined)
	}
	return key
}

// Portion is a part of a scope that is to be looked at again.
type Portion struct {
	Kind   string  // change.Everything: all that the follower follows
	Scope  stoa.ID // 0: every scope
	From   string  // what Rebuild gave last; "" at the beginning
	Reason Reason
	Tx     *db.Tx // InDatabase: as Batch.Tx
}

// Reason says why something is looked at again.
type Reason string

// The reasons to look at a scope, or at everything, again.
const (
	Told     Reason = "told"     // a row of the log names the scope, or everything
	Begun    Reason = "begun"    // the follower was not known before, or followed less
	Behind   Reason = "behind"   // the log was pruned past its place
	Replaced Reason = "replaced" // the place is not of this database, or was removed by a restore
	Lost     Reason = "lost"     // a fail-over lost changes that it may have been told of
	Asked    Reason = "asked"    // an operator asked for it
	TooMany  Reason = "too-many" // too many things of the kind were changed at once, or have failed, to list them
)

// Lease lets one node at a time act; *cluster.Lease is the one in production.
type Lease interface {
	Run(ctx context.Context, fn func(ctx context.Context, fence cluster.Fence) error) error
}

// Options says what followers work on. DB, Log and Lease are required.
type Options struct {
	DB     *db.DB
	Log    *change.Log
	Lease  func(name string) Lease // of that name (1 to 60 bytes)
	Node   string                  // id of the node; OwnPlace followers belong to it
	Logger *slog.Logger

	Batch   int           // things told at once; 0 = 100
	Tries   int           // of one thing; 0 = 8
	Backoff time.Duration // before the second try, doubled each time up to 5 min; 0 = 2 s
	Timeout time.Duration // of one call outside of the database; 0 = 1 min
	// Calm is how long a place may lag in the database over rows that lead to nothing, and how often the log is read
	// without a sign that there is something to read; 0 = 15 s.
	Calm time.Duration
}

// Service runs followers. It is safe for concurrent use.
type Service struct {
	o    Options
	log  *slog.Logger
	lost chan struct{}
	said uint64 // lost commits that were said again

	mu      sync.Mutex
	workers []*worker // the list is never changed, but replaced
	started bool
	stopped bool

	life context.Context
	end  context.CancelFunc
	wg   sync.WaitGroup
	stop func()
}

// New checks the options.
func New(o Options) (*Service, error) {
	if o.DB == nil || o.Log == nil || o.Lease == nil {
		return nil, errors.New("follow: Options.DB, Log and Lease are required")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	setDefault(&o.Batch, 100)
	setDefault(&o.Tries, 8)
	setDefault(&o.Backoff, 2*time.Second)
	setDefault(&o.Timeout, time.Minute)
	setDefault(&o.Calm, 15*time.Second)
	return &Service{o: o, log: o.Logger.With("component", "follow"), lost: make(chan struct{}, 1),
		said: o.Log.Status().Losses}, nil
}

func setDefault[T int | time.Duration](v *T, otherwise T) {
	if *v <= 0 {
		*v = otherwise
	}
}

const maxName = 40

// Add takes a follower in. Once the service was started it runs at once, until Stop.
func (s *Service) Add(f Follower) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.stopped:
		return fmt.Errorf("follow: %s is added after Stop", f.Name)
	case f.Name == "" || len(f.Name) > maxName:
		return fmt.Errorf("follow: the name %q: 1 to %d bytes are expected", f.Name, maxName)
	case f.Apply == nil || f.Rebuild == nil:
		return fmt.Errorf("follow: %s needs Apply and Rebuild", f.Name)
	case (f.Effect == OwnPlace) != (f.Token != nil):
		return fmt.Errorf("follow: %s: Token belongs to OwnPlace", f.Name)
	case f.Effect != Outside && f.Began != nil:
		return fmt.Errorf("follow: %s: Began belongs to Outside", f.Name)
	case f.Effect == OwnPlace && s.o.Node == "":
		return fmt.Errorf("follow: %s is of a node: Options.Node is required", f.Name)
	case slices.ContainsFunc(s.workers, func(w *worker) bool { return w.f.Name == f.Name }):
		return fmt.Errorf("follow: %s was added twice", f.Name)
	}
	w := newWorker(s, f)
	s.workers = append(slices.Clone(s.workers), w)
	if s.started {
		s.wg.Go(func() { w.live(s.life) })
	}
	return nil
}

func (s *Service) all() []*worker {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.workers
}

// Start runs the followers until Stop.
func (s *Service) Start(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started || s.stopped {
		return
	}
	s.started = true
	ctx = stoa.WithActor(context.WithoutCancel(ctx), stoa.SystemActor())
	s.life, s.end = context.WithCancel(ctx)
	s.stop = s.o.Log.Subscribe(s.hear)
	for _, w := range s.workers {
		s.wg.Go(func() { w.live(s.life) })
	}
	s.wg.Go(s.sayAgain)
}

// Stop waits until no follower is at work any more. What they have not finished is done again.
func (s *Service) Stop() {
	s.mu.Lock()
	s.stopped = true
	started := s.started
	s.mu.Unlock()
	if !started {
		return
	}
	s.stop()
	s.end()
	s.wg.Wait()
}

// Settle waits until a follower of this node has done what was committed before the call, as far as it can be done:
// what fails is on its list, and scopes that it looks at again are not waited for. It returns the error of ctx when
// that takes longer, and NotFound for a name that this node does not run.
func (s *Service) Settle(ctx context.Context, name string) error {
	return s.await(ctx, name, func(n *seen) *[]chan struct{} { return &n.settle })
}

// Idle is Settle that waits for scopes, too.
func (s *Service) Idle(ctx context.Context, name string) error {
	return s.await(ctx, name, func(n *seen) *[]chan struct{} { return &n.idle })
}

func (s *Service) await(ctx context.Context, name string, list func(*seen) *[]chan struct{}) error {
	for _, w := range s.all() {
		if w.f.Name != name {
			continue
		}
		done := make(chan struct{})
		w.seen.mu.Lock()
		waiting := list(&w.seen)
		*waiting = append(*waiting, done)
		w.seen.mu.Unlock()
		wake(w.news)
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return stoa.NotFound("follower", name)
}

// ordersKind is the kind of change that makes the followers look at their lists: an operator has changed one.
const ordersKind = "follow"

// hear wakes the followers that want to know of the rows. The log calls it.
func (s *Service) hear(rows []change.Row) {
	for _, w := range s.all() {
		switch {
		case slices.ContainsFunc(rows, func(r change.Row) bool { return r.Kind == ordersKind }):
			w.orders.Store(true)
			fallthrough
		case slices.ContainsFunc(rows, func(r change.Row) bool { return w.wants(r) }):
			wake(w.news)
		}
	}
	if slices.ContainsFunc(rows, func(r change.Row) bool { return r.Kind == change.Everything }) {
		wake(s.lost) // it may be a new history
	}
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
