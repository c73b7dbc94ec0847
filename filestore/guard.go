package filestore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// GuardOptions are the limits of a Guard. The zero value is right for a node.
type GuardOptions struct {
	Workers   int           // operations inside of the store at once, each of which may block a thread; 0 = 32
	Uploads   int           // files on their way in at once; 0 = 256
	Wait      time.Duration // for an answer of the store to a reader; 0 = 2 s
	WriteWait time.Duration // for each part of a file that is written, and for its end; 0 = 20 s
	CheckWait time.Duration // for Check; 0 = 3 s
}

// Guard is the store as a node uses it. It lets nothing touch a store that is not the cluster's, whose identity Adopt
// tells; it gives every operation a deadline, also those of an open file; and it bounds how many operations a store
// that does not answer can hold up. What fails for one of these reasons is Unavailable and has a Fault. It is a Store,
// safe for concurrent use.
type Guard struct {
	driver Driver
	o      GuardOptions
	work   *pool // all but Check
	probes *pool // Check, which must find out that the store answers again while work is full
	blocks sync.Pool

	bound    atomic.Pointer[bound]
	fault    atomic.Pointer[error] // what the last Check found; nil when all was well
	incoming atomic.Int64

	mu      sync.Mutex
	lastTry time.Time // of Check, while earlier ones are stuck
	pace    time.Duration
	wg      sync.WaitGroup
	closed  bool
}

// bound is the store of the cluster.
type bound struct {
	id    string
	store Store
}

const (
	blockSize  = 64 << 10 // bytes read ahead from an open file
	writtenOff = 8        // times Workers: threads at most, with those written off
	mostProbes = 32
	probePace  = time.Minute
)

// NewGuard makes a guard of the driver. Until Adopt everything but Identity and Make is Unavailable.
func NewGuard(d Driver, o GuardOptions) *Guard {
	o.Workers = cmp.Or(o.Workers, 32)
	o.Uploads = cmp.Or(o.Uploads, 256)
	o.Wait = cmp.Or(o.Wait, 2*time.Second)
	o.WriteWait = cmp.Or(o.WriteWait, 20*time.Second)
	o.CheckWait = cmp.Or(o.CheckWait, 3*time.Second)
	return &Guard{
		driver: d, o: o,
		work:   newPool(o.Workers, writtenOff*o.Workers, o.Wait),
		probes: newPool(mostProbes, mostProbes, o.Wait),
		blocks: sync.Pool{New: func() any { return new([blockSize]byte) }},
	}
}

// Adopt tells which store is the cluster's.
func (g *Guard) Adopt(identity string) {
	if b := g.bound.Load(); b == nil || b.id != identity {
		g.bound.Store(&bound{identity, g.driver.Bind(identity)})
	}
}

// Readopt is Adopt when the driver has another store by now, also with the same identity.
func (g *Guard) Readopt(identity string) { g.bound.Store(&bound{identity, g.driver.Bind(identity)}) }

// Adopted gives the identity that Adopt told; empty before.
func (g *Guard) Adopted() string {
	if b := g.bound.Load(); b != nil {
		return b.id
	}
	return ""
}

// String names the place of the store for the operator.
func (g *Guard) String() string { return g.driver.String() }

// Stuck gives how many operations the store has not answered in time, and for how long the oldest of those that
// count waits.
func (g *Guard) Stuck() (inside int, oldest time.Duration) { return g.work.count() }

// Close waits for what is inside of the store, until ctx ends: a store that does not answer is left behind.
func (g *Guard) Close(ctx context.Context) error {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	done := make(chan struct{})
	go func() { g.wg.Wait(); close(done) }()
	limit := time.NewTimer(g.o.Wait)
	defer limit.Stop()
	select {
	case <-done:
	case <-ctx.Done():
	case <-limit.C:
	}
	return nil
}

// spawn starts work that Close waits for.
func (g *Guard) spawn(fn func()) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.wg.Go(fn)
	return true
}

