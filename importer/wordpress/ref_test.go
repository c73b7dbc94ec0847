package wordpress

import (
	"strings"
	"testing"
)

func TestRef_TellsLongNamesApart(t *testing.T) {
	if got := ref("short"); got != "short" {
		t.Errorf("a short name is known by %q", got)
	}
	a, b := ref("/"+strings.Repeat("ä", 100)+"/one"), ref("/"+strings.Repeat("ä", 100)+"/two")
	if a == b || len(a) > 190 || len(b) > 190 {
		t.Errorf("%q and %q", a, b)
	}
}
