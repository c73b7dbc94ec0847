package filestore

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/stoa-portal/stoa"
)

// slash stands for '/' in file names; no key holds it.
const slash = "~"

// errNotDir is what reading the names in a file gives.
var errNotDir error = syscall.ENOTDIR

// enter opens the directory for one operation; verb says in the error what cannot be done.
func (d *Dir) enter(verb string) (*os.Root, error) {
	in, err := os.OpenRoot(d.root)
	if err != nil {
		return nil, d.fault(verb, err)
	}
	return in, nil
}

// enterSame is enter that fails when the directory is not the store that d is bound to.
func (d *Dir) enterSame(verb string) (*os.Root, error) {
	in, err := d.enter(verb)
	if err != nil {
		return nil, err
	}
	if err := d.same(in); err != nil {
		in.Close()
		return nil, err
	}
	return in, nil
}

// nameOf is the path of a key that CheckKey accepts, from the root. The shard comes from a hash, so keys with a
// common prefix spread over all 256 directories.
func nameOf(key string) string {
	if rest, ok := strings.CutPrefix(key, historyName+"/"); ok {
		return historyName + "/" + fileName(rest)
	}
	sum := sha256.Sum256([]byte(key))
	return dataName + "/" + hex.EncodeToString(sum[:1]) + "/" + fileName(key)
}

func fileName(key string) string { return strings.ReplaceAll(key, "/", slash) }

// tempFile is a file that has no key yet; name is its path from the root.
type tempFile struct {
	*os.File
	name string
}

// temp makes an empty temporary file in the file system of the store, readable by the owner only. A store that was
// copied may lack the folder for them, as it was empty.
func (d *Dir) temp(in *os.Root) (*tempFile, error) {
	name := tmpName + "/put-" + NewKey()
	f, err := in.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrNotExist) && d.want != "" && in.Mkdir(tmpName, 0o700) == nil {
		f, err = in.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	}
	if err != nil {
		return nil, d.fault("written", err)
	}
	return &tempFile{f, name}, nil
}

// finish makes the bytes durable and closes the file; some network file systems report a full disk only here.
func (f *tempFile) finish(sync bool) (fs.FileInfo, error) {
	if sync {
		if err := f.Sync(); err != nil {
			return nil, err
		}
	}
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return st, f.Close()
}

// publish gives the finished file tmp its name, atomically and never in the place of another file:
// then the error is fs.ErrExist. An error means that the name was not taken by tmp.
func (d *Dir) publish(in *os.Root, tmp, name string) error {
	dir := path.Dir(name)
	if dir != "." && dir != dataName {
		if err := in.Mkdir(dir, 0o700); err == nil {
			if err := d.syncDir(in, path.Dir(dir)); err != nil {
				return err
			}
		} else if !errors.Is(err, fs.ErrExist) {
			return err // data is gone, and is never made here
		}
	}
	err := d.link(in, tmp, name)
	if errors.Is(err, fs.ErrExist) && sameFile(in, tmp, name) {
		err = nil // NFS repeats a call whose answer was lost: it was our own link that stood in the way
	}
	if noLinks(err) {
		err = d.claimAndRename(in, tmp, name)
	}
	if err != nil {
		return err
	}
	if err := d.syncDir(in, dir); err != nil {
		in.Remove(name)
		return err
	}
	return nil
}

// claimAndRename is for file systems without hard links. A directory can be made by one process only,
// on every file system; who made it may look whether the name is free and rename.
func (d *Dir) claimAndRename(in *os.Root, tmp, name string) error {
	claim := tmpName + "/claim-" + path.Base(name)
	if err := in.Mkdir(claim, 0o700); err != nil {
		return err
	}
	defer in.Remove(claim)
	if _, err := in.Lstat(name); err == nil {
		return fs.ErrExist
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return in.Rename(tmp, name)
}

func noLinks(err error) bool {
	return errors.Is(err, syscall.EPERM) || errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EMLINK)
}

func sameFile(in *os.Root, a, b string) bool {
	sa, err := in.Lstat(a)
	if err != nil {
		return false
	}
	sb, err := in.Lstat(b)
	return err == nil && os.SameFile(sa, sb)
}

// syncDir makes names durable. Some file systems cannot sync a directory and keep names safe by themselves.
func (d *Dir) syncDir(in *os.Root, dir string) error {
	if d.o.NoSync {
		return nil
	}
	f, err := in.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	err = f.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}

// readNames gives the names in a folder that is known to have few.
func readNames(in *os.Root, dir string) ([]string, error) {
	f, err := in.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

// readSmall reads a small file.
func readSmall(in *os.Root, name string, most int64) ([]byte, error) {
	f, err := in.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}

// sweepLeftovers removes temporary files, claims and probes last written before the given time. Younger ones may
// belong to another node that writes at this moment.
func (d *Dir) sweepLeftovers(in *os.Root, before time.Time) error {
	swept := 0
	for _, dir := range []string{tmpName, dataName} {
		names, err := readNames(in, dir)
		if err != nil {
			return d.fault("read", err)
		}
		for _, n := range names {
			if dir == dataName && !strings.HasPrefix(n, probePrefix) {
				continue
			}
			st, err := in.Lstat(dir + "/" + n)
			if err != nil || !st.ModTime().Before(before) {
				continue
			}
			if err := in.Remove(dir + "/" + n); err == nil {
				swept++
			} else if !errors.Is(err, fs.ErrNotExist) {
				return stoa.Unavailable(err, "a leftover file of the file store cannot be removed; remove it by hand")
			}
		}
	}
	if swept > 0 {
		d.o.Logger.Info("removed leftovers of interrupted writes from the file store", "directory", d.root, "files", swept)
	}
	return nil
}
