package lang

import (
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/collate"
	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"github.com/stoa-portal/stoa"
)

// NameOf is the name of a language in itself, as CLDR has it; its code when CLDR has none.
func NameOf(l stoa.Locale) string {
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

// regional are languages of a country that are offered besides those that CLDR has names for.
const regional = "de-DE en-IE en-US en-ZA es-ES fr-FR it-CH nb nl-BE pt-BR zh-CN zh-Hans zh-HK zh-TW"

var offered = sync.OnceValue(func() []stoa.Locale {
	var all []stoa.Locale
	for _, tag := range display.Supported.Tags() {
		all = append(all, stoa.Locale(tag.String()))
	}
	for _, code := range strings.Fields(regional) {
		all = append(all, stoa.Locale(code))
	}
	all = slices.DeleteFunc(all, func(l stoa.Locale) bool {
		read, err := stoa.ParseLocale(string(l))
		return err != nil || read != l || NameOf(l) == string(l) || slices.Contains(languages, l)
	})
	byName := collate.New(language.Und)
	slices.SortFunc(all, func(a, b stoa.Locale) int { return byName.CompareString(NameOf(a), NameOf(b)) })
	return slices.Concat(languages, slices.Compact(all))
})

// Offered gives the languages that a list offers to choose from: those of the interface, in their order, then the
// others by their names. It is no limit: any locale that stoa.ParseLocale reads may be in use.
func Offered() []stoa.Locale { return slices.Clone(offered()) }
