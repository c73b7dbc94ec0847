package config

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The prefixes of environment variables that set properties. The first beats the second.
const (
	PrefixStoa    = "STOA_"
	PrefixLiferay = "LIFERAY_"
)

// homeVariable is the one variable with a name of its own: it sets liferay.home.
const homeVariable = "STOA_HOME"

// characterName gives the character that a name between two underscores stands for.
func characterName(token string) (rune, bool) {
	if len(token) == len("NUMBER0") && strings.HasPrefix(token, "NUMBER") && token[6] >= '0' && token[6] <= '9' {
		return rune(token[6]), true
	}
	if len(token) == len("UPPERCASEA") && token[9] >= 'A' && token[9] <= 'Z' {
		switch token[:9] {
		case "UPPERCASE":
			return rune(token[9]), true
		case "LOWERCASE":
			return rune(token[9] - 'A' + 'a'), true
		}
	}
	switch token {
	case "AMPERSAND":
		return '&', true
	case "APOSTROPHE":
		return '\'', true
	case "AT":
		return '@', true
	case "BACKSLASH":
		return '\\', true
	case "CARET":
		return '^', true
	case "CLOSEBRACKET":
		return ']', true
	case "CLOSECURLYBRACE":
		return '}', true
	case "CLOSEPARENTHESIS":
		return ')', true
	case "COLON":
		return ':', true
	case "COMMA":
		return ',', true
	case "DASH", "MINUS":
		return '-', true
	case "DOLLAR":
		return '$', true
	case "EQUAL":
		return '=', true
	case "EXCLAMATION":
		return '!', true
	case "FORWARDSLASH", "SLASH":
		return '/', true
	case "GREATERTHAN":
		return '>', true
	case "LESSTHAN":
		return '<', true
	case "NEWLINE":
		return '\n', true
	case "OPENBRACKET":
		return '[', true
	case "OPENCURLYBRACE":
		return '{', true
	case "OPENPARENTHESIS":
		return '(', true
	case "PERCENT":
		return '%', true
	case "PERIOD":
		return '.', true
	case "PIPE":
		return '|', true
	case "PLUS":
		return '+', true
	case "POUND":
		return '#', true
	case "PRIME":
		return '`', true
	case "QUESTION":
		return '?', true
	case "QUOTE":
		return '"', true
	case "RETURN":
		return '\r', true
	case "SEMICOLON":
		return ';', true
	case "SPACE":
		return ' ', true
	case "STAR":
		return '*', true
	case "TAB":
		return '\t', true
	case "TILDE":
		return '~', true
	case "UNDERLINE":
		return '_', true
	case "ARABICDECIMALSEPARATOR":
		return '\u066b', true
	case "DELETE":
		return '\u007f', true
	case "FIGURESPACE":
		return '\u2007', true
	case "NARROWNOBREAKSPACE":
		return '\u202f', true
	case "NOBREAKSPACE":
		return '\u00a0', true
	case "RAQUO":
		return '\u00bb', true
	}
	return 0, false
}

// nameOfCharacter gives the name that EnvName writes for r, empty when only its number can be written.
func nameOfCharacter(r rune) string {
	switch {
	case r >= '0' && r <= '9':
		return "NUMBER" + string(r)
	case r >= 'A' && r <= 'Z':
		return "UPPERCASE" + string(r)
	}
	names := map[rune]string{
		'&': "AMPERSAND", '\'': "APOSTROPHE", '@': "AT", '\\': "BACKSLASH", '^': "CARET", ']': "CLOSEBRACKET",
		'}': "CLOSECURLYBRACE", ')': "CLOSEPARENTHESIS", ':': "COLON", ',': "COMMA", '-': "MINUS", '$': "DOLLAR",
		'=': "EQUAL", '!': "EXCLAMATION", '/': "SLASH", '>': "GREATERTHAN", '<': "LESSTHAN", '[': "OPENBRACKET",
		'{': "OPENCURLYBRACE", '(': "OPENPARENTHESIS", '%': "PERCENT", '.': "PERIOD", '|': "PIPE", '+': "PLUS",
		'#': "POUND", '`': "PRIME", '?': "QUESTION", '"': "QUOTE", ';': "SEMICOLON", ' ': "SPACE", '*': "STAR",
		'~': "TILDE", '_': "UNDERLINE",
	}
	return names[r]
}

