package user

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/asset/assettest"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

func TestTrash_RolesAndGroupsComeBackWithGrantsAndMembers(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d)
		admin(t, n)
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		want := func(err error, k stoa.Kind) {
			t.Helper()
			if !stoa.Is(err, k) {
				t.Errorf("%v, want an error of the kind %s", err, k)
			}
		}
		assets := assettest.Service(t, d)
		must(assets.RegisterBin(n.access.BinKind(), n.BinKind()))
		boss := n.as(t, n.signIn(t, "test", passphrase))
		late := stoa.ActorFrom(boss)
		late.Proven = time.Now().Add(-100 * 24 * time.Hour)
		stale := stoa.WithActor(t.Context(), late)
		stranger := stoa.WithActor(t.Context(), stoa.Actor{User: 3, Instance: instance + 1, Admin: true,
			Proven: time.Now().Add(time.Hour)})
		role, err := n.access.CreateRole(boss, access.Role{Instance: instance, Name: "Keepers"})
		must(err)
		u := person(t, n, "ann", role.ID)
		v := person(t, n, "bob")
		group, err := n.CreateGroup(boss, Group{Instance: instance, Name: "Harbour", Roles: []stoa.ID{role.ID}})
		must(err)
		must(n.AddMembers(boss, group.ID, v.ID))
		must(n.access.SetGrants(boss, access.InstancePath(instance), append(grants(t, n, boss),
			access.Grant{Role: role.ID, Action: access.Publish})))
		// What a binary that knows of no recycle bin reads of a person, with the grants of the instance.
		holds := func(id stoa.ID) bool {
			t.Helper()
			actor, err := n.actor(context.Background(), id)
			must(err)
			rows, err := db.All(t.Context(), d, scanID, heldSQL, id, id)
			must(err)
			can := n.access.Can(stoa.WithActor(t.Context(), actor), access.Publish, access.InstancePath(instance))
			if has := slices.Contains(rows, role.ID); has != can || slices.Contains(actor.Roles, role.ID) != has {
				t.Errorf("user %d holds the role: %v, may publish: %v, is shown it: %v", id, has, can, actor.Roles)
			}
			return can
		}
		state := func(what string, ann, bob bool) {
			t.Helper()
			if a, b := holds(u.ID), holds(v.ID); a != ann || b != bob {
				t.Errorf("%s: Ann holds it %v, Bob %v, want %v and %v", what, a, b, ann, bob)
			}
		}
		state("at first", true, true)
		roleRef := []asset.Ref{{Kind: "role", ID: role.ID}}
		groupRef := []asset.Ref{{Kind: "usergroup", ID: group.ID}}
		ids, err := n.access.RoleIDs(boss, instance)
		must(err)
		want(n.access.TrashRole(boss, ids[access.RoleEditor]), stoa.KindInvalid)
		want(n.access.TrashRole(stranger, role.ID), stoa.KindNotFound)
		want(n.TrashGroup(stranger, group.ID), stoa.KindNotFound)

		must(n.access.TrashRole(boss, role.ID))
		state("the role is in the bin", false, false)
		if list, err := n.access.Roles(boss, instance); err != nil ||
			slices.ContainsFunc(list, func(r access.Role) bool { return r.ID == role.ID }) {
			t.Errorf("the roles are %+v, %v", list, err)
		}
		_, err = n.access.Role(asSystem(), role.ID)
		want(err, stoa.KindNotFound)
		must(n.TrashGroup(boss, group.ID))
		_, err = n.Group(asSystem(), group.ID)
		want(err, stoa.KindNotFound)
		want(n.AddMembers(boss, group.ID, u.ID), stoa.KindNotFound)
		if now, err := n.Get(boss, v.ID); err != nil || len(now.Groups) != 0 {
			t.Errorf("Bob is in %v, %v", now.Groups, err)
		}
		_, err = assets.Restore(stranger, roleRef)
		want(err, stoa.KindNotFound)
		_, err = assets.Restore(stale, roleRef)
		if err == nil {
			t.Error("a role is restored without a fresh sign-in")
		}
		want(assets.Purge(stranger, groupRef), stoa.KindNotFound)
		other, err := n.access.CreateRole(boss, access.Role{Instance: instance, Name: "Others"})
		must(err)
		must(n.SetRoles(boss, u.ID, []stoa.ID{other.ID})) // meanwhile, of those that there are
		second, err := n.access.CreateRole(boss, access.Role{Instance: instance, Name: "Keepers"})
		must(err)
		out, err := assets.Restore(boss, roleRef)
		must(err)
		if r, err := n.access.Role(boss, role.ID); err != nil || r.Name != "Keepers-2" || !out[0].Renamed {
			t.Errorf("restored as %+v, %v", r, err)
		}
		state("the role is back, the group is not", true, false)
		must(n.access.TrashRole(boss, role.ID))
		_, err = assets.Restore(boss, groupRef)
		must(err)
		state("the group is back, the role is not", false, false)
		_, err = assets.Restore(boss, roleRef)
		must(err)
		state("both are back", true, true)
		if g, err := n.Group(boss, group.ID); err != nil || g.Name != "Harbour" || len(g.Roles) != 1 {
			t.Errorf("the group is %+v, %v", g, err)
		}

		must(n.TrashGroup(boss, group.ID))
		must(assets.Purge(boss, groupRef))
		must(n.access.TrashRole(boss, role.ID))
		must(n.access.TrashRole(boss, second.ID))
		must(n.Delete(boss, u.ID))
		must(assets.Purge(boss, []asset.Ref{roleRef[0], {Kind: "role", ID: second.ID}}))
		state2 := 0
		must(d.QueryRow(t.Context(), "SELECT (SELECT count(*) FROM asset_trash) + (SELECT count(*) FROM access_trashed) + "+
			"(SELECT count(*) FROM access_grant WHERE role = ?) + (SELECT count(*) FROM user_member)", role.ID).Scan(&state2))
		if state2 != 0 {
			t.Errorf("%d rows are left", state2)
		}
	})
}

