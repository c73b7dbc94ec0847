package content

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/job"
	"github.com/stoa-portal/stoa/richtext"
	"github.com/stoa-portal/stoa/site"
)

// The limits of what is kept of forms that were not saved.
const (
	// MaxAutosaves is how many a person has; a further one takes the place of the oldest.
	MaxAutosaves = 50
	// AutosaveAge is how long one is kept after the person last typed.
	AutosaveAge = 30 * 24 * time.Hour

	maxAutosaveRest = 64 << 10       // bytes of all fields but the body
	maxTab          = 40             // bytes of the name of a window
	maxClosed       = 200            // closed rows of a person
	closedAge       = 24 * time.Hour // how long a closed row turns away requests that come late
)

// Autosave is what a person has typed in the form of an article and not saved, in one language. It is no version and
// no draft of the article: it is shown to its person only, and nothing but the form knows of it.
type Autosave struct {
	Tab     string  // random name of the window, 1 to 40 bytes
	Site    stoa.ID // of the article
	Article stoa.ID // 0: one that is not made yet
	Locale  stoa.Locale
	Version int64               // of the article that the form was opened with
	Title   string              // plain text
	Fields  map[string][]string // the form as it was typed; "body" is HTML that richtext has made safe; nil in lists
	Saved   time.Time
}

// Autosave keeps what a window has typed, in place of what it had before. It needs Edit on the article, or on the
// site for one that is not made yet. It notes no change: no list, cache, version or lock depends on the row. A window
// whose form was saved meanwhile is a Conflict, and a text above the limits TooLarge.
func (s *Service) Autosave(ctx context.Context, st site.Site, a Autosave) error {
	actor := stoa.ActorFrom(ctx)
	if err := s.mayAutosave(ctx, st.Instance, st.ID, a.Article); err != nil {
		return err
	}
	if actor.User == 0 || a.Tab == "" || len(a.Tab) > maxTab || printable(a.Tab) != a.Tab {
		return stoa.Invalid("autosave", "a window of a person has a name of 1 to %d bytes", maxTab)
	}
	lang, err := stoa.ParseLocale(string(a.Locale))
	if err != nil {
		return err
	}
	data, err := packFields(a.Fields)
	if err != nil {
		return err
	}
	title := ""
	if t := a.Fields["title"]; len(t) > 0 {
		title = stoa.Clip(line(t[0]), MaxTitle)
	}
	err = s.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		row := db.Row{"person": actor.User, "tab": a.Tab, "instance": st.Instance, "site": st.ID, "article": a.Article,
			"locale": string(lang), "version": a.Version, "title": title, "data": data, "saved": db.Micros(tx.Now()),
			"closed": false}
		made, err := tx.InsertIgnore(ctx, "content_autosave", row)
		if err != nil {
			return err
		}
		if made {
			return trimAutosaves(ctx, tx, actor.User)
		}
		n, err := tx.Affected(ctx, `UPDATE content_autosave SET instance = ?, site = ?, article = ?, locale = ?, version = ?,
			title = ?, data = ?, saved = ? WHERE person = ? AND tab = ? AND closed = ?`, st.Instance, st.ID, a.Article,
			string(lang), a.Version, title, data, db.Micros(tx.Now()), actor.User, a.Tab, false)
		if err == nil && n == 0 {
			err = stoa.Conflict("the form of this window was saved or discarded meanwhile")
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("content: keep what was typed: %w", err)
	}
	return nil
}

// mayAutosave asks for Edit on the article, or on the site when there is none yet. An article of another site is
// NotFound.
func (s *Service) mayAutosave(ctx context.Context, instance, st, article stoa.ID) error {
	if article == 0 {
		return s.o.Access.Check(ctx, access.Edit, access.Path{{Kind: "site", ID: st}, {Kind: "instance", ID: instance}})
	}
	a, err := s.editable(ctx, article)
	if err == nil && a.Site != st {
		err = stoa.NotFound("article", article)
	}
	return err
}

