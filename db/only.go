package db

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
)

// claimFile makes an SQLite file that of this process: a second one is refused, whatever home it has, as each
// would cache what the other changes. Handles of one process share it, which only tests do.
func (d *DB) claimFile() error {
	if d.dialect != SQLite || d.opt.Beside {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(d.dsn.path), 0o700); err != nil {
		return stoa.Unavailable(err, "the folder of the database %s cannot be made", d.dsn.path)
	}
	name := d.dsn.path + ".lock"
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return stoa.Unavailable(err, "the lock file %s cannot be opened; "+
			"this user needs to write beside the database", name)
	}
	if err := share(f); err != nil {
		_ = f.Close()
		if stoa.KindOf(err) == stoa.KindInternal {
			err = stoa.Unavailable(err, "the database %s cannot be locked; it must be on a file system with locks", d.dsn.path)
		}
		return err
	}
	d.only = func() { _ = f.Close() }
	return nil
}

// share takes the lock for this process: the first handle writes down whose it is.
func share(f *os.File) error {
	me := processName()
	var holder string
	for range 10 {
		locked, err := LockFile(f, false)
		if err != nil {
			return err
		}
		if locked {
			if err = f.Truncate(0); err == nil {
				_, err = f.WriteAt([]byte(me), 0)
			}
			return errors.Join(err, shareLock(f))
		}
		raw, err := os.ReadFile(f.Name())
		if err != nil {
			return err
		}
		if holder = string(raw); holder == me {
			return shareLock(f)
		}
		time.Sleep(20 * time.Millisecond) // it may be about to write its name
	}
	pid, _, _ := strings.Cut(holder, " ")
	return stoa.Conflict("the database %s is in use by the process with pid %s, and "+
		"an SQLite file belongs to one process: stop that one, or set jdbc.default.url to a PostgreSQL or MariaDB "+
		"server, which several nodes can share", strings.TrimSuffix(f.Name(), ".lock"), pid)
}

// shareLock lets other handles of this process in.
func shareLock(f *os.File) error {
	for range 250 {
		if locked, err := LockFile(f, true); locked || err != nil {
			return err
		}
		time.Sleep(20 * time.Millisecond) // another handle is between its two locks
	}
	return errors.New("the lock is held by another process")
}

// processName tells this process from every other on the machine, also from one with the same number in
// another container.
func processName() string {
	space, _ := os.Readlink("/proc/self/ns/pid")
	return fmt.Sprintf("%d %s", os.Getpid(), space)
}
