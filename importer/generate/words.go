package generate

import (
	"math/rand/v2"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/content"
)

// languages are those of a generated site, its default first.
func languages() []stoa.Locale { return []stoa.Locale{"en", "de", "fr"} }

// The vocabularies. They have letters outside of ASCII, and of the third plane, on purpose: databases and searches
// stumble over those.
var (
	english = strings.Fields("harbour market council river bridge school garden library railway museum theatre winter summer morning evening " +
		"citizen teacher builder engineer season festival concert exhibition debate budget decision proposal repair opening " +
		"history future water energy weather traffic bicycle station square tower street neighbour volunteer café naïve résumé " +
		"opens closes begins grows changes shows needs brings keeps finds builds follows quickly slowly again together often " +
		"new old large small quiet bright early late public common local open careful")
	german = strings.Fields("Hafen Markt Gemeinderat Fluß Brücke Schule Gärten Bücherei Eisenbahn Museum Theater Winter Sommer Morgen Abend " +
		"Bürgerin Lehrer Straße Platz Turm Fest Konzert Ausstellung Debatte Haushalt Beschluss Vorschlag Eröffnung Geschichte " +
		"Zukunft Wasser Energie Wetter Verkehr Fahrrad Bahnhof Nachbarn öffnet schließt beginnt wächst ändert zeigt braucht " +
		"bringt behält findet baut folgt schnell langsam wieder gemeinsam oft neu alt groß klein ruhig hell früh spät")
	french = strings.Fields("port marché conseil rivière pont école jardin bibliothèque gare musée théâtre hiver été matin soir citoyenne " +
		"maître ingénieur saison fête concert exposition débat budget décision proposition réparation ouverture histoire avenir " +
		"eau énergie météo vélo place tour rue voisin bénévole ouvre ferme commence grandit change montre apporte garde trouve " +
		"bâtit suit vite lentement encore ensemble souvent nouveau vieux grand petit calme clair tôt tard œuvre garçon")
	firstNames = strings.Fields("Ann Bela Chloé Dilan Emil Fatma Georg Hélène Igor Jürgen Katarína Lena Mehmet Nína " +
		"Olga Paul Quentin Rosa Søren Tomáš Ute Vera Wim Xenia Yusuf Zoë")
	lastNames = strings.Fields("Adler Bąk Çelik Dvořák Eriksson Fuchs García Huber Ivanova Jansen Kowalski Lefèvre Müller " +
		"Nagy O’Neill Pérez Rossi Schäfer Tóth Ünal Vogel Weiß Yılmaz Žižka")
)

// words makes texts from random numbers.
type words struct{ *rand.Rand }

func newWords(r *rand.Rand) words { return words{r} }

func (w words) pick(from []string) string { return from[w.IntN(len(from))] }

func (w words) word(l stoa.Locale) string {
	switch l {
	case "de":
		return w.pick(german)
	case "fr":
		return w.pick(french)
	}
	return w.pick(english)
}

func (w words) title(l stoa.Locale) string {
	var b strings.Builder
	for i := range 2 + w.IntN(5) {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(w.word(l))
	}
	if w.IntN(50) == 0 {
		b.WriteString(" 🚲")
	}
	return upper(b.String())
}

// slug has letters of ASCII alone, as most addresses do.
func (w words) slug() string {
	var parts []string
	for len(parts) < 3 {
		s := strings.Map(func(c rune) rune {
			if c >= 'a' && c <= 'z' {
				return c
			}
			return -1
		}, w.word("en"))
		parts = append(parts, s)
	}
	return strings.Join(parts, "-")
}

func (w words) sentence(l stoa.Locale) string {
	var b strings.Builder
	for i := range 6 + w.IntN(12) {
		if i > 0 {
			if w.IntN(8) == 0 {
				b.WriteByte(',')
			}
			b.WriteByte(' ')
		}
		b.WriteString(w.word(l))
	}
	return upper(b.String()) + "."
}

func upper(s string) string {
	c, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(c)) + s[n:]
}

func (w words) paragraph(b *strings.Builder, l stoa.Locale) {
	b.WriteString("<p>")
	for i := range 2 + w.IntN(5) {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(w.sentence(l))
	}
	b.WriteString("</p>")
}

// body is HTML of some 2,000 letters: paragraphs, headings, lists.
func (w words) body(l stoa.Locale) string {
	var b strings.Builder
	for range 1 + w.IntN(4) {
		w.paragraph(&b, l)
		switch w.IntN(4) {
		case 0:
			b.WriteString("<h2>" + w.title(l) + "</h2>")
		case 1:
			b.WriteString("<ul>")
			for range 2 + w.IntN(4) {
				b.WriteString("<li>" + w.title(l) + "</li>")
			}
			b.WriteString("</ul>")
		case 2:
			b.WriteString("<blockquote><p>" + w.sentence(l) + "</p></blockquote>")
		}
		w.paragraph(&b, l)
	}
	return b.String()
}

func (w words) text(l stoa.Locale) content.Text {
	t := content.Text{Title: w.title(l), Body: w.body(l)}
	if w.IntN(2) == 0 {
		t.Summary = w.sentence(l)
	}
	return t
}
