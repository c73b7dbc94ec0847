package lock

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

// node is what a node has, as far as locks need it.
type node struct {
	*Service
	d   *db.DB
	now time.Duration // of its own clock, which stands still until it is moved
}

// world is two nodes with an instance, two editors and an administrator.
type world struct {
	t        *testing.T
	a, b     *node
	instance stoa.ID
	tides    Thing
	at       access.Path // where tides belongs
	ann, bob stoa.Actor  // may edit
	ada      stoa.Actor  // administrator
	nina     stoa.Actor  // signed in, no more
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// onEngines runs the test with two nodes on every engine.
func onEngines(t *testing.T, fn func(t *testing.T, w *world)) {
	t.Helper()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			const instance, site, article = 101, 102, 103
			w := &world{t: t, instance: instance}
			handles := dbtest.Nodes(t, e, 2)
			var roles map[string]stoa.ID
			must(t, handles[0].Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
				c, err := cache.New(cache.Options{Proof: cache.Boottime, InTransaction: db.InWrite})
				if err != nil {
					return err
				}
				defer c.Close()
				acc, err := access.New(access.Options{DB: handles[0], Cache: c})
				if err != nil {
					return err
				}
				roles, err = acc.EnsureInstance(stoa.WithActor(ctx, stoa.SystemActor()), tx, instance)
				return err
			}))
			for i, d := range handles {
				c, err := cache.New(cache.Options{Proof: cache.Boottime, InTransaction: db.InWrite})
				must(t, err)
				t.Cleanup(c.Close)
				acc, err := access.New(access.Options{DB: d, Cache: c})
				must(t, err)
				n := &node{d: d}
				n.Service, err = New(
					Options{
						DB:       d,
						Access:   acc,
						Path:     w.path,
						Lifetime: map[string]time.Duration{Article: time.Minute, Page: 0},
						Clock:    func() time.Duration { return n.now },
					},
				)
				must(t, err)
				*[]**node{&w.a, &w.b}[i] = n
			}
			person := func(id stoa.ID, name string, admin bool, role ...stoa.ID) stoa.Actor {
				return stoa.Actor{User: id, Name: name, Instance: instance, Roles: role, Admin: admin}
			}
			w.ann, w.bob = person(
				11,
				"Ann Berg",
				false,
				roles[access.RoleEditor],
			), person(
				12,
				"Bob Ross",
				false,
				roles[access.RoleEditor],
			)
			w.ada, w.nina = person(13, "Ada Brandt", true), person(14, "Nina", false)
			w.tides = Thing{Kind: Article, ID: article, Title: "The tides"}
			w.at = access.Path{{Kind: "article", ID: article}, {Kind: "site", ID: site}, {Kind: "instance", ID: instance}}
			fn(t, w)
		})
	}
}

// path is where things of the test belong, and the one that belongs elsewhere.
func (w *world) path(_ context.Context, kind string, id stoa.ID) (access.Path, error) {
	if id == elsewhere {
		return access.Path{{Kind: kind, ID: id}, {Kind: "site", ID: 902}, {Kind: "instance", ID: 901}}, nil
	}
	return append(access.Path{{Kind: kind, ID: id}}, w.at[1:]...), nil
}

// elsewhere is an article of another instance.
const elsewhere = 903

func TestOpen_ThingsOfAnotherInstanceAreNotThere(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, w *world) {
		other := Thing{Kind: Article, ID: elsewhere, Title: "Mine, says the caller"}
		for _, who := range []stoa.Actor{w.ann, w.ada} {
			for what, fn := range map[string]func(context.Context) error{
				"look":  func(ctx context.Context) error { _, err := w.a.Look(ctx, other); return err },
				"open":  func(ctx context.Context) error { _, err := w.a.Open(ctx, other); return err },
				"renew": func(ctx context.Context) error { _, err := w.a.Renew(ctx, other, "x"); return err },
				"take":  func(ctx context.Context) error { _, err := w.a.TakeOver(ctx, other, ""); return err },
			} {
				if err := fn(w.as(who)); !stoa.Is(err, stoa.KindNotFound) {
					t.Errorf("%s may %s it: %v", who.Name, what, err)
				}
			}
		}
	})
}

