package access

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

const instance = stoa.ID(77)

// journal tells one or more caches what was changed.
type journal struct{ caches []*cache.Cache }

func (j journal) Append(context.Context, *db.Tx, []db.Change) (uint64, error) { return 1, nil }
func (j journal) Settle(context.Context, uint64) (bool, error)                { return true, nil }
func (j journal) Done(_ context.Context, _ uint64, changes []db.Change, committed bool) {
	if !committed {
		return
	}
	var list []cache.Change
	for _, c := range changes {
		list = append(list, cache.Change{Kind: c.Kind, ID: int64(c.ID), Scope: int64(c.Scope)})
	}
	for _, c := range j.caches {
		c.Invalidate(list, nil)
	}
}

func newServices(t *testing.T, dbs ...*db.DB) []*Service {
	t.Helper()
	var caches []*cache.Cache
	var list []*Service
	for _, d := range dbs {
		c, err := cache.New(cache.Options{Proof: cache.Boottime, InTransaction: db.InWrite})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		s, err := New(Options{DB: d, Cache: c})
		if err != nil {
			t.Fatal(err)
		}
		caches, list = append(caches, c), append(list, s)
	}
	for _, d := range dbs {
		d.SetJournal(journal{caches})
	}
	return list
}

func ensure(t *testing.T, s *Service, instance stoa.ID) map[string]stoa.ID {
	t.Helper()
	var ids map[string]stoa.ID
	if err := s.db.Write(context.Background(), func(ctx context.Context, tx *db.Tx) (err error) {
		ids, err = s.EnsureInstance(ctx, tx, instance)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return ids
}

func system() context.Context { return stoa.WithActor(context.Background(), stoa.SystemActor()) }

func person(roles ...stoa.ID) context.Context {
	slices.Sort(roles)
	return stoa.WithActor(context.Background(), stoa.Actor{User: 5, Instance: instance, Roles: roles, Proven: time.Now()})
}

func want(t *testing.T, what string, err error, k stoa.Kind) {
	t.Helper()
	if !stoa.Is(err, k) {
		t.Errorf("%s: got %v, want %s", what, err, k)
	}
}

func TestCheck_DenyIsTheDefault(t *testing.T) {
	t.Parallel()
	s := newServices(t, dbtest.New(t))[0]
	ids := ensure(t, s, instance)
	home := InstancePath(instance)
	page := Path{{Kind: "page", ID: 3}, {Kind: "site", ID: 2}, home[0]}
	want(t, "nobody", s.Check(context.Background(), View, page), stoa.KindUnauthorized)
	want(t, "no roles", s.Check(person(), View, page), stoa.KindNotFound)
	want(t, "unknown role", s.Check(person(999999), View, page), stoa.KindNotFound)
	want(t, "viewer edits", s.Check(person(ids[RoleGuest]), Edit, page), stoa.KindForbidden)
	if err := s.Check(person(ids[RoleGuest]), View, page); err != nil {
		t.Errorf("viewer views: %v", err)
	}
	guest, err := s.GuestActor(context.Background(), instance)
	if err != nil {
		t.Fatal(err)
	}
	asGuest := stoa.WithActor(context.Background(), guest)
	if !s.Can(asGuest, View, page) || !s.GuestCan(context.Background(), instance, View, page) {
		t.Error("a guest may not view")
	}
	want(t, "guest edits", s.Check(asGuest, Edit, page), stoa.KindUnauthorized)
	if s.GuestCan(context.Background(), instance+1, View, page) {
		t.Error("the guest of another instance may view")
	}
	// Broken paths, actions and actors are refused, also to administrators.
	boss := stoa.WithActor(context.Background(), stoa.Actor{User: 1, Instance: instance, Admin: true, Proven: time.Now()})
	for _, p := range []Path{nil, {}, {{Kind: "page", ID: 3}}, {{Kind: "page"}, home[0]}, {home[0], {Kind: "page", ID: 3}}, {home[0], home[0]}, {{Kind: "", ID: 3}, home[0]}, {{Kind: KindInstance, ID: -1}}} {
		if s.Can(boss, View, p) {
			t.Errorf("the path %v is allowed", p)
		}
	}
	for _, a := range []Action{0, Manage + 1, 255} {
		if s.Can(boss, a, page) || s.Can(system(), a, page) {
			t.Errorf("the action %d is allowed", a)
		}
	}
	if !s.Can(boss, Manage, page) || s.Can(boss, View, InstancePath(instance+1)) {
		t.Error("an administrator has all of the own instance and nothing of others")
	}
	if s.Can(stoa.WithActor(context.Background(), stoa.Actor{Instance: instance, Admin: true}), View, page) {
		t.Error("Admin without a user is allowed")
	}
}

func TestCheck_GrantsAreInheritedUnlessTheThingHasItsOwn(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newServices(t, d)[0]
		ids := ensure(t, s, instance)
		role, err := s.CreateRole(system(), Role{Instance: instance, Name: "Site editors"})
		if err != nil {
			t.Fatal(err)
		}
		site := Path{{Kind: "site", ID: 2}, {Kind: KindInstance, ID: instance}}
		folder := append(Path{{Kind: "folder", ID: 4}}, site...)
		own := append(Path{{Kind: "page", ID: 3, Own: true}}, site...)
		other := Path{{Kind: "site", ID: 9}, site[1]}
		me := person(role.ID)
		if s.Can(me, View, folder) {
			t.Fatal("allowed before the grant")
		}
		if err := s.SetGrants(system(), site, []Grant{{Role: role.ID, Action: Publish}}); err != nil {
			t.Fatal(err)
		}
		for _, a := range []Action{View, Edit, Publish} {
			if !s.Can(me, a, folder) || !s.Can(me, a, site) {
				t.Errorf("%s is not inherited", a)
			}
			if s.Can(me, a, own) || s.Can(me, a, other) || s.Can(me, a, site[1:]) {
				t.Errorf("%s reaches what it should not", a)
			}
		}
		if s.Can(me, Manage, folder) {
			t.Error("publish includes manage")
		}
		if s.GuestCan(context.Background(), instance, View, own) {
			t.Error("guests see a thing with grants of its own")
		}
		if err := s.SetGrants(system(), own, []Grant{{Role: role.ID, Action: Manage}, {Role: ids[RoleUser], Action: View}}); err != nil {
			t.Fatal(err)
		}
		if !s.Can(me, Manage, own) || !s.Can(person(ids[RoleUser]), View, own) || s.Can(person(ids[RoleUser]), Edit, own) {
			t.Error("own grants do not hold")
		}
		list, err := s.Grants(me, own[0])
		if err != nil || len(list) != 2 {
			t.Errorf("%v %v", list, err)
		}
		if _, err := s.Grants(context.Background(), own[0]); err == nil {
			t.Error("nobody reads grants")
		}
		if err := s.SetGrants(me, own, []Grant{{Role: role.ID, Action: Manage}}); err != nil { // who manages it may
			t.Error(err)
		}
		want(t, "set without manage", s.SetGrants(me, site, nil), stoa.KindForbidden)
		for what, g := range map[string]Grant{"no such role": {Role: 12345, Action: View}, "no such action": {Role: role.ID, Action: 9}, "guests edit": {Role: ids[RoleGuest], Action: Edit}, "other thing": {Role: role.ID, Action: View, Resource: site[1]}} {
			want(t, what, s.SetGrants(system(), site, []Grant{g}), stoa.KindInvalid)
		}
		if !s.Can(me, Publish, site) {
			t.Error("a refused change took the grants away")
		}
		if err := s.db.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error { return s.Forget(ctx, tx, instance, site[0]) }); err != nil {
			t.Fatal(err)
		}
		if s.Can(me, View, site) {
			t.Error("forgotten grants still hold")
		}
	})
}

