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
