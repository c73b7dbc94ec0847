package page

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

func TestCreate_PathsAreComputedAndUnique(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		about := w.make(t, NewPage{Slug: "about", Publish: true})
		team := w.make(t, NewPage{Parent: about.ID, Slug: "team", Publish: true, Layout: html("hi")})
		if team.Path != "/about/team" {
			t.Errorf("the path is %q, want /about/team", team.Path)
		}
		_, err := w.Create(w.editor, w.st, NewPage{Parent: about.ID, Slug: "team", Title: team.Title})
		wantKind(t, err, stoa.KindConflict)
		same := w.make(t, NewPage{Parent: about.ID, Title: map[stoa.Locale]string{"en": "Team"}})
		if same.Path != "/about/team-2" {
			t.Errorf("the made path is %q, want /about/team-2", same.Path)
		}
		got, err := w.ByPath(w.guest, w.st.ID, "/about/team/")
		if err != nil || got.ID != team.ID || got.Layout.Sections[0].Columns[0].Widgets[0].Settings["html"] != "hi" {
			t.Errorf("by path: %+v, %v", got, err)
		}
		_, err = w.ByPath(w.guest, w.st.ID, same.Path)
		wantKind(t, err, stoa.KindNotFound)
		if tree, err := w.Tree(w.guest, w.st.ID); err != nil || !slices.Equal(paths(tree), []string{"/about", "/about/team"}) {
			t.Errorf("guests see %v, %v", paths(tree), err)
		}
		if tree, err := w.Tree(w.editor, w.st.ID); err != nil || len(paths(tree)) != 3 {
			t.Errorf("editors see %v, %v", paths(tree), err)
		}
	})
}

func TestCreate_RefusesBadInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.New(t))
	title := map[stoa.Locale]string{"en": "A"}
	wide := Layout{Sections: []Section{{Columns: []Column{{Width: 8}, {Width: 8}}}}}
	for name, n := range map[string]NewPage{
		"no title":        {Slug: "a"},
		"slash":           {Slug: "a/b", Title: title},
		"dots":            {Slug: "..", Title: title},
		"portal's own":    {Slug: "control", Title: title},
		"language":        {Slug: "de", Title: title},
		"script link":     {Slug: "a", Title: title, Type: TypeLink, Target: "javascript:alert(1)"},
		"other host link": {Slug: "a", Title: title, Type: TypeLink, Target: "//evil.example"},
		"type":            {Slug: "a", Title: title, Type: "x"},
		"parent":          {Slug: "a", Title: title, Parent: 4711},
		"too wide":        {Slug: "a", Title: title, Layout: wide},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.Create(w.editor, w.st, n)
			wantKind(t, err, stoa.KindInvalid)
		})
	}
	_, err := w.Create(w.guest, w.st, NewPage{Slug: "a", Title: title})
	wantKind(t, err, stoa.KindUnauthorized)
}

func TestPublish_DraftBecomesVisibleAndKeepsVersions(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.make(t, NewPage{Slug: "a", Publish: true, Layout: html("one")})
		next, err := w.SaveDraft(w.editor, p.ID, html("two"), p.DraftVersion)
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.SaveDraft(w.editor, p.ID, html("lost"), p.DraftVersion)
		wantKind(t, err, stoa.KindConflict)
		text := func() string {
			t.Helper()
			got, err := w.ByPath(w.guest, w.st.ID, "/a")
			if err != nil {
				t.Fatal(err)
			}
			one, _ := got.Layout.Widget("w1")
			return one.Settings["html"]
		}
		if text() != "one" {
			t.Errorf("visitors see %q before publication", text())
		}
		if p, err = w.Publish(w.editor, p.ID, p.Version); err != nil {
			t.Fatal(err)
		}
		if text() != "two" || p.HasDraft || p.Number != 2 || p.DraftVersion != next+1 {
			t.Errorf("after publication: %q, %+v", text(), p)
		}
		_, err = w.Publish(w.editor, p.ID, p.Version-1)
		wantKind(t, err, stoa.KindConflict)
		versions, err := w.Versions(w.editor, p.ID)
		if err != nil || len(versions) != 2 || versions[0].Number != 2 || versions[1].Author != "Ed" {
			t.Fatalf("versions: %+v, %v", versions, err)
		}
		if _, err = w.RestoreVersion(w.editor, p.ID, 1, p.DraftVersion); err != nil {
			t.Fatal(err)
		}
		if p, err = w.Publish(w.editor, p.ID, p.Version); err != nil || text() != "one" {
			t.Errorf("after the restoration visitors see %q, %v", text(), err)
		}
		if p, err = w.Unpublish(w.editor, p.ID, p.Version); err != nil {
			t.Fatal(err)
		}
		_, err = w.ByPath(w.guest, w.st.ID, "/a")
		wantKind(t, err, stoa.KindNotFound)
		_, err = w.SaveDraft(w.guest, p.ID, html("x"), p.DraftVersion)
		wantKind(t, err, stoa.KindUnauthorized)
	})
}

