// Package filestoretest holds the conformance suite that every file store passes, and ways to do to a file system what
// happens to those of real nodes. The test of a driver calls Run and adds only what is peculiar to the driver.
package filestoretest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/filestore"
)

// Open gives two handles of the same place, as two nodes would hold them, in which no store was made yet, and removes
// it when the test ends.
type Open func(t *testing.T) (a, b filestore.Driver)

// Identity is that of the stores which the suite makes.
const Identity = "conformance"

// Dir makes a throw-away store in a directory, or takes the one that is there.
func Dir(t testing.TB, root string) *filestore.Dir {
	t.Helper()
	d, err := filestore.OpenDir(root, filestore.DirOptions{NoSync: true})
	if err == nil {
		_, err = d.Make(context.Background(), Identity)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Run puts the driver through the suite: as it is, bound to its identity, and behind a guard.
func Run(t *testing.T, open Open) {
	for _, way := range []struct {
		name string
		of   func(t *testing.T, d filestore.Driver) filestore.Store
	}{
		{"plain", func(_ *testing.T, d filestore.Driver) filestore.Store { return d }},
		{"bound", func(_ *testing.T, d filestore.Driver) filestore.Store { return d.Bind(Identity) }},
		{"guarded", func(t *testing.T, d filestore.Driver) filestore.Store { return guarded(t, d) }},
	} {
		t.Run(way.name, func(t *testing.T) {
			for _, c := range cases() {
				t.Run(c.name, func(t *testing.T) {
					a, b := open(t)
					if _, err := a.Make(t.Context(), Identity); err != nil {
						t.Fatal(err)
					}
					c.run(t, way.of(t, a), way.of(t, b))
				})
			}
		})
	}
	for _, c := range []struct {
		name string
		run  func(*testing.T, filestore.Driver, filestore.Driver)
	}{
		{"Identity_NothingIsMadeUnasked", nothingMade},
		{"Identity_FirstProposalWins", identityFirstWins},
		{"Identity_ConcurrentProposalsAgree", identityConcurrent},
		{"Bind_OtherIdentityIsRefused", otherIdentity},
		{"Check_LeavesNothing", check},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := open(t)
			c.run(t, a, b)
		})
	}
}

// guarded gives the driver behind a guard that waits long: the machine may be busy.
func guarded(t *testing.T, d filestore.Driver) *filestore.Guard {
	t.Helper()
	g := filestore.NewGuard(d, filestore.GuardOptions{Wait: time.Minute, WriteWait: time.Minute, CheckWait: time.Minute})
	g.Adopt(Identity)
	t.Cleanup(func() { _ = g.Close(context.Background()) })
	return g
}

type storeCase struct {
	name string
	run  func(*testing.T, filestore.Store, filestore.Store)
}

func cases() []storeCase {
	return []storeCase{
		{"Put_OtherNodeReads", putOtherNodeReads},
		{"Put_EmptyFile", putEmpty},
		{"Put_UnknownSize", putUnknownSize},
		{"Put_ExistingKeyConflicts", putExistingConflicts},
		{"Put_ConcurrentSameKeyOneWins", putConcurrentOneWins},
		{"Put_WrongSizeLeavesNothing", putWrongSize},
		{"Put_ReaderErrorLeavesNothing", putReaderError},
		{"Put_ReaderPanicLeavesNothing", putReaderPanic},
		{"Put_CancelledLeavesNothing", putCancelled},
		{"Put_InvisibleUntilDone", putInvisible},
		{"Put_HugeIsStreamed", putHuge},
		{"Key_HostileIsRefused", hostileKeys},
		{"Key_AllLegalFormsWork", legalKeys},
		{"Open_Ranges", openRanges},
		{"Open_UnknownIsNotFound", openUnknown},
		{"Delete_IsIdempotent", deleteIdempotent},
		{"List_Prefix", listPrefix},
		{"List_StopsAtError", listStops},
		{"Context_CancelledIsHonoured", cancelledContext},
	}
}

// sample gives n bytes that look random and are the same for the same seed.
func sample(seed uint64, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), 7}).Read(b)
	return b
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

