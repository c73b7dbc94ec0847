package diskcache_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/filestore"
	"github.com/stoa-portal/stoa/filestore/dbstore"
	"github.com/stoa-portal/stoa/filestore/diskcache"
	"github.com/stoa-portal/stoa/filestore/filestoretest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func sample(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n), 3}).Read(b)
	return b
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	end, look := time.After(5*time.Minute), time.NewTicker(time.Millisecond)
	defer look.Stop()
	for !is() {
		select {
		case <-end:
			t.Fatalf("waited a minute, and still not: %s", what)
		case <-look.C:
		}
	}
}

// distant is a store that counts what it is asked, can be slow, be away, and give wrong bytes.
type distant struct {
	filestore.Store
	opens, reads, bytes atomic.Int64
	away                atomic.Bool
	flip                atomic.Int64 // the place of a byte that is wrong, plus one
	gate                atomic.Pointer[chan struct{}]
}

func (d *distant) Open(ctx context.Context, key string) (filestore.File, error) {
	d.opens.Add(1)
	if d.away.Load() {
		return nil, stoa.Unavailable(errors.New("away"), "the file store is away")
	}
	f, err := d.Store.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	return &distantFile{File: f, d: d}, nil
}

// gated is where the part of a file begins that is always given at once.
const gated = 10 << 20

type distantFile struct {
	filestore.File
	d  *distant
	at int64
}

func (f *distantFile) Seek(offset int64, whence int) (int64, error) {
	at, err := f.File.Seek(offset, whence)
	f.at = at
	return at, err
}

func (f *distantFile) Read(p []byte) (int, error) {
	if g := f.d.gate.Load(); g != nil && f.at < gated {
		<-*g
	}
	if f.d.away.Load() {
		return 0, stoa.Unavailable(errors.New("away"), "the file store is away")
	}
	n, err := f.File.Read(p)
	f.d.reads.Add(1)
	f.d.bytes.Add(int64(n))
	if at := f.d.flip.Load() - 1; at >= f.at && at < f.at+int64(n) {
		p[at-f.at] ^= 1
	}
	f.at += int64(n)
	return n, err
}

// fixture is a cache in front of a store in a directory.
type fixture struct {
	*diskcache.Cache
	store *distant
	dir   string
}

func newCache(t testing.TB, dir string, store *distant, bound int64, identity string) *diskcache.Cache {
	t.Helper()
	c, err := diskcache.New(diskcache.Options{Store: store, Dir: dir, MaxBytes: bound, Lock: db.LockFile,
		Identity: func() string { return identity }, Retry: 20 * time.Millisecond})
	must(t, err)
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	c.WaitReady(t.Context())
	return c
}

func fixtureOf(t testing.TB, bound int64) fixture {
	t.Helper()
	d := &distant{Store: filestoretest.Dir(t, t.TempDir())}
	dir := filepath.Join(t.TempDir(), "cache")
	return fixture{newCache(t, dir, d, bound, "one"), d, dir}
}

// again is the cache after a restart.
func (f *fixture) again(t testing.TB, bound int64, identity string) {
	t.Helper()
	must(t, f.Close(t.Context()))
	f.Cache = newCache(t, f.dir, f.store, bound, identity)
}

// put adds a file to the store.
func (f *fixture) put(t testing.TB, key string, body []byte) filestore.Info {
	t.Helper()
	i, err := f.Put(t.Context(), key, bytes.NewReader(body), int64(len(body)))
	must(t, err)
	return i
}

func (f *fixture) read(t testing.TB, want filestore.Info) ([]byte, error) {
	t.Helper()
	b, err := f.OpenKnown(t.Context(), want)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	return io.ReadAll(b)
}

// mustRead checks that the file is given as it was put.
func (f *fixture) mustRead(t testing.TB, want filestore.Info, body []byte) {
	t.Helper()
	if got, err := f.read(t, want); err != nil || !bytes.Equal(got, body) {
		t.Fatalf("read %s: %d bytes, %v; want the %d that were put", want.Key, len(got), err, len(body))
	}
}

// kept waits until a copy of each file is there.
func (f *fixture) kept(t testing.TB, n int64) {
	t.Helper()
	eventually(t, "the copies are there", func() bool { return f.Stats().Copies == n })
}

// files are those below a folder of the cache.
func (f *fixture) files(t testing.TB, folder string) (out []string) {
	t.Helper()
	must(t, filepath.WalkDir(filepath.Join(f.dir, folder), func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			out = append(out, path)
		}
		return err
	}))
	return out
}

