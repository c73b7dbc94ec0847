package page

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/asset/assettest"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/recycle"
)

func refOf(p Page) []asset.Ref { return []asset.Ref{{Kind: kindPage, ID: p.ID}} }

func TestTrash_TakesPagesBelowAlongAndRestoreBringsAllBack(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		admin := w.as(t, w.st, access.RoleAdministrator)
		assets := assettest.Service(t, d, w.AssetType())
		about := w.make(t, NewPage{Slug: "about", Publish: true, Layout: html("a")})
		w.make(t, NewPage{Slug: "news", Publish: true, Layout: html("n")})
		team := w.make(t, NewPage{Parent: about.ID, Slug: "team", Publish: true, Layout: html("t")})
		w.make(t, NewPage{Parent: team.ID, Slug: "ann", Publish: true, Layout: html("x")})
		draft := w.make(t, NewPage{Parent: team.ID, Slug: "bob", Layout: html("x")})
		all := []string{"/about", "/about/team", "/about/team/ann", "/about/team/bob", "/news"}
		same := func(what string, n int, visible ...string) {
			t.Helper()
			if got := assettest.Same(t, d, w.AssetType()); got != n {
				t.Errorf("%s: %d things were compared, want %d", what, got, n)
			}
			tree, err := w.Tree(admin, w.st.ID)
			if must(t, err); !slices.Equal(paths(tree), visible) {
				t.Errorf("%s: the tree has %q, want %q", what, paths(tree), visible)
			}
		}
		about, err := w.Get(admin, about.ID)
		must(t, err)
		wantKind(t, w.Trash(admin, about.ID, about.Version+1), stoa.KindConflict)
		wantKind(t, w.Trash(w.guest, about.ID, about.Version), stoa.KindUnauthorized)
		must(t, w.Trash(w.editor, about.ID, about.Version))
		same("in the bin", 5, "/news")
		for _, path := range all[:4] {
			_, err := w.ByPath(w.guest, w.st.ID, path)
			wantKind(t, err, stoa.KindNotFound)
		}
		_, err = w.Get(admin, team.ID)
		wantKind(t, err, stoa.KindNotFound)
		_, err = w.Live(admin, team.ID)
		wantKind(t, err, stoa.KindNotFound)
		bin, err := assets.Trash(w.editor, w.st, "", 10)
		must(t, err)
		if len(bin.Items) != 1 || bin.Items[0].ID != about.ID || bin.Items[0].ByName != "Ed" {
			t.Fatalf("the bin has %+v", bin.Items)
		}
		_, err = assets.Restore(admin, refOf(team))
		wantKind(t, err, stoa.KindNotFound) // with the page that took it along, not alone
		wantKind(t, assets.Purge(admin, refOf(team)), stoa.KindNotFound)
		out, err := assets.Restore(w.editor, refOf(about))
		must(t, err)
		if out[0].Address != "/about" || out[0].Renamed {
			t.Errorf("restored: %+v", out)
		}
		same("restored", 5, all...)
		if p, err := w.ByPath(w.guest, w.st.ID, "/about/team/ann"); err != nil || p.Layout.Sections == nil {
			t.Errorf("a guest gets %+v, %v", p, err)
		}
		_, err = w.ByPath(w.guest, w.st.ID, "/about/team/bob")
		wantKind(t, err, stoa.KindNotFound) // still a draft

		about, err = w.Get(admin, about.ID)
		must(t, err)
		must(t, w.Trash(w.editor, about.ID, about.Version))
		w.make(t, NewPage{Slug: "about", Publish: true, Layout: html("new")}) // takes the address
		out, err = assets.Restore(w.editor, refOf(about))
		must(t, err)
		if out[0].Address != "/about-2" || !out[0].Renamed {
			t.Errorf("restored: %+v", out)
		}
		same("numbered", 6, "/about-2", "/about-2/team", "/about-2/team/ann", "/about-2/team/bob", "/news", "/about")

		about, err = w.Get(admin, about.ID)
		must(t, err)
		must(t, w.Trash(w.editor, about.ID, about.Version))
		must(t, assets.Purge(w.editor, refOf(about)))
		same("purged", 2, "/news", "/about")
		var rows int
		must(t, d.QueryRow(admin, "SELECT (SELECT count(*) FROM page_version WHERE page = ?) + "+
			"(SELECT count(*) FROM page_page WHERE id = ?) + (SELECT count(*) FROM asset_trash)", draft.ID,
			draft.ID).Scan(&rows))
		if rows != 0 {
			t.Errorf("%d rows are left", rows)
		}
	})
}

