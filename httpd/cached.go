package httpd

import (
	"net/http"
	"strconv"
)

const compressFrom = 1 << 10 // bytes; smaller bodies fit one packet anyway

// Cached is a finished response that is served many times: body, encodings and header values are made once, and
// serving it allocates nothing. It never changes and may be used by many goroutines.
type Cached struct {
	Bodies
	Status int
	ETag   string

	contentType, cacheControl, etag      []string
	identityLength, gzipLength, brLength []string
}

var (
	varyEncoding = []string{"Accept-Encoding"}
	gzipEncoding = []string{"gzip"}
	brEncoding   = []string{"br"}
)

// NewCached makes a response of a body, which it keeps. cacheControl is what clients are told, empty for nothing.
func NewCached(status int, contentType, cacheControl string, body []byte) *Cached {
	c := &Cached{Bodies: Precompress(body, compressFrom), Status: status, ETag: ETag(body)}
	c.contentType, c.etag = []string{contentType}, []string{c.ETag}
	if cacheControl != "" {
		c.cacheControl = []string{cacheControl}
	}
	length := func(b []byte) []string { return []string{strconv.Itoa(len(b))} }
	c.identityLength, c.gzipLength, c.brLength = length(c.Identity), length(c.Gzip), length(c.Brotli)
	return c
}

// ServeHTTP answers with the body, or with 304 when the client has it. A Cache-Control that is set on w already
// stays, for answers that are marked stale.
func (c *Cached) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h["Etag"] = c.etag
	if c.cacheControl != nil && len(h["Cache-Control"]) == 0 {
		h["Cache-Control"] = c.cacheControl
	}
	if c.Gzip != nil {
		if len(h["Vary"]) == 0 {
			h["Vary"] = varyEncoding
		} else {
			h.Add("Vary", "Accept-Encoding")
		}
	}
	if c.Status == http.StatusOK && matches(r, c.ETag) {
		notModified(w)
		return
	}
	body, length := c.Identity, c.identityLength
	if c.Gzip != nil {
		var enc string
		switch body, enc = c.Pick(Encoding(r)); enc {
		case "br":
			h["Content-Encoding"], length = brEncoding, c.brLength
		case "gzip":
			h["Content-Encoding"], length = gzipEncoding, c.gzipLength
		}
	}
	h["Content-Type"] = c.contentType
	h["Content-Length"] = length
	w.WriteHeader(c.Status)
	if r.Method != http.MethodHead {
		w.Write(body)
	}
}
