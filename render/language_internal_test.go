package render

import (
	"testing"

	"github.com/stoa-portal/stoa"
)

func TestLanguageName_IsWrittenAsItsSpeakersDo(t *testing.T) {
	for l, want := range map[stoa.Locale]string{
		"en": "English", "de": "Deutsch", "de-AT": "Deutsch (AT)", "he-IL": "עברית (IL)", "id-ID": "Indonesia (ID)", "ur-PK": "اردو (PK)",
		"yi": "ייִדיש", "fr": "Français", "zh-Hant-TW": "繁體中文 (Hant-TW)", "zh": "中文", "ckb-IQ": "کوردیی ناوەندی (IQ)", "uk": "Українська",
		"az-Arab-IR": "Azərbaycan (Arab-IR)", "nb": "Norsk bokmål", "qaa": "qaa",
	} {
		if got := languageName(l); got != want {
			t.Errorf("%s is called %q, want %q", l, got, want)
		}
	}
}
