package follow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/db"
)

// move is what is done at once: what the follower does, its place, and its list.
type move struct {
	to      change.Place // nil: it stays
	add     []task       // put on the list, or renewed there
	changes []Change     // told to the follower; they are taken off the list
	portion *task        // a scope to look at; the list keeps how far that is
	fold    []string     // kinds whose things are taken off the list
	kinds   bool         // what it follows is written down
	listed  change.Place // how far the log is dealt with when the list is written, where that is not the place
}

var errMoved = errors.New("this follower was moved meanwhile: its place is read again")

// commit does a move. With InDatabase all of it is one transaction; otherwise the follower comes first, so that it is
// told again what was not written down. An error of the follower is a *failure.
func (w *worker) commit(ctx context.Context, m move) error {
	var err error
	var next string
	switch w.f.Effect {
	case InDatabase:
		err = w.write(ctx, m, func(ctx context.Context, tx *db.Tx) ([]Change, error) {
			again, err := w.apply(ctx, tx, m.changes, nil)
			if err != nil {
				return nil, err
			}
			next, err = w.look(ctx, tx, m.portion)
			return again, err
		}, &next)
	case Outside:
		if err := w.outside(ctx, m, nil, &next); err != nil {
			return err
		}
		err = w.write(ctx, m, nil, &next)
	case OwnPlace:
		err = w.commitOwn(ctx, m)
	}
	if err != nil {
		return err
	}
	if m.to != nil {
		w.place, w.saved, w.dirty = m.to, m.to, time.Time{}
	}
	if m.portion != nil || w.tasks.any() {
		w.tasks.stale = true
	}
	return nil
}

// commitOwn puts what is to be done later on the list first: once the follower keeps the token, nothing leads there.
func (w *worker) commitOwn(ctx context.Context, m move) error {
	if len(m.add) > 0 {
		if err := w.write(ctx, move{add: m.add, listed: m.to}, nil, nil); err != nil {
			return err
		}
	}
	var token []byte
	if m.to != nil || len(m.changes) > 0 {
		place := w.place
		if m.to != nil {
			place = m.to
		}
		var err error
		if token, err = w.token(place); err != nil {
			return err
		}
	}
	var next string
	if err := w.outside(ctx, m, token, &next); err != nil {
		return err
	}
	if m.portion == nil && (len(m.changes) == 0 || !w.tasks.any()) {
		return nil
	}
	return w.write(ctx, move{changes: m.changes, portion: m.portion}, nil, &next)
}

// outside calls the follower where no transaction of ours is open.
func (w *worker) outside(ctx context.Context, m move, token []byte, next *string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, w.s.o.Timeout)
	defer cancel()
	if _, err := w.apply(ctx, nil, m.changes, token); err != nil {
		return err
	}
	*next, err = w.look(ctx, nil, m.portion)
	return err
}

// look calls the follower for a portion of a scope.
func (w *worker) look(ctx context.Context, tx *db.Tx, t *task) (next string, err error) {
	if t == nil {
		return "", nil
	}
	err = guard(func() (err error) {
		next, err = w.f.Rebuild(ctx,
			Portion{Kind: t.Kind, Scope: t.Scope, From: t.progress, Reason: t.reason, Tx: tx})
		if err == nil && next == t.progress && next != "" {
			err = fmt.Errorf("the portion from %.60q leads to itself", next)
		}
		return err
	})
	if err != nil {
		return "", &failure{err}
	}
	return next, nil
}

