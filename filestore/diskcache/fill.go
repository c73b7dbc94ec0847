package diskcache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/stoa-portal/stoa/filestore"
)

// errElsewhere tells a reader to ask the store itself from where it is.
var errElsewhere = errors.New("the bytes are not on this disk")

// fill is a copy on its way: one goroutine brings the bytes from the store to the disk, as fast as both go, and readers
// follow in the file. None of them holds up another.
type fill struct {
	c    *Cache
	id   id
	want filestore.Info

	opened chan struct{} // closed when info or openErr is known
	info   filestore.Info
	err1   error // of the opening

	start chan struct{} // closed when a reader wants bytes
	idle  chan struct{} // has a token when no reader is left

	// Under Cache.mu.
	refs     int
	begun    bool // start is closed
	unwanted bool // deleted meanwhile
	epoch    int

	mu      sync.Mutex
	n       int64 // bytes in file
	writing bool  // inside of the disk
	done    bool  // the file is whole, and its digest right
	err     error // why there is no more
	changed chan struct{}
	file    *os.File
	spare   filestore.File // of the store, for the first reader who has to go there
}

// join gives the fill of a key for one more reader, a new one where there is none; nil when none can be begun.
func (c *Cache) join(ctx context.Context, want filestore.Info) *fill {
	key := idOf(want.Key)
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.filling[key]; f != nil && !f.unwanted && f.epoch == c.epoch {
		f.refs++
		c.stats.Joins++
		return f
	}
	f := &fill{c: c, id: key, want: want, refs: 1, epoch: c.epoch, opened: make(chan struct{}),
		start: make(chan struct{}), idle: make(chan struct{}, 1), changed: make(chan struct{})}
	ctx = context.WithoutCancel(ctx) // others may wait for it
	if c.filling[key] != nil || !c.spawn(func() { f.run(ctx) }) {
		return nil
	}
	c.stats.Misses++
	c.filling[key] = f
	return f
}

// begin lets the bytes come.
func (f *fill) begin() {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	if !f.begun {
		f.begun = true
		close(f.start)
	}
}

// leave is the end of a reader.
func (f *fill) leave() {
	f.c.mu.Lock()
	f.refs--
	last := f.refs == 0
	f.c.mu.Unlock()
	if !last {
		return
	}
	select {
	case f.idle <- struct{}{}:
	default:
	}
	f.tidy()
}

// tidy closes what no reader can use any more.
func (f *fill) tidy() {
	f.c.mu.Lock()
	left := f.refs == 0 && f.c.filling[f.id] != f // else another may join
	f.c.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	if !left || !f.done && f.err == nil {
		return
	}
	if f.file != nil {
		_ = f.file.Close() // its bytes are compared when they are read
		f.file = nil
	}
	if f.spare != nil {
		_ = f.spare.Close()
		f.spare = nil
	}
}

// run opens the file in the store and brings its bytes.
func (f *fill) run(ctx context.Context) {
	c := f.c
	src, err := c.o.Store.Open(ctx, f.want.Key)
	if err == nil {
		f.info = src.Info()
		if f.want.SHA256 != "" && f.info.Size != f.want.Size {
			err = errors.Join(&filestore.Damaged{Want: f.want, Size: f.info.Size}, src.Close())
		}
	}
	if err != nil {
		f.out()
		f.err1 = err
		close(f.opened)
		f.end(err, nil)
		return
	}
	if f.info.Size == 0 || f.info.Size > c.o.MaxBytes/part {
		f.out()
		close(f.opened)
		f.end(errElsewhere, src)
		return
	}
	close(f.opened)
	if !f.wanted() {
		f.end(errElsewhere, src)
		return
	}
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	default:
		f.out()
		f.end(errElsewhere, src)
		return
	}
	if !c.reserve(f.info.Size) {
		f.out()
		f.end(errElsewhere, src)
		return
	}
	err = f.copy(src)
	f.out()
	c.mu.Lock()
	c.reserved -= cost(f.info.Size)
	if err != nil {
		c.stats.Abandoned++
	}
	c.mu.Unlock()
	if err == errElsewhere {
		f.end(err, src)
		return
	}
	_ = src.Close() // was only read
	f.end(err, nil)
}

// wanted waits until a reader wants bytes, and reports false when all have left before.
func (f *fill) wanted() bool {
	for {
		select {
		case <-f.start:
			return true
		case <-f.idle:
			if f.abandon(0) {
				return false
			}
		case <-f.c.ctx.Done():
			f.out()
			return false
		}
	}
}

// out takes the fill from those that can be joined.
func (f *fill) out() {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	if f.c.filling[f.id] == f {
		delete(f.c.filling, f.id)
	}
}

// abandon reports whether there is no sense in going on after n bytes: no reader is left, and most is still to come.
func (f *fill) abandon(n int64) bool {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	if f.refs > 0 || n > f.info.Size/2 {
		return false
	}
	if f.c.filling[f.id] == f {
		delete(f.c.filling, f.id)
	}
	return true
}

