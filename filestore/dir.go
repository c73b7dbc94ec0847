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
	"syscall"
	"time"

	"github.com/stoa-portal/stoa"
)

// The layout below the root of a directory store:
//
//	identity   the identity, written once
//	tmp/       files being written, and claims
//	data/7f/   the files; the shard comes from a hash of the key
const (
	identityName = "identity"
	tmpName      = "tmp"
	dataName     = "data"

	leftoverAge = 24 * time.Hour // a temporary file of this age belongs to a process that is gone
	copyBuffer  = 128 << 10      // bytes read between two looks at the context
)

// DirOptions are the settings of a directory store. The zero value is right for a node.
type DirOptions struct {
	Logger *slog.Logger     // told about swept leftovers; nil for none
	Now    func() time.Time // nil for time.Now
	NoSync bool             // do not wait for the medium: for throw-away stores in tests only
}

// Dir is a store in a directory, which nodes may share over a network file system. It holds no open
// files between calls and needs no Close.
type Dir struct {
	root    string
	sync    bool
	buffers sync.Pool
	link    func(from, to string) error // os.Link; a seam for file systems without links
}

// OpenDir opens the store in the directory root and makes it when it is not there. Temporary files
// that a crash left behind more than a day ago are removed. It returns Unavailable, with the
// directory and the fix in the sentence, when root is not a directory that can be written.
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
	d := &Dir{root: abs, sync: !o.NoSync, link: os.Link}
	d.buffers.New = func() any { return new([copyBuffer]byte) }
	for _, dir := range []string{abs, d.path(tmpName), d.path(dataName)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, d.unavailable("opened", err)
		}
	}
	// Only a written file proves that the directory can be written: mode bits say little about
	// read-only mounts, quotas and network file systems.
	probe, err := d.temp()
	if err != nil {
		return nil, err
	}
	_, err = probe.WriteString("stoa\n")
	err = errors.Join(err, probe.Close(), os.Remove(probe.Name()))
	if err != nil {
		return nil, d.unavailable("opened", err)
	}
	if err := d.sweep(o.Now().Add(-leftoverAge), o.Logger); err != nil {
		return nil, err
	}
	return d, nil
}

// Root is the absolute path of the directory.
func (d *Dir) Root() string { return d.root }

// Put implements Store. The bytes go to a temporary file in the same file system, are synced, and
// are then linked to their name, which fails when the name is taken.
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
	name := d.name(key)
	if _, err := os.Lstat(name); err == nil {
		return Info{}, taken(key) // spares the copy; the link below is what decides
	}
	tmp, err := d.temp()
	if err != nil {
		return Info{}, err
	}
	defer func() { // also when r panics
		tmp.Close()
		os.Remove(tmp.Name())
	}()
	hash := sha256.New()
	n, err := d.copy(ctx, tmp, hash, r, size)
	if err != nil {
		return Info{}, err
	}
	if d.sync {
		if err := tmp.Sync(); err != nil {
			return Info{}, d.unavailable("written", err)
		}
	}
	st, err := tmp.Stat()
	if err != nil {
		return Info{}, d.unavailable("written", err)
	}
	if err := tmp.Close(); err != nil { // some network file systems report a full disk only here
		return Info{}, d.unavailable("written", err)
	}
	if err := ctx.Err(); err != nil {
		return Info{}, err
	}
	if err := d.publish(tmp.Name(), name); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return Info{}, taken(key)
		}
		return Info{}, d.unavailable("written", err)
	}
	return Info{Key: key, Size: n, SHA256: hex.EncodeToString(hash.Sum(nil)), Modified: st.ModTime()}, nil
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
				return n, d.unavailable("written", err)
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

// Open implements Store.
func (d *Dir) Open(ctx context.Context, key string) (File, error) {
	if err := CheckKey(key); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := os.Open(d.name(key))
	if err != nil {
		return nil, d.missing(key, err)
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		f.Close()
		return nil, d.unavailable("read", err)
	}
	return &dirFile{File: f, info: Info{Key: key, Size: st.Size(), Modified: st.ModTime()}}, nil
}

// missing tells a key that is not there from a store that is not there: a network file system that
// is not mounted must not look like one whose files were deleted.
func (d *Dir) missing(key string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return d.unavailable("read", err)
	}
	if _, serr := os.Stat(d.path(dataName)); serr != nil {
		return d.unavailable("read", serr)
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
	name := d.name(key)
	if err := os.Remove(name); err != nil {
		if err := d.missing(key, err); !stoa.Is(err, stoa.KindNotFound) {
			return err
		}
		return nil
	}
	if err := d.syncDir(filepath.Dir(name)); err != nil {
		return d.unavailable("written", err)
	}
	return nil
}

