package search

import (
	"strings"
	"unicode"

	"github.com/stoa-portal/stoa"
)

// Words are what a person typed, taken apart. The zero value is none.
type Words struct {
	Terms   []string // each a word
	Phrases []string // in quotes: these words in this order
	Not     []string // after a minus: words and phrases that must not be there
}

// Parse takes apart what a person typed: words, "phrases" and -excluded ones, which may be phrases. It never fails:
// what has no meaning counts as words. Text beyond MaxWords and words beyond MaxTerms are left out.
func Parse(typed string) Words {
	typed = stoa.CleanText(typed)
	if r := []rune(typed); len(r) > MaxWords {
		typed = string(r[:MaxWords])
	}
	var w Words
	n := 0
	for typed != "" && n < MaxTerms {
		typed = strings.TrimLeftFunc(typed, unicode.IsSpace)
		not := len(typed) > 1 && strings.HasPrefix(typed, "-") && !strings.HasPrefix(typed, "- ")
		if not {
			typed = typed[1:]
		}
		part, phrase := "", false
		if open, size := quote(typed); open {
			part, typed = untilQuote(typed[size:])
			phrase = true
		} else {
			end := strings.IndexFunc(typed, func(r rune) bool { return unicode.IsSpace(r) || isQuote(r) })
			if end < 0 {
				end = len(typed)
			}
			part, typed = typed[:end], typed[end:]
		}
		if part = strings.Join(strings.Fields(part), " "); strings.IndexFunc(part, isWord) < 0 {
			continue
		}
		n++
		switch {
		case not:
			w.Not = append(w.Not, part)
		case phrase: // a single word in quotes is meant as it is typed
			w.Phrases = append(w.Phrases, part)
		default:
			w.Terms = append(w.Terms, part)
		}
	}
	return w
}

// Empty reports whether nothing is asked for. Only excluding is asking for nothing.
func (w Words) Empty() bool { return len(w.Terms)+len(w.Phrases) == 0 }

// String is the question as a person would type it.
func (w Words) String() string {
	var parts []string
	parts = append(parts, w.Terms...)
	for _, p := range w.Phrases {
		parts = append(parts, `"`+p+`"`)
	}
	for _, n := range w.Not {
		if strings.Contains(n, " ") {
			n = `"` + n + `"`
		}
		parts = append(parts, "-"+n)
	}
	return strings.Join(parts, " ")
}

// Needed is how many of n words a document must have: all of two, and of more some may be missing, since people ask
// in sentences.
func Needed(n int) int {
	if n <= 2 {
		return n
	}
	return n - n/4
}

// Edits is how many typing mistakes are forgiven in a word.
func Edits(word string) int {
	letters := 0
	for _, r := range word {
		if unicode.IsDigit(r) {
			return 0 // a code is right or wrong
		}
		letters++
	}
	switch {
	case letters < 4:
		return 0
	case letters < 8:
		return 1
	}
	return 2
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }

func isQuote(r rune) bool { return strings.ContainsRune("\"“”„«»「」『』", r) }

func quote(s string) (is bool, size int) {
	for _, r := range s {
		return isQuote(r), len(string(r))
	}
	return false, 0
}

func untilQuote(s string) (inside, rest string) {
	end := strings.IndexFunc(s, isQuote)
	if end < 0 {
		return s, ""
	}
	_, size := quote(s[end:])
	return s[:end], s[end+size:]
}
