package filestore

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/stoa-portal/stoa"
)

// slash stands for '/' in file names; no key holds it.
const slash = "~"

func (d *Dir) path(elem ...string) string { return filepath.Join(append([]string{d.root}, elem...)...) }

// name is the path of a key that CheckKey accepts. The shard comes from a hash, so keys with a common
// prefix spread over all 256 directories.
func (d *Dir) name(key string) string {
	sum := sha256.Sum256([]byte(key))
	return d.path(dataName, hex.EncodeToString(sum[:1]), fileName(key))
}

func fileName(key string) string { return strings.ReplaceAll(key, "/", slash) }

// temp makes an empty temporary file in the file system of the store, readable by the owner only.
func (d *Dir) temp() (*os.File, error) {
	f, err := os.OpenFile(d.path(tmpName, "put-"+NewKey()), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, d.unavailable("written", err)
	}
	return f, nil
}

// publish gives the finished file tmp its name, atomically and never in the place of another file:
// then the error is fs.ErrExist. An error means that the name was not taken by tmp.
func (d *Dir) publish(tmp, name string) error {
	dir := filepath.Dir(name)
	if err := os.Mkdir(dir, 0o700); err == nil {
		if err := d.syncDir(filepath.Dir(dir)); err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return err // the parent is gone: it is never made here, or an unmounted store would be written below its mount point
	}
	err := d.link(tmp, name)
	if errors.Is(err, fs.ErrExist) && sameFile(tmp, name) {
		err = nil // NFS repeats a call whose answer was lost: it was our own link that stood in the way
	}
	if noLinks(err) {
		err = d.claimAndRename(tmp, name)
	}
	if err != nil {
		return err
	}
	if err := d.syncDir(dir); err != nil {
		os.Remove(name)
		return err
	}
	return nil
}

// claimAndRename is for file systems without hard links. A directory can be made by one process only,
// on every file system; who made it may look whether the name is free and rename.
func (d *Dir) claimAndRename(tmp, name string) error {
	claim := d.path(tmpName, "claim-"+filepath.Base(name))
	if err := os.Mkdir(claim, 0o700); err != nil {
		return err
	}
	defer os.Remove(claim)
	if _, err := os.Lstat(name); err == nil {
		return fs.ErrExist
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(tmp, name)
}

func noLinks(err error) bool {
	return errors.Is(err, syscall.EPERM) || errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EMLINK)
}

func sameFile(a, b string) bool {
	sa, err := os.Lstat(a)
	if err != nil {
		return false
	}
	sb, err := os.Lstat(b)
	return err == nil && os.SameFile(sa, sb)
}

// syncDir makes names durable. Some file systems cannot sync a directory and keep names safe by themselves.
func (d *Dir) syncDir(dir string) error {
	if !d.sync {
		return nil
	}
	f, err := os.Open(dir)
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

// sweep removes temporary files and claims last written before the given time. Younger ones may belong to
// another node that writes at this moment.
func (d *Dir) sweep(before time.Time, log *slog.Logger) error {
	entries, err := os.ReadDir(d.path(tmpName))
	if err != nil {
		return d.unavailable("read", err)
	}
	swept := 0
	for _, e := range entries {
		st, err := e.Info()
		if err != nil || !st.ModTime().Before(before) {
			continue
		}
		if err := os.Remove(d.path(tmpName, e.Name())); err == nil {
			swept++
		} else if !errors.Is(err, fs.ErrNotExist) {
			return stoa.Unavailable(err, "a leftover file of the file store cannot be removed; remove it by hand")
		}
	}
	if swept > 0 {
		log.Info("removed leftovers of interrupted writes from the file store", "directory", d.root, "files", swept)
	}
	return nil
}
