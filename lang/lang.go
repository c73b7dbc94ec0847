// Package lang holds the words of the interface: one catalogue per language. Screens and templates carry keys,
// errors their English sentence, so that each is written once and can be translated.
//
// A catalogue is a folder of files, one per area ("people.txt"). A line is a key, " = " and the sentence:
//
//	term.tags = Tags
//	files.count[one] = %[1]d file
//	files.count[other] = %[1]d files
//
// A key with a plural form in brackets (one, two, few, many, other, as CLDR has them) chooses by its first argument.
// Arguments are %[1]s, %[2]d and so on, as golang.org/x/text/message prints them. What is its own key, such as the
// sentence of an error, stands in two lines, English first:
//
//	there is no article %q
//	-> es gibt keinen Artikel %q
//
// Lines that begin with # are for the translator.
package lang

import (
	"cmp"
	"context"
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stoa-portal/stoa"
	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/message/catalog"
)

//go:embed en/*.txt de/*.txt fr/*.txt es/*.txt ja/*.txt
var files embed.FS

// languages are those that the interface speaks, English first.
var languages = []stoa.Locale{"en", "de", "fr", "es", "ja"}

// Languages gives the languages of the interface, English first.
func Languages() []stoa.Locale { return slices.Clone(languages) }

// speakers has a *Words for each of languages, in the same order.
var speakers = sync.OnceValue(func() []*Words {
	out := make([]*Words, len(languages))
	for i, l := range languages {
		w, err := load(l)
		if err != nil {
			panic(err) // the files are part of the program, and a test reads them
		}
		out[i] = w
	}
	return out
})

var matcher = sync.OnceValue(func() language.Matcher {
	tags := make([]language.Tag, len(languages))
	for i, l := range languages {
		tags[i] = language.Make(string(l))
	}
	return language.NewMatcher(tags)
})

// Words are the words of the interface in one language. They are safe for concurrent use.
type Words struct {
	locale  stoa.Locale
	keys    map[string]string // key or English sentence → sentence; of a plural, its form "other"
	printer *message.Printer
}

// In gives the words in the language of the interface that is nearest to l: German for de-AT, English where there is
// none.
func In(l stoa.Locale) *Words {
	for i, have := range languages {
		if have.Language() == l.Language() {
			return speakers()[i]
		}
	}
	tag, err := language.Parse(string(l))
	if err != nil {
		return speakers()[0]
	}
	return match(tag)
}

func match(tags ...language.Tag) *Words {
	_, i, confidence := matcher().Match(tags...)
	if confidence == language.No {
		i = 0
	}
	return speakers()[i]
}

// Speaks reports whether the interface has words in the language of l.
func Speaks(l stoa.Locale) bool {
	return slices.ContainsFunc(languages, func(have stoa.Locale) bool { return have.Language() == l.Language() })
}

// Accepted gives the words in the language that the header Accept-Language likes best of those that the interface
// speaks. What cannot be read of it is passed over; with nothing left it is English.
func Accepted(header string) *Words {
	if len(header) > 512 {
		header = header[:strings.LastIndexByte(header[:512], ',')+1]
	}
	type wish struct {
		tag language.Tag
		q   float32
	}
	var wishes []wish
	for entry := range strings.SplitSeq(header, ",") {
		tags, q, err := language.ParseAcceptLanguage(entry)
		if err == nil && len(tags) == 1 {
			wishes = append(wishes, wish{tags[0], q[0]})
		}
	}
	slices.SortStableFunc(wishes, func(a, b wish) int { return cmp.Compare(b.q, a.q) })
	tags := make([]language.Tag, len(wishes))
	for i, w := range wishes {
		tags[i] = w.tag
	}
	if len(tags) == 0 {
		return speakers()[0]
	}
	return match(tags...)
}

type wordsKey struct{}

// With returns a context whose interface speaks the language of l.
func With(ctx context.Context, l stoa.Locale) context.Context {
	return context.WithValue(ctx, wordsKey{}, In(l))
}

// Chosen reports whether it is known in which language the person who asks wants to be answered.
func Chosen(ctx context.Context) bool {
	_, ok := ctx.Value(wordsKey{}).(*Words)
	return ok || stoa.LocaleFrom(ctx) != ""
}

// From gives the words of the person who asks: those of With, else those of the locale of the request.
func From(ctx context.Context) *Words {
	if w, ok := ctx.Value(wordsKey{}).(*Words); ok {
		return w
	}
	return In(stoa.LocaleFrom(ctx))
}

// Locale is the language of the words.
func (w *Words) Locale() stoa.Locale { return w.locale }

