package change

import (
	"syscall"
	"time"
	"unsafe"
)

// clockBoottime counts since the machine started, including the time it was suspended.
const clockBoottime = 7

// Boottime reads CLOCK_BOOTTIME: proofs of freshness and leases grow old while the machine sleeps.
func Boottime() time.Duration {
	var ts syscall.Timespec
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockBoottime, uintptr(unsafe.Pointer(&ts)), 0); errno != 0 {
		return 0 // Linux has had this clock since 2.6.39; a clock that says 0 proves nothing
	}
	return time.Duration(ts.Nano())
}
