package httpd

import (
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// Content is a file that somebody uploaded, about to be sent to somebody else.
type Content struct {
	Body     io.ReadSeeker
	Name     string    // what to call it when it is saved
	Type     string    // what the uploader said it is; not believed beyond the allow-list
	Modified time.Time // zero when not known
	ETag     string    // strong, with quotes; empty for none
	Download bool      // save rather than show, whatever the type
	Public   bool      // everybody may see it, so shared caches may keep it
	Forever  bool      // the address never names other bytes (Public only)
}

// The policy of uploaded files: nothing they hold may run or load anything.
const (
	filePolicy = "default-src 'none'; img-src 'self' data:; media-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox"
	// The built-in PDF viewers of some browsers refuse to work in a sandbox. What runs in a PDF runs in the viewer, not
	// in the origin of the site.
	pdfPolicy = "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'"
)

// shown are the types a browser may show: it takes them for nothing else under nosniff, and they cannot act in
// the name of the site. SVG can, which is what the sandbox is for.
var shown = map[string]bool{
	"image/png": true, "image/jpeg": true, "image/gif": true, "image/webp": true, "image/avif": true, "image/bmp": true,
	"image/x-icon": true, "image/vnd.microsoft.icon": true, "image/svg+xml": true,
	"audio/mpeg": true, "audio/ogg": true, "audio/wav": true, "audio/webm": true, "audio/aac": true, "audio/flac": true, "audio/mp4": true,
	"video/mp4": true, "video/webm": true, "video/ogg": true,
	"text/plain": true, "application/pdf": true,
}

// ServeContent sends a file with headers under which it can do no harm, whatever is in it. It answers ranges and
// conditional requests. What is not on the list of types a browser may show is sent as bytes to save. The error is that
// of a Body which could not be read to its end: the response is not whole then, and must not look so.
func ServeContent(w http.ResponseWriter, r *http.Request, c Content) error {
	h := w.Header()
	kind, _, err := mime.ParseMediaType(c.Type)
	if err != nil || !shown[kind] {
		kind, c.Download = "application/octet-stream", true
	}
	policy := filePolicy
	switch kind {
	case "application/pdf":
		policy = pdfPolicy
	case "text/plain":
		kind += "; charset=utf-8" // a charset of the uploader's choice, such as UTF-7, could hide what is meant
	}
	h.Set("Content-Type", kind)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", policy)
	disposition := "inline"
	if c.Download {
		disposition = "attachment"
	}
	h.Set("Content-Disposition", ContentDisposition(disposition, c.Name))
	switch {
	case c.Public && c.Forever:
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	case c.Public:
		h.Set("Cache-Control", "public, no-cache")
	default: // who loses the right to see it asks again and is refused
		h.Set("Cache-Control", "private, no-cache")
	}
	if c.ETag != "" {
		h.Set("ETag", c.ETag)
	}
	// A unit that is not known is ignored (RFC 9110, 14.2), and no honest client asks for so many pieces.
	if rng := r.Header.Get("Range"); !strings.HasPrefix(rng, "bytes=") || strings.Count(rng, ",") > 9 {
		r.Header.Del("Range")
	}
	body := &watched{body: c.Body}
	http.ServeContent(w, r, "", c.Modified, body)
	return body.end()
}

// watched remembers why a body could not be read. Several ranges are read by a goroutine that may still be at it when
// the client has left: after end nothing of the body is touched any more, so that it can be closed.
type watched struct {
	mu   sync.Mutex
	body io.ReadSeeker
	err  error
	over bool
}

func (b *watched) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return 0, io.ErrClosedPipe
	}
	n, err := b.body.Read(p)
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

func (b *watched) Seek(offset int64, whence int) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return 0, io.ErrClosedPipe
	}
	return b.body.Seek(offset, whence)
}

// end waits for a Read that is under way and gives the error of the first that failed.
func (b *watched) end() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
	return b.err
}

// ContentDisposition builds the header of the same name: kind is "inline" or "attachment", name is any text. Path
// separators, control characters and those that turn the direction of writing ("gpj.exe") are replaced.
func ContentDisposition(kind, name string) string {
	clean := make([]rune, 0, len(name))
	for _, c := range name {
		switch {
		case c == utf8.RuneError, c == '/', c == '\\', unicode.IsControl(c), unicode.Is(unicode.Cf, c), unicode.Is(unicode.Zl, c), unicode.Is(unicode.Zp, c):
			c = '_'
		}
		clean = append(clean, c)
	}
	if len(clean) > 180 { // keep the end, which says what kind of file it is
		clean = append(clean[:150:150], clean[len(clean)-30:]...)
	}
	text := strings.Trim(string(clean), " .")
	if text == "" {
		return kind
	}
	var plain, pct strings.Builder
	ascii := true
	for _, c := range text {
		switch {
		case c > unicode.MaxASCII:
			ascii = false
			plain.WriteByte('_')
		case c == '"', c == '%', c == ';':
			ascii = false
			plain.WriteByte('_')
		default:
			plain.WriteByte(byte(c))
		}
	}
	out := kind + `; filename="` + plain.String() + `"`
	if ascii {
		return out
	}
	const hex = "0123456789ABCDEF"
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$&+-.^_`|~", c) >= 0 {
			pct.WriteByte(c)
		} else {
			pct.WriteByte('%')
			pct.WriteByte(hex[c>>4])
			pct.WriteByte(hex[c&15])
		}
	}
	return out + "; filename*=UTF-8''" + pct.String()
}