func put(t *testing.T, s filestore.Store, key string, body []byte) filestore.Info {
	t.Helper()
	info, err := s.Put(t.Context(), key, bytes.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatalf("put %q: %v", key, err)
	}
	return info
}

func read(t *testing.T, s filestore.Store, key string) []byte {
	t.Helper()
	f, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatalf("open %q: %v", key, err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatalf("read %q: %v", key, err)
	}
	return b
}

func keys(t *testing.T, s filestore.Store, prefix string) []string {
	t.Helper()
	var out []string
	if err := s.List(t.Context(), prefix, func(i filestore.Info) error {
		out = append(out, i.Key)
		return nil
	}); err != nil {
		t.Fatalf("list %q: %v", prefix, err)
	}
	slices.Sort(out)
	return out
}

func wantKind(t *testing.T, what string, err error, k stoa.Kind) {
	t.Helper()
	if err == nil || stoa.KindOf(err) != k {
		t.Errorf("%s: error %v of kind %v, want kind %v", what, err, stoa.KindOf(err), k)
	}
}

func wantNothing(t *testing.T, s filestore.Store) {
	t.Helper()
	if k := keys(t, s, ""); len(k) != 0 {
		t.Errorf("the store holds %v, want nothing", k)
	}
}

func putOtherNodeReads(t *testing.T, a, b filestore.Store) {
	body, key := sample(1, 300_000), filestore.NewKey()
	began := time.Now().Add(-time.Hour) // clocks of stores may differ
	info := put(t, a, key, body)
	if info.Key != key || info.Size != int64(len(body)) || info.SHA256 != sum(body) || info.Modified.Before(began) {
		t.Errorf("info after put is %+v, want key %s, %d bytes, hash %s, a present time", info, key, len(body), sum(body))
	}
	if !bytes.Equal(read(t, b, key), body) {
		t.Error("the other handle reads different bytes")
	}
	f, err := b.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if i := f.Info(); i.Key != key || i.Size != int64(len(body)) || i.Modified.IsZero() {
		t.Errorf("info of the open file is %+v, want key, size and time", i)
	}
}

func putEmpty(t *testing.T, a, b filestore.Store) {
	key := filestore.NewKey()
	if i := put(t, a, key, nil); i.Size != 0 || i.SHA256 != sum(nil) {
		t.Errorf("info is %+v, want size 0 and the hash of nothing", i)
	}
	if got := read(t, b, key); len(got) != 0 {
		t.Errorf("read %d bytes, want none", len(got))
	}
}

func putUnknownSize(t *testing.T, a, b filestore.Store) {
	body, key := sample(2, 70_001), filestore.NewKey()
	i, err := a.Put(t.Context(), key, iotest.OneByteReader(bytes.NewReader(body)), -1)
	if err != nil || i.Size != int64(len(body)) || i.SHA256 != sum(body) {
		t.Fatalf("put with unknown size: %+v, %v", i, err)
	}
	if !bytes.Equal(read(t, b, key), body) {
		t.Error("read other bytes than were put")
	}
	_, err = a.Put(t.Context(), filestore.NewKey(), bytes.NewReader(body), -2)
	wantKind(t, "put with size -2", err, stoa.KindInvalid)
}

func putExistingConflicts(t *testing.T, a, b filestore.Store) {
	key := filestore.NewKey()
	put(t, a, key, []byte("first"))
	_, err := b.Put(t.Context(), key, strings.NewReader("second"), -1)
	wantKind(t, "put to an existing key", err, stoa.KindConflict)
	if got := read(t, a, key); string(got) != "first" {
		t.Errorf("the key now holds %q, want the first bytes", got)
	}
}

