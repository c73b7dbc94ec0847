package filestore_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/filestore"
	"github.com/stoa-portal/stoa/filestore/filestoretest"
)

func openDir(t *testing.T, root string) *filestore.Dir {
	t.Helper()
	d, err := filestore.OpenDir(root, filestore.DirOptions{})
	if err == nil {
		_, err = d.Make(t.Context(), filestoretest.Identity)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDir_Conformance(t *testing.T) {
	t.Parallel()
	filestoretest.Run(t, func(t *testing.T) (a, b filestore.Driver) {
		root := filepath.Join(t.TempDir(), "parent", "files")
		t.Cleanup(func() { wantNoLeftovers(t, root) })
		one, err := filestore.OpenDir(root, filestore.DirOptions{})
		if err != nil {
			t.Fatal(err)
		}
		two, err := filestore.OpenDir(root, filestore.DirOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return one, two
	})
}

func wantNoLeftovers(t *testing.T, root string) {
	t.Helper()
	left, err := os.ReadDir(filepath.Join(root, "tmp"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) || len(left) != 0 {
		t.Errorf("tmp holds %v, %v, want nothing", left, err)
	}
}

func TestDir_ModesAreOwnerOnly(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "files")
	d := openDir(t, root)
	if _, err := d.Put(t.Context(), filestore.NewKey(), strings.NewReader("x"), 1); err != nil {
		t.Fatal(err)
	}
	files := 0
	err := filepath.WalkDir(root, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := e.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if e.IsDir() {
			want = 0o700
		} else {
			files++
		}
		if st.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", p, st.Mode().Perm(), want)
		}
		return nil
	})
	if err != nil || files != 2 {
		t.Errorf("walked %d files, %v, want 2", files, err)
	}
}

func TestCheck_SweepsOldLeftoversOnly(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	d := openDir(t, root)
	old, young := filepath.Join(root, "tmp", "put-old"), filepath.Join(root, "tmp", "put-young")
	claim, probe := filepath.Join(root, "tmp", "claim-old"), filepath.Join(root, "data", ".probe-old")
	for _, p := range []string{old, young, probe} {
		if err := os.WriteFile(p, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(claim, 0o700); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	const long = 25 * time.Hour
	for p, age := range map[string]time.Duration{old: long, claim: long, probe: long, young: 23 * time.Hour} {
		if err := os.Chtimes(p, now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Check(t.Context(), filestoretest.Identity); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(young); err != nil {
		t.Errorf("the young leftover is gone: %v", err)
	}
	for _, p := range []string{old, claim, probe} {
		if _, err := os.Stat(p); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there: %v", p, err)
		}
	}
}

func TestOpenDir_FileInTheWayNamesDirectory(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "files")
	if err := os.WriteFile(root, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := filestore.OpenDir(root, filestore.DirOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Make(t.Context(), "me")
	wantSentence(t, err, root, "a file stands where a directory is needed")
	_, err = filestore.OpenDir("", filestore.DirOptions{})
	if !stoa.Is(err, stoa.KindInvalid) {
		t.Errorf("no directory: %v, want Invalid", err)
	}
}

// wantSentence checks that the error is Unavailable, says each of the parts to people, and where only to the log.
func wantSentence(t *testing.T, err error, where string, parts ...string) {
	t.Helper()
	var e *stoa.Error
	if !errors.As(err, &e) || e.Kind != stoa.KindUnavailable {
		t.Fatalf("error %v, want Unavailable", err)
	}
	if strings.Contains(e.Message, where) || !strings.Contains(err.Error(), where) {
		t.Errorf("the message is %q and the error %q; only the error names %s", e.Message, err, where)
	}
	for _, p := range parts {
		if !strings.Contains(e.Message, p) {
			t.Errorf("the message %q does not say %q", e.Message, p)
		}
	}
}

func TestDir_VanishedRootIsUnavailableNotNotFound(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "files")
	d := openDir(t, root)
	key := filestore.NewKey()
	if _, err := d.Put(t.Context(), key, strings.NewReader("x"), 1); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(root, root+".away"); err != nil {
		t.Fatal(err)
	}
	_, err := d.Open(t.Context(), key)
	wantSentence(t, err, root, "the directory is gone", "mounted")
	_, err = d.Put(t.Context(), filestore.NewKey(), strings.NewReader("x"), 1)
	wantSentence(t, err, root, "the directory is gone")
	wantSentence(t, d.Delete(t.Context(), key), root)
	wantSentence(t, d.List(t.Context(), "", func(filestore.Info) error { return nil }), root)
	_, err = d.Identity(t.Context())
	wantSentence(t, err, root)
	wantSentence(t, d.Check(t.Context(), filestoretest.Identity), root)
	if _, err := os.Stat(root); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the store made its root again below the missing mount: %v", err)
	}
}

func TestDir_ListIgnoresForeignFiles(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	d := openDir(t, root)
	if _, err := d.Put(t.Context(), "mine", strings.NewReader("x"), 1); err != nil {
		t.Fatal(err)
	}
	shard := filepath.Join(root, "data", "00")
	if err := os.MkdirAll(filepath.Join(shard, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{".DS_Store", "UPPER", "a b"} {
		if err := os.WriteFile(filepath.Join(shard, n), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "data", "README"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := d.List(t.Context(), "", func(i filestore.Info) error { got = append(got, i.Key); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0] != "mine" {
		t.Errorf("listed %v, want only mine", got)
	}
}

func TestDir_BrokenIdentityIsUnavailable(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	d := openDir(t, root)
	if err := os.WriteFile(filepath.Join(root, "identity"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := d.Identity(t.Context())
	wantSentence(t, err, root, "backup")
	_, err = d.Make(t.Context(), "new")
	wantSentence(t, err, root, "backup")
}

func TestNewKey_LegalAndDistinct(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 10_000 {
		k := filestore.NewKey()
		if err := filestore.CheckKey(k); err != nil || len(k) != 32 || seen[k] {
			t.Fatalf("key %q: %v, %d letters, seen before %v", k, err, len(k), seen[k])
		}
		seen[k] = true
	}
}

// An accepted key never leaves the data directory and is given back by List as it was.
func TestDir_AnyKeyStaysInside(t *testing.T) {
	root := t.TempDir()
	d := filestoretest.Dir(t, root)
	rapid.Check(t, func(rt *rapid.T) {
		key := rapid.OneOf(rapid.StringMatching(`[a-z0-9./_-]{1,30}`), rapid.String()).Draw(rt, "key")
		_, err := d.Put(context.Background(), key, bytes.NewReader(nil), 0)
		if (err == nil) != (filestore.CheckKey(key) == nil) {
			rt.Fatalf("put %q: %v, check: %v", key, err, filestore.CheckKey(key))
		}
		if err != nil {
			return
		}
		found := 0
		if err := d.List(context.Background(), key, func(i filestore.Info) error {
			if i.Key == key {
				found++
			}
			return nil
		}); err != nil || found != 1 {
			rt.Fatalf("key %q listed %d times, %v", key, found, err)
		}
		if err := d.Delete(context.Background(), key); err != nil {
			rt.Fatal(err)
		}
	})
	entries, err := os.ReadDir(filepath.Dir(root))
	if err != nil || len(entries) != 1 {
		t.Errorf("beside the root are %v, %v", entries, err)
	}
}

func TestDir_CopiedWithoutEmptyFolders(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	d := openDir(t, root)
	if err := os.Remove(filepath.Join(root, "tmp")); err != nil {
		t.Fatal(err)
	}
	if err := d.Check(t.Context(), filestoretest.Identity); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(root, "tmp")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Bind(filestoretest.Identity).Put(t.Context(), "key", strings.NewReader("x"), 1); err != nil {
		t.Fatal(err)
	}
}

func TestDir_ListOfHistoryReadsNoShard(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	d := openDir(t, root)
	for _, key := range []string{"history/1-abc", "document/x"} {
		if _, err := d.Put(t.Context(), key, strings.NewReader("x"), 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(filepath.Join(root, "data")); err != nil {
		t.Fatal(err)
	}
	n := 0
	count := func(filestore.Info) error { n++; return nil }
	if err := d.List(t.Context(), "history/", count); err != nil || n != 1 {
		t.Errorf("%d keys, %v", n, err)
	}
	if err := d.List(t.Context(), "document/", count); err == nil {
		t.Error("shards that are gone look like an empty store")
	}
}
