package admin

import (
	"html/template"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/lang"
)

func TestFigures_SpeakTheLanguageOfTheReader(t *testing.T) {
	t.Parallel()
	for l, want := range map[stoa.Locale][7]string{
		"en": {"12,345", "1.5 kB", "0.42 ms", "1 d 2 h", "2 h", "2 min 3 s", "a, b"},
		"de": {"12.345", "1,5 kB", "0,42 ms", "1 d 2 h", "2 h", "2 min 3 s", "a, b"},
		"ja": {"12,345", "1.5 kB", "0.42 ミリ秒", "1 日 2 時間", "2 時間", "2 分 3 秒", "a、b"},
	} {
		f := figures{lang.In(l)}
		got := [7]string{f.count(12345), f.bytes(1536), f.short(420 * time.Microsecond), f.span(26*time.Hour + time.Minute),
			f.span(2*time.Hour + time.Second), f.took(123 * time.Second), f.list([]string{"a", "b"})}
		if got != want {
			t.Errorf("%s: %q, want %q", l, got, want)
		}
	}
}

// What a person typed never becomes markup, also beside an argument that is.
func TestWord_EscapesWhatStandsBesideMarkup(t *testing.T) {
	t.Parallel()
	got := word(lang.In("en"), "panel.wrong", "<b>", template.HTML("<time>"))
	if want := template.HTML("&lt;b&gt;: <time>"); got != want {
		t.Errorf("%#v, want %#v", got, want)
	}
	if got := word(lang.In("en"), "panel.wrong", "<b>", "x"); got != "<b>: x" { // the template escapes it
		t.Errorf("%#v", got)
	}
}

// A form keeps what is wrong so that it can be said in the language of the reader.
func TestForm_SaysInEachLanguageWhatIsWrong(t *testing.T) {
	t.Parallel()
	of := func() *Form {
		return &Form{Fields: []*Field{{Name: "on", Kind: "check", Value: "on"}, {Name: "name", Kind: "text", Value: "Berg"}}}
	}
	f, newest := of(), of()
	newest.Fields[0].Value, newest.Fields[1].Value = "", "Tal"
	f.Stale(newest)
	de := lang.In("de")
	for i, want := range []string{"Von einer anderen Person gespeichert: nein.", "Von einer anderen Person " +
		"gespeichert: „Tal“."} {
		if got := lang.Sentence(de.Error(f.Fields[i].Fault())); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	f.Fields[1].Error = "Something else"
	if got := lang.Sentence(de.Error(f.Fields[1].Fault())); got != "Something else." {
		t.Errorf("a text that was written since: %q", got)
	}
	if got := lang.Sentence("保存されていません"); got != "保存されていません。" {
		t.Errorf("the full stop in Japanese: %q", got)
	}
}
