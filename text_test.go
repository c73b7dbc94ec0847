package stoa_test

import (
	"testing"
	"testing/quick"
	"unicode/utf8"

	"github.com/stoa-portal/stoa"
)

func TestText_IsComposedAndWithoutZeroBytes(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "plain", "Re\u0301sume\u0301": "Résumé", "a\x00b": "ab", "": "", "Ångström": "Ångström", "\u212bngstrom": "Ångstrom", "😀": "😀",
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
		return utf8.ValidString(clean) && stoa.IsText(clean) && err == nil && again == clean && stoa.IsText(stoa.Fold(string(b)))
	}, nil); err != nil {
		t.Error(err)
	}
}

func TestFold_ForgetsCaseInEveryScript(t *testing.T) {
	for a, b := range map[string]string{"Übersicht": "U\u0308BERSICHT", "STRASSE": "straße", "ΑΘΉΝΑ": "αθήνα", "Ünlü": "ünlü", "ABC": "abc"} {
		if stoa.Fold(a) != stoa.Fold(b) {
			t.Errorf("%q and %q differ: %q, %q", a, b, stoa.Fold(a), stoa.Fold(b))
		}
	}
}
