package content_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/asset/assettest"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/site"
)

// bin gives the titles in the recycle bin, the newest first.
func (n *node) bin(t testing.TB, ctx context.Context, st site.Site) []string {
	t.Helper()
	l, err := n.assets.Trash(ctx, st, "", 50)
	must(t, err)
	var out []string
	for _, one := range l.Items {
		out = append(out, one.Title("en"))
	}
	return out
}

func refOf(a content.Article) []asset.Ref { return []asset.Ref{{Kind: "article", ID: a.ID}} }

// read as a binary that knows of no recycle bin reads: by the site, and by the permission on the instance of the row.
func (n *node) found(t testing.TB, st site.Site, id stoa.ID) (listed bool, instance stoa.ID) {
	t.Helper()
	var in int
	must(t, n.d.QueryRow(system(t), "SELECT count(*) FROM content_article a WHERE a.site = ? AND id = ?", st.ID, id).
		Scan(&in))
	must(t, n.d.QueryRow(system(t), "SELECT instance FROM content_article WHERE id = ?", id).Scan(&instance))
	return in > 0, instance
}

func TestTrash_HidesAnArticleAndRestoreBringsAllOfItBack(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node, st site.Site) {
		ctx := system(t)
		tag, err := n.words.AddTag(ctx, st.Instance, st.ID, "Sea")
		must(t, err)
		d := draft("The tides", "<p>High.</p>")
		d.Tags = []stoa.ID{tag}
		a := n.publish(t, st, d)
		d = draft("The tides", "<p>Low.</p>")
		d.Tags = []stoa.ID{tag}
		a, err = n.Save(ctx, a.ID, d, a.Version)
		must(t, err)
		same := func(what string, want int) {
			t.Helper()
			if got := assettest.Same(t, n.d, n.AssetType()); got != want {
				t.Errorf("%s: %d things were compared, want %d", what, got, want)
			}
		}
		before := n.confirmed.Load()
		must(t, n.Trash(ctx, a.ID))
		same("in the bin", 1)
		if n.confirmed.Load() != before+1 {
			t.Error("what visitors saw is taken away: the other nodes have to be waited for")
		}
		_, err = n.Get(ctx, a.ID)
		wantKind(t, err, stoa.KindNotFound, "for editors")
		_, err = n.Live(ctx, a.ID)
		wantKind(t, err, stoa.KindNotFound, "for visitors")
		_, err = n.LiveBySlug(ctx, st, a.Slug)
		wantKind(t, err, stoa.KindNotFound, "by its address")
		wantKind(t, n.Trash(ctx, a.ID), stoa.KindNotFound, "once more")
		l, err := n.List(ctx, st, content.Filter{})
		if must(t, err); l.Total != 0 {
			t.Errorf("%d articles are listed", l.Total)
		}
		if listed, instance := n.found(t, st, a.ID); listed || instance != st.Instance+asset.Hidden {
			t.Errorf("a binary from before lists it (%v), or lets people of the instance %d in", listed, instance)
		}
		assets, err := n.assets.List(ctx, st, asset.Filter{})
		if must(t, err); len(assets.Items) != 0 {
			t.Errorf("the list of all assets has %v", assets.Items)
		}
		if got := n.bin(t, ctx, st); !slices.Equal(got, []string{"The tides"}) {
			t.Fatalf("the bin has %q", got)
		}
		out, err := n.assets.Restore(ctx, refOf(a))
		must(t, err)
		if len(out) != 1 || out[0].Renamed || out[0].Address != content.Address(a.Slug) || out[0].ID != a.ID {
			t.Errorf("restored: %+v", out)
		}
		same("restored", 1)
		now, err := n.Get(ctx, a.ID)
		must(t, err)
		if now.Slug != a.Slug || now.Live != 1 || now.Number != 2 || now.Status != a.Status || now.Site != st.ID ||
			now.Instance != st.Instance || now.Version != a.Version+2 || !slices.Equal(now.Tags, a.Tags) {
			t.Errorf("restored as %+v, was %+v", now, a)
		}
		live, err := n.LiveBySlug(ctx, st, a.Slug)
		must(t, err)
		if !strings.Contains(live.In("en").Body, "High.") {
			t.Errorf("visitors see %q", live.In("en").Body)
		}
		if got := n.bin(t, ctx, st); len(got) != 0 {
			t.Errorf("the bin still has %q", got)
		}
		_, err = n.assets.Restore(ctx, refOf(a))
		wantKind(t, err, stoa.KindNotFound, "restored twice")
		wantKind(t, n.assets.Purge(ctx, refOf(a)), stoa.KindNotFound, "purged where it is not in the bin")
	})
}

