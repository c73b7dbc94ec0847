package server_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/filestore/filestoretest"
	"github.com/stoa-portal/stoa/server/labtest/stall"
	"github.com/stoa-portal/stoa/server/servertest"
)

// What can become of a mounted file system under a running node: the node knows it within seconds, takes no files,
// loses none that it acknowledged, and heals by itself.
func TestFileStore_MountFails(t *testing.T) {
	t.Parallel()
	if !filestoretest.Mounts(t) {
		return
	}
	for _, c := range []struct {
		what  string
		says  []string
		reads bool // files can still be read
		fail  func(t *testing.T, mount string) (heal func())
	}{
		{"full", []string{"the disk is full", "MiB are free"}, true, func(t *testing.T, mount string) func() {
			filler := filepath.Join(mount, "filler")
			if err := os.WriteFile(filler, make([]byte, 64<<20), 0o600); err == nil {
				t.Fatal("the disk is larger than it should be")
			}
			return func() { _ = os.Remove(filler) }
		}},
		{"read-only", []string{"the file system is read-only"}, true, func(t *testing.T, mount string) func() {
			eventually(t, "no file is open for writing", func() bool {
				return syscall.Mount("stoa-test", mount, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, "") == nil
			})
			return func() { filestoretest.ReadOnly(t, mount, false) }
		}},
		{"unreadable", []string{"permission was denied"}, false, func(t *testing.T, mount string) func() {
			return filestoretest.Fail(t, mount, syscall.EACCES)
		}},
		{"broken", []string{"input/output error"}, false, func(t *testing.T, mount string) func() {
			return filestoretest.Fail(t, mount, syscall.EIO)
		}},
		{"hung", []string{"has not answered"}, false, func(t *testing.T, mount string) func() {
			return filestoretest.Hang(t, mount)
		}},
		{"mounted over", []string{"not mounted"}, false, func(t *testing.T, mount string) func() {
			filestoretest.Mount(t, mount, "size=1m")
			return func() { filestoretest.Unmount(t, mount) }
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			mount := t.TempDir()
			filestoretest.Mount(t, mount, "size=16m")
			n := servertest.NewGroup(t, "sqlite").Join(map[string]string{rootProperty: mount})
			n.SignIn(t)
			first := mustUpload(t, n, "first.txt", "first")
			var (
				mu           sync.Mutex
				acknowledged = map[string]string{}
				wg           sync.WaitGroup
				stop         = make(chan struct{})
			)
			for w := range 2 {
				wg.Go(func() {
					for i := 0; ; i++ {
						select {
						case <-stop:
							return
						default:
						}
						body := fmt.Sprint(c.what, " ", w, " ", i)
						if address, _ := upload(t, n, "during.txt", body); address != "" {
							mu.Lock()
							acknowledged[address] = body
							mu.Unlock()
						}
					}
				})
			}
			eventually(t, "files were taken", func() bool { mu.Lock(); defer mu.Unlock(); return len(acknowledged) > 3 })
			since := time.Now()
			heal := c.fail(t, mount)
			notReady(t, n, since, c.says...)
			close(stop)
			watch, began := stall.Start(), time.Now()
			defer watch.Stop()
			mustRefuse(t, n)
			mustSee(t, n.Guest(t).Get(t, "/"), http.StatusOK) // pages go on
			a := n.Guest(t).Get(t, first)
			if took := watch.Since(began); took > 8*time.Second {
				t.Errorf("three requests took %s", took)
			}
			want := http.StatusServiceUnavailable
			if c.reads {
				want = http.StatusOK
			}
			if a.Status != want || !c.reads && a.Header.Get("Retry-After") == "" {
				t.Errorf("a file: %d, Retry-After %q; want %d", a.Status, a.Header.Get("Retry-After"), want)
			}
			heal()
			wg.Wait()
			readyAgain(t, n)
			t.Logf("%d files acknowledged", len(acknowledged))
			for address, body := range acknowledged {
				mustFind(t, n, address, body)
			}
			mustFind(t, n, mustUpload(t, n, "after.txt", "after"), "after")
		})
	}
}

// Many visitors who ask for files of a store that hangs cost few threads, and those who ask for pages do not notice.
func TestFileStore_HangingStoreHoldsUpFewThreads(t *testing.T) {
	t.Parallel()
	if !filestoretest.Mounts(t) {
		return
	}
	root := t.TempDir()
	n := servertest.NewGroup(t, "sqlite").Join(map[string]string{rootProperty: root})
	n.SignIn(t)
	first := mustUpload(t, n, "first.txt", "first")
	mustSee(t, n.Guest(t).Get(t, first), http.StatusOK)
	before := threads(t)
	end := filestoretest.Hang(t, root)
	var (
		wg      sync.WaitGroup
		mu      sync.Mutex
		slowest time.Duration
	)
	watch := stall.Start()
	defer watch.Stop()
	for range 300 {
		wg.Go(func() {
			began := time.Now()
			a := n.Guest(t).Get(t, first)
			if a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
				t.Errorf("a file: %d, Retry-After %q; want 503", a.Status, a.Header.Get("Retry-After"))
			}
			took := watch.Since(began)
			mu.Lock()
			slowest = max(slowest, took)
			mu.Unlock()
		})
	}
	wg.Wait()
	t.Logf("the slowest of 300 requests took %s; %d threads before, %d while the store hangs", slowest, before, threads(t))
	if slowest > 6*time.Second { // two on a machine that does nothing else
		t.Errorf("a request waited for %s", slowest)
	}
	if more := threads(t) - before; more > 80 {
		t.Errorf("%d threads more", more)
	}
	began := time.Now()
	mustSee(t, n.Guest(t).Get(t, "/"), http.StatusOK)
	if took := watch.Since(began); took > 3*time.Second {
		t.Errorf("a page took %s", took)
	}
	end()
	readyAgain(t, n)
	mustFind(t, n, first, "first")
}

func threads(t *testing.T) (n int) {
	t.Helper()
	raw, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), "Threads:")
	if _, err := fmt.Sscan(rest, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// A node starts although its store hangs, makes nothing there, and is ready when it answers.
func TestFileStore_StartWhileItHangs(t *testing.T) {
	t.Parallel()
	if !filestoretest.Mounts(t) {
		return
	}
	root := t.TempDir()
	g := servertest.NewGroup(t, "sqlite")
	watch, began := stall.Start(), time.Now()
	defer watch.Stop()
	end := filestoretest.Hang(t, root)
	n := g.Join(map[string]string{rootProperty: root}) // the first node of an empty database
	if took := watch.Since(began); took > 20*time.Second {
		t.Errorf("the start took %s", took)
	}
	notReady(t, n, time.Now(), "has not answered")
	end()
	readyAgain(t, n)
	n.SignIn(t)
	address := mustUpload(t, n, "first.txt", "first")
	end = filestoretest.Hang(t, root)
	second := g.Join(map[string]string{rootProperty: root})
	notReady(t, second, time.Now(), "has not answered")
	end()
	readyAgain(t, second)
	mustFind(t, second, address, "first")
}
