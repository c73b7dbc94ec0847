package user

import (
	"errors"
	"slices"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

func TestUpdateWithRoles_AllOrNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d)
		boss, bob := admin(t, n), person(t, n, "bob")
		person(t, n, "ann")
		boss, err := n.Get(asSystem(), boss.ID)
		if err != nil {
			t.Fatal(err)
		}
		editor, boss1 := n.role(t, access.RoleEditor), n.role(t, access.RoleAdministrator)
		named := func(u User, name string) User {
			u.FirstName = name
			return u
		}
		taken := named(bob, "Robert")
		taken.Email = "ann@example.com"
		stale := named(bob, "Robert")
		stale.Version--
		manager := n.as(t, n.signIn(t, "bob", passphrase)) // one who may change his own names and no roles
		for what, c := range map[string]struct {
			who         User
			add, remove []stoa.ID
			kind        stoa.Kind
			field       string
		}{
			"the last administrator": {named(boss, "Big"), nil, []stoa.ID{boss1}, stoa.KindConflict, "roles"},
			"a role there is not":    {named(bob, "Robert"), []stoa.ID{12345}, nil, stoa.KindInvalid, "roles"},
			"an address of another":  {taken, []stoa.ID{editor}, nil, stoa.KindConflict, ""},
			"a stale version":        {stale, []stoa.ID{editor}, nil, stoa.KindConflict, ""},
		} {
			_, err := n.UpdateWithRoles(asSystem(), c.who, c.add, c.remove)
			wantKind(t, what, err, c.kind)
			if e := new(stoa.Error); !errors.As(err, &e) || e.Field != c.field {
				t.Errorf("%s: the error is of the field %q", what, e.Field)
			}
		}
		_, err = n.UpdateWithRoles(manager, named(bob, "Robert"), []stoa.ID{editor}, nil)
		if !stoa.Is(err, stoa.KindForbidden) && !stoa.Is(err, stoa.KindNotFound) {
			t.Errorf("a person gives themselves a role: %v", err)
		}
		for _, u := range []User{boss, bob} {
			now, err := n.Get(asSystem(), u.ID)
			if err != nil {
				t.Fatal(err)
			}
			if now.FirstName != u.FirstName || now.Version != u.Version || !slices.Equal(now.Roles, u.Roles) {
				t.Errorf("something was saved: %+v, it was %+v", now, u)
			}
		}
		saved, err := n.UpdateWithRoles(asSystem(), named(bob, "Robert"), []stoa.ID{editor}, nil)
		if err != nil {
			t.Fatal(err)
		}
		now, err := n.Get(asSystem(), bob.ID)
		if err != nil || now.FirstName != "Robert" || !slices.Equal(now.Roles, []stoa.ID{editor}) ||
			now.Version != bob.Version+1 || saved.Version != now.Version {
			t.Errorf("%+v, %v; the save gave the version %d", now, err, saved.Version)
		}
		if _, err := n.UpdateWithRoles(asSystem(), saved, nil, []stoa.ID{editor}); err != nil {
			t.Fatal(err)
		}
		if now, err = n.Get(asSystem(), bob.ID); err != nil || len(now.Roles) > 0 {
			t.Errorf("a role that was taken: %+v, %v", now, err)
		}
	})
}
