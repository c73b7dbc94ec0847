package admintest

import (
	"bytes"
	"cmp"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"

	"github.com/stoa-portal/stoa"
	"golang.org/x/net/html"
)

// Answer is a response as a person sees it.
type Answer struct {
	At       string // what was asked for
	Status   int
	Location string
	Body     string
}

// Path is a redirect's address without what the next screen says.
func (a Answer) Path() string {
	p, _, _ := strings.Cut(a.Location, "?")
	return p
}

// Main is the part of a screen that failures print.
func (a Answer) Main() string {
	if _, main, ok := strings.Cut(a.Body, `<main class="main" id="main">`); ok {
		main, _, _ = strings.Cut(main, "</main>")
		return main
	}
	return a.Body
}

// Get opens a screen.
func (w *World) Get(actor stoa.Actor, target string) Answer {
	w.T.Helper()
	return w.ask(actor, http.MethodGet, target, "", nil)
}

// Post sends a form of names and values without opening its screen.
func (w *World) Post(actor stoa.Actor, target string, pairs ...string) Answer {
	w.T.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return w.ask(actor, http.MethodPost, target, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
}

// Send uploads bytes under names, as a browser does, with the values before them.
func (w *World) Send(actor stoa.Actor, target string, values url.Values, raw []byte, names ...string) Answer {
	w.T.Helper()
	var b bytes.Buffer
	out := multipart.NewWriter(&b)
	for name, list := range values {
		for _, v := range list {
			Must(w.T, out.WriteField(name, v))
		}
	}
	for _, name := range names {
		part, err := out.CreateFormFile("file", name)
		Must(w.T, err)
		_, err = part.Write(raw)
		Must(w.T, err)
	}
	Must(w.T, out.Close())
	return w.ask(actor, http.MethodPost, target, out.FormDataContentType(), &b)
}

func (w *World) ask(actor stoa.Actor, method, target, kind string, body io.Reader) Answer {
	w.T.Helper()
	r := httptest.NewRequest(method, target, body)
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	rec := httptest.NewRecorder()
	w.Mux.ServeHTTP(rec, r.WithContext(stoa.WithActor(r.Context(), actor)))
	return Answer{target, rec.Code, rec.Header().Get("Location"), rec.Body.String()}
}

// Follow opens the screen that a redirect leads to.
func (w *World) Follow(actor stoa.Actor, a Answer) Answer {
	w.T.Helper()
	if a.Status != http.StatusSeeOther {
		w.T.Fatalf("%s: status %d is no redirect\n%s", a.At, a.Status, a.Main())
	}
	return w.Get(actor, a.Location)
}

// Want checks the status, and words on the screen.
func (w *World) Want(what string, a Answer, status int, words ...string) {
	w.T.Helper()
	if a.Status != status {
		w.T.Errorf("%s: status %d, want %d (location %q)\n%s", what, a.Status, status, a.Location, a.Main())
		return
	}
	for _, word := range words {
		if !strings.Contains(a.Body, word) {
			w.T.Errorf("%s: %q is not on the screen:\n%s", what, word, a.Main())
		}
	}
}

// Without checks that words are not on the screen.
func (w *World) Without(what string, a Answer, words ...string) {
	w.T.Helper()
	for _, word := range words {
		if strings.Contains(a.Main(), word) {
			w.T.Errorf("%s: %q must not be on the screen:\n%s", what, word, a.Main())
		}
	}
}

// Press sends a form of a screen as a browser does when the button is pressed: all that the screen has filled in, with
// the pairs of names and values in place of that. The button is named by its text or label; where several have it, the
// address that it sends to stands before, as "/control/pages/bulk Delete". A name that the form does not have, or a
// value that cannot be chosen there, fails.
func (w *World) Press(actor stoa.Actor, a Answer, button string, pairs ...string) Answer {
	w.T.Helper()
	if a.Status != http.StatusOK && a.Status < 400 {
		w.T.Fatalf("press %q: status %d is no screen", button, a.Status)
	}
	root, err := html.Parse(strings.NewReader(a.Body))
	Must(w.T, err)
	s := newScreen(root)
	where, label := "", button
	if strings.HasPrefix(button, "/") {
		where, label, _ = strings.Cut(button, " ")
	}
	var found []*html.Node
	for _, b := range s.buttons {
		if called(b) == label && (where == "" || pathOf(s.target(b, a.At)) == where) {
			found = append(found, b)
		}
	}
	if len(found) != 1 {
		w.T.Fatalf("%d buttons %q on the screen %s:\n%s", len(found), button, a.At, a.Main())
	}
	values := s.values(found[0])
	set := map[string]bool{}
	for i := 0; i+1 < len(pairs); i += 2 {
		name, value := pairs[i], pairs[i+1]
		if !s.takes(found[0], name, value) {
			w.T.Fatalf("the form of %q has no %q that can be %q:\n%s", button, name, value, a.Main())
		}
		if !set[name] {
			delete(values, name)
		}
		set[name] = true
		values.Add(name, value)
	}
	target := s.target(found[0], a.At)
	if strings.EqualFold(cmp.Or(attr(found[0], "formmethod"), attr(s.form(found[0]), "method")), "post") {
		return w.ask(actor, http.MethodPost, target, "application/x-www-form-urlencoded", strings.NewReader(values.Encode()))
	}
	return w.Get(actor, pathOf(target)+"?"+values.Encode())
}

// screen is the forms of a screen.
type screen struct {
	forms    map[string]*html.Node // by their ids
	buttons  []*html.Node          // those that send a form
	controls []*html.Node
}

func newScreen(root *html.Node) *screen {
	s := &screen{forms: map[string]*html.Node{}}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch n.Data {
		case "form":
			if id := attr(n, "id"); id != "" {
				s.forms[id] = n
			}
		case "button":
			if k := attr(n, "type"); k == "" || k == "submit" {
				s.buttons = append(s.buttons, n)
			}
		case "input", "select", "textarea":
			s.controls = append(s.controls, n)
		}
	}
	return s
}

