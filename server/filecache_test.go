package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/server/servertest"
)

// metric reads a number of a node.
func metric(t *testing.T, n *servertest.Node, name string) (v float64) {
	t.Helper()
	for line := range strings.Lines(n.Get(t, "/metrics").Body) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			if _, err := fmt.Sscan(rest, &v); err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	t.Fatalf("%s has no metric %s", n.URL, name)
	return 0
}

// away takes the bytes of all files from the store in the database, and brings them back.
func away(t *testing.T, n *servertest.Node, yes bool) {
	t.Helper()
	sign := "put + 1"
	if !yes {
		sign = "put - 1"
	}
	if err := n.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE file_chunk SET put = "+sign)
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// fetch asks for a file and gives how many bytes came. An answer that is not well, or is broken off, is an error.
func fetch(t *testing.T, n *servertest.Node, address, encoding string) (sent int, err error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.URL+address, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", encoding)
	res, err := n.Guest(t).Client.Do(r)
	if err != nil {
		return 0, err
	}
	got, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		return len(got), err
	}
	if res.StatusCode >= 500 {
		return 0, errors.New(res.Status)
	}
	return len(got), nil
}

// Uploaded on one node and read twice on the other: the second time without the store.
func TestFileCache_ReadTwiceOnTheOtherNode(t *testing.T) {
	t.Parallel()
	g, dir := servertest.NewGroup(t, "sqlite"), t.TempDir()
	one, two := g.Join(inDatabase(filepath.Join(dir, "1"))), g.Join(inDatabase(filepath.Join(dir, "2")))
	one.SignIn(t)
	body := strings.Repeat("High water at noon.\n", 40_000)
	address := mustUpload(t, one, "tides.txt", body)
	if n := metric(t, one, "stoa_file_cache_fills_total"); n != 0 {
		t.Errorf("%v copies were made of what was uploaded", n)
	}
	mustFind(t, two, address, body)
	eventually(t, "a copy is kept", func() bool { return metric(t, two, "stoa_file_cache_copies") == 1 })
	away(t, one, true)
	mustFind(t, two, address, body)
	a := two.Guest(t).Get(t, address, "Range", "bytes=300000-300019")
	if a.Status != http.StatusPartialContent || a.Body != body[300000:300020] {
		t.Errorf("a part of the file: %d %q", a.Status, a.Body)
	}
	if n := metric(t, two, "stoa_file_cache_hits_total"); n != 2 {
		t.Errorf("%v hits, want 2", n)
	}
	if sent, err := fetch(t, one, address, "identity"); err == nil {
		t.Errorf("the other node has read %d bytes, and the store has none", sent)
	}
	away(t, one, false)

	f, err := one.Files.ByKey(servertest.System(), document.KeyOf(address))
	if err != nil {
		t.Fatal(err)
	}
	if err := one.Files.Delete(servertest.System(), f.ID); err != nil {
		t.Fatal(err)
	}
	for _, n := range []*servertest.Node{one, two} {
		n.Poll(t)
		if a := n.Guest(t).Get(t, address); a.Status != http.StatusGone && a.Status != http.StatusNotFound {
			t.Errorf("a deleted file on %s: %d", n.URL, a.Status)
		}
	}
}

// A node without a disk for copies serves files all the same, and says so.
func TestFileCache_WithoutADisk(t *testing.T) {
	t.Parallel()
	flags := inDatabase(filepath.Join(t.TempDir(), "files"))
	flags["dl.store.cache.dir"] = filepath.Join(t.TempDir(), "file", "cache")
	if err := os.WriteFile(filepath.Dir(flags["dl.store.cache.dir"]), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	n := servertest.NewGroup(t, "sqlite").Join(flags)
	n.SignIn(t)
	address := mustUpload(t, n, "tides.txt", "High water at noon.")
	mustFind(t, n, address, "High water at noon.")
	mustFind(t, n, address, "High water at noon.")
	mustSee(t, n.Get(t, "/readyz"), http.StatusOK)
	eventually(t, "a finding says so", func() bool {
		st, err := n.Cluster(servertest.System())
		if err != nil {
			return false
		}
		for _, w := range st.Wrong {
			if w.Code == "filestore.cache" && strings.Contains(w.Text, flags["dl.store.cache.dir"]) {
				return true
			}
		}
		return false
	})
	if v := metric(t, n, "stoa_file_cache_off"); v != 1 {
		t.Errorf("stoa_file_cache_off is %v", v)
	}
}

// Bytes that are wrong in the store: the answer is broken off, the last block is not sent, and an event names the file.
func TestFileStore_DamagedFileIsToldAndBrokenOff(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string]map[string]string{
		"database":               inDatabase(filepath.Join(t.TempDir(), "files")),
		"database without cache": {"dl.store.cache.size": "0"},
		"folder":                 {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "database without cache" {
				for k, v := range inDatabase(filepath.Join(t.TempDir(), "files")) {
					flags[k] = v
				}
			}
			folder := filepath.Join(t.TempDir(), "files")
			if name == "folder" {
				flags[rootProperty] = folder
			}
			n := servertest.NewGroup(t, "sqlite").Join(flags)
			n.SignIn(t)
			body := strings.Repeat("High water at noon.\n", 40_000)
			for _, size := range []int{len(body), 1000} {
				address := mustUpload(t, n, fmt.Sprintf("tides-%d.txt", size), body[:size])
				damage(t, n, folder, size)
				for _, encoding := range []string{"identity", "gzip"} {
					sent, err := fetch(t, n, address, encoding)
					if encoding == "identity" && sent > max(0, size-64<<10) {
						t.Errorf("%d of %d bytes were sent", sent, size)
					}
					if err == nil {
						t.Errorf("%d bytes, %s: the answer of %d bytes ends cleanly", size, encoding, sent)
					}
				}
				eventually(t, "an event names the file", func() bool {
					st, err := n.Cluster(servertest.System())
					if err != nil {
						return false
					}
					for _, e := range st.Events {
						if e.Code == "filestore.damaged" && strings.Contains(e.Text, fmt.Sprintf("tides-%d.txt", size)) {
							return true
						}
					}
					return false
				})
			}
			if v := metric(t, n, "stoa_file_damaged_total"); v < 4 {
				t.Errorf("%v damaged reads are counted, want 4", v)
			}
			if v := metric(t, n, "stoa_file_cache_copies"); v != 0 {
				t.Errorf("%v copies are kept", v)
			}
		})
	}
}

// damage turns a bit of the file of that size in the store of the node.
func damage(t *testing.T, n *servertest.Node, folder string, size int) {
	t.Helper()
	found := false
	_ = filepath.WalkDir(folder, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil
		}
		if b, err := os.ReadFile(path); err == nil && len(b) == size {
			b[size/2] ^= 1
			found = os.WriteFile(path, b, 0o600) == nil
		}
		return nil
	})
	if found {
		return
	}
	err := n.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		var put int64
		var body []byte
		if err := tx.QueryRow(ctx, "SELECT put FROM file_head WHERE size = ?", size).Scan(&put); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, "SELECT body FROM file_chunk WHERE put = ? AND number = 0", put).Scan(&body); err != nil {
			return err
		}
		body[len(body)/2] ^= 1
		_, err := tx.Exec(ctx, "UPDATE file_chunk SET body = ? WHERE put = ? AND number = 0", body, put)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