// EnvName gives the environment variable that sets a property. The prefix is PrefixStoa or
// PrefixLiferay; every character but a small letter is written as its name or its decimal number
// between underscores. DecodeEnv turns the result back into the property.
func EnvName(prefix, property string) string {
	var b strings.Builder
	b.WriteString(prefix)
	for _, r := range property {
		if r >= 'a' && r <= 'z' {
			b.WriteByte(byte(r - 'a' + 'A'))
			continue
		}
		name := nameOfCharacter(r)
		if name == "" {
			name = strconv.Itoa(int(r))
		}
		b.WriteString("_" + name + "_")
	}
	return b.String()
}

// DecodeEnv gives the property that an environment variable sets, and a sentence for each part of the
// name that could not be understood. Both prefixes are known; a name with neither gives "". Beside the
// exact encoding it takes NUMBERn at the end of the name, right after a closed pair, for the digit n
// when the exact reading is not a known property, because a well known example is written that way.
func DecodeEnv(name string) (property string, warnings []string) {
	property, warnings, _ = decodeEnv(newRegistry(), name)
	return property, warnings
}

func decodeEnv(reg *registry, name string) (property string, warnings []string, lenient bool) {
	rest, ok := strings.CutPrefix(name, PrefixStoa)
	if !ok {
		if rest, ok = strings.CutPrefix(name, PrefixLiferay); !ok {
			return "", []string{fmt.Sprintf("environment variable %s does not begin with %s or %s", clip(name), PrefixStoa, PrefixLiferay)}, false
		}
	}
	var b strings.Builder
	tail := 0 // where in rest the text after the last closed pair begins; 0 when there was no pair
	for i := 0; i < len(rest); {
		open := strings.IndexByte(rest[i:], '_')
		if open < 0 {
			b.WriteString(lower(rest[i:]))
			break
		}
		b.WriteString(lower(rest[i : i+open]))
		i += open
		size := strings.IndexByte(rest[i+1:], '_')
		if size < 0 {
			b.WriteString(lower(rest[i:]))
			break
		}
		token := rest[i+1 : i+1+size]
		i += size + 2
		tail = i
		if r, ok := tokenRune(token); ok {
			b.WriteRune(r)
			continue
		}
		b.WriteString("_" + lower(token) + "_")
		warnings = append(warnings, fmt.Sprintf("environment variable %s: %q between two underscores is neither the name nor the number of a character and is kept as it is",
			clip(name), clip(token)))
	}
	property = b.String()
	if digit, ok := trapDigit(rest[tail:]); ok && tail > 0 && !reg.knows(property) {
		exact := property
		property = strings.TrimSuffix(property, lower(rest[tail:])) + string(digit)
		warnings = append(warnings, fmt.Sprintf("environment variable %s is read as %s, although by the rules it means %s; the exact name is %s",
			clip(name), clip(property), clip(exact), clip(EnvName(name[:len(name)-len(rest)], property))))
		return property, warnings, true
	}
	return property, warnings, false
}

// trapDigit reports whether s is NUMBERn, and which digit n is.
func trapDigit(s string) (rune, bool) {
	s = strings.ToUpper(s)
	if len(s) != len("NUMBER0") || !strings.HasPrefix(s, "NUMBER") {
		return 0, false
	}
	return characterName(s)
}

// tokenRune gives the character of a name or of a decimal number.
func tokenRune(token string) (rune, bool) {
	if r, ok := characterName(strings.ToUpper(token)); ok {
		return r, true
	}
	if token == "" || len(token) > 7 || strings.Trim(token, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(token)
	if err != nil || !utf8.ValidRune(rune(n)) {
		return 0, false
	}
	return rune(n), true
}

// lower turns the ASCII capitals of s into small letters and leaves every other byte alone, so that
// the result does not depend on a language.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c - 'A' + 'a'
		}
	}
	return string(b)
}
