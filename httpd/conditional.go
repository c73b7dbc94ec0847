package httpd

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
)

// ETag makes the entity tag of a body. It is weak, because the same tag stands for all encodings of the body.
func ETag(body []byte) string {
	sum := sha256.Sum256(body)
	return `W/"` + base64.RawURLEncoding.EncodeToString(sum[:15]) + `"`
}

// NotModified sets the ETag and reports whether the client has this version already; then 304 is written and
// the handler is done. etag carries its quotes. Call it before the body and after the headers that a 304
// must repeat (Cache-Control, Vary).
func NotModified(w http.ResponseWriter, r *http.Request, etag string) bool {
	w.Header().Set("ETag", etag)
	if !matches(r, etag) {
		return false
	}
	notModified(w)
	return true
}

func notModified(w http.ResponseWriter) {
	h := w.Header()
	delete(h, "Content-Type")
	delete(h, "Content-Length")
	delete(h, "Content-Encoding")
	w.WriteHeader(http.StatusNotModified)
}

// matches compares If-None-Match weakly, as RFC 9110 13.1.2 wants.
func matches(r *http.Request, etag string) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	want := strings.TrimPrefix(etag, "W/")
	for _, line := range r.Header["If-None-Match"] {
		for line = strings.TrimLeft(line, " \t,"); line != ""; line = strings.TrimLeft(line, " \t,") {
			if line[0] == '*' {
				return true
			}
			line = strings.TrimPrefix(line, "W/")
			if line == "" || line[0] != '"' {
				break // not a list of tags
			}
			end := strings.IndexByte(line[1:], '"')
			if end < 0 {
				break
			}
			if line[:end+2] == want {
				return true
			}
			line = line[end+2:]
		}
	}
	return false
}
