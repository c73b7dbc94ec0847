package site

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/stoa-portal/stoa"
)

// MaxCSS is how long the style sheet of a site may be, in bytes.
const MaxCSS = 20_000

// checkCSS refuses what a style sheet of a site may not have: other files, addresses at other hosts, and what ran as a
// script in browsers of old. It reads tokens as CSS Syntax Level 3 says (section 4), with escapes in names taken for
// what they stand for.
func checkCSS(css string) error {
	if len(css) > MaxCSS {
		return stoa.Invalid("css", "the style sheet has %d bytes, at most 20,000 are expected", len(css))
	}
	if !utf8.ValidString(css) {
		return stoa.Invalid("css", "the style sheet is not UTF-8")
	}
	if strings.Contains(strings.ToLower(css), "</style") {
		return stoa.Invalid("css", "</style ends a style sheet in a page and cannot stand in this one")
	}
	s := cssScanner{text: css, line: 1}
	for s.at < len(s.text) {
		if err := s.token(); err != nil {
			return err
		}
	}
	if n := len(s.open); n > 0 {
		return stoa.Invalid("css", "%q in line %d is not closed", s.open[n-1].mark, s.open[n-1].line)
	}
	return nil
}

// cssScanner goes through a style sheet token by token.
type cssScanner struct {
	text string
	at   int
	line int
	open []bracket
}

type bracket struct {
	mark byte
	line int
}

func (s *cssScanner) bad(format string, args ...any) error {
	return stoa.Invalid("css", "line %d: %s", s.line, stoa.Invalid("", format, args...))
}

func (s *cssScanner) has(prefix string) bool { return strings.HasPrefix(s.text[s.at:], prefix) }

// step goes on by n bytes.
func (s *cssScanner) step(n int) {
	n = min(n, len(s.text)-s.at)
	s.line += strings.Count(s.text[s.at:s.at+n], "\n")
	s.at += n
}

func (s *cssScanner) token() error {
	c := s.text[s.at]
	switch {
	case s.has("/*"):
		end := strings.Index(s.text[s.at+2:], "*/")
		if end < 0 {
			return s.bad("a comment is not closed")
		}
		s.step(end + 4)
	case c == '"' || c == '\'':
		return s.quoted()
	case c == '@':
		s.step(1)
		if name := s.name(); slices.Contains([]string{"import", "charset", "namespace"}, name) {
			return s.bad("@%s cannot be used here: a site has one style sheet", name)
		}
	case c == '{' || c == '(' || c == '[':
		s.open = append(s.open, bracket{c, s.line})
		s.step(1)
	case c == '}' || c == ')' || c == ']':
		want := map[byte]byte{'}': '{', ')': '(', ']': '['}[c]
		if n := len(s.open); n == 0 || s.open[n-1].mark != want {
			return s.bad("%q closes nothing", c)
		}
		s.open = s.open[:len(s.open)-1]
		s.step(1)
	case c < ' ' && c != '\n' && c != '\t' || c == 0x7f:
		return s.bad("a control character cannot be used")
	case nameByte(c) || c == '\\':
		return s.word()
	default:
		s.step(1)
	}
	return nil
}

// word reads a name and what follows it: the argument of url(), the colon of a property.
func (s *cssScanner) word() error {
	name := s.name()
	if name == "" { // a backslash at the end of a line
		return s.bad("a backslash escapes nothing")
	}
	switch {
	case s.has("("):
		switch name {
		case "url", "src", "url-prefix":
			return s.address(name)
		case "expression":
			return s.bad("expression() cannot be used")
		}
	case slices.Contains([]string{"behavior", "behaviour", "-moz-binding", "-ms-behavior"}, name):
		return s.bad("%s cannot be used", name)
	}
	return nil
}

// address reads url( with its argument, which must lead to this portal.
func (s *cssScanner) address(name string) error {
	s.step(1)
	s.space()
	var value string
	if s.at < len(s.text) && (s.text[s.at] == '"' || s.text[s.at] == '\'') {
		var err error
		if value, err = s.stringValue(); err != nil {
			return err
		}
		s.space()
	} else {
		var b strings.Builder
		for s.at < len(s.text) && s.text[s.at] != ')' {
			if c := s.text[s.at]; c == '\\' {
				b.WriteString(s.escape())
			} else if strings.IndexByte("\"'(", c) >= 0 {
				return s.bad("%q cannot stand in %s()", c, name)
			} else {
				b.WriteByte(c)
				s.step(1)
			}
		}
		value = strings.TrimSpace(b.String())
	}
	if !s.has(")") {
		return s.bad("%s() is not closed", name)
	}
	s.step(1)
	if !ownAddress(value) {
		return s.bad("%.80q is not an address of this portal: one such as /documents/guest/image/park.jpg is expected", value)
	}
	return nil
}