func putConcurrentOneWins(t *testing.T, a, b filestore.Store) {
	const writers = 12
	key := filestore.NewKey()
	var (
		wg    sync.WaitGroup
		errs  [writers]error
		start = make(chan struct{})
	)
	for i := range writers {
		s := a
		if i%2 == 1 {
			s = b
		}
		wg.Go(func() {
			<-start
			_, errs[i] = s.Put(context.Background(), key, bytes.NewReader(sample(uint64(i), 40_000)), 40_000)
		})
	}
	close(start)
	wg.Wait()
	winner := -1
	for i, err := range errs {
		switch {
		case err == nil && winner >= 0:
			t.Fatalf("writers %d and %d both won", winner, i)
		case err == nil:
			winner = i
		default:
			wantKind(t, fmt.Sprintf("writer %d", i), err, stoa.KindConflict)
		}
	}
	if winner < 0 {
		t.Fatal("no writer won")
	}
	if !bytes.Equal(read(t, a, key), sample(uint64(winner), 40_000)) {
		t.Error("the bytes are not the winner's")
	}
}

func putWrongSize(t *testing.T, a, _ filestore.Store) {
	body := sample(3, 200_000)
	for _, size := range []int64{0, 1, 199_999, 200_001, 1 << 40} {
		_, err := a.Put(t.Context(), filestore.NewKey(), bytes.NewReader(body), size)
		wantKind(t, fmt.Sprintf("200000 bytes announced as %d", size), err, stoa.KindInvalid)
	}
	wantNothing(t, a)
}

func putReaderError(t *testing.T, a, b filestore.Store) {
	broken, key := errors.New("the line went dead"), filestore.NewKey()
	for _, n := range []int{0, 10, 150_000} {
		r := io.MultiReader(bytes.NewReader(sample(4, n)), iotest.ErrReader(broken))
		if _, err := a.Put(t.Context(), key, r, -1); !errors.Is(err, broken) {
			t.Errorf("reader that breaks after %d bytes: %v, want its error", n, err)
		}
	}
	wantNothing(t, b)
	put(t, b, key, []byte("second attempt")) // the key is still free
}

func putReaderPanic(t *testing.T, a, _ filestore.Store) {
	key := filestore.NewKey()
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic of the reader was swallowed")
			}
		}()
		a.Put(t.Context(), key, io.MultiReader(bytes.NewReader(sample(5, 150_000)), panicReader{}), -1)
	}()
	wantNothing(t, a)
	put(t, a, key, []byte("second attempt"))
}

type panicReader struct{}

func (panicReader) Read([]byte) (int, error) { panic("a defect in the reader") }

func putCancelled(t *testing.T, a, b filestore.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	key, n := filestore.NewKey(), 0
	r := readerFunc(func(p []byte) (int, error) { // never ends by itself
		if n += len(p); n > 1<<20 {
			cancel()
		}
		return len(p), nil
	})
	if _, err := a.Put(ctx, key, r, -1); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled put: %v, want context.Canceled", err)
	}
	wantNothing(t, b)
	put(t, b, key, []byte("second attempt"))
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func putInvisible(t *testing.T, a, b filestore.Store) {
	key, pr, pw := filestore.NewKey(), (*io.PipeReader)(nil), (*io.PipeWriter)(nil)
	pr, pw = io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := a.Put(context.Background(), key, pr, -1)
		done <- err
	}()
	pw.Write(sample(6, 500_000)) // returns when the store has taken all of it
	_, err := b.Open(t.Context(), key)
	wantKind(t, "open while it is being written", err, stoa.KindNotFound)
	wantNothing(t, b)
	pw.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(read(t, b, key), sample(6, 500_000)) {
		t.Error("read other bytes than were put")
	}
}

func putHuge(t *testing.T, a, b filestore.Store) {
	const size = 96 << 20
	key, hash := filestore.NewKey(), sha256.New()
	src := &tracker{r: io.TeeReader(io.LimitReader(rand.NewChaCha8([32]byte{9}), size), hash)}
	info, err := a.Put(t.Context(), key, src, size)
	if err != nil {
		t.Fatal(err)
	}
	want := hex.EncodeToString(hash.Sum(nil))
	if info.SHA256 != want || info.Size != size {
		t.Errorf("put gave %d bytes with hash %s, want %d and %s", info.Size, info.SHA256, size, want)
	}
	if src.largest > 16<<20 {
		t.Errorf("the store asked for %d bytes in one read: it does not stream", src.largest)
	}
	f, err := b.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	hash.Reset()
	if n, err := io.Copy(hash, f); err != nil || n != size {
		t.Fatalf("read %d bytes, %v", n, err)
	}
	if got := hex.EncodeToString(hash.Sum(nil)); got != want {
		t.Errorf("read bytes with hash %s, want %s", got, want)
	}
}

