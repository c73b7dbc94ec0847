package lang

import (
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
)

func TestDate_IsWrittenAsTheLanguageDoes(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 3, 9, 23, 30, 0, 0, time.UTC)
	for l, want := range map[stoa.Locale]string{"en-US": "March 9, 2026", "en-GB": "9 March 2026", "de": "9. März 2026", "de-AT": "9. März 2026", "fr": "9 mars 2026",
		"es-MX": "9 de marzo de 2026", "ja": "2026年3月9日", "el": "2026-03-09", "": "2026-03-09"} {
		if got := Date(l, day); got != want {
			t.Errorf("%s: %q, want %q", l, got, want)
		}
	}
	east := time.FixedZone("east", 3600)
	if got := Date("en-GB", day.In(east)); got != "10 March 2026" {
		t.Errorf("in another zone: %q", got)
	}
}

func TestMonth_IsAHeadingInEachLanguage(t *testing.T) {
	at := time.Date(2026, 3, 31, 23, 0, 0, 0, time.UTC)
	for l, want := range map[stoa.Locale]string{"en": "March 2026", "en-US": "March 2026", "de-AT": "März 2026",
		"fr": "mars 2026", "es": "marzo de 2026", "ja": "2026年3月", "ar": "2026-03"} {
		if got := Month(l, at); got != want {
			t.Errorf("%s: %q, want %q", l, got, want)
		}
	}
	if SundayFirst("de") || SundayFirst("en") || !SundayFirst("en-US") || !SundayFirst("ja") {
		t.Error("weeks begin on another day")
	}
}