// driver has a cache in front of each store that it gives; what it opens, it opens through the cache.
type driver struct {
	filestore.Driver
	t *testing.T
	front
}

type front struct{ *diskcache.Cache }

func (f front) Open(ctx context.Context, key string) (filestore.File, error) {
	return f.OpenKnown(ctx, filestore.Info{Key: key})
}

func newDriver(t *testing.T, d filestore.Driver) driver {
	return driver{d, t, front{newCache(t, t.TempDir(), &distant{Store: d}, 1<<30, "any")}}
}

func (d driver) Bind(identity string) filestore.Store {
	return front{newCache(d.t, d.t.TempDir(), &distant{Store: d.Driver.Bind(identity)}, 1<<30, identity)}
}

func (d driver) Put(ctx context.Context, key string, r io.Reader, n int64) (filestore.Info, error) {
	return d.front.Put(ctx, key, r, n)
}

func (d driver) Open(ctx context.Context, key string) (filestore.File, error) {
	return d.front.Open(ctx, key)
}
func (d driver) Delete(ctx context.Context, key string) error { return d.front.Delete(ctx, key) }
func (d driver) List(ctx context.Context, prefix string, fn func(filestore.Info) error) error {
	return d.front.List(ctx, prefix, fn)
}

func TestCache_Conformance(t *testing.T) {
	t.Run("directory", func(t *testing.T) {
		filestoretest.Run(t, func(t *testing.T) (a, b filestore.Driver) {
			root := t.TempDir()
			open := func() filestore.Driver {
				d, err := filestore.OpenDir(root, filestore.DirOptions{NoSync: true})
				must(t, err)
				return newDriver(t, d)
			}
			return open(), open()
		})
	})
	t.Run("database", func(t *testing.T) {
		nodes := dbtest.Nodes(t, dbtest.SQLite, 2)
		filestoretest.Run(t, func(t *testing.T) (a, b filestore.Driver) {
			must(t, nodes[0].Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
				for _, table := range []string{"file_store", "file_head", "file_chunk", "file_upload"} {
					if _, err := tx.Exec(ctx, "DELETE FROM "+table); err != nil {
						return err
					}
				}
				return nil
			}))
			return newDriver(t, dbstore.New(dbstore.Options{DB: nodes[0]})),
				newDriver(t, dbstore.New(dbstore.Options{DB: nodes[1]}))
		})
	})
}

func TestOpenKnown_ManyReadersFillOnce(t *testing.T) {
	f := fixtureOf(t, 1<<30)
	body := sample(3_000_001)
	i := f.put(t, "a", body)
	gate := make(chan struct{})
	f.store.gate.Store(&gate)
	const readers = 8
	var wg sync.WaitGroup
	var open [readers]filestore.File
	for n := range readers {
		b, err := f.OpenKnown(t.Context(), i)
		must(t, err)
		open[n] = b
	}
	for n := range readers {
		wg.Go(func() {
			defer open[n].Close()
			if got, err := io.ReadAll(open[n]); err != nil || !bytes.Equal(got, body) {
				t.Errorf("reader %d: %d bytes, %v", n, len(got), err)
			}
		})
	}
	close(gate)
	wg.Wait()
	if n, o := f.store.bytes.Load(), f.store.opens.Load(); n != int64(len(body)) || o != 1 {
		t.Errorf("%d bytes were read from the store in %d openings, want %d once", n, o, len(body))
	}
	f.kept(t, 1)
	f.store.away.Store(true)
	f.mustRead(t, i, body)
	if left := f.files(t, "filling"); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
	if s := f.Stats(); s.Misses != 1 || s.Joins != readers-1 || s.Hits != 1 || s.Fills != 1 {
		t.Errorf("%+v", s)
	}
}

// The bytes come as the store gives them: the first reader does not wait for the whole file.
func TestOpenKnown_StreamsWhileItFills(t *testing.T) {
	f := fixtureOf(t, 1<<30)
	body := sample(1 << 20)
	i := f.put(t, "a", body)
	gate := make(chan struct{}, 100)
	f.store.gate.Store(&gate)
	for range 4 { // reads of the store, of 64 KiB each
		gate <- struct{}{}
	}
	b, err := f.OpenKnown(t.Context(), i)
	must(t, err)
	defer b.Close()
	head := make([]byte, 4*64<<10)
	if _, err := io.ReadFull(b, head); err != nil || !bytes.Equal(head, body[:len(head)]) {
		t.Fatalf("the beginning: %v", err)
	}
	if f.store.reads.Load() != 4 {
		t.Errorf("%d reads", f.store.reads.Load())
	}
	close(gate)
	rest, err := io.ReadAll(b)
	if err != nil || !bytes.Equal(rest, body[len(head):]) {
		t.Errorf("the rest: %d bytes, %v", len(rest), err)
	}
}

