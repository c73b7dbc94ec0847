package stoa_test

import (
	"strings"
	"testing"
	"testing/quick"
	"unicode/utf8"

	"github.com/stoa-portal/stoa"
)

func TestText_IsComposedAndWithoutZeroBytes(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "plain", "Re\u0301sume\u0301": "Résumé", "a\x00b": "ab", "": "", "Ångström": "Ångström",
		"\u212bngstrom": "Ångstrom", "😀": "😀",
	} {
		got, err := stoa.Text("title", in)
		if err != nil || got != want || stoa.CleanText(in) != want || stoa.IsText(in) != (in == want) {
			t.Errorf("%q is %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"\xff\xfe", "gr\xfc\xdfe", "\xed\xa0\x80", "\xc0\x80"} {
		_, err := stoa.Text("title", in)
		if !stoa.Is(err, stoa.KindInvalid) || stoa.IsText(in) || !stoa.IsText(stoa.CleanText(in)) {
			t.Errorf("%q: %v", in, err)
		}
	}
	if err := quick.Check(func(b []byte) bool {
		clean := stoa.CleanText(string(b))
		again, err := stoa.Text("", clean)
		return utf8.ValidString(clean) && stoa.IsText(clean) && err == nil && again == clean &&
			stoa.IsText(stoa.Fold(string(b)))
	}, nil); err != nil {
		t.Error(err)
	}
}

func TestFold_ForgetsCaseInEveryScript(t *testing.T) {
	for a, b := range map[string]string{"Übersicht": "U\u0308BERSICHT", "STRASSE": "straße", "ΑΘΉΝΑ": "αθήνα",
		"Ünlü": "ünlü", "ABC": "abc"} {
		if stoa.Fold(a) != stoa.Fold(b) {
			t.Errorf("%q and %q differ: %q, %q", a, b, stoa.Fold(a), stoa.Fold(b))
		}
	}
}

func TestClip_BreaksNoLetter(t *testing.T) {
	for _, c := range []struct {
		s           string
		n           int
		clip, short string
	}{{"harbour", 7, "harbour", "harbour"}, {"harbour", 3, "har", "har…"}, {"für", 2, "f", "f…"}, {"für", 3, "fü", "fü…"},
		{"日本", 5, "日", "日…"}, {"日本", 0, "", "…"}, {"", 0, "", ""}} {
		if got := stoa.Clip(c.s, c.n); got != c.clip {
			t.Errorf("Clip(%q, %d) is %q, want %q", c.s, c.n, got, c.clip)
		}
		if got := stoa.Short(c.s, c.n); got != c.short {
			t.Errorf("Short(%q, %d) is %q, want %q", c.s, c.n, got, c.short)
		}
	}
}

func TestSlug_MakesAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"Hello, World!": "hello-world", "  Über uns  ": "über-uns", "U\u0308ber": "über", "Straße": "straße",
		"日本語 ページ": "日本語-ページ", "हिन्दी": "हिन्दी", "한국어": "한국어", "!!!": "", "": "", "it’s": "its", "it's": "its",
		"Ärger’s --": "ärgers", "a/b?c#d": "a-b-c-d", "../../etc": "etc", "1\u20e3": "1\u20e3", "e'\u0301": "é",
		strings.Repeat("ab ", 100): strings.TrimSuffix(strings.Repeat("ab-", 40), "-"),
		strings.Repeat("海", 100):   strings.Repeat("海", 40), strings.Repeat("a", 119) + " bc": strings.Repeat("a", 119),
	} {
		if got := stoa.Slug(in, 120); got != want {
			t.Errorf("Slug(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestSlug_GivesWhatItGaveAgain(t *testing.T) {
	ok := func(s string, most uint8) bool {
		got := stoa.Slug(s, int(most))
		return len(got) <= int(most) && stoa.IsText(got) && !strings.ContainsAny(got, " /?#%&<>\"'\\\x00") &&
			!strings.HasPrefix(got, "-") && !strings.HasSuffix(got, "-") && !strings.Contains(got, "--") &&
			stoa.Slug(got, int(most)) == got
	}
	if err := quick.Check(ok, nil); err != nil {
		t.Error(err)
	}
	for _, s := range []string{"\xff\xfe", "a\u0301", "İ", "ẞ", "ΑΣ", "\u0301a", "\u0345\u0399", "\u1e9b\u0323", "ǅ"} {
		for most := range uint8(20) {
			if !ok(s, most) || !ok(s+" "+s, most) {
				t.Errorf("%q in %d bytes becomes %q", s, most, stoa.Slug(s, int(most)))
			}
		}
	}
}

// Addresses that two functions of older versions made, one for pages and menus, one for articles, categories and tags:
// they must stay valid, since a save checks them again.
func TestSlug_KeepsWhatOlderVersionsMade(t *testing.T) {
	for _, s := range []string{"uber-uns", "über-uns", "strasse", "straße", "日本語-ページ", "海-と-山", "a\u20e3", "i", "x-2",
		"untitled", "c-3-page", "ärgers", strings.Repeat("ab-", 59) + "ab", strings.Repeat("海", 60), "हिन्दी"} {
		if got := stoa.Slug(s, 180); got != s {
			t.Errorf("%q becomes %q", s, got)
		}
	}
}
