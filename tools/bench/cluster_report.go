package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// report is what the benchmark of a cluster found.
type report struct {
	head                  string // the title, %s for when and where, and what is measured with %s for the servers
	target                string // of make
	at                    time.Time
	note                  string
	servers               []string
	loadBefore, loadAfter string
	sections              []section
	whole                 bool // nothing was left out by wish
}

// section is what one part found.
type section struct {
	title    string
	text     string // in Markdown
	findings []finding
	rows     [][]string // for the one table of ratios: what, where, Stoa, the other side, ratio
	left     string     // why it was not measured
	busy     float64    // share of the processors that others used before it began
}

// finding is a measure with a goal.
type finding struct {
	what, goal, measured string
	met                  bool
	left                 string // why it was not measured
}

// handWritten begins what people add to the report; it survives the next run.
const handWritten = "\n## Notes\n"

// markdown writes the report.
func (r *report) markdown() string {
	var b strings.Builder
	note := r.note
	if note == "" {
		note = fmt.Sprintf("%d cores", runtime.NumCPU())
	}
	fmt.Fprintf(&b, r.head, fmt.Sprintf("Measured by `make %s` on %s, %s, %s/%s, %s. Load average before: %s, after: %s.",
		r.target, r.at.UTC().Format("2 January 2006"), note, runtime.GOOS, runtime.GOARCH, runtime.Version(), r.loadBefore, r.loadAfter),
		strings.Join(r.servers, ", "))
	if !r.whole {
		b.WriteString("\nOnly a part was measured.\n")
	}
	b.WriteString("\n## Goals\n\n| What | Goal | Measured | |\n|---|---:|---:|---|\n")
	var missed []string
	for _, s := range r.sections {
		if s.left != "" {
			fmt.Fprintf(&b, "| %s | | not measured: %s | |\n", s.title, oneLine(s.left))
		}
		for _, f := range s.findings {
			if f.left != "" {
				fmt.Fprintf(&b, "| %s | %s | not measured: %s | |\n", f.what, f.goal, oneLine(f.left))
				continue
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", f.what, f.goal, f.measured, verdict(f.met))
			if !f.met {
				missed = append(missed, f.what)
			}
		}
	}
	if len(missed) > 0 {
		fmt.Fprintf(&b, "\nMissed: %s.\n", strings.Join(missed, "; "))
	}
	ratios := [][]string{{"What", "Where", "Stoa", "The other side", "Ratio"}}
	for _, s := range r.sections {
		ratios = append(ratios, s.rows...)
	}
	if len(ratios) > 1 {
		fmt.Fprintf(&b, "\n## Ratios\n\n%s", table(ratios...))
	}
	for _, s := range r.sections {
		if s.text == "" {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\nBefore it began, other work kept %.0f %% of the processors busy.\n", s.title, strings.TrimSpace(s.text), s.busy*100)
	}
	return b.String()
}

func oneLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// writeReport replaces a report and keeps what people wrote below it.
func writeReport(name, text string) error {
	old, err := os.ReadFile(name)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	if _, notes, found := strings.Cut(string(old), handWritten); found {
		text += handWritten + notes
	}
	return os.WriteFile(name, []byte(text), 0o644)
}

// table writes rows of Markdown; the first is the head, and all columns but the first are numbers.
func table(rows ...[]string) string {
	var b strings.Builder
	for i, r := range rows {
		b.WriteString("| " + strings.Join(r, " | ") + " |\n")
		if i == 0 {
			b.WriteString("|---|" + strings.Repeat("---:|", len(r)-1) + "\n")
		}
	}
	return b.String()
}
