package follow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/db"
)

// task is a row of the list of what a follower still has to do: a thing, or a scope (ID 0).
type task struct {
	Change
	reason   Reason
	progress string
	anew     bool
	tries    int
	failed   bool
	since    int64
	message  string
	soon     bool // not kept: failed together with others, so each is tried by itself at once
}

// key names a task within the list of a follower.
type key struct {
	kind      string
	id, scope stoa.ID
}

func (c Change) key() key { return key{c.Kind, c.ID, c.Scope} }

// scan is the task to look at all of a kind again.
func scan(follower, kind string, why Reason) task {
	return task{Change: Change{Kind: kind, follower: follower}, reason: why}
}

// everything is the task to look at everything again.
func everything(follower string, why Reason) task { return scan(follower, change.Everything, why) }

func tasksOf(changes []Change, why Reason) (out []task) {
	for _, c := range changes {
		out = append(out, task{Change: c, reason: why})
	}
	return out
}

// parked makes tasks of changes that failed together. One that was alone has had its first try.
func (w *worker) parked(changes []Change, err error) []task {
	out := tasksOf(changes, Told)
	for i := range out {
		out[i].message = stoa.Clip(err.Error(), 2000)
		out[i].soon = len(changes) > 1 && !unavailable(err)
		if len(changes) == 1 && !unavailable(err) {
			out[i].tries = 1
			out[i].failed = w.s.o.Tries == 1
		}
	}
	return out
}

// counts is how long the list of a follower is.
type counts struct {
	waiting, failed int
	due             time.Time // of the first that waits
	stale           bool      // the list has changed since it was counted
}

func (c counts) any() bool { return c.waiting+c.failed > 0 || c.stale }

// count looks at the list when it may have changed. Of one that has become too long, the kinds with the most things
// are given up for a look at all that there is of them.
func (w *worker) count(ctx context.Context) error {
	for w.tasks.stale {
		var c counts
		things, byKind := 0, map[string]int{}
		err := db.Each(ctx, w.s.o.DB, func(s db.Scanner) error {
			var failed bool
			var kind string
			var n, scopes int
			var due int64
			if err := s.Scan(&failed, &kind, &n, &scopes, &due); err != nil {
				return err
			}
			things += n - scopes
			byKind[kind] += n - scopes
			if failed {
				c.failed += n
			} else if c.waiting += n; c.due.IsZero() || db.Time(due).Before(c.due) {
				c.due = db.Time(due)
			}
			return nil
		}, "SELECT failed, kind, COUNT(*), SUM(CASE WHEN thing = 0 THEN 1 ELSE 0 END), MIN(due) FROM follow_task "+
			"WHERE name = ? GROUP BY failed, kind", w.name)
		if err != nil {
			return fmt.Errorf("count what the follower has to do: %w", err)
		}
		w.tasks = c
		if things <= mostTasks {
			return nil
		}
		m := move{fold: tooMany(byKind)}
		for _, kind := range m.fold {
			m.add = append(m.add, scan(w.name, kind, TooMany))
		}
		w.log.Error("too many things have failed to keep a list of them: the follower looks at all of their kinds again",
			"things", things, "kinds", m.fold)
		if err := w.write(ctx, m, nil, nil); err != nil {
			return err
		}
	}
	return nil
}

const columns = "kind, thing, scope, version, writer, n, part, joined, reason, progress, anew, tries, failed, since, " +
	"message"

func (w *worker) scanTask(s db.Scanner) (t task, err error) {
	t.follower = w.name
	var n, joined int64
	var reason string
	err = s.Scan(&t.Kind, &t.ID, &t.Scope, &t.Version, &t.writer, &n, &t.part, &joined, &reason, &t.progress, &t.anew,
		&t.tries, &t.failed, &t.since, &t.message)
	t.n, t.joined, t.reason = uint64(n), uint64(joined), Reason(reason)
	return t, err
}

