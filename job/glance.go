package job

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/stoa-portal/stoa/db"
)

// fullRound is the longest time between two whole rounds: a glance does not see all that a clock which was set
// changes.
const fullRound = time.Minute

// glance is what one statement shows of all that a round looks for. Times are by the clock of the cluster, in
// microseconds; never stands for none.
type glance struct {
	now               time.Time
	fire              int64 // when a schedule is due next
	soonest, farthest int64 // when a run that waits is due
	running           int64
	orders, ordered   int64 // change with each order
}

const never = -1

// glance asks for the time and whether there is anything to do.
func (s *Service) glance(ctx context.Context) (g glance, err error) {
	clock := "0"
	switch s.o.DB.Dialect() {
	case db.Postgres:
		clock = clockPostgres
	case db.MySQL:
		clock = clockMySQL
	}
	var names []any
	for _, r := range s.ofKind(Once, Durable) {
		if !s.orders[r.Name].paused {
			names = append(names, r.Name)
		}
	}
	in := db.In(len(names))
	args := append(append(slices.Clone(names), Waiting), append(slices.Clone(names), Waiting)...)
	args = append(append(args, names...), Running)
	var now int64
	err = s.o.DB.QueryRow(ctx, "SELECT "+clock+`,
		(SELECT COALESCE(MIN(next_fire), -1) FROM job_schedule WHERE name IN `+in+`),
		(SELECT COALESCE(MIN(due), -1) FROM job_run WHERE state = ? AND job IN `+in+`),
		(SELECT COALESCE(MAX(due), -1) FROM job_run WHERE state = ? AND job IN `+in+`),
		(SELECT COUNT(*) FROM job_run WHERE state = ?),
		(SELECT COALESCE(SUM(version), 0) FROM job_order),
		(SELECT COUNT(*) FROM job_order)`, args...).
		Scan(&now, &g.fire, &g.soonest, &g.farthest, &g.running, &g.orders, &g.ordered)
	if err != nil {
		return g, fmt.Errorf("job: look for what is due: %w", err)
	}
	g.now = db.Time(now)
	switch {
	case s.o.Now != nil:
		g.now = s.o.Now().UTC()
	case s.o.DB.Dialect() == db.SQLite:
		g.now = time.Now().UTC()
	}
	return g, nil
}

// nothing reports whether a round would find nothing to do, and notes when something will be due.
func (s *Service) nothing(g glance) bool {
	now := db.Micros(g.now)
	due := func(at int64) bool { return at != never && at <= now }
	switch {
	case g.running > 0, g.orders != s.glanced.orders, g.ordered != s.glanced.ordered,
		due(g.fire), due(g.soonest), g.farthest > db.Micros(g.now.Add(longestBackoff)),
		g.now.Before(s.full), g.now.Sub(s.full) > fullRound:
		return false
	}
	s.next = time.Time{}
	for _, at := range []int64{g.fire, g.soonest} {
		here := time.Now().Add(time.Duration(at-now) * time.Microsecond)
		if at != never && (s.next.IsZero() || here.Before(s.next)) {
			s.next = here
		}
	}
	return true
}

// comes reports whether something is due that the newest glance saw coming.
func (s *Service) comes() bool { return !s.next.IsZero() && !time.Now().Before(s.next) }