// write is the transaction that moves the follower. effect is the follower's part, which gives what is to be told once
// more; next is what it gave for the portion.
func (w *worker) write(ctx context.Context, m move, effect func(context.Context, *db.Tx) ([]Change, error),
	next *string,
) error {
	listed := false
	err := w.s.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if tx.Token() != w.history {
			return errMoved // of another history of the database than what was read
		}
		add := m.add
		if effect != nil {
			again, err := effect(ctx, tx)
			if err != nil {
				return err
			}
			add = append(slices.Clone(add), tasksOf(again, Told)...)
		}
		listed = len(add) > 0
		// Before the list, so that of two nodes the second waits here and changes nothing.
		set := "version = version + 1, incarnation = ?, history = ?, writer = ?, moved = ?, done = done + ?"
		if m.to != nil || m.portion != nil || len(m.changes) > 0 { // it goes on
			set += ", stuck = 0, message = ''"
		}
		args := []any{w.incarnation, w.history, w.s.o.Log.Writer(), db.Micros(tx.Now()), len(m.changes)}
		if m.kinds {
			set, args = set+", kinds = ?", append(args, w.kinds())
		}
		if w.f.Effect == OwnPlace && listed {
			place := m.listed
			if place == nil {
				place = w.place
			}
			text, err := json.Marshal(place)
			if err != nil {
				return err
			}
			set, args = set+", place = ?", append(args, string(text))
		}
		moved, err := tx.Affected(ctx, "UPDATE follow_follower SET "+set+" WHERE name = ? AND version = ?",
			append(args, w.name, w.version)...)
		switch {
		case err != nil:
			return fmt.Errorf("move the follower: %w", err)
		case moved != 1:
			return errMoved
		}
		if err := w.drop(ctx, tx, m.changes); err != nil {
			return err
		}
		if err := w.unlist(ctx, tx, m.fold); err != nil {
			return err
		}
		if err := w.put(ctx, tx, add); err != nil {
			return err
		}
		if m.portion != nil {
			if err := w.progress(ctx, tx, *m.portion, *next); err != nil {
				return err
			}
		}
		if w.f.Effect == OwnPlace {
			return nil
		}
		if m.to != nil {
			if err := w.s.o.Log.Move(ctx, tx, w.name, w.saved, m.to); err != nil {
				return err
			}
		}
		w.fence.Apply(tx)
		return nil
	})
	if err != nil {
		return err
	}
	w.version++
	if listed {
		w.tasks.stale = true
	}
	return nil
}

// say writes down why the follower does not go on. That this fails as well is likely, and nothing else is lost.
func (w *worker) say(ctx context.Context, cause error) {
	err := w.s.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE follow_follower SET stuck = ?, message = ? WHERE name = ? AND stuck = 0",
			db.Micros(tx.Now()), stoa.Clip(cause.Error(), 2000), w.name)
		w.guardWith(tx)
		return err
	})
	if err != nil {
		w.log.Debug("why a follower does not go on could not be written down", "error", err)
	}
}

func (w *worker) guardWith(tx *db.Tx) {
	if w.f.Effect != OwnPlace {
		w.fence.Apply(tx)
	}
}

// ownPlace is what an OwnPlace follower keeps.
type ownPlace struct {
	Incarnation int64
	History     string
	Version     int64 // of the row, when all that the place passed over and was not done was on the list
	Place       change.Place
}

func (w *worker) token(p change.Place) ([]byte, error) {
	return json.Marshal(ownPlace{Incarnation: w.incarnation, History: w.history, Version: w.version, Place: p})
}

// keep lets an OwnPlace follower keep a place without anything to do.
func (w *worker) keep(ctx context.Context, p change.Place) error {
	token, err := w.token(p)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, w.s.o.Timeout)
	defer cancel()
	_, err = w.apply(ctx, nil, nil, token)
	return err
}

// row is the row of a follower.
type row struct {
	version, incarnation int64
	history              string
	kinds, place         *string
}

func scanRow(s db.Scanner) (r row, err error) {
	return r, s.Scan(&r.version, &r.incarnation, &r.history, &r.kinds, &r.place)
}

