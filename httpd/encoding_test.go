package httpd

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
)

func TestEncoding_Negotiation(t *testing.T) {
	for accept, want := range map[string]string{
		"": "", "gzip": "gzip", "br": "br", "gzip, deflate, br": "br", "GZIP": "gzip", "x-gzip": "gzip", "deflate": "", "zstd": "",
		"br;q=0, gzip": "gzip", "br;q=0,gzip;q=0": "", "br;q=0.5, gzip;q=0.8": "gzip", "br;q=0.8, gzip;q=0.80": "br", "*": "br", "*;q=0": "",
		"br;q=0, *": "gzip", "gzip;q=0, *;q=0.1": "br", "identity": "", "identity;q=1, gzip;q=0.5": "", "identity;q=0.5, gzip;q=1": "gzip",
		"identity;q=0, *;q=0": "", "gzip;q=1.000": "gzip", "gzip;q=0.001": "gzip", "gzip;q=0.000": "", "gzip;q=2": "", "gzip;q=-1": "", "gzip;q=": "",
		"gzip;q=nan": "", "gzip;q=0.5.5": "", "gzip ; q = 0.3 ": "gzip", "gzip;level=9;q=0": "", ",,gzip,,": "gzip", ";q=1": "", "gzip;q=00.5": "",
		"gzip;q=0.1234": "",
	} {
		r := request("GET", "http://example.com/")
		if accept != "" {
			r.Header.Set("Accept-Encoding", accept)
		}
		if got := Encoding(r); got != want {
			t.Errorf("%q gives %q, want %q", accept, got, want)
		}
	}
	r := request("GET", "http://example.com/", "Accept-Encoding", "br;q=0", "Accept-Encoding", "gzip")
	if got := Encoding(r); got != "gzip" {
		t.Errorf("two lines give %q, want gzip", got)
	}
	if n := testing.AllocsPerRun(100, func() { Encoding(r) }); n != 0 {
		t.Errorf("the negotiation allocates %v times", n)
	}
}

func FuzzEncoding(f *testing.F) {
	for _, s := range []string{"gzip, br;q=0.5", "*;q=0.", ";;;q==", "identity;q=1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r := request("GET", "http://example.com/")
		r.Header["Accept-Encoding"] = []string{s}
		got := Encoding(r)
		low := strings.ToLower(s)
		switch {
		case got != "" && got != "br" && got != "gzip":
			t.Errorf("%q gives %q", s, got)
		case got != "" && !strings.Contains(low, got) && !strings.Contains(low, "*"):
			t.Errorf("%q gives %q, which the client did not name", s, got)
		}
	})
}

func unpack(t *testing.T, encoding string, b []byte) []byte {
	t.Helper()
	var r io.Reader = bytes.NewReader(b)
	switch encoding {
	case "gzip":
		z, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		r = z
	case "br":
		r = brotli.NewReader(r)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("unpack %q: %v", encoding, err)
	}
	return out
}

func TestPrecompress_KeepsWhatSaves(t *testing.T) {
	t.Parallel()
	text := []byte(strings.Repeat("<p>some text that repeats</p>\n", 300))
	b := Precompress(text, 100)
	if len(b.Gzip) == 0 || len(b.Brotli) == 0 || len(b.Gzip) > len(text)/5 || b.Size() != len(text)+len(b.Gzip)+len(b.Brotli) {
		t.Errorf("sizes %d, %d of %d, together %d", len(b.Gzip), len(b.Brotli), len(text), b.Size())
	}
	if !bytes.Equal(unpack(t, "gzip", b.Gzip), text) || !bytes.Equal(unpack(t, "br", b.Brotli), text) {
		t.Error("the encodings hold something else")
	}
	if got, enc := b.Pick("br"); enc != "br" || &got[0] != &b.Brotli[0] {
		t.Errorf("picked %q", enc)
	}
	for _, c := range []struct {
		body []byte
		min  int
	}{{nil, 0}, {text, len(text) + 1}, {b.Brotli, 0}} {
		if p := Precompress(c.body, c.min); p.Gzip != nil || p.Brotli != nil {
			t.Errorf("%d bytes from %d on were packed to %d and %d", len(c.body), c.min, len(p.Gzip), len(p.Brotli))
		} else if got, enc := p.Pick("gzip"); enc != "" || len(got) != len(c.body) {
			t.Errorf("picked %q of what has no encodings", enc)
		}
	}
}