// A reader who goes away early ends the fill when it is alone, and does not when another one waits.
func TestOpenKnown_AReaderLeaves(t *testing.T) {
	f := fixtureOf(t, 1<<30)
	body := sample(1 << 20)
	i := f.put(t, "a", body)
	for _, others := range []bool{false, true} {
		gate := make(chan struct{}, 100)
		f.store.gate.Store(&gate)
		gate <- struct{}{}
		b, err := f.OpenKnown(t.Context(), i)
		must(t, err)
		_, err = io.ReadFull(b, make([]byte, 1000))
		must(t, err)
		var second filestore.File
		if others {
			second, err = f.OpenKnown(t.Context(), i)
			must(t, err)
		}
		must(t, b.Close())
		close(gate)
		if others {
			got, err := io.ReadAll(second)
			if err != nil || !bytes.Equal(got, body) {
				t.Errorf("the second reader: %d bytes, %v", len(got), err)
			}
			must(t, second.Close())
			f.kept(t, 1)
			continue
		}
		eventually(t, "the fill is given up", func() bool { return f.Stats().Abandoned == 1 })
		if s := f.Stats(); s.Copies != 0 || len(f.files(t, "filling")) != 0 {
			t.Errorf("%+v, %v", s, f.files(t, "filling"))
		}
	}
}

// A reader who stops in the middle holds up neither the copy nor another reader, and goes on when he likes.
func TestOpenKnown_ASlowReaderHoldsUpNoOther(t *testing.T) {
	f := fixtureOf(t, 1<<30)
	body := sample(3 << 20)
	i := f.put(t, "a", body)
	slow, err := f.OpenKnown(t.Context(), i)
	must(t, err)
	defer slow.Close()
	head := make([]byte, 1000)
	_, err = io.ReadFull(slow, head)
	must(t, err)
	f.mustRead(t, i, body)
	f.kept(t, 1)
	must(t, f.Delete(t.Context(), "a"))
	f.store.away.Store(true)
	rest, err := io.ReadAll(slow)
	if err != nil || !bytes.Equal(append(head, rest...), body) {
		t.Errorf("the slow reader: %d bytes, %v", len(rest), err)
	}
}

// Two copies of one file, as two versions of the program may leave them, become one.
func TestNew_TwoCopiesOfOneFile(t *testing.T) {
	f := fixtureOf(t, 1<<30)
	body := sample(1000)
	i := f.put(t, "a", body)
	f.mustRead(t, i, body)
	f.kept(t, 1)
	must(t, f.Close(t.Context()))
	name := f.files(t, "copies")[0]
	must(t, os.WriteFile(name+"0", body, 0o600)) // of another time
	f.again(t, 1<<30, "one")
	eventually(t, "one is left", func() bool { return len(f.files(t, "copies")) == 1 })
	f.mustRead(t, i, body)
	if s := f.Stats(); s.Copies != 1 || s.Bytes != 4096 {
		t.Errorf("%+v", s)
	}
}

// A file that is opened and not read is not copied.
func TestOpenKnown_NothingIsCopiedUnread(t *testing.T) {
	f := fixtureOf(t, 1<<30)
	i := f.put(t, "a", sample(100_000))
	b, err := f.OpenKnown(t.Context(), i)
	must(t, err)
	if n, err := b.Seek(0, io.SeekEnd); n != 100_000 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	must(t, b.Close())
	must(t, f.Close(t.Context()))
	if n := f.store.reads.Load(); n != 0 {
		t.Errorf("%d reads", n)
	}
}

