package filestore

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// free tells in brackets how much space the file system of a directory has; empty when that is not known.
func free(dir string) string {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil || st.Blocks == 0 {
		return ""
	}
	unit := float64(st.Bsize) / (1 << 20)
	return fmt.Sprintf(" (%.1f of %.1f MiB are free)", float64(st.Bavail)*unit, float64(st.Blocks)*unit)
}