func TestCached_ServesEncodingsAnd304(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("<p>some text that repeats</p>\n", 300)
	page := NewCached(200, "text/html; charset=utf-8", "no-cache", []byte(text))
	s, _ := serving(t, Options{}, page.ServeHTTP)
	c := client(t)
	for _, method := range []string{"GET", "HEAD"} {
		for accept, want := range map[string]string{"gzip": "gzip", "br, gzip": "br", "identity": ""} {
			req, _ := http.NewRequest(method, "http://"+s.Addr().String()+"/", nil)
			req.Header.Set("Accept-Encoding", accept)
			resp, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != 200 || resp.Header.Get("Content-Encoding") != want || resp.Header.Get("ETag") != page.ETag ||
				resp.Header.Get("Vary") != "Accept-Encoding" || resp.Header.Get("Cache-Control") != "no-cache" || resp.ContentLength <= 0 {
				t.Errorf("%s %s: %d %v", method, accept, resp.StatusCode, resp.Header)
			}
			if method == "HEAD" && len(body) != 0 || method == "GET" && string(unpack(t, want, body)) != text {
				t.Errorf("%s %s: a body of %d bytes", method, accept, len(body))
			}
		}
	}
	for match, want := range map[string]int{
		page.ETag: 304, strings.TrimPrefix(page.ETag, "W/"): 304, `"a", ` + page.ETag: 304, "*": 304, `"a" , W/"b",` + page.ETag + `,"c"`: 304,
		`"other"`: 200, "": 200, "garbage": 200, `"`: 200, `W/`: 200, `W/"unclosed`: 200, page.ETag[3:]: 200,
	} {
		rec := answer(s, request("GET", "http://example.com/", "If-None-Match", match, "Accept-Encoding", "gzip"))
		if rec.Code != want || want == 304 && (rec.Body.Len() != 0 || rec.Header().Get("Content-Encoding") != "" || rec.Header().Get("ETag") == "" || rec.Header().Get("Vary") == "") {
			t.Errorf("If-None-Match %s: %d %v with %d bytes, want %d", match, rec.Code, rec.Header(), rec.Body.Len(), want)
		}
	}
	if rec := answer(s, request("POST", "http://example.com/", "If-None-Match", "*")); rec.Code != 200 {
		t.Errorf("POST: %d, want 200", rec.Code)
	}
}

func TestCached_StaleMarkStays(t *testing.T) {
	t.Parallel()
	page := NewCached(404, "text/html", "no-cache", []byte("gone"))
	s, _ := newServer(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Vary", "Cookie")
		page.ServeHTTP(w, r)
	})
	rec := answer(s, request("GET", "http://example.com/", "If-None-Match", page.ETag))
	if rec.Code != 404 || rec.Header().Get("Cache-Control") != "no-store" || rec.Header().Get("Vary") != "Cookie" {
		t.Errorf("%d %v", rec.Code, rec.Header())
	}
}

func TestNotModified_Helper(t *testing.T) {
	t.Parallel()
	tag := ETag([]byte("body"))
	if tag == ETag([]byte("other")) || !strings.HasPrefix(tag, `W/"`) {
		t.Errorf("the tag %s", tag)
	}
	s, _ := newServer(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		if !NotModified(w, r, tag) {
			io.WriteString(w, "body")
		}
	})
	if rec := answer(s, request("GET", "http://example.com/", "If-None-Match", tag)); rec.Code != 304 || rec.Body.Len() != 0 {
		t.Errorf("%d %q", rec.Code, rec.Body)
	}
	if rec := answer(s, request("GET", "http://example.com/")); rec.Code != 200 || rec.Header().Get("ETag") != tag || rec.Body.String() != "body" {
		t.Errorf("%d %q %q", rec.Code, rec.Body, rec.Header().Get("ETag"))
	}
}

