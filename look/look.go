// Package look holds the visual language of Stoa: design tokens, style sheets, typefaces, icons, scripts and vendored
// browser libraries, embedded in the binary and served under addresses that change with their content.
package look

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"sort"
	"strconv"
	"strings"
)

//go:embed assets
var embedded embed.FS

// Prefix is the path under which Assets must be mounted, with both slashes.
const Prefix = "/assets/"

const (
	forever = "public, max-age=31536000, immutable"
	// checked makes a browser ask again each time: the answer belongs to another build than the address says.
	checked = "no-cache"
)

// Assets serves the embedded files. One hash over the whole bundle is part of every address, so that a relative
// reference inside a style sheet (fonts) resolves to the same build. It is safe for concurrent use.
type Assets struct {
	hash  string
	files map[string]*file
	icons map[string]bool
}

// New reads the embedded bundle, computes its hash and returns the assets, ready to serve. Compressed bodies are made
// when they are first asked for.
func New() *Assets {
	root, err := fs.Sub(embedded, "assets")
	if err != nil {
		panic(fmt.Sprintf("look: embedded assets: %v", err)) // only a broken build can get here
	}
	a, err := load(root)
	if err != nil {
		panic(fmt.Sprintf("look: embedded assets: %v", err))
	}
	return a
}

// Handler returns a handler over a fresh bundle, for programs that need no addresses. Mount it at Prefix.
func Handler() http.Handler { return New() }

func load(root fs.FS) (*Assets, error) {
	a := &Assets{files: map[string]*file{}, icons: map[string]bool{}}
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := fs.ReadFile(root, name)
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		if path.Ext(name) == ".css" {
			body = minify(body)
		}
		a.files[name] = newFile(name, body)
		return nil
	})
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(a.files))
	for name := range a.files {
		names = append(names, name)
	}
	sort.Strings(names)
	sum := sha256.New()
	for _, name := range names {
		fmt.Fprintf(sum, "%s %d\n", name, len(a.files[name].body))
		sum.Write(a.files[name].body)
	}
	a.hash = hex.EncodeToString(sum.Sum(nil))[:12]
	if sprite, ok := a.files["icons.svg"]; ok {
		for _, part := range strings.Split(string(sprite.body), `<symbol id="`)[1:] {
			name, _, _ := strings.Cut(part, `"`)
			a.icons[name] = true
		}
	}
	return a, nil
}

// Hash returns the 12 hexadecimal digits that name this bundle.
func (a *Assets) Hash() string { return a.hash }

// URL returns the address of the asset with this path inside the bundle, for example "theme.css" or
// "vendor/editor.js". The address may be cached for ever. A path that is not in the bundle gives an address that
// answers 404.
func (a *Assets) URL(name string) string {
	return Prefix + a.hash + "/" + strings.TrimPrefix(name, "/")
}

// Icon returns the markup of one icon of the sprite, hidden from assistive technology, with the class "icon" and any
// further classes given. The result is empty when the sprite has no icon of that name.
func (a *Assets) Icon(name string, classes ...string) template.HTML {
	if !a.icons[name] {
		return ""
	}
	class := html.EscapeString(strings.Join(append([]string{"icon"}, classes...), " "))
	return template.HTML(`<svg class="` + class + `" aria-hidden="true"><use href="` + a.URL("icons.svg") + "#" + name + `"/></svg>`)
}

// Icons returns the names of all icons in the sprite, sorted.
func (a *Assets) Icons() []string {
	names := make([]string, 0, len(a.icons))
	for name := range a.icons {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// Bytes returns a copy of the asset's content as it is served (style sheets minified) and whether the bundle holds it.
func (a *Assets) Bytes(name string) ([]byte, bool) {
	f, ok := a.files[name]
	if !ok {
		return nil, false
	}
	return append([]byte(nil), f.body...), true
}

// ServeHTTP answers GET and HEAD for Prefix + hash + "/" + path. An address with another hash (a page made by a node of
// another version during a rolling upgrade) gets this bundle's file, but nobody may keep it under that address.
func (a *Assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "Only GET and HEAD are allowed here.", http.StatusMethodNotAllowed)
		return
	}
	hash, name, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, Prefix), "/")
	f := a.files[name]
	if !ok || f == nil {
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "There is no such asset.", http.StatusNotFound)
		return
	}
	header := w.Header()
	header.Set("Cache-Control", checked)
	if hash == a.hash {
		header.Set("Cache-Control", forever)
	}
	header.Set("Content-Type", f.mime)
	header.Set("X-Content-Type-Options", "nosniff")

	body, etag := f.body, f.etag
	if f.packable {
		header.Set("Vary", "Accept-Encoding")
		if coding := choose(r.Header.Get("Accept-Encoding")); coding != "" {
			if packed := f.packed(coding); len(packed) < len(body) {
				body, etag = packed, f.etag+"-"+coding
				header.Set("Content-Encoding", coding)
			}
		}
	}
	header.Set("ETag", `"`+etag+`"`)
	if matches(r.Header.Get("If-None-Match"), etag) {
		header.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // a browser that went away is nobody's error
	}
}

// matches reports whether an If-None-Match header names the entity tag, by weak comparison (RFC 9110, 13.1.2).
func matches(header, etag string) bool {
	for _, candidate := range strings.Split(header, ",") {
		candidate = strings.TrimPrefix(strings.TrimSpace(candidate), "W/")
		if candidate == "*" || candidate == `"`+etag+`"` {
			return true
		}
	}
	return false
}

// mimeOf does not trust the machine's table of types, which differs between systems.
func mimeOf(name string) string {
	switch path.Ext(name) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".woff2":
		return "font/woff2"
	case ".txt":
		return "text/plain; charset=utf-8"
	}
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return "application/octet-stream"
}
