package sites

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"html/template"
	"net/http"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/render"
	"github.com/stoa-portal/stoa/site"
)

func (h *screens) mountAppearance(r *admin.Routes) {
	r.Get("/control/appearance", admin.ManageSite, h.appearance)
	r.Post("/control/appearance", admin.ManageSite, h.appearance)
	r.Post("/control/appearance/preview", admin.ManageSite, h.previewAppearance)
}

// looks is what the screen of the appearance shows.
type looks struct {
	Form     *admin.Form
	Sections []looksSection
}

type looksSection struct {
	Title, Help string
	Fields      []*admin.Field
	Pair        bool // the fields stand beside each other
}

// looksForm gives the form of how a site looks.
func looksForm(q *admin.Request, s site.Site) *looks {
	a := s.Appearance
	out := &looks{Form: &admin.Form{Version: s.Version}}
	add := func(title, help string, pair bool, fields ...*admin.Field) {
		out.Sections = append(out.Sections, looksSection{title, help, fields, pair})
		out.Form.Fields = append(out.Form.Fields, fields...)
	}
	colour := func(name, label, value string) *admin.Field {
		return &admin.Field{Name: name, Label: label, Kind: "mono", Value: value, Optional: true}
	}
	colours := func(scheme string, c site.Colours) []*admin.Field {
		return []*admin.Field{colour(scheme+".accent", q.Word("appearance.accent"), c.Accent),
			colour(scheme+".ground", q.Word("appearance.ground"), c.Ground),
			colour(scheme+".ink", q.Word("appearance.ink"), c.Ink)}
	}
	faces := []admin.Option{{Label: q.Word("appearance.face.theme")},
		{Value: site.FaceSans, Label: q.Word("appearance.face.sans")},
		{Value: site.FaceSerif, Label: q.Word("appearance.face.serif")},
		{Value: site.FaceSystem, Label: q.Word("appearance.face.system")}}
	add(q.Word("appearance.light"), q.Word("appearance.light.help"), true, colours("light", a.Light)...)
	add(q.Word("appearance.dark"), q.Word("appearance.dark.help"), true, colours("dark", a.Dark)...)
	add(q.Word("appearance.faces"), q.Word("appearance.faces.help"), true,
		&admin.Field{Name: "text", Label: q.Word("appearance.text"), Kind: "select", Value: a.Text, Options: faces},
		&admin.Field{Name: "headings", Label: q.Word("appearance.headings"), Kind: "select", Value: a.Headings,
			Options: faces})
	shown := func(name, label string, hidden bool) *admin.Field {
		return &admin.Field{Name: name, Label: label, Kind: "check", Value: admin.Checked(!hidden)}
	}
	add(q.Word("appearance.header"), q.Word("appearance.header.help"), false,
		&admin.Field{Name: "brand", Label: q.Word("appearance.brand"), Kind: "select", Value: a.Brand,
			Options: []admin.Option{{Label: q.Word("appearance.brand.both")},
				{Value: site.BrandName, Label: q.Word("appearance.brand.name")},
				{Value: site.BrandLogo, Label: q.Word("appearance.brand.logo")}}},
		shown("sign-in", q.Word("appearance.sign-in"), a.HideSignIn),
		shown("search", q.Word("appearance.search"), a.HideSearch),
		shown("languages", q.Word("appearance.languages"), a.HideLanguages),
		shown("switch", q.Word("appearance.switch"), a.HideSwitch))
	add(q.Word("appearance.css"), q.Word("appearance.css.help"), false, &admin.Field{Name: "css",
		Label: q.Word("appearance.css.label"), Kind: "textarea", Rows: 8, Value: a.CSS, Optional: true})
	return out
}

// appearanceOf reads the form.
func appearanceOf(f *admin.Form) site.Appearance {
	colours := func(scheme string) site.Colours {
		return site.Colours{Accent: f.Text(scheme + ".accent"), Ground: f.Text(scheme + ".ground"),
			Ink: f.Text(scheme + ".ink")}
	}
	return site.Appearance{Light: colours("light"), Dark: colours("dark"), Text: f.Text("text"),
		Headings: f.Text("headings"), Brand: f.Text("brand"), HideSignIn: !f.On("sign-in"), HideSearch: !f.On("search"),
		HideLanguages: !f.On("languages"), HideSwitch: !f.On("switch"), CSS: f.Text("css")}
}

