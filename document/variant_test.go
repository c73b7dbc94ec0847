package document_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"image"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/filestore"
)

func decode(t *testing.T, data []byte) image.Image {
	t.Helper()
	img, _, err := image.Decode(bytes.NewReader(data))
	must(t, err)
	return img
}

func TestOpen_ScalesWhatIsWider(t *testing.T) {
	t.Parallel()
	n, st := lite(t, 0, 0)
	f := n.upload(t, st, "wide.png", pngOf(t, half(1000, 500)))
	data, v := n.bytesOf(t, system(t), f.Key, 640)
	img := decode(t, data)
	if img.Bounds() != image.Rect(0, 0, 640, 320) || v.Width != 640 || v.Height != 320 || v.Type != "image/png" {
		t.Fatalf("%v, %+v", img.Bounds(), v)
	}
	if r, _, b, _ := img.At(10, 10).RGBA(); r>>8 != 255 || b != 0 {
		t.Errorf("the left side is not red: %v", img.At(10, 10))
	}
	if _, same := n.bytesOf(t, system(t), f.Key, 1280); same != f {
		t.Errorf("a picture was made larger: %+v", same)
	}
	if n.keys(t) != 2 {
		t.Errorf("%d keys", n.keys(t))
	}
	_, _, err := n.Open(system(t), f.Key, 641)
	wantKind(t, err, stoa.KindInvalid, "a width that is none")
	doc := n.upload(t, st, "a.txt", []byte("hello"))
	if data, _ := n.bytesOf(t, system(t), doc.Key, 640); string(data) != "hello" {
		t.Errorf("a text came as %q", data)
	}
}

func TestOpen_ManyAtOnceMakeOneVariant(t *testing.T) {
	t.Parallel()
	n, st := lite(t, 0, 0)
	f := n.upload(t, st, "wide.jpg", jpegOf(t, half(1000, 500)))
	var wg sync.WaitGroup
	errs := make([]error, 20)
	for i := range errs {
		wg.Go(func() {
			b, _, err := n.Open(system(t), f.Key, 320)
			if err == nil {
				err = b.Close()
			}
			errs[i] = err
		})
	}
	wg.Wait()
	for _, err := range errs {
		must(t, err)
	}
	if n.keys(t) != 2 {
		t.Errorf("%d keys", n.keys(t))
	}
}

// withOrientation puts an EXIF part with the note of a camera into a JPEG file.
func withOrientation(jpg []byte, o uint16) []byte {
	exif := []byte("Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01")
	exif = binary.BigEndian.AppendUint16(exif, o)
	exif = append(exif, 0, 0, 0, 0, 0, 0)
	out := append([]byte{}, jpg[:2]...)
	out = append(out, 0xff, 0xe1)
	out = binary.BigEndian.AppendUint16(out, uint16(len(exif)+2))
	return append(append(out, exif...), jpg[2:]...)
}

func TestOpen_TurnsPhotographs(t *testing.T) {
	t.Parallel()
	n, st := lite(t, 0, 0)
	// Red is left in the file. Turned by 6 (a quarter clockwise) it is on top, by 8 at the bottom.
	for o, redOnTop := range map[uint16]bool{6: true, 8: false} {
		f := n.upload(t, st, "turned.jpg", withOrientation(jpegOf(t, half(800, 400)), o))
		if f.Width != 400 || f.Height != 800 {
			t.Fatalf("turned by %d: recorded as %d × %d", o, f.Width, f.Height)
		}
		data, _ := n.bytesOf(t, system(t), f.Key, 160)
		img := decode(t, data)
		if img.Bounds() != image.Rect(0, 0, 160, 320) {
			t.Fatalf("turned by %d: %v", o, img.Bounds())
		}
		if r, _, b, _ := img.At(80, 20).RGBA(); (r > b) != redOnTop {
			t.Errorf("turned by %d: the top is %v", o, img.At(80, 20))
		}
	}
	f := n.upload(t, st, "mirrored.jpg", withOrientation(jpegOf(t, half(800, 400)), 2))
	data, _ := n.bytesOf(t, system(t), f.Key, 160)
	if r, _, b, _ := decode(t, data).At(10, 10).RGBA(); r > b {
		t.Error("a mirrored picture has red on the left")
	}
}

// bomb is a PNG file that claims to be enormous.
func bomb(w, h uint32) []byte {
	head := []byte("IHDR")
	head = binary.BigEndian.AppendUint32(head, w)
	head = binary.BigEndian.AppendUint32(head, h)
	head = append(head, 8, 6, 0, 0, 0)
	out := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d")
	out = append(out, head...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(head))
}

