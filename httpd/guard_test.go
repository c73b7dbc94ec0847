package httpd

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
)

func TestSanity_HostileAddressesAreRefused(t *testing.T) {
	t.Parallel()
	reached := false
	s, _ := newServer(t, Options{}, func(w http.ResponseWriter, r *http.Request) { reached = true })
	for target, want := range map[string]int{
		"/a%00b": 400, "/a%0d%0ab": 400, "/%7f": 400, "/%ff%fe": 400, "/%c0%af": 400,
		"/..": 400, "/../x": 400, "/a/../b": 400, "/a/./b": 400, "/a/%2e%2e/b": 400, "/a%2f..%2fb": 400, "/..%5c..%5cwindows": 400, "/a\\..\\b": 400,
		"/.": 400, "/a/..": 400, "/%2e%2e%2f%2e%2e%2fetc/passwd": 400,
		"/" + strings.Repeat("a", 2048): 414, "/?q=" + strings.Repeat("a", 8192): 414,
		"/?q=%00": 400, "/?q=%ff": 400, "/?q=%zz": 400, "/?q=%": 400, "/?a=1&b=%C3%28": 400,
		"/...": 200, "/.well-known/x": 200, "/a..b": 200, "/a/..b/c": 200, "/%C3%BCber?q=%C3%BC+x": 200, "/a//b": 200, "/?q=a%20b": 200,
	} {
		reached = false
		rec := answer(s, request("GET", "http://example.com"+target))
		if rec.Code != want || reached != (want == 200) {
			t.Errorf("%.60s: answered %d, reached the handler: %v; want %d", target, rec.Code, reached, want)
		}
		if strings.Contains(rec.Body.String(), "<script") {
			t.Errorf("%s: the page echoes markup", target)
		}
	}
}

func TestSanity_MethodsAreKnown(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, Options{}, nil)
	for method, want := range map[string]int{
		"GET": 200, "HEAD": 200, "POST": 200, "PUT": 200, "PATCH": 200, "DELETE": 200, "OPTIONS": 204,
		"TRACE": 405, "PROPFIND": 405, "get": 405, "FOO": 405, "TRACK": 405,
	} {
		rec := answer(s, request(method, "http://example.com/"))
		if rec.Code != want || want == 405 && rec.Header().Get("Allow") == "" {
			t.Errorf("%s: answered %d, Allow %q; want %d", method, rec.Code, rec.Header().Get("Allow"), want)
		}
	}
	sv, _ := serving(t, Options{}, nil)
	for _, line := range []string{"CONNECT evil.test:443 HTTP/1.1", "OPTIONS * HTTP/1.1", "TRACE / HTTP/1.1"} {
		resp := raw(t, sv, line+"\r\nHost: example.com\r\nConnection: close\r\n\r\n")
		body, _ := io.ReadAll(resp.Body)
		if strings.HasPrefix(string(body), "served") {
			t.Errorf("%s was served: %q", line, body)
		}
	}
}

