package server_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/job"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/server/servertest"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/taxonomy"
	"github.com/stoa-portal/stoa/user"
)

// walkForStatements opens every address as an operator, an administrator, an editor and a guest, and runs the use
// cases.
func walkForStatements(t *testing.T, g *servertest.Group) {
	w := newRouteWalk(t, g)
	n := w.nodes[0]
	made := few(5)
	made.Generate.Sites = 1
	if _, err := n.Generate(servertest.System(), made); err != nil {
		t.Fatal(err)
	}
	st, err := n.Sites.BySlug(servertest.System(), n.Site(t).Instance, "generated-5-1")
	w.must(err)
	w.kinds = slices.DeleteFunc(w.kinds, func(k *visitorKind) bool {
		return !strings.ContainsRune("ogea", rune(k.letter))
	})
	seen := map[string]bool{}
	for i, pattern := range n.Patterns() {
		if !seen[pattern] {
			seen[pattern] = true
			w.walk(pattern, w.nodes[i%2])
		}
	}
	id := "&site=" + st.ID.String()
	for _, k := range w.kinds {
		for _, address := range []string{
			"/", "/?page=2", "/sitemap.xml", "/sitemap-1.xml", "/sitemap-pages-1.xml", "/feed.atom", "/w/no-such",
			"/no/such",
			"/web/generated-5-1", "/web/generated-5-1?page=2", "/web/generated-5-1/sitemap.xml",
			"/web/generated-5-1/sitemap-1.xml", "/web/generated-5-1/feed.atom",
			"/web/generated-5-1/de/category/category-1",
			"/web/generated-5-1/tag/tag-1", "/web/generated-5-1/category/category-1", "/web/generated-5-1/w/no-such",
			"/control/content?q=harb+mar&status=published&kind=post" + id, "/control/content?page=3" + id,
			"/control/content?status=draft" + id, "/control/users?q=generated",
			"/control/users?role=Editor&status=active",
			"/control/users?after=generated-5.3", "/control/files?q=a&kind=image" + id, "/control/files?folder=0" + id,
			"/control/audit?what=tide", "/control/audit?who=ann", "/control/categories?q=cat" + id,
			"/control/find?q=harb",
			"/control/pages?q=a" + id, "/control/changes?kind=article&id=1", "/control/choose?kind=article&q=ha" + id,
			"/control/trash?x=1" + id, "/control/locks",
		} {
			w.ask(n, k, http.MethodGet, address, url.Values{})
		}
	}
	u := &useCases{routeWalk: w, n: n, st: st, ctx: servertest.System()}
	for _, step := range []func(){u.articles, u.pages, u.files, u.people, u.words, u.assets, u.logs, u.jobs} {
		step()
	}
}

// useCases runs methods of the domain. What one of them refuses for the portal itself does not matter here: its
// statements were asked.
type useCases struct {
	*routeWalk
	n   *servertest.Node
	st  site.Site
	ctx context.Context
}

func (u *useCases) articles() {
	t, c, ctx, st := u.t, u.n.Content, u.ctx, u.st
	draft := func(title string) content.Draft {
		return content.Draft{Kind: content.KindPost, Text: map[stoa.Locale]content.Text{
			"en": {Title: title, Body: `<p>Tides</p><a href="/w/tides">x</a><a href="/no">y</a>`}}}
	}
	a := must[content.Article](t)(c.Create(ctx, st, draft("Tides")))
	b := must[content.Article](t)(c.Create(ctx, st, draft("Tides")))
	a = must[content.Article](t)(c.Publish(ctx, a.ID, a.Version, time.Time{}))
	d := draft("Tides and moons")
	d.Slug = "tides-and-moons"
	a = must[content.Article](t)(c.Save(ctx, a.ID, d, a.Version))
	a = must[content.Article](t)(c.SetExpiry(ctx, a.ID, a.Version, time.Now().Add(time.Hour)))
	a = must[content.Article](t)(c.Publish(ctx, a.ID, a.Version, time.Now().Add(time.Minute)))
	_, _ = c.Versions(ctx, a.ID)
	_, _ = c.Version(ctx, a.ID, 1)
	_, _ = c.Compare(ctx, a.ID, 1, 2, "en")
	a = must[content.Article](t)(c.Restore(ctx, a.ID, 1, a.Version))
	a = must[content.Article](t)(c.Unpublish(ctx, a.ID, a.Version))
	for _, do := range []string{content.BulkPublish, content.BulkUnpublish, content.BulkDelete} {
		u.must(c.Bulk(ctx, do, []stoa.ID{a.ID, b.ID}))
	}
	for _, f := range []content.Filter{{}, {Query: "harb"}, {Status: content.StatusPublished, Page: 3}, {Author: 77},
		{Category: 5}, {Tag: 5}, {Kind: content.KindPost, Year: 2016, Month: 3}, {Year: 2017}} {
		_, _ = c.List(ctx, st, f)
		_, _ = c.LiveList(ctx, st, f)
	}
	_, _ = c.LiveBySlug(ctx, st, "no-such")
	_, _ = c.TextOfPage(ctx, st.ID, "no-such")
	_, _ = c.NextDue(ctx)
	_, _ = c.Stock(ctx, st)
	_, _, _ = c.PreviewKey(ctx, b.ID)
	person := stoa.WithActor(ctx, stoa.Actor{User: 4711, Instance: st.Instance, Admin: true})
	_ = c.Autosave(person, st, content.Autosave{Tab: "tab", Site: st.ID, Locale: "en", Title: "x",
		Fields: map[string][]string{"title": {"x"}}})
	_, _ = c.Autosaves(person, st, 0)
	_, _ = c.Autosaved(person, "tab")
	_ = c.DropAutosave(person, "tab")
}

