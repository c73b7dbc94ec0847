package server_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/lock"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/server/servertest"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/taxonomy"
	"github.com/stoa-portal/stoa/user"
)

// The administrator of one instance, who may do everything there, asks the domain for things of another one and says
// that they are the own instance's: no method may believe it.
func TestDomain_BelievesNoCallerWhereThingsBelong(t *testing.T) {
	t.Parallel()
	onEngines(t, 2, func(t *testing.T, nodes []*servertest.Node) {
		a, b := nodes[0], nodes[1]
		sys, theirs := servertest.System(), a.Site(t)
		_, err := a.CreateInstance(
			sys,
			site.Defaults{Name: "Tenant", SiteName: "Tenant", SiteSlug: "guest", HostName: tenantHost,
				WebID: tenantHost, MailDomain: tenantHost, Locale: "en", TimeZone: "UTC"},
		)
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(err)
		inst, own, err := a.Sites.Resolve(sys, tenantHost)
		must(err)
		tenant := stoa.WithActor(
			t.Context(),
			stoa.Actor{User: 1 << 40, Name: "Tenant", Instance: inst.ID, Admin: true, Proven: time.Now()},
		)
		lie := theirs
		lie.Instance = inst.ID

		category, err := a.Taxonomy.AddCategory(sys, theirs.Instance, taxonomy.Category{Site: theirs.ID, Name: "Theirs"})
		must(err)
		mine, err := a.Taxonomy.AddCategory(sys, inst.ID, taxonomy.Category{Site: own.ID, Name: "Mine"})
		must(err)
		tag, err := a.Taxonomy.AddTag(sys, theirs.Instance, theirs.ID, "Theirs")
		must(err)
		other, err := a.Taxonomy.AddTag(sys, theirs.Instance, theirs.ID, "Others")
		must(err)
		article, err := a.Content.Create(sys, theirs, content.Draft{Kind: content.KindPost, Slug: "theirs",
			Text: map[stoa.Locale]content.Text{theirs.Locale: {Title: "Theirs"}}})
		must(err)
		leaf, err := a.Pages.Create(
			sys,
			theirs,
			page.NewPage{Slug: "theirs", Title: map[stoa.Locale]string{theirs.Locale: "Theirs"}},
		)
		must(err)
		menu, err := a.Pages.SaveMenu(sys, page.Menu{Site: theirs.ID, Name: "Theirs"})
		must(err)
		file, err := a.Files.Upload(sys, theirs, document.Upload{Name: "a.txt", Body: strings.NewReader("text")})
		must(err)
		people, err := a.Users.List(sys, theirs.Instance, user.Filter{})
		must(err)
		person := people.Items[0]
		group, err := a.Users.CreateGroup(sys, user.Group{Instance: theirs.Instance, Name: "Theirs"})
		must(err)
		role, err := a.Access.CreateRole(sys, access.Role{Instance: theirs.Instance, Name: "Theirs"})
		must(err)
		myRole, err := a.Access.CreateRole(tenant, access.Role{Instance: inst.ID, Name: "Mine"})
		must(err)
		for _, n := range nodes {
			n.Poll(t)
		}
		title := map[stoa.Locale]string{"en": "x"}
		draft := content.Draft{Kind: content.KindPost, Slug: "x", Text: map[stoa.Locale]content.Text{"en": {Title: "x"}}}
		for what, fn := range map[string]func(context.Context, *servertest.Node) error{
			"add a category": func(ctx context.Context, n *servertest.Node) error {
				_, err := n.Taxonomy.AddCategory(ctx, inst.ID, taxonomy.Category{Site: theirs.ID, Name: "x"})
				return err
			},
			"add a category below theirs": func(ctx context.Context, n *servertest.Node) error {
				_, err := n.Taxonomy.AddCategory(ctx, inst.ID, taxonomy.Category{Site: own.ID, Name: "x", Parent: category.ID})
				return err
			},
			"add a tag": func(ctx context.Context, n *servertest.Node) error {
				_, err := n.Taxonomy.AddTag(ctx, inst.ID, theirs.ID, "x")
				return err
			},
			"delete a category": func(ctx context.Context, n *servertest.Node) error {
				return n.Taxonomy.TrashCategory(ctx, inst.ID, theirs.ID, category.ID)
			},
			"rename a category": func(ctx context.Context, n *servertest.Node) error {
				c := category
				c.Name = "Mine"
				_, err := n.Taxonomy.UpdateCategory(ctx, inst.ID, c)
				return err
			},
			"merge their category into one of mine": func(ctx context.Context, n *servertest.Node) error {
				return n.Taxonomy.MergeCategory(ctx, inst.ID, own.ID, category.ID, mine.ID)
			},
			"merge a category of mine into theirs": func(ctx context.Context, n *servertest.Node) error {
				return n.Taxonomy.MergeCategory(ctx, inst.ID, own.ID, mine.ID, category.ID)
			},
			"merge their tags": func(ctx context.Context, n *servertest.Node) error {
				return n.Taxonomy.MergeTag(ctx, inst.ID, theirs.ID, tag, other)
			},
			"rename a tag": func(ctx context.Context, n *servertest.Node) error {
				_, err := n.Taxonomy.UpdateTag(ctx, inst.ID, taxonomy.Tag{ID: tag, Site: theirs.ID, Name: "x", Version: 1})
				return err
			},
			"delete a tag": func(ctx context.Context, n *servertest.Node) error {
				return n.Taxonomy.TrashTag(ctx, inst.ID, theirs.ID, tag)
			},
			"delete a category as one of the own site": func(ctx context.Context, n *servertest.Node) error {
				return n.Taxonomy.TrashCategory(ctx, inst.ID, own.ID, category.ID)
			},
			"write an article": func(ctx context.Context, n *servertest.Node) error {
				_, err := n.Content.Create(ctx, lie, draft)
				return err
			},
			"list articles": func(ctx context.Context, n *servertest.Node) error {
				_, err := n.Content.List(ctx, lie, content.Filter{})
				return err
			},
			"list live articles": func(ctx context.Context, n *servertest.Node) error {
				_, err := n.Content.LiveList(ctx, lie, content.Filter{})
				return err
			},
			"save an article": func(ctx context.Context, n *servertest.Node) error {
				_, err := n.Content.Save(ctx, article.ID, draft, article.Version)
				return err
			},
			"delete an article": func(ctx context.Context,
				n *servertest.Node) error {
				return n.Content.Delete(ctx, article.ID)
			},
			"make a page": func(ctx context.Context, n *servertest.Node) error {
				_, err := n.Pages.Create(ctx, lie, page.NewPage{Slug: "x", Title: title})
				return err
			},
			"make a page below theirs": func(ctx context.Context, n *servertest.Node) error {
				_, err := n.Pages.Create(ctx, own, page.NewPage{Slug: "x", Title: title, Parent: leaf.ID})
				return err
			},
			"save a page": func(ctx context.Context, n *servertest.Node) error {
				p := leaf
				p.Site = own.ID
				_, err := n.Pages.Update(ctx, p)
				return err
			},
			"see their pages": func(ctx context.Context, n *servertest.Node) error {
				_, err := n.Pages.Tree(ctx, theirs.ID)
				return err
			},
			"save a menu": func(ctx context.Context, n *servertest.Node) error {
				m := menu
				_, err := n.Pages.SaveMenu(ctx, m)
				return err
			},
			"save a menu as one of the own site": func(ctx context.Context, n *servertest.Node) error {
				m := menu
				m.Site = own.ID
				_, err := n.Pages.SaveMenu(ctx, m)
				return err
			},
			"see old addresses": func(ctx context.Context, n *servertest.Node) error {
				_, err := n.Pages.Redirects(ctx, theirs.ID, 1)
				return err
			},
			"upload a file": func(ctx context.Context, n *servertest.Node) error {
				_, err := n.Files.Upload(ctx, lie, document.Upload{Name: "x.txt", Body: strings.NewReader("x")})
				return err
			},
			"list files": func(ctx context.Context, n *servertest.Node) error {
				_, err := n.Files.List(ctx, lie, document.Filter{})
				return err
			},
			"save a file": func(ctx context.Context, n *servertest.Node) error {
				f := file
				f.Site, f.Instance = own.ID, inst.ID
				_, err := n.Files.Update(ctx, f)
				return err
			},
			"lock an article": func(ctx context.Context, n *servertest.Node) error {
				_, err := n.Locks.Open(ctx, lock.Thing{Kind: lock.Article, ID: article.ID})
				return err
			},
			"lock a page": func(ctx context.Context, n *servertest.Node) error {
				_, err := n.Locks.Open(ctx, lock.Thing{Kind: lock.Page, ID: leaf.ID})
				return err
			},
			"save the settings of a site": func(ctx context.Context, n *servertest.Node) error {
				_, err := n.Sites.UpdateSite(ctx, lie)
				return err
			},
			"make a site": func(ctx context.Context, n *servertest.Node) error {
				_, err := n.Sites.CreateSite(ctx, site.Site{Instance: theirs.Instance, Slug: "x", Name: "x", Locale: "en"})
				return err
			},
			"set grants": func(ctx context.Context, n *servertest.Node) error {
				return n.Access.SetGrants(ctx, lie.Path(), []access.Grant{{Role: myRole.ID, Action: access.Manage}})
			},
			"rename a role": func(ctx context.Context, n *servertest.Node) error {
				r := role
				r.Instance = inst.ID
				_, err := n.Access.UpdateRole(ctx, r)
				return err
			},
			"save a person": func(ctx context.Context, n *servertest.Node) error {
				u := person
				u.Instance = inst.ID
				_, err := n.Users.Update(ctx, u)
				return err
			},
			"make a person a member": func(ctx context.Context, n *servertest.Node) error {
				return n.Users.AddMembers(ctx, group.ID, person.ID)
			},
			"set a password": func(ctx context.Context, n *servertest.Node) error {
				return n.Users.AdminSetPassword(ctx, person.ID, testSecret)
			},
			"save a group": func(ctx context.Context, n *servertest.Node) error {
				g := group
				g.Instance = inst.ID
				_, err := n.Users.UpdateGroup(ctx, g)
				return err
			},
		} {
			for _, n := range []*servertest.Node{a, b} {
				if err := fn(tenant, n); err == nil || stoa.KindOf(err) == stoa.KindInternal {
					t.Errorf("the administrator of another instance may %s: %v", what, err)
				}
			}
		}
		if _, err := b.Content.List(tenant, own, content.Filter{}); err != nil {
			t.Errorf("the own site: %v", err)
		}
	})
}
