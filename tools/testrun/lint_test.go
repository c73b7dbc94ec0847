//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTurn_EachDayHasItsOwnAndAllHasAll(t *testing.T) {
	days := []time.Weekday{lintDay, vulnDay, editorDay, releaseDay, alertsDay, azureDay, gcsDay}
	seen := map[time.Weekday]bool{}
	for _, day := range days {
		if seen[day] {
			t.Errorf("%s has two turns", day)
		}
		seen[day] = true
		if !(options{turns: "all"}).turn(day) || (options{turns: "none"}).turn(day) {
			t.Errorf("%s: all leaves it out, or none does not", day)
		}
		if got := (options{turns: "today"}).turn(day); got != (time.Now().UTC().Weekday() == day) {
			t.Errorf("today takes %s: %v", day, got)
		}
	}
}

func TestUnreachable_TellsNoDatabaseFromAFinding(t *testing.T) {
	if !unreachable(`govulncheck: fetching vulnerabilities: Get "https://vuln.go.dev": no such host`) {
		t.Error("a database that cannot be reached counts as a finding")
	}
	if unreachable("Vulnerability #1: GO-2024-0001\nYour code is affected by 1 vulnerability.") {
		t.Error("a finding counts as a database that cannot be reached")
	}
}

func TestQueriesAsRules_HasEachQueryOfTheDashboard(t *testing.T) {
	dir := t.TempDir()
	board, rules := filepath.Join(dir, "board.json"), filepath.Join(dir, "rules.yml")
	text := `{"panels": [{}, {"targets": [
		{"expr": "rate(a{instance=~\"$instance\"}[$__rate_interval])"}, {"expr": "b"}]}]}`
	if err := os.WriteFile(board, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := queriesAsRules(board, rules); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(rules)
	if err != nil || strings.Count(string(got), "expr") != 2 || !strings.Contains(string(got), "[5m]") {
		t.Errorf("%s, %v", got, err)
	}
	if err := os.WriteFile(board, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := queriesAsRules(board, rules); err == nil {
		t.Error("a dashboard without a query passes")
	}
}
