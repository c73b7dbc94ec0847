package follow_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/follow"
)

func TestFollow_EachRowTakesEffectOnceOnOneNodeOfTwo(t *testing.T) {
	t.Parallel()
	worlds(t, dbtest.Engines(), func(t *testing.T, w *world) {
		a, b := w.join("a", w.mirror()), w.join("b", w.mirror())
		for i := range 300 {
			w.save([]*db.DB{w.d, a.d, b.d}[i%3], key(i%20+1))
		}
		if err := w.edit(b.d, 3, true); err != nil {
			t.Fatal(err)
		}
		w.eventually("the mirror shows all of it", w.mirrored)
		w.judge()
		if w.status(a).Here == w.status(b).Here {
			t.Errorf("both run it, or none: %+v %+v", w.status(a), w.status(b))
		}
		w.eventually("nothing is unread", func() bool {
			s := w.status(a)
			return s.Unread == 0 && s.Lag == 0 && s.Waiting == 0 && s.Failed == 0 && s.Looking == ""
		})
	})
}

func TestFollow_ANewOneLooksAtEverythingAndGoesOnWhereItWasStopped(t *testing.T) {
	t.Parallel()
	worlds(t, dbtest.Engines(), func(t *testing.T, w *world) {
		for i := range 30 {
			w.save(w.d, key(i+1))
		}
		w.published() // or they are in the log after its end
		var from []string
		f := w.mirror()
		portion := f.Rebuild
		inside, leave := make(chan struct{}, 1), make(chan struct{})
		f.Rebuild = func(ctx context.Context, p follow.Portion) (string, error) {
			if p.From == "10" {
				inside <- struct{}{}
				<-leave
				<-ctx.Done()
				return "", ctx.Err()
			}
			return portion(ctx, p)
		}
		a := w.join("a", f)
		<-inside
		close(leave)
		a.Stop()
		if n := len(w.all("SELECT id, version FROM test_mirror")); n != 10 {
			t.Fatalf("%d things after two portions of five", n)
		}
		f.Rebuild = func(ctx context.Context, p follow.Portion) (string, error) {
			if from = append(from, p.From); p.Reason != follow.Begun {
				t.Errorf("the reason is %q", p.Reason)
			}
			return portion(ctx, p)
		}
		a.start(f)
		w.eventually("the mirror shows all of it", w.mirrored)
		if from[0] != "10" {
			t.Errorf("it was begun anew: %q", from)
		}
		w.judge()
	})
}

func TestFollow_AThingThatFailsHoldsNothingBackAndIsListed(t *testing.T) {
	t.Parallel()
	worlds(t, dbtest.Engines(), func(t *testing.T, w *world) {
		a := w.join("a", w.mirror())
		w.eventually("it has begun", func() bool { s := w.status(a); return s.Name != "" && s.Looking == "" })
		w.mu.Lock()
		w.poison[13] = errors.New("13 cannot be done")
		w.mu.Unlock()
		for i := range 20 {
			w.save(w.d, key(i+1))
		}
		w.save(w.d, 13)
		w.eventually("it is given up", func() bool { return w.status(a).Failed == 1 })
		if n := len(w.all("SELECT id, version FROM test_mirror")); n != 19 {
			t.Fatalf("%d of 19 others were done", n)
		}
		w.published()
		w.eventually("nothing is unread", func() bool { return w.status(a).Unread == 0 })
		if n := w.prune(2 * time.Hour); n != 21 {
			t.Errorf("%d rows of 21 could be pruned", n)
		}
		w.eventually("the node says so", func() bool {
			list := a.Troubles()
			return len(list) == 1 && list[0].Failed == 1 && list[0].Follower == "mirror" && list[0].Stuck == 0
		})
		items, err := a.Failed(operator, "mirror", 10)
		if err != nil || len(items) != 1 || items[0].ID != 13 || items[0].Tries != 8 ||
			items[0].Message != "13 cannot be done" {
			t.Fatalf("%+v %v", items, err)
		}
		for _, who := range []stoa.Actor{{}, {User: 5, Instance: 1, Admin: true}, {User: 5, Instance: 2, Admin: true}} {
			ctx := stoa.WithActor(t.Context(), who)
			refused := func(err error) bool {
				return stoa.Is(err, stoa.KindForbidden) || who.User == 0 && stoa.Is(err, stoa.KindUnauthorized)
			}
			if _, err := a.Failed(ctx, "mirror", 10); !refused(err) {
				t.Errorf("%+v sees the list: %v", who, err)
			}
			for _, err := range []error{a.Retry(ctx, items[0]), a.Discard(ctx, items[0]), a.Rebuild(ctx, "mirror"),
				a.Forget(ctx, "mirror")} {
				if !refused(err) {
					t.Errorf("%+v changes the list: %v", who, err)
				}
			}
		}
		w.mu.Lock()
		clear(w.poison)
		w.mu.Unlock()
		if err := a.Retry(operator, items[0]); err != nil {
			t.Fatal(err)
		}
		w.eventually("it is done when it is tried again", w.mirrored)
		w.eventually("and off the list", func() bool { s := w.status(a); return s.Failed+s.Waiting == 0 })
		w.judge()
	})
}