// Word gives the sentence of key with its arguments put in. A key that the catalogue does not have, such as an
// English sentence in English, is the sentence itself; a test finds what is missing.
func (w *Words) Word(key string, args ...any) string {
	sentence, ok := w.keys[key]
	if !ok {
		sentence = key
	}
	if len(args) == 0 {
		return sentence // what is no key of ours may have been typed by a person: a % in it is no verb
	}
	return w.printer.Sprintf(message.Key(key, sentence), w.translate(args)...)
}

// Error gives what e says to the person who caused it.
func (w *Words) Error(e *stoa.Error) string {
	if _, known := w.keys[e.Sentence]; !known {
		return e.Message
	}
	return w.Word(e.Sentence, e.Args...)
}

// translate puts the arguments that are words of the interface themselves into the language.
func (w *Words) translate(args []any) []any {
	copied := false
	for i, a := range args {
		var said string
		switch a := a.(type) {
		case stoa.Phrase:
			said = w.Word(string(a))
		case *stoa.Error:
			said = w.Error(a)
		case Day:
			said = Date(w.locale, time.Time(a))
		default:
			continue
		}
		if !copied {
			args, copied = slices.Clone(args), true
		}
		args[i] = said
	}
	return args
}

// Word gives the sentence of key in English.
func Word(key string, args ...any) string { return speakers()[0].Word(key, args...) }

// Keys gives every key of the English catalogue with its sentence.
func Keys() map[string]string { return speakers()[0].Keys() }

// Keys gives every key of the catalogue with its sentence; of a plural the form "other".
func (w *Words) Keys() map[string]string {
	out := map[string]string{}
	for key, sentence := range w.keys {
		out[key] = sentence
	}
	return out
}

// load reads the files of one language.
func load(l stoa.Locale) (*Words, error) {
	tag := language.Make(string(l))
	w := &Words{locale: l, keys: map[string]string{}}
	list, err := files.ReadDir(string(l))
	if err != nil {
		return nil, fmt.Errorf("lang: %w", err)
	}
	made := catalog.NewBuilder(catalog.Fallback(tag))
	for _, entry := range list {
		name := path.Join(string(l), entry.Name())
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("lang: %w", err)
		}
		r := &reader{name: name, words: w}
		if err := r.read(string(text)); err != nil {
			return nil, err
		}
		for key, forms := range r.plurals {
			if forms[len(forms)-2] != "other" {
				return nil, fmt.Errorf("lang: %s: the last form of %s is other", name, key)
			}
			if err := made.Set(tag, key, plural.Selectf(1, "", forms...)); err != nil {
				return nil, fmt.Errorf("lang: %s: %s: %w", name, key, err)
			}
		}
		for key, sentence := range r.plain {
			if err := made.SetString(tag, key, sentence); err != nil {
				return nil, fmt.Errorf("lang: %s: %s: %w", name, key, err)
			}
		}
	}
	w.printer = message.NewPrinter(tag, message.Catalog(made))
	return w, nil
}

// reader reads the lines of one file.
type reader struct {
	name    string
	words   *Words
	plain   map[string]string
	plurals map[string][]any // form, sentence, form, sentence …
}

func (r *reader) read(text string) error {
	r.plain, r.plurals = map[string]string{}, map[string][]any{}
	english, from := "", 0 // a sentence that waits for its translation, and its line
	for i, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		wrong := func(format string, args ...any) error {
			return fmt.Errorf("lang: %s line %d: %s", r.name, i+1, fmt.Sprintf(format, args...))
		}
		if english != "" {
			sentence, ok := strings.CutPrefix(line, "-> ")
			if !ok {
				return wrong("the translation of line %d is expected, after \"-> \"", from)
			}
			if !r.add(english, sentence) {
				return wrong("%q stands twice", english)
			}
			english = ""
			continue
		}
		key, sentence, ok := strings.Cut(line, " = ")
		if !ok || strings.ContainsAny(key, " %") {
			english, from = line, i+1
			continue
		}
		name, form, plural := strings.Cut(strings.TrimSuffix(key, "]"), "[")
		if !plural {
			if !r.add(key, sentence) {
				return wrong("the key %s stands twice", key)
			}
			continue
		}
		if _, have := r.words.keys[name]; have && r.plurals[name] == nil {
			return wrong("the key %s stands twice", name)
		}
		r.plurals[name] = append(r.plurals[name], form, sentence)
		r.words.keys[name] = sentence
	}
	if english != "" {
		return fmt.Errorf("lang: %s line %d: %q: a key, \" = \" and a sentence are expected, or a sentence and in the "+
			"next line \"-> \" with its translation",
			r.name, from, english)
	}
	return nil
}

// add notes what a key stands for and reports whether it was new.
func (r *reader) add(key, sentence string) bool {
	if _, twice := r.words.keys[key]; twice {
		return false
	}
	r.words.keys[key], r.plain[key] = sentence, sentence
	return true
}
