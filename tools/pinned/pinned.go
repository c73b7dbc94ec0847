// Package pinned brings the programs of others that check, test and package Stoa, each in one version that is changed
// on purpose only. Go builds them from source through its module proxy, which is compared with the checksum database;
// what was built once is kept in the user's cache.
package pinned

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// programs are their packages, each with its version. None is a requirement in go.mod: their lists of modules are
// long, and would have a say in the versions of each other's.
var programs = [...]string{
	"honnef.co/go/tools/cmd/staticcheck@v0.8.2",
	"github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0",
	"golang.org/x/vuln/cmd/govulncheck@v1.9.0",
	"github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0",
	// The releases after it want modules from places that not every proxy has.
	"github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2",
	"github.com/versity/versitygw/cmd/versitygw@v1.8.0",
	"github.com/fsouza/fake-gcs-server@v1.56.1",
}

// ErrUnreachable says that a program is not there yet and could not be fetched.
var ErrUnreachable = errors.New("cannot be fetched")

// Program gives the path of the program called name, such as "staticcheck", and builds it when this machine does not
// have that version yet. A program is built again for another version of Go, whose source it could not read else.
func Program(ctx context.Context, name string) (string, error) {
	i := slices.IndexFunc(programs[:], func(p string) bool {
		pkg, _, _ := strings.Cut(p, "@")
		return path.Base(pkg) == name
	})
	if i < 0 {
		return "", fmt.Errorf("no version of %s is pinned", name)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	_, version, _ := strings.Cut(programs[i], "@")
	dir := filepath.Join(cache, "stoa-tools", runtime.Version(), name+"-"+version)
	program := filepath.Join(dir, name)
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	// Built beside and moved: two runs may begin at once.
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	beside, err := os.MkdirTemp(dir, "build")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(beside) }()
	cmd := exec.CommandContext(ctx, "go", "install", "-trimpath", programs[i])
	cmd.Dir = beside // of no module
	cmd.Env = append(os.Environ(), "GOBIN="+beside, "CGO_ENABLED=0", "GOFLAGS=", "GOOS=", "GOARCH=")
	if out, err := cmd.CombinedOutput(); err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		return "", fmt.Errorf("%s %w: %w\n%s", programs[i], ErrUnreachable, err,
			strings.Join(lines[max(0, len(lines)-5):], "\n"))
	}
	return program, os.Rename(filepath.Join(beside, name), program)
}