// store gives the cluster's store.
func (g *Guard) store() (Store, error) {
	b := g.bound.Load()
	if b == nil {
		return nil, unavailable(&Fault{
			Code: CodeUnknown, Why: "it is not known yet which file store is the cluster's",
			Fix: "wait for the node; its log says what it waits for",
		}, "the file store is not ready yet; try again in a moment")
	}
	return b.store, nil
}

// noAnswer is the error of an operation that took too long.
func (g *Guard) noAnswer(limit time.Duration) error {
	return unavailable(&Fault{
		Code: CodeNoAnswer,
		Why:  fmt.Sprintf("the file store in %s has not answered for %s", g.driver, limit.Round(100*time.Millisecond)),
		Fix:  "check the server of the file system and the network to it; nothing has to be restarted",
	}, "the file store does not answer; try again in a moment")
}

// noTurn is the error of an operation that did not begin.
func (g *Guard) noTurn(err error, limit time.Duration) error {
	if errors.Is(err, errAllStuck) || errors.Is(err, errLate) {
		return g.noAnswer(limit)
	}
	return err
}

var errClosed = errors.New("filestore: the guard is closed")

// call runs fn inside of the store and waits for it, for limit at most. When fn comes back later than that, undo is
// given its result. fn must not touch what belongs to the caller.
func call[T any](ctx context.Context, g *Guard, p *pool, limit time.Duration,
	fn func() (T, error), undo func(T)) (T, error) {
	var zero T
	if err := ctx.Err(); err != nil {
		return zero, err
	}
	late := time.NewTimer(limit)
	defer late.Stop()
	t, err := p.enter(ctx, late.C)
	if err != nil {
		return zero, g.noTurn(err, limit)
	}
	v, _, err := run(ctx, g, p, t, late, limit, fn, undo)
	return v, err
}

// run is call with a turn and a timer for limit. begun says whether fn was called or will be.
func run[T any](ctx context.Context, g *Guard, p *pool, t *turn, late *time.Timer, limit time.Duration,
	fn func() (T, error), undo func(T)) (v T, begun bool, err error) {
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	var settled atomic.Bool // by the worker, or by the caller who gave up
	if !g.spawn(func() {
		v, err := guarded(fn)
		if settled.CompareAndSwap(false, true) {
			p.leave(t) // first: the caller that has the result must not find the worker inside
			done <- result{v, err}
			return
		}
		defer p.leave(t)
		if err == nil && undo != nil {
			undo(v)
		}
	}) {
		p.leave(t)
		return v, false, errClosed
	}
	select {
	case r := <-done:
		return r.v, true, r.err
	case <-late.C:
		err = g.noAnswer(limit)
	case <-ctx.Done():
		err = ctx.Err()
	}
	if !settled.CompareAndSwap(false, true) {
		r := <-done
		return r.v, true, r.err
	}
	return v, true, err
}

