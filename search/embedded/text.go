package embedded

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/analysis/lang/ar"
	"github.com/blevesearch/bleve/v2/analysis/lang/ckb"
	"github.com/blevesearch/bleve/v2/analysis/lang/da"
	"github.com/blevesearch/bleve/v2/analysis/lang/de"
	"github.com/blevesearch/bleve/v2/analysis/lang/en"
	"github.com/blevesearch/bleve/v2/analysis/lang/es"
	"github.com/blevesearch/bleve/v2/analysis/lang/fa"
	"github.com/blevesearch/bleve/v2/analysis/lang/fi"
	"github.com/blevesearch/bleve/v2/analysis/lang/fr"
	"github.com/blevesearch/bleve/v2/analysis/lang/hi"
	"github.com/blevesearch/bleve/v2/analysis/lang/hr"
	"github.com/blevesearch/bleve/v2/analysis/lang/hu"
	"github.com/blevesearch/bleve/v2/analysis/lang/it"
	"github.com/blevesearch/bleve/v2/analysis/lang/nl"
	"github.com/blevesearch/bleve/v2/analysis/lang/no"
	"github.com/blevesearch/bleve/v2/analysis/lang/pl"
	"github.com/blevesearch/bleve/v2/analysis/lang/pt"
	"github.com/blevesearch/bleve/v2/analysis/lang/ro"
	"github.com/blevesearch/bleve/v2/analysis/lang/ru"
	"github.com/blevesearch/bleve/v2/analysis/lang/sv"
	"github.com/blevesearch/bleve/v2/analysis/lang/tr"
	uni "github.com/blevesearch/bleve/v2/analysis/tokenizer/unicode"
	"github.com/blevesearch/bleve/v2/registry"
	"golang.org/x/text/unicode/norm"

	"github.com/stoa-portal/stoa"
)

// longest is how many bytes of a word are kept: what is longer is no word of a language.
const longest = 128

// analyzerOf names the analyzer of a language, "" for one that has none: then its words are found as they are written.
// Chinese, Japanese and Korean have none of their own, since the words of all languages are taken apart so that they
// are found (pieces).
func analyzerOf(l stoa.Locale) string {
	language, _, _ := strings.Cut(string(l), "-")
	switch language {
	case "nb", "nn", "no":
		return no.AnalyzerName
	case ar.AnalyzerName, ckb.AnalyzerName, da.AnalyzerName, de.AnalyzerName, en.AnalyzerName, es.AnalyzerName,
		fa.AnalyzerName, fi.AnalyzerName, fr.AnalyzerName, hi.AnalyzerName, hr.AnalyzerName, hu.AnalyzerName,
		it.AnalyzerName, nl.AnalyzerName, pl.AnalyzerName, pt.AnalyzerName, ro.AnalyzerName, ru.AnalyzerName,
		sv.AnalyzerName, tr.AnalyzerName:
		return language
	}
	return ""
}

// languages takes texts apart by the analyzers of bleve, each made once. It is safe for concurrent use.
type languages struct{ cache *registry.Cache }

func newLanguages() *languages { return &languages{registry.NewCache()} }

// stems gives the words of a text as its language has them, without endings and without those that say nothing. It is
// empty for a language without an analyzer.
func (ls *languages) stems(l stoa.Locale, text string) (words []string) {
	name := analyzerOf(l)
	if name == "" || text == "" {
		return nil
	}
	defer func() {
		if recover() != nil { // a stemmer stumbled over a word; all of them are found as they are written
			words = nil
		}
	}()
	analyzer, err := ls.cache.AnalyzerNamed(name)
	if err != nil {
		return nil
	}
	for _, t := range analyzer.Analyze([]byte(withoutLong(apart(stoa.CleanText(text), false)))) {
		if w := bare(string(t.Term)); w != "" && len(w) <= longest {
			words = append(words, w)
		}
	}
	return words
}

// withoutLong takes away what is longer than a word can be: some stemmers need a time for it that grows with the square
// of its length.
func withoutLong(text string) string {
	inside := func(r rune) bool { return isWord(r) || unicode.IsMark(r) || r == '\'' || r == '’' }
	var b strings.Builder
	kept, start := 0, -1
	cut := func(end int) {
		if start >= 0 && end-start > longest {
			b.WriteString(text[kept:start])
			b.WriteByte(' ')
			kept = end
		}
		start = -1
	}
	for i, r := range text {
		switch {
		case !inside(r):
			cut(i)
		case start < 0:
			start = i
		}
	}
	cut(len(text))
	if kept == 0 {
		return text
	}
	return b.String() + text[kept:]
}

// word is one of a text, as it is written and without accents; both in lower case.
type word struct {
	written, bare string
	at            int // its place; those beside each other differ by one
}

