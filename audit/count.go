package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

const (
	// mostOfOne is how many different rows one person, or one address of guests, has in a minute for what is
	// counted; what is more is one row.
	mostOfOne = 20
	// mostOfInstance is the same for all of an instance together, on one node.
	mostOfInstance = 200
	// mostWaiting is how many rows wait for a database that is away; what is more is counted in one row per
	// instance.
	mostWaiting = 5000
)

// mark is what counted rows have in common. Its parts make the id of the row, so that all nodes count in one.
type mark struct {
	minute   int64 // Unix time / 60
	instance stoa.ID
	actor    stoa.ID
	from     string // network of guests; empty for people, who may be anywhere
	outcome  string
	action   string
	kind     string
	thing    stoa.ID
	with     string
}

func (m mark) id() int64 {
	return hash(m.minute, m.instance, m.actor, m.from, m.outcome, m.action, m.kind, m.thing, m.with)
}

// by is the part of a mark that says who it is.
func (m mark) by() mark { return mark{instance: m.instance, actor: m.actor, from: m.from} }

// tally is what waits to be written, and how much of what a minute may have was taken.
type tally struct {
	rows   map[mark]*Event
	minute int64
	seen   map[mark]bool    // of this minute
	byOne  map[mark]int     // of this minute: different marks
	byInst map[stoa.ID]int  // of this minute: different marks
	others map[stoa.ID]mark // the row for what is more than can wait
}

func newTally() tally {
	t := tally{rows: map[mark]*Event{}, others: map[stoa.ID]mark{}}
	t.turn(0)
	return t
}

func (t *tally) turn(minute int64) {
	t.minute = minute
	t.seen, t.byOne, t.byInst = map[mark]bool{}, map[mark]int{}, map[stoa.ID]int{}
}

// admit gives the mark under which one more is counted: its own while there is room, else that of the rest of the
// same person, or of all.
func (t *tally) admit(m mark) mark {
	if m.minute != t.minute {
		t.turn(m.minute)
	}
	if t.seen[m] {
		return m
	}
	by := m.by()
	if t.byInst[m.instance] >= mostOfInstance {
		return mark{minute: m.minute, instance: m.instance, outcome: m.outcome, action: Others}
	}
	if t.byOne[by] >= mostOfOne {
		by.minute, by.outcome, by.action = m.minute, m.outcome, Others
		m = by
		if t.seen[m] {
			return m
		}
	}
	t.byOne[m.by()]++
	t.byInst[m.instance]++
	t.seen[m] = true
	return m
}

