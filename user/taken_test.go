package user

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

// errLost ends the transactions that a forgetful journal loses.
var errLost = errors.New("lost in a fail-over")

// forgetful loses every write, as a fail-over does, but keeps what is to be done again.
type forgetful struct {
	journal
	took  bool
	again []func(ctx context.Context, tx *db.Tx) error
}

func (f *forgetful) Append(_ context.Context, tx *db.Tx, _ []db.Change) (uint64, error) {
	f.again, f.took = tx.Taken()
	return 0, errLost
}

// lose runs a write that is lost and gives what is to be done again.
func (n *node) lose(t *testing.T, what string, write func() error) []func(ctx context.Context, tx *db.Tx) error {
	t.Helper()
	f := &forgetful{journal: journal{n.wire, slices.Index(n.wire.nodes, n)}}
	n.db.SetJournal(f)
	defer n.db.SetJournal(f.journal)
	if err := write(); !errors.Is(err, errLost) {
		t.Fatalf("%s: %v, want that it is lost", what, err)
	}
	if !f.took || len(f.again) == 0 {
		t.Fatalf("%s: it does not say that it takes something away, or not how", what)
	}
	return f.again
}

func (n *node) repeat(t *testing.T, what string, again []func(ctx context.Context, tx *db.Tx) error) {
	t.Helper()
	if err := n.db.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
		for _, fn := range again {
			if err := fn(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatalf("%s again: %v", what, err)
	}
}

// Rule 33: whatever takes something away says so, and does it again when it was lost.
func TestTakesAway_LostChangesAreDoneAgain_Rule33(t *testing.T) {
	t.Parallel()
	type world struct {
		*node
		boss, me, mine context.Context // an administrator, the person, and the person's other session
		u              User
		group          Group
		role           stoa.ID
		token, other   string
	}
	signedIn := func(w *world, token string) bool {
		_, _, err := w.Authenticate(context.Background(), token)
		return err == nil
	}
	holds := func(w *world) bool {
		actor, err := w.actor(context.Background(), w.u.ID)
		return err == nil && slices.Contains(actor.Roles, w.role)
	}
	session := func(w *world) bool { return signedIn(w, w.token) }
	password := func(w *world) bool {
		_, _, err := w.SignIn(context.Background(), credentials("ann", passphrase), instance)
		w.clock.pass(w.o.ThrottleWindow)
		return err == nil
	}
	const fresh = "another long phrase"
	actions := []struct {
		name string
		do   func(w *world) error
		has  []func(w *world) bool // before, and after the loss; not after it was done again
	}{
		{"sign out", func(w *world) error { return w.SignOut(context.Background(), w.token) }, []func(*world) bool{session}},
		{"end a session", func(w *world) error {
			v, err := w.Sessions(w.boss, w.u.ID)
			if err != nil {
				return err
			}
			return w.EndSession(
				w.boss,
				v[slices.IndexFunc(v, func(v Session) bool { return v.ID == stoa.ActorFrom(w.me).Session })].ID,
			)
		}, []func(*world) bool{session}},
		{
			"own password",
			func(w *world) error { return w.SetPassword(w.mine, w.u.ID, passphrase, fresh) },
			[]func(*world) bool{session, password},
		},
		{
			"password by an administrator",
			func(w *world) error { return w.AdminSetPassword(w.boss, w.u.ID, fresh) },
			[]func(*world) bool{session, password},
		},
		{"lock", func(w *world) error {
			u, err := w.Get(w.boss, w.u.ID)
			u.Status = StatusLocked
			if err == nil {
				_, err = w.Update(w.boss, u)
			}
			return err
		}, []func(*world) bool{session, password, holds}},
		{"delete", func(w *world) error { return w.Delete(w.boss, w.u.ID) }, []func(*world) bool{session, password, holds}},
		{"roles", func(w *world) error { return w.SetRoles(w.boss, w.u.ID, nil) }, []func(*world) bool{holds}},
		{
			"leave a group",
			func(w *world) error { return w.RemoveMembers(w.boss, w.group.ID, w.u.ID) },
			[]func(*world) bool{holds},
		},
		{"roles of a group", func(w *world) error {
			g := w.group
			g.Roles = nil
			_, err := w.UpdateGroup(w.boss, g)
			return err
		}, []func(*world) bool{holds}},
		{"delete a group", func(w *world) error { return w.TrashGroup(w.boss, w.group.ID) }, []func(*world) bool{holds}},
		{"delete a role", func(w *world) error { return w.access.TrashRole(w.boss, w.role) }, []func(*world) bool{holds}},
	}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d)
		admin(t, n)
		for _, a := range actions {
			boss := n.as(t, n.signIn(t, "test", passphrase)) // what they do wants a fresh sign-in
			role, err := n.access.CreateRole(boss, access.Role{Instance: instance, Name: a.name})
			if err != nil {
				t.Fatal(err)
			}
			w := &world{node: n, boss: boss, role: role.ID}
			if a.name == "roles" {
				w.u = person(t, n, "ann", w.role)
			} else {
				w.u = person(t, n, "ann")
				if w.group, err = n.CreateGroup(boss, Group{Instance: instance, Name: a.name, Roles: []stoa.ID{w.role}}); err != nil {
					t.Fatal(err)
				}
				if err := n.AddMembers(boss, w.group.ID, w.u.ID); err != nil {
					t.Fatal(err)
				}
			}
			w.token, w.other = n.signIn(t, "ann", passphrase), n.signIn(t, "ann", passphrase)
			w.me, w.mine = n.as(t, w.token), n.as(t, w.other)
			again := n.lose(t, a.name, func() error { return a.do(w) })
			for i, has := range a.has {
				if !has(w) {
					t.Errorf("%s: %d is gone although the change was lost", a.name, i)
				}
			}
			n.repeat(t, a.name, again)
			for i, has := range a.has {
				if has(w) {
					t.Errorf("%s: %d is not taken away again", a.name, i)
				}
			}
			n.repeat(t, a.name, again) // does nothing
			if err := n.Delete(asSystem(), w.u.ID); err != nil && !stoa.Is(err, stoa.KindNotFound) {
				t.Fatal(err)
			}
		}
	})
}

func TestTakesAway_WhatGivesDoesNotWait(t *testing.T) {
	t.Parallel()
	n := newNode(t, dbtest.New(t))
	admin(t, n)
	boss := n.as(t, n.signIn(t, "test", passphrase))
	u := person(t, n, "ann")
	g, err := n.CreateGroup(boss, Group{Instance: instance, Name: "Group"})
	if err != nil {
		t.Fatal(err)
	}
	for what, give := range map[string]func() error{
		"sign in":     func() error { _, _, err := n.SignIn(boss, credentials("ann", passphrase), instance); return err },
		"a role":      func() error { return n.SetRoles(boss, u.ID, []stoa.ID{n.role(t, access.RoleEditor)}) },
		"a member":    func() error { return n.AddMembers(boss, g.ID, u.ID) },
		"a new name":  func() error { v := u; v.FirstName = "Anna"; _, err := n.Update(boss, v); return err },
		"a new group": func() error { _, err := n.CreateGroup(boss, Group{Instance: instance, Name: "Other"}); return err },
	} {
		f := &forgetful{journal: journal{n.wire, 0}}
		n.db.SetJournal(f)
		if err := give(); !errors.Is(err, errLost) || f.took {
			t.Errorf("%s: %v; it takes something away: %v", what, err, f.took)
		}
		n.db.SetJournal(f.journal)
	}
}
