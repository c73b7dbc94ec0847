package document

import (
	"encoding/binary"
	"image"
	"image/color"
	"io"
)

// Limits of what is scaled, besides the pixels of Options.
const (
	maxSide  = 16_000 // pixels of the longer side
	maxRatio = 16     // of the longer side to the shorter
)

// perPixel is how many bytes a picture may take in memory for each pixel that Options.MaxPixels allows: a photograph,
// and what scaling it to the largest width needs besides.
const perPixel = 12

// budget is how many bytes all pictures that are scaled at a time may take.
func (o Options) budget() int64 { return max(256<<20, o.MaxPixels*perPixel) }

// shaped reports whether the sides of a picture are such that it is scaled.
func shaped(f File) bool {
	long, short := int64(max(f.Width, f.Height)), int64(min(f.Width, f.Height))
	return short > 0 && long <= maxSide && long <= maxRatio*short
}

// need estimates, from the head of a picture, how many bytes it takes to scale it to a width: the pixels as its decoder
// holds them, which depends on how deep they are, the rows that are scaled to the new width with four floats for each
// pixel before the columns are, and the result. The position in r is lost.
func need(r io.ReadSeeker, c image.Config, kind string, turned turn, f File, width int) (int64, error) {
	w, h := int64(c.Width), int64(c.Height)
	each, err := depth(r, c, kind)
	if err != nil {
		return 0, err
	}
	dw, dh := int64(width), int64(scaled(f.Height, f.Width, width))
	result := dw * dh * 4
	if turned.swaps() {
		dw = dh
	}
	if turned > 1 {
		result *= 2
	}
	return w*h*each + dw*h*32 + result*2, nil
}

// depth is how many bytes a decoder takes for each pixel.
func depth(r io.ReadSeeker, c image.Config, kind string) (int64, error) {
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	switch kind {
	case "image/jpeg":
		each, err := jpegDepth(r)
		if c.ColorModel == color.CMYKModel {
			each += 4 // the picture that is made of the planes
		}
		return each, err
	case "image/png":
		each := int64(4)
		switch c.ColorModel {
		case color.RGBA64Model, color.NRGBA64Model:
			each = 8
		case color.Gray16Model:
			each = 2
		case color.GrayModel:
			each = 1
		default:
			if _, ok := c.ColorModel.(color.Palette); ok {
				each = 1
			}
		}
		var head [29]byte // the last byte says whether passes are woven into each other
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return 0, err
		}
		if head[28] != 0 {
			each *= 2
		}
		return each, nil
	case "image/webp":
		return 12, nil // with what undoes the transforms
	}
	return 16, nil
}

// jpegDepth is how many bytes a JPEG file takes for each pixel: a byte for each sample, of which there are fewer where
// colours are coarser than light, and for one that comes in passes four more, since its coefficients are held until the
// last pass. What is not understood is taken for the dearest.
func jpegDepth(r io.ReadSeeker) (int64, error) {
	const dearest = 20
	var b [4]byte
	if _, err := io.ReadFull(r, b[:2]); err != nil {
		return dearest, err
	}
	for range 200 {
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return dearest, err
		}
		size := int(binary.BigEndian.Uint16(b[2:])) - 2
		switch {
		case b[0] != 0xff || size < 0:
			return dearest, nil
		case b[1] >= 0xc0 && b[1] <= 0xcf && b[1] != 0xc4 && b[1] != 0xc8 && b[1] != 0xcc:
			frame := make([]byte, size)
			if _, err := io.ReadFull(r, frame); err != nil {
				return dearest, err
			}
			each := int64(1)
			if b[1] != 0xc0 && b[1] != 0xc1 {
				each = 5
			}
			return samples(frame, each), nil
		}
		if _, err := r.Seek(int64(size), io.SeekCurrent); err != nil {
			return dearest, err
		}
	}
	return dearest, nil
}

// samples is how many samples the frame of a JPEG file has for each pixel, each times, rounded up.
func samples(frame []byte, each int64) int64 {
	if len(frame) < 6 || len(frame) < 6+3*int(frame[5]) {
		return 4 * each
	}
	var sum, most int64
	for i := range int(frame[5]) {
		f := frame[6+3*i+1]
		n := int64(f>>4) * int64(f&15)
		sum, most = sum+n, max(most, n)
	}
	if most == 0 {
		return 4 * each
	}
	return (sum*each + most - 1) / most
}
