// Package bulk does one thing with many: more than one transaction should hold. The list of things is frozen in rows
// when a person asks, in portions. A job works through one portion at a time: in one fenced transaction it does what
// was asked for with each thing, writes down those that were refused, and moves the place on, so that what is done and
// what is known of it are never apart, and a node that takes over goes on behind the last portion that was committed.
// What the things are, and who may do what with them, the domain says by its Actions; each is asked with the rights
// that the person has at that time. One run works in the whole cluster, for all actions in turn: bulk actions take no
// more than one worker from other jobs, and one of a hundred thousand things holds up no other.
package bulk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/job"
)

const (
	// Portion is how many things one transaction is for.
	Portion = 200
	// MostThings is how many things one action can be for.
	MostThings = 1_000_000
	// mostOpen is how many actions of one person can be unfinished.
	mostOpen = 5
	maxName  = 60
)

// kindBulk is the kind of change of an action.
const kindBulk = "bulk"

// Thing is one of the things that an action is for.
type Thing struct {
	Kind string // 40 bytes at most, without white space or hyphens
	ID   stoa.ID
}

func (t Thing) String() string { return t.Kind + "-" + t.ID.String() }

func parseThing(s string) (Thing, error) {
	kind, number, _ := strings.Cut(s, "-")
	id, err := stoa.ParseID(number)
	return Thing{kind, id}, err
}

// Action is something that can be done with many things. Package server registers those of the domain.
type Action struct {
	Name  string      // kept in rows, such as "article.publish"; 60 bytes at most
	Title stoa.Phrase // what it is called: a key of package lang
	// Do does it with one thing, in the transaction of a portion and with the permission that the actor of ctx needs.
	// An error that is an answer to a person, or one that comes again each time, is listed as the reason why it was
	// not done, and nothing of it stays; Unavailable, and what the database asks to repeat, ends the transaction.
	Do func(ctx context.Context, tx *db.Tx, t Thing) error
}

// Options are what a Service needs. DB, Jobs and Actor are required.
type Options struct {
	DB   *db.DB
	Jobs *job.Service
	// Actor gives what a person may do now; NotFound when they may not sign in any more.
	Actor func(ctx context.Context, person stoa.ID) (stoa.Actor, error)
	// Refused is told, with the person as the actor of ctx, of what was refused, as for one thing; nil: no one is.
	Refused func(ctx context.Context, err error)
	Keep    time.Duration // how long what has ended is remembered; 0 = 30 days
	// Longest is after how long a transaction ends though its portion is not finished: what it has locked, others wait
	// for, and things can be large, such as a page with all those below it. 0 = 5 s.
	Longest time.Duration
	Logger  *slog.Logger // nil: discarded
}

// Service takes in bulk actions and works through them. It is safe for concurrent use once all actions are registered.
type Service struct {
	o       Options
	log     *slog.Logger
	actions map[string]Action
}

// New makes a Service without actions. It fails when a required option is missing.
func New(o Options) (*Service, error) {
	if o.DB == nil || o.Jobs == nil || o.Actor == nil {
		return nil, errors.New("bulk: Options.DB, Jobs and Actor are required")
	}
	o.Keep, o.Longest = cmp.Or(o.Keep, 30*24*time.Hour), cmp.Or(o.Longest, 5*time.Second)
	log := cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	return &Service{o: o, log: log.With("component", "bulk"), actions: map[string]Action{}}, nil
}

// Register adds actions. All are registered before the service is used. It says what one lacks.
func (s *Service) Register(actions ...Action) error {
	for _, a := range actions {
		if a.Name == "" || len(a.Name) > maxName || a.Title == "" || a.Do == nil {
			return fmt.Errorf("bulk: the action %q needs a name of at most %d bytes, Title and Do", a.Name, maxName)
		}
		if _, twice := s.actions[a.Name]; twice {
			return fmt.Errorf("bulk: the action %s is registered twice", a.Name)
		}
		s.actions[a.Name] = a
	}
	return nil
}

// Title is what the action is called, a key of package lang; an action that is not known is its own name.
func (s *Service) Title(action string) stoa.Phrase {
	if a, ok := s.actions[action]; ok {
		return a.Title
	}
	return stoa.Phrase(action)
}