func TestFollow_WhatFailedIsDoneWithTheNextChangeOrDiscarded(t *testing.T) {
	t.Parallel()
	worlds(t, []dbtest.Engine{dbtest.SQLite}, func(t *testing.T, w *world) {
		a := w.join("a", w.mirror())
		fail := func(err error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.poison[13] = err
		}
		w.eventually("it has begun", func() bool { s := w.status(a); return s.Name != "" && s.Looking == "" })
		fail(errors.New("no"))
		w.save(w.d, 13)
		w.eventually("it is given up", func() bool { return w.status(a).Failed == 1 })
		fail(nil)
		w.save(w.d, 13)
		w.eventually("the next change is done", w.mirrored)
		w.eventually("the list is empty", func() bool { return w.status(a).Failed == 0 })
		fail(errors.New("no"))
		w.save(w.d, 13)
		w.eventually("it is given up", func() bool { return w.status(a).Failed == 1 })
		if err := a.Discard(operator, follow.Item{Follower: "mirror"}); err != nil {
			t.Fatal(err)
		}
		if s := w.status(a); s.Failed+s.Waiting != 0 || w.mirrored() {
			t.Errorf("%+v", s)
		}
		if err := a.Discard(operator, follow.Item{Follower: "mirror"}); !stoa.Is(err, stoa.KindNotFound) {
			t.Errorf("discarded twice: %v", err)
		}
		w.judge()
	})
}

func TestFollow_APanicIsOfTheThing(t *testing.T) {
	t.Parallel()
	worlds(t, []dbtest.Engine{dbtest.SQLite}, func(t *testing.T, w *world) {
		f := w.mirror()
		apply := f.Apply
		f.Apply = func(ctx context.Context, b follow.Batch) error {
			for _, c := range b.Changes {
				if c.ID == 2 {
					panic("two")
				}
			}
			return apply(ctx, b)
		}
		a := w.join("a", f)
		w.eventually("it has begun", func() bool { s := w.status(a); return s.Name != "" && s.Looking == "" })
		for i := range 3 {
			w.save(w.d, key(i+1))
		}
		w.eventually("it is given up", func() bool { return w.status(a).Failed == 1 })
		w.eventually("the others are done", func() bool { return len(w.all("SELECT id, version FROM test_mirror")) == 2 })
	})
}

