package filestore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/stoa-portal/stoa"
)

// Way says where files go and where they are looked for, while they are moved from one store to another.
type Way struct {
	Put   Store // new files go there
	Also  Store // nil, or the other store, where files are looked for as well
	Epoch int64 // of the store to which new files go; see Moving
}

func (w *Way) all() []Store {
	if w.Also == nil {
		return []Store{w.Put}
	}
	return []Store{w.Put, w.Also}
}

// Moving is a store whose place can change while it is used. A caller that puts a file and then names its key notes
// Epoch before, and compares it in the transaction that names the key: so no key is named whose bytes went where no
// node will look. It is safe for concurrent use.
type Moving struct {
	way   atomic.Pointer[Way]
	again func(ctx context.Context)
}

// NewMoving makes one. again is asked when a file was not found, for another way may be in force by now: then it calls
// Set; nil: nothing is asked.
func NewMoving(w Way, again func(ctx context.Context)) *Moving {
	m := &Moving{again: again}
	m.way.Store(&w)
	return m
}

// Set tells the way. What has begun goes on as it began.
func (m *Moving) Set(w Way) {
	if *m.way.Load() != w {
		m.way.Store(&w)
	}
}

// Epoch is that of the way which is in force.
func (m *Moving) Epoch() int64 { return m.way.Load().Epoch }

// Put implements Store. Where the other store cannot tell whether it has the key, it counts as new: keys are random,
// and a file that was derived from another one may be in both.
func (m *Moving) Put(ctx context.Context, key string, r io.Reader, size int64) (Info, error) {
	w := m.way.Load()
	if w.Also != nil {
		switch there, err := has(ctx, w.Also, key); {
		case err != nil && !stoa.Is(err, stoa.KindUnavailable):
			return Info{}, err
		case there:
			return Info{}, taken(key)
		}
	}
	return w.Put.Put(ctx, key, r, size)
}

// Open implements Store. A file that one store does not have and of which the other one cannot tell is Unavailable.
func (m *Moving) Open(ctx context.Context, key string) (File, error) {
	w := m.way.Load()
	f, err := w.open(ctx, key)
	if stoa.Is(err, stoa.KindNotFound) && m.again != nil {
		m.again(ctx)
		if now := m.way.Load(); now != w {
			return now.open(ctx, key)
		}
	}
	return f, err
}

func (w *Way) open(ctx context.Context, key string) (File, error) {
	var failed error
	for _, s := range w.all() {
		f, err := s.Open(ctx, key)
		if err == nil {
			return f, nil
		}
		if failed == nil || stoa.Is(failed, stoa.KindNotFound) {
			failed = err
		}
	}
	return nil, failed
}

// Delete implements Store.
func (m *Moving) Delete(ctx context.Context, key string) error {
	var failed error
	for _, s := range m.way.Load().all() {
		failed = errors.Join(failed, s.Delete(ctx, key))
	}
	return failed
}

// List implements Store.
func (m *Moving) List(ctx context.Context, prefix string, fn func(Info) error) error {
	w := m.way.Load()
	if w.Also == nil {
		return w.Put.List(ctx, prefix, fn)
	}
	seen := map[[16]byte]bool{} // keys are long, and there are many
	mark := func(key string) (old bool) {
		sum := sha256.Sum256([]byte(key))
		short := [16]byte(sum[:16])
		old = seen[short]
		seen[short] = true
		return old
	}
	for _, s := range w.all() {
		if err := s.List(ctx, prefix, func(i Info) error {
			if mark(i.Key) {
				return nil
			}
			return fn(i)
		}); err != nil {
			return err
		}
	}
	return nil
}

// Bring copies a file into the store where new ones go, if it is not there, and gives the epoch of that.
func (m *Moving) Bring(ctx context.Context, key string) (epoch int64, err error) {
	w := m.way.Load()
	if w.Also != nil {
		if _, err := Copy(ctx, w.Also, w.Put, CopyOrder{Info: Info{Key: key}}); err != nil {
			return 0, err
		}
	}
	switch there, err := has(ctx, w.Put, key); {
	case err != nil:
		return 0, err
	case !there:
		return 0, stoa.Unavailable(nil, "the files of this portal are being moved to another store; send the file again")
	}
	return w.Epoch, nil
}

