package wordpress

import (
	"strings"

	"golang.org/x/net/html"
)

// paragraphs gives text of the classic editor the structure its line breaks stand for: a blank line
// parts paragraphs, a single one breaks the line. Text that has its structure already, and listings,
// stay as they are. An address alone on its line becomes what is there.
func (d *drawing) paragraphs(s string) string {
	w := &paragraphWriter{d: d}
	z := html.NewTokenizer(strings.NewReader(s))
	for {
		tt := z.Next()
		raw := string(z.Raw())
		switch tt {
		case html.ErrorToken:
			w.run.WriteString(raw)
			w.flush()
			return strings.TrimSpace(w.out.String())
		case html.StartTagToken, html.SelfClosingTagToken:
			name, _ := z.TagName()
			w.start(string(name), raw, tt == html.SelfClosingTagToken)
		case html.EndTagToken:
			name, _ := z.TagName()
			w.end(string(name), raw)
		default:
			w.run.WriteString(raw)
		}
	}
}

// paragraphWriter collects inline runs and writes them when a block begins or ends.
type paragraphWriter struct {
	d    *drawing
	out  strings.Builder
	run  strings.Builder
	open []around // block elements around the run, outermost first
}

// around is a block element around a run.
type around struct {
	tag   string
	ready bool // made by this package: what is in it needs no paragraphs
}

// mode is how a run is written, by the block it stands in.
type mode int

const (
	flow       mode = iota // paragraphs are made
	leaf                   // lines are broken; paragraphs only where there is a blank line
	line                   // lines are broken, never paragraphs
	structural             // white space means nothing
	verbatim               // every character stays
)

func (w *paragraphWriter) mode() mode {
	if len(w.open) == 0 {
		return flow
	}
	if w.open[len(w.open)-1].ready {
		return structural
	}
	switch w.open[len(w.open)-1].tag {
	case "div", "blockquote", "section", "article", "aside", "main", "header", "footer", "nav", "details", "form", "center", "fieldset":
		return flow
	case "li", "td", "th", "dd", "p":
		return leaf
	case "h1", "h2", "h3", "h4", "h5", "h6", "dt", "figcaption", "summary", "caption", "address", "legend":
		return line
	case "pre", "script", "style", "textarea", "xmp", "listing":
		return verbatim
	}
	return structural
}

func classicBlock(tag string) bool {
	switch tag {
	case "div", "blockquote", "section", "article", "aside", "main", "header", "footer", "nav", "details", "form", "center", "fieldset",
		"li", "td", "th", "dd", "p", "h1", "h2", "h3", "h4", "h5", "h6", "dt", "figcaption", "summary", "caption", "address", "legend",
		"pre", "script", "style", "textarea", "xmp", "listing",
		"ul", "ol", "dl", "table", "thead", "tbody", "tfoot", "tr", "colgroup", "figure", "select", "menu", "map", "hgroup", "svg", "math", "object":
		return true
	}
	return false
}

func (w *paragraphWriter) start(tag, raw string, selfClosed bool) {
	if tag == "hr" || tag == "col" {
		w.flush()
		w.out.WriteString(raw)
		return
	}
	if !classicBlock(tag) || w.mode() == verbatim {
		w.run.WriteString(raw)
		return
	}
	w.flush()
	// Tags that a browser closes by itself are closed here too, for the bookkeeping only.
	if n := len(w.open); n > 0 && implied(w.open[n-1].tag, tag) {
		w.open = w.open[:n-1]
	}
	w.out.WriteString(raw)
	if len(w.open) < 400 && !selfClosed {
		w.open = append(w.open, around{tag, strings.Contains(raw, "wp-block-embed__wrapper")})
	}
}

// implied reports whether the start of next ends the element open.
func implied(open, next string) bool {
	switch open {
	case "p":
		return true
	case "li":
		return next == "li"
	case "dt", "dd":
		return next == "dt" || next == "dd"
	case "td", "th":
		return next == "td" || next == "th" || next == "tr"
	case "tr":
		return next == "tr"
	}
	return false
}