func TestFollow_ASideThatIsAwayIsWaitedFor(t *testing.T) {
	t.Parallel()
	worlds(t, dbtest.Engines(), func(t *testing.T, w *world) {
		a := w.join("a", w.mirror(), func(o *follow.Options) { o.Tries = 1 << 30 })
		w.eventually("it has begun", func() bool { s := w.status(a); return s.Name != "" && s.Looking == "" })
		w.mu.Lock()
		w.away = stoa.Unavailable(nil, "the index is away")
		w.mu.Unlock()
		for i := range 20 {
			w.save(w.d, key(i+1))
		}
		w.published()
		w.eventually("the status says why", func() bool {
			s := w.status(a)
			return s.Stuck > 0 && s.Message == "the index is away" && s.Unread == 20 && s.Failed+s.Waiting == 0
		})
		if n := w.prune(2 * time.Hour); n != 0 {
			t.Errorf("%d rows that are needed were pruned", n)
		}
		w.mu.Lock()
		w.away = nil
		w.mu.Unlock()
		w.eventually("it goes on", w.mirrored)
		w.eventually("the status says so", func() bool {
			s := w.status(a)
			return s.Stuck == 0 && s.Message == "" &&
				s.Unread == 0
		})
		w.judge()
	})
}

// One thing can be what makes the other side hang, so things are tried one by one after a while; that the side is away
// uses up no try, and it is not asked in a hurry.
func TestFollow_ASideThatStaysAwayUsesUpNoTries(t *testing.T) {
	t.Parallel()
	worlds(t, []dbtest.Engine{dbtest.SQLite}, func(t *testing.T, w *world) {
		calls := 0
		a := w.join("a", w.mirror(), func(o *follow.Options) { o.Tries = 2 })
		w.eventually("it has begun", func() bool { s := w.status(a); return s.Name != "" && s.Looking == "" })
		w.mu.Lock()
		w.away = stoa.Unavailable(nil, "the index is away")
		w.tell = func(follow.Change) { calls++ }
		w.mu.Unlock()
		began := time.Now()
		for i := range 60 {
			w.save(w.d, key(i+1))
		}
		w.eventually("they are tried one by one", func() bool { return w.status(a).Waiting > 1 })
		from := a.log.Status().Polls
		w.eventually("time passes", func() bool { return a.log.Status().Polls > from+40 })
		w.mu.Lock()
		n, took := calls, time.Since(began)
		w.away = nil
		w.mu.Unlock()
		if most := 10 + 4*int(took/(100*time.Millisecond)); n > most {
			t.Errorf("%d calls in %s, at most %d are allowed", n, took, most)
		}
		if s := w.status(a); s.Failed != 0 || s.Stuck == 0 {
			t.Errorf("%+v", s)
		}
		if list := a.Troubles(); len(list) != 1 || list[0].Stuck == 0 || list[0].Error == nil {
			t.Errorf("%+v", list)
		}
		w.eventually("it goes on", w.mirrored)
		w.eventually("the list is empty", func() bool { s := w.status(a); return s.Waiting+s.Failed == 0 && s.Stuck == 0 })
		w.judge()
	})
}

func TestFollow_HoldsTheLogBackUpToTheRetentionAndIsRebuiltThen(t *testing.T) {
	t.Parallel()
	worlds(t, dbtest.Engines(), func(t *testing.T, w *world) {
		var reasons []follow.Reason
		f := w.mirror()
		portion := f.Rebuild
		f.Rebuild = func(ctx context.Context, p follow.Portion) (string, error) {
			reasons = append(reasons, p.Reason)
			return portion(ctx, p)
		}
		a := w.join("a", f)
		w.save(w.d, 1)
		w.eventually("it follows", w.mirrored)
		w.eventually("it has looked at everything", func() bool { return w.status(a).Looking == "" })
		a.Stop()
		w.save(w.d, 2)
		w.save(w.d, 3)
		w.published()
		w.prune(2 * time.Hour)
		if n := w.status(a).Unread; n != 2 {
			t.Fatalf("%d unread rows of 2 are there after two hours", n)
		}
		w.prune(8 * 24 * time.Hour)
		if n := w.status(a).Unread; n != 0 {
			t.Fatalf("%d unread rows are there after the retention", n)
		}
		reasons = nil
		a.start(f)
		w.eventually("what was pruned unread is there", w.mirrored)
		w.eventually("it has looked at everything", func() bool { return w.status(a).Looking == "" })
		a.Stop()
		if len(reasons) == 0 || reasons[0] != follow.Behind {
			t.Errorf("it was not told that it is behind: %q", reasons)
		}
		w.judge()
	})
}

