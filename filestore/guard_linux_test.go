package filestore_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/filestore"
	"github.com/stoa-portal/stoa/filestore/filestoretest"
	"github.com/stoa-portal/stoa/server/labtest/stall"
)

// threads gives how many threads the process has.
func threads(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "Threads:")
	n, err := strconv.Atoi(strings.TrimSpace(strings.SplitN(rest, "\n", 2)[0]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func newGuard(t *testing.T, d filestore.Driver, o filestore.GuardOptions) *filestore.Guard {
	t.Helper()
	g := filestore.NewGuard(d, o)
	g.Adopt(me)
	t.Cleanup(func() { _ = g.Close(context.Background()) })
	return g
}

func put(t *testing.T, s filestore.Store, body string) string {
	t.Helper()
	key := filestore.NewKey()
	if _, err := s.Put(t.Context(), key, strings.NewReader(body), -1); err != nil {
		t.Fatal(err)
	}
	return key
}

func wantBody(t *testing.T, s filestore.Store, key, want string) {
	t.Helper()
	f, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if b, err := io.ReadAll(f); err != nil || string(b) != want {
		t.Fatalf("read %q, %v; want %q", b, err, want)
	}
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(5 * time.Minute); !ok(); {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// hanging is a store whose file system has stopped answering, with every worker of its guard stuck.
func hanging(t *testing.T) (g *filestore.Guard, root, key string, end func()) {
	t.Helper()
	root = t.TempDir()
	const wait = time.Second // also what a store that is well has on a busy machine
	limits := filestore.GuardOptions{Workers: 8, Wait: wait, WriteWait: wait, CheckWait: wait}
	g = newGuard(t, openDir(t, root), limits)
	key = put(t, g, "before")
	end = filestoretest.Hang(t, root)
	before := threads(t)
	watch := stall.Start()
	defer watch.Stop()
	var wg sync.WaitGroup
	for range 500 {
		wg.Go(func() {
			began := time.Now()
			_, err := g.Open(context.Background(), key)
			if f := filestore.FaultOf(err); f == nil || f.Code != filestore.CodeNoAnswer {
				t.Errorf("open while the store hangs: %v", err)
			}
			if took := watch.Since(began); took > 5*time.Second {
				t.Errorf("a reader waited for %s", took)
			}
		})
	}
	wg.Wait()
	if n := threads(t) - before; n > 8+25 { // Go has some of its own
		t.Errorf("%d threads more", n)
	}
	if n, _ := g.Stuck(); n != 8 {
		t.Fatalf("%d workers are stuck, want all 8", n)
	}
	return g, root, key, end
}

func TestGuard_HangingStoreHoldsUpFewThreadsAndHeals(t *testing.T) {
	if !filestoretest.Mounts(t) {
		return
	}
	g, _, key, end := hanging(t)
	wantCode(t, "check", g.Check(t.Context()), filestore.CodeNoAnswer, "has not answered")
	watch, began := stall.Start(), time.Now()
	defer watch.Stop()
	for range 1000 {
		_, err := g.Open(t.Context(), key)
		wantCode(t, "open", err, filestore.CodeNoAnswer)
		_, err = g.Put(t.Context(), filestore.NewKey(), strings.NewReader("x"), 1)
		wantCode(t, "put", err, filestore.CodeNoAnswer)
		wantCode(t, "delete", g.Delete(t.Context(), key), filestore.CodeNoAnswer)
		wantCode(t, "list", g.List(t.Context(), "", func(filestore.Info) error { return nil }), filestore.CodeNoAnswer)
	}
	if took := watch.Since(began); took > 5*time.Second {
		t.Errorf("4000 refusals took %s: they are to come at once", took)
	}
	end()
	until(t, "the store is well", func() bool { return g.Check(context.Background()) == nil })
	until(t, "no worker is stuck", func() bool { n, _ := g.Stuck(); return n == 0 })
	wantBody(t, g, key, "before")
	wantBody(t, g, put(t, g, "after"), "after")
}

func TestGuard_StoreMountedAnewWhileTheOldMountHangs(t *testing.T) {
	t.Parallel()
	if !filestoretest.Mounts(t) {
		return
	}
	g, root, key, _ := hanging(t)
	filestoretest.Unmount(t, root) // its server still answers nothing
	until(t, "the store is well", func() bool { return g.Check(context.Background()) == nil })
	wantBody(t, g, key, "before")
	if n, _ := g.Stuck(); n != 8 {
		t.Errorf("%d workers are inside: those that hang should still be", n)
	}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() { wantBody(t, g, put(t, g, "after"), "after") })
	}
	wg.Wait()
}

func TestGuard_UnmountedAndSwappedStoreTakesNothing(t *testing.T) {
	t.Parallel()
	if !filestoretest.Mounts(t) {
		return
	}
	root := t.TempDir()
	empty, err := filestore.OpenDir(root, filestore.DirOptions{})
	if err != nil {
		t.Fatal(err)
	}
	g := newGuard(t, empty, filestore.GuardOptions{})
	wantCode(t, "before it is mounted", g.Check(t.Context()), filestore.CodeMissing, root, "mount")
	if _, err := g.Put(t.Context(), "key", strings.NewReader("x"), 1); err == nil {
		t.Error("a file was put into the mount point")
	}
	left, err := os.ReadDir(root)
	if err != nil || len(left) != 0 {
		t.Errorf("the mount point holds %v, %v", left, err)
	}
	filestoretest.Mount(t, root, "size=1m")
	if _, err := empty.Make(t.Context(), me); err != nil {
		t.Fatal(err)
	}
	if err := g.Check(t.Context()); err != nil {
		t.Fatalf("mounted: %v", err)
	}
	key := put(t, g, "acknowledged")
	filestoretest.Mount(t, root, "size=1m") // over it
	if _, err := empty.Make(t.Context(), "another"); err != nil {
		t.Fatal(err)
	}
	// Before any check: the write itself finds out.
	_, err = g.Put(t.Context(), filestore.NewKey(), strings.NewReader("x"), 1)
	wantCode(t, "put", err, filestore.CodeOther)
	_, err = g.Open(t.Context(), key)
	wantCode(t, "open", err, filestore.CodeOther)
	wantCode(t, "check", g.Check(t.Context()), filestore.CodeOther, root)
	filestoretest.Unmount(t, root)
	if err := g.Check(t.Context()); err != nil {
		t.Errorf("check after the right store is back: %v", err)
	}
	wantBody(t, g, key, "acknowledged")
	put(t, g, "after")
}

func TestGuard_SlowSendersHoldNoWorker(t *testing.T) {
	t.Parallel()
	g := newGuard(t, filestoretest.Dir(t, t.TempDir()), filestore.GuardOptions{Workers: 2, Wait: 10 * time.Second})
	key := put(t, g, "here")
	var wg sync.WaitGroup
	hold, sent := make(chan struct{}), make(chan struct{}, 20)
	for i := range 20 {
		wg.Go(func() {
			first := true
			body := io.MultiReader(strings.NewReader("slow "), readFunc(func(p []byte) (int, error) {
				if first {
					first = false
					sent <- struct{}{}
					<-hold
				}
				return 0, io.EOF
			}))
			if _, err := g.Put(context.Background(), "slow-"+strconv.Itoa(i), body, -1); err != nil {
				t.Errorf("slow put: %v", err)
			}
		})
	}
	for range 20 {
		<-sent
	}
	wantBody(t, g, key, "here")
	put(t, g, "in between")
	close(hold)
	wg.Wait()
	wantBody(t, g, "slow-7", "slow ")
}

// stalled is a driver that stands still where a test wants it to.
type stalled struct {
	*filestore.Dir
	read, put chan struct{} // nil: goes on
	reads     int           // that go on before
}

func (s *stalled) Bind(id string) filestore.Store { return &stalledStore{s.Dir.Bind(id), s} }

type stalledStore struct {
	filestore.Store
	s *stalled
}

func (s *stalledStore) Open(ctx context.Context, key string) (filestore.File, error) {
	f, err := s.Store.Open(ctx, key)
	if err != nil || s.s.read == nil {
		return f, err
	}
	return &stalledFile{f, s.s, 0}, nil
}

func (s *stalledStore) Put(ctx context.Context, key string, r io.Reader, size int64) (filestore.Info, error) {
	info, err := s.Store.Put(ctx, key, r, size)
	if s.s.put != nil {
		<-s.s.put
	}
	return info, err
}

type stalledFile struct {
	filestore.File
	s *stalled
	n int
}

func (f *stalledFile) Read(p []byte) (int, error) {
	if f.n++; f.n > f.s.reads {
		<-f.s.read
	}
	return f.File.Read(p)
}

func TestGuard_StreamThatHangsInTheMiddleEnds(t *testing.T) {
	s := &stalled{Dir: filestoretest.Dir(t, t.TempDir()), read: make(chan struct{}), reads: 2}
	g := newGuard(t, s, filestore.GuardOptions{Wait: time.Second})
	body := bytes.Repeat([]byte("stoa"), 100_000)
	key := put(t, g, string(body))
	f, err := g.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	watch, began := stall.Start(), time.Now()
	defer watch.Stop()
	got, err := io.ReadAll(f)
	wantCode(t, "read", err, filestore.CodeNoAnswer)
	if watch.Since(began) > 5*time.Second || len(got) == 0 || !bytes.HasPrefix(body, got) {
		t.Errorf("%d bytes after %s", len(got), watch.Since(began))
	}
	if _, err := f.Read(make([]byte, 10)); err == nil {
		t.Error("the file can be read further: bytes would be missing")
	}
	if err := f.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	close(s.read)
	until(t, "the worker is free", func() bool { n, _ := g.Stuck(); return n == 0 })
	wantBody(t, g, key, string(body))
}

func TestGuard_WriteThatIsLateIsRemovedAgain(t *testing.T) {
	t.Parallel()
	s := &stalled{Dir: filestoretest.Dir(t, t.TempDir()), put: make(chan struct{})}
	g := newGuard(t, s, filestore.GuardOptions{Wait: 100 * time.Millisecond, WriteWait: 100 * time.Millisecond})
	_, err := g.Put(t.Context(), "late", strings.NewReader("x"), 1)
	wantCode(t, "put", err, filestore.CodeNoAnswer)
	close(s.put)
	until(t, "the worker is free", func() bool { n, _ := g.Stuck(); return n == 0 })
	if _, err := s.Dir.Open(t.Context(), "late"); err == nil {
		t.Error("a write whose caller was told that it failed is there")
	}
}

func BenchmarkRead(b *testing.B) {
	d, err := filestore.OpenDir(b.TempDir(), filestore.DirOptions{NoSync: true})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := d.Make(b.Context(), me); err != nil {
		b.Fatal(err)
	}
	g := filestore.NewGuard(d, filestore.GuardOptions{})
	g.Adopt(me)
	for _, size := range []int64{20 << 10, 16 << 20} {
		key := filestore.NewKey()
		if _, err := d.Put(b.Context(), key, bytes.NewReader(make([]byte, size)), size); err != nil {
			b.Fatal(err)
		}
		for what, s := range map[string]filestore.Store{"plain": d, "guarded": g} {
			b.Run(what+"/"+strconv.FormatInt(size>>10, 10)+"KiB", func(b *testing.B) {
				b.SetBytes(size)
				for b.Loop() {
					f, err := s.Open(b.Context(), key)
					if err != nil {
						b.Fatal(err)
					}
					if _, err := io.Copy(io.Discard, struct{ io.Reader }{f}); err != nil {
						b.Fatal(err)
					}
					f.Close()
				}
			})
		}
	}
}
