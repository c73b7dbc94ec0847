package render

import (
	"strings"
	"unicode/utf8"

	"github.com/stoa-portal/stoa"
	"golang.org/x/text/cases"
	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
)

// languageName is the name of a language in itself, as CLDR has it; its code when CLDR has none.
func languageName(l stoa.Locale) string {
	whole, err := language.Parse(string(l))
	if err != nil {
		return string(l)
	}
	base, _ := whole.Base()
	tag := language.Make(base.String())
	name := display.Self.Name(tag)
	if script, confidence := whole.Script(); confidence == language.Exact {
		// 中文 is the same word in both scripts; the names of the two are not.
		if both := display.Self.Name(language.Make(base.String() + "-" + script.String())); both != "" {
			name = both
		}
	}
	if name == "" {
		return string(l)
	}
	first, size := utf8.DecodeRuneInString(name)
	name = cases.Upper(tag).String(string(first)) + name[size:]
	if region, ok := strings.CutPrefix(string(l), l.Language()+"-"); ok {
		return name + " (" + region + ")"
	}
	return name
}
