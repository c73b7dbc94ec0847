package filestore_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stoa-portal/stoa/filestore"
)

// tmpfs mounts a small file system, which only root can. Elsewhere the test is skipped, loudly; with
// STOA_TEST_REQUIRE=1 it fails instead.
func tmpfs(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	err := syscall.Mount("stoa-test", dir, "tmpfs", 0, options)
	if err != nil {
		if os.Getenv("STOA_TEST_REQUIRE") == "1" && os.Getuid() == 0 {
			t.Fatalf("cannot mount a tmpfs: %v", err)
		}
		t.Skipf("NOT TESTED: full and read-only file systems, because no tmpfs can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return dir
}

func TestDir_FullDiskLeavesNothing(t *testing.T) {
	root := filepath.Join(tmpfs(t, "size=1m"), "files")
	d := openDir(t, root)
	small := filestore.NewKey()
	if _, err := d.Put(t.Context(), small, bytes.NewReader(make([]byte, 4096)), 4096); err != nil {
		t.Fatal(err)
	}
	key := filestore.NewKey()
	_, err := d.Put(t.Context(), key, io.LimitReader(rand.NewChaCha8([32]byte{}), 4<<20), 4<<20)
	wantSentence(t, err, root, "the disk is full", "free some space")
	wantNoLeftovers(t, root)
	var got []string
	if err := d.List(t.Context(), "", func(i filestore.Info) error { got = append(got, i.Key); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0] != small {
		t.Errorf("the store holds %v, want only the small file", got)
	}
	// The space is free again, and the key was not used up.
	if _, err := d.Put(t.Context(), key, bytes.NewReader(make([]byte, 500<<10)), 500<<10); err != nil {
		t.Errorf("a file that fits after the one that did not: %v", err)
	}
}

func TestOpenDir_ReadOnlyFileSystemNamesDirectory(t *testing.T) {
	mount := tmpfs(t, "size=1m")
	root := filepath.Join(mount, "files")
	d := openDir(t, root)
	key := filestore.NewKey()
	if _, err := d.Put(t.Context(), key, bytes.NewReader([]byte("x")), 1); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("stoa-test", mount, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, "size=1m"); err != nil {
		t.Fatal(err)
	}
	_, err := filestore.OpenDir(root, filestore.DirOptions{})
	wantSentence(t, err, root, "the file system is read-only", "mount it")
	_, err = d.Put(t.Context(), filestore.NewKey(), bytes.NewReader([]byte("x")), 1)
	wantSentence(t, err, root, "the file system is read-only")
	f, err := d.Open(t.Context(), key)
	if err != nil {
		t.Fatalf("reading does not need a writable file system: %v", err)
	}
	f.Close()
}
