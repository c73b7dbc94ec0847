package follow_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/follow"
)

// looks notes what a follower is asked to look at as a whole.
type looks struct {
	mu   sync.Mutex
	list []follow.Portion
}

func (l *looks) of(f follow.Follower) follow.Follower {
	portion := f.Rebuild
	f.Rebuild = func(ctx context.Context, p follow.Portion) (string, error) {
		l.mu.Lock()
		if p.From == "" {
			l.list = append(l.list, follow.Portion{Kind: p.Kind, Scope: p.Scope, Reason: p.Reason})
		}
		l.mu.Unlock()
		return portion(ctx, p)
	}
	return f
}

// take gives what was looked at since the last call.
func (l *looks) take() (list []follow.Portion) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list, l.list = l.list, nil
	return list
}

func (w *world) say(d *db.DB, c db.Change) {
	w.t.Helper()
	if err := d.Write(context.Background(), func(_ context.Context, tx *db.Tx) error {
		tx.Changed(c.Kind, c.ID, c.Scope, c.Version)
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) idle(h *host) func() bool {
	return func() bool {
		s := w.status(h)
		return s.Name != "" && s.Looking == "" && s.Waiting == 0 && s.Unread <= 0
	}
}

// The other side leaves out what it has seen the key of. So a change that joins one that was told already, and was
// not written down, is told under another key, whatever writers and versions the two have.
func TestFollow_WhatIsToldAsOneHasAKeyOfItsOwn(t *testing.T) {
	worlds(t, dbtest.Engines(), func(t *testing.T, w *world) {
		for _, second := range []int64{0, 9} { // without a version, and with a higher one
			var mu sync.Mutex
			var keys []string
			away := true
			name := fmt.Sprint("hook", second)
			a := w.join("a"+name, follow.Follower{Name: name, Kinds: []string{"thing"}, Effect: follow.Outside,
				Apply: func(_ context.Context, b follow.Batch) error {
					mu.Lock()
					defer mu.Unlock()
					for _, c := range b.Changes {
						keys = append(keys, c.Key())
					}
					if away {
						return stoa.Unavailable(nil, "the answer was lost")
					}
					return nil
				},
				Rebuild: func(context.Context, follow.Portion) (string, error) { return "", nil },
			}, func(o *follow.Options) { o.Tries = 1 << 30 })
			told := func() []string {
				mu.Lock()
				defer mu.Unlock()
				return slices.Clone(keys)
			}
			w.eventually("it has begun", func() bool {
				return w.one("SELECT COUNT(*) FROM follow_follower WHERE name = ?", name) == 1 &&
					w.one("SELECT COUNT(*) FROM follow_task WHERE name = ?", name) == 0
			})
			w.say(w.d, db.Change{Kind: "thing", ID: 1, Scope: 7, Version: 5})
			w.eventually("it is told twice", func() bool { return len(told()) >= 2 })
			w.say(w.d, db.Change{Kind: "thing", ID: 1, Scope: 7, Version: second})
			w.eventually("both are told", func() bool { l := told(); return l[len(l)-1] != l[0] })
			n := len(told())
			w.eventually("and again", func() bool { return len(told()) >= n+2 })
			mu.Lock()
			away = false
			mu.Unlock()
			w.eventually("they are done", func() bool {
				list, err := a.Statuses(t.Context())
				return err == nil && !slices.ContainsFunc(list, func(s follow.Status) bool {
					return s.Name == name && (s.Unread > 0 || s.Stuck > 0)
				})
			})
			l := told()
			slices.Sort(l)
			if l = slices.Compact(l); len(l) != 2 {
				t.Errorf("two changes, the second with version %d, were told under the keys %q", second, l)
			}
			a.Stop()
		}
	})
}

// Emptying caches changes nothing, so followers have nothing to do.
func TestFollow_EmptyingTheCachesLeadsToNothing(t *testing.T) {
	worlds(t, []dbtest.Engine{dbtest.SQLite}, func(t *testing.T, w *world) {
		var l looks
		a := w.join("a", l.of(w.mirror()))
		w.eventually("it has begun", w.idle(a))
		l.take()
		w.say(w.d, db.Change{Kind: change.Everything, Version: change.CachesOnly})
		if n := w.status(a).Unread; n != 0 {
			t.Errorf("%d rows are unread", n)
		}
		w.save(w.d, 1)
		w.eventually("it follows", w.mirrored)
		w.eventually("all is done", w.idle(a))
		if got := l.take(); len(got) > 0 {
			t.Errorf("it has looked at %+v", got)
		}
		w.say(w.d, db.Change{Kind: change.Everything})
		w.eventually("a row of everything is another thing", func() bool { return len(l.take()) == 1 })
	})
}

// A follower of a later version follows a kind more: what there was of it is looked at, once, and nothing else.
func TestFollow_AKindThatIsNewToItIsLookedAtOnce(t *testing.T) {
	worlds(t, dbtest.Engines(), func(t *testing.T, w *world) {
		var l looks
		a := w.join("a", l.of(w.mirror()))
		w.eventually("it has begun", w.idle(a))
		for _, step := range []struct {
			kinds []string
			want  []follow.Portion
		}{
			{[]string{"thing", "other"}, []follow.Portion{{Kind: "other", Reason: follow.Begun}}},
			{[]string{"other", "thing"}, nil},
			{[]string{"thing"}, nil}, // by a node of the version before
			{[]string{"thing", "other"}, []follow.Portion{{Kind: "other", Reason: follow.Begun}}},
			{nil, []follow.Portion{{Kind: change.Everything, Reason: follow.Begun}}},
			{[]string{"thing"}, nil},
		} {
			a.Stop()
			l.take()
			a.start(l.of(w.mirror(func(f *follow.Follower) { f.Kinds = step.kinds })))
			w.save(w.d, 1)
			w.eventually("it follows", w.mirrored)
			w.eventually("all is done", w.idle(a))
			if got := l.take(); !slices.Equal(got, step.want) {
				t.Errorf("with the kinds %q it has looked at %+v, want %+v", step.kinds, got, step.want)
			}
		}
		w.judge()
	})
}

// More things than a list should hold are a look at their kind in their scope; others are told as ever.
func TestFollow_VeryManyThingsAreALookAtTheirKind(t *testing.T) {
	worlds(t, []dbtest.Engine{dbtest.SQLite}, func(t *testing.T, w *world) {
		var l looks
		others := map[stoa.ID]bool{}
		w.tell = func(c follow.Change) {
			if c.Kind == "other" {
				others[c.ID] = true
			}
		}
		a := w.join("a", l.of(w.mirror(func(f *follow.Follower) { f.Kinds = append(f.Kinds, "other") })))
		w.eventually("it has begun", w.idle(a))
		l.take()
		if err := w.d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			for i := range 5001 {
				tx.Changed("thing", key(i+1), 7, 1)
			}
			for i := range 3 {
				tx.Changed("other", key(i+1), 7, 1)
			}
			return tx.Insert(ctx, "test_thing", db.Row{"id": 1, "version": 1, "scope": 7})
		}); err != nil {
			t.Fatal(err)
		}
		w.eventually("it follows", w.mirrored)
		w.eventually("all is done", w.idle(a))
		want := []follow.Portion{{Kind: "thing", Scope: 7, Reason: follow.TooMany}}
		if got := l.take(); !slices.Equal(got, want) {
			t.Errorf("it has looked at %+v, want %+v", got, want)
		}
		w.mu.Lock()
		n := len(others)
		w.mu.Unlock()
		if n != 3 {
			t.Errorf("%d of 3 others were told", n)
		}
		// The same of what has failed.
		w.exec("INSERT INTO follow_task (name, kind, thing, scope, version, writer, n, part, reason, progress, anew, " +
			"tries, due, failed, since, message) " +
			"WITH RECURSIVE many (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM many WHERE i < 10001) " +
			"SELECT 'mirror', CASE WHEN i % 100 = 0 THEN 'other' ELSE 'thing' END, i, 7, 1, 1, 1, 0, 'told', '', FALSE, 8, 0, " +
			"TRUE, 0, 'no' FROM many")
		w.eventually("the longest part of the list is given up", func() bool { return w.status(a).Failed == 100 })
		w.eventually("it is looked at", w.idle(a))
		want[0].Scope = 0
		if got := l.take(); !slices.Equal(got, want) {
			t.Errorf("it has looked at %+v, want %+v", got, want)
		}
	})
}

