package server_test

import (
	"net/http"
	"net/url"
	"regexp"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server/servertest"
	"github.com/stoa-portal/stoa/user"
)

var lockToken = regexp.MustCompile(`name="lock" value="([A-Z2-7]+)"`)
var lockRef = regexp.MustCompile(`name="one" value="([^"]+)"`)

func TestLock_EndsWithoutASignOfLife(t *testing.T) {
	t.Parallel()
	g := servertest.NewGroup(t, dbtest.SQLite)
	n := g.Join(map[string]string{"lock.expiration.time.article": "1"})
	n.SignIn(t)
	id := n.Publish(t, "tides", "The tides", "<p>High water at noon.</p>")
	mustSee(t, n.Get(t, "/control/content/"+id.String()), http.StatusOK, "Edit article")
	mustSee(t, n.Get(t, "/control/jobs"), http.StatusOK, "lock.expire")
	eventually(t, "the lock to end", func() bool {
		if _, err := n.Locks.Expire(servertest.System()); err != nil {
			t.Fatal(err)
		}
		list, err := n.Locks.List(servertest.System(), n.Site(t).Instance)
		return err == nil && len(list) == 0
	})
}

func TestLock_TakenOnOneNodeSeenAndReleasedOnTheOther(t *testing.T) {
	t.Parallel()
	onEngines(t, 2, func(t *testing.T, nodes []*servertest.Node) {
		a, b := nodes[0], nodes[1]
		st := a.Site(t)
		roles, err := a.Access.RoleIDs(servertest.System(), st.Instance)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Users.Create(servertest.System(), user.User{Instance: st.Instance, ScreenName: "ann", Email: "ann@example.com", FirstName: "Ann", LastName: "Berg",
			Roles: []stoa.ID{roles[access.RoleEditor]}}, servertest.AdminPassword); err != nil {
			t.Fatal(err)
		}
		b.SignIn(t)
		id := b.Publish(t, "tides", "The tides", "<p>High water at noon.</p>").String()
		a.Poll(t)
		ann := a.Guest(t)
		if got := ann.Post(t, "/sign-in", url.Values{"login": {"ann@example.com"}, "password": {servertest.AdminPassword}}); got.Status != http.StatusSeeOther {
			t.Fatalf("Ann signs in: %d", got.Status)
		}
		screen := ann.Get(t, "/control/content/"+id)
		mustSee(t, screen, http.StatusOK, "Edit article")
		token := lockToken.FindStringSubmatch(screen.Body)
		if token == nil {
			t.Fatalf("Ann has no lock:\n%s", screen.Body)
		}
		life := func(n *servertest.Node) servertest.Answer {
			t.Helper()
			return n.As(ann.Client).Post(t, "/control/locks/article/"+id, url.Values{"do": {"renew"}, "token": {token[1]}})
		}
		mustSee(t, b.Get(t, "/control/content/"+id), http.StatusOK, "Ann Berg is editing this article", "Take over")
		list := b.Get(t, "/control/locks")
		mustSee(t, list, http.StatusOK, "The tides", "Ann Berg")
		mustSee(t, life(b), http.StatusNoContent)
		ref := lockRef.FindStringSubmatch(list.Body)
		if ref == nil {
			t.Fatalf("nothing to release:\n%s", list.Body)
		}
		if got := b.Post(t, "/control/locks", url.Values{"one": {ref[1]}}); got.Header.Get("Location") != "/control/locks?done=released" {
			t.Fatalf("release: %d to %q", got.Status, got.Header.Get("Location"))
		}
		for _, n := range nodes {
			mustSee(t, life(n), http.StatusConflict, "released your lock on this article", "Go on editing")
		}
		mustSee(t, a.As(b.Client).Get(t, "/control/content/"+id), http.StatusOK, "Edit article", "Save draft")
		mustSee(t, life(a), http.StatusConflict, "is editing this article now")
		mustSee(t, b.Get(t, "/control/changes?kind=lock"), http.StatusOK, "<td>lock</td>")
		// A program of another site cannot take it over with the cookies of a visitor.
		mustSee(t, b.Post(t, "/control/locks/article/"+id, url.Values{"do": {"take"}}, "Sec-Fetch-Site", "cross-site", "Origin", "https://elsewhere.example"), http.StatusForbidden)
	})
}