// pending gives tasks that are due, at most limit.
func (w *worker) pending(ctx context.Context, scopes bool, limit int) ([]task, error) {
	thing := "thing <> 0"
	if scopes {
		thing = "thing = 0"
	}
	now := time.Now()
	// No try is further away than the longest wait: then a clock was set back since.
	list, err := db.All(ctx, w.s.o.DB, w.scanTask, "SELECT "+columns+" FROM follow_task WHERE name = ? AND failed = ? "+
		"AND (due <= ? OR due > ?) AND "+thing+" ORDER BY due, kind, thing, scope LIMIT ?",
		w.name, false, db.Micros(now), db.Micros(now.Add(2*longestWait)), limit)
	if err != nil {
		return nil, fmt.Errorf("read what the follower has to do: %w", err)
	}
	return list, nil
}

// isDue reports whether something of the list is to be tried: by its time, or because that is further away than any
// wait, since a clock was set back.
func (w *worker) isDue() bool {
	away := time.Until(w.tasks.due)
	return w.tasks.waiting > 0 && (away <= 0 || away > 2*longestWait)
}

// retry does things of the list: those that were not tried yet together, the others one by one.
func (w *worker) retry(ctx context.Context) (more bool, err error) {
	if !w.isDue() {
		return false, nil
	}
	list, err := w.pending(ctx, false, w.batch())
	if err != nil || len(list) == 0 {
		return false, err
	}
	fresh := slices.IndexFunc(list, func(t task) bool { return t.tries > 0 || t.message != "" }) < 0
	if fresh && len(list) > 1 {
		err := w.commit(ctx, move{changes: changesOf(list)})
		var failed *failure
		if err == nil || !errors.As(err, &failed) {
			return true, err
		}
		if unavailable(err) {
			if w.away++; w.away < w.s.o.Tries {
				return false, err
			}
			w.away = 0
		}
	}
	away := 0
	for _, t := range list {
		err := w.commit(ctx, move{changes: []Change{t.Change}})
		var failed *failure
		if err != nil && !errors.As(err, &failed) {
			return false, err
		}
		if err == nil {
			continue
		}
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if unavailable(err) {
			away++
		}
		if err := w.commit(ctx, move{add: []task{w.failedOnce(t, err)}}); err != nil {
			return false, err
		}
		if away == 3 { // it is not the things: the others wait, too
			return false, err
		}
	}
	return true, nil
}

// failedOnce is the task after one more try. When the other side is away the try does not count.
func (w *worker) failedOnce(t task, err error) task {
	t.message = stoa.Clip(err.Error(), 2000)
	if !unavailable(err) {
		t.tries++
		t.failed = t.tries >= w.s.o.Tries
	}
	if t.failed {
		w.log.Error("a follower cannot do what the change log told; it is on the list of those that failed",
			"kind", t.Kind, "id", t.ID, "scope", t.Scope, "tries", t.tries, "error", err)
	}
	return t
}

// due is when the task is tried next.
func (w *worker) due(t task, now time.Time) int64 {
	if t.tries == 0 && (t.message == "" || t.soon) {
		return db.Micros(now)
	}
	if t.tries == 0 { // the other side was away
		return db.Micros(now.Add(backoff(w.s.o.Backoff, 4, longestWait)))
	}
	return db.Micros(now.Add(backoff(w.s.o.Backoff, t.tries-1, longestWait)))
}

// review does one portion of one scope of the list.
func (w *worker) review(ctx context.Context) (more bool, err error) {
	if !w.isDue() {
		return false, nil
	}
	list, err := w.pending(ctx, true, 1)
	if err != nil || len(list) == 0 {
		return false, err
	}
	t := list[0]
	err = w.commit(ctx, move{portion: &t})
	var failed *failure
	switch {
	case err == nil:
		return true, nil
	case !errors.As(err, &failed) || ctx.Err() != nil:
		return false, err
	}
	return true, w.commit(ctx, move{add: []task{w.failedOnce(t, err)}})
}

func changesOf(list []task) (out []Change) {
	for _, t := range list {
		out = append(out, t.Change)
	}
	return out
}

// put writes tasks. A scope that is being looked at is looked at anew afterwards; a thing that failed and is changed
// again has all its tries again.
func (w *worker) put(ctx context.Context, tx *db.Tx, list []task) error {
	at, rows := map[key]int{}, []db.Row(nil)
	for _, t := range list {
		if t.ID == 0 && t.tries == 0 && t.message == "" {
			listed, err := w.lookAnew(ctx, tx, t)
			if err != nil {
				return err
			}
			if listed {
				continue
			}
		}
		if i, found := at[t.key()]; found {
			rows[i] = w.row(tx, t)
			continue
		}
		at[t.key()] = len(rows)
		rows = append(rows, w.row(tx, t))
	}
	// Many in one statement: of a big transaction they are thousands, and the lease is not renewed meanwhile on SQLite.
	if err := tx.UpsertAll(ctx, "follow_task", []string{"name", "kind", "thing", "scope"}, rows); err != nil {
		return fmt.Errorf("note what the follower has to do: %w", err)
	}
	return nil
}

