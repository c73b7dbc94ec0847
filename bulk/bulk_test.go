package bulk_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/bulk"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/job"
	"github.com/stoa-portal/stoa/lang"
)

const (
	instance = 100
	other    = 200 // another instance
	anna     = 7
	boss     = 8 // administrator of instance
	stranger = 9 // administrator of the other one
)

// crew knows which nodes live, and who may do what: what the database tells the nodes of a portal.
type crew struct {
	mu     sync.Mutex
	dead   map[int64]bool
	locked map[stoa.ID]bool
	roles  map[stoa.ID][]stoa.ID
}

func newCrew() *crew {
	return &crew{dead: map[int64]bool{}, locked: map[stoa.ID]bool{}, roles: map[stoa.ID][]stoa.ID{anna: {1, 2}}}
}

func (c *crew) do(fn func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fn()
}

func (c *crew) actor(_ context.Context, id stoa.ID) (stoa.Actor, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.locked[id] {
		return stoa.Actor{}, stoa.NotFound("user", id)
	}
	a := stoa.Actor{User: id, Name: fmt.Sprint("person ", id), Instance: instance, Roles: c.roles[id], Admin: id != anna}
	if id == stranger {
		a.Instance = other
	}
	return a, nil
}

func (c *crew) as(t *testing.T, id stoa.ID) context.Context {
	t.Helper()
	a, err := c.actor(t.Context(), id)
	must(t, err)
	return stoa.WithActor(t.Context(), a)
}

// member is a node as jobs see it.
type member struct {
	*crew
	writer int64
}

func (m member) IsMaster() bool { return m.writer == 1 }
func (m member) Writer() int64  { return m.writer }
func (m member) Alive(w int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.dead[w]
}

// node is one that works through bulk actions.
type node struct {
	*bulk.Service
	d    *db.DB
	jobs *job.Service
	hold atomic.Pointer[func()] // before each portion; nil: nothing
	over chan job.Outcome       // how its runs ended
}

func (n *node) before(fn func()) { n.hold.Store(&fn) }

func newNode(t *testing.T, d *db.DB, c *crew, writer int64, o bulk.Options, actions ...bulk.Action) *node {
	t.Helper()
	n := &node{d: d, over: make(chan job.Outcome, 1000)}
	var err error
	n.jobs, err = job.New(job.Options{DB: d, Leader: member{c, writer}, Poll: 5 * time.Millisecond,
		Backoff: time.Millisecond, Ended: func(_ string, how job.Outcome, _ time.Duration) { n.over <- how }})
	must(t, err)
	t.Cleanup(n.jobs.Stop)
	o.DB, o.Jobs = d, n.jobs
	o.Actor = func(ctx context.Context, id stoa.ID) (stoa.Actor, error) {
		a, err := c.actor(ctx, id)
		if fn := n.hold.Load(); fn != nil && stoa.ActorFrom(ctx).System {
			(*fn)()
		}
		return a, err
	}
	n.Service, err = bulk.New(o)
	must(t, err)
	must(t, n.Register(actions...))
	must(t, n.jobs.Register(n.Job()))
	return n
}

// start lets the node run jobs.
func (n *node) start(t *testing.T) {
	t.Helper()
	must(t, n.jobs.Start(context.Background()))
}

// mark is an action that writes a row for each thing; a second effect would not be possible, so it counts.
func mark(more func(ctx context.Context, tx *db.Tx, t bulk.Thing) error) bulk.Action {
	return bulk.Action{Name: "test.mark", Title: "bulk.article.publish",
		Do: func(ctx context.Context, tx *db.Tx, t bulk.Thing) error {
			name := t.String()
			_, err := tx.InsertIgnore(ctx, "cluster_fact", db.Row{"name": name, "value": ""})
			if err != nil {
				return err
			}
			tx.Changed("fact", t.ID, 0, 0)
			by := fmt.Sprint(stoa.ActorFrom(ctx).User)
			if _, err := tx.Exec(ctx, "UPDATE cluster_fact SET value = "+concat(tx.Dialect())+" WHERE name = ?", by+" ",
				name); err != nil {
				return err
			}
			if more != nil {
				return more(ctx, tx, t)
			}
			return nil
		}}
}

