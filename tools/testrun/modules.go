//go:build linux

package main

import (
	"context"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// toolsDir is the folder of the second module of the tree: what builds, tests and measures the product, and the
// requirements that it alone has.
const toolsDir = "tools"

// module is a part of the tree that go is run for by itself, in dir.
type module struct {
	dir      string
	packages []string // patterns, as seen from dir
}

// modulesOf shares patterns out among the modules of the tree. All packages are those of every module.
func modulesOf(patterns string) []module {
	product, tools := module{dir: "."}, module{dir: toolsDir}
	for p := range strings.FieldsSeq(patterns) {
		inTools, ok := strings.CutPrefix(p, "./"+toolsDir)
		switch {
		case ok && (inTools == "" || inTools[0] == '/'):
			tools.packages = append(tools.packages, "."+inTools)
		default:
			product.packages = append(product.packages, p)
		}
		if p == everything {
			tools.packages = append(tools.packages, everything)
		}
	}
	_, err := os.Stat(filepath.Join(toolsDir, "go.mod"))
	return slices.DeleteFunc([]module{product, tools}, func(m module) bool {
		return len(m.packages) == 0 || m.dir == toolsDir && err != nil
	})
}

// byModule gives the folder of each module with those of the packages, named by import path, that are in it.
func byModule(pkgs []string) iter.Seq2[string, []string] {
	inTools := func(p string) bool { return strings.HasPrefix(p, modulePath+"/"+toolsDir+"/") }
	return func(yield func(string, []string) bool) {
		product := slices.DeleteFunc(slices.Clone(pkgs), inTools)
		if len(product) > 0 && !yield(".", product) || len(product) == len(pkgs) {
			return
		}
		yield(toolsDir, slices.DeleteFunc(slices.Clone(pkgs), func(p string) bool { return !inTools(p) }))
	}
}

// buildTool builds one of the tools into the directory of the run.
func (r *tierRun) buildTool(ctx context.Context, name string) (string, error) {
	program := filepath.Join(r.env.dir, name)
	_, err := r.goTries(ctx, toolsDir, "build", "-buildvcs=false", "-o", program, "./"+name)
	return program, err
}
