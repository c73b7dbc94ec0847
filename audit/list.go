package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// Filter narrows a list; zero fields match everything.
type Filter struct {
	Instance stoa.ID   // 0: that of the actor; for operators all of the installation
	Who      string    // part of a name, or the number of an account
	What     string    // words of what was done, or the number of a thing
	From     string    // the begin of an address
	Outcome  string    // one of Outcomes
	Since    time.Time // not before
	Until    time.Time // before
	After    string    // Page.Next of the page before
	Limit    int       // 1 to 500; 0: 50
}

// Page is a part of a list, the newest first. Next is what Filter.After asks for the next part with, "" at the end.
type Page struct {
	Events []Event
	Next   string
}

const (
	defaultLimit = 50
	maxLimit     = 500
)

func columnNames() []string { return strings.Split(columns, ", ") }

// List gives what was done, the newest first. Administrators see what belongs to their instance, without the names of
// nodes; operators see everything. Others are refused.
func (l *Log) List(ctx context.Context, f Filter) (Page, error) {
	f, all, err := f.permit(ctx)
	if err != nil {
		return Page{}, err
	}
	query, args, err := f.where()
	if err != nil {
		return Page{}, err
	}
	list, err := db.All(ctx, db.Reader(ctx, l.o.DB), scan, "SELECT "+columns+" FROM audit_event"+query+
		" ORDER BY at DESC, id DESC LIMIT ?", append(args, f.Limit+1)...)
	if err != nil {
		return Page{}, fmt.Errorf("audit: list: %w", err)
	}
	p := Page{Events: list}
	if len(list) > f.Limit {
		p.Events = list[:f.Limit]
		p.Next = p.Events[f.Limit-1].Place()
	}
	if !all {
		for i := range p.Events {
			p.Events[i].Node = ""
		}
	}
	return p, nil
}

// permit asks whether the actor may see the list, and narrows it to what the actor may see.
func (f Filter) permit(ctx context.Context) (_ Filter, all bool, err error) {
	a := stoa.ActorFrom(ctx)
	if f.Limit <= 0 {
		f.Limit = defaultLimit
	}
	f.Limit = min(f.Limit, maxLimit)
	switch {
	case a.System || a.Operator:
		return f, true, nil
	case !a.SignedIn():
		return f, false, stoa.Unauthorized("sign in to see the audit log")
	case !a.Admin || a.Instance == 0:
		return f, false, stoa.Forbidden("only administrators may see the audit log")
	case f.Instance != 0 && f.Instance != a.Instance:
		return f, false, stoa.NotFound("instance", f.Instance)
	}
	f.Instance = a.Instance
	return f, false, nil
}

// where gives the conditions of the filter.
func (f Filter) where() (query string, args []any, err error) {
	and := func(condition string, values ...any) {
		if query == "" {
			query = " WHERE " + condition
		} else {
			query += " AND " + condition
		}
		args = append(args, values...)
	}
	if f.Instance != 0 {
		and("instance = ?", f.Instance)
	}
	if who := strings.ToLower(line(strings.TrimSpace(f.Who), 100)); who != "" {
		if id, err := stoa.ParseID(who); err == nil {
			and("actor = ?", id)
		} else {
			for _, word := range words(who) {
				and("who_words LIKE ? ESCAPE '!'", "%"+word+"%")
			}
		}
	}
	if what := strings.ToLower(line(strings.TrimSpace(f.What), 200)); what != "" {
		if id, err := stoa.ParseID(what); err == nil {
			and("thing = ?", id)
		} else {
			for _, word := range words(what) {
				and("words LIKE ? ESCAPE '!'", "%"+word+"%")
			}
		}
	}
	if from := line(strings.TrimSpace(f.From), 60); from != "" {
		if a, err := netip.ParseAddr(from); err == nil {
			and("origin = ?", a.Unmap().WithZone("").String())
		} else {
			and("origin LIKE ? ESCAPE '!'", db.Like(strings.ToLower(from))+"%")
		}
	}
	if f.Outcome != "" {
		and("outcome = ?", line(f.Outcome, 20))
	}
	if !f.Since.IsZero() { // a counted row began at the full minute
		and("at >= ?", db.Micros(f.Since.Truncate(time.Minute)))
	}
	if !f.Until.IsZero() {
		and("at < ?", db.Micros(f.Until))
	}
	if f.After != "" {
		at, id, ok := strings.Cut(f.After, ".")
		atValue, atErr := strconv.ParseInt(at, 36, 64)
		idValue, idErr := strconv.ParseInt(id, 36, 64)
		if !ok || atErr != nil || idErr != nil {
			return "", nil, stoa.Invalid("after", "%.60q is no place in the audit log: begin at its first page", f.After)
		}
		and("at <= ? AND (at < ? OR id < ?)", atValue, atValue, idValue)
	}
	return query, args, nil
}

