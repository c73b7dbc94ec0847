package filestoretest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// inside tells the process that its tests run in a mount namespace of their own, and which user made that.
const inside = "STOA_TEST_MOUNTS"

// Mounts runs the test in a process of its own whose mounts no other process sees, and which end with it. It
// reports whether this is that process: in the other one the test is over. Without the privilege to do so the test is
// skipped, loudly; as root with STOA_TEST_REQUIRE=1 or CI=true it fails instead.
func Mounts(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inside) != "" {
		return true
	}
	one := "-test.run=^" + strings.ReplaceAll(t.Name(), "/", "$/^") + "$"
	cmd := exec.CommandContext(t.Context(), os.Args[0], one, "-test.v", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", inside, os.Getuid()))
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	says := func(how string) bool { return strings.Contains(string(out), "--- "+how+": "+t.Name()) }
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exit):
		unable(t, err)
	case err != nil || !says("PASS") && !says("SKIP"):
		t.Fatalf("in a mount namespace: %v\n%s", err, out)
	case says("SKIP"):
		t.Skipf("%s", out)
	case testing.Verbose():
		t.Logf("%s", out)
	}
	return false
}

func unable(t *testing.T, err error) {
	t.Helper()
	// In a user namespace every user is root.
	root := os.Getuid() == 0 && (os.Getenv(inside) == "" || os.Getenv(inside) == "0")
	if root && (os.Getenv("STOA_TEST_REQUIRE") == "1" || os.Getenv("CI") == "true") {
		t.Fatalf("no mount namespace can be made: %v", err)
	}
	t.Skipf("NOT TESTED: file systems that fail, because no mount namespace can be made here: %v", err)
}

// Mount mounts a small tmpfs at a directory, with options such as "size=1m". It ends with the process.
func Mount(t *testing.T, dir, options string) {
	t.Helper()
	private(t)
	if err := syscall.Mount("stoa-test", dir, "tmpfs", 0, options); err != nil {
		unable(t, fmt.Errorf("mount a tmpfs: %w", err))
	}
	clear(t, dir)
}

// clear takes a mount that is left at the end of a test away, before the directory is removed.
func clear(t *testing.T, dir string) {
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
}

func private(t *testing.T) {
	t.Helper()
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		unable(t, fmt.Errorf("make mounts private: %w", err))
	}
}

// Bind mounts the directory from at the directory to as well.
func Bind(t *testing.T, from, to string) {
	t.Helper()
	private(t)
	if err := syscall.Mount(from, to, "", syscall.MS_BIND, ""); err != nil {
		unable(t, fmt.Errorf("mount %s at %s: %w", from, to, err))
	}
	clear(t, to)
}

// ReadOnly makes a tmpfs read-only, or writable again.
func ReadOnly(t *testing.T, dir string, on bool) {
	t.Helper()
	flags := uintptr(syscall.MS_REMOUNT)
	if on {
		flags |= syscall.MS_RDONLY
	}
	if err := syscall.Mount("stoa-test", dir, "tmpfs", flags, ""); err != nil {
		t.Fatalf("remount %s: %v", dir, err)
	}
}

// Unmount takes the newest mount away from a directory, also while it is in use.
func Unmount(t *testing.T, dir string) {
	t.Helper()
	if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
		t.Fatalf("unmount %s: %v", dir, err)
	}
}

// Hang mounts at a directory a FUSE file system whose server answers nothing, as one does that was stopped, or a
// network file system without its server: every call to it waits. The returned function ends the server: those calls
// get an error, and the mount is taken away.
func Hang(t *testing.T, dir string) (end func()) {
	t.Helper()
	_, end = fuse(t, dir)
	return end
}

// Fail mounts at a directory a FUSE file system whose server answers everything with one error, such as EIO or EACCES.
// The returned function ends that.
func Fail(t *testing.T, dir string, errno syscall.Errno) (end func()) {
	t.Helper()
	fd, end := fuse(t, dir)
	go func() { // ends with the mount
		in := make([]byte, 1<<20)
		for {
			n, err := syscall.Read(fd, in)
			switch {
			case errors.Is(err, syscall.EINTR), errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.EAGAIN):
				continue
			case err != nil || n < 40:
				return
			}
			// struct fuse_in_header and fuse_out_header, fuse_init_out: linux/fuse.h
			code, unique := binary.NativeEndian.Uint32(in[4:]), in[8:16]
			const forget, initialize, batchForget = 2, 26, 42
			out := make([]byte, 16, 80)
			switch code {
			case forget, batchForget:
				continue // wants no answer
			case initialize:
				out = out[:80]
				binary.NativeEndian.PutUint32(out[16:], 7)  // version of the protocol
				binary.NativeEndian.PutUint32(out[20:], 31) // that 64 bytes of answer belong to
				binary.NativeEndian.PutUint32(out[36:], 1<<16)
			default:
				binary.NativeEndian.PutUint32(out[4:], uint32(-int32(errno)))
			}
			binary.NativeEndian.PutUint32(out, uint32(len(out)))
			copy(out[8:], unique)
			if _, err := syscall.Write(fd, out); err != nil && !errors.Is(err, syscall.ENOENT) {
				return
			}
		}
	}()
	return end
}

// fuse mounts a FUSE file system; requests come at fd.
func fuse(t *testing.T, dir string) (fd int, end func()) {
	t.Helper()
	private(t)
	fd, err := syscall.Open("/dev/fuse", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		unable(t, fmt.Errorf("open /dev/fuse: %w", err))
	}
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=%d,group_id=%d", fd, os.Getuid(), os.Getgid())
	if err := syscall.Mount("stoa-test", dir, "fuse.stoa", syscall.MS_NOSUID|syscall.MS_NODEV, options); err != nil {
		syscall.Close(fd)
		unable(t, fmt.Errorf("mount a FUSE file system: %w", err))
	}
	ended := false
	end = func() {
		if !ended {
			ended = true
			_ = syscall.Unmount(dir, syscall.MNT_DETACH|syscall.MNT_FORCE) // which ends those who wait, and the server
			syscall.Close(fd)
		}
	}
	t.Cleanup(end)
	return fd, end
}
