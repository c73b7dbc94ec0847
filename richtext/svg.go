package richtext

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/stoa-portal/stoa"
)

const (
	svgSpace      = "http://www.w3.org/2000/svg"
	xlinkSpace    = "http://www.w3.org/1999/xlink"
	svgDefaultMax = 1 << 20
	svgMaxDepth   = 64
	svgMaxTokens  = 200_000
	svgMaxUses    = 500
)

// SanitizeSVG reads an SVG picture of at most max bytes (0 means 1 MiB) and returns what is safe
// of it: shapes, text, gradients and simple filters. Scripts, event handlers, animations, foreign
// content, links and everything that would be fetched from elsewhere are left out. It returns
// TooLarge when the picture is over max, and Invalid with the line when it is not well-formed XML,
// declares entities, or is not an SVG picture.
func SanitizeSVG(r io.Reader, max int64) ([]byte, error) {
	if max <= 0 {
		max = svgDefaultMax
	}
	data, err := io.ReadAll(io.LimitReader(r, max+1))
	if err != nil {
		return nil, fmt.Errorf("read SVG: %w", err)
	}
	if int64(len(data)) > max {
		return nil, stoa.TooLarge("the SVG picture is larger than %d bytes", max)
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	s := &svgReader{dec: xml.NewDecoder(bytes.NewReader(data))}
	if err := s.read(); err != nil {
		return nil, err
	}
	return s.out.Bytes(), nil
}

// svgReader copies the allowed part of one document.
type svgReader struct {
	dec     *xml.Decoder
	out     bytes.Buffer
	open    []string // elements written and not yet closed
	style   bool     // inside a style element
	css     strings.Builder
	uses    int
	inID    int // depth of open elements that can be the target of a use
	idStack []bool
	seen    bool
}

func (s *svgReader) read() error {
	for tokens := 0; ; tokens++ {
		if tokens > svgMaxTokens {
			return stoa.TooLarge("the SVG picture has more than %d parts", svgMaxTokens)
		}
		tok, err := s.dec.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return s.bad(err)
		}
		switch t := tok.(type) {
		case xml.Directive:
			if bytes.Contains(bytes.ToUpper(t), []byte("ENTITY")) {
				return stoa.Invalid("file", "the SVG picture declares entities, which is not allowed (line %d)", s.line())
			}
		case xml.StartElement:
			if err := s.start(t); err != nil {
				return err
			}
		case xml.EndElement:
			if err := s.end(t); err != nil {
				return err
			}
		case xml.CharData:
			s.text(t)
		}
	}
	if len(s.open) > 0 {
		return stoa.Invalid("file", "the SVG picture ends before <%s> is closed (line %d)",
			strings.TrimPrefix(s.open[len(s.open)-1], ":"), s.line())
	}
	if !s.seen {
		return stoa.Invalid("file", "this is not an SVG picture: its outermost element must be <svg> (line %d)", s.line())
	}
	return nil
}