func TestFollow_AScopeIsLookedAtAgainAndAnewWhenItChangesMeanwhile(t *testing.T) {
	t.Parallel()
	worlds(t, []dbtest.Engine{dbtest.SQLite}, func(t *testing.T, w *world) {
		tell := func(kind string, scope stoa.ID) {
			t.Helper()
			if err := w.d.Write(t.Context(), func(_ context.Context, tx *db.Tx) error {
				tx.Changed(kind, 0, scope, 0)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		type look struct {
			kind  string
			scope stoa.ID
			from  string
		}
		looks := make(chan look, 100)
		enter := make(chan struct{}, 100)
		f := w.mirror()
		f.Effect = follow.Outside // a transaction would keep the changes of the test out on SQLite
		f.Rebuild = func(ctx context.Context, p follow.Portion) (string, error) {
			looks <- look{p.Kind, p.Scope, p.From}
			<-enter
			if p.From == "" && p.Scope == 8 {
				return "half", nil
			}
			return "", nil
		}
		a := w.join("a", f)
		want := func(l look) {
			t.Helper()
			select {
			case got := <-looks:
				if got != l {
					close(enter)
					t.Fatalf("%+v was looked at, want %+v", got, l)
				}
			case <-time.After(5 * time.Minute):
				t.Fatalf("%+v was never looked at", l)
			}
		}
		want(look{"*", 0, ""})
		enter <- struct{}{}
		tell("thing", 8)
		want(look{"thing", 8, ""})
		enter <- struct{}{}
		want(look{"thing", 8, "half"})
		tell("thing", 8) // while half of it is done
		enter <- struct{}{}
		want(look{"thing", 8, ""})
		enter <- struct{}{}
		want(look{"thing", 8, "half"})
		enter <- struct{}{}
		w.eventually("all is done", func() bool { return w.status(a).Waiting == 0 })
		tell("*", 0)
		want(look{"*", 0, ""})
		enter <- struct{}{}
		if err := a.Rebuild(operator, "mirror"); err != nil {
			t.Fatal(err)
		}
		want(look{"*", 0, ""})
		enter <- struct{}{}
		w.eventually("all is done", func() bool { return w.status(a).Waiting == 0 })
		if err := a.Rebuild(operator, "other"); !stoa.Is(err, stoa.KindNotFound) {
			t.Errorf("an unknown one is rebuilt: %v", err)
		}
	})
}

func TestFollow_ABigTransactionIsToldInBatches(t *testing.T) {
	t.Parallel()
	worlds(t, []dbtest.Engine{dbtest.SQLite}, func(t *testing.T, w *world) {
		most := 0
		f := w.mirror()
		apply := f.Apply
		f.Apply = func(ctx context.Context, b follow.Batch) error {
			most = max(most, len(b.Changes))
			return apply(ctx, b)
		}
		a := w.join("a", f)
		w.eventually("it has begun", func() bool { s := w.status(a); return s.Name != "" && s.Looking == "" })
		err := w.d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			for i := range 1000 {
				tx.Changed("thing", key(i+1), 7, 1)
				if err := tx.Insert(ctx, "test_thing", db.Row{"id": i + 1, "version": 1, "scope": 7}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		w.eventually("all of it is done", w.mirrored)
		w.eventually("the list is empty", func() bool { return w.status(a).Waiting == 0 })
		a.Stop()
		if most > 100 {
			t.Errorf("%d things at once", most)
		}
		w.judge()
	})
}

// An idle node has few commits to spare, so a follower without work has none.
func TestFollow_CommitsNothingWithoutWorkAndLittleForRowsOfOthers(t *testing.T) {
	t.Parallel()
	worlds(t, dbtest.Engines(), func(t *testing.T, w *world) {
		const calm = 300 * time.Millisecond
		a := w.join("a", w.mirror(), func(o *follow.Options) { o.Calm = calm })
		w.save(w.d, 1)
		w.eventually("it follows", func() bool { s := w.status(a); return w.mirrored() && s.Looking == "" && s.Waiting == 0 })
		version := func() int64 { return w.one("SELECT version FROM follow_follower WHERE name = 'mirror'") }
		rounds := func(n uint64) {
			t.Helper()
			from := a.log.Status().Polls
			w.eventually("the log is read some more", func() bool { return a.log.Status().Polls > from+n })
		}
		rounds(20)
		settled := version() // a number may have been settled meanwhile
		rounds(30)
		if n := version() - settled; n != 0 {
			t.Errorf("%d commits without work", n)
		}
		began := time.Now()
		for range 100 {
			if err := w.d.Write(t.Context(), func(_ context.Context, tx *db.Tx) error {
				tx.Changed("other", 9, 7, 1)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		rounds(10)
		if n, most := version()-settled, int64(time.Since(began)/calm)+1; n > most {
			t.Errorf("%d commits for rows that lead to nothing, at most %d are allowed", n, most)
		}
		w.published()
		w.eventually("but they hold nothing back",
			func() bool { return w.prune(2*time.Hour) > 0 || w.one("SELECT COUNT(*) FROM change_log") == 0 })
	})
}

func TestFollow_AForgottenOneHoldsNothingBack(t *testing.T) {
	t.Parallel()
	worlds(t, []dbtest.Engine{dbtest.SQLite}, func(t *testing.T, w *world) {
		a := w.join("a", w.mirror())
		w.eventually("it has begun", func() bool { s := w.status(a); return s.Name != "" && s.Looking == "" })
		a.Stop()
		w.save(w.d, 1)
		w.published()
		if n := w.prune(2 * time.Hour); n != 0 {
			t.Fatalf("%d unread rows were pruned", n)
		}
		if err := a.Forget(operator, "mirror"); err != nil {
			t.Fatal(err)
		}
		w.published()
		if n := w.prune(2 * time.Hour); n == 0 {
			t.Error("a forgotten follower holds the log back")
		}
		if s := w.status(a); s.Name != "" {
			t.Errorf("it is still shown: %+v", s)
		}
	})
}

func TestService_RefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	worlds(t, []dbtest.Engine{dbtest.SQLite}, func(t *testing.T, w *world) {
		if _, err := follow.New(follow.Options{}); err == nil {
			t.Error("without a database")
		}
		a := w.join("a", w.mirror())
		told := make(chan struct{}, 1)
		if err := a.Add(w.mirror(func(f *follow.Follower) {
			f.Name = "late"
			f.Rebuild = func(context.Context, follow.Portion) (string, error) { told <- struct{}{}; return "", nil }
		})); err != nil {
			t.Errorf("one that comes later: %v", err)
		}
		<-told
		a.Stop()
		if err := a.Add(w.mirror(func(f *follow.Follower) { f.Name = "too late" })); err == nil {
			t.Error("after Stop")
		}
		s, err := follow.New(follow.Options{DB: a.d, Log: a.log, Lease: func(string) follow.Lease { return nil }})
		if err != nil {
			t.Fatal(err)
		}
		for what, fn := range map[string]func(*follow.Follower){
			"without a name":                    func(f *follow.Follower) { f.Name = "" },
			"without Apply":                     func(f *follow.Follower) { f.Apply = nil },
			"without Rebuild":                   func(f *follow.Follower) { f.Rebuild = nil },
			"with its own place, without Token": func(f *follow.Follower) { f.Effect = follow.OwnPlace },
			"with Token, registered": func(f *follow.Follower) {
				f.Token = func(context.Context) ([]byte,
					error) {
					return nil, nil
				}
			},
		} {
			if err := s.Add(w.mirror(fn)); err == nil {
				t.Error(what)
			}
		}
		if err := errors.Join(s.Add(w.mirror()), s.Add(w.mirror())); err == nil {
			t.Error("twice")
		}
	})
}