func (u *useCases) pages() {
	t, s, ctx, st := u.t, u.n.Pages, u.ctx, u.st
	create := func(slug string, parent stoa.ID) page.Page {
		return must[page.Page](t)(s.Create(ctx, st, page.NewPage{Slug: slug, Parent: parent, Publish: true, Position: 0,
			Title: map[stoa.Locale]string{"en": slug}}))
	}
	a := create("isles", 0)
	b := create("skye", a.ID)
	c := create("mull", 0)
	a.Slug = "islands"
	a = must[page.Page](t)(s.Update(ctx, a))
	c = must[page.Page](t)(s.Move(ctx, c.ID, a.ID, 0, c.Version))
	v := must[int64](t)(s.SaveDraft(ctx, a.ID, page.Layout{}, a.DraftVersion))
	v = must[int64](t)(s.DiscardDraft(ctx, a.ID, v))
	_, _ = s.RestoreVersion(ctx, a.ID, 1, v)
	a = must[page.Page](t)(s.Get(ctx, a.ID))
	a = must[page.Page](t)(s.Publish(ctx, a.ID, a.Version))
	u.must(s.SetPassword(ctx, a.ID, "a few quiet words", a.Version))
	_, _ = s.Unlock(ctx, a.ID, "a few quiet words")
	a = must[page.Page](t)(s.Get(ctx, a.ID))
	_, _ = s.Unpublish(ctx, a.ID, a.Version)
	_, _ = s.Versions(ctx, a.ID)
	_, _ = s.Ancestors(ctx, b)
	_, _ = s.First(ctx, st.ID)
	_, _ = s.Begun(ctx, st.ID)
	_, _ = s.Live(ctx, b.ID)
	_, _ = s.ByPath(ctx, st.ID, "/islands/skye")
	_, _, _ = s.Redirect(ctx, st.ID, "/isles/skye")
	_, _, _ = s.RedirectOfQuery(ctx, st.ID, "/", url.Values{"p": {"12"}})
	list, _ := s.Redirects(ctx, st.ID, 50)
	for _, r := range list[:min(1, len(list))] {
		_ = s.TrashRedirect(ctx, st.ID, r.ID)
	}
	_, _ = s.Showing(ctx, st.ID, 4711)
	_, _ = s.Barred(ctx, st.ID, access.Edit)
	_, _ = s.OfArticle(ctx, st.ID, 4711)
	m := must[page.Menu](t)(s.SaveMenu(ctx, page.Menu{Site: st.ID, Name: "Main"}))
	_, _ = s.MenuBySlug(ctx, st.ID, m.Slug)
	_, _ = s.Menus(ctx, st.ID)
	u.must(s.TrashMenu(ctx, m.ID, m.Version))
	both := []stoa.ID{b.ID, c.ID}
	u.must(s.UnpublishAll(ctx, both))
	u.must(s.PublishAll(ctx, both))
	u.must(s.MoveAll(ctx, both, 0))
	d := create("jura", a.ID)
	_, err := s.TrashAll(ctx, []stoa.ID{d.ID})
	u.must(err)
	b = must[page.Page](t)(s.Get(ctx, b.ID))
	_ = s.Trash(ctx, b.ID, b.Version)
	c = must[page.Page](t)(s.Get(ctx, c.ID))
	_ = s.Delete(ctx, c.ID, c.Version)
}

