//go:build linux

package main

import (
	"bytes"
	"os"
	"reflect"
	"strings"
	"testing"
)

func TestModulesOf_EachPatternGoesToItsModule(t *testing.T) {
	program(t, map[string]string{"tools/go.mod": "module example.org/x/tools\n\ngo 1.26.0\n"})
	for patterns, want := range map[string][]module{
		"./...":                   {{".", []string{"./..."}}, {"tools", []string{"./..."}}},
		"./page/... ./db":         {{".", []string{"./page/...", "./db"}}},
		"./tools/...":             {{"tools", []string{"./..."}}},
		"./page ./tools/mutants":  {{".", []string{"./page"}}, {"tools", []string{"./mutants"}}},
		"./toolsmith ./tools/a/b": {{".", []string{"./toolsmith"}}, {"tools", []string{"./a/b"}}},
	} {
		if got := modulesOf(patterns); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", patterns, got, want)
		}
	}
	if err := os.Remove("tools/go.mod"); err != nil {
		t.Fatal(err)
	}
	if got := modulesOf(everything); len(got) != 1 {
		t.Errorf("without a second module: %v, want the first alone", got)
	}
}

func TestByModule_SharesOutAllPackages(t *testing.T) {
	got := map[string][]string{}
	for dir, pkgs := range byModule([]string{modulePath, modulePath + "/tools/bench", modulePath + "/page"}) {
		got[dir] = pkgs
	}
	want := map[string][]string{".": {modulePath, modulePath + "/page"}, "tools": {modulePath + "/tools/bench"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestRun_VetReadsTheToolsAsWell(t *testing.T) {
	program(t, map[string]string{
		"a/a.go":           "package a\n",
		"tools/go.mod":     "module example.org/x/tools\n\ngo 1.26.0\n",
		"tools/bad/bad.go": "package bad\n\nimport \"fmt\"\n\nfunc F() { fmt.Printf(\"%d\", \"text\") }\n",
	})
	var out, stderr bytes.Buffer
	code := realMain([]string{"-no-race", "-no-install", "-tier", "vet"}, &out, &stderr)
	if code != 1 || !strings.Contains(out.String(), "bad/bad.go") {
		t.Errorf("exit code %d, want 1 and the name of the file; output:\n%s", code, out.String())
	}
}
