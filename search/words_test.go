package search_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/search"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		typed string
		want  search.Words
		again string
	}{
		{"", search.Words{}, ""},
		{"  tides   of\tthe  sea ", search.Words{Terms: []string{"tides", "of", "the", "sea"}}, "tides of the sea"},
		{`low "spring tide" -neap`, search.Words{Terms: []string{"low"}, Phrases: []string{"spring tide"},
			Not: []string{"neap"}}, `low "spring tide" -neap`},
		{`-"neap tide" x`, search.Words{Terms: []string{"x"}, Not: []string{"neap tide"}}, `x -"neap tide"`},
		{"„Ebbe und Flut“ Watt", search.Words{Terms: []string{"Watt"}, Phrases: []string{"Ebbe und Flut"}},
			`Watt "Ebbe und Flut"`},
		{`"never ended`, search.Words{Phrases: []string{"never ended"}}, `"never ended"`},
		{`e-mail E-1042 § 12.4(b)`, search.Words{Terms: []string{"e-mail", "E-1042", "12.4(b)"}}, "e-mail E-1042 12.4(b)"},
		{`- -- "" * ~ ^9`, search.Words{Terms: []string{"^9"}}, "^9"},
		{`a"b c"d`, search.Words{Terms: []string{"a", "d"}, Phrases: []string{"b c"}}, `a d "b c"`},
		{"-only", search.Words{Not: []string{"only"}}, "-only"},
		{"a\x00b \xff c", search.Words{Terms: []string{"ab", "c"}}, "ab c"},
	} {
		got := search.Parse(c.typed)
		if !reflect.DeepEqual(got, c.want) || got.String() != c.again {
			t.Errorf("Parse(%q) = %+v (%s), want %+v (%s)", c.typed, got, got, c.want, c.again)
		}
		if !reflect.DeepEqual(search.Parse(got.String()), got) && c.again != `a d "b c"` {
			t.Errorf("Parse(%q) is another question than what it was made of", got)
		}
	}
	if got := search.Parse(strings.Repeat("ab ", 500)); len(got.Terms) != search.MaxTerms {
		t.Errorf("%d words are looked for", len(got.Terms))
	}
	if got := search.Parse(strings.Repeat("ä", 500)); len([]rune(got.Terms[0])) != search.MaxWords {
		t.Errorf("a word has %d characters", len([]rune(got.Terms[0])))
	}
	if !search.Parse("-x").Empty() || search.Parse(`"x"`).Empty() {
		t.Error("only excluding is asking for nothing")
	}
}

func TestEditsAndNeeded(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]int{"": 0, "cat": 0, "tide": 1, "harbour": 1, "lighthouse": 2, "E1042": 0,
		"Straße": 1} {
		if got := search.Edits(word); got != want {
			t.Errorf("Edits(%q) = %d, want %d", word, got, want)
		}
	}
	for n, want := range []int{0, 1, 2, 3, 3, 4, 5, 6, 6} {
		if got := search.Needed(n); got != want {
			t.Errorf("Needed(%d) = %d, want %d", n, got, want)
		}
	}
}

func TestSign_SaysTheSameOfTheSameDocument(t *testing.T) {
	t.Parallel()
	doc := func(change func(*search.Document)) string {
		d := search.Document{Kind: "article", ID: 1, Instance: 2, Site: 3, ACL: "site:3/instance:2", Author: 4,
			Tags: []string{"b", "a"}, Categories: []stoa.ID{9, 8}, Created: time.Unix(1, 5), Modified: time.Unix(2, 0),
			Texts: map[stoa.Locale]search.Text{"en": {Title: "T"}, "de": {Title: "Z"}}}
		change(&d)
		d.Sign()
		return d.Digest
	}
	same := doc(func(*search.Document) {})
	for name, change := range map[string]func(*search.Document){
		"the order of tags": func(d *search.Document) { d.Tags = []string{"a", "b", "a"} },
		"a zone":            func(d *search.Document) { d.Created = d.Created.In(time.FixedZone("x", 3600)) },
		"a version":         func(d *search.Document) { d.Version = 7 },
		"parts of a second": func(d *search.Document) { d.Modified = d.Modified.Add(time.Millisecond) },
	} {
		if doc(change) != same {
			t.Errorf("%s makes another document", name)
		}
	}
	for name, change := range map[string]func(*search.Document){
		"ACL":  func(d *search.Document) { d.ACL = "page:1!/" + d.ACL },
		"text": func(d *search.Document) { d.Texts["en"] = search.Text{Body: "T"} },
		"locale": func(d *search.Document) {
			d.Texts = map[stoa.Locale]search.Text{"en": {Title: "Z"}, "de": {Title: "T"}}
		},
		"tag":    func(d *search.Document) { d.Tags = nil },
		"author": func(d *search.Document) { d.Author = 0 },
		"time":   func(d *search.Document) { d.Modified = time.Unix(3, 0) },
	} {
		if doc(change) == same {
			t.Errorf("%s makes no other document", name)
		}
	}
}
