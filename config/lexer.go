package config

import (
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// The lexer is our own because every message must name a file and a line, and an undefined
// reference must be an error: the known Go libraries for this format give no lines and turn an
// undefined ${name} into nothing.

const (
	maxFileBytes    = 4 << 20   // the size of a whole properties file
	maxLineBytes    = 256 << 10 // one line together with its continuation lines
	maxLexProblems  = 20        // more than that is not a properties file
	maxFilesRead    = 100       // files read through include-and-override
	maxExpandedSize = 64 << 10  // a value after its references were filled in
)

// line is one name=value of a properties file.
type line struct {
	key, value string
	number     int // of the line on which the key stands, from 1
}

// lexProblem is something in a properties file that cannot be read. It never quotes the text of the
// line, because the line may hold a password.
type lexProblem struct {
	number  int
	message string
}

// lex reads the text of a Java properties file: comments with # and !, key and value separated by
// "=", ":" or white space, a backslash at the end of a line to continue it, and the escapes \t \n \r
// \f \uXXXX. White space at the end of a value is dropped unless it is escaped. It reports every
// problem it finds, up to a limit.
func lex(src string) ([]line, []lexProblem) {
	l := lexer{src: strings.TrimPrefix(src, "\ufeff")}
	if len(src) > maxFileBytes {
		return nil, []lexProblem{{1, fmt.Sprintf("the file has %d bytes; a properties file has at most %d", len(src), maxFileBytes)}}
	}
	if i := strings.IndexByte(l.src, 0); i >= 0 {
		number := 1 + strings.Count(strings.ReplaceAll(l.src[:i], "\r\n", "\n"), "\n")
		return nil, []lexProblem{{number, "the line holds a zero byte, so this is not a text file; a properties file in UTF-8 is expected"}}
	}
	for l.pos < len(l.src) && len(l.problems) < maxLexProblems {
		l.logical()
	}
	return l.lines, l.problems
}

type lexer struct {
	src      string
	pos      int // of the next byte
	number   int // of the natural line read last
	lines    []line
	problems []lexProblem
}

// segment says on which line the part of a continued line that starts at offset stands.
type segment struct{ offset, number int }

func (l *lexer) problem(number int, format string, args ...any) {
	l.problems = append(l.problems, lexProblem{number, fmt.Sprintf(format, args...)})
}

// natural returns the next line of the file without its end and without leading white space.
func (l *lexer) natural() string {
	rest := l.src[l.pos:]
	end := strings.IndexAny(rest, "\r\n")
	l.number++
	switch {
	case end < 0:
		l.pos = len(l.src)
		end = len(rest)
	case strings.HasPrefix(rest[end:], "\r\n"):
		l.pos += end + 2
	default:
		l.pos += end + 1
	}
	return strings.TrimLeft(rest[:end], " \t\f")
}

// logical reads one line together with the lines that continue it.
func (l *lexer) logical() {
	text := l.natural()
	if text == "" || text[0] == '#' || text[0] == '!' {
		return
	}
	first := l.number
	segments := []segment{{0, first}}
	var joined strings.Builder
	for continues(text) {
		joined.WriteString(text[:len(text)-1])
		if l.pos >= len(l.src) || joined.Len() > maxLineBytes {
			text = ""
			break
		}
		text = l.natural()
		segments = append(segments, segment{joined.Len(), l.number})
	}
	joined.WriteString(text)
	whole := joined.String()
	if len(whole) > maxLineBytes {
		l.problem(first, "the line is longer than %d bytes; is this a properties file?", maxLineBytes)
		return
	}
	if !utf8.ValidString(whole) {
		l.problem(first, `the line is not UTF-8; save the file as UTF-8, or write letters outside of ASCII as \uXXXX`)
		return
	}
	l.split(whole, segments)
}

// continues reports whether a line ends with an odd number of backslashes.
func continues(text string) bool {
	n := len(text) - len(strings.TrimRight(text, `\`))
	return n%2 == 1
}

// split divides a logical line into key and value and takes the escapes out.
func (l *lexer) split(text string, segments []segment) {
	end := 0
	for end < len(text) && !strings.ContainsRune("=: \t\f", rune(text[end])) {
		if text[end] == '\\' {
			end++
		}
		end++
	}
	end = min(end, len(text))
	start := end
	for start < len(text) && strings.ContainsRune(" \t\f", rune(text[start])) {
		start++
	}
	if start < len(text) && (text[start] == '=' || text[start] == ':') {
		start++
	}
	for start < len(text) && strings.ContainsRune(" \t\f", rune(text[start])) {
		start++
	}
	key, ok := l.unescape(text, 0, end, segments)
	if !ok {
		return
	}
	if key == "" {
		l.problem(segments[0].number, "the line has no name before the value; name=value is expected")
		return
	}
	value, ok := l.unescape(text, start, trimEnd(text, start), segments)
	if !ok {
		return
	}
	l.lines = append(l.lines, line{key: key, value: value, number: segments[0].number})
}

// trimEnd returns the end of text without white space that is not escaped.
func trimEnd(text string, start int) int {
	end := len(text)
	for end > start && strings.ContainsRune(" \t\f", rune(text[end-1])) {
		if continues(text[start : end-1]) {
			break
		}
		end--
	}
	return end
}

// unescape takes the escapes out of text[from:to].
func (l *lexer) unescape(text string, from, to int, segments []segment) (string, bool) {
	part := text[from:to]
	if strings.IndexByte(part, '\\') < 0 {
		return part, true
	}
	var out strings.Builder
	for i := 0; i < len(part); i++ {
		if part[i] != '\\' {
			out.WriteByte(part[i])
			continue
		}
		i++
		if i >= len(part) {
			break // a backslash at the very end of the file continues into nothing
		}
		switch part[i] {
		case 't':
			out.WriteByte('\t')
		case 'n':
			out.WriteByte('\n')
		case 'r':
			out.WriteByte('\r')
		case 'f':
			out.WriteByte('\f')
		case 'u':
			r, used, problem := unicodeEscape(part[i-1:])
			if problem != "" {
				l.problem(numberAt(segments, from+i), "%s", problem)
				return "", false
			}
			out.WriteRune(r)
			i += used - 2
		default:
			out.WriteByte(part[i])
		}
	}
	return out.String(), true
}

// unicodeEscape reads \uXXXX, or two of them when they are a surrogate pair, at the start of s.
func unicodeEscape(s string) (r rune, used int, problem string) {
	const wanted = `\u needs four hexadecimal digits after it, as in \u00e9; write \\u for a backslash and a u`
	high, ok := hex4(s)
	if !ok {
		return 0, 0, wanted
	}
	if high == 0 {
		return 0, 0, `\u0000 is not allowed in a value`
	}
	if !utf16.IsSurrogate(high) {
		return high, 6, ""
	}
	if low, ok := hex4(s[6:]); ok {
		if r := utf16.DecodeRune(high, low); r != utf8.RuneError {
			return r, 12, ""
		}
	}
	return 0, 0, `\u with d8 to df is half of a pair; the other half must follow, as in \ud83d\ude00`
}

func hex4(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range []byte(s[2:6]) {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

func numberAt(segments []segment, offset int) int {
	number := segments[0].number
	for _, s := range segments {
		if s.offset <= offset {
			number = s.number
		}
	}
	return number
}

// escape writes s so that lex reads it back; in a key the separators are escaped too.
func escape(s string, key bool) string {
	var out strings.Builder
	for i, r := range s {
		switch {
		case r == '\\':
			out.WriteString(`\\`)
		case r == '\n':
			out.WriteString(`\n`)
		case r == '\r':
			out.WriteString(`\r`)
		case r == '\t':
			out.WriteString(`\t`)
		case r == '\f':
			out.WriteString(`\f`)
		case r == '#' || r == '!':
			if key && i == 0 {
				out.WriteByte('\\')
			}
			out.WriteRune(r)
		case r == ' ':
			if key || i == 0 || i == len(s)-1 {
				out.WriteByte('\\')
			}
			out.WriteRune(r)
		case key && (r == '=' || r == ':'):
			out.WriteByte('\\')
			out.WriteRune(r)
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}
