package server_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"io"
	"maps"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/server/servertest"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/taxonomy"
	"github.com/stoa-portal/stoa/user"
)

// shop is a site with one of everything that visitors see, and what the writes of the test have made so far.
type shop struct {
	t       *testing.T
	a, b    *servertest.Node
	ctx     context.Context
	st      site.Site
	roles   map[string]stoa.ID
	one     stoa.ID // a published article
	two     stoa.ID // another one, once it is made
	about   stoa.ID // a published page
	team    stoa.ID // one below it
	menu    page.Menu
	folder  document.Folder
	file    document.File
	news    taxonomy.Category
	fileURL string
	person  user.User
	ann     *http.Client // of the person, signed in
	role    access.Role
	group   user.Group
}

func newShop(t *testing.T, nodes []*servertest.Node) *shop {
	s := &shop{t: t, a: nodes[0], b: nodes[len(nodes)-1], ctx: servertest.System()}
	a := s.a
	eventually(t, "the node knows the other", func() bool { return live(a) == len(nodes) })
	s.st = a.Site(t)
	var err error
	s.roles, err = a.Access.RoleIDs(s.ctx, s.st.Instance)
	ok(t, err)
	s.news, err = a.Taxonomy.AddCategory(s.ctx, s.st.Instance,
		taxonomy.Category{Site: s.st.ID, Name: "News", Slug: "news"})
	ok(t, err)
	var picture bytes.Buffer
	ok(t, png.Encode(&picture, image.NewGray(image.Rect(0, 0, 40, 20))))
	s.file, err = a.Files.Upload(s.ctx, s.st, document.Upload{Name: "ship.png", Body: bytes.NewReader(picture.Bytes())})
	ok(t, err)
	s.one = s.article("one", func(d *content.Draft) { d.Categories, d.Image = []stoa.ID{s.news.ID}, s.file.Key })
	s.publish(s.one)
	s.fileURL = document.URL(s.st.Slug, s.file)
	const password = "a long enough phrase"
	s.person, err = a.Users.Create(s.ctx,
		user.User{Instance: s.st.Instance, ScreenName: "ann", Email: "ann@example.com"}, password)
	ok(t, err)
	s.ann = servertest.NewClient(t)
	got := a.As(s.ann).Post(t, "/sign-in", url.Values{"login": {"ann"}, "password": {password}})
	if got.Status != http.StatusSeeOther {
		t.Fatalf("sign in: %d", got.Status)
	}
	s.about = s.page("about", 0)
	s.team = s.page("team", s.about)
	return s
}

func (s *shop) article(slug string, change func(d *content.Draft)) stoa.ID {
	s.t.Helper()
	d := content.Draft{Slug: slug, Kind: "post", Text: map[stoa.Locale]content.Text{
		s.st.Locale: {Title: "Title of " + slug, Body: "<p>Words of " + slug + "</p>"}}}
	change(&d)
	a, err := s.a.Content.Create(s.ctx, s.st, d)
	ok(s.t, err)
	return a.ID
}

func (s *shop) publish(id stoa.ID) {
	s.t.Helper()
	_, err := s.a.Content.Publish(s.ctx, id, s.get(id).Version, time.Now().Add(-time.Second))
	ok(s.t, err)
}

func (s *shop) get(id stoa.ID) content.Article {
	s.t.Helper()
	a, err := s.a.Content.Get(s.ctx, id)
	ok(s.t, err)
	return a
}

// save saves an article with what it has, changed.
func (s *shop) save(id stoa.ID, change func(d *content.Draft)) error {
	a := s.get(id)
	d := content.Draft{Slug: a.Slug, Kind: a.Kind, Text: a.Text, Image: a.Image, Published: a.Published, Sticky: a.Sticky,
		Categories: a.Categories, Tags: a.Tags}
	change(&d)
	_, err := s.a.Content.Save(s.ctx, id, d, a.Version)
	return err
}

func (s *shop) page(slug string, parent stoa.ID) stoa.ID {
	s.t.Helper()
	p, err := s.a.Pages.Create(s.ctx, s.st, page.NewPage{Slug: slug, Parent: parent, Title: map[stoa.Locale]string{
		s.st.Locale: "Page " + slug}, Layout: words("Words of " + slug)})
	ok(s.t, err)
	_, err = s.a.Pages.Publish(s.ctx, p.ID, p.Version)
	ok(s.t, err)
	return p.ID
}

