package server

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// home is the folder of one node: only one process uses it at a time.
type home struct {
	dir   string
	lock  *os.File
	loose []string // folders that other users may look into, and that could not be changed
}

// openHome makes the folder of the node and locks it. A second process on the same home gets a
// Conflict that names the first one's pid.
func openHome(dir string) (*home, error) {
	for _, d := range []string{dir, filepath.Join(dir, "data"), filepath.Join(dir, "run"), filepath.Join(dir, "mail"), filepath.Join(dir, "deploy")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, stoa.Unavailable(err, "the folder %s cannot be made; give a folder that this user may write to (--home)", d)
		}
	}
	name := filepath.Join(dir, "run", "stoa.lock")
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, stoa.Unavailable(err, "the lock file %s cannot be opened; this user needs to write to the home", name)
	}
	locked, err := db.LockFile(f, false)
	if err != nil {
		_ = f.Close()
		return nil, stoa.Unavailable(err, "the home %s cannot be locked; it must be on a file system with locks", dir)
	}
	if !locked {
		raw, _ := os.ReadFile(name)
		_ = f.Close()
		return nil, stoa.Conflict("the home %s is in use by the process with pid %s; stop it first, or give another home with --home", dir, strings.TrimSpace(string(raw)))
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt([]byte(stoa.ID(os.Getpid()).String()+"\n"), 0)
	}
	if err != nil {
		_ = f.Close()
		return nil, stoa.Unavailable(err, "the home %s cannot be written to; is the disk full?", dir)
	}
	return &home{dir: dir, lock: f, loose: keepPrivate(dir)}, nil
}

// keepPrivate takes from other users of the machine what they may do in the folders of the home: an older version, or
// the operator, may have made them open to read. It gives those that are not this user's to change.
func keepPrivate(dir string) (loose []string) {
	for _, name := range []string{"data", "run", "mail", "deploy"} {
		d := filepath.Join(dir, name)
		st, err := os.Stat(d)
		if err == nil && st.Mode().Perm()&0o077 != 0 {
			err = os.Chmod(d, 0o700)
		}
		if err != nil {
			loose = append(loose, d)
		}
	}
	return loose
}

// close gives the home free; the lock goes with the file.
func (h *home) close() error { return h.lock.Close() }
