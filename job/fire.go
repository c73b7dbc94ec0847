package job

import (
	"context"
	"fmt"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/stoa-portal/stoa/db"
)

// scheduled is the row of a Once job.
type scheduled struct {
	name    string
	next    time.Time // when it is due
	last    time.Time // the newest time that has fired; zero before the first
	version int64
}

func scanScheduled(r db.Scanner) (scheduled, error) {
	var d scheduled
	var next, last int64
	err := r.Scan(&d.name, &next, &last, &d.version)
	d.next, d.last = db.Time(next), db.Time(last)
	return d, err
}

// plan says whether the time that d waits for has come, and which time follows. A time that is late by
// more than misfire stands for all that were missed up to now; one that is less late is followed by the
// next one of the schedule, although that may have passed as well.
//
// A clock that was set back leaves a job waiting for a time far away. The job goes back to the first
// time of its schedule that has not fired; of an interval, any time will do.
func plan(d scheduled, schedule cron.Schedule, now time.Time, misfire time.Duration) (fire bool, next time.Time) {
	if late := now.Sub(d.next); late >= 0 {
		if late > misfire {
			return true, schedule.Next(now)
		}
		return true, schedule.Next(d.next)
	}
	from := now
	if !interval(schedule) && d.last.After(now) {
		from = d.last
	}
	if first := schedule.Next(from); d.next.Sub(first) > misfire {
		return false, first
	}
	return false, d.next
}

// interval reports whether the schedule is a distance between runs, not times of the day.
func interval(s cron.Schedule) bool {
	_, yes := s.(cron.ConstantDelaySchedule)
	return yes
}

// fire turns due times into runs. A run that is not finished holds the next one back, so a job never
// overlaps itself.
func (s *Service) fire(ctx context.Context, now time.Time) error {
	list, err := db.All(ctx, s.o.DB, scanScheduled, "SELECT name, next_fire, last_fire, version FROM job_schedule")
	if err != nil {
		return fmt.Errorf("job: look for due jobs: %w", err)
	}
	for _, d := range list {
		r := s.find(d.name)
		if r == nil || r.Kind != Once || s.orders[d.name].paused {
			continue // of another version of the portal, or by order
		}
		due, next := plan(d, r.schedule, now, s.o.Misfire)
		if !due && next.Equal(d.next) {
			continue
		}
		err := s.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.fireOne(ctx, tx, r, d, due, next) })
		if err != nil {
			return fmt.Errorf("job: fire %s: %w", d.name, err)
		}
	}
	return nil
}

func (s *Service) fireOne(ctx context.Context, tx *db.Tx, r *registered, d scheduled, due bool, next time.Time) error {
	// The row is locked first: nodes that race see each other's run, and an order to pause ends the race.
	n, err := tx.Affected(ctx, "UPDATE job_schedule SET version = version + 1 WHERE name = ? AND version = ?", d.name, d.version)
	if err != nil || n == 0 {
		return err
	}
	if !due {
		return s.setNext(ctx, tx, d.name, next, d.last)
	}
	busy, err := unfinished(ctx, tx, d.name)
	if err != nil || busy {
		return err
	}
	id, err := tx.NewID(ctx)
	if err != nil {
		return err
	}
	added, err := insertRun(ctx, tx, id, d.name, db.Micros(d.next), "", nil, 0)
	if err != nil {
		return err
	}
	if !added && interval(r.schedule) { // the clock was set back and this very second has fired: another one will do
		next = d.next.Add(time.Second)
	}
	return s.setNext(ctx, tx, d.name, next, d.next)
}

func (s *Service) setNext(ctx context.Context, tx *db.Tx, name string, next, last time.Time) error {
	_, err := tx.Exec(ctx, "UPDATE job_schedule SET next_fire = ?, last_fire = ? WHERE name = ?", db.Micros(next), db.Micros(last), name)
	return err
}

func unfinished(ctx context.Context, q db.Queryer, name string) (bool, error) {
	var n int
	err := q.QueryRow(ctx, "SELECT count(*) FROM job_run WHERE job = ? AND state IN (?, ?)", name, Waiting, Running).Scan(&n)
	return n > 0, err
}

// Soon makes a Once job due as part of the caller's transaction: it runs once that is committed, or when the run that
// goes on now has ended. A job that is paused runs when it goes on.
func (s *Service) Soon(ctx context.Context, tx *db.Tx, name string) error {
	r := s.find(name)
	if r == nil || r.Kind != Once || !r.Asked {
		return fmt.Errorf("job: there is no scheduled job %q that can be asked for", name)
	}
	now, err := s.now(ctx)
	if err != nil {
		return err
	}
	// No node may have declared it yet.
	if _, err := tx.InsertIgnore(ctx, "job_schedule", db.Row{
		"name": name, "spec": r.Schedule, "next_fire": db.Micros(now), "last_fire": 0, "version": 1,
	}); err != nil {
		return fmt.Errorf("job: make %s due: %w", name, err)
	}
	_, err = tx.Exec(ctx, "UPDATE job_schedule SET next_fire = ?, version = version + 1 WHERE name = ? AND next_fire > ?",
		db.Micros(now), name, db.Micros(now))
	if err != nil {
		return fmt.Errorf("job: make %s due: %w", name, err)
	}
	tx.Changed("job", 0, 0, 0) // wakes the other nodes
	tx.AfterCommit(s.Wake)
	return nil
}
