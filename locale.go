package stoa

import (
	"strings"
	"unicode"
)

// Locale is a language with an optional script and region in BCP 47 form: "en", "de-AT", "zh-Hant".
// Liferay's form with an underscore ("en_US") is read and turned into this one.
type Locale string

// ParseLocale reads a locale in BCP 47 or Liferay form. The three codes that Java kept from before 1989, iw, in
// and ji, become he, id and yi, and one variant is read: ca_ES_VALENCIA is ca-ES-valencia. It returns Invalid when s
// is not a locale.
func ParseLocale(s string) (Locale, error) {
	wrong := func() (Locale, error) {
		return "", Invalid("locale", "%q is not a language: a code such as en, de-AT or pt_BR is expected", clip(s, 40))
	}
	parts := strings.FieldsFunc(s, func(r rune) bool { return r == '-' || r == '_' })
	if len(parts) == 0 || len(parts) > 4 || len(s) > 16 || strings.ContainsFunc(s, func(r rune) bool {
		return r != '-' && r != '_' && (r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r))
	}) {
		return wrong()
	}
	lang := strings.ToLower(parts[0])
	if len(lang) < 2 || len(lang) > 3 || strings.ContainsFunc(lang, unicode.IsDigit) {
		return wrong()
	}
	switch lang {
	case "iw":
		lang = "he"
	case "in":
		lang = "id"
	case "ji":
		lang = "yi"
	}
	out := lang
	before := 0 // script 1, region 2, variant 3: each once, in this order
	for _, p := range parts[1:] {
		kind := 3
		switch len(p) {
		case 2, 3:
			kind = 2
			out += "-" + strings.ToUpper(p)
		case 4:
			kind = 1
			if strings.ContainsFunc(p, unicode.IsDigit) {
				return wrong()
			}
			out += "-" + strings.ToUpper(p[:1]) + strings.ToLower(p[1:])
		case 5, 6, 7, 8:
			if strings.EqualFold(p, "latin") && lang == "sr" && before == 2 { // as Liferay writes it
				out = strings.Replace(out, "sr-", "sr-Latn-", 1)
				break
			}
			out += "-" + strings.ToLower(p)
		default:
			return wrong()
		}
		if kind <= before {
			return wrong()
		}
		before = kind
	}
	return Locale(out), nil
}

// Language is the part before the first dash: "de" of "de-AT".
func (l Locale) Language() string {
	lang, _, _ := strings.Cut(string(l), "-")
	return lang
}

// RTL reports whether the language is written from right to left: by its script where the locale names one, else by
// the script that the language is written in (CLDR, likely subtags).
func (l Locale) RTL() bool {
	parts := strings.Split(string(l), "-")
	if len(parts) > 1 && len(parts[1]) == 4 {
		switch parts[1] {
		case "Adlm", "Arab", "Aran", "Hebr", "Mand", "Mend", "Nkoo", "Rohg", "Samr", "Syrc", "Thaa":
			return true
		}
		return false
	}
	switch parts[0] {
	case "ar", "ckb", "dv", "fa", "he", "iw", "ji", "ks", "lrc", "mzn", "nqo", "prs", "ps", "sd", "syr", "ug", "ur", "yi":
		return true
	}
	// Languages that have one script in one country and another in the next.
	region := ""
	if len(parts) > 1 {
		region = parts[1]
	}
	switch parts[0] + "-" + region {
	case "az-IR", "az-IQ", "ku-IQ", "ku-IR", "pa-PK", "uz-AF", "tk-IR", "kk-IR", "ky-CN":
		return true
	}
	return false
}
