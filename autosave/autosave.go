// Package autosave keeps what people have typed in forms and not saved: a row for each person and window, which nothing
// but the form knows of. It notes no change, so no list, cache, version or lock depends on it.
package autosave

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/job"
)

// The limits of what is kept.
const (
	Most    = 50                  // forms of a person; a further one takes the place of the oldest
	Age     = 30 * 24 * time.Hour // since the person last typed
	MaxData = 1 << 20             // bytes of a form

	maxTab    = 40
	maxForm   = 300
	maxClosed = 200
	closedAge = 24 * time.Hour // how long a closed row turns away requests that come late
)

// Form is what a person has typed in one window.
type Form struct {
	Tab    string              `json:"tab"`              // random name of the window, 1 to 40 bytes of ASCII
	Screen string              `json:"-"`                // address of the screen, up to 300 bytes
	Fields map[string][]string `json:"fields,omitempty"` // values by the names of fields, as they were typed
	Saved  time.Time           `json:"saved"`
}

// Service is safe for concurrent use.
type Service struct {
	db  *db.DB
	now func() time.Time
}

// New needs the database that is written to; now is nil for time.Now.
func New(d *db.DB, now func() time.Time) *Service {
	if now == nil {
		now = time.Now
	}
	return &Service{d, now}
}

// person is the actor of ctx, and refuses a guest. Only rows of this person are read or written: whether they may open
// the screen is asked by the screen.
func person(ctx context.Context) (stoa.Actor, error) {
	a := stoa.ActorFrom(ctx)
	if !a.SignedIn() {
		return a, stoa.Unauthorized("sign in to keep what you type")
	}
	return a, nil
}

func checkTab(tab string) error {
	if tab == "" || len(tab) > maxTab || strings.ContainsFunc(tab, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return stoa.Invalid("autosave", "a window has a name of 1 to %d letters and digits", maxTab)
	}
	return nil
}