// load reads where the follower stands, when it is not known or the database is another than it was.
func (w *worker) load(ctx context.Context) error {
	d := w.s.o.DB
	number, history := d.Incarnation(), d.Token()
	if w.orders.Swap(false) {
		w.tasks.stale = true
	}
	if w.loaded && w.history == history && w.incarnation == number {
		return w.count(ctx)
	}
	remembered, before := w.place, w.history
	r, err := db.One(ctx, d, scanRow, "SELECT version, incarnation, history, kinds, place FROM follow_follower "+
		"WHERE name = ?", w.name)
	known := err == nil
	if err != nil && !db.IsNoRows(err) {
		return fmt.Errorf("read the row of the follower: %w", err)
	}
	p, found := change.Place(nil), false
	stands := r
	if w.f.Effect == OwnPlace {
		p, stands, found, err = w.ownPlace(ctx)
	} else {
		p, found, err = w.s.o.Log.Position(ctx, d, w.name)
	}
	if err != nil {
		return err
	}
	if !found {
		reason := Begun
		if known {
			reason = Replaced
		}
		return w.begin(ctx, reason)
	}
	if !known {
		return w.begin(ctx, Replaced) // an own place of another database
	}
	reason, err := w.survives(ctx, p, stands, remembered, before, history)
	if err != nil {
		return err
	}
	if reason != "" {
		return w.begin(ctx, reason)
	}
	// A fail-over took lines of the list away that stood for what the place has passed over: it goes on from where both
	// histories had read the log.
	back := w.f.Effect == OwnPlace && stands.version > r.version
	if back {
		if p, err = r.listed(); err != nil {
			w.log.Warn("where the list of a follower was written cannot be read: it is rebuilt", "error", err)
			return w.begin(ctx, Lost)
		}
		w.log.Warn("a fail-over lost what a follower had put off: it reads the change log again from where it was before")
	}
	w.version, w.incarnation, w.history = r.version, number, history
	w.saved, w.place, w.dirty = p, p, time.Time{}
	if w.f.Effect == OwnPlace && (back || stands.history != history) { // before the list is written in this history
		if err := w.keep(ctx, p); err != nil {
			return err
		}
	}
	if err := w.widen(ctx, r.kinds); err != nil {
		return err
	}
	w.loaded, w.tasks.stale = true, true
	return w.count(ctx)
}

// listed gives how far the log was dealt with when the list was written last.
func (r row) listed() (p change.Place, err error) {
	if r.place == nil {
		return nil, errors.New("no list was written")
	}
	return p, json.Unmarshal([]byte(*r.place), &p)
}

// kinds is what the follower follows, as its row has it.
func (w *worker) kinds() string {
	if w.f.Kinds == nil {
		return change.Everything
	}
	kinds := slices.Clone(w.f.Kinds)
	slices.Sort(kinds)
	return strings.Join(slices.Compact(kinds), " ")
}

// widen writes down what the follower follows when that is not what the row says, as after an upgrade, and puts a look
// at each kind on the list that it had not followed: what there was of it was passed over.
func (w *worker) widen(ctx context.Context, were *string) error {
	now := w.kinds()
	if were != nil && *were == now {
		return nil
	}
	m := move{kinds: true}
	switch {
	case were == nil || now == change.Everything:
		m.add = []task{everything(w.name, Begun)}
	case *were != change.Everything:
		for kind := range strings.FieldsSeq(now) {
			if !slices.Contains(strings.Fields(*were), kind) {
				m.add = append(m.add, scan(w.name, kind, Begun))
			}
		}
	}
	return w.write(ctx, m, nil, nil)
}

// ownPlace asks the follower for its place.
func (w *worker) ownPlace(ctx context.Context) (p change.Place, stands row, found bool, err error) {
	token, err := w.f.Token(ctx)
	if err != nil {
		return nil, stands, false, fmt.Errorf("ask for the place of the follower: %w", err)
	}
	if token == nil {
		return nil, stands, false, nil
	}
	var o ownPlace
	if err := json.Unmarshal(token, &o); err != nil {
		w.log.Warn("the place of a follower cannot be read: it is rebuilt", "error", err)
		return nil, stands, false, nil
	}
	return o.Place, row{version: o.Version, incarnation: o.Incarnation, history: o.History}, true, nil
}

