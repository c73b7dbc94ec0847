package page

import (
	"context"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

// grow copies a page until the site has so many more, in transactions that end in time on a busy machine, too.
func (w *world) grow(t testing.TB, of Page, more int) {
	t.Helper()
	for first := 1; first <= more; first += 1000 {
		err := w.d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, `WITH RECURSIVE n (i) AS (SELECT ? UNION ALL SELECT i + 1 FROM n WHERE i < ?)
				INSERT INTO page_page (id, site, parent, slug, path, path_hash, title, place, hidden, page_type, target, layout,
				draft, published, restricted, password, seo, template, created, modified, modified_by, live_number, version,
				draft_version) SELECT 10000000 + i, site, CASE WHEN i <= 10 THEN 0 ELSE 10000000 + i / 10 END, slug || i,
				path || i, path_hash || i, title, i, hidden, page_type, target, layout, draft, published, restricted, password,
				seo, template, created, modified, modified_by, live_number, version, draft_version
				FROM page_page, n WHERE id = ?`, first, min(first+999, more), of.ID)
			tx.Changed(kindPage, 0, w.st.ID, 0)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// The tree of a large site is kept like that of a small one: each look at it would read all pages otherwise.
func TestTree_OfALargeSiteIsKept(t *testing.T) {
	w := newWorld(t, dbtest.New(t))
	p := w.make(t, NewPage{Slug: "a-page-with-an-address-as-long-as-most", Publish: true,
		Title: map[stoa.Locale]string{"en": "A page with a title as long as most", "de": "Eine Seite wie die meisten"}})
	w.grow(t, p, 20_000)
	for range 3 {
		nodes, err := w.Tree(w.editor, w.st.ID)
		if err != nil || len(nodes) < 10 {
			t.Fatalf("%d pages at the top (%v)", len(nodes), err)
		}
		if list, err := w.Visible(w.guest, w.st.ID); err != nil || len(list) < 10 {
			t.Fatalf("a guest sees %d pages at the top (%v)", len(list), err)
		}
		if _, err := w.Path(w.guest, p); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range w.cache.Stats() {
		if r.TooLarge > 0 {
			t.Errorf("the cache %s has refused %d values as too large", r.Name, r.TooLarge)
		}
		if (r.Name == "page-tree" || r.Name == "page-visible") && r.Loads != 1 {
			t.Errorf("%s was made %d times", r.Name, r.Loads)
		}
	}
}

// What guests see follows the tree and the permissions.
func TestVisible_OfGuestsFollowsPagesAndGrants(t *testing.T) {
	w := newWorld(t, dbtest.New(t))
	p := w.make(t, NewPage{Slug: "open", Publish: true})
	seen := func(what string, want int) {
		t.Helper()
		list, err := w.Visible(w.guest, w.st.ID)
		if err != nil || len(list) != want {
			t.Errorf("%s: guests see %d pages, want %d (%v)", what, len(list), want, err)
		}
	}
	seen("published", 1)
	w.make(t, NewPage{Slug: "other", Publish: true})
	seen("another one", 2)
	admin := w.as(t, w.st, access.RoleAdministrator)
	p.Restricted = true
	p, err := w.Update(admin, p)
	if err != nil {
		t.Fatal(err)
	}
	seen("restricted", 1)
	ids, err := w.access.RoleIDs(t.Context(), w.st.Instance)
	if err != nil {
		t.Fatal(err)
	}
	path, err := w.Path(admin, p)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.access.SetGrants(admin, path,
		[]access.Grant{{Role: ids[access.RoleGuest], Resource: path[0], Action: access.View}}); err != nil {
		t.Fatal(err)
	}
	seen("granted to guests", 2)
	if _, err := w.Unpublish(admin, p.ID, p.Version); err != nil {
		t.Fatal(err)
	}
	seen("withdrawn", 1)
	if list, err := w.Visible(w.editor, w.st.ID); err != nil || len(list) != 1 {
		t.Errorf("the editor sees %d pages in navigation (%v)", len(list), err)
	}
}
