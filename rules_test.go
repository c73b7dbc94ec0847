package stoa_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestRules_WhatIsCitedIsWritten holds comments and names of tests to the numbers of docs/rules.md.
func TestRules_WhatIsCitedIsWritten(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("docs", "rules.md"))
	if err != nil {
		t.Fatal(err)
	}
	written := map[int]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([0-9]+)\. `).FindAllStringSubmatch(string(text), -1) {
		n, _ := strconv.Atoi(m[1])
		written[n] = true
	}
	cited := regexp.MustCompile(`(?:\b[Rr]ules? |_Rules?|TestGuard)([0-9]+)(?:(and|to| and | to )([0-9]+))?`)
	found := 0
	err = filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == "testdata" || d.Name() == ".git") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for _, m := range cited.FindAllStringSubmatch(string(b), -1) {
			found++
			first, _ := strconv.Atoi(m[1])
			last, _ := strconv.Atoi(m[3])
			for n := first; n <= max(first, last); n++ {
				if n != first && n != last && strings.TrimSpace(m[2]) == "and" {
					continue
				}
				if !written[n] {
					t.Errorf("%s cites rule %d, which docs/rules.md does not have", name, n)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 50 {
		t.Errorf("only %d citations were found: nothing was looked at", found)
	}
}
