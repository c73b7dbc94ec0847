//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// mutant is a mistake to plant.
type mutant struct {
	name  string
	what  string // the mistake, in words
	tests []test
	edits []edit
}

// test names tests of one package that must fail, or a story of the lab.
type test struct {
	pkg, run string
	args     []string
	lab      string // engine/story: the program that it is played with has the mistake, not the test
}

const labPackage = "./server/labtest"

// plays is how often a story is played before it counts as blind: what its people do is left to chance.
const plays = 3

// broken is what the lab says when a promise does not hold. A story that fails otherwise, such as because a
// node ended, proves nothing about who judges.
const broken = "a promise was broken"

// edit replaces lines of a file, which must stand in it exactly once.
type edit struct {
	file     string
	old, new string
}

func readCatalogue(from fs.FS) ([]mutant, error) {
	files, err := fs.Glob(from, "catalogue/*.txt")
	if err != nil {
		return nil, err
	}
	var all []mutant
	for _, name := range files {
		raw, err := fs.ReadFile(from, name)
		if err != nil {
			return nil, err
		}
		m, err := parse(strings.TrimSuffix(path.Base(name), ".txt"), string(raw))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, m)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("the catalogue is empty")
	}
	return all, nil
}

// parse reads a file of the catalogue.
func parse(name, text string) (mutant, error) {
	m := mutant{name: name}
	var words []string
	for n, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		first, rest, _ := strings.Cut(line, " ")
		switch {
		case first == "test":
			f := strings.Fields(rest)
			if len(f) < 2 {
				return m, fmt.Errorf("line %d: a package and a regular expression of tests are expected after \"test\"", n+1)
			}
			if _, err := regexp.Compile(f[1]); err != nil {
				return m, fmt.Errorf("line %d: %w", n+1, err)
			}
			m.tests = append(m.tests, test{pkg: f[0], run: f[1], args: f[2:]})
		case first == "lab":
			engine, story, ok := strings.Cut(rest, "/")
			if !ok {
				return m, fmt.Errorf("line %d: a database server and a story are expected after \"lab\", such as postgres/calm", n+1)
			}
			m.tests = append(m.tests, test{pkg: labPackage, run: fmt.Sprintf("^TestStories$/^%s$/^%s$", engine, story), args: []string{"-engines", engine}, lab: rest})
		case first == "file":
			m.edits = append(m.edits, edit{file: rest})
		case len(m.edits) == 0:
			words = append(words, strings.TrimSpace(line))
		default:
			e := &m.edits[len(m.edits)-1]
			body := ""
			if line != "" {
				body = line[1:]
			}
			switch {
			case line == "" || line[0] == ' ':
				e.old, e.new = e.old+body+"\n", e.new+body+"\n"
			case line[0] == '-':
				e.old += body + "\n"
			case line[0] == '+':
				e.new += body + "\n"
			default:
				return m, fmt.Errorf("line %d: a line of a file begins with a blank, - or +", n+1)
			}
		}
	}
	m.what = strings.TrimSpace(strings.Join(words, " "))
	if m.what == "" || !slices.ContainsFunc(m.tests, func(t test) bool { return t.lab == "" }) || len(m.edits) == 0 {
		return m, fmt.Errorf("words, a test and a file are expected")
	}
	return m, nil
}

// hunt plants the mutant and runs its tests, those of the lab if told so, which must pass without it. It
// gives the tests that caught it. An error says that one of those named did not, that the mutant does not fit the source any more, or
// does not compile.
func (m mutant) hunt(ctx context.Context, root string, lab bool) (killers string, err error) {
	dir, err := os.MkdirTemp("", "stoa-mutant")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	overlay, err := m.plant(root, dir)
	if err != nil {
		return "", err
	}
	var all []string
	for i, t := range m.tests {
		if t.lab != "" && !lab {
			continue
		}
		binary := filepath.Join(dir, fmt.Sprint(i, ".test"))
		if err := t.pass(ctx, root, binary); err != nil {
			return "", err
		}
		names, err := t.fail(ctx, root, overlay, binary)
		if err != nil {
			return "", err
		}
		all = append(all, names...)
	}
	return strings.Join(all, ", "), nil
}