func words(html string) page.Layout {
	return page.Layout{Sections: []page.Section{{ID: "s", Columns: []page.Column{{Width: 12, Widgets: []page.Placed{
		{ID: "w", Widget: "html", Settings: map[string]string{"html": "<p>" + html + "</p>"}},
		{ID: "l", Widget: "content-list", Settings: map[string]string{"kind": "post", "count": "5", "style": "list"}},
	}}}}}}
}

func (s *shop) live(id stoa.ID) page.Page {
	s.t.Helper()
	p, err := s.a.Pages.Get(s.ctx, id)
	ok(s.t, err)
	return p
}

func (s *shop) update(id stoa.ID, change func(p *page.Page)) error {
	p := s.live(id)
	change(&p)
	_, err := s.a.Pages.Update(s.ctx, p)
	return err
}

func (s *shop) settings(change func(st *site.Site)) error {
	st, err := s.a.Sites.Site(s.ctx, s.st.ID)
	ok(s.t, err)
	change(&st)
	_, err = s.a.Sites.UpdateSite(s.ctx, st)
	return err
}

func (s *shop) grants(path access.Path, guests access.Action) error {
	var list []access.Grant
	if guests != 0 {
		list = append(list, access.Grant{Role: s.roles[access.RoleGuest], Action: guests})
	}
	return s.a.Access.SetGrants(s.ctx, path, list)
}

// before writes as a binary from before kinds of change for drafts does: it calls each change of an article one.
func (s *shop) before(id stoa.ID, set string) error {
	return s.a.DB.Write(s.ctx, func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE content_article SET "+set+", version = version + 1 WHERE id = ?", id)
		tx.Changed("article", id, s.st.ID, 0)
		return err
	})
}

// see asks node B, as a guest, for every address, by a host name of the portal and by another.
func (s *shop) see() map[string]string {
	s.t.Helper()
	out := map[string]string{}
	for _, path := range []string{"/", "/about", "/about/team", "/team", "/w/one", "/w/two", "/w/uno", "/w/elsewhere",
		"/categories/news", "/categories/later", "/tags/red", "/feed.atom", "/sitemap.xml", "/sitemap-1.xml",
		"/sitemap-pages-1.xml", "/nowhere", "/about/nowhere", "/web/second/", "/second", "/de/about", page.AllPages,
		"/old", s.fileURL} {
		for _, host := range []string{"", "other.example"} {
			if host != "" && path != "/" && path != "/nowhere" {
				continue
			}
			got := getAt(s.t, s.b, host, path)
			out[host+path] = fmt.Sprintf("%d %s\n%s", got.Status, got.Header.Get("Location"), got.Body)
		}
	}
	return out
}

// seeAs is see for a person who is signed in; what the pages say of their sessions differs by itself.
func (s *shop) seeAs() map[string]string {
	s.t.Helper()
	out := map[string]string{}
	for _, path := range []string{"/account", "/control/", "/control/users", "/about", "/about/team", "/w/one",
		s.fileURL} {
		got := s.b.As(s.ann).Get(s.t, path)
		out["for Ann "+path] = fmt.Sprintf("%d %s", got.Status, got.Header.Get("Location"))
	}
	return out
}

// getAt asks the node as a guest by a host name; empty is its own.
func getAt(t *testing.T, n *servertest.Node, host, path string) servertest.Answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.URL+path, nil)
	ok(t, err)
	if host != "" {
		req.Host = host
	}
	res, err := n.Client.Do(req) // it is not signed in
	ok(t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	ok(t, err)
	return servertest.Answer{Status: res.StatusCode, Header: res.Header, Body: string(raw)}
}

// write is a kind of write, and whether it takes something away.
type write struct {
	name  string
	takes bool
	do    func() error
}

