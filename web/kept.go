package web

import (
	"mime"
	"net/http"
	"slices"
	"strings"
)

// field is one value of a form.
type field struct{ Name, Value string }

// kept gives the fields of a form of the control panel that was not worked through, in the order of their names, so
// that the page which says so can send it again: what an editor wrote is not lost because the database is away or the
// session has ended. A form with a password or a file in it is not kept, and of other origins none comes this far.
func kept(r *http.Request) (out []field) {
	form, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.Method != http.MethodPost || err != nil || form != "application/x-www-form-urlencoded" ||
		!strings.HasPrefix(r.URL.Path, "/control/") || r.ParseForm() != nil {
		return nil
	}
	for name, values := range r.PostForm {
		if strings.Contains(strings.ToLower(name), "password") {
			return nil
		}
		for _, v := range values {
			out = append(out, field{name, v})
		}
	}
	slices.SortStableFunc(out, func(a, b field) int { return strings.Compare(a.Name, b.Name) })
	return out
}