func TestCompress_Decides(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("some text that repeats. ", 200)
	for _, c := range []struct {
		name   string
		accept string
		set    []string
		body   string
		status int
		gzip   bool
		vary   bool
	}{
		{"html", "gzip, br", []string{"Content-Type", "text/html; charset=utf-8", "ETag", `"strong"`}, text, 200, true, true},
		{"sniffed", "gzip", nil, "<!doctype html>" + text, 200, true, true},
		{"json", "gzip", []string{"Content-Type", "application/json", "Content-Length", "4800"}, text, 200, true, true},
		{"problem", "gzip", []string{"Content-Type", "application/problem+json"}, text, 422, true, true},
		{"client does not take it", "", []string{"Content-Type", "text/html"}, text, 200, false, true},
		{"client refuses it", "gzip;q=0, br", []string{"Content-Type", "text/html"}, text, 200, false, true},
		{"short", "gzip", []string{"Content-Type", "text/html"}, "short", 200, false, true},
		{"picture", "gzip", []string{"Content-Type", "image/png"}, text, 200, false, false},
		{"encoded already", "gzip", []string{"Content-Type", "text/html", "Content-Encoding", "br"}, text, 200, false, false},
		{"range", "gzip", []string{"Content-Type", "text/plain", "Content-Range", "bytes 0-9/10"}, text, 206, false, false},
		{"events", "gzip", []string{"Content-Type", "text/event-stream"}, text, 200, false, false},
		{"nothing", "gzip", nil, "", 204, false, false},
	} {
		s, _ := newServer(t, Options{}, Compress(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for i := 0; i < len(c.set); i += 2 {
				w.Header().Set(c.set[i], c.set[i+1])
			}
			w.WriteHeader(c.status)
			for rest := c.body; rest != ""; { // in small pieces
				n := min(100, len(rest))
				io.WriteString(w, rest[:n])
				rest = rest[n:]
			}
		})).ServeHTTP)
		r := request("GET", "http://example.com/")
		if c.accept != "" {
			r.Header.Set("Accept-Encoding", c.accept)
		}
		rec := answer(s, r)
		h := rec.Header()
		if rec.Code != c.status || (h.Get("Content-Encoding") == "gzip") != c.gzip || (h.Get("Vary") == "Accept-Encoding") != c.vary {
			t.Errorf("%s: %d %v", c.name, rec.Code, h)
			continue
		}
		got := rec.Body.Bytes()
		if c.gzip {
			if h.Get("Content-Length") != "" || c.name == "html" && h.Get("ETag") != `W/"strong"` {
				t.Errorf("%s: headers %v", c.name, h)
			}
			got = unpack(t, "gzip", got)
		}
		if string(got) != c.body {
			t.Errorf("%s: %d bytes arrived of %d", c.name, len(got), len(c.body))
		}
	}
}

func TestCompress_FlushSendsWhatThereIs(t *testing.T) {
	t.Parallel()
	step := make(chan struct{})
	s, _ := serving(t, Options{}, Compress(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, "first ")
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Errorf("flush: %v", err)
		}
		<-step
		io.WriteString(w, "second")
	})).ServeHTTP)
	req, _ := http.NewRequest("GET", "http://"+s.Addr().String()+"/", nil)
	req.Header.Set("Accept-Encoding", "gzip")
	resp, err := client(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	first := make([]byte, 6)
	if _, err := io.ReadFull(resp.Body, first); err != nil || string(first) != "first " {
		t.Errorf("read %q, %v before the end", first, err)
	}
	close(step)
	if rest, err := io.ReadAll(resp.Body); err != nil || string(rest) != "second" {
		t.Errorf("read %q, %v", rest, err)
	}
}

func TestCompress_PanicDropsTheBeginning(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, Options{}, Compress(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "half a page")
		panic(errors.New("defect"))
	})).ServeHTTP)
	rec := answer(s, request("GET", "http://example.com/", "Accept-Encoding", "gzip"))
	if rec.Code != 500 || strings.Contains(rec.Body.String(), "half") {
		t.Errorf("%d %q", rec.Code, rec.Body)
	}
}

func TestCached_TravelsAsItIs(t *testing.T) {
	t.Parallel()
	for _, page := range []*Cached{
		NewCached(200, "text/html; charset=utf-8", "no-cache", []byte(strings.Repeat("<p>Hello</p>", 2000))),
		NewCached(404, "text/plain", "", []byte("gone")),
	} {
		raw, err := page.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseCached(raw)
		if err != nil || !reflect.DeepEqual(got, page) {
			t.Errorf("%+v, %v; want %+v", got, err, page)
		}
		if _, err := ParseCached(append(raw, 0)); err == nil {
			t.Error("what stands behind is ignored")
		}
	}
}

func FuzzParseCached(f *testing.F) {
	raw, _ := NewCached(200, "text/html", "no-cache", []byte("<p>Hello</p>")).MarshalBinary()
	f.Add(raw)
	f.Add([]byte{200, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseCached(b)
		if err != nil {
			return
		}
		rec := httptest.NewRecorder()
		c.ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
		raw, _ := c.MarshalBinary()
		if again, err := ParseCached(raw); err != nil || !reflect.DeepEqual(again, c) {
			t.Errorf("%+v comes back as %+v, %v", c, again, err)
		}
	})
}

// A page that is made for a HEAD request goes through both, and a cache keyed by Vary should not be told twice.
func TestCached_VariesByEncodingOnce(t *testing.T) {
	t.Parallel()
	page := NewCached(http.StatusOK, "text/html; charset=utf-8", "no-cache", bytes.Repeat([]byte("<p>word</p>"), 500))
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		w := httptest.NewRecorder()
		Compress(page).ServeHTTP(w, httptest.NewRequest(method, "/", nil))
		if got := w.Header()["Vary"]; len(got) != 1 || got[0] != "Accept-Encoding" {
			t.Errorf("%s: Vary is %q", method, got)
		}
	}
}
