// Package lock tells editors of each other: who has a thing open, since when, and who took it over. A
// lock is advice for people. What protects data is the version that every save is compared with: a save
// that comes too late is a Conflict no matter which editor has the lock, and losing a lock loses no text.
//
// A lock belongs to one window of one person's browser, named by a token, and holds as long as its row
// is there; nothing that is asked for by an editor compares clocks. The window raises a number in the
// row now and then. Every node watches these numbers by its own clock and removes a row whose number has
// stood still for the lifetime of its kind.
package lock

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/db"
)

// The kinds of things that are locked while they are edited.
const (
	Article = "article"
	Page    = "page"
)

// Thing is what an editor edits.
type Thing struct {
	Kind  string // Article or Page
	ID    stoa.ID
	Title string // for the list of locks
}

// Lock says who edits a thing. Its times are those of the nodes that wrote them: information.
type Lock struct {
	Kind               string
	ID, Instance, Site stoa.ID
	Title              string
	Owner              stoa.ID
	OwnerName          string
	Taken              time.Time
	Renewed            time.Time // the last sign of life
	Expires            time.Time // when it ends without a further one; zero for never
}

// Status is how a thing stands for one window.
type Status uint8

// The zero value lets no editor write.
const (
	Held     Status = iota // another window has it
	Mine                   // this window has it
	Released               // this window had it, until an administrator released it
	Free                   // no editor has it
)

// State is what a window learns of the lock of its thing.
type State struct {
	Lock
	Status     Status
	Token      string // names the window; with Mine
	Own        bool   // Held: by another window of the same person
	MayTake    bool   // Held: the actor may take it over
	ReleasedBy string // Released: by whom
}

// Options are what a Service needs. DB, Access and Path are required.
type Options struct {
	DB     *db.DB
	Access *access.Service
	// Path reads from the rows of a thing where it belongs, which decides who may edit it and take its lock over;
	// NotFound when there is no such thing, or none the actor may know of.
	Path     func(ctx context.Context, kind string, id stoa.ID) (access.Path, error)
	Lifetime map[string]time.Duration // by kind, without a sign of life; 0 is for ever, a kind that is missing has 10 min
	Clock    func() time.Duration     // of this node; nil = change.Boottime
}

// Service keeps the locks. It is safe for concurrent use.
type Service struct {
	o Options

	mu   sync.Mutex
	seen map[key]sighting // of Expire
}

type key struct {
	kind string
	id   stoa.ID
}

// sighting is the number of a lock and when this node first saw it.
type sighting struct {
	token string
	beat  int64
	since time.Duration
}

// New gives a Service. It returns an error that names the option that is missing.
func New(o Options) (*Service, error) {
	if o.DB == nil || o.Access == nil || o.Path == nil {
		return nil, errors.New("lock: Options.DB, Access and Path are required")
	}
	if o.Clock == nil {
		o.Clock = change.Boottime
	}
	return &Service{o: o, seen: map[key]sighting{}}, nil
}

const defaultLifetime = 10 * time.Minute

// Lifetime is how long a lock of the kind lasts without a sign of life; 0 is for ever.
func (s *Service) Lifetime(kind string) time.Duration {
	if d, ok := s.o.Lifetime[kind]; ok {
		return d
	}
	return defaultLifetime
}

// row is a lock as the table has it.
type row struct {
	Lock
	token, releasedBy string
	beat              int64
}

const columns = "SELECT kind, thing, instance, site, title, owner, owner_name, token, beat, taken, renewed, released_by FROM lock_held"

func (s *Service) scan(r db.Scanner) (row, error) {
	var v row
	var taken, renewed int64
	err := r.Scan(
		&v.Kind,
		&v.ID,
		&v.Instance,
		&v.Site,
		&v.Title,
		&v.Owner,
		&v.OwnerName,
		&v.token,
		&v.beat,
		&taken,
		&renewed,
		&v.releasedBy,
	)
	v.Taken, v.Renewed = db.Time(taken), db.Time(renewed)
	if d := s.Lifetime(v.Kind); d > 0 {
		v.Expires = v.Renewed.Add(d)
	}
	return v, err
}

func (s *Service) read(ctx context.Context, q db.Queryer, t Thing, lock string) (v row, found bool, err error) {
	v, err = db.One(ctx, q, s.scan, columns+" WHERE kind = ? AND thing = ?"+lock, t.Kind, t.ID)
	if db.IsNoRows(err) {
		return row{}, false, nil
	}
	return v, err == nil, err
}