func concat(d db.Dialect) string {
	if d == db.MySQL {
		return "CONCAT(value, ?)"
	}
	return "value || ?"
}

// effects gives by whom it was done with each thing, and fails where it was done twice.
func effects(t *testing.T, d *db.DB) map[string]string {
	t.Helper()
	out := map[string]string{}
	must(t, db.Each(t.Context(), d, func(r db.Scanner) error {
		var name, value string
		err := r.Scan(&name, &value)
		out[name] = value
		if value != fmt.Sprint(anna, " ") {
			t.Errorf("%s was done by %q; want once, by the person who asked", name, value)
		}
		return err
	}, "SELECT name, value FROM cluster_fact WHERE name LIKE 'leaf-%'"))
	return out
}

func leaves(n int) []bulk.Thing {
	out := make([]bulk.Thing, n)
	for i := range out {
		out[i] = bulk.Thing{Kind: "leaf", ID: stoa.ID(i + 1)}
	}
	return out
}

// until waits for a state of an action.
func (n *node) until(
	t *testing.T, ctx context.Context, id stoa.ID, what string, ok func(bulk.Record) bool,
) bulk.Record {
	t.Helper()
	var last bulk.Record
	dbtest.Await(t, time.Minute, func() error {
		var err error
		if last, err = n.Get(ctx, id); err == nil && !ok(last) {
			err = fmt.Errorf("waiting for %s: it is %+v", what, last)
		}
		return err
	})
	return last
}

func ended(r bulk.Record) bool { return r.State == bulk.Ended }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantKind(t *testing.T, err error, k stoa.Kind, what string) {
	t.Helper()
	if !stoa.Is(err, k) {
		t.Errorf("%s: %v; want %s", what, err, k)
	}
}

func each(t *testing.T, nodes int, fn func(t *testing.T, d []*db.DB)) {
	t.Helper()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) { fn(t, dbtest.Nodes(t, e, nodes)) })
	}
}

// The node that works is taken for dead between two portions and one that had begun: the other one goes on, and what
// the first one still tries has no effect.
func TestWork_AnotherNodeGoesOnAndNothingIsDoneTwice(t *testing.T) {
	each(t, 2, func(t *testing.T, d []*db.DB) {
		c := newCrew()
		one := newNode(t, d[0], c, 1, bulk.Options{}, mark(nil))
		two := newNode(t, d[1], c, 2, bulk.Options{}, mark(nil))
		ctx := c.as(t, anna)
		held, goOn, calls := make(chan struct{}), make(chan struct{}), 0
		one.before(func() {
			if calls++; calls == 3 { // two portions are done
				close(held)
				<-goOn
			}
		})
		id, err := one.Start(ctx, "test.mark", 1, leaves(1050))
		must(t, err)
		one.start(t)
		<-held
		if r, err := two.Get(ctx, id); err != nil || r.State != bulk.Running || r.Worked != 400 {
			t.Errorf("in the middle it is %+v, %v", r, err)
		}
		if n := len(effects(t, d[1])); n != 400 {
			t.Errorf("%d things are done, and 400 are written down", n)
		}
		c.do(func() { c.dead[1] = true })
		held2, goOn2, calls2 := make(chan struct{}), make(chan struct{}), 0
		two.before(func() {
			if calls2++; calls2 == 2 { // it has done the portion that the dead one had begun
				close(held2)
				<-goOn2
			}
		})
		two.start(t)
		<-held2
		close(goOn) // the dead one awakes
		if how := <-one.over; how != job.TakenOver {
			t.Errorf("the run of the dead node ended as %s", how)
		}
		if r, err := two.Get(ctx, id); err != nil || r.Worked != 600 || len(effects(t, d[0])) != 600 {
			t.Errorf("after the dead node awoke it is %+v, %v", r, err)
		}
		close(goOn2)
		r := two.until(t, ctx, id, "the end", ended)
		if r.Total != 1050 || r.Worked != 1050 || r.Refused != 0 || r.Ended.IsZero() {
			t.Errorf("at the end it is %+v", r)
		}
		if n := len(effects(t, d[0])); n != 1050 {
			t.Errorf("%d things are done; want 1050", n)
		}
		if now, err := two.Get(ctx, id); err != nil || now != r {
			t.Errorf("the node that was dead has changed it to %+v, %v", now, err)
		}
	})
}

