package follow

import (
	"context"
	"fmt"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/db"
)

// mostUnread is how far unread rows are counted.
const mostUnread = 10_000

// Status is how a follower does.
type Status struct {
	Name    string
	Here    bool          // this node runs it now
	Writer  int64         // the process that moved it last
	Moved   time.Time     // when that was
	Done    int64         // things told in its life, each time counted
	Unread  int           // rows of the log, at most 10,000; −1 for a follower that keeps its place itself
	Lag     time.Duration // age of the oldest of them, by the writers' clocks
	Waiting int           // things and scopes on its list that wait for a try
	Failed  int           // those that have used up their tries
	Looking Reason        // why it looks at everything, or all of a kind, at present; "" when it does not
	Stuck   time.Duration // for how long it could not go on; 0 when it goes on
	Message string        // why; for administrators
}

// Statuses gives every follower that the database knows, by name, also those that no node runs any more.
func (s *Service) Statuses(ctx context.Context) ([]Status, error) {
	q := db.Reader(ctx, s.o.DB)
	now := time.Now()
	list, err := db.All(ctx, q, func(sc db.Scanner) (st Status, err error) {
		var moved, stuck int64
		err = sc.Scan(&st.Name, &st.Writer, &moved, &st.Done, &stuck, &st.Message)
		st.Moved, st.Unread = db.Time(moved), -1
		if stuck != 0 {
			st.Stuck = max(now.Sub(db.Time(stuck)), 1)
		}
		return st, err
	}, "SELECT name, writer, moved, done, stuck, message FROM follow_follower ORDER BY name")
	if err != nil {
		return nil, fmt.Errorf("read the followers: %w", err)
	}
	for i := range list {
		if err := s.detail(ctx, q, &list[i], now); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Trouble is what is wrong with a follower that this node runs.
type Trouble struct {
	Follower string
	Failed   int           // things on its list that have used up their tries
	Stuck    time.Duration // for how long it could not go on
	Error    error         // why
}

// Troubles gives what is wrong with the followers that this node runs. It asks for no permission.
func (s *Service) Troubles() (list []Trouble) {
	for _, w := range s.all() {
		w.seen.mu.Lock()
		t := Trouble{Follower: w.name, Failed: w.seen.failed, Error: w.seen.err}
		if !w.seen.since.IsZero() {
			t.Stuck = time.Since(w.seen.since)
		}
		if w.seen.running && (t.Failed > 0 || t.Stuck > 0) {
			list = append(list, t)
		}
		w.seen.mu.Unlock()
	}
	return list
}

func (s *Service) detail(ctx context.Context, q db.Queryer, st *Status, now time.Time) error {
	type line struct {
		failed bool
		kind   string
		reason string
		n      int
	}
	lines, err := db.All(ctx, q,
		func(sc db.Scanner) (l line, err error) { return l, sc.Scan(&l.failed, &l.kind, &l.reason, &l.n) },
		"SELECT failed, kind, reason, COUNT(*) FROM follow_task WHERE name = ? GROUP BY failed, kind, reason", st.Name)
	if err != nil {
		return fmt.Errorf("read the list of a follower: %w", err)
	}
	for _, l := range lines {
		if l.failed {
			st.Failed += l.n
		} else {
			st.Waiting += l.n
		}
		if l.kind == change.Everything || l.reason != string(Told) {
			st.Looking = Reason(l.reason)
		}
	}
	var kinds []string
	for _, w := range s.all() {
		if w.name == st.Name {
			w.seen.mu.Lock()
			st.Here = w.seen.running
			w.seen.mu.Unlock()
			kinds = w.f.Kinds
		}
	}
	if _, found, err := s.o.Log.Position(ctx, q, st.Name); err != nil || !found {
		return err
	}
	query, args := "SELECT c.at AS at FROM change_log c LEFT JOIN change_reader r ON r.name = ? AND r.writer = c.writer "+
		"WHERE c.n > COALESCE(r.n, 0) AND c.kind <> '' AND NOT (c.kind = ? AND c.version = ?)",
		[]any{st.Name, change.Everything, change.CachesOnly}
	if kinds != nil {
		query += " AND c.kind IN " + db.In(len(kinds)+1)
		args = append(args, change.Everything)
		for _, k := range kinds {
			args = append(args, k)
		}
	}
	var oldest int64
	err = q.QueryRow(ctx, "SELECT COUNT(*), COALESCE(MIN(at), 0) FROM ("+query+" LIMIT ?) AS unread",
		append(args, mostUnread)...).Scan(&st.Unread, &oldest)
	if err != nil {
		return fmt.Errorf("count what a follower has not read: %w", err)
	}
	if st.Unread > 0 {
		st.Lag = max(now.Sub(db.Time(oldest)), 0)
	}
	return nil
}

// Item is a thing, or a scope (ID 0), that a follower could not do.
type Item struct {
	Follower  string
	Kind      string
	ID, Scope stoa.ID
	Tries     int
	Since     time.Time
	Message   string // what the last try led to; for administrators
}

// Failed gives what a follower could not do, oldest first, at most limit. It is for operators.
func (s *Service) Failed(ctx context.Context, name string, limit int) ([]Item, error) {
	if err := stoa.ActorFrom(ctx).Operates("see what followers could not do"); err != nil {
		return nil, err
	}
	return db.All(ctx, db.Reader(ctx, s.o.DB), func(sc db.Scanner) (i Item, err error) {
		var since int64
		err = sc.Scan(&i.Follower, &i.Kind, &i.ID, &i.Scope, &i.Tries, &since, &i.Message)
		i.Since = db.Time(since)
		return i, err
	}, "SELECT name, kind, thing, scope, tries, since, message FROM follow_task WHERE name = ? AND failed = ? "+
		"ORDER BY since, kind, thing, scope LIMIT ?", name, true, limit)
}

// Retry gives what a follower could not do all its tries again: one item, or all of the follower when its kind is
// empty. It is for operators.
func (s *Service) Retry(ctx context.Context, i Item) error {
	return s.order(ctx, i, audit.FollowerTries,
		"UPDATE follow_task SET failed = ?, tries = 0, due = 0, message = ''", false)
}

// Discard takes what a follower could not do off the list for good: one item, or all of the follower when its kind
// is empty. The next change of the thing is told as ever. It is for operators.
func (s *Service) Discard(ctx context.Context, i Item) error {
	return s.order(ctx, i, audit.FollowerDrops, "DELETE FROM follow_task")
}

func (s *Service) order(ctx context.Context, i Item, action, statement string, args ...any) error {
	if err := stoa.ActorFrom(ctx).OperatesNow("decide what becomes of changes that failed"); err != nil {
		return err
	}
	statement += " WHERE name = ? AND failed = ?"
	args = append(args, i.Follower, true)
	if i.Kind != "" {
		statement += " AND kind = ? AND thing = ? AND scope = ?"
		args = append(args, i.Kind, i.ID, i.Scope)
	}
	return s.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		n, err := tx.Affected(ctx, statement, args...)
		if err != nil {
			return fmt.Errorf("change the list of the follower: %w", err)
		}
		if n == 0 {
			return stoa.NotFound("failed thing of this kind and number on the list of the follower", i.Follower)
		}
		tx.Changed(ordersKind, 0, 0, 0)
		audit.Note(tx, action, audit.Thing{Title: i.Follower})
		return nil
	})
}

