package cache

import (
	"syscall"
	"time"
	"unsafe"
)

// clockBoottime counts since the machine started, including the time it was suspended.
const clockBoottime = 7

// Boottime reads CLOCK_BOOTTIME: the time since the machine started, including the time it was
// suspended, so that a proof of freshness grows old while the machine sleeps.
func Boottime() time.Duration {
	var ts syscall.Timespec
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockBoottime, uintptr(unsafe.Pointer(&ts)), 0); errno != 0 {
		// Linux has had this clock since 2.6.39. A clock that says 0 lets nothing be proven.
		return 0
	}
	return time.Duration(ts.Nano())
}