func TestOpenKnown_BytesFlippedInTheCopy(t *testing.T) {
	for _, c := range []struct {
		name    string
		size    int
		at      int
		restart bool
		broken  bool // the reader who notices gets an error
	}{
		{"small", 10_000, 5_000, false, false},
		{"large", 1 << 20, 5_000, false, true},
		{"the last byte of a large one", 1 << 20, 1<<20 - 1, false, true},
		{"large after a restart", 1 << 20, 5_000, true, false},
		{"small after a restart", 10_000, 5_000, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := fixtureOf(t, 1<<30)
			body := sample(c.size)
			i := f.put(t, "a", body)
			f.mustRead(t, i, body)
			f.kept(t, 1)
			copied := f.files(t, "copies")[0]
			b, err := os.ReadFile(copied)
			must(t, err)
			b[c.at] ^= 1
			must(t, os.WriteFile(copied, b, 0o600))
			if c.restart {
				f.again(t, 1<<30, "one")
			}
			got, err := f.read(t, i)
			switch {
			case filestore.DamagedOf(err) != nil:
				t.Errorf("%v: that is not said of the store", err)
			case c.broken && (err == nil || len(got) != c.size-64<<10):
				t.Errorf("%d bytes were given out, %v; want all but the last 64 KiB, and an error", len(got), err)
			case !c.broken && (err != nil || !bytes.Equal(got, body)):
				t.Errorf("%d bytes, %v; want the file", len(got), err)
			}
			if s := f.Stats(); s.Damaged != 1 {
				t.Errorf("%+v", s)
			}
			f.mustRead(t, i, body)
			f.kept(t, 1)
			f.store.away.Store(true)
			f.mustRead(t, i, body)
		})
	}
}

// Parts of a copy that was there before a restart are of bytes that were compared.
func TestOpenKnown_PartsOfAnOldCopyAreCompared(t *testing.T) {
	f := fixtureOf(t, 1<<30)
	body := sample(1 << 20)
	i := f.put(t, "a", body)
	f.mustRead(t, i, body)
	f.kept(t, 1)
	copied := f.files(t, "copies")[0]
	b, err := os.ReadFile(copied)
	must(t, err)
	b[500_000] ^= 1
	must(t, os.WriteFile(copied, b, 0o600))
	f.again(t, 1<<30, "one")
	r, err := f.OpenKnown(t.Context(), i)
	must(t, err)
	defer r.Close()
	_, err = r.Seek(499_999, io.SeekStart)
	must(t, err)
	got := make([]byte, 10)
	if _, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, body[499_999:500_009]) {
		t.Errorf("%x, %v, want %x", got, err, body[499_999:500_009])
	}
}

// What is wrong in the store is told and is not kept, and the last block of it is not given out.
func TestOpenKnown_BytesFlippedInTheStore(t *testing.T) {
	for _, size := range []int{10_000, 64 << 10, 1 << 20, 64<<10 + 1} {
		f := fixtureOf(t, 1<<30)
		i := f.put(t, "a", sample(size))
		for _, at := range []int{1, size} {
			f.store.flip.Store(int64(at))
			got, err := f.read(t, i)
			if d := filestore.DamagedOf(err); d == nil || d.Want.Key != "a" || len(got) != max(0, size-64<<10) {
				t.Errorf("byte %d of %d: %d bytes were given out, %v", at, size, len(got), err)
			}
			eventually(t, "the fill has ended", func() bool { return len(f.files(t, "filling")) == 0 })
			if s := f.Stats(); s.Copies != 0 || s.Damaged != 0 {
				t.Errorf("%+v", s)
			}
		}
		f.store.flip.Store(0)
		f.mustRead(t, i, sample(size))
	}
	f := fixtureOf(t, 1<<30)
	i := f.put(t, "a", sample(100))
	i.Size = 99
	if _, err := f.read(t, i); filestore.DamagedOf(err) == nil {
		t.Errorf("a file of another size: %v", err)
	}
}

// A process that was killed leaves half a file and perhaps a copy that is cut off: both go at the next start.
func TestNew_AfterACrash(t *testing.T) {
	f := fixtureOf(t, 1<<30)
	body := sample(500_000)
	a, b := f.put(t, "a", body), f.put(t, "b", body)
	f.mustRead(t, a, body)
	f.kept(t, 1)
	f.mustRead(t, b, body)
	f.kept(t, 2)
	must(t, f.Close(t.Context()))
	must(t, os.Truncate(f.files(t, "copies")[0], 100_000))
	must(t, os.WriteFile(filepath.Join(f.dir, "filling", "half"), body[:1000], 0o600))
	must(t, os.WriteFile(filepath.Join(f.dir, "copies", "stray"), body[:1000], 0o600))
	f.again(t, 1<<30, "one")
	if tr := f.Trouble(); tr != nil {
		t.Fatal(tr.Err)
	}
	if left := f.files(t, "filling"); len(left) != 0 || f.Stats().Copies != 1 || len(f.files(t, "copies")) != 1 {
		t.Errorf("%v and %v are there, %+v", left, f.files(t, "copies"), f.Stats())
	}
	f.mustRead(t, a, body)
	f.mustRead(t, b, body)
}

