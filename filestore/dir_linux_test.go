package filestore_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa/filestore"
	"github.com/stoa-portal/stoa/filestore/filestoretest"
)

const me = filestoretest.Identity

func wantCode(t *testing.T, what string, err error, code string, parts ...string) {
	t.Helper()
	f := filestore.FaultOf(err)
	if f == nil || f.Code != code {
		t.Fatalf("%s: %v, want the fault %q", what, err, code)
	}
	for _, p := range parts {
		if !strings.Contains(f.Why+" "+f.Fix, p) {
			t.Errorf("%s: %q, %q: they do not say %q", what, f.Why, f.Fix, p)
		}
	}
}

func TestDir_FullDiskLeavesNothing(t *testing.T) {
	t.Parallel()
	if !filestoretest.Mounts(t) {
		return
	}
	mount := t.TempDir()
	filestoretest.Mount(t, mount, "size=1m")
	root := filepath.Join(mount, "files")
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
	if err := d.Check(t.Context(), me); err != nil {
		t.Errorf("check with space left: %v", err)
	}
	filler := filepath.Join(mount, "filler")
	if err := os.WriteFile(filler, make([]byte, 1<<20), 0o600); err == nil {
		t.Error("the disk is larger than it should be")
	}
	wantCode(t, "check", d.Check(t.Context(), me), filestore.CodeFull, root, "the disk is full", "0.0 of 1.0 MiB are free")
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := d.Check(t.Context(), me); err != nil {
		t.Errorf("check after space was freed: %v", err)
	}
	wantNoLeftovers(t, root)
}

func TestDir_ReadOnlyFileSystem(t *testing.T) {
	t.Parallel()
	if !filestoretest.Mounts(t) {
		return
	}
	mount := t.TempDir()
	filestoretest.Mount(t, mount, "size=1m")
	root := filepath.Join(mount, "files")
	d := openDir(t, root)
	key := filestore.NewKey()
	if _, err := d.Put(t.Context(), key, bytes.NewReader([]byte("x")), 1); err != nil {
		t.Fatal(err)
	}
	filestoretest.ReadOnly(t, mount, true)
	_, err := d.Put(t.Context(), filestore.NewKey(), bytes.NewReader([]byte("x")), 1)
	wantSentence(t, err, root, "the file system is read-only", "mount it")
	wantCode(t, "check", d.Check(t.Context(), me), filestore.CodeReadOnly, root, "read-only")
	f, err := d.Open(t.Context(), key)
	if err != nil {
		t.Fatalf("reading does not need a writable file system: %v", err)
	}
	f.Close()
	filestoretest.ReadOnly(t, mount, false)
	if err := d.Check(t.Context(), me); err != nil {
		t.Errorf("writable again: %v", err)
	}
}

// What is mounted at the directory while a file is written decides whether the write counts: the bytes must be where
// the next caller looks for them.
func TestDir_MountedOverWhileWriting(t *testing.T) {
	t.Parallel()
	if !filestoretest.Mounts(t) {
		return
	}
	for _, during := range []string{"begin", "publish", "confirm"} {
		for what, over := range map[string]func(t *testing.T, root, copied string){
			"an empty file system": func(t *testing.T, root, _ string) { filestoretest.Mount(t, root, "size=1m") },
			"another store": func(t *testing.T, root, _ string) {
				filestoretest.Mount(t, root, "size=1m")
				d, err := filestore.OpenDir(root, filestore.DirOptions{})
				if err == nil {
					_, err = d.Make(t.Context(), "another")
				}
				if err != nil {
					t.Fatal(err)
				}
			},
			"a copy of the store": func(t *testing.T, root, copied string) { filestoretest.Bind(t, copied, root) },
		} {
			t.Run(during+"/"+what, func(t *testing.T) {
				root, copied := t.TempDir(), t.TempDir()
				d := openDir(t, root)
				openDir(t, copied) // with the same identity
				mounted := false
				cover := func() {
					if !mounted {
						mounted = true
						over(t, root, copied)
					}
				}
				b := d.BetweenSteps(me, func(step string) {
					if step == during {
						cover()
					}
				})
				body := io.Reader(strings.NewReader("precious"))
				if during == "begin" {
					body = io.MultiReader(readFunc(func([]byte) (int, error) { cover(); return 0, io.EOF }), body)
				}
				key := filestore.NewKey()
				_, err := b.Put(t.Context(), key, body, -1)
				if !mounted {
					t.Fatal("nothing was mounted")
				}
				if filestore.FaultOf(err) == nil {
					t.Fatalf("put: %v, want a fault", err)
				}
				filestoretest.Unmount(t, root)
				if _, err := d.Open(t.Context(), key); err == nil {
					t.Error("a write that failed is there")
				}
				wantNoLeftovers(t, root)
				if _, err := d.Bind(me).Put(t.Context(), key, strings.NewReader("precious"), -1); err != nil {
					t.Errorf("the same write after the right store is back: %v", err)
				}
			})
		}
	}
}

type readFunc func(p []byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }
