package dbcheck

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestFindings_AreAllExplained(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "operate", "database.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(doc), "## What a finding means")
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile(`(?:\badd\(|Code: )"([a-z-]+)"`)
	seen := 0
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range code.FindAllStringSubmatch(string(text), -1) {
			seen++
			if !strings.Contains(table, "`"+m[1]+"`") {
				t.Errorf("%s: the finding %s is not in docs/operate/database.md", f, m[1])
			}
		}
	}
	if seen < 50 {
		t.Errorf("only %d findings were looked for", seen)
	}
}