// writes are all kinds of write that visitors see something of, in an order in which each finds what it needs.
func (s *shop) writes() []write {
	t, a, ctx := s.t, s.a, s.ctx
	instance := access.InstancePath(s.st.Instance)
	return []write{
		{"nothing", false, func() error { return nil }},
		{"make an article", false, func() error {
			s.two = s.article("two", func(*content.Draft) {})
			return nil
		}},
		{"publish it", false, func() error { s.publish(s.two); return nil }},
		{"save a draft of it", false, func() error {
			return s.save(s.two, func(d *content.Draft) {
				d.Text = map[stoa.Locale]content.Text{s.st.Locale: {Title: "New", Body: "New"}}
			})
		}},
		{"publish the draft", false, func() error { s.publish(s.two); return nil }},
		{"give it a tag", false, func() error {
			tag, err := a.Taxonomy.AddTag(ctx, s.st.Instance, s.st.ID, "Red")
			ok(t, err)
			return s.save(s.two, func(d *content.Draft) { d.Tags = []stoa.ID{tag} })
		}},
		{"make a category", false, func() error {
			_, err := a.Taxonomy.AddCategory(ctx, s.st.Instance, taxonomy.Category{Site: s.st.ID, Name: "Later", Slug: "later"})
			return err
		}},
		{"give it another address", false, func() error { return s.save(s.one, func(d *content.Draft) { d.Slug = "uno" }) }},
		{"let it stick", false, func() error { return s.save(s.one, func(d *content.Draft) { d.Sticky = true }) }},
		{"give it another date", false, func() error {
			return s.save(s.one, func(d *content.Draft) { d.Published = time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC) })
		}},
		{"save it as an import does", false, func() error {
			err := s.save(s.one, func(d *content.Draft) { d.Modified = time.Date(2021, 1, 2, 3, 4, 5, 0, time.UTC) })
			ok(t, err)
			s.publish(s.one)
			return nil
		}},
		{"save a draft of what was imported", false, func() error {
			return s.save(s.one, func(d *content.Draft) {
				d.Text = map[stoa.Locale]content.Text{s.st.Locale: {Title: "Draft", Body: "Draft"}}
			})
		}},
		{"ask for a password", true, func() error {
			word := "a password"
			return s.save(s.two, func(d *content.Draft) { d.Password = &word })
		}},
		{"ask for none", false, func() error {
			word := ""
			return s.save(s.two, func(d *content.Draft) { d.Password = &word })
		}},
		{"schedule", false, func() error {
			_, err := a.Content.Publish(ctx, s.two, s.get(s.two).Version, time.Now().Add(time.Hour))
			return err
		}},
		{"set an expiry", false, func() error {
			_, err := a.Content.SetExpiry(ctx, s.two, s.get(s.two).Version, time.Now().Add(2*time.Hour))
			return err
		}},
		{"publish what is due", false, func() error {
			return a.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
				return a.Content.PublishDueTx(ctx, tx, time.Now().Add(90*time.Minute))
			})
		}},
		{"expire what is over", false, func() error {
			return a.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
				return a.Content.PublishDueTx(ctx, tx, time.Now().Add(3*time.Hour))
			})
		}},
		{"set no expiry and publish again", false, func() error {
			_, err := a.Content.SetExpiry(ctx, s.two, s.get(s.two).Version, time.Time{})
			ok(t, err)
			s.publish(s.two)
			return nil
		}},
		{"withdraw", true, func() error {
			_, err := a.Content.Unpublish(ctx, s.two, s.get(s.two).Version)
			return err
		}},
		{"withdraw as a binary from before does", false, func() error { return s.before(s.one, "live = 0") }},
		{"publish as a binary from before does", false, func() error { return s.before(s.one, "live = number") }},
		{"another address, by a binary from before", false, func() error { return s.before(s.one, "slug = 'elsewhere'") }},
		{"delete a draft", false, func() error { return a.Content.Delete(ctx, s.two) }},
		{"give back its address", false, func() error { return s.save(s.one, func(d *content.Draft) { d.Slug = "one" }) }},
		{"give a category another name and address", false, func() error {
			c, err := a.Taxonomy.CategoryNamed(ctx, s.st.ID, "later")
			ok(t, err)
			c.Name, c.Slug = "Sooner", "sooner"
			_, err = a.Taxonomy.UpdateCategory(ctx, s.st.Instance, c)
			return err
		}},
		{"merge a category into another", false, func() error {
			c, err := a.Taxonomy.CategoryNamed(ctx, s.st.ID, "sooner")
			ok(t, err)
			return a.Taxonomy.MergeCategory(ctx, s.st.Instance, s.st.ID, c.ID, s.news.ID)
		}},
		{"give a tag another name", false, func() error {
			tag, err := a.Taxonomy.TagChosen(ctx, s.st.ID, "Red")
			ok(t, err)
			tag.Name, tag.Slug = "Crimson", "crimson"
			_, err = a.Taxonomy.UpdateTag(ctx, s.st.Instance, tag)
			return err
		}},
		{"delete a category", true, func() error {
			return a.Taxonomy.TrashCategory(ctx, s.st.Instance, s.st.ID, s.news.ID)
		}},

		{"save a draft of a page", false, func() error {
			_, err := a.Pages.SaveDraft(ctx, s.about, words("Other words"), s.live(s.about).DraftVersion)
			return err
		}},
		{"publish it", false, func() error {
			_, err := a.Pages.Publish(ctx, s.about, s.live(s.about).Version)
			return err
		}},
		{"give a page another title", false, func() error {
			return s.update(s.about, func(p *page.Page) { p.Title = map[stoa.Locale]string{s.st.Locale: "Who we are"} })
		}},
		{"give a page another address", false,
			func() error { return s.update(s.about, func(p *page.Page) { p.Slug = "we" }) }},
		{"give it back", false, func() error { return s.update(s.about, func(p *page.Page) { p.Slug = "about" }) }},
		{"hide a page in menus", false, func() error { return s.update(s.team, func(p *page.Page) { p.Hidden = true }) }},
		{"restrict a page", true, func() error { return s.update(s.about, func(p *page.Page) { p.Restricted = true }) }},
		{"let guests see it", false, func() error {
			path, err := a.Pages.Path(ctx, s.live(s.about))
			ok(t, err)
			return s.grants(path, access.View)
		}},
		{"restrict it no more", true, func() error { return s.update(s.about, func(p *page.Page) { p.Restricted = false }) }},
		{"move a page to the top", true, func() error {
			_, err := a.Pages.Move(ctx, s.team, 0, -1, s.live(s.team).Version)
			return err
		}},
		{"move it back", true, func() error {
			_, err := a.Pages.Move(ctx, s.team, s.about, -1, s.live(s.team).Version)
			return err
		}},
		{"ask for the password of a page", true, func() error {
			return a.Pages.SetPassword(ctx, s.about, "a password", s.live(s.about).Version)
		}},
		{"ask for none", false, func() error { return a.Pages.SetPassword(ctx, s.about, "", s.live(s.about).Version) }},
		{"withdraw a page", true, func() error {
			_, err := a.Pages.Unpublish(ctx, s.team, s.live(s.team).Version)
			return err
		}},
		{"publish it again", false, func() error {
			_, err := a.Pages.Publish(ctx, s.team, s.live(s.team).Version)
			return err
		}},
		{"make a page where there was nothing", false, func() error { s.page("nowhere", 0); return nil }},
		{"make a menu", false, func() error {
			m, err := a.Pages.SaveMenu(ctx, page.Menu{Site: s.st.ID, Slug: "main", Name: "Main",
				Items: []page.Item{{URL: "/about", Title: map[stoa.Locale]string{s.st.Locale: "In the menu"}}}})
			s.menu = m
			return err
		}},
		{"delete the menu", true, func() error { return a.Pages.TrashMenu(ctx, s.menu.ID, s.menu.Version) }},
		{"lead on from an old address", false, func() error {
			return a.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
				return a.Pages.AddRedirect(ctx, tx, s.st.ID, "/old", "/about")
			})
		}},
		{"lead on no more", true, func() error {
			list, err := a.Pages.Redirects(ctx, s.st.ID, 100)
			ok(t, err)
			for _, r := range list {
				ok(t, a.Pages.TrashRedirect(ctx, s.st.ID, r.ID))
			}
			return nil
		}},
		{"delete a page", true, func() error { return a.Pages.Delete(ctx, s.team, s.live(s.team).Version) }},

		{"make a folder", false, func() (err error) {
			s.folder, err = a.Files.SaveFolder(ctx, s.st, document.Folder{Name: "Board", Restricted: true})
			return err
		}},
		{"move a file into a folder for few", true, func() (err error) {
			s.file, err = a.Files.Move(ctx, s.file.ID, s.folder.ID, false, s.file.Version)
			return err
		}},
		{"open the folder", true, func() (err error) {
			s.folder.Restricted = false
			s.folder, err = a.Files.SaveFolder(ctx, s.st, s.folder)
			return err
		}},
		{"describe a file", false, func() (err error) {
			s.file.Alt = "A list"
			s.file, err = a.Files.Update(ctx, s.file)
			return err
		}},
		{"delete a file", true, func() error { return a.Files.Delete(ctx, s.file.ID) }},

		{"name the site", false, func() error { return s.settings(func(st *site.Site) { st.Name = "Another name" }) }},
		{"add a language", false, func() error {
			return s.settings(func(st *site.Site) { st.Locales = []stoa.Locale{st.Locale, "de"} })
		}},
		{"show posts at home", false, func() error { return s.settings(func(st *site.Site) { st.Home = site.HomePosts }) }},
		{"colour the site", false, func() error {
			st, err := a.Sites.Site(ctx, s.st.ID)
			ok(t, err)
			_, err = a.Sites.SetAppearance(ctx, st.ID, site.Appearance{Light: site.Colours{Accent: "#005f00"}}, st.Version)
			return err
		}},
		{"make another site", false, func() error {
			st, err := a.Sites.CreateSite(ctx, site.Site{Instance: s.st.Instance, Slug: "second", Name: "Second",
				Locale: s.st.Locale})
			ok(t, err)
			_, err = a.Pages.Create(ctx, st, page.NewPage{Slug: "home", Title: map[stoa.Locale]string{st.Locale: "Second"}})
			return err
		}},
		{"give a host name", false, func() error { return a.Sites.GiveHost(ctx, s.st.Instance, "other.example") }},
		{"give it to another site", true, func() error {
			second, err := a.Sites.BySlug(ctx, s.st.Instance, "second")
			ok(t, err)
			return a.Sites.SetHosts(ctx, second.ID, []string{"other.example"})
		}},
		{"take it from that site", true, func() error {
			second, err := a.Sites.BySlug(ctx, s.st.Instance, "second")
			ok(t, err)
			return a.Sites.SetHosts(ctx, second.ID, nil)
		}},
		{"give it again", false, func() error { return a.Sites.GiveHost(ctx, s.st.Instance, "other.example") }},
		{"take it from the instance", true, func() error { return a.Sites.TakeHost(ctx, s.st.Instance, "other.example") }},
		{"set the time zone", false, func() error {
			inst, err := a.Sites.Instance(ctx, s.st)
			ok(t, err)
			return a.Sites.SetTimeZone(ctx, inst, "Asia/Tokyo")
		}},
		{"make a role", false, func() (err error) {
			s.role, err = a.Access.CreateRole(ctx, access.Role{Instance: s.st.Instance, Name: "Helpers"})
			return err
		}},
		{"let the role edit the site", false, func() error {
			return a.Access.ChangeGrants(ctx, s.st.Path(), access.Change{Role: s.role.ID, To: access.Edit})
		}},
		{"give the role to a person", false, func() error {
			return a.Users.SetRoles(ctx, s.person.ID, []stoa.ID{s.role.ID})
		}},
		{"let the role view the site", true, func() error {
			return a.Access.ChangeGrants(ctx, s.st.Path(),
				access.Change{Role: s.role.ID, From: access.Edit, Version: 1, To: access.View})
		}},
		{"name the role", false, func() (err error) {
			s.role.Name = "Readers"
			s.role, err = a.Access.UpdateRole(ctx, s.role)
			return err
		}},
		{"take the role from the person", true, func() error { return a.Users.SetRoles(ctx, s.person.ID, nil) }},
		{"make a group of administrators", false, func() (err error) {
			s.group, err = a.Users.CreateGroup(ctx, user.Group{Instance: s.st.Instance, Name: "Few",
				Roles: []stoa.ID{s.roles[access.RoleAdministrator]}})
			return err
		}},
		{"put the person into it", false, func() error { return a.Users.AddMembers(ctx, s.group.ID, s.person.ID) }},
		{"take the role from the group", true, func() (err error) {
			s.group.Roles = nil
			s.group, err = a.Users.UpdateGroup(ctx, s.group)
			return err
		}},
		{"give it back", false, func() (err error) {
			s.group.Roles = []stoa.ID{s.roles[access.RoleAdministrator]}
			s.group, err = a.Users.UpdateGroup(ctx, s.group)
			return err
		}},
		{"take the person out", true, func() error { return a.Users.RemoveMembers(ctx, s.group.ID, s.person.ID) }},
		{"delete the group", true, func() error { return a.Users.TrashGroup(ctx, s.group.ID) }},
		{"delete the role", true, func() error { return a.Access.TrashRole(ctx, s.role.ID) }},
		{"name the person", false, func() error {
			u, err := a.Users.Get(ctx, s.person.ID)
			ok(t, err)
			u.FirstName = "Anna"
			_, err = a.Users.Update(ctx, u)
			return err
		}},
		{"end their sessions", true, func() error {
			list, err := a.Users.Sessions(ctx, s.person.ID)
			ok(t, err)
			for _, v := range list {
				ok(t, a.Users.EndSession(ctx, v.ID))
			}
			return nil
		}},
		{"delete the person", true, func() error { return a.Users.Delete(ctx, s.person.ID) }},
		{"take the site from guests", true, func() error { return s.grants(instance, 0) }},
		{"give it back to guests", false, func() error { return s.grants(instance, access.View) }},
	}
}

