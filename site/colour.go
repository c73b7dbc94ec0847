package site

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
)

// leastContrast is what text must reach on its ground, leastEdge the edge of a control (WCAG 2.2, 1.4.3 and 1.4.11).
const (
	leastContrast = 4.5
	leastEdge     = 3
)

// colour holds red, green and blue.
type colour [3]uint8

// parseColour reads #rgb or #rrggbb.
func parseColour(s string) (c colour, ok bool) {
	hex, found := strings.CutPrefix(s, "#")
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	v, err := strconv.ParseUint(hex, 16, 32)
	if !found || len(hex) != 6 || err != nil {
		return c, false
	}
	return colour{uint8(v >> 16), uint8(v >> 8), uint8(v)}, true
}

func (c colour) String() string { return fmt.Sprintf("#%02x%02x%02x", c[0], c[1], c[2]) }

// luminance is the relative luminance as WCAG defines it, 0 to 1.
func (c colour) luminance() float64 {
	sum := 0.0
	for i, weight := range []float64{.2126, .7152, .0722} {
		v := float64(c[i]) / 255
		if v <= .04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+.055)/1.055, 2.4)
		}
		sum += weight * v
	}
	return sum
}

// contrast is the contrast ratio of two colours as WCAG defines it, 1 to 21.
func contrast(a, b colour) float64 {
	la, lb := a.luminance(), b.luminance()
	return (max(la, lb) + .05) / (min(la, lb) + .05)
}

// mix goes the part t, 0 to 1, of the way from c to d.
func (c colour) mix(d colour, t float64) (out colour) {
	for i := range c {
		out[i] = uint8(math.Round(float64(c[i]) + t*(float64(d[i])-float64(c[i]))))
	}
	return out
}

// stands reports whether c can be read on all of grounds with a contrast of least.
func (c colour) stands(least float64, grounds ...colour) bool {
	for _, g := range grounds {
		if contrast(c, g) < least {
			return false
		}
	}
	return true
}

// near gives the first colour that is right on the way from c to d, beginning at the part t of it; the last is d.
func (c colour) near(d colour, t float64, right func(colour) bool) colour {
	for ; t < 1; t += .02 {
		if x := c.mix(d, t); right(x) {
			return x
		}
	}
	return d
}

// aside gives c moved by at most the part t towards d, so far that it is right; it stays c where nothing else is.
func (c colour) aside(d colour, t float64, right func(colour) bool) colour {
	for ; t > 0; t -= .01 {
		if x := c.mix(d, t); right(x) {
			return x
		}
	}
	return c
}

// Colours are those of one scheme as #rrggbb; an empty one is the theme's.
type Colours struct {
	Accent string `json:"accent,omitempty"` // of links and buttons
	Ground string `json:"ground,omitempty"`
	Ink    string `json:"ink,omitempty"` // of text
}

// Empty reports whether all colours are the theme's.
func (c Colours) Empty() bool { return c == Colours{} }

// palette is a scheme with every colour the theme uses.
type palette struct{ ground, ink, accent, ok, warn, bad colour }

// What the theme has in tokens.css; a test compares.
var (
	themeLight = palette{ground: colour{0xfb, 0xfa, 0xf7}, ink: colour{0x1d, 0x1f, 0x21}, accent: colour{0x1f, 0x4e, 0x79},
		ok: colour{0x2b, 0x6a, 0x3f}, warn: colour{0x8a, 0x5a, 0x00}, bad: colour{0xa1, 0x28, 0x1f}}
	themeDark = palette{ground: colour{0x14, 0x15, 0x17}, ink: colour{0xec, 0xea, 0xe6}, accent: colour{0x8a, 0xb8, 0xe6},
		ok: colour{0x86, 0xc7, 0x9a}, warn: colour{0xe2, 0xb4, 0x5f}, bad: colour{0xf1, 0x91, 0x86}}
	white, black = colour{255, 255, 255}, colour{}
)

