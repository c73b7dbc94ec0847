package assets

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/lang"
)

const (
	monthForm = "2006-01"
	// mostOfMonth is how many moments a month shows; a day shows all it has, in pages.
	mostOfMonth = 400
	// mostOfDay is how many of them stand in the field of a day.
	mostOfDay = 4
)

// event is a moment as the calendar shows it.
type event struct {
	thing
	At   time.Time
	Time string // of day, in the zone of the person
	Ends bool
}

// day is a field of the month.
type day struct {
	Number  int
	Name    string // the whole date, for people who hear it
	URL     string // what is scheduled that day
	Events  []event
	More    int  // events that are not shown here
	Outside bool // of the month before or after
	Today   bool
}

// calendar shows what is scheduled: a month as fields of days, or a day as a list.
func (h *screens) calendar(q *admin.Request) error {
	if d, err := time.ParseInLocation(time.DateOnly, q.URL.Query().Get("day"), q.Zone()); err == nil {
		return h.calendarDay(q, d)
	}
	z := q.Zone()
	now := h.o.Now().In(z)
	first := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, z)
	if m, err := time.ParseInLocation(monthForm, q.URL.Query().Get("month"), z); err == nil && m.Year() > 1900 {
		first = m
	}
	l := lang.From(q.Context()).Locale()
	lead := (int(first.Weekday()) + 6) % 7 // days since the Monday
	week := []string{q.Word("assets.day.mo"), q.Word("assets.day.tu"), q.Word("assets.day.we"), q.Word("assets.day.th"),
		q.Word("assets.day.fr"), q.Word("assets.day.sa"), q.Word("assets.day.su")}
	if lang.SundayFirst(l) {
		lead = int(first.Weekday())
		week = append([]string{week[6]}, week[:6]...)
	}
	type view struct {
		Title            string
		Week             []string
		Days             []day
		Back, Next, Here string
		Cut              bool // the month has more than is shown
		Events           int
		Partial          bool
		Zone             string
	}
	v := view{Title: lang.Month(l, first), Week: week, Zone: z.String(), Here: calendarPath,
		Back: calendarPath + "?month=" + first.AddDate(0, -1, 0).Format(monthForm),
		Next: calendarPath + "?month=" + first.AddDate(0, 1, 0).Format(monthForm)}
	begin := first.AddDate(0, 0, -lead)
	place := map[string]int{}
	for d := begin; d.Before(first.AddDate(0, 1, 0)) || len(v.Days)%7 != 0; d = begin.AddDate(0, 0, len(v.Days)) {
		key := d.Format(time.DateOnly)
		place[key] = len(v.Days)
		v.Days = append(v.Days, day{Number: d.Day(), Name: lang.Date(l, d), URL: calendarPath + "?day=" + key,
			Outside: d.Month() != first.Month(), Today: key == now.Format(time.DateOnly)})
	}
	list, cut, err := h.month(q, begin, begin.AddDate(0, 0, len(v.Days)))
	if err != nil {
		return err
	}
	v.Cut, v.Events = cut, len(list)
	for _, m := range list {
		d := &v.Days[place[m.At.In(z).Format(time.DateOnly)]]
		if len(d.Events) == mostOfDay {
			d.More++
			continue
		}
		d.Events = append(d.Events, h.event(q, m))
	}
	if v.Partial, err = h.partial(q); err != nil {
		return err
	}
	return h.Show(q, http.StatusOK, "calendar", admin.Screen{Title: q.Word("assets.calendar"),
		Purpose: q.Word("assets.calendar.purpose", q.Site.Name), Body: v})
}

func (h *screens) event(q *admin.Request, m asset.Moment) event {
	return event{thing: h.thing(q, m.Entry), At: m.At, Ends: m.Ends, Time: m.At.In(q.Zone()).Format("15:04")}
}

// month reads what is scheduled in some weeks, page by page; cut says that it is more than is shown.
func (h *screens) month(q *admin.Request, from, to time.Time) (list []asset.Moment, cut bool, err error) {
	for after := ""; ; {
		a, err := admin.Shown(h.Panel, q, func(ctx context.Context) (asset.Agenda, error) {
			return h.o.Assets.Agenda(ctx, q.Site, from, to, after, 200)
		})
		if err != nil {
			return nil, false, err
		}
		if list = append(list, a.Items...); a.Next == "" {
			return list, false, nil
		}
		if after = a.Next; len(list) >= mostOfMonth {
			return list[:mostOfMonth], true, nil
		}
	}
}

// calendarDay shows all that is scheduled on a day.
func (h *screens) calendarDay(q *admin.Request, d time.Time) error {
	after := admin.Clip(q.URL.Query().Get("after"), 80)
	a, err := admin.Shown(h.Panel, q, func(ctx context.Context) (asset.Agenda, error) {
		return h.o.Assets.Agenda(ctx, q.Site, d, d.AddDate(0, 0, 1), after, admin.ListPage)
	})
	if err != nil {
		return err
	}
	type view struct {
		Events      []event
		First, Next string
		Partial     bool
	}
	var v view
	if v.Partial, err = h.partial(q); err != nil {
		return err
	}
	for _, m := range a.Items {
		v.Events = append(v.Events, h.event(q, m))
	}
	at := calendarPath + "?day=" + d.Format(time.DateOnly)
	if after != "" {
		v.First = at
	}
	if a.Next != "" {
		v.Next = at + "&after=" + url.QueryEscape(a.Next)
	}
	return h.Show(q, http.StatusOK, "day", admin.Screen{Title: q.Day(d),
		Purpose: q.Word("assets.calendar.day", d.Location().String()),
		Back: &admin.Link{Title: lang.Month(lang.From(q.Context()).Locale(), d),
			URL: calendarPath + "?month=" + d.Format(monthForm)}, Body: v})
}