func TestWork_ListsWhatWasRefusedInTheLanguageOfTheReader(t *testing.T) {
	each(t, 2, func(t *testing.T, d []*db.DB) {
		c := newCrew()
		a := mark(func(ctx context.Context, tx *db.Tx, t bulk.Thing) error {
			switch t.ID % 100 {
			case 1:
				return fmt.Errorf("leaf: %w", stoa.Invalid("expire", "the article would expire before it is published: change "+
					"its expiry first"))
			case 2:
				return errors.New("host db.internal is broken")
			case 3:
				panic("a mistake of the program")
			case 4:
				if _, err := tx.Exec(ctx, "SELECT nothing FROM nowhere"); err == nil {
					return errors.New("the engine takes anything")
				} else {
					return err
				}
			}
			return nil
		})
		one, two := newNode(t, d[0], c, 1, bulk.Options{}, a), newNode(t, d[1], c, 2, bulk.Options{}, a)
		ctx := c.as(t, anna)
		id, err := two.Start(ctx, "test.mark", 1, append(leaves(450), leaves(10)...)) // ten stand twice
		must(t, err)
		one.start(t)
		r := two.until(t, ctx, id, "the end", ended)
		if r.Total != 450 || r.Worked != 450 || r.Refused != 20 || r.Done() != 430 {
			t.Errorf("at the end it is %+v", r)
		}
		if n := len(effects(t, d[0])); n != 430 {
			t.Errorf("%d things are done; nothing may stay of those that were refused", n)
		}
		list, err := two.Refusals(ctx, id, 0, 18)
		must(t, err)
		more, err := two.Refusals(ctx, id, list[len(list)-1].N, 18)
		must(t, err)
		list = append(list, more...)
		if len(list) != 20 {
			t.Fatalf("%d are listed", len(list))
		}
		if x := list[4]; x.Kind != "leaf" || x.ID != 101 || x.N != 101 {
			t.Errorf("the fifth is %+v", x)
		}
		for i, want := range []string{"der Artikel würde ablaufen", "etwas ist schiefgegangen", "etwas ist schiefgegangen"} {
			if said := lang.In("de").Error(list[4+i].Reason); len(said) < len(want) || said[:len(want)] != want {
				t.Errorf("in German: %q; want %q", said, want)
			}
		}
	})
}

// What a person may do is looked up for each portion: one who loses a role, or the account, has the rest refused.
func TestWork_RightsAreThoseOfNow(t *testing.T) {
	each(t, 1, func(t *testing.T, d []*db.DB) {
		c := newCrew()
		a := mark(func(ctx context.Context, _ *db.Tx, _ bulk.Thing) error {
			if actor := stoa.ActorFrom(ctx); !actor.HasRole(2) || actor.Operator || actor.System {
				return stoa.Forbidden("you may not do this")
			}
			return nil
		})
		n := newNode(t, d[0], c, 1, bulk.Options{}, a)
		// lose takes something away while a portion is worked on that was begun with it.
		lose := func(at int, fn func()) {
			portions := 0
			n.before(func() {
				if portions++; portions == at {
					c.do(fn)
				}
			})
		}
		ctx := c.as(t, anna)
		lose(3, func() { c.roles[anna] = []stoa.ID{1} })
		n.start(t)
		id, err := n.Start(ctx, "test.mark", 1, leaves(1000))
		must(t, err)
		if r := n.until(t, ctx, id, "the end", ended); r.Done() != 400 || r.Refused != 600 {
			t.Errorf("without the role: %+v", r)
		}
		c.do(func() { c.roles[anna] = []stoa.ID{1, 2} })
		lose(2, func() { c.locked[anna] = true })
		first, err := n.Start(ctx, "test.mark", 1, leaves(500))
		must(t, err)
		if r := n.until(t, c.as(t, boss), first, "the end", ended); r.Done() != 200 || r.Refused != 300 {
			t.Errorf("without the account: %+v", r)
		}
		list, err := n.Refusals(c.as(t, boss), first, 0, 500)
		must(t, err)
		if len(list) != 300 || list[299].Reason.Message != "the person who asked for this may not sign in any more" {
			t.Errorf("%d are refused, the last since %+v", len(list), list[len(list)-1].Reason)
		}
	})
}