func has(ctx context.Context, s Store, key string) (bool, error) {
	f, err := s.Open(ctx, key)
	if stoa.Is(err, stoa.KindNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, f.Close()
}

// CopyOrder says which file is to be copied.
type CopyOrder struct {
	Info         // Key, and the digest that the file should have; empty: not known
	Derived bool // it was made from another file and can be made again: the one that is there already is right
	Trust   bool // what is there already with the same size needs not be read
}

// Copied is what Copy has done.
type Copied struct {
	New     bool  // it was not there before
	Bytes   int64 // that were copied or compared
	Gone    bool  // from does not have it (any more)
	Damaged bool  // its bytes are not those of the digest; they were copied as they are
}

// Copy copies a file from one store to another and reads it there again. One that is there already is compared; other
// bytes under the same key are a Conflict, unless they are the right ones.
func Copy(ctx context.Context, from, to Store, o CopyOrder) (c Copied, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("copy %s: %w", o.Key, err)
		}
	}()
	there, err := measured(ctx, to, o.Key)
	if err != nil {
		return c, err
	}
	if there == nil {
		if c, err = copyNew(ctx, from, to, o); !stoa.Is(err, stoa.KindConflict) {
			return c, err
		}
		if there, err = measured(ctx, to, o.Key); err != nil || there == nil { // another one was faster
			return c, errors.Join(err, ctx.Err())
		}
	}
	here, err := measured(ctx, from, o.Key)
	switch {
	case err != nil:
		return c, err
	case here == nil:
		c.Gone = true
		return c, nil
	case o.Derived, o.Trust && here.Size == there.Size:
		return c, nil
	}
	got, err := digest(ctx, to, o.Key)
	if err != nil {
		return c, err
	}
	c.Bytes = there.Size
	if o.SHA256 != "" && got == o.SHA256 {
		return c, nil
	}
	want, err := digest(ctx, from, o.Key)
	if err != nil {
		return c, err
	}
	if got != want {
		return c, stoa.Conflict("the store to which files are moved holds another file under the key %s", o.Key)
	}
	c.Damaged = o.SHA256 != "" && want != o.SHA256
	return c, nil
}

// copyNew copies a file that is not there.
func copyNew(ctx context.Context, from, to Store, o CopyOrder) (c Copied, err error) {
	in, err := from.Open(ctx, o.Key)
	if stoa.Is(err, stoa.KindNotFound) {
		c.Gone = true
		return c, nil
	}
	if err != nil {
		return c, err
	}
	put, err := to.Put(ctx, o.Key, in, in.Info().Size)
	if err = errors.Join(err, in.Close()); err != nil {
		return c, err
	}
	got, err := digest(ctx, to, o.Key)
	if err != nil {
		return c, err
	}
	if got != put.SHA256 {
		return c, errors.Join(&Damaged{Want: put, Size: put.Size, Got: got}, to.Delete(ctx, o.Key))
	}
	c.New, c.Bytes, c.Damaged = true, put.Size, o.SHA256 != "" && got != o.SHA256
	return c, nil
}

// measured gives what a store tells of a key; nil when it has none.
func measured(ctx context.Context, s Store, key string) (*Info, error) {
	f, err := s.Open(ctx, key)
	if stoa.Is(err, stoa.KindNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	i := f.Info()
	return &i, f.Close()
}

// digest reads a file to its end.
func digest(ctx context.Context, s Store, key string) (string, error) {
	f, err := s.Open(ctx, key)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	n, err := io.Copy(h, contextReader{ctx, f})
	if err == nil && n != f.Info().Size {
		err = io.ErrUnexpectedEOF
	}
	return hex.EncodeToString(h.Sum(nil)), errors.Join(err, f.Close())
}

// contextReader ends with its context.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