func TestTrash_AddressIsFreeAndGetsANumberWhenItIsTaken(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node, st site.Site) {
		ctx := system(t)
		d := draft("The tides", "<p>1</p>")
		d.Slug = "tides"
		var all []content.Article
		for range 3 { // three of them have been at one address
			a := n.publish(t, st, d)
			all = append(all, a)
			must(t, n.Trash(ctx, a.ID))
		}
		out, err := n.assets.Restore(ctx, slices.Concat(refOf(all[1]), refOf(all[0])))
		must(t, err)
		if out[0].Address != "/w/tides" || out[0].Renamed || out[1].Address != "/w/tides-2" || !out[1].Renamed {
			t.Errorf("restored at %+v", out)
		}
		must(t, n.assets.Purge(ctx, refOf(all[2])))
		var rows int
		must(t, n.d.QueryRow(ctx, "SELECT (SELECT count(*) FROM content_text WHERE article = ?) + "+
			"(SELECT count(*) FROM asset_entry WHERE id = ?) + (SELECT count(*) FROM asset_trash)", all[2].ID, all[2].ID).
			Scan(&rows))
		if rows != 0 {
			t.Errorf("%d rows are left of what was purged", rows)
		}
	})
}

func TestTrash_ReferencesAreBrokenMeanwhileAndThoseOfTheBinDoNotCount(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node, st site.Site) {
		ctx := system(t)
		a := n.publish(t, st, draft("The tides", "<p>High.</p>"))
		refers, err := n.Create(ctx, st, draft("Refers", `<p><a href="`+content.Address(a.Slug)+`">tides</a></p>`))
		must(t, err)
		want := func(what string, broken, uses int) {
			t.Helper()
			list, err := n.assets.Broken(ctx, st, "")
			must(t, err)
			used, err := n.assets.Uses(ctx, "article", a.ID)
			if must(t, err); len(list.Items) != broken || len(used.Items)+used.Other != uses {
				t.Errorf("%s: %d references are broken and %d things refer, want %d and %d", what, len(list.Items),
					len(used.Items)+used.Other, broken, uses)
			}
		}
		want("before", 0, 1)
		must(t, n.Trash(ctx, a.ID))
		want("in the bin", 1, 1)
		must(t, n.Trash(ctx, refers.ID))
		want("both in the bin", 0, 0)
		_, err = n.assets.Restore(ctx, slices.Concat(refOf(a), refOf(refers)))
		must(t, err)
		want("restored", 0, 1)
	})
}

func TestTrash_WhatTimePassedForIsNotShownWithoutAPerson(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node, st site.Site) {
		ctx := system(t)
		past := db.Micros(time.Now().Add(-time.Hour))
		scheduled, err := n.Create(ctx, st, draft("Scheduled", "<p>1</p>"))
		must(t, err)
		scheduled, err = n.Publish(ctx, scheduled.ID, scheduled.Version, time.Now().Add(time.Hour))
		must(t, err)
		must(t, n.Trash(ctx, scheduled.ID))
		must(t, n.PublishDue(ctx)) // finds nothing in the bin
		expiring := n.publish(t, st, draft("Expiring", "<p>1</p>"))
		must(t, n.Trash(ctx, expiring.ID))
		must(t, n.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			if _, err := tx.Exec(ctx, "UPDATE content_article SET expire_at = ? WHERE id = ?", past, expiring.ID); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `UPDATE asset_trash SET state = '{"slug":"s","status":"scheduled","pending":1,"publish":1}'
				WHERE id = ?`, scheduled.ID)
			return err
		}))
		_, err = n.assets.Restore(ctx, slices.Concat(refOf(scheduled), refOf(expiring)))
		must(t, err)
		for a, want := range map[stoa.ID]string{scheduled.ID: content.StatusDraft, expiring.ID: content.StatusExpired} {
			got, err := n.Get(ctx, a)
			must(t, err)
			if got.Status != want || got.Live != 0 || got.Pending != 0 {
				t.Errorf("%s is %s, live %d; want %s", got.Slug, got.Status, got.Live, want)
			}
		}
	})
}

