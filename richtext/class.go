package richtext

import (
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/net/html"
)

const maxClasses = 24

// safeClass reports whether a class of stored HTML may reach the page. Only classes that describe
// text are kept: one that the theme or the page editor uses for its own parts (an overlay, a
// button that acts) would let a text imitate them.
func safeClass(c string) bool {
	if len(c) < 2 || len(c) > 64 || !token(c) {
		return false
	}
	switch c {
	case "alignleft", "alignright", "aligncenter", "alignnone", "alignwide", "alignfull", "gallery", "clear",
		"is-cropped", "is-light", "is-resized", "is-repeated", "is-image-fill", "is-stacked-on-mobile", moreClass:
		return true
	}
	for _, p := range []string{"wp-block-", "wp-image-", "wp-caption", "wp-element-", "wp-embed-", "wp-has-", "has-", "language-", "lang-",
		"size-", "columns-", "gallery-", "blocks-gallery-", "is-style-", "is-type-", "is-provider-", "is-position-",
		"is-layout-", "is-vertically-aligned-", "is-content-justification-", "rt-"} {
		if strings.HasPrefix(c, p) {
			return true
		}
	}
	return false
}

// safeID reports whether an id may stay: a letter, then letters, digits and _ : . -, and not the
// name of something that scripts of the page reach by that name.
func safeID(id string) bool {
	if id == "" || len(id) > 120 {
		return false
	}
	for i, r := range id {
		switch {
		case unicode.IsLetter(r):
		case i == 0:
			return false
		case unicode.IsDigit(r) || unicode.IsMark(r) || strings.ContainsRune("_:.-", r):
		default:
			return false
		}
	}
	switch id {
	case "location", "document", "window", "self", "top", "parent", "frames", "opener", "name", "length", "history", "navigator",
		"cookie", "forms", "images", "links", "scripts", "body", "head", "event", "origin", "status", "closed", "alert", "fetch",
		"htmx", "main", "content", "constructor", "toString", "valueOf":
		return false
	}
	return true
}

// classes returns the classes an element keeps: the safe ones it has, and those that stand for its
// alignment and its useful inline styles.
func classes(n *html.Node) []string {
	var out []string
	add := func(cs ...string) {
		for _, c := range cs {
			if c == "" || len(out) >= maxClasses || !safeClass(c) {
				continue
			}
			dup := false
			for _, o := range out {
				dup = dup || o == c
			}
			if !dup {
				out = append(out, c)
			}
		}
	}
	add(strings.Fields(attr(n, "class"))...)
	if a := strings.ToLower(strings.TrimSpace(attr(n, "align"))); a != "" {
		switch n.Data {
		case "img", "table", "iframe", "figure", "hr":
			switch a {
			case "left", "right", "center":
				add("align" + a)
			}
		default:
			add(textAlign(a))
		}
	}
	for _, d := range declarations(attr(n, "style")) {
		add(styleClasses(n, d)...)
	}
	return out
}

func textAlign(v string) string {
	switch v {
	case "left", "right", "center", "justify":
		return "has-text-align-" + v
	}
	return ""
}

// styleClasses gives the classes that stand for one inline style; most styles have none.
func styleClasses(n *html.Node, d declaration) []string {
	switch d.name {
	case "text-align":
		return []string{textAlign(d.value)}
	case "float":
		if d.value == "left" || d.value == "right" {
			return []string{"align" + d.value}
		}
	case "text-decoration", "text-decoration-line":
		switch d.value {
		case "line-through", "underline":
			return []string{"has-" + d.value}
		}
	case "font-weight":
		if w, _ := strconv.Atoi(d.value); d.value == "bold" || d.value == "bolder" || w >= 600 && w <= 900 {
			return []string{"has-bold"}
		}
	case "font-style":
		if d.value == "italic" || d.value == "oblique" {
			return []string{"has-italic"}
		}
	case "font-size":
		return []string{fontSize(d.value)}
	case "color":
		if c := paletteName(d.value); c != "" {
			return []string{"has-" + c + "-color", "has-text-color"}
		}
	case "background-color":
		if c := paletteName(d.value); c != "" {
			return []string{"has-" + c + "-background-color", "has-background"}
		}
	case "flex-basis":
		if p, err := strconv.ParseFloat(strings.TrimSuffix(d.value, "%"), 64); err == nil && strings.HasSuffix(d.value, "%") {
			return []string{basis(p)}
		}
	}
	return nil
}

func basis(percent float64) string {
	best, name := 8.0, ""
	for _, b := range []struct {
		p float64
		n string
	}{{20, "20"}, {25, "25"}, {33.33, "33"}, {40, "40"}, {50, "50"}, {60, "60"}, {66.66, "66"}, {75, "75"}, {80, "80"}} {
		if d := max(percent-b.p, b.p-percent); d < best {
			best, name = d, "has-basis-"+b.n
		}
	}
	return name
}

func fontSize(v string) string {
	px, ok := strings.CutSuffix(v, "px")
	if !ok {
		return ""
	}
	f, err := strconv.ParseFloat(px, 64)
	switch {
	case err != nil || f <= 0:
		return ""
	case f <= 14:
		return "has-small-font-size"
	case f < 19:
		return ""
	case f < 30:
		return "has-medium-font-size"
	case f < 40:
		return "has-large-font-size"
	}
	return "has-x-large-font-size"
}

// paletteName names the colours of the WordPress palette; themes give each name a colour of
// theirs. A colour outside the palette is dropped: it was chosen against another background.
func paletteName(v string) string {
	switch v {
	case "#000000", "#000", "black":
		return "black"
	case "#ffffff", "#fff", "white":
		return "white"
	case "#abb8c3":
		return "cyan-bluish-gray"
	case "#f78da7":
		return "pale-pink"
	case "#cf2e2e":
		return "vivid-red"
	case "#ff6900":
		return "luminous-vivid-orange"
	case "#fcb900":
		return "luminous-vivid-amber"
	case "#7bdcb5":
		return "light-green-cyan"
	case "#00d084":
		return "vivid-green-cyan"
	case "#8ed1fc":
		return "pale-cyan-blue"
	case "#0693e3":
		return "vivid-cyan-blue"
	case "#9b51e0":
		return "vivid-purple"
	}
	return ""
}

type declaration struct{ name, value string }

// declarations splits an inline style. Values keep their case only inside url(…), where it counts.
func declarations(style string) []declaration {
	if style == "" || len(style) > 4096 {
		return nil
	}
	var out []declaration
	depth, quote, start := 0, byte(0), 0
	flush := func(end int) {
		name, value, ok := strings.Cut(style[start:end], ":")
		if !ok {
			return
		}
		value = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "!important"))
		if !strings.Contains(strings.ToLower(value), "url(") {
			value = strings.ToLower(value)
		}
		out = append(out, declaration{strings.ToLower(strings.TrimSpace(name)), value})
	}
	for i := 0; i < len(style); i++ {
		switch c := style[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case c == ';' && depth == 0:
			flush(i)
			start = i + 1
		}
	}
	flush(len(style))
	return out
}

// backgroundImage returns the address in an inline background-image, empty when there is none.
func backgroundImage(n *html.Node) string {
	for _, d := range declarations(attr(n, "style")) {
		if d.name != "background-image" && d.name != "background" {
			continue
		}
		i := strings.Index(strings.ToLower(d.value), "url(")
		if i < 0 {
			continue
		}
		v := d.value[i+4:]
		if end := strings.IndexByte(v, ')'); end >= 0 {
			return strings.Trim(strings.TrimSpace(v[:end]), `"'`)
		}
	}
	return ""
}
