package httpd

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strings"

	"github.com/andybalholm/brotli"
)

// Encoding picks the content encoding for a response: "br", "gzip" or "" for none, by what the client accepts
// and prefers. It does not allocate.
func Encoding(r *http.Request) string {
	br, gz, identity, other := -1, -1, -1, -1 // thousandths; -1 when not named
	for _, line := range r.Header["Accept-Encoding"] {
		for line != "" {
			var item string
			item, line, _ = strings.Cut(line, ",")
			name, params, _ := strings.Cut(item, ";")
			q := quality(params)
			switch name = strings.TrimSpace(name); {
			case strings.EqualFold(name, "br"):
				br = q
			case strings.EqualFold(name, "gzip"), strings.EqualFold(name, "x-gzip"):
				gz = q
			case strings.EqualFold(name, "identity"):
				identity = q
			case name == "*":
				other = q
			}
		}
	}
	if br < 0 {
		br = other
	}
	if gz < 0 {
		gz = other
	}
	switch {
	case br > 0 && br >= gz && br >= identity:
		return "br"
	case gz > 0 && gz >= identity:
		return "gzip"
	}
	return ""
}

// quality reads the q of "q=0.5" in thousandths: 1000 when there is none, 0 when it is not a number.
func quality(params string) int {
	for params != "" {
		var p string
		p, params, _ = strings.Cut(params, ";")
		name, v, _ := strings.Cut(p, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "q") {
			continue
		}
		v = strings.TrimSpace(v)
		if v == "" || len(v) > 5 || v[0] != '0' && v[0] != '1' || len(v) > 1 && v[1] != '.' {
			return 0
		}
		q, unit := int(v[0]-'0')*1000, 100
		for i := 2; i < len(v); i++ {
			if v[i] < '0' || v[i] > '9' {
				return 0
			}
			q += int(v[i]-'0') * unit
			unit /= 10
		}
		return min(q, 1000)
	}
	return 1000
}

// Bodies is one body in the encodings worth keeping. Gzip and Brotli are nil where they save nothing.
type Bodies struct {
	Identity, Gzip, Brotli []byte
}

// Precompress makes the encodings of a body that will be sent many times. A body below minSize bytes, or one
// that hardly shrinks, stays as it is. body is kept, not copied.
func Precompress(body []byte, minSize int) Bodies {
	b := Bodies{Identity: body}
	if len(body) < minSize || len(body) == 0 {
		return b
	}
	var buf bytes.Buffer
	gz, _ := gzip.NewWriterLevel(&buf, gzip.DefaultCompression) // a known level is no error, nor is writing to memory
	gz.Write(body)
	gz.Close()
	if b.Gzip = worthKeeping(buf.Bytes(), len(body)); b.Gzip == nil {
		return b
	}
	buf.Reset()
	br := brotli.NewWriterLevel(&buf, 5)
	br.Write(body)
	br.Close()
	b.Brotli = worthKeeping(buf.Bytes(), len(body))
	return b
}

func worthKeeping(packed []byte, plain int) []byte {
	if len(packed) > plain-plain/16 {
		return nil
	}
	return bytes.Clone(packed)
}

// Pick gives the body for an encoding that Encoding chose, and the encoding it really has.
func (b Bodies) Pick(encoding string) ([]byte, string) {
	switch {
	case encoding == "br" && b.Brotli != nil:
		return b.Brotli, "br"
	case encoding == "gzip" && b.Gzip != nil:
		return b.Gzip, "gzip"
	}
	return b.Identity, ""
}

// Size is the memory the bodies take, in bytes.
func (b Bodies) Size() int { return len(b.Identity) + len(b.Gzip) + len(b.Brotli) }
