package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/stoa-portal/stoa"
)

// includeName is the one name that may stand several times in a file: it adds files to read.
const includeName = "include-and-override"

const (
	homeRef     = "${liferay.home}"
	externalRef = "${external-properties}"
)

// reader reads the sources one after the other; the last one to name a property wins.
type reader struct {
	reg      *registry
	work     string // absolute
	home     string // absolute; empty in the first pass, which looks for it
	external string
	fixed    map[string]string // names that references may use although no file sets them

	values   map[string]setting
	queue    []include
	seen     map[string]bool
	files    []string // as shown, in the order in which they were read
	found    map[string]bool
	order    int
	problems []ordered
	warnings []string
	notes    []note // of the search server in .config files
}

// ordered is a wrong value with its place in the order of reading.
type ordered struct {
	order int
	err   error
}

// include is a file that some other file asks for.
type include struct {
	raw    string
	source string // who asks
	dir    string // folder of the file that asks; empty for the built-in one
}

func newReader(reg *registry, work, home, external string) *reader {
	fixed := map[string]string{
		"user.dir": work, "file.separator": string(filepath.Separator), "path.separator": string(filepath.ListSeparator),
		"java.io.tmpdir": os.TempDir(), "default.liferay.home": filepath.Join(work, "stoa-home"), "external-properties": external,
	}
	if dir, err := os.UserHomeDir(); err == nil {
		fixed["user.home"] = dir
	}
	if home != "" {
		fixed["liferay.home"] = home
	}
	return &reader{reg: reg, work: work, home: home, external: external, fixed: fixed,
		values: map[string]setting{}, seen: map[string]bool{}, found: map[string]bool{}}
}

func (r *reader) invalid(order int, field, format string, args ...any) {
	r.problems = append(r.problems, ordered{order, stoa.Invalid(field, format, args...)})
}

func (r *reader) warn(format string, args ...any) {
	r.warnings = append(r.warnings, fmt.Sprintf(format, args...))
}

// readFiles reads the built-in file and then every file that is asked for, in the order in which they
// are asked for.
func (r *reader) readFiles() {
	lines, _ := lex(builtIn)
	r.take(lines, "", "")
	r.readConfigs()
	for len(r.queue) > 0 {
		next := r.queue[0]
		r.queue = r.queue[1:]
		r.include(next)
	}
	if r.external != "" && !r.found[r.external] {
		r.invalid(r.order, "external-properties", "the file %q is neither in %s nor in %s; give the name of a file that exists",
			clip(r.external), r.work, r.home)
	}
}

// include reads the files that one include-and-override names.
func (r *reader) include(in include) {
	for _, raw := range splitList(in.raw) {
		if strings.Contains(raw, homeRef) && r.home == "" || strings.Contains(raw, externalRef) && r.external == "" {
			continue
		}
		if strings.Contains(raw, externalRef) && filepath.IsAbs(r.external) && raw != externalRef {
			continue
		}
		v := newExpander(r.reg, r.fixed, r.values).text(raw)
		if v.problem != "" {
			r.invalid(r.order, includeName, "%s: %s", in.source, v.problem)
			continue
		}
		read := false
		for _, path := range r.candidates(v.value, in.dir) {
			if read = r.file(path, in.source); read {
				break
			}
		}
		if read && strings.Contains(raw, externalRef) {
			r.found[r.external] = true
		}
		if !read && in.dir != "" {
			r.warn("%s at %s asks for %q, which does not exist and is left out", includeName, in.source, clip(v.value))
		}
	}
}

// candidates gives the places of a file: what Liferay calls the class path is the working directory
// here; a file next to the one that asks for it is found too.
func (r *reader) candidates(name, dir string) []string {
	if filepath.IsAbs(name) {
		return []string{filepath.Clean(name)}
	}
	paths := []string{filepath.Join(r.work, name)}
	if dir != "" && dir != r.work {
		paths = append(paths, filepath.Join(dir, name))
	}
	return paths
}

