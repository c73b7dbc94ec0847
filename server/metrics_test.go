package server_test

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/stoa-portal/stoa/server/servertest"
)

var (
	metricType = regexp.MustCompile(`(?m)^# TYPE (stoa_\S+) (\S+)$`)
	metricRow  = regexp.MustCompile("(?m)^\\| `(stoa_[a-z_]+)` \\| (\\w+) \\| ([a-z, ]*?) ?\\| ")
	metricName = regexp.MustCompile(`\bstoa_[a-z_]+`)
)

// documented gives the type of each metric that docs/operate/metrics.md lists.
func documented(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", "operate", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]string{}
	for _, row := range metricRow.FindAllStringSubmatch(string(text), -1) {
		types[row[1]] = row[2]
	}
	if len(types) < 40 {
		t.Fatalf("found %d metrics only", len(types))
	}
	return types
}

func TestMetrics_AreThoseOfTheDocumentation(t *testing.T) {
	t.Parallel()
	nodes := servertest.Start(t, 2)
	docs := documented(t)
	// These have no series on a node that is well and whose jobs have not run yet.
	absent := map[string]bool{"stoa_cluster_findings": true, "stoa_database_replica_left_out": true,
		"stoa_job_runs_total": true, "stoa_job_run_duration_seconds": true, "stoa_cluster_events_unread": true,
		"stoa_change_lag": true, "stoa_cluster_clock_offset_seconds": true}
	for _, n := range nodes {
		if got := n.Get(t, "/"); got.Status >= 500 {
			t.Fatalf("the home page: %d", got.Status)
		}
		answer := n.Get(t, "/metrics")
		if answer.Status != http.StatusOK {
			t.Fatalf("status %d\n%s", answer.Status, answer.Body)
		}
		seen := map[string]bool{}
		for _, m := range metricType.FindAllStringSubmatch(answer.Body, -1) {
			seen[m[1]] = true
			if docs[m[1]] != m[2] {
				t.Errorf("%s is a %s; docs/operate/metrics.md says %q", m[1], m[2], docs[m[1]])
			}
		}
		for name := range docs {
			if !seen[name] && !absent[name] {
				t.Errorf("%s is in docs/operate/metrics.md and not in /metrics", name)
			}
		}
		for _, name := range []string{"go_goroutines", "process_cpu_seconds_total"} {
			if !strings.Contains(answer.Body, "\n"+name+" ") {
				t.Errorf("%s is missing", name)
			}
		}
		problems, err := promlint.New(strings.NewReader(answer.Body)).Lint()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			if strings.HasPrefix(p.Metric, "stoa_") {
				t.Errorf("%s: %s", p.Metric, p.Text)
			}
		}
		for name := range seen {
			if series := strings.Count(answer.Body, "\n"+name+"{"); series > 150 {
				t.Errorf("%s has %d series on a new node", name, series)
			}
		}
	}
}

func TestMetrics_DashboardAndAlertsNameOnesThatAreThere(t *testing.T) {
	t.Parallel()
	docs := documented(t)
	var files []string
	for _, pattern := range []string{"grafana/*.json", "prometheus/*.yml"} {
		found, err := filepath.Glob(filepath.Join("..", "packaging", pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v, %v", pattern, found, err)
		}
		files = append(files, found...)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range metricName.FindAllString(string(text), -1) {
			plain := name
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				plain = strings.TrimSuffix(plain, suffix)
			}
			if docs[name] == "" && docs[plain] != "histogram" {
				t.Errorf("%s asks for %s, which no node has", file, name)
			}
		}
	}
}
