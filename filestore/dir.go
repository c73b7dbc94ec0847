package filestore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stoa-portal/stoa"
)

// The layout below the root of a directory store:
//
//	identity   the identity, written once
//	tmp/       files being written, and claims
//	data/7f/   the files; the shard comes from a hash of the key
//	history/   the few files whose keys begin with "history/", so that listing them reads no shard
const (
	identityName = "identity"
	tmpName      = "tmp"
	dataName     = "data"
	historyName  = "history"

	leftoverAge   = 24 * time.Hour // a temporary file of this age belongs to a process that is gone
	copyBuffer    = 128 << 10      // bytes read between two looks at the context
	listBatch     = 1000           // names read at a time
	probeBytes    = 64 << 10       // that Check writes
	probePrefix   = ".probe-"      // no key begins with a dot
	identityBytes = 4 << 10        // more than an identity can have
)

// DirOptions are the settings of a directory store. The zero value is right for a node.
type DirOptions struct {
	Logger *slog.Logger     // told about swept leftovers; nil for none
	Now    func() time.Time // nil for time.Now
	NoSync bool             // do not wait for the medium: for throw-away stores in tests only
}

// Dir is a store in a directory, which nodes may share over a network file system. It holds no open files between
// calls, so that its file system can be unmounted, and needs no Close. Each operation opens the directory once and
// works relative to it: what is mounted over it meanwhile neither gets nor gives bytes.
type Dir struct {
	root    string
	want    string // the identity that it must have; empty for any
	o       DirOptions
	buffers *sync.Pool
	swept   *atomic.Int64                            // when leftovers were removed, in seconds since 1970
	link    func(in *os.Root, from, to string) error // a seam for file systems without links
	between func(what string)                        // a seam for tests: called inside of Put
}

// OpenDir gives the store in the directory root. It looks at nothing and makes nothing: Make makes a store.
func OpenDir(root string, o DirOptions) (*Dir, error) {
	if root == "" {
		return nil, stoa.Invalid("root", "the directory of the file store is not set")
	}
	abs, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("directory of the file store %q: %w", root, err)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Dir{
		root: abs, o: o, swept: new(atomic.Int64),
		buffers: &sync.Pool{New: func() any { return new([copyBuffer]byte) }},
		link:    func(in *os.Root, from, to string) error { return in.Link(from, to) },
		between: func(string) {},
	}, nil
}

// Root is the absolute path of the directory.
func (d *Dir) Root() string { return d.root }

// String implements Driver: it is the path of the directory.
func (d *Dir) String() string { return d.root }

// Bind implements Driver.
func (d *Dir) Bind(identity string) Store { return d.bind(identity) }

func (d *Dir) bind(identity string) *Dir {
	b := *d
	b.want = identity
	return &b
}

// Put implements Store. The bytes go to a temporary file in the same file system, are synced, and are then linked to
// their name, which fails when the name is taken. The identity is read through the handle that takes the bytes before
// the first of them, and once more by the path after the last: only then are they where all nodes look for them.
func (d *Dir) Put(ctx context.Context, key string, r io.Reader, size int64) (Info, error) {
	if err := CheckKey(key); err != nil {
		return Info{}, err
	}
	if size < -1 {
		return Info{}, stoa.Invalid("size", "%d is not the size of a file: -1 stands for unknown", size)
	}
	if err := ctx.Err(); err != nil {
		return Info{}, err
	}
	in, err := d.enterSame("written") // before the first byte
	if err != nil {
		return Info{}, err
	}
	defer in.Close()
	name := nameOf(key)
	if _, err := in.Lstat(name); err == nil {
		return Info{}, taken(key) // spares the copy; the link below is what decides
	}
	tmp, err := d.temp(in)
	if err != nil {
		return Info{}, err
	}
	defer func() { // also when r panics
		tmp.Close()
		in.Remove(tmp.name)
	}()
	hash := sha256.New()
	n, err := d.copy(ctx, tmp, hash, r, size)
	if err != nil {
		return Info{}, err
	}
	st, err := tmp.finish(!d.o.NoSync)
	if err != nil {
		return Info{}, d.fault("written", err)
	}
	if err := ctx.Err(); err != nil {
		return Info{}, err
	}
	d.between("publish")
	if err := d.publish(in, tmp.name, name); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return Info{}, taken(key)
		}
		return Info{}, d.fault("written", err)
	}
	d.between("confirm")
	if err := d.arrived(name, n); err != nil {
		in.Remove(name)
		return Info{}, err
	}
	return Info{Key: key, Size: n, SHA256: hex.EncodeToString(hash.Sum(nil)), Modified: st.ModTime()}, nil
}

// arrived reports what keeps a file that was just published from being found by the path, as every other caller
// looks for it. A Dir that is bound to no identity does not ask.
func (d *Dir) arrived(name string, size int64) error {
	if d.want == "" {
		return nil
	}
	in, err := d.enterSame("written")
	if err != nil {
		return err
	}
	defer in.Close()
	st, err := in.Lstat(name)
	if err == nil && st.Size() != size {
		err = fmt.Errorf("%s has %d bytes, %d were written", name, st.Size(), size)
	}
	if err != nil {
		return unavailable(&Fault{Code: CodeOther, Err: err,
			Why: "while a file was written, " + d.root + " became another copy of the file store",
			Fix: "mount one store there, the one that all nodes use"},
			"the file store was exchanged while the file was written; send it again")
	}
	return nil
}

