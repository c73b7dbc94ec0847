package load

import (
	"maps"
	"testing"
)

func TestReadStamps_APageIsAsOldAsItsOldestPart(t *testing.T) {
	got := readStamps(`<h1>` + Title("r1w0", 7) + `</h1><p>The text of [r1w0=6].</p><li>[r1w1-2=1]</li><p>[nothing] [r1w2=x]</p>`)
	if want := map[string]int64{"r1w0": 6, "r1w1-2": 1}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestInput_IsTheFirstHiddenFieldOfTheName(t *testing.T) {
	const form = `<input type="hidden" name="version" value="12"><input type="hidden" name="site" value="7"><input type="hidden" name="version" value="13">`
	for name, want := range map[string]string{"version": "12", "site": "7", "slug": ""} {
		if got := input(form, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestHeading_TellsWhatAnErrorPageSays(t *testing.T) {
	if got := heading("<html><h1 class=\"x\">\nSomething went wrong </h1>"); got != "Something went wrong" {
		t.Errorf("got %q", got)
	}
	if got := heading("bad gateway"); got != `"bad gateway"` {
		t.Errorf("without a heading: %s", got)
	}
}