func TestMove_ChangesPathsBelowAndLeavesRedirects(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		a := w.make(t, NewPage{Slug: "a", Publish: true})
		b := w.make(t, NewPage{Slug: "b", Publish: true})
		c := w.make(t, NewPage{Parent: a.ID, Slug: "c", Publish: true})
		if _, err := w.ByPath(w.guest, w.st.ID, "/b/a/c"); !stoa.Is(err, stoa.KindNotFound) { // now cached as not found
			t.Fatal(err)
		}
		if _, err := w.Move(w.editor, a.ID, c.ID, 0, a.Version); !stoa.Is(err, stoa.KindInvalid) {
			t.Fatalf("a page below itself: %v", err)
		}
		moved, err := w.Move(w.editor, a.ID, b.ID, 0, a.Version)
		if err != nil {
			t.Fatal(err)
		}
		if moved.Path != "/b/a" || moved.Version != a.Version+1 {
			t.Errorf("moved: %+v", moved)
		}
		if got, err := w.ByPath(w.guest, w.st.ID, "/b/a/c"); err != nil || got.ID != c.ID {
			t.Errorf("the page below: %v, %v", got.Path, err)
		}
		if to, ok, err := w.Redirect(w.guest, w.st.ID, "/a/c?x=1"); err != nil || !ok || to != "/b/a/c" {
			t.Errorf("the old address leads to %q, %v, %v", to, ok, err)
		}
		_, err = w.Move(w.editor, a.ID, 0, 0, a.Version)
		wantKind(t, err, stoa.KindConflict)
		// Back at the top the page has its address again, which must not lead away from it.
		if _, err = w.Move(w.editor, a.ID, 0, 0, moved.Version); err != nil {
			t.Fatal(err)
		}
		if to, ok, err := w.Redirect(w.guest, w.st.ID, "/a"); err != nil || ok {
			t.Errorf("/a leads to %q, %v", to, err)
		}
		if tree, _ := w.Tree(w.editor, w.st.ID); !slices.Equal(paths(tree), []string{"/a", "/a/c", "/b"}) {
			t.Errorf("the order is %v", paths(tree))
		}
		now, err := w.Get(w.editor, b.ID)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Move(w.editor, b.ID, 0, 0, now.Version); err != nil {
			t.Fatal(err)
		}
		if tree, _ := w.Tree(w.editor, w.st.ID); !slices.Equal(paths(tree), []string{"/b", "/a", "/a/c"}) {
			t.Errorf("the order is %v", paths(tree))
		}
	})
}

func TestUpdate_NewSlugRenamesBelowAndStaleVersionConflicts(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		a := w.make(t, NewPage{Slug: "a", Publish: true})
		w.make(t, NewPage{Parent: a.ID, Slug: "c", Publish: true})
		change := a
		change.Slug, change.Title = "über-uns", map[stoa.Locale]string{"en": "About", "de": "Über uns"}
		got, err := w.Update(w.editor, change)
		if err != nil {
			t.Fatal(err)
		}
		if got.Path != "/über-uns" || got.In("de-AT", "en") != "Über uns" || got.In("fr", "en") != "About" {
			t.Errorf("updated: %+v", got)
		}
		if _, err := w.ByPath(w.guest, w.st.ID, "/über-uns/c"); err != nil {
			t.Error(err)
		}
		_, err = w.Update(w.editor, change)
		wantKind(t, err, stoa.KindConflict)
		wantKind(t, w.Delete(w.editor, a.ID, got.Version), stoa.KindConflict) // a page is below
	})
}