func TestTrash_GrantsOfPagesHoldInTheBinAndWithoutThePageAbove(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		admin := w.as(t, w.st, access.RoleAdministrator)
		assets := assettest.Service(t, d, w.AssetType())
		shut, err := w.Create(admin, w.st, NewPage{Slug: "shut", Publish: true, Restricted: true,
			Title: map[stoa.Locale]string{"en": "Shut"}, Position: -1, Layout: html("s")})
		must(t, err)
		below, err := w.Create(admin, w.st, NewPage{Parent: shut.ID, Slug: "below", Publish: true,
			Title: map[stoa.Locale]string{"en": "Below"}, Position: -1, Layout: html("b")})
		must(t, err)
		wantKind(t, w.Trash(w.editor, shut.ID, shut.Version), stoa.KindNotFound)
		must(t, w.Trash(admin, below.ID, below.Version))
		shut, err = w.Get(admin, shut.ID)
		must(t, err)
		must(t, w.Trash(admin, shut.ID, shut.Version)) // what is below is in the bin already
		if l, err := assets.Trash(w.editor, w.st, "", 10); err != nil || len(l.Items) != 0 {
			t.Errorf("an editor who may not see the pages is shown %+v, %v", l.Items, err)
		}
		if l, err := assets.Trash(admin, w.st, "", 10); err != nil || len(l.Items) != 2 {
			t.Errorf("the bin has %+v, %v", l.Items, err)
		}
		for _, p := range []Page{shut, below} {
			_, err := assets.Restore(w.editor, refOf(p))
			wantKind(t, err, stoa.KindNotFound)
			wantKind(t, assets.Purge(w.editor, refOf(p)), stoa.KindNotFound)
		}
		_, err = assets.Restore(admin, refOf(below))
		if wantKind(t, err, stoa.KindConflict); !errors.Is(err, recycle.ErrNoPlace) { // the page above is there, too
			t.Errorf("%v does not ask for a place", err)
		}
		must(t, assets.Purge(admin, refOf(shut)))
		if l, err := assets.Trash(w.editor, w.st, "", 10); err != nil || len(l.Items) != 0 {
			t.Errorf("without the page above, an editor is shown %+v, %v", l.Items, err)
		}
		_, err = assets.Restore(w.editor, refOf(below))
		wantKind(t, err, stoa.KindForbidden)
		if _, err = assets.Restore(admin, refOf(below)); !errors.Is(err, recycle.ErrNoPlace) {
			t.Errorf("restored to a place that is gone: %v", err)
		}
		_, err = assets.RestoreTo(w.editor, refOf(below), asset.Place{})
		wantKind(t, err, stoa.KindForbidden)
		out, err := assets.RestoreTo(admin, refOf(below), asset.Place{})
		must(t, err)
		now, err := w.Get(admin, below.ID)
		must(t, err)
		if out[0].Address != "/below" || now.Published || now.Parent != 0 {
			t.Errorf("restored at %+v as %+v, want a draft at the top", out, now)
		}
	})
}