func TestRoles_CreateChangeDelete(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newServices(t, d)[0]
		ids := ensure(t, s, instance)
		if again := ensure(t, s, instance); again[RoleGuest] != ids[RoleGuest] || len(again) != 4 {
			t.Errorf("made again: %v, before %v", again, ids)
		}
		others := ensure(t, s, instance+1)
		r, err := s.CreateRole(system(), Role{Instance: instance, Name: " Writers "})
		if err != nil || r.Name != "Writers" {
			t.Fatal(r, err)
		}
		_, err = s.CreateRole(system(), Role{Instance: instance, Name: "Writers"})
		want(t, "taken", err, stoa.KindConflict)
		_, err = s.CreateRole(person(ids[RoleEditor]), Role{Instance: instance, Name: "Mine"})
		want(t, "by an editor", err, stoa.KindForbidden)
		r.Name = "Authors"
		if r, err = s.UpdateRole(system(), r); err != nil || r.Version != 2 {
			t.Fatal(r, err)
		}
		stale := r
		stale.Version = 1
		_, err = s.UpdateRole(system(), stale)
		want(t, "stale", err, stoa.KindConflict)
		want(t, "delete a role of the portal", s.TrashRole(system(), ids[RoleGuest]), stoa.KindInvalid)
		_, err = s.UpdateRole(system(), Role{ID: ids[RoleGuest], Name: "x", Version: 1})
		want(t, "rename a role of the portal", err, stoa.KindInvalid)
		_, err = s.Role(person(ids[RoleUser]), others[RoleGuest])
		want(t, "another instance's", err, stoa.KindNotFound)
		if err := s.SetGrants(system(), InstancePath(instance), []Grant{{Role: r.ID, Action: Manage}}); err != nil {
			t.Fatal(err)
		}
		if !s.Can(person(r.ID), Manage, InstancePath(instance)) {
			t.Fatal("the grant does not hold")
		}
		if err := s.TrashRole(system(), r.ID); err != nil {
			t.Fatal(err)
		}
		if s.Can(person(r.ID), View, InstancePath(instance)) {
			t.Error("a deleted role still holds")
		}
		list, err := s.Roles(person(ids[RoleUser]), instance)
		if err != nil || len(list) != 4 {
			t.Errorf("%v %v", list, err)
		}
	})
}

