package pinned

import (
	"regexp"
	"strings"
	"testing"
)

func TestProgram_OnlyPinnedOnes(t *testing.T) {
	if _, err := Program(t.Context(), "rm"); err == nil || !strings.Contains(err.Error(), "no version of rm is pinned") {
		t.Errorf("error %v, want one that says that there is no version", err)
	}
	exact := regexp.MustCompile(`^[a-zA-Z0-9./-]+@v\d+\.\d+\.\d+$`)
	for _, p := range programs {
		if !exact.MatchString(p) {
			t.Errorf("%s: an exact version is expected", p)
		}
	}
}