func TestTrash_MenusAndOldAddressesComeBackUnlessTheirPlaceIsTaken(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		assets := assettest.Service(t, d, w.AssetType())
		must(t, assets.RegisterBin(w.MenuBin(), w.RedirectBin()))
		stranger := stoa.WithActor(t.Context(), stoa.Actor{User: 8, Instance: w.st.Instance + 1, Admin: true})
		m, err := w.SaveMenu(w.editor, Menu{Site: w.st.ID, Name: "Main",
			Items: []Item{{URL: "/a", Title: map[stoa.Locale]string{"en": "A"}}}})
		must(t, err)
		ref := []asset.Ref{{Kind: kindMenu, ID: m.ID}}
		wantKind(t, w.TrashMenu(w.editor, m.ID, m.Version+1), stoa.KindConflict)
		wantKind(t, w.TrashMenu(stranger, m.ID, m.Version), stoa.KindNotFound)
		must(t, w.TrashMenu(w.editor, m.ID, m.Version))
		if list, err := w.Menus(w.editor, w.st.ID); err != nil || len(list) != 0 {
			t.Errorf("the site has %+v, %v", list, err)
		}
		_, err = w.MenuBySlug(w.editor, w.st.ID, "main")
		wantKind(t, err, stoa.KindNotFound)
		_, err = w.Menu(w.editor, m.ID)
		wantKind(t, err, stoa.KindNotFound)
		_, err = assets.Restore(stranger, ref)
		wantKind(t, err, stoa.KindNotFound)
		_, err = w.SaveMenu(w.editor, Menu{Site: w.st.ID, Name: "Main"})
		must(t, err)
		out, err := assets.Restore(w.editor, ref)
		must(t, err)
		if now, err := w.Menu(w.editor, m.ID); err != nil || now.Slug != "main-2" || len(now.Items) != 1 || !out[0].Renamed {
			t.Errorf("restored as %+v, %v", now, err)
		}

		lead := func(to string) stoa.ID {
			t.Helper()
			must(t, d.Write(w.editor, func(ctx context.Context, tx *db.Tx) error {
				return w.AddRedirect(ctx, tx, w.st.ID, "/old", to)
			}))
			list, err := w.Redirects(w.editor, w.st.ID, 10)
			must(t, err)
			return list[0].ID
		}
		leads := func() string {
			t.Helper()
			to, _, err := w.Redirect(w.guest, w.st.ID, "/old")
			must(t, err)
			return to
		}
		id := lead("/new")
		ref = []asset.Ref{{Kind: kindRedirect, ID: id}}
		wantKind(t, w.TrashRedirect(stranger, w.st.ID, id), stoa.KindNotFound)
		must(t, w.TrashRedirect(w.editor, w.st.ID, id))
		if to := leads(); to != "" {
			t.Errorf("what is in the bin leads to %q", to)
		}
		lead("/newer")
		_, err = assets.Restore(w.editor, ref)
		wantKind(t, err, stoa.KindConflict)
		list, err := w.Redirects(w.editor, w.st.ID, 10)
		must(t, err)
		must(t, w.TrashRedirect(w.editor, w.st.ID, list[0].ID))
		must(t, assets.Purge(w.editor, []asset.Ref{{Kind: kindRedirect, ID: list[0].ID}}))
		old := w.make(t, NewPage{Slug: "old", Publish: true, Layout: html("o")})
		_, err = assets.Restore(w.editor, ref)
		wantKind(t, err, stoa.KindConflict) // it would hide the page
		must(t, w.Trash(w.editor, old.ID, old.Version))
		_, err = assets.Restore(w.editor, ref)
		must(t, err)
		if to := leads(); to != "/new" {
			t.Errorf("restored, it leads to %q", to)
		}
	})
}

func TestRestoreTo_AnotherParentNeedsWhatMovingNeeds(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		admin := w.as(t, w.st, access.RoleAdministrator)
		assets := assettest.Service(t, d, w.AssetType())
		shut, err := w.Create(admin, w.st, NewPage{Slug: "shut", Publish: true, Restricted: true,
			Title: map[stoa.Locale]string{"en": "Shut"}, Position: -1, Layout: html("s")})
		must(t, err)
		role, err := w.access.CreateRole(admin, access.Role{Instance: w.st.Instance, Name: "Board"})
		must(t, err)
		path, err := w.Path(admin, shut)
		must(t, err)
		must(t, w.access.SetGrants(admin, path, []access.Grant{{Role: role.ID, Action: access.Publish}}))
		ids, err := w.access.RoleIDs(admin, w.st.Instance)
		must(t, err)
		board := stoa.WithActor(t.Context(), stoa.Actor{User: 5, Instance: w.st.Instance,
			Roles: []stoa.ID{ids[access.RoleEditor], role.ID}})
		below := w.make(t, NewPage{Slug: "plans", Publish: true, Layout: html("b")})
		leaf := w.make(t, NewPage{Parent: below.ID, Slug: "one", Publish: true, Layout: html("b")})
		must(t, w.Trash(board, below.ID, below.Version))
		_, err = assets.RestoreTo(w.editor, refOf(below), asset.Place{Parent: shut.ID})
		wantKind(t, err, stoa.KindNotFound) // the editor may not know of the page above
		_, err = assets.RestoreTo(board, refOf(below), asset.Place{Parent: leaf.ID})
		wantKind(t, err, stoa.KindInvalid) // below itself
		_, err = assets.RestoreTo(board, refOf(below), asset.Place{Parent: shut.ID})
		wantKind(t, err, stoa.KindForbidden) // the role Board could do more with it there
		out, err := assets.RestoreTo(admin, refOf(below), asset.Place{Parent: shut.ID})
		must(t, err)
		if out[0].Address != "/shut/plans" {
			t.Errorf("restored at %q", out[0].Address)
		}
		below, err = w.Get(board, below.ID)
		must(t, err)
		must(t, w.Trash(board, below.ID, below.Version))
		_, err = assets.RestoreTo(board, refOf(below), asset.Place{}) // there more people could read it
		wantKind(t, err, stoa.KindForbidden)
		_, err = assets.RestoreTo(admin, refOf(below), asset.Place{})
		must(t, err)
		if p, err := w.ByPath(w.guest, w.st.ID, "/plans/one"); err != nil || p.ID != leaf.ID {
			t.Errorf("a guest gets %+v, %v", p, err)
		}
		if got := assettest.Same(t, d, w.AssetType()); got != 3 {
			t.Errorf("%d things were compared", got)
		}
	})
}

