package document

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"slices"
	"time"

	"golang.org/x/image/draw"
	"golang.org/x/image/webp"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/filestore"
)

// Widths are the widths in pixels that pictures are handed out in.
func Widths() []int { return []int{160, 320, 640, 960, 1280, 1920} }

// Open gives the bytes of a file for reading; the caller closes them. The actor needs View on the file. Width 0 means
// the original; one of the Widths a picture of that width, which is made at the first call and then kept. A file that
// is no picture, is not wider than that, moves, has more pixels than Options.MaxPixels, is much longer than wide, or
// would take too much memory comes as it is. Any other width is Invalid. Type, Size, Width and Height of the returned
// File are those of the bytes returned.
func (s *Service) Open(ctx context.Context, key string, width int) (filestore.File, File, error) {
	if width != 0 && !slices.Contains(Widths(), width) {
		return nil, File{}, stoa.Invalid("w", "%d is not a width of pictures: one of %v is expected", width, Widths())
	}
	f, err := s.ByKey(ctx, key)
	if err != nil {
		return nil, File{}, err
	}
	if width != 0 && !s.opt.Unscaled && scalable(f.Type) && f.Width > width && pixels(f) <= s.opt.MaxPixels &&
		shaped(f) {
		b, v, err := s.variant(ctx, f, width)
		if err != nil || b != nil {
			return b, v, err
		}
	}
	b, err := s.original(ctx, f)
	if err != nil {
		return nil, File{}, fmt.Errorf("open the file %d (%q): %w", f.ID, f.Name, err)
	}
	return b, f, nil
}

// original opens the bytes that were uploaded, which are compared with the digest in the row while they are read.
func (s *Service) original(ctx context.Context, f File) (filestore.File, error) {
	b, err := filestore.OpenKnown(ctx, s.opt.Store,
		filestore.Info{Key: storeKey(f.Key, 0), Size: f.Size, SHA256: f.Hash})
	if err != nil {
		s.noteDamage(f, err)
		return nil, err
	}
	return &compared{b, s, f}, nil
}

// scaledFile opens a picture that was scaled, of which no digest is known.
func (s *Service) scaledFile(ctx context.Context, key string) (filestore.File, error) {
	return filestore.OpenKnown(ctx, s.opt.Store, filestore.Info{Key: key})
}

// compared is an open file that tells when it was found damaged.
type compared struct {
	filestore.File
	s *Service
	f File
}

func (c *compared) Read(p []byte) (int, error) {
	n, err := c.File.Read(p)
	if err != nil && err != io.EOF {
		c.s.noteDamage(c.f, err)
	}
	return n, err
}

func (s *Service) noteDamage(f File, err error) {
	if d := filestore.DamagedOf(err); d != nil && s.opt.Damaged != nil {
		s.opt.Damaged(f, d)
	}
}

func pixels(f File) int64 { return int64(f.Width) * int64(f.Height) }

// scalable are the types that variants are made of. GIF is not, as it would stop moving; nor are PNG and WebP files
// that move, which is seen when they are to be scaled.
func scalable(kind string) bool {
	return kind == "image/jpeg" || kind == "image/png" || kind == "image/webp"
}

// tryAgain is how long it is kept that a picture cannot be scaled. Mostly it is damaged, but a store that was out of
// order may have said so in a way that looked like it.
const tryAgain = 24 * time.Hour

// errTooDear is of a picture that would take more memory than all may.
var errTooDear = errors.New("scaling it would take too much memory")

// variant opens a variant and makes it first when it is not there; nil bytes mean that the picture
// cannot be scaled, which is kept for a day as a variant without bytes so that it is tried once.
func (s *Service) variant(ctx context.Context, f File, width int) (filestore.File, File, error) {
	key := storeKey(f.Key, width)
	b, err := s.scaledFile(ctx, key)
	if err == nil && b.Info().Size == 0 && time.Since(b.Info().Modified) > tryAgain {
		if err = errors.Join(b.Close(), s.opt.Store.Delete(ctx, key)); err == nil {
			err = stoa.NotFound("variant", key)
		}
	}
	if stoa.Is(err, stoa.KindNotFound) {
		made, err2 := s.makeVariant(ctx, f, width)
		if errors.Is(err2, errTooDear) {
			return nil, File{}, nil
		}
		if err2 != nil {
			return nil, File{}, fmt.Errorf("scale the picture %d (%q) to a width of %d: %w", f.ID, f.Name, width, err2)
		}
		if b, err = made, nil; made == nil {
			b, err = s.scaledFile(ctx, key)
		}
	}
	if err != nil {
		return nil, File{}, err
	}
	if b.Info().Size == 0 {
		return nil, File{}, b.Close()
	}
	var head [8]byte
	if _, err = io.ReadFull(b, head[:]); err == nil {
		_, err = b.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, File{}, errors.Join(fmt.Errorf("read %s: %w", key, err), b.Close())
	}
	f.Type = "image/png"
	if head[0] == 0xff {
		f.Type = "image/jpeg"
	}
	f.Size, f.Width, f.Height = b.Info().Size, width, scaled(f.Height, f.Width, width)
	return b, f, nil
}

