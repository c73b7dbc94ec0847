package admin

import (
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/lang"
)

// inputTime is how browsers send the time of a datetime-local input.
const inputTime = "2006-01-02T15:04"

// Zone is the time zone that the person reads and writes times in: that of the account, else that of the instance.
func (q *Request) Zone() *time.Location {
	if z, err := stoa.ParseZone(q.Actor.TimeZone); err == nil && q.Actor.TimeZone != "" {
		return z
	}
	return q.Instance.Zone()
}

// Moment reads a datetime-local field; empty is the zero time.
func (f *Form) Moment(name string, zone *time.Location) (time.Time, error) {
	v := f.Text(name)
	if v == "" {
		return time.Time{}, nil
	}
	if len(v) > len(inputTime) {
		v = v[:len(inputTime)] // some browsers add seconds
	}
	wall, err := time.Parse(inputTime, v)
	if err != nil {
		return time.Time{}, stoa.Invalid(name, "%.40q is not a time: one such as 2026-03-12T09:30 is expected", f.Text(name))
	}
	t, other, ok := local(wall, zone)
	if !ok {
		return time.Time{}, stoa.Invalid(name, "clocks in %s jump over %s on %s: choose %s or %s", zone,
			wall.Format("15:04"), lang.Day(wall), t.Format("15:04"), other.Format("15:04"))
	}
	return t, nil
}

// local finds the moment at which clocks in zone show what wall, a time in UTC, shows. Of two, when clocks are set
// back, it is the first. When they are set forward there may be none: ok is false then, and t and other are
// what clocks show one step before and after.
func local(wall time.Time, zone *time.Location) (t, other time.Time, ok bool) {
	// An offset from the day before and one from the day after: at a change they are the two in question.
	_, before := wall.Add(-24 * time.Hour).In(zone).Zone()
	_, after := wall.Add(24 * time.Hour).In(zone).Zone()
	first := wall.Add(-time.Duration(before) * time.Second).In(zone)
	second := wall.Add(-time.Duration(after) * time.Second).In(zone)
	shown := wall.Format(inputTime)
	switch {
	case first.Format(inputTime) == shown:
		return first, second, true
	case second.Format(inputTime) == shown:
		return second, first, true
	}
	return second, first, false
}

// InputValue is moment the other way round.
func InputValue(t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return ""
	}
	return t.In(zone).Format(inputTime)
}
