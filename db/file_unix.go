//go:build unix

package db

import (
	"errors"
	"os"
	"strconv"
	"syscall"
)

// LockFile takes the lock of a whole file for this process, or shares it with other holders of a shared one; a lock
// that the file has already is changed. It does not wait: locked is false when another has it. The lock ends with f.
func LockFile(f *os.File, shared bool) (locked bool, err error) {
	how := syscall.LOCK_EX
	if shared {
		how = syscall.LOCK_SH
	}
	err = syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// fileNumber tells a file from another of its name.
func fileNumber(st os.FileInfo) string {
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		return strconv.FormatUint(sys.Ino, 10)
	}
	return st.Name()
}
