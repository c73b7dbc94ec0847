package config

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// -update writes the two files that are made from the tables.
var update = flag.Bool("update", false, "write portal.properties and docs/properties.md")

func TestGenerated_FilesAreUpToDate(t *testing.T) {
	t.Parallel()
	for _, f := range []struct {
		path  string
		write func(io.Writer) error
	}{
		{"portal.properties", writeProperties},
		{filepath.Join("..", "docs", "properties.md"), WriteDocs},
	} {
		var want bytes.Buffer
		if err := f.write(&want); err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(f.path, want.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		have, err := os.ReadFile(f.path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(have, want.Bytes()) {
			t.Errorf("%s is stale; run: go test ./config -run Generated -update", f.path)
		}
	}
}

// The built-in file is read with the lexer here, so that a mistake in how it is written shows.
func TestGenerated_BuiltInFileHasExactlyTheDefaultsOfTheTable(t *testing.T) {
	t.Parallel()
	lines, problems := lex(builtIn)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	have := map[string]string{}
	for _, l := range lines {
		if l.key == includeName {
			continue
		}
		if _, ok := have[l.key]; ok {
			t.Errorf("%s stands twice in portal.properties", l.key)
		}
		have[l.key] = l.value
	}
	seen := map[string]bool{}
	for _, s := range sections() {
		for _, p := range s.Props {
			if seen[p.Name] {
				t.Errorf("%s has two rows", p.Name)
			}
			seen[p.Name] = true
			if s.Brief {
				continue
			}
			if got, ok := have[p.Name]; ok == p.NoValue || got != p.Default {
				t.Errorf("%s: portal.properties has %q (%t), the table %q (%t)", p.Name, got, ok, p.Default, !p.NoValue)
			}
			delete(have, p.Name)
			if p.Doc == "" || p.Doc[len(p.Doc)-1] != '.' {
				t.Errorf("%s: the meaning is no sentence: %q", p.Name, p.Doc)
			}
			if p.family() && !p.NoValue {
				t.Errorf("%s is a family of names and cannot have a default", p.Name)
			}
		}
	}
	for name := range have {
		t.Errorf("%s is in portal.properties and has no row", name)
	}
}