func (w *world) as(a stoa.Actor) context.Context { return stoa.WithActor(w.t.Context(), a) }

// want checks what a call gave.
func (w *world) want(what string, st State, err error, status Status, owner stoa.Actor) State {
	w.t.Helper()
	must(w.t, err)
	if st.Status != status || st.Owner != owner.User || st.OwnerName != owner.Name {
		w.t.Fatalf("%s: %+v, want status %d and %q", what, st, status, owner.Name)
	}
	if (st.Token != "") != (status == Mine) {
		w.t.Fatalf("%s: token %q with status %d", what, st.Token, status)
	}
	return st
}

func TestOpen_SecondEditorSeesWhoHasItOnTheOtherNode(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, w *world) {
		st, err := w.b.Look(w.as(w.bob), w.tides)
		w.want("nobody", st, err, Free, stoa.Actor{})
		st, err = w.a.Open(w.as(w.ann), w.tides)
		mine := w.want("Ann opens", st, err, Mine, w.ann)
		st, err = w.b.Open(w.as(w.bob), w.tides)
		held := w.want("Bob opens", st, err, Held, w.ann)
		if held.MayTake || held.Own || held.Title != "The tides" || held.Taken.Sub(mine.Taken).Abs() > time.Millisecond ||
			!held.Expires.Equal(held.Renewed.Add(time.Minute)) {
			t.Errorf("Bob sees %+v", held)
		}
		st, err = w.b.TakeOver(w.as(w.bob), w.tides, "")
		if !stoa.Is(err, stoa.KindForbidden) || !strings.Contains(err.Error(), "Ann Berg") {
			t.Errorf("Bob takes over: %+v, %v", st, err)
		}
		must(t, w.b.Release(w.as(w.bob), Article, w.tides.ID, mine.Token)) // not his
		st, err = w.b.Renew(w.as(w.ann), w.tides, mine.Token)
		again := w.want("a sign of life through the other node", st, err, Mine, w.ann)
		if again.Taken.Sub(mine.Taken).Abs() > time.Millisecond {
			t.Errorf("a sign of life moved the beginning from %v to %v", mine.Taken, again.Taken)
		}
		must(t, w.b.Release(w.as(w.ann), Article, w.tides.ID, mine.Token))
		st, err = w.b.Open(w.as(w.bob), w.tides)
		w.want("Bob opens it afterwards", st, err, Mine, w.bob)
	})
}

func TestOpen_AnotherWindowOfTheSamePersonGetsItAndTheFirstIsTold(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, w *world) {
		st, err := w.a.Open(w.as(w.ann), w.tides)
		first := w.want("first window", st, err, Mine, w.ann)
		st, err = w.b.Open(w.as(w.ann), w.tides)
		second := w.want("second window", st, err, Mine, w.ann)
		must(t, w.a.Release(w.as(w.ann), Article, w.tides.ID, first.Token)) // as when a page is loaded again
		st, err = w.a.Renew(w.as(w.ann), w.tides, first.Token)
		if held := w.want("first window again", st, err, Held, w.ann); !held.Own || !held.MayTake {
			t.Errorf("first window sees %+v", held)
		}
		st, err = w.a.TakeOver(w.as(w.ann), w.tides, first.Token)
		w.want("back to the first", st, err, Mine, w.ann)
		st, err = w.b.Renew(w.as(w.ann), w.tides, second.Token)
		w.want("second window again", st, err, Held, w.ann)
	})
}