func TestRestricted_OwnGrantsAloneCount(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.make(t, NewPage{Slug: "staff", Publish: true})
		below := w.make(t, NewPage{Parent: p.ID, Slug: "plan", Publish: true})
		p.Restricted = true
		_, err := w.Update(w.editor, p)
		wantKind(t, err, stoa.KindForbidden)
		admin := w.as(t, w.st, access.RoleAdministrator)
		if p, err = w.Update(admin, p); err != nil {
			t.Fatal(err)
		}
		_, err = w.ByPath(w.guest, w.st.ID, below.Path)
		wantKind(t, err, stoa.KindUnauthorized)
		if tree, _ := w.Visible(w.guest, w.st.ID); len(tree) != 0 {
			t.Errorf("guests see %v in the navigation", paths(tree))
		}
		ids, err := w.access.RoleIDs(t.Context(), w.st.Instance)
		if err != nil {
			t.Fatal(err)
		}
		path, err := w.Path(admin, p)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.access.SetGrants(admin, path, []access.Grant{{Role: ids[access.RoleGuest], Resource: path[0], Action: access.View}}); err != nil {
			t.Fatal(err)
		}
		if _, err = w.ByPath(w.guest, w.st.ID, below.Path); err != nil {
			t.Errorf("with a grant of its own: %v", err)
		}
		if err := w.Delete(admin, below.ID, below.Version); err != nil {
			t.Fatal(err)
		}
		_, err = w.ByPath(admin, w.st.ID, below.Path)
		wantKind(t, err, stoa.KindNotFound)
	})
}

func TestUnlock_NeedsThePassword(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.New(t))
	p := w.make(t, NewPage{Slug: "secret", Publish: true, Password: "sesame"})
	_, err := w.Unlock(w.guest, p.ID, "wrong")
	wantKind(t, err, stoa.KindUnauthorized)
	token, err := w.Unlock(w.guest, p.ID, "sesame")
	if err != nil || token == "" || token != p.Unlock {
		t.Fatalf("unlocked with %q, %v; the page has %q", token, err, p.Unlock)
	}
	if err := w.SetPassword(w.editor, p.ID, "other", p.Version); err != nil {
		t.Fatal(err)
	}
	if got, err := w.Live(w.guest, p.ID); err != nil || got.Unlock == token || !got.Protected {
		t.Errorf("a new password must shut out those with the old one: %+v, %v", got, err)
	}
}

func TestMenu_ShowsWhatTheActorMaySee(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		open := w.make(t, NewPage{Slug: "open", Publish: true})
		hidden := w.make(t, NewPage{Slug: "draft"})
		_, err := w.MenuBySlug(w.guest, w.st.ID, "main")
		wantKind(t, err, stoa.KindNotFound)
		m, err := w.SaveMenu(w.editor, Menu{Site: w.st.ID, Name: "Main", Items: []Item{{Page: open.ID}, {Page: hidden.ID},
			{Title: map[stoa.Locale]string{"en": "Out"}, URL: "https://example.org/"}, {Title: map[stoa.Locale]string{"en": "News"}, URL: "/news"}}})
		if err != nil {
			t.Fatal(err)
		}
		got, err := w.MenuBySlug(w.guest, w.st.ID, "main")
		if err != nil {
			t.Fatal(err)
		}
		links, err := w.Links(w.guest, got, "de", "en", "/de")
		if err != nil {
			t.Fatal(err)
		}
		var urls []string
		for _, l := range links {
			urls = append(urls, l.URL)
		}
		if want := "/de/open https://example.org/ /de/news"; strings.Join(urls, " ") != want {
			t.Errorf("the menu leads to %v, want %s", urls, want)
		}
		m.Version--
		_, err = w.SaveMenu(w.editor, m)
		wantKind(t, err, stoa.KindConflict)
		_, err = w.SaveMenu(w.editor, Menu{Site: w.st.ID, Name: "Main"})
		wantKind(t, err, stoa.KindConflict)
		_, err = w.SaveMenu(w.editor, Menu{Site: w.st.ID, Name: "Bad", Items: []Item{{Title: map[stoa.Locale]string{"en": "x"}, URL: "javascript:x"}}})
		wantKind(t, err, stoa.KindInvalid)
	})
}

