package diskcache_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/filestore"
	"github.com/stoa-portal/stoa/filestore/diskcache"
	"github.com/stoa-portal/stoa/filestore/filestoretest"
)

// A disk that is full, read-only or broken is said once, is no reason to fail, and is used again when it is mended.
func TestCache_DiskFails(t *testing.T) {
	if !filestoretest.Mounts(t) {
		return
	}
	for _, c := range []struct {
		what string
		says string
		fail func(t *testing.T, mount string) (heal func())
	}{
		{"full", "no space left", func(t *testing.T, mount string) func() {
			filler := filepath.Join(mount, "lost+found")
			if err := os.WriteFile(filler, make([]byte, 16<<20), 0o600); err == nil {
				t.Fatal("the disk is larger than it should be")
			}
			return func() { must(t, os.Remove(filler)) }
		}},
		{"read-only", "read-only", func(t *testing.T, mount string) func() {
			filestoretest.ReadOnly(t, mount, true)
			return func() { filestoretest.ReadOnly(t, mount, false) }
		}},
		{"broken", "input/output error", func(t *testing.T, mount string) func() {
			return filestoretest.Fail(t, mount, syscall.EIO)
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			mount := t.TempDir()
			filestoretest.Mount(t, mount, "size=8m")
			d := &distant{Store: filestoretest.Dir(t, t.TempDir())}
			f := fixture{newCache(t, mount, d, 1<<30, "one"), d, mount}
			body := sample(300_000)
			first, second := f.put(t, "first", body), f.put(t, "second", body)
			f.mustRead(t, first, body)
			f.kept(t, 1)
			heal := c.fail(t, mount)
			f.mustRead(t, second, body)
			f.mustRead(t, first, body)
			eventually(t, "it is said", func() bool { return f.Trouble() != nil })
			if said := f.Trouble().Err.Error(); !strings.Contains(said, c.says) {
				t.Errorf("%s, want %s", said, c.says)
			}
			f.mustRead(t, second, body)
			heal()
			eventually(t, "it is used again", func() bool { return f.Trouble() == nil })
			f.mustRead(t, second, body)
			eventually(t, "a copy is kept", func() bool { return f.Stats().Fills >= 2 })
			d.away.Store(true)
			f.mustRead(t, second, body)
		})
	}
}

// A disk that is smaller than the bound fills up in the middle of a file: its readers go on in the store.
func TestOpenKnown_DiskFillsUpInTheMiddle(t *testing.T) {
	if !filestoretest.Mounts(t) {
		return
	}
	mount := t.TempDir()
	filestoretest.Mount(t, mount, "size=2m")
	d := &distant{Store: filestoretest.Dir(t, t.TempDir())}
	c, err := diskcache.New(diskcache.Options{Store: d, Dir: mount, MaxBytes: 1 << 30, Lock: db.LockFile,
		Identity: func() string { return "one" }, Retry: time.Hour}) // it stays as it is
	must(t, err)
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	c.WaitReady(t.Context())
	f := fixture{c, d, mount}
	body, key := sample(5<<20), filestore.NewKey()
	i := f.put(t, key, body)
	f.mustRead(t, i, body)
	if f.Trouble() == nil {
		t.Error("nothing is said")
	}
	eventually(t, "nothing is left", func() bool { return len(f.files(t, "filling")) == 0 })
}