func TestTakeOver_ByAnAdministratorIsToldToWhoLostIt(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, w *world) {
		st, err := w.a.Open(w.as(w.ann), w.tides)
		mine := w.want("Ann opens", st, err, Mine, w.ann)
		st, err = w.b.Open(w.as(w.ada), w.tides)
		if held := w.want("Ada opens", st, err, Held, w.ann); !held.MayTake {
			t.Error("an administrator may not take over")
		}
		st, err = w.b.TakeOver(w.as(w.ada), w.tides, "")
		ada := w.want("Ada takes over", st, err, Mine, w.ada)
		st, err = w.a.Renew(w.as(w.ann), w.tides, mine.Token)
		if held := w.want("Ann's sign of life", st, err, Held, w.ada); held.MayTake || held.Own {
			t.Errorf("Ann sees %+v", held)
		}
		must(t, w.b.Release(w.as(w.ada), Article, w.tides.ID, ada.Token))
		st, err = w.a.Renew(w.as(w.ann), w.tides, mine.Token)
		w.want("when Ada is done", st, err, Mine, w.ann)
	})
}

func TestBreak_OwnerIsToldAndNobodyIsKeptOut(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, w *world) {
		st, err := w.a.Open(w.as(w.ann), w.tides)
		mine := w.want("Ann opens", st, err, Mine, w.ann)
		for _, who := range []stoa.Actor{w.ann, w.nina, {}} {
			if _, err := w.b.List(w.as(who), w.instance); err == nil {
				t.Errorf("%q sees the list", who.Name)
			}
			if _, err := w.b.Break(w.as(who), w.instance, []Ref{{Article, w.tides.ID, mine.Taken}}); err == nil {
				t.Errorf("%q releases locks of others", who.Name)
			}
		}
		list, err := w.b.List(w.as(w.ada), w.instance)
		must(t, err)
		if len(list) != 1 || list[0].OwnerName != "Ann Berg" || list[0].Title != "The tides" || list[0].Site != 102 ||
			list[0].Expires.IsZero() {
			t.Fatalf("list: %+v", list)
		}
		seen := Ref{Article, w.tides.ID, list[0].Taken}
		for _, stale := range []Ref{{Article, w.tides.ID, list[0].Taken.Add(-time.Second)}, {Page, w.tides.ID, list[0].Taken}} {
			if n, err := w.b.Break(w.as(w.ada), w.instance, []Ref{stale}); n != 0 || err != nil {
				t.Errorf("a lock that is not the one seen: %d, %v", n, err)
			}
		}
		if n, err := w.b.Break(w.as(w.ada), w.instance, []Ref{seen, seen}); n != 1 || err != nil {
			t.Fatalf("released %d, %v", n, err)
		}
		if list, err = w.a.List(w.as(w.ada), w.instance); err != nil || len(list) != 0 {
			t.Errorf("list afterwards: %+v, %v", list, err)
		}
		for range 2 { // it is told as often as it is asked for
			st, err = w.a.Renew(w.as(w.ann), w.tides, mine.Token)
			if told := w.want("Ann's sign of life", st, err, Released, w.ann); told.ReleasedBy != "Ada Brandt" || !told.MayTake {
				t.Errorf("Ann is told %+v", told)
			}
		}
		st, err = w.b.Open(w.as(w.bob), w.tides)
		w.want("Bob opens", st, err, Mine, w.bob)
		st, err = w.a.Renew(w.as(w.ann), w.tides, mine.Token)
		w.want("Ann afterwards", st, err, Held, w.bob)
	})
}

