package contents

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestUnquoted_ReadsBackWhatQuotedWrote(t *testing.T) {
	t.Parallel()
	for list, want := range map[string][]string{
		`a, b ,a`: {"a", "b"}, `"Rock, Pop", x`: {"Rock, Pop", "x"}, `"say ""ah""", y`: {`say "ah"`, "y"},
		`5" pipe`: {`5" pipe`}, `"half, x`: {`"half`, "x"}, ` , ,`: nil, "a\nb": {"a", "b"},
	} {
		if got := unquoted(list, 0); !slices.Equal(got, want) {
			t.Errorf("%q is read as %q; want %q", list, got, want)
		}
	}
	for _, name := range []string{`Rock, Pop`, `5" pipe`, `"`, `a"",b`, `x`} {
		if got := unquoted(quoted(name)+", end", 0); len(got) != 2 || got[0] != name {
			t.Errorf("%q comes back as %q", name, got)
		}
	}
}

// A list that a person pastes is read once from its beginning to its end, whatever is in it: a form may have many
// megabytes. Two lengths are compared, so that a slow machine does not count.
func TestUnquoted_CostsTheSameForEachByte(t *testing.T) {
	t.Parallel()
	for what, part := range map[string]string{"quotation marks": `"`, "that open and close": `" `, "names": `"a",`,
		"half a name": `",`, "lines": "\n\" "} {
		cost := func(n int) float64 {
			list := strings.Repeat(" ", n) + strings.Repeat(part, n)
			best := time.Duration(math.MaxInt64)
			for range 5 {
				began := time.Now()
				unquoted(list, 0)
				best = min(best, time.Since(began))
			}
			return float64(best) / float64(n)
		}
		if small, large := cost(4<<10), cost(128<<10); large > 12*small+1000 {
			t.Errorf("%s: %.0f ns each of 4096 and %.0f of 131072", what, small, large)
		}
	}
	many := strings.Repeat("x,", 50) + "a"
	for i := range 200 {
		many += fmt.Sprintf(", n%d", i)
	}
	if got := unquoted(many, 101); len(got) != 101 || got[1] != "a" {
		t.Errorf("%d names are read, want the first 101", len(got))
	}
}
