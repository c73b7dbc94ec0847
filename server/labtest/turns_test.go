//go:build linux

package labtest

import (
	"path/filepath"
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

func TestTurns_EachServerPlaysEachCommonStoryWithinFourDays(t *testing.T) {
	const first = 20_000
	all := storiesOf(machine.Postgres, "all", first)
	for _, e := range []machine.Engine{machine.Postgres, machine.MariaDB} {
		times := map[string]int{}
		for day := first; day < first+4; day++ {
			own := 0
			for _, f := range storiesOf(e, "today", day) {
				if filepath.Dir(f) == storyDir {
					times[f]++
				} else {
					own++
				}
			}
			if own == 0 {
				t.Errorf("day %d: %s plays none of its own", day, e)
			}
		}
		n := 0
		for _, f := range all {
			if filepath.Dir(f) != storyDir {
				continue
			}
			if n++; times[f] != 1 {
				t.Errorf("%s is played %d times on %s in four days", f, times[f], e)
			}
		}
		if n < 10 || len(times) != n {
			t.Errorf("%d common stories on %s, of %d", len(times), e, n)
		}
	}
	for _, f := range storiesOf(machine.MySQL, "all", first) {
		if filepath.Dir(f) == storyDir {
			t.Errorf("MySQL plays %s", f)
		}
	}
}
