// Package diskcache keeps copies of files on the disk of a node, in front of a file store that is far away. A key names
// bytes that never change, so a copy is never stale: it is kept until room is needed. What is given out was compared
// with the digest of the file, and a copy that is found wrong is dropped. A disk that fails or is full is no reason to
// fail: then the store is asked.
package diskcache

import (
	"cmp"
	"container/list"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/filestore"
)

const (
	block      = 64 << 10 // bytes copied at a time, and withheld until the digest is known
	mostFills  = 16       // files copied to the disk at once
	mostCopies = 500_000  // kept, whatever their size: each takes some memory
	leastCopy  = 8 << 10  // bytes of the bound that one copy stands for, when they are counted
	part       = 4        // a file that is larger than this part of the bound is not kept
	farAhead   = 4 << 20  // bytes: who reads so far before what was copied asks the store
	stuckWait  = 10 * time.Second
	touchEvery = time.Hour // how exactly the time of the last use is kept over a restart
	longRetry  = 10 * time.Minute
)

// Options are the settings of a cache. All but Lock, Logger and Retry are needed.
type Options struct {
	Store    filestore.Store // that the copies are of
	Dir      string          // of this node alone; made when it is not there
	MaxBytes int64           // that the copies take at most

	// Identity gives the identity of the store; empty means that it is not known, and nothing is kept. The copies of
	// another store are removed.
	Identity func() string
	// Lock locks an open file of the folder for this process, and reports false when another one has it.
	Lock   func(f *os.File, shared bool) (bool, error)
	Logger *slog.Logger  // nil for none
	Retry  time.Duration // after which a disk that failed is tried again; 0 = 30 s
}

// Cache is a filestore.Known: OpenKnown reads through it, everything else goes to the store.
type Cache struct {
	o      Options
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	slots  chan struct{} // of fills
	checks singleflight.Group
	most   int // copies

	mu       sync.Mutex
	closed   bool
	bound    string // the identity of the store whose copies these are
	epoch    int    // counts the changes of bound
	ready    bool   // the folder was looked through
	binding  bool
	lock     *os.File
	copies   map[id]*list.Element // of *entry
	order    *list.List           // the one that was used last in front
	used     int64
	reserved int64 // by fills
	filling  map[id]*fill
	trouble  *Trouble
	pause    time.Duration
	retry    *time.Timer
	healed   time.Time
	stats    Stats
}

// Stats are counts since the start, and what there is now.
type Stats struct {
	Copies, Bytes, MaxBytes int64
	Hits                    uint64 // read from a copy
	Joins                   uint64 // read along while another reader filled a copy
	Misses                  uint64 // asked of the store
	Fills                   uint64 // copies made
	Abandoned               uint64 // copies given up before they were whole
	Evictions               uint64 // copies dropped to make room
	Damaged                 uint64 // copies dropped because their bytes were wrong
}

// Trouble is why nothing is copied to the disk.
type Trouble struct {
	Since time.Time
	Err   error
}

