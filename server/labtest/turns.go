//go:build linux

package labtest

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/stoa-portal/stoa/server/labtest/machine"
)

// Where stories stand: those of all engines, which each plays within four days, in folders those of one, and below
// turnDir those that have their day of a week, because all of them would take too long each time.
const (
	storyDir = "testdata/stories"
	turnDir  = "testdata/turns"
)

// turn is a story that has its day.
type turn struct {
	engine machine.Engine
	file   string
	day    int // of seven
}

func (t turn) String() string {
	return string(t.engine) + "/" + strings.TrimSuffix(filepath.Base(t.file), ".txtar")
}

// turns shares the stories of turnDir out over seven days. A story keeps its day until one is added before it.
func turns() (all []turn) {
	files, _ := filepath.Glob(turnDir + "/*/*.txtar") // the pattern is good
	slices.Sort(files)
	for i, f := range files {
		all = append(all, turn{engine: machine.Engine(filepath.Base(filepath.Dir(f))), file: f, day: i % 7})
	}
	return all
}

// today is the number of the day, by which stories have their turns.
func today() int { return int(time.Now().Unix() / (24 * 60 * 60)) }

// lastTurn is the newest day on which a turn came, up to the one given.
func (t turn) lastTurn(day int) int { return day - ((day-t.day)%7+7)%7 }

// commonOn says whether a database server plays stories of all engines on a day: one server does on a day, a half of
// them, and the other on the next, since all on both would take half an hour. MySQL has only its own.
func commonOn(e machine.Engine, day int) bool {
	switch e {
	case machine.Postgres:
		return day%2 == 0
	case machine.MariaDB:
		return day%2 == 1
	}
	return false
}

// storiesOf lists the files to play on a database server: which is "today" or "all", or "none" of those that have
// one day of a week.
func storiesOf(e machine.Engine, which string, day int) (files []string) {
	files, _ = filepath.Glob(storyDir + "/" + string(e) + "/*.txtar") // the patterns are good
	common, _ := filepath.Glob(storyDir + "/*.txtar")
	for i, f := range common {
		if which == "all" && e != machine.MySQL || commonOn(e, day) && i%2 == day/2%2 {
			files = append(files, f)
		}
	}
	for _, t := range turns() {
		if t.engine == e && (which == "all" || which == "today" && t.lastTurn(day) == day) {
			files = append(files, t.file)
		}
	}
	return files
}

// tellTurns says for each story that has a day when its turn came last, the newest first.
func tellTurns(day int) string {
	var b strings.Builder
	for ago := range 7 {
		var names []string
		for _, t := range turns() {
			if t.lastTurn(day) == day-ago {
				names = append(names, t.String())
			}
		}
		date := time.Unix(int64(day-ago)*24*60*60, 0).UTC().Format("2006-01-02")
		if ago == 0 {
			date += " (today)"
		}
		fmt.Fprintf(&b, "TURNS %s: %s\n", date, strings.Join(names, ", "))
	}
	return b.String()
}
