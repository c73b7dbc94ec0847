package admin

import (
	"testing"

	"github.com/stoa-portal/stoa/lang"
)

func TestSchedule_InWords(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]string{"@every 15s": "every 15 s", "@every 90m": "every 1 h 30 min",
		"0 3 * * *": "0 3 * * * UTC", "@daily": "@daily UTC", "": ""} {
		if got := (figures{lang.In("en")}).schedule(spec); got != want {
			t.Errorf("%q is written %q, want %q", spec, got, want)
		}
	}
}