// editor is a person who may edit the thing.
type editor struct {
	stoa.Actor
	manages bool // may take the lock over from others
	path    access.Path
}

func (s *Service) editor(ctx context.Context, t Thing) (editor, error) {
	if (t.Kind != Article && t.Kind != Page) || t.ID <= 0 {
		return editor{}, fmt.Errorf("lock: %s %d is nothing that is locked", t.Kind, t.ID)
	}
	e := editor{Actor: stoa.ActorFrom(ctx)}
	if !e.SignedIn() {
		return editor{}, stoa.Unauthorized("sign in to edit %s", access.This(t.Kind))
	}
	var err error
	if e.path, err = s.o.Path(ctx, t.Kind, t.ID); err != nil {
		return editor{}, err
	}
	e.manages = s.o.Access.Can(ctx, access.Manage, e.path)
	return e, s.o.Access.Check(ctx, access.Edit, e.path)
}

// sees is how a lock looks to the editor.
func (e editor) sees(v row, found bool) State {
	if !found || v.releasedBy != "" {
		return State{Status: Free}
	}
	own := v.Owner == e.User
	return State{Lock: v.Lock, Own: own, MayTake: own || e.manages}
}

// Look tells who has the lock, without touching it: Held or Free. It needs Edit.
func (s *Service) Look(ctx context.Context, t Thing) (State, error) {
	e, err := s.editor(ctx, t)
	if err != nil {
		return State{}, err
	}
	v, found, err := s.read(ctx, s.o.DB, t, "")
	if err != nil {
		return State{}, fmt.Errorf("lock: look who edits %s %d: %w", t.Kind, t.ID, err)
	}
	return e.sees(v, found), nil
}

// Held gives those locks of things of a kind that are held now, for the list that shows the things; what the actor may
// not edit is left out. At most 200 things are asked for at once.
func (s *Service) Held(ctx context.Context, kind string, ids []stoa.ID) (map[stoa.ID]Lock, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	if len(ids) > 200 {
		return nil, fmt.Errorf("lock: at most 200 locks are listed at once, not %d", len(ids))
	}
	rows, err := db.All(ctx, s.o.DB, s.scan, columns+" WHERE kind = ? AND released_by = '' AND thing IN "+db.In(len(ids)),
		append([]any{kind}, db.Args(ids)...)...)
	if err != nil {
		return nil, fmt.Errorf("lock: look who edits what of a list: %w", err)
	}
	out := make(map[stoa.ID]Lock, len(rows))
	for _, v := range rows { // few: what is edited at this moment
		_, err := s.editor(ctx, Thing{Kind: kind, ID: v.ID})
		if stoa.Is(err, stoa.KindForbidden) || stoa.Is(err, stoa.KindNotFound) || stoa.Is(err, stoa.KindUnauthorized) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out[v.ID] = v.Lock
	}
	return out, nil
}

// Open is for a window that opens the thing: it gets the lock when no editor has it or another window of the
// same person, which learns of it at its next Renew. Mine or Held. It needs Edit.
func (s *Service) Open(ctx context.Context, t Thing) (State, error) {
	return s.take(ctx, t, rand.Text(), func(e editor, v row, found bool) Status {
		if !found || v.releasedBy != "" || v.Owner == e.User {
			return Mine
		}
		return Held
	})
}

// Renew is the sign of life of the window that the token names. A lock that has ended meanwhile is taken
// again; one that was taken over is Held, one that an administrator released is Released. It needs Edit.
func (s *Service) Renew(ctx context.Context, t Thing, token string) (State, error) {
	return s.take(ctx, t, token, func(e editor, v row, found bool) Status {
		mine := v.token == token && v.Owner == e.User
		switch {
		case !found, mine && v.releasedBy == "", !mine && v.releasedBy != "":
			return Mine
		case mine:
			return Released
		}
		return Held
	})
}

// TakeOver takes the lock from the editor who has it, for the window that the token names; an empty token makes
// one. It needs Edit, and Manage when the lock is another editor's: Forbidden otherwise.
func (s *Service) TakeOver(ctx context.Context, t Thing, token string) (State, error) {
	if token == "" {
		token = rand.Text()
	}
	st, err := s.take(ctx, t, token, func(e editor, v row, found bool) Status {
		if held := e.sees(v, found); held.Status == Held && !held.MayTake {
			return Held
		}
		return Mine
	})
	if err == nil && st.Status != Mine {
		err = stoa.Forbidden("%s is editing %s: only an administrator can take it over", st.OwnerName,
			access.This(t.Kind))
	}
	return st, err
}

