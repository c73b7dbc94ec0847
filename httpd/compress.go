package httpd

import (
	"compress/gzip"
	"net/http"
	"strings"
	"sync"
)

// Compress wraps a handler whose responses are made afresh each time: text of some size is sent with gzip
// when the client takes it. What is encoded already, is a range, or is no text passes unchanged.
func Compress(h http.Handler) http.Handler {
	pool := &sync.Pool{New: func() any {
		z, _ := gzip.NewWriterLevel(nil, 5) // a known level is no error
		return z
	}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &compressor{ResponseWriter: w, pool: pool, accepts: r.Method != http.MethodHead && acceptsGzip(r)}
		h.ServeHTTP(c, r) // after a panic the held back bytes are dropped
		c.close()
	})
}

func acceptsGzip(r *http.Request) bool {
	if Encoding(r) == "gzip" {
		return true
	}
	// Brotli is preferred by browsers, and too slow to make for each response.
	for _, line := range r.Header["Accept-Encoding"] {
		for item := range strings.SplitSeq(line, ",") {
			name, params, _ := strings.Cut(item, ";")
			if strings.EqualFold(strings.TrimSpace(name), "gzip") && quality(params) > 0 {
				return Encoding(r) != ""
			}
		}
	}
	return false
}

// compressor holds back the beginning of a response until it is worth a decision.
type compressor struct {
	http.ResponseWriter
	pool    *sync.Pool
	accepts bool
	status  int
	buf     []byte
	decided bool
	gz      *gzip.Writer // nil when the response passes unchanged
}

func (c *compressor) WriteHeader(status int) {
	if status < 200 {
		c.ResponseWriter.WriteHeader(status)
		return
	}
	if c.status == 0 {
		c.status = status
	}
}

func (c *compressor) Write(p []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	if !c.decided {
		if len(c.buf)+len(p) < compressFrom {
			c.buf = append(c.buf, p...)
			return len(p), nil
		}
		if err := c.decide(len(c.buf) + len(p)); err != nil {
			return 0, err
		}
	}
	return c.write(p)
}

func (c *compressor) write(p []byte) (int, error) {
	if c.gz != nil {
		return c.gz.Write(p)
	}
	return c.ResponseWriter.Write(p)
}

// decide writes the header and what was held back. size is what is known of the body.
func (c *compressor) decide(size int) error {
	c.decided = true
	h := c.Header()
	if len(c.buf) > 0 && h.Get("Content-Type") == "" && h.Get("Content-Encoding") == "" {
		h.Set("Content-Type", http.DetectContentType(c.buf))
	}
	able := h.Get("Content-Encoding") == "" && h.Get("Content-Range") == "" && compressible(h.Get("Content-Type")) && hasBody(c.status)
	if able {
		variesByEncoding(h)
	}
	if able && c.accepts && size >= compressFrom {
		h.Set("Content-Encoding", "gzip")
		h.Del("Content-Length")
		h.Del("Accept-Ranges")
		if e := h.Get("ETag"); e != "" && !strings.HasPrefix(e, "W/") {
			h.Set("ETag", "W/"+e)
		}
		c.gz = c.pool.Get().(*gzip.Writer)
		c.gz.Reset(c.ResponseWriter)
	}
	if c.status != 0 {
		c.ResponseWriter.WriteHeader(c.status)
	}
	if len(c.buf) == 0 {
		return nil
	}
	_, err := c.write(c.buf)
	c.buf = nil
	return err
}

func hasBody(status int) bool {
	return status != http.StatusNoContent && status != http.StatusNotModified
}

func compressible(contentType string) bool {
	t, _, _ := strings.Cut(contentType, ";")
	switch t = strings.ToLower(strings.TrimSpace(t)); {
	case strings.HasPrefix(t, "text/"):
		return t != "text/event-stream"
	case strings.HasSuffix(t, "+json"), strings.HasSuffix(t, "+xml"):
		return true
	}
	switch t {
	case "application/json", "application/javascript", "application/xml", "application/manifest+json":
		return true
	}
	return false
}

// reset forgets the response so far; it reports false when part of it is out.
func (c *compressor) reset() bool {
	if c.decided {
		return false
	}
	c.status, c.buf = 0, nil
	return true
}

// FlushError decides now and sends what there is.
func (c *compressor) FlushError() error {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	if !c.decided {
		if err := c.decide(len(c.buf)); err != nil {
			return err
		}
	}
	if c.gz != nil {
		if err := c.gz.Flush(); err != nil {
			return err
		}
	}
	return http.NewResponseController(c.ResponseWriter).Flush()
}

// Flush decides now and sends what there is.
func (c *compressor) Flush() { _ = c.FlushError() }

// Unwrap is for http.ResponseController.
func (c *compressor) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *compressor) close() {
	if !c.decided {
		if c.status == 0 && len(c.buf) == 0 {
			return // nothing was written; a wrapper further out may still do so
		}
		c.decide(len(c.buf)) // an error here means that the visitor has left, which the response has noted
	}
	if c.gz != nil {
		c.gz.Close()
		c.gz.Reset(nil)
		c.pool.Put(c.gz)
		c.gz = nil
	}
}
