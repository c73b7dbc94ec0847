package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

const goalResident = 150.0 // MB

// measureSize runs the benchmarks of package transfer, each of which is a process that holds nothing else.
func measureSize(ctx context.Context, b *bed) (s section, err error) {
	if b.quick {
		b.sizeRows, b.sizeFiles = min(b.sizeRows, 10_000), min(b.sizeFiles, 20)
	}
	cmd := exec.CommandContext(ctx, "go", "test", "./db/transfer", "-run", "^$", "-bench", ".", "-benchtime", "1x",
		"-timeout", "0", "-args", "-benchrows", strconv.Itoa(b.sizeRows), "-benchfiles", strconv.Itoa(b.sizeFiles))
	cmd.Env = append(os.Environ(), "STOA_TEST_POSTGRES="+b.postgres, "STOA_TEST_MARIADB="+b.maria)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return s, fmt.Errorf("go test ./db/transfer: %w\n%s", err, out)
	}
	rows, most := [][]string{{"What", "Rate", "Resident at most", "Against bare", "Read-only for"}}, 0.0
	for line := range strings.Lines(string(out)) {
		name, m := benchmarkLine(line)
		switch {
		case m == nil:
		case m["x-bare"] > 0:
			most = max(most, m["MB-resident"])
			rows = append(rows, []string{"copy, " + name, fmt.Sprintf("%.0f rows/s", m["rows/s"]),
				fmt.Sprintf("%.0f MB", m["MB-resident"]), fmt.Sprintf("%.1f × the time", m["x-bare"]),
				fmt.Sprintf("%.2f s", m["s-read-only"])})
		default:
			for _, what := range []string{"backup", "restore"} {
				most = max(most, m["MB-resident-"+what])
				rows = append(rows, []string{what + ", " + name, fmt.Sprintf("%.0f MB/s", m["MB/s-"+what]),
					fmt.Sprintf("%.0f MB", m["MB-resident-"+what]), "", ""})
			}
		}
	}
	if len(rows) == 1 {
		return s, fmt.Errorf("go test ./db/transfer measured nothing:\n%s", out)
	}
	what := fmt.Sprintf("Resident memory, %d rows and %d MB of files copied, backed up, restored", b.sizeRows, b.sizeFiles)
	s.findings = []finding{
		{what: what, goal: fmt.Sprintf("< %.0f MB", goalResident), measured: fmt.Sprintf("%.0f MB", most),
			met: most < goalResident},
	}
	s.text = fmt.Sprintf("%d rows of some 400 bytes; with backup and restore, %d MB of files that cannot be "+
		"compressed. A copy reads, writes and compares checksums of both sides; the bare side is one SELECT, and INSERTs "+
		"of 500 rows, without a comparison. A backup goes to a file on the same disk.\n\n%s",
		b.sizeRows, b.sizeFiles, table(rows...))
	return s, nil
}

// benchmarkLine reads the name and the metrics by unit of a line of go test -bench; nil of any other line.
func benchmarkLine(line string) (name string, metrics map[string]float64) {
	f := strings.Fields(line)
	if len(f) < 4 || !strings.HasPrefix(f[0], "Benchmark") {
		return "", nil
	}
	_, name, _ = strings.Cut(f[0], "/")
	if i := strings.LastIndexByte(name, '-'); i > 0 { // the number of processors
		name = name[:i]
	}
	metrics = map[string]float64{}
	for i := 2; i+1 < len(f); i += 2 {
		n, err := strconv.ParseFloat(f[i], 64)
		if err != nil {
			return "", nil
		}
		metrics[f[i+1]] = n
	}
	return name, metrics
}