// Keep keeps what a window of the actor has typed, in place of what it had before. A window whose form was saved or
// discarded meanwhile is a Conflict, and a text above the limits TooLarge. Fields that hold a password, a token or a
// secret are left out.
func (s *Service) Keep(ctx context.Context, f Form) error {
	actor, err := person(ctx)
	if err == nil {
		err = checkTab(f.Tab)
	}
	if err != nil {
		return err
	}
	if f.Screen = stoa.CleanText(f.Screen); f.Screen == "" || len(f.Screen) > maxForm {
		return stoa.Invalid("form", "the address of a screen, up to %d bytes, is expected", maxForm)
	}
	kept := map[string][]string{}
	for name, values := range f.Fields {
		if Sensitive(name) {
			continue
		}
		list := make([]string, len(values))
		for i, v := range values {
			list[i] = stoa.CleanText(v)
		}
		kept[stoa.CleanText(name)] = list
	}
	data, err := json.Marshal(kept)
	if err != nil {
		return fmt.Errorf("autosave: %w", err)
	}
	if len(data) > MaxData {
		return stoa.TooLarge("the form is too long to be kept: at most %d bytes are", MaxData)
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		tx.Repeatable()
		now := db.Micros(tx.Now())
		made, err := tx.InsertIgnore(ctx, "autosave_form", db.Row{"person": actor.User, "tab": f.Tab,
			"instance": actor.Instance, "form": f.Screen, "data": string(data), "saved": now, "closed": false})
		if err != nil {
			return err
		}
		if made {
			return errors.Join(trim(ctx, tx, actor.User, false, Most), trim(ctx, tx, actor.User, true, maxClosed))
		}
		n, err := tx.Affected(ctx, `UPDATE autosave_form SET instance = ?, form = ?, data = ?, saved = ?
			WHERE person = ? AND tab = ? AND closed = ?`, actor.Instance, f.Screen, string(data), now, actor.User, f.Tab, false)
		if err == nil && n == 0 {
			err = stoa.Conflict("the form of this window was saved or discarded meanwhile")
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("autosave: keep what was typed: %w", err)
	}
	return nil
}

// Sensitive reports whether a field of the name is never kept.
func Sensitive(name string) bool {
	name = strings.ToLower(name)
	return strings.Contains(name, "password") || strings.Contains(name, "token") || strings.Contains(name, "secret")
}

func trim(ctx context.Context, tx *db.Tx, person stoa.ID, closed bool, most int) error {
	old, err := db.All(ctx, tx, func(r db.Scanner) (tab string, err error) { return tab, r.Scan(&tab) },
		`SELECT tab FROM autosave_form WHERE person = ? AND closed = ? ORDER BY saved DESC, tab LIMIT 1000 OFFSET ?`,
		person, closed, most)
	for _, tab := range old {
		if err == nil {
			_, err = tx.Exec(ctx, "DELETE FROM autosave_form WHERE person = ? AND tab = ?", person, tab)
		}
	}
	return err
}

// Of gives what the actor has typed at a screen in any window and not saved, the newest first, at most three. It reads
// the database that is written to.
func (s *Service) Of(ctx context.Context, screen string) ([]Form, error) {
	actor, err := person(ctx)
	if err != nil {
		return nil, err
	}
	list, err := db.All(ctx, s.db, func(r db.Scanner) (f Form, err error) {
		var data string
		var saved int64
		if err := r.Scan(&f.Tab, &f.Screen, &data, &saved); err != nil {
			return f, err
		}
		f.Saved = db.Time(saved)
		return f, json.Unmarshal([]byte(data), &f.Fields)
	}, `SELECT tab, form, data, saved FROM autosave_form WHERE person = ? AND instance = ? AND form = ? AND closed = ?
		AND saved > ? ORDER BY saved DESC, tab LIMIT 3`, actor.User, actor.Instance, stoa.CleanText(screen), false,
		db.Micros(s.now().Add(-Age)))
	if err != nil {
		return nil, fmt.Errorf("autosave: read what was typed: %w", err)
	}
	return list, nil
}

// Close takes away what the actor has typed in a window, since it was saved or discarded, and refuses what that window
// still sends.
func (s *Service) Close(ctx context.Context, tab string) error {
	actor, err := person(ctx)
	if err == nil {
		err = checkTab(tab)
	}
	if err != nil {
		return err
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		tx.Repeatable()
		now := db.Micros(tx.Now())
		// Inserted first: whichever of two requests is first, on any node, the other one finds the row.
		made, err := tx.InsertIgnore(ctx, "autosave_form", db.Row{"person": actor.User, "tab": tab,
			"instance": actor.Instance, "form": "", "data": "", "saved": now, "closed": true})
		if err != nil {
			return err
		}
		if made {
			return trim(ctx, tx, actor.User, true, maxClosed)
		}
		_, err = tx.Exec(ctx, "UPDATE autosave_form SET closed = ?, form = '', data = '', saved = ? WHERE person = ? AND "+
			"tab = ?",
			true, now, actor.User, tab)
		return err
	})
	if err != nil {
		return fmt.Errorf("autosave: close a window: %w", err)
	}
	return nil
}

// Job clears away what was typed Age ago and never saved.
func (s *Service) Job() job.Job {
	return job.Job{Name: "autosave.prune", Does: "Clears away what was typed in forms long ago and never saved",
		Kind: job.Once, Schedule: "@every 1h", Timeout: time.Minute,
		Run: func(ctx context.Context, run job.Run) error {
			return run.Commit(ctx, func(ctx context.Context, tx *db.Tx) error { return PruneTx(ctx, tx, run.Now) })
		}}
}

// PruneTx does what Job does, at the caller's time. Only the portal itself may call it.
func PruneTx(ctx context.Context, tx *db.Tx, now time.Time) error {
	if !stoa.ActorFrom(ctx).System {
		return stoa.Forbidden("only the portal itself clears away what was typed")
	}
	_, err := tx.Exec(ctx, "DELETE FROM autosave_form WHERE saved <= ? OR closed = ? AND saved <= ?",
		db.Micros(now.Add(-Age)), true, db.Micros(now.Add(-closedAge)))
	return err
}
