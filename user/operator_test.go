package user

import (
	"context"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

// elsewhere is an instance that is not the default one.
const elsewhere = instance + 1

// withOperators makes the instance of the tests the default one, and names operators.
func withOperators(names []string, nodes ...*node) {
	for _, n := range nodes {
		n.o.Operators = names
		n.o.DefaultInstance = func(context.Context, db.Queryer) (stoa.ID, error) { return instance, nil }
	}
}

// actorOf gives a context in which the account acts, as a session of it would.
func (n *node) actorOf(t *testing.T, id stoa.ID) context.Context {
	t.Helper()
	a, err := n.actor(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	return stoa.WithActor(context.Background(), a)
}

func operates(ctx context.Context) bool { return stoa.ActorFrom(ctx).Operates("test") == nil }

// manager makes a person whose role has Manage on an instance.
func manager(t *testing.T, n *node, name string) User {
	t.Helper()
	r, err := n.access.CreateRole(asSystem(), access.Role{Instance: instance, Name: "Managers of " + name})
	if err == nil {
		err = n.access.SetGrants(
			asSystem(),
			access.InstancePath(instance),
			[]access.Grant{{Role: r.ID, Action: access.Manage}},
		)
	}
	if err != nil {
		t.Fatal(err)
	}
	return person(t, n, name, r.ID)
}

func TestOperator_IsAnAdministratorOfTheDefaultInstance(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			a, b := two(t, e)
			withOperators(nil, a, b)
			boss := admin(t, a)
			if _, _, err := a.EnsureAdmin(asSystem(), elsewhere, AdminOptions{EmailPrefix: "t", MailDomain: "else.test",
				ScreenName: "tenant", First: "T", Password: passphrase}); err != nil {
				t.Fatal(err)
			}
			list, err := a.List(asSystem(), elsewhere, Filter{})
			if err != nil || len(list.Items) != 1 {
				t.Fatal(list, err)
			}
			tenant, mary := list.Items[0], manager(t, a, "mary")
			a.wire.deliver()
			for _, n := range []*node{a, b} {
				if !operates(n.actorOf(t, boss.ID)) || operates(n.actorOf(t, tenant.ID)) || operates(n.actorOf(t, mary.ID)) {
					t.Error("operators are the administrators of the default instance, and no others")
				}
				if !stoa.ActorFrom(n.actorOf(t, tenant.ID)).Admin {
					t.Error("the administrator of an instance is none in it")
				}
			}
			// What a role with Manage on the default instance can do does not lead there.
			ctx, role := a.actorOf(t, mary.ID), a.role(t, access.RoleAdministrator)
			group, err := a.CreateGroup(asSystem(), Group{Instance: instance, Name: "Bosses", Roles: []stoa.ID{role}})
			if err != nil {
				t.Fatal(err)
			}
			wantKind(t, "sets the password of one", a.AdminSetPassword(ctx, boss.ID, passphrase+"!"), stoa.KindForbidden)
			wantKind(t, "gives itself the role", a.SetRoles(ctx, mary.ID, []stoa.ID{role}), stoa.KindForbidden)
			wantKind(t, "joins a group that has the role", a.AddMembers(ctx, group.ID, mary.ID), stoa.KindForbidden)
			_, err = a.Create(ctx, User{Instance: instance, ScreenName: "m2", Email: "m2@example.com", FirstName: "M",
				Groups: []stoa.ID{group.ID}}, passphrase)
			wantKind(t, "makes one", err, stoa.KindForbidden)
			if u, err := a.Get(asSystem(), boss.ID); err != nil || u.ScreenName != boss.ScreenName {
				t.Fatal(u, err)
			}
			// What takes the role away takes the right away on all nodes.
			second := person(t, a, "second", role)
			if err := a.SetRoles(asSystem(), boss.ID, nil); err != nil {
				t.Fatal(err)
			}
			a.wire.deliver()
			if operates(a.actorOf(t, boss.ID)) || operates(b.actorOf(t, boss.ID)) || !operates(b.actorOf(t, second.ID)) {
				t.Error("the right did not go with the role")
			}
			wantKind(t, "the last one goes", a.Delete(asSystem(), second.ID), stoa.KindConflict)
		})
	}
}

