package filestore

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"
)

// incoming is one Put behind a Guard. The goroutine of the caller reads the stream of the caller, which may be as slow
// as a telephone and must not be read any more when Put has returned; a worker gives what was read to the store. The
// worker is inside of the store only while it has something to write.
type incoming struct {
	g       *Guard
	t       *turn         // of the worker
	parts   chan part     // from the caller; unbuffered, so that a part that was taken is the only one
	gone    chan struct{} // closed when the caller gives up, for reason
	reason  error
	settled atomic.Bool // by the worker with an answer, or by the caller who left

	// Of the worker.
	rest []byte
	err  error
}

type part struct {
	b   []byte
	err error
}

// stored is how a Put ended.
type stored struct {
	info Info
	err  error
}

// Put implements Store. It is refused at once while the last Check failed. The store has WriteWait for each part of
// the stream; when it is late the caller is answered, and what the store keeps after that is removed again.
func (g *Guard) Put(ctx context.Context, key string, r io.Reader, size int64) (Info, error) {
	s, err := g.store()
	if err != nil {
		return Info{}, err
	}
	if err := ctx.Err(); err != nil {
		return Info{}, err
	}
	if err := CheckKey(key); err != nil {
		return Info{}, err
	}
	if bad := g.fault.Load(); bad != nil {
		return Info{}, *bad
	}
	if g.incoming.Add(1) > int64(g.o.Uploads) {
		g.incoming.Add(-1)
		return Info{}, g.tooMany()
	}
	late := time.NewTimer(g.o.Wait)
	defer late.Stop()
	t, err := g.work.enter(ctx, late.C)
	if err != nil {
		g.incoming.Add(-1)
		return Info{}, g.noTurn(err, g.o.Wait)
	}
	p := &incoming{g: g, t: t, parts: make(chan part), gone: make(chan struct{})}
	done := make(chan stored, 1)
	if !g.spawn(func() {
		defer g.incoming.Add(-1)
		defer func() { g.work.leave(p.t) }()
		info, err := guarded(func() (Info, error) { return s.Put(ctx, key, p, size) })
		if p.settled.CompareAndSwap(false, true) {
			done <- stored{info, err}
		} else if err == nil {
			_ = s.Delete(context.WithoutCancel(ctx), key) // the caller was told that it failed
		}
	}) {
		g.work.leave(t)
		g.incoming.Add(-1)
		return Info{}, errClosed
	}
	ended := false
	defer func() {
		if !ended { // r has panicked
			p.giveUp(errors.New("the stream broke"), done)
		}
	}()
	got := p.feed(ctx, r, late, done)
	ended = true
	return got.info, got.err
}

// feed reads r to its end and waits for the store.
func (p *incoming) feed(ctx context.Context, r io.Reader, late *time.Timer, done <-chan stored) stored {
	blocks := [2]*[blockSize]byte{p.g.blocks.Get().(*[blockSize]byte), p.g.blocks.Get().(*[blockSize]byte)}
	// give waits until the store takes a part, or, where parts is nil, for its answer.
	give := func(parts chan<- part, next part, limit time.Duration) (got stored, ended bool) {
		late.Reset(limit)
		select {
		case parts <- next:
			return stored{}, false
		case got := <-done:
			p.g.blocks.Put(blocks[0])
			p.g.blocks.Put(blocks[1])
			return got, true
		case <-late.C:
			return p.giveUp(p.g.noAnswer(limit), done), true
		case <-ctx.Done():
			return p.giveUp(ctx.Err(), done), true
		}
	}
	limit := p.g.o.WriteWait
	var sent time.Duration // what it takes at 8 MiB a second
	for i := 0; ; i++ {
		b := blocks[i%2]
		n, err := r.Read(b[:])
		sent += time.Duration(n) * time.Second / (8 << 20)
		if got, ended := give(p.parts, part{b[:n], err}, limit); ended {
			return got
		}
		if err != nil {
			break
		}
	}
	got, _ := give(nil, part{}, limit+sent) // to reach the medium
	return got
}

// giveUp ends the Put for a reason, and waits a little for the store to clear away.
func (p *incoming) giveUp(reason error, done <-chan stored) stored {
	p.reason = reason
	close(p.gone)
	wait := time.NewTimer(p.g.o.Wait)
	defer wait.Stop()
	select {
	case got := <-done:
		return got
	case <-wait.C:
	}
	if !p.settled.CompareAndSwap(false, true) {
		return <-done
	}
	return stored{err: reason}
}

// Read gives the store what the caller has read. It is called by the worker, which is not inside meanwhile.
func (p *incoming) Read(b []byte) (int, error) {
	if len(p.rest) == 0 && p.err == nil {
		p.g.work.leave(p.t)
		select {
		case next := <-p.parts:
			p.rest, p.err = next.b, next.err
		case <-p.gone:
			p.err = p.reason
		}
		// Without a limit: what the store has begun must be ended or cleared away in any case.
		p.t, _ = p.g.work.enter(context.Background(), nil)
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	if len(p.rest) == 0 {
		return n, p.err
	}
	return n, nil
}

func (g *Guard) tooMany() error {
	return unavailable(&Fault{
		Code: CodeNoAnswer, Why: "too many files are on their way into the file store in " + g.String(),
		Fix: "look whether it is slow",
	}, "too many files are being sent at the moment; try again in a minute")
}
