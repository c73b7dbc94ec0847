package admin

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"html/template"
	"net/http"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/render"
	"github.com/stoa-portal/stoa/site"
)

func (h *Handler) mountAppearance(get, post register) {
	get("/control/appearance", manageSite, h.appearance)
	post("/control/appearance", manageSite, h.appearance)
	post("/control/appearance/preview", manageSite, h.previewAppearance)
}

// looks is what the screen of the appearance shows.
type looks struct {
	Form     *form
	Sections []looksSection
}

type looksSection struct {
	Title, Help string
	Fields      []*field
	Pair        bool // the fields stand beside each other
}

// looksForm gives the form of how a site looks.
func looksForm(s site.Site) *looks {
	a := s.Appearance
	out := &looks{Form: &form{Version: s.Version}}
	add := func(title, help string, pair bool, fields ...*field) {
		out.Sections = append(out.Sections, looksSection{title, help, fields, pair})
		out.Form.Fields = append(out.Form.Fields, fields...)
	}
	colour := func(name, label, value string) *field {
		return &field{Name: name, Label: label, Kind: "mono", Value: value, Optional: true}
	}
	colours := func(scheme string, c site.Colours) []*field {
		return []*field{colour(scheme+".accent", lang.Word("appearance.accent"), c.Accent),
			colour(scheme+".ground", lang.Word("appearance.ground"), c.Ground),
			colour(scheme+".ink", lang.Word("appearance.ink"), c.Ink)}
	}
	faces := []option{{Label: lang.Word("appearance.face.theme")},
		{Value: site.FaceSans, Label: lang.Word("appearance.face.sans")},
		{Value: site.FaceSerif, Label: lang.Word("appearance.face.serif")},
		{Value: site.FaceSystem, Label: lang.Word("appearance.face.system")}}
	add(lang.Word("appearance.light"), lang.Word("appearance.light.help"), true, colours("light", a.Light)...)
	add(lang.Word("appearance.dark"), lang.Word("appearance.dark.help"), true, colours("dark", a.Dark)...)
	add(lang.Word("appearance.faces"), lang.Word("appearance.faces.help"), true,
		&field{Name: "text", Label: lang.Word("appearance.text"), Kind: "select", Value: a.Text, Options: faces},
		&field{Name: "headings", Label: lang.Word("appearance.headings"), Kind: "select", Value: a.Headings, Options: faces})
	shown := func(name, label string, hidden bool) *field {
		return &field{Name: name, Label: label, Kind: "check", Value: check(!hidden)}
	}
	add(
		lang.Word("appearance.header"),
		lang.Word("appearance.header.help"),
		false,
		&field{
			Name:  "brand",
			Label: lang.Word("appearance.brand"),
			Kind:  "select",
			Value: a.Brand,
			Options: []option{{Label: lang.Word("appearance.brand.both")},
				{Value: site.BrandName, Label: lang.Word("appearance.brand.name")},
				{Value: site.BrandLogo, Label: lang.Word("appearance.brand.logo")}},
		},
		shown("sign-in", lang.Word("appearance.sign-in"), a.HideSignIn),
		shown("search", lang.Word("appearance.search"), a.HideSearch),
		shown("languages", lang.Word("appearance.languages"), a.HideLanguages),
		shown("switch", lang.Word("appearance.switch"), a.HideSwitch),
	)
	add(
		lang.Word("appearance.css"),
		lang.Word("appearance.css.help"),
		false,
		&field{
			Name:     "css",
			Label:    lang.Word("appearance.css.label"),
			Kind:     "textarea",
			Rows:     8,
			Value:    a.CSS,
			Optional: true,
		},
	)
	return out
}

// appearance reads the form.
func (f *form) appearance() site.Appearance {
	colours := func(scheme string) site.Colours {
		return site.Colours{Accent: f.text(scheme + ".accent"), Ground: f.text(scheme + ".ground"),
			Ink: f.text(scheme + ".ink")}
	}
	return site.Appearance{Light: colours("light"), Dark: colours("dark"), Text: f.text("text"),
		Headings: f.text("headings"), Brand: f.text("brand"), HideSignIn: !f.on("sign-in"), HideSearch: !f.on("search"),
		HideLanguages: !f.on("languages"), HideSwitch: !f.on("switch"), CSS: f.text("css")}
}

