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
	fmt.Fprintf(&b, "%s: %d posts and pages imported now, %d by an earlier run", some(r.Items, "item"), r.New, r.Before)
	for _, part := range []struct {
		n    int
		what string
	}{{r.Refused, "that the portal does not take"}, {r.Menus, "of menus"}, {r.Media, "for files"},
		{r.Inline, "reusable blocks, shown where used"}, {skipped, "skipped"}} {
		if part.n > 0 {
			fmt.Fprintf(&b, ", %d %s", part.n, part.what)
		}
	}
	b.WriteString(".\n")
	for _, reason := range slices.Sorted(maps.Keys(r.Skipped)) {
		fmt.Fprintf(&b, "  skipped: %4d  %s\n", r.Skipped[reason], reason)
	}
	line := func(n int, what, format string) {
		if n > 0 {
			fmt.Fprintf(&b, format+"\n", some(n, what))
		}
	}
	line(r.Terms, "new category or tag", "%s.")
	line(r.Authors, "new account", "%s for authors; locked until an administrator opens them.")
	line(r.Updated, "text", "%s of an earlier run brought up to date.")
	line(r.Moved, "page", "%s of an earlier run put below the parent that came now.")
	line(r.Redirects, "redirect", "%s from old addresses to new ones.")
	line(r.Links, "link", "%s in texts led to the new addresses.")
	if r.MediaFound > 0 {
		fmt.Fprintf(&b, "%s of the library here, %d of them by this run.\n", some(r.MediaFound, "file"), r.MediaNew)
	}
	if verbose {
		b.WriteString(r.blocks())
	}
	b.WriteString(r.warnings(verbose))
	return b.String()
}

// some writes a number of things.
func some(n int, what string) string {
	switch {
	case n == 1:
		return "1 " + what
	case what == "new category or tag":
		return fmt.Sprintf("%d new categories and tags", n)
	}
	return fmt.Sprintf("%d %ss", n, what)
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

// look gives all that is to be looked at. What did not arrive as a whole comes before single things.
func (r Report) look() []Warning {
	var out []Warning
	if r.Media > 0 && r.MediaFound+r.MediaMissing == 0 { // no folder was given
		out = append(out, Warning{Weight: Missing, Message: some(r.Media, "file") +
			" of the library: texts show them from the old site. Run again with --media and a copy of wp-content/uploads"})
	}
	if r.Comments > 0 {
		out = append(out, Warning{Weight: Missing, Message: some(r.Comments, "comment") + ": the portal has no comments yet"})
	}
	return append(out, r.Warnings...)
}

// warnings writes what to look at, one a line, the heaviest first.
func (r Report) warnings(verbose bool) string {
	var b strings.Builder
	for _, part := range []struct {
		weight Weight
		title  string
	}{{Missing, "did not arrive"}, {Changed, "arrived otherwise"}, {Odd, "odd in the file, and made sense of"}} {
		n := 0
		for _, w := range r.look() {
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
