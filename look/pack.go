package look

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
)

// file is one asset with its compressed twins. Each twin is made once, by the first request that wants it; the memory
// this takes is bounded by the bundle, which is fixed when the binary is built.
type file struct {
	body     []byte
	mime     string
	etag     string // without quotes
	packable bool
	gzip     func() []byte
	brotli   func() []byte
}

func newFile(name string, body []byte) *file {
	sum := sha256.Sum256(body)
	f := &file{body: body, mime: mimeOf(name), etag: hex.EncodeToString(sum[:8])}
	f.packable = !strings.HasPrefix(f.mime, "font/") && len(body) > 256
	f.gzip = sync.OnceValue(func() []byte { return packGzip(body) })
	f.brotli = sync.OnceValue(func() []byte { return packBrotli(body) })
	return f
}

// packed returns the body in the content coding "br" or "gzip".
func (f *file) packed(coding string) []byte {
	if coding == "br" {
		return f.brotli()
	}
	return f.gzip()
}

func packGzip(body []byte) []byte {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return body
	}
	// A bytes.Buffer cannot fail, so neither can these.
	_, _ = w.Write(body)
	_ = w.Close()
	return out.Bytes()
}

// packBrotli uses level 9: level 11 takes a second of one core for the editor and saves a few hundredths.
func packBrotli(body []byte) []byte {
	var out bytes.Buffer
	w := brotli.NewWriterLevel(&out, 9)
	_, _ = w.Write(body)
	_ = w.Close()
	return out.Bytes()
}

// choose picks the best content coding an Accept-Encoding header allows: "br", "gzip" or "" (RFC 9110, 12.5.3).
func choose(header string) string {
	best, bestQ := "", 0.0
	for _, part := range strings.Split(header, ",") {
		coding, params, _ := strings.Cut(part, ";")
		coding = strings.ToLower(strings.TrimSpace(coding))
		if coding != "br" && coding != "gzip" {
			continue
		}
		q := 1.0
		if value, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			parsed, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				continue
			}
			q = parsed
		}
		if q > bestQ || q == bestQ && q > 0 && coding == "br" {
			best, bestQ = coding, q
		}
	}
	return best
}