// appearance shows how the site that is worked on looks, and saves it.
func (h *Handler) appearance(q *request) error {
	if q.Method == http.MethodPost {
		if err := h.at(q, q.PostForm.Get("site")); err != nil {
			return err
		}
	}
	v := looksForm(q.site)
	if q.Method == http.MethodPost {
		v.Form.read(q)
		_, err := h.o.Sites.SetAppearance(q.Context(), q.site.ID, v.Form.appearance(), v.Form.Version)
		switch {
		case err == nil:
			return q.done("/control/appearance", "saved")
		case stoa.Is(err, stoa.KindConflict):
			now, serr := h.o.Sites.Site(q.Context(), q.site.ID)
			if serr != nil {
				return serr
			}
			v.Form.stale(looksForm(now).Form)
		case !v.Form.fail(err):
			return err
		}
	}
	return h.show(q, v.Form.Status(), "appearance", frame{Title: lang.Word("appearance.title"),
		Purpose: lang.Word("appearance.purpose", q.site.Name), Body: v})
}

// previewAppearance shows the home page, or words to try the settings on, with what the form says and nothing saved. It
// is an answer to a form, so that no other person and no cache has it.
func (h *Handler) previewAppearance(q *request) error {
	if err := h.at(q, q.PostForm.Get("site")); err != nil {
		return err
	}
	f := looksForm(q.site).Form
	f.read(q)
	in := render.Input{Instance: q.instance, Site: q.site, Locale: q.site.Locale, Actor: q.actor, Path: "/", NoIndex: true,
		InlineStyle: true}
	_, here, err := h.o.SiteOf(q.Request)
	if err != nil {
		return err
	}
	in.Prefix = prefix(here, q.site)
	a, err := f.appearance().Checked()
	switch {
	case err != nil && message(err) == "":
		return err
	case err != nil:
		in.Title = lang.Word("appearance.preview.wrong")
		in.Content = sample(in.Title, sentence(message(err)))
	default:
		in.Site.Appearance = a
		if in.Page, err = h.homePage(q); err != nil {
			return err
		}
		if in.Page == nil {
			in.Content = sample(q.site.Name, lang.Word("appearance.preview.text"))
		}
	}
	// A visitor's header, with the link to the sign-in page, is what the settings are about.
	guest, err := h.o.Access.GuestActor(q.Context(), q.instance.ID)
	if err != nil {
		return err
	}
	if h.o.Access.Can(stoa.WithActor(q.Context(), guest), access.View, q.site.Path()) {
		in.Actor = guest
	}
	out, err := h.o.Render.Page(q.Context(), in)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(in.Site.Appearance.Style()))
	header := q.w.Header()
	header.Set("Content-Security-Policy", strings.Replace(header.Get("Content-Security-Policy"), "style-src 'self'",
		"style-src 'self' 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'", 1))
	header.Set("Content-Type", "text/html; charset=utf-8")
	_, err = q.w.Write(out.HTML)
	return err
}

// homePage gives the page at the site's "/"; nil where a list of posts or nothing is there, or the actor may not see it.
func (h *Handler) homePage(q *request) (*page.Page, error) {
	var p page.Page
	var err error
	switch q.site.Home {
	case site.HomePosts:
		return nil, nil
	case "":
		p, err = h.o.Pages.First(q.Context(), q.site.ID)
	default:
		p, err = h.o.Pages.ByPath(q.Context(), q.site.ID, q.site.Home)
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
func sample(title, text string) template.HTML {
	esc := template.HTMLEscapeString
	link, button := esc(lang.Word("appearance.preview.link")), esc(lang.Word("appearance.preview.button"))
	return template.HTML(`<article class="wrap prose"><h1>` + esc(title) + `</h1><p>` + esc(text) + `</p><h2>` +
		esc(lang.Word("appearance.headings")) + `</h2><p><a href="#main">` + link +
		`</a></p><p><a class="button button--primary" href="#main">` + button + `</a></p></article>`)
}