type tracker struct {
	r       io.Reader
	largest int
}

func (c *tracker) Read(p []byte) (int, error) {
	c.largest = max(c.largest, len(p))
	return c.r.Read(p)
}

func hostileKeys(t *testing.T, a, _ filestore.Store) {
	for _, key := range []string{
		"", ".", "..", "/", "../x", "a/../b", "a/..", "/etc/passwd", "a//b", "a/", "a\\b", "..\\x", "a\x00b", "a b", "A",
		"-a", ".hidden", "a/.hidden", "a%2e%2e", "é", "a\nb", "~x", "a~b", "c:", "a:b", "a*", "trailing.", "\xff", "identity\x00",
		strings.Repeat("a", filestore.MaxKey+1), strings.Repeat("../", 40) + "etc/passwd",
	} {
		_, err := a.Put(t.Context(), key, strings.NewReader("x"), 1)
		wantKind(t, fmt.Sprintf("put %q", key), err, stoa.KindInvalid)
		_, err = a.Open(t.Context(), key)
		wantKind(t, fmt.Sprintf("open %q", key), err, stoa.KindInvalid)
		wantKind(t, fmt.Sprintf("delete %q", key), a.Delete(t.Context(), key), stoa.KindInvalid)
	}
	for _, prefix := range []string{"..", "../", "/", "a/../", "A", "a\x00"} {
		err := a.List(t.Context(), prefix, func(filestore.Info) error { return nil })
		wantKind(t, fmt.Sprintf("list %q", prefix), err, stoa.KindInvalid)
	}
	wantNothing(t, a)
}

func legalKeys(t *testing.T, a, b filestore.Store) {
	legal := []string{"a", "0", "a.b", "a-b_c.d", "a/b/c", "a/b", "identity", "tmp", "data", "tmp/x", "a..b",
		"history/1-abc", "history/a/b", "history", "historyx", strings.Repeat("a", filestore.MaxKey)}
	for i, key := range legal {
		put(t, a, key, sample(uint64(i), i+1))
	}
	for i, key := range legal {
		if !bytes.Equal(read(t, b, key), sample(uint64(i), i+1)) {
			t.Errorf("%q holds other bytes than were put", key)
		}
	}
	slices.Sort(legal)
	if got := keys(t, b, ""); !slices.Equal(got, legal) {
		t.Errorf("listed %v, want %v", got, legal)
	}
}

func openRanges(t *testing.T, a, b filestore.Store) {
	body, key := sample(8, 1_000_003), filestore.NewKey()
	put(t, a, key, body)
	f, err := b.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, r := range [][2]int{{0, 1}, {0, len(body)}, {500_000, 17}, {len(body) - 1, 1}, {3, 600_000}, {1, 0}} {
		if at, err := f.Seek(int64(r[0]), io.SeekStart); err != nil || at != int64(r[0]) {
			t.Fatalf("seek to %d: %d, %v", r[0], at, err)
		}
		got := make([]byte, r[1])
		if _, err := io.ReadFull(f, got); err != nil || !bytes.Equal(got, body[r[0]:r[0]+r[1]]) {
			t.Errorf("range %v: %v, or other bytes", r, err)
		}
	}
	if at, err := f.Seek(0, io.SeekEnd); err != nil || at != int64(len(body)) {
		t.Errorf("seek to the end gives %d, %v, want %d", at, err, len(body))
	}
	if n, err := f.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("read at the end: %d, %v, want EOF", n, err)
	}
	if _, err := f.Seek(-1, io.SeekStart); err == nil {
		t.Error("a seek before the beginning succeeded")
	}
	f.Seek(-5, io.SeekEnd)
	if tail, err := io.ReadAll(f); err != nil || !bytes.Equal(tail, body[len(body)-5:]) {
		t.Errorf("the last five bytes: %x, %v", tail, err)
	}
}

