package admin

import (
	"slices"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/lang"
)

// Language makes x a field that asks for a language by its name. What is saved is offered even where no list has it,
// and so is what was sent. none are the words for no language; empty: there must be one.
func (q *Request) Language(x Field, none string) *Field {
	x.Kind = "select"
	codes := append(lang.Offered(), locales(x.Value)...)
	x.Options = languageOptions(append(codes, locales(q.PostForm[x.Name]...)...))
	for i := range x.Options {
		if i >= len(lang.Languages()) {
			x.Options[i].Group = q.Word("locale.further")
		}
	}
	if none != "" {
		x.Options = slices.Insert(x.Options, 0, Option{Label: none})
	}
	return &x
}

// Languages makes x a field of several languages: those chosen, in their order, then those of the interface. The field
// that Another gives adds any other. A form that was opened when languages were still typed sends several in one value,
// with commas between: each then stands in the form by itself.
func (q *Request) Languages(x Field, chosen []stoa.Locale) *Field {
	x.Kind = "checks"
	for _, l := range chosen {
		x.Values = append(x.Values, string(l))
	}
	codes := append(slices.Clone(chosen), lang.Languages()...)
	if q.PostForm.Has(x.Name) {
		sent := locales(q.PostForm[x.Name]...)
		q.PostForm.Del(x.Name)
		for _, l := range sent {
			q.PostForm.Add(x.Name, string(l))
		}
		codes = append(codes, sent...)
	}
	x.Options = languageOptions(codes)
	return &x
}

// Another makes x a field that adds a language to those of the field languages.
func (q *Request) Another(x Field, languages *Field) *Field {
	f := q.Language(x, q.Word("locale.none"))
	f.Options = slices.DeleteFunc(f.Options, func(o Option) bool {
		return slices.ContainsFunc(languages.Options, func(have Option) bool { return have.Value == o.Value })
	})
	for i := range f.Options {
		f.Options[i].Group = ""
	}
	return f
}

// LocalesOf reads the languages that are chosen in a field of Languages, and in those of Another.
func (f *Form) LocalesOf(name string, more ...string) []stoa.Locale {
	out := locales(f.List(name)...)
	for _, m := range more {
		out = append(out, locales(f.Text(m))...)
	}
	return out
}

// locales reads what was sent for languages, each once; commas may stand between several in one value.
func locales(sent ...string) (out []stoa.Locale) {
	for _, v := range sent {
		for code := range strings.FieldsFuncSeq(v, func(r rune) bool { return r == ',' || r == ' ' }) {
			if l := stoa.Locale(code); !slices.Contains(out, l) {
				out = append(out, l)
			}
		}
	}
	return out
}

// languageOptions offers each of the languages once, by its name and code.
func languageOptions(codes []stoa.Locale) (out []Option) {
	seen := map[stoa.Locale]bool{}
	for _, l := range codes {
		if seen[l] {
			continue
		}
		seen[l] = true
		label := lang.NameOf(l)
		if label != string(l) {
			label += " – " + string(l)
		}
		out = append(out, Option{Value: string(l), Label: label})
	}
	return out
}

// TimeZone makes x a field that asks for a time zone, by continents and places as the database of IANA names them. What
// is saved is offered even where no list has it, and so is what was sent. none are the words for no time zone; empty:
// there must be one.
func (q *Request) TimeZone(x Field, none string) *Field {
	x.Kind = "select"
	if none != "" {
		x.Options = append(x.Options, Option{Label: none})
	}
	var places []Option
	listed := stoa.Zones()
	all := slices.Clone(listed)
	for _, name := range append([]string{x.Value}, q.PostForm[x.Name]...) {
		if name != "" && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	for _, name := range all {
		if area, place, ok := strings.Cut(name, "/"); ok && slices.Contains(listed, name) {
			place = strings.ReplaceAll(strings.ReplaceAll(place, "/", ", "), "_", " ")
			places = append(places, Option{Value: name, Label: place, Group: q.areaName(area)})
		} else {
			x.Options = append(x.Options, Option{Value: name, Label: name})
		}
	}
	x.Options = append(x.Options, places...)
	return &x
}

// areaName is what the first part of the name of a time zone is called.
func (q *Request) areaName(area string) string {
	switch area {
	case "Africa":
		return q.Word("locale.africa")
	case "America":
		return q.Word("locale.america")
	case "Antarctica":
		return q.Word("locale.antarctica")
	case "Arctic":
		return q.Word("locale.arctic")
	case "Asia":
		return q.Word("locale.asia")
	case "Atlantic":
		return q.Word("locale.atlantic")
	case "Australia":
		return q.Word("locale.australia")
	case "Europe":
		return q.Word("locale.europe")
	case "Indian":
		return q.Word("locale.indian")
	case "Pacific":
		return q.Word("locale.pacific")
	}
	return area
}