func TestStop_NothingIsDoneAfterIt(t *testing.T) {
	each(t, 2, func(t *testing.T, d []*db.DB) {
		c := newCrew()
		a := mark(nil)
		one, two := newNode(t, d[0], c, 1, bulk.Options{}, a), newNode(t, d[1], c, 2, bulk.Options{}, a)
		ctx := c.as(t, anna)
		held, goOn, calls := make(chan struct{}), make(chan struct{}), 0
		one.before(func() {
			if calls++; calls == 2 {
				close(held)
				<-goOn
			}
		})
		id, err := one.Start(ctx, "test.mark", 1, leaves(1000))
		must(t, err)
		one.start(t)
		<-held
		wantKind(t, two.Stop(c.as(t, stranger), id), stoa.KindNotFound, "stopped by a person of another instance")
		must(t, two.Stop(c.as(t, boss), id))
		close(goOn) // the portion that has begun is not committed
		wantKind(t, two.Stop(ctx, id), stoa.KindConflict, "stopped twice")
		dbtest.Await(t, time.Minute, func() error { // what is left of the list goes
			var left int
			err := d[1].QueryRow(t.Context(), "SELECT count(*) FROM bulk_portion").Scan(&left)
			if err == nil && left > 0 {
				err = fmt.Errorf("%d portions are left", left)
			}
			return err
		})
		r, err := two.Get(ctx, id)
		must(t, err)
		if r.State != bulk.Stopped || r.Worked != 200 || r.Ended.IsZero() || len(effects(t, d[1])) != 200 {
			t.Errorf("it is %+v, and %d things are done", r, len(effects(t, d[1])))
		}
	})
}

// A transaction that takes long ends before its portion does, and the next one goes on there.
func TestWork_EndsATransactionThatTakesLong(t *testing.T) {
	each(t, 1, func(t *testing.T, d []*db.DB) {
		c := newCrew()
		var transactions atomic.Int32
		n := newNode(t, d[0], c, 1, bulk.Options{Longest: time.Nanosecond},
			mark(func(_ context.Context, _ *db.Tx, t bulk.Thing) error {
				if t.ID == 2 {
					return stoa.Conflict("something went wrong; an operator finds the cause in the log")
				}
				return nil
			}))
		n.before(func() { transactions.Add(1) })
		ctx := c.as(t, anna)
		id, err := n.Start(ctx, "test.mark", 1, leaves(5))
		must(t, err)
		n.start(t)
		r := n.until(t, ctx, id, "the end", ended)
		list, err := n.Refusals(ctx, id, 0, 10)
		must(t, err)
		if r.Done() != 4 || len(list) != 1 || list[0].ID != 2 || list[0].N != 2 || transactions.Load() != 5 ||
			len(effects(t, d[0])) != 4 {
			t.Errorf("it is %+v with %v, after %d transactions", r, list, transactions.Load())
		}
	})
}

// Two actions take turns, so that a large one does not hold up a small one.
func TestWork_ActionsTakeTurns(t *testing.T) {
	each(t, 1, func(t *testing.T, d []*db.DB) {
		c := newCrew()
		nothing := bulk.Action{Name: "test.nothing", Title: "bulk.article.publish",
			Do: func(context.Context, *db.Tx, bulk.Thing) error { return nil }}
		n := newNode(t, d[0], c, 1, bulk.Options{}, mark(nil), nothing)
		ctx := c.as(t, anna)
		large, err := n.Start(ctx, "test.nothing", 1, leaves(20_000))
		must(t, err)
		small, err := n.Start(ctx, "test.mark", 1, leaves(300))
		must(t, err)
		n.start(t)
		r := n.until(t, ctx, small, "the end of the small one", ended)
		if l := n.until(t, ctx, large, "the end of the large one", ended); l.Ended.Before(r.Ended) || l.Done() != 20_000 {
			t.Errorf("the large one ended at %s as %+v, the small one at %s", l.Ended, l, r.Ended)
		}
	})
}

