package server_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/bulk"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/server/servertest"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/user"
)

// grow makes articles on a site.
func grow(t *testing.T, n *servertest.Node, st site.Site, many int) (things []bulk.Thing) {
	t.Helper()
	for i := range many {
		a, err := n.Content.Create(servertest.System(), st, content.Draft{Slug: fmt.Sprint("leaf-", i),
			Text: map[stoa.Locale]content.Text{st.Locale: {Title: fmt.Sprint("Leaf ", i), Body: "<p>Green.</p>"}}})
		ok(t, err)
		things = append(things, bulk.Thing{Kind: "article", ID: a.ID})
	}
	return things
}

// ends waits for the end of an action.
func ends(t *testing.T, n *servertest.Node, id stoa.ID) bulk.Record {
	t.Helper()
	var r bulk.Record
	dbtest.Await(t, 5*time.Minute, func() (err error) { // hundreds of publications, on a machine that may be busy
		if r, err = n.Bulk.Get(servertest.System(), id); err == nil && r.Open() {
			err = fmt.Errorf("the bulk action is at %d of %d", r.Worked, r.Total)
		}
		return err
	})
	return r
}

// What a person asked for on one node goes on when the node that does it is stopped in the middle, and each article is
// published once.
func TestBulk_GoesOnOnAnotherNode(t *testing.T) {
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			g := servertest.NewGroup(t, e)
			north := named(g, "north")
			st := north.Site(t)
			things := grow(t, north, st, 450)
			north.SignIn(t)
			a := north.Post(t, "/control/content/bulk?q=leaf", url.Values{"do": {"publish"}, "all": {"on"},
				"site": {st.ID.String()}})
			id, err := stoa.ParseID(strings.TrimPrefix(a.Header.Get("Location"), "/control/bulk/"))
			if err != nil {
				t.Fatalf("it leads to %q (%d)", a.Header.Get("Location"), a.Status)
			}
			eventually(t, "some are done", func() bool {
				r, err := north.Bulk.Get(servertest.System(), id)
				ok(t, err)
				return r.Worked > 0
			})
			north.Jobs.Stop() // in the middle of a portion
			south := named(g, "south")
			if r := ends(t, south, id); r.Total != len(things) || r.Done() != r.Total {
				t.Errorf("it ended as %+v", r)
			}
			for _, one := range things {
				a, err := south.Content.Get(servertest.System(), one.ID)
				ok(t, err)
				if a.Live != 1 || a.Version != 2 {
					t.Fatalf("article %d has version %d and shows %d: it was published more than once, or not at all", one.ID,
						a.Version, a.Live)
				}
			}
			south = south.As(north.Client)
			mustSee(t, south.Get(t, "/control/bulk/"+id.String()), http.StatusOK, "450 of 450", "Publish articles")
		})
	}
}

// A page that went to the bin before the one above it comes back after it, and goes for good before it: an editor may
// do both with all of the bin, in one transaction and in the background.
func TestBulk_TakesPagesInTheOrderThatTheirPlacesNeed(t *testing.T) {
	n := servertest.Start(t, 1)[0]
	sys, st := servertest.System(), n.Site(t)
	roles, err := n.Access.RoleIDs(sys, st.Instance)
	ok(t, err)
	eda, err := n.Users.Create(sys, user.User{Instance: st.Instance, ScreenName: "eda", Email: "eda@people.test",
		FirstName: "Eda", Roles: []stoa.ID{roles[access.RoleEditor]}}, testSecret)
	ok(t, err)
	actor, err := n.Users.Acting(sys, eda.ID)
	ok(t, err)
	as := stoa.WithActor(context.Background(), actor)
	sow := func(slug string, above stoa.ID) page.Page {
		t.Helper()
		p, err := n.Pages.Create(sys, st, page.NewPage{Slug: slug, Parent: above, Publish: true, Position: -1,
			Title: map[stoa.Locale]string{st.Locale: slug}})
		ok(t, err)
		return p
	}
	about := sow("about", 0)
	team := sow("team", about.ID)
	trash := func(ids ...stoa.ID) {
		t.Helper()
		for _, id := range ids {
			p, err := n.Pages.Get(sys, id)
			ok(t, err)
			ok(t, n.Pages.Trash(as, p.ID, p.Version))
		}
	}
	all := func(oldest bool) []bulk.Thing {
		t.Helper()
		list, err := n.Assets.AllTrash(as, st, oldest)
		ok(t, err)
		if len(list) != 2 {
			t.Fatalf("the bin has %v", list)
		}
		return list
	}
	trash(team.ID, about.ID)
	ok(t, n.Assets.InOrder(as, asset.BulkRestore, all(false)))
	trash(team.ID, about.ID)
	id, err := n.Bulk.Start(as, asset.BulkRestore, st.ID, all(false))
	ok(t, err)
	if r := ends(t, n, id); r.Done() != 2 {
		t.Errorf("restoring ended as %+v", r)
	}
	trash(team.ID, about.ID)
	id, err = n.Bulk.Start(as, asset.BulkPurge, st.ID, all(true))
	ok(t, err)
	if r := ends(t, n, id); r.Done() != 2 {
		t.Errorf("deleting for good ended as %+v", r)
	}
	about = sow("about", 0)
	team = sow("team", about.ID)
	trash(team.ID, about.ID)
	ok(t, n.Assets.InOrder(as, asset.BulkPurge, all(true)))
}

