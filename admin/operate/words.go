package operate

import (
	"fmt"
	"html/template"
	"regexp"
	"strings"

	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/lang"
)

// speaker gives words in the language of a person: an *admin.Request, or the words themselves.
type speaker interface {
	Word(key string, args ...any) string
}

// funcs are what the templates of the area can call besides those of the frame, in the language of w.
func funcs(w *lang.Words) template.FuncMap {
	return template.FuncMap{
		"auditWhat":    func(e audit.Event) string { return e.In(w) },
		"auditAlso":    func(e audit.Event) []string { return e.AlsoIn(w) },
		"auditWho":     func(e audit.Event) string { return whoOf(w, e) },
		"auditOutcome": func(o string) string { return outcomeWord(w, o) },
		"mixed":        func(key string, args ...any) template.HTML { return mixed(w, key, args) },
		"finding":      func(f cluster.Finding) string { return w.Error(f.Said()) },
		"event":        func(e cluster.Event) string { return w.Error(e.Said()) },
		"need":         func(r cluster.Requirement) string { return w.Error(r.Said()) },
		"mend":         func(s string) string { return mend(w, s) },
		"lost":         func(things string) string { return lost(w, things) },
		"source":       func(s string) string { return source(w, s) },
		"wholes":       wholes,
	}
}

// coded is what a sentence has between backticks: a name that is typed as it is.
var coded = regexp.MustCompile("`([^`]+)`")

// mixed gives a sentence with elements in it: arguments may be HTML, such as a time, and what stands between backticks
// is code. Everything else is escaped.
func mixed(w speaker, key string, args []any) template.HTML {
	var pairs []string
	filled := make([]any, len(args))
	for i, a := range args {
		filled[i] = a
		if h, ok := a.(template.HTML); ok {
			place := fmt.Sprintf("\uE000%d\uE001", i)
			filled[i] = place
			pairs = append(pairs, place, string(h))
		}
	}
	text := template.HTMLEscapeString(w.Word(key, filled...))
	text = coded.ReplaceAllString(text, "<code>$1</code>")
	return template.HTML(strings.NewReplacer(pairs...).Replace(text))
}

// mend gives what to do about a finding as a sentence.
func mend(w speaker, s string) string {
	if s = w.Word(s); strings.HasSuffix(s, "。") {
		return s
	}
	return admin.Sentence(s)
}

// lostThing is one of the things that a fail-over has lost, as events keep them. What stands behind a dash is a kind of
// change of the thing: article-draft.
var lostThing = regexp.MustCompile(`^([a-z]+)(?:-[a-z]+)? (\d+) \(version (\d+)\)`)

// lost names what a fail-over has lost, each thing once, with its last version.
func lost(w *lang.Words, things string) string {
	var out []string
	at := map[string]int{}
	for _, thing := range strings.Split(things, ", ") {
		m := lostThing.FindStringSubmatch(thing)
		if m == nil {
			out = append(out, strings.Replace(thing, "and more", w.Word("operate.lost.more"), 1))
			continue
		}
		said := w.Word("operate.lost.thing", audit.KindWord(w, m[1]), m[2], m[3]) + thing[len(m[0]):]
		if i, ok := at[m[1]+m[2]]; ok {
			out[i] = said
			continue
		}
		at[m[1]+m[2]] = len(out)
		out = append(out, said)
	}
	return strings.Join(out, ", ")
}

// source says where the value of a property comes from.
func source(w speaker, s string) string {
	switch s {
	case "default":
		return w.Word("operate.properties.default")
	case "not set":
		return w.Word("operate.properties.not-set")
	}
	if name, ok := strings.CutPrefix(s, "environment "); ok {
		return w.Word("operate.properties.environment", name)
	}
	if name, ok := strings.CutPrefix(s, "flag "); ok {
		return w.Word("operate.properties.flag", name)
	}
	return s
}

// wholes are names in a sentence, none of which is broken over two lines.
func wholes(names []string) template.HTML {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = `<span class="whole">` + template.HTMLEscapeString(name) + `</span>`
	}
	return template.HTML(strings.Join(out, ", "))
}
