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

func TestDir_WithoutHardLinksOneWriterWins(t *testing.T) {
	root := t.TempDir()
	d, err := OpenDir(root, DirOptions{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	d.link = func(from, to string) error { return &os.LinkError{Op: "link", Old: from, New: to, Err: syscall.EPERM} }
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
	for _, propose := range []string{"one", "two"} {
		if id, err := d.Identity(t.Context(), propose); err != nil || id != "one" {
			t.Errorf("identity %q, %v, want one", id, err)
		}
	}
}

func TestDir_RepeatedLinkCallIsNotAConflict(t *testing.T) {
	d, err := OpenDir(t.TempDir(), DirOptions{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	d.link = func(from, to string) error { // the first answer is lost, the client calls again
		return errors.Join(os.Link(from, to), os.Link(from, to))
	}
	if _, err := d.Put(t.Context(), "key", strings.NewReader("abc"), 3); err != nil {
		t.Errorf("put: %v", err)
	}
	if _, err := d.Put(t.Context(), "key", strings.NewReader("abc"), 3); !stoa.Is(err, stoa.KindConflict) {
		t.Errorf("a second put: %v, want Conflict", err)
	}
}

func TestDir_FailedLinkLeavesNothing(t *testing.T) {
	root := t.TempDir()
	d, err := OpenDir(root, DirOptions{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	d.link = func(from, to string) error { return &os.LinkError{Op: "link", Old: from, New: to, Err: syscall.ENOSPC} }
	_, err = d.Put(t.Context(), "key", strings.NewReader("abc"), 3)
	if !stoa.Is(err, stoa.KindUnavailable) || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("put: %v, want Unavailable because the disk is full", err)
	}
	if left, _ := os.ReadDir(filepath.Join(root, "tmp")); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}