// scaled is the length that length becomes when from becomes to.
func scaled(length, from, to int) int {
	return max(1, int((int64(length)*int64(to)+int64(from)/2)/int64(from)))
}

// makeVariant scales a picture and puts the result into the store. How many pictures are decoded at once
// is limited by the bytes that this takes, estimated from their heads. A result that a store which is full or read-only
// does not take is returned instead: pictures can be read, and visitors should see them.
func (s *Service) makeVariant(ctx context.Context, f File, width int) (filestore.File, error) {
	key := storeKey(f.Key, width)
	src, err := s.original(ctx, f)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	in := &watched{src: src, size: f.Size}
	bytesNeeded := int64(1)
	c, turned, err := config(in, f.Type)
	if err == nil {
		bytesNeeded, err = need(in, c, f.Type, turned, f, width)
	}
	if in.err != nil {
		return nil, in.err
	}
	if err == nil && bytesNeeded > s.opt.budget() {
		return nil, errTooDear
	}
	if err := s.room.Acquire(ctx, max(1, bytesNeeded)); err != nil {
		return nil, stoa.Unavailable(err, "too many pictures are being scaled; try again")
	}
	defer s.room.Release(max(1, bytesNeeded))
	if b, err := s.scaledFile(ctx, key); err == nil {
		return b, nil // made while this request waited
	}
	var out bytes.Buffer
	if err == nil {
		_, err = in.Seek(0, io.SeekStart)
	}
	if err == nil {
		err = resize(&out, in, f, width)
	}
	switch {
	case in.err != nil:
		return nil, in.err // the store's fault, not the picture's: it is tried again
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		out.Reset() // browsers often show what a decoder refuses: they get the original
	}
	body := out.Bytes()
	_, err = s.opt.Store.Put(ctx, key, bytes.NewReader(body), int64(len(body)))
	switch {
	case stoa.Is(err, stoa.KindUnavailable):
		return unkept{bytes.NewReader(body), filestore.Info{Key: key, Size: int64(len(body))}}, nil
	case err != nil && !stoa.Is(err, stoa.KindConflict):
		return nil, err
	}
	return nil, nil
}

// watched remembers why bytes could not be read. A file that ends before its size is one that the store cut off.
type watched struct {
	src      io.ReadSeeker
	at, size int64
	err      error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.src.Read(p)
	w.at += int64(n)
	switch {
	case err == io.EOF && w.at < w.size:
		w.err = stoa.Unavailable(io.ErrUnexpectedEOF, "the store gave %d of the %d bytes of a picture; try again", w.at,
			w.size)
	case err != nil && err != io.EOF:
		w.err = err
	}
	return n, err
}

func (w *watched) Seek(offset int64, whence int) (int64, error) {
	at, err := w.src.Seek(offset, whence)
	if err != nil {
		w.err = err
		return at, err
	}
	w.at = at
	return at, nil
}

// unkept is a variant that is in memory only.
type unkept struct {
	*bytes.Reader
	info filestore.Info
}

func (u unkept) Info() filestore.Info { return u.info }
func (unkept) Close() error           { return nil }

// resize writes the picture in src with the given width, as JPEG when it is opaque and no PNG, else as PNG.
func resize(w io.Writer, src io.ReadSeeker, f File, width int) error {
	_, turn, err := config(src, f.Type)
	if err != nil {
		return err
	}
	if _, err := src.Seek(0, io.SeekStart); err != nil {
		return err
	}
	var img image.Image
	switch f.Type {
	case "image/jpeg":
		img, err = jpeg.Decode(src)
	case "image/png":
		if err = moving(src); err == nil {
			img, err = png.Decode(src)
		}
	case "image/webp":
		img, err = webp.Decode(src)
	default:
		err = fmt.Errorf("%s cannot be scaled", f.Type)
	}
	if err != nil {
		return err
	}
	height := scaled(f.Height, f.Width, width)
	if turn.swaps() {
		width, height = height, width
	}
	small := image.NewNRGBA(image.Rect(0, 0, width, height))
	draw.CatmullRom.Scale(small, small.Bounds(), img, img.Bounds(), draw.Src, nil)
	small = turn.apply(small)
	if f.Type != "image/png" && small.Opaque() {
		return jpeg.Encode(w, small, &jpeg.Options{Quality: 82})
	}
	return png.Encode(w, small)
}