func (u *useCases) files() {
	t, s, ctx, st := u.t, u.n.Files, u.ctx, u.st
	folder := must[document.Folder](t)(s.SaveFolder(ctx, st, document.Folder{Name: "Maps"}))
	inner := must[document.Folder](t)(s.SaveFolder(ctx, st, document.Folder{Name: "Old", Parent: folder.ID}))
	file := func(name string) document.File {
		return must[document.File](t)(s.Upload(ctx, st, document.Upload{Name: name, Body: strings.NewReader(name)}))
	}
	a, b := file("a.txt"), file("b.txt")
	a = must[document.File](t)(s.Move(ctx, a.ID, folder.ID, true, a.Version))
	a.Name = "c.txt"
	a = must[document.File](t)(s.Update(ctx, a))
	_, _ = s.ByKey(ctx, a.Key)
	_, _ = s.Folders(ctx, st)
	_ = s.DeleteFolder(ctx, st, inner.ID)
	for _, f := range []document.Filter{{}, {Query: "har"}, {Media: "image"}, {Folder: folder.ID},
		{After: a.ID, Limit: 200}} {
		_, _ = s.List(ctx, st, f)
	}
	_ = s.Trash(ctx, a.ID)
	_ = s.Delete(ctx, b.ID)
	_, _ = s.Sweep(ctx, time.Now().Add(48*time.Hour))
}

func (u *useCases) people() {
	t, s, ctx, st := u.t, u.n.Users, u.ctx, u.st
	person := func(name string) user.User {
		return must[user.User](t)(s.Create(ctx, user.User{Instance: st.Instance, ScreenName: name, FirstName: name,
			Email: name + "@walk.test"}, testSecret))
	}
	a, b := person("walker"), person("runner")
	group := must[user.Group](t)(s.CreateGroup(ctx, user.Group{Instance: st.Instance, Name: "Walkers"}))
	u.must(s.AddMembers(ctx, group.ID, a.ID, b.ID))
	_, _ = s.Members(ctx, group.ID, "", 50)
	_, _ = s.Groups(ctx, st.Instance)
	u.must(s.RemoveMembers(ctx, group.ID, b.ID))
	a = must[user.User](t)(s.Get(ctx, a.ID))
	a.FirstName = "W"
	a = must[user.User](t)(s.Update(ctx, a))
	for _, f := range []user.Filter{{}, {Query: "wal"}, {Login: "walker@walk.test"}, {Role: access.RoleAdministrator},
		{Status: user.StatusLocked}, {After: "generated-5.3", Limit: 200}} {
		_, _ = s.List(ctx, st.Instance, f)
	}
	_, _ = s.ByLogin(ctx, st.Instance, "walker")
	_ = s.AdminSetPassword(ctx, a.ID, testSecret+" more")
	_ = s.RequestReset(ctx, st.Instance, a.Email, "http://localhost")
	_, _ = s.NewSetupToken(ctx, a.ID)
	_ = s.ResetFactors(ctx, a.ID)
	_, _ = s.Sessions(ctx, a.ID)
	_, _, _ = s.Authenticate(ctx, "no such token, but as long as one")
	_, _ = s.Operators(ctx)
	_ = s.CheckReset(ctx, "no such token")
	ids := must[map[string]stoa.ID](t)(u.n.Access.RoleIDs(ctx, st.Instance))
	_ = s.ChangeRoles(ctx, a.ID, []stoa.ID{ids[access.RoleAdministrator]}, nil)
	_ = s.ChangeRoles(ctx, a.ID, nil, []stoa.ID{ids[access.RoleAdministrator]})
	role := must[access.Role](t)(u.n.Access.CreateRole(ctx, access.Role{Instance: st.Instance, Name: "Walkers"}))
	_, _ = u.n.Access.UpdateRole(ctx, role)
	_ = u.n.Access.TrashRole(ctx, role.ID)
	_ = s.Delete(ctx, b.ID)
	group = must[user.Group](t)(s.Group(ctx, group.ID))
	_, _ = s.UpdateGroup(ctx, group)
	other := must[user.Group](t)(s.CreateGroup(ctx, user.Group{Instance: st.Instance, Name: "Runners"}))
	_ = s.TrashGroup(ctx, other.ID)
}

