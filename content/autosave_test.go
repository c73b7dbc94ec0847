package content_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/site"
)

// editor is a person of the instance who may edit the site.
func (n *node) editor(t *testing.T, st site.Site, user stoa.ID) context.Context {
	t.Helper()
	ids, err := n.acc.RoleIDs(system(t), st.Instance)
	must(t, err)
	return stoa.WithActor(t.Context(), stoa.Actor{User: user, Instance: st.Instance, Name: fmt.Sprint("Person ", user),
		Roles: []stoa.ID{ids[access.RoleEditor]}})
}

func typed(tab string, article stoa.ID, title, body string) content.Autosave {
	return content.Autosave{Tab: tab, Article: article, Locale: "en", Version: 1,
		Fields: map[string][]string{"title": {title}, "body": {body}, "categories": {"1", "2"}}}
}

func (n *node) changes(t *testing.T) (count int) {
	t.Helper()
	must(t, n.d.QueryRow(t.Context(), "SELECT count(*) FROM change_log").Scan(&count))
	return count
}

func TestAutosave_TypedOnOneNodeIsReadOnTheOtherByItsPersonOnly(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			handles := dbtest.Nodes(t, e, 2)
			one, two := newNode(t, handles[0]), newNode(t, handles[1])
			st := one.firstSite(t)
			must(t, two.log.Poll(t.Context()))
			a, err := one.Create(system(t), st, draft("Tides", "<p>High</p>"))
			must(t, err)
			ann := func(n *node) context.Context { return n.editor(t, st, 71) }
			before := one.changes(t)
			must(t, one.Autosave(ann(one), st, typed("w1", a.ID, "Tïdes 🌊 today", "<p>Hi\x00</p>")))
			must(t, one.Autosave(ann(one), st, typed("w1", a.ID, "Tïdes 🌊 tonight",
				`<p onclick="x()">Hi</p><script>x</script>`)))
			if n := one.changes(t); n != before {
				t.Errorf("typing wrote %d rows of the change log", n-before)
			}
			got, err := two.Autosaved(ann(two), "w1")
			must(t, err)
			if got.Title != "Tïdes 🌊 tonight" || got.Fields["body"][0] != "<p>Hi</p>" || len(got.Fields["categories"]) != 2 ||
				got.Article != a.ID || got.Site != st.ID || got.Saved.IsZero() {
				t.Errorf("%+v", got)
			}
			list, err := two.Autosaves(ann(two), st, a.ID)
			must(t, err)
			if len(list) != 1 || list[0].Tab != "w1" || list[0].Fields != nil {
				t.Errorf("list %+v", list)
			}
			now, err := two.Get(system(t), a.ID)
			must(t, err)
			if now.Version != a.Version || now.In("en").Title != "Tides" {
				t.Errorf("typing changed the article: %+v", now)
			}

			// Another editor has nothing of it, nor has one of another instance, and a guest is to sign in.
			bob := two.editor(t, st, 72)
			_, err = two.Autosaved(bob, "w1")
			wantKind(t, err, stoa.KindNotFound, "read by another editor")
			list, err = two.Autosaves(bob, st, a.ID)
			must(t, err)
			if len(list) != 0 {
				t.Errorf("another editor is offered %+v", list)
			}
			must(t, two.DropAutosave(bob, "w1"))
			must(t, two.Autosave(bob, st, typed("w1", a.ID, "Bob", "")))
			_, err = two.Autosaved(ann(two), "w1")
			must(t, err)
			_, other, err := one.sites.CreateInstance(system(t), site.Defaults{WebID: "other.example", HostName: "other.example",
				Name: "Other", SiteName: "Guest", SiteSlug: "guest", Locale: "en", TimeZone: "UTC"})
			must(t, err)
			must(t, two.log.Poll(t.Context()))
			stranger := one.editor(t, other, 71) // even with the same number
			for what, err := range map[string]error{
				"write to the article": one.Autosave(stranger, st, typed("x1", a.ID, "Mine", "")),
				"write to the site":    one.Autosave(stranger, st, typed("x2", 0, "Mine", "")),
				"from their own site":  one.Autosave(stranger, other, typed("x3", a.ID, "Mine", "")),
				"read":                 func() error { _, err := one.Autosaved(stranger, "w1"); return err }(),
				"list":                 func() error { _, err := one.Autosaves(stranger, st, a.ID); return err }(),
			} {
				if !stoa.Is(err, stoa.KindForbidden) && !stoa.Is(err, stoa.KindNotFound) {
					t.Errorf("an editor of another instance may %s: %v", what, err)
				}
			}
			wantKind(t, one.Autosave(one.guest(t, st), st, typed("g", a.ID, "", "")), stoa.KindUnauthorized, "a guest")
		})
	}
}

