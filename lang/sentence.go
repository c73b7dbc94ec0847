package lang

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Sentence gives words that were written to stand after a colon, such as those of an error, their capital and their
// full stop: the one of Japanese where they end in its script.
func Sentence(s string) string {
	first, size := utf8.DecodeRuneInString(s)
	if size == 0 {
		return ""
	}
	s = string(unicode.ToUpper(first)) + s[size:]
	last, _ := utf8.DecodeLastRuneInString(s)
	switch {
	case strings.ContainsRune(".!?…。！？", last):
		return s
	case unicode.In(last, unicode.Hiragana, unicode.Katakana, unicode.Han) || strings.ContainsRune("」』）ー", last):
		return s + "。"
	}
	return s + "."
}