// After every kind of write, what another node shows from its caches is what it would make afresh; and what takes
// something away says so.
func TestCaches_ShowAfterEveryKindOfWriteWhatIsMadeAfresh(t *testing.T) {
	t.Parallel()
	s := newShop(t, servertest.Start(t, 2))
	for _, w := range s.writes() {
		t.Run(w.name, func(t *testing.T) {
			s.b.Poll(t)
			s.see() // everything is in the caches
			s.seeAs()
			before := s.a.Log.Status().TookAway
			ok(t, w.do())
			if took := s.a.Log.Status().TookAway > before; took != w.takes {
				t.Errorf("it says that it takes something away: %v, want %v", took, w.takes)
			}
			s.b.Poll(t)
			for range 150 { // what lies under what is asked for below
				if _, same := s.b.Cache.Verify(s.ctx); !same {
					t.Error("a value is kept that the database has otherwise")
				}
			}
			cached, hers := s.see(), s.seeAs()
			maps.Copy(cached, hers)
			s.b.Cache.DropAll("the test asks afresh")
			afresh := s.see()
			maps.Copy(afresh, s.seeAs())
			for at, fresh := range afresh {
				if cached[at] != fresh {
					t.Errorf("%s is kept as\n%s\nand afresh it is\n%s", at, cached[at], fresh)
				}
			}
		})
	}
}

// A database may ask for the repetition of any transaction when all of it but the COMMIT is done. Here it asks for
// each.
func TestWrite_OfEveryKindIsRepeatedWhenTheDatabaseAsks(t *testing.T) {
	t.Parallel()
	s := newShop(t, servertest.StartOn(t, dbtest.Postgres, 1))
	for _, q := range []string{
		"CREATE SEQUENCE asked",
		"CREATE FUNCTION ask() RETURNS trigger AS 'BEGIN IF nextval(''asked'') % 2 = 1 THEN RAISE EXCEPTION " +
			"''the test asks for a repetition'' USING ERRCODE = ''40001''; END IF; RETURN NULL; END' LANGUAGE plpgsql",
		"CREATE TRIGGER ask AFTER INSERT ON change_log FOR EACH ROW WHEN (NEW.part = 0) EXECUTE FUNCTION ask()",
	} {
		ok(t, s.a.DB.Write(s.ctx, func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, q)
			return err
		}))
	}
	for _, w := range s.writes() {
		if err := w.do(); err != nil {
			t.Errorf("%s: %v", w.name, err)
		}
	}
}