// Two instances: what a person may not do on another one is refused thing by thing, without its name; and a person who
// loses a role while it goes on has the rest refused.
func TestBulk_AsksForThePermissionOfEachThing(t *testing.T) {
	nodes := servertest.Start(t, 2)
	a, b := nodes[0], nodes[1]
	sys, st := servertest.System(), a.Site(t)
	_, err := a.CreateInstance(sys, site.Defaults{Name: "Tenant", SiteName: "Tenant", SiteSlug: "guest",
		HostName: tenantHost, WebID: tenantHost, MailDomain: tenantHost, Locale: "en", TimeZone: "UTC"})
	ok(t, err)
	_, other, err := a.Sites.Resolve(sys, tenantHost)
	ok(t, err)
	secret, err := a.Content.Create(sys, other, content.Draft{Slug: "merger",
		Text: map[stoa.Locale]content.Text{"en": {Title: "Merger", Body: "<p>x</p>"}}})
	ok(t, err)
	roles, err := a.Access.RoleIDs(sys, st.Instance)
	ok(t, err)
	eda, err := a.Users.Create(sys, user.User{Instance: st.Instance, ScreenName: "eda", Email: "eda@people.test",
		FirstName: "Eda", Roles: []stoa.ID{roles[access.RoleEditor]}}, testSecret)
	ok(t, err)
	b.Poll(t)
	actor, err := b.Users.Acting(sys, eda.ID)
	ok(t, err)
	as := stoa.WithActor(context.Background(), actor)
	things := append([]bulk.Thing{{Kind: "article", ID: secret.ID}}, grow(t, a, st, 5)...)
	b.Poll(t)
	id, err := b.Bulk.Start(as, "article.publish", st.ID, things)
	ok(t, err)
	if r := ends(t, a, id); r.Done() != 5 || r.Refused != 1 {
		t.Errorf("it ended as %+v", r)
	}
	list, err := a.Bulk.Refusals(sys, id, 0, 10)
	ok(t, err)
	if len(list) != 1 || list[0].ID != secret.ID || list[0].Reason.Kind != stoa.KindNotFound {
		t.Errorf("refused: %+v", list)
	}
	if now, err := a.Content.Get(sys, secret.ID); err != nil || now.Live != 0 {
		t.Errorf("the article of another instance is published: %+v, %v", now, err)
	}
	b.Client = servertest.NewClient(t)
	in := b.Post(t, "/sign-in", url.Values{"login": {eda.Email}, "password": {testSecret}, "next": {"/x"}})
	if in.Status != http.StatusSeeOther {
		t.Fatalf("sign in: %d", in.Status)
	}
	screen := b.Get(t, "/control/bulk/"+id.String(), "Accept-Language", "de")
	mustSee(t, screen, http.StatusOK, "Teilweise erledigt", "Es gibt keinen Artikel", "Artikel "+secret.ID.String())
	mustNotSee(t, screen, "Merger")

	ok(t, a.Users.SetRoles(sys, eda.ID, nil)) // answered when all nodes know
	if _, err := b.Bulk.Start(as, "article.unpublish", st.ID, things); !stoa.Is(err, stoa.KindForbidden) {
		t.Errorf("with the rights of before: %v", err)
	}
	actor, err = b.Users.Acting(sys, eda.ID)
	ok(t, err)
	id, err = b.Bulk.Start(stoa.WithActor(context.Background(), actor), "article.unpublish", st.ID, things)
	ok(t, err)
	if r := ends(t, b, id); r.Done() != 0 || r.Refused != 6 {
		t.Errorf("without the role it ended as %+v", r)
	}
	eventually(t, "the audit log tells of it", func() bool {
		var n int
		ok(t, a.DB.QueryRow(t.Context(), "SELECT count(*) FROM audit_event WHERE action = 'bulk-ended' AND actor = ?",
			eda.ID).Scan(&n))
		return n == 2
	})
	eventually(t, "the audit log tells of what was refused", func() bool {
		var n int
		ok(t, a.DB.QueryRow(t.Context(), "SELECT count(*) FROM audit_event WHERE outcome = 'refused' AND actor = ? AND "+
			"kind = 'article' AND thing = ?", eda.ID, things[1].ID).Scan(&n))
		return n > 0
	})
}
