package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/tools/pinned"
)

func TestWriteTar_TheSameFilesGiveTheSameArchive(t *testing.T) {
	dir := t.TempDir()
	at := time.Unix(1_700_000_000, 0).UTC()
	for name, write := range map[string]func(string, string, []member, time.Time) error{"tar": writeTar, "zip": writeZip} {
		var sums []string
		for i, age := range []time.Duration{0, time.Hour} {
			source, archive := filepath.Join(dir, "stoa"), filepath.Join(dir, name+string(rune('0'+i)))
			if err := os.WriteFile(source, []byte("a program"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(source, at.Add(age), at.Add(age)); err != nil {
				t.Fatal(err)
			}
			if err := write(archive, "stoa_1", []member{{"stoa", source, 0o755}}, at); err != nil {
				t.Fatal(err)
			}
			sum, err := sumOf(archive)
			if err != nil {
				t.Fatal(err)
			}
			sums = append(sums, sum)
		}
		if sums[0] != sums[1] {
			t.Errorf("%s: two archives of the same file differ", name)
		}
	}
}

func TestUnpack_GivesTheProgramAsItWas(t *testing.T) {
	dir := t.TempDir()
	source, archive, out := filepath.Join(dir, "a"), filepath.Join(dir, "a.tar.gz"), filepath.Join(dir, "b")
	if err := os.WriteFile(source, []byte("a program"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := writeTar(archive, "stoa_1", []member{{"stoa", source, 0o755}}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := unpack(archive, "stoa_1/stoa", out); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(out)
	if err != nil || st.Mode().Perm()&0o100 == 0 {
		t.Errorf("%v, %v, want a program that can be run", st, err)
	}
	if err := unpack(archive, "stoa_1/other", out); err == nil {
		t.Error("a file that is not in the archive was found")
	}
}

func TestReleased_KnowsVersions(t *testing.T) {
	for version, want := range map[string]bool{"0.1.0": true, "1.20.3-rc.1": true, "v0.1.0": false, "0.1": false,
		"": false, "0.1.0; rm": false} {
		if got := released.MatchString(version); got != want {
			t.Errorf("%q is a version: %v, want %v", version, got, want)
		}
	}
}

// A checksum that does not fit is seen.
func TestCheckSums_FindsAChangedFile(t *testing.T) {
	r := release{out: t.TempDir()}
	if err := os.WriteFile(r.path("a"), []byte("one"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := r.sum(); err != nil {
		t.Fatal(err)
	}
	if names, err := r.checkSums(); err != nil || len(names) != 1 {
		t.Errorf("%v, %v, want one file", names, err)
	}
	if err := os.WriteFile(r.path("a"), []byte("two"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := r.checkSums(); err == nil {
		t.Error("a changed file has its old checksum")
	}
}

func TestTold_WantsChangelogAndNotes(t *testing.T) {
	t.Chdir(t.TempDir())
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("CHANGELOG.md", "# Changelog\n\n## Unreleased\n\n## 0.1.0 (2026-12-01)\n")
	if told("0.1.0") == nil {
		t.Error("a version without release notes passes")
	}
	write("docs/releases/0.1.md", "# Stoa 0.1\n")
	if err := told("0.1.0-rc.1"); err != nil {
		t.Error(err)
	}
	if told("0.1.1") == nil {
		t.Error("a version that the changelog does not know passes")
	}
}

// Packages keep the times of files, so those must not be the checkout's.
func TestPackages_TheSameFilesGiveTheSamePackages(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program that makes packages")
	}
	t.Chdir("../..")
	program := filepath.Join(t.TempDir(), "stoa")
	var sums []string
	for _, age := range []time.Duration{0, time.Hour} {
		if err := os.WriteFile(program, []byte("a program"), 0o755); err != nil {
			t.Fatal(err)
		}
		r := release{version: "1.2.3", out: t.TempDir(), made: time.Unix(1_700_000_000, 0).UTC()}
		if err := os.Chtimes(program, r.made.Add(age), r.made.Add(age)); err != nil {
			t.Fatal(err)
		}
		if err := r.packages(t.Context(), program, "amd64"); err != nil {
			if errors.Is(err, pinned.ErrUnreachable) {
				t.Skip(err)
			}
			t.Fatal(err)
		}
		if err := r.sum(); err != nil {
			t.Fatal(err)
		}
		list, err := os.ReadFile(r.path(listName))
		if err != nil {
			t.Fatal(err)
		}
		sums = append(sums, string(list))
	}
	if sums[0] != sums[1] {
		t.Errorf("two packages of the same files differ:\n%s\n%s", sums[0], sums[1])
	}
}
