package filestore

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stoa-portal/stoa"
)

func made(t *testing.T, root string) *Dir {
	t.Helper()
	d, err := OpenDir(root, DirOptions{NoSync: true})
	if err == nil {
		_, err = d.Make(t.Context(), "one")
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDir_WithoutHardLinksOneWriterWins(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	d := made(t, root)
	d.link = func(_ *os.Root, from, to string) error {
		return &os.LinkError{Op: "link", Old: from, New: to, Err: syscall.EPERM}
	}
	var (
		wg   sync.WaitGroup
		errs [8]error
	)
	for i := range errs {
		wg.Go(func() { _, errs[i] = d.Put(t.Context(), "same", strings.NewReader("abc"), 3) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if !stoa.Is(err, stoa.KindConflict) {
			t.Errorf("a loser was told %v, want Conflict", err)
		}
	}
	if won != 1 {
		t.Errorf("%d writers won, want 1", won)
	}
	if left, _ := os.ReadDir(filepath.Join(root, "tmp")); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
	if err := d.Check(t.Context(), "one"); err != nil {
		t.Errorf("check: %v", err)
	}
}

func TestDir_RepeatedLinkCallIsNotAConflict(t *testing.T) {
	t.Parallel()
	d := made(t, t.TempDir())
	d.link = func(in *os.Root, from, to string) error { // the first answer is lost, the client calls again
		return errors.Join(in.Link(from, to), in.Link(from, to))
	}
	if _, err := d.Put(t.Context(), "key", strings.NewReader("abc"), 3); err != nil {
		t.Errorf("put: %v", err)
	}
	if _, err := d.Put(t.Context(), "key", strings.NewReader("abc"), 3); !stoa.Is(err, stoa.KindConflict) {
		t.Errorf("a second put: %v, want Conflict", err)
	}
}

func TestDir_FailedLinkLeavesNothing(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	d := made(t, root)
	d.link = func(_ *os.Root, from, to string) error {
		return &os.LinkError{Op: "link", Old: from, New: to, Err: syscall.ENOSPC}
	}
	_, err := d.Put(t.Context(), "key", strings.NewReader("abc"), 3)
	if !stoa.Is(err, stoa.KindUnavailable) || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("put: %v, want Unavailable because the disk is full", err)
	}
	if left, _ := os.ReadDir(filepath.Join(root, "tmp")); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}