func TestTwoNodes_GrantsHoldOnBoth(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			nodes := newServices(t, dbtest.Nodes(t, e, 2)...)
			a, b := nodes[0], nodes[1]
			ids := ensure(t, a, instance)
			site := Path{{Kind: "site", ID: 2}, {Kind: KindInstance, ID: instance}}
			me := person(ids[RoleUser])
			for _, give := range []bool{true, false, true} {
				var grants []Grant
				if give {
					grants = []Grant{{Role: ids[RoleUser], Action: Edit}}
				}
				if err := a.SetGrants(system(), site, grants); err != nil {
					t.Fatal(err)
				}
				if a.Can(me, Edit, site) != give || b.Can(me, Edit, site) != give {
					t.Errorf("after %v: here %v, there %v", give, a.Can(me, Edit, site), b.Can(me, Edit, site))
				}
			}
		})
	}
}

// keeper is a journal that keeps what is to be done again, should a write be lost.
type keeper struct {
	journal
	took  bool
	again []func(ctx context.Context, tx *db.Tx) error
}

func (k *keeper) Append(_ context.Context, tx *db.Tx, _ []db.Change) (uint64, error) {
	k.again, k.took = tx.Taken()
	return 1, nil
}

// Rule 33: grants that a lost write took away are taken away again, and nothing else is.
func TestSetGrants_TakesAwayAgainWhatWasLost_Rule33(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newServices(t, d)[0]
		ensure(t, s, instance)
		site := Path{{Kind: "site", ID: 2}, {Kind: KindInstance, ID: instance}}
		role := func(name string) stoa.ID {
			r, err := s.CreateRole(system(), Role{Instance: instance, Name: name})
			if err != nil {
				t.Fatal(err)
			}
			return r.ID
		}
		gone, less, more, new := role("gone"), role("less"), role("more"), role("new")
		before := []Grant{{Role: gone, Action: View}, {Role: less, Action: Manage}, {Role: more, Action: View}}
		after := []Grant{{Role: less, Action: View}, {Role: more, Action: Edit}, {Role: new, Action: View}}
		k := &keeper{journal: journal{[]*cache.Cache{}}}
		d.SetJournal(k)
		set := func(grants []Grant) {
			t.Helper()
			if err := s.SetGrants(system(), site, grants); err != nil {
				t.Fatal(err)
			}
		}
		set(before)
		if k.took {
			t.Error("what gives says that it takes")
		}
		set(after)
		again := k.again
		if !k.took || len(again) != 1 {
			t.Fatalf("took %v, %d to do again", k.took, len(again))
		}
		set(before) // the database that took over
		for range 2 {
			if err := d.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error { return again[0](ctx, tx) }); err != nil {
				t.Fatal(err)
			}
			list, err := s.Grants(system(), site[0])
			if err != nil {
				t.Fatal(err)
			}
			got := map[stoa.ID]Action{}
			for _, g := range list {
				got[g.Role] = g.Action
			}
			if len(got) != 2 || got[less] != View || got[more] != View {
				t.Errorf("%v; gone is %d, less %d, more %d", got, gone, less, more)
			}
		}
	})
}

