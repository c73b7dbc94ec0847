package operate

import (
	"html/template"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/lang"
)

// What a node or a person is called cannot become an element of the page.
func TestMixed_EscapesWhatIsNoElement(t *testing.T) {
	t.Parallel()
	got := mixed(lang.In("en"), "operate.as-of", []any{"<b>`x`&", template.HTML("<time>9:00</time>")})
	if got != "As &lt;b&gt;<code>x</code>&amp; saw it at <time>9:00</time>." {
		t.Error(got)
	}
}

func TestLost_NamesThingsInTheLanguage(t *testing.T) {
	t.Parallel()
	for l, want := range map[stoa.Locale]string{
		"en": "web content 42 (version 8), page 7 (version 2), and more",
		"de": "Artikel 42 (Version 8), Seite 7 (Version 2), und weitere",
	} {
		if got := lost(lang.In(l), "article 42 (version 8), page 7 (version 2), and more"); got != want {
			t.Errorf("%s: %q, want %q", l, got, want)
		}
	}
}
