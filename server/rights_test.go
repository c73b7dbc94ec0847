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
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/server/servertest"
	"github.com/stoa-portal/stoa/user"
)

// actor is a person of the site's instance who holds one role that is granted a on the resources of p.
func actor(t *testing.T, n *servertest.Node, name string, a access.Action, p access.Path) context.Context {
	t.Helper()
	st := n.Site(t)
	r, err := n.Access.CreateRole(servertest.System(), access.Role{Instance: st.Instance, Name: name})
	ok(t, err)
	ok(t, n.Access.SetGrants(servertest.System(), p, []access.Grant{{Role: r.ID, Action: a}}))
	return person(t, n, name, r.ID)
}

// person is one who is signed in and holds the role besides those that all have.
func person(t *testing.T, n *servertest.Node, name string, role stoa.ID) context.Context {
	t.Helper()
	st := n.Site(t)
	ids, err := n.Access.RoleIDs(servertest.System(), st.Instance)
	ok(t, err)
	roles := []stoa.ID{role, ids[access.RoleUser], ids[access.RoleGuest]}
	slices.Sort(roles)
	return stoa.WithActor(t.Context(), stoa.Actor{User: 900, Name: name, Instance: st.Instance, Roles: roles})
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func refused(t *testing.T, what string, err error, k stoa.Kind) {
	t.Helper()
	if !stoa.Is(err, k) {
		t.Errorf("%s: %v, want an error of the kind %s", what, err, k)
	}
}

// textPage makes a published page whose text is an article of kind page.
func textPage(t *testing.T, n *servertest.Node, slug string, p page.NewPage) (page.Page, content.Article) {
	t.Helper()
	sys, st := servertest.System(), n.Site(t)
	a, err := n.Content.Create(sys, st, content.Draft{Slug: slug, Kind: content.KindPage,
		Text: map[stoa.Locale]content.Text{st.Locale: {Title: "Text of " + slug, Body: "<p>Words of " + slug + "</p>"}}})
	ok(t, err)
	a, err = n.Content.Publish(sys, a.ID, a.Version, time.Time{})
	ok(t, err)
	p.Slug, p.Title, p.Position = slug, map[stoa.Locale]string{st.Locale: "Page " + slug}, -1
	p.Type, p.Target, p.Publish = page.TypeArticle, a.ID.String(), true
	made, err := n.Pages.Create(sys, st, p)
	ok(t, err)
	n.Poll(t)
	return made, a
}

func TestArticle_TextOfAPageIsReachedThroughItsPageOnly(t *testing.T) {
	t.Parallel()
	nodes := servertest.Start(t, 2)
	a, b := nodes[0], nodes[1]
	sys, st := servertest.System(), a.Site(t)
	guest := b.Guest(t)
	open, text := textPage(t, a, "open", page.NewPage{})
	_, locked := textPage(t, a, "locked", page.NewPage{Password: "sesame"})
	_, shut := textPage(t, a, "shut", page.NewPage{Restricted: true})
	b.Poll(t)

	if got := guest.Get(t, "/open"); got.Status != http.StatusOK || !strings.Contains(got.Body, "Words of open") {
		t.Fatalf("the page itself: %d\n%.300s", got.Status, got.Body)
	}
	for _, path := range []string{"/w/open", "/w/open/", "/w/locked"} {
		to := "/" + strings.Trim(strings.TrimPrefix(path, "/w/"), "/")
		if got := guest.Get(t, path); got.Status != http.StatusMovedPermanently || got.Header.Get("Location") != to {
			t.Errorf("%s: %d to %q, want 301 to %s", path, got.Status, got.Header.Get("Location"), to)
		}
	}
	if got := guest.Get(t, "/w/shut"); got.Status != http.StatusNotFound || strings.Contains(got.Body, "Words of shut") {
		t.Errorf("the text of a page for few: %d", got.Status)
	}
	if got := guest.Get(t, "/locked"); strings.Contains(got.Body, "Words of locked") ||
		strings.Contains(got.Body, "Text of locked") {
		t.Errorf("a page with a password tells its text: %d\n%s", got.Status, got.Body)
	}
	// No list, feed, map or widget has it either.
	layout := page.Single(page.Placed{Widget: "web-content", Settings: map[string]string{"article": shut.ID.String()}},
		page.Placed{Widget: "web-content", Settings: map[string]string{"article": locked.ID.String()}},
		page.Placed{Widget: "content-list", Settings: map[string]string{"kind": "page"}},
		page.Placed{Widget: "content-list", Settings: map[string]string{"kind": "all"}})
	_, err := a.Pages.Create(
		sys,
		st,
		page.NewPage{
			Slug:     "widgets",
			Title:    map[stoa.Locale]string{st.Locale: "W"},
			Position: -1,
			Publish:  true,
			Layout:   layout,
		},
	)
	ok(t, err)
	b.Poll(t)
	for _, path := range []string{"/widgets", "/sitemap.xml", "/feed.atom", "/"} {
		got := guest.Get(t, path)
		for _, word := range []string{"Words of shut", "Text of shut", "Words of locked", "Text of locked", "/w/open", "/w/locked", "/w/shut"} {
			if strings.Contains(got.Body, word) {
				t.Errorf("%s tells %q", path, word)
			}
		}
	}
	// The state of the page is the state of the text, on every node at once.
	open, err = a.Pages.Unpublish(sys, open.ID, open.Version)
	ok(t, err)
	b.Poll(t)
	for _, path := range []string{"/open", "/w/open"} {
		if got := guest.Get(t, path); got.Status != http.StatusNotFound || strings.Contains(got.Body, "Words of open") {
			t.Errorf("%s of a page that is not published: %d", path, got.Status)
		}
	}
	_, err = b.Content.Unlock(guestOf(t, b), text.ID, "x")
	refused(t, "try a password of the text of a page that is not published", err, stoa.KindUnauthorized)
}

func guestOf(t *testing.T, n *servertest.Node) context.Context {
	t.Helper()
	g, err := n.Access.GuestActor(servertest.System(), n.Site(t).Instance)
	ok(t, err)
	return stoa.WithActor(t.Context(), g)
}

func TestArticle_EditorsOfTheSiteDoNotReachTheTextOfAPageForFew(t *testing.T) {
	t.Parallel()
	nodes := servertest.Start(t, 2)
	a, b := nodes[0], nodes[1]
	st := a.Site(t)
	shutPage, shut := textPage(t, a, "shut", page.NewPage{Restricted: true})
	_, open := textPage(t, a, "open", page.NewPage{})
	editor := actor(t, a, "Site editor", access.Publish, st.Path())
	path, err := a.Pages.Path(servertest.System(), shutPage)
	ok(t, err)
	own := actor(t, a, "Page editor", access.Publish, path)
	b.Poll(t)
	for what, err := range map[string]error{
		"get":      second(b.Content.Get(editor, shut.ID)),
		"versions": second(b.Content.Versions(editor, shut.ID)),
		"save": second(b.Content.Save(editor, shut.ID, content.Draft{
			Text: map[stoa.Locale]content.Text{st.Locale: {Title: "mine"}}}, shut.Version)),
		"withdraw": second(b.Content.Unpublish(editor, shut.ID, shut.Version)),
		"delete":   b.Content.Delete(editor, shut.ID),
		"show": second(b.Pages.Create(editor, st, page.NewPage{Slug: "thief", Position: -1, Publish: true, Type: page.TypeArticle,
			Title: map[stoa.Locale]string{st.Locale: "T"}, Target: shut.ID.String()})),
	} {
		if err == nil {
			t.Errorf("an editor of the site may %s the text of a page that is not open to him", what)
		}
	}
	list, err := b.Content.List(editor, st, content.Filter{Kind: content.KindPage})
	ok(t, err)
	if len(list.Items) != 1 || list.Items[0].ID != open.ID || list.Total != 1 {
		t.Errorf("the list of an editor has %d of %d texts of pages, want the open one", len(list.Items), list.Total)
	}
	if _, err := b.Content.Get(own, shut.ID); err != nil {
		t.Errorf("an editor of the page itself: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestEditAlone_TouchesDraftsOnly(t *testing.T) {
	t.Parallel()
	nodes := servertest.Start(t, 2)
	a, b := nodes[0], nodes[1]
	sys, st := servertest.System(), a.Site(t)
	author := actor(t, a, "Author", access.Edit, st.Path())
	password := "sesame"
	live, err := a.Content.Create(sys, st, content.Draft{Slug: "live", Kind: content.KindPost, Password: &password,
		Text: map[stoa.Locale]content.Text{st.Locale: {Title: "Live", Body: "<p>one</p>"}}})
	ok(t, err)
	live, err = a.Content.Publish(sys, live.ID, live.Version, time.Time{})
	ok(t, err)
	p, err := a.Pages.Create(
		sys,
		st,
		page.NewPage{
			Slug:     "p",
			Title:    map[stoa.Locale]string{st.Locale: "P"},
			Position: -1,
			Publish:  true,
			Password: password,
		},
	)
	ok(t, err)
	b.Poll(t)

	text := map[stoa.Locale]content.Text{st.Locale: {Title: "New words", Body: "<p>two</p>"}}
	none := ""
	for what, d := range map[string]content.Draft{
		"password": {Text: text, Password: &none}, "slug": {Text: text, Slug: "other"}, "kind": {Text: text, Kind: content.KindArticle},
		"author": {Text: text, AuthorName: "Someone"}, "sticky": {Text: text, Sticky: true}, "date": {Text: text, Published: time.Unix(1, 0)},
	} {
		refused(
			t,
			"change the "+what+" of what is live",
			second(b.Content.Save(author, live.ID, d, live.Version)),
			stoa.KindForbidden,
		)
	}
	live, err = b.Content.Save(author, live.ID, content.Draft{Text: text}, live.Version)
	ok(t, err)
	if live.Live != 1 || live.Number != 2 {
		t.Errorf("the text of an author is version %d, live %d", live.Number, live.Live)
	}
	retitled := p
	retitled.Title = map[stoa.Locale]string{st.Locale: "Other"}
	moved, hidden := p, p
	moved.Slug, hidden.Hidden = "q", true
	for what, err := range map[string]error{
		"title": second(b.Pages.Update(author, retitled)), "slug": second(b.Pages.Update(author, moved)), "hide": second(b.Pages.Update(author, hidden)),
		"password": b.Pages.SetPassword(author, p.ID, "", p.Version), "withdraw": second(b.Pages.Unpublish(author, p.ID, p.Version)),
		"move": second(b.Pages.Move(author, p.ID, 0, 0, p.Version)),
		"menu": second(b.Pages.SaveMenu(author, page.Menu{Site: st.ID, Name: "Main"})),
	} {
		refused(t, what+" of a live page", err, stoa.KindForbidden)
	}
	if _, err := b.Pages.Update(author, p); err != nil {
		t.Errorf("saving a page as it is: %v", err)
	}
	draft, err := b.Pages.SaveDraft(
		author,
		p.ID,
		page.Single(page.Placed{Widget: "html", Settings: map[string]string{"html": "x"}}),
		p.DraftVersion,
	)
	if err != nil || draft != p.DraftVersion+1 {
		t.Errorf("a draft of the layout: %d, %v", draft, err)
	}
	d, err := b.Pages.Create(
		author,
		st,
		page.NewPage{Slug: "d", Title: map[stoa.Locale]string{st.Locale: "D"}, Position: -1},
	)
	ok(t, err)
	d.Slug, d.Title = "e", map[stoa.Locale]string{st.Locale: "E"}
	if _, err = b.Pages.Update(author, d); err != nil {
		t.Errorf("an unpublished page is theirs: %v", err)
	}
}

func TestMove_OutFromUnderARestrictedPageNeedsManage(t *testing.T) {
	t.Parallel()
	nodes := servertest.Start(t, 2)
	a, b := nodes[0], nodes[1]
	sys, st := servertest.System(), a.Site(t)
	title := map[stoa.Locale]string{st.Locale: "T"}
	shut, err := a.Pages.Create(
		sys,
		st,
		page.NewPage{Slug: "shut", Title: title, Position: -1, Publish: true, Restricted: true},
	)
	ok(t, err)
	below, err := a.Pages.Create(
		sys,
		st,
		page.NewPage{Parent: shut.ID, Slug: "below", Title: title, Position: -1, Publish: true},
	)
	ok(t, err)
	draft, err := a.Pages.Create(sys, st, page.NewPage{Parent: shut.ID, Slug: "draft", Title: title, Position: -1})
	ok(t, err)
	path, err := a.Pages.Path(sys, shut)
	ok(t, err)
	both := func(name string, action access.Action) context.Context {
		r, err := a.Access.CreateRole(sys, access.Role{Instance: st.Instance, Name: name})
		ok(t, err)
		for _, p := range []access.Path{path, st.Path()} {
			have, err := a.Access.Grants(sys, p[0])
			ok(t, err)
			ok(t, a.Access.SetGrants(sys, p, append(have, access.Grant{Role: r.ID, Action: action})))
		}
		return person(t, a, name, r.ID)
	}
	editor, publisher, manager := both("E", access.Edit), both("P", access.Publish), both("M", access.Manage)
	b.Poll(t)
	refused(
		t,
		"an author moves what is live",
		second(b.Pages.Move(editor, below.ID, 0, -1, below.Version)),
		stoa.KindForbidden,
	)
	refused(
		t,
		"an author moves a draft out",
		second(b.Pages.Move(editor, draft.ID, 0, -1, draft.Version)),
		stoa.KindForbidden,
	)
	refused(
		t,
		"a publisher moves it out",
		second(b.Pages.Move(publisher, below.ID, 0, -1, below.Version)),
		stoa.KindForbidden,
	)
	if got := b.Guest(t).Get(t, "/below"); got.Status == http.StatusOK {
		t.Error("guests see what was not moved")
	}
	now, err := b.Pages.Move(publisher, below.ID, shut.ID, 1, below.Version)
	ok(t, err)
	if _, err := b.Pages.Move(manager, below.ID, 0, -1, now.Version); err != nil {
		t.Errorf("who manages it may move it out: %v", err)
	}
}

// What is below a page or in a folder that a person may not see stays there when that person saves its form.
func TestForms_OfferThePlaceThatAThingHas(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	sys, st := servertest.System(), n.Site(t)
	role, err := n.Access.CreateRole(sys, access.Role{Instance: st.Instance, Name: "Team"})
	ok(t, err)
	grant := func(p access.Path, a access.Action) {
		t.Helper()
		ok(t, n.Access.ChangeGrants(sys, p, access.Change{Role: role.ID, To: a}))
	}
	grant(st.Path(), access.Edit)
	ann, err := n.Users.Create(sys, user.User{Instance: st.Instance, ScreenName: "ann", Email: "ann@people.test",
		FirstName: "Ann", Roles: []stoa.ID{role.ID}}, testSecret)
	ok(t, err)

	shut, _ := textPage(t, n, "shut", page.NewPage{Restricted: true})
	below, err := n.Pages.Create(sys, st, page.NewPage{Slug: "below", Parent: shut.ID, Position: -1, Publish: true,
		Title: map[stoa.Locale]string{st.Locale: "Below"}})
	ok(t, err)
	path, err := n.Pages.Path(sys, below)
	ok(t, err)
	grant(path, access.Publish)
	outer, err := n.Files.SaveFolder(sys, st, document.Folder{Name: "Board", Restricted: true})
	ok(t, err)
	inner, err := n.Files.SaveFolder(sys, st, document.Folder{Name: "Minutes", Parent: outer.ID})
	ok(t, err)
	path, err = n.Files.FolderPath(sys, st, inner.ID)
	ok(t, err)
	grant(path, access.Edit)
	file, err := n.Files.Upload(sys, st, document.Upload{Name: "x.txt", Body: strings.NewReader("x"), Folder: outer.ID})
	ok(t, err)
	path, err = n.Files.Path(sys, file)
	ok(t, err)
	grant(path, access.Edit)
	n.Poll(t)

	n = n.Guest(t)
	in := n.Post(t, "/sign-in", url.Values{"login": {ann.Email}, "password": {testSecret}, "next": {"/x"}})
	if in.Status != http.StatusSeeOther {
		t.Fatalf("sign in: %d", in.Status)
	}
	option := func(id stoa.ID, label string) string {
		return `<option value="` + id.String() + `" selected>` + label + id.String()
	}
	for at, option := range map[string]string{
		"/control/pages/" + below.ID.String():   option(shut.ID, "Page "),
		"/control/folders/" + inner.ID.String(): option(outer.ID, "#"),
		"/control/files/" + file.ID.String():    option(outer.ID, "#"),
	} {
		got := n.Get(t, at)
		mustSee(t, got, http.StatusOK, option)
		mustNotSee(t, got, "Page shut", "Board")
	}
}