func TestOperator_PropertyNamesTheOnlyOnes(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			a, b := two(t, e)
			boss := admin(t, a)
			byID, byName, byMail := person(t, a, "ida"), person(t, a, "nora"), person(t, a, "maja")
			digits := person(t, a, byID.ID.String()) // a screen name of digits is no id
			withOperators([]string{byID.ID.String(), "Nora", "maja@Example.com", "free"}, a, b)
			for _, n := range []*node{a, b} {
				n.cache.DropAll("test")
				for u, want := range map[stoa.ID]bool{byID.ID: true, byName.ID: true, byMail.ID: true, boss.ID: false,
					digits.ID: false} {
					if operates(n.actorOf(t, u)) != want {
						t.Errorf("%d operates: %v, want %v", u, !want, want)
					}
				}
			}
			// The administrators of the default instance cannot make themselves or others one of them.
			ctx := a.actorOf(t, boss.ID)
			wantKind(t, "sets the password", a.AdminSetPassword(ctx, byName.ID, passphrase+"!"), stoa.KindForbidden)
			_, err := a.NewSetupToken(ctx, byName.ID)
			wantKind(t, "asks for a link", err, stoa.KindForbidden)
			u := byName
			u.Email = "boss2@example.com"
			_, err = a.Update(ctx, u)
			wantKind(t, "takes the address over", err, stoa.KindForbidden)
			_, err = a.Create(
				ctx,
				User{Instance: instance, ScreenName: "free", Email: "free@example.com", FirstName: "F"},
				passphrase,
			)
			wantKind(t, "makes an account of a name that is listed", err, stoa.KindForbidden)
			u = boss
			u.ScreenName = "free"
			_, err = a.Update(ctx, u)
			wantKind(t, "takes a name that is listed", err, stoa.KindForbidden)
			wantKind(t, "deletes one", a.Delete(ctx, byName.ID), stoa.KindForbidden)
			// An operator manages the others only where a role says so, and no account loses the name it is listed by.
			u = byName
			u.ScreenName = "norah"
			_, err = a.Update(asSystem(), u)
			wantKind(t, "a listed name goes", err, stoa.KindInvalid)
			// The last one stays.
			for _, id := range []stoa.ID{byID.ID, byMail.ID} {
				if err := a.Delete(asSystem(), id); err != nil {
					t.Fatal(err)
				}
			}
			wantKind(t, "delete the last one", a.Delete(asSystem(), byName.ID), stoa.KindConflict)
			u = byName
			u.Status = StatusLocked
			_, err = a.Update(asSystem(), u)
			wantKind(t, "lock the last one", err, stoa.KindConflict)
			list, err := a.Operators(asSystem())
			if err != nil || len(list) != 1 || list[0].ID != byName.ID {
				t.Errorf("the operators are %v, %v", list, err)
			}
		})
	}
}

func TestOperator_WithoutADefaultInstanceThereIsNone(t *testing.T) {
	t.Parallel()
	n := newNode(t, dbtest.New(t))
	if operates(n.actorOf(t, admin(t, n).ID)) {
		t.Error("an administrator operates an installation that has no default instance")
	}
}

func TestByLogin_TellsOfTheOwnInstanceOnly(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			a, b := two(t, e)
			withOperators(nil, a, b)
			boss := admin(t, a)
			if _, _, err := a.EnsureAdmin(asSystem(), elsewhere, AdminOptions{EmailPrefix: "ann", MailDomain: "else.test",
				ScreenName: boss.ScreenName, First: "T", Password: passphrase}); err != nil {
				t.Fatal(err)
			}
			tenant, err := a.ByLogin(asSystem(), elsewhere, "ann@else.test")
			if err != nil || tenant.Instance != elsewhere {
				t.Fatal(tenant, err)
			}
			a.wire.deliver()
			ctx := b.actorOf(t, tenant.ID)
			if got, err := b.ByLogin(ctx, elsewhere, strings.ToUpper(boss.ScreenName)); err != nil || got.ID != tenant.ID {
				t.Errorf("by the screen name: %v, %v", got, err)
			}
			_, err = b.ByLogin(ctx, instance, boss.Email)
			wantKind(t, "of another instance", err, stoa.KindNotFound)
			_, err = b.ByLogin(ctx, elsewhere, boss.Email)
			wantKind(t, "an address of another instance", err, stoa.KindNotFound)
			mo := person(t, a, "mo")
			a.wire.deliver()
			_, err = b.ByLogin(b.actorOf(t, mo.ID), instance, boss.Email)
			wantKind(t, "by a person who does not manage it", err, stoa.KindForbidden)
		})
	}
}
