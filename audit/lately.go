package audit

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// Place is where the event stands in a list, for Filter.After.
func (e *Event) Place() string {
	return strconv.FormatInt(db.Micros(e.At), 36) + "." + strconv.FormatInt(e.ID, 36)
}

// Lately gives what was done in an instance, the newest first, not before since (zero: for ever), behind after, which
// is Page.Next of the page before. It asks for no permission, which the caller does for each thing, and tells neither
// where a person was nor which node did it.
func Lately(ctx context.Context, q db.Queryer, instance stoa.ID, since time.Time, after string, limit int) (Page,
	error) {
	query, args, err := Filter{Instance: instance, Outcome: Done, Since: since, After: after}.where()
	if err != nil {
		return Page{}, err
	}
	list, err := db.All(ctx, q, scan, "SELECT "+columns+" FROM audit_event"+query+" ORDER BY at DESC, id DESC LIMIT ?",
		append(args, limit+1)...)
	if err != nil {
		return Page{}, fmt.Errorf("audit: read what was done lately: %w", err)
	}
	p := Page{Events: list}
	if len(list) > limit {
		p.Events = list[:limit]
		p.Next = p.Events[limit-1].Place()
	}
	for i := range p.Events {
		p.Events[i].From, p.Events[i].Node, p.Events[i].Request, p.Events[i].Also = "", "", "", nil
	}
	return p, nil
}

// OfContent reports whether an action is one that people who work on content are told of: no rights, passwords or
// accounts.
func OfContent(action string) bool {
	switch action {
	case Made, Changed, Moved, Published, Scheduled, ExpirySet, Expired, Withdrawn, Discarded, Restored, Uploaded, Trashed,
		Recovered:
		return true
	}
	return false
}
