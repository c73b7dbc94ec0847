package pages

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/widget"
)

// said lists what a person reads of a type.
func said(t widget.Type) []string {
	out := []string{t.Title, t.Description}
	for _, f := range t.Fields {
		out = append(out, f.Label, f.Help)
		for _, o := range f.Options {
			out = append(out, o.Label)
		}
	}
	return slices.DeleteFunc(out, func(s string) bool { return s == "" })
}

// What the palette and the forms say of a widget is known in each language of the interface.
func TestTranslated_KnowsEachWordOfTheWidgets(t *testing.T) {
	t.Parallel()
	all := widget.New(slices.Concat(page.Widgets(nil), content.Widgets(nil), document.Widgets(nil))...)
	for _, l := range lang.Languages()[1:] {
		have := lang.In(l).Keys()
		for _, kind := range all.Types() {
			for _, s := range said(kind) {
				if have[s] == "" {
					t.Errorf("%s has no words for %q of the widget %s", l, s, kind.Name)
				}
			}
		}
	}
}

func TestTypes_AreTranslatedAndSortedInTheLanguage(t *testing.T) {
	t.Parallel()
	h := &screens{o: Options{Catalogue: widget.New(slices.Concat(page.Widgets(nil), content.Widgets(nil),
		document.Widgets(nil))...)}}
	for l, want := range map[stoa.Locale]string{
		"en": "Banner, Breadcrumb, Button, Content List, Gallery, Image, Language Selector, Navigation Menu, " +
			"Search Bar, Sign In, " +
			"Text, Video, " +
			"Web Content Display",
		"de": "Anmeldung, Banner, Bild, Brotkrumen-Navigation, Galerie, Inhaltsliste, Navigation, Schaltfläche, " +
			"Sprachauswahl, Suchfeld, " +
			"Text, Video, Webinhalt anzeigen",
	} {
		var titles []string
		for _, kind := range h.types(lang.In(l)) {
			titles = append(titles, kind.Title)
			if kind.Name == "navigation" && l == "de" && kind.Fields[1].Options[0].Label != "Alle Seiten" {
				t.Errorf("the first choice is %q", kind.Fields[1].Options[0].Label)
			}
		}
		if got := strings.Join(titles, ", "); got != want {
			t.Errorf("%s: %s\nwant %s", l, got, want)
		}
	}
}

// used is where the script of the page editor says a word.
var used = regexp.MustCompile(`\bwords\.([a-zA-Z]+)`)

// upper is where a name of a script's dataset has a hyphen in the page.
var upper = regexp.MustCompile(`[A-Z]`)

// The page brings each word that its script says, and no others.
func TestPageEditor_BringsTheWordsOfItsScript(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("../../look/assets/pageeditor.js")
	if err != nil {
		t.Fatal(err)
	}
	screen, err := os.ReadFile("templates/pageeditor.html")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(screen), "<template data-words")
	attrs, _, ok := strings.Cut(rest, "</template>")
	if !ok {
		t.Fatal("the page has no words for its script")
	}
	said := map[string]bool{}
	for _, m := range used.FindAllStringSubmatch(string(script), -1) {
		name := upper.ReplaceAllStringFunc(m[1], func(s string) string { return "-" + strings.ToLower(s) })
		said["data-"+name] = true
		if !strings.Contains(attrs, "data-"+name+`="`) {
			t.Errorf("the script says %s, which the page does not bring", m[0])
		}
	}
	for _, name := range regexp.MustCompile(`data-[a-z-]+`).FindAllString(attrs, -1) {
		if !said[name] {
			t.Errorf("the page brings %s, which its script does not say", name)
		}
	}
}
