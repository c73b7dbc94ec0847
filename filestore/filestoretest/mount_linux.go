package filestoretest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// inside tells the process that the tests run in a mount namespace of their own.
const inside = "STOA_TEST_MOUNTS"

// Mounts runs the test in a process of its own whose mounts no other process sees, and which end with it. It
// reports whether this is that process: in the other one the test is over. Without the privilege to do so the test is skipped, loudly;
// as root with STOA_TEST_REQUIRE=1 or CI=true it fails instead.
func Mounts(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inside) != "" {
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.v", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exit):
		unable(t, err)
	case err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) && !strings.Contains(string(out), "--- SKIP: "+t.Name()):
		t.Fatalf("in a mount namespace: %v\n%s", err, out)
	case strings.Contains(string(out), "--- SKIP: "+t.Name()):
		t.Skipf("%s", out)
	case testing.Verbose():
		t.Logf("%s", out)
	}
	return false
}

func unable(t *testing.T, err error) {
	t.Helper()
	if os.Getuid() == 0 && (os.Getenv("STOA_TEST_REQUIRE") == "1" || os.Getenv("CI") == "true") {
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

// Hang mounts at a directory a FUSE file system whose server answers nothing, as one does that was stopped, or a network
// file system without its server: whoever touches it waits. The returned function ends the server: those who
// wait get an error, and the mount is taken away.
func Hang(t *testing.T, dir string) (end func()) {
	t.Helper()
	private(t)
	fd, err := syscall.Open("/dev/fuse", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		unable(t, fmt.Errorf("open /dev/fuse: %w", err))
	}
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=%d,group_id=%d", fd, os.Getuid(), os.Getgid())
	if err := syscall.Mount("stoa-hang", dir, "fuse.stoa", syscall.MS_NOSUID|syscall.MS_NODEV, options); err != nil {
		syscall.Close(fd)
		unable(t, fmt.Errorf("mount a FUSE file system: %w", err))
	}
	ended := false
	end = func() {
		if !ended {
			ended = true
			syscall.Close(fd)
			_ = syscall.Unmount(dir, syscall.MNT_DETACH) // unless the test did
		}
	}
	t.Cleanup(end)
	return end
}