// end wakes the readers. err says why there are no more bytes; src is for the first reader who goes on in the store.
func (f *fill) end(err error, src filestore.File) {
	f.mu.Lock()
	if err == nil {
		f.done = true
	} else {
		f.err = err
	}
	f.spare = src
	close(f.changed)
	f.changed = nil
	f.mu.Unlock()
	f.tidy()
}

// copy brings the bytes of src to the disk and keeps them when they are right. errElsewhere says that this disk does
// not take them.
func (f *fill) copy(src filestore.File) error {
	c := f.c
	name := filepath.Join(c.o.Dir, fillingName, filestore.NewKey())
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		c.fail(err)
		return errElsewhere
	}
	f.mu.Lock()
	f.file = file
	f.mu.Unlock()
	sum := sha256.New()
	err = f.bring(src, file, sum)
	if err == nil {
		err = f.keep(name, sum)
	}
	if err != nil {
		_ = os.Remove(name) // it may have been moved already; else the next start removes it
	}
	return err
}

func (f *fill) bring(src io.Reader, file *os.File, sum hash.Hash) error {
	buf := make([]byte, block)
	for n := int64(0); n < f.info.Size; {
		m, err := io.ReadFull(src, buf[:min(block, f.info.Size-n)])
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		sum.Write(buf[:m])
		f.mu.Lock()
		f.writing = true
		f.mu.Unlock()
		if _, err := file.Write(buf[:m]); err != nil {
			f.c.fail(err)
			return errElsewhere
		}
		n += int64(m)
		f.mu.Lock()
		f.n, f.writing = n, false
		close(f.changed)
		f.changed = make(chan struct{})
		f.mu.Unlock()
		if f.c.ctx.Err() != nil || f.abandon(n) {
			return errElsewhere
		}
	}
	return nil
}

// keep compares the digest and makes the copy one that is found.
func (f *fill) keep(name string, sum hash.Hash) error {
	c := f.c
	got := [sha256.Size]byte(sum.Sum(nil))
	if text := hex.EncodeToString(got[:]); f.want.SHA256 != "" && text != f.want.SHA256 {
		return &filestore.Damaged{Want: f.want, Size: f.info.Size, Got: text}
	}
	now := time.Now()
	e := &entry{id: f.id, sum: got, size: f.info.Size, modified: f.info.Modified.UnixMicro(), used: now.Unix(),
		checked: true}
	to := c.path(e)
	c.mu.Lock()
	stale := f.unwanted || f.epoch != c.epoch || !c.ready
	c.mu.Unlock()
	if stale { // the bytes are there for those who read now
		_ = os.Remove(name) // the folder may have been emptied
		return nil
	}
	err := os.Rename(name, to)
	if errors.Is(err, os.ErrNotExist) {
		if err = os.Mkdir(filepath.Dir(to), 0o700); err == nil || errors.Is(err, os.ErrExist) {
			err = os.Rename(name, to)
		}
	}
	if err != nil {
		c.fail(err)
		_ = os.Remove(name) // else the next start removes it
		return nil
	}
	c.mu.Lock()
	stale = f.unwanted || f.epoch != c.epoch || !c.ready
	var gone []string
	if !stale {
		gone = c.add(e)
		c.stats.Fills++
		if c.filling[f.id] == f { // in one step: a reader finds the one or the other
			delete(c.filling, f.id)
		}
	}
	c.mu.Unlock()
	c.remove(gone)
	if stale {
		_ = os.Remove(to)
	}
	return nil
}

// read gives bytes at pos as they come. The last block is given when the digest was right. errElsewhere says that the
// store is to be asked.
func (f *fill) read(p []byte, pos int64) (int, error) {
	late := time.NewTimer(stuckWait)
	defer late.Stop()
	for {
		f.mu.Lock()
		n, done, err, changed, file := f.n, f.done, f.err, f.changed, f.file
		f.mu.Unlock()
		if !done {
			n = min(n, f.info.Size-block)
		}
		switch {
		case pos < n:
			m, rerr := file.ReadAt(p[:min(int64(len(p)), n-pos)], pos)
			if m == 0 {
				f.c.fail(rerr)
				return 0, errElsewhere
			}
			return m, nil
		case err != nil:
			return 0, err
		case done:
			return 0, io.EOF
		case pos > n+farAhead:
			return 0, errElsewhere
		}
		select {
		case <-changed:
			late.Reset(stuckWait)
		case <-late.C:
			f.mu.Lock()
			writing := f.writing
			f.mu.Unlock()
			if writing {
				f.c.fail(errors.New("the disk does not answer"))
			}
			return 0, errElsewhere
		}
	}
}

// takeSpare gives the file that was open in the store, to one reader.
func (f *fill) takeSpare() filestore.File {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.spare
	f.spare = nil
	return s
}
