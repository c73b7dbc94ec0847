package asset

import (
	"maps"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"

	"github.com/stoa-portal/stoa"
)

const (
	maxKey   = 300 // bytes of a sort key: what MariaDB and PostgreSQL take into an index beside the other columns
	maxWord  = 60  // bytes of a word
	maxWords = 100 // words of a thing
	maxRun   = 8   // letters of a word in a script without spaces
)

// SortKey gives bytes that sort as people sort the title: by the letters, then by accents, then capitals after small
// ones, and numbers by their value (Unicode Technical Standard 10, root collation). It is the same in all languages,
// so that the entries of a site have one order. Titles that are alike for the first hundred letters have one key.
func SortKey(title string) []byte {
	// A collator costs 5 µs and is not safe for concurrent use, so each title has its own.
	var b collate.Buffer
	key := collate.New(language.Und, collate.Numeric).KeyFromString(&b, stoa.CleanText(title))
	return slices.Clone(key[:min(len(key), maxKey)])
}

// wordsOf gives the normalized words of all titles, each once, in their order by bytes.
func wordsOf(titles map[stoa.Locale]string) []string {
	seen := map[string]bool{}
	for _, l := range slices.Sorted(maps.Keys(titles)) {
		for _, w := range split(titles[l]) {
			for _, part := range beginnings(w) {
				if len(seen) < maxWords {
					seen[part] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// split gives the words of a text in the form in which they are compared: without accents and capitals.
func split(s string) []string {
	plain := strings.Map(func(r rune) rune {
		if r >= 0x300 && r <= 0x36f { // accents; marks of other scripts are a part of their letters
			return -1
		}
		return r
	}, norm.NFKD.String(strings.ToLower(stoa.CleanText(s))))
	plain = strings.NewReplacer("ß", "ss", "ø", "o", "ł", "l", "đ", "d", "æ", "ae", "œ", "oe", "'", "", "’", "").Replace(
		norm.NFC.String(strings.ToLower(plain)))
	return strings.FieldsFunc(plain, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
	})
}

// beginnings gives what a word is found by: itself, and in scripts that put no spaces between words what begins at each
// of its letters.
func beginnings(w string) []string {
	runes := []rune(w)
	if !slices.ContainsFunc(runes, unspaced) {
		return []string{first(w)}
	}
	out := make([]string, 0, len(runes))
	for i := range runes {
		out = append(out, string(runes[i:min(len(runes), i+maxRun)]))
	}
	return out
}

// first gives the part of a word that is kept.
func first(w string) string {
	if len(w) <= maxWord {
		return w
	}
	return strings.ToValidUTF8(w[:maxWord], "")
}

func unspaced(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer,
		unicode.Myanmar)
}

// sought gives the beginnings of words that a person types to find something, at most 8.
func sought(s string) []string {
	out := split(s)
	for i, w := range out {
		out[i] = beginnings(w)[0]
	}
	slices.Sort(out)
	out = slices.Compact(out)
	return out[:min(len(out), 8)]
}

// asWritten gives the words that a person types in small letters, with their accents, at most 8.
func asWritten(s string) []string {
	out := strings.FieldsFunc(strings.ToLower(stoa.CleanText(s)), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
	})
	return out[:min(len(out), 8)]
}

// after gives the bytes that are greater than all that begin with w, for a range: UTF-8 has no byte 0xff.
func after(w string) []byte { return append([]byte(w), 0xff) }