func TestStart_RefusesWhatCannotBeDone(t *testing.T) {
	each(t, 1, func(t *testing.T, d []*db.DB) {
		c := newCrew()
		n := newNode(t, d[0], c, 1, bulk.Options{}, mark(nil))
		ctx := c.as(t, anna)
		start := func(ctx context.Context, do string, things ...bulk.Thing) error {
			_, err := n.Start(ctx, do, 1, things)
			return err
		}
		wantKind(t, start(ctx, "test.explode", leaves(1)...), stoa.KindInvalid, "an action that there is not")
		wantKind(t, start(ctx, "test.mark"), stoa.KindInvalid, "nothing")
		wantKind(t, start(ctx, "test.mark", bulk.Thing{Kind: "a b", ID: 1}), stoa.KindInvalid, "a kind that there is not")
		wantKind(t, start(t.Context(), "test.mark", leaves(1)...), stoa.KindUnauthorized, "a guest")
		// Who has not shown a second factor yet may do less than the account.
		a, err := c.actor(t.Context(), boss)
		must(t, err)
		a.Admin = false
		wantKind(t, start(stoa.WithActor(t.Context(), a), "test.mark", leaves(1)...), stoa.KindForbidden, "a limited session")
		for range 5 {
			must(t, start(ctx, "test.mark", leaves(1)...))
		}
		wantKind(t, start(ctx, "test.mark", leaves(1)...), stoa.KindConflict, "the sixth that is not finished")
		must(t, start(c.as(t, stranger), "test.mark", leaves(1)...))

		// The newest first, also where another node has taken lower numbers.
		newest, err := n.List(ctx, "", 1)
		must(t, err)
		must(t, n.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, "UPDATE bulk_action SET id = 3 WHERE id = ?", newest.Items[0].ID)
			return err
		}))
		if now, err := n.List(ctx, "", 10); err != nil || now.Items[0].ID != 3 ||
			now.Items[1].Made.After(now.Items[0].Made) {
			t.Errorf("the list begins with %+v, %v", now.Items[0], err)
		}

		// Piece by piece it is the same, none is left out, also of those of one moment.
		older, err := n.List(ctx, "", 100)
		must(t, err)
		must(t, n.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, "UPDATE bulk_action SET made = ? WHERE id = ?", db.Micros(older.Items[3].Made),
				older.Items[2].ID)
			return err
		}))
		whole, err := n.List(ctx, "", 100)
		must(t, err)
		for limit := 1; limit < 6; limit++ {
			var ids []stoa.ID
			for after, rounds := "", 0; rounds == 0 || after != "" && rounds < 9; rounds++ {
				p, err := n.List(ctx, after, limit)
				must(t, err)
				for _, r := range p.Items {
					ids = append(ids, r.ID)
				}
				after = p.Next
			}
			var want []stoa.ID
			for _, r := range whole.Items {
				want = append(want, r.ID)
			}
			if len(want) != 5 || !slices.Equal(ids, want) {
				t.Errorf("in pieces of %d the list is %v; want %v", limit, ids, want)
			}
		}
		if p, err := n.List(ctx, "12-x", 100); err != nil || len(p.Items) != 5 {
			t.Errorf("from what is no place the list has %d actions, %v; want 5", len(p.Items), err)
		}

		// Each sees their own, administrators those of their instance.
		for who, want := range map[stoa.ID]int{anna: 5, boss: 5, stranger: 1} {
			list, err := n.List(c.as(t, who), "", 100)
			must(t, err)
			if len(list.Items) != want {
				t.Errorf("%d sees %d actions; want %d", who, len(list.Items), want)
			}
			for _, r := range list.Items {
				for _, asks := range []stoa.ID{anna, boss, stranger} {
					_, err := n.Get(c.as(t, asks), r.ID)
					_, rerr := n.Refusals(c.as(t, asks), r.ID, 0, 1)
					if may := (asks == stranger) == (who == stranger); may != (err == nil) || may != (rerr == nil) {
						t.Errorf("%d sees an action of %d: %v, %v", asks, who, err, rerr)
					}
				}
			}
		}
		_, err = n.List(t.Context(), "", 1)
		wantKind(t, err, stoa.KindUnauthorized, "the list of a guest")
	})
}