// appearance shows how the site that is worked on looks, and saves it.
func (h *screens) appearance(q *admin.Request) error {
	if q.Method == http.MethodPost {
		if err := h.At(q, q.PostForm.Get("site")); err != nil {
			return err
		}
	}
	v := looksForm(q, q.Site)
	if q.Method == http.MethodPost {
		v.Form.Read(q)
		_, err := h.o.Sites.SetAppearance(q.Context(), q.Site.ID, appearanceOf(v.Form), v.Form.Version)
		switch {
		case err == nil:
			return q.Done("/control/appearance", "saved")
		case stoa.Is(err, stoa.KindConflict):
			now, serr := h.o.Sites.Site(q.Context(), q.Site.ID)
			if serr != nil {
				return serr
			}
			v.Form.Stale(looksForm(q, now).Form)
		case !v.Form.Fail(err):
			return err
		}
	}
	return h.Show(q, v.Form.Status(), "appearance", admin.Screen{Title: q.Word("appearance.title"),
		Purpose: q.Word("appearance.purpose", q.Site.Name), Body: v})
}

// previewAppearance shows the home page, or words to try the settings on, with what the form says and nothing saved. It
// is an answer to a form, so that no other person and no cache has it.
func (h *screens) previewAppearance(q *admin.Request) error {
	if err := h.At(q, q.PostForm.Get("site")); err != nil {
		return err
	}
	f := looksForm(q, q.Site).Form
	f.Read(q)
	in := render.Input{Instance: q.Instance, Site: q.Site, Locale: q.Site.Locale, Actor: q.Actor, Path: "/", NoIndex: true,
		InlineStyle: true}
	in.Prefix = admin.Prefix(q.Here, q.Site)
	a, err := appearanceOf(f).Checked()
	switch {
	case err != nil && admin.Message(err) == "":
		return err
	case err != nil:
		in.Title = q.Word("appearance.preview.wrong")
		in.Content = sample(q, in.Title, q.Said(err))
	default:
		in.Site.Appearance = a
		if in.Page, err = h.homePage(q); err != nil {
			return err
		}
		if in.Page == nil {
			in.Content = sample(q, q.Site.Name, q.Word("appearance.preview.text"))
		}
	}
	// A visitor's header, with the link to the sign-in page, is what the settings are about.
	guest, err := h.o.Access.GuestActor(q.Context(), q.Instance.ID)
	if err != nil {
		return err
	}
	if h.o.Access.Can(stoa.WithActor(q.Context(), guest), access.View, q.Site.Path()) {
		in.Actor = guest
	}
	out, err := h.o.Render.Page(q.Context(), in)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(in.Site.Appearance.Style()))
	header := q.W.Header()
	header.Set("Content-Security-Policy", strings.Replace(header.Get("Content-Security-Policy"), "style-src 'self'",
		"style-src 'self' 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'", 1))
	header.Set("Content-Type", "text/html; charset=utf-8")
	_, err = q.W.Write(out.HTML)
	return err
}

// homePage gives the page at the site's "/"; nil where a list of posts or nothing is there, or the actor may not see
// it.
func (h *screens) homePage(q *admin.Request) (*page.Page, error) {
	var p page.Page
	var err error
	switch q.Site.Home {
	case site.HomePosts:
		return nil, nil
	case "":
		p, err = h.o.Pages.First(q.Context(), q.Site.ID)
	default:
		p, err = h.o.Pages.ByPath(q.Context(), q.Site.ID, q.Site.Home)
	}
	var e *stoa.Error
	switch {
	case err == nil && p.Type == page.TypeWidgets:
		return &p, nil
	case err == nil || errors.As(err, &e) && (e.Kind == stoa.KindNotFound || e.Kind == stoa.KindForbidden):
		return nil, nil
	}
	return nil, err
}

// sample is a little text with what a page has.
func sample(q *admin.Request, title, text string) template.HTML {
	esc := template.HTMLEscapeString
	link, button := esc(q.Word("appearance.preview.link")), esc(q.Word("appearance.preview.button"))
	return template.HTML(`<article class="wrap prose"><h1>` + esc(title) + `</h1><p>` + esc(text) + `</p><h2>` +
		esc(q.Word("appearance.headings")) + `</h2><p><a href="#main">` + link +
		`</a></p><p><a class="button button--primary" href="#main">` + button + `</a></p></article>`)
}
