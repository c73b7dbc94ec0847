package content_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/site"
)

func TestSaveThen_IsOneTransactionAndAllOrNothing(t *testing.T) {
	each(t, func(t *testing.T, n *node, st site.Site) {
		ctx := system(t)
		later := func(hours int) *time.Time { at := time.Now().Add(time.Duration(hours) * time.Hour); return &at }
		never := new(time.Time)
		for what, then := range map[string]content.Then{
			"an expiry that has passed":          {Expire: later(-1), Publish: true},
			"an expiry before the publication":   {Expire: later(1), Publish: true, At: *later(2)},
			"an expiry that has passed, no more": {Expire: later(-1)},
		} {
			_, err := n.CreateThen(ctx, st, draft("The tides", "<p>High.</p>"), then)
			if !stoa.Is(err, stoa.KindInvalid) {
				t.Errorf("%s: %v", what, err)
			}
		}
		var made int
		must(t, n.d.QueryRow(ctx, "SELECT COUNT(*) FROM content_article").Scan(&made))
		if made != 0 {
			t.Errorf("%d articles were made by forms that were refused", made)
		}
		a, err := n.CreateThen(ctx, st, draft("The tides", "<p>High.</p>"),
			content.Then{Expire: later(5), Publish: true, At: *later(2)})
		must(t, err)
		if a.Status != content.StatusScheduled || a.Expire.IsZero() || a.Publish.IsZero() {
			t.Errorf("made as %+v", a)
		}
		changed := draft("The tides of March", "<p>Low.</p>")
		for what, then := range map[string]content.Then{
			"an expiry before the publication": {Expire: later(1)},
			"a publication after the expiry":   {Publish: true, At: *later(9)},
		} {
			if _, err := n.SaveThen(ctx, a.ID, changed, a.Version, then); !stoa.Is(err, stoa.KindInvalid) {
				t.Errorf("%s: %v", what, err)
			}
			if _, err := n.Do(ctx, a.ID, a.Version, "", then); !stoa.Is(err, stoa.KindInvalid) {
				t.Errorf("%s, without a text: %v", what, err)
			}
		}
		if _, err := n.SaveThen(ctx, a.ID, changed, a.Version-1, content.Then{Publish: true}); !stoa.Is(err,
			stoa.KindConflict) {
			t.Errorf("a stale version: %v", err)
		}
		now, err := n.Get(ctx, a.ID)
		must(t, err)
		if now.Version != a.Version || now.Number != 1 || now.Text["en"].Title != "The tides" || now.Live != 0 {
			t.Errorf("something was saved: %+v", now)
		}
		now, err = n.SaveThen(ctx, a.ID, changed, a.Version, content.Then{Expire: never, Publish: true})
		must(t, err)
		if now.Number != 2 || now.Live != 2 || now.Status != content.StatusPublished || !now.Expire.IsZero() {
			t.Errorf("saved as %+v", now)
		}
		// New tags come with the save, or not at all.
		tagged := changed
		tagged.NewTags = []string{"Sea", "Moon"}
		_, err = n.SaveThen(ctx, a.ID, tagged, now.Version, content.Then{Expire: later(-1)})
		if !stoa.Is(err, stoa.KindInvalid) {
			t.Errorf("an expiry that has passed: %v", err)
		}
		var tags int
		must(t, n.d.QueryRow(ctx, "SELECT COUNT(*) FROM taxonomy_tag").Scan(&tags))
		if tags != 0 {
			t.Errorf("%d tags were left by a save that was refused", tags)
		}
		now, err = n.SaveThen(ctx, a.ID, tagged, now.Version, content.Then{})
		must(t, err)
		if len(now.Tags) != 2 {
			t.Errorf("it has the tags %v", now.Tags)
		}
		tagged.NewTags = []string{strings.Repeat("a", 191)}
		if _, err := n.Save(ctx, a.ID, tagged, now.Version); !stoa.Is(err, stoa.KindInvalid) {
			t.Errorf("a tag that is too long: %v", err)
		}
		// An author saves and does not publish; a stranger does neither.
		roles, err := n.acc.RoleIDs(ctx, st.Instance)
		must(t, err)
		role := roles[access.RoleUser]
		must(t, n.acc.SetGrants(ctx, st.Path(), []access.Grant{{Role: role, Action: access.Edit}}))
		author := stoa.WithActor(t.Context(), stoa.Actor{User: 9, Instance: st.Instance, Roles: []stoa.ID{role}})
		if _, err := n.SaveThen(author, a.ID, changed, now.Version, content.Then{Publish: true}); !stoa.Is(err,
			stoa.KindForbidden) {
			t.Errorf("an author publishes: %v", err)
		}
		stranger := stoa.WithActor(t.Context(), stoa.Actor{User: 9, Instance: st.Instance + 1, Admin: true})
		if _, err := n.Do(stranger, a.ID, now.Version, "", content.Then{Publish: true}); !stoa.Is(err, stoa.KindNotFound) {
			t.Errorf("an administrator of another instance publishes: %v", err)
		}
		if again, err := n.Get(ctx, a.ID); err != nil || again.Version != now.Version {
			t.Errorf("something was saved: %+v, %v", again, err)
		}
	})
}
