package wordpress

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Report accounts for every item of an export.
type Report struct {
	Items        int            // in the file
	New          int            // posts and pages written by this run
	Before       int            // posts and pages that an earlier run wrote
	Authors      int            // accounts made by this run
	Menus        int            // entries of menus
	Media        int            // files of the library that the export names
	MediaFound   int            // those of them that the portal has now
	MediaNew     int            // those of them that this run brought
	MediaMissing int            // those of them that are not in the folder of media, or not fit to keep
	Pictured     int            // texts of an earlier run that show files which this run brought
	Inline       int            // reusable blocks, shown where they are used
	Skipped      map[string]int // by reason
	Redirects    int            // old addresses that lead to new ones
	Comments     int            // not brought over yet
	Blocks       BlockReport
	Warnings     []Warning
}

// String is the report for people.
func (r Report) String() string {
	var b strings.Builder
	skipped := 0
	for _, n := range r.Skipped {
		skipped += n
	}
	fmt.Fprintf(&b, "%d items: %d posts and pages imported now, %d by an earlier run, %d menu entries, %d files named, %d reusable blocks shown where used, %d skipped.\n",
		r.Items, r.New, r.Before, r.Menus, r.Media, r.Inline, skipped)
	for _, reason := range slices.Sorted(maps.Keys(r.Skipped)) {
		fmt.Fprintf(&b, "  skipped: %4d  %s\n", r.Skipped[reason], reason)
	}
	if r.Authors > 0 {
		fmt.Fprintf(&b, "%d accounts were made for authors; they are locked until an administrator opens them.\n", r.Authors)
	}
	fmt.Fprintf(&b, "%d old addresses lead to new ones. %d comments are not brought over yet.\n", r.Redirects, r.Comments)
	fmt.Fprintf(&b, "Of %d files of the library the portal has %d, %d of them by this run, and %d were not found; pictures without a file keep their old addresses.\n",
		r.Media, r.MediaFound, r.MediaNew, r.MediaMissing)
	if r.Pictured > 0 {
		fmt.Fprintf(&b, "%d posts and pages of an earlier run show their files now.\n", r.Pictured)
	}
	if len(r.Blocks.NoEquivalent) > 0 {
		var names []string
		for _, n := range slices.Sorted(maps.Keys(r.Blocks.NoEquivalent)) {
			names = append(names, fmt.Sprintf("%s %d", n, r.Blocks.NoEquivalent[n]))
		}
		fmt.Fprintf(&b, "Blocks without an equivalent: %s\n", strings.Join(names, ", "))
	}
	b.WriteString(r.warnings())
	return b.String()
}

// warnings writes up to twenty of them, one a line.
func (r Report) warnings() string {
	var b strings.Builder
	for i, w := range r.Warnings {
		if i == 20 {
			fmt.Fprintf(&b, "  and %d more warnings\n", len(r.Warnings)-i)
			break
		}
		where := ""
		if w.Line > 0 {
			where = fmt.Sprintf("line %d: ", w.Line)
		}
		fmt.Fprintf(&b, "  warning: %s%s\n", where, w.Message)
	}
	return b.String()
}

// ref is what an imported thing is known by: its name in the source, or where that is longer than the column holds, its
// beginning and the SHA-256 of all of it. Two addresses that begin alike stay two.
func ref(name string) string {
	if len(name) <= 190 {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return cut(name, 120) + "~" + hex.EncodeToString(sum[:])
}

// cut shortens a text to n bytes without breaking a letter.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