// copy moves r to w and hash until the end of r, and checks the size.
func (d *Dir) copy(ctx context.Context, w io.Writer, hash io.Writer, r io.Reader, size int64) (int64, error) {
	buf := d.buffers.Get().(*[copyBuffer]byte)
	defer d.buffers.Put(buf)
	var n int64
	for empty := 0; ; {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		m, rerr := r.Read(buf[:])
		if m > 0 {
			empty = 0
			n += int64(m)
			if size >= 0 && n > size {
				return n, stoa.Invalid("size", "the file is longer than the %d bytes announced", size)
			}
			hash.Write(buf[:m])
			if _, err := w.Write(buf[:m]); err != nil {
				return n, d.fault("written", err)
			}
		}
		switch {
		case rerr == io.EOF:
			if size >= 0 && n < size {
				return n, stoa.Invalid("size", "the file ended after %d of the %d bytes announced", n, size)
			}
			return n, nil
		case rerr != nil:
			return n, fmt.Errorf("read the bytes to store: %w", rerr)
		case m == 0:
			if empty++; empty == 100 {
				return n, fmt.Errorf("read the bytes to store: %w", io.ErrNoProgress)
			}
		}
	}
}

// Open implements Store. Keys are random and never name other bytes, so what is found under one is right in every copy
// of the store; whether a key that is missing is missing in the right store is looked at.
func (d *Dir) Open(ctx context.Context, key string) (File, error) {
	if err := CheckKey(key); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	in, err := d.enter("read")
	if err != nil {
		return nil, err
	}
	defer in.Close()
	f, err := in.Open(nameOf(key))
	if err != nil {
		return nil, d.missing(in, key, err)
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		f.Close()
		return nil, d.fault("read", err)
	}
	return &dirFile{File: f, info: Info{Key: key, Size: st.Size(), Modified: st.ModTime()}}, nil
}

// missing tells a key that is not there from a store that is not there: a network file system that
// is not mounted must not look like one whose files were deleted.
func (d *Dir) missing(in *os.Root, key string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return d.fault("read", err)
	}
	if err := d.same(in); err != nil {
		return err
	}
	if _, serr := in.Stat(dataName); serr != nil {
		return d.fault("read", serr)
	}
	return stoa.NotFound("file", key)
}

// Delete implements Store.
func (d *Dir) Delete(ctx context.Context, key string) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	in, err := d.enterSame("written")
	if err != nil {
		return err
	}
	defer in.Close()
	name := nameOf(key)
	if err := in.Remove(name); err != nil {
		if err := d.missing(in, key, err); !stoa.Is(err, stoa.KindNotFound) {
			return err
		}
		return nil
	}
	if err := d.syncDir(in, filepath.Dir(name)); err != nil {
		return d.fault("written", err)
	}
	return nil
}

// List implements Store. It reads some names of one shard at a time; a prefix that begins with "history/" reads no
// shard at all.
func (d *Dir) List(ctx context.Context, prefix string, fn func(Info) error) error {
	if err := checkPrefix(prefix); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	in, err := d.enterSame("read")
	if err != nil {
		return err
	}
	defer in.Close()
	const few = historyName + "/"
	if strings.HasPrefix(prefix, few) || strings.HasPrefix(few, prefix) {
		if err := d.listFolder(ctx, in, historyName, few, prefix, fn); err != nil {
			return err
		}
	}
	if strings.HasPrefix(prefix, few) {
		return nil
	}
	shards, err := readNames(in, dataName)
	if err != nil {
		return d.fault("read", err)
	}
	for _, shard := range shards {
		if len(shard) != 2 {
			continue // not ours
		}
		if err := d.listFolder(ctx, in, dataName+"/"+shard, "", prefix, fn); err != nil {
			return err
		}
	}
	return nil
}

// listFolder gives the keys in one folder to fn; before stands in front of the names of its files in keys.
func (d *Dir) listFolder(ctx context.Context, in *os.Root, dir, before, prefix string, fn func(Info) error) error {
	f, err := in.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // nothing was put there yet
	}
	if err != nil {
		return d.fault("read", err)
	}
	defer f.Close()
	for {
		entries, end := f.ReadDir(listBatch)
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				return err
			}
			key := before + strings.ReplaceAll(e.Name(), slash, "/")
			if !strings.HasPrefix(key, prefix) || e.IsDir() || CheckKey(key) != nil {
				continue // what a backup tool or an editor left there is not ours
			}
			st, err := in.Lstat(dir + "/" + e.Name())
			switch {
			case errors.Is(err, fs.ErrNotExist):
				continue // deleted meanwhile
			case err != nil:
				return d.fault("read", err)
			case !st.Mode().IsRegular():
				continue
			}
			if err := fn(Info{Key: key, Size: st.Size(), Modified: st.ModTime()}); err != nil {
				return err
			}
		}
		if end == io.EOF {
			return nil
		}
		if errors.Is(end, fs.ErrNotExist) || errors.Is(end, errNotDir) {
			return nil
		}
		if end != nil {
			return d.fault("read", end)
		}
	}
}

func taken(key string) error {
	return stoa.Conflict("the file store already holds a file with the key %q", key)
}

// dirFile is an open file with what was known of it then.
type dirFile struct {
	*os.File
	info Info
}

func (f *dirFile) Info() Info { return f.info }
