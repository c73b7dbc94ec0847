package httpd

import (
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/stoa-portal/stoa"
)

const allowedMethods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

// checkRequest refuses addresses and methods that no honest client sends, so that no handler, database or log
// ever sees them. A path that begins with several slashes, which browsers would take for another host
// when it stands in a redirect, is answered with a redirect to the clean form.
func checkRequest(w http.ResponseWriter, r *http.Request) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
	default:
		w.Header().Set("Allow", allowedMethods)
		return Status(http.StatusMethodNotAllowed, stoa.Invalid("", "the method %.20q is not served here", r.Method))
	}
	if err := checkPath(r.URL.Path); err != nil {
		return err
	}
	if err := checkQuery(r.URL.RawQuery); err != nil {
		return err
	}
	if !stoa.IsText(r.URL.Path) {
		if redirectComposed(w, r) {
			return nil
		}
	}
	if q := r.URL.RawQuery; q != "" {
		r.URL.RawQuery = composedQuery(q)
	}
	if len(r.URL.Path) > 1 && r.URL.Path[1] == '/' {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			return Malformed("the address begins with two slashes; one is expected")
		}
		u := url.URL{Path: "/" + strings.TrimLeft(r.URL.Path, "/"), RawQuery: r.URL.RawQuery}
		w.Header().Set("Location", u.String())
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusPermanentRedirect)
	}
	return nil
}

func checkPath(p string) error {
	if p == "" || p[0] != '/' {
		return Malformed("the address does not begin with a slash")
	}
	if len(p) > maxPath {
		return Status(http.StatusRequestURITooLong, stoa.Invalid("", "the address is %d bytes long; at most %d are served", len(p), maxPath))
	}
	ascii := true
	for i := 0; i < len(p); i++ {
		c := p[i]
		if c < 0x20 || c == 0x7f {
			return Malformed("the address holds a control character")
		}
		if c >= utf8.RuneSelf {
			ascii = false
		}
		// A segment of one or two dots, with either kind of slash around it.
		if c == '.' && (p[i-1] == '/' || p[i-1] == '\\') {
			j := i + 1
			if j < len(p) && p[j] == '.' {
				j++
			}
			if j == len(p) || p[j] == '/' || p[j] == '\\' {
				return Malformed("the address holds a part of dots only; browsers resolve such parts themselves")
			}
		}
	}
	if !ascii && !utf8.ValidString(p) {
		return Malformed("the address is not valid UTF-8")
	}
	return nil
}

func checkQuery(q string) error {
	if q == "" {
		return nil
	}
	if len(q) > maxQuery {
		return Status(http.StatusRequestURITooLong, stoa.Invalid("", "the part of the address after the question mark is %d bytes long; at most %d are served", len(q), maxQuery))
	}
	ascii := true
	for i := 0; i < len(q); i++ {
		if c := q[i]; c < 0x20 || c == 0x7f {
			return Malformed("the address holds a control character after the question mark")
		} else if c == '%' || c >= utf8.RuneSelf {
			ascii = false
		}
	}
	if ascii {
		return nil
	}
	plain, err := url.QueryUnescape(q)
	if err != nil {
		return Malformed("the address holds a percent sign without two hexadecimal digits after the question mark")
	}
	if !utf8.ValidString(plain) || strings.IndexByte(plain, 0) >= 0 {
		return Malformed("the part of the address after the question mark is not valid text in UTF-8")
	}
	return nil
}