// lookAnew lets a scope that is on the list be looked at once more; false: it is not on the list.
func (w *worker) lookAnew(ctx context.Context, tx *db.Tx, t task) (listed bool, err error) {
	begun := " AND progress <> ''" // one that was not begun will see it
	if t.reason == Asked {
		begun = "" // by another node, while the first portion may be at work
	}
	const this = " WHERE name = ? AND kind = ? AND thing = 0 AND scope = ? AND failed = ?"
	if _, err := tx.Exec(ctx, "UPDATE follow_task SET anew = ?"+this+begun,
		true, w.name, t.Kind, t.Scope, false); err != nil {
		return false, fmt.Errorf("note what the follower has to do: %w", err)
	}
	var n int
	err = tx.QueryRow(ctx, "SELECT COUNT(*) FROM follow_task"+this, w.name, t.Kind, t.Scope, false).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("note what the follower has to do: %w", err)
	}
	return n > 0, nil
}

// row is the task as the table has it.
func (w *worker) row(tx *db.Tx, t task) db.Row {
	since := t.since
	if since == 0 {
		since = db.Micros(tx.Now())
	}
	return db.Row{
		"name": w.name, "kind": t.Kind, "thing": t.ID, "scope": t.Scope,
		"version": t.Version, "writer": t.writer, "n": int64(t.n), "part": t.part, "joined": int64(t.joined),
		"reason": string(t.reason), "progress": t.progress, "anew": t.anew,
		"tries": t.tries, "due": w.due(t, tx.Now()), "failed": t.failed, "since": since, "message": t.message,
	}
}

// drop takes things off the list.
func (w *worker) drop(ctx context.Context, tx *db.Tx, changes []Change) error {
	if !w.tasks.any() {
		return nil
	}
	type group struct {
		kind  string
		scope stoa.ID
	}
	groups := map[group][]stoa.ID{}
	for _, c := range changes {
		g := group{c.Kind, c.Scope}
		groups[g] = append(groups[g], c.ID)
	}
	for g, ids := range groups {
		if _, err := tx.Exec(ctx, "DELETE FROM follow_task WHERE name = ? AND kind = ? AND scope = ? AND thing IN "+
			db.In(len(ids)), append([]any{w.name, g.kind, g.scope}, db.Args(ids)...)...); err != nil {
			return fmt.Errorf("take what is done off the list: %w", err)
		}
	}
	return nil
}

// unlist takes all things of kinds off the list.
func (w *worker) unlist(ctx context.Context, tx *db.Tx, kinds []string) error {
	for _, kind := range kinds {
		if _, err := tx.Exec(ctx, "DELETE FROM follow_task WHERE name = ? AND kind = ? AND thing <> 0", w.name,
			kind); err != nil {
			return fmt.Errorf("take a kind off the list: %w", err)
		}
	}
	return nil
}

// progress writes down that a portion was done: next is where the following one begins.
func (w *worker) progress(ctx context.Context, tx *db.Tx, t task, next string) error {
	const this = " WHERE name = ? AND kind = ? AND thing = 0 AND scope = ?"
	_, err := tx.Exec(ctx, "UPDATE follow_task SET progress = ?, tries = 0, message = '', due = ?"+this,
		next, db.Micros(tx.Now()), w.name, t.Kind, t.Scope)
	if err == nil && next == "" {
		// Whatever was told while it was looked at wants another look.
		_, err = tx.Exec(ctx, "DELETE FROM follow_task"+this+" AND anew = ?", w.name, t.Kind, t.Scope, false)
		if err == nil {
			_, err = tx.Exec(ctx, "UPDATE follow_task SET anew = ?, reason = ?"+this, false, string(Told),
				w.name, t.Kind, t.Scope)
		}
	}
	if err != nil {
		return fmt.Errorf("note how far a scope was looked at: %w", err)
	}
	return nil
}
