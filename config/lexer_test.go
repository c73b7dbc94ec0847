package config

import (
	"strings"
	"testing"
)

func TestLex_ReadsJavaProperties(t *testing.T) {
	t.Parallel()
	src := "\ufeff# comment\n! another\n\n  a=1\nb : 2\nc 3\nd\n" +
		"e=one\\\n   two\\\n\tthree\n" +
		"f\\ g\\=h=x\\ty\r\n" +
		"i=\\u00e9\\ud83d\\ude00\r" +
		"j=trailing   \n" +
		"k=kept\\ \n" +
		"l=back\\\\\n" +
		"m=#no comment\n" +
		"n[\"x-y\"]=q\n" +
		"o==p\n" +
		"q=one\\\n# still the value\n" +
		"last=end\\"
	lines, problems := lex(src)
	if len(problems) > 0 {
		t.Fatalf("problems: %v", problems)
	}
	want := []line{
		{"a", "1", 4}, {"b", "2", 5}, {"c", "3", 6}, {"d", "", 7}, {"e", "onetwothree", 8},
		{"f g=h", "x\ty", 11}, {"i", "é😀", 12}, {"j", "trailing", 13}, {"k", "kept ", 14}, {"l", `back\`, 15},
		{"m", "#no comment", 16}, {`n["x-y"]`, "q", 17}, {"o", "=p", 18}, {"q", "one# still the value", 19}, {"last", "end", 21},
	}
	if len(lines) != len(want) {
		t.Fatalf("%d lines, want %d: %v", len(lines), len(want), lines)
	}
	for i := range want {
		if lines[i] != want[i] {
			t.Errorf("line %d is %+v, want %+v", i, lines[i], want[i])
		}
	}
}

func TestLex_HostileInputNamesTheLine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		src    string
		number int
		says   string
	}{
		"binary":                     {"a=1\nb=\x00\x01\xff", 2, "not a text file"},
		"latin-1":                    {"a=1\n\nb=caf\xe9", 3, "not UTF-8"},
		"bad escape":                 {"a=1\nb=\\uZZ11", 2, "four hexadecimal digits"},
		"short escape":               {"a=\\u12", 1, "four hexadecimal digits"},
		"escape of zero":             {"a=\\u0000", 1, "not allowed"},
		"half a pair":                {"a=\\ud83d", 1, "half of a pair"},
		"escape in a continued line": {"a=one\\\ntwo\\\n\\uXXXX", 3, "four hexadecimal digits"},
		"ten megabytes":              {"a=" + strings.Repeat("x", 10<<20), 1, "at most"},
		"long line":                  {"a=1\nb=" + strings.Repeat("x", 300<<10), 2, "longer than"},
		"long continued":             {"a=1\n" + strings.Repeat("xxxxxxxxxxxxxxxx\\\n", 30000), 2, "longer than"},
		"no name":                    {"a=1\n  = secret", 2, "no name"},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := lex(c.src)
			if len(problems) == 0 {
				t.Fatal("nothing was found wrong")
			}
			if p := problems[0]; p.number != c.number || !strings.Contains(p.message, c.says) {
				t.Errorf("line %d: %s; want line %d with %q", p.number, p.message, c.number, c.says)
			}
		})
	}
}

func TestLex_StopsAfterManyProblems(t *testing.T) {
	t.Parallel()
	_, problems := lex(strings.Repeat("=x\n", 1000))
	if len(problems) != maxLexProblems {
		t.Errorf("%d problems, want %d", len(problems), maxLexProblems)
	}
}

func FuzzLex(f *testing.F) {
	for _, seed := range []string{"a=b", "a\\\n b", "\\u0041=\\", "a=\\ud83d\\ude00", "# x\r\n!y\rz", "a=\xff", "[\"x\"]:1", " \\  = \\ "} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, src string) {
		lines, problems := lex(src)
		if len(problems) > maxLexProblems {
			t.Fatalf("%d problems", len(problems))
		}
		natural := 1 + strings.Count(src, "\n") + strings.Count(src, "\r")
		for _, p := range problems {
			if p.number < 1 || p.number > natural {
				t.Fatalf("problem on line %d of %d", p.number, natural)
			}
		}
		for _, l := range lines {
			if l.number < 1 || l.number > natural {
				t.Fatalf("value on line %d of %d", l.number, natural)
			}
			again, problems := lex(escape(l.key, true) + "=" + escape(l.value, false) + "\n")
			if len(problems) > 0 || len(again) != 1 || again[0].key != l.key || again[0].value != l.value {
				t.Fatalf("%q=%q does not come back: %+v %v", l.key, l.value, again, problems)
			}
		}
	})
}
