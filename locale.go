package stoa

import (
	"strings"
	"unicode"
)

// Locale is a language with an optional script and region in BCP 47 form: "en", "de-AT", "zh-Hant".
// Liferay's form with an underscore ("en_US") is read and turned into this one.
type Locale string

// ParseLocale reads a locale in BCP 47 or Liferay form. It returns Invalid when s is not one.
func ParseLocale(s string) (Locale, error) {
	parts := strings.FieldsFunc(s, func(r rune) bool { return r == '-' || r == '_' })
	if len(parts) == 0 || len(parts) > 3 || len(s) > 16 || strings.ContainsFunc(s, func(r rune) bool {
		return r != '-' && r != '_' && (r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r))
	}) {
		return "", Invalid("locale", "%q is not a language: a code such as en, de-AT or pt_BR is expected", clip(s, 40))
	}
	lang := strings.ToLower(parts[0])
	if len(lang) < 2 || len(lang) > 3 || strings.ContainsFunc(lang, unicode.IsDigit) {
		return "", Invalid("locale", "%q is not a language: a code such as en, de-AT or pt_BR is expected", clip(s, 40))
	}
	out := lang
	for _, p := range parts[1:] {
		switch len(p) {
		case 2, 3:
			out += "-" + strings.ToUpper(p)
		case 4:
			out += "-" + strings.ToUpper(p[:1]) + strings.ToLower(p[1:])
		default:
			return "", Invalid("locale", "%q is not a language: a code such as en, de-AT or pt_BR is expected", clip(s, 40))
		}
	}
	return Locale(out), nil
}

// Language is the part before the first dash: "de" of "de-AT".
func (l Locale) Language() string {
	lang, _, _ := strings.Cut(string(l), "-")
	return lang
}

// RTL reports whether the language is written from right to left.
func (l Locale) RTL() bool {
	switch l.Language() {
	case "ar", "fa", "he", "iw", "ur", "ps", "sd", "ug", "yi", "dv", "ckb":
		return true
	}
	return false
}
