// Command notices writes cmd/stoa/notices.txt: the licence of everything that goes into the program, as
// "stoa licenses" prints it. It fails when a module has no licence that it knows, so that a person looks.
//
//	make notices           write the file
//	bin/notices -check     fail when the file is not what it would write
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const target = "cmd/stoa/notices.txt"

// platforms are those that releases are built for: a module may be in some of them only.
var platforms = [...]string{"linux/amd64", "linux/arm64", "darwin/arm64", "windows/amd64"}

// vendored are the files of others that lie in the tree, each with the file of its licence.
var vendored = [...]struct{ name, file string }{
	{"htmx (look/assets/vendor/htmx.min.js)", "look/assets/vendor/htmx.LICENSE.txt"},
	{"Source Sans 3 and Source Serif 4 (look/assets/fonts)", "look/assets/fonts/OFL.txt"},
	{"The most common passwords, from zxcvbn (user/common.txt)", "user/common.LICENSE.txt"},
	{"Tiptap, ProseMirror and what they need (look/assets/vendor/editor.js)", "look/assets/vendor/editor.LICENSES.txt"},
}

// part is one thing that goes into the program, with the text of its licence.
type part struct {
	name, licence string
	texts         []string
}

func main() {
	check := flag.Bool("check", false, "fail when the file is not what would be written")
	flag.Parse()
	if err := run(*check); err != nil {
		fmt.Fprintln(os.Stderr, "notices:", err)
		os.Exit(1)
	}
}

func run(check bool) error {
	parts, err := collect()
	if err != nil {
		return err
	}
	var b bytes.Buffer
	write(&b, parts)
	if !check {
		return os.WriteFile(target, b.Bytes(), 0o644)
	}
	have, err := os.ReadFile(target)
	if err != nil {
		return err
	}
	if !bytes.Equal(have, b.Bytes()) {
		return fmt.Errorf("%s is not what go.mod and the vendored files give: run \"make notices\" and commit it", target)
	}
	return nil
}

// collect gives the parts, sorted by name.
func collect() ([]part, error) {
	dirs := map[string][]string{}
	for _, platform := range platforms {
		if err := modules(platform, dirs); err != nil {
			return nil, err
		}
	}
	var parts []part
	for name, folders := range dirs {
		p, err := read(name, folders)
		if err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	for _, v := range vendored {
		text, err := os.ReadFile(v.file)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part{v.name, kind(string(text)), []string{string(text)}})
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env GOROOT: %w", err)
	}
	standard, err := read("The Go standard library", []string{strings.TrimSpace(string(root))})
	if err != nil {
		return nil, err
	}
	parts = append(parts, standard)
	slices.SortFunc(parts, func(a, b part) int { return strings.Compare(a.name, b.name) })
	return parts, nil
}

// modules adds the modules whose packages are linked into the program. Each comes with its folders that
// may hold a licence, its own first: a package that was taken from elsewhere has one of its own.
func modules(platform string, into map[string][]string) error {
	system, processor, _ := strings.Cut(platform, "/")
	cmd := exec.Command("go", "list", "-deps", "-json=Dir,Module", "./cmd/stoa")
	cmd.Env = append(os.Environ(), "GOOS="+system, "GOARCH="+processor, "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("go list for %s: %w", platform, err)
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			Dir    string
			Module *struct {
				Path, Version, Dir string
				Main               bool
			}
		}
		switch err := d.Decode(&p); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read what go list prints: %w", err)
		case p.Module != nil && !p.Module.Main:
			name := p.Module.Path + " " + p.Module.Version
			if p.Module.Dir == "" {
				return fmt.Errorf("%s is not in the module cache: run \"go mod download\"", name)
			}
			if into[name] == nil {
				into[name] = []string{p.Module.Dir}
			}
			for dir := p.Dir; len(dir) > len(p.Module.Dir); dir = filepath.Dir(dir) {
				if !slices.Contains(into[name], dir) {
					into[name] = append(into[name], dir)
				}
			}
		}
	}
}

// notice matches the names of files that must go with the program.
var notice = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)([-.].*)?$`)

// read gathers the licence files of the folders.
func read(name string, dirs []string) (part, error) {
	p := part{name: name}
	slices.Sort(dirs[1:])
	for _, dir := range dirs {
		list, err := os.ReadDir(dir)
		if err != nil {
			return p, fmt.Errorf("%s: %w", name, err)
		}
		for _, entry := range list {
			if entry.IsDir() || !notice.MatchString(entry.Name()) || filepath.Ext(entry.Name()) == ".go" {
				continue
			}
			text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
			if err != nil {
				return p, err
			}
			p.texts = append(p.texts, string(text))
			if p.licence == "" && dir == dirs[0] {
				p.licence = kind(string(text))
			}
		}
	}
	if p.licence == "" {
		return p, fmt.Errorf("%s: no licence that is known in %s: look at it before shipping", name, dirs[0])
	}
	return p, nil
}

// kind names a licence by a sentence that only it has.
func kind(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	for _, k := range [...]struct{ sentence, name string }{
		{"Mozilla Public License Version 2.0", "MPL-2.0"},
		{"Mozilla Public License, version 2.0", "MPL-2.0"},
		{"SIL OPEN FONT LICENSE", "OFL-1.1"},
		{"Apache License Version 2.0", "Apache-2.0"},
		{"Neither the name", "BSD-3-Clause"},
		{"Redistributions of source code", "BSD-2-Clause"},
		{"Permission is hereby granted, free of charge", "MIT"},
		{"Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee", "0BSD"},
		{"Permission to use, copy, modify, and distribute this software for any purpose", "ISC"},
		{"each under the licence printed with it", "MIT"},
	} {
		if strings.Contains(text, k.sentence) {
			return k.name
		}
	}
	return ""
}

// write prints a list of all parts, then each text once with the parts that stand under it.
func write(w io.Writer, parts []part) {
	fmt.Fprint(
		w,
		"Stoa contains the software below, each under the licence printed with it. The source of each Go module\n"+
			"is at the address that is its name, in the version given.\n\n",
	)
	under, order := map[string][]string{}, []string(nil)
	for _, p := range parts {
		fmt.Fprintf(w, "%-14s %s\n", p.licence, p.name)
		for _, text := range p.texts {
			if text = strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n")); under[text] == nil {
				order = append(order, text)
			}
			under[text] = append(under[text], p.name)
		}
	}
	for _, text := range order {
		fmt.Fprintf(w, "\n%s\n%s\n\n%s\n", strings.Repeat("-", 78), strings.Join(under[text], "\n"), text)
	}
}