// file reads one file and reports whether it exists. A file that was read before is not read again.
func (r *reader) file(path, askedBy string) bool {
	if r.seen[path] {
		return true
	}
	name := r.display(path)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	r.seen[path] = true
	switch {
	case err != nil:
		r.invalid(r.order, name, "the file cannot be read (%v); make it readable or remove it", bare(err))
		return true
	case !info.Mode().IsRegular():
		r.invalid(r.order, name, "this is not a file; a properties file is expected")
		return true
	case len(r.files) >= maxFilesRead:
		r.invalid(r.order, name, "%s asks for more than %d files; is there a mistake?", askedBy, maxFilesRead)
		return true
	}
	text, err := readLimited(path)
	if err != nil {
		r.invalid(r.order, name, "the file cannot be read (%v); make it readable or remove it", bare(err))
		return true
	}
	r.files = append(r.files, name)
	lines, problems := lex(text)
	for _, p := range problems {
		r.order++
		r.invalid(r.order, "", "%s:%d: %s", name, p.number, p.message)
	}
	r.take(lines, name, filepath.Dir(path))
	return true
}

// readLimited reads a little more than the largest file that lex takes, so that lex sees the excess.
func readLimited(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	return string(data), err
}

// bare takes the path out of an error, because the message names it already.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// display gives a path as messages show it: relative when it lies below the working directory.
func (r *reader) display(path string) string {
	if rel, err := filepath.Rel(r.work, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}

// take enters the lines of one file. Values marked [stoa] count more than the others of the same file.
// An empty name is the built-in file.
func (r *reader) take(lines []line, name, dir string) {
	first := map[string]int{}
	var twice []string
	for _, own := range []bool{false, true} {
		for _, l := range lines {
			canonical, marked := r.reg.canonical(l.key)
			if marked != own {
				continue
			}
			source := "default"
			if name != "" {
				source = fmt.Sprintf("%s:%d", name, l.number)
			}
			if canonical == includeName {
				r.queue = append(r.queue, include{l.value, source, dir})
				continue
			}
			if before, ok := first[l.key]; ok {
				twice = append(twice, fmt.Sprintf("%s (lines %d and %d)", clip(canonical), before, l.number))
			}
			first[l.key] = l.number
			r.set(setting{name: canonical, raw: l.value, source: source, file: name})
		}
	}
	if len(twice) > 0 {
		r.warn("%s sets names more than once, the last line counts: %s", name, some(twice))
	}
}

func (r *reader) set(s setting) {
	r.order++
	s.order = r.order
	r.values[s.name] = s
}

// some joins the first few of many.
func some(items []string) string {
	const limit = 20
	if len(items) <= limit {
		return strings.Join(items, ", ")
	}
	return fmt.Sprintf("%s, and %d more (stoa config lists them all)", strings.Join(items[:limit], ", "), len(items)-limit)
}

// variable is an environment variable that sets a property.
type variable struct {
	name, value, property string
	warnings              []string
	rank                  int // the higher wins: prefix first, then the exact form of the name
}

// readEnvironment enters the variables with either prefix. STOA_ counts more than LIFERAY_, and an
// exact name more than a mistaken one.
func (r *reader) readEnvironment(environ []string) {
	r.readJavaOptions(environ)
	var vars []variable
	for _, item := range environ {
		name, value, ok := strings.Cut(item, "=")
		if !ok || name == homeVariable || name == javaOptions || name == PrefixStoa || name == PrefixLiferay {
			continue
		}
		v := variable{name: name, value: value}
		switch {
		case strings.HasPrefix(name, PrefixStoa):
			v.rank = 2
		case !strings.HasPrefix(name, PrefixLiferay):
			continue
		}
		var lenient bool
		v.property, v.warnings, lenient = decodeEnv(r.reg, name)
		if !lenient {
			v.rank++
		}
		vars = append(vars, v)
	}
	sort.SliceStable(vars, func(i, j int) bool {
		if vars[i].rank != vars[j].rank {
			return vars[i].rank < vars[j].rank
		}
		return vars[i].name < vars[j].name
	})
	for _, own := range []bool{false, true} {
		for _, v := range vars {
			r.takeVariable(v, own)
		}
	}
}

func (r *reader) takeVariable(v variable, own bool) {
	property, marked := r.reg.canonical(v.property)
	if marked != own {
		return
	}
	if property == includeName {
		r.warn("environment variable %s is ignored: %s works in files only", clip(v.name), includeName)
		return
	}
	// What is wrong with the name of a variable that sets nothing known is told with the unknown names.
	if r.reg.knows(property) {
		r.warnings = append(r.warnings, v.warnings...)
		if strings.HasSuffix(v.value, "\n") || strings.HasSuffix(v.value, "\r") {
			r.warn("environment variable %s ends in a line end, which is part of the value; write it without one "+
				"(printf instead of echo)", clip(v.name))
		}
	}
	r.set(setting{name: property, raw: v.value, source: "environment " + clip(v.name)})
}