func TestRestore_KeepsToTheLevelsThatPagesCanBeNested(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		admin := w.as(t, w.st, access.RoleAdministrator)
		assets := assettest.Service(t, d, w.AssetType())
		create := func(slug string, parent stoa.ID, restricted bool) Page {
			t.Helper()
			p, err := w.Create(admin, w.st, NewPage{Slug: slug, Parent: parent, Publish: true, Restricted: restricted,
				Title: map[stoa.Locale]string{"en": slug}, Position: -1, Layout: html(slug)})
			must(t, err)
			return p
		}
		level := make([]Page, maxDepth+1) // the first is the top, which is no page
		for i := range maxDepth {
			level[i+1] = create("l", level[i].ID, i == 0)
		}
		one := create("one", 0, false)
		two := create("two", one.ID, false)
		three := create("three", two.ID, false)
		must(t, w.Trash(admin, one.ID, one.Version))
		for _, to := range []Page{level[maxDepth], level[maxDepth-1], level[maxDepth-2]} {
			_, err := assets.RestoreTo(admin, refOf(one), asset.Place{Parent: to.ID})
			wantKind(t, err, stoa.KindInvalid)
		}
		_, err := assets.RestoreTo(admin, refOf(one), asset.Place{Parent: level[maxDepth-3].ID})
		must(t, err)
		if _, err = w.ByPath(w.guest, w.st.ID, level[maxDepth-3].Path+"/one/two/three"); err == nil {
			t.Error("a guest reads a page below one that is restricted")
		}
		one, err = w.Get(admin, one.ID)
		must(t, err)
		one, err = w.Move(admin, one.ID, 0, -1, one.Version)
		must(t, err)
		two, err = w.Get(admin, two.ID)
		must(t, err)
		create("four", three.ID, false)
		must(t, w.Trash(admin, two.ID, two.Version))
		_, err = w.Move(admin, one.ID, level[maxDepth-1].ID, -1, one.Version) // deeper than it was
		must(t, err)
		_, err = assets.Restore(admin, refOf(two))
		wantKind(t, err, stoa.KindInvalid)
		must(t, assets.Purge(admin, refOf(two)))
	})
}

func TestPath_OfAPageBelowTooManyIsOpenToNoGuest(t *testing.T) {
	w := newWorld(t, dbtest.New(t))
	admin := w.as(t, w.st, access.RoleAdministrator)
	all := make([]Page, 20)
	for i := range all {
		n := NewPage{Slug: "p" + stoa.ID(i+1).String(), Publish: true, Restricted: i == 0, Position: -1,
			Title: map[stoa.Locale]string{"en": "P"}, Layout: html("p")}
		var err error
		all[i], err = w.Create(admin, w.st, n)
		must(t, err)
	}
	must(t, w.d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error { // as a bug had left them
		for i, p := range all[1:] {
			if _, err := tx.Exec(ctx, "UPDATE page_page SET parent = ? WHERE id = ?", all[i].ID, p.ID); err != nil {
				return err
			}
			tx.Changed(kindPage, p.ID, w.st.ID, 0)
		}
		return nil
	}))
	for i, p := range all {
		if _, err := w.ByPath(w.guest, w.st.ID, p.Path); err == nil {
			t.Errorf("a guest reads the page on level %d", i+1)
		}
		if _, err := w.ByPath(admin, w.st.ID, p.Path); err != nil {
			t.Errorf("an administrator does not reach the page on level %d: %v", i+1, err)
		}
	}
	lost := Page{ID: 1 << 40, Site: w.st.ID, Parent: 1<<40 + 1} // the page above is not known here
	path, err := w.Path(admin, lost)
	must(t, err)
	if w.access.Can(w.guest, access.View, path) {
		t.Error("a guest reads a page of which not all that is above it is known")
	}
}
