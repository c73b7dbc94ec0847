package admin

import (
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/lang"
)

//go:embed templates/*.html
var files embed.FS

// frame are the files that all screens share.
var frame = []string{"layout", "parts", "list", "windows"}

// parse reads the templates of an area: one set per screen, the frame and the shared parts with that screen's "main".
func (h *Panel) parse(a Area) error {
	if a.Templates == nil {
		return nil
	}
	set, err := lang.Each(func(w *lang.Words) (map[string]*template.Template, error) { return h.screens(a, w) })
	if err != nil {
		return fmt.Errorf("admin: %w", err)
	}
	for name := range set(lang.In("en")) {
		for _, other := range h.sets {
			if other(lang.In("en"))[name] != nil {
				return fmt.Errorf("admin: two areas have a screen %q", name)
			}
		}
	}
	h.sets = append(h.sets, set)
	return nil
}

// screens reads the templates of an area in one language.
func (h *Panel) screens(a Area, words *lang.Words) (map[string]*template.Template, error) {
	shared := template.New("").Funcs(h.funcs(words))
	if a.Funcs != nil {
		own := a.Funcs(words)
		for name := range h.funcs(words) {
			if own[name] != nil {
				return nil, fmt.Errorf("the area has a function %q, which is one of the frame", name)
			}
		}
		shared.Funcs(own)
	}
	var err error
	for _, name := range frame {
		if shared, err = shared.ParseFS(files, "templates/"+name+".html"); err != nil {
			return nil, err
		}
	}
	names, err := fs.Glob(a.Templates, "templates/*.html")
	if err != nil {
		return nil, err
	}
	if slices.Contains(names, "templates/parts.html") {
		if shared, err = shared.ParseFS(a.Templates, "templates/parts.html"); err != nil {
			return nil, err
		}
	}
	out := map[string]*template.Template{}
	for _, path := range names {
		name := strings.TrimSuffix(strings.TrimPrefix(path, "templates/"), ".html")
		if slices.Contains(frame, name) {
			continue
		}
		t, err := shared.Clone()
		if err != nil {
			return nil, err
		}
		if out[name], err = t.ParseFS(a.Templates, path); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// funcs are what all templates can call.
func (h *Panel) funcs(words *lang.Words) template.FuncMap {
	f := figures{words}
	return template.FuncMap{
		"icon":   h.o.Assets.Icon,
		"asset":  h.o.Assets.URL,
		"time":   f.timeTag,
		"bytes":  f.bytes,
		"count":  f.count,
		"took":   f.took,
		"short":  f.short,
		"span":   f.span,
		"signed": f.signed,
		"clock":  f.clockTag,
		"lately": func(t time.Time) template.HTML {
			if time.Since(t) < 12*time.Hour {
				return f.clockTag(t)
			}
			return f.timeTag(t)
		},
		"names":       func(list []string) string { return f.list(list) },
		"say":         lang.Sentence,
		"fault":       func(e *stoa.Error) string { return lang.Sentence(words.Error(e)) },
		"word":        func(key string, args ...any) any { return word(words, key, args...) },
		"language":    words.Locale,
		"direction":   func() string { return direction(words.Locale()) },
		"scriptWords": func() (string, error) { return scriptWords(words) },
		"pickerWords": func() (string, error) { return pickerWords(words) },
		"editorWords": func() (string, error) { return editorWords(words) },
		"code":        code,
		"whole":       f.whole,
		"dict":        dict,
		"lower":       strings.ToLower,
		"schedule":    f.schedule,
		"firstLine":   firstLine,
	}
}

// word gives a sentence of the catalogue, which is HTML when an argument is, such as a time.
func word(words *lang.Words, key string, args ...any) any {
	if !slices.ContainsFunc(args, func(a any) bool { _, ok := a.(template.HTML); return ok }) {
		return words.Word(key, args...)
	}
	args = slices.Clone(args)
	for i, a := range args {
		switch a := a.(type) {
		case template.HTML, bool, int, int64, uint64, float64:
		case stoa.Phrase:
			args[i] = template.HTMLEscapeString(words.Word(string(a)))
		case *stoa.Error:
			args[i] = template.HTMLEscapeString(words.Error(a))
		default:
			args[i] = template.HTMLEscapeString(fmt.Sprint(a))
		}
	}
	return template.HTML(words.Word(key, args...)) // the catalogues are part of the program
}

// code is a name of the program in a sentence.
func code(name string) template.HTML {
	return template.HTML("<code>" + template.HTMLEscapeString(name) + "</code>")
}

// direction is how the language is written, as the attribute dir has it.
func direction(l stoa.Locale) string {
	if l.RTL() {
		return "rtl"
	}
	return "ltr"
}

// dict makes a map for a part of a template from names and values that take turns.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict: %d arguments, an even number is expected", len(pairs))
	}
	out := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: %v is not a name", pairs[i])
		}
		out[name] = pairs[i+1]
	}
	return out, nil
}

// firstLine is the beginning of a message that may go on for long.
func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	if len(line) > 160 {
		line = Clip(line, 157) + "…"
	}
	return line
}
