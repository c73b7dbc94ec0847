// Package lang holds the words of the interface: one catalogue per language, keys with the sentence each
// stands for. Screens and templates carry keys, so that a sentence is written once and can be translated.
//
// A catalogue is a folder of files, one per area ("people.txt"), a line each: the key, " = ", the
// sentence. Arguments are %[1]s, %[2]d and so on, as golang.org/x/text/message prints them. Lines that
// begin with # are for the translator.
package lang

import (
	"embed"
	"fmt"
	"path"
	"strings"
	"sync"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/message/catalog"
)

//go:embed en/*.txt
var files embed.FS

// english is the catalogue every key must stand in.
var english = sync.OnceValue(func() *words {
	w, err := load("en", language.English)
	if err != nil {
		panic(err) // the files are part of the program, and a test reads them
	}
	return w
})

// words are the sentences of one language.
type words struct {
	keys    map[string]string
	printer *message.Printer
}

// Word gives the sentence of key with its arguments put in. A key that no catalogue has is returned
// as it is; a test finds those.
func Word(key string, args ...any) string {
	w := english()
	if _, ok := w.keys[key]; !ok {
		return key
	}
	return w.printer.Sprintf(key, args...)
}

// Keys gives every key of the English catalogue with its sentence.
func Keys() map[string]string {
	out := map[string]string{}
	for key, sentence := range english().keys {
		out[key] = sentence
	}
	return out
}

// load reads the files of one language.
func load(dir string, tag language.Tag) (*words, error) {
	w := &words{keys: map[string]string{}}
	list, err := files.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("lang: %w", err)
	}
	made := catalog.NewBuilder(catalog.Fallback(tag))
	for _, entry := range list {
		name := path.Join(dir, entry.Name())
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("lang: %w", err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			key, sentence, ok := strings.Cut(line, " = ")
			if !ok || key == "" || strings.ContainsAny(key, " \t") {
				return nil, fmt.Errorf("lang: %s line %d: %q: a key, \" = \" and a sentence are expected", name, i+1, line)
			}
			if _, twice := w.keys[key]; twice {
				return nil, fmt.Errorf("lang: %s line %d: the key %s stands twice", name, i+1, key)
			}
			if err := made.SetString(tag, key, sentence); err != nil {
				return nil, fmt.Errorf("lang: %s line %d: %w", name, i+1, err)
			}
			w.keys[key] = sentence
		}
	}
	w.printer = message.NewPrinter(tag, message.Catalog(made))
	return w, nil
}