// New makes a cache. The folder is looked through in the background, once the identity of the store is known.
func New(o Options) (*Cache, error) {
	if o.Store == nil || o.Dir == "" || o.MaxBytes <= 0 || o.Identity == nil {
		return nil, errors.New("diskcache: Store, Dir, MaxBytes and Identity are required")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Retry = cmp.Or(o.Retry, 30*time.Second)
	c := &Cache{o: o, slots: make(chan struct{}, mostFills), order: list.New(), copies: map[id]*list.Element{},
		filling: map[id]*fill{}, pause: o.Retry, most: int(min(max(o.MaxBytes/leastCopy, 16), mostCopies))}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.Begin()
	return c, nil
}

// Begin looks the folder through, if the identity of the store is known and has changed.
func (c *Cache) Begin() { c.usable() }

// Close ends what goes on in the background, and waits for it until ctx ends: a disk that hangs is left behind. Open
// files can be read to their end, from the store where need be.
func (c *Cache) Close(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true
	if c.retry != nil {
		c.retry.Stop()
	}
	c.mu.Unlock()
	c.cancel()
	done := make(chan struct{})
	go func() { c.wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		return ctx.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ready = false
	if c.lock == nil {
		return nil
	}
	lock := c.lock
	c.lock = nil
	return lock.Close()
}

// spawn starts work that Close waits for. c.mu is held.
func (c *Cache) spawn(fn func()) bool {
	if c.closed {
		return false
	}
	c.wg.Go(fn)
	return true
}

// Stats gives the present numbers.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Copies, s.Bytes, s.MaxBytes = int64(len(c.copies)), c.used, c.o.MaxBytes
	return s
}

// Trouble gives why nothing is copied to the disk now; nil when all is well.
func (c *Cache) Trouble() *Trouble {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.trouble
}

// Dir is the folder of the copies.
func (c *Cache) Dir() string { return c.o.Dir }

// Put implements filestore.Store. It makes no copy: what is uploaded may never be read here.
func (c *Cache) Put(ctx context.Context, key string, r io.Reader, size int64) (filestore.Info, error) {
	return c.o.Store.Put(ctx, key, r, size)
}

// Open implements filestore.Store: it asks the store itself.
func (c *Cache) Open(ctx context.Context, key string) (filestore.File, error) {
	return c.o.Store.Open(ctx, key)
}

// List implements filestore.Store.
func (c *Cache) List(ctx context.Context, prefix string, fn func(filestore.Info) error) error {
	return c.o.Store.List(ctx, prefix, fn)
}

// Delete implements filestore.Store. The copies of other nodes stay until they need the room: by then no row leads
// there.
func (c *Cache) Delete(ctx context.Context, key string) error {
	c.forget(idOf(key))
	err := c.o.Store.Delete(ctx, key)
	c.forget(idOf(key)) // which a reader made meanwhile
	return err
}

// OpenKnown implements filestore.Known. A file of which there is a copy is served without the store.
func (c *Cache) OpenKnown(ctx context.Context, want filestore.Info) (filestore.File, error) {
	if err := filestore.CheckKey(want.Key); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s := &source{c: c, ctx: context.WithoutCancel(ctx), want: want}
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	return newFile(s)
}

// usable reports whether there may be copies, and whether some may be made. It begins to look the folder through when
// that is due.
func (c *Cache) usable() (read, write bool) {
	now := c.o.Identity()
	c.mu.Lock()
	defer c.mu.Unlock()
	if now == "" || c.closed {
		return false, false
	}
	if now != c.bound || !c.ready {
		if !c.binding && (now != c.bound || c.trouble == nil) {
			c.bind(now)
		}
		return false, false
	}
	return true, c.trouble == nil
}

// bind looks the folder through in the background, for the store with this identity. c.mu is held.
func (c *Cache) bind(identity string) {
	c.binding = c.spawn(func() {
		found, err := c.look(identity)
		c.mu.Lock()
		c.binding = false
		var gone []string
		if err == nil {
			c.ready = true
			for _, e := range found {
				gone = append(gone, c.add(e)...)
			}
			gone = append(gone, c.shrink(0)...)
		}
		c.mu.Unlock()
		c.remove(gone)
		switch {
		case err == nil:
			c.well()
		case c.ctx.Err() == nil && !c.fail(err):
			c.mu.Lock()
			c.again()
			c.mu.Unlock()
		}
	})
	c.epoch++
	c.bound, c.ready = identity, false
	c.copies, c.used = map[id]*list.Element{}, 0
	c.order.Init()
}

// fail notes that the disk cannot be used. It is tried again after a while. It reports whether this is news.
func (c *Cache) fail(err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.trouble != nil || c.closed {
		return false
	}
	if time.Since(c.healed) < c.pause { // it fails again and again
		c.pause = min(2*c.pause, longRetry)
	} else {
		c.pause = c.o.Retry
	}
	c.trouble = &Trouble{Since: time.Now(), Err: err}
	c.o.Logger.Warn("the disk cache of files cannot be used: files are read from the store", "folder", c.o.Dir,
		"error", err, "fix", "mend the disk or free some space; the cache is tried again by itself")
	c.later()
	return true
}

// again waits longer for the disk. c.mu is held.
func (c *Cache) again() {
	if !c.closed {
		c.pause = min(2*c.pause, longRetry)
		c.later()
	}
}

// later tries the disk again after a while. c.mu is held.
func (c *Cache) later() {
	c.retry = time.AfterFunc(c.pause, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.closed {
			return
		}
		if !c.ready {
			if !c.binding && c.bound != "" {
				c.bind(c.bound)
			}
			return
		}
		c.spawn(c.probe)
	})
}

// probe finds out whether the disk can be used again.
func (c *Cache) probe() {
	err := c.try()
	if err == nil {
		c.well()
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if errors.Is(err, fs.ErrNotExist) && c.ready && !c.binding && !c.closed { // the folder is gone, and its lock with it
		if c.lock != nil {
			_ = c.lock.Close()
			c.lock = nil
		}
		c.bind(c.bound)
		return
	}
	c.again()
}

// well notes that the disk can be used.
func (c *Cache) well() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.trouble == nil || !c.ready {
		return
	}
	c.o.Logger.Info("the disk cache of files can be used again", "folder", c.o.Dir,
		"after", time.Since(c.trouble.Since).Round(time.Second).String())
	c.trouble, c.healed = nil, time.Now()
}

// wrong notes that a copy has other bytes than the file, and drops it.
func (c *Cache) wrong(key string) {
	c.mu.Lock()
	c.stats.Damaged++
	c.mu.Unlock()
	c.forget(idOf(key))
	c.o.Logger.Warn("a copy in the disk cache of files was damaged and is dropped; the file in the store is not concerned",
		"key", key, "folder", c.o.Dir, "fix", "check the disk if this happens again")
}

// id stands for a key, which may be too long for the name of a file.
type id [20]byte

func idOf(key string) id {
	sum := sha256.Sum256([]byte(key))
	return id(sum[:20])
}

// errCopy is of a copy that was damaged after a part of it had been given out.
func errCopy(key string) error {
	return stoa.Unavailable(fmt.Errorf("the copy of %s in the disk cache was damaged", key),
		"the file was damaged on its way; ask for it again")
}
