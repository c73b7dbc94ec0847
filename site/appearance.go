package site

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
)

// What Appearance.Brand can say besides "", name and logo.
const (
	BrandName = "name"
	BrandLogo = "logo"
)

// Typefaces of a site: those that come with the theme, and the one of the visitor's system.
const (
	FaceSans   = "sans"
	FaceSerif  = "serif"
	FaceSystem = "system"
)

// Appearance is how a site looks. The zero value is the theme as it comes.
type Appearance struct {
	Light    Colours `json:"light,omitzero"`
	Dark     Colours `json:"dark,omitzero"`
	Text     string  `json:"text,omitempty"`     // typeface of text; "" = the theme's
	Headings string  `json:"headings,omitempty"` // typeface of headings; "" = the theme's
	Brand    string  `json:"brand,omitempty"`    // "" = name and logo, BrandName or BrandLogo

	HideSignIn    bool `json:"hideSignIn,omitempty"`
	HideSearch    bool `json:"hideSearch,omitempty"`
	HideLanguages bool `json:"hideLanguages,omitempty"`
	HideSwitch    bool `json:"hideSwitch,omitempty"` // between light and dark

	CSS string `json:"css,omitempty"` // after the theme's; at most MaxCSS bytes
}

// SetAppearance saves how the site looks; the actor needs Manage on it, and where the CSS is another than before, to
// have proved who they are a short time ago. version must be the current one of the site, else the answer is Conflict.
// Invalid names light.accent, light.ground, light.ink, the same of dark, text, headings, brand or css.
func (s *Service) SetAppearance(ctx context.Context, id stoa.ID, a Appearance, version int64) (Site, error) {
	st, err := s.row(ctx, s.opt.DB, id)
	if err != nil {
		return Site{}, err
	}
	if err := s.opt.Access.Check(ctx, access.Manage, st.Path()); err != nil {
		return Site{}, err
	}
	if a, err = a.Checked(); err != nil {
		return Site{}, err
	}
	raw, err := json.Marshal(a)
	if err != nil {
		return Site{}, fmt.Errorf("site: appearance: %w", err)
	}
	err = s.opt.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if st, err = s.row(ctx, tx, id); err != nil { // the CSS that is compared is the one that is replaced
			return err
		}
		if st.Version != version {
			return staleSite()
		}
		if a.CSS != st.Appearance.CSS {
			if err := stoa.ActorFrom(ctx).Fresh(time.Now(), "change the style sheet of a site"); err != nil {
				return err
			}
		}
		n, err := tx.Affected(ctx, `UPDATE site_site SET appearance = ?, version = ?
			WHERE id = ? AND instance = ? AND version = ?`, string(raw), version+1, id, st.Instance, version)
		if err != nil {
			return err
		}
		if n == 0 {
			return staleSite()
		}
		tx.Changed("site", id, st.Instance, version+1)
		audit.Note(tx, audit.Changed, st.thing())
		return nil
	})
	if err != nil {
		return Site{}, err
	}
	st.Appearance, st.Version = a, version+1
	return st, nil
}

func staleSite() error {
	return stoa.Conflict("the settings of this site were changed by another person; load them again")
}

// Checked gives a in its normal form, or Invalid as SetAppearance says.
func (a Appearance) Checked() (Appearance, error) {
	for _, c := range []*string{&a.Light.Accent, &a.Light.Ground, &a.Light.Ink,
		&a.Dark.Accent, &a.Dark.Ground, &a.Dark.Ink} {
		*c = strings.ToLower(strings.TrimSpace(*c))
		if v, ok := parseColour(*c); ok {
			*c = v.String()
		}
	}
	if _, err := a.Light.palette("light", themeLight); err != nil {
		return a, err
	}
	if _, err := a.Dark.dark(a.Light).palette("dark", themeDark); err != nil {
		return a, err
	}
	for _, x := range []struct{ field, value string }{{"text", a.Text}, {"headings", a.Headings}} {
		switch x.value {
		case "", FaceSans, FaceSerif, FaceSystem:
		default:
			return a, stoa.Invalid(x.field, "%.20q is not a typeface: sans, serif or system is expected", x.value)
		}
	}
	if a.Brand != "" && a.Brand != BrandName && a.Brand != BrandLogo {
		return a, stoa.Invalid("brand", "%.20q cannot stand in the header: name, logo or both is expected", a.Brand)
	}
	a.CSS = strings.TrimSpace(strings.ReplaceAll(a.CSS, "\r\n", "\n"))
	return a, checkCSS(a.CSS)
}

// face gives the families of a typeface, as in tokens.css; empty for the theme's own.
func face(name string) string {
	switch name {
	case FaceSans:
		return `"Source Sans 3","Sans until loaded",system-ui,Arial,sans-serif`
	case FaceSerif:
		return `"Source Serif 4","Serif until loaded",Charter,Georgia,serif`
	case FaceSystem:
		return `system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif`
	}
	return ""
}

// Style is the style sheet that stands after the theme's; empty where the site looks as the theme comes.
func (a Appearance) Style() string {
	var b strings.Builder
	if !a.Light.Empty() || !a.Dark.Empty() {
		light, lerr := a.Light.palette("light", themeLight)
		dark, derr := a.Dark.dark(a.Light).palette("dark", themeDark)
		if lerr == nil && derr == nil { // else a later version has stricter rules: the theme's colours stand
			b.WriteString(":root{")
			d := dark.tokens()
			for i, t := range light.tokens() {
				fmt.Fprintf(&b, "--%s:light-dark(%s,%s);", t[0], t[1], d[i][1])
			}
			b.WriteString("}\n")
		}
	}
	if f := face(a.Text); f != "" {
		fmt.Fprintf(&b, ":root{--sans:%s;--serif:%s}\n", f, f)
	}
	if f := face(a.Headings); f != "" {
		fmt.Fprintf(&b, ".site :is(h1,h2,h3,h4,h5,h6){font-family:%s}\n", f)
	}
	if a.CSS != "" {
		b.WriteString(a.CSS)
		b.WriteString("\n")
	}
	return b.String()
}

// StylePath is the address of Style below every host of the instance, which changes with its content; empty where there
// is none.
func (s Site) StylePath() string {
	style := s.Appearance.Style()
	if style == "" {
		return ""
	}
	return StylePrefix + s.ID.String() + "/" + StyleHash(style) + ".css"
}

// StylePrefix begins the addresses of style sheets of sites.
const StylePrefix = "/site-style/"

// StyleHash names a style sheet by its content.
func StyleHash(style string) string {
	sum := sha256.Sum256([]byte(style))
	return hex.EncodeToString(sum[:16])
}

// readAppearance reads the column. What this version cannot read, one after it wrote: the theme stands as it comes.
func readAppearance(raw string) (a Appearance) {
	if raw != "" && json.Unmarshal([]byte(raw), &a) != nil {
		return Appearance{}
	}
	return a
}