// Rebuild lets a follower look at everything again. It is for operators.
func (s *Service) Rebuild(ctx context.Context, name string) error {
	if err := stoa.ActorFrom(ctx).OperatesNow("let a follower look at everything again"); err != nil {
		return err
	}
	return s.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := known(ctx, tx, name); err != nil {
			return err
		}
		w := worker{s: s, name: name}
		if err := w.put(ctx, tx, []task{everything(name, Asked)}); err != nil {
			return err
		}
		tx.Changed(ordersKind, 0, 0, 0)
		audit.Note(tx, audit.FollowerRebuilt, audit.Thing{Title: name})
		return nil
	})
}

func known(ctx context.Context, tx *db.Tx, name string) error {
	var n int
	if err := tx.QueryRow(ctx, "SELECT COUNT(*) FROM follow_follower WHERE name = ?", name).Scan(&n); err != nil {
		return fmt.Errorf("look for the follower: %w", err)
	}
	if n == 0 {
		return stoa.NotFound("follower of the name (stoa follow names those there are)", name)
	}
	return nil
}

// Forget removes a follower for good, such as that of an application or a node that is gone: its place holds the log
// back no more. One that a node still runs begins anew. It is for operators.
func (s *Service) Forget(ctx context.Context, name string) error {
	if err := stoa.ActorFrom(ctx).OperatesNow("forget a follower"); err != nil {
		return err
	}
	return s.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := known(ctx, tx, name); err != nil {
			return err
		}
		if err := Forget(ctx, tx, name); err != nil {
			return err
		}
		tx.Changed(ordersKind, 0, 0, 0)
		audit.Note(tx, audit.FollowerForgotten, audit.Thing{Title: name})
		return nil
	})
}

// Forget removes what the database knows of a follower, for a transaction that removes what it belongs to.
func Forget(ctx context.Context, tx *db.Tx, name string) error {
	for _, table := range []string{"follow_task", "follow_follower"} {
		if _, err := tx.Exec(ctx, "DELETE FROM "+table+" WHERE name = ?", name); err != nil {
			return fmt.Errorf("forget the follower: %w", err)
		}
	}
	return change.Forget(ctx, tx, name)
}
