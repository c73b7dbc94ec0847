package stoa_test

import (
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/stoa-portal/stoa"
)

func TestParseZone_ReadsWhatJavaReads(t *testing.T) {
	at := time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)
	for name, want := range map[string]struct {
		zone   string
		offset int // seconds, in January
	}{
		"UTC": {"UTC", 0}, "Europe/Vienna": {"Europe/Vienna", 3600}, "GMT-3": {"Etc/GMT+3", -3 * 3600},
		"GMT+01:00": {"Etc/GMT-1", 3600}, "UTC+2": {"Etc/GMT-2", 7200}, "GMT+05:30": {"GMT+05:30", 19800},
		"GMT-0330": {"GMT-03:30", -12600}, "GMT+14": {"Etc/GMT-14", 14 * 3600}, "GMT-13": {"GMT-13:00", -13 * 3600},
		"PST": {"America/Los_Angeles", -8 * 3600}, "IST": {"Asia/Kolkata", 19800}, "EST": {"EST", -5 * 3600},
		"CET": {"CET", 3600}, "Etc/GMT+3": {"Etc/GMT+3", -3 * 3600}, "GMT+0": {"UTC", 0}, "GMT": {"GMT", 0},
		" Asia/Tokyo ": {"Asia/Tokyo", 9 * 3600},
	} {
		l, err := stoa.ParseZone(name)
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if _, offset := at.In(l).Zone(); l.String() != want.zone || offset != want.offset {
			t.Errorf("%q is %s, %d s; want %s, %d s", name, l, offset, want.zone, want.offset)
		}
		if again, err := stoa.ParseZone(l.String()); err != nil || again.String() != l.String() {
			t.Errorf("%q is kept as %q, which reads as %v, %v", name, l, again, err)
		}
	}
	for _, name := range []string{"", "Local", "GMT+25", "GMT+", "GMT+1:2", "GMT+19", "GMT+05:60", "Mars/Base",
		"../etc/passwd", "GMT + 3", "GMT+-3"} {
		if l, err := stoa.ParseZone(name); !stoa.Is(err, stoa.KindInvalid) {
			t.Errorf("%q is %v, %v; want a refusal", name, l, err)
		}
	}
}

func TestParseLocale_ReadsWhatJavaAndLiferayWrite(t *testing.T) {
	for s, want := range map[string]stoa.Locale{
		"iw_IL": "he-IL", "iw": "he", "in_ID": "id-ID", "ji": "yi", "sr_RS_latin": "sr-Latn-RS",
		"ca_ES_VALENCIA": "ca-ES-valencia",
		"az_Arab_IR":     "az-Arab-IR", "pt_BR": "pt-BR", "zh-hant-tw": "zh-Hant-TW", "es-419": "es-419",
	} {
		got, err := stoa.ParseLocale(s)
		again, _ := stoa.ParseLocale(string(got))
		if err != nil || got != want || again != got {
			t.Errorf("%s is %q (again %q), %v; want %q", s, got, again, err, want)
		}
	}
	for _, s := range []string{"", "e", "en_US_US", "en-US-Latn", "en-x", "en-US-toolongvariant", "12", "en/US",
		"deutsch"} {
		if got, err := stoa.ParseLocale(s); err == nil {
			t.Errorf("%q is %q; want a refusal", s, got)
		}
	}
}

func TestLocale_DirectionFollowsTheScript(t *testing.T) {
	for l, want := range map[stoa.Locale]bool{
		"ar": true, "he-IL": true, "ur-PK": true, "az-Arab-IR": true, "ku-Arab-IQ": true, "uz-Arab-AF": true,
		"pa-Arab-PK": true,
		"ckb-IQ":     true, "yi": true, "dv": true, "pa-PK": true, "ku-IQ": true, "en": false, "az-AZ": false,
		"uz-Latn-UZ": false,
		"ff-Adlm-GN": true, "ar-Latn": false, "pa-IN": false, "ku-TR": false, "de": false,
	} {
		if l.RTL() != want {
			t.Errorf("%s from right to left: %t", l, l.RTL())
		}
	}
}

func TestZones_EachIsReadAndStandsOnce(t *testing.T) {
	all := stoa.Zones()
	seen := map[string]bool{}
	for _, name := range all {
		if z, err := stoa.ParseZone(name); err != nil || z.String() != name || seen[name] {
			t.Errorf("%q reads as %v, %v; twice: %v", name, z, err, seen[name])
		}
		seen[name] = true
	}
	if len(all) < 400 || !seen["Europe/Vienna"] || !seen["America/Argentina/Buenos_Aires"] || all[len(all)-1] != "UTC" {
		t.Errorf("%d zones, the last is %s", len(all), all[len(all)-1])
	}
}
