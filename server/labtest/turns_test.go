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

func TestTurns_TheCommonStoriesArePlayedEachDayOnOneServerAndOnTheOtherTheNext(t *testing.T) {
	const day = 20_000
	common := func(e machine.Engine, which string, day int) (n int) {
		for _, f := range storiesOf(e, which, day) {
			if filepath.Dir(f) == storyDir {
				n++
			}
		}
		return n
	}
	all := common(machine.Postgres, "all", day)
	if all == 0 || common(machine.MariaDB, "all", day) != all || common(machine.MySQL, "all", day) != 0 {
		t.Fatalf("%d common stories on PostgreSQL, %d on MariaDB, %d on MySQL", all,
			common(machine.MariaDB, "all", day), common(machine.MySQL, "all", day))
	}
	for d := day; d < day+2; d++ {
		postgres, maria := common(machine.Postgres, "today", d), common(machine.MariaDB, "today", d)
		if postgres+maria != all || postgres != 0 && maria != 0 {
			t.Errorf("day %d: %d on PostgreSQL, %d on MariaDB, of %d", d, postgres, maria, all)
		}
		if own := len(storiesOf(machine.Postgres, "none", d)) - postgres; own <= 0 {
			t.Errorf("day %d: PostgreSQL plays %d stories of its own", d, own)
		}
	}
}