// palette fills up what is not given and checks that text and accent can be read; scheme is "light" or "dark" and
// stands in the fields of errors.
func (c Colours) palette(scheme string, p palette) (palette, error) {
	for _, x := range []struct {
		name, value string
		to          *colour
	}{{"accent", c.Accent, &p.accent}, {"ground", c.Ground, &p.ground}, {"ink", c.Ink, &p.ink}} {
		if x.value == "" {
			continue
		}
		v, ok := parseColour(x.value)
		if !ok {
			return p, stoa.Invalid(scheme+"."+x.name, "%.20q is not a colour: six digits such as #1f4e79 are expected", x.value)
		}
		*x.to = v
	}
	for _, x := range []struct {
		name string
		c    colour
		low  string
	}{
		{"ink", p.ink, "text in %s on the ground %s has a contrast of %.2f:1 %s; " +
			"at least 4.5:1 is expected, so that all can read it"},
		{"accent", p.accent, "links and buttons in %s on the ground %s have a contrast of %.2f:1 %s; " +
			"at least 4.5:1 is expected, so that all can read them"},
	} {
		if got := contrast(x.c, p.ground); got < leastContrast {
			where := stoa.Phrase("in the light scheme")
			if scheme == "dark" {
				where = "in the dark scheme"
			}
			return p, stoa.Invalid(scheme+"."+x.name, x.low, x.c, p.ground, math.Floor(got*100)/100, where)
		}
	}
	return p, nil
}

// dark gives the dark scheme that goes with c: an accent that was only chosen for the light one is made lighter until
// it can be read on the dark ground.
func (c Colours) dark(light Colours) Colours {
	if c.Accent != "" || light.Accent == "" {
		return c
	}
	accent, ok := parseColour(light.Accent)
	ground := themeDark.ground
	if g, set := parseColour(c.Ground); set {
		ground = g
	}
	if !ok {
		return c
	}
	to := white
	if contrast(black, ground) > contrast(white, ground) {
		to = black
	}
	c.Accent = accent.near(to, 0, func(x colour) bool { return x.stands(leastContrast+.5, ground) }).String()
	return c
}

// tokens are the custom properties of the theme in the colours of p, name and value in turn. All that is not given is
// mixed from what is, so that what could be read still can.
func (p palette) tokens() [][2]string {
	reads := func(x colour) bool { return p.ink.stands(leastContrast, x) && p.accent.stands(leastContrast, x) }
	surface := p.ground.aside(white, .5, reads)
	if p.ground.luminance() < .18 {
		surface = p.ground.aside(white, .05, reads)
	}
	sunk := p.ground.aside(p.ink, .04, reads)
	grounds := []colour{p.ground, surface, sunk}
	on := func(least float64) func(colour) bool {
		return func(x colour) bool { return x.stands(least, grounds...) }
	}
	accentInk := white
	if contrast(black, p.accent) > contrast(white, p.accent) {
		accentInk = black
	}
	out := [][2]string{
		{"ground", p.ground.String()}, {"surface", surface.String()}, {"sunk", sunk.String()},
		{"line", p.ground.mix(p.ink, .13).String()},
		{"line-2", p.ground.near(p.ink, .35, on(leastEdge)).String()},
		{"ink", p.ink.String()},
		{"ink-2", p.ink.aside(p.ground, .25, on(leastContrast)).String()},
		{"ink-3", p.ink.aside(p.ground, .36, on(leastContrast)).String()},
		{"accent", p.accent.String()},
		{"accent-2", p.accent.aside(p.ink, .3, func(x colour) bool { return accentInk.stands(leastContrast, x) }).String()},
		{"accent-ink", accentInk.String()},
		{"accent-soft", p.ground.aside(p.accent, .1, reads).String()},
	}
	for i, state := range []colour{p.ok, p.warn, p.bad} {
		name := []string{"ok", "warn", "bad"}[i]
		c := state.near(p.ink, 0, on(leastContrast))
		soft := p.ground.aside(c, .1, func(x colour) bool {
			return c.stands(leastContrast, x) && p.ink.stands(leastContrast, x)
		})
		out = append(out, [2]string{name, c.String()}, [2]string{name + "-soft", soft.String()})
	}
	return out
}
