package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
)

// EventKind is the kind of the change rows of events.
const EventKind = "cluster-event"

const (
	// eventsKept is for how long events that have been read stay.
	eventsKept = 90 * 24 * time.Hour
	// eventsMost is how many stay, read or not.
	eventsMost = 1000
	// eventsWaiting is how many a node keeps in memory while it cannot write them.
	eventsWaiting = 200
	// eventText bounds the words of an event, in bytes.
	eventText = 4000
)

// Event is something that happened to the cluster and stays until it has been read. Code, Severity (empty: what the
// code weighs), Text and Mend are sentences and codes as in a Finding. The caller that records it sets no ID, Until,
// Times, ReadAt or ReadBy.
type Event struct {
	ID       stoa.ID           `json:"id"`
	Code     string            `json:"code"`
	Severity Severity          `json:"severity"`
	At       time.Time         `json:"at"`    // when it happened first; zero: now
	Until    time.Time         `json:"until"` // when it happened last
	Times    int64             `json:"times"` // how often an equal event came within a minute
	Node     string            `json:"node"`  // who noticed it first
	Text     string            `json:"text"`
	Mend     string            `json:"mend"`
	Data     map[string]string `json:"data,omitempty"` // for programs
	ReadAt   time.Time         `json:"readAt,omitzero"`
	ReadBy   string            `json:"readBy,omitempty"`

	// Sentence is Text before its Args were put in, as Finding has them; the row keeps both in its data.
	Sentence string `json:"-"`
	Args     []any  `json:"-"`
}

// same tells equal events from others: each node may tell of one and the same thing.
func (e Event) same() string {
	sum := sha256.Sum256([]byte(e.Code + "\x00" + e.Text))
	return hex.EncodeToString(sum[:16])
}

// settle fills in what may be left out.
func (e Event) settle(now time.Time) Event {
	if e.At.IsZero() {
		e.At = now
	}
	if e.Until.Before(e.At) {
		e.Until = e.At
	}
	if e.Severity == "" {
		e.Severity = severityOf(e.Code)
	}
	e.Times = max(e.Times, 1)
	e.Text, e.Mend, e.Node = stoa.Clip(e.Text, eventText), stoa.Clip(e.Mend, eventText), stoa.Clip(e.Node, 120)
	return e
}

// RecordEvent writes an event in a transaction of db.Write, which tells the screens of all nodes. An equal one (same
// code and text) of the minute before becomes one with it, with a count, and counts as not read again. An event
// without code or text is Invalid.
func RecordEvent(ctx context.Context, tx *db.Tx, e Event) error {
	if e.Code == "" || len(e.Code) > 60 || e.Text == "" {
		return stoa.Invalid("event", "an event needs a code of 1 to 60 bytes and a text; %.80q was given", e.Code)
	}
	e = e.settle(tx.Now())
	data := ""
	kept, err := e.keepWords()
	if err != nil {
		return err
	}
	if len(kept) > 0 {
		raw, err := json.Marshal(kept)
		if err != nil {
			return fmt.Errorf("record an event: %w", err)
		}
		data = string(raw)
	}
	at, until, same := db.Micros(e.At), db.Micros(e.Until), e.same()
	var id int64
	err = tx.QueryRow(ctx,
		"SELECT id FROM cluster_event WHERE mark LIKE ? AND until_at >= ? AND at <= ? ORDER BY until_at DESC LIMIT 1",
		same+"%", at-time.Minute.Microseconds(), until+time.Minute.Microseconds()).Scan(&id)
	switch {
	case db.IsNoRows(err):
		next, err := tx.NewID(ctx)
		if err != nil {
			return fmt.Errorf("record an event: %w", err)
		}
		// Two nodes that tell the same at once meet at the mark.
		mark := same + "-" + strconv.FormatInt(at/time.Minute.Microseconds(), 10)
		made, err := tx.InsertIgnore(ctx, "cluster_event", db.Row{
			"id":       next,
			"mark":     mark,
			"code":     e.Code,
			"severity": string(e.Severity),
			"at":       at,
			"until_at": until,
			"times":    e.Times,
			"node":     e.Node,
			"text":     e.Text,
			"mend":     e.Mend,
			"data":     data,
			"read_at":  0,
			"read_by":  "",
		})
		if err != nil {
			return fmt.Errorf("record an event: %w", err)
		}
		if made {
			tx.Changed(EventKind, next, 0, 0)
			return nil
		}
		if err := tx.QueryRow(ctx, "SELECT id FROM cluster_event WHERE "+
			"mark = ?"+tx.Dialect().ForUpdate(), mark).Scan(&id); err != nil {
			return fmt.Errorf("record an event: %w", err)
		}
	case err != nil:
		return fmt.Errorf("record an event: %w", err)
	}
	const again = "UPDATE cluster_event SET times = times + ?, until_at = CASE WHEN until_at < ? THEN ? ELSE " +
		"until_at END, read_at = 0, read_by = '' WHERE id = ?"
	if _, err := tx.Exec(ctx, again, e.Times, until, until, id); err != nil {
		return fmt.Errorf("record an event: %w", err)
	}
	tx.Changed(EventKind, stoa.ID(id), 0, 0)
	return nil
}

