package change

import "testing"

func FuzzMark_WhatWasReadAheadComesBack(f *testing.F) {
	for _, s := range []string{"9:5", "9:5,7,9", "", ":", "9", "9:", "9:0", "9:10", "9:7,5", "9:5,5", "-1:1",
		"9223372036854775807:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var m, again Mark
		if m.parseAhead(s) != nil {
			return
		}
		if len(m.Gaps) == 0 || m.Settled() >= m.Gaps[0] || m.Settled() >= m.Head {
			t.Fatalf("%q is settled up to %d: %+v", s, m.Settled(), m)
		}
		text, _ := m.ahead().(string)
		if err := again.parseAhead(text); err != nil || !again.equal(m) {
			t.Fatalf("%q is written as %q: %+v %v", s, text, again, err)
		}
	})
}