// moving is an error for a PNG picture with several frames, which would stop: it has a chunk acTL before its first data
// (PNG third edition, 11.3.8.1). It leaves src at its beginning.
func moving(src io.ReadSeeker) error {
	at := int64(8) // behind the signature
	for {
		var head [8]byte
		if _, err := src.Seek(at, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.ReadFull(src, head[:]); err != nil {
			return err
		}
		switch string(head[4:]) {
		case "acTL":
			return errors.New("a PNG picture that moves cannot be scaled")
		case "IDAT":
			_, err := src.Seek(0, io.SeekStart)
			return err
		}
		at += 12 + int64(binary.BigEndian.Uint32(head[:4])) // the head and a check sum
	}
}

// config reads size and position of a picture from its beginning, without decoding it.
func config(r io.ReadSeeker, kind string) (image.Config, turn, error) {
	switch kind {
	case "image/jpeg":
		t := orientation(r)
		if _, err := r.Seek(0, io.SeekStart); err != nil {
			return image.Config{}, 0, err
		}
		c, err := jpeg.DecodeConfig(r)
		return c, t, err
	case "image/png":
		c, err := png.DecodeConfig(r)
		return c, 1, err
	case "image/webp":
		c, err := webp.DecodeConfig(r)
		return c, 1, err
	case "image/gif":
		c, err := gif.DecodeConfig(r)
		return c, 1, err
	}
	return image.Config{}, 0, fmt.Errorf("%s is not measured", kind)
}

// turn is the position of a photograph as cameras note it in the EXIF part: 1 is upright, 2 to 8 are the
// ways to mirror and turn it. Browsers obey it, so variants must.
type turn uint8

// swaps reports whether width and height change places.
func (t turn) swaps() bool { return t >= 5 && t <= 8 }

func (t turn) apply(src *image.NRGBA) *image.NRGBA {
	if t < 2 || t > 8 {
		return src
	}
	w, h := src.Rect.Dx(), src.Rect.Dy()
	dw, dh := w, h
	if t.swaps() {
		dw, dh = h, w
	}
	dst := image.NewNRGBA(image.Rect(0, 0, dw, dh))
	for y := range h {
		for x := range w {
			dx, dy := x, y
			switch t {
			case 2:
				dx = w - 1 - x
			case 3:
				dx, dy = w-1-x, h-1-y
			case 4:
				dy = h - 1 - y
			case 5:
				dx, dy = y, x
			case 6:
				dx, dy = h-1-y, x
			case 7:
				dx, dy = h-1-y, w-1-x
			case 8:
				dx, dy = y, w-1-x
			}
			copy(dst.Pix[dst.PixOffset(dx, dy):][:4], src.Pix[src.PixOffset(x, y):][:4])
		}
	}
	return dst
}

// orientation finds the note of the camera in a JPEG file; 1 when there is none that makes sense.
func orientation(r io.Reader) turn {
	var b [4]byte
	if _, err := io.ReadFull(r, b[:2]); err != nil || b[0] != 0xff || b[1] != 0xd8 {
		return 1
	}
	for range 64 {
		if _, err := io.ReadFull(r, b[:]); err != nil || b[0] != 0xff || b[1] == 0xda {
			return 1
		}
		part := make([]byte, max(0, int(binary.BigEndian.Uint16(b[2:]))-2))
		if _, err := io.ReadFull(r, part); err != nil {
			return 1
		}
		if b[1] == 0xe1 && bytes.HasPrefix(part, []byte("Exif\x00\x00")) {
			return tiffOrientation(part[6:])
		}
	}
	return 1
}

func tiffOrientation(p []byte) turn {
	if len(p) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.LittleEndian
	if p[0] == 'M' {
		order = binary.BigEndian
	}
	at := int64(order.Uint32(p[4:]))
	if at+2 > int64(len(p)) {
		return 1
	}
	n := int64(order.Uint16(p[at:]))
	for i := range n {
		e := at + 2 + 12*i
		if e+12 > int64(len(p)) {
			return 1
		}
		if order.Uint16(p[e:]) == 0x0112 {
			if v := order.Uint16(p[e+8:]); v >= 1 && v <= 8 {
				return turn(v)
			}
			return 1
		}
	}
	return 1
}
