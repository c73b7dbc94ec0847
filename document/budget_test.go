package document_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"image"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/filestore"
)

// flatWebP is a WebP file of a few bytes (VP8L) that has as many pixels as it says, all of one colour.
func flatWebP(w, h uint32) []byte {
	bits := uint64(0)
	n := 0
	var data []byte
	put := func(v uint64, count int) {
		bits |= v << n
		for n += count; n >= 8; n -= 8 {
			data = append(data, byte(bits))
			bits >>= 8
		}
	}
	put(0x2f, 8)
	put(uint64(w-1), 14)
	put(uint64(h-1), 14)
	put(0, 1) // no alpha
	put(0, 3) // version
	put(0, 1) // no transform
	put(0, 1) // no colour cache
	put(0, 1) // one group of codes
	for range 5 {
		put(1, 1) // a simple code
		put(0, 1) // of one symbol
		put(0, 1) // in one bit
		put(0, 1) // which is 0
	}
	put(0, 7)
	if len(data)%2 == 1 {
		data = append(data, 0)
	}
	out := append([]byte("RIFF"), 0, 0, 0, 0)
	out = append(out, "WEBPVP8L"...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(data)))
	out = append(out, data...)
	binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-8))
	return out
}

func TestHostile_PicturesThatTakeTooMuchMemoryComeAsTheyAre(t *testing.T) {
	n, st := lite(t, 0, 40_000_000)
	tall := flatWebP(2000, 16383)
	if len(tall) > 64 {
		t.Fatalf("the picture has %d bytes", len(tall))
	}
	deep := image.NewNRGBA64(image.Rect(0, 0, 6300, 6300))
	deep.Pix[0] = 1
	for name, body := range map[string][]byte{"tall.webp": tall, "deep.png": pngOf(t, deep),
		"line.webp": flatWebP(16000, 200)} {
		f := n.upload(t, st, name, body)
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		data, v := n.bytesOf(t, system(t), f.Key, 1920)
		runtime.ReadMemStats(&after)
		if !bytes.Equal(data, body) || v != f {
			t.Errorf("%s was scaled: %+v", name, v)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 32<<20 {
			t.Errorf("%s took %d MB to be handed out", name, took>>20)
		}
	}
	if n.keys(t) != 3 {
		t.Errorf("%d keys: that a picture is too dear depends on the settings and is not kept", n.keys(t))
	}
}

func TestHostile_ManyPicturesAtOnceStayWithinTheBudget(t *testing.T) {
	n, st := lite(t, 0, 40_000_000)
	f := n.upload(t, st, "flat.webp", flatWebP(2000, 2000))
	var most atomic.Uint64
	done := make(chan struct{})
	var watch, all sync.WaitGroup
	watch.Go(func() {
		for tick := time.NewTicker(5 * time.Millisecond); ; {
			select {
			case <-done:
				tick.Stop()
				return
			case <-tick.C:
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most.Store(max(most.Load(), m.HeapInuse))
			}
		}
	})
	for _, width := range document.Widths() {
		for range 3 {
			all.Go(func() {
				b, v, err := n.Open(system(t), f.Key, width)
				if err != nil || v.Width != width {
					t.Errorf("%+v, %v", v, err)
					return
				}
				_ = b.Close()
			})
		}
	}
	all.Wait()
	close(done)
	watch.Wait()
	t.Logf("the heap had %d MB at most", most.Load()>>20)
	if most.Load() > 1200<<20 { // the budget of 480 MB, and as much that the collector has not taken back yet
		t.Errorf("the heap had %d MB", most.Load()>>20)
	}
}

// short gives files that end too early, as a store does that is being taken away.
type short struct {
	filestore.Store
	on bool
}

func (s *short) Open(ctx context.Context, key string) (filestore.File, error) {
	f, err := s.Store.Open(ctx, key)
	if err != nil || !s.on {
		return f, err
	}
	return &shortFile{File: f}, nil
}

type shortFile struct {
	filestore.File
	at int64
}

func (f *shortFile) Read(p []byte) (int, error) {
	left := f.Info().Size/2 - f.at
	if left <= 0 {
		return 0, io.EOF
	}
	k, err := f.File.Read(p[:min(int64(len(p)), left)])
	f.at += int64(k)
	return k, err
}

func (f *shortFile) Seek(offset int64, whence int) (int64, error) {
	at, err := f.File.Seek(offset, whence)
	f.at = at
	return at, err
}

func TestOpen_AFileThatEndsTooEarlyIsTriedAgain(t *testing.T) {
	t.Parallel()
	n, st := lite(t, 0, 0)
	f := n.upload(t, st, "wide.png", pngOf(t, half(1000, 500)))
	store := &short{Store: n.store, on: true}
	c, err := cache.New(cache.Options{Proof: cache.Boottime, InTransaction: db.InWrite})
	must(t, err)
	t.Cleanup(c.Close)
	s, err := document.New(document.Options{DB: n.d, Cache: c, Access: n.acc, Store: store})
	must(t, err)
	if _, _, err := s.Open(system(t), f.Key, 320); err == nil {
		t.Error("a picture that was cut off by the store was scaled")
	}
	store.on = false
	b, v, err := s.Open(system(t), f.Key, 320)
	must(t, err)
	_ = b.Close()
	if v.Width != 320 {
		t.Errorf("after the store was well again: %+v", v)
	}
}
