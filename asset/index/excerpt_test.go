package index

import (
	"strings"
	"testing"

	"github.com/stoa-portal/stoa/search"
)

// marked writes an excerpt with brackets around what was searched for.
func marked(e Excerpt) string {
	var b strings.Builder
	for _, s := range e {
		if s.Hit {
			b.WriteString("[" + s.Text + "]")
		} else {
			b.WriteString(s.Text)
		}
	}
	return b.String()
}

func TestMark(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, typed, want string }{
		{"Tides of the sea", "tide", "[Tides] of the sea"},
		{"The TIDE", "tide", "The [TIDE]"},
		{"Häuser am Hafen", "hauser", "[Häuser] am Hafen"},
		{"Cats and catastrophe", "cat", "Cats and catastrophe"},
		{"Publication and publishing", "publish", "Publication and [publishing]"},
		{"spring tide, neap tide", `"spring tide"`, "[spring] [tide], neap [tide]"},
		{"東京都の海", "東京", "[東][京]都の海"},
		{"nothing", "tide", "nothing"},
		{"", "tide", ""},
		{"E-1042 failed", "E-1042", "[E]-[1042] failed"},
	} {
		if got := marked(mark(c.text, search.Parse(c.typed))); got != c.want {
			t.Errorf("mark(%q, %q) = %q, want %q", c.text, c.typed, got, c.want)
		}
	}
}

func TestExcerpt_IsWhereTheWordsAre(t *testing.T) {
	t.Parallel()
	filler := strings.Repeat("sand and water without end ", 60)
	text := filler + "only here the lighthouse keeper writes. " + filler + "lighthouse alone. " + filler
	got := marked(excerpt(text, search.Parse("lighthouse keeper")))
	if !strings.Contains(got, "[lighthouse] [keeper]") || !strings.HasPrefix(got, "… ") || !strings.HasSuffix(got, " …") {
		t.Errorf("the excerpt is %q", got)
	}
	if n := len([]rune(got)); n > excerptLength+40 {
		t.Errorf("it has %d characters", n)
	}
	if got := marked(excerpt(filler, search.Parse("missing"))); !strings.HasPrefix(got, "sand and water") {
		t.Errorf("without the words it is %q", got)
	}
	if got := excerpt("", search.Parse("x")); got != nil {
		t.Errorf("of nothing it is %q", got)
	}
	if got := marked(excerpt(strings.Repeat("x", 5000), search.Parse("y"))); len(got) == 0 {
		t.Error("a text without spaces has none")
	}
	if got := marked(excerpt(strings.Repeat("- ", 5000), search.Parse("y"))); len(got) > 2*excerptLength {
		t.Errorf("of a text without words it has %d bytes", len(got))
	}
	_ = excerpt(strings.Repeat("tide ", 100_000), search.Parse("tide"))
}
