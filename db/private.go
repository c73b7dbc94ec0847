package db

import (
	"errors"
	"io/fs"
	"os"

	"github.com/stoa-portal/stoa"
)

// keepPrivate makes the file of an SQLite database before SQLite does, which would let other users of the machine read
// it, and takes that from them where they may. It holds hashes of passwords and the texts of protected pages.
func (d *DB) keepPrivate() error {
	if d.opt.Beside {
		return nil // that of a node
	}
	f, err := os.OpenFile(d.dsn.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		return f.Close()
	}
	for _, name := range []string{d.dsn.path, d.dsn.path + "-wal", d.dsn.path + "-shm"} {
		st, err := os.Stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return stoa.Unavailable(err, "the database %s cannot be looked at", name)
		}
		if st.Mode().IsRegular() && st.Mode().Perm()&0o077 != 0 {
			if err := os.Chmod(name, st.Mode().Perm()&0o700|0o600); err != nil {
				d.log.Warn("other users of this machine may read the database, and that cannot be taken from them", "file", name,
					"mode", st.Mode().Perm().String(), "mend", "make the user that runs stoa its owner, then chmod 600", "error", err)
			}
		}
	}
	return nil
}
