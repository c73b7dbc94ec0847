package look

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/andybalholm/brotli"
)

func get(t *testing.T, h http.Handler, method, target string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) []byte {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestServeHTTP_CurrentHashIsImmutable(t *testing.T) {
	t.Parallel()
	a := New()
	for name, want := range map[string]string{
		"tokens.css":         "text/css; charset=utf-8",
		"admin.js":           "text/javascript; charset=utf-8",
		"icons.svg":          "image/svg+xml",
		"fonts/OFL.txt":      "text/plain; charset=utf-8",
		"vendor/htmx.min.js": "text/javascript; charset=utf-8",
		"vendor/editor.js":   "text/javascript; charset=utf-8",
		"fonts/source-sans-3-latin-wght-normal.woff2": "font/woff2",
	} {
		res := get(t, a, "GET", a.URL(name))
		if res.StatusCode != 200 {
			t.Errorf("%s: status %d", name, res.StatusCode)
			continue
		}
		if got := res.Header.Get("Content-Type"); got != want {
			t.Errorf("%s: Content-Type %q, want %q", name, got, want)
		}
		if got := res.Header.Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
			t.Errorf("%s: Cache-Control %q", name, got)
		}
		plain, _ := a.Bytes(name)
		if !bytes.Equal(body(t, res), plain) {
			t.Errorf("%s: body differs from the bundle", name)
		}
	}
}

func TestServeHTTP_CompressedBodiesUnpackToTheSame(t *testing.T) {
	t.Parallel()
	a := New()
	plain, _ := a.Bytes("theme.css")
	for coding, unpack := range map[string]func(io.Reader) (io.Reader, error){
		"br":   func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil },
		"gzip": func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
	} {
		res := get(t, a, "GET", a.URL("theme.css"), "Accept-Encoding", coding)
		if got := res.Header.Get("Content-Encoding"); got != coding {
			t.Fatalf("Content-Encoding %q, want %q", got, coding)
		}
		if got := res.Header.Get("Vary"); got != "Accept-Encoding" {
			t.Errorf("Vary %q", got)
		}
		packed := body(t, res)
		if len(packed) >= len(plain)/2 {
			t.Errorf("%s: %d of %d bytes is hardly compressed", coding, len(packed), len(plain))
		}
		r, err := unpack(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%s: unpacks to something else (err %v)", coding, err)
		}
	}
}

func TestServeHTTP_FontsAreNotPackedAgain(t *testing.T) {
	t.Parallel()
	a := New()
	res := get(t, a, "GET", a.URL("fonts/source-serif-4-latin-wght-normal.woff2"), "Accept-Encoding", "br, gzip")
	if got := res.Header.Get("Content-Encoding"); got != "" {
		t.Errorf("Content-Encoding %q, want none", got)
	}
}

func TestServeHTTP_ForeignHashIsServedButNotKept(t *testing.T) {
	t.Parallel()
	a := New()
	res := get(t, a, "GET", "/assets/0123456789ab/theme.css")
	if res.StatusCode != 200 || res.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("status %d, Cache-Control %q; want 200, no-cache", res.StatusCode, res.Header.Get("Cache-Control"))
	}
}

func TestServeHTTP_ConditionalRequestGets304(t *testing.T) {
	t.Parallel()
	a := New()
	for _, coding := range []string{"", "gzip", "br"} {
		first := get(t, a, "GET", a.URL("admin.css"), "Accept-Encoding", coding)
		etag := first.Header.Get("ETag")
		again := get(t, a, "GET", a.URL("admin.css"), "Accept-Encoding", coding, "If-None-Match", `"other", W/`+etag)
		if again.StatusCode != http.StatusNotModified || len(body(t, again)) != 0 {
			t.Errorf("%q: status %d, want an empty 304", coding, again.StatusCode)
		}
		if other := get(t, a, "GET", a.URL("theme.css"), "If-None-Match", etag); other.StatusCode != 200 {
			t.Errorf("another file matched the tag %s", etag)
		}
	}
}

func TestServeHTTP_RefusesWhatIsNotThere(t *testing.T) {
	t.Parallel()
	a := New()
	for _, target := range []string{"/assets/", "/assets/" + a.Hash(), a.URL(""), a.URL("nothing.css"), a.URL("../look.go"), a.URL("fonts")} {
		res := get(t, a, "GET", target)
		if res.StatusCode != 404 || strings.Contains(res.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: status %d, Cache-Control %q", target, res.StatusCode, res.Header.Get("Cache-Control"))
		}
	}
	if res := get(t, a, "POST", a.URL("theme.css")); res.StatusCode != 405 || res.Header.Get("Allow") == "" {
		t.Errorf("POST: status %d, Allow %q", res.StatusCode, res.Header.Get("Allow"))
	}
}

