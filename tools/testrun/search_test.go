//go:build linux

package main

import (
	"encoding/xml"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestSearchServers_OneEachDayAndTheOthersByTurns(t *testing.T) {
	daily, days, envs := 0, map[time.Weekday]bool{}, map[string]bool{}
	for _, s := range searchServers() {
		switch {
		case s.daily:
			daily++
		case days[s.day]:
			t.Errorf("%s has the day of another one, %s: they would slow the run", s.name, s.day)
		default:
			days[s.day] = true
		}
		if !strings.HasPrefix(s.env, "STOA_TEST_") || envs[s.env] {
			t.Errorf("%s: the variable %q is of another one or of none", s.name, s.env)
		}
		envs[s.env] = true
	}
	if daily != 1 {
		t.Errorf("%d search servers are tested each day, want 1", daily)
	}
}

func TestSearchServers_AreOfExactVersions(t *testing.T) {
	exact := regexp.MustCompile(`^\d+\.\d+\.\d+$`)
	for _, s := range searchServers() {
		text, err := s.pom()
		if err != nil {
			t.Fatal(err)
		}
		var pom struct {
			Dependencies []struct {
				Name    string `xml:"artifactId"`
				Version string `xml:"version"`
			} `xml:"dependencies>dependency"`
		}
		if err := xml.Unmarshal([]byte(text), &pom); err != nil {
			t.Fatalf("%s: %v in\n%s", s.name, err, text)
		}
		if len(pom.Dependencies) != len(s.artefacts) {
			t.Errorf("%s: %d artefacts, want %d", s.name, len(pom.Dependencies), len(s.artefacts))
		}
		for _, d := range pom.Dependencies {
			if !exact.MatchString(d.Version) {
				t.Errorf("%s: %s of version %q, want an exact one", s.name, d.Name, d.Version)
			}
		}
		for _, name := range s.sources() {
			b, err := searchFiles.ReadFile("searchnode/" + name)
			if err != nil || strings.Contains(strings.NewReplacer(s.replace...).Replace(string(b)), "(/*") {
				t.Errorf("%s: %s is not there or not filled in: %v", s.name, name, err)
			}
		}
	}
}

func TestWantsSearch_ByPackage(t *testing.T) {
	for pkg, want := range map[string]bool{
		"./...": true, "./search": true, "./search/remote": true, "./server": true, "./page": false, "./page ./search": true,
	} {
		if got := wantsSearch(options{packages: pkg}); got != want {
			t.Errorf("%s: %v, want %v", pkg, got, want)
		}
	}
}