func TestTrash_NeedsWhatRemovingNeedsOnTwoNodes(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			handles := dbtest.Nodes(t, e, 2)
			one, two := newNode(t, handles[0]), newNode(t, handles[1])
			st := one.firstSite(t)
			role, err := one.acc.CreateRole(system(t), access.Role{Instance: st.Instance, Name: "Editors"})
			must(t, err)
			must(t, one.acc.SetGrants(system(t), st.Path(), []access.Grant{{Role: role.ID, Action: access.Edit}}))
			editor := stoa.WithActor(t.Context(), stoa.Actor{User: 7, Name: "Ada", Instance: st.Instance,
				Roles: []stoa.ID{role.ID}})
			stranger := stoa.WithActor(t.Context(), stoa.Actor{User: 8, Name: "Bob", Instance: st.Instance + 1, Admin: true,
				Roles: []stoa.ID{role.ID}})
			live := one.publish(t, st, draft("Live", "<p>1</p>"))
			d, err := one.Create(editor, st, draft("Draft", "<p>1</p>"))
			must(t, err)
			must(t, two.log.Poll(t.Context()))
			wantKind(t, two.Trash(editor, live.ID), stoa.KindForbidden, "what visitors see, without Publish")
			wantKind(t, two.Trash(stranger, d.ID), stoa.KindNotFound, "of another instance")
			must(t, two.Trash(editor, d.ID))
			must(t, two.Trash(system(t), live.ID))
			must(t, one.log.Poll(t.Context()))
			_, err = one.Live(system(t), live.ID)
			wantKind(t, err, stoa.KindNotFound, "on the other node")
			l, err := one.assets.Trash(editor, st, "", 1)
			must(t, err)
			if len(l.Items) != 1 || l.Items[0].Title("en") != "Live" || l.Next == "" {
				t.Fatalf("the first page has %+v", l)
			}
			l, err = one.assets.Trash(editor, st, l.Next, 1)
			must(t, err)
			if len(l.Items) != 1 || l.Items[0].Title("en") != "Draft" || l.Items[0].ByName != "Ada" || l.Items[0].By != 7 ||
				l.Items[0].At.IsZero() || l.Next != "" {
				t.Fatalf("the second page has %+v", l)
			}
			_, err = one.assets.Trash(stranger, st, "", 50)
			wantKind(t, err, stoa.KindNotFound, "the bin of another instance")
			for _, do := range []func(context.Context, []asset.Ref) error{
				func(ctx context.Context, r []asset.Ref) error { _, err := one.assets.Restore(ctx, r); return err },
				one.assets.Purge,
			} {
				wantKind(t, do(editor, refOf(live)), stoa.KindForbidden, "what visitors saw, without Publish")
				wantKind(t, do(stranger, refOf(d)), stoa.KindNotFound, "of another instance")
				wantKind(t, do(editor, slices.Concat(refOf(d), refOf(live))), stoa.KindForbidden, "all or none")
			}
			if got := one.bin(t, editor, st); len(got) != 2 {
				t.Errorf("after what was refused the bin has %q", got)
			}
			gone := func(n *node, ctx context.Context, address string) bool {
				t.Helper()
				ok, err := n.assets.Gone(ctx, st.ID, address)
				must(t, err)
				return ok
			}
			guest := one.guest(t, st)
			if gone(one, stranger, content.Address(live.Slug)) {
				t.Error("a person who could not see the article is told of it")
			}
			if !gone(one, guest, content.Address(live.Slug)) || gone(one, guest, content.Address(d.Slug)) {
				t.Error("what was live is gone for who could see it, a draft is not")
			}
			_, err = two.assets.Restore(system(t), refOf(live))
			must(t, err)
			must(t, one.log.Poll(t.Context()))
			if gone(one, guest, content.Address(live.Slug)) {
				t.Error("it is back, and told to be gone on the other node")
			}
			wantKind(t, one.assets.Purge(editor, refOf(live)), stoa.KindNotFound, "not in the bin any more")
			must(t, one.assets.Purge(editor, refOf(d)))
		})
	}
}

