package lang_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/lang"
)

// sources gives the text of every Go file and template of the product that can name a key.
var sources = sync.OnceValues(func() (map[string]string, error) {
	out := map[string]string{}
	err := filepath.WalkDir("..", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && (name == ".git" || name == "testdata" || name == "tools" || name == "bin") {
			return filepath.SkipDir
		}
		if ext := filepath.Ext(p); d.IsDir() || ext != ".go" && ext != ".html" || strings.HasSuffix(p, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(p)
		out[p] = string(text)
		return err
	})
	return out, err
})

func read(t *testing.T) map[string]string {
	t.Helper()
	all, err := sources()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// asked finds keys where a word is asked for: {{word "a.b"}}, (word "a.b" .X), w.Word("a.b", x), stoa.Phrase("a.b").
var asked = regexp.MustCompile(`\b(?:word|Word|Phrase)[ (]\s*"([a-z0-9-]+\.[a-z0-9.-]+)"`)

// literal finds whatever looks like a key.
var literal = regexp.MustCompile(`"([a-z0-9-]+\.[a-z0-9.-]+)"`)

func TestCatalogue_EveryKeyUsedIsThereAndEveryKeyIsUsed(t *testing.T) {
	t.Parallel()
	keys, seen := lang.Keys(), map[string]bool{}
	for p, text := range read(t) {
		for _, m := range asked.FindAllStringSubmatch(text, -1) {
			if _, ok := keys[m[1]]; !ok {
				t.Errorf("%s uses %s, which no file of lang/en has", p, m[1])
			}
		}
		for _, m := range literal.FindAllStringSubmatch(text, -1) {
			seen[m[1]] = true
		}
	}
	for key := range keys {
		if !seen[key] {
			t.Errorf("nothing uses %s", key)
		}
	}
}

// key tells the name of a word from an English sentence that is its own key.
var key = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)+$`)

// verb is where an argument goes into a sentence: its flags with width and precision, its number, its letter.
var verb = regexp.MustCompile(`%([-+# 0-9.]*)(\[\d\])?([a-zA-Z])`)

// verbs gives the arguments of a sentence in the order of their numbers, so that a translation can move them.
func verbs(sentence string) []string {
	var out []string
	for i, m := range verb.FindAllStringSubmatch(strings.ReplaceAll(sentence, "%%", ""), -1) {
		number := m[2]
		if number == "" {
			number = "[" + strconv.Itoa(i+1) + "]"
		}
		out = append(out, "%"+number+m[1]+m[3])
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// A verb that fmt cannot read, such as %[2].40q instead of %.40[2]q, would be seen only by who causes the error.
func TestCatalogue_EachSentenceCanBeSaid(t *testing.T) {
	t.Parallel()
	for _, l := range lang.Languages() {
		for k, sentence := range lang.In(l).Keys() {
			var args []any
			for _, v := range verbs(sentence) {
				switch v[len(v)-1] {
				case 'd':
					args = append(args, 7)
				case 'f':
					args = append(args, 1.5)
				default:
					args = append(args, "x")
				}
			}
			if said := lang.In(l).Word(k, args...); strings.Contains(said, "%!") && len(args) > 0 {
				t.Errorf("%s: %q says %q", l, k, said)
			}
		}
	}
}

// An area that is translated is translated whole, and into each language; what is put into a sentence is put into its
// translation, too.
func TestCatalogue_EachLanguageHasTheSameWords(t *testing.T) {
	t.Parallel()
	languages := lang.Languages()
	areas := map[string]bool{} // translated
	list, err := filepath.Glob("de/*.txt")
	if err != nil || len(list) == 0 {
		t.Fatal("no files of German words:", err)
	}
	for _, p := range list {
		areas[strings.TrimSuffix(filepath.Base(p), ".txt")] = true
	}
	english := lang.Keys()
	german := lang.In("de").Keys()
	for _, l := range languages[1:] {
		have := lang.In(l).Keys()
		for k, sentence := range have {
			from, ok := k, german[k] != ""
			if key.MatchString(k) {
				from, ok = english[k], english[k] != ""
			}
			if !ok {
				t.Errorf("%s: no other language has the word %q", l, k)
			} else if want, got := verbs(from), verbs(sentence); !slices.Equal(want, got) {
				t.Errorf("%s: %q has the arguments %q, its translation %q has %q", l, from, want, sentence, got)
			}
		}
		for k := range german {
			if have[k] == "" {
				t.Errorf("%s misses %q", l, k)
			}
		}
		for k := range english {
			if area, _, _ := strings.Cut(k, "."); have[k] == "" && areas[area] {
				t.Errorf("%s misses %s", l, k)
			}
		}
	}
}

// A sentence that is its own key stands in the program as it stands in the catalogues.
func TestCatalogue_SentencesAreThoseOfTheProgram(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for _, text := range read(t) {
		all.WriteString(text + "\n")
	}
	text := joined.ReplaceAllString(all.String(), "")
	for k := range lang.In("de").Keys() {
		if !key.MatchString(k) && !strings.Contains(text, strings.ReplaceAll(k, `"`, `\"`)) &&
			!strings.HasPrefix(k, "there is no ") {
			t.Errorf("nothing says %q", k)
		}
	}
}

// joined is where a sentence goes on in the next line.
var joined = regexp.MustCompile("\"\\s*\\+\\s*\"")

func TestWord_GivesTheLineOfItsKey(t *testing.T) {
	t.Parallel()
	if got := lang.Word("common."+"not-a-key", 1); !strings.HasPrefix(got, "common.not-a-key") {
		t.Errorf("a key that is not there gives %q", got)
	}
	for key, sentence := range lang.Keys() {
		if !strings.Contains(sentence, "%") && lang.Word(key) != sentence {
			t.Errorf("%s gives %q, its line says %q", key, lang.Word(key), sentence)
		}
	}
}

func TestWord_ChoosesThePluralOfTheLanguage(t *testing.T) {
	t.Parallel()
	for l, want := range map[stoa.Locale][2]string{
		"en": {"1 minute", "5 minutes"}, "de-AT": {"1 Minute", "5 Minuten"}, "ja": {"1 分", "5 分"},
		"fr": {"1 minute", "5 minutes"},
	} {
		w := lang.In(l)
		if one, five := w.Word("signin.minutes", 1), w.Word("signin.minutes", 5); one != want[0] || five != want[1] {
			t.Errorf("%s: %q and %q, want %q", l, one, five, want)
		}
	}
}

func TestIn_LeadsToTheNearestLanguage(t *testing.T) {
	t.Parallel()
	for l, want := range map[stoa.Locale]stoa.Locale{
		"de-AT": "de", "es-MX": "es", "fr-CA": "fr", "ja-JP": "ja", "en-GB": "en", "gsw": "de", "ar": "en", "": "en",
		"%%": "en",
	} {
		if got := lang.In(l).Locale(); got != want {
			t.Errorf("%q leads to %q, want %q", l, got, want)
		}
	}
}

func TestAccepted_GoesByWhatTheBrowserLikesBest(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]stoa.Locale{
		"de-CH,de;q=0.9,en;q=0.8": "de", "en;q=0.3,ja;q=0.9": "ja", "sv,fr;q=0.5": "fr", "": "en", "*": "en", ";;;": "en",
		strings.Repeat("de,", 2000): "de", "de-DE,de;q=0.9,xx;q=0.1": "de", "sv-ä,fr;q=0.5": "fr", "en;q=0,ja": "ja",
		strings.Repeat("x", 600): "en", "ja," + strings.Repeat("x", 600): "ja",
	} {
		if got := lang.Accepted(header).Locale(); got != want {
			t.Errorf("%.40q leads to %q, want %q", header, got, want)
		}
	}
}

// What a person has typed is put into a sentence as it is, whatever it looks like, and a message without a
// translation is shown in English.
func TestError_IsSaidInTheLanguageOfTheReader(t *testing.T) {
	t.Parallel()
	de := lang.In("de")
	if got := de.Error(stoa.Invalid("x", "this sentence %q is in no catalogue",
		"50 %d")); got != `this sentence "50 %d" is in no catalogue` {
		t.Errorf("without a translation: %q", got)
	}
	e := &stoa.Error{Message: "100 %d", Sentence: ""}
	if got := de.Error(e); got != "100 %d" {
		t.Errorf("a message of no sentence: %q", got)
	}
	e = stoa.Invalid("", "this takes too long at the moment; try again later")
	if got := de.Error(e); !strings.HasPrefix(got, "das dauert") {
		t.Errorf("translated: %q", got)
	}
}