// pieces takes a text apart into its words, of every language. Where words are written without spaces between them,
// each two characters beside each other are a word.
func pieces(text string) []word {
	text = strings.ToLower(norm.NFKC.String(apart(stoa.CleanText(text), true)))
	var words []word
	var run []rune // characters beside each other, of a script without spaces
	end := -1
	at := 0
	add := func(s string) {
		at++
		s = stoa.Clip(s, longest)
		words = append(words, word{s, bare(s), at})
	}
	flush := func() {
		if len(run) == 1 {
			add(string(run))
		}
		for i := range len(run) - 1 {
			add(string(run[i : i+2]))
		}
		run = run[:0]
	}
	for _, t := range uni.NewUnicodeTokenizer().Tokenize([]byte(text)) {
		if t.Start != end {
			flush()
		}
		end = t.End
		if r, _ := utf8.DecodeRune(t.Term); !dense(r) {
			flush()
			if s := string(t.Term); strings.ContainsFunc(s, isWord) {
				add(s)
			}
			continue
		}
		for _, r := range string(t.Term) {
			run = append(run, r)
		}
	}
	flush()
	return words
}

// dense reports whether a character is of a script that puts no spaces between words, or, as Korean, joins what
// belongs to a word to it.
func dense(r rune) bool {
	return r >= 0x1100 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul) ||
		r == 'ー' || r == '々'
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }

// apart puts spaces where people see two words and the rule of Unicode sees one: in names of files, addresses and
// settings. Dots between digits stay, and so do apostrophes unless they are to go: some analyzers want them.
func apart(text string, apostrophes bool) string {
	cuts := "_.:·"
	if apostrophes {
		cuts += "'’"
	}
	if !strings.ContainsAny(text, cuts) {
		return text
	}
	var b strings.Builder
	b.Grow(len(text))
	before := ' '
	for i, r := range text {
		switch r {
		case '_':
			b.WriteByte(' ')
		case '.', ':', '·', '\'', '’':
			after, _ := utf8.DecodeRuneInString(text[i+utf8.RuneLen(r):])
			if !strings.ContainsRune(cuts, r) || unicode.IsDigit(before) && unicode.IsDigit(after) {
				b.WriteRune(r)
			} else {
				b.WriteByte(' ')
			}
		default:
			b.WriteRune(r)
		}
		before = r
	}
	return b.String()
}

// bare is a word in lower case without accents.
func bare(s string) string {
	if isASCII(s) {
		return s
	}
	var b strings.Builder
	for _, r := range norm.NFKD.String(s) {
		switch {
		case r >= 0x300 && r <= 0x36F, // accents; other marks are letters of their scripts
			r >= 0x591 && r <= 0x5C7 && unicode.Is(unicode.Mn, r), // points of Hebrew
			r >= 0x64B && r <= 0x65F, r == 0x640, r == 0x670,      // vowels of Arabic, and what stretches a word
			r == 0x200B, r == 0x200C, r == 0x200D, r == 0xFEFF, r == 0xAD: // what is not seen
		case r == 'ß':
			b.WriteString("ss")
		case r == 'æ':
			b.WriteString("ae")
		case r == 'œ':
			b.WriteString("oe")
		case r == 'ø':
			b.WriteByte('o')
		case r == 'đ', r == 'ð':
			b.WriteByte('d')
		case r == 'ł':
			b.WriteByte('l')
		case r == 'ı':
			b.WriteByte('i')
		case r == 'þ':
			b.WriteString("th")
		case r == 'ς':
			b.WriteRune('σ')
		default:
			b.WriteRune(r)
		}
	}
	return norm.NFC.String(b.String())
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// gap is between the texts of two languages, so that no phrase reaches over it.
const gap = 100

// written is the stream of tokens of texts, for phrases and for what is typed with or without accents.
func written(texts []string) analysis.TokenStream {
	var stream analysis.TokenStream
	at := 0
	for _, text := range texts {
		words := pieces(text)
		for _, w := range words {
			stream = append(stream, &analysis.Token{Term: []byte(w.bare), Position: at + w.at})
			if w.written != w.bare {
				stream = append(stream, &analysis.Token{Term: []byte(w.written), Position: at + w.at})
			}
		}
		if n := len(words); n > 0 {
			at += words[n-1].at + gap
		}
	}
	return stream
}

// stemmed is the stream of tokens of a text in its language.
func (ls *languages) stemmed(l stoa.Locale, text string) analysis.TokenStream {
	var stream analysis.TokenStream
	for i, w := range ls.stems(l, text) {
		stream = append(stream, &analysis.Token{Term: []byte(w), Position: i + 1})
	}
	return stream
}