func TestNew_CopiesOfAnotherStoreGo(t *testing.T) {
	f := fixtureOf(t, 1<<30)
	body := sample(1000)
	i := f.put(t, "a", body)
	f.mustRead(t, i, body)
	f.kept(t, 1)
	f.again(t, 1<<30, "two")
	if left := f.files(t, "copies"); len(left) != 0 {
		t.Errorf("%v is left of another store", left)
	}
	f.mustRead(t, i, body)
	f.kept(t, 1)
}

// A folder that holds something else, or that another node uses, is left alone, and files are read all the same.
func TestNew_AFolderOfOthers(t *testing.T) {
	d := &distant{Store: filestoretest.Dir(t, t.TempDir())}
	taken := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(taken, "data"), 0o700))
	must(t, os.WriteFile(filepath.Join(taken, "data", "x"), nil, 0o600))
	one := fixtureOf(t, 1<<30)
	var first fixture
	for dir, want := range map[string]string{taken: "other things", one.dir: "another node"} {
		f := fixture{newCache(t, dir, d, 1<<30, "one"), d, dir}
		eventually(t, "it is said", func() bool {
			tr := f.Trouble()
			return tr != nil && strings.Contains(tr.Err.Error(), want)
		})
		key := filestore.NewKey()
		f.mustRead(t, f.put(t, key, sample(10)), sample(10))
		if dir == taken {
			first = f
		}
	}
	if _, err := os.Stat(filepath.Join(taken, "data", "x")); err != nil {
		t.Error(err)
	}
	must(t, os.RemoveAll(filepath.Join(taken, "data"))) // it heals by itself
	eventually(t, "it can be used", func() bool { return first.Trouble() == nil })
}

// A folder that goes away while the node runs is made again.
func TestCache_TheFolderGoesAway(t *testing.T) {
	f := fixtureOf(t, 1<<30)
	body := sample(100_000)
	a, b := f.put(t, "a", body), f.put(t, "b", body)
	f.mustRead(t, a, body)
	f.kept(t, 1)
	must(t, os.RemoveAll(f.dir))
	eventually(t, "copies are kept again", func() bool {
		f.mustRead(t, b, body)
		f.mustRead(t, a, body)
		return f.Trouble() == nil && f.Stats().Copies == 2 && len(f.files(t, "copies")) == 2
	})
}

// The identity of the store changes while a file is copied: who reads it gets all of it, and no copy is kept.
func TestOpenKnown_TheStoreIsReplacedMeanwhile(t *testing.T) {
	d := &distant{Store: filestoretest.Dir(t, t.TempDir())}
	var identity atomic.Pointer[string]
	name := func(s string) { identity.Store(&s) }
	name("one")
	dir := filepath.Join(t.TempDir(), "cache")
	c, err := diskcache.New(diskcache.Options{Store: d, Dir: dir, MaxBytes: 1 << 30, Lock: db.LockFile,
		Identity: func() string { return *identity.Load() }, Retry: 20 * time.Millisecond})
	must(t, err)
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	c.WaitReady(t.Context())
	f := fixture{c, d, dir}
	body := sample(1 << 20)
	i := f.put(t, "a", body)
	gate := make(chan struct{}, 100)
	d.gate.Store(&gate)
	gate <- struct{}{}
	r, err := f.OpenKnown(t.Context(), i)
	must(t, err)
	defer r.Close()
	_, err = io.ReadFull(r, make([]byte, 1000))
	must(t, err)
	name("two")
	f.Begin()
	c.WaitReady(t.Context())
	close(gate)
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, body[1000:]) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if s := f.Stats(); s.Copies != 0 {
		t.Errorf("%d copies of the store before are kept", s.Copies)
	}
}

