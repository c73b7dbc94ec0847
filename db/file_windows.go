package db

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// lockByte is the place that is locked, far behind all content: a lock on Windows keeps others from reading.
const lockByte = 1 << 30

// LockFile takes the lock of a whole file for this process, or shares it with other holders of a shared one; a lock
// that the file has already is changed. It does not wait: locked is false when another has it. The lock ends with f.
func LockFile(f *os.File, shared bool) (locked bool, err error) {
	how := uint32(windows.LOCKFILE_FAIL_IMMEDIATELY)
	if !shared {
		how |= windows.LOCKFILE_EXCLUSIVE_LOCK
	}
	h, at := windows.Handle(f.Fd()), windows.Overlapped{OffsetHigh: lockByte}
	_ = windows.UnlockFileEx(h, 0, 1, 0, &at) // there may be none yet
	err = windows.LockFileEx(h, how, 0, 1, 0, &at)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, nil
	}
	return err == nil, err
}

// fileNumber tells a file from another of its name, where the system gives it with its other facts; this one does not.
func fileNumber(st os.FileInfo) string { return st.Name() }
