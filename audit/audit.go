// Package audit keeps who did what: who, from where, to what, when and how it ended. What changes something has its
// row in the transaction of the change itself; what was refused, and what was tried in vain, is gathered and written
// soon after, equal ones of one minute as one row with a count, so that a flood of refusals is no flood of writes.
// Each row is also a line of the log.
package audit

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// The outcomes of what was tried.
const (
	Done      = "done"
	Refused   = "refused"   // not allowed
	Failed    = "failed"    // tried in vain, such as with a wrong password
	Throttled = "throttled" // tried too often
)

// Outcomes gives every outcome, in the order in which they are offered.
func Outcomes() []string { return []string{Done, Refused, Failed, Throttled} }

// What the actor of an event can be.
const (
	isPerson = "person"
	isGuest  = "guest"
	isPortal = "portal"
)

// Thing is what something was done to.
type Thing struct {
	Kind     string  // such as "page"; empty: none
	ID       stoa.ID // 0: none, or all of the kind
	Instance stoa.ID // to which it belongs; 0: to that of the actor
	Title    string  // its name as people know it
}

// Event is one row: something that was done, or several equal ones of a minute.
type Event struct {
	ID       int64     // random, or for rows that are counted the same on all nodes
	At       time.Time // when; for counted rows the begin of the minute
	Until    time.Time // when the newest of them was
	Times    int64     // how often
	Instance stoa.ID   // 0: the whole installation
	Actor    stoa.ID   // 0: a guest or the portal
	Who      string    // name of the person, empty for guests
	Guest    bool      // the actor was not signed in
	Portal   bool      // the portal itself did it: a job, a command of its operator
	From     string    // address of the client, "control socket", or empty
	Outcome  string
	Action   string
	Thing    Thing
	With     []string // what else the sentence tells
	Also     []string // what was changed with it, "kind number" each
	Node     string
	Request  string // id of the request, as the log has it
}

// Options are what a Log needs; DB is required.
type Options struct {
	DB   *db.DB
	Node func() string // name of this node; nil: none
	// InstanceOf gives the instance that a site belongs to, 0 when it is not known. It must not block nor use the
	// database: it is asked in transactions. nil: none is known.
	InstanceOf func(site stoa.ID) stoa.ID
	Now        func() time.Time // nil: time.Now
	Logger     *slog.Logger     // nil: discarded
}

// Log writes what was done. It is safe for concurrent use. The methods that write are also safe on a nil Log, which
// keeps nothing: parts of a portal can be built without one.
type Log struct {
	o   Options
	log *slog.Logger

	flushing sync.Mutex
	mu       sync.Mutex
	waiting  tally
	failing  bool // the newest Flush could not write
}