// Who is to hold no role while one is in the recycle bin does not get that back with it; a user group of which only
// the name was changed does.
func TestTrash_WhatIsTakenMeanwhileDoesNotComeBack(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d)
		admin(t, n)
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		assets := assettest.Service(t, d)
		must(assets.RegisterBin(n.access.BinKind(), n.BinKind()))
		boss := n.as(t, n.signIn(t, "test", passphrase))
		role, err := n.access.CreateRole(boss, access.Role{Instance: instance, Name: "Keepers"})
		must(err)
		ann, bob, eve := person(t, n, "ann", role.ID), person(t, n, "bob", role.ID), person(t, n, "eve", role.ID)
		group, err := n.CreateGroup(boss, Group{Instance: instance, Name: "Harbour", Roles: []stoa.ID{role.ID}})
		must(err)
		must(n.access.TrashRole(boss, role.ID))
		must(n.SetRoles(boss, ann.ID, nil))
		must(d.Write(asSystem(), func(ctx context.Context, tx *db.Tx) error { // again, after a fail-over
			_, err := n.access.Unassign(ctx, tx, eve.ID, []stoa.ID{role.ID})
			return err
		}))
		group.Name, group.Roles = "Port", nil
		_, err = n.UpdateGroup(boss, group)
		must(err)
		_, err = assets.Restore(boss, []asset.Ref{{Kind: "role", ID: role.ID}})
		must(err)
		for holder, want := range map[stoa.ID]int{ann.ID: 0, eve.ID: 0, bob.ID: 1, group.ID: 1} {
			if held, err := n.access.Held(t.Context(), d, holder); err != nil || len(held) != want {
				t.Errorf("%d holds %v, %v; want %d", holder, held, err, want)
			}
		}
	})
}

// A group that makes administrators is restored by an administrator, and the last administrator stays one.
func TestTrash_GroupOfAdministratorsIsForAdministrators(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d)
		admin(t, n)
		assets := assettest.Service(t, d)
		if err := assets.RegisterBin(n.BinKind()); err != nil {
			t.Fatal(err)
		}
		boss := n.as(t, n.signIn(t, "test", passphrase))
		ids, err := n.access.RoleIDs(boss, instance)
		if err != nil {
			t.Fatal(err)
		}
		g, err := n.CreateGroup(boss, Group{Instance: instance, Name: "Bosses",
			Roles: []stoa.ID{ids[access.RoleAdministrator]}})
		if err != nil {
			t.Fatal(err)
		}
		manager, err := n.access.CreateRole(boss, access.Role{Instance: instance, Name: "Managers"})
		if err != nil {
			t.Fatal(err)
		}
		if err := n.access.SetGrants(boss, access.InstancePath(instance), append(grants(t, n, boss),
			access.Grant{Role: manager.ID, Action: access.Manage})); err != nil {
			t.Fatal(err)
		}
		actor := stoa.ActorFrom(boss)
		actor.User, actor.Admin, actor.Roles = 77, false, []stoa.ID{manager.ID}
		some := stoa.WithActor(t.Context(), actor)
		if err := n.TrashGroup(some, g.ID); !stoa.Is(err, stoa.KindForbidden) {
			t.Errorf("a manager deletes a group of administrators: %v", err)
		}
		if err := n.TrashGroup(boss, g.ID); err != nil {
			t.Fatal(err)
		}
		ref := []asset.Ref{{Kind: "usergroup", ID: g.ID}}
		if _, err := assets.Restore(some, ref); !stoa.Is(err, stoa.KindForbidden) {
			t.Errorf("a manager restores a group of administrators: %v", err)
		}
		if _, err := assets.Restore(boss, ref); err != nil {
			t.Fatal(err)
		}
		if now, err := n.Group(boss, g.ID); err != nil || len(now.Roles) != 1 {
			t.Errorf("restored as %+v, %v", now, err)
		}
	})
}

// grants are what is granted on the instance now.
func grants(t *testing.T, n *node, ctx context.Context) []access.Grant {
	t.Helper()
	list, err := n.access.Grants(ctx, access.Resource{Kind: access.KindInstance, ID: instance})
	if err != nil {
		t.Fatal(err)
	}
	return list
}
