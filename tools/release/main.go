// Command release builds what is published under a version: the program for each platform, with its licences, in
// an archive; packages for Debian and Red Hat; what each program is made of (CycloneDX); and a list of checksums.
//
//	make release VERSION=0.1.0      into dist
//	bin/release -check -out DIR     as a test, under a version that is none, and looks at what came out
//
// The same source gives the same files: times in archives are those of the commit.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stoa-portal/stoa/tools/pinned"
)

// platform is what a program is built for.
type platform struct{ system, processor string }

// platforms are all. A node is run on Linux; the others are for trying out and developing, and for commands.
var platforms = [...]platform{
	{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}, {"windows", "amd64"},
}

// released matches versions as go and packages know them. None begins with a v; tags do.
var released = regexp.MustCompile(`^\d+\.\d+\.\d+(-[0-9A-Za-z.]+)?$`)

// unreleased is the version of a release that is only tried out.
const unreleased = "0.0.0-check"

// release is one under way.
type release struct {
	version string
	out     string
	made    time.Time // of the commit
	host    string    // the program for this machine, to ask
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	version := flag.String("version", "", "version to stamp, such as 0.1.0; empty takes the tag of this commit")
	out := flag.String("out", "dist", "folder to write to; it must not exist")
	check := flag.Bool("check", false, "build as a test, under a version that is none, and look at what came out")
	flag.Parse()
	if err := run(ctx, *version, *out, *check); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, version, out string, check bool) error {
	if check {
		version = unreleased
	}
	if version == "" {
		tag, err := command(ctx, nil, "git", "describe", "--tags", "--exact-match", "--match", "v*")
		if err != nil {
			return fmt.Errorf("this commit has no tag: make release VERSION=0.1.0 names it without: %w", err)
		}
		version = strings.TrimPrefix(strings.TrimSpace(tag), "v")
	}
	if !released.MatchString(version) {
		return fmt.Errorf("%q is not a version: three numbers are expected, such as 0.1.0 or 0.1.0-rc.1", version)
	}
	if err := told(version); err != nil && !check {
		return err
	}
	r := release{version: version, out: out}
	var err error
	if r.made, err = commitTime(ctx); err != nil {
		return err
	}
	if err := os.Mkdir(out, 0o755); err != nil {
		return fmt.Errorf("a folder that does not exist is expected for a release: %w", err)
	}
	for _, p := range platforms {
		start := time.Now()
		if err := r.build(ctx, p); err != nil {
			return fmt.Errorf("%s/%s: %w", p.system, p.processor, err)
		}
		fmt.Printf("built %s/%s in %.0fs\n", p.system, p.processor, time.Since(start).Seconds())
	}
	if err := os.RemoveAll(r.path("programs")); err != nil {
		return err
	}
	if err := r.sum(); err != nil {
		return err
	}
	if check {
		return r.look(ctx)
	}
	return nil
}

// told says whether the changelog and the release notes, which are for X.Y, speak of the version.
func told(version string) error {
	changes, err := os.ReadFile("CHANGELOG.md")
	if err != nil {
		return err
	}
	plain, _, _ := strings.Cut(version, "-")
	if !regexp.MustCompile(`(?m)^## ` + regexp.QuoteMeta(plain) + `\b`).Match(changes) {
		return fmt.Errorf("CHANGELOG.md has no part for %s: give Unreleased that heading, and begin a new one", plain)
	}
	notes := "docs/releases/" + plain[:strings.LastIndexByte(plain, '.')] + ".md"
	if _, err := os.Stat(notes); err != nil {
		return fmt.Errorf("release notes are expected in %s: %w", notes, err)
	}
	return nil
}

func (r *release) path(name string) string { return filepath.Join(r.out, name) }