func TestAutosave_SaveTakesItAwayAndALateRequestDoesNotBringItBack(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node, st site.Site) {
		ann := n.editor(t, st, 71)
		gone := func(what, tab string) {
			t.Helper()
			_, err := n.Autosaved(ann, tab)
			wantKind(t, err, stoa.KindNotFound, what)
			wantKind(t, n.Autosave(ann, st, typed(tab, 0, "late", "")), stoa.KindConflict, what+": a late request")
			_, err = n.Autosaved(ann, tab)
			wantKind(t, err, stoa.KindNotFound, what+" after a late request")
		}
		must(t, n.Autosave(ann, st, typed("new", 0, "New", "")))
		d := draft("New", "")
		d.Autosave = "new"
		a, err := n.Create(ann, st, d)
		must(t, err)
		gone("created", "new")

		must(t, n.Autosave(ann, st, typed("again", a.ID, "Again", "")))
		d.Autosave = "again"
		_, err = n.Save(ann, a.ID, d, a.Version+7)
		wantKind(t, err, stoa.KindConflict, "a stale save")
		_, err = n.Autosaved(ann, "again")
		must(t, err) // nothing was saved: it is still there
		_, err = n.Save(ann, a.ID, d, a.Version)
		must(t, err)
		gone("saved", "again")

		must(t, n.Autosave(ann, st, typed("away", a.ID, "Away", "")))
		must(t, n.DropAutosave(ann, "away"))
		gone("discarded", "away")

		must(t, n.Autosave(ann, st, typed("deleted", a.ID, "Deleted", "")))
		must(t, n.Delete(ann, a.ID))
		_, err = n.Autosaved(ann, "deleted")
		wantKind(t, err, stoa.KindNotFound, "of an article that was deleted")
	})
}

func TestAutosave_KeepsWithinItsLimits(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node, st site.Site) {
		ann := n.editor(t, st, 71)
		must(t, n.Autosave(ann, st, typed("full", 0, "Full", strings.Repeat("x", content.MaxBody))))
		long := typed("over", 0, "Over", strings.Repeat("x", content.MaxBody+1))
		wantKind(t, n.Autosave(ann, st, long), stoa.KindTooLarge, "a long text")
		wantKind(t, n.Autosave(ann, st, typed("over", 0, strings.Repeat("x", 65<<10), "")), stoa.KindTooLarge, "a long title")
		wantKind(t, n.Autosave(ann, st, typed("", 0, "No name", "")), stoa.KindInvalid, "no window")
		must(t, n.Autosave(n.editor(t, st, 72), st, typed("other", 0, "Of another person", "")))
		for i := range content.MaxAutosaves {
			must(t, n.Autosave(ann, st, typed(fmt.Sprint("w", i), 0, "T", "")))
		}
		list, err := n.Autosaves(ann, st, 0)
		must(t, err)
		if len(list) != content.MaxAutosaves || list[0].Tab != fmt.Sprint("w", content.MaxAutosaves-1) {
			t.Errorf("%d are kept, the newest %q", len(list), list[0].Tab)
		}
		_, err = n.Autosaved(ann, "full")
		wantKind(t, err, stoa.KindNotFound, "the oldest")

		prune := func(ctx context.Context, in time.Duration) error {
			return n.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
				return n.PruneAutosavesTx(ctx, tx, time.Now().Add(in))
			})
		}
		wantKind(t, prune(ann, 0), stoa.KindForbidden, "a person who prunes")
		must(t, prune(system(t), content.AutosaveAge-time.Hour))
		_, err = n.Autosaved(ann, "w7")
		must(t, err)
		must(t, prune(system(t), content.AutosaveAge+time.Hour))
		_, err = n.Autosaved(ann, "w7")
		wantKind(t, err, stoa.KindNotFound, "of 30 days ago")
	})
}