const eventColumns = "SELECT id, code, severity, at, until_at, times, node, text, mend, data, read_at, read_by " +
	"FROM cluster_event"

func scanEvent(s db.Scanner) (e Event, err error) {
	var at, until, read int64
	var data string
	err = s.Scan(&e.ID, &e.Code, &e.Severity, &at, &until, &e.Times, &e.Node, &e.Text, &e.Mend, &data, &read, &e.ReadBy)
	e.At, e.Until, e.ReadAt = db.Time(at), db.Time(until), db.Time(read)
	if data != "" && err == nil {
		err = json.Unmarshal([]byte(data), &e.Data)
		e.findWords()
	}
	return e, err
}

// Events gives the newest events, 1 to 1000 of them, read or not. It is for operators.
func Events(ctx context.Context, q db.Queryer, limit int) ([]Event, error) {
	if err := stoa.ActorFrom(ctx).Operates("look at the events of the cluster"); err != nil {
		return nil, err
	}
	if limit < 1 || limit > eventsMost {
		return nil, stoa.Invalid("limit", "%d events were asked for: 1 to %d can be shown", limit, eventsMost)
	}
	return db.All(ctx, q, scanEvent, eventColumns+" ORDER BY until_at DESC, id DESC LIMIT ?", limit)
}

// UnreadEvents gives the events that have not been read, the gravest first and of these the newest, at most limit (1
// to 1000), and how many there are. It is for operators.
func UnreadEvents(ctx context.Context, q db.Queryer, limit int) (events []Event, all int, err error) {
	if err := stoa.ActorFrom(ctx).Operates("look at the events of the cluster"); err != nil {
		return nil, 0, err
	}
	const order = " ORDER BY CASE severity WHEN 'critical' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END, until_at " +
		"DESC, id DESC LIMIT ?"
	if events, err = db.All(ctx, q, scanEvent, eventColumns+" WHERE read_at = 0"+order, limit); err != nil ||
		len(events) < limit {
		return events, len(events), err
	}
	err = q.QueryRow(ctx, "SELECT count(*) FROM cluster_event WHERE read_at = 0").Scan(&all)
	return events, all, err
}

// ReadEvents marks events as read by the actor of ctx: those with the ids, or all that are not read. It gives how
// many it marked. It is for operators.
func ReadEvents(ctx context.Context, d *db.DB, ids ...stoa.ID) (marked int64, err error) {
	if err := stoa.ActorFrom(ctx).OperatesNow("mark events of the cluster as read"); err != nil {
		return 0, err
	}
	where, args := " WHERE read_at = 0", []any(nil)
	if len(ids) > 0 {
		where, args = where+" AND id IN "+db.In(len(ids)), db.Args(ids)
	}
	by := stoa.Clip(stoa.ActorFrom(ctx).Name, 190)
	err = d.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		marked, err = tx.Affected(ctx,
			"UPDATE cluster_event SET read_at = ?, read_by = ?"+where,
			append([]any{db.Micros(tx.Now()), by}, args...)...)
		if marked > 0 {
			tx.Changed(EventKind, 0, 0, 0)
			audit.Note(tx, audit.EventsRead, audit.Thing{})
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("mark events as read: %w", err)
	}
	return marked, nil
}