// Start asks for an action to be done with things, in their order, for the person who is the actor of ctx, and gives
// its number; site is what it is listed under. It asks for no permission: that is asked for each thing when its turn
// comes. At most MostThings, and at most 5 actions of a person that are not finished.
func (s *Service) Start(ctx context.Context, action string, site stoa.ID, things []Thing) (stoa.ID, error) {
	a, ok := s.actions[action]
	if !ok {
		return 0, stoa.Invalid("do", "%.60q is no bulk action", action)
	}
	actor := stoa.ActorFrom(ctx)
	if !actor.SignedIn() {
		return 0, stoa.Unauthorized("sign in to do something with many things")
	}
	if err := s.whole(ctx, actor); err != nil {
		return 0, err
	}
	portions, total, err := freeze(things)
	if err != nil {
		return 0, err
	}
	var id stoa.ID
	err = s.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		var open int
		err = tx.QueryRow(ctx, "SELECT count(*) FROM bulk_action WHERE person = ? AND state IN (?, ?)", actor.User,
			Waiting, Running).Scan(&open)
		if err != nil {
			return err
		}
		if open >= mostOpen {
			return stoa.Conflict("%d bulk actions of yours are not finished: wait for one, or stop it", open)
		}
		if id, err = tx.NewID(ctx); err != nil {
			return err
		}
		if err := tx.Insert(ctx, "bulk_action", db.Row{"id": id, "instance": actor.Instance, "site": site, "name": a.Name,
			"person": actor.User, "person_name": stoa.Clip(actor.Name, 180), "state": Waiting, "total": total, "worked": 0,
			"refused": 0, "place": 0, "made": db.Micros(tx.Now()), "ended": 0, "version": 1}); err != nil {
			return err
		}
		if err := insertPortions(ctx, tx, id, portions); err != nil {
			return err
		}
		tx.Changed(kindBulk, id, site, 1)
		audit.Note(tx, audit.BulkStarted, audit.Thing{Kind: kindBulk, ID: id, Title: string(a.Title)}, fmt.Sprint(total))
		return s.o.Jobs.Soon(ctx, tx, JobName)
	})
	if err != nil {
		return 0, fmt.Errorf("bulk: start %s: %w", action, err)
	}
	return id, nil
}

// whole refuses an actor who may do less in this session than the account allows, such as before a second factor was
// shown: the job would act with all the rights of the account.
func (s *Service) whole(ctx context.Context, actor stoa.Actor) error {
	now, err := s.o.Actor(ctx, actor.User)
	if err != nil && !stoa.Is(err, stoa.KindNotFound) {
		return err
	}
	if err != nil || !sameRights(now, actor) {
		return stoa.Forbidden("what you may do has changed since this screen was opened; open it again")
	}
	return nil
}

// freeze gives the texts of the portions, without things that stand twice.
func freeze(things []Thing) (portions []string, total int, err error) {
	seen := make(map[Thing]bool, len(things))
	var b strings.Builder
	n := 0
	for _, t := range things {
		if seen[t] {
			continue
		}
		if t.Kind == "" || len(t.Kind) > 40 || strings.ContainsAny(t.Kind, "- \t\n") || t.ID <= 0 {
			return nil, 0, stoa.Invalid("thing", "%q is not the name of a thing", stoa.Clip(t.String(), 60))
		}
		seen[t] = true
		if n > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(t.String())
		total++
		if n++; n == Portion {
			portions, n = append(portions, b.String()), 0
			b.Reset()
		}
	}
	if n > 0 {
		portions = append(portions, b.String())
	}
	switch {
	case total == 0:
		return nil, 0, stoa.Invalid("thing", "choose at least one thing")
	case total > MostThings:
		return nil, 0, stoa.Invalid("thing", "at most %d things can be chosen at once; %d are", MostThings, total)
	}
	return portions, total, nil
}

func insertPortions(ctx context.Context, tx *db.Tx, id stoa.ID, portions []string) error {
	n := 0
	for part := range slices.Chunk(portions, 50) {
		var args []any
		for _, text := range part {
			args = append(args, id, n, text)
			n++
		}
		q := "INSERT INTO bulk_portion (action, n, things) VALUES " +
			strings.TrimSuffix(strings.Repeat(db.In(3)+", ", len(part)), ", ")
		if _, err := tx.Exec(ctx, q, args...); err != nil {
			return err
		}
	}
	return nil
}

// Stop ends an action: what was done stays, the rest is left as it is. No portion is committed after it, also where one
// is worked on at that moment. It is for the person who asked for the action and for administrators of the instance;
// for others there is none. One that has ended is a Conflict.
func (s *Service) Stop(ctx context.Context, id stoa.ID) error {
	a, err := s.Get(ctx, id)
	if err != nil {
		return err
	}
	err = s.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		n, err := tx.Affected(ctx, "UPDATE bulk_action SET state = ?, ended = ?, version = version + 1 "+
			"WHERE id = ? AND state IN (?, ?)", Stopped, db.Micros(tx.Now()), id, Waiting, Running)
		if err != nil {
			return err
		}
		if n == 0 {
			return stoa.Conflict("this action has ended already")
		}
		now, err := read(ctx, tx, id)
		if err != nil {
			return err
		}
		tx.Changed(kindBulk, id, a.Site, now.Version)
		audit.Note(tx, audit.BulkStopped, s.thing(now), fmt.Sprint(now.Done()), fmt.Sprint(now.Total))
		return nil
	})
	if err != nil {
		return fmt.Errorf("bulk: stop an action: %w", err)
	}
	return nil
}

func (s *Service) thing(r Record) audit.Thing {
	return audit.Thing{Kind: kindBulk, ID: r.ID, Instance: r.Instance, Title: string(s.Title(r.Action))}
}