// start writes an allowed element or skips a forbidden one with everything in it. Prefixes are
// not resolved: "svg:" and none are taken for SVG, any other is foreign.
func (s *svgReader) start(t xml.StartElement) error {
	name := t.Name.Local
	own := t.Name.Space == "" || t.Name.Space == "svg"
	if len(s.open) == 0 && (s.seen || !own || name != "svg") {
		return stoa.Invalid("file", "this is not an SVG picture: its outermost element must be one <svg> (line %d)", s.line())
	}
	if !own || !svgElement(name) || s.style {
		return s.skip(t.Name)
	}
	if len(s.open) >= svgMaxDepth {
		return stoa.Invalid("file", "the SVG picture nests deeper than %d elements (line %d)", svgMaxDepth, s.line())
	}
	hasID := false
	for _, a := range t.Attr {
		hasID = hasID || a.Name.Space == "" && a.Name.Local == "id"
	}
	if name == "use" {
		// A use inside something that can itself be used multiplies with every level.
		if s.uses++; s.uses > svgMaxUses || s.inID > 0 {
			return s.skip(t.Name)
		}
	}
	s.open = append(s.open, t.Name.Space+":"+name)
	// The outermost element and plain uses may carry an id without being a repeated part.
	counts := hasID && len(s.open) > 1 && name != "use"
	s.idStack = append(s.idStack, counts)
	if counts {
		s.inID++
	}
	if name == "style" {
		s.style = true
		s.css.Reset()
		return nil
	}
	s.out.WriteString("<" + name)
	if len(s.open) == 1 {
		s.seen = true
		s.out.WriteString(` xmlns="` + svgSpace + `"`)
	}
	done, inner := map[string]bool{}, s.insidePart()
	for _, a := range t.Attr {
		key, val, ok := svgAttr(name, a)
		if ok && !done[key] && !(inner && strings.Contains(strings.ToLower(val), "url")) {
			done[key] = true
			s.out.WriteString(" " + key + `="`)
			_ = xml.EscapeText(&s.out, []byte(val)) // writes to memory: cannot fail
			s.out.WriteString(`"`)
		}
	}
	s.out.WriteString(">")
	return nil
}

// insidePart reports whether the reader is inside something that is drawn once per reference. What
// refers to another such part from there would multiply, so those references are left out.
func (s *svgReader) insidePart() bool {
	for _, o := range s.open {
		switch o[strings.IndexByte(o, ':')+1:] {
		case "mask", "clipPath", "marker":
			return true
		}
	}
	return false
}

func (s *svgReader) end(t xml.EndElement) error {
	n := len(s.open)
	if n == 0 || s.open[n-1] != t.Name.Space+":"+t.Name.Local {
		return stoa.Invalid("file", "</%s> closes nothing that is open (line %d)", t.Name.Local, s.line())
	}
	s.open = s.open[:n-1]
	if s.idStack[n-1] {
		s.inID--
	}
	s.idStack = s.idStack[:n-1]
	if t.Name.Local == "style" {
		s.style = false
		if css := s.css.String(); safeCSS(css) {
			s.out.WriteString("<style>")
			_ = xml.EscapeText(&s.out, []byte(css))
			s.out.WriteString("</style>")
		}
		return nil
	}
	s.out.WriteString("</" + t.Name.Local + ">")
	return nil
}

func (s *svgReader) text(t xml.CharData) {
	switch {
	case len(s.open) == 0:
	case s.style:
		s.css.Write(t)
	default:
		_ = xml.EscapeText(&s.out, t)
	}
}

// skip reads to the end of an element that has just begun.
func (s *svgReader) skip(name xml.Name) error {
	stack := []xml.Name{name}
	for len(stack) > 0 {
		tok, err := s.dec.RawToken()
		if err != nil {
			return s.bad(err)
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if stack = append(stack, t.Name); len(stack) > 4*svgMaxDepth {
				return stoa.Invalid("file", "the SVG picture nests deeper than %d elements (line %d)", svgMaxDepth, s.line())
			}
		case xml.EndElement:
			if stack[len(stack)-1] != t.Name {
				return stoa.Invalid("file", "</%s> closes nothing that is open (line %d)", t.Name.Local, s.line())
			}
			stack = stack[:len(stack)-1]
		}
	}
	return nil
}

func (s *svgReader) bad(err error) error {
	line, col := s.dec.InputPos()
	var what any = stoa.Phrase("the file ends too early")
	var syn *xml.SyntaxError
	if errors.As(err, &syn) {
		what = syn.Msg
	}
	e := stoa.Invalid("file", "the SVG picture is not well-formed at line %d, column %d: %s", line, col, what)
	e.Err = err
	return e
}

// line is how far the reader is.
func (s *svgReader) line() int {
	line, _ := s.dec.InputPos()
	return line
}

