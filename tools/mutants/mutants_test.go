//go:build linux

package main

import (
	"bytes"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func all(t *testing.T) []mutant {
	t.Helper()
	ms, err := readCatalogue(catalogue)
	if err != nil {
		t.Fatal(err)
	}
	return ms
}

// A mutant whose lines were changed, or whose test was renamed, is noticed at once and not on its day.
func TestCatalogue_FitsTheSource(t *testing.T) {
	root := filepath.Join("..", "..")
	for _, m := range all(t) {
		if _, err := m.plant(root, t.TempDir()); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
		for _, x := range m.tests {
			if engine, story := path.Split(x.lab); story != "" {
				stories := filepath.Join(root, labPackage, "testdata/stories")
				ofAll, _ := filepath.Glob(filepath.Join(stories, story+".txtar")) // the patterns are good
				ofOne, _ := filepath.Glob(filepath.Join(stories, engine, story+".txtar"))
				if len(ofAll)+len(ofOne) == 0 || engine != "postgres/" && engine != "mariadb/" {
					t.Errorf("%s: there is no story %s", m.name, x.lab)
				}
				continue
			}
			var source bytes.Buffer
			files, err := filepath.Glob(filepath.Join(root, x.pkg, "*_test.go"))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range files {
				raw, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				source.Write(raw)
			}
			if !regexp.MustCompile(`func [A-Za-z0-9_]*` + x.run).Match(source.Bytes()) {
				t.Errorf("%s: %s has no test %s", m.name, x.pkg, x.run)
			}
		}
	}
}

func TestOfDay_EachHasItsDay(t *testing.T) {
	ms := all(t)
	day := time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)
	seen := map[string]bool{}
	for i := range ms {
		m := ofDay(ms, day.AddDate(0, 0, i))
		if again := ofDay(ms, day.AddDate(0, 0, i).Add(23*time.Hour)); again.name != m.name {
			t.Errorf("one day has %s and %s", m.name, again.name)
		}
		seen[m.name] = true
	}
	if len(seen) != len(ms) {
		t.Errorf("%d of %d mutants in as many days", len(seen), len(ms))
	}
}

const sum = `package sum

func Sum(a, b int) int {
	return a + b
}
`

// module writes a program whose test looks at half of what it does.
func module(t *testing.T) (root string) {
	t.Helper()
	root = t.TempDir()
	for name, text := range map[string]string{
		"go.mod":     "module example.org/sum\n\ngo 1.26.0\n",
		"sum/sum.go": sum,
		"sum/sum_test.go": `package sum

import "testing"

func TestSum(t *testing.T) {
	if Sum(2, 2) != 4 {
		t.Error("wrong")
	}
}

func TestSkipped(t *testing.T) { t.Skip("no server") }
func TestBroken(t *testing.T)  { t.Error("anyway") }
`,
		"server/labtest/labtest_test.go": `package labtest

import (
	"flag"
	"testing"
)

var (
	engines = flag.String("engines", "", "")
	overlay = flag.String("overlay", "", "")
)

func TestStories(t *testing.T) {
	t.Run(*engines, func(t *testing.T) {
		for story, says := range map[string]string{"calm": "a promise was broken: 2 violations", "crash": "n1 ended"} {
			t.Run(story, func(t *testing.T) {
				if *overlay != "" {
					t.Error(says)
				}
			})
		}
		t.Run("blind", func(t *testing.T) {})
	})
}
`,
	} {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestHunt_TellsTheCaughtFromTheRest(t *testing.T) {
	root := module(t)
	for _, c := range []struct{ name, test, change, want string }{
		{"caught", "TestSum", "-\treturn a + b\n+\treturn a - b\n", ""},
		{"not caught", "TestSum", "-\treturn a + b\n+\treturn a * b\n", "NOT CAUGHT"},
		{"does not compile", "TestSum", "-\treturn a + b\n+\treturn c\n", "does not compile"},
		{"does not fit", "TestSum", "-\treturn b + a\n+\treturn b\n", "does not fit"},
		{"no such test", "TestProduct", "-\treturn a + b\n+\treturn a\n", "has no test"},
		{"skipped", "TestSkipped", "-\treturn a + b\n+\treturn a\n", "was skipped"},
		{"fails anyway", "TestBroken", "-\treturn a + b\n+\treturn a\n", "does not pass either"},
	} {
		m, err := parse(c.name, "Wrong.\ntest ./sum "+c.test+"\nfile sum/sum.go\n"+c.change)
		if err != nil {
			t.Fatal(err)
		}
		killers, err := m.hunt(t.Context(), root, false)
		switch {
		case c.want == "" && (err != nil || killers != "TestSum"):
			t.Errorf("%s: %q, %v", c.name, killers, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %q, %v; want %q", c.name, killers, err, c.want)
		}
	}
	if raw, err := os.ReadFile(filepath.Join(root, "sum", "sum.go")); err != nil || string(raw) != sum {
		t.Errorf("the tree was changed: %s, %v", raw, err)
	}
}

func TestHunt_AStoryMustFailByTheJudgement(t *testing.T) {
	root := module(t)
	for story, want := range map[string]string{"calm": "", "crash": "not because", "blind": "NOT CAUGHT"} {
		m, err := parse(story, "Wrong.\ntest ./sum TestSum\nlab postgres/"+story+"\nfile sum/sum.go\n-\treturn a + b\n+\treturn a - b\n")
		if err != nil {
			t.Fatal(err)
		}
		killers, err := m.hunt(t.Context(), root, true)
		if want == "" && (err != nil || killers != "TestSum, postgres/calm") || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %q, %v; want %q", story, killers, err, want)
		}
	}
	raw, err := os.ReadFile(filepath.Join("..", "..", labPackage, "world.go"))
	if err != nil || !strings.Contains(string(raw), `errors.New("`+broken+`")`) {
		t.Errorf("the lab does not say %q when it judges (%v)", broken, err)
	}
}

func TestParse_SaysWhatIsWrong(t *testing.T) {
	for _, text := range []string{"", "Wrong.\n", "Wrong.\ntest ./sum\nfile a.go\n-x\n", "Wrong.\ntest ./sum (\nfile a.go\n-x\n", "Wrong.\ntest ./sum TestSum\nfile a.go\nx\n",
		"Wrong.\nlab postgres/calm\nfile a.go\n-x\n", "Wrong.\ntest ./sum TestSum\nlab calm\nfile a.go\n-x\n"} {
		if _, err := parse("x", text); err == nil {
			t.Errorf("%q is taken for a mutant", text)
		}
	}
}
