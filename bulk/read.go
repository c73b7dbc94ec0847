package bulk

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// The states of an action.
const (
	Waiting = "waiting" // for its first portion
	Running = "running"
	Ended   = "ended" // everything was worked through; some of it may have been refused
	Stopped = "stopped"
)

// Record is an action as its row tells of it.
type Record struct {
	ID, Instance, Site stoa.ID
	Action             string
	Person             stoa.ID // who asked for it
	PersonName         string  // as that person was called then
	State              string
	Total              int // things that it is for
	Worked             int // of these, those whose turn has come
	Refused            int // of these, those that could not be done
	Made               time.Time
	Ended              time.Time // zero while it is not over
	Version            int64

	place int // the portion that comes next
}

// Open reports whether the action goes on.
func (r Record) Open() bool { return r.State == Waiting || r.State == Running }

// Done is with how many things it was done.
func (r Record) Done() int { return r.Worked - r.Refused }

const columns = "SELECT id, instance, site, name, person, person_name, state, total, worked, refused, place, made, " +
	"ended, version FROM bulk_action "

func scan(row db.Scanner) (Record, error) {
	var r Record
	var made, ended int64
	err := row.Scan(&r.ID, &r.Instance, &r.Site, &r.Action, &r.Person, &r.PersonName, &r.State, &r.Total, &r.Worked,
		&r.Refused, &r.place, &made, &ended, &r.Version)
	r.Made, r.Ended = db.Time(made), db.Time(ended)
	return r, err
}

func read(ctx context.Context, q db.Queryer, id stoa.ID) (Record, error) {
	r, err := db.One(ctx, q, scan, columns+"WHERE id = ?", id)
	if db.IsNoRows(err) {
		err = stoa.NotFound("bulk action", id)
	}
	return r, err
}

// Get gives an action as it is now. It is for the person who asked for it and for administrators of the instance; for
// others there is none.
func (s *Service) Get(ctx context.Context, id stoa.ID) (Record, error) {
	r, err := read(ctx, s.o.DB, id)
	if err != nil {
		return r, err
	}
	actor := stoa.ActorFrom(ctx)
	if actor.System || actor.SignedIn() && actor.Instance == r.Instance && (actor.Admin || actor.User == r.Person) {
		return r, nil
	}
	return Record{}, stoa.NotFound("bulk action", id)
}

// Page is a piece of the list of actions; Next is what after is for the piece that follows, empty at the end.
type Page struct {
	Items []Record
	Next  string
}

// List gives actions, the newest first, from the place after on, at most limit (1 to 500): those of the actor or, for
// administrators, of the instance. What is no place is the beginning.
func (s *Service) List(ctx context.Context, after string, limit int) (Page, error) {
	actor := stoa.ActorFrom(ctx)
	if !actor.SignedIn() {
		return Page{}, stoa.Unauthorized("sign in to see your bulk actions")
	}
	where, args := "person = ?", []any{actor.User}
	if actor.Admin {
		where, args = "instance = ?", []any{actor.Instance}
	}
	if made, id, ok := place(after); ok {
		where, args = where+" AND made <= ? AND (made < ? OR id < ?)", append(args, made, made, id)
	}
	limit = min(max(limit, 1), 500)
	list, err := db.All(ctx, s.o.DB, scan, columns+"WHERE "+where+" ORDER BY made DESC, id DESC LIMIT ?",
		append(args, limit+1)...)
	if err != nil {
		return Page{}, fmt.Errorf("bulk: list actions: %w", err)
	}
	if len(list) <= limit {
		return Page{Items: list}, nil
	}
	list = list[:limit]
	return Page{Items: list, Next: list[limit-1].Place()}, nil
}

// Place is what after is for the piece of the list that begins behind the action.
func (r Record) Place() string { return fmt.Sprintf("%d-%d", db.Micros(r.Made), r.ID) }

func place(after string) (made int64, id stoa.ID, ok bool) {
	text, number, _ := strings.Cut(after, "-")
	made, err := strconv.ParseInt(text, 10, 64)
	if err == nil {
		id, err = stoa.ParseID(number)
	}
	return made, id, err == nil
}

// Refusal is a thing with which it was not done.
type Refusal struct {
	Thing
	N      int         // its place in the list of the action
	Reason *stoa.Error // to be said in the language of the reader
}

// Refusals gives what was refused of an action behind the place after (0: from the start), in the order of the list,
// at most limit (1 to 500). It is for those for whom Get is.
func (s *Service) Refusals(ctx context.Context, id stoa.ID, after, limit int) ([]Refusal, error) {
	if _, err := s.Get(ctx, id); err != nil {
		return nil, err
	}
	list, err := db.All(ctx, s.o.DB, func(row db.Scanner) (Refusal, error) {
		var r Refusal
		var reason string
		if err := row.Scan(&r.N, &r.Kind, &r.ID, &reason); err != nil {
			return r, err
		}
		r.Reason = parseReason(reason)
		return r, nil
	}, "SELECT n, kind, thing, reason FROM bulk_refusal WHERE action = ? AND n > ? ORDER BY n LIMIT ?", id, after,
		min(max(limit, 1), 500))
	if err != nil {
		return nil, fmt.Errorf("bulk: list what was refused: %w", err)
	}
	return list, nil
}
