package httpd

import (
	"encoding/json"
	"html"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
)

// render writes an error response: problem details for programs, the page of the site for people, a plain
// page where there is none or where it fails itself.
func render(s *Server, w http.ResponseWriter, r *http.Request, out outcome) {
	h := w.Header()
	for _, k := range [...]string{
		"Content-Type", "Content-Length", "Content-Encoding", "Content-Disposition", "Content-Range", "Accept-Ranges",
		"Etag", "Last-Modified", "Expires", "Age", "Location",
	} {
		h.Del(k) // they belonged to the response that is not coming
	}
	h.Set("Cache-Control", "no-store")
	if out.retry > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((out.retry+time.Second-1)/time.Second), 10))
	}
	if out.status == http.StatusRequestEntityTooLarge || out.status == http.StatusRequestTimeout {
		if r.ProtoMajor == 1 {
			h.Set("Connection", "close") // the rest of the body is still on its way
		}
	}
	if wantsJSON(r) {
		problem(w, r, out)
		return
	}
	if s != nil && s.o.ErrorPage != nil && sitePage(s, w, r, out) {
		return
	}
	plainPage(w, r, out)
}

// sitePage reports whether the site's own error page answered.
func sitePage(s *Server, w http.ResponseWriter, r *http.Request, out outcome) (done bool) {
	rw := responseOf(w)
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if p == http.ErrAbortHandler || rw == nil || rw.wrote {
			panic(p)
		}
		s.log.LogAttrs(r.Context(), slog.LevelError, "the error page itself failed",
			slog.String("request", stoa.RequestIDFrom(r.Context())), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
		done = !takeBack(w)
	}()
	s.o.ErrorPage(w, r, out.status, out.message, out.retry > 0)
	return rw == nil || rw.wrote || !empty(w)
}

// empty reports whether the compressing writer in front of w, if any, has nothing to send.
func empty(w http.ResponseWriter) bool {
	c, ok := w.(*compressor)
	return !ok || c.status == 0 && len(c.buf) == 0
}

// plainPage is the last resort: it needs no site, no theme and no style.
func plainPage(w http.ResponseWriter, r *http.Request, out outcome) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(out.status)
	if r.Method == http.MethodHead {
		return
	}
	title := strconv.Itoa(out.status) + " " + http.StatusText(out.status)
	io.WriteString(w, "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>"+title+"</title>\n<h1>"+title+
		"</h1>\n<p>"+html.EscapeString(out.message)+"</p>\n</html>\n")
}

// problem writes the error as RFC 9457 says.
func problem(w http.ResponseWriter, r *http.Request, out outcome) {
	type fieldError struct {
		Field   string `json:"field"`
		Message string `json:"message"`
	}
	p := struct {
		Type    string       `json:"type"`
		Title   string       `json:"title"`
		Status  int          `json:"status"`
		Detail  string       `json:"detail"`
		Errors  []fieldError `json:"errors,omitempty"`
		Request string       `json:"request,omitempty"`
	}{"about:blank", http.StatusText(out.status), out.status, out.message, nil, stoa.RequestIDFrom(r.Context())}
	if out.field != "" {
		p.Errors = []fieldError{{out.field, out.message}}
	}
	if out.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(out.status)
	if r.Method != http.MethodHead {
		json.NewEncoder(w).Encode(p) // fails only when the visitor has left
	}
}

// wantsJSON reports whether the client is a program: it calls the API, or names JSON and prefers it to HTML.
func wantsJSON(r *http.Request) bool {
	if strings.HasPrefix(r.URL.Path, "/o/") {
		return true
	}
	var js, page int
	for _, line := range r.Header["Accept"] {
		for item := range strings.SplitSeq(line, ",") {
			name, params, _ := strings.Cut(item, ";")
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "application/json", "application/problem+json":
				js = max(js, quality(params))
			case "text/html", "application/xhtml+xml":
				page = max(page, quality(params))
			}
		}
	}
	return js > page
}