func openUnknown(t *testing.T, a, _ filestore.Store) {
	_, err := a.Open(t.Context(), filestore.NewKey())
	wantKind(t, "open an unknown key", err, stoa.KindNotFound)
	put(t, a, "dir/file", []byte("x"))
	_, err = a.Open(t.Context(), "dir")
	wantKind(t, "open the first part of a key", err, stoa.KindNotFound)
}

func deleteIdempotent(t *testing.T, a, b filestore.Store) {
	key := filestore.NewKey()
	put(t, a, key, []byte("x"))
	for range 2 {
		if err := b.Delete(t.Context(), key); err != nil {
			t.Fatalf("delete: %v", err)
		}
	}
	_, err := a.Open(t.Context(), key)
	wantKind(t, "open a deleted key", err, stoa.KindNotFound)
	wantNothing(t, a)
	put(t, a, key, []byte("again")) // the store does not remember; that keys are not used twice is for the caller
}

func listPrefix(t *testing.T, a, b filestore.Store) {
	for _, k := range []string{"doc-1", "doc-2", "doc", "preview/1", "preview/2/x", "previews",
		"history/1-a", "history/2-b", "history", "hist"} {
		put(t, a, k, []byte(k))
	}
	for prefix, want := range map[string][]string{
		"doc": {"doc", "doc-1", "doc-2"}, "doc-": {"doc-1", "doc-2"}, "preview/": {"preview/1", "preview/2/x"},
		"preview": {"preview/1", "preview/2/x", "previews"}, "none": nil,
		"history/": {"history/1-a", "history/2-b"}, "history/2": {"history/2-b"},
		"hist": {"hist", "history", "history/1-a", "history/2-b"},
	} {
		if got := keys(t, b, prefix); !slices.Equal(got, want) {
			t.Errorf("list %q: %v, want %v", prefix, got, want)
		}
	}
	b.List(t.Context(), "preview/2", func(i filestore.Info) error {
		if i.Size != int64(len("preview/2/x")) || i.Modified.IsZero() {
			t.Errorf("listed %+v without size and time", i)
		}
		return nil
	})
}

func listStops(t *testing.T, a, _ filestore.Store) {
	for range 20 {
		put(t, a, filestore.NewKey(), nil)
	}
	enough, seen := errors.New("enough"), 0
	err := a.List(t.Context(), "", func(filestore.Info) error {
		if seen++; seen == 3 {
			return enough
		}
		return nil
	})
	if err != enough || seen != 3 {
		t.Errorf("list gave %v after %d keys, want the function's error after 3", err, seen)
	}
}

func nothingMade(t *testing.T, a, b filestore.Driver) {
	for _, s := range []filestore.Store{a, a.Bind(Identity)} {
		_, err := s.Put(t.Context(), "key", strings.NewReader("x"), 1)
		wantKind(t, "put where no store is", err, stoa.KindUnavailable)
		_, err = s.Open(t.Context(), "key")
		wantKind(t, "open where no store is", err, stoa.KindUnavailable)
		wantKind(t, "delete where no store is", s.Delete(t.Context(), "key"), stoa.KindUnavailable)
	}
	wantFault(t, "check", a.Check(t.Context(), Identity), filestore.CodeMissing)
	if id, err := b.Identity(t.Context()); err == nil {
		t.Errorf("looking at the place has made a store in it: %q", id)
	}
}

func identityFirstWins(t *testing.T, a, b filestore.Driver) {
	_, err := a.Make(t.Context(), "../x")
	wantKind(t, "propose ../x as identity", err, stoa.KindInvalid)
	for i, c := range []struct {
		s       filestore.Driver
		propose string
	}{{a, "first"}, {b, "second"}} {
		if id, err := c.s.Make(t.Context(), c.propose); err != nil || id != "first" {
			t.Errorf("call %d: %q, %v, want the first proposal", i, id, err)
		}
		if id, err := c.s.Identity(t.Context()); err != nil || id != "first" {
			t.Errorf("after call %d: %q, %v, want the first proposal", i, id, err)
		}
	}
	wantNothing(t, a) // the identity is not a file
	if err := a.Delete(t.Context(), "identity"); err != nil {
		t.Errorf("delete of a key that happens to be called identity: %v", err)
	}
	if id, err := b.Identity(t.Context()); err != nil || id != "first" {
		t.Errorf("after that the identity is %q, %v", id, err)
	}
}

