//go:build linux

// Command mutants proves that the tests of what keeps a cluster coherent catch the mistakes they are
// there for: it plants one at a time, without touching a file of the tree, and the tests that are named
// with it must fail.
//
//	mutants -list          the catalogue
//	mutants -day           the one that is due today; each has its day
//	mutants [name ...]     those named, or all
//	mutants -lab …         as root: stories of the lab must catch them as well
//
// A mutant is a file of catalogue: sentences that say what is wrong, then the tests that must fail, the
// stories of the lab in which a promise must be seen broken from outside, and the files with the lines to
// take out (-), to put in (+) and to find around them. Tests that need database servers find them as in
// "make test", which is how it is run: make mutants, as root with LAB=1 for the stories.
package main

import (
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

//go:embed catalogue
var catalogue embed.FS

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("mutants", flag.ContinueOnError)
	fs.SetOutput(stderr)
	list := fs.Bool("list", false, "list the catalogue and run nothing")
	lab := fs.Bool("lab", false, "play the stories of the lab, too, on programs with the mistake; for root")
	day := fs.Bool("day", false, "run the one that is due on -date")
	date := fs.String("date", time.Now().UTC().Format(time.DateOnly), "the day of -day")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	all, err := readCatalogue(catalogue)
	if err != nil {
		fmt.Fprintf(stderr, "mutants: %v\n", err)
		return 1
	}
	chosen := all
	if fs.NArg() > 0 {
		chosen = nil
		for _, name := range fs.Args() {
			i := slices.IndexFunc(all, func(m mutant) bool { return m.name == name })
			if i < 0 {
				fmt.Fprintf(stderr, "mutants: there is no mutant %q; -list shows them\n", name)
				return 2
			}
			chosen = append(chosen, all[i])
		}
	}
	if *day {
		t, err := time.Parse(time.DateOnly, *date)
		if err != nil {
			fmt.Fprintf(stderr, "mutants: -date %q: a date like 2006-01-02 is expected\n", *date)
			return 2
		}
		chosen = []mutant{ofDay(chosen, t)}
	}
	if *list {
		for _, m := range chosen {
			fmt.Fprintf(stdout, "%-28s %s\n", m.name, m.what)
		}
		return 0
	}
	code := 0
	for _, m := range chosen {
		start := time.Now()
		killers, err := m.hunt(ctx, ".", *lab)
		if ctx.Err() != nil {
			return 1
		}
		took := time.Since(start).Seconds()
		if errors.Is(err, errSkipped) {
			fmt.Fprintf(stdout, "SKIP  %s: %v\n", m.name, err)
			continue
		}
		if err != nil {
			code = 1
			fmt.Fprintf(stdout, "FAIL  %-28s %6.1fs  %v\n", m.name, took, err)
			continue
		}
		fmt.Fprintf(stdout, "ok    %-28s %6.1fs  %s\n", m.name, took, killers)
	}
	return code
}

// ofDay gives each mutant its day in turn.
func ofDay(all []mutant, t time.Time) mutant {
	return all[int(t.Unix()/int64(24*time.Hour/time.Second))%len(all)]
}