func TestChangeGrants_OfTwoNodesOneWinsAndTheOtherHearsOfIt(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			handles := dbtest.Nodes(t, e, 2)
			nodes := newServices(t, handles...)
			a, b := nodes[0], nodes[1]
			const instance = stoa.ID(10)
			ids := ensure(t, a, instance)
			site := Path{{Kind: "site", ID: 500}, {Kind: KindInstance, ID: instance}}
			role := ids[RoleUser]
			ada := stoa.Actor{User: 7, Name: "Ada", Instance: instance, Admin: true, Proven: time.Now().Add(-time.Hour)}
			refused := a.ChangeGrants(stoa.WithActor(t.Context(), ada), site, Change{Role: role, To: View})
			want(t, "signed in an hour ago", refused, stoa.KindStale)
			want(t, "of another instance", a.ChangeGrants(stoa.WithActor(t.Context(), ada),
				Path{{Kind: "site", ID: 501}, {Kind: KindInstance, ID: instance + 1}}), stoa.KindNotFound)
			ada.Proven = time.Now()
			me := stoa.WithActor(t.Context(), ada)
			for round, to := range []Action{Edit, 0, View} {
				now, err := a.Standings(me, site[0])
				if err != nil {
					t.Fatal(err)
				}
				from := now[role]
				other := Publish
				errs := make([]error, 2)
				var wg sync.WaitGroup
				for i, c := range []Change{{role, from.Action, from.Version, to}, {role, from.Action, from.Version, other}} {
					wg.Go(func() { errs[i] = nodes[i].ChangeGrants(me, site, c) })
				}
				wg.Wait()
				if (errs[0] == nil) == (errs[1] == nil) {
					t.Fatalf("round %d: of two changes of one grant one must win: %v, %v", round, errs[0], errs[1])
				}
				for _, err := range errs {
					if err != nil &&
						(!stoa.Is(err, stoa.KindConflict) || !strings.Contains(err.Error(), "Ada has changed what User may do here")) {
						t.Errorf("round %d: %v", round, err)
					}
				}
				// The same action once more is not the same grant: the number tells.
				after, err := b.Standings(me, site[0])
				if err != nil {
					t.Fatal(err)
				}
				if after[role].Version != from.Version+1 {
					t.Errorf("round %d: version %d, then %d", round, from.Version, after[role].Version)
				}
			}
		})
	}
}