// survives says why a place is worth nothing in the present history of the database; "" when it is. What was done in
// the database is as old as the place; what was done outside of it may be newer than both.
func (w *worker) survives(ctx context.Context, p change.Place, stands row, remembered change.Place,
	before, history string,
) (Reason, error) {
	if w.f.Effect == InDatabase || stands.history == history && (before == "" || before == history) {
		return "", nil
	}
	if w.f.Effect == OwnPlace {
		remembered = p
		shared, err := w.inHistory(ctx, stands)
		if err != nil || !shared {
			return Replaced, err
		}
	} else if before == "" || before == history { // another node has told what this one cannot know
		lossy, err := w.lossSince(ctx, stands.incarnation)
		if err != nil || !lossy {
			return "", err
		}
		return Lost, nil
	}
	beyond, err := w.s.o.Log.Beyond(ctx, remembered)
	switch {
	case err != nil || len(beyond) == 0:
		w.beyond = time.Time{}
		return "", err
	case w.beyond.IsZero() || w.lacks != history:
		w.beyond, w.lacks = time.Now(), history
	case time.Since(w.beyond) > returnWait:
		w.log.Warn("a fail-over lost changes that a follower was told of, and who made them is gone: it is rebuilt")
		return Lost, nil
	}
	return "", stoa.Unavailable(nil, "the database lacks changes that were read: the nodes that made them are waited for")
}

// inHistory reports whether the database was once in the history that a place names.
func (w *worker) inHistory(ctx context.Context, stands row) (bool, error) {
	var n int
	err := w.s.o.DB.QueryRow(ctx, "SELECT COUNT(*) FROM db_history WHERE number = ? AND token = ?",
		stands.incarnation, stands.history).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("compare the history of a place: %w", err)
	}
	return n > 0, nil
}

// lossSince reports whether the database lost commits after an incarnation, or may have.
func (w *worker) lossSince(ctx context.Context, incarnation int64) (bool, error) {
	var n int
	err := w.s.o.DB.QueryRow(ctx, "SELECT COUNT(*) FROM db_history WHERE number > ? AND how <> 'continued'",
		incarnation).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("look for fail-overs: %w", err)
	}
	return n > 0, nil
}

// begin puts the follower at the end of the log and everything on its list, so that nothing is left out however
// often it is stopped meanwhile.
func (w *worker) begin(ctx context.Context, why Reason) error {
	d := w.s.o.DB
	number, history := d.Incarnation(), d.Token()
	end, err := w.s.o.Log.End(ctx)
	if err != nil {
		return err
	}
	var version int64
	err = d.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		w.guardWith(tx)
		if version, err = w.register(ctx, tx, number, history, end); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM follow_task WHERE name = ?", w.name); err != nil {
			return fmt.Errorf("clear the list of the follower: %w", err)
		}
		if err := w.put(ctx, tx, []task{everything(w.name, why)}); err != nil {
			return err
		}
		if w.f.Effect == OwnPlace {
			return nil
		}
		return w.s.o.Log.Register(ctx, tx, w.name, end)
	})
	if err != nil {
		return fmt.Errorf("begin anew (%s): %w", why, err)
	}
	if w.f.Effect == OwnPlace {
		w.incarnation, w.history, w.version = number, history, version
		if err := w.keep(ctx, end); err != nil {
			return err
		}
	}
	if why != Begun {
		w.log.Warn("a follower looks at everything again", "reason", why)
	}
	w.incarnation, w.history, w.place = number, history, end
	w.loaded, w.behind, w.beyond = false, false, time.Time{}
	return w.load(ctx)
}

// register makes the row of the follower, or raises its version, and gives that.
func (w *worker) register(ctx context.Context, tx *db.Tx, number int64, history string, end change.Place,
) (version int64, err error) {
	var place any
	if w.f.Effect == OwnPlace {
		text, err := json.Marshal(end)
		if err != nil {
			return 0, err
		}
		place = string(text)
	}
	at := db.Micros(tx.Now())
	_, err = tx.InsertIgnore(ctx, "follow_follower", db.Row{"name": w.name, "version": 0, "incarnation": number,
		"history": history, "writer": 0, "moved": at, "done": 0, "stuck": 0, "message": ""})
	if err == nil {
		_, err = tx.Exec(ctx, "UPDATE follow_follower SET version = version + 1, incarnation = ?, history = ?, writer = ?, "+
			"moved = ?, stuck = 0, message = '', kinds = ?, place = ? WHERE name = ?",
			number, history, w.s.o.Log.Writer(), at, w.kinds(), place, w.name)
	}
	if err == nil {
		err = tx.QueryRow(ctx, "SELECT version FROM follow_follower WHERE name = ?", w.name).Scan(&version)
	}
	if err != nil {
		return 0, fmt.Errorf("register the follower: %w", err)
	}
	return version, nil
}
