package httpd

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/stoa-portal/stoa"
)

// All text of a request is brought into the form of stoa.Text before a handler sees it: paths, the part behind the
// question mark and the values of forms. A handler cannot forget it, and needs no thought of it.

// redirectComposed answers a request for an address in another Unicode form than the one it is kept in with a
// redirect, and reports whether it did: what is sent with the request would be lost on the way, so a form goes on
// with the right address.
func redirectComposed(w http.ResponseWriter, r *http.Request) bool {
	path := stoa.CleanText(r.URL.Path)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		r.URL.Path, r.URL.RawPath = path, ""
		return false
	}
	u := url.URL{Path: "/" + strings.TrimLeft(path, "/"), RawQuery: r.URL.RawQuery}
	w.Header().Set("Location", u.String())
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusPermanentRedirect)
	return true
}

// composedQuery gives the query with all values in their one form, as it is when they have it already.
func composedQuery(raw string) string {
	if !strings.Contains(raw, "%") && stoa.IsText(raw) {
		return raw
	}
	plain, err := url.QueryUnescape(raw)
	if err != nil || stoa.IsText(plain) {
		return raw
	}
	clean, _, err := composedForm(raw)
	if err != nil {
		return raw
	}
	return clean
}

// composedForm gives a form with all values in their one form, and whether any of them had another. It returns Invalid
// with the name of the field when a value is no text.
func composedForm(raw string) (string, bool, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return raw, false, nil // the handler that reads the form refuses it
	}
	changed := false
	for name, list := range values {
		if _, err := stoa.Text("", name); err != nil {
			return raw, false, Malformed("the name of a field of the form is not text in UTF-8")
		}
		for i, v := range list {
			if stoa.IsText(v) {
				continue
			}
			if list[i], err = stoa.Text(name, v); err != nil {
				return raw, false, err
			}
			changed = true
		}
	}
	if !changed {
		return raw, false, nil
	}
	return values.Encode(), true, nil
}

// composedBody is the body of a form with all values in their one form. It is read as a whole when its reader begins,
// so that the limit that the handler has set holds.
type composedBody struct {
	io.ReadCloser
	kind string
	text *bytes.Reader // nil until the first read
	err  error
}

// composeBody lets the handlers read text in its one form from the body of r, if it is a form or JSON.
func composeBody(r *http.Request) {
	if r.Body == nil || r.Body == http.NoBody {
		return
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err == nil && (kind == "application/x-www-form-urlencoded" || kind == "application/json") {
		r.Body = &composedBody{ReadCloser: r.Body, kind: kind}
	}
}

// Read gives the body with its text in one form; an Invalid error names the field that is no text.
func (b *composedBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.text == nil {
		raw, err := io.ReadAll(b.ReadCloser)
		if err != nil {
			b.err = err
			return 0, err
		}
		if raw, b.err = b.compose(raw); b.err != nil {
			return 0, b.err
		}
		b.text = bytes.NewReader(raw)
	}
	return b.text.Read(p)
}

func (b *composedBody) compose(raw []byte) ([]byte, error) {
	text := string(raw)
	if b.kind == "application/json" { // no letter of the other form becomes one that means something there
		clean, err := stoa.Text("", text)
		return []byte(clean), err
	}
	clean, changed, err := composedForm(text)
	if err != nil || !changed {
		return raw, err
	}
	return []byte(clean), nil
}

// ReadForm reads the form of r into r.PostForm. What is not text in UTF-8 is Invalid, with the name of the field; what
// is over the limit of the body is an *http.MaxBytesError; what is no form at all is answered with 400.
func ReadForm(r *http.Request) error {
	err := r.ParseForm()
	var e *stoa.Error
	if err == nil || errors.As(err, &e) || errors.As(err, new(*http.MaxBytesError)) {
		return err
	}
	return Malformed("the form could not be read: send it again")
}