func (u *useCases) words() {
	s, ctx, st := u.n.Taxonomy, u.ctx, u.st
	c := must[taxonomy.Category](u.t)(s.AddCategory(ctx, st.Instance, taxonomy.Category{Site: st.ID, Name: "Seas"}))
	_, _ = s.AddTag(ctx, st.Instance, st.ID, "Ebb")
	_, _, _ = s.Tree(ctx, st.ID)
	_, _ = s.Search(ctx, st.ID, "se", "", 50)
	_, _ = s.Search(ctx, st.ID, "", "Seas", 50)
	_, _ = s.SearchTags(ctx, st.ID, "eb", "", 50)
	_, _ = s.SearchTags(ctx, st.ID, "", "a", 50)
	_, _ = s.CategoryBySlug(ctx, st.ID, "seas")
	_, _ = s.TagBySlug(ctx, st.ID, "ebb")
	_, _ = s.CategoryNamed(ctx, st.ID, "Seas")
	_, _ = s.CategoryChosen(ctx, st.ID, "seas")
	_, _ = s.TagChosen(ctx, st.ID, "tides")
	_, _ = s.CategoriesByID(ctx, st.ID, []stoa.ID{c.ID})
	_ = s.TrashCategory(ctx, st.Instance, st.ID, c.ID)
}

func (u *useCases) assets() {
	s, ctx, st := u.n.Assets, u.ctx, u.st
	for _, f := range []asset.Filter{{}, {Words: "har"}, {Words: "harbour mar"}, {Owner: 4711},
		{Kinds: []string{"article"}},
		{Category: 5}, {Tag: 5}, {Status: []asset.Status{asset.Draft}}, {Form: "post"}} {
		for _, sort := range []asset.Sort{asset.ByModified, asset.ByCreated, asset.ByTitle} {
			f.Sort, f.Limit, f.After = sort, 5, ""
			l, err := s.List(ctx, st, f)
			u.must(err)
			f.After = l.Next
			_, err = s.List(ctx, st, f)
			u.must(err)
			_, _, _ = s.Count(ctx, st, f)
		}
	}
	for _, ty := range s.Types() {
		for range 3 {
			_, err := s.Compare(ctx, ty.Kind, nil)
			u.must(err)
		}
	}
	_, _ = s.Broken(ctx, st, "")
	l := must[asset.List](u.t)(s.List(ctx, st, asset.Filter{Kinds: []string{"article"}}))
	_, _ = s.Uses(ctx, "article", l.Items[0].ID)
	bin := must[asset.TrashList](u.t)(s.Trash(ctx, st, "", 2))
	_, _ = s.Trash(ctx, st, bin.Next, 2)
	_, _ = s.Gone(ctx, st.ID, "/w/tides")
	for i, e := range bin.Items[:min(2, len(bin.Items))] {
		ref := []asset.Ref{{Kind: e.Kind, ID: e.ID}}
		if i == 0 {
			_, _ = s.Restore(ctx, ref)
		} else {
			_ = s.Purge(ctx, ref)
		}
	}
	_, _ = s.PurgeOld(ctx, 1000*time.Hour, nil)
}

func (u *useCases) logs() {
	l, ctx := u.n.Audit, u.ctx
	u.must(l.Flush(ctx))
	for _, f := range []audit.Filter{{}, {Who: "ann"}, {Who: "4711"}, {What: "tide"}, {What: "4711"}, {From: "127."},
		{Outcome: "done"}, {Instance: u.st.Instance}, {Since: time.Now().Add(-time.Hour)}} {
		f.Limit = 5
		p, err := l.List(ctx, f)
		u.must(err)
		f.After = p.Next
		_, _ = l.List(ctx, f)
	}
	_, _ = l.Prune(ctx, 1000*time.Hour, nil)
	_, _ = u.n.Losses(ctx)
	_, _ = u.n.EventsText(ctx, 10)
	_, _ = u.n.ClusterText(ctx)
	_, _ = u.n.Follow.Statuses(ctx)
}

// jobs lets each job run once.
func (u *useCases) jobs() {
	o := must[job.Overview](u.t)(u.n.Jobs.Overview(u.ctx))
	for _, j := range o.Jobs {
		_ = u.n.Jobs.RunNow(u.ctx, j.Name)
	}
	for _, j := range o.Jobs {
		if j.Kind == job.Once {
			eventually(u.t, j.Name+" has run", func() bool {
				runs, err := u.n.Jobs.Runs(u.ctx, j.Name, 5)
				return err == nil && len(runs) > 0
			})
		}
	}
}