func TestCache_EvictsWhatWasUsedLongestAgo(t *testing.T) {
	const bound = 1 << 20
	f := fixtureOf(t, bound)
	var all []filestore.Info
	body := sample(100_000) // ten fit
	for n := range 15 {
		i := f.put(t, "k"+string(rune('a'+n)), body)
		all = append(all, i)
		f.mustRead(t, i, body)
		eventually(t, "it is kept", func() bool { return f.Stats().Fills == uint64(n+1) })
		f.mustRead(t, all[0], body) // is used all the time
		if s := f.Stats(); s.Bytes > bound {
			t.Fatalf("%+v", s)
		}
	}
	if n := len(f.files(t, "copies")); n != 10 {
		t.Errorf("%d files, want 10", n)
	}
	f.store.away.Store(true)
	f.mustRead(t, all[0], body)
	f.mustRead(t, all[14], body)
	if _, err := f.read(t, all[1]); !stoa.Is(err, stoa.KindUnavailable) {
		t.Errorf("one that was dropped while the store is away: %v", err)
	}
	f.store.away.Store(false)
	f.again(t, bound/2, "one")
	if s := f.Stats(); s.Bytes > bound/2 || s.Copies != 5 {
		t.Errorf("with a smaller bound: %+v", s)
	}
	large := f.put(t, "large", sample(bound/2/4+1))
	f.mustRead(t, large, sample(bound/2/4+1))
	if s := f.Stats(); s.Copies != 5 {
		t.Errorf("a file of more than a quarter of the bound: %+v", s)
	}
}

func TestDelete_DropsTheCopy(t *testing.T) {
	f := fixtureOf(t, 1<<30)
	body := sample(1000)
	i := f.put(t, "a", body)
	f.mustRead(t, i, body)
	f.kept(t, 1)
	must(t, f.Delete(t.Context(), "a"))
	if left := f.files(t, "copies"); len(left) != 0 {
		t.Errorf("%v is left", left)
	}
	if _, err := f.read(t, i); !stoa.Is(err, stoa.KindNotFound) {
		t.Errorf("a deleted file: %v", err)
	}
	// Also one that is being read.
	body = sample(1 << 20)
	i = f.put(t, "b", body)
	gate := make(chan struct{}, 100)
	f.store.gate.Store(&gate)
	gate <- struct{}{}
	b, err := f.OpenKnown(t.Context(), i)
	must(t, err)
	_, err = io.ReadFull(b, make([]byte, 1000))
	must(t, err)
	must(t, f.Delete(t.Context(), "b"))
	close(gate)
	_, err = io.Copy(io.Discard, b)
	must(t, errors.Join(err, b.Close()))
	must(t, f.Close(t.Context()))
	if left := f.files(t, "copies"); len(left) != 0 {
		t.Errorf("%v is left", left)
	}
}

// Far parts of a file do not wait for all that stands before them.
func TestOpenKnown_FarPartsComeFromTheStore(t *testing.T) {
	f := fixtureOf(t, 1<<30)
	body := sample(20 << 20)
	i := f.put(t, "a", body)
	gate := make(chan struct{})
	f.store.gate.Store(&gate)
	b, err := f.OpenKnown(t.Context(), i)
	must(t, err)
	defer b.Close()
	_, err = b.Seek(-1000, io.SeekEnd)
	must(t, err)
	got, err := io.ReadAll(b)
	if err != nil || !bytes.Equal(got, body[len(body)-1000:]) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	close(gate)
	f.kept(t, 1) // the fill goes on beside
}

func TestVerify_StoreWithoutACache(t *testing.T) {
	d := &distant{Store: filestoretest.Dir(t, t.TempDir())}
	for _, size := range []int{1, 1000, 64 << 10, 64<<10 + 1, 300_000} {
		body, key := sample(size), filestore.NewKey()
		i, err := d.Put(t.Context(), key, bytes.NewReader(body), -1)
		must(t, err)
		sum := sha256.Sum256(body)
		if i.SHA256 != hex.EncodeToString(sum[:]) {
			t.Fatal(i.SHA256)
		}
		open := func() filestore.File {
			t.Helper()
			f, err := filestore.OpenKnown(t.Context(), d, i)
			must(t, err)
			t.Cleanup(func() { _ = f.Close() })
			return f
		}
		f := open()
		head := make([]byte, min(8, size))
		_, err = io.ReadFull(f, head)
		must(t, err)
		for range 2 {
			_, err = f.Seek(0, io.SeekStart)
			must(t, err)
			if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, body) {
				t.Errorf("%d bytes: %d, %v", size, len(got), err)
			}
		}
		for _, at := range []int{1, size} {
			d.flip.Store(int64(at))
			got, err := io.ReadAll(open())
			if filestore.DamagedOf(err) == nil || len(got) != max(0, size-64<<10) {
				t.Errorf("byte %d of %d is wrong: %d bytes were given out, %v", at, size, len(got), err)
			}
			d.flip.Store(0)
		}
		if _, err := filestore.OpenKnown(t.Context(), d, filestore.Info{Key: key, Size: i.Size + 1,
			SHA256: i.SHA256}); filestore.DamagedOf(err) == nil {
			t.Errorf("another size: %v", err)
		}
	}
}