// New gives a Log over the database. It returns an error when the database is missing.
func New(o Options) (*Log, error) {
	if o.DB == nil {
		return nil, errors.New("audit: Options.DB is required")
	}
	if o.Node == nil {
		o.Node = func() string { return "" }
	}
	if o.InstanceOf == nil {
		o.InstanceOf = func(stoa.ID) stoa.ID { return 0 }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Log{o: o, log: o.Logger.With("component", "audit"), waiting: newTally()}, nil
}

type originKey struct{}

// WithOrigin gives a context for what does not come over HTTP; origin says where from, such as "control socket".
func WithOrigin(ctx context.Context, origin string) context.Context {
	return context.WithValue(ctx, originKey{}, origin)
}

// origin is where a request came from, in the form in which it is kept and searched.
func origin(ctx context.Context) string {
	if addr := stoa.RequesterFrom(ctx); addr.IsValid() {
		return addr.Unmap().WithZone("").String()
	}
	s, _ := ctx.Value(originKey{}).(string)
	return s
}

// Note says what the transaction of the domain does: the action, one of the words of this package, and the thing.
// with is what the sentence of the action tells besides. The row is written with the commit.
func Note(tx *db.Tx, action string, t Thing, with ...string) {
	tx.Note(db.Note{Action: action, Kind: t.Kind, ID: t.ID, Instance: t.Instance, Title: t.Title, With: with})
}

// Attest writes the rows of a transaction into it: one for each note of the domain, and where there is none, for
// each thing that it changes and whose kind is kept. What is changed beside what the notes name stands in the first
// row. It is called by the database handle.
func (l *Log) Attest(ctx context.Context, tx *db.Tx) error {
	events := l.events(ctx, tx)
	for part := range slices.Chunk(events, rowsPerInsert) {
		if err := insert(ctx, tx, part); err != nil {
			return err
		}
	}
	if len(events) > 0 {
		tx.AfterCommit(func() { l.say(ctx, events) })
	}
	return nil
}

// Record writes one row in a transaction of its own, for what was done outside of the database.
func (l *Log) Record(ctx context.Context, outcome, action string, t Thing, with ...string) error {
	if l == nil {
		return nil
	}
	// Who hung up meanwhile has done it all the same.
	err := l.o.DB.Write(context.WithoutCancel(ctx), func(ctx context.Context, tx *db.Tx) error {
		e := l.event(ctx, tx.Now(), db.Note{Action: action, Kind: t.Kind, ID: t.ID, Instance: t.Instance,
			Title: t.Title, With: with})
		e.Outcome = outcome
		tx.AfterCommit(func() { l.say(ctx, []Event{e}) })
		return insert(ctx, tx, []Event{e})
	})
	if err != nil {
		return fmt.Errorf("audit: write down %s: %w", action, err)
	}
	return nil
}

// mostUnnamed is how many things of one kind a transaction without notes has rows for; more are one row with their
// number.
const mostUnnamed = 20

// events gives the rows of a transaction.
func (l *Log) events(ctx context.Context, tx *db.Tx) (out []Event) {
	notes, named := tx.Notes(), map[stoa.ID]bool{}
	for _, n := range notes {
		e := l.event(ctx, tx.Now(), n)
		if e.Instance == 0 && !wide(n.Action) {
			e.Instance = l.instanceOf(tx.Changes(), n)
		}
		out = append(out, e)
		named[n.ID] = true // ids are of one counter, whatever the kind
	}
	byKind := map[string][]db.Change{}
	var kinds []string
	for _, c := range tx.Changes() {
		if !kept(c.Kind) || c.ID != 0 && named[c.ID] || len(notes) > 0 && c.ID == 0 {
			continue
		}
		if byKind[c.Kind] == nil {
			kinds = append(kinds, c.Kind)
		}
		byKind[c.Kind] = append(byKind[c.Kind], c)
	}
	for _, kind := range kinds {
		list := byKind[kind]
		if len(notes) > 0 {
			out[0].Also = append(out[0].Also, also(kind, list)...)
			continue
		}
		if len(list) > mostUnnamed {
			e := l.event(ctx, tx.Now(), db.Note{Action: ChangedMany, Kind: kind, With: []string{fmt.Sprint(len(list))},
				Instance: l.instance(list[0])})
			out = append(out, e)
			continue
		}
		for _, c := range list {
			action := Changed
			if c.Version == 1 {
				action = Made
			}
			out = append(out, l.event(ctx, tx.Now(), db.Note{Action: action, Kind: kind, ID: c.ID,
				Instance: l.instance(c)}))
		}
	}
	return out
}

// also names things that were changed with another.
func also(kind string, list []db.Change) (out []string) {
	for i, c := range list {
		if i == mostUnnamed {
			return append(out, fmt.Sprintf("%s: %d more", kind, len(list)-i))
		}
		out = append(out, kind+" "+c.ID.String())
	}
	return out
}

// instanceOf finds the instance of a note by the change of the same thing.
func (l *Log) instanceOf(changes []db.Change, n db.Note) stoa.ID {
	for _, c := range changes {
		if c.ID == n.ID && c.ID != 0 {
			return l.instance(c)
		}
	}
	return 0
}

// instance is what a change belongs to, as far as its scope tells.
func (l *Log) instance(c db.Change) stoa.ID {
	switch scopeOf(c.Kind) {
	case inInstance:
		return c.Scope
	case inSite:
		return l.o.InstanceOf(c.Scope)
	case isInstance:
		return c.ID
	}
	return 0
}

// event makes a row of a note, with who acts in ctx.
func (l *Log) event(ctx context.Context, at time.Time, n db.Note) Event {
	a := stoa.ActorFrom(ctx)
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails; it ends the process instead
	e := Event{
		ID: int64(binary.LittleEndian.Uint64(b[:]) >> 1), At: at, Until: at, Times: 1, Outcome: Done, Action: n.Action,
		Thing: Thing{Kind: n.Kind, ID: n.ID, Instance: n.Instance, Title: line(n.Title, 190)},
		Actor: a.User, Who: line(a.Name, 190), Guest: !a.SignedIn() && !a.System, Portal: a.System && !a.SignedIn(),
		From: line(origin(ctx), 60), Node: line(l.o.Node(), 120), Request: line(stoa.RequestIDFrom(ctx), 60),
	}
	for _, w := range n.With {
		e.With = append(e.With, line(w, 300))
	}
	if e.Instance = n.Instance; e.Instance == 0 {
		e.Instance = a.Instance
	}
	if wide(n.Action) {
		e.Instance = 0
	}
	e.Thing.Instance = e.Instance
	if n.Action == SignedIn && e.Guest { // who was a guest when the request came
		e.Actor, e.Guest, e.Who = n.ID, false, ""
		if len(e.With) > 0 {
			e.Who = line(e.With[0], 190)
		}
	}
	return e
}

const (
	rowsPerInsert = 50
	columns       = "at, id, until_at, times, instance, actor, who_is, who, origin, outcome, action, kind, thing, " +
		"title, details, node, request, who_words, words"
	columnCount = 19
)

// details is what a row keeps that is not searched by itself.
type details struct {
	With []string `json:"with,omitempty"`
	Also []string `json:"also,omitempty"`
}

func (e *Event) args() ([]any, error) {
	raw := []byte("")
	if len(e.With)+len(e.Also) > 0 {
		var err error
		if raw, err = json.Marshal(details{e.With, e.Also}); err != nil {
			return nil, fmt.Errorf("audit: %w", err)
		}
	}
	is := isPerson
	switch {
	case e.Portal:
		is = isPortal
	case e.Guest:
		is = isGuest
	}
	return []any{db.Micros(e.At), e.ID, db.Micros(e.Until), e.Times, e.Instance, e.Actor, is, e.Who, e.From, e.Outcome,
		e.Action, e.Thing.Kind, e.Thing.ID, e.Thing.Title, string(raw), e.Node, e.Request,
		line(strings.ToLower(e.Who), 190), strings.ToLower(e.Sentence())}, nil
}

// insert writes rows in one statement.
func insert(ctx context.Context, tx *db.Tx, events []Event) error {
	args := make([]any, 0, columnCount*len(events))
	for i := range events {
		a, err := events[i].args()
		if err != nil {
			return err
		}
		args = append(args, a...)
	}
	_, err := tx.Exec(ctx, "INSERT INTO audit_event ("+columns+") VALUES "+
		strings.TrimSuffix(strings.Repeat(db.In(columnCount)+",", len(events)), ","), args...)
	return err
}

// say puts rows into the log of the process.
func (l *Log) say(ctx context.Context, events []Event) {
	for i := range events {
		e := &events[i]
		level := slog.LevelInfo
		if e.Outcome != Done {
			level = slog.LevelWarn
		}
		attrs := []slog.Attr{slog.Int64("event", e.ID), slog.String("outcome", e.Outcome),
			slog.String("action", e.Action)}
		add := func(name, value string) {
			if value != "" && value != "0" {
				attrs = append(attrs, slog.String(name, value))
			}
		}
		add("kind", e.Thing.Kind)
		add("id", e.Thing.ID.String())
		add("title", e.Thing.Title)
		add("with", strings.Join(e.With, "; "))
		add("also", strings.Join(e.Also, "; "))
		add("user", e.Actor.String())
		add("who", e.Who)
		add("from", e.From)
		add("instance", e.Instance.String())
		add("request", e.Request)
		if e.Times > 1 {
			attrs = append(attrs, slog.Int64("times", e.Times))
		}
		l.log.LogAttrs(ctx, level, "audit", attrs...)
	}
}

// line cuts text that may be hostile to n characters on one line.
func line(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s[:min(len(s), 4*n)], ""))
	if r := []rune(s); len(r) > n {
		s = string(r[:n])
	}
	return s
}

// hash makes the id of a row that is counted: the same on all nodes for the same parts.
func hash(parts ...any) int64 {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%v\x00", p)
	}
	return int64(binary.LittleEndian.Uint64(h.Sum(nil)) >> 1)
}