// Count notes what was refused or tried in vain. Equal ones of one minute are one row, on all nodes together, which
// is written within seconds; the newest of them are lost when this node is killed before that. It never blocks and
// never fails.
func (l *Log) Count(ctx context.Context, outcome, action string, t Thing, with ...string) {
	if l == nil {
		return
	}
	now := l.o.Now().UTC().Truncate(time.Microsecond)
	e := l.event(ctx, now, db.Note{Action: action, Kind: t.Kind, ID: t.ID, Instance: t.Instance, Title: t.Title,
		With: with})
	e.Outcome = outcome
	m := mark{minute: now.Unix() / 60, instance: e.Instance, actor: e.Actor, outcome: outcome, action: action,
		kind: t.Kind, thing: t.ID}
	if len(e.With) > 0 {
		m.with = e.With[0]
	}
	if e.Guest {
		m.from = network(e.From)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	m = l.waiting.admit(m)
	row := l.waiting.rows[m]
	if row == nil && len(l.waiting.rows) >= mostWaiting {
		m = l.waiting.overflow(m)
		row = l.waiting.rows[m]
	}
	if row != nil {
		row.Times++
		row.Until = now
		return
	}
	e.ID, e.At, e.Until = m.id(), time.Unix(m.minute*60, 0).UTC(), now
	if m.action == Others { // of many
		e.Action, e.Thing, e.With, e.Request = Others, Thing{Instance: m.instance}, nil, ""
		if m.actor == 0 && m.from == "" {
			e.Actor, e.Who, e.From, e.Guest, e.Portal = 0, "", "", true, false
		}
	}
	l.waiting.rows[m] = &e
	l.say(ctx, []Event{e})
}

// overflow is the mark of the one row in which an instance counts what is more than can wait.
func (t *tally) overflow(m mark) mark {
	if o, ok := t.others[m.instance]; ok {
		return o
	}
	o := mark{minute: m.minute, instance: m.instance, outcome: m.outcome, action: Others}
	t.others[m.instance] = o
	return o
}

// network is what the addresses of one guest have in common: all of it in IPv4, /64 in IPv6.
func network(from string) string {
	a, err := netip.ParseAddr(from)
	if err != nil || a.Is4() {
		return from
	}
	p, err := a.Prefix(64)
	if err != nil {
		return from
	}
	return p.String()
}

// Refusal is an error that knows what was refused.
type Refusal interface {
	Refused() (action string, kind string, id, instance stoa.ID)
}

// Refused notes the answer to a request when it is a refusal: what is forbidden, and what is hidden from a person
// who is signed in and may not see it. Guests who are asked to sign in are no refusal.
func (l *Log) Refused(ctx context.Context, err error) {
	if l == nil || err == nil {
		return
	}
	var e *stoa.Error
	if !errors.As(err, &e) {
		return
	}
	var r Refusal
	known := errors.As(err, &r)
	if e.Kind != stoa.KindForbidden && (!known || e.Kind != stoa.KindNotFound) {
		return
	}
	t, said := Thing{}, e.Message
	if known {
		var action string
		action, t.Kind, t.ID, t.Instance = r.Refused()
		if e.Kind == stoa.KindNotFound {
			said = fmt.Sprintf("you may not see this %s, nor %s it", t.Kind, action)
		}
	}
	// The row is for those who look after the account that tried; whose thing it was stays in the row.
	t.Instance = 0
	l.Count(ctx, Refused, Access, t, said)
}

// Flush writes what waits; what cannot be written goes on waiting. It does nothing when nothing waits.
func (l *Log) Flush(ctx context.Context) error {
	if l == nil {
		return nil
	}
	l.flushing.Lock()
	defer l.flushing.Unlock()
	l.mu.Lock()
	rows := l.waiting.rows
	l.waiting.rows, l.waiting.others = map[mark]*Event{}, map[stoa.ID]mark{}
	l.mu.Unlock()
	if len(rows) == 0 {
		return nil
	}
	// Nodes that write the same rows do so in one order.
	marks := slices.SortedFunc(maps.Keys(rows), func(a, b mark) int {
		return cmp.Or(cmp.Compare(a.minute, b.minute), cmp.Compare(rows[a].ID, rows[b].ID))
	})
	var err error
	for len(marks) > 0 && err == nil {
		part := marks[:min(len(marks), rowsPerInsert)]
		if err = l.add(ctx, part, rows); err == nil {
			for _, m := range part {
				delete(rows, m)
			}
			marks = marks[len(part):]
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for m, e := range rows { // what could not be written
		if now := l.waiting.rows[m]; now != nil {
			now.Times += e.Times
		} else {
			l.waiting.rows[m] = e
		}
		if m.action == Others && m.from == "" && m.actor == 0 {
			l.waiting.others[m.instance] = m
		}
	}
	if failed := err != nil; failed != l.failing {
		l.failing = failed
		if failed {
			l.log.Warn("what was refused cannot be written down now; it waits", "rows", len(rows), "error", err)
		}
	}
	if err != nil {
		return fmt.Errorf("audit: write what was counted: %w", err)
	}
	return nil
}

// add writes counted rows, or adds to those that another flush or node has made.
func (l *Log) add(ctx context.Context, marks []mark, rows map[mark]*Event) error {
	return l.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		for _, m := range marks {
			e := rows[m]
			args, err := e.args()
			if err != nil {
				return err
			}
			row := db.Row{}
			for i, c := range columnNames() {
				row[c] = args[i]
			}
			made, err := tx.InsertIgnore(ctx, "audit_event", row)
			if err != nil {
				return err
			}
			if made {
				continue
			}
			until := db.Micros(e.Until)
			if _, err := tx.Exec(ctx, "UPDATE audit_event SET times = times + ?, until_at = CASE WHEN until_at < ? "+
				"THEN ? ELSE until_at END WHERE at = ? AND id = ?", e.Times, until, until, db.Micros(e.At), e.ID,
			); err != nil {
				return err
			}
		}
		return nil
	})
}
