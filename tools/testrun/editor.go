//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// The rich-text editor is a file that was built once. A copy of its sources, built again from the lock
// file, must give the same bytes: else what is shipped is not what can be read.
const (
	editorSource = "tools/editor"
	editorBuilt  = "look/assets/vendor"
)

var editorFiles = [...]string{"editor.js", "editor.LICENSES.txt"}

func haveNode() bool {
	_, err := exec.LookPath("npm")
	return err == nil
}

// checkEditor builds the editor in a folder of its own and compares, byte for byte.
func (r *tierRun) checkEditor(ctx context.Context) error {
	if err := r.itsDay(editorDay); err != nil {
		return err
	}
	if _, err := os.Stat(editorSource); err != nil {
		return fmt.Errorf("%w: there is no %s", errLeftOut, editorSource)
	}
	if !haveNode() {
		return errors.New("there is no npm: install Node and npm (Debian: nodejs, npm)")
	}
	work := filepath.Join(r.env.dir, "editor")
	source, built := filepath.Join(work, editorSource), filepath.Join(work, editorBuilt)
	for _, dir := range []string{source, built} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	// What npm installed beside the sources stays where it is: the lock file alone decides.
	if _, err := output(ctx, nil, ".", "sh", "-c",
		`tar -C "$1" --exclude=./node_modules -cf - . | tar -C "$2" -xf -`, "sh", editorSource, source); err != nil {
		return fmt.Errorf("copy the editor's sources: %w", err)
	}
	if err := try(ctx, func() error {
		_, err := output(ctx, nil, source, "npm", "ci", "--ignore-scripts")
		return err
	}); err != nil {
		return err
	}
	if _, err := output(ctx, nil, source, "npm", "run", "build"); err != nil {
		return err
	}
	for _, name := range editorFiles {
		want, err := os.ReadFile(filepath.Join(built, name))
		if err != nil {
			return err
		}
		got, err := os.ReadFile(filepath.Join(editorBuilt, name))
		if err != nil {
			return err
		}
		if !bytes.Equal(got, want) {
			return fmt.Errorf("%s is not what its sources give: run \"make editor\" and commit the files",
				filepath.Join(editorBuilt, name))
		}
	}
	return nil
}

// try calls fn until it succeeds, three times at most: a registry may be away for a moment.
func try(ctx context.Context, fn func() error) (err error) {
	for range 3 {
		if err = fn(); err == nil || ctx.Err() != nil {
			return err
		}
	}
	return err
}
