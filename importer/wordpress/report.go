package wordpress

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Report accounts for every item of an export. That of a dry run is the one that the run would give.
type Report struct {
	Items        int            // in the file
	New          int            // posts and pages written by this run
	Before       int            // posts and pages that an earlier run wrote
	Refused      int            // posts and pages that the portal does not take
	Updated      int            // texts of an earlier run that were brought up to date
	Moved        int            // pages of an earlier run whose parents this one brought
	Authors      int            // accounts made by this run
	Terms        int            // categories and tags made by this run
	Menus        int            // entries of menus
	Media        int            // files of the library that the export names
	MediaFound   int            // files of the library, also of earlier exports, that the portal has now
	MediaNew     int            // those of them that this run brought
	MediaMissing int            // files that are not in the folder of media, or not fit to keep
	Inline       int            // reusable blocks, shown where they are used
	Skipped      map[string]int // by reason
	Redirects    int            // old addresses that this run lets lead to new ones
	Links        int            // links in texts that lead to new addresses now
	LinksLeft    int            // links in texts to the old site for which there is nothing here
	Comments     int            // not brought over yet
	Blocks       BlockReport
	Warnings     []Warning
}

// String is the report for people.
func (r Report) String() string { return r.Text(false) }

// Text is the report for people. It ends with what the owner of the site must look at, most important first; verbose
// leaves none of it out and names blocks.
func (r Report) Text(verbose bool) string {
	var b strings.Builder
	skipped := 0
	for _, n := range r.Skipped {
		skipped += n
	}
	fmt.Fprintf(
		&b,
		"%d items: %d posts and pages imported now, %d by an earlier run, %d refused, %d menu entries, %d files named, "+
			"%d reusable blocks shown where used, %d skipped.\n",
		r.Items,
		r.New,
		r.Before,
		r.Refused,
		r.Menus,
		r.Media,
		r.Inline,
		skipped,
	)
	for _, reason := range slices.Sorted(maps.Keys(r.Skipped)) {
		fmt.Fprintf(&b, "  skipped: %4d  %s\n", r.Skipped[reason], reason)
	}
	line := func(n int, format string) {
		if n > 0 {
			fmt.Fprintf(&b, format+"\n", n)
		}
	}
	line(r.Terms, "%d categories and tags were made.")
	line(r.Authors, "%d accounts were made for authors; they are locked until an administrator opens them.")
	line(r.Updated, "%d posts and pages of an earlier run were brought up to date.")
	line(r.Moved, "%d pages of an earlier run are below their parents now.")
	line(r.Links, "%d links in texts lead to the new addresses.")
	fmt.Fprintf(
		&b,
		"%d old addresses lead to new ones. %d comments are not brought over yet.\n",
		r.Redirects,
		r.Comments,
	)
	fmt.Fprintf(&b, "Of %d files of the library the portal has %d, %d of them by this run, and %d were not found; "+
		"pictures without a file keep their old addresses.\n", r.Media, r.MediaFound, r.MediaNew, r.MediaMissing)
	if verbose {
		b.WriteString(r.blocks())
	}
	b.WriteString(r.warnings(verbose))
	return b.String()
}

// blocks names the blocks that left nothing and the shortcodes that stand in the texts.
func (r Report) blocks() string {
	var b strings.Builder
	for _, part := range []struct {
		what   string
		counts map[string]int
	}{{"Blocks without an equivalent", r.Blocks.NoEquivalent}, {"Blocks that went with one they were in", r.Blocks.Inside},
		{"Shortcodes of plugins, left as they stand", r.Blocks.Unknown}} {
		var names []string
		for _, n := range slices.Sorted(maps.Keys(part.counts)) {
			names = append(names, fmt.Sprintf("%s %d", n, part.counts[n]))
		}
		if len(names) > 0 {
			fmt.Fprintf(&b, "%s: %s\n", part.what, strings.Join(names, ", "))
		}
	}
	return b.String()
}

// mostWarnings is how many lines of one weight stand in the report, unless all are asked for.
const mostWarnings = 20

// warnings writes what to look at, one a line, the heaviest first.
func (r Report) warnings(verbose bool) string {
	var b strings.Builder
	for _, part := range []struct {
		weight Weight
		title  string
	}{{Missing, "did not arrive"}, {Changed, "arrived otherwise"}, {Odd, "odd in the file, and made sense of"}} {
		n := 0
		for _, w := range r.Warnings {
			if w.Weight != part.weight {
				continue
			}
			if n++; n == 1 {
				if b.Len() == 0 {
					b.WriteString("To look at, the most important first:\n")
				}
				fmt.Fprintf(&b, " %s:\n", part.title)
			}
			if n > mostWarnings && !verbose {
				continue
			}
			where := ""
			if w.Line > 0 {
				where = fmt.Sprintf("line %d: ", w.Line)
			}
			fmt.Fprintf(&b, "  %s%s\n", where, w.Message)
		}
		if n > mostWarnings && !verbose {
			fmt.Fprintf(&b, "  and %d more; --verbose shows all\n", n-mostWarnings)
		}
	}
	return b.String()
}

// cut shortens a text to n bytes without breaking a letter.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
