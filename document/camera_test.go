package document_test

import (
	"bytes"
	"image"
	"image/color"
	"image/gif"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/site"
)

// What moves is handed out as it is in every width: scaling would stop it.
func TestOpen_MovingPicturesKeepMoving(t *testing.T) {
	t.Parallel()
	n, st := lite(t, 0, 0)
	moving := gif.GIF{}
	for i := range 3 {
		frame := image.NewPaletted(image.Rect(0, 0, 320, 160), color.Palette{color.Black, color.White})
		frame.Pix[i] = 1
		moving.Image, moving.Delay = append(moving.Image, frame), append(moving.Delay, 10)
	}
	var b bytes.Buffer
	must(t, gif.EncodeAll(&b, &moving))
	pictures := map[string][]byte{"moving.gif": b.Bytes()}
	for _, name := range []string{"moving.webp", "moving.png"} {
		raw, err := os.ReadFile(filepath.Join("testdata", name))
		must(t, err)
		pictures[name] = raw
	}
	for name, body := range pictures {
		f := n.upload(t, st, name, body)
		if f.Width != 320 || f.Height != 160 {
			t.Errorf("%s is recorded as %d × %d", name, f.Width, f.Height)
		}
		if data, v := n.bytesOf(t, system(t), f.Key, 160); !bytes.Equal(data, body) || v.Type != f.Type {
			t.Errorf("%s was changed on its way: %+v", name, v)
		}
	}
}

// Printers' colours and deep grey are scaled to what a person sees in the original.
func TestOpen_ScalesColoursRightly(t *testing.T) {
	t.Parallel()
	n, st := lite(t, 0, 0)
	cmyk, err := os.ReadFile(filepath.Join("testdata", "cmyk.jpg"))
	must(t, err)
	grey := image.NewGray16(image.Rect(0, 0, 320, 160))
	for i := 0; i < len(grey.Pix); i += 2 {
		grey.Pix[i], grey.Pix[i+1] = 0x75, 0x30
	}
	near := func(got uint32, want int) bool { return int(got>>8)-want < 12 && want-int(got>>8) < 12 }
	for name, c := range map[string]struct {
		body    []byte
		r, g, b int
	}{"cmyk.jpg": {cmyk, 255, 0, 0}, "grey.png": {pngOf(t, grey), 0x75, 0x75, 0x75}} {
		f := n.upload(t, st, name, c.body)
		data, v := n.bytesOf(t, system(t), f.Key, 160)
		img := decode(t, data)
		if v.Width != 160 || img.Bounds().Dx() != 160 {
			t.Fatalf("%s was not scaled: %+v", name, v)
		}
		if r, g, b, _ := img.At(80, 40).RGBA(); !near(r, c.r) || !near(g, c.g) || !near(b, c.b) {
			t.Errorf("%s is %v, want %d %d %d", name, img.At(80, 40), c.r, c.g, c.b)
		}
	}
}

// Names as cameras, people and programs give them come back under an address of one element, on every database.
func TestUpload_OddNamesAreKept(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node, st site.Site) {
		for name, want := range map[string]string{
			"Übersicht (1).png": "Übersicht (1).png", "U\u0308bersicht (1).png": "Übersicht (1).png",
			"a b+c%20d&e=f.png": "a b+c%20d&e=f.png", "name;semi.png": "name;semi.png", `quo"te.png`: `quo"te.png`,
			"日本.png": "日本.png", "emoji😀.png": "emoji😀.png", "UPPER.PNG": "UPPER.PNG", "no-ext": "no-ext",
			"<script>.png": "<script>.png", "x.php.png": "x.php.png", "CON.png": "CON.png",
		} {
			f := n.upload(t, st, name, pngOf(t, half(8, 4)))
			got, err := n.ByKey(system(t), f.Key)
			must(t, err)
			if got.Name != want {
				t.Errorf("%q is kept as %q, want %q", name, got.Name, want)
			}
			address := document.URL(st.Slug, got)
			u, err := url.Parse(address)
			if err != nil || strings.ContainsAny(address, ` "<>?#`) || strings.Count(address, "/") != 4 ||
				u.Path != "/documents/"+st.Slug+"/"+want+"/"+f.Key {
				t.Errorf("%q has the address %q (%v)", name, address, err)
			}
		}
		f := n.upload(t, st, strings.Repeat("😀", 300)+".png", pngOf(t, half(8, 4)))
		if !utf8.ValidString(f.Name) || !strings.HasSuffix(f.Name, ".png") {
			t.Errorf("a long name is kept as %q", f.Name)
		}
	})
}