// ownAddress reports whether a browser looks for an address at the host of the page, or in the address itself.
// Browsers take a backslash for a slash and leave out tabs and line ends (WHATWG URL, 4.4).
func ownAddress(s string) bool {
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == '\\' }) {
		return false
	}
	return strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//") || strings.HasPrefix(s, "#") ||
		strings.HasPrefix(strings.ToLower(s), "data:image/")
}

// quoted reads a string. Functions such as image-set() take addresses as strings, and properties carry them there, so
// that one that leads to another host can only stand in the selector of an attribute.
func (s *cssScanner) quoted() error {
	value, err := s.stringValue()
	if err != nil {
		return err
	}
	if n := len(s.open); n > 0 && s.open[n-1].mark == '[' {
		return nil
	}
	plain := strings.ToLower(strings.Map(func(r rune) rune {
		switch {
		case r <= ' ':
			return -1
		case r == '\\':
			return '/'
		}
		return r
	}, value))
	if strings.HasPrefix(plain, "//") {
		return s.bad("%.80q leads to another host", value)
	}
	for _, scheme := range []string{"http:", "https:", "ftp:", "ws:", "wss:", "file:", "blob:", "javascript:"} {
		if strings.HasPrefix(plain, scheme) {
			return s.bad("%.80q leads to another host", value)
		}
	}
	return nil
}

// stringValue reads a string and gives what it stands for.
func (s *cssScanner) stringValue() (string, error) {
	quote := s.text[s.at]
	s.step(1)
	var b strings.Builder
	for s.at < len(s.text) {
		switch c := s.text[s.at]; {
		case c == quote:
			s.step(1)
			return b.String(), nil
		case c == '\n' || c == '\r' || c == '\f':
			return "", s.bad("a string is not closed")
		case s.has("\\\n"):
			s.step(2)
		case c == '\\':
			b.WriteString(s.escape())
		default:
			b.WriteByte(c)
			s.step(1)
		}
	}
	return "", s.bad("a string is not closed")
}

// name reads a name, in small letters.
func (s *cssScanner) name() string {
	var b strings.Builder
	for s.at < len(s.text) {
		switch c := s.text[s.at]; {
		case nameByte(c):
			b.WriteByte(c)
			s.step(1)
		case c == '\\':
			e := s.escape()
			if e == "" {
				return strings.ToLower(b.String())
			}
			b.WriteString(e)
		default:
			return strings.ToLower(b.String())
		}
	}
	return strings.ToLower(b.String())
}

// escape reads a backslash and what it escapes (CSS Syntax Level 3, 4.3.7); empty where nothing can be escaped.
func (s *cssScanner) escape() string {
	s.step(1)
	if s.at == len(s.text) || s.text[s.at] == '\n' {
		return ""
	}
	n := 0
	for n < 6 && s.at+n < len(s.text) && strings.IndexByte("0123456789abcdefABCDEF", s.text[s.at+n]) >= 0 {
		n++
	}
	if n == 0 {
		_, size := utf8.DecodeRuneInString(s.text[s.at:])
		c := s.text[s.at : s.at+size]
		s.step(size)
		return c
	}
	v, err := strconv.ParseUint(s.text[s.at:s.at+n], 16, 32)
	s.step(n)
	if s.at < len(s.text) && strings.IndexByte(" \t\n\r\f", s.text[s.at]) >= 0 {
		s.step(1)
	}
	if err != nil || v == 0 || v > utf8.MaxRune {
		return "\uFFFD"
	}
	return string(rune(v))
}

func (s *cssScanner) space() {
	for s.at < len(s.text) && strings.IndexByte(" \t\n\r\f", s.text[s.at]) >= 0 {
		s.step(1)
	}
}

func nameByte(c byte) bool {
	return c == '-' || c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}