// packFields gives the fields as they are kept: without what databases refuse, and within the limits.
func packFields(fields map[string][]string) (string, error) {
	kept, rest := make(map[string][]string, len(fields)), 0
	for name, values := range fields {
		if rest += len(name); name == "body" && len(values) > 1 {
			return "", stoa.Invalid("body", "one text is expected")
		}
		clean := make([]string, len(values))
		for i, v := range values {
			if clean[i] = printable(v); name != "body" {
				rest += len(v)
				continue
			}
			if len(v) > MaxBody {
				return "", stoa.TooLarge("the text is too long to be kept: at most %d bytes are", MaxBody)
			}
			if err := richtext.Check(v); err != nil {
				return "", stoa.AtField("body", err)
			}
		}
		kept[printable(name)] = clean
	}
	if rest > maxAutosaveRest {
		return "", stoa.TooLarge("what stands beside the text is too long to be kept: at most %d bytes are",
			maxAutosaveRest)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // every tag would take up several times its length
	err := e.Encode(kept)
	return b.String(), err
}

// trimAutosaves deletes the oldest rows of a person who has more than MaxAutosaves, and of the closed ones more than
// maxClosed.
func trimAutosaves(ctx context.Context, tx *db.Tx, person stoa.ID) error {
	return errors.Join(trimTo(ctx, tx, person, false, MaxAutosaves), trimTo(ctx, tx, person, true, maxClosed))
}

func trimTo(ctx context.Context, tx *db.Tx, person stoa.ID, closed bool, most int) error {
	old, err := db.All(ctx, tx, func(r db.Scanner) (tab string, err error) { return tab, r.Scan(&tab) },
		`SELECT tab FROM content_autosave WHERE person = ? AND closed = ? ORDER BY saved DESC, tab LIMIT 1000 OFFSET ?`,
		person, closed, most)
	if err != nil {
		return err
	}
	for _, tab := range old {
		if _, err := tx.Exec(ctx, "DELETE FROM content_autosave WHERE person = ? AND tab = ?", person, tab); err != nil {
			return err
		}
	}
	return nil
}

const autosaveColumns = "SELECT tab, instance, site, article, locale, version, title, saved"

func scanAutosave(r db.Scanner, more ...any) (a Autosave, instance stoa.ID, err error) {
	var saved int64
	to := append([]any{&a.Tab, &instance, &a.Site, &a.Article, &a.Locale, &a.Version, &a.Title, &saved}, more...)
	err = r.Scan(to...)
	a.Saved = db.Time(saved)
	return a, instance, err
}

// Autosaves lists what the actor has typed for an article of the site and not saved, the newest first, without the
// fields. Article 0 stands for those that are not made yet. It needs Edit, and reads the database that is written to.
func (s *Service) Autosaves(ctx context.Context, st site.Site, article stoa.ID) ([]Autosave, error) {
	if err := s.mayAutosave(ctx, st.Instance, st.ID, article); err != nil {
		return nil, err
	}
	list, err := db.All(ctx, s.o.DB, func(r db.Scanner) (Autosave, error) {
		a, _, err := scanAutosave(r)
		return a, err
	}, autosaveColumns+` FROM content_autosave WHERE person = ? AND site = ? AND article = ? AND closed = ? AND saved > ?
		ORDER BY saved DESC, tab LIMIT ?`, stoa.ActorFrom(ctx).User, st.ID, article, false,
		db.Micros(s.o.Now().Add(-AutosaveAge)), MaxAutosaves)
	if err != nil {
		return nil, fmt.Errorf("content: list what was typed: %w", err)
	}
	return list, nil
}

// Autosaved gives what the actor has typed in a window. That of another person is NotFound, and it needs Edit as
// saving does. The body is made safe as every text is; richtext may have new rules since it was typed.
func (s *Service) Autosaved(ctx context.Context, tab string) (Autosave, error) {
	var instance stoa.ID
	a, err := db.One(ctx, s.o.DB, func(r db.Scanner) (Autosave, error) {
		var data string
		a, in, err := scanAutosave(r, &data)
		if instance = in; err != nil {
			return a, err
		}
		return a, json.Unmarshal([]byte(data), &a.Fields)
	}, autosaveColumns+", data FROM content_autosave WHERE person = ? AND tab = ? AND closed = ? AND saved > ?",
		stoa.ActorFrom(ctx).User, stoa.Clip(printable(tab), maxTab), false, db.Micros(s.o.Now().Add(-AutosaveAge)))
	if db.IsNoRows(err) {
		return Autosave{}, stoa.NotFound("text that was typed in the window", stoa.Clip(printable(tab), maxTab))
	}
	if err != nil {
		return Autosave{}, fmt.Errorf("content: read what was typed: %w", err)
	}
	if err := s.mayAutosave(ctx, instance, a.Site, a.Article); err != nil {
		return Autosave{}, err
	}
	for i, body := range a.Fields["body"] {
		a.Fields["body"][i] = s.policy.Sanitize(body)
	}
	return a, nil
}

// DropAutosave discards what the actor has typed in a window, and refuses what that window still sends.
func (s *Service) DropAutosave(ctx context.Context, tab string) error {
	if !stoa.ActorFrom(ctx).SignedIn() {
		return stoa.Unauthorized("sign in to discard what you have typed")
	}
	person, tab := stoa.ActorFrom(ctx).User, stoa.Clip(printable(tab), maxTab)
	err := s.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, closeStatement, true, db.Micros(tx.Now()), person, tab)
		return err
	})
	if err != nil {
		return fmt.Errorf("content: discard what was typed: %w", err)
	}
	return nil
}