func TestHostile_BombIsNeverDecoded(t *testing.T) {
	t.Parallel()
	n, st := lite(t, 0, 0)
	_, err := n.Upload(system(t), st, document.Upload{Name: "huge.png", Body: bytes.NewReader(bomb(2_000_000_000, 2_000_000_000))})
	wantKind(t, err, stoa.KindInvalid, "a picture that no machine could hold")
	body := bomb(60_000, 60_000)
	f := n.upload(t, st, "bomb.png", body)
	if f.Width != 60_000 || f.Height != 60_000 {
		t.Fatalf("%+v", f)
	}
	if data, v := n.bytesOf(t, system(t), f.Key, 160); !bytes.Equal(data, body) || v != f || n.keys(t) != 1 {
		t.Errorf("the bomb was scaled: %+v", v)
	}
	// Just below the limit the picture is tried, found to be cut off, and tried never again.
	f = n.upload(t, st, "cut.png", bomb(5000, 5000))
	for range 2 {
		if _, v := n.bytesOf(t, system(t), f.Key, 160); v != f || n.keys(t) != 3 {
			t.Errorf("a picture that is cut off: %+v, %d keys", v, n.keys(t))
		}
	}
}

func TestHostile_PixelLimitOfTheOptions(t *testing.T) {
	t.Parallel()
	n, st := lite(t, 0, 400*400)
	small, large := n.upload(t, st, "a.png", pngOf(t, half(400, 400))), n.upload(t, st, "b.png", pngOf(t, half(401, 400)))
	if _, v := n.bytesOf(t, system(t), small.Key, 160); v.Width != 160 {
		t.Errorf("%+v", v)
	}
	if _, v := n.bytesOf(t, system(t), large.Key, 160); v.Width != 401 {
		t.Errorf("a picture over the limit was scaled: %+v", v)
	}
}

func TestHostile_SVG(t *testing.T) {
	t.Parallel()
	n, st := lite(t, 0, 0)
	evil := `<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(2)</script><rect width="5" height="5"/></svg>`
	for _, u := range []document.Upload{
		{Name: "a.svg", Body: strings.NewReader(evil), Size: int64(len(evil))},
		{Name: "a.txt", Body: strings.NewReader("\n " + evil)},
		{Name: "a.png", Type: "image/svg+xml; charset=utf-8", Body: strings.NewReader(`<?xml version="1.0"?>` + evil)},
	} {
		f, err := n.Upload(system(t), st, u)
		must(t, err)
		data, _ := n.bytesOf(t, system(t), f.Key, 0)
		if s := string(data); f.Type != "image/svg+xml" || strings.Contains(s, "alert") || !strings.Contains(s, "<rect") {
			t.Errorf("%s: kept as %s: %s", u.Name, f.Type, s)
		}
	}
	for name, body := range map[string]string{"a.svg": "<html><script>alert(1)</script></html>", "b.svg": "<svg><g></svg>"} {
		_, err := n.Upload(system(t), st, document.Upload{Name: name, Body: strings.NewReader(body)})
		wantKind(t, err, stoa.KindInvalid, body)
	}
	// Anything else that is text never gets a type under which scripts run in a picture.
	f := n.upload(t, st, "page.html", []byte(`<?xml version="1.0"?><html><svg onload="alert(1)"/></html>`))
	if f.IsImage() {
		t.Errorf("kept as %s", f.Type)
	}
}

func TestHostile_Sizes(t *testing.T) {
	t.Parallel()
	n, st := lite(t, 1000, 0)
	full := strings.Repeat("x", 1000)
	_, err := n.Upload(system(t), st, document.Upload{Name: "ok.txt", Body: strings.NewReader(full)})
	must(t, err)
	for what, u := range map[string]document.Upload{
		"more than allowed, unannounced":     {Body: strings.NewReader(full + "x")},
		"much more than allowed":             {Body: strings.NewReader(strings.Repeat(full, 100))},
		"more than allowed, announced":       {Body: strings.NewReader(full), Size: 1001},
		"an SVG picture larger than allowed": {Name: "a.svg", Body: strings.NewReader("<svg>" + full + "</svg>")},
	} {
		_, err := n.Upload(system(t), st, u)
		wantKind(t, err, stoa.KindTooLarge, what)
	}
	for what, u := range map[string]document.Upload{
		"an empty file":             {Body: strings.NewReader("")},
		"no body":                   {},
		"more than allowed, hidden": {Body: strings.NewReader(full + "x"), Size: 1000},
		"less than announced":       {Body: strings.NewReader("abc"), Size: 4},
		"more than announced":       {Body: strings.NewReader("abc"), Size: 2},
		"a PNG file with no header": {Name: "a.png", Body: strings.NewReader("\x89PNG\r\n\x1a\nrubbish")},
	} {
		_, err := n.Upload(system(t), st, u)
		wantKind(t, err, stoa.KindInvalid, what)
	}
	if n.keys(t) != 1 {
		t.Errorf("%d keys are in the store, want that of the accepted file", n.keys(t))
	}
}

