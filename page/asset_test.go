package page

import (
	"context"
	"slices"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/asset/assettest"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

func TestEntry_IsAsThePageAfterEachChange(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		admin := w.as(t, w.st, access.RoleAdministrator)
		same := func(what string, want int) {
			t.Helper()
			t.Log(what)
			if n := assettest.Same(t, d, w.AssetType()); n != want {
				t.Errorf("%s: %d things were compared, there are %d", what, n, want)
			}
		}
		above := w.make(t, NewPage{Slug: "about", Publish: true, Layout: html("a")})
		p := w.make(t, NewPage{Slug: "team", Layout: html("b")})
		same("made", 2)
		_, err := w.SaveDraft(w.editor, p.ID, html("c"), p.DraftVersion)
		must(t, err)
		same("draft", 2)
		p, err = w.Publish(w.editor, p.ID, p.Version)
		must(t, err)
		same("published", 2)
		v, err := w.SaveDraft(w.editor, p.ID, html("d"), p.DraftVersion)
		must(t, err)
		v, err = w.DiscardDraft(w.editor, p.ID, v)
		must(t, err)
		_, err = w.RestoreVersion(w.editor, p.ID, 1, v)
		must(t, err)
		same("restored", 2)
		p, err = w.Move(admin, p.ID, above.ID, 0, p.Version)
		must(t, err)
		same("moved", 2)
		p.Title, p.Slug, p.Restricted = map[stoa.Locale]string{"en": "The crew", "de": "Das Team"}, "crew", true
		p, err = w.Update(admin, p)
		must(t, err)
		same("changed", 2)
		must(t, w.SetPassword(admin, p.ID, "secret", p.Version))
		same("password", 2)
		p, err = w.Get(admin, p.ID)
		must(t, err)
		p, err = w.Unpublish(admin, p.ID, p.Version)
		must(t, err)
		same("withdrawn", 2)
		must(t, w.Delete(admin, p.ID, p.Version))
		same("deleted", 1)
	})
}

// An entry is asked for along the way that the page has now, as the page is.
func TestEntry_MayWhatThePageAllows(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.New(t))
	admin := w.as(t, w.st, access.RoleAdministrator)
	open := w.make(t, NewPage{Slug: "open", Publish: true})
	draft := w.make(t, NewPage{Slug: "draft"})
	own, err := w.Create(admin, w.st, NewPage{Slug: "own", Title: map[stoa.Locale]string{"en": "Own"}, Publish: true,
		Restricted: true, Position: -1})
	must(t, err)
	may := w.AssetType().May
	for _, c := range []struct {
		id            stoa.ID
		guest, editor bool
	}{{open.ID, true, true}, {draft.ID, false, true}, {own.ID, false, false}, {999_999, false, false}} {
		e := asset.Entry{Kind: "page", ID: c.id, Site: w.st.ID, Instance: w.st.Instance}
		if got := may(w.guest, access.View, e) == nil; got != c.guest {
			t.Errorf("a guest may view page %d: %v", c.id, got)
		}
		if got := may(w.editor, access.Edit, e) == nil; got != c.editor {
			t.Errorf("an editor may edit page %d: %v", c.id, got)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// What follows the change log compares versions, so rows that name a page tell its own or none.
func TestMove_TellsNoOtherVersionThanThatOfThePage(t *testing.T) {
	w := newWorld(t, dbtest.New(t))
	admin := w.as(t, w.st, access.RoleAdministrator)
	above := w.make(t, NewPage{Slug: "about", Publish: true})
	below := w.make(t, NewPage{Slug: "team", Publish: true})
	child, err := w.Create(admin, w.st, NewPage{Slug: "crew", Title: map[stoa.Locale]string{"en": "Crew"}, Publish: true,
		Parent: below.ID, Position: -1})
	must(t, err)
	_, err = w.Move(admin, below.ID, 0, 0, below.Version)
	must(t, err)
	below, err = w.Get(admin, below.ID)
	must(t, err)
	_, err = w.Move(admin, below.ID, above.ID, 0, below.Version)
	must(t, err)
	for _, id := range []stoa.ID{above.ID, below.ID, child.ID} {
		p, err := w.Get(admin, id)
		must(t, err)
		var most int64
		must(t, w.d.QueryRow(admin, "SELECT MAX(version) FROM change_log WHERE kind = 'page' AND thing = ?", id).Scan(&most))
		if most > p.Version {
			t.Errorf("the change log tells the version %d of page %d, which has %d", most, id, p.Version)
		}
	}
}

// An editor changes a draft many times, so what it refers to is worked out by the follower, which gathers; what
// visitors get is worked out at once.
func TestDraft_ReferencesAreWorkedOutLater(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		assets := assettest.Service(t, d, w.AssetType())
		w.assets = assets
		refers := func() (n int) {
			t.Helper()
			must(t, d.QueryRow(t.Context(), "SELECT COUNT(*) FROM asset_link WHERE address = '/nowhere' AND broken = ?", true).
				Scan(&n))
			return n
		}
		follow := func(change string, id stoa.ID) {
			t.Helper()
			ctx := stoa.WithActor(t.Context(), stoa.SystemActor())
			must(t, d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
				_, err := assets.Follow(ctx, tx, []asset.Named{{Change: change, ID: id}})
				return err
			}))
		}
		p := w.make(t, NewPage{Slug: "team", Publish: true, Layout: html("a")})
		v, err := w.SaveDraft(w.editor, p.ID, html(`<a href="/nowhere">b</a>`), p.DraftVersion)
		must(t, err)
		if n := refers(); n != 0 {
			t.Errorf("the save of a draft has worked out %d references", n)
		}
		follow("page-draft", p.ID)
		if n := refers(); n != 1 {
			t.Errorf("%d references after the draft was told", n)
		}
		_, err = w.SaveDraft(w.editor, p.ID, html("c"), v)
		must(t, err)
		follow("page-draft", p.ID)
		if n := refers(); n != 0 {
			t.Errorf("%d references of a draft that was replaced", n)
		}
		p, err = w.Get(w.editor, p.ID)
		must(t, err)
		_, err = w.SaveDraft(w.editor, p.ID, html(`<a href="/nowhere">d</a>`), p.DraftVersion)
		must(t, err)
		_, err = w.Publish(w.editor, p.ID, p.Version)
		must(t, err)
		if n := refers(); n != 1 {
			t.Errorf("%d references of what was published", n)
		}
	})
}

func TestLinks_OfAWidgetAreTheSameEachTime(t *testing.T) {
	l := Single(Placed{ID: "w1", Widget: "banner", Settings: map[string]string{
		"a": "/one", "b": "/two", "c": "/three", "d": "/four", "e": "/five", "article": "6"}})
	want := l.links(partLive, nil)
	for range 50 {
		if got := l.links(partLive, nil); !slices.Equal(got, want) {
			t.Fatalf("%v, and then %v", want, got)
		}
	}
}
