package asset

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/site"
)

// Moment is when a thing becomes visible by itself, or stops being it.
type Moment struct {
	Entry
	At   time.Time
	Ends bool
}

// Agenda is a page of what is scheduled.
type Agenda struct {
	Items []Moment
	Next  string // for the page after; empty when there is no more
}

// moment is a place in an agenda: moments of one time stand by id, the beginning of a thing before its end.
type moment struct {
	at   int64
	id   stoa.ID
	ends bool
}

func (m Moment) place() moment { return moment{db.Micros(m.At), m.ID, m.Ends} }

func (m moment) compare(o moment) int {
	end := func(ends bool) int {
		if ends {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(m.at, o.at), cmp.Compare(m.id, o.id), cmp.Compare(end(m.ends), end(o.ends)))
}

func (m moment) String() string { return fmt.Sprintf("%d-%d-%t", m.at, m.id, m.ends) }

func parseMoment(text string) (m moment, err error) {
	if text == "" {
		return m, nil
	}
	parts := strings.Split(text, "-")
	if len(parts) == 3 {
		if m.at, err = strconv.ParseInt(parts[0], 10, 64); err == nil {
			m.id, err = stoa.ParseID(parts[1])
		}
		if m.ends = parts[2] == "true"; err == nil {
			return m, nil
		}
	}
	return m, stoa.Invalid("after", "this is no place in a list in this order: begin again with the first page")
}

// Agenda gives what becomes visible or stops being visible by itself in a site, from a time on and before another, in
// the order of time: at most limit (1 to 200) moments of things that the actor may edit, behind after, which is Next of
// the page before and empty for the first. It needs Edit on the site. A place that there is not is Invalid.
func (s *Service) Agenda(ctx context.Context, st site.Site, from, to time.Time, after string, limit int) (
	Agenda, error) {
	if err := s.access.Check(ctx, access.Edit, st.Path()); err != nil {
		return Agenda{}, err
	}
	at, err := parseMoment(after)
	if err != nil {
		return Agenda{}, err
	}
	limit = min(max(limit, 1), 200)
	if at.at < db.Micros(from) {
		at = moment{at: db.Micros(from)}
	}
	var out Agenda
	q := db.Reader(ctx, s.db)
	for looked := 0; ; {
		batch, err := s.moments(ctx, q, st.ID, at, db.Micros(to), limit+1)
		if err != nil {
			return Agenda{}, fmt.Errorf("read what is scheduled in site %d: %w", st.ID, err)
		}
		for _, m := range batch {
			ok, err := s.allowed(ctx, access.Edit, m.Entry)
			if err != nil {
				return Agenda{}, err
			}
			if looked++; ok && len(out.Items) == limit || looked > mostLooked {
				out.Next = at.String()
				return out, nil
			}
			if at = m.place(); ok {
				out.Items = append(out.Items, m)
			}
		}
		if len(batch) <= limit {
			return out, nil
		}
	}
}

// moments gives the next n moments behind a place and before a time; fewer are the last. Those of kinds that this node
// does not know are not among them.
func (s *Service) moments(ctx context.Context, q db.Queryer, site stoa.ID, at moment, to int64, n int) (
	[]Moment, error) {
	var out []Moment
	kinds := make([]any, len(s.types))
	for i, t := range s.types {
		kinds[i] = t.Kind
	}
	if len(kinds) == 0 {
		return nil, nil
	}
	for _, ends := range []bool{false, true} {
		column, id := "e.publish", at.id
		if ends {
			column = "e.expire"
		}
		if ends && !at.ends {
			id-- // the end of the thing whose beginning is the place
		}
		rows, err := db.All(ctx, q, scanRow, "SELECT "+columns+" FROM asset_entry e WHERE e.site = ? AND "+column+
			" >= ? AND "+column+" < ? AND ("+column+" > ? OR e.id > ?) AND e.status <> ? AND e.kind IN "+db.In(len(kinds))+
			" ORDER BY "+column+", e.id LIMIT "+strconv.Itoa(n),
			append([]any{site, at.at, to, at.at, id, string(Trashed)}, kinds...)...)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			m := Moment{Entry: r.Entry, At: r.Publish}
			if m.Ends = ends; ends {
				m.At = r.Expire
			}
			out = append(out, m)
		}
	}
	slices.SortFunc(out, func(a, b Moment) int { return a.place().compare(b.place()) })
	return out[:min(len(out), n)], nil
}