// guarded turns a panic of a driver into an error, as it would be in a request.
func guarded[T any](fn func() (T, error)) (v T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("filestore: a driver panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return fn()
}

// Identity reads the identity of the store; see Driver.
func (g *Guard) Identity(ctx context.Context) (string, error) {
	return call(ctx, g, g.work, g.o.Wait, func() (string, error) { return g.driver.Identity(ctx) }, nil)
}

// Make makes the store; see Driver. It is for the first node of an empty database.
func (g *Guard) Make(ctx context.Context, propose string) (string, error) {
	return call(ctx, g, g.work, g.o.WriteWait, func() (string, error) { return g.driver.Make(ctx, propose) }, nil)
}

// Check finds out whether the store is the cluster's and can be used. While the last one failed, nothing is
// written: Put gives its error at once. Checks that the store does not answer are repeated ever more slowly, up to
// once a minute. One that succeeds gives the places of operations that are stuck to others.
func (g *Guard) Check(ctx context.Context) error {
	b := g.bound.Load()
	if b == nil {
		_, err := g.store()
		return err
	}
	began := time.Now()
	err := g.mayProbe(began)
	if err == nil {
		_, err = call(ctx, g, g.probes, g.o.CheckWait, func() (struct{}, error) {
			return struct{}{}, g.driver.Check(ctx, b.id)
		}, nil)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, errClosed) {
		return err
	}
	if f := FaultOf(err); !errors.Is(err, context.DeadlineExceeded) && (f == nil || f.Code != CodeNoAnswer) {
		g.mu.Lock()
		g.pace = 0 // it answers, if only that something is wrong
		g.mu.Unlock()
	}
	if err != nil {
		g.fault.Store(&err)
		return err
	}
	g.fault.Store(nil)
	g.work.writeOff(began)
	return nil
}

// mayProbe holds a Check back while earlier ones are stuck.
func (g *Guard) mayProbe(now time.Time) error {
	stuck, oldest := g.probes.count()
	g.mu.Lock()
	defer g.mu.Unlock()
	if stuck > 0 && now.Sub(g.lastTry) < g.pace {
		return g.noAnswer(oldest)
	}
	if stuck > 0 {
		g.pace = min(max(2*g.pace, g.o.CheckWait), probePace)
	}
	g.lastTry = now
	return nil
}

// Open implements Store. The file's operations have the same deadline; after one that was late, the file is of no
// more use.
func (g *Guard) Open(ctx context.Context, key string) (File, error) {
	s, err := g.store()
	if err != nil {
		return nil, err
	}
	open := func() (File, error) { return s.Open(ctx, key) }
	f, err := call(ctx, g, g.work, g.o.Wait, open, func(f File) { f.Close() })
	if err != nil {
		return nil, err
	}
	return &guardFile{g: g, file: f, info: f.Info()}, nil
}

// Delete implements Store. One that was late may have happened.
func (g *Guard) Delete(ctx context.Context, key string) error {
	s, err := g.store()
	if err != nil {
		return err
	}
	_, err = call(ctx, g, g.work, g.o.Wait, func() (struct{}, error) { return struct{}{}, s.Delete(ctx, key) }, nil)
	return err
}

// List implements Store. fn runs in the goroutine of the caller and may use the guard.
func (g *Guard) List(ctx context.Context, prefix string, fn func(Info) error) error {
	s, err := g.store()
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	late := time.NewTimer(g.o.WriteWait)
	defer late.Stop()
	t, err := g.work.enter(ctx, late.C)
	if err != nil {
		return g.noTurn(err, g.o.WriteWait)
	}
	batches, stop, done := make(chan []Info), make(chan struct{}), make(chan error, 1)
	defer close(stop)
	if !g.spawn(func() { done <- g.list(ctx, s, prefix, t, batches, stop) }) {
		g.work.leave(t)
		return errClosed
	}
	for {
		late.Reset(g.o.WriteWait)
		select {
		case batch := <-batches:
			for _, i := range batch {
				if err := fn(i); err != nil {
					return err
				}
			}
		case err := <-done:
			return err
		case <-late.C:
			return g.noAnswer(g.o.WriteWait)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

var errStop = errors.New("the caller has had enough")

// list reads names with the turn t and hands them over in batches. While it waits for the caller it is not inside.
func (g *Guard) list(ctx context.Context, s Store, prefix string, t *turn,
	batches chan<- []Info, stop <-chan struct{}) error {
	defer func() { g.work.leave(t) }()
	var batch []Info
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		g.work.leave(t)
		var err error
		select {
		case batches <- batch:
		case <-stop:
			err = errStop
		}
		batch = nil
		t, _ = g.work.enter(context.Background(), nil)
		return err
	}
	_, err := guarded(func() (struct{}, error) {
		err := s.List(ctx, prefix, func(i Info) error {
			if batch = append(batch, i); len(batch) < listBatch {
				return nil
			}
			return flush()
		})
		if err != nil {
			return struct{}{}, err
		}
		return struct{}{}, flush()
	})
	return err
}
