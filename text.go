package stoa

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Text brings text into the one form in which it is kept and compared: the composed Unicode form (NFC, Unicode
// Standard Annex 15), without zero bytes, which no person types and PostgreSQL does not keep. It returns Invalid,
// with the name of the field, when s is not valid UTF-8.
func Text(field, s string) (string, error) {
	if isPlain(s) {
		return s, nil
	}
	if !utf8.ValidString(s) {
		return "", Invalid(field, "this is not text in UTF-8: the bytes cannot be read as letters; send it in UTF-8")
	}
	return norm.NFC.String(strings.ReplaceAll(s, "\x00", "")), nil
}

// CleanText is Text for what cannot be refused, such as a header or an old file: bytes that are no text become the
// replacement character.
func CleanText(s string) string {
	if isPlain(s) {
		return s
	}
	return norm.NFC.String(strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", ""))
}

// IsText reports whether s is in the form that Text gives.
func IsText(s string) bool {
	return isPlain(s) || utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 && norm.NFC.IsNormalString(s)
}

// isPlain reports whether s has ASCII letters only, which have one form.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c == 0 || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Decomposed is the other form of text (NFD), as some systems write what is typed. It is for comparing with what was
// kept before there was one form.
func Decomposed(s string) string { return norm.NFD.String(s) }

// Fold brings text into the form in which searches compare it: composed, and without the difference of upper and lower
// case in any script.
func Fold(s string) string {
	if isPlain(s) {
		return strings.ToLower(s)
	}
	return norm.NFC.String(cases.Fold().String(CleanText(s)))
}

// Clip shortens a text to n bytes at most, without breaking a letter.
func Clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// Short is Clip for what people read: a text that was cut ends with an ellipsis, which is not counted.
func Short(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return Clip(s, n) + "…"
}

// Slug makes a segment of an address from words: their letters, digits and marks of every script in lower case, joined
// by single dashes, in at most most bytes; an apostrophe joins what stands beside it. It is empty when s has nothing
// of that. What it gives, it gives again, so s is such a segment when Slug(s, most) == s.
//
// Letters are not written in others: "ü" is "ue" in German, "u" in Turkish, and browsers show it as it is.
func Slug(s string, most int) string {
	var b strings.Builder
	dash := false
	for _, r := range CleanText(strings.ToLower(CleanText(dropApostrophes(s)))) {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) {
			dash = b.Len() > 0
			continue
		}
		n := utf8.RuneLen(r)
		if dash {
			n++
		}
		if b.Len()+n > most {
			break
		}
		if dash {
			b.WriteByte('-')
			dash = false
		}
		b.WriteRune(r)
	}
	return b.String()
}

// dropApostrophes goes first: a letter and an accent behind it that then meet are one letter.
func dropApostrophes(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\'' || r == '’' {
			return -1
		}
		return r
	}, s)
}
