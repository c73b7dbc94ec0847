//go:build linux

package labtest

import (
	"strings"
	"testing"

	"github.com/stoa-portal/stoa/server/labtest/machine"
)

func TestTurns_EveryStoryComesOnceAWeek(t *testing.T) {
	all := turns()
	if len(all) == 0 {
		t.Skip("no story has a turn")
	}
	const monday = 20_000
	times := map[string]int{}
	for day := range 7 {
		for _, e := range []machine.Engine{machine.Postgres, machine.MariaDB, machine.MySQL} {
			for _, f := range storiesOf(e, "today", monday+day) {
				if strings.HasPrefix(f, turnDir) {
					times[f]++
				}
			}
		}
	}
	for _, x := range all {
		if times[x.file] != 1 {
			t.Errorf("%s is played %d times in seven days", x, times[x.file])
		}
		if last := x.lastTurn(monday); last > monday || last <= monday-7 || last%7 != x.day%7 {
			t.Errorf("the last turn of %s before day %d is day %d", x, monday, last)
		}
	}
	if got := tellTurns(monday); strings.Count(got, "\n") != 7 || !strings.Contains(got, all[0].String()) {
		t.Errorf("what is told of the turns is %q", got)
	}
}