func TestSanity_LeadingSlashesRedirectHere(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, Options{}, nil)
	for target, want := range map[string]string{"//evil.test": "/evil.test", "///a/b?x=1": "/a/b?x=1", "//": "/", "//%5cevil.test": "/%5Cevil.test"} {
		r := request("GET", "http://example.com/")
		path, query, _ := strings.Cut(target, "?")
		r.URL.Path, r.URL.RawQuery = strings.ReplaceAll(path, "%5c", `\`), query
		rec := answer(s, r)
		if rec.Code != 308 || rec.Header().Get("Location") != want {
			t.Errorf("%s: %d to %q, want 308 to %q", target, rec.Code, rec.Header().Get("Location"), want)
		}
	}
	r := request("POST", "http://example.com/")
	r.URL.Path = "//evil.test"
	if rec := answer(s, r); rec.Code != 400 {
		t.Errorf("POST: %d, want 400", rec.Code)
	}
}

func TestHosts_OnlyNamesOnTheList(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, Options{
		ValidHosts: []string{"Example.com", "*.example.org", "[::1]", "2001:db8:0::7", " "},
		ValidHost:  func(h string) bool { return h == "site.test" },
	}, nil)
	for host, want := range map[string]int{
		"example.com": 200, "EXAMPLE.com:8080": 200, "example.com.": 200, "a.example.org": 200, "a.b.example.org": 200, "[::1]:80": 200,
		"[2001:db8::7]": 200, "site.test": 200,
		"example.org": 400, "evilexample.org": 400, "evil.test": 400, "example.com.evil.test": 400, "127.0.0.1": 400, "": 400, "a b": 400,
		"example.com@evil.test": 400, "example.com/x": 400, "example.com:x": 400, "<script>": 400,
	} {
		r := request("GET", "http://example.com/")
		r.Host = host
		rec := answer(s, r)
		if rec.Code != want || strings.Contains(rec.Body.String(), "<script>") {
			t.Errorf("%q: answered %d %q, want %d", host, rec.Code, rec.Body, want)
		}
	}
	r := request("GET", "https://example.com/")
	r.Host = "evil.test"
	if rec := answer(s, r); rec.Code != 421 {
		t.Errorf("a strange host on https was answered with %d, want 421", rec.Code)
	}
	r = request("GET", "http://example.com/livez")
	r.Host = "10.0.0.7:8080"
	if rec := answer(s, r); rec.Code != 200 {
		t.Errorf("a health check by address was answered with %d, want 200", rec.Code)
	}
}

func TestHosts_DefaultIsLocalhostAndBadEntriesAreNamed(t *testing.T) {
	t.Parallel()
	s, err := New(Options{Addr: "127.0.0.1:0"}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for host, want := range map[string]int{"localhost:8080": 200, "127.0.0.1:8080": 200, "[::1]:8080": 200, "example.com": 400} {
		r := request("GET", "http://example.com/")
		r.Host = host
		if rec := answer(s, r); rec.Code != want {
			t.Errorf("%s: %d, want %d", host, rec.Code, want)
		}
	}
	for _, e := range []string{"https://example.com", "a b", "münchen.de", "exa*mple.com"} {
		if _, err := New(Options{Addr: "127.0.0.1:0", ValidHosts: []string{e}}, nil); !stoa.Is(err, stoa.KindInvalid) || !strings.Contains(err.Error(), "virtual.hosts.valid.hosts") {
			t.Errorf("%q: %v, want Invalid naming the property", e, err)
		}
	}
}

func TestOrigin_ForeignFormsAreRefused(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, Options{TrustedOrigins: []string{"https://forms.example.net"}}, nil)
	for _, c := range []struct {
		name, method string
		header       []string
		want         int
	}{
		{"cross-site", "POST", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"same-site is another origin", "POST", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"foreign origin", "POST", []string{"Origin", "http://evil.test"}, 403},
		{"null origin", "POST", []string{"Origin", "null"}, 403},
		{"own origin", "POST", []string{"Origin", "http://example.com"}, 200},
		{"same-origin", "DELETE", []string{"Sec-Fetch-Site", "same-origin", "Origin", "http://example.com"}, 200},
		{"no browser", "PUT", nil, 200},
		{"trusted origin", "POST", []string{"Origin", "https://forms.example.net", "Sec-Fetch-Site", "cross-site"}, 200},
		{"reading is free", "GET", []string{"Sec-Fetch-Site", "cross-site", "Origin", "http://evil.test"}, 200},
		{"bearer without cookie", "POST", []string{"Origin", "http://evil.test", "Authorization", "Bearer abc"}, 200},
		{"bearer with cookie", "POST", []string{"Origin", "http://evil.test", "Authorization", "Bearer abc", "Cookie", "session=1"}, 403},
		{"basic", "POST", []string{"Origin", "http://evil.test", "Authorization", "Basic abc"}, 403},
	} {
		if rec := answer(s, request(c.method, "http://example.com/save", c.header...)); rec.Code != c.want {
			t.Errorf("%s: %d, want %d", c.name, rec.Code, c.want)
		}
	}
	behind, _ := newServer(t, Options{TrustedProxies: prefixes(t, "192.0.2.1"), ForwardedHost: Forwarded{Enabled: true}, ForwardedProto: Forwarded{Enabled: true}}, nil)
	r := request("POST", "http://10.0.0.7:8080/save", "X-Forwarded-Host", "example.com", "X-Forwarded-Proto", "https", "Origin", "https://example.com")
	if rec := answer(behind, r); rec.Code != 200 {
		t.Errorf("a form of the own site behind a proxy was answered with %d, want 200", rec.Code)
	}
	if _, err := New(Options{Addr: "127.0.0.1:0", TrustedOrigins: []string{"forms.example.net/x"}}, nil); !stoa.Is(err, stoa.KindInvalid) {
		t.Errorf("a bad trusted origin: %v, want Invalid", err)
	}
}

func TestBody_LimitAndOverride(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, Options{MaxBody: 100}, Handle(func(w http.ResponseWriter, r *http.Request) error {
		switch r.URL.Path {
		case "/big":
			LimitBody(r, 1000)
		case "/small":
			LimitBody(r, 10)
		case "/any":
			LimitBody(r, -1)
		}
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		w.Header().Set("X-Read", strings.Repeat("i", len(b)/100))
		return nil
	}).ServeHTTP)
	for _, c := range []struct {
		path string
		n    int
		want int
	}{
		{"/", 0, 200}, {"/", 100, 200}, {"/", 101, 413}, {"/big", 1000, 200}, {"/big", 1001, 413}, {"/small", 10, 200}, {"/small", 11, 413}, {"/any", 1 << 20, 200},
	} {
		for _, announced := range []bool{true, false} {
			r := httptest.NewRequest("POST", "http://example.com"+c.path, strings.NewReader(strings.Repeat("x", c.n)))
			if !announced {
				r.ContentLength = -1
			}
			rec := answer(s, r)
			if rec.Code != c.want {
				t.Errorf("%s with %d bytes, announced %v: %d, want %d", c.path, c.n, announced, rec.Code, c.want)
			}
			if c.want == 413 && (!strings.Contains(rec.Body.String(), "larger than the 10") || rec.Header().Get("Connection") != "close") &&
				!strings.Contains(rec.Body.String(), "larger than the 1000 bytes") {
				t.Errorf("%s: %q, Connection %q", c.path, rec.Body, rec.Header().Get("Connection"))
			}
		}
	}
}

func TestBody_LimitWorksWithoutServer(t *testing.T) {
	t.Parallel()
	h := Handle(func(w http.ResponseWriter, r *http.Request) error {
		LimitBody(r, 3)
		_, err := io.ReadAll(r.Body)
		return err
	})
	if rec := answer(h, httptest.NewRequest("POST", "/", strings.NewReader("four"))); rec.Code != 413 {
		t.Errorf("answered %d, want 413", rec.Code)
	}
}

func TestBody_CutOffIs400AndOversizedIsNotRead(t *testing.T) {
	t.Parallel()
	s, book := serving(t, Options{MaxBody: 1000}, Handle(func(w http.ResponseWriter, r *http.Request) error {
		_, err := io.ReadAll(r.Body)
		return err
	}).ServeHTTP)
	// An announced size over the limit is refused before the client has sent any of it.
	resp := raw(t, s, "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5000000000\r\nExpect: 100-continue\r\n\r\n")
	if resp.StatusCode != 413 {
		t.Errorf("an oversized body got %d, want 413", resp.StatusCode)
	}
	// Chunks without end.
	resp = raw(t, s, "POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n800\r\n"+strings.Repeat("x", 0x800)+"\r\n")
	if resp.StatusCode != 413 {
		t.Errorf("endless chunks got %d, want 413", resp.StatusCode)
	}
	for _, bad := range []string{"zz\r\n", "-1\r\n", "ffffffffffffffffff\r\n"} {
		resp = raw(t, s, "POST / HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"+bad)
		if resp.StatusCode != 400 {
			t.Errorf("chunk size %q got %d, want 400", bad, resp.StatusCode)
		}
	}
	// The client hangs up in the middle.
	before := len(book.lines(t, "request"))
	c := rawConn(t, s, "POST /cut HTTP/1.1\r\nHost: example.com\r\nContent-Length: 500\r\n\r\nhello")
	c.Close()
	l := book.waitLines(t, "request", before+1)
	if st := l[len(l)-1]["status"]; st != 400.0 && st != 499.0 {
		t.Errorf("a body cut off was logged as %v, want 400 or 499", st)
	}
	if f := book.lines(t, "a request failed"); len(f) != 0 {
		t.Errorf("clients' faults were logged as ours: %v", f)
	}
}

func TestRequest_SmugglingIsRefused(t *testing.T) {
	t.Parallel()
	s, _ := serving(t, Options{}, nil)
	for _, send := range []string{
		"GET / HTTP/1.1\r\nHost: example.com\r\nHost: evil.test\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
		"POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: example.com\r\nBad Header: x\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: example.com\r\nX: a\x00b\r\n\r\n",
		"GET /a\x01b HTTP/1.1\r\nHost: example.com\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: example.com\r\nX: " + strings.Repeat("y", 64<<10) + "\r\n\r\n",
	} {
		resp := raw(t, s, send)
		if resp.StatusCode < 400 || resp.StatusCode >= 600 {
			t.Errorf("%.80q got %d, want a refusal", send, resp.StatusCode)
		}
	}
}