func TestChangeGrantsAt_AllOrNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		a := newServices(t, d)[0]
		const instance = stoa.ID(10)
		ids := ensure(t, a, instance)
		role := ids[RoleUser]
		all := Path{{Kind: KindInstance, ID: instance}}
		one := Path{{Kind: "site", ID: 500}, all[0]}
		two := Path{{Kind: "site", ID: 501}, all[0]}
		foreign := Path{{Kind: "site", ID: 600}, {Kind: KindInstance, ID: instance + 1}}
		ada := stoa.Actor{User: 7, Name: "Ada", Instance: instance, Admin: true, Proven: time.Now()}
		me := stoa.WithActor(t.Context(), ada)
		may := func(p Path) Action {
			t.Helper()
			now, err := a.Standings(me, p[0])
			if err != nil {
				t.Fatal(err)
			}
			return now[role].Action
		}
		if err := a.ChangeGrantsAt(me, []PlaceChange{{one, Change{Role: role, To: View}},
			{two, Change{Role: role, To: Edit}}}); err != nil || may(one) != View || may(two) != Edit {
			t.Fatalf("%v: %s and %s", err, may(one), may(two))
		}
		more := PlaceChange{one, Change{Role: role, From: View, Version: 1, To: Publish}}
		for what, c := range map[string]struct {
			PlaceChange
			kind stoa.Kind
		}{
			"as it was before":       {PlaceChange{two, Change{Role: role, To: Publish}}, stoa.KindConflict},
			"an action there is not": {PlaceChange{two, Change{Role: role, From: Edit, Version: 1, To: 99}}, stoa.KindInvalid},
			"too much for guests":    {PlaceChange{two, Change{Role: ids[RoleGuest], To: Edit}}, stoa.KindInvalid},
			"in another instance":    {PlaceChange{foreign, Change{Role: role, To: View}}, stoa.KindNotFound},
		} {
			err := a.ChangeGrantsAt(me, []PlaceChange{more, c.PlaceChange})
			want(t, what, err, c.kind)
			if e := new(stoa.Error); !errors.As(err, &e) || e.Field != "site-"+c.Path[0].ID.String() {
				t.Errorf("%s: the error is of the field %q", what, e.Field)
			}
			if may(one) != View || may(two) != Edit {
				t.Errorf("%s: something was saved: %s and %s", what, may(one), may(two))
			}
		}
		ada.Proven = time.Now().Add(-time.Hour)
		want(t, "signed in an hour ago", a.ChangeGrantsAt(stoa.WithActor(t.Context(), ada), []PlaceChange{more}),
			stoa.KindStale)
	})
}

func TestAssign_ARoleThatIsDeletedMeanwhileIsKeptForItsHolder(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			nodes := newServices(t, dbtest.Nodes(t, e, 2)...)
			ensure(t, nodes[0], instance)
			r, err := nodes[0].CreateRole(system(), Role{Instance: instance, Name: "Keepers"})
			if err != nil {
				t.Fatal(err)
			}
			const holder = stoa.ID(4711)
			deleted := make(chan error, 1)
			var once sync.Once
			err = nodes[0].db.Write(system(), func(ctx context.Context, tx *db.Tx) error {
				thing := audit.Thing{Kind: "user", ID: holder, Instance: instance}
				tx.Changed("user", holder, instance, 2)
				if _, err := nodes[0].Assign(ctx, tx, thing, []stoa.ID{r.ID}); err != nil {
					return err
				}
				// It has to wait for this transaction; where it does not, it is done long before this ends.
				once.Do(func() { go func() { deleted <- nodes[1].TrashRole(system(), r.ID) }() })
				wait, stop := context.WithTimeout(ctx, 300*time.Millisecond)
				defer stop()
				select {
				case err := <-deleted:
					deleted <- err
				case <-wait.Done():
				}
				return nil
			})
			if err == nil {
				err = <-deleted
			}
			if err != nil {
				t.Fatal(err)
			}
			var held, kept int
			if err := nodes[0].db.QueryRow(t.Context(), "SELECT (SELECT COUNT(*) FROM access_holder WHERE role = ?), "+
				"(SELECT COUNT(*) FROM access_trashed WHERE role = ?)", r.ID, r.ID).Scan(&held, &kept); err != nil {
				t.Fatal(err)
			}
			if held != 0 || kept != 1 {
				t.Errorf("the role in the recycle bin is held by %d and kept for %d; want 0 and 1", held, kept)
			}
		})
	}
}