func (w *paragraphWriter) end(tag, raw string) {
	if !classicBlock(tag) {
		w.run.WriteString(raw)
		return
	}
	if w.mode() == verbatim && w.open[len(w.open)-1].tag != tag {
		w.run.WriteString(raw)
		return
	}
	w.flush()
	w.out.WriteString(raw)
	for i := len(w.open) - 1; i >= 0; i-- {
		if w.open[i].tag == tag {
			w.open = w.open[:i]
			break
		}
	}
}

// flush writes the run as the block around it asks for.
func (w *paragraphWriter) flush() {
	run := w.run.String()
	w.run.Reset()
	if run == "" {
		return
	}
	m := w.mode()
	if m == verbatim || m == structural {
		w.out.WriteString(run)
		return
	}
	if strings.TrimSpace(run) == "" {
		w.out.WriteString("\n")
		return
	}
	if m == line {
		w.out.WriteString(breakLines(strings.TrimSpace(run)))
		return
	}
	parts := splitParagraphs(run)
	if m == leaf && len(parts) == 1 {
		w.out.WriteString(breakLines(parts[0]))
		return
	}
	inP := m == leaf && w.open[len(w.open)-1].tag == "p"
	for i, p := range parts {
		switch {
		case inP && i == 0:
			w.out.WriteString(breakLines(p))
		case inP:
			w.out.WriteString("</p>\n<p>" + breakLines(p))
		default:
			w.paragraph(p)
		}
	}
}

// paragraph writes one paragraph of flowing text; addresses alone on a line part it.
func (w *paragraphWriter) paragraph(p string) {
	var lines []string
	put := func() {
		s := strings.TrimSpace(strings.Join(lines, "\n"))
		lines = nil
		switch {
		case s == "":
		case onlyComments(s):
			w.out.WriteString(s + "\n")
		default:
			w.out.WriteString("<p>" + breakLines(s) + "</p>\n")
		}
	}
	for l := range strings.Lines(p) {
		l = strings.TrimRight(l, "\n")
		if t := strings.TrimSpace(l); bareAddress(t) {
			put()
			w.out.WriteString(w.d.embed(html.UnescapeString(t)) + "\n")
			continue
		}
		lines = append(lines, l)
	}
	put()
}

func onlyComments(s string) bool {
	for {
		s = strings.TrimSpace(s)
		if s == "" {
			return true
		}
		end := strings.Index(s, "-->")
		if !strings.HasPrefix(s, "<!--") || end < 0 {
			return false
		}
		s = s[end+3:]
	}
}

// splitParagraphs parts s at blank lines.
func splitParagraphs(s string) []string {
	var out []string
	var cur []string
	flush := func() {
		if p := strings.TrimSpace(strings.Join(cur, "\n")); p != "" {
			out = append(out, p)
		}
		cur = nil
	}
	for l := range strings.Lines(s) {
		if l = strings.TrimRight(l, "\n"); strings.TrimSpace(l) == "" {
			flush()
			continue
		}
		cur = append(cur, l)
	}
	flush()
	return out
}

// breakLines puts a break at the end of every line but the last, unless one is there.
func breakLines(s string) string {
	if !strings.Contains(s, "\n") {
		return s
	}
	var b strings.Builder
	inTag := false // a line break inside a tag is only white space
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '<':
			inTag = true
		case c == '>':
			inTag = false
		case c == '\n' && !inTag:
			done := strings.TrimRight(b.String()[max(0, b.Len()-16):], " \t")
			if !strings.HasSuffix(done, "<br>") && !strings.HasSuffix(done, "<br/>") && !strings.HasSuffix(done, "<br />") && !strings.HasSuffix(done, "-->") {
				b.WriteString("<br>")
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