func TestHostile_NamesAndKeys(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"../../etc/passwd": "passwd", `C:\temp\a.txt`: "a.txt", "..": "file", "": "file", "a/": "file", ".htaccess": "htaccess", " . .x": "x",
		"a\x00b\r\n.txt": "ab.txt", "photo\u202egnp.exe": "photognp.exe", "bad\xff.txt": "bad.txt", "été.png": "été.png",
		strings.Repeat("é", 200) + ".jpeg": strings.Repeat("é", 92) + ".jpeg",
	} {
		if got := document.CleanName(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
	n, st := lite(t, 0, 0)
	f := n.upload(t, st, "../../x.txt", []byte("hello"))
	if f.Name != "x.txt" {
		t.Errorf("%q", f.Name)
	}
	for _, key := range []string{"", "../identity", "/etc/passwd", f.Key + "-w640", f.Key + "/", strings.Repeat("a", 5000), "A' OR 1=1"} {
		_, _, err := n.Open(system(t), key, 0)
		wantKind(t, err, stoa.KindNotFound, key)
	}
}

func FuzzUpload_NeverPanics(f *testing.F) {
	f.Add("a.png", []byte("\x89PNG\r\n\x1a\n"))
	f.Add("a.jpg", []byte("\xff\xd8\xff\xe1\x00\x10Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08"))
	f.Add("a.svg", []byte("<svg/>"))
	f.Add("a.webp", []byte("RIFF\x10\x00\x00\x00WEBPVP8 "))
	f.Fuzz(func(t *testing.T, name string, body []byte) {
		n, st := lite(t, 1<<20, 1<<20)
		got, err := n.Upload(system(t), st, document.Upload{Name: name, Body: bytes.NewReader(body)})
		if err != nil {
			return
		}
		n.bytesOf(t, system(t), got.Key, 160)
	})
}

// faulty is a store that fails where a test wants it to.
type faulty struct {
	filestore.Store
	read, write bool
}

func (f *faulty) Open(ctx context.Context, key string) (filestore.File, error) {
	b, err := f.Store.Open(ctx, key)
	if err != nil || !f.read {
		return b, err
	}
	return &cutOff{File: b}, nil
}

func (f *faulty) Put(ctx context.Context, key string, r io.Reader, size int64) (filestore.Info, error) {
	if f.write {
		return filestore.Info{}, stoa.Unavailable(nil, "the disk is full")
	}
	return f.Store.Put(ctx, key, r, size)
}

type cutOff struct {
	filestore.File
	n int
}

func (c *cutOff) Read(p []byte) (int, error) {
	if c.n++; c.n > 1 {
		return 0, stoa.Unavailable(nil, "the store does not answer")
	}
	return c.File.Read(p[:min(len(p), 200)])
}

func TestOpen_VariantOfAStoreThatFails(t *testing.T) {
	t.Parallel()
	n, st := lite(t, 0, 0)
	f := n.upload(t, st, "wide.png", pngOf(t, half(1000, 500)))
	store := &faulty{Store: n.store, read: true}
	c, err := cache.New(cache.Options{Proof: cache.Boottime, InTransaction: db.InWrite})
	must(t, err)
	t.Cleanup(c.Close)
	s, err := document.New(document.Options{DB: n.d, Cache: c, Access: n.acc, Store: store})
	must(t, err)
	_, _, err = s.Open(system(t), f.Key, 320)
	wantKind(t, err, stoa.KindUnavailable, "a picture whose bytes cannot be read")
	store.read, store.write = false, true
	b, v, err := s.Open(system(t), f.Key, 320)
	must(t, err)
	defer b.Close()
	data, err := io.ReadAll(b)
	must(t, err)
	if decode(t, data).Bounds().Dx() != 320 || v.Width != 320 || v.Size != int64(len(data)) || n.keys(t) != 1 {
		t.Errorf("a variant that cannot be kept: %+v, %d keys", v, n.keys(t))
	}
	store.write = false
	if _, v := n.bytesOf(t, system(t), f.Key, 320); v.Width != 320 || n.keys(t) != 2 {
		t.Errorf("the store is well again: %+v, %d keys", v, n.keys(t))
	}
}
