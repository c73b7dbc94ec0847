// Package widget says what a widget is, lists those that the portal has, and holds the ones that need
// nothing but the request: HTML, language selector and sign-in.
package widget

import (
	"context"
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/site"
)

// Widget is a part that people place on pages. It is safe for concurrent use.
type Widget interface {
	// Type describes the widget; it is the same at every call.
	Type() Type
	// Render makes the output for one request. It keeps to the deadline of ctx and escapes everything
	// that comes from people. What services that it calls read from caches is noted by itself.
	Render(ctx context.Context, r Request) (Result, error)
}

// Type describes a kind of widget for the palette and the settings form.
type Type struct {
	Name        string // stable, such as "navigation"; it is stored in layouts
	Title       string
	Icon        string // name of an icon of package look
	Description string
	Fields      []Field
	Query       []string // query parameters that change the output
	PerUser     bool     // the output depends on who is signed in
}

// Default gives the settings of a new widget of the type.
func (t Type) Default() map[string]string {
	out := map[string]string{}
	for _, f := range t.Fields {
		if f.Default != "" {
			out[f.Key] = f.Default
		}
	}
	return out
}

// Field is one setting in the form of a widget.
type Field struct {
	Key, Label string
	// Kind is text, textarea, html, select, bool, number, article, category, menu or page; link for an address that
	// Request.Link reads; image and video for the address of a file; gallery for a list of document.Picture as JSON.
	Kind    string
	Options []Option
	Default string
	Help    string
}

// Option is a choice of a select field.
type Option struct{ Value, Label string }

// Link is an address with words.
type Link struct {
	Title, URL string
	Lang       stoa.Locale // that the title is in, when that is another than that of the page; else empty
}

// Mark gives the attributes of an element that shows the title.
func (l Link) Mark() template.HTMLAttr { return lang.Mark(l.Lang) }

// Alternate is the page in another language.
type Alternate struct {
	Locale  stoa.Locale
	Name    string // in the language itself: "Deutsch"
	URL     string
	Current bool
}

// PageInfo is what a widget may know of the page that it stands on.
type PageInfo struct {
	ID         stoa.ID
	Path       string // the page's friendly address without base
	Title      string
	Lang       stoa.Locale // that the title is in, when that is another than that of the page; else empty
	Ancestors  []Link      // the topmost first, without the page itself
	Alternates []Alternate
}

// Mark gives the attributes of an element that shows the title.
func (p PageInfo) Mark() template.HTMLAttr { return lang.Mark(p.Lang) }

// Request is what a widget renders for.
type Request struct {
	Site     site.Site
	Page     PageInfo
	Base     string // goes before addresses of the site: "", "/de", "/web/intranet"
	Locale   stoa.Locale
	Zone     *time.Location // that dates are written in; nil = UTC
	Settings map[string]string
	Query    url.Values
	Actor    stoa.Actor
	Edit     bool          // in the page editor
	ID       string        // of the placed widget, unique on the page
	Column   int           // how wide its column is, of 12; 0: not known
	SignIn   string        // address of the sign-in page
	SignOut  string        // address that ends the session by POST; empty: no button
	Account  string        // address of the actor's account page; empty: no link
	CSRF     template.HTML // hidden fields that forms sent by POST need
}

// Day writes the day of t in the language and the time zone of the page.
func (r Request) Day(t time.Time) string {
	if r.Zone != nil {
		t = t.In(r.Zone)
	}
	return lang.Date(r.Locale, t)
}

// Setting gives a setting, or the default when it is empty.
func (r Request) Setting(name, fallback string) string {
	if v := strings.TrimSpace(r.Settings[name]); v != "" {
		return v
	}
	return fallback
}

// Link reads where something leads: a path of the site ("/about"), of a file or of the control panel, a place in the
// page ("#tides"), an address with https:// or http://, or one of mail or telephone. Everything else is refused. Paths
// of the site get the base before them.
func (r Request) Link(raw string) (href string, ok bool) {
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil || u.User != nil {
		return "", false
	}
	switch u.Scheme {
	case "https", "http":
		return u.String(), u.Host != "" && u.Opaque == ""
	case "mailto", "tel":
		return u.String(), u.Opaque != ""
	case "":
	default:
		return "", false
	}
	switch {
	case u.Host != "" || u.Opaque != "":
		return "", false
	case u.Path == "" && u.RawQuery == "":
		return u.String(), u.Fragment != ""
	case !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "//"):
		return "", false
	}
	for _, own := range []string{"/documents/", "/control/"} { // which have no language
		if strings.HasPrefix(u.Path, own) {
			return u.String(), true
		}
	}
	return r.Base + u.String(), true
}

// Result is what a widget made.
type Result struct {
	HTML    template.HTML
	NoStore bool // the page with it must not be kept in a cache
}

// Catalogue lists widgets by name. It does not change after New.
type Catalogue struct {
	byName map[string]Widget
	names  []string
}

// New makes a catalogue. It panics when a name is empty or given twice, for that is a mistake in wiring.
func New(widgets ...Widget) *Catalogue {
	c := &Catalogue{byName: map[string]Widget{}}
	for _, w := range widgets {
		name := w.Type().Name
		if name == "" || c.byName[name] != nil {
			panic(fmt.Sprintf("widget: the name %q is empty or taken", name))
		}
		c.byName[name] = w
		c.names = append(c.names, name)
	}
	slices.SortFunc(c.names, func(a, b string) int {
		return strings.Compare(c.byName[a].Type().Title, c.byName[b].Type().Title)
	})
	return c
}

// Get gives the widget with the name.
func (c *Catalogue) Get(name string) (Widget, bool) {
	w, ok := c.byName[name]
	return w, ok
}

// Types gives the types of all widgets by title.
func (c *Catalogue) Types() []Type {
	out := make([]Type, 0, len(c.names))
	for _, n := range c.names {
		out = append(out, c.byName[n].Type())
	}
	return out
}