func TestPublish_OtherNodeSeesIt(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			handles := dbtest.Nodes(t, e, 2)
			w, other := newWorld(t, handles[0]), newNode(t, handles[1])
			p := w.make(t, NewPage{Slug: "a", Publish: true, Layout: html("one")})
			if _, err := w.SaveDraft(w.editor, p.ID, html("two"), p.DraftVersion); err != nil {
				t.Fatal(err)
			}
			guest := other.as(t, w.st, access.RoleGuest)
			see := func() string {
				t.Helper()
				if err := other.log.Poll(t.Context()); err != nil {
					t.Fatal(err)
				}
				got, err := other.ByPath(guest, w.st.ID, "/a")
				if err != nil {
					t.Fatal(err)
				}
				one, _ := got.Layout.Widget("w1")
				return one.Settings["html"]
			}
			if got := see(); got != "one" {
				t.Fatalf("the other node shows %q, want one", got)
			}
			if tree, err := other.Visible(guest, w.st.ID); err != nil || len(tree) != 1 {
				t.Fatalf("%v, %v", paths(tree), err)
			}
			if _, err := w.Publish(w.editor, p.ID, p.Version); err != nil {
				t.Fatal(err)
			}
			w.make(t, NewPage{Slug: "b", Publish: true})
			if got := see(); got != "two" {
				t.Errorf("after publication the other node shows %q, want two", got)
			}
			if tree, err := other.Visible(guest, w.st.ID); err != nil || len(tree) != 2 {
				t.Errorf("the other node's navigation has %v, %v", paths(tree), err)
			}
		})
	}
}

func TestRedirect_QueryOrderDoesNotMatter(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.New(t))
	err := w.d.Write(w.editor, func(ctx context.Context, tx *db.Tx) error {
		return w.AddRedirect(ctx, tx, w.st.ID, "/?p=12&lang=en", "/w/hello")
	})
	if err != nil {
		t.Fatal(err)
	}
	if to, ok, err := w.Redirect(w.guest, w.st.ID, "/?lang=en&p=12"); err != nil || !ok || to != "/w/hello" {
		t.Errorf("leads to %q, %v, %v", to, ok, err)
	}
	if _, ok, err := w.Redirect(w.guest, w.st.ID, "/?p=13"); err != nil || ok {
		t.Errorf("another query: %v, %v", ok, err)
	}
	err = w.d.Write(w.editor, func(ctx context.Context, tx *db.Tx) error {
		return w.AddRedirect(ctx, tx, w.st.ID, "/x", "javascript:alert(1)")
	})
	wantKind(t, err, stoa.KindInvalid)
}

func TestRedirectOfQuery_LooksOnlyAtParametersThatOldAddressesHave(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		ask := func(path, query string) string {
			t.Helper()
			values, err := url.ParseQuery(query)
			if err != nil {
				t.Fatal(err)
			}
			to, _, err := w.RedirectOfQuery(w.guest, w.st.ID, path, values)
			if err != nil {
				t.Fatalf("%s?%s: %v", path, query, err)
			}
			return to
		}
		add := func(from, to string) {
			t.Helper()
			if err := w.d.Write(w.editor, func(ctx context.Context, tx *db.Tx) error { return w.AddRedirect(ctx, tx, w.st.ID, from, to) }); err != nil {
				t.Fatal(err)
			}
		}
		add("/old", "/new")
		if to := ask("/", "p=12"); to != "" { // now cached: no old address has a query
			t.Errorf("no address with a query yet, but it leads to %q", to)
		}
		add("/?p=12", "/w/hello")
		for query, want := range map[string]string{"p=12": "/w/hello", "utm_source=x&p=12&fbclid=1": "/w/hello", "p=13": "", "utm_source=x": "", "": ""} {
			if to := ask("/", query); to != want {
				t.Errorf("/?%s leads to %q, want %q", query, to, want)
			}
		}
		if to := ask("/old", "p=12"); to != "" { // Redirect looks for a path alone, this does not
			t.Errorf("/old?p=12 leads to %q", to)
		}
	})
}