// words gives up to 8 words to look for, for LIKE.
func words(s string) []string {
	list := strings.Fields(s)
	list = list[:min(len(list), 8)]
	for i := range list {
		list[i] = db.Like(list[i])
	}
	return list
}

func scan(row db.Scanner) (Event, error) {
	var e Event
	var at, until int64
	var is, raw, whoWords, sentence string
	err := row.Scan(&at, &e.ID, &until, &e.Times, &e.Instance, &e.Actor, &is, &e.Who, &e.From, &e.Outcome, &e.Action,
		&e.Thing.Kind, &e.Thing.ID, &e.Thing.Title, &raw, &e.Node, &e.Request, &whoWords, &sentence)
	e.At, e.Until = db.Time(at), db.Time(until)
	e.Guest, e.Portal, e.Thing.Instance = is == isGuest, is == isPortal, e.Instance
	if raw != "" && err == nil {
		var d details
		err = json.Unmarshal([]byte(raw), &d)
		e.With, e.Also = d.With, d.Also
	}
	return e, err
}

// Each calls fn for every row of the filter, the newest first, page by page, and ends with its first error. That it
// was done is a row itself, written before the first is given. The rights are those of List.
func (l *Log) Each(ctx context.Context, f Filter, fn func(Event) error) error {
	if _, _, err := f.permit(ctx); err != nil {
		return err
	}
	if err := l.Record(ctx, Done, Exported, Thing{}); err != nil {
		return err
	}
	if f.Until.IsZero() { // what is written meanwhile does not belong to it
		f.Until = l.o.Now()
	}
	f.Limit, f.After = maxLimit, ""
	for {
		p, err := l.List(ctx, f)
		if err != nil {
			return err
		}
		for _, e := range p.Events {
			if err := fn(e); err != nil {
				return err
			}
		}
		if p.Next == "" {
			return nil
		}
		f.After = p.Next
	}
}

const pruneBatch = 1000

// Prune deletes rows that are older than keep, in batches of which each is a transaction; one node calls it. fence,
// if not nil, is applied to each. It gives how many it deleted. Only the portal itself may.
func (l *Log) Prune(ctx context.Context, keep time.Duration, fence func(tx *db.Tx)) (deleted int64, err error) {
	if !stoa.ActorFrom(ctx).System {
		return 0, stoa.Forbidden("only the portal itself shortens the audit log")
	}
	if keep <= 0 {
		return 0, stoa.Invalid("keep", "the audit log is kept for a time above 0; %s was given", keep)
	}
	end := db.Micros(l.o.Now().Add(-keep))
	for {
		var n int64
		err := l.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			if fence != nil {
				fence(tx)
			}
			to := end
			err := tx.QueryRow(ctx, "SELECT at FROM audit_event WHERE at < ? ORDER BY at, id LIMIT 1 OFFSET ?", end,
				pruneBatch-1).Scan(&to)
			if err != nil && !db.IsNoRows(err) {
				return err
			}
			if err == nil {
				to++ // all of that microsecond
			}
			n, err = tx.Affected(ctx, "DELETE FROM audit_event WHERE at < ?", to)
			return err
		})
		if err != nil {
			return deleted, fmt.Errorf("audit: prune: %w", err)
		}
		if deleted += n; n < pruneBatch {
			return deleted, nil
		}
	}
}
