package config

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The columns of Print: together 100 characters.
const (
	nameWidth   = 46
	valueWidth  = 27
	sourceWidth = 100 - nameWidth - valueWidth - 2
)

// Print writes the effective values for people: aligned columns of name, value and source that fit a
// terminal of 100 columns, secrets masked, what Stoa does not use at the end. What keeps a node from starting is
// marked where it stands with WRONG, what is not used has its reason, an unknown name the known one that is
// like it. Long values go on in the next line; whole keeps a row in one, for programs such as grep. What the writer
// returns as an error is lost, as with any output to a terminal.
func (c *Config) Print(w io.Writer, whole bool) {
	b := table{whole: whole}
	b.WriteString("Home: " + visible(c.Home) + "\n")
	b.WriteString("Read, the last one counts: the defaults")
	for _, f := range c.sources {
		b.WriteString(", " + visible(f))
	}
	b.WriteString(", the environment, the command line\n\n")
	b.row("PROPERTY", "VALUE", "FROM", "")
	var unused, unknown []Value
	for _, v := range c.effective {
		switch {
		case v.Used || v.Wrong != "":
			b.value(v, v.Note)
		case !v.Known:
			unknown = append(unknown, v)
		case v.Source != "not set" && v.Source != "default":
			unused = append(unused, v)
		}
	}
	b.group("Known, but not used by Stoa:", unused, func(v Value) string { return both(v.Doc, v.Note) })
	b.group("Not known, ignored:", unknown, func(v Value) string { return v.Note })
	if len(c.elsewhere) > 0 {
		b.WriteString("\nWRONG, and no value of one property:\n")
		for _, sentence := range c.elsewhere {
			b.lines("", visible(sentence))
		}
	}
	_, _ = w.Write(b.Bytes())
}

// both joins two sentences, of which each may be empty.
func both(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return strings.TrimSuffix(a, ".") + ". " + b
}

// table is what Print makes.
type table struct {
	bytes.Buffer
	whole bool // a row is one line, however long
}

func (b *table) group(title string, values []Value, note func(Value) string) {
	if len(values) == 0 {
		return
	}
	b.WriteString("\n" + title + "\n")
	for _, v := range values {
		b.value(v, note(v))
	}
}

func (b *table) value(v Value, note string) {
	value := visible(v.Masked)
	switch {
	case v.Source == "not set":
		value = "-"
	case value == "":
		value = "(empty)"
	}
	if v.Wrong != "" {
		note = "WRONG: " + v.Wrong
	}
	b.row(visible(v.Name), value, visible(v.Source), visible(note))
}

// lines writes a sentence under what it is about.
func (b *table) lines(mark, sentence string) {
	if b.whole {
		b.WriteString(mark + sentence + "\n")
		return
	}
	for _, line := range wrap(sentence, nameWidth+valueWidth+sourceWidth-len(mark)) {
		b.WriteString(mark + strings.TrimRight(line, " ") + "\n")
	}
}

// row writes one line, or several when a column does not fit.
func (b *table) row(name, value, source, note string) {
	if b.whole {
		if note != "" {
			source = pad(source, sourceWidth) + "  # " + note
		}
		b.WriteString(pad(name, nameWidth) + " " + pad(value, valueWidth) + " " + source + "\n")
		return
	}
	names, values, sources := wrap(name, nameWidth), wrap(value, valueWidth), wrap(source, sourceWidth)
	for i := range max(len(names), len(values), len(sources)) {
		line := pad(at(names, i), nameWidth) + " " + pad(at(values, i), valueWidth) + " " + at(sources, i)
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	if note != "" {
		b.lines("  # ", note)
	}
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}

// wrap cuts s into pieces of at most width characters, after a separator where there is one.
func wrap(s string, width int) []string {
	var out []string
	runes := []rune(s)
	for len(runes) > width {
		cut := cutAfter(runes, width)
		out = append(out, string(runes[:cut]))
		runes = runes[cut:]
	}
	return append(out, string(runes))
}

// cutAfter finds the best place in the second half of the line: after a comma or the like, then after
// a part of a path or a name, then after a part of a word, then anywhere.
func cutAfter(runes []rune, width int) int {
	for _, separators := range []string{",;&? ", "/.:", "_-"} {
		for i := width; i > width/2; i-- {
			if strings.ContainsRune(separators, runes[i-1]) {
				return i
			}
		}
	}
	return width
}

// visible replaces characters that would move the cursor or hide text, and cuts what is too long to read.
func visible(s string) string {
	const limit = 2000
	if len(s) > limit {
		s = fmt.Sprintf("%s… (%d bytes)", strings.ToValidUTF8(s[:limit], ""), len(s))
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '\ufffd'
		}
		return r
	}, s)
}
