package lang

import (
	"html/template"

	"github.com/stoa-portal/stoa"
)

// Other gives the language of a text when it is another than that of the page around it; else, and for a text whose
// language is not known, nothing. Varieties of a language, such as de and de-AT, count as one unless their scripts run
// in other directions.
func Other(text, page stoa.Locale) stoa.Locale {
	if text == "" || text.Language() == page.Language() && text.RTL() == page.RTL() {
		return ""
	}
	return text
}

// Mark gives the attributes lang and dir of an element whose text is in a language, with a space before them; nothing
// for no language. Readers aloud, hyphenation and the order of its signs go by them (WCAG 3.1.2).
func Mark(l stoa.Locale) template.HTMLAttr {
	if l == "" {
		return ""
	}
	dir := "ltr"
	if l.RTL() {
		dir = "rtl"
	}
	return template.HTMLAttr(` lang="` + template.HTMLEscapeString(string(l)) + `" dir="` + dir + `"`)
}