func TestServeHTTP_HeadHasLengthAndNoBody(t *testing.T) {
	t.Parallel()
	a := New()
	res := get(t, a, "HEAD", a.URL("icons.svg"))
	if res.Header.Get("Content-Length") == "" || len(body(t, res)) != 0 {
		t.Errorf("Content-Length %q, body %d bytes", res.Header.Get("Content-Length"), len(body(t, res)))
	}
}

func TestHash_ChangesWithContentAndName(t *testing.T) {
	t.Parallel()
	hash := func(name, content string) string {
		a, err := load(fstest.MapFS{name: {Data: []byte(content)}})
		if err != nil {
			t.Fatal(err)
		}
		return a.Hash()
	}
	if first, again := hash("a.css", "x"), hash("a.css", "x"); first != again {
		t.Error("the same bundle has two hashes")
	}
	if hash("a.css", "x") == hash("a.css", "y") || hash("a.css", "x") == hash("b.css", "x") {
		t.Error("different bundles share a hash")
	}
}

// Every relative reference in a style sheet must exist: a font that is not found is a silent change of typeface.
func TestStyleSheets_ReferencesExist(t *testing.T) {
	t.Parallel()
	a := New()
	url := regexp.MustCompile(`url\(["']?([^)"']+)["']?\)`)
	found := 0
	for name := range a.files {
		if path.Ext(name) != ".css" {
			continue
		}
		css, _ := a.Bytes(name)
		for _, m := range url.FindAllSubmatch(css, -1) {
			target := path.Join(path.Dir(name), string(m[1]))
			found++
			if _, ok := a.files[target]; !ok {
				t.Errorf("%s refers to %s, which is not in the bundle", name, target)
			}
		}
	}
	if found == 0 {
		t.Error("no reference found: the fonts should be referred to")
	}
}

// The budget of the default theme: everything a reader's browser loads as style.
func TestTheme_StaysUnder25kB(t *testing.T) {
	t.Parallel()
	a := New()
	total := 0
	for _, name := range []string{"tokens.css", "base.css", "theme.css"} {
		b, ok := a.Bytes(name)
		if !ok {
			t.Fatalf("%s is missing", name)
		}
		total += len(b)
	}
	if total >= 25<<10 {
		t.Errorf("the theme's style sheets have %d bytes, the budget is 25 KiB", total)
	}
}

func TestIcon_KnownAndUnknown(t *testing.T) {
	t.Parallel()
	a := New()
	got := string(a.Icon("search", "icon--small"))
	if !strings.Contains(got, `class="icon icon--small"`) || !strings.Contains(got, a.URL("icons.svg")+"#search") {
		t.Errorf("unexpected markup: %s", got)
	}
	if got := a.Icon("no-such-icon"); got != "" {
		t.Errorf("unknown icon gives %s", got)
	}
	if n := len(a.Icons()); n < 60 {
		t.Errorf("%d icons, want at least 60", n)
	}
}

// The scripts may only name icons that the sprite has.
func TestScripts_IconsExist(t *testing.T) {
	t.Parallel()
	a := New()
	call := regexp.MustCompile(`icon\("([a-z-]+)"\)`)
	for _, name := range []string{"site.js", "admin.js"} {
		js, _ := a.Bytes(name)
		for _, m := range call.FindAllSubmatch(js, -1) {
			if !a.icons[string(m[1])] {
				t.Errorf("%s uses the icon %q, which is not in the sprite", name, m[1])
			}
		}
	}
}

func TestChoose_FollowsQualities(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"":                         "",
		"identity":                 "",
		"gzip":                     "gzip",
		"gzip, deflate, br, zstd":  "br",
		"br;q=0.5, gzip;q=0.8":     "gzip",
		"br;q=0, gzip;q=0":         "",
		"GZIP ; q=1.0 , br ; q=.2": "gzip",
		"br;q=oops":                "",
	} {
		if got := choose(header); got != want {
			t.Errorf("choose(%q) = %q, want %q", header, got, want)
		}
	}
}

func TestMinify_KeepsMeaning(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a { b : c ; }": "a{b :c}",
		"/* x */ .a  .b,\n.c > d { e: f; g: h; }":      ".a .b,.c>d{e:f;g:h}",
		`q::before { content: " ;  } /* no */ \" "; }`: `q::before{content:" ;  } /* no */ \" "}`,
		"a { width: calc(1px + 2px - -3px); }":         "a{width:calc(1px + 2px - -3px)}",
		"@media (min-width: 4rem) and (x: y) { }":      "@media (min-width:4rem) and (x:y){}",
		".a :is(b, c) .d:not(.e) { }":                  ".a :is(b,c) .d:not(.e){}",
		"a/* gap */b {} /* open":                       "a b{}",
	} {
		if got := string(minify([]byte(in))); got != want {
			t.Errorf("minify(%q)\n got %q\nwant %q", in, got, want)
		}
	}
}
