package embedded

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/search"
)

func TestPieces_OfEachScript(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"The Red-House":        "the red house",
		"§ 12.4(b) and E-1042": "12.4 b and e 1042",
		"annual_report.v2.pdf": "annual report v2 pdf",
		"l'Histoire d’accord":  "l histoire d accord",
		"Straße in Łódź, Ærø":  "strasse in lodz aero",
		"東京都 図":                "東京 京都 図",
		"ｻｰﾊﾞｰ":                "サー ーバ バー",
		"版2を読む":                "版 2 を読 読む",
		"Київ":                 "киів", // its accents go as those of all letters do; as it is written stands beside it
		"हिन्दी":               "हिन्दी",
		"שָׁלוֹם":              "שלום",
		"  ...  --- 🪨 \u202e ": "",
		"a\u00adb":             "ab",
	} {
		if got := strings.Join(bareOf(pieces(text)), " "); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestWritten_LanguagesAreApart(t *testing.T) {
	t.Parallel()
	stream := written([]string{"one twö", "three"})
	var got []string
	for _, tok := range stream {
		got = append(got, string(tok.Term))
	}
	if want := []string{"one", "two", "twö", "three"}; !slices.Equal(got, want) {
		t.Fatalf("%q, want %q", got, want)
	}
	if stream[1].Position != 2 || stream[2].Position != 2 || stream[3].Position <= gap {
		t.Errorf("places %d, %d, %d: want the two forms in one place and a gap before another language",
			stream[1].Position, stream[2].Position, stream[3].Position)
	}
}

func TestStems_OfEveryLanguage(t *testing.T) {
	t.Parallel()
	ls := newLanguages()
	for _, l := range strings.Fields("ar ckb da de en es fa fi fr hi hr hu it nl no nb nn pl pt ro ru sv tr") {
		if got := ls.stems(stoa.Locale(l), "Xenon12 übermorgen"); len(got) == 0 {
			t.Errorf("%s has no words", l)
		}
	}
	for _, l := range []stoa.Locale{"", "ja", "zh-Hans", "ko", "xyz", "he"} {
		if got := ls.stems(l, "words"); len(got) > 0 {
			t.Errorf("%s has the stems %q, want none", l, got)
		}
	}
}

func TestStems_WithoutWhatIsNoWord(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1_000_000) // for which the French stemmer would take minutes
	for text, want := range map[string]string{
		long: "", "chevaux " + long: "cheval", long + " chevaux": "cheval",
		"chevaux " + long + "-" + long + ", chevaux": "cheval cheval",
		strings.Repeat("chevaux-", 3):                "cheval cheval cheval",
	} {
		if got := strings.Join(newLanguages().stems("fr", text), " "); got != want {
			t.Errorf("%.30q of %d bytes: %.100q, want %q", text, len(text), got, want)
		}
	}
}

func FuzzPieces(f *testing.F) {
	for _, s := range []string{"E-1042", "東京都", "a\u0301", "x'y_z.1", "\xff\x00", "ｻｰﾊﾞｰ", "ﬁ", "שָׁ",
		strings.Repeat("ab", 100)} {
		f.Add(s)
	}
	ls := newLanguages()
	f.Fuzz(func(t *testing.T, text string) {
		at := 0
		for _, w := range pieces(text) {
			if w.written == "" || len(w.written) > longest || !utf8.ValidString(w.written+w.bare) {
				t.Errorf("%q has the word %q, %q", text, w.written, w.bare)
			}
			if w.at != at+1 {
				t.Errorf("%q: place %d after %d", text, w.at, at)
			}
			at = w.at
			if twice := bare(w.bare); twice != w.bare {
				t.Errorf("%q: bare is %q, and of that %q", w.written, w.bare, twice)
			}
		}
		for _, l := range []stoa.Locale{"en", "de", "fr", "ar", "pl"} {
			ls.stems(l, text)
		}
	})
}

func FuzzCursor(f *testing.F) {
	f.Add((&cursor{search.ByNewest, 1.5, 7, "1/article/0000000000000000001"}).String(), "newest")
	f.Add("AAAA", "")
	f.Fuzz(func(t *testing.T, after, order string) {
		c, err := readCursor(search.Query{After: after, Order: search.Order(order)})
		if err != nil && !stoa.Is(err, stoa.KindInvalid) {
			t.Errorf("%q: %v, want an error of kind invalid", after, err)
		}
		if err == nil && c != nil && c.String() != after {
			t.Errorf("%q is read as %q", after, c)
		}
	})
}