func identityConcurrent(t *testing.T, a, b filestore.Driver) {
	var (
		wg  sync.WaitGroup
		ids [10]string
	)
	for i := range ids {
		s := a
		if i%2 == 1 {
			s = b
		}
		wg.Go(func() {
			id, err := s.Make(context.Background(), fmt.Sprintf("store-%d", i))
			if err != nil {
				t.Errorf("proposal %d: %v", i, err)
			}
			ids[i] = id
		})
	}
	wg.Wait()
	for i, id := range ids {
		if id == "" || id != ids[0] {
			t.Errorf("caller %d was told %q, caller 0 %q", i, id, ids[0])
		}
	}
}

func otherIdentity(t *testing.T, a, b filestore.Driver) {
	if _, err := a.Make(t.Context(), Identity); err != nil {
		t.Fatal(err)
	}
	right := b.Bind(Identity)
	put(t, right, "key", []byte("x"))
	g := filestore.NewGuard(a, filestore.GuardOptions{})
	t.Cleanup(func() { _ = g.Close(context.Background()) })
	_, err := g.Put(t.Context(), "new", strings.NewReader("x"), 1)
	wantFault(t, "put before the store is known", err, filestore.CodeUnknown)
	g.Adopt("another")
	for what, s := range map[string]filestore.Store{"bound": a.Bind("another"), "guarded": g} {
		_, err := s.Put(t.Context(), "new", strings.NewReader("x"), 1)
		wantFault(t, what+" put", err, filestore.CodeOther)
		_, err = s.Open(t.Context(), "new")
		wantFault(t, what+" open of what is not there", err, filestore.CodeOther)
		wantFault(t, what+" delete", s.Delete(t.Context(), "key"), filestore.CodeOther)
		wantFault(t, what+" list", s.List(t.Context(), "", func(filestore.Info) error { return nil }), filestore.CodeOther)
	}
	wantFault(t, "check", g.Check(t.Context()), filestore.CodeOther)
	if got := keys(t, right, ""); !slices.Equal(got, []string{"key"}) {
		t.Errorf("the store holds %v, want what its own portal put", got)
	}
	g.Adopt(Identity)
	if err := g.Check(t.Context()); err != nil {
		t.Errorf("check of the right store: %v", err)
	}
	put(t, g, "new", []byte("y"))
}

func check(t *testing.T, a, b filestore.Driver) {
	if _, err := a.Make(t.Context(), Identity); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := b.Check(t.Context(), Identity); err != nil {
			t.Fatal(err)
		}
	}
	wantNothing(t, a)
}

func wantFault(t *testing.T, what string, err error, code string) {
	t.Helper()
	wantKind(t, what, err, stoa.KindUnavailable)
	f := filestore.FaultOf(err)
	if f == nil || f.Code != code || f.Why == "" || f.Fix == "" {
		t.Errorf("%s: %v, want the fault %q with reason and fix", what, err, code)
	}
}

func cancelledContext(t *testing.T, a, _ filestore.Store) {
	put(t, a, "kept", []byte("x"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, perr := a.Put(ctx, "new", strings.NewReader("x"), 1)
	_, oerr := a.Open(ctx, "kept")
	lerr := a.List(ctx, "", func(filestore.Info) error { return nil })
	for what, err := range map[string]error{"put": perr, "open": oerr, "list": lerr, "delete": a.Delete(ctx, "kept")} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled context: %v", what, err)
		}
	}
	if got := keys(t, a, ""); !slices.Equal(got, []string{"kept"}) {
		t.Errorf("the store holds %v, want only the kept file", got)
	}
}
