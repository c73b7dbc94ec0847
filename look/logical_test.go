package look

import (
	"regexp"
	"strings"
	"testing"
)

// physical finds what stands on the left or on the right whatever the direction of the text is.
var physical = regexp.MustCompile(`(?:^|[\s{;])((?:margin|padding|border|scroll-margin)-(?:left|right)[a-z-]*|left|` +
	`right|float: *(?:left|right)|text-align: *(?:left|right)|border-(?:top|bottom)-(?:left|right)-radius)\b[^;}]*`)

// corners finds the four sides of a box, of which the second and the fourth differ.
var corners = regexp.MustCompile(`(?:^|[\s{;])(?:margin|padding|inset): *([^;}]+)`)

// Styles name the beginning and the end of a line, not left and right, so that they hold for Arabic and Hebrew as they
// are.
func TestStyles_HoldFromRightToLeft(t *testing.T) {
	t.Parallel()
	allowed := []string{
		// of a background-position, which has no logical form; the twin with [dir="rtl"] stands below it
		"17px center",
		"alignleft", "alignright", // left and right are what the author asked for
		"transform", "-102%", "102%", // of the drawer, with its twin
		"float: left", "float: right", // of the two classes above
		"margin: .4em 1.5em 1em var(--out)", "margin: .4em var(--out) 1em 1.5em",
		"margin: .3em 1.25em .75em 0", "margin: .3em 0 .75em 1.25em",
	}
	known := func(s string) bool {
		for _, a := range allowed {
			if strings.Contains(s, a) {
				return true
			}
		}
		return false
	}
	for _, name := range []string{"base.css", "theme.css", "screens.css", "search.css", "bar.css", "admin.css",
		"editor.css", "pageeditor.css", "factors.css", "media.css"} {
		raw, err := embedded.ReadFile("assets/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(raw), "\n") {
			for _, m := range physical.FindAllString(line, -1) {
				if !known(m) {
					t.Errorf("%s:%d: %s; say inline-start, inline-end, start or end", name, i+1, strings.TrimSpace(m))
				}
			}
			for _, m := range corners.FindAllStringSubmatch(line, -1) {
				parts := split(m[1])
				if len(parts) == 4 && parts[1] != parts[3] && !known(m[0]) {
					t.Errorf("%s:%d: %s; say -block and -inline", name, i+1, strings.TrimSpace(m[0]))
				}
			}
		}
	}
}

// split divides a value at spaces outside of parentheses.
func split(s string) (out []string) {
	depth, from := 0, -1
	for i, r := range s + " " {
		switch {
		case r == '(':
			depth++
		case r == ')':
			depth--
		}
		if r == ' ' && depth == 0 {
			if from >= 0 {
				out = append(out, s[from:i])
			}
			from = -1
		} else if from < 0 {
			from = i
		}
	}
	return out
}