// A thing that is more work than one transaction should hold is told until it is done.
func TestFollow_AsksForAThingAgain(t *testing.T) {
	worlds(t, dbtest.Engines(), func(t *testing.T, w *world) {
		times := map[stoa.ID]int{} // by committed transactions
		f := w.mirror()
		f.Apply = func(ctx context.Context, b follow.Batch) error {
			for _, c := range b.Changes {
				w.mu.Lock()
				n := times[c.ID]
				w.mu.Unlock()
				b.Tx.AfterCommit(func() {
					w.mu.Lock()
					times[c.ID]++
					w.mu.Unlock()
				})
				if c.ID == 2 && n < 3 {
					b.Again(c)
					continue
				}
				if err := w.reflect(ctx, b.Tx, c.ID); err != nil {
					return err
				}
			}
			return nil
		}
		a := w.join("a", f)
		w.eventually("it has begun", w.idle(a))
		for i := range 3 {
			w.save(w.d, key(i+1))
		}
		w.eventually("it is done", w.mirrored)
		w.eventually("nothing waits", w.idle(a))
		w.mu.Lock()
		defer w.mu.Unlock()
		if times[1] != 1 || times[2] != 4 || times[3] != 1 {
			t.Errorf("they were told %v times", times)
		}
	})
}

// What a follower with its own place has put off is a list in the database. When a fail-over takes lines of it away,
// the log is read again from the place that both histories share.
func TestFollow_OneWithItsOwnPlaceReadsAgainWhatAFailoverTookOffItsList(t *testing.T) {
	worlds(t, dbtest.Engines(), func(t *testing.T, w *world) {
		k := &keeper{things: map[stoa.ID]int64{}}
		a := w.join("a", k.follower(w))
		w.eventually("it has begun", w.idle(a))
		w.save(w.d, 1)
		w.eventually("it follows", func() bool { return k.shows(w) })
		k.why()
		before := w.one("SELECT version FROM follow_follower WHERE name = 'embedded@a'")
		place := ""
		if err := w.d.QueryRow(t.Context(), "SELECT place FROM follow_follower WHERE name = 'embedded@a'").
			Scan(&place); err != nil {
			t.Fatal(err)
		}
		w.mu.Lock()
		w.poison[5] = errors.New("no")
		w.mu.Unlock()
		w.save(w.d, 5)
		w.save(w.d, 6)
		w.eventually("it is given up", func() bool { return w.status(a).Failed == 1 })
		w.eventually("the others are done", func() bool { return len(k.things) == 2 })
		a.Stop()
		w.mu.Lock()
		clear(w.poison)
		w.mu.Unlock()
		// The changes are in the new history, as the editors' node sent them in time; what the follower wrote is not.
		w.exec("DELETE FROM follow_task WHERE name = 'embedded@a'", fmt.Sprintf("UPDATE follow_follower SET version = %d, "+
			"place = '%s' WHERE name = 'embedded@a'", before, place))
		w.another()
		for range 2 { // and when it is stopped before it has done anything
			a.start(k.follower(w))
			w.eventually("it is done at last", func() bool { return k.shows(w) })
			a.Stop()
		}
		if got := k.why(); len(got) > 0 {
			t.Errorf("it was rebuilt because of %q", got)
		}
		a.start(k.follower(w))
		w.save(w.d, 5)
		w.eventually("it goes on", func() bool { return k.shows(w) })
	})
}