// PruneEvents deletes what has been read for long, and what is more than can be kept: first what has been read, then
// what matters least. One node calls it; fence, if not nil, is applied to the transaction.
func PruneEvents(ctx context.Context, d *db.DB, fence func(tx *db.Tx)) (deleted int64, err error) {
	err = d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if fence != nil {
			fence(tx)
		}
		n, err := tx.Affected(ctx, "DELETE FROM cluster_event WHERE read_at > 0 AND read_at < ?",
			db.Micros(tx.Now().Add(-eventsKept)))
		if err != nil {
			return err
		}
		deleted = n
		ids, err := db.All(ctx, tx, func(s db.Scanner) (id stoa.ID, err error) { return id, s.Scan(&id) },
			"SELECT id FROM cluster_event ORDER BY CASE WHEN read_at > 0 THEN 3 WHEN severity = 'critical' THEN 0 "+
				"WHEN severity = 'warning' THEN 1 ELSE 2 END, until_at DESC, id DESC")
		if err != nil || len(ids) <= eventsMost {
			return err
		}
		for part := range slices.Chunk(ids[eventsMost:], 500) {
			n, err := tx.Affected(ctx, "DELETE FROM cluster_event WHERE id IN "+db.In(len(part)), db.Args(part)...)
			if err != nil {
				return err
			}
			deleted += n
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("prune the events: %w", err)
	}
	return deleted, nil
}

// EventLog takes events at any time, also while the database cannot be written to, and writes them when it can. It is
// safe for concurrent use.
type EventLog struct {
	d    *db.DB
	log  *slog.Logger
	node func() string
	now  func() time.Time

	mu      sync.Mutex
	waiting []Event
	dropped int64

	flushing sync.Mutex // one at a time, so that none is written twice
}

// NewEventLog gives a log that writes to d. node gives the name of this node, for events without one; it must not
// block.
func NewEventLog(d *db.DB, node func() string, log *slog.Logger) *EventLog {
	return &EventLog{d: d, node: node, log: log, now: time.Now}
}

// Add takes an event, and says it in the log of this process. It never blocks and never fails: when too many wait, the
// oldest that matters least is let go, and counted.
func (l *EventLog) Add(e Event) {
	if e.Node == "" {
		e.Node = l.node()
	}
	e = e.settle(l.now().UTC())
	level := slog.LevelWarn
	switch e.Severity {
	case Critical:
		level = slog.LevelError
	case Info:
		level = slog.LevelInfo
	}
	l.log.Log(context.Background(), level, "event: "+e.Text, "code", e.Code, "mend", e.Mend)
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.waiting {
		if w := &l.waiting[i]; w.same() == e.same() && e.At.Sub(w.Until) <= time.Minute {
			w.Times++
			w.Until = e.Until
			return
		}
	}
	if len(l.waiting) >= eventsWaiting {
		least := 0
		for i, w := range l.waiting {
			if weight(w.Severity) > weight(l.waiting[least].Severity) {
				least = i
			}
		}
		l.waiting = slices.Delete(l.waiting, least, least+1)
		l.dropped++
	}
	l.waiting = append(l.waiting, e)
}

// Waiting gives the events that are not written yet, the oldest first.
func (l *EventLog) Waiting() []Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.waiting)
}

// Flush writes what waits; what cannot be written goes on waiting.
func (l *EventLog) Flush(ctx context.Context) error {
	l.flushing.Lock()
	defer l.flushing.Unlock()
	l.mu.Lock()
	batch, dropped := slices.Clone(l.waiting), l.dropped
	l.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	if dropped > 0 {
		batch = append(batch, Event{
			Code: CodeEventsLost,
			Node: l.node(),
			Mend: "see its log, which has them",
		}.Saying("%s could not keep %d events while it could not write them.", l.node(), dropped).settle(l.now().UTC()))
	}
	err := l.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		for _, e := range batch {
			if err := RecordEvent(ctx, tx, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write the events: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropped -= dropped
	for _, b := range batch { // what came meanwhile waits for the next time
		for i := range l.waiting {
			if w := &l.waiting[i]; w.same() == b.same() && w.At.Equal(b.At) {
				w.Times -= b.Times
			}
		}
	}
	l.waiting = slices.DeleteFunc(l.waiting, func(w Event) bool { return w.Times <= 0 })
	return nil
}

// ErrNoEvents says that the database is of an older schema, which knows no events.
var ErrNoEvents = errors.New("this database is of an older schema, which keeps no events")