// plant writes the changed files beside the tree and gives the file that puts them in their places.
func (m mutant) plant(root, dir string) (overlay string, err error) {
	changed := map[string]string{}
	for _, e := range m.edits {
		text, found := changed[e.file]
		if !found {
			raw, err := os.ReadFile(filepath.Join(root, e.file))
			if err != nil {
				return "", err
			}
			text = string(raw)
		}
		if n := strings.Count(text, e.old); n != 1 {
			return "", fmt.Errorf("it does not fit any more: %s has these lines %d times, not once:\n%s", e.file, n, e.old)
		}
		changed[e.file] = strings.Replace(text, e.old, e.new, 1)
	}
	replace := map[string]string{}
	for file, text := range changed {
		place, err := filepath.Abs(filepath.Join(root, file))
		if err != nil {
			return "", err
		}
		beside := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(beside, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[place] = beside
	}
	raw, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, raw, 0o600)
}

var failed = regexp.MustCompile(`(?m)^--- FAIL: (\S+)`)

// pass runs the tests without the mutant: what fails anyway catches nothing.
func (t test) pass(ctx context.Context, root, binary string) error {
	out, err := t.execute(ctx, root, "", binary)
	switch {
	case err != nil:
		return fmt.Errorf("without it %s of %s does not pass either: %w\n%s", t.run, t.pkg, err, last(out, 20))
	case bytes.Contains(out, []byte("no tests to run")):
		return fmt.Errorf("%s has no test %s", t.pkg, t.run)
	case bytes.Contains(out, []byte("--- SKIP")):
		return fmt.Errorf("%w: %s of %s", errSkipped, t.run, t.pkg)
	}
	return nil
}

// fail runs the tests with the mutant, and they must.
func (t test) fail(ctx context.Context, root, overlay, binary string) ([]string, error) {
	out, err := t.execute(ctx, root, overlay, binary)
	for play := 1; err == nil && t.lab != "" && play < plays; play++ {
		out, err = t.execute(ctx, root, overlay, binary)
	}
	if errors.Is(err, errBuild) {
		return nil, err
	}
	var names []string
	for _, f := range failed.FindAllSubmatch(out, -1) {
		names = append(names, string(f[1]))
	}
	switch {
	case err == nil:
		return nil, fmt.Errorf("NOT CAUGHT by %s of %s\n%s", t.run, t.pkg, last(out, 20))
	case len(names) == 0:
		return nil, fmt.Errorf("%s of %s ended without a failing test: %w\n%s", t.run, t.pkg, err, last(out, 40))
	case t.lab != "" && !bytes.Contains(out, []byte(broken)):
		return nil, fmt.Errorf("%s failed, but not because %s: %w\n%s", t.lab, broken, err, last(out, 40))
	case t.lab != "":
		return []string{t.lab}, nil
	}
	return slices.Compact(names), nil
}

var (
	errBuild   = errors.New("it does not compile")
	errSkipped = errors.New("a test that must catch it was skipped, which make mutants would not do")
)

// execute builds the package's tests and runs those named.
func (t test) execute(ctx context.Context, root, overlay, binary string) ([]byte, error) {
	args := append([]string{"-test.run", t.run, "-test.v", "-test.failfast", "-test.timeout", "5m"}, t.args...)
	if t.lab != "" {
		args, overlay = append(args, "-overlay", overlay), ""
	}
	if out, err := command(ctx, root, "go", "test", "-c", "-overlay", overlay, "-o", binary, t.pkg).CombinedOutput(); err != nil {
		return out, fmt.Errorf("%w: %s: %w\n%s", errBuild, t.pkg, err, out)
	}
	return command(ctx, filepath.Join(root, t.pkg), binary, args...).CombinedOutput()
}

func command(ctx context.Context, dir, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

func last(out []byte, lines int) string {
	all := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