// form gives the form that a control belongs to; nil when it belongs to none.
func (s *screen) form(n *html.Node) *html.Node {
	if id := attr(n, "form"); id != "" {
		return s.forms[id]
	}
	for up := range n.Ancestors() {
		if up.Type == html.ElementNode && up.Data == "form" {
			return up
		}
	}
	return nil
}

// target is the address that a button sends to.
func (s *screen) target(button *html.Node, at string) string {
	f := s.form(button)
	if to := attr(button, "formaction"); to != "" {
		return to
	}
	if f != nil && attr(f, "action") != "" {
		return attr(f, "action")
	}
	return at
}

// values is what a browser sends for a button when the person has changed nothing.
func (s *screen) values(button *html.Node) url.Values {
	out, f := url.Values{}, s.form(button)
	for _, n := range s.controls {
		name := attr(n, "name")
		if s.form(n) != f || f == nil || name == "" || has(n, "disabled") {
			continue
		}
		switch {
		case n.Data == "textarea":
			out.Add(name, raw(n))
		case n.Data == "select":
			for _, o := range chosen(n) {
				out.Add(name, o)
			}
		case attr(n, "type") == "checkbox" || attr(n, "type") == "radio":
			if has(n, "checked") {
				out.Add(name, valueOf(n))
			}
		case attr(n, "type") != "file":
			out.Add(name, attr(n, "value"))
		}
	}
	if name := attr(button, "name"); name != "" {
		out.Add(name, attr(button, "value"))
	}
	return out
}

// takes reports whether the form of a button has something of the name that can have the value.
func (s *screen) takes(button *html.Node, name, value string) bool {
	return slices.ContainsFunc(s.controls, func(n *html.Node) bool {
		if s.form(n) != s.form(button) || attr(n, "name") != name || has(n, "disabled") {
			return false
		}
		switch {
		case n.Data == "select":
			for o := range n.Descendants() {
				if o.Type == html.ElementNode && o.Data == "option" && valueOf(o) == value {
					return true
				}
			}
			return false
		case attr(n, "type") == "checkbox" || attr(n, "type") == "radio":
			return valueOf(n) == value
		}
		return true
	})
}

// chosen is what is chosen in a list: where nothing is and one has to be, the first.
func chosen(list *html.Node) (out []string) {
	var all []string
	for o := range list.Descendants() {
		if o.Type != html.ElementNode || o.Data != "option" || has(o, "disabled") {
			continue
		}
		all = append(all, valueOf(o))
		if has(o, "selected") {
			out = append(out, valueOf(o))
		}
	}
	if len(out) == 0 && len(all) > 0 && !has(list, "multiple") {
		out = all[:1]
	}
	return out
}

func valueOf(n *html.Node) string {
	switch {
	case has(n, "value"):
		return attr(n, "value")
	case n.Data == "option":
		return text(n)
	}
	return "on"
}

func attr(n *html.Node, name string) string {
	if n == nil {
		return ""
	}
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}

func raw(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

func text(n *html.Node) string { return strings.Join(strings.Fields(raw(n)), " ") }

// called is what a button is called: its text, or for one that has a picture only its label.
func called(button *html.Node) string {
	if t := text(button); t != "" {
		return t
	}
	return attr(button, "aria-label")
}

func pathOf(address string) string {
	p, _, _ := strings.Cut(address, "?")
	return p
}