// build makes everything of one platform.
func (r *release) build(ctx context.Context, p platform) error {
	program := filepath.Join(r.out, "programs", p.system+"_"+p.processor, "stoa")
	if p.system == "windows" {
		program += ".exe"
	}
	target := []string{"GOOS=" + p.system, "GOARCH=" + p.processor, "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off"}
	stamp := "-s -w -X github.com/stoa-portal/stoa.release=" + r.version
	if _, err := command(ctx, target, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", stamp,
		"-o", program, "./cmd/stoa"); err != nil {
		return err
	}
	name := strings.Join([]string{"stoa", r.version, p.system, p.processor}, "_")
	if p.system == runtime.GOOS && p.processor == runtime.GOARCH {
		r.host = name
	}
	if err := r.bill(ctx, program, name); err != nil {
		return err
	}
	files := []member{
		{filepath.Base(program), program, 0o755},
		{"LICENSE", "LICENSE", 0o644}, {"NOTICES.txt", "cmd/stoa/notices.txt", 0o644},
		{"README.md", "README.md", 0o644}, {"CHANGELOG.md", "CHANGELOG.md", 0o644},
	}
	switch p.system {
	case "windows":
		return writeZip(r.path(name+".zip"), name, files, r.made)
	case "linux":
		files = append(files, member{"stoa.service", "packaging/stoa.service", 0o644})
		if err := r.packages(ctx, program, p.processor); err != nil {
			return err
		}
	}
	return writeTar(r.path(name+".tar.gz"), name, files, r.made)
}

// bill writes what modules a program is made of, as Go has noted them in it.
func (r *release) bill(ctx context.Context, program, name string) error {
	maker, err := pinned.Program(ctx, "cyclonedx-gomod")
	if err != nil {
		return err
	}
	_, err = command(ctx, nil, maker, "bin", "-json", "-std", "-noserial", "-version", "v"+r.version,
		"-output", r.path(name+".cdx.json"), program)
	return err
}

// packages makes those of Debian and Red Hat from packaging/nfpm.yaml.
func (r *release) packages(ctx context.Context, program, processor string) error {
	maker, err := pinned.Program(ctx, "nfpm")
	if err != nil {
		return err
	}
	stage, err := r.stage(program)
	if err != nil {
		return err
	}
	out, err := filepath.Abs(r.out)
	if err != nil {
		return err
	}
	env := []string{"STOA_VERSION=" + r.version, "STOA_ARCH=" + processor,
		"SOURCE_DATE_EPOCH=" + strconv.FormatInt(r.made.Unix(), 10)}
	for _, kind := range []string{"deb", "rpm"} {
		cmd := exec.CommandContext(ctx, maker, "package", "-f", "packaging/nfpm.yaml", "-p", kind, "-t", out)
		cmd.Dir, cmd.Env = stage, slices.Concat(os.Environ(), env)
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("nfpm: %w\n%s", err, text)
		}
	}
	return os.RemoveAll(stage)
}

// stage copies what goes into a package into a folder of its own, all with the time of the commit: packages keep the
// times of files, and those of a checkout are its own.
func (r *release) stage(program string) (string, error) {
	stage := filepath.Join(filepath.Dir(program), "stage")
	files := map[string]string{"stoa": program}
	for _, name := range []string{"LICENSE", "cmd/stoa/notices.txt"} {
		files[name] = name
	}
	err := filepath.WalkDir("packaging", func(name string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files[name] = name
		}
		return err
	})
	if err != nil {
		return "", err
	}
	for name, source := range files {
		text, err := os.ReadFile(source)
		if err != nil {
			return "", err
		}
		to := filepath.Join(stage, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return "", err
		}
		if err := errors.Join(os.WriteFile(to, text, 0o644), os.Chtimes(to, r.made, r.made)); err != nil {
			return "", err
		}
	}
	return stage, nil
}

// commitTime is when the commit was made that is checked out.
func commitTime(ctx context.Context) (time.Time, error) {
	text, err := command(ctx, nil, "git", "-c", "safe.directory=*", "log", "-1", "--format=%ct")
	if err != nil {
		return time.Time{}, err
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	return time.Unix(seconds, 0).UTC(), err
}

// command runs a program with more in its environment and gives what it prints.
func command(ctx context.Context, env []string, argv ...string) (string, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = slices.Concat(os.Environ(), env)
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = fmt.Errorf("%w\n%s", err, exit.Stderr)
	}
	if err != nil {
		return string(out), fmt.Errorf("%s: %w", filepath.Base(argv[0]), err)
	}
	return string(out), nil
}
