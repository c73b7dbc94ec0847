package index

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/search"
)

// Excerpt is text of which some parts are what was searched for.
type Excerpt []Span

// Span is a part of an excerpt.
type Span struct {
	Text string
	Hit  bool
}

// String is the text alone.
func (e Excerpt) String() string {
	var b strings.Builder
	for _, s := range e {
		b.WriteString(s.Text)
	}
	return b.String()
}

const (
	excerptLength = 200 // characters
	beforeHit     = 60
)

// word is a word of a text by its place.
type word struct{ from, to int }

// wordsOf gives the words of a text. Letters of scripts without spaces are words by themselves.
func wordsOf(text string) (out []word) {
	from := -1
	for i, r := range text {
		alone := unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai)
		letter := unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r)
		if from >= 0 && (!letter || alone) {
			out, from = append(out, word{from, i}), -1
		}
		switch {
		case alone:
			out = append(out, word{i, i + utf8.RuneLen(r)})
		case letter && from < 0:
			from = i
		}
	}
	if from >= 0 {
		out = append(out, word{from, len(text)})
	}
	return out
}

// plain is a word without case and accents.
func plain(s string) string {
	return stoa.Fold(strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFD.String(s)))
}

// sought are the words of a question as they are compared with those of a text.
func sought(w search.Words) (out []string) {
	for _, part := range append(append([]string(nil), w.Terms...), w.Phrases...) {
		for _, at := range wordsOf(part) {
			out = append(out, plain(part[at.from:at.to]))
		}
	}
	return out
}

// alike reports whether a word of a text is one that was searched for, or begins as that does: forms of a word differ
// at their end.
func alike(text string, want []string) bool {
	text = plain(text)
	for _, w := range want {
		if text == w {
			return true
		}
		common := 0
		for common < len(text) && common < len(w) && text[common] == w[common] {
			common++
		}
		if longest := max(len(text), len(w)); common >= 4 && common*3 >= longest*2 {
			return true
		}
	}
	return false
}

// mark marks in the whole text what was searched for.
func mark(text string, w search.Words) Excerpt {
	want := sought(w)
	var out Excerpt
	end := 0
	for _, at := range wordsOf(text) {
		if !alike(text[at.from:at.to], want) {
			continue
		}
		if at.from > end {
			out = append(out, Span{Text: text[end:at.from]})
		}
		out = append(out, Span{Text: text[at.from:at.to], Hit: true})
		end = at.to
	}
	if end < len(text) {
		out = append(out, Span{Text: text[end:]})
	}
	return out
}

// excerpt gives the part of a text in which most different words that were searched for stand, or its beginning.
func excerpt(text string, w search.Words) Excerpt {
	want := sought(w)
	all := wordsOf(text)
	best, bestScore := 0, 0
	var hits []word
	for _, at := range all {
		if alike(text[at.from:at.to], want) {
			hits = append(hits, at)
		}
	}
	for i, first := range hits {
		seen := map[string]bool{}
		for _, h := range hits[i:] {
			if h.to-first.from > excerptLength-beforeHit {
				break
			}
			seen[plain(text[h.from:h.to])] = true
		}
		if len(seen) > bestScore {
			best, bestScore = first.from, len(seen)
		}
		if i == 1000 { // a long text that is full of them
			break
		}
	}
	from, to := 0, len(text)
	for _, at := range all {
		if at.from <= best && best-at.from <= beforeHit {
			from = at.from
			break
		}
	}
	if from < beforeHit {
		from = 0
	}
	for _, at := range all {
		if at.from >= from && at.to-from > excerptLength {
			to = at.from
			break
		}
	}
	if to == from || to > from+2*excerptLength { // one word without an end, or none for long
		to = min(len(text), from+excerptLength)
		for to < len(text) && !utf8.RuneStart(text[to]) {
			to++
		}
	}
	out := mark(strings.TrimSpace(text[from:to]), w)
	if len(out) == 0 {
		return nil
	}
	if from > 0 {
		out = append(Excerpt{{Text: "… "}}, out...)
	}
	if to < len(text) {
		out = append(out, Span{Text: " …"})
	}
	return out
}
