package httpd

import (
	"encoding/binary"
	"errors"
	"net/http"
	"slices"
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
	return newCached(Precompress(body, compressFrom), status, contentType, cacheControl, ETag(body))
}

func newCached(b Bodies, status int, contentType, cacheControl, etag string) *Cached {
	c := &Cached{Bodies: b, Status: status, ETag: etag}
	c.contentType, c.etag = []string{contentType}, []string{c.ETag}
	if cacheControl != "" {
		c.cacheControl = []string{cacheControl}
	}
	length := func(b []byte) []string { return []string{strconv.Itoa(len(b))} }
	c.identityLength, c.gzipLength, c.brLength = length(c.Identity), length(c.Gzip), length(c.Brotli)
	return c
}

// MarshalBinary gives the response in a form that ParseCached reads, so that another node need not compress it
// again. The error is always nil.
func (c *Cached) MarshalBinary() ([]byte, error) {
	cacheControl := ""
	if len(c.cacheControl) > 0 {
		cacheControl = c.cacheControl[0]
	}
	b := binary.AppendUvarint(make([]byte, 0, c.Size()+200), uint64(c.Status))
	for _, part := range [][]byte{[]byte(c.contentType[0]), []byte(cacheControl), []byte(c.ETag), c.Identity, c.Gzip, c.Brotli} {
		b = append(binary.AppendUvarint(b, uint64(len(part))), part...)
	}
	return b, nil
}

var errCached = errors.New("httpd: not a cached response")

// ParseCached reads what MarshalBinary gave. It keeps b.
func ParseCached(b []byte) (*Cached, error) {
	status, n := binary.Uvarint(b)
	if n <= 0 || status < 100 || status > 999 {
		return nil, errCached
	}
	b = b[n:]
	var parts [6][]byte
	for i := range parts {
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return nil, errCached
		}
		if b = b[n:]; size > 0 {
			parts[i], b = b[:size:size], b[size:]
		}
	}
	if len(b) > 0 {
		return nil, errCached
	}
	return newCached(Bodies{Identity: parts[3], Gzip: parts[4], Brotli: parts[5]}, int(status), string(parts[0]), string(parts[1]), string(parts[2])), nil
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
		variesByEncoding(h)
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

// variesByEncoding says once that the answer depends on the encodings that the client understands.
func variesByEncoding(h http.Header) {
	switch {
	case len(h["Vary"]) == 0:
		h["Vary"] = varyEncoding
	case !slices.Contains(h["Vary"], "Accept-Encoding"):
		h.Add("Vary", "Accept-Encoding")
	}
}
