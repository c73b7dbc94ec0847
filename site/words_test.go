package site

import (
	"errors"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/lang"
)

// Sentences that are put together from others are in the language of the reader from end to end.
func TestErrors_AreInOneLanguageFromEndToEnd(t *testing.T) {
	t.Parallel()
	_, host := NormalHost("http://a.example")
	_, low := Appearance{Dark: Colours{Accent: "#333"}}.Checked()
	for want, err := range map[string]error{
		`"http://a.example" ist kein Hostname (er enthält ein Schema): erwartet wird einer wie www.example.org`: host,
		`Zeile 2: @import kann hier nicht verwendet werden: ` +
			`eine Website hat ein einziges Stylesheet`: checkCSS("p {}\n@import 'x';"),
		`Zeile 1: '}' schließt nichts`: checkCSS("}"),
		`Links und Schaltflächen in #333333 auf dem Grund #141517 haben bei den dunklen Farben einen Kontrast von 1,44:1; ` +
			`erwartet wird mindestens 4,5:1, damit alle sie lesen können`: low,
	} {
		var e *stoa.Error
		if !errors.As(err, &e) {
			t.Errorf("%v is no error for people", err)
		} else if got := lang.In("de").Error(e); got != want {
			t.Errorf("said %q, want %q", got, want)
		}
	}
}