// take locks the row and does what decide says of it: Mine writes, everything else only tells.
func (s *Service) take(
	ctx context.Context,
	t Thing,
	token string,
	decide func(e editor, v row, found bool) Status,
) (State, error) {
	e, err := s.editor(ctx, t)
	if err != nil {
		return State{}, err
	}
	if token == "" || len(token) > 40 {
		return State{}, stoa.Invalid("lock", "a window has a name of 1 to 40 bytes")
	}
	var st State
	err = s.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		tx.Repeatable()
		for range 3 { // two windows may both find no row
			v, found, err := s.read(ctx, tx, t, tx.Dialect().ForUpdate())
			if err != nil {
				return err
			}
			if st = e.sees(v, found); decide(e, v, found) != Mine {
				if v.releasedBy != "" {
					st = State{Lock: v.Lock, Status: Released, ReleasedBy: v.releasedBy, MayTake: true}
				}
				return nil
			}
			var done bool
			if st, done, err = s.write(ctx, tx, e, t, token, v, found); err != nil || done {
				return err
			}
		}
		return stoa.Unavailable(nil, "the lock of %s changes too fast; try again", access.This(t.Kind))
	})
	if err != nil {
		return State{}, fmt.Errorf("lock: take %s %d: %w", t.Kind, t.ID, err)
	}
	return st, nil
}

// write gives the lock to the window; done is false when another one was faster.
func (s *Service) write(
	ctx context.Context,
	tx *db.Tx,
	e editor,
	t Thing,
	token string,
	v row,
	found bool,
) (st State, done bool, err error) {
	goesOn := found && v.Owner == e.User && v.releasedBy == ""
	if !goesOn {
		v.Taken = tx.Now()
	}
	v.Kind, v.ID, v.Instance, v.Title, v.Owner, v.OwnerName = t.Kind, t.ID, e.path.Instance(), clip(
		t.Title,
	), e.User, clip(
		e.Name,
	)
	v.Renewed, v.beat = tx.Now(), v.beat+1
	for _, r := range e.path {
		if r.Kind == "site" {
			v.Site = r.ID
		}
	}
	r := db.Row{
		"kind":        v.Kind,
		"thing":       v.ID,
		"instance":    v.Instance,
		"site":        v.Site,
		"title":       v.Title,
		"owner":       v.Owner,
		"owner_name":  v.OwnerName,
		"token":       token,
		"beat":        v.beat,
		"taken":       db.Micros(v.Taken),
		"renewed":     db.Micros(v.Renewed),
		"released_by": "",
	}
	if found {
		done, err = true, tx.Upsert(ctx, "lock_held", []string{"kind", "thing"}, r)
	} else {
		done, err = tx.InsertIgnore(ctx, "lock_held", r)
	}
	if err != nil || !done {
		return State{}, false, err
	}
	if !goesOn {
		tx.Changed("lock", v.ID, v.Site, v.beat)
	}
	if v.Expires = (time.Time{}); s.Lifetime(t.Kind) > 0 {
		v.Expires = v.Renewed.Add(s.Lifetime(t.Kind))
	}
	return State{Lock: v.Lock, Status: Mine, Token: token}, true, nil
}

// clip cuts a title or a name to what the table holds.
func clip(s string) string {
	if r := []rune(s); len(r) > 190 {
		return string(r[:189]) + "…"
	}
	return s
}

// Release gives the lock back when the window closes; a window that has it no longer changes nothing.
func (s *Service) Release(ctx context.Context, kind string, id stoa.ID, token string) error {
	actor := stoa.ActorFrom(ctx)
	if !actor.SignedIn() {
		return stoa.Unauthorized("sign in to edit %s", access.This(clip(kind)))
	}
	err := s.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		tx.Repeatable()
		v, found, err := s.read(ctx, tx, Thing{Kind: kind, ID: id}, tx.Dialect().ForUpdate())
		if err != nil || !found || v.token != token || v.Owner != actor.User || v.releasedBy != "" {
			return err
		}
		tx.Changed("lock", id, v.Site, v.beat+1)
		_, err = tx.Exec(ctx, "DELETE FROM lock_held WHERE kind = ? AND thing = ?", kind, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("lock: release %s %d: %w", kind, id, err)
	}
	return nil
}