// Where a whole batch takes longer than the lease lasts, smaller ones are tried: else nothing ever would be done.
func TestFollow_ABatchThatLosesTheLeaseIsMadeSmaller(t *testing.T) {
	t.Parallel()
	worlds(t, dbtest.Engines(), func(t *testing.T, w *world) {
		var slow lossy
		f := w.mirror()
		apply := f.Apply
		f.Apply = func(ctx context.Context, b follow.Batch) error {
			if len(b.Changes) > 10 {
				slow.lose()
			}
			return apply(ctx, b)
		}
		a := w.join("a", f, func(o *follow.Options) {
			lease := o.Lease
			o.Lease = func(name string) follow.Lease { return slow.of(lease(name)) }
		})
		w.eventually("it has begun", func() bool { s := w.status(a); return s.Name != "" && s.Looking == "" })
		err := w.d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			var rows []db.Row
			for i := range 150 {
				tx.Changed("thing", key(i+1), 7, 1)
				rows = append(rows, db.Row{"id": i + 1, "version": 1, "scope": 7})
			}
			return tx.InsertAll(ctx, "test_thing", rows)
		})
		if err != nil {
			t.Fatal(err)
		}
		w.eventually("all of it is done", w.mirrored)
		a.Stop()
		w.judge()
	})
}

// lossy is a lease that is lost on demand and won again at once.
type lossy struct {
	follow.Lease
	mu     sync.Mutex
	cancel context.CancelCauseFunc
}

func (l *lossy) of(lease follow.Lease) follow.Lease {
	l.Lease = lease
	return l
}

func (l *lossy) lose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cancel(cluster.ErrFenced)
}

func (l *lossy) Run(ctx context.Context, fn func(ctx context.Context, fence cluster.Fence) error) error {
	return l.Lease.Run(ctx, func(ctx context.Context, fence cluster.Fence) error {
		for {
			inner, cancel := context.WithCancelCause(ctx)
			l.mu.Lock()
			l.cancel = cancel
			l.mu.Unlock()
			err := fn(inner, fence)
			lost := inner.Err() != nil
			cancel(nil)
			if !lost || ctx.Err() != nil {
				return err
			}
		}
	})
}