func svgElement(name string) bool {
	switch name {
	case "svg", "g", "defs", "symbol", "use", "title", "desc", "path", "rect", "circle", "ellipse", "line", "polyline", "polygon",
		"text", "tspan", "textPath", "linearGradient", "radialGradient", "stop", "clipPath", "mask", "marker", "style", "switch",
		"filter", "feGaussianBlur", "feOffset", "feBlend", "feColorMatrix", "feFlood", "feComposite", "feMerge", "feMergeNode", "feDropShadow":
		return true
	}
	return false
}

// svgAttr returns the name and value under which an attribute is written, if it may be.
func svgAttr(element string, a xml.Attr) (key, val string, ok bool) {
	key, val = a.Name.Local, strings.TrimSpace(a.Value)
	if key == "href" && (a.Name.Space == "" || a.Name.Space == "xlink" || a.Name.Space == xlinkSpace) {
		// Only parts of the same picture, and only where a reference draws something.
		switch element {
		case "use", "linearGradient", "radialGradient", "textPath":
			return key, val, strings.HasPrefix(val, "#") && token(strings.NewReplacer(".", "_", ":", "_").Replace(val[1:]))
		}
		return "", "", false
	}
	if a.Name.Space != "" || !svgAttrName(key) {
		return "", "", false
	}
	return key, val, safeCSS(val)
}

func svgAttrName(key string) bool {
	switch key {
	case "id", "class", "style", "transform", "viewBox", "width", "height", "x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "rx", "ry", "fx", "fy", "fr",
		"d", "points", "pathLength", "dx", "dy", "rotate", "textLength", "lengthAdjust", "startOffset", "method", "spacing",
		"preserveAspectRatio", "version", "overflow", "role", "lang", "tabindex", "focusable", "aria-label", "aria-hidden", "aria-labelledby", "aria-describedby",
		"fill", "fill-opacity", "fill-rule", "stroke", "stroke-width", "stroke-opacity", "stroke-linecap", "stroke-linejoin", "stroke-miterlimit",
		"stroke-dasharray", "stroke-dashoffset", "opacity", "color", "display", "visibility", "clip-path", "clip-rule", "clipPathUnits",
		"mask", "maskUnits", "maskContentUnits", "mask-type", "paint-order", "vector-effect", "shape-rendering", "text-rendering", "color-interpolation",
		"color-interpolation-filters", "mix-blend-mode", "isolation",
		"marker-start", "marker-mid", "marker-end", "markerWidth", "markerHeight", "markerUnits", "refX", "refY", "orient",
		"offset", "stop-color", "stop-opacity", "gradientUnits", "gradientTransform", "spreadMethod",
		"font-family", "font-size", "font-weight", "font-style", "font-variant", "font-stretch", "letter-spacing", "word-spacing", "text-anchor",
		"text-decoration", "dominant-baseline", "alignment-baseline", "baseline-shift", "writing-mode", "direction",
		"filter", "filterUnits", "primitiveUnits", "in", "in2", "result", "stdDeviation", "mode", "type", "values", "operator", "k1", "k2", "k3", "k4",
		"flood-color", "flood-opacity", "edgeMode":
		return true
	}
	return false
}

// safeCSS reports whether an attribute or style sheet fetches nothing and runs nothing: url( ) may
// only name a part of the picture, and escapes, imports and expressions are refused outright.
func safeCSS(s string) bool {
	low := strings.ToLower(s)
	if strings.ContainsAny(low, "\\<@") || strings.Contains(low, "expression") || strings.Contains(low, "javascript") ||
		strings.Contains(low, "behavior") || strings.Contains(low, "-moz-binding") || strings.Contains(low, "image-set") || strings.Contains(low, "/*") ||
		strings.Contains(low, "image(") || strings.Contains(low, "src(") {
		return false
	}
	for rest := low; ; {
		i := strings.Index(rest, "url")
		if i < 0 {
			return true
		}
		rest = strings.TrimLeft(rest[i+3:], " \t\r\n")
		if inner, ok := strings.CutPrefix(rest, "("); ok {
			if inner = strings.TrimLeft(inner, " \t\r\n\"'"); !strings.HasPrefix(inner, "#") {
				return false
			}
		}
	}
}