func TestExpire_EndsWhatGivesNoSignOfLifeByTheOwnClock(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, w *world) {
		system := w.as(stoa.SystemActor())
		expire := func(n *node, want int) {
			t.Helper()
			if got, err := n.Expire(system); got != want || err != nil {
				t.Fatalf("ended %d locks (%v), want %d", got, err, want)
			}
		}
		if _, err := w.a.Expire(w.as(w.ada)); !stoa.Is(err, stoa.KindForbidden) {
			t.Errorf("an administrator ends locks: %v", err)
		}
		st, err := w.a.Open(w.as(w.ann), w.tides)
		mine := w.want("Ann opens", st, err, Mine, w.ann)
		page := w.tides
		page.Kind, page.ID = Page, 104
		st, err = w.a.Open(w.as(w.ann), page)
		w.want("Ann opens a page, whose locks last for ever", st, err, Mine, w.ann)
		if !st.Expires.IsZero() {
			t.Errorf("it expires at %v", st.Expires)
		}
		w.b.now = 10 * time.Hour // another machine, another clock
		expire(w.a, 0)
		expire(w.b, 0)
		w.a.now += 59 * time.Second
		expire(w.a, 0)
		st, err = w.b.Renew(w.as(w.ann), w.tides, mine.Token)
		w.want("a sign of life", st, err, Mine, w.ann)
		w.a.now += time.Second
		expire(w.a, 0)
		w.a.now += 59 * time.Second
		expire(w.a, 0)
		w.a.now += time.Second
		expire(w.a, 1)
		w.b.now += time.Hour
		expire(w.b, 0) // it saw the first number only
		w.a.now += 1000 * time.Hour
		expire(w.a, 0)
		st, err = w.a.Renew(w.as(w.ann), w.tides, mine.Token)
		w.want("back after a pause", st, err, Mine, w.ann)
		// What was released only waits to be told, also where locks last for ever.
		list, err := w.a.List(w.as(w.ada), w.instance)
		must(t, err)
		for _, l := range list {
			_, err := w.a.Break(w.as(w.ada), w.instance, []Ref{{l.Kind, l.ID, l.Taken}})
			must(t, err)
		}
		expire(w.a, 0)
		w.a.now += time.Hour
		expire(w.a, 2)
	})
}

func TestOpen_OfWindowsThatRaceOneWins(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, w *world) {
		for round := range 5 {
			thing := w.tides
			thing.ID += stoa.ID(round)
			got := make([]State, 6)
			errs := make([]error, len(got))
			var wg sync.WaitGroup
			for i := range got {
				wg.Go(func() {
					n, who := w.a, stoa.Actor{User: stoa.ID(50 + i), Name: "Somebody", Instance: w.instance, Roles: w.ann.Roles}
					if i%2 == 1 {
						n = w.b
					}
					got[i], errs[i] = n.Open(w.as(who), thing)
				})
			}
			wg.Wait()
			won := stoa.ID(0)
			for i, st := range got {
				must(t, errs[i])
				if st.Status == Mine {
					if won != 0 {
						t.Fatal("two windows have the lock")
					}
					won = st.Owner
				}
			}
			for _, st := range got {
				if won == 0 || st.Owner != won {
					t.Fatalf("%d won, but a window was told of %d", won, st.Owner)
				}
			}
		}
	})
}

func TestTake_OnlyWhoMayEdit(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, w *world) {
		st, err := w.a.Open(w.as(w.ann), w.tides)
		mine := w.want("Ann opens", st, err, Mine, w.ann)
		for _, who := range []stoa.Actor{w.nina, {}, {User: 15, Name: "Of another instance", Instance: 999, Admin: true}, stoa.SystemActor()} {
			ctx := w.as(who)
			_, err1 := w.a.Open(ctx, w.tides)
			_, err2 := w.a.Renew(ctx, w.tides, mine.Token)
			_, err3 := w.a.TakeOver(ctx, w.tides, "")
			_, err4 := w.a.Look(ctx, w.tides)
			for _, err := range []error{err1, err2, err3, err4} {
				if err == nil {
					t.Errorf("%q may lock", who.Name)
				}
			}
		}
		for _, token := range []string{"", strings.Repeat("x", 41)} {
			if _, err := w.a.Renew(w.as(w.ann), w.tides, token); !stoa.Is(err, stoa.KindInvalid) {
				t.Errorf("a window called %.5q: %v", token, err)
			}
		}
		st, err = w.a.Renew(w.as(w.bob), w.tides, mine.Token) // a token proves nothing
		w.want("Bob with Ann's token", st, err, Held, w.ann)
		long := w.tides
		long.Title = strings.Repeat("ж", 300)
		st, err = w.a.Open(w.as(w.ann), long)
		if w.want("a long title", st, err, Mine, w.ann); len([]rune(st.Title)) != 190 {
			t.Errorf("the title has %d letters", len([]rune(st.Title)))
		}
	})
}
