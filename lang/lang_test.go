package lang_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa/lang"
)

// used finds keys as templates and Go name them: {{word "a.b"}}, (word "a.b" .X), lang.Word("a.b", x).
var used = regexp.MustCompile(`\b(?:word|lang\.Word)[ (]\s*"([a-z0-9-]+\.[a-z0-9.-]+)"`)

func TestCatalogue_EveryKeyUsedIsThereAndEveryKeyIsUsed(t *testing.T) {
	keys, seen := lang.Keys(), map[string]bool{}
	err := filepath.WalkDir("..", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && (name == "node_modules" || name == ".git" || name == "testdata") {
			return filepath.SkipDir
		}
		if ext := filepath.Ext(p); d.IsDir() || ext != ".go" && ext != ".html" || strings.HasSuffix(p, "lang_test.go") {
			return nil
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		for _, m := range used.FindAllStringSubmatch(string(text), -1) {
			seen[m[1]] = true
			if _, ok := keys[m[1]]; !ok {
				t.Errorf("%s uses %s, which no file of lang/en has", p, m[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for key := range keys {
		if !seen[key] {
			t.Errorf("nothing uses %s", key)
		}
	}
}

func TestWord_GivesTheLineOfItsKey(t *testing.T) {
	if got := lang.Word("common."+"not-a-key", 1); got != "common.not-a-key" {
		t.Errorf("a key that is not there gives %q", got)
	}
	for key, sentence := range lang.Keys() {
		if !strings.Contains(sentence, "%") && lang.Word(key) != sentence {
			t.Errorf("%s gives %q, its line says %q", key, lang.Word(key), sentence)
		}
	}
}