// List implements Store. It reads one shard at a time.
func (d *Dir) List(ctx context.Context, prefix string, fn func(Info) error) error {
	if err := checkPrefix(prefix); err != nil {
		return err
	}
	shards, err := os.ReadDir(d.path(dataName))
	if err != nil {
		return d.unavailable("read", err)
	}
	want := fileName(prefix)
	for _, shard := range shards {
		if !shard.IsDir() {
			continue
		}
		files, err := os.ReadDir(d.path(dataName, shard.Name()))
		if err != nil {
			return d.unavailable("read", err)
		}
		for _, f := range files {
			if err := ctx.Err(); err != nil {
				return err
			}
			key := strings.ReplaceAll(f.Name(), slash, "/")
			if !f.Type().IsRegular() || !strings.HasPrefix(f.Name(), want) || CheckKey(key) != nil {
				continue // what a backup tool or an editor left there is not ours
			}
			st, err := f.Info()
			if errors.Is(err, fs.ErrNotExist) {
				continue // deleted meanwhile
			}
			if err != nil {
				return d.unavailable("read", err)
			}
			if err := fn(Info{Key: key, Size: st.Size(), Modified: st.ModTime()}); err != nil {
				return err
			}
		}
	}
	return nil
}

// Identity implements Store. The identity is a small file in the root, put there like any other.
func (d *Dir) Identity(ctx context.Context, propose string) (string, error) {
	if propose != "" {
		if err := CheckKey(propose); err != nil {
			return "", stoa.Invalid("identity", "%q cannot be the identity of a store: the letters of a key are expected", propose)
		}
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	id, err := d.readIdentity()
	if propose == "" || !stoa.Is(err, stoa.KindNotFound) {
		return id, err
	}
	tmp, err := d.temp()
	if err != nil {
		return "", err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(propose + "\n")
	if err == nil && d.sync {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return "", d.unavailable("written", err)
	}
	if err := d.publish(tmp.Name(), d.path(identityName)); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", d.unavailable("written", err)
	}
	return d.readIdentity() // the winner's, which is ours when nobody was faster
}

func (d *Dir) readIdentity() (string, error) {
	b, err := os.ReadFile(d.path(identityName))
	if err != nil {
		if err := d.missing(identityName, err); !stoa.Is(err, stoa.KindNotFound) {
			return "", err
		}
		return "", &stoa.Error{Kind: stoa.KindNotFound, Message: fmt.Sprintf("the file store in %s has no identity yet", d.root)}
	}
	id := strings.TrimSpace(string(b))
	if CheckKey(id) != nil {
		return "", stoa.Unavailable(errors.New(d.path(identityName)), "the file with the identity of the file store is damaged; restore it from a backup")
	}
	return id, nil
}

// unavailable turns an error of the file system into a sentence that names, where one is known, the way out.
// Visitors may see the sentence, so the directory stands in the cause.
func (d *Dir) unavailable(verb string, err error) error {
	why, fix := "see the log", "check the directory"
	switch {
	case errors.Is(err, syscall.ENOSPC):
		why, fix = "the disk is full", "free some space or move the store to a larger disk"
	case errors.Is(err, syscall.EDQUOT):
		why, fix = "the disk quota is used up", "raise the quota or free some space"
	case errors.Is(err, syscall.EFBIG):
		why, fix = "the file is larger than the system allows", "raise the limit for file sizes of this process"
	case errors.Is(err, syscall.EROFS):
		why, fix = "the file system is read-only", "mount it so that it can be written"
	case errors.Is(err, fs.ErrPermission):
		why, fix = "permission was denied", "make the account that runs Stoa the owner of the directory"
	case errors.Is(err, syscall.ENOTDIR):
		why, fix = "a file stands where a directory is needed", "move the file away or name another directory"
	case errors.Is(err, fs.ErrNotExist):
		why, fix = "the directory is gone", "check that its file system is mounted"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		why, fix = "too many files are open", "raise the limit for open files of this process"
	}
	return stoa.Unavailable(fmt.Errorf("%s: %w", d.root, err), "the file store cannot be %s: %s; %s", verb, why, fix)
}

func taken(key string) error {
	return stoa.Conflict("the file store already holds a file with the key %q", key)
}

// dirFile embeds *os.File, so copying it to a network connection can stay in the kernel.
type dirFile struct {
	*os.File
	info Info
}

func (f *dirFile) Info() Info { return f.info }
