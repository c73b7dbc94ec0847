//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// envBefore names the program of the version before, for tests of an upgrade.
const envBefore = "STOA_TEST_BEFORE"

// commitBefore is what upgrades come from: the last release, or before the first one a fixed commit.
const commitBefore = "d903f42"

// buildBefore builds the version before from the history of the source, into the directory of the run.
func (e *environment) buildBefore(ctx context.Context) (string, error) {
	dir := filepath.Join(e.dir, "before")
	source := filepath.Join(dir, "source")
	if err := os.MkdirAll(source, 0o755); err != nil {
		return "", err
	}
	tarball, program := filepath.Join(dir, "source.tar"), filepath.Join(dir, "stoa")
	// The checkout may belong to another user, and the archive runs nothing of it.
	git := []string{"git", "-c", "safe.directory=*", "archive", "--format=tar", "-o", tarball, commitBefore}
	if _, err := output(ctx, nil, ".", git...); err != nil {
		return "", fmt.Errorf("commit %s is not in the history of this checkout; a whole clone has it (git fetch --unshallow): %w", commitBefore, err)
	}
	if _, err := output(ctx, nil, source, "tar", "-xf", tarball); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", program, "./cmd/stoa")
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.SysProcAttr = attributes(nil, syscall.SIGKILL)
	groupCancel(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build commit %s: %w\n%s", commitBefore, err, tail(string(out), 15))
	}
	return program, errors.Join(os.Remove(tarball), os.RemoveAll(source))
}

// wantsBefore reports whether the packages asked for have a test of an upgrade: building takes a minute.
func wantsBefore(o options) bool {
	for p := range strings.FieldsSeq(o.packages) {
		if strings.HasSuffix(p, "...") || strings.HasSuffix(p, "server") || strings.HasSuffix(p, "labtest") {
			return true
		}
	}
	return false
}