func TestPurgeOld_DeletesWhatIsOldAndNoMore(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node, st site.Site) {
		ctx := system(t)
		old, fresh := n.publish(t, st, draft("Old", "<p>1</p>")), n.publish(t, st, draft("Fresh", "<p>1</p>"))
		must(t, n.Trash(ctx, old.ID))
		must(t, n.Trash(ctx, fresh.ID))
		must(t, n.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			for _, q := range []string{
				"UPDATE asset_trash SET trashed = trashed - 7200000000 WHERE id = ?",
				// Of a kind that only a newer binary knows.
				"INSERT INTO asset_trash (kind, id, instance, site, root, address, gone, trashed, " +
					"trashed_by, trashed_by_name, state) SELECT 'later', id, instance, site, root, address, gone, 1, 0, '', '' " +
					"FROM asset_trash WHERE id = ?",
			} {
				if _, err := tx.Exec(ctx, q, old.ID); err != nil {
					return err
				}
			}
			return nil
		}))
		_, err := n.assets.PurgeOld(n.guest(t, st), time.Hour, nil)
		wantKind(t, err, stoa.KindForbidden, "a guest")
		purged, err := n.assets.PurgeOld(ctx, time.Hour, nil)
		if must(t, err); purged != 1 {
			t.Errorf("%d things were purged", purged)
		}
		if got := n.bin(t, ctx, st); !slices.Equal(got, []string{"Fresh"}) {
			t.Errorf("the bin has %q", got)
		}
		var later int
		must(t, n.d.QueryRow(ctx, "SELECT count(*) FROM asset_trash WHERE kind = 'later'").Scan(&later))
		if later != 1 {
			t.Error("what only a newer binary knows was deleted")
		}
	})
}

func TestRestoreTo_AnotherSiteOfTheInstance(t *testing.T) {
	each(t, func(t *testing.T, n *node, st site.Site) {
		ctx := system(t)
		other, err := n.sites.CreateSite(ctx, site.Site{Instance: st.Instance, Slug: "other", Name: "Other", Locale: "en"})
		must(t, err)
		inst, theirs, err := n.sites.CreateInstance(ctx, site.Defaults{WebID: "else.com", HostName: "else.com", Name: "Else",
			SiteSlug: "x", SiteName: "X", Locale: "en", TimeZone: "UTC"})
		must(t, err)
		if inst.ID == st.Instance {
			t.Fatal("there is one instance")
		}
		tag, err := n.words.AddTag(ctx, st.Instance, st.ID, "Sea")
		must(t, err)
		d := draft("The tides", "<p>High.</p>")
		d.Tags = []stoa.ID{tag}
		a := n.publish(t, st, d)
		n.publish(t, other, draft("The tides", "<p>Others.</p>")) // has the address there
		role, err := n.acc.CreateRole(ctx, access.Role{Instance: st.Instance, Name: "Of one site"})
		must(t, err)
		must(t, n.acc.SetGrants(ctx, st.Path(), []access.Grant{{Role: role.ID, Action: access.Publish}}))
		editor := stoa.WithActor(t.Context(), stoa.Actor{User: 7, Instance: st.Instance, Roles: []stoa.ID{role.ID}})
		must(t, n.Trash(editor, a.ID))
		_, err = n.assets.RestoreTo(editor, refOf(a), asset.Place{Site: other.ID})
		if !stoa.Is(err, stoa.KindNotFound) && !stoa.Is(err, stoa.KindForbidden) {
			t.Fatalf("to a site without a right there: %v", err)
		}
		_, err = n.assets.RestoreTo(ctx, refOf(a), asset.Place{Site: theirs.ID})
		wantKind(t, err, stoa.KindInvalid, "to a site of another instance")
		must(t, n.acc.SetGrants(ctx, other.Path(), []access.Grant{{Role: role.ID, Action: access.Publish}}))
		out, err := n.assets.RestoreTo(editor, refOf(a), asset.Place{Site: other.ID})
		must(t, err)
		if out[0].Address != "/w/the-tides-2" || !out[0].Renamed {
			t.Errorf("restored as %+v", out)
		}
		now, err := n.Get(ctx, a.ID)
		must(t, err)
		if now.Site != other.ID || now.Live == 0 || len(now.Tags) != 0 {
			t.Errorf("restored as %+v", now)
		}
		if got := assettest.Same(t, n.d, n.AssetType()); got != 2 {
			t.Errorf("%d things were compared", got)
		}
		l, err := n.assets.List(ctx, other, asset.Filter{Words: "tides"})
		if must(t, err); len(l.Items) != 2 {
			t.Errorf("the other site lists %+v", l.Items)
		}
		if l, err := n.assets.List(ctx, st, asset.Filter{Words: "tides"}); err != nil || len(l.Items) != 0 {
			t.Errorf("the first site lists %+v, %v", l.Items, err)
		}
	})
}
