package server_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/server/servertest"
	"github.com/stoa-portal/stoa/user"
)

// live is how many living nodes the node knows, itself among them.
func live(n *servertest.Node) (count int) {
	for _, m := range n.Node.Members() {
		if m.Live {
			count++
		}
	}
	return count
}

// Rule 22: once the writer of what takes something away is answered, it holds on every node.
func TestTakingAway_HoldsOnEveryNodeOnceItIsAnswered_Rule22(t *testing.T) {
	t.Parallel()
	onEngines(t, 3, func(t *testing.T, nodes []*servertest.Node) {
		a, ctx := nodes[0], servertest.System()
		eventually(t, "the node knows the others", func() bool { return live(a) == len(nodes) })
		inst := a.Site(t).Instance
		roles, err := a.Access.RoleIDs(ctx, inst)
		if err != nil {
			t.Fatal(err)
		}
		const password = "a long enough phrase"
		u, err := a.Users.Create(ctx, user.User{Instance: inst, ScreenName: "ann", Email: "ann@example.com"}, password)
		if err != nil {
			t.Fatal(err)
		}
		g, err := a.Users.CreateGroup(ctx, user.Group{Instance: inst, Name: "Helpers", Roles: []stoa.ID{roles[access.RoleAdministrator]}})
		if err != nil {
			t.Fatal(err)
		}
		ann := servertest.NewClient(t)
		signIn := func() {
			t.Helper()
			got := a.As(ann).Post(t, "/sign-in", url.Values{"login": {"ann"}, "password": {password}})
			if got.Status != http.StatusSeeOther {
				t.Fatalf("sign in: %d", got.Status)
			}
		}
		signIn()
		// all looks at what every node answers to Ann now.
		all := func(what, path string, want int) {
			t.Helper()
			for _, n := range nodes {
				if got := n.As(ann).Get(t, path); got.Status != want {
					t.Errorf("%s: %s answers %d to %s, want %d", what, n.URL, got.Status, path, want)
				}
			}
		}
		// soon waits for what was given: nobody waits for that in the answer.
		soon := func(what, path string, want int) {
			t.Helper()
			for _, n := range nodes {
				n.Poll(t)
			}
			all(what, path, want)
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		const panel, account = "/control/users", "/account"
		soon("at first", panel, http.StatusForbidden)
		must(a.Users.SetRoles(ctx, u.ID, []stoa.ID{roles[access.RoleAdministrator]}))
		soon("with a role", panel, http.StatusOK)
		must(a.Users.SetRoles(ctx, u.ID, nil))
		all("without the role", panel, http.StatusForbidden)
		must(a.Users.AddMembers(ctx, g.ID, u.ID))
		soon("in a group", panel, http.StatusOK)
		must(a.Users.RemoveMembers(ctx, g.ID, u.ID))
		all("out of the group", panel, http.StatusForbidden)
		must(a.Users.AddMembers(ctx, g.ID, u.ID))
		soon("in the group again", panel, http.StatusOK)
		must(a.Users.TrashGroup(ctx, g.ID))
		all("without the group", panel, http.StatusForbidden)
		soon("signed in", account, http.StatusOK)
		sessions, err := a.Users.Sessions(ctx, u.ID)
		must(err)
		must(a.Users.EndSession(ctx, sessions[0].ID))
		all("after the end of the session", account, http.StatusSeeOther)
		signIn()
		soon("signed in again", account, http.StatusOK)
		locked, err := a.Users.Get(ctx, u.ID)
		must(err)
		locked.Status = user.StatusLocked
		_, err = a.Users.Update(ctx, locked)
		must(err)
		all("locked", account, http.StatusSeeOther)
		if st := a.Log.Status(); st.TookAway != 5 || st.Unconfirmed != 0 {
			t.Errorf("%d writes took something away, want 5; %d were not confirmed", st.TookAway, st.Unconfirmed)
		}
	})
}