const closeStatement = `UPDATE content_autosave SET closed = ?, data = '', title = '', saved = ?
	WHERE person = ? AND tab = ?`

// closeAutosave takes away, in the transaction of a save, what the actor has typed in the window.
func closeAutosave(ctx context.Context, tx *db.Tx, tab string) error {
	person := stoa.ActorFrom(ctx).User
	if person == 0 || tab == "" || len(tab) > maxTab || printable(tab) != tab {
		return nil
	}
	// Inserted first: whichever of two requests is first, on any node, the other one finds the row.
	made, err := tx.InsertIgnore(ctx, "content_autosave", db.Row{"person": person, "tab": tab, "instance": 0, "site": 0,
		"article": 0, "locale": "", "version": 0, "title": "", "data": "", "saved": db.Micros(tx.Now()), "closed": true})
	if err != nil || made {
		return err
	}
	_, err = tx.Exec(ctx, closeStatement, true, db.Micros(tx.Now()), person, tab)
	return err
}

// AutosaveJob clears away what was typed AutosaveAge ago and never saved.
func (s *Service) AutosaveJob() job.Job {
	return job.Job{Name: "content.autosave.prune", Does: "Clears away what was typed long ago and never saved",
		Kind: job.Once, Schedule: "@every 1h", Timeout: time.Minute,
		Run: func(ctx context.Context, run job.Run) error {
			return run.Commit(ctx, func(ctx context.Context, tx *db.Tx) error {
				return s.PruneAutosavesTx(ctx, tx, run.Now)
			})
		}}
}

// PruneAutosavesTx does what AutosaveJob does, at the caller's time. Only the portal itself may call it.
func (s *Service) PruneAutosavesTx(ctx context.Context, tx *db.Tx, now time.Time) error {
	if !stoa.ActorFrom(ctx).System {
		return stoa.Forbidden("only the portal itself clears away what was typed")
	}
	_, err := tx.Exec(ctx, "DELETE FROM content_autosave WHERE saved <= ? OR closed = ? AND saved <= ?",
		db.Micros(now.Add(-AutosaveAge)), true, db.Micros(now.Add(-closedAge)))
	return err
}
