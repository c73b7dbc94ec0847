package lang

import (
	"slices"
	"testing"

	"github.com/stoa-portal/stoa"
)

func TestNameOf_IsWrittenAsItsSpeakersDo(t *testing.T) {
	t.Parallel()
	for l, want := range map[stoa.Locale]string{
		"en": "English", "de": "Deutsch", "de-AT": "Deutsch (AT)", "he-IL": "עברית (IL)", "id-ID": "Indonesia (ID)",
		"ur-PK": "اردو (PK)",
		"yi":    "ייִדיש", "fr": "Français", "zh-Hant-TW": "繁體中文 (Hant-TW)", "zh": "中文", "ckb-IQ": "کوردیی ناوەندی (IQ)",
		"uk":         "Українська",
		"az-Arab-IR": "Azərbaycan (Arab-IR)", "nb": "Norsk bokmål", "qaa": "qaa",
	} {
		if got := NameOf(l); got != want {
			t.Errorf("%s is called %q, want %q", l, got, want)
		}
	}
}

func TestOffered_BeginsWithTheInterfaceAndHasEachOnce(t *testing.T) {
	t.Parallel()
	all := Offered()
	if !slices.Equal(all[:len(languages)], languages) {
		t.Errorf("the first are %v, want those of the interface", all[:len(languages)])
	}
	seen := map[stoa.Locale]bool{}
	for _, l := range all {
		if read, err := stoa.ParseLocale(string(l)); err != nil || read != l || seen[l] || NameOf(l) == "" {
			t.Errorf("%q reads as %q, %v, twice %v, its name is %q", l, read, err, seen[l], NameOf(l))
		}
		seen[l] = true
	}
	for _, l := range []stoa.Locale{"it", "de-AT", "en-US", "pt-BR", "zh-Hant", "ar", "he"} {
		if !seen[l] {
			t.Errorf("%s is not offered", l)
		}
	}
}
